//! What the last look and the commits since then have left in memory, so that most batches are decided without asking the
//! store. That their commands are new, their new streams new and their keys free is then a guess: the store's constraints
//! refuse a commit that guessed wrong, and a look follows.

use std::{collections::HashMap, mem};

use super::{
    Expected,
    batch::{Batch, Known, Plan, Stream},
    tail::Standing,
};

/// Holds as long as nobody else moves the head, which a store sees when it commits.
#[derive(Default)]
pub(super) struct Recollection {
    /// None when only the store knows.
    left: Option<Left>,
    /// By category, a zero byte and id: number and version. Those of the last while, and those of the while before.
    streams: [HashMap<String, (i64, u64)>; 2],
}

#[derive(Clone, Copy)]
struct Left {
    head: Standing,
    last_stream_no: i64,
}

/// Streams of one while: a few megabytes.
const WHILE: usize = 32_768;

impl Recollection {
    /// What a batch can be decided on while the log stands at `head`; `None` where only a look tells.
    pub(super) fn of(&self, batch: &Batch<'_>, head: Standing) -> Option<Known> {
        let left = self.left.filter(|left| left.head == head)?;
        // Nothing refuses the release of a key that somebody else holds.
        if batch.requests.iter().any(|request| !request.release.is_empty()) {
            return None;
        }
        let mut streams = Vec::with_capacity(batch.streams.list.len());
        for name in &batch.streams.list {
            let stream = self.stream(&key(name));
            if stream.is_none() && !begins(batch, name) {
                return None;
            }
            streams.push(stream);
        }
        Some(Known {
            head,
            last_stream_no: left.last_stream_no,
            commands: batch.commands.list.iter().map(|_| None).collect(),
            streams,
            keys: batch.keys.list.iter().map(|_| None).collect(),
        })
    }

    /// What a look has found.
    pub(super) fn looked(&mut self, batch: &Batch<'_>, known: &Known) {
        // Somebody else has written, to whichever streams.
        if self.left.is_none_or(|left| left.head != known.head) {
            self.forget();
        }
        self.left = Some(Left { head: known.head, last_stream_no: known.last_stream_no });
        for (name, stream) in batch.streams.list.iter().zip(&known.streams) {
            if let Some(stream) = stream {
                remember(&mut self.streams, key(name), *stream);
            }
        }
    }

    /// What was committed.
    pub(super) fn committed(&mut self, plan: &Plan<'_>) {
        let Some(left) = &mut self.left else { return };
        left.head = plan.head;
        for (name, stream) in &plan.streams {
            left.last_stream_no = left.last_stream_no.max(stream.number);
            remember(&mut self.streams, key(name), *stream);
        }
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn stream(&self, key: &str) -> Option<Stream> {
        let (number, version) = self.streams.iter().find_map(|streams| streams.get(key))?;
        Some(Stream { number: *number, version: *version, new: false })
    }
}

fn remember([last, before]: &mut [HashMap<String, (i64, u64)>; 2], key: String, stream: Stream) {
    if last.len() >= WHILE {
        *before = mem::take(last);
    }
    last.insert(key, (stream.number, stream.version));
}

fn key((category, stream_id): &(&str, &str)) -> String {
    [*category, *stream_id].join("\0")
}

/// Whether the first who writes to a stream takes it for a new one, and does write: if it is not, its insert is refused.
fn begins(batch: &Batch<'_>, (category, stream_id): &(&str, &str)) -> bool {
    let mut writes = batch.requests.iter().flat_map(|request| &request.writes);
    let first = writes.find(|write| write.category == *category && write.stream_id == *stream_id);
    first.is_some_and(|write| matches!(write.expected, Expected::Version(0)) && !write.events.is_empty())
}
