//! What time it is for those who act by themselves. On a demonstration server requests say when they happen, and the latest of
//! those times counts; elsewhere the clock is never behind it.

use std::sync::{Arc, Mutex, PoisonError};

use chassis::{Clock, Failure, Ledger, instant};
use chrono::{DateTime, Utc};

#[derive(Clone)]
pub(crate) struct Hour {
    ledger: Ledger,
    clock: Clock,
    latest: Arc<Mutex<DateTime<Utc>>>,
}

impl Hour {
    pub(crate) fn new(ledger: Ledger, clock: Clock) -> Self {
        Self { ledger, clock, latest: Arc::default() }
    }

    /// The latest time that anything happened at, or that the clock shows. Never goes back.
    pub(crate) async fn now(&self) -> Result<DateTime<Utc>, Failure> {
        let log = self.ledger.log();
        let head = log.head().await?;
        let newest = log.read(head.position.saturating_sub(1), 1).await?;
        let happened = newest.first().and_then(|record| record.occurred_at.as_ref().and_then(instant));
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = (*latest).max(self.clock.now()).max(happened.unwrap_or_default());
        Ok(*latest)
    }
}
