//! Gives out passes: numbers them in order of issue, and writes their codes. A number is held by a reservation on its
//! index, which also leads from a scanned pass to its holder without any read model in between.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, anyhow};
use chassis::{Call, Decision, Done, Failure, Ledger, Views};
use credential::{keys::Scope, number::PassNumber};
use proto::pass::v1::{Access, Pass, PassKind, holder_event::Event};
use tokio::sync::OnceCell;
use tonic::Status;

use crate::{
    codes::Codes,
    desk::{self, Written},
    domain::{
        holder::{self, Holder, Issue, Refused},
        keyring::Keyring,
    },
    projections::{holders, method::Methods, residents::Home},
    resources,
    roll::Roll,
    timekeeping::Timekeeper,
};

/// Scope of the reservations: a status index belongs to one holder, for ever.
const STATUS_INDEX: &str = "status index";

/// How many indices are tried when others have been taken since the numbering was read.
const ATTEMPTS: usize = 10_000;

#[derive(Clone)]
pub(crate) struct Issuing {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
    pub(crate) methods: Arc<Methods>,
    pub(crate) codes: Codes,
    pub(crate) timekeeper: Timekeeper,
    pub(crate) last_index: Arc<OnceCell<AtomicU32>>,
}

/// What is asked for.
pub(crate) struct Wanted<'a> {
    /// Says when a pass is given; a method of the holder.
    pub(crate) by: fn(&Holder, Issue) -> Result<Vec<Event>, Refused>,
    pub(crate) resident: &'a str,
    pub(crate) home: &'a Home,
    pub(crate) surname: &'a str,
    pub(crate) kind: PassKind,
    pub(crate) access: Access,
}

impl Issuing {
    /// Gives a pass, or finds the one that is still good, and writes its code. The code holds the surname, so it is never
    /// stored: the same pass always makes the same code.
    pub(crate) async fn give(&self, call: &Call, wanted: Wanted<'_>) -> Result<Done<Pass>, Status> {
        let ring = self.timekeeper.turn_keys(call.now).await?;
        let mut done = self.number(call, &wanted, &ring).await?;
        let (holder, _) = self.ledger.load::<Holder>(wanted.resident).await?;
        let pass = holder.find_pass(&done.reply.number).context("finding the pass that was issued");
        let written = pass.and_then(|pass| self.write(call, &wanted, pass, &ring)).map_err(Failure::Fault)?;
        done.reply.code = written.code;
        done.reply.phone = written.phone;
        Ok(done)
    }

    fn write(&self, call: &Call, wanted: &Wanted<'_>, pass: &holder::Pass, ring: &Keyring) -> anyhow::Result<Written> {
        let desk = &self.timekeeper.desk;
        if wanted.kind == PassKind::Phone {
            let known = ring.signing(Scope::Passes, desk::hour(call.now)?).context("finding the key that signs now")?;
            return desk.phone(pass, wanted.surname, known, call.now);
        }
        let known = ring.signed(pass.key_id, desk::hour(pass.issued)?).context("finding the key of the pass")?;
        desk.paper(pass, wanted.surname, known)
    }

    async fn number(&self, call: &Call, wanted: &Wanted<'_>, ring: &Keyring) -> Result<Done<Pass>, Status> {
        let Wanted { by, resident, home, access, .. } = wanted;
        let mut reading = self.views.reading(call);
        let method = self.methods.in_force(&mut reading, call.now).await?;
        drop(reading);
        let (pass_days, limits) = method.map(|method| (method.pass_days, method.limits)).unzip();
        let limits = limits.unwrap_or_default();
        // The pass is of where the qualification says that they live, or where the register does: both are given numbers.
        let (holder, _) = self.ledger.load::<Holder>(resident).await?;
        let lives = holder.qualification.as_ref().map_or(&home.residence, |qualification| &qualification.residence);
        let place = (lives.compound_id.as_str(), lives.neighbourhood_id.as_str());
        let compound = self.codes.number(call, place, &[], true).await?;
        let signing = ring.signing(Scope::Passes, desk::hour(call.now).map_err(Failure::Fault)?);
        let key_id = signing.context("finding the key that signs now").map_err(Failure::Fault)?.key.id;
        // A recall that its caller has seen is known here; where the record is still being read, the pass there is stays.
        self.timekeeper.remembered.caught_up(call).await.ok();
        for _ in 0..ATTEMPTS {
            let index = self.next_index().await?;
            let number = self.timekeeper.desk.number(index, &call.id("pass number"));
            let number = number.ok_or_else(|| Failure::Fault(anyhow!("all status indices are used up")))?;
            let decide = |holder: &Holder, _| -> Result<_, Refused> {
                let recalled = holder.pass().is_some_and(|pass| self.timekeeper.roll.recalled(pass));
                let (now, access) = (call.now, *access);
                let events = by(holder, Issue { number, now, pass_days, key_id, recalled, access, limits, compound })?;
                let new = !events.is_empty();
                let decision =
                    Decision::new(events).office(home.residence.neighbourhood_id.as_str()).subject(*resident);
                Ok(if new { decision.reserve(STATUS_INDEX, index.to_be_bytes()) } else { decision })
            };
            let reply = |holder: &Holder, _| resources::pass(resident, holder).unwrap_or_default();
            match self.ledger.transact(call, resident, decide, reply).await {
                Err(Failure::Reserved { scope, .. }) if scope == STATUS_INDEX => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(Failure::Contended.into())
    }

    /// One that was handed out and not used leaves a gap, which harms nobody.
    async fn next_index(&self) -> Result<u32, Status> {
        let highest = || async {
            let mut db = self.views.connection().await?;
            holders::highest_index(&mut db).await.map(AtomicU32::new).map_err(resources::fault)
        };
        let last = self.last_index.get_or_try_init(highest).await?;
        Ok(last.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }
}

/// The resident whose pass has this number; `None` when it is none of ours. A number is only as good as its random part,
/// so the index alone finds nobody. Whose an index is never changes, so memory may say it; how they stand says the log.
pub(crate) async fn holder_of(
    ledger: &Ledger,
    roll: &Roll,
    number: PassNumber,
) -> Result<Option<(String, Arc<Holder>)>, Failure> {
    let remembered = roll.holder_of(number).map(|(resident, _)| resident.to_string());
    let resident = match remembered {
        Some(resident) => Some(resident),
        None => ledger.reserved(STATUS_INDEX, number.index().to_be_bytes()).await?,
    };
    let Some(resident) = resident else { return Ok(None) };
    let (holder, _) = ledger.load::<Holder>(&resident).await?;
    let ours = holder.find_pass(&number.to_string()).is_some();
    Ok(ours.then_some((resident, holder)))
}
