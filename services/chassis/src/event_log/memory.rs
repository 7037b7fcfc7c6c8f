//! A log in memory, for tests and for the simulated network: the appender, its batches and the tail are those of every
//! log, only the rows are not on a disk. What is in a [`Memory`] survives the process that wrote it, as a disk would: a
//! simulated crash drops the log and opens it again on the same memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::anyhow;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Append, AppendError, Appended, EventLog, Head, KnownCommand, LogError, Record, Verification,
    appender::{Appender, PRUNED_AT_ONCE},
    batch::{Batch, Known, Plan, Stream},
    chain,
    queue::{Order, Queue, Waiting},
    store::{Grounds, Store, StoreError},
    tail::{Standing, Tail},
};
use crate::{Clock, Lead, Lease};

/// Where the rows of one log are. Clones are the same memory.
#[derive(Clone)]
pub struct Memory(Arc<Mutex<Rows>>);

struct Rows {
    log_id: Option<String>,
    head: Standing,
    last_stream_no: i64,
    /// By position.
    records: BTreeMap<u64, Arc<Record>>,
    /// By category and stream id.
    streams: HashMap<(String, String), Stream>,
    commands: HashMap<String, (KnownCommand, DateTime<Utc>)>,
    /// By scope and key, the stream that holds it.
    keys: HashMap<(String, Vec<u8>), String>,
    /// Of the log that was opened last: an earlier one that is still in mid-commit writes no more.
    life: u64,
    fate: Fate,
}

/// What befalls the next commit.
pub type Fate = Arc<dyn Fn() -> Luck + Send + Sync>;

/// What befalls one commit. A crash in its first part undoes it, in its second part leaves it done with nobody knowing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Luck {
    pub before: Duration,
    pub after: Duration,
    pub breaks: Option<Break>,
}

/// The store breaks off without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    Undone,
    Done,
}

/// A service's log in memory.
pub struct MemoryLog {
    lease: Lease,
    memory: Memory,
    tail: Arc<Tail>,
    running: Mutex<Option<Running>>,
}

/// The appender, until the log is closed.
struct Running {
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
    appender: JoinHandle<Writer>,
}

/// Callers that wait beyond this wait for a place in the queue.
const QUEUE: usize = 1_024;
/// However many are asked for.
const MOST_RECORDS: usize = 5_000;

impl Default for Memory {
    fn default() -> Self {
        Self::with_fate(Arc::new(Luck::default))
    }
}

impl Memory {
    /// One whose commits fare as they are told.
    pub fn with_fate(fate: Fate) -> Self {
        Self(Arc::new(Mutex::new(Rows {
            log_id: None,
            head: Standing { position: 0, chain: chain::START },
            last_stream_no: 0,
            records: BTreeMap::new(),
            streams: HashMap::new(),
            commands: HashMap::new(),
            keys: HashMap::new(),
            life: 0,
            fate,
        })))
    }

    /// Every record, in order.
    pub fn records(&self) -> Vec<Arc<Record>> {
        self.rows().records.values().cloned().collect()
    }

    /// Changes records behind the log's back.
    pub fn tamper(&self, change: impl FnOnce(&mut BTreeMap<u64, Arc<Record>>)) {
        change(&mut self.rows().records);
    }

    /// Loses what tells a repeated command from a new one, as a store without a table of commands would.
    pub fn forget_commands(&self) {
        self.rows().commands.clear();
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryLog {
    /// Opens the log that is in this memory. Whoever had it open before writes no more.
    pub fn open(memory: &Memory, name: &str, clock: Clock) -> Self {
        let mut rows = memory.rows();
        rows.life += 1;
        let log_id = rows.log_id.get_or_insert_with(|| clock.id().to_string()).clone();
        let tail = Arc::new(Tail::new(name.to_owned(), log_id, rows.head));
        let store = Writer { memory: memory.clone(), life: rows.life };
        drop(rows);
        let (orders, waiting) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let appender = Appender::new(store, Arc::clone(&tail), clock, Queue::new(waiting, stop.clone()));
        let running = Running { orders, stop, appender: tokio::spawn(appender.run()) };
        Self { lease: Lease::alone(), memory: memory.clone(), tail, running: Mutex::new(Some(running)) }
    }

    fn orders(&self) -> Option<mpsc::Sender<Order>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| running.orders.clone())
    }

    fn closed(&self) -> anyhow::Error {
        anyhow!("the log {} is closed", self.tail.log)
    }

    fn damaged(&self, position: u64) -> LogError {
        LogError::Damaged { log: self.tail.log.clone(), position }
    }

    /// From the memory, not beyond the head that others are told of.
    fn range(&self, after: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let to = self.tail.standing().position;
        let rows = self.memory.rows();
        let wanted = (after.saturating_add(1)..=to).take(limit);
        wanted.map(|position| rows.records.get(&position).cloned().ok_or_else(|| self.damaged(position))).collect()
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    fn name(&self) -> &str {
        &self.tail.log
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (waiting, answer) = Waiting::new(append)?;
        let closed = || AppendError::Unknown(self.closed());
        let orders = self.orders().ok_or_else(closed)?;
        orders.send(Order::Append(waiting)).await.map_err(|_| closed())?;
        // The appender of a dropped log ends when nobody holds a sender any more.
        drop(orders);
        answer.await.map_err(|_| closed())?
    }

    async fn head(&self) -> Result<Head, LogError> {
        Ok(self.tail.head())
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let limit = limit.min(MOST_RECORDS);
        match self.tail.read(after_position, limit) {
            Some(records) => Ok(records),
            None => self.range(after_position, limit),
        }
    }

    async fn read_stream(
        &self,
        category: &str,
        stream_id: &str,
        after_version: u64,
    ) -> Result<Vec<Arc<Record>>, LogError> {
        let head = self.tail.standing().position;
        let rows = self.memory.rows();
        let stream = rows.records.range(..=head).map(|(_, record)| record).filter(|record| {
            record.category == category && record.stream_id == stream_id && record.version > after_version
        });
        let records: Vec<Arc<Record>> = stream.cloned().collect();
        match records.iter().zip(after_version + 1..).find(|(record, version)| record.version != *version) {
            Some((record, _)) => Err(self.damaged(record.position)),
            None => Ok(records),
        }
    }

    async fn find_command(&self, command_id: &str) -> Result<Option<KnownCommand>, LogError> {
        let known = self.memory.rows().commands.get(command_id).map(|(known, _)| known.clone());
        Ok(known.filter(|known| self.tail.shows(known.last_position)))
    }

    async fn find_reservation(&self, scope: &str, key: &[u8]) -> Result<Option<String>, LogError> {
        Ok(self.memory.rows().keys.get(&(scope.to_owned(), key.to_vec())).cloned())
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.tail.wake()
    }

    fn lead(&self) -> watch::Receiver<Lead> {
        self.lease.watch()
    }

    fn sole_writer(&self) -> Option<i64> {
        self.lease.sure()
    }

    async fn verify(&self) -> Result<Verification, LogError> {
        let head = self.tail.standing();
        let rows = self.memory.rows();
        let mut found = Standing { position: 0, chain: chain::START };
        let broken_at = loop {
            if found.position == head.position {
                break (found.chain != head.chain).then_some(head.position);
            }
            let position = found.position + 1;
            let Some(record) = rows.records.get(&position) else { break Some(position) };
            let link = chain::link(&found.chain, record);
            if record.chain != link || record.position != position {
                break Some(position);
            }
            found = Standing { position, chain: link };
        };
        Ok(Verification { records: found.position, broken_at, chain: found.chain.to_vec() })
    }

    async fn prune_commands(&self, before: DateTime<Utc>) -> Result<u64, LogError> {
        let closed = || LogError::Store(self.closed());
        let mut pruned = 0;
        loop {
            let (answer, answered) = oneshot::channel();
            let orders = self.orders().ok_or_else(closed)?;
            orders.send(Order::Prune { before, answer }).await.map_err(|_| closed())?;
            drop(orders);
            let now = answered.await.map_err(|_| closed())?.map_err(|error| LogError::Store(error.into()))?;
            pruned += now;
            if now < u64::from(PRUNED_AT_ONCE) {
                return Ok(pruned);
            }
        }
    }

    async fn close(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { orders, stop, appender }) = running else { return };
        drop(orders);
        stop.cancel();
        if let Err(error) = appender.await {
            tracing::error!(%error, "the appender of the log {} did not end well", self.tail.log);
        }
    }
}

/// Writes one log. Nothing is kept between `begin` and `commit`: nobody else writes in this life of the log.
struct Writer {
    memory: Memory,
    life: u64,
}

impl Writer {
    fn rows(&self) -> Result<MutexGuard<'_, Rows>, StoreError> {
        let rows = self.memory.rows();
        if rows.life == self.life {
            return Ok(rows);
        }
        Err(StoreError::Unknown(anyhow!("the log was opened by somebody else")))
    }
}

#[async_trait]
impl Store for Writer {
    async fn begin(&mut self, batch: &Batch<'_>) -> Result<Known, StoreError> {
        let rows = self.rows()?;
        let stream = |(category, id): &(&str, &str)| rows.streams.get(&((*category).to_owned(), (*id).to_owned()));
        let key = |(scope, key): &(&str, &[u8])| rows.keys.get(&((*scope).to_owned(), key.to_vec()));
        Ok(Known {
            head: rows.head,
            last_stream_no: rows.last_stream_no,
            commands: batch.commands.list.iter().map(|id| Some(rows.commands.get(*id)?.0.clone())).collect(),
            streams: batch.streams.list.iter().map(|name| stream(name).copied()).collect(),
            keys: batch.keys.list.iter().map(|name| key(name).cloned()).collect(),
        })
    }

    async fn commit(&mut self, plan: &Plan<'_>, _: Grounds) -> Result<(), StoreError> {
        let fate = Arc::clone(&self.rows()?.fate);
        let Luck { before, after, breaks } = fate();
        pass(before).await;
        if breaks != Some(Break::Undone) {
            self.rows()?.take(plan);
        }
        pass(after).await;
        match breaks {
            None => Ok(()),
            Some(_) => Err(StoreError::Unknown(anyhow!("the store broke off"))),
        }
    }

    async fn roll_back(&mut self, _: Option<&StoreError>) {}

    async fn prune(&mut self, before: DateTime<Utc>, most: u32) -> Result<u64, StoreError> {
        let mut rows = self.rows()?;
        let old = rows.commands.iter().filter(|(_, (_, recorded_at))| *recorded_at < before);
        let old: Vec<String> = old.map(|(id, _)| id.clone()).take(most as usize).collect();
        for id in &old {
            rows.commands.remove(id);
        }
        Ok(old.len() as u64)
    }
}

impl Rows {
    fn take(&mut self, plan: &Plan<'_>) {
        for (_, record) in &plan.records {
            self.records.insert(record.position, Arc::clone(record));
        }
        for ((category, stream_id), stream) in &plan.streams {
            self.last_stream_no = self.last_stream_no.max(stream.number);
            self.streams.insert(((*category).to_owned(), (*stream_id).to_owned()), *stream);
        }
        for done in &plan.commands {
            let known = KnownCommand {
                fingerprint: done.request.fingerprint,
                reply: done.request.reply.clone(),
                first_position: done.first_position,
                last_position: done.last_position,
            };
            self.commands.insert(done.request.command_id.clone(), (known, plan.recorded_at));
        }
        for ((scope, key), holder) in &plan.keys {
            let name = ((*scope).to_owned(), key.to_vec());
            match holder {
                Some(holder) => self.keys.insert(name, holder.clone()),
                None => self.keys.remove(&name),
            };
        }
        self.head = plan.head;
    }
}

/// No timer where there is nothing to wait for.
async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
