use std::collections::{BTreeMap, BTreeSet, HashMap};

use chassis::{CALENDAR, day_of};
use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use proto::{
    command::v1::{AlarmKind, AlarmRules},
    event::v1::Record,
};

use crate::domain::alarm::Condition;

/// By neighbourhood: when anything was heard of it. Nights and Sundays are quiet by themselves, so only those hours of the day
/// count as silent in which something usually is heard.
#[derive(Debug, Default)]
pub(super) struct Offices(HashMap<String, Office>);

#[derive(Debug, Default)]
struct Office {
    last: DateTime<Utc>,
    /// A bit for each hour in which there was a record, for the last days.
    days: BTreeMap<NaiveDate, u32>,
}

/// Days before the last record that say what is usual.
const LOOKED_AT: i64 = 7;
/// Those, and the last record's own.
const DAYS: usize = 8;
/// Silence is counted no further.
const LONGEST: i32 = 7 * 24;

impl Offices {
    /// What reactions write in an office's name is no sign of life.
    pub(super) fn heard(&mut self, record: &Record, at: DateTime<Utc>) {
        if record.office.is_empty() || record.actor.starts_with("reaction/") {
            return;
        }
        // Each record comes by here: only the first of an office makes a copy of its id.
        let office = if let Some(known) = self.0.get_mut(&record.office) {
            known
        } else {
            self.0.entry(record.office.clone()).or_default()
        };
        office.last = office.last.max(at);
        *office.days.entry(day_of(at)).or_default() |= 1 << at.with_timezone(&CALENDAR).hour();
        while office.days.len() > DAYS {
            office.days.pop_first();
        }
    }

    pub(super) fn check(&self, rules: &AlarmRules, now: DateTime<Utc>) -> Vec<Condition> {
        let mut found = Vec::new();
        for (neighbourhood_id, office) in &self.0 {
            let silent = office.silent_hours(rules.usual_days, now);
            if silent >= rules.silent_office_hours {
                found.push(Condition {
                    kind: AlarmKind::SilentOffice,
                    subject: format!("neighbourhoods/{neighbourhood_id}"),
                    neighbourhood_id: neighbourhood_id.clone(),
                    gate: String::new(),
                    since: office.last,
                    count: silent,
                    matters: Vec::new(),
                    signers: BTreeSet::new(),
                });
            }
        }
        found
    }
}

impl Office {
    /// Full hours since the last record in which there usually is one.
    fn silent_hours(&self, usual_days: i32, now: DateTime<Utc>) -> i32 {
        let mut silent = 0;
        let last = self.last.with_timezone(&CALENDAR);
        let Some(mut end) = last.date_naive().and_hms_opt(last.hour(), 0, 0).map(|hour| hour + TimeDelta::hours(2))
        else {
            return 0;
        };
        let now = now.with_timezone(&CALENDAR).naive_local();
        for _ in 0..LONGEST {
            if end > now {
                break;
            }
            let hour = (end - TimeDelta::hours(1)).hour();
            silent += i32::from(self.usual(hour, usual_days));
            end += TimeDelta::hours(1);
        }
        silent
    }

    fn usual(&self, hour: u32, usual_days: i32) -> bool {
        let last = day_of(self.last);
        let week = self.days.range(last - TimeDelta::days(LOOKED_AT)..last);
        let seen = week.filter(|(_, hours)| *hours & (1 << hour) != 0).count();
        i32::try_from(seen).unwrap_or(i32::MAX) >= usual_days
    }
}
