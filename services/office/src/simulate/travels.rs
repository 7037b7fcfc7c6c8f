//! Where people were, what they say about it, and what their phones show: the truth that verdicts are held against.

use chrono::{Days, NaiveDate};
use rand::{RngExt as _, rngs::StdRng};

use super::{
    dice::{dice, happens},
    world::World,
};

/// A place, as people and carriers say it, and its code in GB/T 2260.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: &'static str,
    pub code: &'static str,
}

/// Both days included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    pub place: Place,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// What one carrier shows of one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// None: it has no data (R4).
    pub visits: Option<Vec<Stay>>,
}

/// All about one person who is screened on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Travels {
    /// Where they were besides home.
    pub been: Vec<Stay>,
    pub declared: Vec<Stay>,
    /// One for each number.
    pub scans: Vec<Scan>,
    /// What they leave out.
    pub concealed: Option<Stay>,
    /// Where a carrier or a mast shows them, and where they were not.
    pub wrong: Option<Stay>,
}

const HOME: Place = place("宁波", "330200");
/// In the shipped method.
const KEY_AREAS: [Place; 9] = [
    place("武汉", "420100"),
    place("黄冈", "421100"),
    place("孝感", "420900"),
    place("荆州", "421000"),
    place("襄阳", "420600"),
    place("温州", "330300"),
    place("信阳", "411500"),
    place("驻马店", "411700"),
    place("南阳", "411300"),
];
/// Which a later method may take up.
const NEXT: Place = place("台州", "331000");
/// No key areas of the shipped method, and each name with one meaning.
const TOWNS: [Place; 15] = [
    NEXT,
    place("阜阳", "341200"),
    place("毕节", "520500"),
    place("上饶", "361100"),
    place("商丘", "411400"),
    place("昭通", "530600"),
    place("达州", "511700"),
    place("怀化", "431200"),
    place("徐州", "320300"),
    place("六安", "341500"),
    place("铜仁", "520600"),
    place("赣州", "360700"),
    place("菏泽", "371700"),
    place("遵义", "520300"),
    place("宿州", "341300"),
];
/// Beside Ningbo (R6).
const NEIGHBOURS: [Place; 4] =
    [place("绍兴", "330600"), place("嘉兴", "330400"), place("舟山", "330900"), place("台州", "331000")];

const fn place(name: &'static str, code: &'static str) -> Place {
    Place { name, code }
}

/// The first day that any carrier shows (R1).
fn new_year() -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 1, 1).unwrap_or_default()
}

fn before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN)
}

impl Travels {
    /// A carrier's slip is all that speaks against them.
    pub fn wronged(&self) -> bool {
        let clean = !self.been.iter().any(|stay| KEY_AREAS.contains(&stay.place));
        self.wrong.is_some() && self.concealed.is_none() && clean
    }

    /// Where the slip stands in the evidence, from 0.
    pub fn wrong_visit(&self) -> Option<usize> {
        let wrong = self.wrong?;
        self.scans.first()?.visits.as_ref()?.iter().position(|visit| *visit == wrong)
    }
}

impl World {
    /// The person's travels, screened on `today`.
    pub fn travels(&self, person: u32, today: NaiveDate) -> Travels {
        let (numbers, mut dice) = (&self.numbers, dice(self.seed, "travels", person.into()));
        let dice = &mut dice;
        let conceals = happens(dice, numbers.conceal);
        let key = happens(dice, numbers.key_areas) && !conceals;
        let away = conceals || key || happens(dice, numbers.travelled - numbers.key_areas - numbers.conceal);
        let stay = away.then(|| journey(dice, today, key));
        let been: Vec<Stay> = stay.into_iter().collect();
        let (mut been, mut declared, mut concealed) = (been.clone(), been, None);
        if let Some(stay) = been.first_mut().filter(|_| conceals) {
            let place = match dice.random_range(0..4) {
                0 | 1 => KEY_AREAS[dice.random_range(0..KEY_AREAS.len())],
                2 => NEXT,
                _ => TOWNS[dice.random_range(0..TOWNS.len())],
            };
            let hidden = if happens(dice, 0.5) {
                // All of it.
                declared.clear();
                *stay = Stay { place, ..*stay };
                *stay
            } else {
                // A way round, which they leave out: the last days before they came home.
                let to = stay.to;
                let from = before(to, dice.random_range(2..=4)).max(stay.from);
                *stay = Stay { to: from, ..*stay };
                declared = vec![*stay];
                let hidden = Stay { place, from, to };
                been.push(hidden);
                hidden
            };
            // A detour to where they were anyway hides nothing.
            concealed = Some(hidden).filter(|hidden| !declared.iter().any(|said| said.place == hidden.place));
            if concealed.is_none() {
                declared.clone_from(&been);
            }
        }
        let wrong = wrong(self, dice, &been, today);
        let scans = self.scans(person, dice, &been, wrong, today);
        let seen =
            |stay: &Stay| scans.iter().any(|scan| scan.visits.as_ref().is_some_and(|visits| visits.contains(stay)));
        Travels { wrong: wrong.filter(seen), been, declared, concealed, scans }
    }

    fn scans(&self, person: u32, dice: &mut StdRng, been: &[Stay], wrong: Option<Stay>, today: NaiveDate) -> Vec<Scan> {
        let numbers = &self.numbers;
        let short = happens(dice, numbers.short_windows);
        let silent = happens(dice, numbers.no_data);
        let (from, to) = (if short { before(today, 14) } else { new_year() }, before(today, 1));
        let phones = self.people[person as usize].phones.len();
        let scan = |phone: usize| {
            let mut visits = seen(been, from, to);
            // A carrier's slip is one carrier's.
            visits.extend(wrong.filter(|_| phone == 0).filter(|stay| from <= stay.from && stay.to <= to));
            Scan { from, to, visits: Some(visits).filter(|_| !(silent && phone == 0)) }
        };
        (0..phones).map(scan).collect()
    }
}

/// Away over the new year, and back a few days ago. Who was in a key area may have left it weeks before.
fn journey(dice: &mut StdRng, today: NaiveDate, key: bool) -> Stay {
    let left = new_year().checked_add_days(Days::new(dice.random_range(9..=22))).unwrap_or_default();
    let back = before(today, dice.random_range(1..=5));
    if !key {
        return Stay { place: TOWNS[dice.random_range(0..TOWNS.len())], from: left, to: back };
    }
    let place = KEY_AREAS[dice.random_range(0..KEY_AREAS.len())];
    let to = before(back, dice.random_range(0..=12)).max(left);
    Stay { place, from: left, to }
}

/// What a phone shows of it: home before, between and after, cut to the window.
fn seen(been: &[Stay], from: NaiveDate, to: NaiveDate) -> Vec<Stay> {
    let mut days = Vec::with_capacity(been.len() * 2 + 1);
    let mut at_home = new_year();
    for stay in been {
        if at_home < stay.from {
            days.push(Stay { place: HOME, from: at_home, to: stay.from });
        }
        days.push(*stay);
        at_home = stay.to;
    }
    days.push(Stay { place: HOME, from: at_home, to });
    let cut = days.into_iter().map(|stay| Stay { from: stay.from.max(from), to: stay.to.min(to), ..stay });
    cut.filter(|stay| stay.from <= stay.to).collect()
}

/// A day where nobody was.
fn wrong(world: &World, dice: &mut StdRng, been: &[Stay], today: NaiveDate) -> Option<Stay> {
    let far = happens(dice, world.numbers.carrier_errors);
    let near = happens(dice, world.numbers.border_noise);
    let day = before(today, dice.random_range(2..=12));
    let place = if far && happens(dice, 0.5) {
        KEY_AREAS[dice.random_range(0..KEY_AREAS.len())]
    } else if far {
        TOWNS[dice.random_range(0..TOWNS.len())]
    } else {
        NEIGHBOURS[dice.random_range(0..NEIGHBOURS.len())]
    };
    let there = been.iter().any(|stay| stay.place == place);
    ((far || near) && !there).then_some(Stay { place, from: day, to: day })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::numbers::Numbers;

    fn everybody() -> Vec<Travels> {
        let world = World::new(1, Numbers::of_people(20_000));
        let today = NaiveDate::from_ymd_opt(2020, 2, 11).unwrap();
        (0..20_000).map(|person| world.travels(person, today)).collect()
    }

    fn share(all: &[Travels], of: impl Fn(&Travels) -> bool) -> f64 {
        f64::from(u32::try_from(all.iter().filter(|travels| of(travels)).count()).unwrap())
            / f64::from(u32::try_from(all.len()).unwrap())
    }

    #[test]
    fn shares_are_those_of_the_numbers() {
        let all = everybody();
        let within = |share: f64, low: f64, high: f64| assert!((low..high).contains(&share), "{share}");
        within(share(&all, |t| !t.been.is_empty()), 0.18, 0.22);
        within(
            share(&all, |t| t.concealed.is_none() && t.been.iter().any(|stay| KEY_AREAS.contains(&stay.place))),
            0.02,
            0.03,
        );
        within(share(&all, |t| t.concealed.is_some()), 0.011, 0.018);
        within(share(&all, |t| t.wrong.is_some()), 0.008, 0.015);
        within(share(&all, |t| t.scans.iter().any(|scan| scan.visits.is_none())), 0.015, 0.025);
        within(share(&all, |t| t.scans.len() == 2), 0.04, 0.06);
        within(share(&all, |t| t.scans[0].from > new_year()), 0.08, 0.12);
    }

    #[test]
    fn what_is_seen_lies_within_its_window_and_what_is_declared_was_so() {
        for travels in everybody() {
            for scan in &travels.scans {
                for stay in scan.visits.iter().flatten() {
                    assert!(scan.from <= stay.from && stay.from <= stay.to && stay.to <= scan.to, "{travels:?}");
                }
            }
            assert!(travels.declared.iter().all(|stay| travels.been.contains(stay)), "{travels:?}");
            let hidden = travels.concealed;
            assert_eq!(hidden.is_some(), travels.declared.len() < travels.been.len(), "{travels:?}");
            assert!(hidden.is_none_or(|hidden| travels.been.contains(&hidden)), "{travels:?}");
            assert!(travels.wrong.is_none_or(|wrong| travels.been.iter().all(|stay| stay.place != wrong.place)));
        }
    }

    #[test]
    fn the_same_person_has_been_to_the_same_places_whoever_asks() {
        let today = NaiveDate::from_ymd_opt(2020, 2, 12).unwrap();
        let (one, other) = (World::new(5, Numbers::of_people(500)), World::new(5, Numbers::of_people(500)));
        assert!((0..500).all(|person| one.travels(person, today) == other.travels(person, today)));
    }
}
