//! Orders with all that they were told, half-day by half-day, and confirmed cases.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Timelike as _, Utc};
use proto::{
    Fact as _, UnreadableFact,
    command::v1::IsolationDay,
    isolation::v1::{DayPart, Kind, ReleaseReason, Slot, Terms, confirmed_case_event, order_event},
    registry::v1::Residence,
};

use super::{Counting, Told, tally};

#[derive(Default)]
pub(super) struct Isolation {
    orders: BTreeMap<String, Order>,
    /// Neighbourhood and day of each beginning and of each end.
    began: Vec<(String, NaiveDate)>,
    ended: Vec<(String, NaiveDate)>,
    /// The neighbourhood of each confirmed case that was not withdrawn.
    confirmed: HashMap<String, String>,
}

#[derive(Default)]
struct Order {
    residence: Residence,
    kind: Kind,
    in_force: bool,
    released: Option<Release>,
    handed_over: bool,
    breaches: i64,
    /// The first half-day that is owed, and the last day of the period.
    first: Half,
    last_day: NaiveDate,
    /// What was read on a half-day: whether there were fever or symptoms.
    readings: BTreeMap<Half, bool>,
    missed: BTreeSet<Half>,
    /// Half-days between these two were somebody else's to observe.
    away: Vec<(Half, Option<Half>)>,
}

struct Release {
    reason: ReleaseReason,
    at: DateTime<Utc>,
}

/// Twice the number of its day, and one more in the evening.
type Half = i64;

impl Isolation {
    pub(super) fn read(&mut self, told: &Told<'_>) -> Result<(), UnreadableFact> {
        if told.category == order_event::Event::CATEGORY {
            self.order(told, order_event::Event::from_payload(told.payload)?);
        } else if told.category == confirmed_case_event::Event::CATEGORY {
            match confirmed_case_event::Event::from_payload(told.payload)? {
                confirmed_case_event::Event::Reported(_) => {}
                confirmed_case_event::Event::Confirmed(event) => {
                    let residence = event.terms.unwrap_or_default().residence.unwrap_or_default();
                    self.confirmed.insert(told.id.to_owned(), residence.neighbourhood_id);
                }
                confirmed_case_event::Event::Withdrawn(_) => {
                    self.confirmed.remove(told.id);
                }
            }
        }
        Ok(())
    }

    fn order(&mut self, told: &Told<'_>, event: order_event::Event) {
        let begins = matches!(event, order_event::Event::Proposed(_) | order_event::Event::Ordered(_));
        if begins {
            self.orders.entry(told.id.to_owned()).or_default();
        }
        let Some(order) = self.orders.get_mut(told.id) else { return };
        match event {
            order_event::Event::Proposed(event) => order.adopt(event.terms.unwrap_or_default()),
            order_event::Event::Ordered(event) => {
                order.adopt(event.terms.unwrap_or_default());
                order.in_force = true;
                self.began.push((order.residence.neighbourhood_id.clone(), told.day));
            }
            order_event::Event::Released(event) => {
                self.ended.push((order.residence.neighbourhood_id.clone(), told.day));
                order.in_force = false;
                order.released = Some(Release { reason: event.reason(), at: told.known });
            }
            event => order.hear(event),
        }
    }

    pub(super) fn count(&self, counting: &mut Counting) {
        for (neighbourhood, day) in &self.began {
            counting.of(neighbourhood).ordered_today += i64::from(*day == counting.today);
        }
        for (neighbourhood, day) in &self.ended {
            counting.of(neighbourhood).released_today += i64::from(*day == counting.today);
        }
        for neighbourhood in self.confirmed.values() {
            counting.of(neighbourhood).confirmed_cases += 1;
        }
        for order in self.orders.values() {
            order.count(counting);
        }
        let households = |wanted: &dyn Fn(&Order) -> bool| -> BTreeSet<(String, String)> {
            let wanted = self.orders.values().filter(|order| wanted(order));
            wanted.map(|o| (o.residence.neighbourhood_id.clone(), o.residence.household_id.clone())).collect()
        };
        for (neighbourhood, _) in households(&|order| order.in_force && order.kind == Kind::Home) {
            counting.of(&neighbourhood).home_isolation_households += 1;
        }
        for (neighbourhood, _) in households(&Order::completed) {
            counting.of(&neighbourhood).released_households += 1;
        }
        let today = counting.today;
        let days = self.orders.values().filter(|order| order.in_force).map(|order| {
            let day = halves(today).div_euclid(2) - order.first.div_euclid(2) + 1;
            (order.residence.neighbourhood_id.clone(), order.kind as i32, i32::try_from(day).unwrap_or(i32::MAX))
        });
        for ((neighbourhood, kind, day), persons) in tally(days) {
            let line = IsolationDay { kind, day, persons };
            counting.shown.isolation_days.entry(neighbourhood).or_default().push(line);
        }
    }
}

impl Order {
    fn adopt(&mut self, terms: Terms) {
        self.kind = terms.kind();
        let evening = terms.first_day_part() == DayPart::Evening;
        self.first = halves(date(&terms.observed_from)) + i64::from(evening);
        self.last_day = date(&terms.last_day);
        self.residence = terms.residence.unwrap_or_default();
    }

    fn hear(&mut self, event: order_event::Event) {
        match event {
            order_event::Event::Observed(event) => {
                if let Some(half) = half(&event.date, event.day_part()) {
                    self.readings.insert(half, event.fever_or_symptoms);
                }
            }
            order_event::Event::Missed(event) => {
                self.missed.extend(event.slots.iter().filter_map(of_slot));
            }
            order_event::Event::HandedOver(event) => {
                self.handed_over = true;
                let morning = halves(date(&event.date));
                let last = half(&event.date, event.day_part()).unwrap_or(morning - 1);
                // Who is away already goes from one place to another.
                if self.away.last().is_none_or(|(_, home)| home.is_some()) {
                    self.away.push((last, None));
                }
            }
            order_event::Event::Moved(event) => {
                self.kind = event.kind();
                if let (Some(half), Some((_, home))) =
                    (event.home_from.as_ref().and_then(of_slot), self.away.last_mut())
                    && home.is_none()
                {
                    *home = Some(half);
                }
            }
            order_event::Event::Breached(_) | order_event::Event::Sighted(_) => self.breaches += 1,
            order_event::Event::DayZeroProved(event) => {
                self.last_day = event.last_day.parse().unwrap_or(self.last_day);
            }
            order_event::Event::ChangeDecided(event) => {
                self.last_day = event.last_day.parse().unwrap_or(self.last_day);
            }
            order_event::Event::TransferDecided(event) => {
                if event.accepted {
                    self.residence = event.residence.unwrap_or_default();
                }
            }
            order_event::Event::Proposed(_)
            | order_event::Event::Ordered(_)
            | order_event::Event::Released(_)
            | order_event::Event::Acknowledged(_)
            | order_event::Event::CodeOpened(_)
            | order_event::Event::Assigned(_)
            | order_event::Event::HomeChecked(_)
            | order_event::Event::ChangeProposed(_)
            | order_event::Event::TransferProposed(_) => {}
        }
    }

    fn completed(&self) -> bool {
        let complete = self.released.as_ref().is_some_and(|end| end.reason == ReleaseReason::PeriodComplete);
        complete && matches!(self.kind, Kind::Home | Kind::Central)
    }

    fn count(&self, counting: &mut Counting) {
        let morning = halves(counting.today);
        let today = [morning, morning + 1];
        let figures = counting.of(&self.residence.neighbourhood_id);
        figures.breaches += self.breaches;
        figures.handed_over += i64::from(self.handed_over);
        figures.released_persons += i64::from(self.completed());
        match (self.in_force, self.kind) {
            (true, Kind::Home) => figures.home_isolation_persons += 1,
            (true, Kind::Central) => figures.central_isolation_persons += 1,
            (true, Kind::Watch | Kind::Unspecified) => figures.watched_persons += 1,
            (false, _) => figures.orders_proposed += i64::from(self.released.is_none()),
        }
        for half in today {
            figures.readings_due += i64::from(self.owes(half));
            figures.readings_taken += i64::from(self.readings.contains_key(&half));
            figures.readings_missed += i64::from(self.missed.contains(&half));
            figures.symptoms += i64::from(self.readings.get(&half).is_some_and(|ill| *ill));
        }
    }

    /// Whether the neighbourhood owes the reading of this half-day: within the period, or the three days that must follow the
    /// last with symptoms, while nobody else observes, and not after the release.
    fn owes(&self, half: Half) -> bool {
        if !self.in_force && self.released.is_none() {
            return false;
        }
        let ill = self.readings.iter().filter(|(_, ill)| **ill).map(|(half, _)| half.div_euclid(2)).max();
        let last_day = halves(self.last_day).div_euclid(2).max(ill.map_or(0, |day| day + 3));
        let over = self.released.as_ref().is_some_and(|end| half > present(end.at));
        let away = self.away.iter().any(|(last, home)| half > *last && home.is_none_or(|home| half < home));
        half >= self.first && half.div_euclid(2) <= last_day && !over && !away
    }
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap_or_default()
}

/// The morning of a day.
fn halves(date: NaiveDate) -> Half {
    2 * (date - NaiveDate::default()).num_days()
}

/// `None` where no half-day is named.
fn half(day: &str, part: DayPart) -> Option<Half> {
    let morning = halves(day.parse().ok()?);
    match part {
        DayPart::Morning => Some(morning),
        DayPart::Evening => Some(morning + 1),
        DayPart::Unspecified => None,
    }
}

fn of_slot(slot: &Slot) -> Option<Half> {
    half(&slot.date, slot.day_part())
}

/// The half-day that has begun last: mornings begin at six, evenings at sixteen o'clock.
fn present(at: DateTime<Utc>) -> Half {
    let local = at.with_timezone(&chassis::CALENDAR);
    let morning = halves(local.date_naive());
    match local.hour() {
        0..6 => morning - 1,
        6..16 => morning,
        _ => morning + 1,
    }
}
