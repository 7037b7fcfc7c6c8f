//! The newest records of another's log, in memory: without a hole, each chained to the one before. What does not fit is
//! not taken, since whoever reads from here looks no further.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    Record,
    event_log::{
        Head,
        chain::{Chain, link},
    },
};

/// A minute of a busy subdistrict.
const MOST_RECORDS: usize = 8_192;
const MOST_BYTES: usize = 16 << 20;

#[derive(Default)]
pub(super) struct Window {
    log_id: String,
    records: VecDeque<Arc<Record>>,
    bytes: usize,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is the newest now.
    Next,
    /// It was here before.
    Known,
    /// Some before it did not arrive: the window begins anew with it.
    Hole,
    /// Not taken: it is of another log.
    OtherLog,
    /// Not taken: its chain does not follow.
    Broken,
}

impl Window {
    pub(super) fn take(&mut self, record: &Arc<Record>) -> Taken {
        let Some(last) = self.records.back() else {
            if !self.log_id.is_empty() && self.log_id != record.log_id {
                return Taken::OtherLog;
            }
            self.restart(record);
            return Taken::Next;
        };
        if record.log_id != self.log_id {
            return Taken::OtherLog;
        }
        if record.position <= last.position {
            return Taken::Known;
        }
        if record.position > last.position + 1 {
            self.restart(record);
            return Taken::Hole;
        }
        let follows = Chain::try_from(&*last.chain).is_ok_and(|chain| record.chain == link(&chain, record));
        if !follows {
            return Taken::Broken;
        }
        self.push(record);
        Taken::Next
    }

    /// Begins anew with this record.
    pub(super) fn restart(&mut self, record: &Arc<Record>) {
        *self = Self { log_id: record.log_id.clone(), ..Self::default() };
        self.push(record);
    }

    /// From now on only records of this log are taken.
    pub(super) fn forget_other_than(&mut self, log_id: &str) {
        if self.log_id != log_id {
            *self = Self { log_id: log_id.to_owned(), ..Self::default() };
        }
    }

    /// Records behind a position; `None` where the window does not hold the next one.
    pub(super) fn read(&self, after_position: u64, limit: usize) -> Option<Vec<Arc<Record>>> {
        let oldest = self.records.front()?.position;
        let skipped = usize::try_from((after_position + 1).checked_sub(oldest)?).ok()?;
        let records: Vec<_> = self.records.iter().skip(skipped).take(limit).cloned().collect();
        (!records.is_empty()).then_some(records)
    }

    /// Empty until anything is known of the log.
    pub(super) fn log_id(&self) -> &str {
        &self.log_id
    }

    /// The newest position.
    pub(super) fn last(&self) -> Option<u64> {
        self.records.back().map(|record| record.position)
    }

    pub(super) fn head(&self, log: &str) -> Option<Head> {
        let last = self.records.back()?;
        let (position, chain) = (last.position, last.chain.clone());
        Some(Head { log: log.to_owned(), log_id: self.log_id.clone(), position, chain })
    }

    fn push(&mut self, record: &Arc<Record>) {
        self.bytes += weight(record);
        self.records.push_back(Arc::clone(record));
        while self.records.len() > MOST_RECORDS || (self.bytes > MOST_BYTES && self.records.len() > 1) {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= weight(&oldest);
        }
    }
}

/// Roughly, with the texts of a record.
fn weight(record: &Record) -> usize {
    record.payload.len() + 512
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::chain::START;

    fn chained(log_id: &str, positions: std::ops::RangeInclusive<u64>) -> Vec<Arc<Record>> {
        let mut chain = START;
        let record = |position| {
            let mut record = Record { log_id: log_id.to_owned(), position, ..Record::default() };
            chain = link(&chain, &record);
            record.chain = chain.to_vec();
            Arc::new(record)
        };
        positions.map(record).collect()
    }

    fn window_of(records: &[Arc<Record>]) -> Window {
        let mut window = Window::default();
        for record in records {
            assert_eq!(window.take(record), Taken::Next);
        }
        window
    }

    fn positions(records: &[Arc<Record>]) -> Vec<u64> {
        records.iter().map(|record| record.position).collect()
    }

    #[test]
    fn what_is_older_or_newer_than_the_window_is_not_read_from_it() {
        let window = window_of(&chained("one", 11..=20));
        assert!(window.read(9, 5).is_none());
        assert_eq!(positions(&window.read(10, 3).unwrap()), [11, 12, 13]);
        assert_eq!(positions(&window.read(18, 9).unwrap()), [19, 20]);
        assert!(window.read(20, 9).is_none());
        assert!(Window::default().read(0, 1).is_none());
    }

    #[test]
    fn a_record_that_comes_again_is_there_once() {
        let records = chained("one", 1..=3);
        let mut window = window_of(&records);
        assert_eq!(window.take(&records[1]), Taken::Known);
        assert_eq!(positions(&window.read(0, 9).unwrap()), [1, 2, 3]);
    }

    #[test]
    fn behind_a_hole_the_window_begins_anew() {
        let records = chained("one", 1..=9);
        let mut window = window_of(&records[..3]);
        assert_eq!(window.take(&records[5]), Taken::Hole);
        assert!(window.read(2, 9).is_none());
        assert_eq!(positions(&window.read(5, 9).unwrap()), [6]);
    }

    #[test]
    fn a_record_that_was_changed_on_the_way_is_not_taken() {
        let records = chained("one", 1..=3);
        let mut window = window_of(&records[..2]);
        let changed = Record { payload: b"forged".to_vec(), ..Record::clone(&records[2]) };
        assert_eq!(window.take(&Arc::new(changed)), Taken::Broken);
        assert_eq!(window.take(&records[2]), Taken::Next);
    }

    #[test]
    fn records_of_two_logs_are_never_side_by_side() {
        let mut window = window_of(&chained("one", 1..=3));
        let others = chained("two", 1..=4);
        assert_eq!(window.take(&others[3]), Taken::OtherLog);
        window.forget_other_than("two");
        assert_eq!(window.last(), None);
        assert_eq!(window.take(&chained("one", 1..=1)[0]), Taken::OtherLog);
        assert_eq!(window.take(&others[3]), Taken::Next);
        assert_eq!(window.head("registry").unwrap().log_id, "two");
    }

    #[test]
    fn the_window_keeps_no_more_than_its_bound() {
        let window = window_of(&chained("one", 1..=10_000));
        assert!(window.read(0, 1).is_none());
        assert_eq!(window.read(10_000 - MOST_RECORDS as u64, usize::MAX).unwrap().len(), MOST_RECORDS);
        let mut window = Window::default();
        let large = Record { position: 1, payload: vec![0; MOST_BYTES], ..Record::default() };
        window.restart(&Arc::new(large));
        assert_eq!(window.last(), Some(1));
    }
}
