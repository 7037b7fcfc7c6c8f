use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::event_log::{
    Append, AppendError, Expected, KnownCommand, NewEvent, Write, chain,
    queue::{Answer, Order},
};

/// A store whose connection breaks at a commit, before or after the commit was done.
#[derive(Default)]
struct Breaking {
    position: u64,
    commands: HashMap<String, KnownCommand>,
    breaks: Option<Break>,
}

#[derive(PartialEq)]
enum Break {
    BeforeCommit,
    AfterCommit,
}

impl Breaking {
    fn standing(&self) -> Standing {
        Standing { position: self.position, chain: chain::START }
    }
}

#[async_trait]
impl Store for Breaking {
    async fn begin(&mut self, batch: &Batch<'_>) -> Result<Known, StoreError> {
        Ok(Known {
            head: self.standing(),
            last_stream_no: 0,
            commands: batch.commands.list.iter().map(|id| self.commands.get(*id).cloned()).collect(),
            streams: vec![None; batch.streams.list.len()],
            keys: vec![None; batch.keys.list.len()],
        })
    }

    async fn commit(&mut self, plan: &Plan<'_>, _: Grounds) -> Result<(), StoreError> {
        let breaks = self.breaks.take();
        if breaks != Some(Break::BeforeCommit) {
            // Each command of these tests moves the head, although it has no events.
            self.position += 1;
            self.commands.extend(plan.commands.iter().map(|done| {
                let known = KnownCommand {
                    fingerprint: done.request.fingerprint,
                    reply: done.request.reply.clone(),
                    first_position: self.position,
                    last_position: self.position,
                };
                (done.request.command_id.clone(), known)
            }));
        }
        if breaks.is_some() { Err(StoreError::Unknown(anyhow::anyhow!("the connection broke"))) } else { Ok(()) }
    }

    async fn roll_back(&mut self, _: Option<&StoreError>) {}

    async fn prune(&mut self, _: DateTime<Utc>, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

fn command() -> Append {
    Append {
        command_id: "c".to_owned(),
        fingerprint: [1; 32],
        reply: b"done".to_vec(),
        writes: Vec::new(),
        reserve: Vec::new(),
        release: Vec::new(),
        actor: String::new(),
        correlation_id: String::new(),
        causation_id: String::new(),
        traceparent: String::new(),
        occurred_at: DateTime::UNIX_EPOCH,
    }
}

/// Sends one command twice to a store that breaks at the first, and says whether the second found it done.
async fn sent_twice(breaks: Break) -> (bool, u64) {
    let store = Breaking { breaks: Some(breaks), ..Breaking::default() };
    let tail = Arc::new(Tail::new("registry".to_owned(), "id".to_owned(), store.standing()));
    let (orders, waiting) = mpsc::channel(8);
    let (clock, stop) = (Clock::system(), CancellationToken::new());
    let appender = Appender::new(store, Arc::clone(&tail), clock, Queue::new(waiting, stop));
    let appender = tokio::spawn(appender.run());
    let mut answers = Vec::new();
    let mut heads = Vec::new();
    for _ in 0..2 {
        let (request, answer) = Waiting::new(command()).unwrap();
        assert!(orders.send(Order::Append(request)).await.is_ok());
        answers.push(answer.await.unwrap());
        heads.push(tail.standing().position);
    }
    drop(orders);
    appender.await.unwrap();
    assert!(matches!(answers[0], Err(AppendError::Unknown(_))));
    (answers[1].as_ref().unwrap().earlier_reply.is_some(), heads[0])
}

#[tokio::test]
async fn a_commit_that_was_done_unknown_to_us_is_found_on_the_retry_and_by_readers_at_once() {
    assert_eq!(sent_twice(Break::AfterCommit).await, (true, 1));
}

#[tokio::test]
async fn a_commit_that_was_not_done_is_done_on_the_retry() {
    assert_eq!(sent_twice(Break::BeforeCommit).await, (false, 0));
}

/// A store that takes nothing but what follows on what it has, one commit at a time.
#[derive(Clone)]
struct Strict {
    gate: Arc<Semaphore>,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    standing: Standing,
    /// Commands at whose commit the connection breaks before anything is done.
    breaking: HashSet<&'static str>,
    /// Whether one commit takes one command alone.
    refuses_company: bool,
    /// What each commit held, and what it was decided on.
    commits: Vec<(Vec<String>, Grounds)>,
}

impl Strict {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Strict {
    const RECOLLECTS: bool = true;

    async fn begin(&mut self, batch: &Batch<'_>) -> Result<Known, StoreError> {
        let nothing = Breaking::default().begin(batch).await?;
        Ok(Known { head: self.kept().standing, ..nothing })
    }

    async fn commit(&mut self, plan: &Plan<'_>, grounds: Grounds) -> Result<(), StoreError> {
        self.gate.acquire().await.map_err(|closed| StoreError::Unknown(closed.into()))?.forget();
        let mut kept = self.kept();
        let commands: Vec<String> = plan.commands.iter().map(|done| done.request.command_id.clone()).collect();
        if commands.iter().any(|command| kept.breaking.contains(&**command)) {
            return Err(StoreError::Unknown(anyhow::anyhow!("the connection broke")));
        }
        if kept.refuses_company && commands.len() > 1 {
            return Err(StoreError::Refused(anyhow::anyhow!("one of them is bad")));
        }
        let follows = plan.records.first().is_some_and(|(_, first)| first.position == kept.standing.position + 1);
        if !follows {
            return Err(StoreError::Fault(anyhow::anyhow!("a hole in the log")));
        }
        kept.standing = plan.head;
        kept.commits.push((commands, grounds));
        Ok(())
    }

    async fn roll_back(&mut self, _: Option<&StoreError>) {}

    async fn prune(&mut self, _: DateTime<Utc>, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// A command that begins a stream of its own.
fn beginning(command_id: &str) -> Append {
    let event = NewEvent { event_type: "test.happened", schema_version: 1, payload: b"x".to_vec() };
    let write = Write {
        category: "test",
        stream_id: command_id.to_owned(),
        expected: Expected::Version(0),
        office: String::new(),
        subject_id: String::new(),
        events: vec![event],
    };
    Append { command_id: command_id.to_owned(), writes: vec![write], ..command() }
}

/// An appender whose every commit waits to be let through.
struct Held {
    store: Strict,
    tail: Arc<Tail>,
    orders: mpsc::Sender<Order>,
    appender: JoinHandle<Strict>,
    answers: Vec<Answer>,
}

impl Held {
    fn open(breaking: &[&'static str], refuses_company: bool) -> Self {
        let standing = Standing { position: 0, chain: chain::START };
        let breaking = breaking.iter().copied().collect();
        let kept = Kept { standing, breaking, refuses_company, commits: Vec::new() };
        let store = Strict { gate: Arc::new(Semaphore::new(0)), kept: Arc::new(Mutex::new(kept)) };
        let tail = Arc::new(Tail::new("registry".to_owned(), "id".to_owned(), standing));
        let (orders, waiting) = mpsc::channel(8);
        let queue = Queue::new(waiting, CancellationToken::new());
        let appender = Appender::new(store.clone(), Arc::clone(&tail), Clock::system(), queue);
        Self { store, tail, orders, appender: tokio::spawn(appender.run()), answers: Vec::new() }
    }

    async fn send(&mut self, commands: &[&str]) {
        self.append(commands.iter().map(|command| beginning(command)).collect()).await;
    }

    async fn append(&mut self, appends: Vec<Append>) {
        for append in appends {
            let (request, answer) = Waiting::new(append).unwrap();
            assert!(self.orders.send(Order::Append(request)).await.is_ok());
            self.answers.push(answer);
        }
        settled().await;
    }

    async fn let_through(&self, commits: usize) {
        self.store.gate.add_permits(commits);
        settled().await;
    }

    /// Where each command's event stands, and what each commit held.
    async fn close(self) -> (Vec<Option<u64>>, Vec<(String, Grounds)>) {
        self.let_through(16).await;
        let mut positions = Vec::new();
        for answer in self.answers {
            let answer = answer.await.expect("everybody is answered");
            assert!(matches!(answer, Ok(_) | Err(AppendError::Unknown(_))), "{answer:?}");
            positions.push(answer.ok().map(|appended| appended.last_position));
        }
        drop(self.orders);
        self.appender.await.unwrap();
        let mut kept = self.store.kept();
        assert_eq!(self.tail.standing(), kept.standing);
        let commits = mem::take(&mut kept.commits);
        (positions, commits.into_iter().map(|(commands, grounds)| (commands.join(" "), grounds)).collect())
    }
}

/// The second commit is in flight while the third command arrives, and then the fourth.
async fn two_in_flight(breaking: &[&'static str]) -> (Vec<Option<u64>>, Vec<(String, Grounds)>) {
    let mut held = Held::open(breaking, false);
    held.send(&["a"]).await;
    held.send(&["b"]).await;
    held.let_through(1).await;
    held.send(&["c"]).await;
    held.send(&["d"]).await;
    held.close().await
}

/// Until nobody has anything to do.
async fn settled() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn callers_hear_of_their_commit_while_the_next_is_in_flight() {
    let mut held = Held::open(&[], false);
    held.send(&["a"]).await;
    held.send(&["b"]).await;
    assert!(held.answers[0].try_recv().is_err(), "nobody hears of what is not committed");
    held.let_through(1).await;
    assert!(held.answers[0].try_recv().expect("it need not wait for the second").is_ok());
    assert!(held.answers[1].try_recv().is_err(), "nor the second with the first");
    held.let_through(1).await;
    assert!(held.answers[1].try_recv().expect("both are done").is_ok());
}

#[tokio::test]
async fn as_many_as_were_told_are_decided_while_a_commit_is_in_flight_and_go_without_waiting_for_more() {
    let (positions, commits) = two_in_flight(&[]).await;
    assert_eq!(positions, [Some(1), Some(2), Some(3), Some(4)]);
    let recollected = ["b", "c", "d"].map(|command| (command.to_owned(), Grounds::Recollected));
    assert_eq!(commits, [vec![("a".to_owned(), Grounds::Looked)], recollected.to_vec()].concat());
}

#[tokio::test]
async fn what_was_decided_on_a_commit_that_fails_is_decided_anew() {
    let (positions, commits) = two_in_flight(&["b"]).await;
    assert_eq!(positions, [Some(1), None, Some(2), Some(3)]);
    assert_eq!(commits, [("a".to_owned(), Grounds::Looked), ("c d".to_owned(), Grounds::Looked)]);
}

#[tokio::test]
async fn nobody_is_lost_where_what_was_decided_ahead_fails_too() {
    let (positions, commits) = two_in_flight(&["c"]).await;
    assert_eq!(positions, [Some(1), Some(2), None, Some(3)]);
    assert_eq!(commits.len(), 3);
}

#[tokio::test]
async fn nobody_is_lost_who_comes_while_a_refused_batch_goes_one_by_one() {
    let mut held = Held::open(&[], true);
    held.send(&["a"]).await;
    held.send(&["b", "c", "d"]).await;
    // The first; the others, refused together without a look and with one; the second.
    held.let_through(4).await;
    held.send(&["e"]).await;
    held.let_through(1).await;
    held.send(&["f"]).await;
    let (positions, _) = held.close().await;
    assert_eq!(positions, [Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)]);
}

#[tokio::test]
async fn whoever_writes_to_a_stream_that_only_the_store_knows_is_looked_up() {
    let mut held = Held::open(&[], false);
    held.send(&["a"]).await;
    held.send(&["b"]).await;
    held.let_through(1).await;
    let mut collecting = beginning("c");
    collecting.writes[0].expected = Expected::Any;
    held.append(vec![collecting]).await;
    let (positions, commits) = held.close().await;
    assert_eq!(positions, [Some(1), Some(2), Some(3)]);
    assert_eq!(commits[2], ("c".to_owned(), Grounds::Looked));
}
