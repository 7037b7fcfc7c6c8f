//! Readings: taken, doubted, missed; what was ill, who has taken notice; who may report without a token, and who looks after
//! the order.

use chrono::{DateTime, Utc};
use proto::{
    event::v1::Sealed,
    isolation::v1::{
        self, Doubt, Level, Reporter, Vitals,
        order_event::{Acknowledged, Assigned, CodeOpened, Event, Missed, Observed},
    },
};

use super::{Order, Reading, Refused, Signature};
use crate::domain::{period::Slot, schedule::Schedule};

/// A reading as it is recorded.
pub struct NewReading {
    pub slot: Slot,
    pub vitals: Vitals,
    /// Absent where the person's data were erased: then it is kept that a reading was taken, and not what it said.
    pub sealed: Option<Sealed>,
    /// R14: tenths of a degree from which it is a fever.
    pub fever_decicelsius: i32,
    pub reporter: Reporter,
    pub doubt: Doubt,
}

/// With which somebody reports who has no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) digest: Vec<u8>,
    pub(super) expires: DateTime<Utc>,
    pub(super) reporter: Reporter,
}

/// Of what notice is to be taken when a reading of this half-day was ill: "fever-2020-02-12-evening".
pub fn matter_of(slot: Slot) -> String {
    format!("fever-{slot}").replace(' ', "-")
}

impl Order {
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
        let NewReading { slot, vitals, sealed, fever_decicelsius, reporter, doubt } = reading;
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
            reporter: reporter.into(),
            doubt: doubt.into(),
        })])
    }

    /// The readings before a half-day, the newest first.
    pub fn vitals_before(&self, slot: Slot, most: usize) -> Vec<&Sealed> {
        let before = self.readings.range(..slot).rev().take(most);
        before.map_while(|(_, reading)| reading.vitals.as_ref()).collect()
    }

    /// How many readings are doubted.
    pub fn doubted(&self) -> usize {
        self.readings.values().filter(|reading| reading.doubted).count()
    }

    /// How far up a missed reading has gone.
    pub fn level(&self, slot: Slot) -> Option<Level> {
        self.missed.get(&slot).copied()
    }

    /// The readings that nobody took in time, each as far up as it belongs by now.
    pub fn miss(&self, schedule: &Schedule, now: DateTime<Utc>) -> Vec<Event> {
        if !self.in_force() {
            return Vec::new();
        }
        let missing = self.missing(now);
        let mut events = Vec::new();
        for level in [Level::Grid, Level::Neighbourhood, Level::Subdistrict] {
            let rises = |slot: &&Slot| {
                schedule.level(**slot, self.began, now) == Some(level)
                    && self.level(**slot).is_none_or(|known| known < level)
            };
            let slots: Vec<v1::Slot> = missing.iter().filter(rises).map(|slot| (*slot).into()).collect();
            if !slots.is_empty() {
                events.push(Event::Missed(Missed { slots, level: level.into() }));
            }
        }
        events
    }

    /// Somebody has taken notice, and says what was done.
    pub fn acknowledge(&self, matter: &str, who: &Signature, remark: Option<Sealed>) -> Result<Vec<Event>, Refused> {
        if self.unacknowledged.contains(matter) {
            let Signature { by, unit } = who.clone();
            return Ok(vec![Event::Acknowledged(Acknowledged { matter: matter.to_owned(), by, unit, remark })]);
        }
        if self.acknowledged.contains(matter) { Ok(Vec::new()) } else { Err(Refused::NoSuchMatter) }
    }

    /// A further code; earlier ones live on until their end.
    pub fn open_code(&self, digest: &[u8], reporter: Reporter, expires: DateTime<Utc>) -> Result<Vec<Event>, Refused> {
        if !self.in_force() {
            return Err(Refused::NotInForce);
        }
        if self.codes.iter().any(|code| code.digest == digest) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::CodeOpened(CodeOpened {
            code_digest: digest.to_vec(),
            expires: Some(chassis::timestamp(expires)),
            reporter: reporter.into(),
        })])
    }

    /// Who reports with this code.
    pub fn reporter(&self, digest: &[u8], now: DateTime<Utc>) -> Result<Reporter, Refused> {
        let code = self.codes.iter().find(|code| code.digest == digest && now < code.expires);
        code.map(|code| code.reporter).ok_or(Refused::CodeSpent)
    }

    pub fn assign(&self, responsible: &str) -> Result<Vec<Event>, Refused> {
        if !self.in_force() {
            return Err(Refused::NotInForce);
        }
        if self.responsible == responsible {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Assigned(Assigned { responsible: responsible.to_owned() })])
    }
}
