//! The one task that writes to a log. It takes everything that waits and puts it into one commit: while that commit is
//! in flight those of the commit before are answered and the next batch gathers, and nothing ever waits for company. Callers
//! wait for an answer and own nothing: a caller that hangs up leaves its request in the queue, where it takes effect once,
//! like any other.

use std::{mem, sync::Arc, thread};

use chrono::{DateTime, Utc};
use futures::future;
use proto::event::v1::Record;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Append, AppendError, Appended,
    batch::{Batch, Known, Plan},
    recollection::Recollection,
    store::{Grounds, Store, StoreError},
    tail::{Standing, Tail},
};
use crate::Clock;

#[cfg(test)]
mod tests;

/// What the appender is asked to do.
pub(super) enum Order {
    Append(Box<Waiting>),
    Prune { before: DateTime<Utc>, answer: oneshot::Sender<Result<u64, StoreError>> },
}

/// Comes when the request was committed or refused.
pub(super) type Answer = oneshot::Receiver<Result<Appended, AppendError>>;

/// A request and whom to answer.
pub(super) struct Waiting {
    append: Append,
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

/// Looks at a log that others write to before its callers are told to try again.
const TRIES: u32 = 3;

/// Forgotten per transaction, so that appends are not kept waiting.
pub(super) const PRUNED_AT_ONCE: u32 = 1_000;

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
}

/// What one commit made of its requests.
struct Committed {
    verdicts: Vec<Result<Appended, AppendError>>,
    /// What was written, and where the log stands since; none where nothing was to be written.
    news: Option<(Vec<Arc<Record>>, Standing)>,
}

/// A commit that neither its callers nor the log's readers have heard of yet.
struct Untold {
    committed: Committed,
    callers: Vec<Waiting>,
}

impl Untold {
    /// Readers first: whoever is answered finds what they wrote.
    fn tell(self, tail: &Tail) {
        let Committed { verdicts, news } = self.committed;
        if let Some((records, standing)) = news {
            tail.publish(records, standing);
        }
        for (waiting, verdict) in self.callers.into_iter().zip(verdicts) {
            // Nobody may be waiting any more.
            drop(waiting.answer.send(verdict));
        }
    }
}

/// Writes until it is told to stop or every sender of orders is gone, and then until the queue is empty.
pub(super) struct Appender<S> {
    store: S,
    recollection: Recollection,
    tail: Arc<Tail>,
    clock: Clock,
    orders: mpsc::Receiver<Order>,
    stop: CancellationToken,
    /// Told while the next commit is in flight, or when there is none to go.
    untold: Option<Untold>,
}

impl<S: Store> Appender<S> {
    pub(super) fn new(
        store: S,
        tail: Arc<Tail>,
        clock: Clock,
        orders: mpsc::Receiver<Order>,
        stop: CancellationToken,
    ) -> Self {
        Self { store, recollection: Recollection::default(), tail, clock, orders, stop, untold: None }
    }

    /// Hands back the store at the end.
    pub(super) async fn run(mut self) -> S {
        let mut held = None;
        loop {
            let order = match held.take() {
                Some(order) => order,
                None => match self.next().await {
                    Some(order) => order,
                    None => return self.store,
                },
            };
            match order {
                Order::Append(first) => {
                    let (batch, next) = self.gather(*first);
                    held = next;
                    self.write(batch, 0).await;
                }
                Order::Prune { before, answer } => {
                    self.tell();
                    let pruned = self.store.prune(before, PRUNED_AT_ONCE).await;
                    if let Err(error) = &pruned {
                        self.store.roll_back(Some(error)).await;
                    }
                    drop(answer.send(pruned));
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Order> {
        if let Ok(order) = self.orders.try_recv() {
            return Some(order);
        }
        self.tell();
        if !self.orders.is_closed() {
            tokio::select! {
                order = self.orders.recv() => return order,
                // Whoever still waits for a place in the queue is turned away; whoever has one is served.
                () = self.stop.cancelled() => self.orders.close(),
            }
        }
        self.orders.recv().await
    }

    fn tell(&mut self) {
        if let Some(untold) = self.untold.take() {
            untold.tell(&self.tail);
        }
    }

    /// Where the log stands, whether or not its readers have heard of it.
    fn standing(&self) -> Standing {
        let news = self.untold.as_ref().and_then(|untold| untold.committed.news.as_ref());
        news.map_or_else(|| self.tail.standing(), |(_, standing)| *standing)
    }

    /// Everything that waits, as far as one commit takes it, and the first that it does not take.
    fn gather(&mut self, first: Waiting) -> (Vec<Waiting>, Option<Order>) {
        let mut load = first.load;
        let mut batch = vec![first];
        // Those whom the last commit answered are about to send their next request: they get the processor once. To wait
        // until nobody comes any more would put all callers into one batch, and nobody would prepare the next one meanwhile.
        thread::yield_now();
        while load.requests < MOST.requests {
            match self.orders.try_recv() {
                Ok(Order::Append(next)) if load.and(next.load).fits() => {
                    load = load.and(next.load);
                    batch.push(*next);
                }
                Ok(other) => return (batch, Some(other)),
                Err(_) => break,
            }
        }
        (batch, None)
    }

    async fn write(&mut self, batch: Vec<Waiting>, tries: u32) {
        match self.commit(&batch).await {
            Ok(committed) => self.untold = Some(Untold { committed, callers: batch }),
            // Who leads is soon known, here too.
            Err(StoreError::Moved) if tries < TRIES => Box::pin(self.write(batch, tries + 1)).await,
            Err(StoreError::Refused(error)) if batch.len() > 1 => {
                tracing::warn!(error = format!("{error:#}"), "the store refuses a batch: each request goes alone");
                for waiting in batch {
                    Box::pin(self.write(vec![waiting], 0)).await;
                }
            }
            Err(error) => {
                tracing::error!(error = format!("{:#}", anyhow::anyhow!(error.answer())), "a commit failed");
                for waiting in batch {
                    drop(waiting.answer.send(Err(error.answer())));
                }
            }
        }
    }

    /// Those of the commit before have heard of it by the end.
    async fn commit(&mut self, batch: &[Waiting]) -> Result<Committed, StoreError> {
        let batch = Batch::of(batch.iter().map(|waiting| &waiting.append).collect());
        if S::RECOLLECTS
            && let Some(known) = self.recollection.of(&batch, self.standing())
        {
            let plan = batch.plan(known, &self.tail, &self.clock);
            // Whoever is refused may have been known, or have been wrong about what only the store knows.
            if plan.verdicts.iter().all(Result::is_ok) {
                match self.carry_out(plan, Grounds::Recollected).await {
                    Err(StoreError::Refused(_) | StoreError::Moved) => {}
                    committed => return committed,
                }
            }
        }
        self.tell();
        let known = match self.store.begin(&batch).await {
            Ok(known) => known,
            Err(error) => {
                self.recollection.forget();
                self.store.roll_back(Some(&error)).await;
                return Err(error);
            }
        };
        self.follow(&known);
        self.recollection.looked(&batch, &known);
        let plan = batch.plan(known, &self.tail, &self.clock);
        if plan.is_empty() {
            self.store.roll_back(None).await;
            return Ok(Committed { verdicts: plan.verdicts, news: None });
        }
        self.carry_out(plan, Grounds::Looked).await
    }

    async fn carry_out(&mut self, mut plan: Plan<'_>, grounds: Grounds) -> Result<Committed, StoreError> {
        let (before, tail) = (self.untold.take(), &self.tail);
        let meanwhile = async {
            if let Some(before) = before {
                before.tell(tail);
            }
        };
        // The commit is polled first, so that it is under way by then.
        let (committed, ()) = future::join(self.store.commit(&plan, grounds), meanwhile).await;
        if let Err(error) = committed {
            self.recollection.forget();
            self.store.roll_back(Some(&error)).await;
            if let StoreError::Unknown(_) = error {
                self.reconcile().await;
            }
            return Err(error);
        }
        self.recollection.committed(&plan);
        let records = mem::take(&mut plan.records);
        if !records.is_empty() {
            self.store.announce(plan.head.position);
        }
        let news = (records.into_iter().map(|(_, record)| record).collect(), plan.head);
        Ok(Committed { verdicts: plan.verdicts, news: Some(news) })
    }

    /// Finds out what became of a commit whose outcome is unknown, so that readers need not wait for the next append.
    async fn reconcile(&mut self) {
        let known = self.store.begin(&Batch::of(Vec::new())).await;
        self.store.roll_back(known.as_ref().err()).await;
        match known {
            Ok(known) => self.follow(&known),
            Err(error) => tracing::warn!(error = format!("{:#}", anyhow::anyhow!(error)), "the log is out of reach"),
        }
    }

    /// The store is the truth: it has moved if a commit was done whose outcome was unknown.
    fn follow(&self, known: &Known) {
        if known.head != self.tail.standing() {
            self.tail.reset(known.head);
        }
    }
}
