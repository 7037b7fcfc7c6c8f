//! How far each consumer is in each log, what it is stuck on, and the ways to wait for it and to start it again. `doctor`,
//! health and every query that must read its own writes look here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use proto::event::v1::consumer::State;
use tokio::sync::{Notify, watch};

/// One consumer's way through one source log.
#[derive(Debug)]
pub struct Progress {
    /// "pass/views", "pass/reactions".
    pub consumer: String,
    pub source: String,
    standing: watch::Sender<Standing>,
    resume: Notify,
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
}

impl Progress {
    fn new(consumer: &str, source: &str, position: u64) -> Self {
        let standing = Standing { state: State::Running, position, parked: 0, error: String::new() };
        Self {
            consumer: consumer.to_owned(),
            source: source.to_owned(),
            standing: watch::Sender::new(standing),
            resume: Notify::new(),
        }
    }

    /// Of a consumer that nobody waits for yet.
    pub(crate) fn aside(consumer: &str, source: &str) -> Self {
        Self::new(consumer, source, 0)
    }

    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    pub(crate) fn reached(&self, position: u64, parked: u64) {
        self.standing.send_replace(Standing { state: State::Running, position, parked, error: String::new() });
    }

    pub(crate) fn failing(&self, state: State, error: &str) {
        self.standing.send_modify(|standing| {
            standing.state = state;
            error.clone_into(&mut standing.error);
        });
    }

    /// Waits until the record's effects can be read; `false` when they cannot within that time.
    pub async fn wait_for(&self, position: u64, within: Duration) -> bool {
        let mut standing = self.standing.subscribe();
        let arrived = standing.wait_for(|standing| standing.position >= position);
        tokio::time::timeout(within, arrived).await.is_ok_and(|arrived| arrived.is_ok())
    }

    /// Starts a halted consumer again.
    pub fn resume(&self) {
        self.resume.notify_one();
    }

    pub(crate) async fn resumed(&self) {
        self.resume.notified().await;
    }
}

/// All consumers of a process.
#[derive(Clone, Debug, Default)]
pub struct Consumers(Arc<Mutex<Vec<Arc<Progress>>>>);

impl Consumers {
    pub(crate) fn enter(&self, consumer: &str, source: &str, position: u64) -> Arc<Progress> {
        let progress = Arc::new(Progress::new(consumer, source, position));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A rebuilt generation takes the place of the one before.
        all.retain(|other| (&other.consumer, &other.source) != (&progress.consumer, &progress.source));
        all.push(Arc::clone(&progress));
        progress
    }

    pub fn all(&self) -> Vec<Arc<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn find(&self, consumer: &str, source: &str) -> Option<Arc<Progress>> {
        self.all().into_iter().find(|progress| progress.consumer == consumer && progress.source == source)
    }

    /// Those that stand still until an operator resumes them.
    pub fn halted(&self) -> Vec<Arc<Progress>> {
        self.all().into_iter().filter(|progress| progress.standing().state == State::Halted).collect()
    }
}
