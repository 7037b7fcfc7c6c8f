//! Rosters: opened for a week, filled by suggestion or by hand, changed by absence and by consent of both; gaps before they
//! happen.

use std::sync::Arc;

use chassis::{Call, Decision, Failure, Fields, Scope, timestamp};
use chrono::{Datelike as _, Days, NaiveDate, TimeDelta, Weekday};
use proto::{
    access::v1::Role,
    registry::v1::{
        AnswerSwapRequest, AssignDutiesRequest, Assignment, Duty, GetRosterRequest, ListGapsRequest, ListGapsResponse,
        ListRostersRequest, ListRostersResponse, Load as LoadResource, OpenRosterRequest, ProposeSwapRequest,
        ReportAbsenceRequest, Roster as Resource, SuggestDutiesRequest, SuggestDutiesResponse, Swap,
        roster_event::Event, roster_service_server::RosterService, swap,
    },
};
use tonic::{Request, Status};
use uuid::Uuid;

use super::{Answer, Api, fault, refused};
use crate::{
    domain::{
        not_found,
        roster::{Answer as SwapAnswer, Busy, Refusal, Roster, Slot, suggestion::Load},
    },
    projections::{Asked, rosters},
};

/// What a request for a week holds.
mod opening;

/// A random UUID of our own, under which the rosters are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x91c4_e7b2_0a3d_4d65_8f19_c6b0_5d2e_847a);
/// Weeks before this one whose nights count.
const WEEKS_BEFORE: u64 = 4;
const MOST_ASSIGNMENTS: usize = 1_000;

/// The roster of a compound and a week.
pub(super) fn id_of(compound_id: &str, from: NaiveDate) -> String {
    Uuid::new_v5(&NAMESPACE, format!("{compound_id}/{from}").as_bytes()).to_string()
}

#[tonic::async_trait]
impl RosterService for Api {
    async fn open_roster(&self, request: Request<OpenRosterRequest>) -> Answer<Resource> {
        opening::open(self, request).await
    }

    async fn get_roster(&self, request: Request<GetRosterRequest>) -> Answer<Resource> {
        let call = Call::query(&request)?;
        let (id, roster, version) = self.roster(&call, &request.get_ref().name).await?;
        let beside = self.beside(&roster).await?;
        let (slots, loads) = (roster.slots(), roster.loads(&beside.before));
        let duties: Vec<Duty> = slots.iter().map(|slot| duty(&id, &roster, slot)).collect();
        let resource = bare(&id)(&roster, version);
        Ok(Resource { duties, loads: loads.iter().map(load).collect(), ..resource }.into())
    }

    async fn list_rosters(&self, request: Request<ListRostersRequest>) -> Answer<ListRostersResponse> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let within = self.within(&call, &request.get_ref().parent).await?;
        let mut db = self.views.read(&call).await?;
        let page = rosters::list(&mut db, &call.principal.scope, &within, &asked).await.map_err(fault)?;
        Ok(ListRostersResponse { rosters: page.rows, next_page_token: page.next }.into())
    }

    async fn suggest_duties(&self, request: Request<SuggestDutiesRequest>) -> Answer<SuggestDutiesResponse> {
        let call = Call::query(&request)?;
        let (id, roster, _) = self.roster(&call, &request.get_ref().roster).await?;
        let beside = self.beside(&roster).await?;
        let suggestion = roster.suggest(&beside.before, &beside.adjacent);
        let name = |duty: String| format!("rosters/{id}/duties/{duty}");
        let assignment =
            |(duty, staff): (String, String)| Assignment { duty: name(duty), staff: format!("staff/{staff}") };
        Ok(SuggestDutiesResponse {
            assignments: suggestion.assignments.into_iter().map(assignment).collect(),
            unfilled: suggestion.unfilled.into_iter().map(name).collect(),
            loads: suggestion.loads.iter().map(load).collect(),
        }
        .into())
    }

    async fn assign_duties(&self, request: Request<AssignDutiesRequest>) -> Answer<Resource> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        fields.check(
            "assignments",
            (1..=MOST_ASSIGNMENTS).contains(&given.assignments.len()),
            "需要 1 至 1000 项安排",
            "must hold 1 to 1000 of them",
        );
        let mut wanted = Vec::new();
        for (at, assignment) in given.assignments.iter().take(MOST_ASSIGNMENTS).enumerate() {
            let path = fields.path(format!("assignments[{at}].duty"), ["rosters", "duties"], &assignment.duty);
            let staff = fields.name(format!("assignments[{at}].staff"), "staff", &assignment.staff);
            if let (Some([roster, duty]), Some(staff)) = (path, staff) {
                fields.check(
                    format!("assignments[{at}].duty"),
                    given.roster == format!("rosters/{roster}"),
                    "不属于这份值班表：请核对",
                    "is of another roster: check the name",
                );
                wanted.push((duty, staff));
            }
        }
        fields.done()?;
        let (id, roster, _) = self.roster(&call, &given.roster).await?;
        let adjacent = self.beside(&roster).await?.adjacent;
        self.change(&call, &id, |roster| roster.assign(&wanted, &adjacent)).await
    }

    async fn report_absence(&self, request: Request<ReportAbsenceRequest>) -> Answer<Resource> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let staff = fields.name("staff", "staff", &given.staff);
        let date = fields.date("date", &given.date);
        let (staff, date) = fields.read(staff.zip(date))?;
        let (id, _, _) = self.roster(&call, &given.roster).await?;
        let leads = matches!(call.principal.role, Role::Director | Role::Officer);
        if !leads && call.principal.subject != given.staff {
            return Err(refused(Refusal::NotYours).into());
        }
        self.change(&call, &id, |roster| roster.report_absence(&staff, date)).await
    }

    async fn propose_swap(&self, request: Request<ProposeSwapRequest>) -> Answer<Swap> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let own = fields.path("own_duty", ["rosters", "duties"], &given.own_duty);
        let other = fields.path("other_duty", ["rosters", "duties"], &given.other_duty);
        let same = own.as_ref().zip(other.as_ref()).is_none_or(|(own, other)| own[0] == other[0]);
        fields.check("other_duty", same, "应为同一份值班表的班次", "must be of the same roster");
        let ([id, own], [_, other]) = fields.read(own.zip(other))?;
        let (id, roster, _) = self.roster(&call, &format!("rosters/{id}")).await?;
        let adjacent = self.beside(&roster).await?.adjacent;
        let swap_id = call.id("swap");
        let by = member(&call)?;
        self.swap(&call, &id, &swap_id, |roster| roster.propose_swap((&swap_id, &by), (&own, &other), &adjacent)).await
    }

    async fn answer_swap(&self, request: Request<AnswerSwapRequest>) -> Answer<Swap> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let path = fields.path("name", ["rosters", "swaps"], &given.name);
        let [id, swap_id] = fields.read(path)?;
        let (id, roster, _) = self.roster(&call, &format!("rosters/{id}")).await?;
        let adjacent = self.beside(&roster).await?.adjacent;
        let by = member(&call)?;
        self.swap(&call, &id, &swap_id, |roster| roster.answer_swap(&swap_id, (&by, given.agree), &adjacent)).await
    }

    async fn list_gaps(&self, request: Request<ListGapsRequest>) -> Answer<ListGapsResponse> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let hours = if request.get_ref().within_hours == 0 { 24 } else { request.get_ref().within_hours };
        let mut fields = Fields::new();
        fields.number("within_hours", hours, 1..=336);
        fields.done()?;
        let within = self.within(&call, &request.get_ref().parent).await?;
        let until = call.now + TimeDelta::hours(hours.into());
        let page = {
            let mut db = self.views.read(&call).await?;
            let span = (call.now.timestamp_micros(), until.timestamp_micros());
            rosters::gaps(&mut db, &call.principal.scope, &within, span, &asked).await.map_err(fault)?
        };
        let mut gaps = Vec::with_capacity(page.rows.len());
        for (id, wanted) in page.rows {
            let (roster, _) = self.ledger.load::<Roster>(&id).await?;
            gaps.extend(roster.slots().iter().find(|slot| slot.id == wanted).map(|slot| duty(&id, &roster, slot)));
        }
        Ok(ListGapsResponse { gaps, next_page_token: page.next }.into())
    }
}

/// What the weeks around a roster say.
struct Beside {
    /// Of the weeks before, for fairness.
    before: Vec<Busy>,
    /// Of the week before and the week after, for rest.
    adjacent: Vec<Busy>,
}

impl Api {
    /// A roster within the caller's reach; whoever stands at a gate sees the compound's.
    async fn roster(&self, call: &Call, name: &str) -> Result<(String, Arc<Roster>, u64), Status> {
        let mut fields = Fields::new();
        let id = fields.name("roster", "rosters", name);
        let id = fields.read(id)?;
        let (roster, version) = self.ledger.load::<Roster>(&id).await?;
        let seen = roster.opened.as_ref().is_some_and(|opened| match &call.principal.scope {
            Scope::Gate { compound, .. } => *compound == opened.compound_id,
            Scope::Own { .. } => false,
            scope => scope.allows(&opened.neighbourhood_id),
        });
        if seen { Ok((id, roster, version)) } else { Err(not_found("roster").into()) }
    }

    async fn beside(&self, roster: &Roster) -> Result<Beside, Failure> {
        let mut beside = Beside { before: Vec::new(), adjacent: Vec::new() };
        let Some(opened) = &roster.opened else { return Ok(beside) };
        let from: NaiveDate = opened.from.parse().unwrap_or_default();
        for week in 1..=WEEKS_BEFORE {
            let busy = self.week(&opened.compound_id, from.checked_sub_days(Days::new(week * 7))).await?;
            if week == 1 {
                beside.adjacent.extend_from_slice(&busy);
            }
            beside.before.extend(busy);
        }
        beside.adjacent.extend(self.week(&opened.compound_id, from.checked_add_days(Days::new(7))).await?);
        Ok(beside)
    }

    async fn week(&self, compound_id: &str, from: Option<NaiveDate>) -> Result<Vec<Busy>, Failure> {
        let Some(from) = from else { return Ok(Vec::new()) };
        Ok(self.ledger.load::<Roster>(&id_of(compound_id, from)).await?.0.busy())
    }

    async fn change<D>(&self, call: &Call, id: &str, decide: D) -> Answer<Resource>
    where
        D: Fn(&Roster) -> Result<Vec<Event>, Refusal> + Send + Sync,
    {
        let decide = |roster: &Roster, _| Ok(file(roster, decide(roster).map_err(refused)?));
        Ok(self.decide(call, id, decide, bare(id)).await?.into_response())
    }

    async fn swap<D>(&self, call: &Call, id: &str, swap_id: &str, decide: D) -> Answer<Swap>
    where
        D: Fn(&Roster) -> Result<Vec<Event>, Refusal> + Send + Sync,
    {
        let decide = |roster: &Roster, _| Ok(file(roster, decide(roster).map_err(refused)?));
        let reply = |roster: &Roster, _| {
            let Some((proposed, answer)) = roster.swap(swap_id) else { return Swap::default() };
            let state = match answer {
                SwapAnswer::Open => swap::State::Proposed,
                SwapAnswer::Agreed => swap::State::Agreed,
                SwapAnswer::Declined => swap::State::Declined,
            };
            Swap {
                name: format!("rosters/{id}/swaps/{swap_id}"),
                own_duty: format!("rosters/{id}/duties/{}", proposed.own_duty_id),
                other_duty: format!("rosters/{id}/duties/{}", proposed.other_duty_id),
                state: state.into(),
            }
        };
        Ok(self.decide(call, id, decide, reply).await?.into_response())
    }
}

/// Consent is a person's own: whoever calls as something else holds no duty.
fn member(call: &Call) -> Result<String, Status> {
    let own = call.principal.subject.strip_prefix("staff/").map(str::to_owned);
    own.ok_or_else(|| refused(Refusal::NotYours).into())
}

fn file(roster: &Roster, events: Vec<Event>) -> Decision<Event> {
    let office = roster.opened.as_ref().map(|opened| opened.neighbourhood_id.clone()).unwrap_or_default();
    Decision::new(events).office(office)
}

/// A roster without its duties: those are many, and kept nowhere but in its stream.
fn bare(id: &str) -> impl Fn(&Roster, u64) -> Resource + Send + Sync {
    move |roster, version| {
        let opened = roster.opened.clone().unwrap_or_default();
        let slots = roster.slots();
        let gaps = slots.iter().filter(|slot| roster.holder(&slot.id).is_none()).count();
        Resource {
            name: format!("rosters/{id}"),
            compound: format!("compounds/{}", opened.compound_id),
            from: opened.from,
            shifts: opened.shifts,
            posts: opened.posts,
            members: opened.members.into_iter().map(|member| format!("staff/{}", member.staff_id)).collect(),
            rest_hours: opened.rest_hours,
            gaps: i32::try_from(gaps).unwrap_or(i32::MAX),
            etag: version.to_string(),
            ..Resource::default()
        }
    }
}

fn duty(id: &str, roster: &Roster, slot: &Slot) -> Duty {
    let staff = |id: &str| if id.is_empty() { String::new() } else { format!("staff/{id}") };
    let (holder, instead_of) = match roster.holder(&slot.id) {
        Some(held) => (held.staff_id.as_str(), held.instead_of.as_str()),
        None => ("", roster.left(&slot.id).unwrap_or_default()),
    };
    Duty {
        name: format!("rosters/{id}/duties/{}", slot.id),
        date: slot.date.to_string(),
        shift: slot.shift.clone(),
        gate: slot.gate.clone(),
        kind: slot.kind.into(),
        staff: staff(holder),
        start_time: Some(timestamp(slot.start)),
        end_time: Some(timestamp(slot.end)),
        night: slot.night,
        instead_of: staff(instead_of),
    }
}

fn load(load: &Load) -> LoadResource {
    LoadResource {
        staff: format!("staff/{}", load.staff_id),
        kind: load.kind.into(),
        shifts: load.shifts,
        nights: load.nights,
        nights_before: load.nights_before,
    }
}

/// Rosters begin on Mondays, so that every week has its neighbours.
pub(super) fn is_monday(day: NaiveDate) -> bool {
    day.weekday() == Weekday::Mon
}
