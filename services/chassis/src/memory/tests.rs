use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use proto::{Fact as _, registry::v1::compound_event::Event};
use tokio::sync::watch;

use super::*;
use crate::{
    compound::{Away, House, add_gate, call, open, open_with_gates},
    event_log::{EventLog, Head, LogError},
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

/// A log as a test writes it.
struct Script {
    name: &'static str,
    records: Mutex<Vec<Arc<Record>>>,
    away: AtomicBool,
    wake: watch::Sender<u64>,
}

impl Script {
    /// With a record at each of these seconds.
    fn new(name: &'static str, seconds: &[i64]) -> Arc<Self> {
        let script = Self { name, records: Mutex::default(), away: AtomicBool::default(), wake: watch::Sender::new(0) };
        script.write("first", seconds);
        Arc::new(script)
    }

    /// The log from its beginning, under this id.
    fn write(&self, log_id: &str, seconds: &[i64]) {
        let record = |(position, seconds): (u64, &i64)| {
            Arc::new(Record {
                log: self.name.to_owned(),
                log_id: log_id.to_owned(),
                position,
                recorded_at: Some(prost_types::Timestamp { seconds: *seconds, nanos: 0 }),
                ..Record::default()
            })
        };
        *self.records.lock().unwrap() = (1..).zip(seconds).map(record).collect();
        self.wake.send_modify(|times| *times += 1);
    }

    fn go(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
        self.wake.send_modify(|times| *times += 1);
    }
}

#[async_trait]
impl Feed for Script {
    fn source(&self) -> &str {
        self.name
    }

    async fn head(&self) -> Result<Head, LogError> {
        let records = self.records.lock().unwrap();
        let log_id = records.last().map(|last| last.log_id.clone()).unwrap_or_default();
        Ok(Head { log_id, position: records.len() as u64, ..Head::default() })
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(LogError::Store(anyhow::anyhow!("nobody answers")));
        }
        let records = self.records.lock().unwrap();
        Ok(records.iter().filter(|record| record.position > after_position).take(limit).cloned().collect())
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }
}

/// What came, as "registry 1".
#[derive(Default)]
struct Diary {
    came: Mutex<Vec<String>>,
    /// What it cannot take in.
    refuses: Mutex<String>,
}

impl Memory for Diary {
    fn sources(&self) -> &'static [&'static str] {
        &["registry", "pass"]
    }

    fn take(&self, record: &Arc<Record>) -> anyhow::Result<()> {
        let entry = format!("{} {}", record.log, record.position);
        anyhow::ensure!(*self.refuses.lock().unwrap() != entry, "it cannot read");
        self.came.lock().unwrap().push(entry);
        Ok(())
    }

    fn forget(&self) {
        self.came.lock().unwrap().clear();
    }
}

/// Two logs and what remembers them. Time passes only while everybody waits.
struct Two {
    house: House,
    diary: Arc<Diary>,
    logs: [Arc<Script>; 2],
    remembered: Remembered,
}

impl Two {
    async fn follow(registry: Arc<Script>, pass: Arc<Script>, diary: Diary) -> Self {
        let (house, diary) = (House::new(), Arc::new(diary));
        let ledger = house.ledger().await;
        tokio::time::pause();
        let remembered = start(Setup {
            service: "command".to_owned(),
            memory: Arc::clone(&diary) as Arc<dyn Memory>,
            sources: vec![Arc::clone(&registry) as Arc<dyn Feed>, Arc::clone(&pass) as Arc<dyn Feed>],
            ledger,
            consumers: house.host.consumers.clone(),
            tracker: house.host.tracker().clone(),
            stop: house.host.stop().clone(),
        });
        Self { house, diary, logs: [registry, pass], remembered }
    }

    fn came(&self) -> Vec<String> {
        self.diary.came.lock().unwrap().clone()
    }

    async fn reached(&self, log: &str, position: u64) {
        let progress = self.house.host.consumers.find("command/memory", log).unwrap();
        progress.until(|standing| standing.position == position).await;
    }

    async fn ready(&self) {
        while !self.remembered.ready() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn at_the_start_the_logs_go_in_side_by_side_by_their_times() {
    let two = Two::follow(Script::new("registry", &[1, 4, 5]), Script::new("pass", &[2, 3, 6]), Diary::default()).await;
    two.ready().await;
    assert_eq!(two.came(), ["registry 1", "pass 1", "pass 2", "registry 2", "registry 3", "pass 3"]);
    two.logs[0].write("first", &[1, 4, 5, 0]);
    two.reached("registry", 4).await;
    assert_eq!(two.came().last().unwrap(), "registry 4", "from then on each goes in as it comes");
}

#[tokio::test]
async fn a_source_that_is_away_holds_nobody_back_for_long() {
    let pass = Script::new("pass", &[1, 2]);
    pass.go(true);
    let two = Two::follow(Script::new("registry", &[3, 4]), pass, Diary::default()).await;
    let began = Instant::now();
    two.reached("registry", 2).await;
    assert!(began.elapsed() >= Duration::from_secs(2), "it may hold what came first");
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(!two.remembered.ready(), "it is not known what the other one holds");
    two.logs[1].go(false);
    two.ready().await;
    assert_eq!(two.came(), ["registry 1", "registry 2", "pass 1", "pass 2"]);
}

#[tokio::test]
async fn whoever_can_wait_waits_until_it_is_made_and_not_longer_than_they_can() {
    let pass = Script::new("pass", &[1]);
    pass.go(true);
    let two = Two::follow(Script::new("registry", &[2]), pass, Diary::default()).await;
    two.remembered.made(Duration::from_millis(10)).await;
    assert!(!two.remembered.ready());
    two.logs[1].go(false);
    two.remembered.made(Duration::from_secs(30)).await;
    assert!(two.remembered.ready());
}

#[tokio::test]
async fn a_record_that_cannot_be_taken_leaves_the_others_going() {
    let diary = Diary { refuses: Mutex::new("pass 2".to_owned()), ..Diary::default() };
    // More than are read at a time.
    let many: Vec<i64> = (0..3 * i64::try_from(BATCH).unwrap()).collect();
    let two = Two::follow(Script::new("registry", &many), Script::new("pass", &[1, 2, 3]), diary).await;
    two.reached("registry", 3 * BATCH as u64).await;
    two.reached("pass", 1).await;
    assert!(!two.remembered.ready());
    two.diary.refuses.lock().unwrap().clear();
    two.reached("pass", 3).await;
    two.ready().await;
    assert_eq!(two.came().len(), 3 * BATCH + 3, "each came once");
}

#[tokio::test]
async fn a_log_that_was_made_anew_begins_everything_anew_and_nobody_is_answered_from_half_of_it() {
    let two = Two::follow(Script::new("registry", &[1, 3]), Script::new("pass", &[2]), Diary::default()).await;
    two.ready().await;
    two.logs[1].go(true);
    two.logs[0].write("second", &[5, 6, 7]);
    two.reached("registry", 3).await;
    assert!(!two.remembered.ready(), "the pass log is to come again");
    two.logs[1].go(false);
    two.ready().await;
    let mut came = two.came();
    came.sort();
    assert_eq!(came, ["pass 1", "registry 1", "registry 2", "registry 3"]);
}

#[tokio::test]
async fn an_operator_has_everything_begin_anew() {
    let house = House::new();
    let ledger = house.ledger().await;
    open_with_gates(&ledger, "c", 20).await;
    let gates = Arc::new(Gates::default());
    let remembered = house.host.remember("registry", Arc::clone(&gates) as Arc<dyn Memory>).await.unwrap();
    progress(&house).until(|_| remembered.ready()).await;
    at_the_head(&house).await;
    // As if it had passed over some of them.
    gates.came.lock().unwrap().truncate(3);
    progress(&house).resume();
    let whole = async {
        while gates.came() != 20 || !remembered.ready() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), whole).await.expect("all of it comes again");
}
