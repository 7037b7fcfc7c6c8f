//! R13: whether an order can end, with every reason why not; and its end.

use chrono::{DateTime, NaiveDate, Utc};
use proto::isolation::v1::{
    ReleaseReason,
    order_event::{Event, Released},
};

use super::{Order, Refused, Standing};
use crate::domain::period::{Slot, zh};

/// What a release would rest on now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// Readings that were taken, of those that are due by now.
    pub taken: usize,
    pub due: usize,
    pub missing: Vec<Slot>,
    /// The last day of the period, and of the days without symptoms that must follow those with.
    pub last_day: NaiveDate,
    pub until: NaiveDate,
    pub today: NaiveDate,
}

/// How many missing readings a sentence names.
const NAMED: usize = 8;

impl Assessment {
    pub fn ready(&self) -> bool {
        self.missing.is_empty() && self.today >= self.last_day && self.today >= self.until
    }

    /// "应有观察记录28次，已有27次；缺：2月15日晚"
    pub fn zh(&self) -> String {
        let mut said = vec![format!("应有观察记录{}次，已有{}次", self.due, self.taken)];
        if !self.missing.is_empty() {
            let named: Vec<String> = self.missing.iter().take(NAMED).map(|slot| slot.zh()).collect();
            let more = if self.missing.len() > NAMED { "等" } else { "" };
            said.push(format!("缺：{}{more}", named.join("、")));
        }
        if self.today < self.last_day {
            said.push(format!("隔离期到{}", zh(self.last_day)));
        }
        if self.until > self.last_day && self.today < self.until {
            said.push(format!("最后几天有发热或症状，观察到{}", zh(self.until)));
        }
        said.join("；")
    }

    /// "27 of 28 readings; missing: 15 February, evening"
    pub fn en(&self) -> String {
        let mut said = vec![format!("{} of {} readings", self.taken, self.due)];
        if !self.missing.is_empty() {
            let named: Vec<String> = self.missing.iter().take(NAMED).map(|slot| slot.en()).collect();
            let more = if self.missing.len() > NAMED { " and more" } else { "" };
            said.push(format!("missing: {}{more}", named.join("; ")));
        }
        if self.today < self.last_day {
            said.push(format!("the period lasts until {}", self.last_day.format("%-d %B")));
        }
        if self.until > self.last_day && self.today < self.until {
            said.push(format!("fever or symptoms in the last days, observed until {}", self.until.format("%-d %B")));
        }
        said.join("; ")
    }
}

impl Order {
    pub fn assess(&self, now: DateTime<Utc>) -> Assessment {
        let (due, missing) = (self.due(now).len(), self.missing(now));
        Assessment {
            taken: due - missing.len(),
            due,
            missing,
            last_day: self.period.last_day,
            until: self.observed_until(),
            today: chassis::day_of(now),
        }
    }

    /// R13: the period complete, no fever and no symptoms in its last days, all readings there, a person signs.
    pub fn release(&self, by: &str, now: DateTime<Utc>) -> Result<Vec<Event>, Refused> {
        match &self.standing {
            Standing::Released(_) => return Ok(Vec::new()),
            Standing::Unwritten | Standing::Proposed(_) => return Err(Refused::NotInForce),
            Standing::InForce { .. } => {}
        }
        let Assessment { missing, last_day, until, today, .. } = self.assess(now);
        if today < last_day {
            return Err(Refused::PeriodNotComplete { last_day });
        }
        if today < until {
            return Err(Refused::Symptoms { until });
        }
        if !missing.is_empty() {
            return Err(Refused::ObservationsMissing(missing));
        }
        Ok(vec![self.released(ReleaseReason::PeriodComplete, by, now)])
    }

    /// The verdict that caused it no longer calls for it: nobody stays barred for a reading that nobody took.
    pub fn withdraw(&self, by: &str, now: DateTime<Utc>) -> Vec<Event> {
        if self.in_force() { vec![self.released(ReleaseReason::VerdictChanged, by, now)] } else { Vec::new() }
    }

    pub(super) fn released(&self, reason: ReleaseReason, by: &str, now: DateTime<Utc>) -> Event {
        let count = |slots: usize| i32::try_from(slots).unwrap_or(i32::MAX);
        let Assessment { taken, due, .. } = self.assess(now);
        Event::Released(Released {
            by: by.to_owned(),
            observations: count(taken),
            observations_due: count(due),
            resident_id: self.terms.resident_id.clone(),
            residence: self.terms.residence.clone(),
            kind: self.terms.kind,
            reason: reason.into(),
        })
    }
}
