//! Requests of one commit, decided one by one in memory, in the order of their arrival. The store looks up what they
//! name, once for all of them; whatever one request changes counts for those behind it, and a refused one changes
//! nothing. No I/O here: the same decisions hold for every store.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use chrono::{DateTime, Utc};
use proto::event::v1::Record;

use super::{
    Append, AppendError, Appended, Claim, Expected, KnownCommand, Write, chain,
    tail::{Standing, Tail},
};
use crate::{Clock, museum::Bug, timestamp};

/// Several requests, and what has to be known to decide them.
pub(super) struct Batch<'a> {
    pub(super) requests: Vec<&'a Append>,
    pub(super) commands: Names<&'a str>,
    pub(super) streams: Names<StreamName<'a>>,
    pub(super) keys: Names<KeyName<'a>>,
}

/// Category and stream id.
pub(super) type StreamName<'a> = (&'a str, &'a str);

/// Scope and key.
pub(super) type KeyName<'a> = (&'a str, &'a [u8]);

/// Different names in the order of their first use.
pub(super) struct Names<K> {
    pub(super) list: Vec<K>,
    places: HashMap<K, usize>,
}

impl<K: Copy + Eq + Hash> Names<K> {
    fn of(names: impl Iterator<Item = K>) -> Self {
        let mut all = Self { list: Vec::new(), places: HashMap::new() };
        for name in names {
            all.places.entry(name).or_insert_with(|| {
                all.list.push(name);
                all.list.len() - 1
            });
        }
        all
    }

    fn place(&self, name: K) -> usize {
        self.places[&name]
    }
}

/// What the store says about a batch's names, each list in the order of the names.
pub(super) struct Known {
    pub(super) head: Standing,
    pub(super) last_stream_no: i64,
    pub(super) commands: Vec<Option<KnownCommand>>,
    pub(super) streams: Vec<Option<Stream>>,
    /// The stream ids that hold the keys.
    pub(super) keys: Vec<Option<String>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) number: i64,
    pub(super) version: u64,
    /// Not in the store yet.
    pub(super) new: bool,
}

/// What is to be answered, and what to be written.
pub(super) struct Plan<'a> {
    /// In the order of the requests; true once the plan is committed.
    pub(super) verdicts: Vec<Result<Appended, AppendError>>,
    /// Behind all records.
    pub(super) head: Standing,
    pub(super) recorded_at: DateTime<Utc>,
    /// With the number of their stream.
    pub(super) records: Vec<(i64, Arc<Record>)>,
    /// New streams and those with a new version.
    pub(super) streams: Vec<(StreamName<'a>, Stream)>,
    pub(super) commands: Vec<Done<'a>>,
    /// Keys whose holder has changed; `None` where nobody holds them any more.
    pub(super) keys: Vec<(KeyName<'a>, Option<String>)>,
}

/// A command that takes effect with this plan.
pub(super) struct Done<'a> {
    pub(super) request: &'a Append,
    pub(super) first_position: u64,
    pub(super) last_position: u64,
}

impl<'a> Batch<'a> {
    pub(super) fn of(requests: Vec<&'a Append>) -> Self {
        let claims = |request: &'a Append| request.release.iter().chain(&request.reserve);
        Self {
            commands: Names::of(requests.iter().map(|request| &*request.command_id)),
            streams: Names::of(requests.iter().flat_map(|request| &request.writes).map(stream_of)),
            keys: Names::of(requests.iter().copied().flat_map(claims).map(key_of)),
            requests,
        }
    }

    /// Decides on every request.
    pub(super) fn plan(&self, known: Known, tail: &Tail, clock: &Clock) -> Plan<'a> {
        let mut planner = Planner {
            batch: self,
            done: vec![None; self.commands.list.len()],
            stream_changed: vec![false; self.streams.list.len()],
            key_changed: vec![false; self.keys.list.len()],
            head: known.head,
            known,
            log: tail,
            clock,
            recorded_at: clock.now(),
            records: Vec::new(),
            commands: Vec::new(),
        };
        let verdicts = self.requests.iter().map(|request| planner.decide(request)).collect();
        planner.finish(verdicts)
    }
}

impl Plan<'_> {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

fn stream_of(write: &Write) -> StreamName<'_> {
    (write.category, &write.stream_id)
}

fn key_of(claim: &Claim) -> KeyName<'_> {
    (&claim.scope, &claim.key)
}

/// The state of a batch between two of its requests.
struct Planner<'a, 'b> {
    batch: &'b Batch<'a>,
    known: Known,
    /// By the place of the command's name: where it stands in `commands`, if this batch does it.
    done: Vec<Option<usize>>,
    stream_changed: Vec<bool>,
    key_changed: Vec<bool>,
    head: Standing,
    log: &'b Tail,
    clock: &'b Clock,
    recorded_at: DateTime<Utc>,
    records: Vec<(i64, Arc<Record>)>,
    commands: Vec<Done<'a>>,
}

impl<'a> Planner<'a, '_> {
    fn decide(&mut self, request: &'a Append) -> Result<Appended, AppendError> {
        let command = self.batch.commands.place(&request.command_id);
        if let Some(earlier) = self.earlier(command, request) {
            return earlier;
        }
        if let Err(refused) = self.check_versions(request) {
            self.head.position += u64::from(Bug::PositionFromASequence.is_back());
            return Err(refused);
        }
        let keys = self.check_keys(request)?;
        for (key, holder) in keys {
            self.known.keys[key] = holder;
            self.key_changed[key] = true;
        }
        let written = self.records.len();
        for write in &request.writes {
            self.write(request, write);
        }
        let records: Vec<_> = self.records[written..].iter().map(|(_, record)| Arc::clone(record)).collect();
        let last_position = self.head.position;
        let first_position = records.first().map_or(last_position, |record| record.position);
        self.done[command] = Some(self.commands.len());
        self.commands.push(Done { request, first_position, last_position });
        Ok(Appended { first_position, last_position, earlier_reply: None, records })
    }

    /// The answer to a command that has taken effect before, in an earlier batch or in this one.
    fn earlier(&self, command: usize, request: &Append) -> Option<Result<Appended, AppendError>> {
        let (fingerprint, first_position, last_position, reply) =
            match (&self.known.commands[command], self.done[command]) {
                (Some(known), _) if !Bug::UnknownCommitAsNew.is_back() => {
                    (&known.fingerprint, known.first_position, known.last_position, &known.reply)
                }
                (_, Some(done)) => {
                    let done = &self.commands[done];
                    (&done.request.fingerprint, done.first_position, done.last_position, &done.request.reply)
                }
                (_, None) => return None,
            };
        if *fingerprint != request.fingerprint {
            return Some(Err(AppendError::CommandReused));
        }
        let earlier_reply = Some(reply.clone());
        Some(Ok(Appended { first_position, last_position, earlier_reply, records: Vec::new() }))
    }

    fn check_versions(&self, request: &Append) -> Result<(), AppendError> {
        // A request may write to one stream several times: the versions go on from write to write.
        let mut versions: HashMap<usize, u64> = HashMap::new();
        for write in &request.writes {
            let stream = self.batch.streams.place(stream_of(write));
            let version =
                versions.entry(stream).or_insert_with(|| self.known.streams[stream].map_or(0, |stream| stream.version));
            if let Expected::Version(expected) = write.expected
                && expected != *version
            {
                return Err(AppendError::Conflict);
            }
            *version += write.events.len() as u64;
        }
        Ok(())
    }

    /// The keys whose holder this request changes.
    fn check_keys(&self, request: &Append) -> Result<HashMap<usize, Option<String>>, AppendError> {
        let mut changed: HashMap<usize, Option<String>> = HashMap::new();
        for claim in &request.release {
            let key = self.batch.keys.place(key_of(claim));
            if self.known.keys[key].as_ref() == Some(&claim.stream_id) {
                changed.insert(key, None);
            }
        }
        for claim in &request.reserve {
            let key = self.batch.keys.place(key_of(claim));
            match changed.get(&key).unwrap_or(&self.known.keys[key]) {
                Some(holder) if *holder != claim.stream_id => {
                    return Err(AppendError::Reserved { scope: claim.scope.clone(), stream_id: holder.clone() });
                }
                Some(_) => {}
                None => {
                    changed.insert(key, Some(claim.stream_id.clone()));
                }
            }
        }
        Ok(changed)
    }

    fn write(&mut self, request: &Append, write: &Write) {
        if write.events.is_empty() {
            return;
        }
        let place = self.batch.streams.place(stream_of(write));
        let mut stream = self.known.streams[place].unwrap_or_else(|| {
            self.known.last_stream_no += 1;
            Stream { number: self.known.last_stream_no, version: 0, new: true }
        });
        for event in &write.events {
            stream.version += 1;
            self.head.position += 1;
            let mut record = Record {
                log: self.log.log.clone(),
                log_id: self.log.log_id.clone(),
                position: self.head.position,
                category: write.category.to_owned(),
                stream_id: write.stream_id.clone(),
                version: stream.version,
                event_id: self.clock.id().to_string(),
                r#type: event.event_type.to_owned(),
                schema_version: event.schema_version,
                payload: event.payload.clone(),
                command_id: request.command_id.clone(),
                correlation_id: request.correlation_id.clone(),
                causation_id: request.causation_id.clone(),
                actor: request.actor.clone(),
                office: write.office.clone(),
                subject_id: write.subject_id.clone(),
                traceparent: request.traceparent.clone(),
                occurred_at: Some(timestamp(in_micros(request.occurred_at))),
                recorded_at: Some(timestamp(self.recorded_at)),
                chain: Vec::new(),
            };
            self.head.chain = chain::link(&self.head.chain, &record);
            record.chain = self.head.chain.to_vec();
            self.records.push((stream.number, Arc::new(record)));
        }
        self.known.streams[place] = Some(stream);
        self.stream_changed[place] = true;
    }

    fn finish(self, verdicts: Vec<Result<Appended, AppendError>>) -> Plan<'a> {
        let streams = self.batch.streams.list.iter().zip(self.known.streams).zip(self.stream_changed);
        let keys = self.batch.keys.list.iter().zip(self.known.keys).zip(self.key_changed);
        Plan {
            verdicts,
            head: self.head,
            recorded_at: self.recorded_at,
            records: self.records,
            streams: streams
                .filter_map(|((name, stream), changed)| Some((*name, stream.filter(|_| changed)?)))
                .collect(),
            commands: self.commands,
            keys: keys.filter(|(_, changed)| *changed).map(|((name, holder), _)| (*name, holder)).collect(),
        }
    }
}

/// Logs keep microseconds; the chain is computed over what they keep.
fn in_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}
