//! One order of isolation: proposed and signed twice, or caused by a verdict; observed day by day; changed, moved, handed over;
//! breached; released. Of a released one nothing comes back: what isolates the person again is another order. What is decided
//! about its readings, its changes and its release stands in a file each, as the sections of this one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    event::v1::Sealed,
    isolation::v1::{
        Destination, Home, Kind, Level, ReleaseReason, Terms,
        order_event::{Breached, Event, HandedOver, Ordered, Proposed, Released},
    },
};

use super::period::{Part, Period, Slot, later};

/// Home, day zero, end, place, neighbourhood.
mod changing;
/// What each event has made of an order.
mod evolving;
/// What people read of what happened.
pub mod history;
/// Whether it can end, and why not.
mod releasing;
/// Readings, what was missed, what was ill, who has taken notice.
mod watching;
/// What refusals say, in both languages.
mod words;

pub use changing::{ChangeWish, Pending};
pub use releasing::Assessment;
pub use watching::{NewReading, matter_of};

// ---- State ----

#[derive(Clone, Debug, Default)]
pub struct Order {
    pub standing: Standing,
    pub terms: Terms,
    pub period: Period,
    pub hand_over: Option<HandedOver>,
    /// Ids of the refused crossings.
    pub breaches: BTreeSet<String>,
    pub sightings: BTreeSet<String>,
    /// Who looks after it; empty: nobody.
    pub responsible: String,
    pub home: Home,
    /// Ids of the residents who live there too.
    pub cohabitants: Vec<String>,
    /// Where the person was brought; unspecified: where the order began.
    pub place: Destination,
    pub pending: Option<Pending>,
    /// The neighbourhood that is asked to take it over.
    pub transfer: Option<String>,
    /// Neighbourhoods that have handed it on.
    left: Vec<String>,
    /// Fevers, symptoms and breaches of which nobody has taken notice yet.
    pub unacknowledged: BTreeSet<String>,
    acknowledged: BTreeSet<String>,
    readings: BTreeMap<Slot, Reading>,
    /// How far up each missed reading has gone.
    missed: BTreeMap<Slot, Level>,
    /// When the health team observed.
    away: Vec<Away>,
    codes: Vec<watching::Code>,
    /// When it came into force.
    pub began: DateTime<Utc>,
    /// The terms as they were then, and what was decided about each change.
    begun: Terms,
    decided: BTreeMap<String, changing::Decided>,
    /// The last day that two people have signed for, beyond what the rules ask.
    extended: Option<NaiveDate>,
    version: u64,
    /// The version of the last event that edited it; readings do not.
    edited: u64,
}

/// Half-days whose readings the neighbourhood does not owe: those between the two.
#[derive(Clone, Copy, Debug)]
struct Away {
    after: Slot,
    until: Option<Slot>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Standing {
    /// Nothing was said yet.
    #[default]
    Unwritten,
    Proposed(Signature),
    InForce {
        /// The second signature; empty where a verdict caused it.
        approved_by: String,
    },
    Released(Released),
}

/// Who signs, and for which unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub by: String,
    pub unit: String,
}

#[derive(Clone, Debug)]
struct Reading {
    /// Absent where the person's data had been erased.
    vitals: Option<Sealed>,
    fever_or_symptoms: bool,
    doubted: bool,
}

/// Readings without fever and symptoms in the last days of the period end it; one with them holds the release until as
/// many days without have followed (R13). Three days are the discharge criterion of the national plan of February 2020
/// ("体温恢复正常3天以上").
pub const SYMPTOM_FREE_DAYS: u64 = 3;

impl Order {
    pub fn in_force(&self) -> bool {
        matches!(self.standing, Standing::InForce { .. })
    }

    /// Each that has looked after it: the present one, and those before.
    pub fn neighbourhoods(&self) -> impl Iterator<Item = &str> {
        let present = self.terms.residence.iter().map(|residence| residence.neighbourhood_id.as_str());
        present.chain(self.left.iter().map(String::as_str))
    }

    /// The last day of observation: of the period, or of the days without symptoms that must follow the last reading with.
    pub fn observed_until(&self) -> NaiveDate {
        self.period.last_day.max(self.well_from())
    }

    /// From which day on the last fever or symptom holds nothing any more.
    fn well_from(&self) -> NaiveDate {
        let ill = self.readings.iter().rev().find(|(_, reading)| reading.fever_or_symptoms);
        ill.map_or(NaiveDate::MIN, |(slot, _)| later(slot.date, SYMPTOM_FREE_DAYS))
    }

    /// The readings that the neighbourhood owed by now. From the hand-over on the health team observes, on its own papers.
    pub fn due(&self, now: DateTime<Utc>) -> Vec<Slot> {
        self.planned().take_while(|slot| slot.has_begun(now)).collect()
    }

    /// Those that it owes from the first to the last, as things stand.
    pub fn planned(&self) -> impl Iterator<Item = Slot> {
        let last = Slot::evening(self.observed_until());
        let owed = |slot: &Slot| {
            !self.away.iter().any(|away| *slot > away.after && away.until.is_none_or(|until| *slot < until))
        };
        self.period.first.through(last).filter(owed)
    }

    /// Whether there is a reading of that half-day.
    pub fn taken(&self, slot: Slot) -> bool {
        self.readings.contains_key(&slot)
    }

    /// Those of them that nobody recorded.
    pub fn missing(&self, now: DateTime<Utc>) -> Vec<Slot> {
        self.due(now).into_iter().filter(|slot| !self.readings.contains_key(slot)).collect()
    }

    /// The reading of a half-day.
    pub fn vitals(&self, slot: Slot) -> Option<&Sealed> {
        self.readings.get(&slot).and_then(|reading| reading.vitals.as_ref())
    }

    /// Whether this order already does what a further verdict on the same case asks for. An exposure without a proven last
    /// day gives no new end, so that an isolation is never extended in silence (R10, R13).
    pub fn answers(&self, kind: Kind, last_exposure: Option<NaiveDate>, days: u64) -> bool {
        match &self.standing {
            Standing::InForce { .. } => {
                // What was proved, signed or moved since stands: a verdict that says what it said before undoes none of it.
                let begun = Period::of(&self.begun);
                let same_end = |day| {
                    let last_day = Period::new(day, begun.first, days).last_day;
                    last_day == begun.last_day || last_day == self.period.last_day
                };
                [self.begun.kind(), self.terms.kind()].contains(&kind) && last_exposure.is_none_or(same_end)
            }
            // Who completed the period is no longer treated as from the area for that exposure.
            Standing::Released(released) => {
                matches!(released.reason(), ReleaseReason::PeriodComplete | ReleaseReason::Early)
                    && last_exposure.is_none_or(|day| day <= self.period.day_zero)
            }
            Standing::Unwritten | Standing::Proposed(_) => false,
        }
    }
}

/// The last half-day that had begun when the person was handed over.
fn last_before(hand_over: &HandedOver) -> Slot {
    let date: NaiveDate = hand_over.date.parse().unwrap_or_default();
    Part::of(hand_over.day_part())
        .map_or_else(|| Slot::evening(date.pred_opt().unwrap_or(date)), |part| Slot { date, part })
}

// ---- Events: `proto::isolation::v1::order_event::Event` ----

// ---- Refusals ----

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no such order")]
    NotFound,
    #[error("the person is isolated already")]
    AlreadyIsolated,
    #[error("the order is not a proposal")]
    NotProposed,
    #[error("the second signature is the first one's")]
    SamePerson,
    #[error("both signatures are of one unit")]
    SameUnit,
    #[error("the order is not in force")]
    NotInForce,
    #[error("the day is outside the period")]
    OutsidePeriod { from: NaiveDate, until: NaiveDate },
    #[error("the half-day has not begun")]
    NotBegun(Slot),
    #[error("the order is not one of central isolation")]
    NotCentral,
    #[error("the person was handed over already")]
    AlreadyHandedOver,
    #[error("the hand-over lies before the order")]
    BeforeTheOrder,
    #[error("the period is not complete")]
    PeriodNotComplete { last_day: NaiveDate },
    #[error("symptoms hold the release")]
    Symptoms { until: NaiveDate },
    #[error("observations are missing")]
    ObservationsMissing(Vec<Slot>),
    #[error("no method is published")]
    NoMethod,
    #[error("the code is wrong or too old")]
    CodeSpent,
    #[error("nothing of that kind waits to be acknowledged")]
    NoSuchMatter,
    #[error("somebody edited the order since version {since}")]
    Stale { since: u64, changed: Vec<(String, String)> },
    #[error("a change waits for its second signature")]
    ChangePending,
    #[error("no such change is pending")]
    NotPending,
    #[error("a health watch isolates nobody")]
    NotIsolating,
    #[error("the person is there already")]
    ThereAlready,
    #[error("the new last day is not later than the present one, or too late")]
    NoExtension { last_day: NaiveDate },
}

// ---- Decisions ----

/// To whom a person was handed over, by whom, and where to.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    pub receiver: String,
    pub vehicle: String,
    pub receipt: String,
    pub place: String,
    pub handed_by: String,
    /// When the vehicle left, and when the person was received.
    pub left: DateTime<Utc>,
    pub received: DateTime<Utc>,
}

impl Receipt {
    fn handed_over(&self) -> Event {
        Event::HandedOver(HandedOver {
            receiver: self.receiver.clone(),
            vehicle: self.vehicle.clone(),
            receipt: self.receipt.clone(),
            date: chassis::day_of(self.left).to_string(),
            day_part: Slot::at(self.left).map_or(0, |slot| slot.part.day_part().into()),
            place: self.place.clone(),
            handed_by: self.handed_by.clone(),
            leave_time: Some(chassis::timestamp(self.left)),
            receive_time: Some(chassis::timestamp(self.received)),
        })
    }
}

impl Order {
    /// The first signature.
    pub fn propose(&self, terms: Terms, signature: &Signature) -> Result<Vec<Event>, Refused> {
        match &self.standing {
            Standing::Unwritten => {
                let Signature { by, unit } = signature.clone();
                Ok(vec![Event::Proposed(Proposed { terms: Some(terms), by, unit })])
            }
            Standing::Proposed(first) if first == signature && self.terms == terms => Ok(Vec::new()),
            _ => Err(Refused::AlreadyIsolated),
        }
    }

    /// The second signature (R23).
    pub fn approve(&self, signature: &Signature, now: DateTime<Utc>) -> Result<Vec<Event>, Refused> {
        match &self.standing {
            Standing::Unwritten => Err(Refused::NotFound),
            Standing::Proposed(first) if first.by == signature.by => Err(Refused::SamePerson),
            Standing::Proposed(first) if first.unit == signature.unit => Err(Refused::SameUnit),
            Standing::Proposed(_) => Ok(vec![Event::Ordered(Ordered {
                terms: Some(self.terms.clone()),
                approved_by: signature.by.clone(),
                approved_unit: signature.unit.clone(),
                time: Some(chassis::timestamp(now)),
            })]),
            Standing::InForce { approved_by } if *approved_by == signature.by => Ok(Vec::new()),
            Standing::InForce { .. } | Standing::Released(_) => Err(Refused::NotProposed),
        }
    }

    /// What a verdict or a fever at the gate causes. Nothing where this order was already written.
    pub fn order(&self, terms: Terms, now: DateTime<Utc>) -> Vec<Event> {
        match self.standing {
            Standing::Unwritten => {
                let time = Some(chassis::timestamp(now));
                vec![Event::Ordered(Ordered { terms: Some(terms), time, ..Ordered::default() })]
            }
            _ => Vec::new(),
        }
    }

    /// To the health team, once.
    pub fn hand_over(&self, to: &Receipt) -> Result<Vec<Event>, Refused> {
        if !self.in_force() {
            return Err(Refused::NotInForce);
        }
        if self.terms.kind() != Kind::Central {
            return Err(Refused::NotCentral);
        }
        match &self.hand_over {
            Some(done)
                if (&done.receiver, &done.vehicle, &done.receipt) == (&to.receiver, &to.vehicle, &to.receipt) =>
            {
                Ok(Vec::new())
            }
            Some(_) => Err(Refused::AlreadyHandedOver),
            None if chassis::day_of(to.left).to_string() < self.terms.observed_from => Err(Refused::BeforeTheOrder),
            None => Ok(vec![to.handed_over()]),
        }
    }

    /// A crossing that a gate refused because of this order.
    pub fn breach(&self, crossing_id: &str, gate_id: &str) -> Vec<Event> {
        if !self.in_force() || self.breaches.contains(crossing_id) {
            return Vec::new();
        }
        vec![Event::Breached(Breached { crossing_id: crossing_id.to_owned(), gate_id: gate_id.to_owned() })]
    }
}

#[cfg(test)]
mod tests;
