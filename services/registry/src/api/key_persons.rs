//! Key persons: flagged by a worker with reasons from a closed list, which are sealed; unflagged by a decision.

use std::collections::BTreeSet;

use chassis::{Call, Decision, Done, Failure, Fields, day_of, timestamp};
use proto::registry::v1::{
    FlagKeyPersonRequest, KeyDecision, KeyPerson, KeyReason, KeyReasons, ListKeyPersonsRequest, ListKeyPersonsResponse,
    Residence, UnflagKeyPersonRequest,
};
use tonic::{Request, Status};

use super::{
    Answer, Api,
    coverage::{KEY_PERSON_DAYS, since},
    fault, refused,
    residents::opened,
};
use crate::{
    domain::{key_person, resident},
    mask,
    projections::{
        Asked,
        key_persons::{self, Stored, Watch},
    },
};

pub(super) async fn flag(api: &Api, request: Request<FlagKeyPersonRequest>) -> Answer<KeyPerson> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.name("resident", "residents", &given.resident);
    let reasons = reasons(&mut fields, &given.reasons);
    let until = fields.date_if_given("until", &given.until);
    fields.check(
        "until",
        until.is_some() || !given.until.is_empty() || reasons != [i32::from(KeyReason::Returned)],
        "只因外地返回而关注的，必须填写截止日期",
        "is required for somebody who is watched for their return alone: give the last day",
    );
    fields.check(
        "until",
        until.is_none_or(|until| until >= day_of(call.now)),
        "截止日期不能早于今天",
        "must not lie before today",
    );
    let id = fields.read(id)?;
    let (known, residence) = api.resident(&call, &id).await?;
    // The reasons of somebody who was erased since cannot be sealed again; the retry still gets its answer.
    let done = match api.ledger.done_before::<KeyPerson>(&call).await? {
        Some(done) => done,
        None => put(api, &call, (&id, &known, &residence), reasons.clone(), &given.until).await?,
    };
    answer(api, &known, &residence.household_id, done, reasons).await
}

async fn put(
    api: &Api,
    call: &Call,
    (id, known, residence): (&str, &resident::Resident, &Residence),
    reasons: Vec<i32>,
    until: &str,
) -> Result<Done<KeyPerson>, Status> {
    known.is_present().map_err(refused)?;
    let sealed = api.vault.seal(id, &KeyReasons { reasons }).await?;
    let flag_id = call.id("flag");
    let decide = |person: &key_person::KeyPerson, _| {
        let events = person.flag_for(&flag_id, residence, sealed.clone(), until).map_err(refused)?;
        Ok(Decision::new(events).office(&residence.neighbourhood_id).subject(id))
    };
    // Nothing of the reasons is kept with the command.
    let reply = |_: &key_person::KeyPerson, _| KeyPerson {
        resident: format!("residents/{id}"),
        flagged: Some(timestamp(call.now)),
        until: until.to_owned(),
        ..KeyPerson::default()
    };
    api.decide(call, id, decide, reply).await
}

pub(super) async fn unflag(api: &Api, request: Request<UnflagKeyPersonRequest>) -> Answer<KeyPerson> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.name("resident", "residents", &given.resident);
    let decision: Option<KeyDecision> = fields.one_of("decision", given.decision);
    let (id, decision) = fields.read(id.zip(decision))?;
    let (known, residence) = api.resident(&call, &id).await?;
    let decide = |person: &key_person::KeyPerson, _| {
        let events = person.unflag(decision).map_err(refused)?;
        Ok(Decision::new(events).office(&residence.neighbourhood_id).subject(&id))
    };
    let reply = |_: &key_person::KeyPerson, _| KeyPerson { resident: given.resident.clone(), ..KeyPerson::default() };
    let done = api.decide(&call, &id, decide, reply).await?;
    answer(api, &known, &residence.household_id, done, Vec::new()).await
}

pub(super) async fn list(api: &Api, request: Request<ListKeyPersonsRequest>) -> Answer<ListKeyPersonsResponse> {
    let call = Call::query(&request)?;
    let given = request.into_inner();
    let asked = Asked::new(given.page_size, &given.page_token)?;
    let mut fields = Fields::new();
    let since = since(&mut fields, "days", given.days, KEY_PERSON_DAYS, call.now);
    let since = fields.read(since)?;
    let place = api.within(&call, &given.parent).await?;
    let watch = Watch { today: day_of(call.now).to_string(), since, overdue_only: given.overdue_only };
    let page = {
        let mut db = api.views.read(&call).await?;
        key_persons::list(&mut db, &call.principal.scope, &place, &watch, &asked).await.map_err(fault)?
    };
    // Both are sealed under one key.
    api.vault.foresee(page.rows.iter().filter_map(|stored| stored.reasons.as_ref())).await?;
    let mut key_persons = Vec::with_capacity(page.rows.len());
    for stored in page.rows {
        key_persons.push(shown(api, stored).await?);
    }
    Ok(ListKeyPersonsResponse { key_persons, next_page_token: page.next }.into())
}

/// Known ones, each once.
fn reasons(fields: &mut Fields, given: &[i32]) -> Vec<i32> {
    let mut known = BTreeSet::new();
    for (index, reason) in given.iter().enumerate() {
        let reason: Option<KeyReason> = fields.one_of(format!("reasons[{index}]"), *reason);
        known.extend(reason.map(i32::from));
    }
    fields.check("reasons", !given.is_empty(), "请至少选择一项关注原因", "must name at least one reason");
    known.into_iter().collect()
}

async fn answer(
    api: &Api,
    known: &resident::Resident,
    household_id: &str,
    done: Done<KeyPerson>,
    reasons: Vec<i32>,
) -> Answer<KeyPerson> {
    let person = opened(api, known.person()).await?;
    let masked_name = person.map(|person| mask::name(&person.full_name)).unwrap_or_default();
    let reply = KeyPerson { door: Some(api.door(household_id).await?), masked_name, reasons, ..done.reply };
    Ok(Done { reply, log: done.log, position: done.position }.into_response())
}

async fn shown(api: &Api, stored: Stored) -> Result<KeyPerson, Status> {
    let person = opened(api, stored.person.as_ref()).await?;
    let masked_name = person.map(|person| mask::name(&person.full_name)).unwrap_or_default();
    let reasons: Option<KeyReasons> = match &stored.reasons {
        Some(sealed) => api.vault.reveal(sealed).await.map_err(|failure: Failure| Status::from(failure))?,
        None => None,
    };
    Ok(KeyPerson { masked_name, reasons: reasons.unwrap_or_default().reasons, ..stored.key_person })
}
