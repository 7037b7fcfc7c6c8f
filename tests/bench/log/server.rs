//! A PostgreSQL server of its own, with fsync, and the plain way of writing to it: one INSERT per commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use chassis::{Clock, Lease, event_log::postgres::PgLog};
use futures::future::try_join_all;
use sqlx::Connection as _;
use tests::postgres::{Cluster, Service};
use tokio_util::sync::CancellationToken;

use super::{Options, round};
use crate::rounds::{Round, count};

pub(super) struct Server {
    cluster: Cluster,
    /// Where the plain way writes.
    plain: Service,
}

/// Like the log's events in columns, keys and indices.
const TABLE: &str = "
    CREATE SCHEMA plain;
    CREATE TABLE plain.event (LIKE log.event INCLUDING ALL)";

/// As on a server that has run for a while, segments of the WAL are used again rather than made anew: to make one takes as
/// long as many commits, and those who write more have to make more.
const KEEPING: &str = "ALTER SYSTEM SET min_wal_size = '2GB'";

const INSERT: &str = "
    INSERT INTO plain.event (position, stream_no, version, event_id, type, schema_version, payload, command_id,
        correlation_id, causation_id, actor, office, subject_id, traceparent, occurred_at, recorded_at, chain)
    VALUES ($1, $2, $3, $4, 'bench.happened', 1, $5, $4, '', '', 'device/bench', 'n1', NULL, '', $6, $6, $7)";

impl Server {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let cluster = Cluster::own()?;
        let plain = cluster.service_named("plain").await?;
        let mut db = cluster.administer(&plain).await?;
        for statement in [KEEPING, "SELECT pg_reload_conf()", TABLE] {
            sqlx::raw_sql(statement).execute(&mut db).await?;
        }
        sqlx::raw_sql("GRANT USAGE ON SCHEMA plain TO mifeng_plain; GRANT ALL ON plain.event TO mifeng_plain")
            .execute(&mut db)
            .await?;
        db.close().await?;
        Ok(Self { cluster, plain })
    }

    /// Callers who append to an empty log, under a lease as in a replica.
    pub(super) async fn round(&self, options: &Options) -> anyhow::Result<Round> {
        self.settle().await?;
        let service = self.cluster.service().await?;
        let lease = Lease::contend(&service.database, "http://bench", &CancellationToken::new()).await?;
        let log = PgLog::open(&service.database, &service.name, Clock::system(), lease.clone()).await?;
        let done = round(options, Arc::new(log), options.callers).await;
        lease.give_back().await;
        done
    }

    /// Writes out what the round before has left, and keeps its segments of the WAL for the next.
    async fn settle(&self) -> anyhow::Result<()> {
        let mut owner = self.cluster.administer(&self.plain).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&mut owner).await?;
        Ok(owner.close().await?)
    }

    /// The number of connections over which plain inserts go fastest.
    pub(super) async fn best(&self, bytes: usize) -> anyhow::Result<usize> {
        let mut best = (0.0, 0);
        for connections in [1, 4, 8, 16, 32, 64] {
            let round = self.insert(connections, Duration::from_secs(2), bytes).await?;
            if round.per_second > best.0 {
                best = (round.per_second, connections);
            }
        }
        Ok(best.1)
    }

    /// Plain inserts, each committed by itself.
    pub(super) async fn insert(&self, connections: usize, length: Duration, bytes: usize) -> anyhow::Result<Round> {
        self.settle().await?;
        let mut owner = self.cluster.administer(&self.plain).await?;
        sqlx::raw_sql("TRUNCATE plain.event").execute(&mut owner).await?;
        let position = Arc::new(AtomicI64::new(0));
        let mut all = Vec::new();
        for _ in 0..connections {
            all.push(self.plain.database.connect().await?);
        }
        let start = Instant::now();
        let tasks = all.into_iter().zip(0_i64..).map(|(mut db, stream)| {
            let position = Arc::clone(&position);
            tokio::spawn(async move {
                let (mut waits, clock, payload, chain) = (Vec::new(), Clock::system(), vec![5_u8; bytes], [9_u8; 32]);
                for version in 1_i64.. {
                    if start.elapsed() >= length {
                        break;
                    }
                    let sent = Instant::now();
                    sqlx::query(INSERT)
                        .bind(position.fetch_add(1, Ordering::Relaxed))
                        .bind(stream)
                        .bind(version)
                        .bind(clock.id().to_string())
                        .bind(&payload)
                        .bind(clock.now().timestamp_micros())
                        .bind(&chain[..])
                        .execute(&mut db)
                        .await?;
                    waits.push(sent.elapsed());
                }
                db.close().await?;
                anyhow::Ok(waits)
            })
        });
        let mut waits = Vec::new();
        for task in try_join_all(tasks).await? {
            waits.extend(task?);
        }
        Ok(Round { per_second: count(waits.len()) / start.elapsed().as_secs_f64(), waits })
    }
}
