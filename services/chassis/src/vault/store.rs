//! Wrapped keys in SQLite. Readers ask a small pool; everything that changes goes through one task that commits whatever
//! waits in one transaction, so that an import of thousands of new residents costs a few fsyncs.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use sqlx::{
    Connection as _, Row as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Clock,
    disk::{DiskFull, is_full},
};

/// Changes in one commit at most.
const BATCH: usize = 512;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS subject_key (
    subject_id TEXT PRIMARY KEY,
    wrapped_key BLOB,
    wrapping_key_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    destroyed_at INTEGER
) WITHOUT ROWID";

/// What stands in the store for a subject.
#[derive(Clone)]
pub(super) enum Stored {
    Wrapped(Vec<u8>),
    Destroyed,
}

pub(super) struct Store {
    readers: SqlitePool,
    writer: mpsc::Sender<Change>,
}

enum Change {
    Keep { subject_id: String, wrapped: Vec<u8>, kept: oneshot::Sender<anyhow::Result<Stored>> },
    Destroy { subject_id: String, done: oneshot::Sender<anyhow::Result<()>> },
}

impl Store {
    pub(super) async fn open(path: &Path, key_id: String, clock: Clock) -> anyhow::Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
        }
        // secure_delete overwrites a destroyed key in the file with zeros.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .pragma("secure_delete", "ON");
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::query(SCHEMA).execute(&mut connection).await.context("making the table")?;
        same_secret(&mut connection, &key_id).await?;
        let options = options.create_if_missing(false);
        let writing = options.clone();
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .max_lifetime(None)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        let (writer, changes) = mpsc::channel(4 * BATCH);
        tokio::spawn(Writer { options: writing, connection: Some(connection), key_id, clock }.run(changes));
        Ok(Self { readers, writer })
    }

    pub(super) async fn find(&self, subject_id: &str) -> anyhow::Result<Option<Stored>> {
        let row = sqlx::query("SELECT wrapped_key FROM subject_key WHERE subject_id = $1")
            .bind(subject_id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| stored(&row)).transpose()
    }

    /// Keeps the offered key where the subject has none, and returns what stands there once it is durable.
    pub(super) async fn keep(&self, subject_id: &str, wrapped: Vec<u8>) -> anyhow::Result<Stored> {
        let (kept, answer) = oneshot::channel();
        self.send(Change::Keep { subject_id: subject_id.to_owned(), wrapped, kept }).await?;
        answer.await.context("the key store's writer stopped")?
    }

    pub(super) async fn destroy(&self, subject_id: &str) -> anyhow::Result<()> {
        let (done, answer) = oneshot::channel();
        self.send(Change::Destroy { subject_id: subject_id.to_owned(), done }).await?;
        answer.await.context("the key store's writer stopped")?
    }

    async fn send(&self, change: Change) -> anyhow::Result<()> {
        self.writer.send(change).await.map_err(|_| anyhow!("the key store's writer stopped"))
    }
}

/// Ends when the store is dropped. It is never cancelled, so that no transaction stays open behind it.
struct Writer {
    options: SqliteConnectOptions,
    /// None after a commit failed: what of its transaction is left on a connection is for nobody to guess.
    connection: Option<SqliteConnection>,
    key_id: String,
    clock: Clock,
}

impl Writer {
    async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let mut batch = Vec::with_capacity(BATCH);
        while changes.recv_many(&mut batch, BATCH).await > 0 {
            match self.commit(&batch).await {
                Ok(outcomes) => {
                    if batch.iter().any(|change| matches!(change, Change::Destroy { .. })) {
                        self.wipe_journal().await;
                    }
                    for (change, outcome) in batch.drain(..).zip(outcomes) {
                        change.answer(Ok(outcome));
                    }
                }
                Err(error) => {
                    self.connection = None;
                    let (full, text) = (is_full(&error), format!("{error:#}"));
                    for change in batch.drain(..) {
                        let error = if full { anyhow!(DiskFull) } else { anyhow!("{text}") };
                        change.answer(Err(error.context("writing to the key store")));
                    }
                }
            }
        }
    }

    async fn commit(&mut self, batch: &[Change]) -> anyhow::Result<Vec<Stored>> {
        let now = self.clock.now().timestamp_micros();
        if self.connection.is_none() {
            self.connection = Some(SqliteConnection::connect_with(&self.options).await?);
        }
        let connection = self.connection.as_mut().context("there is no connection")?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for change in batch {
            outcomes.push(apply(&mut transaction, change, &self.key_id, now).await?);
        }
        transaction.commit().await?;
        Ok(outcomes)
    }

    /// The journal still holds the pages as they were: without this a destroyed key could be read from it.
    async fn wipe_journal(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await {
            tracing::warn!(%error, "the key store's journal was not truncated after a destruction; the next one tries again");
        }
    }
}

impl Change {
    fn answer(self, outcome: anyhow::Result<Stored>) {
        // Nobody waits any more where the caller went away: what was asked is done all the same.
        match self {
            Self::Keep { kept, .. } => drop(kept.send(outcome)),
            Self::Destroy { done, .. } => drop(done.send(outcome.map(drop))),
        }
    }
}

async fn apply(db: &mut SqliteConnection, change: &Change, key_id: &str, now: i64) -> anyhow::Result<Stored> {
    match change {
        Change::Keep { subject_id, wrapped, .. } => {
            // The update changes nothing: it makes RETURNING answer with the row that stands there already.
            let row = sqlx::query(
                "INSERT INTO subject_key (subject_id, wrapped_key, wrapping_key_id, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (subject_id) DO UPDATE SET subject_id = excluded.subject_id RETURNING wrapped_key",
            )
            .bind(subject_id)
            .bind(wrapped)
            .bind(key_id)
            .bind(now)
            .fetch_one(db)
            .await?;
            stored(&row)
        }
        Change::Destroy { subject_id, .. } => {
            sqlx::query(
                "INSERT INTO subject_key (subject_id, wrapping_key_id, created_at, destroyed_at) VALUES ($1, $2, $3, $3)
                 ON CONFLICT (subject_id) DO UPDATE
                 SET wrapped_key = NULL, destroyed_at = COALESCE(subject_key.destroyed_at, excluded.destroyed_at)",
            )
            .bind(subject_id)
            .bind(key_id)
            .bind(now)
            .execute(db)
            .await?;
            Ok(Stored::Destroyed)
        }
    }
}

fn stored(row: &sqlx::sqlite::SqliteRow) -> anyhow::Result<Stored> {
    let wrapped: Option<Vec<u8>> = row.try_get("wrapped_key")?;
    Ok(wrapped.map_or(Stored::Destroyed, Stored::Wrapped))
}

/// Starting with another secret would make every name unreadable and new keys useless once the right one is back.
async fn same_secret(db: &mut SqliteConnection, key_id: &str) -> anyhow::Result<()> {
    let others: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM subject_key WHERE wrapped_key IS NOT NULL AND wrapping_key_id <> $1")
            .bind(key_id)
            .fetch_one(db)
            .await?;
    if others > 0 {
        bail!(
            "{others} keys in it were wrapped under another secret: put the file {} of this installation back",
            crate::secrets::FILE
        );
    }
    Ok(())
}
