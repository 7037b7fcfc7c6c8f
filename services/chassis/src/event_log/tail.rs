//! The head and the latest records, in memory: whoever follows the log reads what was just committed from here, and only
//! who comes late goes to the store. Records get here after their commit and before anybody is told of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use proto::event::v1::{Head, Record};
use tokio::sync::watch;

use super::chain::Chain;

/// Where a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) position: u64,
    pub(super) chain: Chain,
}

/// The end of one log.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) log: String,
    pub(super) log_id: String,
    latest: Mutex<Latest>,
    wake: watch::Sender<u64>,
}

#[derive(Debug)]
struct Latest {
    standing: Standing,
    /// Without a hole, up to the head; shorter than the log.
    records: VecDeque<Arc<Record>>,
    bytes: usize,
}

/// A minute of a busy subdistrict.
const MOST_RECORDS: usize = 8_192;
const MOST_BYTES: usize = 16 << 20;

impl Tail {
    pub(super) fn new(log: String, log_id: String, standing: Standing) -> Self {
        let wake = watch::Sender::new(standing.position);
        Self { log, log_id, latest: Mutex::new(Latest { standing, records: VecDeque::new(), bytes: 0 }), wake }
    }

    pub(super) fn standing(&self) -> Standing {
        self.lock().standing
    }

    pub(super) fn head(&self) -> Head {
        let Standing { position, chain } = self.standing();
        Head { log: self.log.clone(), log_id: self.log_id.clone(), position, chain: chain.to_vec() }
    }

    pub(super) fn wake(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    /// What a commit has added, from the next position on. Nothing where another process has gone on from there and this
    /// one has heard of it: the tail never goes back.
    pub(super) fn publish(&self, records: impl IntoIterator<Item = Arc<Record>>, standing: Standing) {
        let mut latest = self.lock();
        if standing.position < latest.standing.position {
            return;
        }
        for record in records {
            latest.bytes += weight(&record);
            latest.records.push_back(record);
        }
        while latest.records.len() > MOST_RECORDS || latest.bytes > MOST_BYTES {
            let Some(oldest) = latest.records.pop_front() else { break };
            latest.bytes -= weight(&oldest);
        }
        latest.standing = standing;
        drop(latest);
        self.wake.send_replace(standing.position);
    }

    /// The store has moved without this process knowing what was written: a commit whose outcome was unknown was done.
    pub(super) fn reset(&self, standing: Standing) {
        let mut latest = self.lock();
        *latest = Latest { standing, records: VecDeque::new(), bytes: 0 };
        drop(latest);
        self.wake.send_replace(standing.position);
    }

    /// Others have written, and the store stands there now. Whatever is older than what is known already is no news.
    pub(super) fn advance(&self, standing: Standing) {
        let mut latest = self.lock();
        if standing.position <= latest.standing.position {
            return;
        }
        *latest = Latest { standing, records: VecDeque::new(), bytes: 0 };
        drop(latest);
        self.wake.send_replace(standing.position);
    }

    /// Records behind a position, or `None` where they have to be read from the store.
    pub(super) fn read(&self, after_position: u64, limit: usize) -> Option<Vec<Arc<Record>>> {
        let latest = self.lock();
        if after_position >= latest.standing.position {
            return Some(Vec::new());
        }
        let oldest = latest.records.front()?.position;
        let skipped = usize::try_from((after_position + 1).checked_sub(oldest)?).ok()?;
        Some(latest.records.iter().skip(skipped).take(limit).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Roughly, with the texts of a record.
fn weight(record: &Record) -> usize {
    record.payload.len() + 512
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::chain;

    fn tail_of(positions: std::ops::RangeInclusive<u64>) -> Tail {
        let tail = Tail::new("registry".to_owned(), "id".to_owned(), at(positions.start() - 1));
        let end = *positions.end();
        tail.publish(positions.map(|position| Arc::new(Record { position, ..Record::default() })), at(end));
        tail
    }

    fn at(position: u64) -> Standing {
        Standing { position, chain: chain::START }
    }

    fn positions(records: &[Arc<Record>]) -> Vec<u64> {
        records.iter().map(|record| record.position).collect()
    }

    #[test]
    fn what_is_older_than_the_tail_is_left_to_the_store() {
        let tail = tail_of(11..=20);
        assert!(tail.read(9, 5).is_none());
        assert_eq!(positions(&tail.read(10, 3).unwrap()), [11, 12, 13]);
        assert_eq!(positions(&tail.read(18, 9).unwrap()), [19, 20]);
        assert!(tail.read(20, 9).unwrap().is_empty());
        assert!(tail.read(u64::MAX, 9).unwrap().is_empty());
    }

    #[test]
    fn the_tail_keeps_no_more_than_its_bound() {
        let tail = tail_of(1..=10_000);
        assert!(tail.read(0, 1).is_none());
        assert_eq!(tail.read(10_000 - MOST_RECORDS as u64, usize::MAX).unwrap().len(), MOST_RECORDS);
    }

    #[test]
    fn after_a_reset_nothing_is_answered_from_memory() {
        let tail = tail_of(1..=10);
        tail.reset(at(12));
        assert!(tail.read(5, 10).is_none());
        assert_eq!(tail.head().position, 12);
    }

    #[test]
    fn old_news_do_not_bring_the_tail_back() {
        let tail = tail_of(1..=10);
        tail.advance(at(9));
        assert_eq!(positions(&tail.read(8, 10).unwrap()), [9, 10]);
        tail.advance(at(15));
        tail.publish([Arc::new(Record { position: 11, ..Record::default() })], at(11));
        assert_eq!((tail.head().position, *tail.wake().borrow()), (15, 15));
        assert!(tail.read(9, 10).is_none());
    }
}
