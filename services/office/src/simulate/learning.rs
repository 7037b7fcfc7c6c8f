//! Who is who on the server: found as an office finds them, by the door and by what the register shows of a document.

use std::collections::HashMap;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    registry::v1::{ListResidentsRequest, registry_service_client::RegistryServiceClient},
    screening::v1::{Case, ListCasesRequest, screening_service_client::ScreeningServiceClient},
};

use super::{
    stage::Stage,
    world::{World, shown},
};
use crate::desk::ask::every;

/// One person's names on the server.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// residents/{resident}
    pub(super) resident: String,
    /// cases/{case}, which was opened when they were registered.
    pub(super) case: String,
}

/// Compounds that are looked through side by side.
const SIDE_BY_SIDE: usize = 4;

/// Everybody, in the order of `World::people`.
pub(super) async fn everybody(world: &World, stage: &Stage, time: DateTime<Utc>) -> anyhow::Result<Vec<Known>> {
    let looked = (0..world.compounds.len()).map(|compound| compound_of(world, stage, compound, time));
    let mut looked = stream::iter(looked).buffer_unordered(SIDE_BY_SIDE);
    let mut everybody = vec![Known::default(); world.people.len()];
    while let Some(found) = looked.try_next().await? {
        for (person, known) in found {
            everybody[person] = known;
        }
    }
    Ok(everybody)
}

async fn compound_of(
    world: &World,
    stage: &Stage,
    compound: usize,
    time: DateTime<Utc>,
) -> anyhow::Result<Vec<(usize, Known)>> {
    let mut cases: HashMap<String, String> =
        cases(world, stage, compound, time).await?.into_iter().map(|case| (case.resident, case.name)).collect();
    let connection = stage.offices[world.compounds[compound].neighbourhood].director.at(time);
    let registry = RegistryServiceClient::new(connection);
    let residents = every(async |page_size, page_token| {
        let request = ListResidentsRequest { parent: stage.compounds[compound].clone(), page_size, page_token };
        let page = registry.clone().list_residents(request).await?.into_inner();
        Ok((page.residents, page.next_page_token))
    });
    let residents = residents.await.context("listing residents")?;
    let mut by_door = HashMap::with_capacity(residents.len());
    for resident in residents {
        let door = (resident.building, resident.unit, resident.room, resident.masked_document);
        by_door.insert(door, resident.name);
    }
    let mut found = Vec::with_capacity(by_door.len());
    for home in &world.homes[world.compounds[compound].homes.clone()] {
        for person in home.people.clone() {
            let document = shown(&world.people[person].document);
            let door = (home.building.to_string(), home.unit.to_string(), home.room.to_string(), document);
            let resident = by_door.remove(&door).context("an imported person is not in the register")?;
            let case = cases.remove(&resident).context("an imported person has no case")?;
            found.push((person, Known { resident, case }));
        }
    }
    Ok(found)
}

/// All cases of a compound as they stand.
pub(super) async fn cases(
    world: &World,
    stage: &Stage,
    compound: usize,
    time: DateTime<Utc>,
) -> anyhow::Result<Vec<Case>> {
    let connection = stage.offices[world.compounds[compound].neighbourhood].director.at(time);
    let screening = ScreeningServiceClient::new(connection);
    let cases = every(async |page_size, page_token| {
        let parent = stage.compounds[compound].clone();
        let request = ListCasesRequest { parent, page_size, page_token, ..ListCasesRequest::default() };
        let page = screening.clone().list_cases(request).await?.into_inner();
        Ok((page.cases, page.next_page_token))
    });
    cases.await.context("listing cases")
}
