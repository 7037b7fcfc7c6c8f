//! A log in one SQLite file, for one process: a folder and a program are all that a subdistrict needs to begin. One
//! connection writes, a few read, all in WAL mode and synced at each commit. A lock file next to it keeps a second
//! process out.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{sync::watch, time::Instant};

use self::{reader::Rows, writer::Writer};
use super::{
    Append, AppendError, Appended, EventLog, Head, KnownCommand, LogError, Record, Verification, chain,
    entrance::Entrance,
    reader::Reader,
    store::StoreError,
    tail::{Standing, Tail},
};
use crate::{Clock, Lead, Lease};

#[cfg(test)]
mod tests;
/// Questions to rows.
mod reader;
/// One statement for many rows.
mod statements;
/// Plans to rows.
mod writer;

/// A service's log in a SQLite file.
pub struct SqliteLog {
    tail: Arc<Tail>,
    reader: Reader<Rows>,
    entrance: Entrance<Writer>,
    lease: Lease,
}

/// How long a starting process waits for one that is just ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// "mflg", so that no other database is taken for a log.
const APPLICATION: i64 = 0x6d66_6c67;
const SCHEMA_VERSION: i64 = 1;

impl SqliteLog {
    /// Opens the log, or makes an empty one where there is none.
    pub async fn open(path: &Path, name: &str, clock: Clock) -> anyhow::Result<Self> {
        let lock = lock(path).await?;
        let (log_id, standing) = prepare(path, name, &clock).await.with_context(|| {
            format!(
                "opening the log {name} in {}: it may be damaged; restore it from a backup, or move it away to begin an empty log",
                path.display()
            )
        })?;
        let tail = Arc::new(Tail::new(name.to_owned(), log_id, standing));
        let reader = Reader { shelf: Rows::new(options(path)), tail: Arc::clone(&tail) };
        let entrance = Entrance::open(Writer::new(options(path), lock), Arc::clone(&tail), clock)?;
        Ok(Self { tail, reader, entrance, lease: Lease::alone() })
    }
}

#[async_trait]
impl EventLog for SqliteLog {
    fn name(&self) -> &str {
        &self.tail.log
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.entrance.append(append).await
    }

    async fn head(&self) -> Result<Head, LogError> {
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
        self.reader.read_stream(category, stream_id, after_version, self.tail.standing().position).await
    }

    async fn read_streams(&self, category: &str, stream_ids: &[String]) -> Result<Vec<Arc<Record>>, LogError> {
        self.reader.read_streams(category, stream_ids, self.tail.standing().position).await
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
        self.reader.verify().await
    }

    async fn prune_commands(&self, before: DateTime<Utc>) -> Result<u64, LogError> {
        self.entrance.prune_commands(before).await
    }

    fn lead(&self) -> watch::Receiver<Lead> {
        self.lease.watch()
    }

    fn sole_writer(&self) -> Option<i64> {
        self.lease.sure()
    }

    async fn close(&self) {
        if let Some(writer) = self.entrance.close().await {
            self.reader.shelf.close().await;
            writer.close().await;
        }
    }
}

/// Keeps other processes out until the file is dropped.
async fn lock(path: &Path) -> anyhow::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&name)
        .with_context(|| format!("making the lock file {}", name.display()))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => bail!(
                "the data folder {} is in use by another process, which holds {}: stop that process, or give this one a data folder of its own",
                folder.display(),
                name.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", name.display()));
            }
        }
    }
}

/// What every connection to a log has in common.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(false)
        .statement_cache_capacity(128)
        .disable_statement_logging()
}

/// Pages of 4 KiB in the WAL before they are copied into the file: 64 MiB.
const WAL_PAGES: &str = "16000";

/// Options of the connection that writes.
fn writing(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose acknowledged commits when the power goes.
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-32000")
        // What a statement over many rows would have to undo goes to a file of its own otherwise: every page a second time.
        .pragma("temp_store", "MEMORY")
        // The longer the WAL, the more changes of the same page it gathers before the page is copied, and the rarer everybody
        // waits for that.
        .pragma("wal_autocheckpoint", WAL_PAGES)
        .pragma("journal_size_limit", "67108864")
}

/// Makes the tables of a new log, checks those of an old one, and says where it stands.
async fn prepare(path: &Path, name: &str, clock: &Clock) -> anyhow::Result<(String, Standing)> {
    let mut db = writing(options(path)).create_if_missing(true).connect().await?;
    let empty = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM sqlite_schema").fetch_one(&mut db).await? == 0;
    if empty {
        create(&mut db, name, clock).await?;
    }
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut db).await?;
    if application != APPLICATION {
        bail!("this is the database of another program");
    }
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut db).await?;
    if version != SCHEMA_VERSION {
        bail!(
            "it was written by a version of this program that is not this one (schema {version}): update the program"
        );
    }
    let (log, log_id): (String, String) = sqlx::query_as("SELECT log, log_id FROM log_head").fetch_one(&mut db).await?;
    if log != name {
        bail!("this is the log {log}");
    }
    let standing = writer::standing(&mut db).await?;
    let last: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT position, chain FROM event ORDER BY position DESC LIMIT 1")
            .fetch_optional(&mut db)
            .await?;
    let (position, chain) = last.unwrap_or((0, chain::START.to_vec()));
    if position.cast_unsigned() != standing.position || chain != standing.chain {
        bail!("its head says position {} and its last event says {position}", standing.position);
    }
    db.close().await?;
    Ok((log_id, standing))
}

async fn create(db: &mut SqliteConnection, name: &str, clock: &Clock) -> anyhow::Result<()> {
    let mut transaction = db.begin().await?;
    sqlx::raw_sql(include_str!("sqlite/schema.sql")).execute(&mut *transaction).await?;
    sqlx::query("INSERT INTO log_head (id, log, log_id, position, chain) VALUES (1, ?, ?, 0, ?)")
        .bind(name)
        .bind(clock.id().to_string())
        .bind(&chain::START[..])
        .execute(&mut *transaction)
        .await?;
    // PRAGMA takes no parameters; these two are part of the transaction.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA_VERSION};"
    )))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await.context("making the tables")
}

/// What an error of the database means for an append.
fn classified(error: sqlx::Error) -> StoreError {
    const ERROR: u32 = 1;
    const CORRUPT: u32 = 11;
    const FULL: u32 = 13;
    const TOO_BIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;
    const NOT_A_DATABASE: u32 = 26;
    /// The shared memory of the WAL cannot grow: the disk is full, too.
    const SHARED_MEMORY_SIZE: u32 = 4874;
    let code = match &error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<u32>().ok()),
        _ => None,
    };
    match code {
        Some(SHARED_MEMORY_SIZE) => StoreError::Full,
        Some(code) => match code & 0xff {
            FULL => StoreError::Full,
            ERROR | TOO_BIG | CONSTRAINT | MISMATCH => StoreError::Refused(error.into()),
            CORRUPT | NOT_A_DATABASE => StoreError::Fault(error.into()),
            _ => StoreError::Unknown(error.into()),
        },
        None => StoreError::Unknown(error.into()),
    }
}
