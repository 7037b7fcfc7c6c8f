use std::collections::{BTreeMap, BTreeSet};

use chassis::instant;
use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    command::v1::{AlarmKind, AlarmRules},
    event::v1::Record,
    isolation::v1::{Level, need_event, order_event},
    screening::v1::{Instance, case_event::DisputeEscalated},
};

use crate::domain::alarm::Condition;

/// What has gone up to the subdistrict and was taken by nobody: disputes (R24), readings that nobody took (R11), and needs.
#[derive(Debug, Default)]
pub(super) struct Lying {
    pub(super) disputes: BTreeMap<String, Reached>,
    pub(super) orders: BTreeMap<String, Reached>,
    pub(super) needs: BTreeMap<String, Need>,
}

#[derive(Debug)]
pub(super) struct Reached {
    neighbourhood_id: String,
    at: DateTime<Utc>,
}

#[derive(Debug)]
pub(super) struct Need {
    neighbourhood_id: String,
    begins: DateTime<Utc>,
    due: DateTime<Utc>,
    claim_hours: i32,
    escalation_hours: i32,
    /// Nobody answers for it.
    open: bool,
}

impl Lying {
    pub(super) fn escalated(&mut self, record: &Record, up: &DisputeEscalated, at: DateTime<Utc>) {
        // Where it went on to the health team, the subdistrict had not taken it.
        if matches!(up.to(), Instance::Subdistrict | Instance::Health) {
            reach(&mut self.disputes, record, at);
        }
    }

    pub(super) fn resolved(&mut self, case_id: &str) {
        self.disputes.remove(case_id);
    }

    /// Somebody who takes another reading, or is made responsible, is there again; elsewhere they are observed by others.
    pub(super) fn order(&mut self, record: &Record, event: &order_event::Event, at: DateTime<Utc>) {
        match event {
            order_event::Event::Missed(missed) if missed.level() == Level::Subdistrict => {
                reach(&mut self.orders, record, at);
            }
            order_event::Event::Missed(_) => {}
            _ => {
                self.orders.remove(&record.stream_id);
            }
        }
    }

    pub(super) fn need(&mut self, record: &Record, event: need_event::Event) {
        let time = |stamp: Option<prost_types::Timestamp>| stamp.as_ref().and_then(instant).unwrap_or_default();
        let id = &record.stream_id;
        match (event, self.needs.get_mut(id)) {
            (need_event::Event::Opened(opened), _) => {
                let need = Need {
                    neighbourhood_id: opened.residence.unwrap_or_default().neighbourhood_id,
                    begins: time(opened.begin_time),
                    due: time(opened.due_time),
                    claim_hours: opened.claim_hours,
                    escalation_hours: opened.escalation_hours,
                    open: true,
                };
                self.needs.insert(id.clone(), need);
            }
            (need_event::Event::Claimed(_) | need_event::Event::Completed(_), Some(need)) => need.open = false,
            (need_event::Event::Reopened(_), Some(need)) => need.open = true,
            (need_event::Event::Confirmed(confirmed), Some(need)) => {
                if confirmed.next_begin_time.is_some() && confirmed.next_due_time.is_some() {
                    (need.begins, need.due) = (time(confirmed.next_begin_time), time(confirmed.next_due_time));
                    need.open = true;
                } else {
                    self.needs.remove(id);
                }
            }
            (need_event::Event::Ended(_), _) => {
                self.needs.remove(id);
            }
            _ => {}
        }
    }

    pub(super) fn check(&self, rules: &AlarmRules, now: DateTime<Utc>) -> Vec<Condition> {
        let hours = TimeDelta::hours(rules.late_hours.into());
        let named = |collection: &'static str, all: &BTreeMap<String, Reached>| {
            let late = all.iter().filter(|(_, reached)| reached.at + hours <= now);
            late.map(|(id, reached)| late_one(collection, id, &reached.neighbourhood_id, reached.at, now))
                .collect::<Vec<_>>()
        };
        let mut found = named("cases", &self.disputes);
        found.extend(named("orders", &self.orders));
        for (id, need) in self.needs.iter().filter(|(_, need)| need.open) {
            let reached = need.reached();
            if reached + hours <= now {
                found.push(late_one("needs", id, &need.neighbourhood_id, reached, now));
            }
        }
        found
    }
}

impl Need {
    /// When its alarm is the subdistrict's: two steps after it began to stand, as isolation counts them.
    fn reached(&self) -> DateTime<Utc> {
        let unclaimed = self.begins + TimeDelta::hours(self.claim_hours.into());
        unclaimed.min(self.due) + TimeDelta::hours(i64::from(self.escalation_hours.max(1)) * 2)
    }
}

/// The first time counts: it lies since then.
fn reach(all: &mut BTreeMap<String, Reached>, record: &Record, at: DateTime<Utc>) {
    let reached = || Reached { neighbourhood_id: record.office.clone(), at };
    all.entry(record.stream_id.clone()).or_insert_with(reached);
}

fn late_one(collection: &str, id: &str, neighbourhood_id: &str, since: DateTime<Utc>, now: DateTime<Utc>) -> Condition {
    Condition {
        kind: AlarmKind::Late,
        subject: format!("{collection}/{id}"),
        neighbourhood_id: neighbourhood_id.to_owned(),
        gate: String::new(),
        since,
        count: i32::try_from((now - since).num_hours()).unwrap_or(i32::MAX),
        matters: Vec::new(),
        signers: BTreeSet::new(),
    }
}
