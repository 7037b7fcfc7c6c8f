//! Logs whose every commit is synced. Two ways on the same disk, in turns, so that neither has the quieter minutes: many
//! callers who each wait for their answer before they send the next command, and every event a commit of its own. In
//! SQLite the second way is one caller alone; in PostgreSQL it is a plain INSERT per commit into a table like the log's,
//! over as many connections as serve it best. The medians of all rounds are compared.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{
    Clock,
    event_log::{Append, EventLog, Expected, NewEvent, Write, sqlite::SqliteLog},
};
use clap::{Args, ValueEnum};
use futures::future::try_join_all;
use serde_json::{Map, Value, json};

use self::server::Server;
use crate::rounds::{Round, count, median_of, percentile};

/// A PostgreSQL server, and the plain way of writing to it.
mod server;

#[derive(Args)]
pub(crate) struct Options {
    /// Callers at once, each on a stream of its own.
    #[arg(long, default_value_t = 256)]
    callers: u64,
    /// Rounds of each way.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Seconds per round and way.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Bytes per event.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// A folder on the disk that is to be measured; PostgreSQL is measured where temporary files are.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Measures one kind of database alone.
    #[arg(long, value_enum)]
    only: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

pub(crate) async fn measure(options: Options) -> anyhow::Result<Map<String, Value>> {
    let mut results = Map::new();
    let mut note = |name: &str, value: f64| {
        results.insert(name.to_owned(), json!((value * 100.0).round() / 100.0));
    };
    if options.only != Some(Kind::Postgres) {
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            together.push(in_sqlite(&options, options.callers).await?);
            alone.push(in_sqlite(&options, 1).await?);
        }
        let (append, single) = (median_of(&together), median_of(&alone));
        note("sqlite_append_per_s", append);
        note("sqlite_single_per_s", single);
        note("ratio_sqlite_append", append / single);
        note("sqlite_append_p50_ms", percentile(&together, 50));
        note("sqlite_append_p99_ms", percentile(&together, 99));
        note("sqlite_single_p50_ms", percentile(&alone, 50));
        note("sqlite_single_p99_ms", percentile(&alone, 99));
    }
    if options.only != Some(Kind::Sqlite) {
        let server = Server::start().await?;
        let connections = server.best(options.bytes).await?;
        let (mut together, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            together.push(server.round(&options).await?);
            plain.push(server.insert(connections, Duration::from_secs(options.seconds), options.bytes).await?);
        }
        let (append, single) = (median_of(&together), median_of(&plain));
        note("pg_append_per_s", append);
        note("pg_plain_per_s", single);
        note("ratio_pg_append", append / single);
        note("pg_append_p50_ms", percentile(&together, 50));
        note("pg_append_p99_ms", percentile(&together, 99));
        note("pg_plain_p50_ms", percentile(&plain, 50));
        note("pg_plain_p99_ms", percentile(&plain, 99));
        results.insert("pg_plain_connections".to_owned(), json!(connections));
    }
    for (name, value) in [("callers", options.callers), ("rounds", options.rounds), ("seconds", options.seconds)] {
        results.insert(name.to_owned(), json!(value));
    }
    results.insert("event_bytes".to_owned(), json!(options.bytes));
    Ok(results)
}

async fn in_sqlite(options: &Options, callers: u64) -> anyhow::Result<Round> {
    let folder = tempfile::Builder::new().prefix("bench-log-").tempdir_in(&options.folder)?;
    let log = SqliteLog::open(&folder.path().join("log.db"), "bench", Clock::system()).await?;
    round(options, Arc::new(log), callers).await
}

/// Runs callers against an empty log for a while, then has the log verified.
async fn round(options: &Options, log: Arc<dyn EventLog>, callers: u64) -> anyhow::Result<Round> {
    let (start, length) = (Instant::now(), Duration::from_secs(options.seconds));
    let tasks = (0..callers).map(|caller| {
        let (log, bytes) = (Arc::clone(&log), options.bytes);
        tokio::spawn(async move {
            let mut waits = Vec::new();
            for version in 0.. {
                if start.elapsed() >= length {
                    break;
                }
                let sent = Instant::now();
                log.append(command(caller, version, bytes)).await?;
                waits.push(sent.elapsed());
            }
            anyhow::Ok(waits)
        })
    });
    let mut waits = Vec::new();
    for caller in try_join_all(tasks).await? {
        waits.extend(caller?);
    }
    let seconds = start.elapsed().as_secs_f64();
    let (head, found) = (log.head().await?, log.verify().await?);
    anyhow::ensure!(
        found.broken_at.is_none() && head.position == waits.len() as u64,
        "the log is not what was appended"
    );
    log.close().await;
    Ok(Round { per_second: count(waits.len()) / seconds, waits })
}

fn command(caller: u64, version: u64, bytes: usize) -> Append {
    let clock = Clock::system();
    Append {
        command_id: clock.id().to_string(),
        fingerprint: [7; 32],
        reply: vec![3; 32],
        writes: vec![Write {
            category: "bench",
            stream_id: format!("caller-{caller}"),
            expected: Expected::Version(version),
            office: "n1".to_owned(),
            subject_id: String::new(),
            events: vec![NewEvent { event_type: "bench.happened", schema_version: 1, payload: vec![5; bytes] }],
        }],
        reserve: Vec::new(),
        release: Vec::new(),
        actor: "device/bench".to_owned(),
        correlation_id: String::new(),
        causation_id: String::new(),
        traceparent: String::new(),
        occurred_at: clock.now(),
    }
}
