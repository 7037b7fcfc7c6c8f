//! People found at a door whom nobody knew: a list that is worked off by registering them, or by saying why not.

use chassis::{Call, Decision, Done, Fields};
use proto::registry::v1::{
    ListUnknownOccupantsRequest, ListUnknownOccupantsResponse, OccupantsDecision, OccupantsNote,
    ResolveUnknownOccupantsRequest, UnknownOccupants,
};
use tonic::{Request, Status};

use super::{Answer, Api, fault, refused, visits::residents};
use crate::{
    domain::visits::{self, Answer as Said},
    projections::{
        Asked,
        occupants::{self, Stored},
    },
};

pub(super) async fn list(
    api: &Api,
    request: Request<ListUnknownOccupantsRequest>,
) -> Answer<ListUnknownOccupantsResponse> {
    let call = Call::query(&request)?;
    let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
    let place = api.within(&call, &request.get_ref().parent).await?;
    let page = {
        let mut db = api.views.read(&call).await?;
        occupants::unresolved(&mut db, &call.principal.scope, &place, &asked).await.map_err(fault)?
    };
    api.vault.foresee(page.rows.iter().filter_map(|stored| stored.note.as_ref())).await?;
    let mut occupants = Vec::with_capacity(page.rows.len());
    for stored in page.rows {
        occupants.push(with_note(api, stored).await?);
    }
    Ok(ListUnknownOccupantsResponse { occupants, next_page_token: page.next }.into())
}

async fn with_note(api: &Api, stored: Stored) -> Result<UnknownOccupants, Status> {
    let note: Option<OccupantsNote> = match &stored.note {
        Some(sealed) => api.vault.reveal(sealed).await?,
        None => None,
    };
    Ok(UnknownOccupants { note: note.unwrap_or_default().text, ..stored.occupants })
}

pub(super) async fn resolve(api: &Api, request: Request<ResolveUnknownOccupantsRequest>) -> Answer<UnknownOccupants> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let path = fields.path("name", ["households", "visits"], &given.name);
    let resident_ids = residents(&mut fields, &given.residents);
    fields.number("dismissed", given.dismissed, 0..=i32::MAX);
    let decision: Option<OccupantsDecision> =
        if given.decision == 0 { None } else { fields.one_of("decision", given.decision) };
    let [household_id, visit_id] = fields.read(path)?;
    let residence = api.residence(&call, &household_id).await?;
    for id in &resident_ids {
        api.lives_in(&call, id, &household_id).await?;
    }
    let resolution_id = call.id("resolution");
    let decide = |visits: &visits::Visits, _| {
        let said = Said {
            resolution_id: &resolution_id,
            visit_id: &visit_id,
            residents: &resident_ids,
            dismissed: given.dismissed,
            decision,
        };
        let events = visits.resolve(said).map_err(refused)?;
        Ok(Decision::new(events).office(&residence.neighbourhood_id))
    };
    let reply = |after: &visits::Visits, _| UnknownOccupants {
        name: given.name.clone(),
        found: after.found(&visit_id),
        unresolved: after.unresolved(&visit_id).unwrap_or_default(),
        ..UnknownOccupants::default()
    };
    let done = api.decide(&call, &household_id, decide, reply).await?;
    if done.reply.unresolved == 0 {
        // Nobody asks any more who they were. The event makes the reaction do the same; this one does so before it answers.
        api.vault.destroy(&visit_id).await?;
    }
    let reply = UnknownOccupants { door: Some(api.door(&household_id).await?), ..done.reply };
    Ok(Done { reply, log: done.log, position: done.position }.into_response())
}
