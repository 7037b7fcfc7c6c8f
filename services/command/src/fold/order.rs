//! An order of isolation: in force and over, on which day of its period, and the readings that it owes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// Half-days with a reading, and whether the last one of each said fever or symptoms.
    taken: BTreeMap<HalfDay, bool>,
    /// Half-days whose reading went up because nobody took it in time.
    missed: BTreeSet<HalfDay>,
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

/// What an order makes of a household.
#[derive(PartialEq)]
struct Stay {
    household: String,
    place: Place,
    at_home: bool,
    completed: bool,
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
                self.terms(told, &event.terms.unwrap_or_default(), Standing::Proposed);
            }
            order_event::Event::Ordered(event) => {
                let terms = event.terms.unwrap_or_default();
                let place = self.places.number(&terms.residence.clone().unwrap_or_default().neighbourhood_id);
                self.count(told, place, Of::Day(Which::OrderedToday, told.day));
                self.terms(told, &terms, Standing::InForce);
            }
            order_event::Event::Observed(event) => self.observed(told, &event),
            order_event::Event::Missed(event) => self.missed(told, &event.slots),
            order_event::Event::Released(event) => {
                let completed = event.reason() == ReleaseReason::PeriodComplete;
                let Some(place) = self.orders.orders.get(told.id).map(|order| order.place) else { return };
                self.count(told, place, Of::Day(Which::ReleasedToday, told.day));
                let over = Some(begun(told.time));
                self.of_order(told, |order| {
                    order.standing = if completed { Standing::Completed } else { Standing::Ended };
                    order.over = over;
                });
            }
            order_event::Event::TransferDecided(event) if event.accepted => {
                let residence = event.residence.unwrap_or_default();
                let place = self.places.number(&residence.neighbourhood_id);
                self.carry(told, place);
                self.of_order(told, |order| (order.place, order.household) = (place, residence.household_id));
            }
            event => self.of_order(told, |order| order.says(event)),
        }
    }

    fn terms(&mut self, told: Told<'_>, terms: &Terms, standing: Standing) {
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

    /// A second reading of a half-day is a correction of the first.
    fn observed(&mut self, told: Told<'_>, event: &order_event::Observed) {
        let Some(order) = self.orders.orders.get_mut(told.id) else { return };
        let Some(slot) = half_day(&event.date, event.day_part()) else { return };
        let before = order.taken.insert(slot, event.fever_or_symptoms);
        let (place, on) = (order.place, day(slot.0));
        if before.is_none() {
            self.count(told, place, Of::Day(Which::ReadingsTaken, on));
        }
        let ill = i64::from(event.fever_or_symptoms) - i64::from(before.unwrap_or_default());
        if ill != 0 {
            self.book.add(&Share::one(place, Of::Day(Which::Symptoms, on)).times(ill), told.at);
            self.of_order(told, |_| {});
        }
    }

    /// One reading goes up several times, and not always from the lowest level on: it is counted once.
    fn missed(&mut self, told: Told<'_>, slots: &[Slot]) {
        let Some(order) = self.orders.orders.get_mut(told.id) else { return };
        let slots = slots.iter().filter_map(|slot| half_day(&slot.date, slot.day_part()));
        let new: Vec<HalfDay> = slots.filter(|slot| order.missed.insert(*slot)).collect();
        let place = order.place;
        for (date, _) in new {
            self.count(told, place, Of::Day(Which::ReadingsMissed, day(date)));
        }
    }

    /// Its readings go where it goes, as those do that it owes.
    fn carry(&mut self, told: Told<'_>, to: Place) {
        let Some(order) = self.orders.orders.get(told.id) else { return };
        for (which, date) in order.told_readings() {
            for (place, count) in [(order.place, -1), (to, 1)] {
                self.book.add(&Share::one(place, Of::Day(which, day(date))).times(count), told.at);
            }
        }
    }

    fn of_order(&mut self, told: Told<'_>, change: impl FnOnce(&mut Order)) {
        let Some(order) = self.orders.orders.get_mut(told.id) else { return };
        let before = order.stay();
        change(order);
        let shares = order.shares();
        self.book.change(&mut order.shares, shares, told.at);
        let after = order.stay();
        if before == after {
            return;
        }
        // The household that it was of may be another one now.
        for (stay, is_new) in [(before, false), (after, true)] {
            let Stay { household, place, at_home, completed } = stay;
            if at_home || completed {
                self.of_household(&household, place, told.at, |household| {
                    let counts = [(&mut household.home_isolations, at_home), (&mut household.completed, completed)];
                    for (count, counted) in counts {
                        let one = usize::from(counted);
                        *count = if is_new { *count + one } else { *count - one };
                    }
                });
            }
        }
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
                // Who is handed on from there has not been home in between.
                if self.away.last().is_none_or(|(_, until)| until.is_some()) {
                    // A hand-over in the first hours of a day owes nothing of that day.
                    let on = date(&event.date);
                    let last = half_day(&event.date, event.day_part());
                    self.away.push((last.unwrap_or((on.pred_opt().unwrap_or(on), true)), None));
                }
            }
            order_event::Event::Breached(_) | order_event::Event::Sighted(_) => self.breaches += 1,
            order_event::Event::Moved(event) => {
                self.kind = event.kind();
                let home = event.home_from.as_ref().and_then(|slot| half_day(&slot.date, slot.day_part()));
                if let (Some(home), Some((_, until))) = (home, self.away.last_mut()) {
                    until.get_or_insert(home);
                }
            }
            // Nothing where the end stays as it was.
            order_event::Event::DayZeroProved(event) => self.end_on(&event.last_day),
            order_event::Event::ChangeDecided(event) => self.end_on(&event.last_day),
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
            | order_event::Event::TransferProposed(_)
            | order_event::Event::TransferDecided(_) => {}
        }
    }

    fn end_on(&mut self, last_day: &str) {
        self.last_day = last_day.parse().unwrap_or(self.last_day);
    }

    /// Readings that were taken, ill or missed, each with its day.
    fn told_readings(&self) -> impl Iterator<Item = (Which, NaiveDate)> {
        let taken = self.taken.keys().map(|(date, _)| (Which::ReadingsTaken, *date));
        let ill = self.taken.iter().filter(|(_, ill)| **ill).map(|((date, _), _)| (Which::Symptoms, *date));
        taken.chain(ill).chain(self.missed.iter().map(|(date, _)| (Which::ReadingsMissed, *date)))
    }

    fn stay(&self) -> Stay {
        let at_home = self.standing == Standing::InForce && self.kind == Kind::Home;
        Stay { household: self.household.clone(), place: self.place, at_home, completed: self.completed() }
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
        let ill = self.taken.iter().rev().find(|(_, ill)| **ill).map(|((date, _), _)| *date);
        let well = ill.and_then(|day| day.checked_add_days(Days::new(WELL))).unwrap_or(NaiveDate::MIN);
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

/// `None` where it is none.
fn half_day(date: &str, part: DayPart) -> Option<HalfDay> {
    let evening = match part {
        DayPart::Morning => false,
        DayPart::Evening => true,
        DayPart::Unspecified => return None,
    };
    Some((date.parse().ok()?, evening))
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

#[cfg(test)]
mod tests;
