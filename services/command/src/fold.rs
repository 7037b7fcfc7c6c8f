//! The four logs folded into one book. Each kind of thing that is counted has a file, which says what its records mean and which
//! shares it has; the book sees only what changed. Within a log, what a record says is known from its time on; where two logs
//! speak of the same person, whose record came first does not matter.

/// Who lives here, what their screening says, where they were seen.
pub mod person;
/// Households: registered, visited, with passes, in isolation.
pub mod household;
/// Passes, and what happens at gates.
pub mod gates;
/// Isolation: orders and their readings.
pub mod order;
/// Needs, and what there is to meet them.
pub mod care;
/// Rosters, rounds, volunteers.
pub mod duty;
/// Methods, and what units set by hand.
pub mod method;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use proto::{
    Fact, UnreadableFact,
    event::v1::Record,
    isolation::v1::{confirmed_case_event, need_event, order_event, stock_event},
    pass::v1::{gate_day_event, holder_event, keyring_event, recall_event},
    registry::v1::{
        household_event, key_person_event, neighbourhood_event, resident_event, roster_event, round_event,
        visits_event, volunteer_event,
    },
    screening::v1::{case_event, method_event},
};

use crate::{
    book::{Book, Minute, Of, Place, Share},
    figures::Which,
};

/// All that the logs say, as far as it is counted.
#[derive(Default)]
pub struct Fold {
    pub book: Book,
    pub places: Names,
    /// What neighbourhoods are called.
    pub neighbourhoods: BTreeMap<Place, String>,
    pub methods: method::Methods,
    pub units: Names,
    /// The latest time of any record.
    pub latest: DateTime<Utc>,
    people: person::People,
    households: household::Households,
    gates: gates::Gates,
    orders: order::Orders,
    care: care::Care,
    duty: duty::Duty,
    /// When each log was last heard: nothing of it is known before what came earlier.
    heard: HashMap<String, DateTime<Utc>>,
}

/// What a record tells beside its event.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// The stream that it is of.
    pub id: &'a str,
    /// Since when it is known, and the first minute of that.
    pub time: DateTime<Utc>,
    pub at: Minute,
    /// The calendar day of it.
    pub day: u32,
}

/// Names by numbers.
#[derive(Default)]
pub struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    pub fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub fn name(&self, number: u32) -> &str {
        self.names.get(usize::try_from(number).unwrap_or(usize::MAX)).map_or("", String::as_str)
    }
}

impl Fold {
    /// Takes in a record of any of the four logs; those of one log in order. A record that cannot be read changes nothing.
    pub fn take(&mut self, record: &Record) -> Result<(), UnreadableFact> {
        let (time, payload) = (self.known_since(record), &*record.payload);
        let day = crate::book::day(chassis::day_of(time));
        let told = Told { id: &record.stream_id, time, at: Minute::from(time), day };
        match record.category.as_str() {
            neighbourhood_event::Event::CATEGORY => {
                let neighbourhood_event::Event::Opened(event) = neighbourhood_event::Event::from_payload(payload)?;
                let place = self.places.number(told.id);
                self.neighbourhoods.insert(place, event.display_name);
            }
            household_event::Event::CATEGORY => {
                self.household(told, &household_event::Event::from_payload(payload)?);
            }
            visits_event::Event::CATEGORY => self.visited(told, &visits_event::Event::from_payload(payload)?),
            resident_event::Event::CATEGORY => self.resident(told, resident_event::Event::from_payload(payload)?),
            key_person_event::Event::CATEGORY => self.watched(told, &key_person_event::Event::from_payload(payload)?),
            roster_event::Event::CATEGORY => self.roster(told, roster_event::Event::from_payload(payload)?),
            round_event::Event::CATEGORY => self.round(told, round_event::Event::from_payload(payload)?),
            volunteer_event::Event::CATEGORY => self.volunteer(told, volunteer_event::Event::from_payload(payload)?),
            case_event::Event::CATEGORY => self.case(told, case_event::Event::from_payload(payload)?),
            method_event::Event::CATEGORY => self.method(told, record, method_event::Event::from_payload(payload)?),
            holder_event::Event::CATEGORY => self.holder(told, holder_event::Event::from_payload(payload)?),
            recall_event::Event::CATEGORY => self.recall(told, &recall_event::Event::from_payload(payload)?),
            keyring_event::Event::CATEGORY => self.keyring(told, &keyring_event::Event::from_payload(payload)?),
            gate_day_event::Event::CATEGORY => {
                self.crossing(told, &record.office, gate_day_event::Event::from_payload(payload)?);
            }
            order_event::Event::CATEGORY => self.order(told, order_event::Event::from_payload(payload)?),
            confirmed_case_event::Event::CATEGORY => {
                self.confirmed_case(told, confirmed_case_event::Event::from_payload(payload)?);
            }
            need_event::Event::CATEGORY => self.need(told, need_event::Event::from_payload(payload)?),
            stock_event::Event::CATEGORY => self.stock(told, stock_event::Event::from_payload(payload)?),
            _ => {}
        }
        self.heard.insert(record.log.clone(), time);
        self.latest = self.latest.max(time);
        Ok(())
    }

    /// Since when something is known: since the log took it in, or, on a demonstration, the time that its request named. Never
    /// before what the log had said earlier.
    fn known_since(&self, record: &Record) -> DateTime<Utc> {
        let time = |stamp: &Option<_>| stamp.as_ref().and_then(chassis::instant).unwrap_or_default();
        let before = self.heard.get(&record.log).copied().unwrap_or_default();
        time(&record.recorded_at).max(time(&record.occurred_at)).max(before)
    }

    /// Counts something that happened once.
    fn count(&mut self, told: Told<'_>, place: Place, of: Of) {
        self.book.add(&Share::one(place, of), told.at);
    }

    /// Who or what a figure counts in one place at this minute, by name; `None` for figures that no list stands behind.
    pub fn counted(&self, which: Which, place: Place, now: Minute) -> Option<Vec<String>> {
        let wanted = |shares: &[Share]| {
            let of = Of::Figure(which);
            shares.iter().any(|share| {
                share.of == of && share.place == place && share.from <= now && now < share.until && share.count > 0
            })
        };
        let mut names: Vec<String> = match things(which)? {
            Things::People => self.people.counted(wanted),
            Things::Households => self.households.counted(wanted),
            Things::Passes => self.gates.counted(wanted),
            Things::Orders => self.orders.counted(wanted),
            Things::Needs => self.care.counted(wanted),
            Things::Volunteers => self.duty.counted(wanted),
        };
        names.sort_unstable();
        Some(names)
    }
}

/// What a figure counts, where each of it can be named.
pub enum Things {
    People,
    Households,
    Passes,
    Orders,
    Needs,
    Volunteers,
}

/// `None` for figures that no list stands behind.
pub fn things(which: Which) -> Option<Things> {
    Some(match which {
        Which::Residents
        | Which::Screened
        | Which::Clear
        | Which::DeclaredKeyArea
        | Which::Concealed
        | Which::Undeclared
        | Which::ToAsk
        | Which::Disputed
        | Which::DisputesLate
        | Which::Overridden
        | Which::OverridesProposed
        | Which::ManualVerdicts
        | Which::KeyPersons
        | Which::KeyPersonsSeen
        | Which::Inside
        | Which::Outside => Things::People,
        Which::Households
        | Which::Rented
        | Which::VisitedHouseholds
        | Which::NeverVisitedHouseholds
        | Which::HouseholdsWithPass
        | Which::HomeIsolationHouseholds
        | Which::ReleasedHouseholds => Things::Households,
        Which::Passes => Things::Passes,
        Which::HomeIsolationPersons
        | Which::CentralIsolationPersons
        | Which::WatchedPersons
        | Which::HandedOver
        | Which::ReleasedPersons
        | Which::Breaches
        | Which::OrdersProposed => Things::Orders,
        Which::NeedsOpen | Which::NeedsClaimed | Which::NeedsLate => Things::Needs,
        Which::Volunteers => Things::Volunteers,
        _ => return None,
    })
}

/// Of what a map of things holds, the names of those whose shares are wanted.
fn names<'a>(
    collection: &str,
    shares: impl Iterator<Item = (&'a String, &'a Vec<Share>)>,
    wanted: impl Fn(&[Share]) -> bool,
) -> Vec<String> {
    shares.filter(|(_, shares)| wanted(shares)).map(|(id, _)| format!("{collection}/{id}")).collect()
}

fn time(stamp: Option<&prost_types::Timestamp>) -> DateTime<Utc> {
    stamp.and_then(chassis::instant).unwrap_or_default()
}
