//! One generation of a service's read models: a SQLite file of its own, with the tables of all projections, the
//! checkpoints and what was parked. It can be lost without loss, so it does not wait for the disk at every commit.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use sqlx::{
    AnyConnection, AnyPool, Connection as _, Executor as _, Row as _,
    any::AnyPoolOptions,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::Projection;

pub(super) struct Generation {
    pub(super) number: u32,
    pub(super) readers: AnyPool,
    pub(super) writer: Mutex<AnyConnection>,
    /// Streams of which a record was laid aside: the later ones follow it there.
    pub(super) parked: Mutex<HashSet<String>>,
    /// A newer generation has taken its place.
    pub(super) retired: CancellationToken,
}

pub(super) struct Checkpoint {
    pub(super) log_id: String,
    pub(super) position: u64,
}

const SCHEMA: &str = "
CREATE TABLE generation (fingerprint TEXT NOT NULL);
CREATE TABLE checkpoint (source TEXT PRIMARY KEY, log_id TEXT NOT NULL, position BIGINT NOT NULL);
CREATE TABLE parked (source TEXT NOT NULL, position BIGINT NOT NULL, stream TEXT NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY (source, position));
";

impl Generation {
    /// The generation of this number, unless it was made by other projections or never finished.
    pub(super) async fn open(folder: &Path, number: u32, fingerprint: &str) -> anyhow::Result<Option<Self>> {
        let path = file(folder, number);
        let Ok(generation) = Self::connect(&path, number).await else { return Ok(None) };
        let made_by = sqlx::query_scalar::<_, String>("SELECT fingerprint FROM generation")
            .fetch_one(&mut *generation.writer.lock().await)
            .await;
        if !made_by.is_ok_and(|made_by| made_by == fingerprint) {
            return Ok(None);
        }
        let rows = sqlx::query("SELECT source, stream FROM parked")
            .fetch_all(&mut *generation.writer.lock().await)
            .await
            .context("reading what was parked")?;
        for row in rows {
            let stream = format!("{}/{}", row.get::<String, _>(0), row.get::<String, _>(1));
            generation.parked.lock().await.insert(stream);
        }
        Ok(Some(generation))
    }

    pub(super) async fn create(
        folder: &Path,
        number: u32,
        fingerprint: &str,
        projections: &[Box<dyn Projection>],
    ) -> anyhow::Result<Self> {
        let path = file(folder, number);
        let generation = Self::connect(&path, number).await?;
        let mut db = generation.writer.lock().await;
        let mut transaction = db.begin().await.context("making the read models")?;
        transaction.execute(sqlx::raw_sql(SCHEMA)).await.context("making the checkpoints")?;
        for projection in projections {
            transaction
                .execute(sqlx::raw_sql(projection.schema()))
                .await
                .with_context(|| format!("making the tables of the projection {}", projection.name()))?;
        }
        sqlx::query("INSERT INTO generation (fingerprint) VALUES ($1)")
            .bind(fingerprint.to_owned())
            .execute(&mut *transaction)
            .await
            .context("naming the generation")?;
        transaction.commit().await.context("making the read models")?;
        drop(db);
        Ok(generation)
    }

    async fn connect(path: &Path, number: u32) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let opening = || format!("opening the read models {}", path.display());
        let mut writer = AnyConnection::connect(&url).await.with_context(opening)?;
        writer.execute(sqlx::raw_sql(WRITER)).await.with_context(opening)?;
        let readers = AnyPoolOptions::new()
            .max_connections(8)
            .max_lifetime(None)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(sqlx::raw_sql(READER)).await.map(drop) })
            })
            .connect_lazy(&url)
            .with_context(opening)?;
        Ok(Self {
            number,
            readers,
            writer: Mutex::new(writer),
            parked: Mutex::default(),
            retired: CancellationToken::new(),
        })
    }

    /// Streams of a source of which a record was laid aside.
    pub(super) async fn parked_of(&self, source: &str) -> u64 {
        let prefix = format!("{source}/");
        self.parked.lock().await.iter().filter(|stream| stream.starts_with(&prefix)).count() as u64
    }

    pub(super) async fn checkpoint(&self, source: &str) -> anyhow::Result<Option<Checkpoint>> {
        let row = sqlx::query("SELECT log_id, position FROM checkpoint WHERE source = $1")
            .bind(source.to_owned())
            .fetch_optional(&mut *self.writer.lock().await)
            .await
            .context("reading a checkpoint")?;
        Ok(row.map(|row| Checkpoint {
            log_id: row.get(0),
            position: u64::try_from(row.get::<i64, _>(1)).unwrap_or(0),
        }))
    }
}

const WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;";
const READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;";

fn file(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number}.db"))
}

/// The greatest number of a generation in the folder.
pub(super) fn newest(folder: &Path) -> anyhow::Result<Option<u32>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("looking into {}", folder.display()))?;
    Ok(entries.flatten().filter_map(|entry| number(&entry.path())).max())
}

/// Removes what an earlier generation left behind.
pub(super) fn drop_others(folder: &Path, live: u32) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.split('.').next().and_then(|number| number.parse::<u32>().ok());
        if number.is_some_and(|number| number != live)
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, file = name, "an old generation of read models could not be removed");
        }
    }
}

fn number(path: &Path) -> Option<u32> {
    if path.extension()? != "db" {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}
