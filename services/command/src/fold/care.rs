//! Needs from their time on until somebody met them, and whether there is enough to meet them with.

use std::collections::HashMap;

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
    pub stock: i64,
    pub needed: i64,
    shares: Vec<Share>,
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
                self.supply(told, item, |supply| supply.stock += event.amount);
            }
            stock_event::Event::Issued(event) => {
                let Some(item) = self.care.stocks.get(told.id).cloned() else { return };
                self.supply(told, item, |supply| supply.stock -= event.amount);
            }
        }
    }

    fn supply(&mut self, told: Told<'_>, item: Item, change: impl FnOnce(&mut Supply)) {
        let place = item.0;
        let supply = self.care.supplies.entry(item).or_default();
        change(supply);
        let short = supply.needed > supply.stock;
        let shares = if short { vec![Share::one(place, Of::Figure(Which::SuppliesShort))] } else { Vec::new() };
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
