//! Which of several replicas of a service writes. One row of the service's database says who leads, under which number
//! (the fence) and until when, by the database's own clock. The leader renews it each second; who finds it expired takes
//! it over under the next fence.
//!
//! Invariants:
//! - A fence has one holder, ever. It changes together with the row of the log's head, and every append looks at both at
//!   once and writes only while the head's row is the one that it saw: a replica that only believes it leads cannot write,
//!   however long it was stopped or cut off. So it may go on believing until it learns otherwise.
//! - What a leader remembers of streams it trusts only until its last renewal runs out by its own clock ([`Lease::sure`]):
//!   before that nobody else can have written.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Clock, postgres::Database};

/// Which replica of a service writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    Here {
        fence: i64,
    },
    /// At another replica's address; empty while nobody leads.
    Elsewhere {
        address: String,
    },
}

/// A replica's part in the question who leads. When the last clone is dropped it is neither renewed nor given back, as if
/// the process had died.
#[derive(Clone)]
pub struct Lease(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    /// Told to give the lease back, and done when it is.
    contending: Option<(CancellationToken, Mutex<Option<JoinHandle<()>>>)>,
    _abandoned: Option<DropGuard>,
}

struct State {
    /// Who holds it, if it is this process: an id that no other process and no other life of this one has.
    holder: String,
    lead: watch::Sender<Lead>,
    /// The fence, and how long nobody else can have taken over; for ever where nobody else contends.
    sure: Mutex<Option<(i64, Option<Instant>)>>,
}

/// From the last renewal on. With [`LOOKING`] it makes a replica that was killed replaced within five seconds.
const LASTS: Duration = Duration::from_secs(3);
const LASTS_SQL: &str = "interval '3 seconds'";

/// Between renewals.
const RENEWING: Duration = Duration::from_secs(1);

/// Between two looks of somebody who does not lead, and some more, so that contenders do not look in step.
const LOOKING: Duration = Duration::from_millis(250);

/// One renewal or look, with a new connection if it takes one: a connection that leads nowhere is given up in time for
/// another one to renew.
const STEP: Duration = Duration::from_millis(1_500);

impl Lease {
    /// Of a process that has its store to itself.
    pub fn alone() -> Self {
        let state = State {
            holder: String::new(),
            lead: watch::Sender::new(Lead::Here { fence: 0 }),
            sure: Mutex::new(Some((0, None))),
        };
        Self(Arc::new(Inner { state: Arc::new(state), contending: None, _abandoned: None }))
    }

    /// Takes the lease when it is free and renews it, until it is given back. Who does not lead at `stop` contends no
    /// longer. `address` is where the others find this replica.
    pub async fn contend(database: &Database, address: &str, stop: &CancellationToken) -> anyhow::Result<Self> {
        let id = Clock::system().id();
        let state = Arc::new(State {
            holder: id.to_string(),
            lead: watch::Sender::new(Lead::Elsewhere { address: String::new() }),
            sure: Mutex::default(),
        });
        let mut contender = Contender {
            database: database.clone(),
            address: address.to_owned(),
            looking: LOOKING + Duration::from_millis(u64::from(id.as_bytes()[15])),
            state: Arc::clone(&state),
            fence: None,
            db: None,
        };
        // What is wrong with the database or the role is told at the start; later it may pass.
        contender.step().await.context("asking the database who leads")?;
        let (over, abandoned) = (CancellationToken::new(), CancellationToken::new());
        let task = contender.run(stop.clone(), over.clone(), abandoned.clone());
        let contending = Some((over, Mutex::new(Some(tokio::spawn(task)))));
        Ok(Self(Arc::new(Inner { state, contending, _abandoned: Some(abandoned.drop_guard()) })))
    }

    pub fn watch(&self) -> watch::Receiver<Lead> {
        self.0.state.lead.subscribe()
    }

    /// Whether this replica believes that it leads.
    pub fn leads(&self) -> bool {
        matches!(*self.0.state.lead.borrow(), Lead::Here { .. })
    }

    /// The fence under which nobody else can have written up to now; `None` where another replica may have taken over.
    pub fn sure(&self) -> Option<i64> {
        let sure = *self.0.state.sure.lock().unwrap_or_else(PoisonError::into_inner);
        sure.filter(|(_, until)| until.is_none_or(|until| Instant::now() < until)).map(|(fence, _)| fence)
    }

    /// Lets another replica lead at once. To be called when nothing is written any more.
    pub async fn give_back(&self) {
        let Some((over, task)) = &self.0.contending else { return };
        over.cancel();
        let task = task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the lease was not given back: it expires by itself");
        }
    }

    /// Who writes here, as the row of the lease names it; `None` where nobody contends.
    pub(crate) fn holder(&self) -> Option<&str> {
        self.0.contending.as_ref().map(|_| &*self.0.state.holder)
    }
}

struct Contender {
    database: Database,
    address: String,
    looking: Duration,
    state: Arc<State>,
    /// While it is ours.
    fence: Option<i64>,
    db: Option<PgConnection>,
}

impl Contender {
    async fn run(mut self, stop: CancellationToken, over: CancellationToken, abandoned: CancellationToken) {
        let mut answering = true;
        loop {
            let pause = if self.fence.is_some() && answering { RENEWING } else { self.looking };
            tokio::select! {
                () = abandoned.cancelled() => return,
                () = over.cancelled() => break,
                () = stop.cancelled(), if self.fence.is_none() => break,
                () = tokio::time::sleep(pause) => {}
            }
            let step = self.step().await;
            if let Err(error) = &step {
                self.db = None;
                if answering {
                    tracing::warn!(error = format!("{error:#}"), "the database cannot be asked who leads");
                }
            }
            answering = step.is_ok();
        }
        self.give_back().await;
        self.lost(String::new());
    }

    /// Renews what is ours, or looks whether it is free.
    async fn step(&mut self) -> anyhow::Result<()> {
        timeout(STEP, async { if let Some(fence) = self.fence { self.renew(fence).await } else { self.look().await } })
            .await
            .context("the database does not answer")?
    }

    async fn connected(&mut self) -> anyhow::Result<&mut PgConnection> {
        if self.db.is_none() {
            let mut db = self.database.connect().await?;
            // Whoever waits here for long has lost already, and must not keep others waiting.
            let limits = "SET statement_timeout = '1400ms'; SET lock_timeout = '1200ms'; \
                          SET idle_in_transaction_session_timeout = '1500ms'";
            sqlx::raw_sql(limits).execute(&mut db).await?;
            self.db = Some(db);
        }
        self.db.as_mut().context("there is no connection")
    }

    async fn renew(&mut self, fence: i64) -> anyhow::Result<()> {
        let (holder, address) = (self.state.holder.clone(), self.address.clone());
        let db = self.connected().await?;
        let asked = Instant::now();
        let renewed = sqlx::query(AssertSqlSafe(format!(
            "UPDATE replica.lease SET expires_at = clock_timestamp() + {LASTS_SQL}, address = $3
             WHERE id = 1 AND fence = $1 AND holder = $2"
        )))
        .bind(fence)
        .bind(holder)
        .bind(address)
        .execute(db)
        .await?;
        if renewed.rows_affected() == 1 {
            self.held(fence, asked);
            return Ok(());
        }
        tracing::warn!(fence, "another replica has taken the lead");
        self.lost(String::new());
        self.look().await
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let holder = self.state.holder.clone();
        let db = self.connected().await?;
        let row = sqlx::query(
            "SELECT fence, holder = $1, address, expires_at <= clock_timestamp() FROM replica.lease WHERE id = 1",
        )
        .bind(holder)
        .fetch_optional(db)
        .await?
        .context("the database has no lease: run `mifeng database create`")?;
        let (fence, ours, address, expired): (i64, bool, String, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        match (ours, expired) {
            // The answer to the taking was lost on the way.
            (true, _) => {
                self.fence = Some(fence);
                Box::pin(self.renew(fence)).await
            }
            (false, true) => self.take().await,
            (false, false) => {
                self.lost(address);
                Ok(())
            }
        }
    }

    /// An append that knows the old fence has written before this takes the head, or finds another row there.
    async fn take(&mut self) -> anyhow::Result<()> {
        let (holder, address) = (self.state.holder.clone(), self.address.clone());
        let db = self.connected().await?;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL READ COMMITTED; UPDATE log.log_head SET position = position WHERE id = 1")
            .execute(&mut *db)
            .await
            .context("waiting for the last append of the one who led")?;
        let asked = Instant::now();
        let taken = sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!(
            "UPDATE replica.lease
             SET fence = fence + 1, holder = $1, address = $2, expires_at = clock_timestamp() + {LASTS_SQL}
             WHERE id = 1 AND expires_at <= clock_timestamp() RETURNING fence"
        )))
        .bind(holder)
        .bind(address)
        .fetch_optional(&mut *db)
        .await?;
        sqlx::raw_sql("COMMIT").execute(db).await?;
        match taken {
            Some(fence) => {
                tracing::info!(fence, "this replica leads");
                self.held(fence, asked);
            }
            None => self.lost(String::new()),
        }
        Ok(())
    }

    fn held(&mut self, fence: i64, asked: Instant) {
        self.fence = Some(fence);
        *self.state.sure.lock().unwrap_or_else(PoisonError::into_inner) = Some((fence, Some(asked + LASTS)));
        self.tell(Lead::Here { fence });
    }

    fn lost(&mut self, address: String) {
        self.fence = None;
        *self.state.sure.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.tell(Lead::Elsewhere { address });
    }

    fn tell(&self, now: Lead) {
        self.state.lead.send_if_modified(|lead| {
            let changed = *lead != now;
            *lead = now;
            changed
        });
    }

    async fn give_back(&mut self) {
        let Some(fence) = self.fence else { return };
        let holder = self.state.holder.clone();
        let given = timeout(STEP, async {
            sqlx::query(
                "UPDATE replica.lease SET expires_at = '-infinity', holder = '', address = ''
                 WHERE id = 1 AND fence = $1 AND holder = $2",
            )
            .bind(fence)
            .bind(holder)
            .execute(self.connected().await?)
            .await?;
            anyhow::Ok(())
        });
        match given.await {
            Ok(Ok(())) => tracing::info!(fence, "this replica no longer leads"),
            Ok(Err(error)) => {
                tracing::warn!(error = format!("{error:#}"), "the lease was not given back: it expires by itself");
            }
            Err(_) => tracing::warn!("the database does not answer: the lease expires by itself"),
        }
        if let Some(db) = self.db.take() {
            crate::postgres::leave(db).await;
        }
    }
}
