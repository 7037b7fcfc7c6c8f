//! Rounds of measuring, and what they come to together.

use std::time::Duration;

/// What one way came to in one round.
pub(crate) struct Round {
    pub(crate) per_second: f64,
    /// From request to answer.
    pub(crate) waits: Vec<Duration>,
}

pub(crate) fn median_of(rounds: &[Round]) -> f64 {
    let mut rates: Vec<f64> = rounds.iter().map(|round| round.per_second).collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}

/// Over all rounds, in milliseconds.
pub(crate) fn percentile(rounds: &[Round], percent: usize) -> f64 {
    let mut waits: Vec<Duration> = rounds.iter().flat_map(|round| &round.waits).copied().collect();
    waits.sort();
    let place = (waits.len() * percent / 100).min(waits.len().saturating_sub(1));
    waits.get(place).map_or(0.0, |wait| wait.as_secs_f64() * 1_000.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds' work are far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
