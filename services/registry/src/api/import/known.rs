//! What the register holds of the rooms and people in a workbook: two statements, whatever the number of rows, and unsealed
//! is only who may be compared. The keys that a new record reserves stay the last word.

use std::collections::{HashMap, HashSet};

use chassis::Vault;
use proto::registry::v1::{Landlord, Person, Tenure};
use tonic::Status;

use super::Import;
use crate::{
    api::fault,
    keys,
    projections::{
        index,
        register::{self, Occupant},
    },
    workbook::Room,
};

/// People who are unsealed between two looks for their keys.
const STEP: usize = 2_000;

pub(super) struct Known {
    /// By the key of their door.
    homes: HashMap<String, Home>,
    people: Vec<Resident>,
    by_document: HashMap<String, usize>,
    /// By household and name.
    by_name: HashMap<(String, String), usize>,
    vault: Vault,
}

pub(super) struct Home {
    pub(super) id: String,
    pub(super) tenure: Tenure,
    pub(super) landlord: Option<Landlord>,
}

pub(super) struct Resident {
    pub(super) id: String,
    pub(super) household: String,
    pub(super) person: Person,
}

impl Known {
    pub(super) async fn look(import: &Import, rooms: &[(String, Room)]) -> Result<Self, Status> {
        let Import { api, call, neighbourhood_id, .. } = import;
        let (homes, occupants) = {
            let mut db = api.views.connection().await?;
            let scope = &call.principal.scope;
            let homes = register::homes(&mut db, scope, neighbourhood_id).await.map_err(fault)?;
            (homes, register::occupants(&mut db, scope, neighbourhood_id).await.map_err(fault)?)
        };
        let doors: HashSet<String> = rooms.iter().map(|(compound, room)| door(compound, room)).collect();
        let people = rooms.iter().flat_map(|(_, room)| &room.occupants);
        let documents: HashSet<String> = people.filter_map(|occupant| document(&api.vault, &occupant.person)).collect();
        let mut known = Self {
            homes: HashMap::new(),
            people: Vec::new(),
            by_document: HashMap::new(),
            by_name: HashMap::new(),
            vault: api.vault.clone(),
        };
        let key = |home: &register::Home| keys::door(&home.compound, &home.building, &home.unit, &home.room);
        let homes: Vec<(String, register::Home)> =
            homes.into_iter().map(|home| (key(&home), home)).filter(|(key, _)| doors.contains(key)).collect();
        for homes in homes.chunks(STEP) {
            api.vault.foresee(homes.iter().filter_map(|(_, home)| home.landlord.as_ref())).await?;
            for (key, home) in homes {
                let landlord = match &home.landlord {
                    Some(sealed) => api.vault.reveal(sealed).await?,
                    None => None,
                };
                known.homes.insert(key.clone(), Home { id: home.id.clone(), tenure: home.tenure, landlord });
            }
        }
        let households: HashSet<&str> = homes.iter().map(|(_, home)| home.id.as_str()).collect();
        let compared =
            |other: &Occupant| households.contains(other.household.as_str()) || documents.contains(&other.document);
        let occupants: Vec<Occupant> = occupants.into_iter().filter(compared).collect();
        for occupants in occupants.chunks(STEP) {
            known.meet(occupants).await?;
        }
        Ok(known)
    }

    async fn meet(&mut self, occupants: &[Occupant]) -> Result<(), Status> {
        self.vault.foresee(occupants.iter().map(|occupant| &occupant.person)).await?;
        for Occupant { id, household, document, person } in occupants {
            // Somebody who was erased meanwhile is nobody to compare with.
            let Some(person) = self.vault.reveal::<Person>(person).await? else { continue };
            let at = self.people.len();
            if !document.is_empty() {
                self.by_document.insert(document.clone(), at);
            }
            self.by_name.insert((household.clone(), person.full_name.clone()), at);
            self.people.push(Resident { id: id.clone(), household: household.clone(), person });
        }
        Ok(())
    }

    pub(super) fn home(&self, compound_id: &str, room: &Room) -> Option<&Home> {
        self.homes.get(&door(compound_id, room))
    }

    /// Who has this document, anywhere in the neighbourhood.
    pub(super) fn by_document(&self, person: &Person) -> Option<&Resident> {
        let at = self.by_document.get(&document(&self.vault, person)?)?;
        self.people.get(*at)
    }

    /// Who is called so in this household.
    pub(super) fn by_name(&self, household: &str, name: &str) -> Option<&Resident> {
        let at = self.by_name.get(&(household.to_owned(), name.to_owned()))?;
        self.people.get(*at)
    }
}

fn door(compound_id: &str, room: &Room) -> String {
    keys::door(compound_id, &room.place.building, &room.place.unit, &room.place.room)
}

fn document(vault: &Vault, person: &Person) -> Option<String> {
    person.document.as_ref().and_then(|document| keys::document_index(vault, document)).map(index)
}
