//! What is due by the clock: disputes that nobody answered go up (R24), verdicts set by hand end (R23), and what findings say
//! about carriers is counted. One task of the replica that leads. It remembers nothing that the log does not say: what is due
//! is asked of the views, a decision that was taken already is no event, and ids of commands derive from what they are about.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chassis::{Call, Failure, Kind, Lease, Ledger, secrets::Secrets, telemetry::meter};
use chrono::{DateTime, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use proto::{
    Fact as _,
    screening::v1::{
        Source,
        carrier_error_event::Counted,
        case_event::{Assessed, DisputeResolved, Event},
    },
};

use crate::{
    assessor::Addition,
    domain::{
        carrier_error::CarrierError,
        case::{Case, Refused},
    },
    hour::Hour,
    mistaken::mistaken,
    projections::{disputes, methods, overrides},
    rejudging::{Records, unreadable},
};

pub(crate) struct Timekeeper {
    pub(crate) ledger: Ledger,
    pub(crate) records: Records,
    pub(crate) hour: Hour,
    pub(crate) lease: Lease,
    pub(crate) secrets: Arc<Secrets>,
    /// Findings up to this position of the log are counted, as far as this process knows.
    pub(crate) counted: AtomicI64,
}

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

impl Timekeeper {
    /// Until the process ends.
    pub(crate) async fn run(self) {
        let late = meter()
            .i64_gauge("screening_disputes_late")
            .with_description("Disputes that are open past their time")
            .build();
        let mut failures: u32 = 0;
        loop {
            let mut pause = LOOK;
            if self.lease.leads() {
                match self.look().await {
                    Ok(count) => {
                        failures = 0;
                        late.record(count, &[]);
                    }
                    Err(failure) if self.lease.leads() => {
                        failures += 1;
                        let error = format!("{:#}", anyhow::Error::new(failure));
                        tracing::warn!(error, failures, "what is due by the clock fails and is tried again");
                        pause = Duration::from_millis(100 << failures.min(7));
                    }
                    // Another replica leads by now.
                    Err(_) => {}
                }
            } else {
                late.record(0, &[]);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// All that is due now; how many disputes are late.
    async fn look(&self) -> Result<i64, Failure> {
        let now = self.hour.now().await?;
        let mut db = self.records.views.connection().await.map_err(unreadable)?;
        let (going_up, late) = (disputes::going_up(&mut db, now).await?, disputes::late(&mut db, now).await?);
        let (ending, struck) = (
            overrides::ending(&mut db, now).await?,
            disputes::struck(&mut db, self.counted.load(Ordering::Relaxed)).await?,
        );
        drop(db);
        let mut due = Vec::with_capacity(going_up.len() + ending.len());
        for case_id in &going_up {
            due.push((&**case_id, self.escalate(case_id, now).boxed()));
        }
        for case_id in &ending {
            due.push((&**case_id, self.end_overrides(case_id, now).boxed()));
        }
        let done = each(due).await;
        let counted = self.count_all(&struck).await;
        done.and(counted).map(|()| late)
    }

    /// In the order of the log: what comes behind one that fails is counted once that one is.
    async fn count_all(&self, struck: &[disputes::Struck]) -> Result<(), Failure> {
        for finding in struck {
            self.count(finding).await?;
            self.counted.store(finding.position, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Each decision is made for one version of the case, and named after it: said again, it is the same one.
    async fn escalate(&self, case_id: &str, now: DateTime<Utc>) -> Result<(), Failure> {
        let (case, version) = self.ledger.load::<Case>(case_id).await?;
        if case.escalate(now).map_or(true, |decision| decision.events.is_empty()) {
            return Ok(());
        }
        let call = Call::by_itself("screening", now, &format!("escalation:{case_id}:{version}"));
        let decide = |case: &Case, at| if at == version { case.escalate(now) } else { Err(Refused::Stale) };
        forgiving(self.ledger.transact(&call, case_id, decide, |_: &Case, _| ()).await.map(drop))
    }

    async fn end_overrides(&self, case_id: &str, now: DateTime<Utc>) -> Result<(), Failure> {
        let (case, version) = self.ledger.load::<Case>(case_id).await?;
        if case.end_overrides(None, now).map_or(true, |decision| decision.events.is_empty()) {
            return Ok(());
        }
        let verdict = self.by_method(&case, now).await?;
        let call = Call::by_itself("screening", now, &format!("override-end:{case_id}:{version}"));
        let decide = |case: &Case, at| {
            if at == version { case.end_overrides(verdict.as_ref(), now) } else { Err(Refused::Stale) }
        };
        forgiving(self.ledger.transact(&call, case_id, decide, |_: &Case, _| ()).await.map(drop))
    }

    /// What the method in force says, weighed for the day of the first verdict; nothing of somebody who was erased.
    async fn by_method(&self, case: &Case, now: DateTime<Utc>) -> Result<Option<Assessed>, Failure> {
        let mut db = self.records.views.connection().await.map_err(unreadable)?;
        let in_force = methods::in_force(&mut db, now).await?;
        drop(db);
        let (Some(method), Some(known)) = (in_force, case.verdict()) else { return Ok(None) };
        let assessor = &self.records.assessor;
        let rules = assessor.rules(&method.version).await?;
        let as_of = known.as_of.parse().unwrap_or_else(|_| chassis::day_of(now));
        match assessor.assess(case, Addition::default(), &rules, as_of).await {
            Ok(verdict) => Ok(Some(verdict)),
            Err(Failure::Refused(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A finding's errors, in streams whose ids lead nobody back to the person. What was counted stays counted: findings are
    /// looked at again after each start, long after the answers to old commands are forgotten.
    async fn count(&self, finding: &disputes::Struck) -> Result<(), Failure> {
        let position = u64::try_from(finding.position).unwrap_or_default();
        let record = self.ledger.log().read(position.saturating_sub(1), 1).await?.into_iter().next();
        let Some(record) = record else { return Ok(()) };
        let Event::DisputeResolved(resolved) = Event::from_payload(&record.payload).map_err(anyhow::Error::from)?
        else {
            return Ok(());
        };
        let happened = record.occurred_at.as_ref().and_then(chassis::instant).unwrap_or_default();
        // The hour of the finding would say as much as its name.
        let day = chassis::day_of(happened);
        let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
        for (number, error) in self.errors(&finding.case_id, &resolved).await?.into_iter().enumerate() {
            let about = format!("{}:{}:{number}", finding.case_id, record.version);
            let id = self.secrets.pseudonym("carrier errors", &about);
            let counted = Counted { day: day.to_string(), ..error };
            let count = |known: &CarrierError, _| known.count(&counted);
            let call = Call::by_itself("screening", midnight, &format!("carrier-error:{id}"));
            self.ledger.transact(&call, &id, count, |_: &CarrierError, _| ()).await?;
        }
        Ok(())
    }

    async fn errors(&self, case_id: &str, resolved: &DisputeResolved) -> Result<Vec<Counted>, Failure> {
        let (case, _) = self.ledger.load::<Case>(case_id).await?;
        let (Some(declaration), Some(verdict)) = (case.declaration(), case.verdict()) else { return Ok(Vec::new()) };
        let assessor = &self.records.assessor;
        let as_of = verdict.as_of.parse().unwrap_or_default();
        let person = match assessor.person(as_of, case.phones(), declaration, case.evidence(), case.struck()).await {
            Ok(person) => person,
            // Nobody can tell any more what was struck.
            Err(Failure::Refused(_)) => return Ok(Vec::new()),
            Err(failure) => return Err(failure),
        };
        let at = |struck: &proto::screening::v1::StruckVisit| {
            let scan = case.evidence().iter().position(|evidence| evidence.evidence_id == struck.evidence_id)?;
            Some((scan, usize::try_from(struck.index).ok()?))
        };
        let visits: Vec<(usize, usize)> = resolved.struck.iter().filter_map(at).collect();
        let rules = assessor.rules(&verdict.method_version).await?;
        let (learned, _) = assessor.learned().await?;
        let found = mistaken(&person, &visits, &rules, &learned);
        // Only carriers are counted.
        Ok(found
            .into_iter()
            .filter(|error| matches!(error.source, Source::Mobile | Source::Unicom | Source::Telecom))
            .map(|error| Counted {
                source: error.source.into(),
                city: error.city.map(|code| code.to_string()).unwrap_or_default(),
                instead: error.instead.to_string(),
                day: String::new(),
            })
            .collect())
    }
}

/// A case whose record cannot be opened keeps nobody else waiting; the last failure is told once all had their turn.
async fn each(due: Vec<(&str, BoxFuture<'_, Result<(), Failure>>)>) -> Result<(), Failure> {
    let mut done = Ok(());
    for (case_id, act) in due {
        if let Err(failure) = act.await {
            tracing::warn!(case_id, %failure, "what is due in a case cannot be done");
            done = Err(failure);
        }
    }
    done
}

/// Somebody else was faster: the next look finds what is left.
fn forgiving(done: Result<(), Failure>) -> Result<(), Failure> {
    match done {
        Err(Failure::Refused(refusal)) if refusal.kind == Kind::Stale => Ok(()),
        Err(Failure::Contended) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_case_that_fails_keeps_nobody_else_waiting_and_is_told() {
        let done = Mutex::new(Vec::new());
        let act = async |case_id: &'static str, sound: bool| {
            done.lock().unwrap().push(case_id);
            if sound { Ok(()) } else { Err(Failure::Fault(anyhow::anyhow!("garbled"))) }
        };
        let due = vec![("1", act("1", false).boxed()), ("2", act("2", true).boxed())];
        assert!(each(due).await.is_err());
        assert_eq!(*done.lock().unwrap(), ["1", "2"]);
    }
}
