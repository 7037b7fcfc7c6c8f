//! A person: registered, screened, watched, seen at gates. Three logs speak of one person, and any of them may be late, so what
//! each says is kept with its time, and the shares are made from all of it.

use std::collections::HashMap;

use proto::{
    pass::v1::Direction,
    registry::v1::{VisitOutcome, key_person_event, resident_event, visits_event::Visited},
    screening::v1::{Outcome, case_event},
};

use super::{Fold, Told, names, time};
use crate::{
    book::{Act, Minute, Of, Place, Share},
    figures::Which,
};

#[derive(Default)]
pub(super) struct People {
    people: HashMap<String, Person>,
    /// Whose case it is.
    cases: HashMap<String, String>,
}

#[derive(Default)]
struct Person {
    /// Where they live; `None` once they have moved out or are somebody else's second record.
    home: Past<Option<Place>>,
    /// Where they lived last, and whether they have moved out from there.
    place: Place,
    moved_out: bool,
    case: Past<Case>,
    /// The last passage of a gate, and when it was.
    seen: Past<Direction>,
    seen_at: i64,
    /// In which neighbourhood they are watched, and until when.
    watched: Past<Option<(Place, Minute)>>,
    /// Until when the last visit counts.
    met: Past<Minute>,
    shares: Vec<Share>,
    /// What was before stands in the book for good.
    settled: Minute,
}

/// What the latest case says.
#[derive(Clone, Default, PartialEq)]
struct Case {
    id: String,
    outcome: Outcome,
    /// The number of the method's version.
    method: u32,
    /// Until when the answer to a dispute is in time.
    disputed: Option<Minute>,
    /// Ids of the overrides that wait for a second signature.
    proposed: Vec<String>,
    /// The unit that asked for an early verdict.
    early: Option<u32>,
    /// The override in force, and its unit.
    overridden: Option<(String, u32)>,
}

/// What was so since when, the latest last.
#[derive(Clone)]
struct Past<T>(Vec<(Minute, T)>);

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Past<T> {
    fn set(&mut self, at: Minute, value: T) {
        match self.0.last_mut() {
            Some((last, known)) if *last == at => *known = value,
            _ => self.0.push((at, value)),
        }
    }

    /// Forgets what was so before the value of that minute.
    fn forget(&mut self, until: Minute) {
        let kept = self.0.iter().rposition(|(since, _)| *since <= until).unwrap_or(0);
        self.0.drain(..kept);
    }

    fn last(&self) -> Option<&T> {
        self.0.last().map(|(_, value)| value)
    }

    fn at(&self, minute: Minute) -> Option<&T> {
        self.0.iter().rev().find(|(since, _)| *since <= minute).map(|(_, value)| value)
    }

    fn minutes(&self) -> impl Iterator<Item = Minute> {
        self.0.iter().map(|(since, _)| *since)
    }
}

impl People {
    pub(super) fn counted(&self, wanted: impl Fn(&[Share]) -> bool) -> Vec<String> {
        names("residents", self.people.iter().map(|(id, person)| (id, &person.shares)), wanted)
    }
}

/// For so long a visit counts as the last touch: the registry's lists say the same where nobody asks for other days.
pub(super) const TOUCH: i64 = 14;

impl Fold {
    pub(super) fn resident(&mut self, told: Told<'_>, event: resident_event::Event) {
        let home = match event {
            resident_event::Event::Registered(event) => {
                let place = self.places.number(&event.residence.unwrap_or_default().neighbourhood_id);
                self.people.people.entry(told.id.to_owned()).or_default().place = place;
                Some(place)
            }
            resident_event::Event::MovedOut(_) => {
                self.person(told.id, told.at, |person| {
                    person.moved_out = true;
                    person.watched.set(told.at, None);
                });
                None
            }
            // A person who stands in the register twice is counted once, and watched under whichever record it was said of.
            resident_event::Event::Merged(_) => None,
            resident_event::Event::Unmerged(_) => {
                let person = self.people.people.get(told.id).filter(|person| !person.moved_out);
                person.map(|person| person.place)
            }
            // Nobody is watched of whom nothing is known any more; there was one, all the same.
            resident_event::Event::Erased(_) => {
                return self.person(told.id, told.at, |person| person.watched.set(told.at, None));
            }
            resident_event::Event::Revealed(_) | resident_event::Event::Corrected(_) => return,
        };
        self.person(told.id, told.at, |person| person.home.set(told.at, home));
    }

    pub(super) fn watched(&mut self, told: Told<'_>, event: &key_person_event::Event) {
        let watched = match event {
            key_person_event::Event::Flagged(event) => {
                let place = self.places.number(&event.residence.clone().unwrap_or_default().neighbourhood_id);
                let until = match event.until.parse::<chrono::NaiveDate>() {
                    Ok(last) => Minute::from(chassis::midnight(last.succ_opt().unwrap_or(last))),
                    Err(_) => Minute::NEVER,
                };
                Some((place, until))
            }
            key_person_event::Event::Unflagged(_) => None,
        };
        self.person(told.id, told.at, |person| person.watched.set(told.at, watched));
    }

    /// Somebody stood before them at their door.
    pub(super) fn met(&mut self, at: Minute, event: &Visited) {
        if event.outcome() != VisitOutcome::Met {
            return;
        }
        let until = Minute::from(time(event.visited_at.as_ref()) + chrono::TimeDelta::days(TOUCH));
        for resident in &event.resident_ids {
            self.person(resident, at, |person| {
                let until = person.met.last().copied().unwrap_or(Minute::BEGINNING).max(until);
                person.met.set(at, until);
            });
        }
    }

    /// A gate let them through.
    pub(super) fn passed(&mut self, at: Minute, resident: &str, direction: Direction, crossed_at: i64) {
        self.person(resident, at, |person| {
            if crossed_at >= person.seen_at {
                person.seen_at = crossed_at;
                person.seen.set(at, direction);
            }
        });
    }

    pub(super) fn case(&mut self, told: Told<'_>, event: case_event::Event) {
        if let case_event::Event::Opened(event) = event {
            self.people.cases.insert(told.id.to_owned(), event.resident_id.clone());
            let case = Case { id: told.id.to_owned(), ..Case::default() };
            self.person(&event.resident_id, told.at, |person| person.case.set(told.at, case));
            return;
        }
        let Some(resident) = self.people.cases.get(told.id).cloned() else { return };
        if let case_event::Event::Assessed(event) = &event
            && !event.again
        {
            let place = self.places.number(&event.residence.clone().unwrap_or_default().neighbourhood_id);
            self.count(told, place, Of::Day(Which::ScreenedToday, told.day));
        }
        if let case_event::Event::OverrideProposed(event) = &event {
            let unit = self.units.number(&event.unit);
            self.count(told, SUBDISTRICT, Of::ByHand(Act::Proposal, unit));
        }
        let known = self.people.people.get(&resident).and_then(|person| person.case.last());
        // What is said of an older case counts no more.
        let Some(mut case) = known.filter(|case| case.id == told.id).cloned() else { return };
        self.says(&mut case, event);
        self.person(&resident, told.at, |person| person.case.set(told.at, case));
    }

    /// What a record of the case changes in it.
    fn says(&mut self, case: &mut Case, event: case_event::Event) {
        match event {
            case_event::Event::Assessed(event) => {
                case.outcome = event.outcome();
                case.method = self.methods.names.number(&event.method_version);
                case.early = (!event.by.is_empty()).then(|| self.units.number(&event.unit));
                let overridden = event.r#override;
                case.overridden = overridden.map(|hand| (hand.override_id, self.units.number(&hand.proposed_unit)));
            }
            case_event::Event::Disputed(event) => case.disputed = Some(Minute::from(time(event.due.as_ref()))),
            case_event::Event::DisputeResolved(_) => case.disputed = None,
            case_event::Event::OverrideProposed(event) => case.proposed.push(event.override_id),
            case_event::Event::OverrideApproved(event) => case.answered(&event.override_id),
            case_event::Event::OverrideDeclined(event) => case.answered(&event.override_id),
            case_event::Event::OverrideEnded(event) => {
                case.answered(&event.override_id);
                // No verdict may follow: then the one by hand is the last that there was, and holds no longer.
                case.overridden.take_if(|(id, _)| *id == event.override_id);
            }
            case_event::Event::Opened(_)
            | case_event::Event::Declared(_)
            | case_event::Event::EvidenceRecorded(_)
            | case_event::Event::DisputeEscalated(_)
            | case_event::Event::PhonesChanged(_) => {}
        }
    }

    fn person(&mut self, id: &str, at: Minute, change: impl FnOnce(&mut Person)) {
        if !self.people.people.contains_key(id) {
            self.people.people.insert(id.to_owned(), Person::default());
        }
        let Some(person) = self.people.people.get_mut(id) else { return };
        change(person);
        let shares = person.pieces();
        self.book.rewrite(&mut person.shares, shares, at);
        person.settle();
    }
}

/// What belongs to no neighbourhood.
pub const SUBDISTRICT: Place = Place::MAX;

impl Case {
    fn answered(&mut self, override_id: &str) {
        self.proposed.retain(|id| id != override_id);
    }
}

/// So many changes of a person are kept; somebody who crosses a gate twice a day for months has many more, and no log is that late.
const KEPT: usize = 16;

impl Person {
    /// When anything changed.
    fn minutes(&self) -> Vec<Minute> {
        let mut minutes: Vec<Minute> = self.home.minutes().collect();
        minutes.extend(self.case.minutes().chain(self.seen.minutes()).chain(self.watched.minutes()));
        minutes.extend(self.met.minutes());
        for minute in &mut minutes {
            *minute = self.settled.max(*minute);
        }
        minutes.sort_unstable();
        minutes.dedup();
        minutes
    }

    /// Leaves the older half of too many changes as it stands in the book.
    fn settle(&mut self) {
        let minutes = self.minutes();
        if minutes.len() <= KEPT {
            return;
        }
        let until = minutes[KEPT / 2];
        self.settled = until;
        self.home.forget(until);
        self.case.forget(until);
        self.seen.forget(until);
        self.watched.forget(until);
        self.met.forget(until);
        self.shares.retain(|share| share.until > until);
        for share in &mut self.shares {
            share.from = share.from.max(until);
        }
    }

    /// The shares of all times that are not settled: between two changes they are what the person was then.
    fn pieces(&self) -> Vec<Share> {
        let minutes = self.minutes();
        let mut pieces: Vec<Share> = Vec::new();
        for (number, from) in minutes.iter().enumerate() {
            let until = minutes.get(number + 1).copied().unwrap_or(Minute::NEVER);
            for share in self.shares_at(*from) {
                let (from, until) = (share.from.max(*from), share.until.min(until));
                if from >= until {
                    continue;
                }
                // What goes on is one piece, so that a record changes only what it is about.
                let before = pieces.iter_mut().find(|p| p.until == from && p.place == share.place && p.of == share.of);
                match before {
                    Some(before) => before.until = until,
                    None => pieces.push(share.from(from).until(until)),
                }
            }
        }
        pieces
    }

    fn shares_at(&self, minute: Minute) -> Vec<Share> {
        let mut shares = self.watch_at(minute);
        let Some(Some(place)) = self.home.at(minute) else { return shares };
        let one = |which| Share::one(*place, Of::Figure(which));
        shares.push(one(Which::Residents));
        if let Some(case) = self.case.at(minute) {
            shares.extend(case.shares(*place));
        }
        match self.seen.at(minute) {
            Some(Direction::In) => shares.push(one(Which::Inside)),
            Some(Direction::Out) => shares.push(one(Which::Outside)),
            Some(Direction::Unspecified) | None => {}
        }
        shares
    }

    /// As the registry has it: by the flag, wherever the record of the person went.
    fn watch_at(&self, minute: Minute) -> Vec<Share> {
        let Some(Some((place, until))) = self.watched.at(minute) else { return Vec::new() };
        let one = |which| Share::one(*place, Of::Figure(which)).until(*until);
        let mut shares = vec![one(Which::KeyPersons)];
        if let Some(met) = self.met.at(minute) {
            shares.push(one(Which::KeyPersonsSeen).until((*until).min(*met)));
        }
        shares
    }
}

impl Case {
    fn shares(&self, place: Place) -> Vec<Share> {
        let one = |which| Share::one(place, Of::Figure(which));
        let mut shares = Vec::new();
        if let Some(due) = self.disputed {
            shares.push(one(Which::Disputed));
            shares.push(one(Which::DisputesLate).from(due));
        }
        if !self.proposed.is_empty() {
            shares.push(one(Which::OverridesProposed));
        }
        if self.outcome == Outcome::Unspecified {
            return shares;
        }
        shares.push(one(Which::Screened));
        shares.push(Share::one(place, Of::JudgedBy(self.method)));
        shares.push(one(match self.outcome {
            Outcome::Clear => Which::Clear,
            Outcome::DeclaredKeyArea => Which::DeclaredKeyArea,
            Outcome::ConcealedKeyArea => Which::Concealed,
            Outcome::UndeclaredElsewhere => Which::Undeclared,
            Outcome::Overridden => Which::Overridden,
            Outcome::OverDeclared
            | Outcome::BorderSuspect
            | Outcome::InsufficientEvidence
            | Outcome::UnresolvedPlace
            | Outcome::Unspecified => Which::ToAsk,
        }));
        if let Some(unit) = self.early {
            shares.push(one(Which::ManualVerdicts));
            shares.push(Share::one(SUBDISTRICT, Of::ByHand(Act::Verdict, unit)));
        }
        if let Some((_, unit)) = &self.overridden {
            shares.push(Share::one(SUBDISTRICT, Of::ByHand(Act::Override, *unit)));
        }
        shares
    }
}

#[cfg(test)]
mod tests;
