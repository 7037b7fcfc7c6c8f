use chassis::timestamp;
use chrono::{TimeDelta, Timelike as _};
use proto::pass::v1::{
    Decision, Direction, Finding,
    gate_day_event::{self, Crossed},
    holder_event::{self, Issued},
    keyring_event, recall_event,
};

use super::{super::street::residence, World};

#[derive(Clone)]
pub(super) struct Pass {
    number: String,
    suspended: bool,
    revoked: bool,
}

impl World {
    pub(super) fn hold(&mut self, who: usize) {
        let kind = self.roll(6);
        let id = self.people[who].id.clone();
        let Some(pass) = self.people[who].pass.as_mut().filter(|pass| kind > 1 && !pass.revoked) else {
            self.issue(who);
            return;
        };
        let number = pass.number.clone();
        let event = match kind {
            2 | 3 if !pass.suspended => {
                pass.suspended = true;
                holder_event::Event::Suspended(holder_event::Suspended { number, ..Default::default() })
            }
            4 if pass.suspended => {
                pass.suspended = false;
                holder_event::Event::Reinstated(holder_event::Reinstated { number })
            }
            5 => {
                pass.revoked = true;
                holder_event::Event::Revoked(holder_event::Revoked { number, ..Default::default() })
            }
            _ => holder_event::Event::Qualified(holder_event::Qualified::default()),
        };
        self.street.tell(&id, event);
    }

    fn issue(&mut self, who: usize) {
        let (days, elsewhere) = (1 + i64::try_from(self.roll(14)).unwrap(), self.roll(4) == 0);
        self.numbers += 1;
        let number = format!("p{}", self.numbers);
        let hour = self.street.now.with_minute(0).unwrap();
        // Somebody who moves keeps the name and gets a pass of the other house.
        let place = if elsewhere { "n2/h1".to_owned() } else { self.people[who].place.clone() };
        let issued = Issued {
            number: number.clone(),
            expires: Some(timestamp(hour + TimeDelta::days(days))),
            issued: Some(timestamp(hour)),
            key_id: u32::try_from(self.roll(3)).unwrap(),
            residence: Some(residence(&place)),
            ..Default::default()
        };
        let id = self.people[who].id.clone();
        self.street.tell(&id, holder_event::Event::Issued(issued));
        self.people[who].pass = Some(Pass { number, suspended: false, revoked: false });
    }

    /// Of a compound, taken back by a word; or of a key.
    pub(super) fn recall(&mut self) {
        let hour = self.street.now.with_minute(0).unwrap();
        if self.roll(4) == 0 {
            let confirmed = keyring_event::RecallConfirmed {
                key_id: 2,
                signed_from: Some(timestamp(hour - TimeDelta::days(2))),
                ..Default::default()
            };
            self.street.tell("keys", keyring_event::Event::RecallConfirmed(confirmed));
            return;
        }
        let event = if self.recalled {
            recall_event::Event::Lifted(recall_event::Lifted::default())
        } else {
            let issued_before = Some(timestamp(hour - TimeDelta::days(1)));
            recall_event::Event::Recalled(recall_event::Recalled { issued_before, ..Default::default() })
        };
        self.recalled = !self.recalled;
        self.street.tell("n1-c", event);
    }

    /// Once, or twice: of what a gate reports together, the later one may have been the earlier.
    pub(super) fn cross(&mut self, who: usize) {
        for _ in 0..=self.roll(2) {
            self.pass_by(who);
        }
    }

    fn pass_by(&mut self, who: usize) {
        let (direction, decision) = (self.roll(2), self.roll(5));
        // A gate that decides by itself may report a day later.
        let late = if self.roll(3) == 0 { i64::try_from(self.roll(1_500)).unwrap() } else { 0 };
        let crossed = Crossed {
            crossed_at: Some(timestamp(self.street.now - TimeDelta::minutes(late))),
            direction: if direction == 0 { Direction::In } else { Direction::Out }.into(),
            decision: if decision == 0 { Decision::Refused } else { Decision::Allowed }.into(),
            findings: if self.roll(6) == 0 { vec![Finding::Fever.into()] } else { Vec::new() },
            resident_id: if self.roll(6) == 0 { String::new() } else { self.people[who].id.clone() },
            conflict: self.roll(6) == 0,
            ..Default::default()
        };
        let office = format!("n{}", 1 + self.roll(2));
        self.street.tell_of(&office, "gate", &gate_day_event::Event::Crossed(crossed));
    }
}
