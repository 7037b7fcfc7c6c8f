use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use tokio::{sync::Semaphore, time::timeout};

use super::*;
use crate::event_log::{KnownCommand, chain};

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
    let appender = Appender::new(store, Arc::clone(&tail), clock, waiting, stop);
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

/// A store whose every commit waits to be let through.
#[derive(Clone)]
struct Gated(Arc<Semaphore>);

#[async_trait]
impl Store for Gated {
    const RECOLLECTS: bool = true;

    async fn begin(&mut self, batch: &Batch<'_>) -> Result<Known, StoreError> {
        Breaking::default().begin(batch).await
    }

    async fn commit(&mut self, _: &Plan<'_>, _: Grounds) -> Result<(), StoreError> {
        self.0.acquire().await.map_err(|closed| StoreError::Unknown(closed.into()))?.forget();
        Ok(())
    }

    async fn roll_back(&mut self, _: Option<&StoreError>) {}

    async fn prune(&mut self, _: DateTime<Utc>, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[tokio::test]
async fn callers_hear_of_their_commit_while_the_next_is_in_flight() {
    let store = Gated(Arc::new(Semaphore::new(0)));
    let start = Standing { position: 0, chain: chain::START };
    let tail = Arc::new(Tail::new("registry".to_owned(), "id".to_owned(), start));
    let (orders, waiting) = mpsc::channel(8);
    let appender = Appender::new(store.clone(), Arc::clone(&tail), Clock::system(), waiting, CancellationToken::new());
    let appender = tokio::spawn(appender.run());
    let (first, mut first_answer) = Waiting::new(command()).unwrap();
    assert!(orders.send(Order::Append(first)).await.is_ok());
    // Its commit is under way before the second arrives.
    tokio::task::yield_now().await;
    let (second, mut second_answer) = Waiting::new(Append { command_id: "d".to_owned(), ..command() }).unwrap();
    assert!(orders.send(Order::Append(second)).await.is_ok());
    tokio::task::yield_now().await;
    assert!(first_answer.try_recv().is_err(), "nobody hears of what is not committed");
    store.0.add_permits(1);
    let heard = timeout(Duration::from_secs(10), &mut first_answer).await.expect("it need not wait for the second");
    assert!(heard.unwrap().is_ok());
    assert!(second_answer.try_recv().is_err(), "nor the second with the first");
    store.0.add_permits(1);
    assert!(second_answer.await.unwrap().is_ok());
    drop(orders);
    appender.await.unwrap();
}
