//! What waits to be written. Callers wait for an answer and own nothing: a caller that hangs up leaves its request here,
//! where it takes effect once, like any other.

use std::{mem, thread};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Append, AppendError, Appended, store::StoreError};

/// What the appender is asked to do.
pub(super) enum Order {
    Append(Box<Waiting>),
    Prune { before: DateTime<Utc>, answer: oneshot::Sender<Result<u64, StoreError>> },
}

/// Comes when the request was committed or refused.
pub(super) type Answer = oneshot::Receiver<Result<Appended, AppendError>>;

/// A request and whom to answer.
pub(super) struct Waiting {
    pub(super) append: Append,
    load: Load,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
}

/// What a request weighs in a commit.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    requests: usize,
    events: usize,
    bytes: usize,
}

/// More would make those wait who came first.
const MOST: Load = Load { requests: 256, events: 1_024, bytes: 4 << 20 };

impl Load {
    fn of(append: &Append) -> Self {
        let events = append.writes.iter().flat_map(|write| &write.events);
        let claims = append.reserve.iter().chain(&append.release);
        let bytes = append.reply.len()
            + claims.map(|claim| claim.key.len()).sum::<usize>()
            + events.clone().map(|event| event.payload.len()).sum::<usize>();
        Self { requests: 1, events: events.count(), bytes }
    }

    fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            events: self.events + other.events,
            bytes: self.bytes + other.bytes,
        }
    }

    fn fits(self) -> bool {
        self.requests <= MOST.requests && self.events <= MOST.events && self.bytes <= MOST.bytes
    }
}

impl Waiting {
    /// A request, if one commit can take it, and where its answer will come.
    pub(super) fn new(append: Append) -> Result<(Box<Self>, Answer), AppendError> {
        let load = Load::of(&append);
        if !load.fits() {
            return Err(AppendError::TooLarge { events: load.events, bytes: load.bytes });
        }
        if append.command_id.is_empty() {
            return Err(AppendError::Fault(anyhow::anyhow!("an append needs a command id")));
        }
        let (answer, answered) = oneshot::channel();
        Ok((Box::new(Self { append, load, answer }), answered))
    }

    pub(super) fn answer(self, answer: Result<Appended, AppendError>) {
        // Nobody may be waiting any more.
        drop(self.answer.send(answer));
    }
}

/// What comes next.
pub(super) enum Next {
    Batch(Vec<Waiting>),
    Prune { before: DateTime<Utc>, answer: oneshot::Sender<Result<u64, StoreError>> },
}

/// Orders in the order of their arrival, and the batch that gathers from them.
pub(super) struct Queue {
    orders: mpsc::Receiver<Order>,
    batch: Vec<Waiting>,
    load: Load,
    /// An order that the batch cannot take.
    held: Option<Order>,
    stop: CancellationToken,
}

impl Queue {
    pub(super) fn new(orders: mpsc::Receiver<Order>, stop: CancellationToken) -> Self {
        Self { orders, batch: Vec::new(), load: Load::default(), held: None, stop }
    }

    /// What waits already, if anything does.
    pub(super) fn at_once(&mut self) -> Option<Next> {
        if self.batch.is_empty() {
            let order = self.held.take().or_else(|| self.orders.try_recv().ok())?;
            return Some(self.begin(order));
        }
        Some(Next::Batch(self.those_who_come()))
    }

    /// Waits for something to do. Nothing more comes once it was told to stop, or every sender of orders is gone, and the
    /// queue is empty.
    pub(super) async fn next(&mut self) -> Option<Next> {
        if let Some(next) = self.at_once() {
            return Some(next);
        }
        let order = self.receive().await?;
        Some(self.begin(order))
    }

    /// Everything that waits once so many do, or no more can come into the batch. What has gathered stays where this is
    /// given up.
    pub(super) async fn company_of(&mut self, requests: usize) -> Vec<Waiting> {
        while self.batch.len() < requests && self.held.is_none() {
            let Some(order) = self.receive().await else { break };
            self.held = self.take_in(order);
        }
        self.gather()
    }

    /// Requests that were taken and have not been done: they go before all others.
    pub(super) fn put_back(&mut self, mut batch: Vec<Waiting>) {
        batch.append(&mut self.batch);
        self.load = batch.iter().fold(Load::default(), |load, waiting| load.and(waiting.load));
        self.batch = batch;
    }

    async fn receive(&mut self) -> Option<Order> {
        if !self.orders.is_closed() {
            tokio::select! {
                order = self.orders.recv() => return order,
                // Whoever still waits for a place in the queue is turned away; whoever has one is served.
                () = self.stop.cancelled() => self.orders.close(),
            }
        }
        self.orders.recv().await
    }

    fn begin(&mut self, order: Order) -> Next {
        match self.take_in(order) {
            None => Next::Batch(self.those_who_come()),
            Some(Order::Prune { before, answer }) => Next::Prune { before, answer },
            // One request alone always fits.
            Some(Order::Append(waiting)) => Next::Batch(vec![*waiting]),
        }
    }

    /// Everything that waits, and those whom the last commit answered and who are about to send their next request: they
    /// get the processor once. To wait until nobody comes any more would put all callers into one batch, and nobody would
    /// prepare the next one meanwhile.
    fn those_who_come(&mut self) -> Vec<Waiting> {
        thread::yield_now();
        self.gather()
    }

    /// Everything that waits, as far as one commit takes it.
    fn gather(&mut self) -> Vec<Waiting> {
        while self.held.is_none()
            && let Ok(order) = self.orders.try_recv()
        {
            self.held = self.take_in(order);
        }
        self.load = Load::default();
        mem::take(&mut self.batch)
    }

    /// Hands back what does not fit.
    fn take_in(&mut self, order: Order) -> Option<Order> {
        match order {
            Order::Append(waiting) if self.load.and(waiting.load).fits() => {
                self.load = self.load.and(waiting.load);
                self.batch.push(*waiting);
                None
            }
            other => Some(other),
        }
    }
}
