//! Whoever stands at a gate: the gate, the keys that codes are verified with, and who it is.

use std::sync::Arc;

use chassis::{Call, Failure, Fields, Reading, Refusal, Refuse as _, reason};
use chrono::{DateTime, Utc};
use credential::keys::KeySet;
use proto::pass::v1;
use sqlx::AnyConnection;
use tonic::Status;

use super::{Api, verification};
use crate::{
    domain::{
        device::{self, Device},
        gate_day::Place,
        holder::Refused,
        keyring::{self, Keyring},
    },
    passage::{Found, Lookup},
    projections::gates::{self, Gate},
    report::Identified,
    resources::fault,
};

impl Api {
    /// A device's token lives for weeks: one that was retired is refused all the same.
    pub(super) async fn serves(&self, call: &Call) -> Result<(), Status> {
        let Some(device) = device::id_of(&call.principal.subject) else { return Ok(()) };
        let retired = if self.remembered.ready() {
            self.roll.device_is_retired(device)
        } else {
            self.ledger.load::<Device>(device).await?.0.retired
        };
        if retired { Err(Failure::Refused(device::Refused::Retired.refusal()).into()) } else { Ok(()) }
    }

    /// The gate without a question to the views; `None` also while the record is still being read.
    pub(super) async fn gate_from_memory(&self, call: &Call, [compound, gate]: &[String; 2]) -> Option<Gate> {
        self.remembered.caught_up(call).await.ok()?;
        let found = self.roll.gate(&call.principal.scope, compound, gate)?;
        Some(Gate::remembered(found, gate))
    }

    /// What codes are verified with.
    pub(super) async fn keys(&self) -> Result<Arc<KeySet>, Status> {
        if let Some(keys) = self.roll.keyring().known() {
            return Ok(Arc::clone(keys));
        }
        let (ring, _) = self.ledger.load::<Keyring>(keyring::STREAM).await?;
        Ok(ring.known().cloned().ok_or_else(verification::no_key)?)
    }

    pub(super) fn lookup<'a>(&'a self, gate: &'a Gate, keys: &'a KeySet, at: DateTime<Utc>) -> Lookup<'a> {
        Lookup { ledger: &self.ledger, roll: &self.roll, keys, gate, at }
    }
}

pub(super) async fn identify(
    lookup: &Lookup<'_>,
    reading: &mut Reading<'_>,
    identity: &Identified,
) -> Result<Found, Status> {
    match identity {
        Identified::Code(code) => lookup.scan(reading, code).await,
        Identified::Manual { resident, manual } => {
            let found = lookup.by_hand(reading, resident, manual).await?;
            found.ok_or_else(|| Refused::NotFound.refusal().into())
        }
        Identified::Visitor { guarantor, visitor } => lookup.visitor(reading, visitor, guarantor.as_deref()).await,
    }
}

/// The compound whose list is asked for, and the gate where one is named.
pub(crate) fn compound_or_gate(parent: &str) -> Result<[String; 2], Status> {
    let mut fields = Fields::new();
    let named = if parent.contains("/gates/") {
        fields.path("parent", ["compounds", "gates"], parent)
    } else {
        fields.name("parent", "compounds", parent).map(|compound| [compound, String::new()])
    };
    fields.read(named)
}

/// The gate, if it is the caller's.
pub(super) async fn find_gate(
    db: &mut AnyConnection,
    call: &Call,
    [compound, gate]: &[String; 2],
) -> Result<Gate, Status> {
    let found = gates::find(db, &call.principal.scope, compound, gate).await.map_err(fault)?;
    Ok(found.ok_or_else(no_gate)?)
}

pub(crate) fn no_gate() -> Refusal {
    Refusal::new(
        chassis::Kind::NotFound,
        reason(v1::Refusal::NotFound.as_str_name()),
        "没有这个门岗，或不归您值守：请核对门岗编号",
        "there is no such gate, or it is not yours: check the gate's name",
    )
}

pub(super) fn place(gate: &Gate) -> Place<'_> {
    Place { neighbourhood_id: &gate.neighbourhood_id, compound_id: &gate.compound_id, gate_id: &gate.id }
}
