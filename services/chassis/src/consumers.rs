//! How far each consumer is in each log, what it is stuck on, and the ways to wait for it and to start it again. `doctor`,
//! health and every query that must read its own writes look here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use proto::event::v1::consumer::State;
use tokio::{sync::watch, time::Instant};

use crate::lease::Lead;

/// How long news may wait for company. Nobody sees it: whoever asks for a position is served at once.
const COMPANY: Duration = Duration::from_millis(20);

/// How often a replica looks how far the leader is, at most and at least.
const SHORT_GLANCE: Duration = Duration::from_millis(10);
const GLANCE: Duration = Duration::from_millis(500);

/// Who fails for longer shows people what is no longer so.
const LONG: Duration = Duration::from_secs(30);

/// One consumer's way through one source log.
#[derive(Debug)]
pub struct Progress {
    /// "pass/views", "pass/reactions".
    pub consumer: String,
    pub source: String,
    standing: watch::Sender<Standing>,
    /// The furthest position that anybody has waited for.
    wanted: watch::Sender<u64>,
    /// Counts how often an operator has asked for it.
    resumes: watch::Sender<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: State,
    /// The last record whose effects are there to read.
    pub position: u64,
    /// Records laid aside.
    pub parked: u64,
    /// The last failure; empty where there is none.
    pub error: String,
    /// Since when it fails without a break.
    pub failing_since: Option<Instant>,
}

impl Progress {
    fn new(consumer: &str, source: &str, position: u64) -> Self {
        let standing =
            Standing { state: State::Running, position, parked: 0, error: String::new(), failing_since: None };
        Self {
            consumer: consumer.to_owned(),
            source: source.to_owned(),
            standing: watch::Sender::new(standing),
            wanted: watch::Sender::new(0),
            resumes: watch::Sender::new(0),
        }
    }

    /// Of a consumer that nobody waits for yet.
    pub(crate) fn aside(consumer: &str, source: &str) -> Self {
        Self::new(consumer, source, 0)
    }

    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    pub fn position(&self) -> u64 {
        self.standing.borrow().position
    }

    pub(crate) fn reached(&self, position: u64, parked: u64) {
        let running = Standing { state: State::Running, position, parked, error: String::new(), failing_since: None };
        self.standing.send_replace(running);
    }

    pub(crate) fn failing(&self, state: State, error: &str) {
        self.standing.send_modify(|standing| {
            standing.state = state;
            standing.failing_since.get_or_insert_with(Instant::now);
            error.clone_into(&mut standing.error);
        });
    }

    /// Waits until the record's effects can be read; `false` when they cannot be by then.
    pub async fn wait_for(&self, position: u64, until: Instant) -> bool {
        self.wanted.send_if_modified(|wanted| {
            let further = position > *wanted;
            *wanted = position.max(*wanted);
            further
        });
        let mut standing = self.standing.subscribe();
        let arrived = standing.wait_for(|standing| standing.position >= position);
        tokio::time::timeout_at(until, arrived).await.is_ok_and(|arrived| arrived.is_ok())
    }

    /// Lets more records come together after a small batch, since each batch costs a commit; not while anybody waits for one.
    pub(crate) async fn company(&self) {
        let position = self.standing.borrow().position;
        let mut wanted = self.wanted.subscribe();
        drop(tokio::time::timeout(COMPANY, wanted.wait_for(|wanted| *wanted > position)).await);
    }

    /// Between two looks of a replica at what the leader has done: short while somebody waits for it.
    pub(crate) async fn glance(&self, lead: &mut watch::Receiver<Lead>) {
        let position = self.standing.borrow().position;
        let mut wanted = self.wanted.subscribe();
        let pause = async {
            tokio::time::sleep(SHORT_GLANCE).await;
            let awaited = wanted.wait_for(|wanted| *wanted > position);
            drop(tokio::time::timeout(GLANCE, awaited).await);
        };
        tokio::select! {
            _ = lead.changed() => {}
            () = pause => {}
        }
    }

    /// Starts a halted consumer again; one that runs tries again what it has laid aside.
    pub fn resume(&self) {
        self.resumes.send_modify(|times| *times += 1);
    }

    /// Waits until it stands as a test expects.
    #[cfg(test)]
    pub(crate) async fn until(&self, expected: impl FnMut(&Standing) -> bool) -> Standing {
        let mut standing = self.standing.subscribe();
        let arrived = tokio::time::timeout(std::time::Duration::from_secs(30), standing.wait_for(expected)).await;
        arrived.unwrap_or_else(|_| panic!("it stands still: {:?}", self.standing())).unwrap().clone()
    }

    /// Shows when somebody resumes. What was asked for before a halt does not end it: see `mark_unchanged`.
    pub(crate) fn resumes(&self) -> watch::Receiver<u64> {
        self.resumes.subscribe()
    }
}

/// All consumers of a process.
#[derive(Clone, Debug, Default)]
pub struct Consumers(Arc<Mutex<Vec<Arc<Progress>>>>);

impl Consumers {
    pub(crate) fn enter(&self, consumer: &str, source: &str, position: u64) -> Arc<Progress> {
        let progress = Arc::new(Progress::new(consumer, source, position));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Opened again in the same process.
        all.retain(|other| (&other.consumer, &other.source) != (&progress.consumer, &progress.source));
        all.push(Arc::clone(&progress));
        progress
    }

    pub fn all(&self) -> Vec<Arc<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn find(&self, consumer: &str, source: &str) -> Option<Arc<Progress>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|progress| progress.consumer == consumer && progress.source == source).cloned()
    }

    /// Those that stand still until an operator resumes them, and those that have not got on for long.
    pub fn stuck(&self) -> Vec<Arc<Progress>> {
        let stuck = |standing: Standing| {
            standing.state == State::Halted || standing.failing_since.is_some_and(|since| since.elapsed() > LONG)
        };
        self.all().into_iter().filter(|progress| stuck(progress.standing())).collect()
    }
}
