//! Where callers hand over what they decided, and wait for the appender's answer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::{
    Append, AppendError, Appended, LogError,
    appender::{Appender, PRUNED_AT_ONCE},
    queue::{Order, Queue, Waiting},
    store::Store,
    tail::Tail,
};
use crate::Clock;

/// The way to a log's appender, until it is closed. The appender of a dropped entrance finishes what waits and ends.
pub(super) struct Entrance<S> {
    tail: Arc<Tail>,
    running: Mutex<Option<Running<S>>>,
}

struct Running<S> {
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
    ended: oneshot::Receiver<S>,
}

/// Callers that wait beyond this wait for a place in the queue.
const QUEUE: usize = 1_024;

impl<S: Store> Entrance<S> {
    /// Starts the one appender of a store, on a thread of its own: among all other tasks, each step of a commit would wait
    /// for every request that came before it, and all callers with it.
    pub(super) fn open(store: S, tail: Arc<Tail>, clock: Clock) -> anyhow::Result<Self> {
        let (orders, waiting) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let appender = Appender::new(store, Arc::clone(&tail), clock, Queue::new(waiting, stop.clone()));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().context("preparing the appender")?;
        let (ending, ended) = oneshot::channel();
        let run = move || {
            runtime.block_on(async {
                let mut store = appender.run().await;
                store.leave().await;
                // Of a dropped log nobody waits for it.
                drop(ending.send(store));
            });
        };
        thread::Builder::new().name(format!("{}-log", tail.log)).spawn(run).context("starting the appender")?;
        Ok(Self { tail, running: Mutex::new(Some(Running { orders, stop, ended })) })
    }

    pub(super) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (waiting, answer) = Waiting::new(append)?;
        let closed = || AppendError::Unknown(self.closed());
        let orders = self.orders().ok_or_else(closed)?;
        orders.send(Order::Append(waiting)).await.map_err(|_| closed())?;
        // The appender of a dropped log ends when nobody holds a sender any more.
        drop(orders);
        answer.await.map_err(|_| closed())?
    }

    pub(super) async fn prune_commands(&self, before: DateTime<Utc>) -> Result<u64, LogError> {
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

    /// Finishes what waits and hands back the store; only once.
    pub(super) async fn close(&self) -> Option<S> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Running { orders, stop, ended } = running?;
        drop(orders);
        stop.cancel();
        match ended.await {
            Ok(store) => Some(store),
            Err(error) => {
                tracing::error!(%error, "the appender of the log {} did not end well", self.tail.log);
                None
            }
        }
    }

    fn orders(&self) -> Option<mpsc::Sender<Order>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| running.orders.clone())
    }

    fn closed(&self) -> anyhow::Error {
        anyhow::anyhow!("the log {} is closed", self.tail.log)
    }
}
