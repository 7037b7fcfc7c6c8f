//! Where the generations of a service's read models lie: each in a SQLite file of its own, or in a schema of its own in the
//! service's database. The tables, and whatever is asked of them, are written once for both.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use sqlx::{AnyConnection, Connection as _, Executor as _, PgConnection, Row as _};

use crate::postgres::{self, Database};

/// Where they lie. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Shelf {
    /// "1.db", "2.db", …
    Folder(PathBuf),
    /// Schemas "views_1", "views_2", …
    Database(Database),
}

/// Replicas that start together must not both make the first generation.
pub(super) struct Opening(Option<PgConnection>);

/// "mifeng views", as one lock of many that a database may know.
const OPENING: i64 = 0x6d66_7669_6577;

/// How long a server may take to answer while a generation is opened or made.
const PATIENCE: Duration = Duration::from_secs(30);

// Rows are keyed by random ids: with SQLite's usual 2 MB of cache each of them would be fetched, and spilled, anew.
const FILE_WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;
    PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;";
const FILE_READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;";
// What is lost of a read model in a crash is applied again: the checkpoint is lost with it.
const SCHEMA_WRITER: &str = "SET synchronous_commit = off";
const SCHEMA_READER: &str = "SET default_transaction_read_only = on";

impl Shelf {
    /// Makes the place itself, where it is missing.
    pub(super) fn prepare(&self) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))
            }
            Self::Database(_) => Ok(()),
        }
    }

    /// Keeps other replicas from opening or making a generation until the result is dropped or `done`.
    pub(super) async fn opening(&self) -> anyhow::Result<Opening> {
        let Self::Database(database) = self else { return Ok(Opening(None)) };
        let mut connection = database.connect().await?;
        let locked = sqlx::query("SELECT pg_advisory_lock($1)").bind(OPENING).execute(&mut connection);
        tokio::time::timeout(PATIENCE, locked)
            .await
            .context("waiting for another replica to open the read models")??;
        Ok(Opening(Some(connection)))
    }

    /// Whether others may be reading generations that are not ours.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Database(_))
    }

    pub(super) fn url(&self, number: u32) -> String {
        match self {
            Self::Folder(folder) => format!("sqlite://{}?mode=rwc", file(folder, number).display()),
            Self::Database(database) => database.any_url(&schema(number)),
        }
    }

    /// For the connection that writes, which finds its rows by their keys.
    pub(super) fn url_to_write(&self, number: u32) -> String {
        match self {
            Self::Folder(_) => self.url(number),
            Self::Database(database) => database.by_keys().any_url(&schema(number)),
        }
    }

    /// "…/views/3.db", "db:5432/mifeng_pass, views_3"
    pub(super) fn place(&self, number: u32) -> String {
        match self {
            Self::Folder(folder) => file(folder, number).display().to_string(),
            Self::Database(database) => format!("{}, {}", database.place(), schema(number)),
        }
    }

    pub(super) const fn writing(&self) -> &'static str {
        match self {
            Self::Folder(_) => FILE_WRITER,
            Self::Database(_) => SCHEMA_WRITER,
        }
    }

    pub(super) const fn reading(&self) -> &'static str {
        match self {
            Self::Folder(_) => FILE_READER,
            Self::Database(_) => SCHEMA_READER,
        }
    }

    /// Room for a new generation, within its first transaction.
    pub(super) async fn make_room(&self, db: &mut AnyConnection, number: u32) -> anyhow::Result<()> {
        if self.is_shared() {
            let sql = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {}", schema(number)));
            db.execute(sqlx::raw_sql(sql)).await.context("making a schema")?;
        }
        Ok(())
    }

    /// The generations that lie here, the newest first.
    pub(super) async fn numbers(&self) -> anyhow::Result<Vec<u32>> {
        let mut numbers: Vec<u32> = match self {
            Self::Folder(folder) => {
                let entries =
                    std::fs::read_dir(folder).with_context(|| format!("looking into {}", folder.display()))?;
                entries.flatten().filter_map(|entry| number_of_file(&entry.path())).collect()
            }
            Self::Database(database) => {
                let mut db = database.connect().await?;
                let rows = sqlx::query(r"SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'views\_%'")
                    .fetch_all(&mut db)
                    .await
                    .context("looking for read models")?;
                postgres::leave(db).await;
                rows.iter().filter_map(|row| number_of_schema(row.get(0))).collect()
            }
        };
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    /// Removes what other generations left behind.
    pub(super) async fn drop_others(&self, live: u32) {
        let dropped = match self {
            Self::Folder(folder) => {
                drop_other_files(folder, live);
                Ok(())
            }
            Self::Database(database) => self.drop_other_schemas(database, live).await,
        };
        if let Err(error) = dropped {
            tracing::warn!(error = format!("{error:#}"), "an old generation of read models could not be removed");
        }
    }

    async fn drop_other_schemas(&self, database: &Database, live: u32) -> anyhow::Result<()> {
        let others = self.numbers().await?.into_iter().filter(|number| *number != live);
        let mut db = database.connect().await?;
        for number in others {
            let sql = sqlx::AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", schema(number)));
            db.execute(sqlx::raw_sql(sql)).await.with_context(|| format!("dropping {}", schema(number)))?;
        }
        postgres::leave(db).await;
        Ok(())
    }
}

impl Opening {
    /// The server lets go of the lock with the connection, also where this is not called.
    pub(super) async fn done(self) {
        if let Some(connection) = self.0 {
            postgres::leave(connection).await;
        }
    }
}

/// Ends a connection of either kind without waiting for a server that may never answer.
pub(super) async fn leave(connection: AnyConnection) {
    if tokio::time::timeout(Duration::from_secs(2), connection.close()).await.is_err() {
        tracing::debug!("a connection was left without a farewell: the server did not answer");
    }
}

fn schema(number: u32) -> String {
    format!("views_{number}")
}

fn file(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number}.db"))
}

fn number_of_schema(name: &str) -> Option<u32> {
    name.strip_prefix("views_")?.parse().ok()
}

fn number_of_file(path: &Path) -> Option<u32> {
    if path.extension()? != "db" {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

fn drop_other_files(folder: &Path, live: u32) {
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
