//! R5: every number of the person is scanned. Where the registry puts right how many they have, or which, a case that is open goes
//! by what is on record now: a number that has taken another one's place is asked about anew, and what was seen of the other one
//! stays true of its days, and stands in for none. A case that is closed stays closed, and only the next one begins with it.

use chassis::{Aggregate as _, Decision};
use proto::screening::v1::case_event::{Assessed, Event, PhonesChanged};

use super::{Case, Refused, says_the_same};

/// Where a number stands after a change, by where it stood; 0: it is on record no more. Papers stand at 0 and stay there.
pub fn moved(place: i32, changed: &PhonesChanged) -> i32 {
    if !names_places(changed) || place == 0 {
        return place;
    }
    let now = changed.former_places.iter().position(|before| *before == place);
    now.and_then(|at| i32::try_from(at + 1).ok()).unwrap_or_default()
}

/// The places, from 1, in which another number stands than before.
pub fn replaced(changed: &PhonesChanged) -> Vec<i32> {
    if !names_places(changed) {
        return Vec::new();
    }
    let stays = |place: &i32| moved(*place, changed) == *place;
    (1..=changed.before.min(changed.after)).filter(|place| !stays(place)).collect()
}

/// Older ones say only how many there are.
fn names_places(changed: &PhonesChanged) -> bool {
    changed.after > 0 && usize::try_from(changed.after).is_ok_and(|after| after == changed.former_places.len())
}

/// Nothing that the case would have to know.
fn is_idle(changed: &PhonesChanged) -> bool {
    changed.before == changed.after && replaced(changed).is_empty()
}

impl Case {
    /// How many numbers the registry has of the person now, whatever this case goes by.
    pub fn phones_on_record(&self) -> i32 {
        self.phones_on_record
    }

    /// The last change that this case goes by.
    pub fn phones_changed(&self) -> Option<&PhonesChanged> {
        self.phones_changed.as_ref()
    }

    /// The correction by which the number in this place came there; empty: it stood there from the first.
    pub fn place_since(&self, phone: i32) -> &str {
        self.since.get(&phone).map_or("", String::as_str)
    }

    /// Of the registry's correction what this case makes of it.
    pub fn phones_change(&self, after: i32, former_places: &[i32], correction_id: &str) -> PhonesChanged {
        let (former_places, correction_id) = (former_places.to_vec(), correction_id.to_owned());
        let for_the_next = self.is_closed();
        PhonesChanged { before: self.phones_on_record, after, correction_id, former_places, for_the_next }
    }

    /// Whether all that is left was scanned already, and the change makes it so: then the verdict is due.
    pub fn is_complete_with(&self, changed: &PhonesChanged) -> bool {
        let ready = !self.is_closed() && self.dispute.is_none() && self.declaration.is_some() && self.has_scan();
        let mut after = self.clone();
        after.evolve(&Event::PhonesChanged(changed.clone()));
        let complete = |case: &Self| case.scanned() >= case.phones();
        ready && complete(&after) && (after.phones < self.phones || !complete(self))
    }

    /// What the registry has on record, and the verdict where nothing is missing any more.
    pub fn change_phones(
        &self,
        changed: &PhonesChanged,
        verdict: Option<&Assessed>,
    ) -> Result<Decision<Event>, Refused> {
        self.is_known()?;
        if is_idle(changed) || self.corrected_by == changed.correction_id {
            return Ok(self.decision(Vec::new()));
        }
        let mut events = vec![Event::PhonesChanged(changed.clone())];
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
        self.corrected_by.clone_from(&changed.correction_id);
        for place in replaced(changed).into_iter().chain(changed.before + 1..=changed.after) {
            self.since.insert(place, changed.correction_id.clone());
        }
        if !self.is_closed() {
            for evidence in &mut self.evidence {
                evidence.phone = moved(evidence.phone, changed);
            }
            self.phones = changed.after;
            self.phones_changed = Some(changed.clone());
        }
    }
}
