//! Passes, and what happens at gates.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use proto::pass::v1::{Decision, Finding, gate_day_event, holder_event, keyring_event, recall_event};

use super::{Fold, Told, names, time};
use crate::{
    book::{Minute, Of, Place, Share, day},
    figures::Which,
};

#[derive(Default)]
pub(super) struct Gates {
    passes: HashMap<String, Pass>,
    recalls: Recalls,
}

/// What was taken back all at once.
#[derive(Default)]
struct Recalls {
    /// What a compound was issued before then.
    compounds: HashMap<String, DateTime<Utc>>,
    /// What a key has signed since then.
    keys: HashMap<u32, DateTime<Utc>>,
}

#[derive(Default)]
struct Pass {
    place: Place,
    household: String,
    until: Minute,
    compound: String,
    key: u32,
    issued: DateTime<Utc>,
    suspended: bool,
    revoked: bool,
    recalled: bool,
    shares: Vec<Share>,
}

impl Gates {
    pub(super) fn counted(&self, wanted: impl Fn(&[Share]) -> bool) -> Vec<String> {
        names("residents", self.passes.iter().map(|(id, pass)| (id, &pass.shares)), wanted)
    }
}

impl Pass {
    fn opens(&self) -> bool {
        !self.suspended && !self.revoked && !self.recalled
    }
}

impl Recalls {
    fn recalled(&self, pass: &Pass) -> bool {
        self.compounds.get(&pass.compound).is_some_and(|before| pass.issued < *before)
            || self.keys.get(&pass.key).is_some_and(|since| pass.issued >= *since)
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
                let issued = time(event.issued.as_ref());
                // Somebody who has moved has left the household that the pass before was of.
                self.pass(told, |pass| pass.revoked = true);
                self.gates.passes.entry(told.id.to_owned()).or_default();
                self.pass(told, |pass| {
                    (pass.suspended, pass.revoked) = (false, false);
                    (pass.place, pass.household, pass.until) = (place, residence.household_id, until);
                    // Before keys changed there was one.
                    (pass.compound, pass.key, pass.issued) = (residence.compound_id, event.key_id.max(1), issued);
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
        pass.recalled = self.gates.recalls.recalled(pass);
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

    pub(super) fn recall(&mut self, told: Told<'_>, event: &recall_event::Event) {
        match event {
            recall_event::Event::Recalled(event) => {
                self.gates.recalls.compounds.insert(told.id.to_owned(), time(event.issued_before.as_ref()));
            }
            recall_event::Event::Lifted(_) => {
                self.gates.recalls.compounds.remove(told.id);
            }
        }
        self.recalled(told);
    }

    pub(super) fn keyring(&mut self, told: Told<'_>, event: &keyring_event::Event) {
        match event {
            keyring_event::Event::RecallConfirmed(event) => {
                let from = time(event.signed_from.as_ref());
                let since = self.gates.recalls.keys.entry(event.key_id).or_insert(from);
                *since = from.min(*since);
                self.recalled(told);
            }
            // Nothing that it signed is valid any more, and another key may get its number.
            keyring_event::Event::Retired(event) => {
                self.gates.recalls.keys.remove(&event.key_id);
            }
            keyring_event::Event::Announced(_)
            | keyring_event::Event::RecallProposed(_)
            | keyring_event::Event::RecallDeclined(_) => {}
        }
    }

    /// Looks which passes a recall changes: it is rare, and there are as many passes as people.
    fn recalled(&mut self, told: Told<'_>) {
        let (recalls, passes) = (&self.gates.recalls, &self.gates.passes);
        let changed = passes.iter().filter(|(_, pass)| recalls.recalled(pass) != pass.recalled);
        let changed: Vec<String> = changed.map(|(id, _)| id.clone()).collect();
        for id in changed {
            self.pass(Told { id: &id, ..told }, |_| {});
        }
    }

    pub(super) fn crossing(&mut self, told: Told<'_>, office: &str, event: gate_day_event::Event) {
        let gate_day_event::Event::Crossed(event) = event;
        let place = self.places.number(office);
        let crossed_at = time(event.crossed_at.as_ref());
        let today = day(chassis::day_of(crossed_at));
        self.count(told, place, Of::Day(Which::Crossings, today));
        if event.decision() == Decision::Refused {
            self.count(told, place, Of::Day(Which::Refused, today));
        }
        if event.decision() == Decision::Allowed && !event.resident_id.is_empty() {
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

#[cfg(test)]
mod tests {
    use chassis::timestamp;
    use proto::pass::v1::{Decision, Direction, Finding, gate_day_event, holder_event, keyring_event, recall_event};

    use crate::tests::{Street, street::time};

    /// With a pass for two weeks.
    fn holding() -> Street {
        let mut street = Street::new();
        street.at("2020-02-11 08:00").issue("r1", "n1/h1", "p1");
        street
    }

    fn passes(street: &Street, time: &str) -> (i64, i64) {
        let figures = street.as_of(time).figures["n1"];
        (figures.passes, figures.households_with_pass)
    }

    #[test]
    fn a_pass_opens_until_it_ends_without_anybody_saying_so() {
        let mut street = holding();
        street.issue("r2", "n1/h1", "p2").at("2020-02-26 08:00");
        street.household("n2/h9", proto::registry::v1::Tenure::Owned);
        assert_eq!(passes(&street, "2020-02-25 07:59"), (2, 1));
        assert_eq!(passes(&street, "2020-02-25 08:00"), (0, 0));
    }

    #[test]
    fn a_suspended_pass_opens_again_and_a_revoked_one_does_not() {
        let mut street = holding();
        let number = || "p1".to_owned();
        let suspended = holder_event::Suspended { number: number(), ..Default::default() };
        street.at("2020-02-11 09:00").tell("r1", holder_event::Event::Suspended(suspended));
        let reinstated = holder_event::Reinstated { number: number() };
        street.at("2020-02-11 10:00").tell("r1", holder_event::Event::Reinstated(reinstated));
        let revoked = holder_event::Revoked { number: number(), ..Default::default() };
        street.at("2020-02-11 11:00").tell("r1", holder_event::Event::Revoked(revoked));
        let times = ["2020-02-11 08:30", "2020-02-11 09:30", "2020-02-11 10:30", "2020-02-11 11:30"];
        assert_eq!(times.map(|time| passes(&street, time)), [(1, 1), (0, 0), (1, 1), (0, 0)]);
    }

    #[test]
    fn a_pass_that_is_issued_elsewhere_leaves_the_household_before() {
        let mut street = holding();
        street.at("2020-02-11 09:00").issue("r1", "n2/h9", "p2");
        let shown = street.live("2020-02-11 10:00");
        let (left, now) = (shown.figures["n1"], shown.figures["n2"]);
        assert_eq!((left.passes, left.households_with_pass, left.issued_today), (0, 0, 1));
        assert_eq!((now.passes, now.households_with_pass, now.issued_today), (1, 1, 1));
    }

    #[test]
    fn what_a_compound_recalls_opens_nothing_until_that_is_lifted() {
        let mut street = holding();
        let issued_before = Some(timestamp(time("2020-02-11 09:00")));
        let recalled = recall_event::Recalled { issued_before, ..Default::default() };
        street.at("2020-02-11 10:00").tell("n1-c", recall_event::Event::Recalled(recalled));
        street.at("2020-02-11 11:00").issue("r2", "n1/h2", "p2");
        street.at("2020-02-11 12:00").tell("n1-c", recall_event::Event::Lifted(recall_event::Lifted::default()));
        let times = ["2020-02-11 09:30", "2020-02-11 10:30", "2020-02-11 11:30", "2020-02-11 12:30"];
        assert_eq!(times.map(|time| passes(&street, time).0), [1, 0, 1, 2]);
    }

    #[test]
    fn what_a_stolen_key_has_signed_opens_nothing() {
        let mut street = holding();
        let signed_from = Some(timestamp(time("2020-02-11 08:00")));
        let confirmed = keyring_event::RecallConfirmed { key_id: 1, signed_from, ..Default::default() };
        street.at("2020-02-11 10:00").tell("keys", keyring_event::Event::RecallConfirmed(confirmed));
        assert_eq!((passes(&street, "2020-02-11 09:30").0, passes(&street, "2020-02-11 10:30").0), (1, 0));
    }

    #[test]
    fn crossings_count_on_the_day_on_which_they_were_and_a_refused_one_leads_nobody_out() {
        let mut street = holding();
        street.resident("r1", "n1/h1").at("2020-02-12 01:00");
        street.crossed("r1", Direction::In, time("2020-02-11 23:00"));
        let refused = gate_day_event::Crossed {
            crossed_at: Some(timestamp(time("2020-02-12 00:30"))),
            direction: Direction::Out.into(),
            decision: Decision::Refused.into(),
            findings: vec![Finding::Fever.into()],
            resident_id: "r1".to_owned(),
            conflict: true,
            ..Default::default()
        };
        street.tell("gate", gate_day_event::Event::Crossed(refused));
        let figures = street.live("2020-02-12 02:00").figures["n1"];
        assert_eq!((figures.crossings, figures.refused, figures.fevers, figures.conflicts), (1, 1, 1, 1));
        assert_eq!((figures.inside, figures.outside), (1, 0));
        assert_eq!(street.as_of("2020-02-11 23:59").figures["n1"].crossings, 0, "nobody knew of it yet");
    }
}
