//! Two generations of entries: when the young one is full, the old one is dropped and the young one grows old. So at most
//! twice `YOUNG` keys are in memory, and a key in use stays.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::secrets::Key;

const YOUNG: usize = 8_192;

/// How long an entry is believed without asking the store again: a destruction by another process is obeyed after this.
const BELIEVED: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Cache(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<String, Entry>,
    old: HashMap<String, Entry>,
    destructions: u64,
}

#[derive(Clone)]
struct Entry {
    key: Arc<Key>,
    read_at: Instant,
}

impl Cache {
    pub(super) fn get(&self, subject_id: &str) -> Option<Arc<Key>> {
        let mut generations = self.lock();
        if let Some(entry) = generations.young.get(subject_id) {
            return entry.believed();
        }
        let (subject_id, entry) = generations.old.remove_entry(subject_id)?;
        let key = entry.believed();
        if key.is_some() {
            generations.insert(subject_id, entry);
        }
        key
    }

    /// Counts destructions. Whoever reads a key from the store takes the count before and hands it to `keep`.
    pub(super) fn destructions(&self) -> u64 {
        self.lock().destructions
    }

    /// Keeps a key unless something was destroyed since `seen`: the key could be that of a subject erased meanwhile.
    pub(super) fn keep(&self, subject_id: &str, key: &Arc<Key>, seen: u64) {
        let mut generations = self.lock();
        if generations.destructions == seen {
            generations.insert(subject_id.to_owned(), Entry { key: Arc::clone(key), read_at: Instant::now() });
        }
    }

    pub(super) fn forget(&self, subject_id: &str) {
        let mut generations = self.lock();
        generations.destructions += 1;
        generations.young.remove(subject_id);
        generations.old.remove(subject_id);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn insert(&mut self, subject_id: String, entry: Entry) {
        if self.young.len() >= YOUNG {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(subject_id, entry);
    }
}

impl Entry {
    fn believed(&self) -> Option<Arc<Key>> {
        (self.read_at.elapsed() < BELIEVED).then(|| Arc::clone(&self.key))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretBox;

    use super::*;

    #[test]
    fn memory_is_bounded() {
        let cache = Cache::default();
        let key = Arc::new(SecretBox::new(Box::new([1; 32])));
        for n in 0..5 * YOUNG {
            cache.keep(&n.to_string(), &key, 0);
        }
        let generations = cache.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * YOUNG);
    }

    #[test]
    fn a_key_read_before_a_destruction_is_not_kept_after_it() {
        let cache = Cache::default();
        let key = Arc::new(SecretBox::new(Box::new([1; 32])));
        let seen = cache.destructions();
        cache.forget("resident");
        cache.keep("resident", &key, seen);
        assert!(cache.get("resident").is_none());
    }
}
