//! Budgets of calls, one per caller and class. A class of its own for gates means that nothing an office does can use up
//! what a gate needs.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use proto::rpcs::Rate;
use tonic::Status;
use tonic_types::{RetryInfo, StatusExt as _};

use crate::{Kind, Refusal};

/// Callers who have been still for long are forgotten after every so many calls.
const SWEEP: u32 = 65_536;

pub(super) struct Rates {
    gate: DefaultKeyedRateLimiter<String>,
    desk: DefaultKeyedRateLimiter<String>,
    person: DefaultKeyedRateLimiter<String>,
    figures: DefaultKeyedRateLimiter<String>,
    attempt: DefaultKeyedRateLimiter<String>,
    calls: AtomicU32,
}

impl Rates {
    pub(super) fn new() -> Self {
        Self {
            gate: limiter(Rate::Gate),
            desk: limiter(Rate::Desk),
            person: limiter(Rate::Person),
            figures: limiter(Rate::Figures),
            attempt: limiter(Rate::Attempt),
            calls: AtomicU32::new(0),
        }
    }

    /// Takes one call off the caller's budget.
    pub(super) fn take(&self, rate: Rate, caller: &str) -> Result<(), Status> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            for limiter in [&self.gate, &self.desk, &self.person, &self.figures, &self.attempt] {
                limiter.retain_recent();
            }
        }
        self.of(rate)
            .check_key(&caller.to_owned())
            .map_err(|until| limited(until.wait_time_from(DefaultClock::default().now())))
    }

    fn of(&self, rate: Rate) -> &DefaultKeyedRateLimiter<String> {
        match rate {
            Rate::Gate => &self.gate,
            Rate::Desk => &self.desk,
            Rate::Person => &self.person,
            Rate::Figures => &self.figures,
            Rate::Attempt => &self.attempt,
        }
    }
}

fn limiter(rate: Rate) -> DefaultKeyedRateLimiter<String> {
    let (per_minute, burst) = rate.per_minute();
    let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_minute(at_least_one(per_minute)).allow_burst(at_least_one(burst)))
}

fn limited(wait: Duration) -> Status {
    // Whole milliseconds upwards: who waits exactly that long is not refused again.
    let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
    let seconds = wait.as_secs() + 1;
    let status = Status::from(Refusal::new(
        Kind::Exhausted,
        "RATE_LIMITED",
        format!("请求过于频繁：请在 {seconds} 秒后重试"),
        format!("too many requests: try again in {seconds} s"),
    ));
    let mut details = status.get_error_details_vec();
    details.push(RetryInfo::new(Some(wait)).into());
    Status::with_error_details_vec(status.code(), status.message(), details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Spoken;

    #[test]
    fn who_has_used_up_a_budget_is_told_when_to_come_back() {
        let rates = Rates::new();
        let (_, burst) = Rate::Attempt.per_minute();
        for _ in 0..burst {
            rates.take(Rate::Attempt, "staff/1").unwrap();
        }
        let status = rates.take(Rate::Attempt, "staff/1").unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let spoken = Spoken::from(&status);
        assert_eq!(spoken.reason, "RATE_LIMITED");
        assert!(spoken.zh.contains("秒后重试") && spoken.en.contains("try again in"));
        let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_mins(1), "{wait:?}");
        rates.take(Rate::Attempt, "staff/2").unwrap();
        rates.take(Rate::Gate, "staff/1").unwrap();
    }
}
