//! What calls for an alarm, folded from the four logs: pure, so that the same records and the same time always give the same
//! conditions, with the same beginnings, on every replica and after every start.

use chrono::{DateTime, Utc};
use proto::{
    Fact as _, UnreadableFact,
    command::v1::AlarmRules,
    event::v1::Record,
    isolation::v1::{need_event, order_event},
    pass::v1::device_event,
    registry::v1::compound_event,
    screening::v1::case_event,
};

use crate::domain::alarm::Condition;

/// Many adverse or manual verdicts of one unit within a short time.
mod batches;
/// Offices of which nothing is heard.
mod offices;
/// Gates of which nothing arrives.
mod gates;
/// What has reached the subdistrict and lies there.
mod lying;
#[cfg(test)]
mod tests;

/// Names of what makes up a condition, so many at most.
const MOST_MATTERS: usize = 20;

#[derive(Debug, Default)]
pub struct Conditions {
    batches: batches::Batches,
    offices: offices::Offices,
    gates: gates::Gates,
    lying: lying::Lying,
    latest: DateTime<Utc>,
}

impl Conditions {
    /// The latest time at which anything happened.
    pub const fn latest(&self) -> DateTime<Utc> {
        self.latest
    }

    /// Takes one record of any of the four logs; those of one log in order, the logs in any.
    ///
    /// # Errors
    /// A record that this version cannot read. That it came is a sign of life nevertheless; nothing else of it is taken.
    pub fn take(&mut self, record: &Record) -> Result<(), UnreadableFact> {
        let at = record.occurred_at.as_ref().and_then(chassis::instant).unwrap_or_default();
        self.offices.heard(record, at);
        self.latest = self.latest.max(at);
        let payload = &*record.payload;
        // By the whole type: most records are crossings and visits, and none of those is opened.
        match record.r#type.as_str() {
            "case.assessed" | "case.dispute_escalated" | "case.dispute_resolved" => {
                match case_event::Event::from_payload(payload)? {
                    case_event::Event::Assessed(verdict) => self.batches.take(record, &verdict, at),
                    case_event::Event::DisputeEscalated(up) => self.lying.escalated(record, &up, at),
                    case_event::Event::DisputeResolved(_) => self.lying.resolved(&record.stream_id, at),
                    _ => {}
                }
            }
            "compound.regime_set" => {
                self.gates.compound(&record.stream_id, compound_event::Event::from_payload(payload)?);
            }
            "device.opened" | "device.enrolled" | "device.reported" | "device.retired" => {
                self.gates.device(&record.stream_id, device_event::Event::from_payload(payload)?, at);
            }
            "order.missed" | "order.observed" | "order.assigned" | "order.handed_over" | "order.moved"
            | "order.released" => self.lying.order(record, &order_event::Event::from_payload(payload)?, at),
            kind if kind.starts_with("need.") => {
                self.lying.need(record, need_event::Event::from_payload(payload)?, at);
            }
            _ => {}
        }
        Ok(())
    }

    /// All that calls for an alarm now. `since`: from when on these rules are in force.
    pub fn check(&self, rules: &AlarmRules, since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Condition> {
        let mut found = self.batches.check(rules, since, self.latest);
        found.extend(self.offices.check(rules, now));
        found.extend(self.gates.check(rules, now));
        found.extend(self.lying.check(rules, now));
        found
    }
}
