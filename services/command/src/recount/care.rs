//! Needs as they stand, and all that was received and issued.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    Fact as _, UnreadableFact,
    isolation::v1::{need_event, stock_event},
};

use super::{Counting, Told, time};

#[derive(Default)]
pub(super) struct Care {
    needs: HashMap<String, Need>,
    stocks: HashMap<String, Stock>,
    /// Neighbourhood and day of each donation, and of each need that was met.
    donations: Vec<(String, NaiveDate)>,
    met: Vec<(String, NaiveDate)>,
}

#[derive(Default)]
struct Need {
    opened: need_event::Opened,
    waits: bool,
    claimed: bool,
    supplied: bool,
    begins: DateTime<Utc>,
    due: DateTime<Utc>,
}

#[derive(Default)]
struct Stock {
    neighbourhood: String,
    item: String,
    unit: i32,
    donations: Vec<Donation>,
}

struct Donation {
    id: String,
    left: i64,
    /// None where it keeps.
    last_day: Option<NaiveDate>,
}

impl Care {
    pub(super) fn read(&mut self, told: &Told<'_>) -> Result<(), UnreadableFact> {
        if told.category == need_event::Event::CATEGORY {
            self.need(told, need_event::Event::from_payload(told.payload)?);
        } else if told.category == stock_event::Event::CATEGORY {
            let stock = self.stocks.entry(told.id.to_owned()).or_default();
            match stock_event::Event::from_payload(told.payload)? {
                stock_event::Event::Received(event) => {
                    self.donations.push((event.neighbourhood_id.clone(), told.day));
                    (stock.neighbourhood, stock.item, stock.unit) = (event.neighbourhood_id, event.item, event.measure);
                    let last_day = event.expires_on.parse().ok();
                    stock.donations.push(Donation { id: event.donation_id, left: event.amount, last_day });
                }
                stock_event::Event::Issued(event) => {
                    for donation in &mut stock.donations {
                        let taken = event.parts.iter().filter(|part| part.donation_id == donation.id);
                        donation.left -= taken.map(|part| part.amount).sum::<i64>();
                    }
                }
            }
        }
        Ok(())
    }

    fn need(&mut self, told: &Told<'_>, event: need_event::Event) {
        if let need_event::Event::Opened(event) = event {
            let (begins, due) = (time(event.begin_time.as_ref()), time(event.due_time.as_ref()));
            let need = Need { opened: event, waits: true, begins, due, ..Need::default() };
            self.needs.insert(told.id.to_owned(), need);
            return;
        }
        let Some(need) = self.needs.get_mut(told.id) else { return };
        match event {
            need_event::Event::Claimed(_) => need.claimed = true,
            need_event::Event::Completed(_) | need_event::Event::Ended(_) => need.waits = false,
            need_event::Event::Confirmed(event) => {
                let residence = need.opened.residence.clone().unwrap_or_default();
                self.met.push((residence.neighbourhood_id, told.day));
                if let (Some(begins), Some(due)) = (event.next_begin_time, event.next_due_time) {
                    (need.begins, need.due) = (time(Some(&begins)), time(Some(&due)));
                    (need.waits, need.claimed, need.supplied) = (true, false, false);
                }
            }
            need_event::Event::Reopened(_) => (need.waits, need.claimed) = (true, false),
            need_event::Event::Supplied(_) => need.supplied = true,
            need_event::Event::Opened(_) => {}
        }
    }

    /// Neighbourhood, item and unit: what lies there and is good on this day, and what is asked for.
    pub(super) fn supplies(&self, today: NaiveDate) -> BTreeMap<(String, String, i32), (i64, i64)> {
        let mut supplies: BTreeMap<_, (i64, i64)> = BTreeMap::new();
        for stock in self.stocks.values() {
            let good = stock.donations.iter().filter(|donation| donation.last_day.is_none_or(|last| last >= today));
            supplies.entry((stock.neighbourhood.clone(), stock.item.clone(), stock.unit)).or_default().0 +=
                good.map(|donation| donation.left).sum::<i64>();
        }
        for need in self.needs.values().filter(|need| need.waits && !need.supplied && !need.opened.item.is_empty()) {
            let neighbourhood = need.opened.residence.clone().unwrap_or_default().neighbourhood_id;
            supplies.entry((neighbourhood, need.opened.item.clone(), need.opened.measure)).or_default().1 +=
                need.opened.amount;
        }
        supplies
    }

    pub(super) fn count(&self, counting: &mut Counting) {
        for (neighbourhood, day) in &self.donations {
            counting.of(neighbourhood).donations += i64::from(*day == counting.today);
        }
        for (neighbourhood, day) in &self.met {
            counting.of(neighbourhood).needs_met += i64::from(*day == counting.today);
        }
        for need in self.needs.values().filter(|need| need.waits) {
            if counting.past(need.begins) {
                let late = counting.past(need.due);
                let neighbourhood = need.opened.residence.clone().unwrap_or_default().neighbourhood_id;
                let figures = counting.of(&neighbourhood);
                figures.needs_open += 1;
                figures.needs_claimed += i64::from(need.claimed);
                figures.needs_late += i64::from(late);
            }
        }
        for ((neighbourhood, _, _), (stock, needed)) in self.supplies(counting.today) {
            counting.of(&neighbourhood).supplies_short += i64::from(needed > stock);
        }
    }
}
