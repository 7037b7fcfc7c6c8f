//! Random lives of a few people in two neighbourhoods, as the services would record them; then every minute of them is asked
//! for, and counted by plain counting.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proto::event::v1::Record;

use super::street::{Street, differing, picture};
use crate::LOGS;

/// Homes, visits, watch, duties, rounds, volunteers.
mod registry;
/// Cases and methods.
mod screening;
/// Passes, recalls, crossings.
mod gates;
/// Orders, confirmed cases, needs, stock.
mod isolation;

/// One thing that happens: what it is, whom it is about, how it is, and minutes since the one before.
type Act = (u32, usize, u64, i64);

/// What the services would know.
struct World {
    street: Street,
    people: Vec<Person>,
    orders: Vec<isolation::Order>,
    needs: Vec<isolation::Need>,
    /// Donations with something left of them, and how many there were.
    lots: Vec<(String, i64)>,
    donations: usize,
    confirmed: [isolation::Stage; 2],
    recalled: bool,
    cases: usize,
    numbers: usize,
    methods: usize,
    /// So many records may be about one person.
    most: usize,
    how: u64,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "what may happen to somebody next depends on each by itself")]
struct Person {
    id: String,
    /// "n1/h2"
    place: String,
    registered: bool,
    moved_out: bool,
    merged: bool,
    erased: bool,
    flagged: bool,
    volunteers: bool,
    /// The latest, and each that there was.
    case: Option<screening::Case>,
    older: Vec<screening::Case>,
    pass: Option<gates::Pass>,
    records: usize,
}

/// Few, so that much happens to each.
const PEOPLE: usize = 5;

impl World {
    fn new(most: usize) -> Self {
        let person = |number: usize| Person {
            id: format!("r{number}"),
            place: format!("n{}/h{}", number % 2 + 1, number % 4),
            ..Person::default()
        };
        let mut world = Self {
            street: Street::new(),
            people: (0..PEOPLE).map(person).collect(),
            orders: Vec::new(),
            needs: Vec::new(),
            lots: Vec::new(),
            donations: 0,
            confirmed: Default::default(),
            recalled: false,
            cases: 0,
            numbers: 0,
            methods: 0,
            most,
            how: 0,
        };
        world.settle_in();
        world
    }

    /// One of so many ways in which it can be.
    fn roll(&mut self, sides: u64) -> u64 {
        let rolled = self.how % sides;
        self.how /= sides;
        rolled
    }

    fn act(&mut self, (what, who, how, pause): Act) {
        self.street.now += TimeDelta::minutes(pause);
        self.how = how;
        let who = who % PEOPLE;
        // Whatever can be said of a person who is in two registers is said of them at once.
        let of_a_person = what % 20 < 12;
        if of_a_person && self.people[who].records >= self.most {
            return;
        }
        let before = self.street.records.len();
        match what % 20 {
            0..2 => self.dwell(who),
            2 => self.visit(who),
            3 => self.watch(who),
            4..8 => self.screen(who),
            8..10 => self.hold(who),
            10..12 => self.cross(who),
            12 => self.recall(),
            13..17 => self.isolate(who),
            17 => self.care(who),
            18 => self.serve(who),
            _ => self.publish_or_confirm(who),
        }
        if of_a_person {
            self.people[who].records += self.street.records.len() - before;
        }
    }
}

fn lived(acts: Vec<Act>, most: usize) -> Street {
    let mut world = World::new(most);
    for act in acts {
        world.act(act);
    }
    world.street
}

fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    // Now one thing after the other, now nothing for a day.
    let pause = prop_oneof![6 => 0..15_i64, 1 => 0..1_500_i64];
    proptest::collection::vec((0..20_u32, 0..PEOPLE, any::<u64>(), pause), 1..most)
}

/// Any moment from before the first record to days after the last.
fn moment(street: &Street, share: f64) -> DateTime<Utc> {
    let begun = super::street::time("2020-02-10 06:50");
    let minutes = (street.now - begun).num_minutes();
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any minute will do")]
    let minute = (minutes as f64 * share) as i64;
    begun + TimeDelta::minutes(minute)
}

/// The same records, those of each log in their order and the logs in any.
fn mixed(records: &[Arc<Record>], order: &[usize]) -> Vec<Arc<Record>> {
    let mut lanes: Vec<VecDeque<&Arc<Record>>> =
        LOGS.map(|log| records.iter().filter(|record| record.log == log).collect()).into();
    let mut mixed = Vec::new();
    for lane in order.iter().cycle() {
        if lanes.iter().all(VecDeque::is_empty) {
            break;
        }
        mixed.extend(lanes[lane % LOGS.len()].pop_front().cloned());
    }
    mixed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_minute_of_a_life_is_what_a_plain_count_says(
        acts in acts(220),
        asked in proptest::collection::vec(0.0..1.0_f64, 6),
        later in 0..40_000_i64,
    ) {
        let street = lived(acts, usize::MAX);
        let picture = picture(&street.records);
        for share in asked {
            let shown = picture.as_of(moment(&street, share));
            prop_assert_eq!(differing(&street.records, &shown, true), "", "as of {}", shown.time);
        }
        let live = picture.live(street.now + TimeDelta::minutes(later));
        prop_assert_eq!(differing(&street.records, &live, false), "", "at {}", live.time);
        prop_assert_eq!(picture.as_of(live.time).figures, live.figures, "what is known now is what will have been known");
    }

    /// A log that is late changes what was known of the minutes that it tells of, and nothing is counted twice.
    #[test]
    fn in_whatever_order_the_logs_come_the_same_is_known(
        acts in acts(90),
        // One lane after the other, or long stretches of one.
        order in proptest::collection::vec(0..4_usize, 4..40).prop_filter("each log comes", |order| (0..4).all(|lane| order.contains(&lane))),
        asked in proptest::collection::vec(0.0..1.0_f64, 4),
        part in 0.0..1.0_f64,
    ) {
        let street = lived(acts, 12);
        let mixed = mixed(&street.records, &order);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "any part will do")]
        let some = &mixed[..(mixed.len() as f64 * part) as usize];
        let early = picture(some).live(street.now);
        prop_assert_eq!(differing(some, &early, false), "", "after {} records", some.len());
        let picture = picture(&mixed);
        for share in asked {
            let shown = picture.as_of(moment(&street, share));
            prop_assert_eq!(differing(&mixed, &shown, true), "", "as of {}", shown.time);
        }
        let live = picture.live(street.now);
        prop_assert_eq!(differing(&mixed, &live, false), "");
    }
}
