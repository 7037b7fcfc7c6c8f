use chassis::timestamp;
use chrono::{Days, NaiveDate, TimeDelta};
use proto::isolation::v1::{
    DayPart, Kind, Level, ReleaseReason, Slot, Unit, need_event,
    order_event::{self, Event},
    stock_event,
};

use super::{
    super::street::{residence, terms},
    World,
};

pub(super) struct Order {
    id: String,
    who: usize,
    from: NaiveDate,
    in_force: bool,
    released: bool,
}

pub(super) struct Need {
    id: String,
    claimed: bool,
    done: bool,
    closed: bool,
}

/// A report, the second signature, taken back.
#[derive(Clone, Copy, Default)]
pub(super) enum Stage {
    #[default]
    Nothing,
    First,
    Second,
    Over,
}

impl Stage {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Nothing => Self::First,
            Self::First => Self::Second,
            Self::Second | Self::Over => Self::Over,
        }
    }
}

impl World {
    pub(super) fn isolate(&mut self, who: usize) {
        let kind = self.roll(14);
        let open = self.orders.iter().rposition(|order| order.who == who && !order.released);
        let Some(number) = open else { return self.order(who) };
        let Order { id, from, in_force, .. } = &self.orders[number];
        let (id, from, in_force) = (id.clone(), *from, *in_force);
        if !in_force {
            let place = self.people[who].place.clone();
            let isolation = if kind == 0 { Kind::Central } else { Kind::Home };
            self.street.ordered(&id, &place, isolation, &from.to_string());
            self.orders[number].in_force = true;
            return;
        }
        match kind {
            0..=3 => self.observe(&id, from),
            4 | 5 => self.miss(&id, from),
            6 => self.hand_over(&id),
            7 => self.come_home(&id),
            8 => {
                let accepted = self.roll(3) > 0;
                let household = self.roll(4);
                let place = format!("n{}/h{household}", household % 2 + 1);
                let residence = accepted.then(|| residence(&place));
                let decided = order_event::TransferDecided { accepted, residence, ..Default::default() };
                self.street.tell(&id, Event::TransferDecided(decided));
            }
            9 => {
                let last_day = (from + Days::new(self.roll(30))).to_string();
                let proved = order_event::DayZeroProved { last_day, ..Default::default() };
                self.street.tell(&id, Event::DayZeroProved(proved));
            }
            10 => {
                let approved = self.roll(2) == 0;
                let last_day = if approved { (from + Days::new(20)).to_string() } else { String::new() };
                let decided = order_event::ChangeDecided { approved, last_day, ..Default::default() };
                self.street.tell(&id, Event::ChangeDecided(decided));
            }
            11 => {
                self.street.tell(&id, Event::Breached(order_event::Breached::default()));
            }
            12 => {
                self.street.tell(&id, Event::Sighted(order_event::Sighted::default()));
            }
            _ => {
                let complete = self.roll(2) == 0;
                let reason = if complete { ReleaseReason::PeriodComplete } else { ReleaseReason::VerdictChanged };
                self.street.released(&id, reason);
                self.orders[number].released = true;
            }
        }
    }

    /// By a verdict, or as a proposal.
    fn order(&mut self, who: usize) {
        let id = format!("o{}", self.orders.len());
        let from = chassis::day_of(self.street.now);
        let place = self.people[who].place.clone();
        let in_force = self.roll(3) > 0;
        let kind = [Kind::Home, Kind::Home, Kind::Central, Kind::Watch][usize::try_from(self.roll(4)).unwrap()];
        if in_force {
            self.street.ordered(&id, &place, kind, &from.to_string());
        } else {
            let proposed =
                order_event::Proposed { terms: Some(terms(&place, kind, &from.to_string())), ..Default::default() };
            self.street.tell(&id, Event::Proposed(proposed));
        }
        self.orders.push(Order { id, who, from, in_force, released: false });
    }

    fn half_day(&mut self, from: NaiveDate) -> (String, DayPart) {
        let part = if self.roll(2) == 0 { DayPart::Morning } else { DayPart::Evening };
        // The same half-day comes up again and again.
        ((from + Days::new(self.roll(5))).to_string(), part)
    }

    fn observe(&mut self, id: &str, from: NaiveDate) {
        let (date, part) = self.half_day(from);
        let ill = self.roll(4) == 0;
        self.street.read(id, &date, part, ill);
    }

    fn miss(&mut self, id: &str, from: NaiveDate) {
        let (date, part) = self.half_day(from);
        let level = [Level::Grid, Level::Neighbourhood, Level::Subdistrict][usize::try_from(self.roll(3)).unwrap()];
        self.street.missed(id, &date, part, level);
    }

    fn hand_over(&mut self, id: &str) {
        let part = [DayPart::Unspecified, DayPart::Morning, DayPart::Evening][usize::try_from(self.roll(3)).unwrap()];
        self.street.tell(id, Event::Moved(order_event::Moved { kind: Kind::Central.into(), ..Default::default() }));
        let date = chassis::day_of(self.street.now).to_string();
        let handed = order_event::HandedOver { date, day_part: part.into(), ..Default::default() };
        self.street.tell(id, Event::HandedOver(handed));
    }

    fn come_home(&mut self, id: &str) {
        let date = (chassis::day_of(self.street.now) + Days::new(self.roll(2))).to_string();
        let home_from = Some(Slot { date, day_part: DayPart::Morning.into() });
        let moved = order_event::Moved { kind: Kind::Home.into(), home_from, ..Default::default() };
        self.street.tell(id, Event::Moved(moved));
    }

    /// Needs and stock.
    pub(super) fn care(&mut self, who: usize) {
        match self.roll(4) {
            0 => self.receive(who),
            1 if !self.lots.is_empty() => self.hand_out(),
            _ => self.need(who),
        }
    }

    /// A part of one donation, or the rest of it.
    fn hand_out(&mut self) {
        let lot = self.roll(u64::try_from(self.lots.len()).unwrap());
        let (donation_id, left) = &mut self.lots[usize::try_from(lot).unwrap()];
        let amount = (*left).min(3);
        *left -= amount;
        let part = stock_event::Part { donation_id: donation_id.clone(), amount, left: *left };
        let issued = stock_event::Issued { amount, parts: vec![part], ..Default::default() };
        self.lots.retain(|(_, left)| *left > 0);
        self.street.tell("masks", stock_event::Event::Issued(issued));
    }

    fn receive(&mut self, who: usize) {
        let amount = i64::try_from(self.roll(8)).unwrap();
        let neighbourhood_id = if who < 3 { "n1" } else { "n2" }.to_owned();
        self.donations += 1;
        let donation_id = format!("donation{}", self.donations);
        let last_day = chassis::day_of(self.street.now) + Days::new(self.roll(3));
        let received = stock_event::Received {
            donation_id: donation_id.clone(),
            neighbourhood_id,
            item: "口罩".to_owned(),
            measure: Unit::Piece.into(),
            amount,
            expires_on: if self.roll(2) == 0 { last_day.to_string() } else { String::new() },
            ..Default::default()
        };
        if who < 3 && amount > 0 {
            self.lots.push((donation_id, amount));
        }
        self.street.tell(if who < 3 { "masks" } else { "more masks" }, stock_event::Event::Received(received));
    }

    fn need(&mut self, who: usize) {
        let kind = self.roll(8);
        let at = |hours: i64| Some(timestamp(self.street.now + TimeDelta::hours(hours)));
        let (soon, later) = (at(i64::try_from(kind).unwrap() * 2), at(20));
        let Some(need) = self.needs.iter_mut().rev().find(|need| !need.closed && kind > 0) else {
            let id = format!("need {}", self.needs.len());
            let opened = need_event::Opened {
                residence: Some(residence(&self.people[who].place)),
                begin_time: soon,
                due_time: later,
                item: if self.roll(3) == 0 { String::new() } else { "口罩".to_owned() },
                measure: Unit::Piece.into(),
                amount: 3,
                ..Default::default()
            };
            self.street.tell(&id, need_event::Event::Opened(opened));
            self.needs.push(Need { id, claimed: false, done: false, closed: false });
            return;
        };
        let event = match kind {
            1 => {
                need.closed = true;
                need_event::Event::Ended(need_event::Ended {})
            }
            2 => need_event::Event::Supplied(need_event::Supplied::default()),
            _ if need.done && kind == 3 => {
                (need.done, need.claimed) = (false, false);
                need_event::Event::Reopened(need_event::Reopened::default())
            }
            _ if need.done => {
                let standing = kind > 5;
                need.closed = !standing;
                (need.done, need.claimed) = (false, false);
                let confirmed = need_event::Confirmed {
                    next_begin_time: soon.filter(|_| standing),
                    next_due_time: later.filter(|_| standing),
                    ..Default::default()
                };
                need_event::Event::Confirmed(confirmed)
            }
            _ if need.claimed => {
                need.done = true;
                need_event::Event::Completed(need_event::Completed::default())
            }
            _ => {
                need.claimed = true;
                need_event::Event::Claimed(need_event::Claimed::default())
            }
        };
        let id = need.id.clone();
        self.street.tell(&id, event);
    }
}
