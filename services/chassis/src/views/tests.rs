use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use proto::{Fact as _, event::v1::consumer::State, registry::v1::compound_event::Event};
use sqlx::Row as _;

use super::*;
use crate::{
    Clock,
    compound::{Compound, House, add_gate, call, open, open_with_gates},
    event_log::{EventLog, sqlite::SqliteLog},
    feed::InProcess,
};

/// What happens to records, and to a rebuild.
mod failures;
/// Generations beside each other.
mod rebuilds;

/// A gate that cannot be taken while the world is sick.
const POISON: &str = "poison";
/// A gate on which the projection panics while the world is sick.
const PANIC: &str = "panic";

/// Gates per compound, in a way that shows when one is counted twice.
struct Gates {
    version: u32,
    sick: Arc<AtomicBool>,
}

#[async_trait]
impl Projection for Gates {
    fn name(&self) -> &'static str {
        "gates"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE compound (id TEXT PRIMARY KEY, gates BIGINT NOT NULL, last TEXT NOT NULL);
         CREATE TABLE seen (position BIGINT NOT NULL);"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let db = tables.now().await?;
        sqlx::query("INSERT INTO seen (position) VALUES ($1)")
            .bind(i64::try_from(record.position)?)
            .execute(&mut *db)
            .await?;
        let Event::GateAdded(added) = Event::from_payload(&record.payload)? else { return Ok(()) };
        let sick = self.sick.load(Ordering::Relaxed);
        anyhow::ensure!(!sick || !added.gate_id.ends_with(POISON), "the gate is poisoned");
        assert!(!sick || !added.gate_id.ends_with(PANIC), "the gate is worse than poisoned");
        sqlx::query(
            "INSERT INTO compound (id, gates, last) VALUES ($1, 1, $2)
             ON CONFLICT (id) DO UPDATE SET gates = compound.gates + 1, last = excluded.last",
        )
        .bind(record.stream_id.clone())
        .bind(added.gate_id)
        .execute(&mut *db)
        .await?;
        Ok(())
    }
}

/// Views over a house's registry, opened as often as a test likes.
struct Bench {
    house: House,
    log: Arc<dyn EventLog>,
    ledger: Ledger,
    sick: Arc<AtomicBool>,
}

struct Opened {
    views: Views,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Bench {
    async fn new() -> Self {
        let house = House::new();
        let (log, ledger) = (house.log().await, house.ledger().await);
        Self { house, log, ledger, sick: Arc::default() }
    }

    async fn open(&self, on_failure: OnFailure) -> Opened {
        self.open_as(1, on_failure, Arc::new(InProcess(Arc::clone(&self.log)))).await
    }

    async fn open_as(&self, version: u32, on_failure: OnFailure, source: Arc<dyn Feed>) -> Opened {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let views = Views::open(Setup {
            service: "test".to_owned(),
            shelf: Shelf::Folder(self.folder()),
            lease: crate::lease::Lease::alone(),
            projections: vec![Box::new(Gates { version, sick: Arc::clone(&self.sick) })],
            sources: vec![source],
            on_failure,
            consumers: Consumers::default(),
            ledger: None,
            tracker: tracker.clone(),
            stop: stop.clone(),
        });
        Opened { views: views.await.unwrap(), tracker, stop }
    }

    fn folder(&self) -> PathBuf {
        self.house.folder.path().join("views")
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| std::path::Path::new(name).extension().is_some_and(|extension| extension == "db"));
        names.sort();
        names
    }

    fn sicken(&self, sick: bool) {
        self.sick.store(sick, Ordering::Relaxed);
    }

    async fn gate(&self, compound: &str, gate: &str) -> u64 {
        let call = call(&format!("{compound} {gate}"));
        add_gate(&self.ledger, &call, compound, gate).await.unwrap().position
    }

    /// What the tables must show: gates and the last of them, by compound.
    async fn fold(&self, compounds: &[&str]) -> BTreeMap<String, (i64, String)> {
        let fresh = Ledger::new(Arc::clone(&self.log), Consumers::default());
        let mut folded = BTreeMap::new();
        for compound in compounds {
            let gates = fresh.load::<Compound>(compound).await.unwrap().0.gates.clone();
            if let Some(last) = gates.last() {
                folded.insert((*compound).to_owned(), (i64::try_from(gates.len()).unwrap(), last.clone()));
            }
        }
        folded
    }
}

impl Opened {
    fn progress(&self) -> Arc<Progress> {
        self.views.progress().remove(0)
    }

    async fn reached(&self, log: &Arc<dyn EventLog>) {
        let head = log.head().await.unwrap().position;
        self.progress().until(|standing| standing.position >= head).await;
    }

    async fn shown(&self) -> BTreeMap<String, (i64, String)> {
        let mut db = self.views.connection().await.unwrap();
        let rows = sqlx::query("SELECT id, gates, last FROM compound").fetch_all(&mut *db).await.unwrap();
        rows.into_iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
    }

    /// Positions whose effects are in the tables.
    async fn seen(&self) -> Vec<i64> {
        let mut db = self.views.connection().await.unwrap();
        sqlx::query_scalar("SELECT position FROM seen ORDER BY position").fetch_all(&mut *db).await.unwrap()
    }

    /// As a crash: whatever was begun is not committed.
    async fn crash(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

fn after(position: u64) -> Call {
    let mut call = call("query");
    call.after.insert("registry".to_owned(), position);
    call
}

#[tokio::test]
async fn each_record_is_applied_once_whatever_the_crash_point() {
    let bench = Bench::new().await;
    open_with_gates(&bench.ledger, "a", 1_500).await;
    open_with_gates(&bench.ledger, "b", 700).await;
    let head = bench.log.head().await.unwrap().position;
    let mut positions = Vec::new();
    for turn in 0.. {
        let opened = bench.open(OnFailure::Halt).await;
        let progress = opened.progress();
        let began = progress.standing().position;
        positions.push(began);
        if began == head {
            break;
        }
        // At the beginning, within the first batch, and within the second.
        if turn % 3 == 2 {
            progress.until(|standing| standing.position > began).await;
        }
        for _ in 0..turn * 50 {
            tokio::task::yield_now().await;
        }
        opened.crash().await;
    }
    let opened = bench.open(OnFailure::Halt).await;
    opened.reached(&bench.log).await;
    let head = i64::try_from(head).unwrap();
    assert!(opened.seen().await.into_iter().eq(1..=head), "each once: {positions:?}");
    assert_eq!(opened.shown().await, bench.fold(&["a", "b"]).await);
    assert!(positions.is_sorted(), "no crash takes back what was committed: {positions:?}");
    positions.dedup();
    assert!(positions.len() > 2, "it crashed on the way: {positions:?}");
}

#[tokio::test]
async fn a_look_that_finds_nothing_new_tells_where_it_stands_and_that_a_failure_is_over() {
    let bench = Bench::new().await;
    open_with_gates(&bench.ledger, "a", 3).await;
    let opened = bench.open(OnFailure::Halt).await;
    opened.reached(&bench.log).await;
    let head = bench.log.head().await.unwrap().position;
    // As a follower stands that waited for the store, while a commit that outlived its predecessor took the records.
    let late = Progress::aside("test", "registry");
    late.failing(State::Retrying, "the read models do not answer");
    let source = InProcess(Arc::clone(&bench.log));
    let inner = &opened.views.inner;
    assert_eq!(super::follow::step(inner, &opened.views.live(), &source, &late, false).await.unwrap(), 0);
    let standing = late.standing();
    assert_eq!((standing.position, standing.state, standing.failing_since), (head, State::Running, None));
}

#[tokio::test]
async fn a_write_is_read_at_once() {
    let bench = Bench::new().await;
    let opened = bench.open(OnFailure::Halt).await;
    open(&bench.ledger, &call("open"), "c").await.unwrap();
    for gate in 1..=50 {
        let position = bench.gate("c", &gate.to_string()).await;
        let mut db = opened.views.read(&after(position)).await.unwrap();
        let gates: i64 = sqlx::query_scalar("SELECT gates FROM compound").fetch_one(&mut *db).await.unwrap();
        assert_eq!(gates, gate);
    }
}

#[tokio::test]
async fn who_has_seen_what_the_views_have_not_is_told_to_come_back() {
    let bench = Bench::new().await;
    let opened = bench.open(OnFailure::Halt).await;
    let began = Instant::now();
    let refused = opened.views.read(&after(1)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(began.elapsed() >= PATIENCE && began.elapsed() < PATIENCE * 2);
}

#[tokio::test]
async fn a_query_that_was_dropped_within_a_transaction_holds_up_nobody() {
    let bench = Bench::new().await;
    let opened = bench.open(OnFailure::Halt).await;
    for _ in 0..20 {
        let mut db = opened.views.connection().await.unwrap();
        sqlx::Executor::execute(&mut *db, sqlx::raw_sql("BEGIN; SELECT * FROM compound;")).await.unwrap();
        // As a handler at its deadline.
        drop(db);
    }
    open(&bench.ledger, &call("open"), "c").await.unwrap();
    for gate in 1..=20 {
        let position = bench.gate("c", &gate.to_string()).await;
        let mut db = opened.views.read(&after(position)).await.unwrap();
        let gates: i64 = sqlx::query_scalar("SELECT gates FROM compound").fetch_one(&mut *db).await.unwrap();
        assert_eq!(gates, gate, "no reader is left in the past");
    }
}
