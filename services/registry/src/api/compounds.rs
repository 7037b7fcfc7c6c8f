//! Compounds: their gates, and how strictly they are guarded.

use chassis::{Call, Decision, Fields};
use proto::registry::v1::{
    AddGateRequest, Compound, CreateCompoundRequest, Gate, GetCompoundRequest, ListCompoundsRequest,
    ListCompoundsResponse, Regime, SetRegimeRequest,
};
use tonic::{Request, Status};

use super::{Answer, Api, fault, fresh, refused};
use crate::{
    domain::{compound, not_found},
    keys,
    projections::{Asked, compounds},
    typing,
};

/// Characters of a name on a sign.
const LONGEST: usize = 60;

pub(super) async fn create(api: &Api, request: Request<CreateCompoundRequest>) -> Answer<Compound> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner().compound.unwrap_or_default();
    let mut fields = Fields::new();
    let display_name = typing::tidy(&given.display_name);
    fields.required("compound.display_name", &display_name, LONGEST);
    let group = fields.at_most("compound.management_group", &given.management_group, LONGEST);
    let neighbourhood = fields.name("compound.neighbourhood", "neighbourhoods", &given.neighbourhood);
    let neighbourhood = fields.read(neighbourhood)?;
    api.neighbourhood(&call, &neighbourhood).await?;
    let id = call.id("compound");
    let key = keys::compound(&neighbourhood, &display_name);
    let decide = |compound: &compound::Compound, _| {
        let events = compound.open(&display_name, &neighbourhood, group).map_err(refused)?;
        Ok(Decision::new(events).office(&neighbourhood).reserve(keys::COMPOUND_NAME, &key))
    };
    Ok(api.begin(&call, &id, decide, |after, version| shown(&id, after, version)).await?.into_response())
}

pub(super) async fn get(api: &Api, request: Request<GetCompoundRequest>) -> Answer<Compound> {
    let call = Call::query(&request)?;
    let mut fields = Fields::new();
    let id = fields.name("name", "compounds", &request.get_ref().name);
    let id = fields.read(id)?;
    let mut db = api.views.read(&call).await?;
    let compound = compounds::get(&mut db, &call.principal.scope, &id).await.map_err(fault)?;
    compound.map(Into::into).ok_or_else(|| not_found("compound").into())
}

pub(super) async fn list(api: &Api, request: Request<ListCompoundsRequest>) -> Answer<ListCompoundsResponse> {
    let call = Call::query(&request)?;
    let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
    let mut fields = Fields::new();
    let parent = fields.name_if_given("parent", "neighbourhoods", &request.get_ref().parent).unwrap_or_default();
    fields.done()?;
    let mut db = api.views.read(&call).await?;
    let page = compounds::list(&mut db, &call.principal.scope, &parent, &asked).await.map_err(fault)?;
    Ok(ListCompoundsResponse { compounds: page.rows, next_page_token: page.next }.into())
}

pub(super) async fn add_gate(api: &Api, request: Request<AddGateRequest>) -> Answer<Compound> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let display_name = typing::tidy(&given.display_name);
    fields.required("display_name", &display_name, LONGEST);
    let id = fields.name("compound", "compounds", &given.compound);
    let id = fields.read(id)?;
    let gate = call.id("gate");
    change(api, &call, &id, &given.etag, |compound| compound.add_gate(&gate, &display_name)).await
}

pub(super) async fn set_regime(api: &Api, request: Request<SetRegimeRequest>) -> Answer<Compound> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let regime: Option<Regime> = fields.one_of("regime", given.regime);
    let from = fields.date("from", &given.from);
    let id = fields.name("compound", "compounds", &given.compound);
    let (regime, from, id) = fields.read(regime.zip(from).zip(id).map(|((regime, from), id)| (regime, from, id)))?;
    change(api, &call, &id, &given.etag, |compound| compound.set_regime(regime, from)).await
}

async fn change(
    api: &Api,
    call: &Call,
    id: &str,
    etag: &str,
    decide: impl Fn(&compound::Compound) -> Result<Vec<compound::Event>, compound::Refusal> + Send + Sync,
) -> Result<tonic::Response<Compound>, Status> {
    let known = api.compound(call, id).await?;
    let decide = |compound: &compound::Compound, version: u64| {
        let events = fresh(decide(compound).map_err(refused)?, etag, version)?;
        Ok(Decision::new(events).office(&known.neighbourhood_id))
    };
    Ok(api.decide(call, id, decide, |after, version| shown(id, after, version)).await?.into_response())
}

fn shown(id: &str, compound: &compound::Compound, version: u64) -> Compound {
    let gate = |gate: &compound::Gate| Gate {
        name: format!("compounds/{id}/gates/{}", gate.id),
        display_name: gate.display_name.clone(),
    };
    Compound {
        name: format!("compounds/{id}"),
        display_name: compound.display_name.clone(),
        neighbourhood: format!("neighbourhoods/{}", compound.neighbourhood_id),
        management_group: compound.management_group.clone(),
        gates: compound.gates.iter().map(gate).collect(),
        regime: compound.regime.into(),
        regime_from: compound.regime_from.clone(),
        etag: version.to_string(),
    }
}
