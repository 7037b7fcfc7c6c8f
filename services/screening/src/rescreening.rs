//! Once a version of the method is in force, everybody whose record it touches gets another verdict without another scan
//! (R25). One task of the replica that leads: it finds out which version is due, judges whom it touches, and writes down how
//! far it is; after a crash it goes on from there. Its commands' ids derive from version and case, so that a verdict that was
//! given already is not given twice. It waits for its own commits alone, so everybody else's commands go in between.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use chassis::{Call, Clock, Failure, Kind, Lease, Ledger, timestamp};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    Fact as _,
    event::v1::Sealed,
    screening::v1::{method_event, rescreening_event::SetAside},
};
use tokio::sync::Notify;

use crate::{
    assessor::Addition,
    domain::{
        case::{Case, Refused},
        rescreening::{Count, Rescreening},
    },
    footprints::{Footprints, Touched},
    hour::Hour,
    projections::{
        methods::{self, Published},
        papers,
    },
    rejudging::{Records, Rejudging, unreadable},
};

mod words;

pub(crate) use words::run_of;

pub(crate) struct Rescreener {
    pub(crate) ledger: Ledger,
    pub(crate) records: Records,
    pub(crate) footprints: Arc<Footprints>,
    pub(crate) clock: Clock,
    pub(crate) lease: Lease,
    /// Somebody has published: only a hint, since the task looks by itself.
    pub(crate) hint: Arc<Notify>,
    /// On a demonstration server that is ahead of the clock.
    pub(crate) hour: Hour,
    /// Everybody was judged by the changes of the vocabulary up to this sequence, as far as this process knows.
    pub(crate) followed: AtomicI64,
}

/// Between two looks without a hint.
const LOOK: Duration = Duration::from_secs(1);

/// Cases of a task, and tasks side by side: so many that each commit is full while the next ones are judged.
const TOGETHER: usize = 64;
const SIDE_BY_SIDE: usize = 8;

/// Cases that a task reads at once.
const READS: usize = 16;

/// Touched cases after which it is written down how far it is.
const NOTED: i64 = 4_000;

/// How long the views may take to show what is in the log: a whole subdistrict's new verdicts.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a case is judged again after somebody else was faster.
const ATTEMPTS: usize = 5;

impl Rescreener {
    /// Until the process ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut failures: u32 = 0;
        loop {
            let step = if self.lease.leads() {
                Arc::clone(&self).step().await
            } else {
                self.footprints.clear();
                Ok(())
            };
            let pause = match step {
                Ok(()) => {
                    failures = 0;
                    LOOK
                }
                // Another replica leads by now: it does what is to be done.
                Err(_) if !self.lease.leads() => LOOK,
                Err(failure) => {
                    failures += 1;
                    let error = format!("{:#}", anyhow::Error::new(failure));
                    tracing::warn!(error, failures, "judging everybody anew fails and is tried again");
                    Duration::from_millis(100 << failures.min(7))
                }
            };
            tokio::select! {
                () = self.hint.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Whatever is due now, to its end. In quiet times it keeps the footprints ready.
    async fn step(self: Arc<Self>) -> Result<(), Failure> {
        self.footprints.catch_up(&self.records).await?;
        while let Some(due) = self.due().await? {
            Arc::clone(&self).rescreen(&due).await?;
        }
        self.follow_vocabulary().await
    }

    /// The version in force, unless everybody was judged by it.
    async fn due(&self) -> Result<Option<Published>, Failure> {
        let Some(published) = self.in_force().await? else { return Ok(None) };
        let (run, _) = self.ledger.load::<Rescreening>(&published.version).await?;
        Ok(Some(published).filter(|_| run.completed().is_none()))
    }

    async fn in_force(&self) -> Result<Option<Published>, Failure> {
        self.hour.now().await?;
        let mut db = self.records.views.connection().await.map_err(unreadable)?;
        let now = self.hour.at_least(methods::last_published(&mut db).await?);
        Ok(methods::in_force(&mut db, now).await?)
    }

    async fn rescreen(self: Arc<Self>, due: &Published) -> Result<(), Failure> {
        let call = self.call(due).await?;
        let rules = self.records.assessor.rules(&due.version).await?;
        let rejudging = Arc::new(Rejudging::new(self.records.clone(), rules));
        let resumed = self.ledger.load::<Rescreening>(&due.version).await?.0.begun().is_some();
        let run = self.begun(due, &call).await?;
        let (cases, position) = run.begun().map_or((0, 0), |begun| (begun.cases, begun.position));
        self.footprints.catch_up(&self.records).await?;
        let mut count = Count { done: 0, changed: run.count().changed };
        if resumed {
            count.changed += self.judged_before(due, &call, run.reached()).await?;
        }
        let mut touched = self.footprints.touched(&rejudging, 0).await?;
        touched.retain(|case| case.resident_id.as_str() > run.reached());
        // Whoever is not touched is done by that.
        count.done = (cases - i64::try_from(touched.len()).unwrap_or(i64::MAX)).max(0);
        if !self.judge_all(due, &call, &rejudging, touched, &mut count).await? {
            return Ok(());
        }
        // Who was judged by the version before while this one came into force.
        self.records.caught_up(PATIENCE).await?;
        self.footprints.catch_up(&self.records).await?;
        let behind = i64::try_from(position).unwrap_or(i64::MAX);
        let late = self.footprints.touched(&rejudging, behind).await?;
        let mut again = Count::default();
        if !self.judge_all(due, &call, &rejudging, late, &mut again).await? {
            return Ok(());
        }
        let count = Count { done: cases, changed: count.changed + again.changed };
        let now = self.clock.now();
        let complete = |run: &Rescreening, _| run.complete(count, now);
        self.ledger.transact(&call.derive("completed"), &due.version, complete, |_: &Rescreening, _| ()).await?;
        let Count { done, changed } = count;
        let set_aside = self.ledger.load::<Rescreening>(&due.version).await?.0.set_aside();
        tracing::info!(method = due.version, done, changed, set_aside, "everybody on record was judged anew");
        Ok(())
    }

    /// How many were judged before a crash, and not noted any more.
    async fn judged_before(&self, due: &Published, call: &Call, reached: &str) -> Result<i64, Failure> {
        let mut before = 0;
        for case in self.footprints.judged_by(&due.version) {
            let judged = call.derive(&case.case_id).command_id;
            if case.resident_id.as_str() > reached && self.ledger.log().find_command(&judged).await?.is_some() {
                before += 1;
            }
        }
        Ok(before)
    }

    /// By the publication, at the moment from which it is in force.
    async fn call(&self, due: &Published) -> Result<Call, Failure> {
        let records = self.ledger.log().read_stream(method_event::Event::CATEGORY, &due.version, 0).await?;
        let publication = records.last().context("a published method has its record")?;
        let mut call = Call::by_itself("screening", due.from, &format!("rescreening:{}", due.version));
        call.correlation_id.clone_from(&publication.correlation_id);
        call.causation_id.clone_from(&publication.event_id);
        call.traceparent.clone_from(&publication.traceparent);
        Ok(call)
    }

    async fn begun(&self, due: &Published, call: &Call) -> Result<Arc<Rescreening>, Failure> {
        let (run, _) = self.ledger.load::<Rescreening>(&due.version).await?;
        if run.begun().is_some() {
            return Ok(run);
        }
        let position = self.records.caught_up(PATIENCE).await?;
        let mut db = self.records.views.connection().await.map_err(unreadable)?;
        let cases = papers::count(&mut db).await?;
        drop(db);
        let now = self.clock.now();
        let begin = |run: &Rescreening, _| run.begin(cases, position, now);
        self.ledger.transact(&call.derive("begun"), &due.version, begin, |_: &Rescreening, _| ()).await?;
        Ok(self.ledger.load::<Rescreening>(&due.version).await?.0)
    }

    /// Whether it came to the end: not, where another version has taken over meanwhile.
    async fn judge_all(
        self: &Arc<Self>,
        due: &Published,
        call: &Call,
        rejudging: &Arc<Rejudging>,
        touched: Vec<Touched>,
        count: &mut Count,
    ) -> Result<bool, Failure> {
        let chunks: Vec<Vec<Touched>> = touched.chunks(TOGETHER).map(<[Touched]>::to_vec).collect();
        let judged = stream::iter(chunks).map(|chunk| {
            let (this, call, rejudging) = (Arc::clone(self), call.clone(), Arc::clone(rejudging));
            let run = due.version.clone();
            // In a task of its own: it opens and judges on another core while others wait for their commit.
            let task = tokio::spawn(async move { this.judge_some(&run, &call, &rejudging, chunk).await });
            async move { task.await.map_err(|error| Failure::Fault(anyhow!(error).context("judging cases")))? }
        });
        let mut judged = judged.buffered(SIDE_BY_SIDE).boxed();
        let mut noted = count.done;
        while let Some((to, page)) = judged.try_next().await? {
            count.done += page.done;
            count.changed += page.changed;
            if count.done - noted < NOTED {
                continue;
            }
            noted = count.done;
            let reached = *count;
            let advance = |run: &Rescreening, _| run.advance(&to, reached);
            let note = call.derive(format!("advanced/{to}"));
            self.ledger.transact(&note, &due.version, advance, |_: &Rescreening, _| ()).await?;
            if self.in_force().await?.is_none_or(|published| published.version != due.version) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Judges these cases in a run, and up to which resident that is.
    async fn judge_some(
        &self,
        run: &str,
        call: &Call,
        rejudging: &Rejudging,
        touched: Vec<Touched>,
    ) -> Result<(String, Count), Failure> {
        let mut loads = Vec::with_capacity(touched.len());
        for case in &touched {
            loads.push(self.ledger.load::<Case>(&case.case_id));
        }
        let cases: Vec<_> = stream::iter(loads).buffered(READS).collect().await;
        let mut sealed: Vec<&Sealed> = Vec::new();
        // What cannot be read is set aside when its turn comes.
        for (case, _) in cases.iter().flatten() {
            sealed.extend(case.declaration());
            for evidence in case.evidence() {
                sealed.extend(evidence.itinerary.as_ref());
            }
        }
        self.records.assessor.vault.foresee(sealed).await?;
        drop(cases);
        // All at once: what waits for one commit goes into the next together.
        let mut verdicts = Vec::with_capacity(touched.len());
        for case in &touched {
            verdicts.push(self.judge_case(call, rejudging, case));
        }
        let judged = futures::future::join_all(verdicts).await;
        let mut changed = 0;
        for (case, judged) in touched.iter().zip(judged) {
            match judged {
                Ok(another) => changed += i64::from(another),
                // It is this record's, and no other's: whoever waits for it would wait for ever.
                Err(Failure::Fault(fault)) => self.set_aside(run, call, case, &fault).await?,
                Err(failure) => return Err(failure),
            }
        }
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let to = touched.last().map(|case| case.resident_id.clone()).unwrap_or_default();
        Ok((to, Count { done: number(touched.len()), changed }))
    }

    /// Judges a case; whether it says something else now.
    async fn judge_case(&self, call: &Call, rejudging: &Rejudging, touched: &Touched) -> Result<bool, Failure> {
        let call = call.derive(&touched.case_id);
        for _ in 0..ATTEMPTS {
            let (case, version) = self.ledger.load::<Case>(&touched.case_id).await?;
            let assessor = &self.records.assessor;
            let verdict = match assessor.assess(&case, Addition::default(), &rejudging.rules, touched.as_of).await {
                Ok(verdict) => verdict,
                // Of somebody who was erased nothing can be judged any more.
                Err(Failure::Refused(_)) => return Ok(false),
                Err(failure) => return Err(failure),
            };
            // Nothing to decide is nothing to write.
            if case.reassess(&verdict).map_or(true, |decision| decision.events.is_empty()) {
                return Ok(false);
            }
            let decide =
                |case: &Case, now: u64| if now == version { case.reassess(&verdict) } else { Err(Refused::Stale) };
            match self.ledger.transact(&call, &touched.case_id, decide, |_: &Case, _| ()).await {
                Ok(_) => return Ok(true),
                Err(Failure::Refused(refusal)) if refusal.kind == Kind::Stale => {}
                Err(Failure::Contended) => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Contended)
    }
}

impl Rescreener {
    /// Its verdict stands as it was; who looks at the run sees that nobody could judge it.
    async fn set_aside(&self, run: &str, call: &Call, case: &Touched, fault: &anyhow::Error) -> Result<(), Failure> {
        let Touched { resident_id, case_id, residence, .. } = case;
        tracing::warn!(case_id, run, error = format!("{fault:#}"), "a case cannot be judged anew and is set aside");
        let aside = SetAside {
            case_id: case_id.clone(),
            resident_id: resident_id.clone(),
            residence: Some(residence.clone()),
            time: Some(timestamp(call.now)),
        };
        let put = |run: &Rescreening, _| run.put_aside(&aside);
        let call = call.derive(format!("set-aside/{case_id}"));
        self.ledger.transact(&call, run, put, |_: &Rescreening, _| ()).await.map(drop)
    }
}
