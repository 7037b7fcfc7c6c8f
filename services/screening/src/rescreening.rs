//! Once a version of the method is in force, everybody whose record it touches gets another verdict without another scan
//! (R25). One task of the replica that leads: it finds out which version is due, judges page after page, and writes down how
//! far it is; after a crash it goes on from there. Its commands' ids derive from version and case, so that a verdict that was
//! given already is not given twice. It waits for its own commits alone, so everybody else's commands go in between.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use chassis::{Call, Clock, Failure, Kind, Lease, Ledger, Principal, Scope, Views, instant};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{Fact as _, access::v1::Role, screening::v1::method_event};
use tokio::{sync::Notify, time::Instant};

use crate::{
    assessor::{Addition, Assessor},
    domain::{
        case::{Case, Refused},
        rescreening::{Count, Rescreening},
    },
    projections::{
        methods::{self, Published},
        papers::{self, Filed, Page, Wanted},
    },
    rejudging::{Found, Rejudging},
};

pub(crate) struct Rescreener {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
    pub(crate) assessor: Assessor,
    pub(crate) clock: Clock,
    pub(crate) lease: Lease,
    /// Somebody has published: only a hint, since the task looks by itself.
    pub(crate) hint: Arc<Notify>,
    /// The latest time that anything happened at. On a demonstration server that is ahead of the clock.
    pub(crate) latest: Mutex<DateTime<Utc>>,
}

/// Between two looks without a hint.
const LOOK: Duration = Duration::from_secs(1);

/// Pages judged, and their verdicts appended, side by side: so many that each commit is full.
const SIDE_BY_SIDE: usize = 4;

/// Cases after which it is written down how far it is.
const NOTED: i64 = 8_000;

/// How long the views may take to show what is in the log: a whole subdistrict's new verdicts.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a case is judged again after somebody else was faster.
const ATTEMPTS: usize = 5;

impl Rescreener {
    /// Until the process ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut failures: u32 = 0;
        loop {
            let step = if self.lease.leads() { Arc::clone(&self).step().await } else { Ok(()) };
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

    /// Whatever is due now, to its end.
    async fn step(self: Arc<Self>) -> Result<(), Failure> {
        while let Some(due) = self.due().await? {
            Arc::clone(&self).rescreen(&due).await?;
        }
        Ok(())
    }

    /// The version in force, unless everybody was judged by it.
    async fn due(&self) -> Result<Option<Published>, Failure> {
        let Some(published) = self.in_force().await? else { return Ok(None) };
        let (run, _) = self.ledger.load::<Rescreening>(&published.version).await?;
        Ok(Some(published).filter(|_| run.completed().is_none()))
    }

    async fn in_force(&self) -> Result<Option<Published>, Failure> {
        let log = self.ledger.log();
        let head = log.head().await?;
        let newest = log.read(head.position.saturating_sub(1), 1).await?;
        let happened = newest.first().and_then(|record| record.occurred_at.as_ref().and_then(instant));
        let mut db = self.views.connection().await.map_err(unreadable)?;
        let published = methods::last_published(&mut db).await?;
        let now = {
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            *latest = (*latest).max(self.clock.now()).max(published).max(happened.unwrap_or_default());
            *latest
        };
        Ok(methods::in_force(&mut db, now).await?)
    }

    async fn rescreen(self: Arc<Self>, due: &Published) -> Result<(), Failure> {
        let call = self.call(due).await?;
        let rules = self.assessor.rules(&due.version).await?;
        let rejudging = Arc::new(Rejudging::new(self.assessor.clone(), self.views.clone(), rules));
        let run = self.begun(due, &call).await?;
        let position = run.begun().map_or(0, |begun| i64::try_from(begun.position).unwrap_or(i64::MAX));
        let mut count = run.count();
        let everybody = Wanted { scope: Scope::Everywhere, behind: 0 };
        if !self.judge_all(due, &call, &rejudging, everybody, run.reached(), &mut count).await? {
            return Ok(());
        }
        // Who was judged by the version before while this one came into force.
        self.caught_up().await?;
        let late = Wanted { scope: Scope::Everywhere, behind: position };
        let mut again = Count::default();
        if !self.judge_all(due, &call, &rejudging, late, "", &mut again).await? {
            return Ok(());
        }
        count.changed += again.changed;
        let now = self.clock.now();
        let complete = |run: &Rescreening, _| run.complete(count, now);
        self.ledger.transact(&call.derive("completed"), &due.version, complete, |_: &Rescreening, _| ()).await?;
        let Count { done, changed } = count;
        tracing::info!(method = due.version, done, changed, "everybody on record was judged anew");
        Ok(())
    }

    /// By the publication, at the moment from which it is in force.
    async fn call(&self, due: &Published) -> Result<Call, Failure> {
        let principal = Principal {
            subject: "reaction/screening".to_owned(),
            role: Role::Service,
            unit: String::new(),
            scope: Scope::Everywhere,
        };
        let records = self.ledger.log().read_stream(method_event::Event::CATEGORY, &due.version, 0).await?;
        let publication = records.last().context("a published method has its record")?;
        let mut call = Call::by(principal, due.from, &format!("rescreening:{}", due.version));
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
        let position = self.caught_up().await?;
        let mut db = self.views.connection().await.map_err(unreadable)?;
        let cases = papers::count(&mut db).await?;
        drop(db);
        let now = self.clock.now();
        let begin = |run: &Rescreening, _| run.begin(cases, position, now);
        self.ledger.transact(&call.derive("begun"), &due.version, begin, |_: &Rescreening, _| ()).await?;
        Ok(self.ledger.load::<Rescreening>(&due.version).await?.0)
    }

    /// Waits until the views show all that is in the log now; its position.
    async fn caught_up(&self) -> Result<u64, Failure> {
        let log = self.ledger.log();
        let position = log.head().await?.position;
        for progress in self.views.progress().iter().filter(|progress| progress.source == log.name()) {
            if !progress.wait_for(position, Instant::now() + PATIENCE).await {
                return Err(Failure::Unavailable(anyhow!("the views are far behind the log")));
            }
        }
        Ok(position)
    }

    /// Whether it came to the end: not, where another version has taken over meanwhile.
    async fn judge_all(
        self: &Arc<Self>,
        due: &Published,
        call: &Call,
        rejudging: &Arc<Rejudging>,
        wanted: Wanted,
        after: &str,
        count: &mut Count,
    ) -> Result<bool, Failure> {
        let (wanted, sweep) = (&wanted, wanted.behind > 0);
        let pages = stream::try_unfold(after.to_owned(), |after| async move {
            let page = rejudging.page(wanted, &after).await?;
            Ok::<_, Failure>(page.map(|page| {
                let to = page.to.clone();
                (page, to)
            }))
        });
        let judged = pages.map_ok(|page: Page| {
            let (this, call, rejudging) = (Arc::clone(self), call.clone(), Arc::clone(rejudging));
            // In a task of its own: it opens and judges on another core while the next page is read.
            let task = tokio::spawn(async move { this.judge_page(&call, &rejudging, page, sweep).await });
            async move { task.await.map_err(|error| Failure::Fault(anyhow!(error).context("judging a page")))? }
        });
        let mut judged = judged.try_buffered(SIDE_BY_SIDE).boxed();
        let mut noted = count.done;
        while let Some((to, page)) = judged.try_next().await? {
            count.done += page.done;
            count.changed += page.changed;
            if sweep || count.done - noted < NOTED {
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

    async fn judge_page(
        &self,
        call: &Call,
        rejudging: &Rejudging,
        page: Page,
        sweep: bool,
    ) -> Result<(String, Count), Failure> {
        let found = rejudging.look(&page.cases).await?;
        let done = i64::try_from(page.cases.len()).unwrap_or(i64::MAX);
        let verdicts = page.cases.iter().zip(found).map(|(case, found)| async move {
            match found {
                Found::Other(_) => self.judge_case(call, rejudging, case).await,
                // It may have been judged already, before a crash.
                Found::Same if !sweep && case.verdict.method_version == rejudging.rules.version => {
                    let known = self.ledger.log().find_command(&call.derive(&case.case_id).command_id).await?;
                    Ok(known.is_some())
                }
                Found::Same | Found::Disputed => Ok(false),
            }
        });
        // All at once: what waits for one commit goes into the next together.
        let changed = futures::future::try_join_all(verdicts).await?;
        let changed = changed.into_iter().filter(|changed| *changed).count();
        Ok((page.to, Count { done, changed: i64::try_from(changed).unwrap_or(i64::MAX) }))
    }

    /// Judges the case itself, with its reasons; whether it says something else now.
    async fn judge_case(&self, call: &Call, rejudging: &Rejudging, filed: &Filed) -> Result<bool, Failure> {
        let call = call.derive(&filed.case_id);
        for _ in 0..ATTEMPTS {
            let (case, version) = self.ledger.load::<Case>(&filed.case_id).await?;
            let before = case.verdict().cloned();
            let assessed = rejudging.assessor().assess(&case, Addition::default(), &rejudging.rules, filed.as_of).await;
            let verdict = match assessed {
                Ok(verdict) => verdict,
                Err(Failure::Refused(_)) => return Ok(false),
                Err(failure) => return Err(failure),
            };
            let decide = |case: &Case, now: u64| {
                if now == version { case.reassess(&verdict) } else { Err(Refused::Stale) }
            };
            match self.ledger.transact(&call, &filed.case_id, decide, |_: &Case, _| ()).await {
                Err(Failure::Refused(refusal)) if refusal.kind == Kind::Stale => {}
                Err(Failure::Contended) => {}
                Err(failure) => return Err(failure),
                Ok(_) => {
                    let (after, _) = self.ledger.load::<Case>(&filed.case_id).await?;
                    return Ok(after.verdict() != before.as_ref());
                }
            }
        }
        Err(Failure::Contended)
    }
}

fn unreadable(status: tonic::Status) -> Failure {
    Failure::Unavailable(anyhow::Error::new(status).context("reading the views"))
}
