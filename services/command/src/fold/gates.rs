//! Passes, and what happens at gates.

use std::collections::HashMap;

use proto::pass::v1::{Decision, Finding, gate_day_event, holder_event};

use super::{Fold, Told, names, time};
use crate::{
    book::{Minute, Of, Place, Share, day},
    figures::Which,
};

#[derive(Default)]
pub(super) struct Gates {
    passes: HashMap<String, Pass>,
}

#[derive(Default)]
struct Pass {
    place: Place,
    household: String,
    until: Minute,
    suspended: bool,
    revoked: bool,
    shares: Vec<Share>,
}

impl Gates {
    pub(super) fn counted(&self, wanted: impl Fn(&[Share]) -> bool) -> Vec<String> {
        names("residents", self.passes.iter().map(|(id, pass)| (id, &pass.shares)), wanted)
    }
}

impl Pass {
    fn opens(&self) -> bool {
        !self.suspended && !self.revoked
    }
}

impl Fold {
    pub(super) fn holder(&mut self, told: Told<'_>, event: holder_event::Event) {
        match event {
            holder_event::Event::Issued(event) => {
                let residence = event.residence.unwrap_or_default();
                let place = self.places.number(&residence.neighbourhood_id);
                self.count(told, place, Of::Day(Which::IssuedToday, told.day));
                let until = Minute::from(time(event.expires.as_ref()));
                let household = residence.household_id;
                // Somebody who has moved has left the household that the pass before was of.
                self.pass(told, |pass| pass.revoked = true);
                self.gates.passes.entry(told.id.to_owned()).or_default();
                self.pass(told, |pass| {
                    (pass.suspended, pass.revoked) = (false, false);
                    (pass.place, pass.household, pass.until) = (place, household, until);
                });
            }
            holder_event::Event::Suspended(_) => self.pass(told, |pass| pass.suspended = true),
            holder_event::Event::Reinstated(_) => self.pass(told, |pass| pass.suspended = false),
            holder_event::Event::Revoked(_) => self.pass(told, |pass| pass.revoked = true),
            holder_event::Event::Qualified(_)
            | holder_event::Event::Barred(_)
            | holder_event::Event::BarLifted(_)
            | holder_event::Event::Joined(_)
            | holder_event::Event::Parted(_) => {}
        }
    }

    fn pass(&mut self, told: Told<'_>, change: impl FnOnce(&mut Pass)) {
        let Some(pass) = self.gates.passes.get_mut(told.id) else { return };
        change(pass);
        let mut shares = Vec::new();
        if pass.opens() {
            shares.push(Share::one(pass.place, Of::Figure(Which::Passes)).until(pass.until));
        }
        self.book.change(&mut pass.shares, shares, told.at);
        let (place, until, opens, household) = (pass.place, pass.until, pass.opens(), pass.household.clone());
        self.of_household(&household, place, told.at, |household| {
            if opens {
                household.passes.insert(told.id.to_owned(), until);
            } else {
                household.passes.remove(told.id);
            }
        });
    }

    pub(super) fn crossing(&mut self, told: Told<'_>, office: &str, event: gate_day_event::Event) {
        let gate_day_event::Event::Crossed(event) = event;
        let place = self.places.number(office);
        let crossed_at = time(event.crossed_at.as_ref());
        let today = day(chassis::day_of(crossed_at));
        self.count(told, place, Of::Day(Which::Crossings, today));
        if event.decision() == Decision::Refused {
            self.count(told, place, Of::Day(Which::Refused, today));
        } else if !event.resident_id.is_empty() {
            self.passed(told.at, &event.resident_id, event.direction(), crossed_at.timestamp_micros());
        }
        if event.findings().any(|finding| finding == Finding::Fever) {
            self.count(told, place, Of::Day(Which::Fevers, today));
        }
        if event.conflict {
            self.count(told, place, Of::Day(Which::Conflicts, today));
        }
    }
}
