//! One generation of a service's read models: a SQLite file of its own, with the tables of all projections, the
//! checkpoints and what was parked. It can be lost without loss, so it does not wait for the disk at every commit.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _, any::AnyPoolOptions};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Projection,
    parked::{Parked, Streams},
};

pub(super) struct Generation {
    pub(super) number: u32,
    pub(super) readers: AnyPool,
    pub(super) writer: Mutex<Writer>,
    /// A newer generation has taken its place.
    pub(super) retired: CancellationToken,
}

/// Whoever holds it is the only one to move the generation.
pub(super) struct Writer {
    pub(super) db: AnyConnection,
    /// Set while a transaction runs, and left so where it failed. SQLite ends some transactions by itself (a full disk);
    /// sqlx then counts one that is not there, and what is written within it is never committed.
    pub(super) in_doubt: bool,
    url: String,
    /// Streams of which a record was laid aside: the later ones follow it there.
    pub(super) parked: Streams,
}

/// Up to where a source was applied. An empty `log_id` where nothing was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) log_id: String,
    pub(super) position: u64,
}

/// `live`: 0 while it is filled beside another one. A crash meanwhile leaves a file that nobody may take for the live one.
const SCHEMA: &str = "
CREATE TABLE generation (fingerprint TEXT NOT NULL, live BIGINT NOT NULL);
CREATE TABLE checkpoint (source TEXT PRIMARY KEY, log_id TEXT NOT NULL, position BIGINT NOT NULL);
CREATE TABLE parked (source TEXT NOT NULL, position BIGINT NOT NULL, stream TEXT NOT NULL, type TEXT NOT NULL,
  error TEXT NOT NULL, PRIMARY KEY (source, position));
";

impl Generation {
    /// The live generation of these projections, if there is one.
    pub(super) async fn open(folder: &Path, fingerprint: &str) -> anyhow::Result<Option<Self>> {
        for number in numbers(folder)? {
            let Ok(generation) = Self::connect(folder, number).await else { continue };
            let mut writer = generation.writer.lock().await;
            let made_by = sqlx::query_scalar::<_, String>("SELECT fingerprint FROM generation WHERE live = 1")
                .fetch_optional(&mut writer.db)
                .await;
            if matches!(made_by, Ok(Some(made_by)) if made_by == fingerprint) {
                writer.parked = Streams::read(&mut writer.db).await?;
                drop(writer);
                return Ok(Some(generation));
            }
            drop(writer);
            generation.close().await;
        }
        Ok(None)
    }

    /// An empty one. `live`: there is no other to show meanwhile.
    pub(super) async fn create(
        folder: &Path,
        fingerprint: &str,
        projections: &[Box<dyn Projection>],
        live: bool,
    ) -> anyhow::Result<Self> {
        let number = numbers(folder)?.first().map_or(1, |newest| newest + 1);
        let generation = Self::connect(folder, number).await?;
        let mut writer = generation.writer.lock().await;
        let mut transaction = writer.db.begin().await.context("making the read models")?;
        transaction.execute(sqlx::raw_sql(SCHEMA)).await.context("making the checkpoints")?;
        for projection in projections {
            transaction
                .execute(sqlx::raw_sql(projection.schema()))
                .await
                .with_context(|| format!("making the tables of the projection {}", projection.name()))?;
        }
        sqlx::query("INSERT INTO generation (fingerprint, live) VALUES ($1, $2)")
            .bind(fingerprint.to_owned())
            .bind(i64::from(live))
            .execute(&mut *transaction)
            .await
            .context("naming the generation")?;
        transaction.commit().await.context("making the read models")?;
        drop(writer);
        Ok(generation)
    }

    async fn connect(folder: &Path, number: u32) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let path = file(folder, number);
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let opening = || format!("opening the read models {}", path.display());
        let mut db = AnyConnection::connect(&url).await.with_context(opening)?;
        db.execute(sqlx::raw_sql(WRITER)).await.with_context(opening)?;
        let readers = AnyPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .max_lifetime(None)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(sqlx::raw_sql(READER)).await.map(drop) })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    // A query that was dropped while it began a transaction leaves it open: the next one would read the
                    // tables as they were then, for ever. A connection that cannot begin another one is thrown away.
                    let clean = connection.execute(sqlx::raw_sql("BEGIN; ROLLBACK;"));
                    Ok(tokio::time::timeout(Duration::from_secs(2), clean).await.is_ok_and(|clean| clean.is_ok()))
                })
            })
            .connect_lazy(&url)
            .with_context(opening)?;
        let writer = Mutex::new(Writer { db, in_doubt: false, url, parked: Streams::default() });
        Ok(Self { number, readers, writer, retired: CancellationToken::new() })
    }

    /// From now on this is the one to open.
    pub(super) async fn make_live(&self) -> anyhow::Result<()> {
        sqlx::query("UPDATE generation SET live = 1")
            .execute(&mut self.writer.lock().await.db)
            .await
            .context("taking the new read models for the live ones")?;
        Ok(())
    }

    pub(super) async fn checkpoint(&self, source: &str) -> anyhow::Result<Checkpoint> {
        self.writer.lock().await.checkpoint(source).await
    }

    /// What was laid aside of a source, the oldest first.
    pub(super) async fn parked(&self, source: &str, limit: i64) -> anyhow::Result<Vec<Parked>> {
        let mut db = self.readers.acquire().await.context("reading what was parked")?;
        Parked::read(&mut db, source, 0, limit).await
    }

    pub(super) async fn close(self) {
        self.readers.close().await;
        if let Err(error) = self.writer.into_inner().db.close().await {
            tracing::warn!(%error, generation = self.number, "read models could not be closed");
        }
    }
}

impl Writer {
    /// Exchanges a connection of which nobody knows what is open on it.
    pub(super) async fn renew_if_in_doubt(&mut self) -> anyhow::Result<()> {
        if self.in_doubt {
            let renewing = "opening the read models again";
            let mut db = AnyConnection::connect(&self.url).await.context(renewing)?;
            db.execute(sqlx::raw_sql(WRITER)).await.context(renewing)?;
            // What the old one holds is undone when it closes.
            drop(std::mem::replace(&mut self.db, db).close().await);
            self.in_doubt = false;
        }
        Ok(())
    }

    pub(super) async fn checkpoint(&mut self, source: &str) -> anyhow::Result<Checkpoint> {
        self.renew_if_in_doubt().await?;
        let row = sqlx::query("SELECT log_id, position FROM checkpoint WHERE source = $1")
            .bind(source.to_owned())
            .fetch_optional(&mut self.db)
            .await
            .context("reading a checkpoint")?;
        Ok(row.map_or_else(Checkpoint::default, |row| Checkpoint {
            log_id: row.get(0),
            position: u64::try_from(row.get::<i64, _>(1)).unwrap_or(0),
        }))
    }
}

// Rows are keyed by random ids: with SQLite's usual 2 MB of cache each of them would be fetched, and spilled, anew.
const WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;
    PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;";
const READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;";

fn file(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number}.db"))
}

/// The generations in the folder, the newest first.
fn numbers(folder: &Path) -> anyhow::Result<Vec<u32>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("looking into {}", folder.display()))?;
    let mut numbers: Vec<u32> = entries.flatten().filter_map(|entry| number(&entry.path())).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

fn number(path: &Path) -> Option<u32> {
    if path.extension()? != "db" {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

/// Removes what other generations left behind.
pub(super) fn drop_others(folder: &Path, live: u32) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.split('.').next().and_then(|number| number.parse::<u32>().ok());
        if number.is_some_and(|number| number != live)
            && let Err(error) = std::fs::remove_file(&path)
            // The last connection to a file takes its neighbours with it.
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = name, "an old generation of read models could not be removed");
        }
    }
}
