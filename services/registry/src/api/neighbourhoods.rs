//! Neighbourhoods: opened by the subdistrict, each with the twelve digits of its statistical code.

use chassis::{Call, Decision, Fields};
use proto::registry::v1::{
    CreateNeighbourhoodRequest, ListNeighbourhoodsRequest, ListNeighbourhoodsResponse, Neighbourhood,
};
use tonic::Request;

use super::{Answer, Api, fault, refused};
use crate::{
    domain::{neighbourhood, not_found},
    keys,
    projections::{Asked, neighbourhoods},
    typing,
};

pub(super) async fn create(api: &Api, request: Request<CreateNeighbourhoodRequest>) -> Answer<Neighbourhood> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner().neighbourhood.unwrap_or_default();
    let mut fields = Fields::new();
    let display_name = fields.required("neighbourhood.display_name", &given.display_name, 60);
    let code = typing::compact(&given.code);
    fields.check(
        "neighbourhood.code",
        code.len() == 12 && code.bytes().all(|digit| digit.is_ascii_digit()),
        "应为 12 位统计用区划代码，例如 330212002012",
        "must be the twelve digits of the statistical code, for example 330212002012",
    );
    fields.done()?;
    let id = call.id("neighbourhood");
    // Whoever is bound to one neighbourhood opens no other.
    if !call.principal.scope.allows(&id) {
        return Err(not_found("neighbourhood").into());
    }
    let decide = |neighbourhood: &neighbourhood::Neighbourhood, _| {
        let events = neighbourhood.open(display_name, &code).map_err(refused)?;
        Ok(Decision::new(events).office(&id).reserve(keys::NEIGHBOURHOOD_CODE, &code))
    };
    let reply = |after: &neighbourhood::Neighbourhood, version: u64| Neighbourhood {
        name: format!("neighbourhoods/{id}"),
        display_name: after.display_name.clone(),
        code: after.code.clone(),
        etag: version.to_string(),
    };
    Ok(api.begin(&call, &id, decide, reply).await?.into_response())
}

pub(super) async fn list(api: &Api, request: Request<ListNeighbourhoodsRequest>) -> Answer<ListNeighbourhoodsResponse> {
    let call = Call::query(&request)?;
    let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
    let mut db = api.views.read(&call).await?;
    let page = neighbourhoods::list(&mut db, &call.principal.scope, &asked).await.map_err(fault)?;
    let response = ListNeighbourhoodsResponse { neighbourhoods: page.rows, next_page_token: page.next };
    Ok(response.into())
}
