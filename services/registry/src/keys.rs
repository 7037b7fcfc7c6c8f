//! The keys by which something is there only once, and the blind indexes by which somebody is found. Personal ones leave
//! this module only as an HMAC.

use chassis::Vault;
use proto::registry::v1::{IdentityDocument, Person};

use crate::{identity, place};

/// Scopes of reservations.
pub(crate) const NEIGHBOURHOOD_CODE: &str = "neighbourhood-code";
pub(crate) const COMPOUND_NAME: &str = "compound-name";
pub(crate) const GRID_NAME: &str = "grid-name";
pub(crate) const HOUSEHOLD_DOOR: &str = "household-door";
pub(crate) const RESIDENT_DOCUMENT: &str = "resident-document";
pub(crate) const RESIDENT_NAME: &str = "resident-name";
/// A resident is one volunteer at a time.
pub(crate) const VOLUNTEER: &str = "volunteer";

/// A compound's name, once in a neighbourhood.
pub(crate) fn compound(neighbourhood_id: &str, display_name: &str) -> String {
    format!("{neighbourhood_id}|{display_name}")
}

/// A grid's name, once in a neighbourhood.
pub(crate) fn grid(neighbourhood_id: &str, display_name: &str) -> String {
    format!("{neighbourhood_id}|{display_name}")
}

/// A door, once in a compound.
pub(crate) fn door(compound_id: &str, building: &str, unit: &str, room: &str) -> String {
    format!("{compound_id}|{}", place::key(building, unit, room))
}

/// What holds a resident's place: the document once in a neighbourhood, the name once in a household. Not once
/// everywhere: a refusal would tell one office whom another one has.
#[derive(Clone)]
pub(crate) struct ResidentKeys {
    pub(crate) document: Option<[u8; 32]>,
    pub(crate) name: [u8; 32],
}

impl ResidentKeys {
    pub(crate) fn of(vault: &Vault, neighbourhood_id: &str, household_id: &str, person: &Person) -> Self {
        let document = person.document.as_ref().and_then(identity::key);
        let document = document.map(|key| vault.blind(RESIDENT_DOCUMENT, &format!("{neighbourhood_id}|{key}")));
        let name = vault.blind(RESIDENT_NAME, &format!("{household_id}|{}", person.full_name));
        Self { document, name }
    }
}

/// The blind index of a document; `None` where there is no number.
pub(crate) fn document_index(vault: &Vault, document: &IdentityDocument) -> Option<[u8; 32]> {
    identity::key(document).map(|key| vault.blind("document", &key))
}

/// The blind index of a number that was normalised.
pub(crate) fn phone_index(vault: &Vault, number: &str) -> [u8; 32] {
    vault.blind("phone", number)
}
