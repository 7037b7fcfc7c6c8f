//! What each event makes of an order.

use chassis::Aggregate;
use proto::isolation::v1::{
    Doubt, Level, Terms,
    order_event::{
        Acknowledged, Assigned, CodeOpened, Event, HandedOver, HomeChecked, Missed, Observed, Ordered, Proposed,
        Sighted,
    },
};

use super::{Away, Order, Reading, Signature, Standing, last_before, watching, watching::matter_of};
use crate::domain::period::{Period, Slot};

impl Aggregate for Order {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        self.version += 1;
        if edits(event) {
            self.edited = self.version;
        }
        match event {
            Event::Proposed(Proposed { terms, by, unit }) => {
                self.adopt(terms.as_ref());
                self.standing = Standing::Proposed(Signature { by: by.clone(), unit: unit.clone() });
            }
            Event::Ordered(Ordered { terms, approved_by, approved_unit: _, time }) => {
                self.adopt(terms.as_ref());
                self.began = time.as_ref().and_then(chassis::instant).unwrap_or_default();
                self.standing = Standing::InForce { approved_by: approved_by.clone() };
            }
            Event::Observed(observed) => self.take_reading(observed),
            Event::HandedOver(handed_over) => self.leave(handed_over),
            Event::Breached(breached) => {
                self.breaches.insert(breached.crossing_id.clone());
                self.unacknowledged.insert(breached.crossing_id.clone());
            }
            Event::Released(released) => self.standing = Standing::Released(released.clone()),
            Event::Missed(Missed { slots, level }) => {
                let level = Level::try_from(*level).unwrap_or_default();
                self.missed.extend(slots.iter().filter_map(Slot::read).map(|slot| (slot, level)));
            }
            Event::Acknowledged(Acknowledged { matter, .. }) => {
                self.unacknowledged.remove(matter);
                self.acknowledged.insert(matter.clone());
            }
            Event::CodeOpened(CodeOpened { code_digest, expires, reporter }) => self.codes.push(watching::Code {
                digest: code_digest.clone(),
                expires: expires.as_ref().and_then(chassis::instant).unwrap_or_default(),
                reporter: (*reporter).try_into().unwrap_or_default(),
            }),
            Event::Assigned(Assigned { responsible }) => self.responsible.clone_from(responsible),
            Event::HomeChecked(HomeChecked { home, cohabitant_ids, by: _ }) => {
                self.home = (*home).try_into().unwrap_or_default();
                self.cohabitants.clone_from(cohabitant_ids);
            }
            Event::DayZeroProved(proved) => self.prove(proved),
            Event::ChangeProposed(proposed) => self.pend(proposed),
            Event::ChangeDecided(decided) => self.settle(decided),
            Event::Moved(moved) => self.go(moved),
            Event::TransferProposed(proposed) => self.transfer = Some(proposed.neighbourhood_id.clone()),
            Event::TransferDecided(decided) => self.change_hands(decided),
            Event::Sighted(Sighted { sighting_id, .. }) => {
                self.sightings.insert(sighting_id.clone());
                self.unacknowledged.insert(sighting_id.clone());
            }
        }
    }
}

/// Whether whoever had read the order before would be surprised. Readings come all day long and surprise nobody.
fn edits(event: &Event) -> bool {
    match event {
        Event::Proposed(_)
        | Event::Ordered(_)
        | Event::HandedOver(_)
        | Event::Released(_)
        | Event::HomeChecked(_)
        | Event::DayZeroProved(_)
        | Event::ChangeProposed(_)
        | Event::ChangeDecided(_)
        | Event::Moved(_)
        | Event::TransferProposed(_)
        | Event::TransferDecided(_) => true,
        Event::Observed(_)
        | Event::Breached(_)
        | Event::Missed(_)
        | Event::Acknowledged(_)
        | Event::CodeOpened(_)
        | Event::Assigned(_)
        | Event::Sighted(_) => false,
    }
}

impl Order {
    fn adopt(&mut self, terms: Option<&Terms>) {
        self.terms = terms.cloned().unwrap_or_default();
        self.begun = self.terms.clone();
        self.period = Period::of(&self.terms);
    }

    fn take_reading(&mut self, observed: &Observed) {
        let Some(slot) = Slot::of(&observed.date, observed.day_part()) else { return };
        let reading = Reading {
            vitals: observed.vitals.clone(),
            fever_or_symptoms: observed.fever_or_symptoms,
            doubted: observed.doubt() != Doubt::Unspecified,
        };
        self.readings.insert(slot, reading);
        if observed.fever_or_symptoms {
            self.unacknowledged.insert(matter_of(slot));
        } else {
            // It was corrected: there is nothing to be alarmed about.
            self.unacknowledged.remove(&matter_of(slot));
        }
    }

    fn leave(&mut self, handed_over: &HandedOver) {
        if self.away.last().is_none_or(|away| away.until.is_some()) {
            self.away.push(Away { after: last_before(handed_over), until: None });
        }
        self.hand_over = Some(handed_over.clone());
    }
}
