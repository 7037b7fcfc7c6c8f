//! A log in a SQLite file, synced at each commit. Two ways on the same disk, in turns, so that neither has the quieter
//! minutes: many callers who each wait for their answer before they send the next command, and one caller alone, whose
//! every event is a commit of its own. The medians of all rounds are compared.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{
    Clock,
    event_log::{Append, EventLog, Expected, NewEvent, Write, sqlite::SqliteLog},
};
use clap::Args;
use futures::future::try_join_all;
use serde_json::{Map, Value, json};

use crate::rounds::{Round, count, median_of, percentile};

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
    /// A folder on the disk that is to be measured.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

pub(crate) async fn measure(options: Options) -> anyhow::Result<Map<String, Value>> {
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        together.push(round(&options, options.callers).await?);
        alone.push(round(&options, 1).await?);
    }
    let (append, single) = (median_of(&together), median_of(&alone));
    let mut results = Map::new();
    let mut note = |name: &str, value: f64| results.insert(name.to_owned(), json!((value * 100.0).round() / 100.0));
    note("sqlite_append_per_s", append);
    note("sqlite_single_per_s", single);
    note("ratio_sqlite_append", append / single);
    note("sqlite_append_p50_ms", percentile(&together, 50));
    note("sqlite_append_p99_ms", percentile(&together, 99));
    note("sqlite_single_p50_ms", percentile(&alone, 50));
    note("sqlite_single_p99_ms", percentile(&alone, 99));
    for (name, value) in [("callers", options.callers), ("rounds", options.rounds), ("seconds", options.seconds)] {
        results.insert(name.to_owned(), json!(value));
    }
    results.insert("event_bytes".to_owned(), json!(options.bytes));
    Ok(results)
}

/// Runs callers against an empty log for a while, then has the log verified.
async fn round(options: &Options, callers: u64) -> anyhow::Result<Round> {
    let folder = tempfile::Builder::new().prefix("bench-log-").tempdir_in(&options.folder)?;
    let log = open(folder.path()).await?;
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

async fn open(folder: &Path) -> anyhow::Result<Arc<dyn EventLog>> {
    Ok(Arc::new(SqliteLog::open(&folder.join("log.db"), "bench", Clock::system()).await?))
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
