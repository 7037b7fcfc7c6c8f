//! The sources of a memory side by side. While it is being made, what they say goes in by its time, as it did when it happened;
//! from then on each goes in as it comes. Invariants: a record goes in once and after all earlier ones of its log; a source that
//! does not answer, or whose record cannot be taken, holds the others back for [`HOLD`] and no longer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::Memory;
use crate::Record;

/// All lanes of a memory.
pub(super) struct Lanes {
    pub(super) memory: Arc<dyn Memory>,
    state: Mutex<Sides>,
    /// Something went in.
    pub(super) consumed: Notify,
}

#[derive(Default)]
struct Sides {
    /// Changes when everything begins anew.
    epoch: u64,
    lanes: Vec<Lane>,
}

#[derive(Default)]
struct Lane {
    read: VecDeque<Arc<Record>>,
    /// The last record that went in.
    position: u64,
    /// It was at its head once, and nobody waits for it any more.
    known: bool,
    /// Since when the others wait for its next record: it is being read, or cannot be taken.
    awaited: Option<Instant>,
}

/// How far a lane is, and how many of its records wait.
pub(super) struct Standing {
    pub(super) position: u64,
    pub(super) waiting: usize,
}

/// So long the others wait for a lane.
const HOLD: Duration = Duration::from_secs(2);

impl Lanes {
    pub(super) fn new(memory: Arc<dyn Memory>, sources: usize) -> Arc<Self> {
        let lanes = (0..sources).map(|_| Lane::default()).collect();
        Arc::new(Self { memory, state: Mutex::new(Sides { epoch: 0, lanes }), consumed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, Sides> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a lane has been at its head since everything began.
    pub(super) fn known(&self, number: usize) -> bool {
        self.state().lanes[number].known
    }

    /// From where the lane reads on.
    pub(super) fn reading(&self, number: usize) -> (u64, u64) {
        let mut state = self.state();
        let epoch = state.epoch;
        let lane = &mut state.lanes[number];
        // A source that fails is awaited since its first try.
        lane.awaited.get_or_insert_with(Instant::now);
        (epoch, lane.position)
    }

    /// What the lane has read. Nothing where everything began anew meanwhile.
    pub(super) fn offer(&self, number: usize, epoch: u64, records: Vec<Arc<Record>>) {
        let mut state = self.state();
        if state.epoch != epoch {
            return;
        }
        let lane = &mut state.lanes[number];
        lane.known |= records.is_empty();
        lane.read.extend(records);
    }

    /// A log was restored or made anew: everything begins again, unless it has since this lane began to read.
    pub(super) fn forget(&self, epoch: u64) {
        let mut state = self.state();
        if state.epoch == epoch {
            self.clear(&mut state);
        }
    }

    /// Everything begins again, because somebody asks for it.
    pub(super) fn begin_anew(&self) {
        self.clear(&mut self.state());
    }

    fn clear(&self, state: &mut Sides) {
        self.memory.forget();
        state.epoch += 1;
        state.lanes.iter_mut().for_each(|lane| *lane = Lane::default());
    }

    /// Lets in whatever is next, and says how far this lane is and whether a record of it could not be taken; those of the others
    /// are left to them.
    pub(super) fn merge(&self, number: usize, name: &str) -> (Standing, anyhow::Result<()>) {
        let mut state = self.state();
        let mut refused = vec![false; state.lanes.len()];
        let (mut failure, mut went_in) = (None, false);
        while let Some(next) = next(&state.lanes, &refused) {
            let lane = &mut state.lanes[next];
            let Some(record) = lane.read.front() else { break };
            let (position, expected) = (record.position, lane.position + 1);
            let taken = if position == expected { self.memory.take(record) } else { Err(hole(position, expected)) };
            match taken {
                Ok(()) => {
                    lane.position = position;
                    lane.awaited = None;
                    went_in = true;
                    lane.read.pop_front();
                }
                Err(error) => {
                    refused[next] = true;
                    if next == number {
                        failure = Some(error.context(format!("taking in position {position} of the log {name}")));
                    }
                }
            }
        }
        let lane = &mut state.lanes[number];
        let standing = Standing { position: lane.position, waiting: lane.read.len() };
        if failure.is_some() {
            // It is read again from there.
            lane.read.clear();
        }
        drop(state);
        // Not for nothing: whoever waits would wake themselves, again and again.
        if went_in {
            self.consumed.notify_waiters();
        }
        (standing, failure.map_or(Ok(()), Err))
    }
}

/// The lane whose next record is the oldest; `None` while another one is awaited that may hold an older one.
fn next(lanes: &[Lane], refused: &[bool]) -> Option<usize> {
    let held =
        |lane: &Lane| !lane.known && lane.read.is_empty() && lane.awaited.is_none_or(|since| since.elapsed() < HOLD);
    if lanes.iter().any(held) {
        return None;
    }
    let waiting = lanes.iter().enumerate().filter(|(number, _)| !refused[*number]);
    let first = waiting.filter_map(|(number, lane)| Some((number, since(lane.read.front()?))));
    first.min_by_key(|(_, since)| *since).map(|(number, _)| number)
}

fn since(record: &Record) -> (i64, i32) {
    record.recorded_at.as_ref().map(|time| (time.seconds, time.nanos)).unwrap_or_default()
}

fn hole(position: u64, expected: u64) -> anyhow::Error {
    anyhow::anyhow!("the log has a hole: {position} stands where {expected} is expected")
}
