//! What happens on a day of the simulated subdistrict, before anybody asks a server: who comes to be screened when, who goes through
//! which gate, who needs what, who gives. Pure; days are counted from 0.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use proto::{
    isolation::v1::{NeedKind, NeedPriority, Unit},
    pass::v1::Direction,
};
use rand::RngExt as _;

use super::{
    dice::{dice, happens, weighted},
    world::World,
};
use crate::cast::at;

/// Crossings of a compound by hour, per cent (DOMAIN section 6): market traders leave at three, cleaners return at midnight.
pub const BY_HOUR: [u32; 24] = [1, 1, 2, 8, 6, 5, 6, 8, 6, 4, 4, 4, 4, 3, 3, 3, 4, 6, 6, 4, 4, 4, 3, 1];
/// Desks are open from eight in the morning for so many hours.
const DESK_OPENS: i64 = 8;
const DESK_HOURS: i64 = 14;

/// One person through one gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Index into `World::gates`.
    pub gate: usize,
    /// None: a visitor.
    pub person: Option<u32>,
    pub time: DateTime<Utc>,
    pub direction: Direction,
    /// Tenths of a degree Celsius.
    pub temperature: i32,
}

/// Somebody asks for help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    pub person: u32,
    pub asked: DateTime<Utc>,
    pub kind: NeedKind,
    pub priority: NeedPriority,
    /// Hours until somebody takes it; then until it is done.
    pub claimed_after: i64,
    pub done_after: i64,
}

/// Somebody gives something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gift {
    pub neighbourhood: usize,
    pub time: DateTime<Utc>,
    pub item: &'static str,
    pub number: u32,
    pub unit: Unit,
    pub unknown_giver: bool,
}

/// Who may cross, and where they stand.
#[derive(Default)]
pub struct Streets {
    /// Who has a pass, by compound.
    pub holders: Vec<Vec<u32>>,
    /// Who went out and has not come back.
    outside: HashSet<u32>,
}

/// The day with this number.
pub fn date(first: NaiveDate, day: u32) -> NaiveDate {
    first.checked_add_days(Days::new(day.into())).unwrap_or(NaiveDate::MAX)
}

/// When each of so many who come on a day has their turn.
pub fn turn(date: NaiveDate, index: usize, of: usize) -> DateTime<Utc> {
    let seconds = DESK_HOURS * 3_600 * i64::try_from(index).unwrap_or(0) / i64::try_from(of.max(1)).unwrap_or(1);
    at(date, 0, 0) + TimeDelta::seconds(DESK_OPENS * 3_600 + seconds)
}

impl World {
    /// All crossings of a day in the order of their times. Moves those who cross.
    pub fn crossings(&self, date: NaiveDate, day: u32, streets: &mut Streets) -> Vec<Passage> {
        let (mut dice, midnight) = (dice(self.seed, "crossings", day.into()), at(date, 0, 0));
        let homes: Vec<u32> = self.compounds.iter().map(|one| u32::try_from(one.homes.len()).unwrap_or(0)).collect();
        let mut slots = Vec::with_capacity(self.numbers.crossings_a_day() as usize);
        for _ in 0..self.numbers.crossings_a_day() {
            let compound = weighted(&mut dice, &homes);
            let gates = self.compounds[compound].gates.clone();
            let shares: Vec<u32> = self.gates[gates.clone()].iter().map(|gate| gate.share).collect();
            let hour = i64::try_from(weighted(&mut dice, &BY_HOUR)).unwrap_or(0);
            let second = hour * 3_600 + dice.random_range(0..3_600);
            slots.push((second, gates.start + weighted(&mut dice, &shares)));
        }
        slots.sort_unstable();
        let mut last: HashMap<u32, i64> = HashMap::new();
        let mut passages = Vec::with_capacity(slots.len());
        for (second, gate) in slots {
            let here = streets.holders.get(self.gates[gate].compound).map_or(&[][..], Vec::as_slice);
            let visitor = here.is_empty() || happens(&mut dice, self.numbers.visitors);
            // Nobody goes through twice within an hour, where there are others.
            let mut person = (!visitor).then(|| here[dice.random_range(0..here.len())]);
            for _ in 0..8 {
                let again = person.is_some_and(|one| last.get(&one).is_some_and(|at| second / 3_600 == at / 3_600));
                if again {
                    person = Some(here[dice.random_range(0..here.len())]);
                }
            }
            let direction = match person {
                Some(one) if streets.outside.remove(&one) => Direction::In,
                Some(one) => {
                    streets.outside.insert(one);
                    Direction::Out
                }
                None => Direction::In,
            };
            if let Some(one) = person {
                last.insert(one, second);
            }
            let fever = happens(&mut dice, self.numbers.fevers);
            let temperature = if fever { dice.random_range(373..=385) } else { dice.random_range(358..=370) };
            let time = midnight + TimeDelta::seconds(second);
            passages.push(Passage { gate, person, time, direction, temperature });
        }
        passages
    }

    /// Who needs what: once a day at most.
    pub fn needs(&self, date: NaiveDate, day: u32) -> Vec<Need> {
        const KINDS: [NeedKind; 6] = [
            NeedKind::Food,
            NeedKind::Medicine,
            NeedKind::Errand,
            NeedKind::Transport,
            NeedKind::Company,
            NeedKind::Repair,
        ];
        const PRIORITIES: [NeedPriority; 3] = [NeedPriority::Normal, NeedPriority::Soon, NeedPriority::Urgent];
        let mut dice = dice(self.seed, "needs", day.into());
        let people = self.people.len().max(1);
        let count = self.numbers.needs_a_day();
        let mut needs: Vec<Need> = (0..count)
            .map(|_| Need {
                person: u32::try_from(dice.random_range(0..people)).unwrap_or(0),
                asked: at(date, 0, 0) + TimeDelta::minutes(dice.random_range(7 * 60..17 * 60)),
                kind: KINDS[dice.random_range(0..KINDS.len())],
                priority: PRIORITIES[weighted(&mut dice, &[6, 3, 1])],
                claimed_after: dice.random_range(1..=2),
                done_after: dice.random_range(1..=3),
            })
            .collect();
        let mut asked = HashSet::new();
        needs.retain(|need| asked.insert(need.person));
        needs
    }

    pub fn gifts(&self, date: NaiveDate, day: u32) -> Vec<Gift> {
        const ITEMS: [(&str, Unit); 6] = [
            ("口罩", Unit::Piece),
            ("酒精", Unit::Bottle),
            ("消毒液", Unit::Litre),
            ("玉米", Unit::Jin),
            ("大米", Unit::Kilogram),
            ("方便面", Unit::Box),
        ];
        let mut dice = dice(self.seed, "gifts", day.into());
        let mut gifts = Vec::new();
        for neighbourhood in 0..self.neighbourhoods.len() {
            if happens(&mut dice, self.numbers.donations) {
                let (item, unit) = ITEMS[dice.random_range(0..ITEMS.len())];
                gifts.push(Gift {
                    neighbourhood,
                    time: at(date, 0, 0) + TimeDelta::minutes(dice.random_range(8 * 60..18 * 60)),
                    item,
                    number: dice.random_range(1..=40) * 10,
                    unit,
                    unknown_giver: happens(&mut dice, 0.4),
                });
            }
        }
        gifts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::numbers::Numbers;

    fn first() -> NaiveDate {
        NaiveDate::from_ymd_opt(2020, 2, 11).unwrap()
    }

    fn crossed(days: u32) -> (World, Vec<Vec<Passage>>) {
        let world = World::new(1, Numbers::of_people(30_000));
        let mut streets = Streets { holders: vec![Vec::new(); world.compounds.len()], ..Streets::default() };
        for person in world.first_wave() {
            streets.holders[world.compound_of(*person)].push(*person);
        }
        let crossings = (0..days).map(|day| world.crossings(date(first(), day), day, &mut streets)).collect();
        (world, crossings)
    }

    #[test]
    fn hours_and_gates_have_their_shares() {
        assert_eq!(BY_HOUR.iter().sum::<u32>(), 100);
        let (world, days) = crossed(1);
        let all = &days[0];
        assert_eq!(all.len(), 12_800);
        for (hour, share) in BY_HOUR.iter().enumerate() {
            let begin = at(first(), 0, 0) + TimeDelta::hours(i64::try_from(hour).unwrap());
            let count =
                all.iter().filter(|one| (TimeDelta::zero()..TimeDelta::hours(1)).contains(&(one.time - begin))).count();
            let expected = 128 * *share as usize;
            assert!(count.abs_diff(expected) < 40 + expected / 8, "{hour}: {count} of {expected}");
        }
        let of_four = |gate: usize| world.compounds[world.gates[gate].compound].gates.len() == 4;
        let at_four: Vec<&Passage> = all.iter().filter(|one| of_four(one.gate)).collect();
        let main = at_four.iter().filter(|one| world.gates[one.gate].share == 45).count();
        assert!((40..50).contains(&(100 * main / at_four.len())), "{main} of {}", at_four.len());
    }

    #[test]
    fn whoever_goes_out_comes_in_next_whatever_the_day() {
        let (_, days) = crossed(3);
        let mut before: HashMap<u32, Direction> = HashMap::new();
        for passage in days.iter().flatten() {
            let Some(person) = passage.person else { continue };
            let expected = match before.insert(person, passage.direction) {
                Some(Direction::Out) => Direction::In,
                _ => Direction::Out,
            };
            assert_eq!(passage.direction, expected);
        }
        let visitors = days[0].iter().filter(|one| one.person.is_none()).count();
        assert!((60..250).contains(&visitors), "{visitors}");
    }

    #[test]
    fn a_day_says_the_same_whoever_asks() {
        assert_eq!(crossed(2).1, crossed(2).1);
        let (world, _) = crossed(0);
        assert_eq!(world.needs(first(), 0), world.needs(first(), 0));
        assert_eq!(world.gifts(first(), 0), world.gifts(first(), 0));
        assert!(!world.needs(first(), 0).is_empty());
    }

    #[test]
    fn desks_are_open_from_eight_to_twenty_two() {
        assert_eq!(turn(first(), 0, 3_000), at(first(), 8, 0));
        assert!(turn(first(), 2_999, 3_000) < at(first(), 22, 0));
    }
}
