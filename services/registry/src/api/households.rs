//! Households: a door, a tenure, and the landlord of a rented one, masked.

use chassis::{Call, Decision, Done, Failure, Fields};
use proto::registry::v1::{
    CreateHouseholdRequest, GetHouseholdRequest, Household, Landlord, ListHouseholdsRequest, ListHouseholdsResponse,
    Tenure,
};
use tonic::{Request, Status};

use super::{Answer, Api, clash, fault};
use crate::{
    domain::{
        household::{self, Door},
        not_found,
    },
    keys, mask, person, place,
    projections::{Asked, households},
};

pub(super) async fn create(api: &Api, request: Request<CreateHouseholdRequest>) -> Answer<Household> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let CreateHouseholdRequest { household, landlord, .. } = request.into_inner();
    let given = household.unwrap_or_default();
    let mut fields = Fields::new();
    let compound_id = fields.name("household.compound", "compounds", &given.compound);
    let tenure: Option<Tenure> = fields.one_of("household.tenure", given.tenure);
    let (building, unit) = (place::building(&given.building), place::unit(&given.unit));
    let room = place::room(&given.room);
    fields.required("household.building", &building, place::LONGEST);
    fields.at_most("household.unit", &unit, place::LONGEST);
    fields.required("household.room", &room, place::LONGEST);
    let landlord = landlord.map(|landlord| person::landlord(&mut fields, &landlord));
    fields.check(
        "landlord",
        tenure != Some(Tenure::Rented) || landlord.is_some(),
        "租住的房屋必须登记房东：请填写房东姓名",
        "is required for a rented household: give the landlord's name",
    );
    fields.check(
        "landlord",
        tenure != Some(Tenure::Owned) || landlord.is_none(),
        "自住的房屋不登记房东：请删去",
        "must be empty where the owner lives there: remove it",
    );
    let (compound_id, tenure) = fields.read(compound_id.zip(tenure))?;
    let compound = api.compound(&call, &compound_id).await?;
    let door = Door {
        neighbourhood_id: &compound.neighbourhood_id,
        compound_id: &compound_id,
        building: &building,
        unit: &unit,
        room: &room,
    };
    let done = register(api, &call, door, tenure, landlord.as_ref()).await.map_err(clash)?;
    let landlord = landlord.as_ref().map(mask::landlord).unwrap_or_default();
    Ok(Done { reply: Household { landlord, ..done.reply }, log: done.log, position: done.position }.into_response())
}

/// Registers a household under an id that derives from the command.
pub(super) async fn register(
    api: &Api,
    call: &Call,
    door: Door<'_>,
    tenure: Tenure,
    landlord: Option<&Landlord>,
) -> Result<Done<Household>, Failure> {
    let id = call.id("household");
    let sealed = match landlord {
        Some(landlord) => Some(api.vault.seal(&id, landlord).await?),
        None => None,
    };
    let key = keys::door(door.compound_id, door.building, door.unit, door.room);
    let decide = |household: &household::Household, _| {
        let events = household.register(door, tenure, sealed.clone())?;
        Ok::<_, household::Refusal>(
            Decision::new(events).office(door.neighbourhood_id).reserve(keys::HOUSEHOLD_DOOR, &key),
        )
    };
    let reply = |_: &household::Household, version: u64| Household {
        name: format!("households/{id}"),
        compound: format!("compounds/{}", door.compound_id),
        building: door.building.to_owned(),
        unit: door.unit.to_owned(),
        room: door.room.to_owned(),
        tenure: tenure.into(),
        landlord: String::new(),
        residents: 0,
        etag: version.to_string(),
    };
    api.ledger.begin(call, &id, decide, reply).await
}

/// Another landlord of a rented household, or another number of theirs.
pub(super) async fn change_landlord(
    api: &Api,
    call: &Call,
    id: &str,
    neighbourhood_id: &str,
    landlord: &Landlord,
) -> Result<Done<Household>, Failure> {
    let sealed = api.vault.seal(id, landlord).await?;
    let change = call.id("landlord");
    let decide = |household: &household::Household, _| {
        let events = household.change_landlord(&change, sealed.clone())?;
        Ok::<_, household::Refusal>(Decision::new(events).office(neighbourhood_id))
    };
    let reply = |_: &household::Household, version: u64| Household {
        name: format!("households/{id}"),
        etag: version.to_string(),
        ..Household::default()
    };
    api.ledger.transact(call, id, decide, reply).await
}

pub(super) async fn get(api: &Api, request: Request<GetHouseholdRequest>) -> Answer<Household> {
    let call = Call::query(&request)?;
    let mut fields = Fields::new();
    let id = fields.name("name", "households", &request.get_ref().name);
    let id = fields.read(id)?;
    let stored = {
        let mut db = api.views.read(&call).await?;
        households::get(&mut db, &call.principal.scope, &id).await.map_err(fault)?
    };
    let stored = stored.ok_or_else(|| Status::from(not_found("household")))?;
    Ok(masked(api, stored).await?.into())
}

pub(super) async fn list(api: &Api, request: Request<ListHouseholdsRequest>) -> Answer<ListHouseholdsResponse> {
    let call = Call::query(&request)?;
    let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
    let mut fields = Fields::new();
    let parent = &request.get_ref().parent;
    let mut place = households::Place::default();
    if parent.starts_with("grids/") {
        place.grid = fields.name("parent", "grids", parent).unwrap_or_default();
    } else {
        place.compound = fields.name_if_given("parent", "compounds", parent).unwrap_or_default();
    }
    fields.done()?;
    let page = {
        let mut db = api.views.read(&call).await?;
        households::list(&mut db, &call.principal.scope, place, &asked).await.map_err(fault)?
    };
    api.vault.foresee(page.rows.iter().filter_map(|stored| stored.landlord.as_ref())).await?;
    let mut shown = Vec::with_capacity(page.rows.len());
    for stored in page.rows {
        shown.push(masked(api, stored).await?);
    }
    Ok(ListHouseholdsResponse { households: shown, next_page_token: page.next }.into())
}

async fn masked(api: &Api, stored: households::Stored) -> Result<Household, Status> {
    let landlord = match &stored.landlord {
        Some(sealed) => api.vault.reveal::<Landlord>(sealed).await?,
        None => None,
    };
    Ok(Household { landlord: landlord.as_ref().map(mask::landlord).unwrap_or_default(), ..stored.household })
}
