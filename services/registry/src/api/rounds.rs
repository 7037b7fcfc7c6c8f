//! Rounds: planned, ticked off with time and person, missing.

use chassis::{Call, Decision, Fields, Scope, day_of, timestamp};
use proto::registry::v1::{
    ListRoundsRequest, ListRoundsResponse, PlanRoundRequest, Round as Resource, RoundKind, TickRoundRequest,
    round_event::{Planned, Ticked},
    round_service_server::RoundService,
};
use tonic::{Request, Status};
use uuid::Uuid;

use super::{Answer, Api, fault, refused};
use crate::{
    domain::{not_found, round::Round},
    projections::{Asked, rounds},
};

/// A random UUID of our own, under which the rounds are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x3f81_b0d6_58c2_4e9a_b7d3_92e4_017f_6ca5);
/// Characters of a place within a compound.
const LONGEST_SPOT: usize = 30;

#[tonic::async_trait]
impl RoundService for Api {
    async fn plan_round(&self, request: Request<PlanRoundRequest>) -> Answer<Resource> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let compound_id = fields.name("compound", "compounds", &given.compound);
        let kind: Option<RoundKind> = fields.one_of("kind", given.kind);
        let spot = fields.at_most("spot", &given.spot, LONGEST_SPOT).to_owned();
        fields.number("times_per_day", given.times_per_day, 0..=24);
        let (compound_id, kind) = fields.read(compound_id.zip(kind))?;
        let compound = self.compound(&call, &compound_id).await?;
        let planned = Planned {
            neighbourhood_id: compound.neighbourhood_id.clone(),
            compound_id: compound_id.clone(),
            kind: kind.into(),
            spot,
            times_per_day: given.times_per_day,
        };
        let name = format!("{compound_id}/{}/{}", planned.kind, planned.spot);
        let id = Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string();
        let decide = |round: &Round, _| Ok(Decision::new(round.plan(&planned)).office(&planned.neighbourhood_id));
        let reply = |_: &Round, _| shown(&id, &planned);
        Ok(self.decide(&call, &id, decide, reply).await?.into_response())
    }

    async fn tick_round(&self, request: Request<TickRoundRequest>) -> Answer<Resource> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("round", "rounds", &given.round);
        if given.by.starts_with("volunteers/") {
            fields.name("by", "volunteers", &given.by);
        } else {
            fields.name_if_given("by", "staff", &given.by);
        }
        let time = match &given.time {
            Some(time) => fields.time("time", Some(time)),
            None => Some(call.now),
        };
        fields.check(
            "time",
            time.is_none_or(|time| time <= call.now),
            "不能晚于现在：完成之后再登记",
            "must not lie ahead: a round is ticked off when it was made",
        );
        let (id, time) = fields.read(id.zip(time))?;
        let (round, _) = self.ledger.load::<Round>(&id).await?;
        let planned = round.planned().filter(|planned| reaches(&call.principal.scope, planned)).cloned();
        let planned = planned.ok_or_else(|| Status::from(not_found("round")))?;
        let by = if given.by.is_empty() { call.principal.subject.clone() } else { given.by };
        let ticked = Ticked { tick_id: call.id("tick"), by: by.clone(), time: Some(timestamp(time)) };
        let decide = |round: &Round, _| {
            let events = round.tick(&ticked).map_err(refused)?;
            Ok(Decision::new(events).office(&planned.neighbourhood_id))
        };
        let reply =
            |_: &Round, _| Resource { last_time: Some(timestamp(time)), last_by: by.clone(), ..shown(&id, &planned) };
        Ok(self.decide(&call, &id, decide, reply).await?.into_response())
    }

    async fn list_rounds(&self, request: Request<ListRoundsRequest>) -> Answer<ListRoundsResponse> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let mut fields = Fields::new();
        let day = fields.date_if_given("date", &request.get_ref().date).unwrap_or_else(|| day_of(call.now));
        fields.done()?;
        let within = self.within(&call, &request.get_ref().parent).await?;
        let mut db = self.views.read(&call).await?;
        let wanted = (day.to_string(), request.get_ref().missing_only);
        let wanted = (wanted.0.as_str(), wanted.1);
        let page = rounds::list(&mut db, &call.principal.scope, &within, wanted, &asked).await.map_err(fault)?;
        Ok(ListRoundsResponse { rounds: page.rows, next_page_token: page.next }.into())
    }
}

/// Who stands at a gate makes the rounds of its compound.
fn reaches(scope: &Scope, planned: &Planned) -> bool {
    match scope {
        Scope::Gate { compound, .. } => *compound == planned.compound_id,
        Scope::Own { .. } => false,
        _ => scope.allows(&planned.neighbourhood_id),
    }
}

fn shown(id: &str, planned: &Planned) -> Resource {
    Resource {
        name: format!("rounds/{id}"),
        compound: format!("compounds/{}", planned.compound_id),
        kind: planned.kind,
        spot: planned.spot.clone(),
        times_per_day: planned.times_per_day,
        ..Resource::default()
    }
}
