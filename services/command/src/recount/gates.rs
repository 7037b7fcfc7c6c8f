//! Every pass that was issued and what became of it, every recall, every crossing.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    Fact as _, UnreadableFact,
    pass::v1::{
        Decision, Direction, Finding,
        gate_day_event::{self, Crossed},
        holder_event, keyring_event, recall_event,
    },
    registry::v1::Residence,
};

use super::{Counting, Told, people::People, time};

#[derive(Default)]
pub(super) struct Gates {
    /// By holder, the latest last.
    passes: HashMap<String, Vec<Pass>>,
    /// Neighbourhood and day of each issue.
    issued: Vec<(String, NaiveDate)>,
    /// By compound: what was issued before does not count.
    recalled: HashMap<String, DateTime<Utc>>,
    /// Key and hour: what it has signed from there on does not count.
    recalled_keys: Vec<(u32, DateTime<Utc>)>,
    /// With the neighbourhood of the gate.
    crossings: Vec<(String, Crossed)>,
}

struct Pass {
    number: String,
    residence: Residence,
    key: u32,
    issued: DateTime<Utc>,
    expires: DateTime<Utc>,
    suspended: bool,
    revoked: bool,
}

impl Gates {
    pub(super) fn read(&mut self, told: &Told<'_>) -> Result<(), UnreadableFact> {
        match told.category {
            holder_event::Event::CATEGORY => self.holder(told, holder_event::Event::from_payload(told.payload)?),
            recall_event::Event::CATEGORY => {
                match recall_event::Event::from_payload(told.payload)? {
                    recall_event::Event::Recalled(event) => {
                        self.recalled.insert(told.id.to_owned(), time(event.issued_before.as_ref()))
                    }
                    recall_event::Event::Lifted(_) => self.recalled.remove(told.id),
                };
            }
            keyring_event::Event::CATEGORY => match keyring_event::Event::from_payload(told.payload)? {
                keyring_event::Event::RecallConfirmed(event) => {
                    self.recalled_keys.push((event.key_id, time(event.signed_from.as_ref())));
                }
                // The number may be given to another key.
                keyring_event::Event::Retired(event) => self.recalled_keys.retain(|(key, _)| *key != event.key_id),
                keyring_event::Event::Announced(_)
                | keyring_event::Event::RecallProposed(_)
                | keyring_event::Event::RecallDeclined(_) => {}
            },
            gate_day_event::Event::CATEGORY => {
                let gate_day_event::Event::Crossed(event) = gate_day_event::Event::from_payload(told.payload)?;
                self.crossings.push((told.office.to_owned(), event));
            }
            _ => {}
        }
        Ok(())
    }

    fn holder(&mut self, told: &Told<'_>, event: holder_event::Event) {
        let passes = self.passes.entry(told.id.to_owned()).or_default();
        let mut change = |number: &str, change: &dyn Fn(&mut Pass)| {
            passes.iter_mut().filter(|pass| pass.number == number).for_each(change);
        };
        match event {
            holder_event::Event::Issued(event) => {
                let residence = event.residence.unwrap_or_default();
                self.issued.push((residence.neighbourhood_id.clone(), told.day));
                passes.push(Pass {
                    number: event.number,
                    residence,
                    key: if event.key_id == 0 { 1 } else { event.key_id },
                    issued: time(event.issued.as_ref()),
                    expires: time(event.expires.as_ref()),
                    suspended: false,
                    revoked: false,
                });
            }
            holder_event::Event::Suspended(event) => change(&event.number, &|pass| pass.suspended = true),
            holder_event::Event::Reinstated(event) => change(&event.number, &|pass| pass.suspended = false),
            holder_event::Event::Revoked(event) => change(&event.number, &|pass| pass.revoked = true),
            holder_event::Event::Qualified(_)
            | holder_event::Event::Barred(_)
            | holder_event::Event::BarLifted(_)
            | holder_event::Event::Joined(_)
            | holder_event::Event::Parted(_) => {}
        }
    }

    fn opens(&self, pass: &Pass, counting: &Counting) -> bool {
        let of_compound = self.recalled.get(&pass.residence.compound_id);
        let recalled = of_compound.is_some_and(|before| pass.issued < *before)
            || self.recalled_keys.iter().any(|(key, from)| *key == pass.key && *from <= pass.issued);
        !pass.suspended && !pass.revoked && !recalled && !counting.past(pass.expires)
    }

    pub(super) fn count(&self, people: &People, counting: &mut Counting) {
        for (neighbourhood, day) in &self.issued {
            counting.of(neighbourhood).issued_today += i64::from(*day == counting.today);
        }
        let mut households = BTreeSet::new();
        // The one that was issued last counts: the others are replaced.
        for pass in self.passes.values().filter_map(|passes| passes.last()) {
            if self.opens(pass, counting) {
                let Residence { neighbourhood_id, household_id, .. } = &pass.residence;
                counting.of(neighbourhood_id).passes += 1;
                households.insert((neighbourhood_id, household_id));
            }
        }
        for (neighbourhood, _) in households {
            counting.of(neighbourhood).households_with_pass += 1;
        }
        self.count_crossings(people, counting);
    }

    fn count_crossings(&self, people: &People, counting: &mut Counting) {
        // By its time at the gate; of two at one time the one that was reported last.
        let mut last: HashMap<&String, &Crossed> = HashMap::new();
        for (neighbourhood, crossed) in &self.crossings {
            if chassis::day_of(time(crossed.crossed_at.as_ref())) == counting.today {
                let figures = counting.of(neighbourhood);
                figures.crossings += 1;
                figures.refused += i64::from(crossed.decision() == Decision::Refused);
                figures.fevers += i64::from(crossed.findings().any(|finding| finding == Finding::Fever));
                figures.conflicts += i64::from(crossed.conflict);
            }
            if crossed.decision() == Decision::Allowed && !crossed.resident_id.is_empty() {
                let at = |crossed: &Crossed| time(crossed.crossed_at.as_ref());
                let before = last.get(&crossed.resident_id);
                if before.is_none_or(|before| at(before) <= at(crossed)) {
                    last.insert(&crossed.resident_id, crossed);
                }
            }
        }
        for (resident, crossed) in last {
            let Some(home) = people.home(resident) else { continue };
            match crossed.direction() {
                Direction::In => counting.of(home).inside += 1,
                Direction::Out => counting.of(home).outside += 1,
                Direction::Unspecified => {}
            }
        }
    }
}
