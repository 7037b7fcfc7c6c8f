//! What the simulation knows of each person from the answers that it got: verdicts, a pass, an order. Nothing of it is looked up
//! again, so that the same answers lead to the same deeds whenever it is told.

use std::collections::HashSet;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use proto::{
    isolation::v1::{DayPart, Kind, ListOrdersRequest, isolation_service_client::IsolationServiceClient},
    screening::v1::{Case, Measure, Outcome},
};

use super::{
    deeds::Deed,
    dice::{dice, happens},
    run::{Agenda, Run},
};
use crate::{cast::at, desk::ask::every};

#[derive(Clone, Default)]
pub(super) struct File {
    pub(super) verdicts: Vec<Told>,
    pub(super) pass: Option<Pass>,
    /// When they disputed the verdict, and when they were found right.
    pub(super) disputed: Option<DateTime<Utc>>,
    pub(super) upheld: Option<DateTime<Utc>>,
    pub(super) order: Option<Ordered>,
    read: HashSet<(NaiveDate, Part)>,
    handed_over: bool,
    pub(super) released: Option<DateTime<Utc>>,
    /// A method came into force that bars them, pass or not.
    pub(super) kept_in: bool,
}

/// A verdict as it was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) time: DateTime<Utc>,
    pub(super) outcome: Outcome,
    pub(super) measure: Measure,
}

#[derive(Clone)]
pub(super) struct Pass {
    pub(super) number: String,
    /// The text of the code.
    pub(super) code: String,
}

/// An order that isolates.
#[derive(Clone)]
pub(super) struct Ordered {
    pub(super) name: String,
    pub(super) central: bool,
    from: NaiveDate,
    last_day: NaiveDate,
}

/// Half of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Morning,
    Evening,
}

impl Part {
    pub(super) fn day_part(self) -> DayPart {
        match self {
            Self::Morning => DayPart::Morning,
            Self::Evening => DayPart::Evening,
        }
    }

    /// Of the present half-day: the evening's begins at four (R11).
    fn of(time: DateTime<Utc>) -> Self {
        if time.with_timezone(&chassis::CALENDAR).hour() < 16 { Self::Morning } else { Self::Evening }
    }
}

impl File {
    pub(super) fn told(&mut self, time: DateTime<Utc>, case: &Case) -> Option<Outcome> {
        let verdict = case.verdict.as_ref()?;
        // Said again, it is the same one.
        self.verdicts.retain(|told| told.time != time);
        self.verdicts.push(Told { time, outcome: verdict.outcome(), measure: verdict.measure() });
        Some(verdict.outcome())
    }

    /// By an answer, or since another method came into force.
    fn calls_for_isolation(&self) -> bool {
        self.kept_in || self.verdicts.iter().any(|told| matches!(told.measure, Measure::Home | Measure::Central))
    }

    /// Isolated, as far as the answers say.
    pub(super) fn isolated(&self) -> bool {
        self.order.is_some() && self.upheld.is_none() && self.released.is_none()
    }

    /// What nobody has read yet of what is due by now; from now on it counts as read. `forget`: whether nobody comes.
    fn unread(&mut self, now: DateTime<Utc>, forget: impl Fn(NaiveDate, Part) -> bool) -> Vec<(NaiveDate, Part)> {
        let Some(order) = self.order.as_ref().filter(|_| self.isolated()) else { return Vec::new() };
        let (today, present) = (chassis::day_of(now), Part::of(now));
        let begun = self.verdicts.last().map(|told| told.time).filter(|time| chassis::day_of(*time) == order.from);
        let first = (order.from, begun.map_or(Part::Morning, Part::of));
        let end = today.min(order.last_day);
        let days = order.from.iter_days().take_while(|day| *day <= end);
        let slots = days.flat_map(|day| [(day, Part::Morning), (day, Part::Evening)]);
        let due: Vec<_> = slots.filter(|slot| first <= *slot && *slot <= (today, present)).collect();
        due.into_iter().filter(|slot| !forget(slot.0, slot.1) && self.read.insert(*slot)).collect()
    }
}

impl Run {
    /// Which orders the verdicts have caused by now. What was ordered later, where the same is told again, is left out.
    pub(super) async fn find_orders(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let today = chassis::day_of(now);
        let health = IsolationServiceClient::new(self.stage.health.at(now));
        let orders = every(async |page_size, page_token| {
            let request = ListOrdersRequest { page_size, page_token, ..ListOrdersRequest::default() };
            let page = health.clone().list_orders(request).await?.into_inner();
            Ok((page.orders, page.next_page_token))
        });
        let orders = orders.await.context("listing orders")?;
        let mut files = self.files();
        for order in orders {
            let Some(person) = self.of_case.get(&order.case) else { continue };
            let (Ok(from), Ok(last_day)) = (order.observed_from.parse(), order.last_day.parse()) else { continue };
            if !matches!(order.kind(), Kind::Home | Kind::Central) || from > today {
                continue;
            }
            // Told again, the server shows orders of verdicts that are still to come.
            let Some(file) = files.get_mut(person).filter(|file| file.calls_for_isolation()) else { continue };
            // Of several orders of one case the newest counts.
            if file.order.as_ref().is_none_or(|known| known.from <= from) {
                file.order =
                    Some(Ordered { name: order.name.clone(), central: order.kind() == Kind::Central, from, last_day });
            }
        }
        Ok(())
    }

    /// The readings that are due by now, but for those that somebody forgets.
    pub(super) fn due_readings(&self, agenda: &mut Agenda, now: DateTime<Utc>) {
        self.read(agenda, now, |_| true, self.world.numbers.forgotten);
    }

    /// Who is free from today on: what was forgotten is found on paper first (R13).
    pub(super) fn due_releases(&self, agenda: &mut Agenda, now: DateTime<Utc>) {
        let today = chassis::day_of(now);
        let due = |file: &File| file.isolated() && file.order.as_ref().is_some_and(|order| order.last_day <= today);
        self.read(agenda, now, due, 0.0);
        let people: Vec<u32> = self.files().iter().filter(|(_, file)| due(file)).map(|(person, _)| *person).collect();
        for person in people {
            agenda.put(now + TimeDelta::minutes(30), Deed::Release { person });
        }
    }

    pub(super) fn due_hand_overs(&self, agenda: &mut Agenda, now: DateTime<Utc>) {
        for (person, file) in self.files().iter_mut() {
            let central = file.order.as_ref().is_some_and(|order| order.central) && file.isolated();
            if central && !std::mem::replace(&mut file.handed_over, true) {
                agenda.put(now, Deed::HandOver { person: *person });
            }
        }
    }

    fn read(&self, agenda: &mut Agenda, now: DateTime<Utc>, of: impl Fn(&File) -> bool, forgotten: f64) {
        for (person, file) in self.files().iter_mut().filter(|(_, file)| of(file)) {
            let forget = |day: NaiveDate, part: Part| {
                let which = u64::from(*person) << 32 | u64::from(day.to_epoch_days().unsigned_abs()) << 1 | part as u64;
                happens(&mut dice(self.world.seed, "forgotten", which), forgotten)
            };
            for (date, part) in file.unread(now, forget) {
                agenda.put(now, Deed::Read { person: *person, date, part });
            }
        }
    }
}

/// The end of a day.
pub(super) fn night(date: NaiveDate) -> DateTime<Utc> {
    at(date, 23, 59)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_day_is_read_once_and_what_was_forgotten_is_read_at_the_end() {
        let day = |day: u32| NaiveDate::from_ymd_opt(2020, 2, day).unwrap();
        let order = Ordered { name: "orders/1".into(), central: false, from: day(11), last_day: day(13) };
        let told = Told { time: at(day(11), 18, 0), outcome: Outcome::ConcealedKeyArea, measure: Measure::Home };
        let mut file = File { order: Some(order), verdicts: vec![told], ..File::default() };
        let forgets = |date: NaiveDate, part: Part| date == day(12) && part == Part::Evening;
        assert_eq!(file.unread(at(day(11), 23, 0), forgets), [(day(11), Part::Evening)]);
        assert_eq!(file.unread(at(day(12), 8, 0), forgets), [(day(12), Part::Morning)]);
        assert_eq!(file.unread(at(day(12), 17, 0), forgets), []);
        let last = file.unread(at(day(13), 9, 0), |_, _| false);
        assert_eq!(last, [(day(12), Part::Evening), (day(13), Part::Morning)]);
        let after = file.unread(at(day(14), 9, 0), |_, _| false);
        assert_eq!(after, [(day(13), Part::Evening)], "nothing is due behind the last day");
        file.upheld = Some(at(day(14), 10, 0));
        assert_eq!(file.unread(at(day(14), 17, 0), |_, _| false), []);
    }
}
