//! How far a service's reactions are in each log, kept for the next start. One that is lost or old is no harm: reacting
//! again changes nothing.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};
use tokio::sync::Mutex;

use crate::postgres::Database;

/// Up to where a log's records were reacted to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoint {
    pub(super) log_id: String,
    pub(super) position: u64,
}

/// The checkpoints of a service's reactions.
#[derive(Clone)]
pub(crate) struct Checkpoints(Arc<Store>);

struct Store {
    url: String,
    /// Said on each new connection.
    greeting: &'static str,
    /// None before the first use, and after a connection failed.
    connection: Mutex<Option<AnyConnection>>,
}

/// How long the store may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

impl Checkpoints {
    /// In a file of their own.
    pub(crate) async fn open(path: &Path) -> anyhow::Result<Self> {
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let checkpoints =
            Self::at(url, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;");
        checkpoints
            .ask(async |db| {
                let table = "CREATE TABLE IF NOT EXISTS checkpoint (consumer TEXT NOT NULL, source TEXT NOT NULL,
                   log_id TEXT NOT NULL, position BIGINT NOT NULL, PRIMARY KEY (consumer, source))";
                db.execute(sqlx::raw_sql(table)).await.map(drop)
            })
            .await
            .with_context(|| format!("opening the reactions' checkpoints {}", path.display()))?;
        Ok(checkpoints)
    }

    /// In the service's database.
    pub(crate) fn in_database(database: &Database) -> Self {
        Self::at(database.any_url("reactions"), "SET synchronous_commit = off")
    }

    fn at(url: String, greeting: &'static str) -> Self {
        sqlx::any::install_default_drivers();
        Self(Arc::new(Store { url, greeting, connection: Mutex::default() }))
    }

    pub(super) async fn read(&self, consumer: &str, source: &str) -> anyhow::Result<Checkpoint> {
        let row = self
            .ask(async |db| {
                sqlx::query("SELECT log_id, position FROM checkpoint WHERE consumer = $1 AND source = $2")
                    .bind(consumer.to_owned())
                    .bind(source.to_owned())
                    .fetch_optional(db)
                    .await
            })
            .await
            .context("reading a checkpoint")?;
        Ok(row.map_or_else(Checkpoint::default, |row| Checkpoint {
            log_id: row.get(0),
            position: u64::try_from(row.get::<i64, _>(1)).unwrap_or(0),
        }))
    }

    pub(super) async fn write(&self, consumer: &str, source: &str, checkpoint: &Checkpoint) -> anyhow::Result<()> {
        let position = i64::try_from(checkpoint.position).context("a position fits into 63 bits")?;
        self.ask(async |db| {
            sqlx::query(
                "INSERT INTO checkpoint (consumer, source, log_id, position) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (consumer, source) DO UPDATE SET log_id = excluded.log_id, position = excluded.position",
            )
            .bind(consumer.to_owned())
            .bind(source.to_owned())
            .bind(checkpoint.log_id.clone())
            .bind(position)
            .execute(db)
            .await
        })
        .await
        .context("moving a checkpoint")?;
        Ok(())
    }

    /// Each question is a transaction of its own. A connection that failed, or whose answer nobody waited for, is not used
    /// again.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> anyhow::Result<T> {
        let mut kept = self.0.connection.lock().await;
        let asked = async {
            let mut connection = if let Some(connection) = kept.take() {
                connection
            } else {
                let mut connection = AnyConnection::connect(&self.0.url).await?;
                connection.execute(sqlx::raw_sql(self.0.greeting)).await?;
                connection
            };
            let answer = question(&mut connection).await?;
            *kept = Some(connection);
            Ok::<_, sqlx::Error>(answer)
        };
        Ok(tokio::time::timeout(ANSWER, asked).await.context("the store did not answer")??)
    }
}
