//! Visits from door to door: recorded by whoever stood there, or by a colleague from a list on paper.

use std::sync::Arc;

use chassis::{Call, Decision, Fields, instant, timestamp};
use proto::registry::v1::{
    Door, FlagKeyPersonRequest, KeyPerson, ListCoverageRequest, ListCoverageResponse, ListKeyPersonsRequest,
    ListKeyPersonsResponse, ListOverdueHouseholdsRequest, ListOverdueHouseholdsResponse, ListUnknownOccupantsRequest,
    ListUnknownOccupantsResponse, ListVisitsRequest, ListVisitsResponse, OccupantsNote, RecordVisitRequest,
    ResolveUnknownOccupantsRequest, UnflagKeyPersonRequest, UnknownOccupants, Visit, VisitOutcome,
    visit_service_server::VisitService, visits_event::Visited,
};
use tonic::{Request, Status};

use super::{Answer, Api, coverage, fault, key_persons, occupants, refused};
use crate::{
    domain::{household, not_found, resident, staff, visits},
    projections::{
        Asked,
        visits::{self as made, Home},
    },
};

/// Residents met at one door, and people there whom nobody knew.
const MOST_PEOPLE: i32 = 100;
/// Characters about them.
const LONGEST_NOTE: usize = 200;

#[tonic::async_trait]
impl VisitService for Api {
    async fn record_visit(&self, request: Request<RecordVisitRequest>) -> Answer<Visit> {
        record(self, request).await
    }

    async fn list_visits(&self, request: Request<ListVisitsRequest>) -> Answer<ListVisitsResponse> {
        list(self, request).await
    }

    async fn list_coverage(&self, request: Request<ListCoverageRequest>) -> Answer<ListCoverageResponse> {
        coverage::list(self, request).await
    }

    async fn list_overdue_households(
        &self,
        request: Request<ListOverdueHouseholdsRequest>,
    ) -> Answer<ListOverdueHouseholdsResponse> {
        coverage::overdue(self, request).await
    }

    async fn list_unknown_occupants(
        &self,
        request: Request<ListUnknownOccupantsRequest>,
    ) -> Answer<ListUnknownOccupantsResponse> {
        occupants::list(self, request).await
    }

    async fn resolve_unknown_occupants(
        &self,
        request: Request<ResolveUnknownOccupantsRequest>,
    ) -> Answer<UnknownOccupants> {
        occupants::resolve(self, request).await
    }

    async fn flag_key_person(&self, request: Request<FlagKeyPersonRequest>) -> Answer<KeyPerson> {
        key_persons::flag(self, request).await
    }

    async fn unflag_key_person(&self, request: Request<UnflagKeyPersonRequest>) -> Answer<KeyPerson> {
        key_persons::unflag(self, request).await
    }

    async fn list_key_persons(&self, request: Request<ListKeyPersonsRequest>) -> Answer<ListKeyPersonsResponse> {
        key_persons::list(self, request).await
    }
}

async fn record(api: &Api, request: Request<RecordVisitRequest>) -> Answer<Visit> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let household_id = fields.name("household", "households", &given.household);
    let outcome: Option<VisitOutcome> = fields.one_of("outcome", given.outcome);
    let resident_ids = residents(&mut fields, &given.residents);
    fields.number("unknown_occupants", given.unknown_occupants, 0..=MOST_PEOPLE);
    let text = fields.at_most("note", &given.note, LONGEST_NOTE);
    fields.check(
        "note",
        text.is_empty() || given.unknown_occupants > 0,
        "只用于说明陌生人的情况：请删去，或填写陌生人数",
        "is about unknown people alone: remove it, or say how many there were",
    );
    let staff_id = fields.name_if_given("visitor", "staff", &given.visitor);
    let task_id = fields.name_if_given("task", "tasks", &given.task).unwrap_or_default();
    let time = match &given.time {
        Some(time) => fields.time("time", Some(time)),
        None => Some(call.now),
    };
    fields.check(
        "time",
        time.is_none_or(|time| time <= call.now),
        "走访时间不能晚于现在",
        "must not lie ahead: a visit is recorded when it was made",
    );
    let (household_id, (outcome, time)) = fields.read(household_id.zip(outcome.zip(time)))?;
    let residence = api.residence(&call, &household_id).await?;
    for id in &resident_ids {
        api.lives_in(&call, id, &household_id).await?;
    }
    let visitor = match staff_id {
        Some(id) => api.member_of_staff(&call, &id, &residence.neighbourhood_id).await?,
        None => call.principal.subject.clone(),
    };
    // A note whose occupants are resolved cannot be sealed again; the retry still gets its answer.
    if let Some(done) = api.ledger.done_before::<Visit>(&call).await? {
        return Ok(done.into_response());
    }
    let visit_id = call.id("visit");
    let note = match text {
        "" => None,
        text => Some(api.vault.seal(&visit_id, &OccupantsNote { text: text.to_owned() }).await?),
    };
    let office = residence.neighbourhood_id.clone();
    let visit = Visited {
        visit_id,
        residence: Some(residence),
        outcome: outcome.into(),
        resident_ids,
        unknown_occupants: given.unknown_occupants,
        note,
        visitor,
        task_id,
        visited_at: Some(timestamp(time)),
    };
    let decide = |visits: &visits::Visits, _| {
        let events = visits.record(&visit).map_err(refused)?;
        Ok(Decision::new(events).office(&office))
    };
    let reply = |_: &visits::Visits, _| shown(&household_id, &visit, given.task.clone());
    Ok(api.decide(&call, &household_id, decide, reply).await?.into_response())
}

fn shown(household_id: &str, visit: &Visited, task: String) -> Visit {
    Visit {
        name: format!("households/{household_id}/visits/{}", visit.visit_id),
        outcome: visit.outcome,
        residents: visit.resident_ids.iter().map(|id| format!("residents/{id}")).collect(),
        unknown_occupants: visit.unknown_occupants,
        visitor: visit.visitor.clone(),
        task,
        time: visit.visited_at.as_ref().and_then(instant).map(timestamp),
    }
}

/// The ids of residents that were named, each once.
pub(super) fn residents(fields: &mut Fields, named: &[String]) -> Vec<String> {
    let mut ids = Vec::new();
    for (index, name) in named.iter().enumerate() {
        let id = fields.name(format!("residents[{index}]"), "residents", name).unwrap_or_default();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let few = i32::try_from(named.len()).is_ok_and(|named| named <= MOST_PEOPLE);
    fields.check("residents", few, "一户最多填写 100 人", "names more than 100 people");
    ids
}

async fn list(api: &Api, request: Request<ListVisitsRequest>) -> Answer<ListVisitsResponse> {
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
    let mut db = api.views.read(&call).await?;
    let page = made::list(&mut db, &call.principal.scope, home, &asked).await.map_err(fault)?;
    Ok(ListVisitsResponse { visits: page.rows, next_page_token: page.next }.into())
}

impl Api {
    /// A resident of this household, who has not moved out.
    pub(super) async fn lives_in(
        &self,
        call: &Call,
        id: &str,
        household_id: &str,
    ) -> Result<Arc<resident::Resident>, Status> {
        let (resident, residence) = self.resident(call, id).await?;
        if residence.household_id != household_id {
            return Err(not_found("resident").into());
        }
        if resident.moved_out {
            return Err(refused(resident::Refusal::MovedOut).into());
        }
        Ok(resident)
    }

    /// The name of somebody who serves in this neighbourhood, or in all.
    async fn member_of_staff(&self, call: &Call, id: &str, neighbourhood_id: &str) -> Result<String, Status> {
        let (member, _) = self.ledger.load::<staff::Staff>(id).await?;
        let serves = member.enrolled().is_some_and(|enrolled| {
            enrolled.neighbourhood_id.is_empty() || enrolled.neighbourhood_id == neighbourhood_id
        });
        let seen = serves && call.principal.scope.allows(neighbourhood_id);
        if seen { Ok(format!("staff/{id}")) } else { Err(not_found("staff").into()) }
    }

    /// Where a household's door is.
    pub(super) async fn door(&self, household_id: &str) -> Result<Door, Status> {
        let (household, _) = self.ledger.load::<household::Household>(household_id).await?;
        let known = household.registered().cloned().unwrap_or_default();
        Ok(Door {
            household: format!("households/{household_id}"),
            compound: format!("compounds/{}", known.compound_id),
            building: known.building,
            unit: known.unit,
            room: known.room,
        })
    }
}
