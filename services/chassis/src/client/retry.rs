//! When a call is tried again. A budget keeps tries from multiplying the load on a service that is down: as in gRPC's own
//! throttling, a failure costs a token, a success earns a tenth of one, and below half no call is tried again.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

const FULL: f64 = 10.0;
const EARNED: f64 = 0.1;

#[derive(Debug)]
pub(super) struct Budget(Mutex<f64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(FULL))
    }
}

impl Budget {
    pub(super) fn earn(&self) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + EARNED).min(FULL);
    }

    /// Pays for a failure; whether another try may follow.
    pub(super) fn spend(&self) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens - 1.0).max(0.0);
        *tokens > FULL / 2.0
    }
}

/// How long to wait after so many tries: 100 ms, then 400 ms, more or less by half so that clients do not come all at once.
pub(super) fn pause(tries: u32) -> Duration {
    let base = Duration::from_millis(25) * 4_u32.saturating_pow(tries.min(8));
    let jitter = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    base.mul_f64(0.5 + jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_down_is_soon_asked_only_once() {
        let budget = Budget::default();
        let more = (0..100).filter(|_| budget.spend()).count();
        assert_eq!(more, 4);
        for _ in 0..100 {
            budget.earn();
        }
        assert!(budget.spend(), "and again once it answers");
    }

    #[test]
    fn pauses_grow_and_differ() {
        for _ in 0..100 {
            assert!((50..=150).contains(&pause(1).as_millis()));
            assert!((200..=600).contains(&pause(2).as_millis()));
        }
    }
}
