//! What an order says, changed: whether the home fits (R12), day zero (R10), the end by two signatures, the place, the
//! neighbourhood. Whoever edits says what they had read: somebody else's edit since then comes first.

use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    event::v1::Sealed,
    isolation::v1::{
        self, ChangeKind, ChangeReason, Destination, Home, Kind, ReleaseReason,
        order_event::{
            ChangeDecided, ChangeProposed, DayZeroProved, Event, HomeChecked, Moved, Sighted, TransferDecided,
            TransferProposed,
        },
    },
    registry::v1::Residence,
};

use super::{Order, Receipt, Refused, Signature};
use crate::domain::period::{Period, Slot, later};

/// A change that waits for the second signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    pub id: String,
    pub kind: ChangeKind,
    pub reason: ChangeReason,
    /// Of an extension.
    pub last_day: Option<NaiveDate>,
    pub first: Signature,
}

/// What was decided about a change, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    approved: bool,
    by: String,
}

/// A change as somebody proposes it.
pub struct ChangeWish {
    pub id: String,
    pub kind: ChangeKind,
    pub reason: ChangeReason,
    pub last_day: Option<NaiveDate>,
    pub remark: Option<Sealed>,
}

/// Days by which one signature more may lengthen an isolation: two periods of R9. Longer needs another proposal.
const LONGEST_EXTENSION: u64 = 28;

// ---- Decisions ----

impl Order {
    /// In force, and as the editor has read it.
    fn editable(&self, etag: u64) -> Result<(), Refused> {
        if !self.in_force() {
            return Err(Refused::NotInForce);
        }
        if etag < self.edited {
            return Err(Refused::Stale { since: etag, changed: Vec::new() });
        }
        Ok(())
    }

    pub fn check_home(&self, home: Home, cohabitants: &[String], by: &str, etag: u64) -> Result<Vec<Event>, Refused> {
        if self.in_force() && self.home == home && self.cohabitants == cohabitants {
            return Ok(Vec::new());
        }
        self.editable(etag)?;
        Ok(vec![Event::HomeChecked(HomeChecked {
            home: home.into(),
            cohabitant_ids: cohabitants.to_vec(),
            by: by.to_owned(),
        })])
    }

    /// R10: the end is counted anew. What two people have signed for beyond it stands.
    pub fn prove_day_zero(
        &self,
        day_zero: NaiveDate,
        evidence_ids: &[String],
        days: u64,
        by: &str,
        etag: u64,
    ) -> Result<Vec<Event>, Refused> {
        let known = evidence_ids.iter().all(|id| self.terms.evidence_ids.contains(id));
        if self.in_force() && self.period.day_zero == day_zero && known {
            return Ok(Vec::new());
        }
        self.editable(etag)?;
        let counted = Period::new(day_zero, self.period.first, days).last_day;
        let last_day = self.extended.map_or(counted, |signed| signed.max(counted));
        Ok(vec![Event::DayZeroProved(DayZeroProved {
            day_zero: day_zero.to_string(),
            last_day: last_day.to_string(),
            evidence_ids: evidence_ids.to_vec(),
            by: by.to_owned(),
            last_day_before: self.period.last_day.to_string(),
        })])
    }

    /// The first signature.
    pub fn propose_change(&self, wish: &ChangeWish, who: &Signature, etag: u64) -> Result<Vec<Event>, Refused> {
        if self.pending.as_ref().is_some_and(|pending| pending.id == wish.id) {
            return Ok(Vec::new());
        }
        self.editable(etag)?;
        if self.pending.is_some() {
            return Err(Refused::ChangePending);
        }
        let last_day = self.period.last_day;
        let longer = last_day.succ_opt().unwrap_or(last_day)..=later(last_day, LONGEST_EXTENSION);
        if wish.kind == ChangeKind::Extension && !wish.last_day.is_some_and(|day| longer.contains(&day)) {
            return Err(Refused::NoExtension { last_day });
        }
        let Signature { by, unit } = who.clone();
        Ok(vec![Event::ChangeProposed(ChangeProposed {
            change_id: wish.id.clone(),
            kind: wish.kind.into(),
            reason: wish.reason.into(),
            last_day: wish.last_day.map(|day| day.to_string()).unwrap_or_default(),
            remark: wish.remark.clone(),
            by,
            unit,
        })])
    }

    /// The second signature, or the refusal to sign. Fever and symptoms hold an early release as they hold any other.
    pub fn decide_change(
        &self,
        id: &str,
        approve: bool,
        who: &Signature,
        now: DateTime<Utc>,
    ) -> Result<Vec<Event>, Refused> {
        if self.decided.get(id).is_some_and(|done| done.approved == approve && done.by == who.by) {
            return Ok(Vec::new());
        }
        if !self.in_force() {
            return Err(Refused::NotInForce);
        }
        let pending = self.pending.as_ref().filter(|pending| pending.id == id).ok_or(Refused::NotPending)?;
        if approve && pending.first.by == who.by {
            return Err(Refused::SamePerson);
        }
        if approve && pending.first.unit == who.unit {
            return Err(Refused::SameUnit);
        }
        let extension = pending.last_day.filter(|_| approve && pending.kind == ChangeKind::Extension);
        let Signature { by, unit } = who.clone();
        let decided = Event::ChangeDecided(ChangeDecided {
            change_id: id.to_owned(),
            approved: approve,
            by,
            unit,
            // A new proof of day zero may have moved the end meanwhile.
            last_day: extension.map(|day| day.max(self.period.last_day).to_string()).unwrap_or_default(),
            last_day_before: self.period.last_day.to_string(),
        });
        if !approve || pending.kind != ChangeKind::EarlyRelease {
            return Ok(vec![decided]);
        }
        let until = self.well_from();
        if chassis::day_of(now) < until {
            return Err(Refused::Symptoms { until });
        }
        Ok(vec![decided, self.released(ReleaseReason::Early, &who.by, now)])
    }

    /// To central isolation or a hospital with the hand-over, or home again.
    pub fn move_to(
        &self,
        to: Destination,
        reason: ChangeReason,
        receipt: &Receipt,
        by: &str,
        etag: u64,
    ) -> Result<Vec<Event>, Refused> {
        let same = self.hand_over.as_ref().is_some_and(|done| done.receipt == receipt.receipt);
        if self.in_force() && self.place == to && (same || to == Destination::Home) {
            return Ok(Vec::new());
        }
        self.editable(etag)?;
        if self.terms.kind() == Kind::Watch {
            return Err(Refused::NotIsolating);
        }
        let at_home = self.hand_over.is_none();
        if self.place == to || (to == Destination::Home && at_home) {
            return Err(Refused::ThereAlready);
        }
        if chassis::day_of(receipt.left).to_string() < self.terms.observed_from {
            return Err(Refused::BeforeTheOrder);
        }
        let home = to == Destination::Home;
        let received = receipt.received;
        let home_from = home.then(|| Slot::first_on(chassis::day_of(received), received).into());
        let kind = if home { Kind::Home } else { Kind::Central };
        let moved = Event::Moved(Moved {
            to: to.into(),
            reason: reason.into(),
            kind: kind.into(),
            by: by.to_owned(),
            home_from,
        });
        Ok(if home { vec![moved] } else { vec![moved, receipt.handed_over()] })
    }

    pub fn propose_transfer(&self, neighbourhood: &str, by: &str, etag: u64) -> Result<Vec<Event>, Refused> {
        if self.transfer.as_deref() == Some(neighbourhood) && self.in_force() {
            return Ok(Vec::new());
        }
        self.editable(etag)?;
        if self.terms.residence.as_ref().is_some_and(|residence| residence.neighbourhood_id == neighbourhood) {
            return Err(Refused::ThereAlready);
        }
        Ok(vec![Event::TransferProposed(TransferProposed {
            neighbourhood_id: neighbourhood.to_owned(),
            by: by.to_owned(),
        })])
    }

    /// By whoever was asked: with the household where the person lives from now on, or without.
    pub fn decide_transfer(&self, residence: Option<&Residence>, by: &str) -> Result<Vec<Event>, Refused> {
        if self.transfer.is_none() && residence.is_some() && self.terms.residence.as_ref() == residence {
            return Ok(Vec::new());
        }
        if !self.in_force() {
            return Err(Refused::NotInForce);
        }
        if self.transfer.is_none() {
            return Err(Refused::NotPending);
        }
        Ok(vec![Event::TransferDecided(TransferDecided {
            accepted: residence.is_some(),
            by: by.to_owned(),
            residence: residence.cloned(),
            before: self.terms.residence.clone(),
        })])
    }

    /// The person was seen outside.
    pub fn sight(
        &self,
        sighting_id: &str,
        seen_at: DateTime<Utc>,
        by: &str,
        place: Option<Sealed>,
    ) -> Result<Vec<Event>, Refused> {
        if self.sightings.contains(sighting_id) {
            return Ok(Vec::new());
        }
        if !self.in_force() {
            return Err(Refused::NotInForce);
        }
        Ok(vec![Event::Sighted(Sighted {
            sighting_id: sighting_id.to_owned(),
            seen_at: Some(chassis::timestamp(seen_at)),
            by: by.to_owned(),
            place,
        })])
    }
}

// ---- Evolve ----

impl Order {
    pub(super) fn prove(&mut self, proved: &DayZeroProved) {
        self.period.day_zero = proved.day_zero.parse().unwrap_or_default();
        for id in &proved.evidence_ids {
            if !self.terms.evidence_ids.contains(id) {
                self.terms.evidence_ids.push(id.clone());
            }
        }
        self.end_on(&proved.last_day);
    }

    pub(super) fn pend(&mut self, proposed: &ChangeProposed) {
        self.pending = Some(Pending {
            id: proposed.change_id.clone(),
            kind: proposed.kind(),
            reason: proposed.reason(),
            last_day: proposed.last_day.parse().ok(),
            first: Signature { by: proposed.by.clone(), unit: proposed.unit.clone() },
        });
    }

    pub(super) fn settle(&mut self, decided: &ChangeDecided) {
        self.pending = None;
        let done = Decided { approved: decided.approved, by: decided.by.clone() };
        self.decided.insert(decided.change_id.clone(), done);
        if !decided.last_day.is_empty() {
            self.end_on(&decided.last_day);
            self.extended = Some(self.period.last_day);
        }
    }

    pub(super) fn go(&mut self, moved: &Moved) {
        self.place = moved.to();
        self.terms.kind = moved.kind;
        if let Some(home_from) = moved.home_from.as_ref().and_then(Slot::read) {
            self.hand_over = None;
            if let Some(away) = self.away.last_mut() {
                away.until.get_or_insert(home_from);
            }
        }
    }

    pub(super) fn change_hands(&mut self, decided: &TransferDecided) {
        self.transfer = None;
        if decided.accepted {
            self.left.extend(self.terms.residence.as_ref().map(|residence| residence.neighbourhood_id.clone()));
            self.terms.residence.clone_from(&decided.residence);
            // Who looked after it is of another neighbourhood.
            self.responsible.clear();
        }
    }

    fn end_on(&mut self, last_day: &str) {
        self.period.last_day = last_day.parse().unwrap_or(self.period.last_day);
        self.terms = self.period.into_terms(std::mem::take(&mut self.terms));
    }
}

impl From<Slot> for v1::Slot {
    fn from(slot: Slot) -> Self {
        Self { date: slot.date.to_string(), day_part: slot.part.day_part().into() }
    }
}
