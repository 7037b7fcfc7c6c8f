//! R5: every number of the person is scanned. Where the registry puts right how many they have, a case that is open goes by the
//! new count; one that is closed stays closed, and only the next case begins with it.

use chassis::Decision;
use proto::screening::v1::case_event::{Assessed, Event, PhonesChanged};

use super::{Case, Refused, says_the_same};

impl Case {
    /// How many numbers the registry has of the person now, whatever this case goes by.
    pub fn phones_on_record(&self) -> i32 {
        self.phones_on_record
    }

    /// The last change that this case goes by.
    pub fn phones_changed(&self) -> Option<&PhonesChanged> {
        self.phones_changed.as_ref()
    }

    /// Whether all that is left was scanned already once there are only so many numbers: then the verdict is due.
    pub fn is_complete_with(&self, phones: i32) -> bool {
        let scanned = |number: i32| self.evidence.iter().any(|evidence| evidence.phone == number);
        phones < self.phones
            && !self.is_closed()
            && self.dispute.is_none()
            && self.declaration.is_some()
            && self.has_scan()
            && (1..=phones).all(scanned)
    }

    /// The registry's count, and the verdict where nothing is missing any more.
    pub fn change_phones(
        &self,
        phones: i32,
        correction_id: &str,
        verdict: Option<&Assessed>,
    ) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        if self.phones_on_record == phones {
            return Ok(self.decision(Vec::new()));
        }
        let before = self.phones_on_record;
        let changed = PhonesChanged { before, after: phones, correction_id: correction_id.to_owned() };
        let mut events = vec![Event::PhonesChanged(changed)];
        match (&self.verdict, verdict) {
            (None, Some(verdict)) => events.push(Event::Assessed(verdict.clone())),
            (Some(known), Some(verdict)) if !says_the_same(known, verdict) => {
                events.push(Event::Assessed(Assessed { again: true, ..verdict.clone() }));
            }
            _ => {}
        }
        Ok(self.decision(events))
    }

    pub(super) fn go_by(&mut self, changed: &PhonesChanged) {
        self.phones_on_record = changed.after;
        if !self.is_closed() {
            self.phones = changed.after;
            self.phones_changed = Some(changed.clone());
        }
    }
}
