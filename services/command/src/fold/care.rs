//! Needs from their time on until somebody met them, and whether there is enough to meet them with.

use std::collections::HashMap;

use chassis::midnight;
use chrono::NaiveDate;
use proto::isolation::v1::{need_event, stock_event};

use super::{Fold, Told, names, time};
use crate::{
    book::{Minute, Of, Place, Share},
    figures::Which,
};

#[derive(Default)]
pub(super) struct Care {
    needs: HashMap<String, Need>,
    supplies: HashMap<Item, Supply>,
    /// Which item a stock is of.
    stocks: HashMap<String, Item>,
}

/// With whom, what, in which unit.
pub type Item = (Place, String, i32);

#[derive(Default)]
struct Need {
    place: Place,
    standing: Standing,
    begins: Minute,
    due: Minute,
    /// What each turn takes from stock, and whether this one has got it.
    item: Option<(Item, i64)>,
    supplied: bool,
    shares: Vec<Share>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Standing {
    #[default]
    Open,
    Claimed,
    /// Done, confirmed or ended.
    Met,
}

/// What there is of an item, and what is asked for.
#[derive(Default)]
pub struct Supply {
    /// By donation: what is left of it, and the minute from which it is no good any more.
    lots: HashMap<String, (i64, Minute)>,
    pub needed: i64,
    shares: Vec<Share>,
}

impl Supply {
    /// What is there and has not expired at this minute.
    pub fn stock(&self, now: Minute) -> i64 {
        self.lots.values().filter(|(_, until)| *until > now).map(|(left, _)| left).sum()
    }

    /// From when on there is less than is asked for, if nothing comes and nobody takes anything.
    fn short_from(&self) -> Option<Minute> {
        let ends = self.lots.values().map(|(_, until)| *until).filter(|until| *until < Minute::NEVER);
        std::iter::once(Minute::BEGINNING).chain(ends).filter(|then| self.needed > self.stock(*then)).min()
    }
}

impl Care {
    pub(super) fn counted(&self, wanted: impl Fn(&[Share]) -> bool) -> Vec<String> {
        names("needs", self.needs.iter().map(|(id, need)| (id, &need.shares)), wanted)
    }
}

impl Fold {
    /// What there is and what is asked for, per item.
    pub fn supplies(&self) -> impl Iterator<Item = (&Item, &Supply)> {
        self.care.supplies.iter()
    }

    pub(super) fn need(&mut self, told: Told<'_>, event: need_event::Event) {
        match event {
            need_event::Event::Opened(event) => {
                let place = self.places.number(&event.residence.clone().unwrap_or_default().neighbourhood_id);
                let item = (!event.item.is_empty()).then(|| ((place, event.item.clone(), event.measure), event.amount));
                self.care.needs.entry(told.id.to_owned()).or_default();
                self.of_need(told, |need| {
                    (need.place, need.item, need.supplied) = (place, item, false);
                    need.turn(event.begin_time.as_ref(), event.due_time.as_ref());
                });
            }
            need_event::Event::Claimed(_) => self.of_need(told, |need| need.standing = Standing::Claimed),
            need_event::Event::Completed(_) | need_event::Event::Ended(_) => {
                self.of_need(told, |need| need.standing = Standing::Met);
            }
            need_event::Event::Confirmed(event) => {
                let Some(place) = self.care.needs.get(told.id).map(|need| need.place) else { return };
                self.count(told, place, Of::Day(Which::NeedsMet, told.day));
                if event.next_begin_time.is_some() && event.next_due_time.is_some() {
                    self.of_need(told, |need| {
                        need.supplied = false;
                        need.turn(event.next_begin_time.as_ref(), event.next_due_time.as_ref());
                    });
                }
            }
            need_event::Event::Reopened(_) => self.of_need(told, |need| need.standing = Standing::Open),
            need_event::Event::Supplied(_) => self.of_need(told, |need| need.supplied = true),
        }
    }

    fn of_need(&mut self, told: Told<'_>, change: impl FnOnce(&mut Need)) {
        let Some(need) = self.care.needs.get_mut(told.id) else { return };
        let before = need.asks();
        change(need);
        let shares = need.shares();
        self.book.change(&mut need.shares, shares, told.at);
        let after = need.asks();
        if before != after {
            for (asks, sign) in [(before, -1), (after, 1)] {
                if let Some((item, amount)) = asks {
                    self.supply(told, item, |supply| supply.needed += sign * amount);
                }
            }
        }
    }

    pub(super) fn stock(&mut self, told: Told<'_>, event: stock_event::Event) {
        match event {
            stock_event::Event::Received(event) => {
                let place = self.places.number(&event.neighbourhood_id);
                self.count(told, place, Of::Day(Which::Donations, told.day));
                let item = (place, event.item, event.measure);
                self.care.stocks.insert(told.id.to_owned(), item.clone());
                let last_day: Option<NaiveDate> = event.expires_on.parse().ok();
                let end = last_day.and_then(|day| day.succ_opt()).map(midnight);
                let lot = (event.amount, end.map_or(Minute::NEVER, Minute::from));
                self.supply(told, item, |supply| {
                    supply.lots.insert(event.donation_id, lot);
                });
            }
            stock_event::Event::Issued(event) => {
                let Some(item) = self.care.stocks.get(told.id).cloned() else { return };
                self.supply(told, item, |supply| {
                    for part in event.parts {
                        if let Some((left, _)) = supply.lots.get_mut(&part.donation_id) {
                            *left = part.left;
                        }
                    }
                    supply.lots.retain(|_, (left, _)| *left > 0);
                });
            }
        }
    }

    fn supply(&mut self, told: Told<'_>, item: Item, change: impl FnOnce(&mut Supply)) {
        let place = item.0;
        let supply = self.care.supplies.entry(item).or_default();
        change(supply);
        let short = |from| Share::one(place, Of::Figure(Which::SuppliesShort)).from(from);
        let shares = supply.short_from().map(short).into_iter().collect();
        self.book.change(&mut supply.shares, shares, told.at);
    }
}

impl Need {
    fn turn(&mut self, begins: Option<&prost_types::Timestamp>, due: Option<&prost_types::Timestamp>) {
        self.standing = Standing::Open;
        (self.begins, self.due) = (Minute::from(time(begins)), Minute::from(time(due)));
    }

    /// What it still asks of the stock.
    fn asks(&self) -> Option<(Item, i64)> {
        self.item.clone().filter(|_| self.standing != Standing::Met && !self.supplied)
    }

    fn shares(&self) -> Vec<Share> {
        if self.standing == Standing::Met {
            return Vec::new();
        }
        let one = |which| Share::one(self.place, Of::Figure(which)).from(self.begins);
        let mut shares = vec![one(Which::NeedsOpen), one(Which::NeedsLate).from(self.begins.max(self.due))];
        if self.standing == Standing::Claimed {
            shares.push(one(Which::NeedsClaimed));
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use chassis::timestamp;
    use proto::isolation::v1::{Unit, need_event, stock_event};

    use crate::tests::{
        Street,
        street::{residence, time},
    };

    /// Three masks are needed from nine o'clock on, until noon.
    fn needing() -> Street {
        let mut street = Street::new();
        let opened = need_event::Opened {
            residence: Some(residence("n1/h1")),
            begin_time: Some(timestamp(time("2020-02-11 09:00"))),
            due_time: Some(timestamp(time("2020-02-11 12:00"))),
            item: "口罩".to_owned(),
            measure: Unit::Piece.into(),
            amount: 3,
            ..Default::default()
        };
        street.at("2020-02-11 08:00").tell("need", need_event::Event::Opened(opened));
        street
    }

    fn donate(street: &mut Street, donation: &str, amount: i64, expires_on: &str) {
        let received = stock_event::Received {
            donation_id: donation.to_owned(),
            expires_on: expires_on.to_owned(),
            neighbourhood_id: "n1".to_owned(),
            item: "口罩".to_owned(),
            measure: Unit::Piece.into(),
            amount,
            ..Default::default()
        };
        street.tell("masks", stock_event::Event::Received(received));
    }

    fn issue(street: &mut Street, parts: &[(&str, i64, i64)]) {
        let part = |(donation, amount, left): &(&str, i64, i64)| stock_event::Part {
            donation_id: (*donation).to_owned(),
            amount: *amount,
            left: *left,
        };
        let parts: Vec<_> = parts.iter().map(part).collect();
        let amount = parts.iter().map(|part| part.amount).sum();
        street.tell("masks", stock_event::Event::Issued(stock_event::Issued { amount, parts, ..Default::default() }));
    }

    #[test]
    fn a_need_waits_from_its_time_on_and_is_late_after_it() {
        let mut street = needing();
        street.at("2020-02-11 13:00").tell("need", need_event::Event::Claimed(need_event::Claimed::default()));
        street.at("2020-02-11 14:00").tell("need", need_event::Event::Completed(need_event::Completed::default()));
        let at = |time: &str| {
            let figures = street.as_of(time).figures["n1"];
            (figures.needs_open, figures.needs_claimed, figures.needs_late)
        };
        let times =
            ["2020-02-11 08:59", "2020-02-11 09:00", "2020-02-11 12:00", "2020-02-11 13:30", "2020-02-11 14:30"];
        assert_eq!(times.map(at), [(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (0, 0, 0)]);
    }

    #[test]
    fn a_standing_need_comes_again_and_counts_as_met_each_time() {
        let mut street = needing();
        street.tell("need", need_event::Event::Claimed(need_event::Claimed::default()));
        street.at("2020-02-11 10:00").tell("need", need_event::Event::Completed(need_event::Completed::default()));
        let confirmed = need_event::Confirmed {
            next_begin_time: Some(timestamp(time("2020-02-12 09:00"))),
            next_due_time: Some(timestamp(time("2020-02-12 12:00"))),
            ..Default::default()
        };
        street.at("2020-02-11 11:00").tell("need", need_event::Event::Confirmed(confirmed));
        assert_eq!(street.live("2020-02-11 12:00").figures["n1"].needs_met, 1);
        let next = street.live("2020-02-12 09:00").figures["n1"];
        assert_eq!((next.needs_open, next.needs_claimed, next.needs_met), (1, 0, 0));
    }

    #[test]
    fn an_item_is_short_while_open_needs_ask_for_more_than_there_is() {
        let mut street = needing();
        street.at("2020-02-11 09:00");
        donate(&mut street, "d1", 2, "");
        street.at("2020-02-11 10:00");
        donate(&mut street, "d2", 1, "");
        street.at("2020-02-11 11:00").tell("need", need_event::Event::Supplied(need_event::Supplied::default()));
        issue(&mut street, &[("d1", 2, 0), ("d2", 1, 0)]);
        let short = |time: &str| street.as_of(time).figures["n1"].supplies_short;
        let times = ["2020-02-11 08:30", "2020-02-11 09:30", "2020-02-11 10:30", "2020-02-11 11:30"];
        assert_eq!(times.map(short), [1, 1, 0, 0], "what was handed out is asked for no more");
        assert_eq!(street.live("2020-02-11 12:00").figures["n1"].donations, 2);
    }

    #[test]
    fn what_has_expired_is_there_no_more() {
        let mut street = needing();
        street.at("2020-02-11 09:00");
        donate(&mut street, "d1", 4, "2020-02-12");
        donate(&mut street, "d2", 2, "");
        issue(&mut street, &[("d1", 1, 3)]);
        let short = |time: &str| street.as_of(time).figures["n1"].supplies_short;
        let times = ["2020-02-11 09:00", "2020-02-12 23:59", "2020-02-13 00:00"];
        assert_eq!(times.map(short), [0, 0, 1], "three are needed, and two are left after the twelfth");
        assert_eq!(street.live("2020-02-13 00:00").figures["n1"].supplies_short, 1, "without another record");
        let lies_there = |text: &str| {
            let lines = street.picture().supplies(time(text));
            lines.iter().map(|(_, _, _, stock, needed)| (*stock, *needed)).collect::<Vec<_>>()
        };
        assert_eq!(lies_there("2020-02-12 23:59"), [(5, 3)]);
        assert_eq!(lies_there("2020-02-13 00:00"), [(2, 3)]);
    }
}
