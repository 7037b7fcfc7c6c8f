//! How long every call took, how many there were, and what was refused: the simulation is the load generator too.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chassis::refusal::Spoken;
use serde::Serialize;
use tokio::time::Instant;
use tonic::{Code, Response, Status};

#[derive(Default)]
pub(super) struct Meter {
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
}

#[derive(Default)]
struct Kind {
    /// Microseconds of each call that was answered.
    waits: Vec<u32>,
    repeated: u64,
    errors: BTreeMap<String, u64>,
}

/// One kind of call. Milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub call: &'static str,
    pub calls: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// How often it had to be said again, since nobody knew whether it was done.
    pub repeated: u64,
    /// How often it was refused or failed, by reason; besides `calls`.
    pub errors: BTreeMap<String, u64>,
}

impl Meter {
    /// The answer, with its time on record. A refusal is on record with its reason; what may be said again is counted apart.
    pub(super) async fn call<T>(
        &self,
        kind: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        let begun = Instant::now();
        let answer = call.await;
        let wait = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        let mut kinds = self.locked();
        let row = kinds.entry(kind).or_default();
        match &answer {
            Ok(_) => row.waits.push(wait),
            Err(status) if passing(status) => row.repeated += 1,
            Err(status) => *row.errors.entry(reason(status)).or_default() += 1,
        }
        drop(kinds);
        answer.map(Response::into_inner)
    }

    /// Something that is no answer and is wrong all the same.
    pub(super) fn fault(&self, kind: &'static str, reason: &str) {
        *self.locked().entry(kind).or_default().errors.entry(reason.to_owned()).or_default() += 1;
    }

    pub(super) fn calls(&self) -> usize {
        self.locked().values().map(|kind| kind.waits.len()).sum()
    }

    pub(super) fn errors(&self) -> u64 {
        self.locked().values().flat_map(|kind| kind.errors.values()).sum()
    }

    /// Begins anew.
    ///
    /// # Errors
    /// What was refused or failed before.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        let kinds = std::mem::take(&mut *self.locked());
        for (call, kind) in kinds {
            let wrong = kind.errors.into_iter().map(|(reason, count)| format!("{reason} {count} times"));
            let wrong: Vec<String> = wrong.collect();
            anyhow::ensure!(wrong.is_empty(), "setting up the subdistrict, {call} was answered {}", wrong.join(", "));
        }
        Ok(())
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let mut kinds = self.locked();
        let row = |(call, kind): (&&'static str, &mut Kind)| {
            kind.waits.sort_unstable();
            Row {
                call,
                calls: kind.waits.len(),
                p50_ms: percentile(&kind.waits, 50),
                p99_ms: percentile(&kind.waits, 99),
                max_ms: percentile(&kind.waits, 100),
                repeated: kind.repeated,
                errors: kind.errors.clone(),
            }
        };
        kinds.iter_mut().map(row).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<&'static str, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same may be said again under the same id: the server was busy, or nobody knows.
pub(super) fn passing(status: &Status) -> bool {
    let code = status.code();
    matches!(
        code,
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted | Code::Cancelled
    )
}

fn reason(status: &Status) -> String {
    let reason = Spoken::from(status).reason;
    if reason.is_empty() { format!("{:?}", status.code()) } else { reason }
}

/// In milliseconds, of waits in order.
fn percentile(waits: &[u32], percent: usize) -> f64 {
    let at = (waits.len() * percent).div_ceil(100).saturating_sub(1);
    waits.get(at).map_or(0.0, |wait| (Duration::from_micros((*wait).into()).as_secs_f64() * 1e5).round() / 1e2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_waits() {
        let waits: Vec<u32> = (1..=100).map(|wait| wait * 1_000).collect();
        assert_eq!(
            [50, 99, 100].map(|percent| percentile(&waits, percent).to_bits()),
            [50.0_f64, 99.0, 100.0].map(f64::to_bits)
        );
        assert_eq!(percentile(&[], 50).to_bits(), 0.0_f64.to_bits());
        assert_eq!(percentile(&[1_234], 99).to_bits(), 1.23_f64.to_bits());
    }

    #[tokio::test]
    async fn answers_and_refusals_are_counted_apart() {
        let meter = Meter::default();
        assert!(meter.call("Declare", async { Ok(Response::new(())) }).await.is_ok());
        assert!(meter.call("Declare", async { Err::<Response<()>, _>(Status::unavailable("gone")) }).await.is_err());
        assert_eq!((meter.calls(), meter.errors()), (1, 0), "it may be said again");
        assert!(meter.call("Declare", async { Err::<Response<()>, _>(Status::not_found("who?")) }).await.is_err());
        let rows = meter.rows();
        assert_eq!((rows[0].calls, rows[0].repeated, rows[0].errors.values().sum::<u64>()), (1, 1, 1));
        assert_eq!((meter.calls(), meter.errors()), (1, 1));
        assert!(meter.clear().unwrap_err().to_string().contains("Declare was answered"));
        assert_eq!(meter.calls(), 0);
    }
}
