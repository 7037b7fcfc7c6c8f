//! The gate's time: its own clock, which may be wrong by a day, and a steady one that nobody can set. Each exchange with the
//! centre says what time it is; from there on the steady clock counts. Off line the passes on phones, which carry the time,
//! may pull it a little.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use chassis::Clock;
use chrono::{DateTime, TimeDelta, Utc};

/// Time since some beginning that no setting of a clock changes.
pub type Steady = Arc<dyn Fn() -> Duration + Send + Sync>;

/// By how much phones may pull the time between two exchanges.
const MOST: TimeDelta = TimeDelta::minutes(5);
/// Phones of which the median counts.
const PHONES: usize = 9;

#[derive(Clone)]
pub struct Watch {
    clock: Clock,
    steady: Steady,
    /// What the steady clock showed when the centre named the time.
    anchor: Option<(Duration, DateTime<Utc>)>,
    /// By how much the own clock was slow when that was last known.
    offset: TimeDelta,
    /// No earlier than this: something is on record at that time.
    latest: DateTime<Utc>,
    /// By how many milliseconds phones were ahead.
    phones: VecDeque<i64>,
    pulled: TimeDelta,
}

impl Watch {
    /// This machine's clocks.
    pub fn of_this_machine() -> Self {
        let started = std::time::Instant::now();
        // Counts on while the machine sleeps, which Rust's own steady clock does not.
        let uptime = || {
            let text = std::fs::read_to_string("/proc/uptime").ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_secs_f64)
        };
        Self::of(Clock::system(), Arc::new(move || uptime().unwrap_or_else(|| started.elapsed())))
    }

    pub fn of(clock: Clock, steady: Steady) -> Self {
        let (anchor, latest) = (None, DateTime::UNIX_EPOCH);
        Self {
            clock,
            steady,
            anchor,
            offset: TimeDelta::zero(),
            latest,
            phones: VecDeque::new(),
            pulled: TimeDelta::zero(),
        }
    }

    /// What was known when the program last ran.
    pub fn remember(&mut self, offset: TimeDelta, latest: DateTime<Utc>) {
        self.offset = offset;
        self.latest = self.latest.max(latest);
    }

    /// What the gate's own clock shows.
    pub fn raw(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn steady(&self) -> Duration {
        (self.steady)()
    }

    /// The time as far as it is known.
    pub fn now(&self) -> DateTime<Utc> {
        let estimate = match self.anchor {
            Some((then, time)) => time + delta(self.steady().saturating_sub(then)),
            None => self.raw() + self.offset,
        };
        (estimate + self.pulled).max(self.latest)
    }

    /// By how much the own clock is slow.
    pub fn offset(&self) -> TimeDelta {
        self.now() - self.raw()
    }

    /// The centre's time, somewhere between what the steady clock showed before and after.
    pub fn told(&mut self, asked: Duration, answered: Duration, centre: DateTime<Utc>) {
        self.anchor = Some((asked + answered.saturating_sub(asked) / 2, centre));
        self.pulled = TimeDelta::zero();
        self.phones.clear();
        // What was on record may have been dated by a clock that was ahead.
        self.latest = self.latest.min(centre);
        self.offset = self.offset();
    }

    /// Something is on record now: time does not fall behind it.
    pub fn noted(&mut self, at: DateTime<Utc>) {
        self.latest = self.latest.max(at);
    }

    /// A phone whose pass is good says that it is about this time. One of them proves nothing; the median of the last ones
    /// pulls, and no further than five minutes from what the centre said.
    pub fn phone(&mut self, says: DateTime<Utc>) {
        let own = self.now() - self.pulled;
        self.phones.push_back((says - own).num_milliseconds());
        if self.phones.len() > PHONES {
            self.phones.pop_front();
        }
        if self.phones.len() == PHONES {
            let mut sorted: Vec<i64> = self.phones.iter().copied().collect();
            sorted.sort_unstable();
            self.pulled = TimeDelta::milliseconds(sorted[PHONES / 2]).clamp(-MOST, MOST);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("offset", &self.offset).finish_non_exhaustive()
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use chassis::clock::Hand;

    use super::*;

    struct Desk {
        watch: Watch,
        hand: Hand,
        seconds: Arc<AtomicU64>,
    }

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn desk(shows: &str) -> Desk {
        let (clock, hand) = Clock::manual(time(shows));
        let seconds = Arc::new(AtomicU64::new(100));
        let steady = Arc::clone(&seconds);
        let watch = Watch::of(clock, Arc::new(move || Duration::from_secs(steady.load(Ordering::Relaxed))));
        Desk { watch, hand, seconds }
    }

    #[test]
    fn the_centres_time_counts_from_then_on_whatever_is_done_to_the_clock() {
        let mut desk = desk("2020-02-10T08:00:00Z");
        desk.watch.told(Duration::from_secs(98), Duration::from_secs(100), time("2020-02-11T08:00:00Z"));
        assert_eq!(desk.watch.now(), time("2020-02-11T08:00:01Z"));
        desk.hand.set(time("2020-03-01T00:00:00Z"));
        desk.seconds.store(160, Ordering::Relaxed);
        assert_eq!(desk.watch.now(), time("2020-02-11T08:01:01Z"));
        assert_eq!(desk.watch.raw() + desk.watch.offset(), desk.watch.now());
    }

    #[test]
    fn after_a_restart_time_does_not_fall_behind_what_is_on_record() {
        let mut desk = desk("2020-02-10T08:00:00Z");
        desk.watch.remember(TimeDelta::days(1), time("2020-02-11T07:00:00Z"));
        assert_eq!(desk.watch.now(), time("2020-02-11T08:00:00Z"));
        // The battery of its clock is empty.
        desk.hand.set(time("1970-01-01T00:00:00Z"));
        assert_eq!(desk.watch.now(), time("2020-02-11T07:00:00Z"));
        desk.watch.noted(time("2020-02-11T07:30:00Z"));
        assert_eq!(desk.watch.now(), time("2020-02-11T07:30:00Z"));
    }

    #[test]
    fn phones_pull_by_their_median_and_by_five_minutes_at_most() {
        let mut desk = desk("2020-02-11T08:00:00Z");
        for number in 0..8 {
            desk.watch.phone(time("2020-02-11T08:00:40Z"));
            assert_eq!(desk.watch.now(), time("2020-02-11T08:00:00Z"), "{number} are too few");
        }
        desk.watch.phone(time("2020-02-11T06:00:00Z"));
        assert_eq!(desk.watch.now(), time("2020-02-11T08:00:40Z"), "one that is far off does not count");
        for _ in 0..9 {
            desk.watch.phone(time("2020-02-11T09:00:00Z"));
        }
        assert_eq!(desk.watch.now(), time("2020-02-11T08:05:00Z"));
    }
}
