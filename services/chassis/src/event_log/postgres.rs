//! A log in a PostgreSQL database, for several replicas of a service. One of them leads and appends, on one connection of
//! its own; all of them read. A replica that does not lead follows the head: the leader's commits wake it, and it asks
//! each second whatever it has heard.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail, ensure};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row as _};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{follower::Follower, reader::Rows, writer::Writer};
use super::{
    Append, AppendError, Appended, EventLog, Head, KnownCommand, LogError, Record, Verification, chain,
    entrance::Entrance,
    reader::Reader,
    rows::{self, Columns as _},
    store::StoreError,
    tail::{Standing, Tail},
};
use crate::{
    Clock, Lead, Lease,
    postgres::{Database, leave},
};

/// What a replica that does not lead hears of the log.
mod follower;
/// Tells those replicas.
mod herald;
/// Questions to rows.
mod reader;
/// What the writer sends, by table.
mod table;
/// Plans to rows.
mod writer;

/// A service's log in its PostgreSQL database.
pub struct PgLog {
    tail: Arc<Tail>,
    reader: Reader<Rows>,
    /// Asks for the head, however many read.
    heads: PgPool,
    entrance: Entrance<Writer>,
    lease: Lease,
    /// Says that this replica leads once the tail is where the leader before it stopped.
    lead: watch::Receiver<Lead>,
    following: Mutex<Option<Following>>,
}

struct Following {
    /// Stops the follower when the log is dropped, too.
    stop: tokio_util::sync::DropGuard,
    task: JoinHandle<()>,
}

/// The schema that `mifeng database create` makes, and that this program knows.
pub(crate) const SCHEMA_VERSION: i64 = 1;
pub(crate) const SCHEMA: &str = include_str!("postgres/schema.sql");

/// Where the leader tells of its commits.
const CHANNEL: &str = "log";

/// How long one step may take: a server that has gone silent must not keep anybody waiting for ever.
const STEP: Duration = Duration::from_secs(5);

/// Before the database is asked again that did not answer.
const AGAIN: Duration = Duration::from_millis(250);

/// Connections that read.
const READERS: u32 = 6;

/// Connections that ask where the log stands.
const HEADS: u32 = 2;

impl PgLog {
    /// Opens the log that `mifeng database create` has made.
    pub async fn open(database: &Database, name: &str, clock: Clock, lease: Lease) -> anyhow::Result<Self> {
        // Asked before the head is read: who leads by now finds all that was written before it led.
        let lead = lease.watch().borrow().clone();
        let (log_id, standing) =
            prepare(database, name).await.with_context(|| format!("opening the log {name} in {}", database.place()))?;
        let tail = Arc::new(Tail::new(name.to_owned(), log_id, standing));
        let by_keys = database.by_keys();
        let reader = Reader { shelf: Rows(by_keys.pool_for_questions(READERS)), tail: Arc::clone(&tail) };
        let heads = database.pool(HEADS);
        let writer = Writer::new(by_keys, lease.clone(), Arc::clone(&tail));
        let entrance = Entrance::open(writer, Arc::clone(&tail), clock)?;
        let stop = CancellationToken::new();
        let (follower, lead) = Follower::new(database.clone(), heads.clone(), Arc::clone(&tail), &lease, lead);
        let task = tokio::spawn(stop.clone().run_until_cancelled_owned(follower.run()));
        let task = tokio::spawn(async move { drop(task.await) });
        let following = Mutex::new(Some(Following { stop: stop.drop_guard(), task }));
        Ok(Self { tail, reader, heads, entrance, lease, lead, following })
    }
}

#[async_trait]
impl EventLog for PgLog {
    fn name(&self) -> &str {
        &self.tail.log
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        if !self.lease.leads() {
            return Err(AppendError::Unknown(anyhow!("another replica leads")));
        }
        self.entrance.append(append).await
    }

    async fn head(&self) -> Result<Head, LogError> {
        if self.sole_writer().is_none() {
            follow(&self.heads, &self.tail).await?;
        }
        Ok(self.tail.head())
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        self.reader.read(after_position, limit).await
    }

    async fn read_stream(
        &self,
        category: &str,
        stream_id: &str,
        after_version: u64,
    ) -> Result<Vec<Arc<Record>>, LogError> {
        self.reader.read_stream(category, stream_id, after_version, self.known()).await
    }

    async fn read_streams(&self, category: &str, stream_ids: &[String]) -> Result<Vec<Arc<Record>>, LogError> {
        self.reader.read_streams(category, stream_ids, self.known()).await
    }

    async fn find_command(&self, command_id: &str) -> Result<Option<KnownCommand>, LogError> {
        self.reader.find_command(command_id).await
    }

    async fn find_reservation(&self, scope: &str, key: &[u8]) -> Result<Option<String>, LogError> {
        self.reader.find_reservation(scope, key).await
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.tail.wake()
    }

    async fn verify(&self) -> Result<Verification, LogError> {
        // A replica that does not lead may not have heard of the last commits. Where it cannot ask, it goes as far as it knows.
        self.head().await.ok();
        self.reader.verify().await
    }

    async fn prune_commands(&self, before: DateTime<Utc>) -> Result<u64, LogError> {
        // One replica does it for all.
        if self.lease.leads() { self.entrance.prune_commands(before).await } else { Ok(0) }
    }

    fn lead(&self) -> watch::Receiver<Lead> {
        self.lead.clone()
    }

    fn sole_writer(&self) -> Option<i64> {
        let sure = self.lease.sure()?;
        (*self.lead.borrow() == Lead::Here { fence: sure }).then_some(sure)
    }

    async fn renewed_from(&self) -> Result<Option<String>, LogError> {
        let asked = sqlx::query_scalar("SELECT renewed_from FROM log.log_head WHERE id = 1").fetch_one(&self.heads);
        let renewed_from = timeout(STEP, asked).await.context("the database does not answer")?;
        Ok(renewed_from.context("asking which log this one was")?)
    }

    async fn close(&self) {
        if let Some(writer) = self.entrance.close().await {
            writer.close().await;
        }
        let following = self.following.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Following { stop, task }) = following {
            drop(stop);
            drop(task.await);
        }
        let closing = async { tokio::join!(self.reader.shelf.0.close(), self.heads.close()) };
        if timeout(STEP, closing).await.is_err() {
            tracing::warn!("connections of the log {} were left: the database does not answer", self.tail.log);
        }
    }
}

impl PgLog {
    /// As far as streams are read. Where others write, a stream may have gone on beyond what has been heard of the head.
    fn known(&self) -> u64 {
        if self.sole_writer().is_some() { self.tail.standing().position } else { u64::MAX }
    }
}

/// Brings the tail to where the log stands now.
async fn follow(pool: &PgPool, tail: &Tail) -> anyhow::Result<()> {
    let asked = sqlx::query("SELECT log_id, position, chain FROM log.log_head WHERE id = 1").fetch_one(pool);
    let row = timeout(STEP, asked).await.context("the database does not answer")?.context("asking for the head")?;
    let standing = rows::standing(&row, 1)?;
    same_log(tail, &row.text(0)?, standing)?;
    tail.advance(standing);
    Ok(())
}

/// A log never goes back and never takes another course: if it has, older data were put in its place.
fn same_log(tail: &Tail, log_id: &str, standing: Standing) -> anyhow::Result<()> {
    let known = tail.standing();
    ensure!(
        log_id == tail.log_id,
        "the log {} was given a new id, as after a restoration: start this process anew",
        tail.log
    );
    ensure!(
        standing.position > known.position || standing == known,
        "the log {} stands at position {} and was at {} before: its database was restored from an older backup; stop the service, run `mifeng database renew`, and start it again",
        tail.log,
        standing.position,
        known.position
    );
    Ok(())
}

/// Checks what `mifeng database create` has made, and says where the log stands.
async fn prepare(database: &Database, name: &str) -> anyhow::Result<(String, Standing)> {
    let mut db = database.connect().await?;
    let found = timeout(2 * STEP, check(&mut db, name)).await.context("the database does not answer")?;
    leave(db).await;
    found
}

async fn check(db: &mut PgConnection, name: &str) -> anyhow::Result<(String, Standing)> {
    let made: bool = sqlx::query_scalar("SELECT to_regclass('log.schema') IS NOT NULL").fetch_one(&mut *db).await?;
    ensure!(made, "the database is empty: run `mifeng database create {name}`");
    let version: i64 = sqlx::query_scalar("SELECT version FROM log.schema").fetch_one(&mut *db).await?;
    if version < SCHEMA_VERSION {
        bail!("its tables are of an older version ({version}): run `mifeng database create {name}`");
    }
    ensure!(version == SCHEMA_VERSION, "its tables are of a newer version ({version}): update the program");
    let durable: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut *db).await?;
    if durable != "on" {
        tracing::warn!(
            "the database runs with fsync = {durable}: what it acknowledges may be lost when the power goes"
        );
    }
    // One statement sees one state, whoever appends meanwhile.
    let row = sqlx::query(
        "SELECT h.log, h.log_id, h.position, h.chain, e.position, e.chain FROM log.log_head h
         LEFT JOIN LATERAL (SELECT position, chain FROM log.event ORDER BY position DESC LIMIT 1) e ON true
         WHERE h.id = 1",
    )
    .fetch_optional(db)
    .await?
    .with_context(|| format!("the log has no head: run `mifeng database create {name}`"))?;
    let log = row.text(0)?;
    ensure!(log == name, "this is the log {log}");
    let standing = rows::standing(&row, 2)?;
    let last: Option<i64> = row.try_get(4)?;
    let last_chain = if last.is_some() { row.hash(5)? } else { chain::START };
    let last = last.unwrap_or(0).cast_unsigned();
    ensure!(
        last == standing.position && last_chain == standing.chain,
        "its head says position {} and its last event says {last}: restore it from a backup",
        standing.position
    );
    Ok((row.text(1)?, standing))
}

/// What an error of the database means for an append.
fn classified(error: sqlx::Error) -> StoreError {
    let code = match &error {
        sqlx::Error::Database(error) => error.code().map(std::borrow::Cow::into_owned).unwrap_or_default(),
        _ => String::new(),
    };
    match (&*code, code.get(..2).unwrap_or_default()) {
        ("53100", _) => StoreError::Full,
        // Bad data, broken constraints, limits of the program, and what a trigger raises.
        (_, "22" | "23" | "54") | ("P0001", _) => StoreError::Refused(error.into()),
        // Missing tables and rights, damaged pages.
        (_, "42" | "XX") => StoreError::Fault(error.into()),
        _ => StoreError::Unknown(error.into()),
    }
}
