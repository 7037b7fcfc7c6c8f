//! Gives compounds their numbers.

use std::{convert::Infallible, sync::Arc};

use chassis::{Call, Failure, Ledger};

use crate::{
    desk::Desk,
    domain::compound_code::{CompoundCode, SCOPE},
};

#[derive(Clone)]
pub(crate) struct Codes {
    pub(crate) ledger: Ledger,
    pub(crate) desk: Arc<Desk>,
}

/// More compounds than anybody has are alike with a chance that needs no thought.
const ATTEMPTS: u32 = 1_000;

impl Codes {
    /// All that stands for it in codes that are out; for gates.
    pub(crate) async fn all(&self, compound: &str) -> Result<Vec<u16>, Failure> {
        let (known, _) = self.ledger.load::<CompoundCode>(compound).await?;
        Ok(known.all(self.desk.compound(compound)))
    }

    /// Its number, given where it has none yet. `others`: what derives from the ids of compounds that may not have theirs yet.
    /// `older`: passes may have been issued for it already.
    pub(crate) async fn number(
        &self,
        call: &Call,
        (compound, office): (&str, &str),
        others: &[u16],
        older: bool,
    ) -> Result<u16, Failure> {
        for attempt in 0..ATTEMPTS {
            let (known, _) = self.ledger.load::<CompoundCode>(compound).await?;
            if let Some(code) = known.code {
                return Ok(code);
            }
            let code = self.desk.compound_candidate(compound, attempt);
            if others.contains(&code) {
                continue;
            }
            let decide =
                |known: &CompoundCode, _| -> Result<_, Infallible> { Ok(known.number(code, older).office(office)) };
            let call = call.derive(format!("compound code/{attempt}"));
            match self.ledger.transact::<CompoundCode, (), _, _, _>(&call, compound, decide, |_, _| ()).await {
                Ok(_) => {}
                Err(Failure::Reserved { scope, .. }) if scope == SCOPE => {
                    tracing::info!(compound, code, "another compound has this number: it gets another one");
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Contended)
    }
}
