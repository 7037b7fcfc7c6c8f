//! One generation of a service's read models: a place of its own on the shelf, with the tables of all projections, the
//! checkpoints and what was parked. It can be lost without loss, so it does not wait for the disk at every commit.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _, any::AnyPoolOptions};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Projection,
    parked::{Parked, Streams},
    shelf::{Shelf, leave},
};
use crate::{museum::Bug, postgres::TURN};

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
    shelf: Shelf,
    number: u32,
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
    pub(super) async fn open(shelf: &Shelf, fingerprint: &str) -> anyhow::Result<Option<Self>> {
        for number in shelf.numbers().await? {
            let generation = match Self::connect(shelf, number).await {
                Ok(generation) => generation,
                // A damaged file is made again from the logs; a server that is away is waited for.
                Err(error) if shelf.is_shared() => return Err(error),
                Err(_) => continue,
            };
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
        shelf: &Shelf,
        fingerprint: &str,
        projections: &[Box<dyn Projection>],
        live: bool,
    ) -> anyhow::Result<Self> {
        let number = shelf.numbers().await?.first().map_or(1, |newest| newest + 1);
        let generation = Self::connect(shelf, number).await?;
        let mut writer = generation.writer.lock().await;
        let mut transaction = writer.db.begin().await.context("making the read models")?;
        shelf.make_room(&mut transaction, number).await?;
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

    async fn connect(shelf: &Shelf, number: u32) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let db = connect(shelf, number).await?;
        let reading = shelf.reading();
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(TURN)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(sqlx::raw_sql(reading)).await.map(drop) })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    if Bug::CancelledBegin.is_back() {
                        return Ok(true);
                    }
                    // A query that was dropped while it began a transaction leaves it open: the next one would read the
                    // tables as they were then, for ever. A connection that cannot begin another one is thrown away.
                    let clean = connection.execute(sqlx::raw_sql("BEGIN; ROLLBACK;"));
                    Ok(tokio::time::timeout(Duration::from_secs(2), clean).await.is_ok_and(|clean| clean.is_ok()))
                })
            })
            .connect_lazy(&shelf.url(number))
            .with_context(|| format!("opening the read models {}", shelf.place(number)))?;
        let writer =
            Mutex::new(Writer { db, in_doubt: false, shelf: shelf.clone(), number, parked: Streams::default() });
        Ok(Self { number, readers, writer, retired: CancellationToken::new() })
    }

    /// The newest live one, if it is not this one: another replica has built it.
    pub(super) async fn successor(&self, shelf: &Shelf, fingerprint: &str) -> anyhow::Result<Option<Self>> {
        let newest = shelf.numbers().await?.into_iter().next();
        if newest.is_none_or(|newest| newest <= self.number) {
            return Ok(None);
        }
        let live = Self::open(shelf, fingerprint).await?;
        Ok(live.filter(|live| live.number > self.number))
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
        leave(self.writer.into_inner().db).await;
    }
}

impl Writer {
    /// Exchanges a connection of which nobody knows what is open on it.
    pub(super) async fn renew_if_in_doubt(&mut self) -> anyhow::Result<()> {
        if self.in_doubt {
            let db = connect(&self.shelf, self.number).await?;
            // What the old one holds is undone when it closes.
            leave(std::mem::replace(&mut self.db, db)).await;
            self.in_doubt = false;
        }
        Ok(())
    }

    pub(super) async fn checkpoint(&mut self, source: &str) -> anyhow::Result<Checkpoint> {
        self.renew_if_in_doubt().await?;
        // Until it has answered: a server that was started again has forgotten this connection.
        self.in_doubt = true;
        let asked = sqlx::query("SELECT log_id, position FROM checkpoint WHERE source = $1")
            .bind(source.to_owned())
            .fetch_optional(&mut self.db);
        let answered = tokio::time::timeout(ANSWER, asked).await.context("the read models do not answer")?;
        let row = answered.context("reading a checkpoint")?;
        self.in_doubt = false;
        Ok(row.map_or_else(Checkpoint::default, |row| Checkpoint {
            log_id: row.get(0),
            position: u64::try_from(row.get::<i64, _>(1)).unwrap_or(0),
        }))
    }
}

/// Connections that read one generation.
const READERS: u32 = 8;

/// How long a store may take to say where it stands: one that has gone silent is left for another connection.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a store may take to be opened.
const CONNECT: Duration = Duration::from_secs(10);

/// The connection that writes.
async fn connect(shelf: &Shelf, number: u32) -> anyhow::Result<AnyConnection> {
    let opening = || format!("opening the read models {}", shelf.place(number));
    let connecting = async {
        let mut db = AnyConnection::connect(&shelf.url_to_write(number)).await?;
        db.execute(sqlx::raw_sql(shelf.writing())).await?;
        Ok::<_, sqlx::Error>(db)
    };
    tokio::time::timeout(CONNECT, connecting).await.with_context(opening)?.with_context(opening)
}
