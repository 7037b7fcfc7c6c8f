//! When somebody registers, a screening is due. When somebody is erased, what was declared and seen of them goes too.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{Aggregate as _, Call, Failure, Kind, Ledger, Reaction, Record, day_of, reason};
use proto::{
    Fact as _,
    registry::v1::resident_event::{Corrected, Event, Registered},
    screening::v1::{
        self,
        case_event::{Assessed, Opened, PhonesChanged},
    },
};

use crate::{
    assessor::{Addition, refused},
    domain::{
        case::{Case, Refused, first_case_of},
        inquiry::Inquiry,
    },
    footprints::Footprints,
    projections::{cases, methods},
    rejudging::{Records, unreadable},
    scanning::about,
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

    /// R5: the cases of somebody whose numbers were put right go by the new ones.
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
        let (case, version) = self.ledger.load::<Case>(case_id).await?;
        let changed = case.phones_change(corrected.phones, &corrected.former_places, &corrected.correction_id);
        let verdict = if case.is_complete_with(&changed) { self.verdict(&case, &changed, call).await? } else { None };
        let decide = |case: &Case, now: u64| {
            if now == version { case.change_phones(&changed, verdict.as_ref()) } else { Err(Refused::Stale) }
        };
        match self.ledger.transact(call, case_id, decide, |_: &Case, _| ()).await {
            // Somebody is at work on it: the reaction is tried again.
            Err(Failure::Refused(refusal)) if refusal.kind == Kind::Stale => return Err(Failure::Contended),
            done => drop(done?),
        }
        self.end_questions(case_id, &case, corrected, call).await
    }

    /// What a carrier still owes about a number that stands elsewhere now, or nowhere, is asked no more: whatever it answered
    /// would be taken for the number in its place.
    async fn end_questions(
        &self,
        case_id: &str,
        case: &Case,
        corrected: &Corrected,
        call: &Call,
    ) -> Result<(), Failure> {
        let former = &corrected.former_places;
        let stays = |place: i32| {
            usize::try_from(place - 1).ok().and_then(|at| former.get(at)).is_some_and(|before| *before == place)
        };
        if former.len() != usize::try_from(corrected.phones).unwrap_or_default() {
            return Ok(());
        }
        let replace = |inquiry: &Inquiry, _| inquiry.replace(about(case), &corrected.correction_id, stays);
        self.ledger.transact(&call.derive("questions"), case_id, replace, |_: &Inquiry, _| ()).await.map(drop)
    }

    /// What the case says once it goes by numbers all of which were scanned. Nothing where nobody can say: the case
    /// then waits for whoever asks for its verdict.
    async fn verdict(&self, case: &Case, changed: &PhonesChanged, call: &Call) -> Result<Option<Assessed>, Failure> {
        let mut db = self.records.views.connection().await.map_err(unreadable)?;
        let Some(method) = methods::in_force(&mut db, call.now).await? else { return Ok(None) };
        drop(db);
        let mut after = case.clone();
        for event in case.change_phones(changed, None).map_err(refused)?.events {
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
