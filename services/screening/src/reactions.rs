//! When somebody registers, a screening is due. When somebody is erased, what was declared and seen of them goes too.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{Aggregate as _, Call, Failure, Kind, Ledger, Reaction, Record, day_of, reason};
use proto::{
    Fact as _,
    registry::v1::resident_event::{Corrected, Event, Registered},
    screening::v1::{
        self,
        case_event::{Assessed, Opened},
    },
};

use crate::{
    assessor::{Addition, refused},
    domain::case::{Case, Refused, first_case_of},
    footprints::Footprints,
    projections::{cases, methods},
    rejudging::{Records, unreadable},
};

pub struct Reactions {
    ledger: Ledger,
    records: Records,
    footprints: Arc<Footprints>,
}

/// How long the views may take to show what is in the log.
const PATIENCE: Duration = Duration::from_secs(10);

impl Reactions {
    pub(crate) fn new(records: Records, footprints: Arc<Footprints>) -> Self {
        Self { ledger: records.assessor.ledger.clone(), records, footprints }
    }

    async fn erase(&self, resident_id: &str) -> Result<(), Failure> {
        self.records.assessor.vault.destroy(resident_id).await?;
        self.footprints.forget(resident_id);
        Ok(())
    }

    /// R5: the cases of somebody whose numbers were put right go by the new count.
    async fn change_phones(&self, resident_id: &str, corrected: &Corrected, call: &Call) -> Result<(), Failure> {
        self.records.caught_up(PATIENCE).await?;
        let mut db = self.records.views.connection().await.map_err(unreadable)?;
        let cases = cases::of_resident(&mut db, resident_id).await?;
        drop(db);
        for case_id in cases {
            self.change_phones_of(&case_id, corrected, &call.derive(&case_id)).await?;
        }
        Ok(())
    }

    async fn change_phones_of(&self, case_id: &str, corrected: &Corrected, call: &Call) -> Result<(), Failure> {
        let Corrected { phones, correction_id, .. } = corrected;
        let (case, version) = self.ledger.load::<Case>(case_id).await?;
        let verdict = if case.is_complete_with(*phones) { self.verdict(&case, corrected, call).await? } else { None };
        let decide = |case: &Case, now: u64| {
            if now == version {
                case.change_phones(*phones, correction_id, verdict.as_ref())
            } else {
                Err(Refused::Stale)
            }
        };
        match self.ledger.transact(call, case_id, decide, |_: &Case, _| ()).await {
            // Somebody is at work on it: the reaction is tried again.
            Err(Failure::Refused(refusal)) if refusal.kind == Kind::Stale => Err(Failure::Contended),
            done => done.map(drop),
        }
    }

    /// What the case says once it goes by fewer numbers, all of which were scanned. Nothing where nobody can say: the case
    /// then waits for whoever asks for its verdict.
    async fn verdict(&self, case: &Case, corrected: &Corrected, call: &Call) -> Result<Option<Assessed>, Failure> {
        let mut db = self.records.views.connection().await.map_err(unreadable)?;
        let Some(method) = methods::in_force(&mut db, call.now).await? else { return Ok(None) };
        drop(db);
        let mut after = case.clone();
        for event in case.change_phones(corrected.phones, &corrected.correction_id, None).map_err(refused)?.events {
            after.evolve(&event);
        }
        let assessor = &self.records.assessor;
        let rules = assessor.rules(&method.version).await?;
        match assessor.assess(&after, Addition::default(), &rules, day_of(call.now)).await {
            Ok(verdict) => Ok(Some(verdict)),
            Err(Failure::Refused(_) | Failure::Fault(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
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
            Event::MovedOut(_) => {
                self.footprints.forget(&record.stream_id);
                Ok(())
            }
            Event::Corrected(corrected) => self.change_phones(&record.stream_id, &corrected, call).await,
            // A case goes on under the record that it was opened for.
            Event::Revealed(_) | Event::Merged(_) | Event::Unmerged(_) => Ok(()),
        }
    }
}
