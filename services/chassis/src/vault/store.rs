//! Wrapped keys, in a SQLite file or a PostgreSQL database of their own. Readers ask a small pool; everything that changes
//! goes through one task that commits whatever waits in one transaction, so that an import of thousands of new residents
//! costs a few fsyncs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _, any::AnyPoolOptions, any::AnyRow};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Clock,
    disk::{DiskFull, is_full, passes},
    feed::Unreachable,
    postgres::{Database, TURN},
};

/// Where keys are kept.
#[derive(Clone, Debug)]
pub(super) enum Place {
    File(PathBuf),
    Database(Database),
}

impl Place {
    fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite://{}?mode=rwc", path.display()),
            Self::Database(database) => database.by_keys().any_url("public"),
        }
    }

    /// Said on each connection that writes. `secure_delete` overwrites a destroyed key in the file with zeros.
    const fn writing(&self) -> &'static str {
        match self {
            Self::File(_) => {
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000; PRAGMA secure_delete = ON"
            }
            Self::Database(_) => "SET synchronous_commit = on",
        }
    }

    const fn reading(&self) -> &'static str {
        match self {
            Self::File(_) => "PRAGMA busy_timeout = 10000; PRAGMA query_only = ON",
            Self::Database(_) => "SET default_transaction_read_only = on",
        }
    }

    /// A transaction that nobody else writes in.
    const fn begin(&self) -> &'static str {
        match self {
            Self::File(_) => "BEGIN IMMEDIATE",
            Self::Database(_) => "BEGIN",
        }
    }

    async fn connect(&self) -> anyhow::Result<AnyConnection> {
        let connecting = async {
            let mut connection = AnyConnection::connect(&self.url()).await?;
            connection.execute(sqlx::raw_sql(self.writing())).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        Ok(tokio::time::timeout(ANSWER, connecting).await.context("the key store did not answer")??)
    }
}

/// Changes in one commit at most.
const BATCH: usize = 512;

/// Keys that are looked up by one statement.
const AT_ONCE: usize = 128;

/// How long the store may take for one step.
const ANSWER: Duration = Duration::from_secs(10);

/// Of a file; in PostgreSQL the table is its administrator's, and made with the database.
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
    readers: AnyPool,
    writer: mpsc::Sender<Change>,
}

enum Change {
    Keep { subject_id: String, wrapped: Vec<u8>, kept: oneshot::Sender<anyhow::Result<Stored>> },
    Destroy { subject_id: String, done: oneshot::Sender<anyhow::Result<()>> },
}

impl Store {
    pub(super) async fn open(place: &Place, key_id: String, clock: Clock) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        if let Place::File(path) = place {
            make_folder_of(path)?;
        }
        let mut connection = place.connect().await?;
        if let Place::File(_) = place {
            connection.execute(sqlx::raw_sql(SCHEMA)).await.context("making the table")?;
        }
        same_secret(&mut connection, &key_id).await?;
        let reading = place.reading();
        let readers = AnyPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(TURN)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(sqlx::raw_sql(reading)).await.map(drop) })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    let clean = connection.execute(sqlx::raw_sql("BEGIN; ROLLBACK"));
                    Ok(tokio::time::timeout(Duration::from_secs(2), clean).await.is_ok_and(|clean| clean.is_ok()))
                })
            })
            .connect_lazy(&place.url())?;
        let (writer, changes) = mpsc::channel(4 * BATCH);
        tokio::spawn(Writer { place: place.clone(), connection: Some(connection), key_id, clock }.run(changes));
        Ok(Self { readers, writer })
    }

    pub(super) async fn find(&self, subject_id: &str) -> anyhow::Result<Option<Stored>> {
        let row = sqlx::query("SELECT wrapped_key FROM subject_key WHERE subject_id = $1")
            .bind(subject_id.to_owned())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| stored(&row)).transpose()
    }

    /// What stands there for many subjects; nothing for those who have no key.
    pub(super) async fn find_many(&self, subject_ids: &[String]) -> anyhow::Result<Vec<(String, Stored)>> {
        let mut found = Vec::new();
        for chunk in subject_ids.chunks(AT_ONCE) {
            let places = (1..=AT_ONCE).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
            let sql = format!("SELECT subject_id, wrapped_key FROM subject_key WHERE subject_id IN ({places})");
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
            // One text for any number, so that it is prepared once: the last one stands in for those who are missing.
            let filled = chunk.iter().chain(chunk.last().into_iter().cycle()).take(AT_ONCE);
            for subject_id in filled {
                query = query.bind(subject_id.clone());
            }
            for row in query.fetch_all(&self.readers).await? {
                found.push((row.try_get("subject_id")?, stored(&row)?));
            }
        }
        Ok(found)
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
    place: Place,
    /// None after a commit failed: what of its transaction is left on a connection is for nobody to guess.
    connection: Option<AnyConnection>,
    key_id: String,
    clock: Clock,
}

impl Writer {
    async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let mut batch = Vec::with_capacity(BATCH);
        while changes.recv_many(&mut batch, BATCH).await > 0 {
            let committed = tokio::time::timeout(ANSWER, self.commit(&batch)).await;
            match committed.context("the key store did not answer").and_then(|committed| committed) {
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
                    let (full, away, text) = (is_full(&error), passes(&error), format!("{error:#}"));
                    for change in batch.drain(..) {
                        let error = match (full, away) {
                            (true, _) => anyhow!(DiskFull),
                            (false, true) => anyhow!(Unreachable).context(text.clone()),
                            (false, false) => anyhow!("{text}"),
                        };
                        change.answer(Err(error.context("writing to the key store")));
                    }
                }
            }
        }
    }

    async fn commit(&mut self, batch: &[Change]) -> anyhow::Result<Vec<Stored>> {
        let now = self.clock.now().timestamp_micros();
        // Taken out meanwhile: a commit that fails, or that nobody waits for any more, leaves none behind.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.place.connect().await?,
        };
        let mut transaction = connection.begin_with(self.place.begin()).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for change in batch {
            outcomes.push(apply(&mut transaction, change, &self.key_id, now).await?);
        }
        transaction.commit().await?;
        self.connection = Some(connection);
        Ok(outcomes)
    }

    /// The journal still holds the pages as they were: without this a destroyed key could be read from it.
    async fn wipe_journal(&mut self) {
        let (Some(connection), Place::File(_)) = (&mut self.connection, &self.place) else { return };
        if let Err(error) = connection.execute(sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")).await {
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

async fn apply(db: &mut AnyConnection, change: &Change, key_id: &str, now: i64) -> anyhow::Result<Stored> {
    match change {
        Change::Keep { subject_id, wrapped, .. } => {
            // The update changes nothing: it makes RETURNING answer with the row that stands there already.
            let row = sqlx::query(
                "INSERT INTO subject_key (subject_id, wrapped_key, wrapping_key_id, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (subject_id) DO UPDATE SET subject_id = excluded.subject_id RETURNING wrapped_key",
            )
            .bind(subject_id.clone())
            .bind(wrapped.clone())
            .bind(key_id.to_owned())
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
            .bind(subject_id.clone())
            .bind(key_id.to_owned())
            .bind(now)
            .execute(db)
            .await?;
            Ok(Stored::Destroyed)
        }
    }
}

fn stored(row: &AnyRow) -> anyhow::Result<Stored> {
    let wrapped: Option<Vec<u8>> = row.try_get("wrapped_key")?;
    Ok(wrapped.map_or(Stored::Destroyed, Stored::Wrapped))
}

fn make_folder_of(path: &Path) -> anyhow::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))
}

/// Starting with another secret would make every name unreadable and new keys useless once the right one is back.
async fn same_secret(db: &mut AnyConnection, key_id: &str) -> anyhow::Result<()> {
    let others: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM subject_key WHERE wrapped_key IS NOT NULL AND wrapping_key_id <> $1")
            .bind(key_id.to_owned())
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
