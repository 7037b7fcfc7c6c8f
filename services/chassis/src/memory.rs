//! What every replica of a service remembers of the logs, folded from their first records at each start and followed from then
//! on: for answers that may wait for no database. It decides nothing. Invariants: each record is taken once and in the order of
//! its log, and `ready` comes only after the heads that the logs had at the start. While it is made, the logs go in side by
//! side by the times of their records; afterwards a source that is away holds nobody back.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use proto::event::v1::consumer::State;
use tokio::{sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use crate::{
    Call, Feed, Kind, Ledger, Record, Refusal,
    consumers::{Consumers, Progress},
};

/// A fold of one or several logs.
pub trait Memory: Send + Sync + 'static {
    /// The logs that it listens to.
    fn sources(&self) -> &'static [&'static str];
    /// Takes in one record. One that it cannot read must leave it as it was: it is tried again.
    fn take(&self, record: &Arc<Record>) -> anyhow::Result<()>;
    /// A log was restored or made anew: nothing counts that was taken in, and all of them come again from their beginnings.
    fn forget(&self);
    /// Records of a source that it passed over because they cannot be read.
    fn laid_aside(&self, _source: &str) -> u64 {
        0
    }
}

/// How far the memory of a service is.
#[derive(Clone)]
pub struct Remembered {
    service: String,
    ledger: Ledger,
    sources: Vec<Followed>,
}

#[derive(Clone)]
struct Followed {
    progress: Arc<Progress>,
    /// The head that it had at the start was reached.
    known: Arc<AtomicBool>,
}

/// What a memory stands on.
pub(crate) struct Setup {
    pub(crate) service: String,
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) sources: Vec<Arc<dyn Feed>>,
    pub(crate) ledger: Ledger,
    pub(crate) consumers: Consumers,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Records of one read.
const BATCH: usize = 2_000;

/// How long a query waits for the memory to know what its caller has seen.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts following every source.
pub(crate) fn start(setup: Setup) -> Remembered {
    let Setup { service, memory, sources, ledger, consumers, tracker, stop } = setup;
    let consumer = format!("{service}/memory");
    let lanes = Lanes::new(memory, sources.len());
    let mut followed = Vec::new();
    for (number, source) in sources.into_iter().enumerate() {
        let progress = consumers.enter(&consumer, source.source(), 0);
        let begun = Followed { progress, known: Arc::default() };
        followed.push(begun.clone());
        let follower = Follower { source, followed: begun, number, lanes: Arc::clone(&lanes), log_id: String::new() };
        let stop = stop.clone();
        tracker.spawn(async move {
            stop.run_until_cancelled(follower.run()).await;
        });
    }
    Remembered { service, ledger, sources: followed }
}

impl Remembered {
    /// The same memory for answers that follow from this log alone: they wait for no other one.
    #[must_use]
    pub fn of(&self, source: &str) -> Self {
        let sources = self.sources.iter().filter(|followed| followed.progress.source == source);
        Self { sources: sources.cloned().collect(), ..self.clone() }
    }

    /// Whether it knows all that the logs held when this process started.
    pub fn ready(&self) -> bool {
        self.sources.iter().all(|followed| followed.known.load(Ordering::Acquire))
    }

    /// Waits until it knows what the caller has seen, and what this service did about it. Refuses with `MEMORY_BEHIND` when
    /// that takes more than two seconds.
    pub async fn caught_up(&self, call: &Call) -> Result<(), Status> {
        if !self.ready() {
            return Err(behind(&self.service));
        }
        if call.after.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + PATIENCE;
        self.ledger.settle_until(&call.after, until - PATIENCE / 4).await;
        let mut seen = call.after.clone();
        let own = self.ledger.log();
        let head = own.head().await.map_err(|error| Status::from(crate::Failure::from(error)))?;
        seen.insert(own.name().to_owned(), head.position);
        for Followed { progress, .. } in &self.sources {
            if let Some(position) = seen.get(&progress.source)
                && !progress.wait_for(*position, until).await
            {
                return Err(behind(&self.service));
            }
        }
        Ok(())
    }
}

/// Moves the memory along one source.
struct Follower {
    source: Arc<dyn Feed>,
    followed: Followed,
    number: usize,
    lanes: Arc<Lanes>,
    log_id: String,
}

/// How often a lane that waits for the others looks again: one of them may have stopped answering.
const LOOK: Duration = Duration::from_millis(50);

impl Follower {
    async fn run(mut self) {
        let mut wake = self.source.wake();
        let mut failures: u32 = 0;
        loop {
            wake.mark_unchanged();
            match self.step().await {
                Ok(0) => {
                    failures = 0;
                    self.followed.known.store(true, Ordering::Release);
                    // A wake-up may be lost: polling is the truth.
                    tokio::select! {
                        _ = wake.changed() => {}
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
                Ok(_) => failures = 0,
                Err(error) => {
                    failures += 1;
                    let (error, consumer) = (format!("{error:#}"), &self.followed.progress.consumer);
                    tracing::warn!(error, consumer, failures, "the memory stands still and tries again");
                    self.followed.progress.failing(State::Retrying, &error);
                    tokio::time::sleep(Duration::from_millis(50 << failures.min(7))).await;
                }
            }
        }
    }

    /// Takes the next batch in; 0 where there is none.
    async fn step(&mut self) -> anyhow::Result<usize> {
        let name = self.source.source();
        let (epoch, position) = self.lanes.reading(self.number);
        let records = self.source.read(position, BATCH).await.context("reading the source")?;
        let log_id = match records.first() {
            Some(first) => first.log_id.clone(),
            None => self.source.head().await.context("asking for the source's head")?.log_id,
        };
        if self.log_id != log_id {
            let before = std::mem::replace(&mut self.log_id, log_id);
            if !before.is_empty() {
                self.lanes.forget(epoch);
                return Ok(1);
            }
        }
        let read = records.len();
        self.lanes.offer(self.number, epoch, records);
        loop {
            let consumed = self.lanes.consumed.notified();
            let standing = self.lanes.merge(self.number, name)?;
            self.followed.progress.reached(standing.position, self.lanes.memory.laid_aside(name));
            if standing.waiting == 0 {
                return Ok(read);
            }
            drop(tokio::time::timeout(LOOK, consumed).await);
        }
    }
}

/// The sources side by side. While a memory is being made, what they say goes in by its time, as it did when it happened;
/// from then on each goes in as it comes.
struct Lanes {
    memory: Arc<dyn Memory>,
    state: Mutex<Sides>,
    /// Something went in.
    consumed: Notify,
}

#[derive(Default)]
struct Sides {
    /// Changes when everything begins anew.
    epoch: u64,
    lanes: Vec<Lane>,
}

#[derive(Default)]
struct Lane {
    read: VecDeque<Arc<Record>>,
    /// The last record that went in.
    position: u64,
    /// It was at its head once, and nobody waits for it any more.
    known: bool,
    /// Since when its next records are being read.
    reading: Option<Instant>,
}

/// How far a lane is, and how many of its records wait.
struct Standing {
    position: u64,
    waiting: usize,
}

/// So long the others wait for a lane that is read.
const HOLD: Duration = Duration::from_secs(2);

impl Lanes {
    fn new(memory: Arc<dyn Memory>, sources: usize) -> Arc<Self> {
        let lanes = (0..sources).map(|_| Lane::default()).collect();
        Arc::new(Self { memory, state: Mutex::new(Sides { epoch: 0, lanes }), consumed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, Sides> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From where the lane reads on.
    fn reading(&self, number: usize) -> (u64, u64) {
        let mut state = self.state();
        let epoch = state.epoch;
        let lane = &mut state.lanes[number];
        // A source that fails is being read since its first try.
        lane.reading.get_or_insert_with(Instant::now);
        (epoch, lane.position)
    }

    fn offer(&self, number: usize, epoch: u64, records: Vec<Arc<Record>>) {
        let mut state = self.state();
        if state.epoch != epoch {
            return;
        }
        let lane = &mut state.lanes[number];
        lane.reading = None;
        lane.known |= records.is_empty();
        lane.read.extend(records);
    }

    /// A log was restored or made anew: everything begins again.
    fn forget(&self, epoch: u64) {
        let mut state = self.state();
        if state.epoch == epoch {
            self.memory.forget();
            state.epoch += 1;
            state.lanes.iter_mut().for_each(|lane| *lane = Lane::default());
        }
    }

    /// Lets in whatever is next. Fails where a record of this lane cannot be taken; those of the others are left to them.
    fn merge(&self, number: usize, name: &str) -> anyhow::Result<Standing> {
        let mut state = self.state();
        let mut refused = vec![false; state.lanes.len()];
        let mut failure = None;
        while let Some(next) = next(&state.lanes, &refused) {
            let lane = &mut state.lanes[next];
            let Some(record) = lane.read.front() else { break };
            let (position, expected) = (record.position, lane.position + 1);
            let taken = if position == expected { self.memory.take(record) } else { Err(hole(position, expected)) };
            match taken {
                Ok(()) => {
                    lane.position = position;
                    lane.read.pop_front();
                }
                Err(error) => {
                    refused[next] = true;
                    if next == number {
                        failure = Some(error.context(format!("taking in position {position} of the log {name}")));
                    }
                }
            }
        }
        let lane = &mut state.lanes[number];
        let standing = Standing { position: lane.position, waiting: lane.read.len() };
        if failure.is_some() {
            // It is read again from there.
            lane.read.clear();
        }
        drop(state);
        self.consumed.notify_waiters();
        failure.map_or(Ok(standing), Err)
    }
}

/// The lane whose next record is the oldest; `None` while one is being read that may hold an older one.
fn next(lanes: &[Lane], refused: &[bool]) -> Option<usize> {
    let held =
        |lane: &Lane| !lane.known && lane.read.is_empty() && lane.reading.is_none_or(|since| since.elapsed() < HOLD);
    if lanes.iter().any(held) {
        return None;
    }
    let waiting = lanes.iter().enumerate().filter(|(number, _)| !refused[*number]);
    let first = waiting.filter_map(|(number, lane)| Some((number, since(lane.read.front()?))));
    first.min_by_key(|(_, since)| *since).map(|(number, _)| number)
}

fn since(record: &Record) -> (i64, i32) {
    record.recorded_at.as_ref().map(|time| (time.seconds, time.nanos)).unwrap_or_default()
}

fn hole(position: u64, expected: u64) -> anyhow::Error {
    anyhow::anyhow!("the log has a hole: {position} stands where {expected} is expected")
}

fn behind(service: &str) -> Status {
    Refusal::new(
        Kind::Unavailable,
        "MEMORY_BEHIND",
        "服务刚启动，正在读取记录：请稍候重试；如果持续出现，请管理员运行 mifeng doctor",
        "the service is still reading its record: retry in a moment; if it stays so, have the administrator run `mifeng doctor`",
    )
    .about("service", service)
    .into()
}

#[cfg(test)]
mod tests {
    use proto::{Fact as _, registry::v1::compound_event::Event};

    use super::*;
    use crate::{
        compound::{Away, House, add_gate, call, open, open_with_gates},
        event_log::EventLog,
    };

    /// The gates of all compounds, as they came.
    #[derive(Default)]
    struct Gates {
        came: Mutex<Vec<String>>,
        sick: AtomicBool,
    }

    impl Memory for Gates {
        fn sources(&self) -> &'static [&'static str] {
            &["registry"]
        }

        fn take(&self, record: &Arc<Record>) -> anyhow::Result<()> {
            anyhow::ensure!(!self.sick.load(Ordering::Relaxed), "it cannot read");
            if let Event::GateAdded(added) = Event::from_payload(&record.payload)? {
                self.came.lock().unwrap().push(added.gate_id);
            }
            Ok(())
        }

        fn forget(&self) {
            self.came.lock().unwrap().clear();
        }
    }

    impl Gates {
        fn came(&self) -> usize {
            self.came.lock().unwrap().len()
        }
    }

    fn progress(house: &House) -> Arc<Progress> {
        house.host.consumers.find("registry/memory", "registry").unwrap()
    }

    async fn at_the_head(house: &House) {
        let head = house.log().await.head().await.unwrap().position;
        progress(house).until(|standing| standing.position == head).await;
    }

    #[tokio::test]
    async fn it_is_ready_once_it_knows_what_was_there_at_the_start_and_goes_on() {
        let house = House::new();
        let ledger = house.ledger().await;
        open_with_gates(&ledger, "c", 4_500).await;
        let gates = Arc::new(Gates::default());
        let remembered = house.host.remember("registry", Arc::clone(&gates) as Arc<dyn Memory>).await.unwrap();
        at_the_head(&house).await;
        progress(&house).until(|_| remembered.ready()).await;
        assert_eq!(gates.came(), 4_500);
        let mut seen = call("seen");
        let added = add_gate(&ledger, &call("one more"), "c", "last").await.unwrap();
        seen.after.insert("registry".to_owned(), added.position);
        remembered.caught_up(&seen).await.unwrap();
        assert_eq!(gates.came.lock().unwrap().last().map(String::as_str), Some("last"));
    }

    #[tokio::test]
    async fn what_cannot_be_read_or_reached_is_waited_for_and_taken_once() {
        let house = House::new();
        let ledger = house.ledger().await;
        open(&ledger, &call("open it"), "c").await.unwrap();
        let gates = Arc::new(Gates::default());
        gates.sick.store(true, Ordering::Relaxed);
        let log: Arc<dyn EventLog> = house.log().await;
        let remembered = start(Setup {
            service: "registry".to_owned(),
            memory: Arc::clone(&gates) as Arc<dyn Memory>,
            sources: vec![Arc::new(Away::from(&log, 2))],
            ledger: ledger.clone(),
            consumers: house.host.consumers.clone(),
            tracker: house.host.tracker().clone(),
            stop: house.host.stop().clone(),
        });
        progress(&house).until(|standing| standing.error.contains("cannot read")).await;
        assert!(!remembered.ready());
        assert!(remembered.caught_up(&call("a query")).await.is_err());
        gates.sick.store(false, Ordering::Relaxed);
        add_gate(&ledger, &call("add a gate"), "c", "1").await.unwrap();
        at_the_head(&house).await;
        assert_eq!(gates.came(), 1);
    }
}
