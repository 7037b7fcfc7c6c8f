//! What is due by the clock: readings that nobody took in time become somebody's work, and go up. One task of the replica that
//! leads. It remembers nothing that the log does not say: which orders to look at is asked of the view, a step that was taken
//! already is no event, and ids of commands derive from what they are about.

use std::{convert::Infallible, time::Duration};

use chassis::{Call, Decision, Failure, Lease, Ledger, Views};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, stream};

use crate::{
    domain::{order::Order, schedule::SHIPPED},
    filing,
    hour::Hour,
    projections::tasks,
};

pub(crate) struct Timekeeper {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
    pub(crate) hour: Hour,
    pub(crate) lease: Lease,
}

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Orders of one look, and of them at once: a morning that everybody missed is many commits, and not one long wait.
const MOST: i64 = 500;
const SIDE_BY_SIDE: usize = 16;

impl Timekeeper {
    /// Until the process ends.
    pub(crate) async fn run(self) {
        let mut failures: u32 = 0;
        loop {
            let mut pause = LOOK;
            if self.lease.leads() {
                match self.look().await {
                    Ok(()) => failures = 0,
                    Err(failure) if self.lease.leads() => {
                        failures += 1;
                        let error = format!("{:#}", anyhow::Error::new(failure));
                        tracing::warn!(error, failures, "missed readings cannot be told and are tried again");
                        pause = Duration::from_millis(100 << failures.min(7));
                    }
                    // Another replica leads by now.
                    Err(_) => {}
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// All that is due now. An order whose record does not open keeps nobody else waiting.
    pub(crate) async fn look(&self) -> Result<(), Failure> {
        let now = self.hour.now().await?;
        let mut db =
            self.views.connection().await.map_err(|status| Failure::Unavailable(anyhow::Error::new(status)))?;
        let due = tasks::going_up(&mut db, now, MOST).await?;
        drop(db);
        let told: Vec<_> = due.iter().map(|order_id| self.tell(order_id, now)).collect();
        let told: Vec<Result<(), Failure>> = stream::iter(told).buffer_unordered(SIDE_BY_SIDE).collect().await;
        told.into_iter().collect()
    }

    /// Decided for one version of the order, and named after it: said again, it is the same.
    async fn tell(&self, order_id: &str, now: DateTime<Utc>) -> Result<(), Failure> {
        self.miss(order_id, now).await.inspect_err(|failure| {
            tracing::warn!(order_id, %failure, "what an order missed cannot be told");
        })
    }

    async fn miss(&self, order_id: &str, now: DateTime<Utc>) -> Result<(), Failure> {
        let (order, version) = self.ledger.load::<Order>(order_id).await?;
        if order.miss(&SHIPPED, now).is_empty() {
            return Ok(());
        }
        let call = Call::by_itself("isolation", now, &format!("missed:{order_id}:{version}"));
        let miss = |order: &Order, at| {
            let events = if at == version { order.miss(&SHIPPED, now) } else { Vec::new() };
            Ok::<Decision<_>, Infallible>(filing::file(order, events, ""))
        };
        match self.ledger.transact(&call, order_id, miss, |_: &Order, _| ()).await {
            // Somebody else was faster: the next look finds what is left.
            Ok(_) | Err(Failure::Contended | Failure::Reused) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
