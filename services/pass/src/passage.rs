//! Finds out who stands at a gate. What is put on record goes by the log, never by a read model, so an isolation counts from the
//! moment that it is on record here; what is only asked is answered from memory, which follows within milliseconds.

use std::sync::Arc;

use chassis::{Ledger, Reading, Scope};
use chrono::{DateTime, Utc};
use credential::{
    code::Parts,
    keys::KeySet,
    number::PassNumber,
    payload::Kind,
    reason::Reason,
    text::{Prefix, looks_like_code, unarmour},
    time::Second,
    verify::{self, Grounds},
};
use proto::{
    pass::v1::{Finding, Manual, Visitor, visitor::Exception},
    registry::v1::Residence,
};
use tonic::Status;

use crate::{
    domain::{
        access::{Access, Limits},
        gate::{Guarantor, Resident, Scan, Who},
        gate_day::Person,
        holder::{self, Holder},
    },
    issuing,
    projections::{self, gates::Gate, method::Method, residents},
    resources::fault,
    roll::{self, Roll},
};

/// Somebody at a gate, looked up.
pub(crate) enum Found {
    Nobody(Scan<'static>),
    /// `void`: ours, and yet not good as it is shown.
    Scanned {
        number: String,
        resident: Known,
        void: Option<Finding>,
    },
    ByHand {
        reason: String,
        resident: Known,
    },
    Visitor {
        visitor: Visitor,
        exception: Exception,
        guarantor: Guarantor,
    },
}

pub(crate) struct Known {
    resident_id: String,
    holder: Arc<Holder>,
    residence: Residence,
    lives_here: bool,
    /// The gate's neighbourhood is the resident's own.
    own: bool,
}

/// What can look people up: the log, the memory, and the keys for codes.
pub(crate) struct Lookup<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) roll: &'a Roll,
    pub(crate) keys: &'a KeySet,
    pub(crate) gate: &'a Gate,
    /// When they stand there.
    pub(crate) at: DateTime<Utc>,
}

/// What a scanned or typed text is, before anybody is looked up.
enum Text {
    /// `void`: we signed it, and yet it is not good as it is shown.
    Number {
        number: PassNumber,
        void: Option<Finding>,
    },
    Nobody(Scan<'static>),
}

/// A scanned code, or a number that was typed in its place. Whether the pass still counts its holder's stream says: here only
/// that we signed it, and what is wrong with how it is shown.
fn read(text: &str, keys: &KeySet, at: DateTime<Utc>) -> Text {
    if !looks_like_code(text) {
        let typed = text.parse::<PassNumber>();
        return typed.map_or(Text::Nobody(Scan::Unreadable), |number| Text::Number { number, void: None });
    }
    let now = Second::of_unix(at.timestamp()).unwrap_or_default();
    let (reason, payload) = match verify::verify(text, &Grounds::new(keys, None, now)).answer {
        Ok(pass) => return Text::Number { number: pass.payload.number, void: None },
        Err(refusal) => (refusal.reason, refusal.payload),
    };
    let void = match reason {
        Reason::SlotRange | Reason::SlotTooOld => Some(Finding::OldPicture),
        Reason::SlotInFuture => Some(Finding::ClockWrong),
        // Its slot has not been looked at.
        Reason::NotYetValid if payload.as_ref().is_some_and(|payload| payload.kind == Kind::Phone) => {
            Some(Finding::ClockWrong)
        }
        Reason::NotYetValid | Reason::Expired => None,
        // The key's signature is right, and may be a stranger's.
        Reason::CompromisedKey => {
            let number = unarmour(Prefix::Pass, text).and_then(|bytes| Parts::of(&bytes).map(|parts| parts.number()));
            return number.map_or(Text::Nobody(Scan::Unreadable), |number| Text::Number {
                number,
                void: Some(Finding::Recalled),
            });
        }
        Reason::BadSignature
        | Reason::UnknownKey
        | Reason::WrongScope
        | Reason::KindPosing
        | Reason::KeyNotInForce
        | Reason::ChainBroken => return Text::Nobody(Scan::BadSignature),
        _ => return Text::Nobody(Scan::Unreadable),
    };
    payload.map_or(Text::Nobody(Scan::Unreadable), |payload| Text::Number { number: payload.number, void })
}

/// Who shows this text, from memory alone.
pub(crate) fn scan_from_memory(roll: &Roll, keys: &KeySet, gate: &roll::Gate, text: &str, at: DateTime<Utc>) -> Found {
    let (number, void) = match read(text, keys, at) {
        Text::Number { number, void } => (number, void),
        Text::Nobody(scan) => return Found::Nobody(scan),
    };
    let Some((resident_id, holder)) = roll.holder_of(number) else {
        return Found::Nobody(stranger(void));
    };
    let number = number.to_string();
    let pass = holder.find_pass(&number);
    let void = void.or_else(|| pass.filter(|pass| roll.recalled(pass)).map(|_| Finding::Recalled));
    let residence = pass.map(|pass| pass.residence.clone()).unwrap_or_default();
    let lives_here = roll.serves(gate, &residence.compound_id);
    let own = residence.neighbourhood_id == gate.neighbourhood_id;
    let resident = Known { resident_id: resident_id.to_string(), holder, residence, lives_here, own };
    Found::Scanned { number, resident, void }
}

/// Signed with a key that others have, too, and nobody's number: forged.
fn stranger(void: Option<Finding>) -> Scan<'static> {
    if void == Some(Finding::Recalled) { Scan::BadSignature } else { Scan::Unreadable }
}

impl Lookup<'_> {
    /// A scanned code, or a number that was typed in its place.
    pub(crate) async fn scan(&self, reading: &mut Reading<'_>, text: &str) -> Result<Found, Status> {
        let (number, void) = match read(text, self.keys, self.at) {
            Text::Number { number, void } => (number, void),
            Text::Nobody(scan) => return Ok(Found::Nobody(scan)),
        };
        let Some((resident_id, holder)) = issuing::holder_of(self.ledger, self.roll, number).await? else {
            return Ok(Found::Nobody(stranger(void)));
        };
        let number = number.to_string();
        let pass = holder.find_pass(&number);
        let void = void.or_else(|| pass.filter(|pass| self.roll.recalled(pass)).map(|_| Finding::Recalled));
        let residence = pass.map(|pass| pass.residence.clone()).unwrap_or_default();
        let resident = self.known(reading, resident_id, holder, residence).await?;
        Ok(Found::Scanned { number, resident, void })
    }

    /// A resident whom staff name (R17); `None` for nobody of this neighbourhood.
    pub(crate) async fn by_hand(
        &self,
        reading: &mut Reading<'_>,
        resident_id: &str,
        manual: &Manual,
    ) -> Result<Option<Found>, Status> {
        let Some(home) = self.home(reading, resident_id).await? else { return Ok(None) };
        let (holder, _) = self.ledger.load::<Holder>(resident_id).await?;
        let mut resident = self.known(reading, resident_id.to_owned(), holder, home.residence).await?;
        resident.lives_here &= !home.moved_out;
        Ok(Some(Found::ByHand { reason: manual.reason.trim().to_owned(), resident }))
    }

    pub(crate) async fn visitor(
        &self,
        reading: &mut Reading<'_>,
        visitor: &Visitor,
        guarantor: Option<&str>,
    ) -> Result<Found, Status> {
        let guarantor = match guarantor {
            None => Guarantor::Unnamed,
            Some(resident) => match self.home(reading, resident).await? {
                Some(home) if !home.moved_out && self.gate.serves(reading, &home.residence.compound_id).await? => {
                    Guarantor::LivesHere
                }
                Some(_) | None => Guarantor::Unknown,
            },
        };
        Ok(Found::Visitor { visitor: visitor.clone(), exception: visitor.exception(), guarantor })
    }

    async fn home(&self, reading: &mut Reading<'_>, resident: &str) -> Result<Option<residents::Home>, Status> {
        let scope = Scope::Neighbourhood(self.gate.neighbourhood_id.clone());
        residents::find(reading.db().await?, &scope, resident).await.map_err(fault)
    }

    async fn known(
        &self,
        reading: &mut Reading<'_>,
        resident_id: String,
        holder: Arc<Holder>,
        residence: Residence,
    ) -> Result<Known, Status> {
        let lives_here = self.gate.serves(reading, &residence.compound_id).await?;
        let own = residence.neighbourhood_id == self.gate.neighbourhood_id;
        Ok(Known { resident_id, holder, residence, lives_here, own })
    }
}

impl Found {
    pub(crate) fn who(&self) -> Who<'_> {
        match self {
            Self::Nobody(scan) => Who::Scanned(*scan),
            Self::Scanned { number, resident, void } => {
                let resident = resident.at_the_gate();
                Who::Scanned(match *void {
                    None => Scan::Ours { number, resident },
                    Some(finding) => Scan::Void { number, resident, finding },
                })
            }
            Self::ByHand { resident, .. } => Who::Known(resident.at_the_gate()),
            Self::Visitor { exception, guarantor, .. } => Who::Visitor { exception: *exception, guarantor: *guarantor },
        }
    }

    /// R18: how often the household went out, where the pass counts outings; and the numbers that hold for it.
    pub(crate) async fn limits(
        &self,
        reading: &mut Reading<'_>,
        method: Option<&Method>,
        at: DateTime<Utc>,
    ) -> Result<(Limits, u32), Status> {
        let limits = method.map(|method| method.limits).unwrap_or_default();
        let Some((pass, number)) = self.pass() else { return Ok((limits, 0)) };
        Ok((limits, outings(reading, limits, pass, number, at).await?))
    }

    /// Whether anything but the pass itself keeps its holder in.
    pub(crate) fn is_restricted(&self) -> bool {
        self.pass().is_some_and(|(pass, _)| pass.access != Access::Unrestricted)
    }

    fn pass(&self) -> Option<(&holder::Pass, &str)> {
        let Self::Scanned { number, resident, .. } = self else { return None };
        Some((resident.holder.find_pass(number)?, number))
    }

    /// Who it was, for the answer: people of another neighbourhood stay nameless.
    pub(crate) fn shown_resident(&self) -> &str {
        match self {
            Self::Scanned { resident, .. } | Self::ByHand { resident, .. } if resident.own => &resident.resident_id,
            Self::Scanned { .. } | Self::ByHand { .. } | Self::Nobody(_) | Self::Visitor { .. } => "",
        }
    }

    /// For the record, which also isolation reads: there the resident is named wherever they live.
    pub(crate) fn into_person(self) -> Person {
        match self {
            Self::Nobody(_) => Person::default(),
            Self::Scanned { number, resident, .. } => Person { pass_number: number, ..resident.into_person() },
            Self::ByHand { reason, resident } => Person { manual_reason: reason, ..resident.into_person() },
            Self::Visitor { visitor, .. } => Person { visitor: Some(visitor), ..Person::default() },
        }
    }
}

/// How often the household of this pass went out by then, within the days of its quota; 0 where it has none.
pub(crate) async fn outings(
    reading: &mut Reading<'_>,
    limits: Limits,
    pass: &holder::Pass,
    number: &str,
    at: DateTime<Utc>,
) -> Result<u32, Status> {
    let Some(quota) = limits.quota(pass.access) else { return Ok(0) };
    let household = &pass.residence.household_id;
    projections::outings::count(reading.db().await?, household, (quota.since(at), at), number).await.map_err(fault)
}

impl Known {
    fn at_the_gate(&self) -> Resident<'_> {
        Resident { holder: &self.holder, lives_here: self.lives_here }
    }

    fn into_person(self) -> Person {
        Person { resident_id: self.resident_id, residence: Some(self.residence), ..Person::default() }
    }
}
