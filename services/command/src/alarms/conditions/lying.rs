use std::collections::{BTreeMap, BTreeSet};

use chassis::instant;
use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    command::v1::{AlarmKind, AlarmRules},
    event::v1::Record,
    isolation::v1::{Level, need_event, order_event},
    screening::v1::{Instance, case_event::DisputeEscalated},
};

use super::MOST_MATTERS;
use crate::domain::alarm::Condition;

/// What has gone up to the subdistrict and was taken by nobody: disputes (R24), readings that nobody took (R11), and needs. One
/// alarm for a neighbourhood and a kind, however many they are: nobody reads a thousand alarms. It lasts as long as any of them
/// is late.
#[derive(Debug, Default)]
pub(super) struct Lying {
    disputes: BTreeMap<String, Reached>,
    orders: BTreeMap<String, Reached>,
    needs: BTreeMap<String, Need>,
    taken: Vec<Taken>,
}

#[derive(Debug)]
struct Reached {
    neighbourhood_id: String,
    at: DateTime<Utc>,
}

#[derive(Debug)]
struct Need {
    neighbourhood_id: String,
    begins: DateTime<Utc>,
    due: DateTime<Utc>,
    claim_hours: i32,
    escalation_hours: i32,
    /// Nobody answers for it.
    open: bool,
}

/// Somebody took it at last: an alarm that it was part of began with it.
#[derive(Debug)]
struct Taken {
    kind: AlarmKind,
    neighbourhood_id: String,
    reached: DateTime<Utc>,
    at: DateTime<Utc>,
}

/// An alarm that lasts longer begins anew.
const REMEMBERED: TimeDelta = TimeDelta::days(7);

impl Lying {
    pub(super) fn escalated(&mut self, record: &Record, up: &DisputeEscalated, at: DateTime<Utc>) {
        // Where it went on to the health team, the subdistrict had not taken it.
        if matches!(up.to(), Instance::Subdistrict | Instance::Health) {
            reach(&mut self.disputes, record, at);
        }
    }

    pub(super) fn resolved(&mut self, case_id: &str, at: DateTime<Utc>) {
        if let Some(reached) = self.disputes.remove(case_id) {
            self.take(AlarmKind::LateDisputes, reached, at);
        }
    }

    /// Somebody who takes another reading, or is made responsible, is there again; elsewhere they are observed by others.
    pub(super) fn order(&mut self, record: &Record, event: &order_event::Event, at: DateTime<Utc>) {
        match event {
            order_event::Event::Missed(missed) if missed.level() == Level::Subdistrict => {
                reach(&mut self.orders, record, at);
            }
            order_event::Event::Missed(_) => {}
            _ => {
                if let Some(reached) = self.orders.remove(&record.stream_id) {
                    self.take(AlarmKind::LateReadings, reached, at);
                }
            }
        }
    }

    pub(super) fn need(&mut self, record: &Record, event: need_event::Event, at: DateTime<Utc>) {
        let time = |stamp: Option<prost_types::Timestamp>| stamp.as_ref().and_then(instant).unwrap_or_default();
        let id = &record.stream_id;
        let before = self
            .needs
            .get(id)
            .filter(|need| need.open)
            .map(|need| Reached { neighbourhood_id: need.neighbourhood_id.clone(), at: need.reached() });
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
            _ => return,
        }
        if let Some(reached) = before {
            self.take(AlarmKind::LateNeeds, reached, at);
        }
    }

    pub(super) fn check(&self, rules: &AlarmRules, now: DateTime<Utc>) -> Vec<Condition> {
        let hours = TimeDelta::hours(rules.late_hours.into());
        let mut late: BTreeMap<(AlarmKind, &str), Condition> = BTreeMap::new();
        let mut note = |kind, collection: &str, id: &str, neighbourhood_id, reached: DateTime<Utc>| {
            let since = reached + hours;
            if since <= now {
                let one =
                    late.entry((kind, neighbourhood_id)).or_insert_with(|| condition(kind, neighbourhood_id, since));
                one.since = one.since.min(since);
                one.count = one.count.saturating_add(1);
                if one.matters.len() < MOST_MATTERS {
                    one.matters.push(format!("{collection}/{id}"));
                }
            }
        };
        for (id, reached) in &self.disputes {
            note(AlarmKind::LateDisputes, "cases", id, reached.neighbourhood_id.as_str(), reached.at);
        }
        for (id, reached) in &self.orders {
            note(AlarmKind::LateReadings, "orders", id, reached.neighbourhood_id.as_str(), reached.at);
        }
        for (id, need) in self.needs.iter().filter(|(_, need)| need.open) {
            note(AlarmKind::LateNeeds, "needs", id, need.neighbourhood_id.as_str(), need.reached());
        }
        // It began with the first of those that were late without a break up to now.
        let mut taken: Vec<&Taken> = self.taken.iter().collect();
        taken.sort_by_key(|taken| std::cmp::Reverse(taken.at));
        for Taken { kind, neighbourhood_id, reached, at } in taken {
            if let Some(one) = late.get_mut(&(*kind, neighbourhood_id.as_str()))
                && *at >= one.since
            {
                one.since = one.since.min(*reached + hours);
            }
        }
        late.into_values().collect()
    }

    /// After it had reached the subdistrict, and not before.
    fn take(&mut self, kind: AlarmKind, reached: Reached, at: DateTime<Utc>) {
        let Reached { neighbourhood_id, at: reached } = reached;
        if reached < at {
            self.taken.retain(|taken| taken.at > at - REMEMBERED);
            self.taken.push(Taken { kind, neighbourhood_id, reached, at });
        }
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

fn condition(kind: AlarmKind, neighbourhood_id: &str, since: DateTime<Utc>) -> Condition {
    Condition {
        kind,
        subject: format!("neighbourhoods/{neighbourhood_id}"),
        neighbourhood_id: neighbourhood_id.to_owned(),
        gate: String::new(),
        since,
        count: 0,
        matters: Vec::new(),
        signers: BTreeSet::new(),
    }
}
