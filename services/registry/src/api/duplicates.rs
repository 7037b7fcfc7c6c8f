//! Two records of one person: shown before anybody decides, merged by decision, undone by decision. Nothing of a record is lost
//! by a merge: its stream says where it went, and the other services follow it.

use std::collections::HashMap;

use chassis::{Call, Decision, Failure, Fields};
use proto::registry::v1::{
    Duplicate, ListDuplicatesRequest, ListDuplicatesResponse, MergeResidentRequest, Person, Residence, Resident,
    UnmergeResidentRequest, duplicate_service_server::DuplicateService,
};
use tonic::{Request, Status};

use super::{
    Answer, Api, fault, fresh, refused,
    residents::{all_masked, answer, bare, opened},
};
use crate::{
    domain::{not_found, resident},
    keys::{self, ResidentKeys},
    likeness::{self, Pair, Record},
    projections::{Asked, register, residents},
};

/// Pairs of a page: each is to be looked at.
const MOST: i64 = 100;
/// People who are unsealed between two looks for their keys.
const STEP: usize = 2_000;

#[tonic::async_trait]
impl DuplicateService for Api {
    async fn list_duplicates(&self, request: Request<ListDuplicatesRequest>) -> Answer<ListDuplicatesResponse> {
        let call = Call::query(&request)?;
        let given = request.into_inner();
        let asked = Asked::new(given.page_size, &given.page_token)?.at_most(MOST);
        let place = self.within(&call, &given.parent).await?;
        let own = call.principal.scope.neighbourhood().unwrap_or_default();
        let neighbourhood = if place.neighbourhood.is_empty() { own } else { &place.neighbourhood };
        let mut fields = Fields::new();
        fields.check(
            "parent",
            !neighbourhood.is_empty(),
            "须指明社区或小区：请填写",
            "is required: say in which neighbourhood or compound",
        );
        fields.done()?;
        let (records, compounds) = records(self, &call, neighbourhood).await?;
        let here = |id: &String| {
            place.compound.is_empty() || compounds.get(id).is_some_and(|compound| *compound == place.compound)
        };
        let pairs = tokio::task::spawn_blocking(move || likeness::pairs(&records)).await;
        let pairs = pairs.map_err(|error| fault(error.into()))?;
        let rows = pairs
            .into_iter()
            .filter(|pair| here(&pair.one) || here(&pair.other))
            .map(|pair| (pair.key(), pair))
            .filter(|(key, _)| key.as_str() > asked.after())
            .take(asked.most() + 1);
        let page = asked.page(rows.collect());
        let mut duplicates = Vec::with_capacity(page.rows.len());
        for pair in page.rows {
            duplicates.extend(shown(self, &call, pair).await?);
        }
        Ok(ListDuplicatesResponse { duplicates, next_page_token: page.next }.into())
    }

    async fn merge_resident(&self, request: Request<MergeResidentRequest>) -> Answer<Resident> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let why = why(&mut fields, &given.reason);
        let id = fields.name("name", "residents", &given.name);
        let into = fields.name("into", "residents", &given.into);
        let (id, into) = fields.read(id.zip(into))?;
        let (known, home) = self.resident(&call, &id).await?;
        let (other, there) = self.resident(&call, &into).await?;
        // Whoever acts for the whole subdistrict sees both; a record stays within its neighbourhood all the same.
        if home.neighbourhood_id != there.neighbourhood_id {
            return Err(not_found("resident").into());
        }
        other.is_present().map_err(refused)?;
        let keys = held(self, &known, &home).await?;
        let decide = |resident: &resident::Resident, version| {
            let events = resident.merge(&into, &there, &id, &why).map_err(refused)?;
            let decision = Decision::new(fresh(events, &given.etag, version)?);
            let mut decision = decision.office(&home.neighbourhood_id).subject(&id);
            if let Some(keys) = &keys {
                decision = decision.release(keys::RESIDENT_NAME, keys.name);
                if let Some(document) = keys.document {
                    decision = decision.release(keys::RESIDENT_DOCUMENT, document);
                }
            }
            Ok(decision)
        };
        let done = self.decide(&call, &id, decide, |after, version| bare(&id, after, version)).await?;
        let (other, _) = self.ledger.load::<resident::Resident>(&into).await?;
        if let Err(refusal) = other.is_present() {
            // Somebody ended the other record at the same moment, maybe by merging it into this one: no record may vanish.
            undo(self, &call.derive("undo"), &id, &home, "另一条记录同时被并走").await.map_err(super::clash)?;
            return Err(refused(refusal).into());
        }
        answer(self, done).await
    }

    async fn unmerge_resident(&self, request: Request<UnmergeResidentRequest>) -> Answer<Resident> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let why = why(&mut fields, &given.reason);
        let id = fields.name("name", "residents", &given.name);
        let id = fields.read(id)?;
        let (_, home) = self.resident(&call, &id).await?;
        answer(self, undo(self, &call, &id, &home, &why).await.map_err(super::clash)?).await
    }
}

/// The record stands by itself again and holds its name and document, where nobody else has taken them since.
async fn undo(
    api: &Api,
    call: &Call,
    id: &str,
    home: &Residence,
    why: &str,
) -> Result<chassis::Done<Resident>, Failure> {
    let (known, _) = api.ledger.load::<resident::Resident>(id).await?;
    let keys = held(api, &known, home).await?;
    let decide = |resident: &resident::Resident, _| {
        let decision = Decision::new(resident.unmerge(why)?).office(&home.neighbourhood_id).subject(id);
        Ok::<_, resident::Refusal>(match &keys {
            None => decision,
            Some(keys) => {
                let decision = decision.reserve(keys::RESIDENT_NAME, keys.name);
                keys.document.into_iter().fold(decision, |all, key| all.reserve(keys::RESIDENT_DOCUMENT, key))
            }
        })
    };
    api.ledger.transact(call, id, decide, |after, version| bare(id, after, version)).await
}

/// What a record holds, as long as anything is known of the person.
async fn held(api: &Api, known: &resident::Resident, home: &Residence) -> Result<Option<ResidentKeys>, Failure> {
    let person = opened(api, known.person()).await?;
    Ok(person.map(|person| ResidentKeys::of(&api.vault, &home.neighbourhood_id, &home.household_id, &person)))
}

fn why(fields: &mut Fields, typed: &str) -> String {
    let why = fields.required("reason", typed, 200).to_owned();
    fields.check(
        "reason",
        why.is_empty() || why.chars().count() >= 4,
        "至少写 4 个字，说明依据：会留下记录",
        "must say in at least four characters what it rests on: it stays on record",
    );
    why
}

/// Everybody of a neighbourhood, unsealed for as long as they are compared; and the compound of each.
async fn records(
    api: &Api,
    call: &Call,
    neighbourhood: &str,
) -> Result<(Vec<Record>, HashMap<String, String>), Status> {
    let (homes, occupants) = {
        let mut db = api.views.read(call).await?;
        let scope = &call.principal.scope;
        let homes = register::homes(&mut db, scope, neighbourhood).await.map_err(fault)?;
        (homes, register::occupants(&mut db, scope, neighbourhood).await.map_err(fault)?)
    };
    let homes: HashMap<String, register::Home> = homes.into_iter().map(|home| (home.id.clone(), home)).collect();
    let (mut records, mut compounds) = (Vec::with_capacity(occupants.len()), HashMap::new());
    for occupants in occupants.chunks(STEP) {
        api.vault.foresee(occupants.iter().map(|occupant| &occupant.person)).await?;
        for occupant in occupants {
            let Some(person) = api.vault.reveal::<Person>(&occupant.person).await? else { continue };
            let Some(home) = homes.get(&occupant.household) else { continue };
            let door = (home.compound.clone(), home.building.clone(), home.room.clone());
            compounds.insert(occupant.id.clone(), home.compound.clone());
            records.push(Record::of(occupant.id.clone(), occupant.household.clone(), door, &person));
        }
    }
    Ok((records, compounds))
}

/// Nothing where one of them is gone meanwhile.
async fn shown(api: &Api, call: &Call, pair: Pair) -> Result<Option<Duplicate>, Status> {
    let stored = {
        let mut db = api.views.connection().await?;
        let scope = &call.principal.scope;
        let one = residents::get(&mut db, scope, &pair.one).await.map_err(fault)?;
        let other = residents::get(&mut db, scope, &pair.other).await.map_err(fault)?;
        let Some((one, other)) = one.zip(other) else { return Ok(None) };
        vec![one, other]
    };
    let mut two = all_masked(api, stored).await?.into_iter();
    let likenesses = pair.likenesses.iter().map(|likeness| i32::from(*likeness)).collect();
    Ok(Some(Duplicate { one: two.next(), other: two.next(), likenesses }))
}
