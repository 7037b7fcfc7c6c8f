//! From when on something is an alarm: numbers that are data, the shipped ones until somebody with a reason sets others.

use std::sync::LazyLock;

use chassis::{Aggregate, Refuse, instant};
use chrono::{DateTime, Utc};
use proto::command::v1::{AlarmRules, alarm_rules_event::Set};
use serde::Deserialize;

use super::alarm::Refused;

/// The one stream.
pub const STREAM: &str = "rules";

// State

#[derive(Clone, Debug, Default)]
pub struct Rules {
    set: Option<AlarmRules>,
}

impl Rules {
    /// Those in force.
    pub fn content(&self) -> AlarmRules {
        self.set.clone().unwrap_or_else(|| SHIPPED.clone())
    }

    /// From when on they are in force; what had happened before was judged by others.
    pub fn since(&self) -> DateTime<Utc> {
        self.set
            .as_ref()
            .and_then(|rules| rules.set_time.as_ref())
            .and_then(instant)
            .unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

/// `data/alarms.json`.
pub static SHIPPED: LazyLock<AlarmRules> = LazyLock::new(|| {
    let file: File =
        serde_json::from_str(include_str!("../../data/alarms.json")).expect("a test reads the shipped file");
    AlarmRules {
        adverse_verdicts: file.adverse_verdicts,
        manual_verdicts: file.manual_verdicts,
        batch_minutes: file.batch_minutes,
        silent_office_hours: file.silent_office_hours,
        usual_days: file.usual_days,
        silent_gate_minutes: file.silent_gate_minutes,
        silent_gate_night_minutes: file.silent_gate_night_minutes,
        night_from_hour: file.night_from_hour,
        night_to_hour: file.night_to_hour,
        late_hours: file.late_hours,
        acknowledge_hours: file.acknowledge_hours,
        ..AlarmRules::default()
    }
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    adverse_verdicts: i32,
    manual_verdicts: i32,
    batch_minutes: i32,
    silent_office_hours: i32,
    usual_days: i32,
    silent_gate_minutes: i32,
    silent_gate_night_minutes: i32,
    night_from_hour: i32,
    night_to_hour: i32,
    late_hours: i32,
    acknowledge_hours: i32,
}

// Events

pub use proto::command::v1::alarm_rules_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("somebody changed the rules")]
pub struct Stale;

impl Refuse for Stale {
    fn refusal(&self) -> chassis::Refusal {
        Refused::Stale.refusal()
    }
}

// Decisions

impl Rules {
    /// `read`: the version that the change was made for; `None`: whatever it is.
    pub fn set(&self, rules: &AlarmRules, read: Option<u64>, version: u64) -> Result<Vec<Event>, Stale> {
        if self.set.as_ref() == Some(rules) {
            return Ok(Vec::new());
        }
        if read.is_some_and(|read| read != version) {
            return Err(Stale);
        }
        Ok(vec![Event::Set(Set { rules: Some(rules.clone()) })])
    }
}

// Evolve

impl Aggregate for Rules {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        let Event::Set(Set { rules }) = event;
        self.set.clone_from(rules);
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_rules_hold_until_others_are_set() {
        let mut rules = Rules::default();
        assert_eq!(rules.content(), *SHIPPED);
        assert_eq!(rules.since(), DateTime::<Utc>::MIN_UTC);
        let noon = "2020-02-11T04:00:00Z".parse().unwrap();
        let other = AlarmRules { manual_verdicts: 2, set_time: Some(chassis::timestamp(noon)), ..SHIPPED.clone() };
        let events = rules.set(&other, Some(0), 0).unwrap();
        rules.evolve(&events[0]);
        assert_eq!((rules.content(), rules.since()), (other.clone(), noon));
        assert_eq!(rules.set(&other, Some(0), 1), Ok(Vec::new()), "said twice is said once");
        assert_eq!(rules.set(&SHIPPED, Some(0), 1), Err(Stale));
    }
}
