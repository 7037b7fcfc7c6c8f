//! Residents: masked on every screen; revealed with a reason that stays on record; erased for good.

use chassis::{Call, Decision, Done, Failure, Fields, day_of};
use proto::{
    event::v1::Sealed,
    registry::v1::{
        CreateResidentRequest, EraseResidentRequest, GetResidentRequest, ListResidentsRequest, ListResidentsResponse,
        ListRevealsRequest, ListRevealsResponse, MoveOutResidentRequest, Person, Residence, Resident,
        RevealResidentRequest, RevealResidentResponse,
    },
};
use tonic::{Request, Response, Status};

use super::{Answer, Api, clash, fault, fresh, refused};
use crate::{
    domain::{not_found, resident},
    keys::{self, ResidentKeys},
    mask, person,
    projections::{
        Asked,
        residents::{self, Home, Stored},
        reveals,
    },
};

pub(super) async fn create(api: &Api, request: Request<CreateResidentRequest>) -> Answer<Resident> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let household_id = fields.name("household", "households", &given.household);
    let person = person::read(&mut fields, "person.", &given.person.unwrap_or_default(), day_of(call.now));
    let household_id = fields.read(household_id)?;
    let residence = api.residence(&call, &household_id).await?;
    // Somebody who was erased since cannot be sealed again; the retry still gets its answer.
    let done = match api.ledger.done_before::<Resident>(&call).await? {
        Some(done) => done,
        None => register(api, &call, &residence, &person).await.map_err(clash)?,
    };
    answer(api, done).await
}

/// Registers a resident under an id that derives from the command.
pub(super) async fn register(
    api: &Api,
    call: &Call,
    residence: &Residence,
    person: &Person,
) -> Result<Done<Resident>, Failure> {
    let id = call.id("resident");
    let Residence { neighbourhood_id, household_id, .. } = residence;
    let keys = ResidentKeys::of(&api.vault, neighbourhood_id, household_id, person);
    let sealed = api.vault.seal(&id, person).await?;
    let phones = i32::try_from(person.phones.len()).unwrap_or(i32::MAX);
    let decide = |resident: &resident::Resident, _| {
        let events = resident.register(residence, sealed.clone(), phones)?;
        let decision = Decision::new(events).office(neighbourhood_id).subject(&id);
        let decision = decision.reserve(keys::RESIDENT_NAME, keys.name);
        Ok::<_, resident::Refusal>(match keys.document {
            Some(document) => decision.reserve(keys::RESIDENT_DOCUMENT, document),
            None => decision,
        })
    };
    api.ledger.begin(call, &id, decide, |after, version| bare(&id, after, version)).await
}

pub(super) async fn get(api: &Api, request: Request<GetResidentRequest>) -> Answer<Resident> {
    let call = Call::query(&request)?;
    let id = id(&request.get_ref().name, "name")?;
    let stored = {
        let mut db = api.views.read(&call).await?;
        residents::get(&mut db, &call.principal.scope, &id).await.map_err(fault)?
    };
    let stored = stored.ok_or_else(|| Status::from(not_found("resident")))?;
    Ok(masked(api, stored).await?.into())
}

pub(super) async fn list(api: &Api, request: Request<ListResidentsRequest>) -> Answer<ListResidentsResponse> {
    let call = Call::query(&request)?;
    let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
    let parent = &request.get_ref().parent;
    let mut fields = Fields::new();
    let mut home = Home::default();
    if parent.starts_with("compounds/") {
        home.compound = fields.name("parent", "compounds", parent).unwrap_or_default();
    } else {
        home.household = fields.name_if_given("parent", "households", parent).unwrap_or_default();
    }
    fields.done()?;
    let page = {
        let mut db = api.views.read(&call).await?;
        residents::list(&mut db, &call.principal.scope, home, &asked).await.map_err(fault)?
    };
    let residents = all_masked(api, page.rows).await?;
    Ok(ListResidentsResponse { residents, next_page_token: page.next }.into())
}

pub(super) async fn reveal(api: &Api, request: Request<RevealResidentRequest>) -> Answer<RevealResidentResponse> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let why = fields.required("reason", &given.reason, 200);
    fields.check(
        "reason",
        why.is_empty() || why.chars().count() >= 4,
        "至少写 4 个字，说明为什么需要查看：会留下记录",
        "must say in at least four characters why it is needed: it stays on record",
    );
    let id = fields.name("name", "residents", &given.name);
    let id = fields.read(id)?;
    let (known, residence) = api.resident(&call, &id).await?;
    let decide = |resident: &resident::Resident, _| {
        let events = resident.reveal(why).map_err(refused)?;
        Ok(Decision::new(events).office(&residence.neighbourhood_id).subject(&id))
    };
    // On record first, shown afterwards; and what was shown is not kept with the command.
    let done = api.decide(&call, &id, decide, |_, _| RevealResidentResponse::default()).await?;
    let person = opened(api, known.person()).await?.ok_or_else(|| refused(resident::Refusal::Erased))?;
    let returned = match known.returned() {
        Some(sealed) => api.vault.reveal(sealed).await?,
        None => None,
    };
    let reply = RevealResidentResponse { person: Some(person), returned };
    Ok(Done { reply, log: done.log, position: done.position }.into_response())
}

pub(super) async fn list_reveals(api: &Api, request: Request<ListRevealsRequest>) -> Answer<ListRevealsResponse> {
    let call = Call::query(&request)?;
    let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
    let id = id(&request.get_ref().parent, "parent")?;
    api.resident(&call, &id).await?;
    let mut db = api.views.read(&call).await?;
    let page = reveals::list(&mut db, &call.principal.scope, &id, &asked).await.map_err(fault)?;
    Ok(ListRevealsResponse { reveals: page.rows, next_page_token: page.next }.into())
}

pub(super) async fn move_out(api: &Api, request: Request<MoveOutResidentRequest>) -> Answer<Resident> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    end(api, &call, &given.name, |resident, version| fresh(resident.move_out().map_err(refused)?, &given.etag, version))
        .await
}

pub(super) async fn erase(api: &Api, request: Request<EraseResidentRequest>) -> Answer<Resident> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let response = end(api, &call, &given.name, |resident, _| resident.erase().map_err(refused)).await?;
    // The event alone makes every service destroy its key; this one does so before it answers.
    let id = id(&given.name, "name")?;
    api.vault.destroy(&id).await?;
    api.names.forget(&id).await;
    let (metadata, resident, extensions) = response.into_parts();
    let bare =
        Resident { masked_name: String::new(), masked_phones: vec![], masked_document: String::new(), ..resident };
    Ok(Response::from_parts(metadata, bare, extensions))
}

/// A decision after which the person holds neither the document nor the name any more: they may be registered elsewhere.
async fn end(
    api: &Api,
    call: &Call,
    name: &str,
    decide: impl Fn(&resident::Resident, u64) -> Result<Vec<resident::Event>, chassis::Refusal> + Send + Sync,
) -> Answer<Resident> {
    let id = id(name, "name")?;
    let (known, residence) = api.resident(call, &id).await?;
    let person = opened(api, known.person()).await?;
    let Residence { neighbourhood_id, household_id, .. } = &residence;
    let keys = person.map(|person| ResidentKeys::of(&api.vault, neighbourhood_id, household_id, &person));
    let decide = |resident: &resident::Resident, version| {
        let mut decision = Decision::new(decide(resident, version)?).office(neighbourhood_id).subject(&id);
        if let Some(keys) = &keys {
            decision = decision.release(keys::RESIDENT_NAME, keys.name);
            if let Some(document) = keys.document {
                decision = decision.release(keys::RESIDENT_DOCUMENT, document);
            }
        }
        Ok(decision)
    };
    let done = api.decide(call, &id, decide, |after, version| bare(&id, after, version)).await?;
    answer(api, done).await
}

fn id(name: &str, field: &str) -> Result<String, Status> {
    let mut fields = Fields::new();
    let id = fields.name(field, "residents", name);
    fields.read(id)
}

/// As it is kept with the command: nothing of the person.
pub(super) fn bare(id: &str, resident: &resident::Resident, version: u64) -> Resident {
    let home = resident.residence().cloned().unwrap_or_default();
    Resident {
        name: format!("residents/{id}"),
        household: format!("households/{}", home.household_id),
        compound: format!("compounds/{}", home.compound_id),
        neighbourhood: format!("neighbourhoods/{}", home.neighbourhood_id),
        moved_out: resident.moved_out,
        erased: resident.erased,
        etag: version.to_string(),
        merged_into: resident.merged_into.as_ref().map_or_else(String::new, |into| format!("residents/{into}")),
        ..Resident::default()
    }
}

/// The reply with its masks put on.
pub(super) async fn answer(api: &Api, done: Done<Resident>) -> Answer<Resident> {
    let id = done.reply.name.trim_start_matches("residents/");
    let (resident, _) = api.ledger.load::<resident::Resident>(id).await?;
    let person = opened(api, resident.person()).await?;
    let door = api.door(done.reply.household.trim_start_matches("households/")).await?;
    let reply = Resident { building: door.building, unit: door.unit, room: door.room, ..done.reply };
    let reply = with_masks(reply, person.as_ref());
    Ok(Done { reply, log: done.log, position: done.position }.into_response())
}

pub(super) async fn all_masked(api: &Api, stored: Vec<Stored>) -> Result<Vec<Resident>, Status> {
    api.vault.foresee(stored.iter().filter_map(|stored| stored.person.as_ref())).await?;
    let mut shown = Vec::with_capacity(stored.len());
    for stored in stored {
        shown.push(masked(api, stored).await?);
    }
    Ok(shown)
}

async fn masked(api: &Api, stored: Stored) -> Result<Resident, Status> {
    let person = opened(api, stored.person.as_ref()).await?;
    Ok(with_masks(stored.resident, person.as_ref()))
}

fn with_masks(resident: Resident, person: Option<&Person>) -> Resident {
    let (masked_name, masked_phones, masked_document) = person.map(mask::person).unwrap_or_default();
    Resident { masked_name, masked_phones, masked_document, ..resident }
}

pub(super) async fn opened(api: &Api, sealed: Option<&Sealed>) -> Result<Option<Person>, Failure> {
    match sealed {
        Some(sealed) => api.vault.reveal(sealed).await,
        None => Ok(None),
    }
}
