//! What a process remembers of streams, to decide without reading them again, and the order in which it decides.

use std::{
    any::Any,
    collections::HashMap,
    hash::{Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Commands of this process on one stream go one after the other: deciding side by side, all but one would be in vain. It
/// is only a courtesy. What keeps a stream right is the version that append checks, against other processes too.
pub(super) struct Turns(Vec<tokio::sync::Mutex<()>>);

impl Turns {
    /// Streams share turns by their hash; so many that strangers seldom meet.
    const COUNT: usize = 4_096;

    pub(super) async fn take(&self, category: &'static str, stream_id: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = std::hash::DefaultHasher::new();
        (category, stream_id).hash(&mut hasher);
        let turn = usize::try_from(hasher.finish() % Self::COUNT as u64).unwrap_or(0);
        self.0[turn].lock().await
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self((0..Self::COUNT).map(|_| tokio::sync::Mutex::default()).collect())
    }
}

/// Folded states of streams, to spare reading them again. A decision on an old one is refused by append; a query would show
/// it. Invariant: a state that stays here is not older than the last append of this process to its stream.
#[derive(Default)]
pub(super) struct States(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    states: HashMap<(&'static str, String), (u64, State)>,
    /// Counts what was forgotten.
    evictions: u64,
}

type State = Arc<dyn Any + Send + Sync>;

impl States {
    pub(super) fn get(&self, category: &'static str, stream_id: &str) -> Option<(u64, State)> {
        self.lock().states.get(&(category, stream_id.to_owned())).cloned()
    }

    /// What an append has made of a stream.
    pub(super) fn put(&self, category: &'static str, stream_id: &str, version: u64, state: State) {
        self.lock().put(category, stream_id, version, state);
    }

    /// To be asked before a stream is read, for `put_read` afterwards.
    pub(super) fn evictions(&self) -> u64 {
        self.lock().evictions
    }

    /// What was read of a stream. It is not kept where something was forgotten since: that may have been this stream,
    /// because it had moved on.
    pub(super) fn put_read(&self, category: &'static str, stream_id: &str, version: u64, state: State, evictions: u64) {
        let mut kept = self.lock();
        if kept.evictions == evictions {
            kept.put(category, stream_id, version, state);
        }
    }

    pub(super) fn evict(&self, category: &'static str, stream_id: &str) {
        let mut kept = self.lock();
        kept.evictions += 1;
        kept.states.remove(&(category, stream_id.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two generations of a subdistrict's residents and their cases.
const CAPACITY: usize = 300_000;

impl Kept {
    fn put(&mut self, category: &'static str, stream_id: &str, version: u64, state: State) {
        if self.states.len() >= CAPACITY {
            self.evictions += 1;
            let mut keep = false;
            self.states.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
        let entry = self.states.entry((category, stream_id.to_owned())).or_insert((version, Arc::clone(&state)));
        // Two commands may finish in the other order than they were appended.
        if entry.0 < version {
            *entry = (version, state);
        }
    }
}
