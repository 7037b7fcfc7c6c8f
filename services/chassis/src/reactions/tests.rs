use std::{
    path::Path,
    sync::{
        Mutex as StdMutex,
        atomic::{AtomicBool, Ordering},
    },
};

use opentelemetry::trace::TracerProvider as _;
use proto::{Fact as _, registry::v1::compound_event::Event};
use tokio::sync::Barrier;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::{
    Decision, Ledger,
    compound::{Away, Compound, House, Refused, add_gate, call, open, open_with_gates},
};

/// What is between the registry and the passes in these tests: each new gate is added there too.
#[derive(Clone)]
struct Copying(Arc<World>);

struct World {
    passes: Ledger,
    sick: AtomicBool,
    /// Gates by compound, as they came.
    came: StdMutex<HashMap<String, Vec<String>>>,
    /// Two who must meet here before either goes on.
    meeting: Barrier,
}

const POISON: &str = "poison";
const PANIC: &str = "panic";
const MEETING: &str = "meeting";

#[async_trait]
impl Reaction for Copying {
    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn react(&self, record: &Record, call: &Call) -> Result<(), Failure> {
        let event = Event::from_payload(&record.payload).map_err(anyhow::Error::from)?;
        let Event::GateAdded(added) = event else { return Ok(()) };
        let (gate, sick) = (added.gate_id, self.0.sick.load(Ordering::Relaxed));
        if sick && gate == POISON {
            return Err(Failure::Contended);
        }
        assert!(!sick || gate != PANIC, "worse than poison");
        if gate == MEETING {
            self.0.meeting.wait().await;
        }
        self.0.came.lock().unwrap().entry(record.stream_id.clone()).or_default().push(gate.clone());
        let decide = |state: &Compound, _| {
            let mut events = if state.name.is_none() { state.open("copy")? } else { Vec::new() };
            if !state.gates.contains(&gate) {
                events.push(crate::compound::gate_added(&gate));
            }
            Ok::<_, Refused>(Decision::new(events))
        };
        self.0.passes.transact(call, &record.stream_id, decide, |_, _| ()).await?;
        Ok(())
    }
}

struct Bench {
    house: House,
    registry: Ledger,
    world: Arc<World>,
}

impl Bench {
    async fn new() -> Self {
        Self::of(House::new()).await
    }

    async fn of(house: House) -> Self {
        let registry = house.ledger().await;
        let passes = house.host.ledger("pass").await.unwrap();
        let (sick, came, meeting) = (AtomicBool::new(false), StdMutex::default(), Barrier::new(2));
        Self { house, registry, world: Arc::new(World { passes, sick, came, meeting }) }
    }

    /// Starts the reactions.
    async fn react(&self) -> Arc<Progress> {
        self.house.host.react("pass", Box::new(Copying(Arc::clone(&self.world)))).await.unwrap();
        self.house.host.consumers.find("pass/reactions", "registry").unwrap()
    }

    async fn gate(&self, compound: &str, gate: &str) -> u64 {
        let call = call(&format!("{compound} {gate}"));
        add_gate(&self.registry, &call, compound, gate).await.unwrap().position
    }

    async fn copied(&self, compound: &str) -> Vec<String> {
        self.world.passes.load::<Compound>(compound).await.unwrap().0.gates.clone()
    }

    async fn gates(&self, compound: &str) -> Vec<String> {
        self.registry.load::<Compound>(compound).await.unwrap().0.gates.clone()
    }

    async fn settled(&self, progress: &Progress) {
        let head = self.registry.log().head().await.unwrap().position;
        progress.until(|standing| standing.position == head).await;
    }

    fn came(&self, compound: &str) -> Vec<String> {
        self.world.came.lock().unwrap().get(compound).cloned().unwrap_or_default()
    }

    async fn passes(&self) -> u64 {
        self.world.passes.log().head().await.unwrap().position
    }
}

fn remove(folder: &Path, name: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().into_string().unwrap().starts_with(name) {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
}

#[tokio::test]
async fn records_that_are_delivered_again_change_nothing() {
    let bench = Bench::new().await;
    open_with_gates(&bench.registry, "c", 40).await;
    let progress = bench.react().await;
    bench.settled(&progress).await;
    let before = bench.passes().await;
    assert_eq!(bench.copied("c").await, bench.gates("c").await);
    let house = bench.house.restarted(|data| remove(&data.join("pass"), "reactions.db")).await;
    let bench = Bench::of(house).await;
    let progress = bench.react().await;
    bench.settled(&progress).await;
    assert_eq!(bench.came("c").len(), 40, "they were delivered again");
    assert_eq!(bench.passes().await, before, "and nothing came of it");
    // And what was reacted to is not delivered after an ordinary restart.
    let bench = Bench::of(bench.house.restarted(|_| ()).await).await;
    let progress = bench.react().await;
    assert_eq!(progress.standing().position, 41);
    bench.gate("c", "later").await;
    bench.settled(&progress).await;
    assert_eq!(bench.came("c"), ["later"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_records_come_in_order_and_strangers_side_by_side() {
    let bench = Bench::new().await;
    for compound in ["a", "b"] {
        open(&bench.registry, &call(&format!("open {compound}")), compound).await.unwrap();
    }
    for gate in 0..20 {
        bench.gate("a", &gate.to_string()).await;
        bench.gate("b", &gate.to_string()).await;
    }
    // Neither goes on before both are there: one after the other they never would.
    bench.gate("a", MEETING).await;
    bench.gate("b", MEETING).await;
    bench.gate("a", "last").await;
    let progress = bench.react().await;
    bench.settled(&progress).await;
    for compound in ["a", "b"] {
        assert_eq!(bench.came(compound), bench.gates(compound).await);
        assert_eq!(bench.copied(compound).await, bench.gates(compound).await);
    }
}

#[tokio::test]
async fn a_source_that_comes_back_without_anything_new_is_no_trouble_any_more() {
    let mut house = House::new();
    let source = Arc::new(Away::from(&house.log().await, 0));
    house.host = house.host.with_feed(Arc::clone(&source) as Arc<dyn Feed>).await;
    let bench = Bench::of(house).await;
    open_with_gates(&bench.registry, "a", 2).await;
    let progress = bench.react().await;
    bench.settled(&progress).await;
    source.go(2);
    let waiting = progress.until(|standing| standing.state == State::Retrying).await;
    assert!(waiting.error.contains("nobody answers"), "{waiting:?}");
    let over = progress.until(|standing| standing.state == State::Running).await;
    assert_eq!((over.position, over.failing_since), (waiting.position, None));
}

#[tokio::test]
async fn what_stays_an_error_halts_and_nothing_is_skipped() {
    for trouble in [POISON, PANIC] {
        let bench = Bench::new().await;
        bench.world.sick.store(true, Ordering::Relaxed);
        for compound in ["a", "b"] {
            open(&bench.registry, &call(&format!("open {compound}")), compound).await.unwrap();
        }
        bench.gate("a", "first").await;
        let position = bench.gate("a", trouble).await;
        bench.gate("a", "second").await;
        bench.gate("b", "first").await;
        let progress = bench.react().await;
        progress.resume();
        let halted = progress.until(|standing| standing.state == State::Halted).await;
        assert_eq!(halted.position, position - 1);
        assert!(halted.error.contains(&format!("compound.gate_added at position {position} of registry")));
        assert_eq!(bench.copied("a").await, ["first"], "the person's later records wait");
        assert_eq!(bench.copied("b").await, ["first"], "nobody else is left barred meanwhile");
        progress.resume();
        progress.until(|standing| standing.state == State::Retrying).await;
        progress.until(|standing| standing.state == State::Halted).await;
        assert_eq!(bench.came("b"), ["first"], "what is done is not done again at each try");
        bench.world.sick.store(false, Ordering::Relaxed);
        progress.resume();
        bench.settled(&progress).await;
        assert_eq!(bench.copied("a").await, ["first", trouble, "second"]);
        assert_eq!((progress.standing().state, progress.standing().error), (State::Running, String::new()));
    }
}

#[tokio::test]
async fn another_log_under_the_same_name_waits_for_an_operator_and_is_then_reacted_to_from_its_start() {
    let bench = Bench::new().await;
    open_with_gates(&bench.registry, "c", 5).await;
    let progress = bench.react().await;
    bench.settled(&progress).await;
    let house = bench.house.restarted(|data| remove(&data.join("registry"), "log.db")).await;
    let bench = Bench::of(house).await;
    open_with_gates(&bench.registry, "d", 2).await;
    let progress = bench.react().await;
    let halted = progress.until(|standing| standing.state == State::Halted).await;
    assert!(halted.error.contains("another one"), "{}", halted.error);
    assert!(bench.copied("d").await.is_empty());
    progress.resume();
    progress.until(|standing| standing.state == State::Running && standing.position == 3).await;
    assert_eq!(bench.copied("d").await, bench.gates("d").await);
}

#[tokio::test]
async fn a_trace_goes_on_from_the_record_to_what_is_done_about_it() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traces = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("test"));
    let _tracing = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans));
    let bench = Bench::new().await;
    open(&bench.registry, &call("open"), "c").await.unwrap();
    let mut traced = call("add");
    TRACE.clone_into(&mut traced.traceparent);
    add_gate(&bench.registry, &traced, "c", "east").await.unwrap();
    let progress = bench.react().await;
    bench.settled(&progress).await;
    let records = bench.world.passes.log().read(0, 10).await.unwrap();
    let record = records.last().unwrap();
    assert_eq!(record.traceparent[..35], TRACE[..35], "the same trace");
    assert_ne!(record.traceparent, TRACE, "another span of it");
    assert_eq!(record.actor, "reaction/pass");
    assert_eq!(record.correlation_id, "add");
}
