//! An order of isolation: in force and over, on which day of its period, and the readings that it owes.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, Timelike as _, Utc};
use proto::isolation::v1::{DayPart, Kind, ReleaseReason, Slot, Terms, confirmed_case_event, order_event};

use super::{Fold, Told, names};
use crate::{
    book::{Of, Place, Share, day},
    figures::Which,
};

#[derive(Default)]
pub(super) struct Orders {
    orders: HashMap<String, Order>,
    confirmed: HashMap<String, Vec<Share>>,
}

#[derive(Default)]
struct Order {
    place: Place,
    household: String,
    kind: Kind,
    standing: Standing,
    handed_over: bool,
    breaches: i64,
    /// The first half-day whose reading is owed, and the last day.
    first: HalfDay,
    last_day: NaiveDate,
    /// The last day with fever or symptoms.
    ill_on: Option<NaiveDate>,
    /// When somebody else observed: after this half-day, and before that one.
    away: Vec<(HalfDay, Option<HalfDay>)>,
    /// The last half-day that had begun when it was over.
    over: Option<HalfDay>,
    shares: Vec<Share>,
}

#[derive(Default, PartialEq)]
enum Standing {
    #[default]
    Proposed,
    InForce,
    /// After its whole period.
    Completed,
    /// Otherwise.
    Ended,
}

/// A day, and whether it is its evening.
type HalfDay = (NaiveDate, bool);

/// So many days without must follow a reading with fever or symptoms (R13), as isolation has it.
const WELL: u64 = 3;

/// From this hour on the evening's reading is owed, and from that one the morning's, as isolation has it.
const EVENING: u32 = 16;
const MORNING: u32 = 6;

impl Orders {
    pub(super) fn counted(&self, wanted: impl Fn(&[Share]) -> bool) -> Vec<String> {
        names("orders", self.orders.iter().map(|(id, order)| (id, &order.shares)), wanted)
    }
}

impl Fold {
    pub(super) fn order(&mut self, told: Told<'_>, event: order_event::Event) {
        match event {
            order_event::Event::Proposed(event) => {
                self.terms(told, event.terms.unwrap_or_default(), Standing::Proposed)
            }
            order_event::Event::Ordered(event) => {
                let terms = event.terms.unwrap_or_default();
                let place = self.places.number(&terms.residence.clone().unwrap_or_default().neighbourhood_id);
                self.count(told, place, Of::Day(Which::OrderedToday, told.day));
                self.terms(told, terms, Standing::InForce);
            }
            order_event::Event::Observed(event) => self.observed(told, &event),
            order_event::Event::Missed(event) => {
                // Each is told once at every level; it is counted when it is told first.
                if event.level() == proto::isolation::v1::Level::Grid || event.level == 0 {
                    let Some(place) = self.orders.orders.get(told.id).map(|order| order.place) else { return };
                    for slot in &event.slots {
                        self.count(told, place, Of::Day(Which::ReadingsMissed, day(half_day(slot).0)));
                    }
                }
            }
            order_event::Event::Released(event) => {
                let completed = event.reason() == ReleaseReason::PeriodComplete;
                let place = self.orders.orders.get(told.id).map(|order| order.place);
                self.count(told, place.unwrap_or_default(), Of::Day(Which::ReleasedToday, told.day));
                let over = Some(begun(told.time));
                self.of_order(told, |order| {
                    order.standing = if completed { Standing::Completed } else { Standing::Ended };
                    order.over = over;
                });
            }
            order_event::Event::TransferDecided(event) if event.accepted => {
                let residence = event.residence.unwrap_or_default();
                let place = self.places.number(&residence.neighbourhood_id);
                self.leave(told);
                self.of_order(told, |order| (order.place, order.household) = (place, residence.household_id));
            }
            event => self.of_order(told, |order| order.says(event)),
        }
    }

    fn terms(&mut self, told: Told<'_>, terms: Terms, standing: Standing) {
        let residence = terms.residence.clone().unwrap_or_default();
        let place = self.places.number(&residence.neighbourhood_id);
        self.orders.orders.entry(told.id.to_owned()).or_default();
        self.of_order(told, |order| {
            (order.place, order.household, order.kind) = (place, residence.household_id, terms.kind());
            order.standing = standing;
            order.first = (date(&terms.observed_from), terms.first_day_part() == DayPart::Evening);
            order.last_day = date(&terms.last_day);
        });
    }

    fn observed(&mut self, told: Told<'_>, event: &order_event::Observed) {
        let Some(place) = self.orders.orders.get(told.id).map(|order| order.place) else { return };
        let on = date(&event.date);
        self.count(told, place, Of::Day(Which::ReadingsTaken, day(on)));
        if event.fever_or_symptoms {
            self.count(told, place, Of::Day(Which::Symptoms, day(on)));
            self.of_order(told, |order| order.ill_on = order.ill_on.max(Some(on)));
        }
    }

    /// The household that it was of is no longer in isolation by it.
    fn leave(&mut self, told: Told<'_>) {
        let Some(order) = self.orders.orders.get(told.id) else { return };
        let (at_home, completed) = (order.at_home(), order.completed());
        let (household, place) = (order.household.clone(), order.place);
        self.of_household(&household, place, told.at, |household| {
            household.home_isolations -= usize::from(at_home);
            household.completed -= usize::from(completed);
        });
        if let Some(order) = self.orders.orders.get_mut(told.id) {
            order.household = String::new();
        }
    }

    fn of_order(&mut self, told: Told<'_>, change: impl FnOnce(&mut Order)) {
        let Some(order) = self.orders.orders.get_mut(told.id) else { return };
        // A household that has just been left counts it no more.
        let before = (!order.household.is_empty()).then(|| (order.at_home(), order.completed()));
        change(order);
        let shares = order.shares();
        self.book.change(&mut order.shares, shares, told.at);
        let (was_home, was_completed) = before.unwrap_or_default();
        let (at_home, completed) = (order.at_home(), order.completed());
        if (was_home, was_completed) == (at_home, completed) {
            return;
        }
        let (household, place) = (order.household.clone(), order.place);
        self.of_household(&household, place, told.at, |household| {
            household.home_isolations = household.home_isolations + usize::from(at_home) - usize::from(was_home);
            household.completed = household.completed + usize::from(completed) - usize::from(was_completed);
        });
    }

    pub(super) fn confirmed_case(&mut self, told: Told<'_>, event: confirmed_case_event::Event) {
        let shares = match event {
            confirmed_case_event::Event::Confirmed(event) => {
                let residence = event.terms.unwrap_or_default().residence.unwrap_or_default();
                let place = self.places.number(&residence.neighbourhood_id);
                vec![Share::one(place, Of::Figure(Which::ConfirmedCases))]
            }
            confirmed_case_event::Event::Withdrawn(_) => Vec::new(),
            confirmed_case_event::Event::Reported(_) => return,
        };
        let before = self.orders.confirmed.entry(told.id.to_owned()).or_default();
        self.book.change(before, shares, told.at);
    }
}

impl Order {
    fn says(&mut self, event: order_event::Event) {
        match event {
            order_event::Event::HandedOver(event) => {
                self.handed_over = true;
                // A hand-over in the first hours of a day owes nothing of that day.
                let last = match event.day_part() {
                    DayPart::Unspecified => date(&event.date).pred_opt().map(|before| (before, true)),
                    part => Some((date(&event.date), part == DayPart::Evening)),
                };
                self.away.push((last.unwrap_or_default(), None));
            }
            order_event::Event::Breached(_) | order_event::Event::Sighted(_) => self.breaches += 1,
            order_event::Event::Moved(event) => {
                self.kind = event.kind();
                if let (Some(home), Some((_, until))) = (&event.home_from, self.away.last_mut()) {
                    *until = Some(half_day(home));
                }
            }
            order_event::Event::DayZeroProved(event) => self.last_day = date(&event.last_day),
            order_event::Event::ChangeDecided(event) if event.approved && !event.last_day.is_empty() => {
                self.last_day = date(&event.last_day);
            }
            order_event::Event::Proposed(_)
            | order_event::Event::Ordered(_)
            | order_event::Event::Observed(_)
            | order_event::Event::Missed(_)
            | order_event::Event::Released(_)
            | order_event::Event::Acknowledged(_)
            | order_event::Event::CodeOpened(_)
            | order_event::Event::Assigned(_)
            | order_event::Event::HomeChecked(_)
            | order_event::Event::ChangeProposed(_)
            | order_event::Event::ChangeDecided(_)
            | order_event::Event::TransferProposed(_)
            | order_event::Event::TransferDecided(_) => {}
        }
    }

    fn at_home(&self) -> bool {
        self.standing == Standing::InForce && self.kind == Kind::Home
    }

    fn completed(&self) -> bool {
        self.standing == Standing::Completed && matches!(self.kind, Kind::Home | Kind::Central)
    }

    fn shares(&self) -> Vec<Share> {
        let one = |which| Share::one(self.place, Of::Figure(which));
        let mut shares = Vec::new();
        match self.standing {
            Standing::Proposed => shares.push(one(Which::OrdersProposed)),
            Standing::InForce => {
                shares.push(one(match self.kind {
                    Kind::Central => Which::CentralIsolationPersons,
                    Kind::Home => Which::HomeIsolationPersons,
                    Kind::Watch | Kind::Unspecified => Which::WatchedPersons,
                }));
                let began = day(self.first.0);
                shares.push(Share::one(self.place, Of::Isolation(self.kind as i32, began)));
            }
            Standing::Completed if self.completed() => shares.push(one(Which::ReleasedPersons)),
            Standing::Completed | Standing::Ended => {}
        }
        if self.handed_over {
            shares.push(one(Which::HandedOver));
        }
        if self.breaches > 0 {
            shares.push(one(Which::Breaches).times(self.breaches));
        }
        shares.extend(self.readings());
        shares
    }

    /// The readings that it owes, day by day.
    fn readings(&self) -> Vec<Share> {
        if self.standing == Standing::Proposed {
            return Vec::new();
        }
        let well = self.ill_on.and_then(|day| day.checked_add_days(Days::new(WELL))).unwrap_or(NaiveDate::MIN);
        let last = (self.last_day.max(well), true);
        let last = self.over.map_or(last, |over| over.min(last));
        let owed = |slot: HalfDay| {
            slot >= self.first
                && slot <= last
                && !self.away.iter().any(|(after, until)| slot > *after && until.is_none_or(|until| slot < until))
        };
        let mut shares = Vec::new();
        for date in self.first.0.iter_days().take_while(|date| *date <= last.0).take(LONGEST) {
            let readings = i64::from(owed((date, false))) + i64::from(owed((date, true)));
            if readings > 0 {
                shares.push(Share::one(self.place, Of::Day(Which::ReadingsDue, day(date))).times(readings));
            }
        }
        shares
    }
}

/// Days that an order can have; a date that is wrong by centuries must not fill the book.
const LONGEST: usize = 400;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap_or_default()
}

fn half_day(slot: &Slot) -> HalfDay {
    (date(&slot.date), slot.day_part() == DayPart::Evening)
}

/// The last half-day that has begun at a time.
fn begun(time: DateTime<Utc>) -> HalfDay {
    let local = time.with_timezone(&chassis::CALENDAR);
    let today = local.date_naive();
    match local.hour() {
        ..MORNING => (today.pred_opt().unwrap_or(today), true),
        MORNING..EVENING => (today, false),
        _ => (today, true),
    }
}
