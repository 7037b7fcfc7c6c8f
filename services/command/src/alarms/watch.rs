use std::sync::{Mutex, MutexGuard, PoisonError};

use chassis::{Clock, Record};
use chrono::{DateTime, Utc};
use proto::command::v1::AlarmRules;

use super::conditions::Conditions;
use crate::domain::alarm::Condition;

/// The conditions as the logs have them now.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Conditions>);

impl Watch {
    /// The latest time at which anything happened, or that the clock shows: on a demonstration server requests say when they
    /// happen, elsewhere the clock is never behind.
    pub fn now(&self, clock: &Clock) -> DateTime<Utc> {
        clock.now().max(self.known().latest())
    }

    /// All that calls for an alarm at this time, by rules that are in force since then.
    pub fn check(&self, rules: &AlarmRules, since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Condition> {
        self.known().check(rules, since, now)
    }

    /// Takes in a record of one of the four logs. One record that says nothing to this version must not silence all alarms.
    pub fn take(&self, record: &Record) {
        let Err(error) = self.known().take(record) else { return };
        let Record { log, position, r#type, .. } = record;
        tracing::warn!(%error, log, position, r#type, "a record is left out of the alarms");
    }

    /// Begins anew.
    pub fn forget(&self) {
        *self.known() = Conditions::default();
    }

    /// Nothing is left half done by a panic: records are taken whole.
    fn known(&self) -> MutexGuard<'_, Conditions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
