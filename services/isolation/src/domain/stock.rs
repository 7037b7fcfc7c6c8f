//! One item in one unit at one place: received by donation, issued to whoever needs it, what expires first first. It never
//! holds less than nothing: of two who issue the last of it at once, one is refused.

use chassis::{Aggregate, Kind, Refusal, Refuse, reason};
use chrono::NaiveDate;
use proto::isolation::v1::{
    self as contract,
    stock_event::{Issued, Part, Received},
};

// ---- State ----

#[derive(Clone, Debug, Default)]
pub struct Stock {
    lots: Vec<Lot>,
    last_received: String,
    last_issued: String,
}

/// What is left of one donation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lot {
    donation_id: String,
    left: i64,
    /// `MAX` for what keeps.
    good_until: NaiveDate,
}

impl Stock {
    /// What can be issued on a day, in the kept unit.
    pub fn available(&self, today: NaiveDate) -> i64 {
        self.lots.iter().filter(|lot| lot.good_until >= today).map(|lot| lot.left).sum()
    }
}

// ---- Events ----

pub use proto::isolation::v1::stock_event::Event;

// ---- Refusals ----

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("less is there")]
    Short { available: i64 },
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let Self::Short { available } = self;
        Refusal::new(
            Kind::Precondition,
            reason(contract::Refusal::StockShort.as_str_name()),
            "库存不足（已过期的不能发放）：请减少数量，或从其他地点发放",
            "less than that is there that has not expired: issue less, or from another place",
        )
        .about("available", available.to_string())
    }
}

// ---- Decisions ----

/// What is to be issued, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The same for the same command.
    pub issue_id: &'a str,
    pub recipient: &'a str,
    pub need_id: &'a str,
    /// In the kept unit, greater than zero.
    pub amount: i64,
}

impl Stock {
    pub fn receive(&self, received: &Received) -> Vec<Event> {
        if self.last_received == received.donation_id {
            return Vec::new();
        }
        vec![Event::Received(received.clone())]
    }

    pub fn issue(&self, order: Order<'_>, today: NaiveDate) -> Result<Vec<Event>, Refused> {
        if self.last_issued == order.issue_id {
            return Ok(Vec::new());
        }
        let available = self.available(today);
        if order.amount > available {
            return Err(Refused::Short { available });
        }
        let mut good: Vec<&Lot> = self.lots.iter().filter(|lot| lot.good_until >= today).collect();
        good.sort_by_key(|lot| lot.good_until);
        let (mut wanted, mut parts) = (order.amount, Vec::new());
        for lot in good {
            let amount = lot.left.min(wanted);
            wanted -= amount;
            if amount > 0 {
                parts.push(Part { donation_id: lot.donation_id.clone(), amount, left: lot.left - amount });
            }
        }
        Ok(vec![Event::Issued(Issued {
            issue_id: order.issue_id.to_owned(),
            recipient: order.recipient.to_owned(),
            need_id: order.need_id.to_owned(),
            amount: order.amount,
            parts,
        })])
    }
}

// ---- Evolve ----

impl Aggregate for Stock {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Received(received) => {
                self.last_received.clone_from(&received.donation_id);
                self.lots.push(Lot {
                    donation_id: received.donation_id.clone(),
                    left: received.amount,
                    good_until: received.expires_on.parse().unwrap_or(NaiveDate::MAX),
                });
            }
            Event::Issued(issued) => {
                self.last_issued.clone_from(&issued.issue_id);
                for part in &issued.parts {
                    if let Some(lot) = self.lots.iter_mut().find(|lot| lot.donation_id == part.donation_id) {
                        lot.left = part.left;
                    }
                }
                self.lots.retain(|lot| lot.left > 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn with(lots: &[(&str, i64, &str)]) -> Stock {
        let mut stock = Stock::default();
        for (donation_id, amount, expires_on) in lots {
            let received = Received {
                donation_id: (*donation_id).into(),
                amount: *amount,
                expires_on: (*expires_on).into(),
                ..Received::default()
            };
            let events = stock.receive(&received);
            stock.evolve(&events[0]);
            assert!(stock.receive(&received).is_empty(), "decided again, it added an event");
        }
        stock
    }

    fn issue(stock: &mut Stock, issue_id: &str, amount: i64, today: &str) -> Result<Vec<(String, i64)>, Refused> {
        let order = Order { issue_id, recipient: "residents/r1", need_id: "", amount };
        let events = stock.issue(order, day(today))?;
        let Some(Event::Issued(issued)) = events.first().cloned() else { panic!("something is issued") };
        stock.evolve(&events[0]);
        assert_eq!(stock.issue(order, day(today)), Ok(Vec::new()), "decided again, it added an event");
        Ok(issued.parts.into_iter().map(|part| (part.donation_id, part.amount)).collect())
    }

    #[test]
    fn it_is_never_below_zero() {
        let mut stock = with(&[("d1", 100, "")]);
        assert!(issue(&mut stock, "i1", 60, "2020-02-11").is_ok());
        assert_eq!(issue(&mut stock, "i2", 41, "2020-02-11"), Err(Refused::Short { available: 40 }));
        assert!(issue(&mut stock, "i3", 40, "2020-02-11").is_ok());
        assert_eq!(stock.available(day("2020-02-11")), 0);
    }

    #[test]
    fn what_expires_first_goes_first_and_nothing_goes_after_its_day() {
        let mut stock = with(&[("keeps", 10, ""), ("late", 10, "2020-02-20"), ("early", 10, "2020-02-12")]);
        let parts = issue(&mut stock, "i1", 15, "2020-02-12").unwrap();
        assert_eq!(parts, [("early".to_owned(), 10), ("late".to_owned(), 5)]);
        assert_eq!(stock.available(day("2020-02-21")), 10);
        assert_eq!(issue(&mut stock, "i2", 11, "2020-02-21"), Err(Refused::Short { available: 10 }));
    }
}
