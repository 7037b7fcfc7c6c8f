//! What each fact makes of the holder.

use chassis::{Aggregate, instant};

use proto::pass::v1::{
    Reason,
    holder_event::{Event, Joined, Parted},
};

use super::{Access, Bar, Holder, Pass, Qualification, Standing};

impl Aggregate for Holder {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Qualified(qualified) => {
                let residence = qualified.residence.clone().unwrap_or_default();
                self.residence = Some(residence.clone());
                self.qualified_by.insert(qualified.by.clone());
                self.qualification = Some(Qualification { by: qualified.by.clone(), residence });
            }
            Event::Barred(barred) => {
                self.residence.clone_from(&barred.residence);
                self.bars_so_far += 1;
                let since = self.bars.get(&barred.by).map_or(self.bars_so_far, |bar| bar.since);
                let bar = Bar { reason: barred.reason(), cause: barred.cause.clone(), doubt: barred.doubt, since };
                self.bars.insert(barred.by.clone(), bar);
            }
            Event::BarLifted(lifted) => {
                self.bars.remove(&lifted.by);
                if !lifted.released_by.is_empty() {
                    self.settled.insert(lifted.by.clone());
                }
            }
            Event::Issued(issued) => self.passes.push(Pass {
                number: issued.number.clone(),
                by: issued.by.clone(),
                issued: issued.issued.as_ref().and_then(instant).unwrap_or_default(),
                expires: issued.expires.as_ref().and_then(instant).unwrap_or_default(),
                residence: issued.residence.clone().unwrap_or_default(),
                standing: Standing::Active,
                // Before keys changed there was one.
                key_id: u8::try_from(issued.key_id).unwrap_or(0).max(1),
                compound: issued.compound_code.and_then(|code| u16::try_from(code).ok()),
                access: Access::of(issued.access(), issued.outing_days),
            }),
            Event::Suspended(suspended) => {
                self.stand(&suspended.number, Standing::Suspended(suspended.reason()));
            }
            Event::Reinstated(reinstated) => self.stand(&reinstated.number, Standing::Active),
            Event::Joined(Joined { into_resident_id, into_residence }) => {
                self.joined = Some((into_resident_id.clone(), into_residence.clone().unwrap_or_default()));
            }
            Event::Parted(Parted {}) => self.joined = None,
            Event::Revoked(revoked) => {
                self.stand(&revoked.number, Standing::Revoked(revoked.reason()));
                if revoked.reason() == Reason::MovedOut {
                    self.moved_out = true;
                    self.qualification = None;
                }
            }
        }
    }
}

impl Holder {
    fn stand(&mut self, number: &str, standing: Standing) {
        if let Some(pass) = self.passes.iter_mut().find(|pass| pass.number == number) {
            pass.standing = standing;
        }
    }
}
