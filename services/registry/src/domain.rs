//! What may be decided, and what it leads to. Pure: no clock, no store, no server.

/// Gates and regime.
pub mod compound;
/// A part of a neighbourhood that one worker looks after.
pub mod grid;
/// A room, its tenure, its landlord.
pub mod household;
/// A resident who is to be watched.
pub mod key_person;
/// The office that keeps its own people's records.
pub mod neighbourhood;
/// Where somebody lives, and their sealed person.
pub mod resident;
/// Who holds which gate when.
pub mod roster;
/// What is done again and again at one place.
pub mod round;
/// Workers, guards, directors, the health team, volunteers.
pub mod staff;
/// Who was seen at a door, and whom nobody knew there.
pub mod visits;
/// A resident who helps.
pub mod volunteer;

#[cfg(test)]
pub(crate) mod given;

use chassis::{Kind, Refusal, reason};
use proto::registry::v1 as contract;

/// The same words whether something is missing or another's: an answer must not tell what exists elsewhere.
pub(crate) fn not_found(what: &'static str) -> Refusal {
    Refusal::new(
        Kind::NotFound,
        reason(contract::Refusal::NotFound.as_str_name()),
        "没有这条记录，或者不属于您的管辖范围：请核对名称",
        "there is no such record, or it is not yours to see: check the name",
    )
    .about("what", what)
}
