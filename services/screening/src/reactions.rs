//! When somebody registers, a screening is due. When somebody is erased, what was declared and seen of them goes too.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::{Call, Failure, Ledger, Reaction, Record, Vault, reason};
use proto::{
    Fact as _,
    registry::v1::resident_event::{Event, Registered},
    screening::v1::{self, case_event::Opened},
};

use crate::{
    domain::case::{Case, first_case_of},
    footprints::Footprints,
};

pub struct Reactions {
    ledger: Ledger,
    vault: Vault,
    footprints: Arc<Footprints>,
}

impl Reactions {
    pub(crate) fn new(ledger: Ledger, vault: Vault, footprints: Arc<Footprints>) -> Self {
        Self { ledger, vault, footprints }
    }

    async fn erase(&self, resident_id: &str) -> Result<(), Failure> {
        self.vault.destroy(resident_id).await?;
        self.footprints.forget(resident_id);
        Ok(())
    }

    async fn open_case(&self, resident_id: &str, registered: Registered, call: &Call) -> Result<(), Failure> {
        let opened = Opened {
            resident_id: resident_id.to_owned(),
            residence: registered.residence,
            phones: registered.phones,
            occasion: "registered".to_owned(),
        };
        let case_id = first_case_of(resident_id);
        let open = |case: &Case, _| case.open(&opened);
        match self.ledger.transact::<Case, v1::Case, _, _, _>(call, &case_id, open, |_, _| v1::Case::default()).await {
            // Their case is open already: nothing is due.
            Err(Failure::Refused(refusal)) if refusal.reason == reason(v1::Refusal::AlreadyOpen.as_str_name()) => {
                Ok(())
            }
            Err(failure) => Err(failure),
            Ok(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Reaction for Reactions {
    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn react(&self, record: &Record, call: &Call) -> Result<(), Failure> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        match Event::from_payload(&record.payload).map_err(anyhow::Error::from)? {
            Event::Registered(registered) => self.open_case(&record.stream_id, registered, call).await,
            Event::Erased(_) => self.erase(&record.stream_id).await,
            // A case goes on under the number of phones with which it was opened (R5), and under the record that it was
            // opened for.
            Event::MovedOut(_) | Event::Revealed(_) | Event::Corrected(_) | Event::Merged(_) | Event::Unmerged(_) => {
                Ok(())
            }
        }
    }
}
