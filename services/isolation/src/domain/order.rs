//! One order of isolation: proposed and signed twice, or caused by a verdict; observed day by day; handed over; breached;
//! released. Of a released one nothing comes back: what isolates the person again is another order.

use std::collections::{BTreeMap, BTreeSet};

use chassis::Aggregate;
use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    event::v1::Sealed,
    isolation::v1::{
        Kind, ReleaseReason, Terms, Vitals,
        order_event::{Breached, Event, HandedOver, Observed, Ordered, Proposed, Released},
    },
};

use super::period::{Part, Period, Slot, later};

// ---- State ----

#[derive(Clone, Debug, Default)]
pub struct Order {
    pub standing: Standing,
    pub terms: Terms,
    pub period: Period,
    pub hand_over: Option<HandedOver>,
    /// Ids of the refused crossings.
    pub breaches: BTreeSet<String>,
    readings: BTreeMap<Slot, Reading>,
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
}

/// Readings without fever and symptoms in the last days of the period end it; one with them holds the release until as
/// many days without have followed (R13). Three days are the discharge criterion of the national plan of February 2020
/// ("体温恢复正常3天以上").
pub const SYMPTOM_FREE_DAYS: u64 = 3;

impl Order {
    pub fn in_force(&self) -> bool {
        matches!(self.standing, Standing::InForce { .. })
    }

    /// The last day of observation: of the period, or of the days without symptoms that must follow the last reading with.
    pub fn observed_until(&self) -> NaiveDate {
        let ill = self.readings.iter().rev().find(|(_, reading)| reading.fever_or_symptoms);
        let well = ill.map_or(NaiveDate::MIN, |(slot, _)| later(slot.date, SYMPTOM_FREE_DAYS));
        self.period.last_day.max(well)
    }

    /// The readings that the neighbourhood owed by now. From the hand-over on the health team observes, on its own papers.
    pub fn due(&self, now: DateTime<Utc>) -> Vec<Slot> {
        let mut last = Slot::evening(self.observed_until());
        if let Some(hand_over) = &self.hand_over {
            last = last.min(last_before(hand_over));
        }
        self.period.first.through(last).take_while(|slot| slot.has_begun(now)).collect()
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
                let same_end = |day| Period::new(day, self.period.first, days).last_day == self.period.last_day;
                self.terms.kind() == kind && last_exposure.is_none_or(same_end)
            }
            // Who completed the period is no longer treated as from the area for that exposure.
            Standing::Released(released) => {
                released.reason() == ReleaseReason::PeriodComplete
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
}

/// What they say, in both languages.
mod words;

// ---- Decisions ----

/// A reading as it is recorded.
pub struct NewReading {
    pub slot: Slot,
    pub vitals: Vitals,
    /// Absent where the person's data were erased: then it is kept that a reading was taken, and not what it said.
    pub sealed: Option<Sealed>,
    /// R14: tenths of a degree from which it is a fever.
    pub fever_decicelsius: i32,
}

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
    pub fn approve(&self, signature: &Signature) -> Result<Vec<Event>, Refused> {
        match &self.standing {
            Standing::Unwritten => Err(Refused::NotFound),
            Standing::Proposed(first) if first.by == signature.by => Err(Refused::SamePerson),
            Standing::Proposed(first) if first.unit == signature.unit => Err(Refused::SameUnit),
            Standing::Proposed(_) => Ok(vec![Event::Ordered(Ordered {
                terms: Some(self.terms.clone()),
                approved_by: signature.by.clone(),
                approved_unit: signature.unit.clone(),
            })]),
            Standing::InForce { approved_by } if *approved_by == signature.by => Ok(Vec::new()),
            Standing::InForce { .. } | Standing::Released(_) => Err(Refused::NotProposed),
        }
    }

    /// What a verdict or a fever at the gate causes. Nothing where this order was already written.
    pub fn order(&self, terms: Terms) -> Vec<Event> {
        match self.standing {
            Standing::Unwritten => {
                vec![Event::Ordered(Ordered { terms: Some(terms), ..Ordered::default() })]
            }
            _ => Vec::new(),
        }
    }

    /// A reading, or another one for the same half-day. `known` is what the recorded one of that half-day says, where there
    /// is one and it could be revealed.
    pub fn observe(
        &self,
        reading: NewReading,
        known: Option<&(Sealed, Vitals)>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Event>, Refused> {
        if !self.in_force() {
            return Err(Refused::NotInForce);
        }
        let NewReading { slot, vitals, sealed, fever_decicelsius } = reading;
        if !slot.has_begun(now) {
            return Err(Refused::NotBegun(slot));
        }
        let (from, until) = (self.period.first.date, self.observed_until());
        if !(from..=until).contains(&slot.date) {
            return Err(Refused::OutsidePeriod { from, until });
        }
        if let Some((before, said)) = known
            && self.vitals(slot) == Some(before)
            && *said == vitals
        {
            return Ok(Vec::new());
        }
        let fever = vitals.temperature_decicelsius >= fever_decicelsius;
        let fever_or_symptoms = fever || !vitals.symptoms.is_empty();
        let said = |reading: &Reading| sealed.is_none() && reading.fever_or_symptoms == fever_or_symptoms;
        if self.readings.get(&slot).is_some_and(said) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Observed(Observed {
            date: slot.date.to_string(),
            day_part: slot.part.day_part().into(),
            vitals: sealed,
            fever_or_symptoms,
        })])
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
            None => Ok(vec![Event::HandedOver(HandedOver {
                receiver: to.receiver.clone(),
                vehicle: to.vehicle.clone(),
                receipt: to.receipt.clone(),
                date: chassis::day_of(to.left).to_string(),
                day_part: Slot::at(to.left).map_or(0, |slot| slot.part.day_part().into()),
                place: to.place.clone(),
                handed_by: to.handed_by.clone(),
                leave_time: Some(chassis::timestamp(to.left)),
                receive_time: Some(chassis::timestamp(to.received)),
            })]),
        }
    }

    /// A crossing that a gate refused because of this order.
    pub fn breach(&self, crossing_id: &str, gate_id: &str) -> Vec<Event> {
        if !self.in_force() || self.breaches.contains(crossing_id) {
            return Vec::new();
        }
        vec![Event::Breached(Breached { crossing_id: crossing_id.to_owned(), gate_id: gate_id.to_owned() })]
    }

    /// R13: the period complete, no fever and no symptoms in its last days, all readings there, a person signs.
    pub fn release(&self, by: &str, now: DateTime<Utc>) -> Result<Vec<Event>, Refused> {
        match &self.standing {
            Standing::Released(_) => return Ok(Vec::new()),
            Standing::Unwritten | Standing::Proposed(_) => return Err(Refused::NotInForce),
            Standing::InForce { .. } => {}
        }
        let (today, last_day, until) = (chassis::day_of(now), self.period.last_day, self.observed_until());
        if today < last_day {
            return Err(Refused::PeriodNotComplete { last_day });
        }
        if today < until {
            return Err(Refused::Symptoms { until });
        }
        let missing = self.missing(now);
        if !missing.is_empty() {
            return Err(Refused::ObservationsMissing(missing));
        }
        Ok(vec![self.released(ReleaseReason::PeriodComplete, by, now)])
    }

    /// The verdict that caused it no longer calls for it: nobody stays barred for a reading that nobody took.
    pub fn withdraw(&self, by: &str, now: DateTime<Utc>) -> Vec<Event> {
        if self.in_force() { vec![self.released(ReleaseReason::VerdictChanged, by, now)] } else { Vec::new() }
    }

    fn released(&self, reason: ReleaseReason, by: &str, now: DateTime<Utc>) -> Event {
        let count = |slots: usize| i32::try_from(slots).unwrap_or(i32::MAX);
        let (due, missing) = (self.due(now).len(), self.missing(now).len());
        Event::Released(Released {
            by: by.to_owned(),
            observations: count(due - missing),
            observations_due: count(due),
            resident_id: self.terms.resident_id.clone(),
            residence: self.terms.residence.clone(),
            kind: self.terms.kind,
            reason: reason.into(),
        })
    }
}

// ---- Evolve ----

impl Aggregate for Order {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Proposed(Proposed { terms, by, unit }) => {
                self.adopt(terms.as_ref());
                self.standing = Standing::Proposed(Signature { by: by.clone(), unit: unit.clone() });
            }
            Event::Ordered(Ordered { terms, approved_by, approved_unit: _ }) => {
                self.adopt(terms.as_ref());
                self.standing = Standing::InForce { approved_by: approved_by.clone() };
            }
            Event::Observed(observed) => {
                let date = observed.date.parse().unwrap_or_default();
                let part = Part::of(observed.day_part()).unwrap_or_default();
                let reading =
                    Reading { vitals: observed.vitals.clone(), fever_or_symptoms: observed.fever_or_symptoms };
                self.readings.insert(Slot { date, part }, reading);
            }
            Event::HandedOver(handed_over) => self.hand_over = Some(handed_over.clone()),
            Event::Breached(breached) => {
                self.breaches.insert(breached.crossing_id.clone());
            }
            Event::Released(released) => self.standing = Standing::Released(released.clone()),
        }
    }
}

impl Order {
    fn adopt(&mut self, terms: Option<&Terms>) {
        self.terms = terms.cloned().unwrap_or_default();
        self.period = Period::of(&self.terms);
    }
}

#[cfg(test)]
mod tests;
