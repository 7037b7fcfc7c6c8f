//! Finds out who stands at a gate. Holders come from the log, never from a read model, so an isolation counts from the
//! moment that it is on record here.

use std::sync::Arc;

use chassis::{Ledger, Scope};
use credential::{number::PassNumber, reason::Reason, text::looks_like_code, verify};
use proto::{
    pass::v1::{Manual, Visitor, visitor::Exception},
    registry::v1::Residence,
};
use sqlx::AnyConnection;
use tonic::Status;

use crate::{
    desk::Desk,
    domain::{
        gate::{Guarantor, Resident, Scan, Who},
        gate_day::Person,
        holder::Holder,
    },
    issuing,
    projections::{gates::Gate, residents},
    resources::fault,
};

/// Somebody at a gate, looked up.
pub(crate) enum Found {
    Nobody(Scan<'static>),
    Scanned { number: String, resident: Known },
    ByHand { reason: String, resident: Known },
    Visitor { visitor: Visitor, exception: Exception, guarantor: Guarantor },
}

pub(crate) struct Known {
    resident_id: String,
    holder: Arc<Holder>,
    residence: Residence,
    lives_here: bool,
    /// The gate's neighbourhood is the resident's own.
    own: bool,
}

/// What can look people up: the log, and a keyring for codes.
pub(crate) struct Lookup<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) desk: &'a Desk,
    pub(crate) gate: &'a Gate,
}

impl Lookup<'_> {
    /// A scanned code, or a number that was typed in its place.
    pub(crate) async fn scan(&self, db: &mut AnyConnection, text: &str) -> Result<Found, Status> {
        let number = if looks_like_code(text) {
            // Whether it still counts the log says: here only that we signed it.
            match verify::read(text, self.desk.keys()) {
                Ok(payload) => payload.number,
                Err(Reason::BadSignature | Reason::UnknownKey | Reason::WrongScope) => {
                    return Ok(Found::Nobody(Scan::BadSignature));
                }
                Err(_) => return Ok(Found::Nobody(Scan::Unreadable)),
            }
        } else {
            match text.parse::<PassNumber>() {
                Ok(number) => number,
                Err(_) => return Ok(Found::Nobody(Scan::Unreadable)),
            }
        };
        let Some((resident_id, holder)) = issuing::holder_of(self.ledger, number).await? else {
            return Ok(Found::Nobody(Scan::Unreadable));
        };
        let number = number.to_string();
        let residence = holder.find_pass(&number).map(|pass| pass.residence.clone()).unwrap_or_default();
        let resident = self.known(db, resident_id, holder, residence).await?;
        Ok(Found::Scanned { number, resident })
    }

    /// A resident whom staff name (R17); `None` for nobody of this neighbourhood.
    pub(crate) async fn by_hand(
        &self,
        db: &mut AnyConnection,
        resident_id: &str,
        manual: &Manual,
    ) -> Result<Option<Found>, Status> {
        let Some(home) = self.home(db, resident_id).await? else { return Ok(None) };
        let (holder, _) = self.ledger.load::<Holder>(resident_id).await?;
        let mut resident = self.known(db, resident_id.to_owned(), holder, home.residence).await?;
        resident.lives_here &= !home.moved_out;
        Ok(Some(Found::ByHand { reason: manual.reason.trim().to_owned(), resident }))
    }

    pub(crate) async fn visitor(
        &self,
        db: &mut AnyConnection,
        visitor: &Visitor,
        guarantor: Option<&str>,
    ) -> Result<Found, Status> {
        let guarantor = match guarantor {
            None => Guarantor::Unnamed,
            Some(resident) => match self.home(db, resident).await? {
                Some(home)
                    if !home.moved_out && self.gate.serves(db, &home.residence.compound_id).await.map_err(fault)? =>
                {
                    Guarantor::LivesHere
                }
                Some(_) | None => Guarantor::Unknown,
            },
        };
        Ok(Found::Visitor { visitor: visitor.clone(), exception: visitor.exception(), guarantor })
    }

    async fn home(&self, db: &mut AnyConnection, resident: &str) -> Result<Option<residents::Home>, Status> {
        let scope = Scope::Neighbourhood(self.gate.neighbourhood_id.clone());
        residents::find(db, &scope, resident).await.map_err(fault)
    }

    async fn known(
        &self,
        db: &mut AnyConnection,
        resident_id: String,
        holder: Arc<Holder>,
        residence: Residence,
    ) -> Result<Known, Status> {
        let lives_here = self.gate.serves(db, &residence.compound_id).await.map_err(fault)?;
        let own = residence.neighbourhood_id == self.gate.neighbourhood_id;
        Ok(Known { resident_id, holder, residence, lives_here, own })
    }
}

impl Found {
    pub(crate) fn who(&self) -> Who<'_> {
        match self {
            Self::Nobody(scan) => Who::Scanned(*scan),
            Self::Scanned { number, resident } => Who::Scanned(Scan::Ours { number, resident: resident.at_the_gate() }),
            Self::ByHand { resident, .. } => Who::Known(resident.at_the_gate()),
            Self::Visitor { exception, guarantor, .. } => Who::Visitor { exception: *exception, guarantor: *guarantor },
        }
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
            Self::Scanned { number, resident } => Person { pass_number: number, ..resident.into_person() },
            Self::ByHand { reason, resident } => Person { manual_reason: reason, ..resident.into_person() },
            Self::Visitor { visitor, .. } => Person { visitor: Some(visitor), ..Person::default() },
        }
    }
}

impl Known {
    fn at_the_gate(&self) -> Resident<'_> {
        Resident { holder: &self.holder, lives_here: self.lives_here }
    }

    fn into_person(self) -> Person {
        Person { resident_id: self.resident_id, residence: Some(self.residence), ..Person::default() }
    }
}
