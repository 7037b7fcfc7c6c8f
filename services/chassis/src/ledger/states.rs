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
        self.0[share(category, stream_id, Self::COUNT)].lock().await
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self((0..Self::COUNT).map(|_| tokio::sync::Mutex::default()).collect())
    }
}

/// Which of so many a stream shares with others.
fn share(category: &str, stream_id: &str, count: usize) -> usize {
    let mut hasher = std::hash::DefaultHasher::new();
    (category, stream_id).hash(&mut hasher);
    usize::try_from(hasher.finish() % count as u64).unwrap_or(0)
}

/// Folded states of streams, to spare reading them again. A decision on an old one is refused by append; a query and a
/// refusal would show it. Invariants: a state that stays here is not older than the last append of this process to its
/// stream, and it is used only under the fence under which it was read or written. Nobody else has written under that one;
/// under another one somebody may have.
#[derive(Default)]
pub(super) struct States(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    fence: Option<i64>,
    states: HashMap<(&'static str, String), (u64, State)>,
    /// Counts when everything was forgotten, or half of it.
    clearings: u64,
    /// Counts what was forgotten of streams, which share these as they share turns.
    evictions: Evictions,
}

struct Evictions(Vec<u64>);

impl Default for Evictions {
    fn default() -> Self {
        Self(vec![0; Turns::COUNT])
    }
}

type State = Arc<dyn Any + Send + Sync>;

/// What was so before a stream was read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    fence: Option<i64>,
    clearings: u64,
    evictions: u64,
}

impl States {
    /// What is remembered under a fence, the one of now; nothing while others may write.
    pub(super) fn get(&self, fence: Option<i64>, category: &'static str, stream_id: &str) -> Option<(u64, State)> {
        let mut kept = self.lock();
        kept.under(fence?);
        kept.states.get(&(category, stream_id.to_owned())).cloned()
    }

    /// What an append has made of a stream, with the fence from before it.
    pub(super) fn put(&self, fence: Option<i64>, category: &'static str, stream_id: &str, version: u64, state: State) {
        let mut kept = self.lock();
        if fence.is_some() && kept.fence == fence {
            kept.put(category, stream_id, version, state);
        } else {
            kept.evict(category, stream_id);
        }
    }

    /// To be asked before a stream is read, for `put_read` afterwards.
    pub(super) fn before_reading(&self, fence: Option<i64>, category: &'static str, stream_id: &str) -> Reading {
        let mut kept = self.lock();
        if let Some(fence) = fence {
            kept.under(fence);
        }
        kept.reading(fence, category, stream_id)
    }

    /// What was read of a stream. It is not kept where this stream may have been forgotten since, because it had moved on.
    pub(super) fn put_read(
        &self,
        before: Reading,
        category: &'static str,
        stream_id: &str,
        version: u64,
        state: State,
    ) {
        let mut kept = self.lock();
        if before.fence.is_some() && before == kept.reading(kept.fence, category, stream_id) {
            kept.put(category, stream_id, version, state);
        }
    }

    pub(super) fn evict(&self, category: &'static str, stream_id: &str) {
        self.lock().evict(category, stream_id);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two generations of a subdistrict's residents and their cases.
const CAPACITY: usize = 300_000;

impl Kept {
    /// Forgets what was remembered under another fence.
    fn under(&mut self, fence: i64) {
        if self.fence != Some(fence) {
            self.fence = Some(fence);
            self.clearings += 1;
            self.states.clear();
        }
    }

    fn reading(&self, fence: Option<i64>, category: &str, stream_id: &str) -> Reading {
        let evictions = self.evictions.0[share(category, stream_id, Turns::COUNT)];
        Reading { fence, clearings: self.clearings, evictions }
    }

    fn evict(&mut self, category: &'static str, stream_id: &str) {
        self.evictions.0[share(category, stream_id, Turns::COUNT)] += 1;
        self.states.remove(&(category, stream_id.to_owned()));
    }

    fn put(&mut self, category: &'static str, stream_id: &str, version: u64, state: State) {
        if self.states.len() >= CAPACITY {
            self.clearings += 1;
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
