//! Needs: asked for, claimed, done, confirmed by the person; those in alarm.

use chassis::{Call, Decision, Done, Failure, Fields, Refuse as _, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::isolation::v1::{
    AskForHelpRequest, ClaimNeedRequest, CompleteNeedRequest, ConfirmNeedRequest, GetNeedPlanRequest,
    ListEscalationsRequest, ListNeedsRequest, ListNeedsResponse, ListVolunteerStandingsRequest,
    ListVolunteerStandingsResponse, Need as Resource, NeedAsker, NeedInstance, NeedKind, NeedNote, NeedPlan,
    NeedPriority, SetNeedPlanRequest, SuggestVolunteersRequest, SuggestVolunteersResponse,
    need::State,
    need_event::{Event, Opened},
    need_service_server::NeedService,
};
use tonic::{Request, Response, Status};

use super::{Asked, Care, amount, fault, item, matching, not_found, plans, subject, within_reach};
use crate::{
    domain::{
        need::{Need, Refused, Standing, instance},
        need_plan::{Plan, hours},
        quantity::shown,
    },
    filing,
    projections::{
        needs::{self as listed, Filter},
        residents, volunteers,
    },
};

/// Characters of what exactly is needed.
const LONGEST_NOTE: usize = 200;
/// A day: one turn of a need takes nobody longer.
const MOST_MINUTES: i32 = 1_440;

#[tonic::async_trait]
impl NeedService for Care {
    async fn ask_for_help(&self, request: Request<AskForHelpRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let asked = request.into_inner();
        let mut fields = Fields::new();
        let resident_id = fields.name("resident", "residents", &asked.resident);
        let kind: Option<NeedKind> = fields.one_of("kind", asked.kind);
        let priority: Option<NeedPriority> = fields.one_of("priority", asked.priority);
        let asker: Option<NeedAsker> = fields.one_of("asker", asked.asker);
        fields.check(
            "asker",
            asker != Some(NeedAsker::Order),
            "隔离令的日常需求由系统自动建立：请选择实际求助的人",
            "is for what orders open by themselves: say who asked",
        );
        let note = fields.at_most("note", &asked.note, LONGEST_NOTE).to_owned();
        let takes = match (&asked.item, &asked.quantity) {
            (name, None) if name.is_empty() => None,
            (name, quantity) => {
                let name = item(&mut fields, "item", name);
                amount(&mut fields, "quantity", quantity.as_ref()).map(|amount| (name, amount))
            }
        };
        let (resident_id, (kind, (priority, asker))) = fields.read(resident_id.zip(kind.zip(priority.zip(asker))))?;
        if let Some(done) = self.ledger.done_before::<Resource>(&call).await? {
            return self.noted(done).await;
        }
        let residence = {
            let mut db = self.views.read(&call).await?;
            let found = residents::find(&mut db, &call.principal.scope, &resident_id).await.map_err(fault)?;
            let own = listed::reach(&call.principal.scope).1;
            found.filter(|_| own.is_empty() || own == resident_id).ok_or_else(not_found)?
        };
        let sealed = match note.as_str() {
            "" => None,
            text => Some(self.vault.seal(&resident_id, &NeedNote { text: text.to_owned() }).await?),
        };
        let (plan, _) = self.ledger.load::<Plan>(&residence.neighbourhood_id).await?;
        let plan = plan.content();
        let opened = Opened {
            resident_id,
            residence: Some(residence),
            kind: kind.into(),
            priority: priority.into(),
            asker: asker.into(),
            note: sealed,
            begin_time: Some(timestamp(call.now)),
            due_time: Some(timestamp(call.now + TimeDelta::hours(hours(&plan, priority).into()))),
            // Who has two hours for it is not looked for during four.
            claim_hours: plan.claim_hours.min(hours(&plan, priority) / 2),
            confirm_hours: plan.confirm_hours,
            escalation_hours: plan.escalation_hours,
            item: takes.as_ref().map(|(item, _)| item.clone()).unwrap_or_default(),
            measure: takes.as_ref().map(|(_, amount)| amount.measure.into()).unwrap_or_default(),
            amount: takes.as_ref().map(|(_, amount)| amount.number).unwrap_or_default(),
            ..Opened::default()
        };
        let id = call.id("need");
        let decide = |need: &Need, _| Ok::<_, Refused>(file(&opened, need.open(&opened)));
        let done = self.ledger.begin(&call, &id, decide, answer(&id, call.now)).await?;
        self.noted(done).await
    }

    async fn list_needs(&self, request: Request<ListNeedsRequest>) -> Result<Response<ListNeedsResponse>, Status> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let filter = filter(&request.get_ref().parent, request.get_ref().state)?;
        let mut db = self.views.read(&call).await?;
        let rows = listed::list(&mut db, &call.principal.scope, &filter, &asked.after, asked.size + 1).await;
        drop(db);
        self.page(&call, &asked, rows.map_err(fault)?).await
    }

    async fn list_escalations(
        &self,
        request: Request<ListEscalationsRequest>,
    ) -> Result<Response<ListNeedsResponse>, Status> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let filter = filter(&request.get_ref().parent, 0)?;
        let instance = request.get_ref().instance();
        let mut db = self.views.read(&call).await?;
        let page = (call.now.timestamp_micros(), asked.after.as_str(), asked.size + 1);
        let rows = listed::alarms(&mut db, &call.principal.scope, &filter, instance, page).await;
        drop(db);
        self.page(&call, &asked, rows.map_err(fault)?).await
    }

    async fn claim_need(&self, request: Request<ClaimNeedRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let claim = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("need", "needs", &claim.need);
        let volunteer = if claim.responsible.starts_with("volunteers/") {
            fields.name("responsible", "volunteers", &claim.responsible)
        } else {
            fields.name_if_given("responsible", "staff", &claim.responsible);
            None
        };
        let id = fields.read(id)?;
        let (need, _) = self.ledger.load::<Need>(&id).await?;
        let (_, residence) = within_reach(&need, &call.principal.scope).map_err(|refused| refused.refusal())?;
        if let Some(done) = self.ledger.done_before::<Resource>(&call).await? {
            return self.noted(done).await;
        }
        if let Some(volunteer) = volunteer {
            self.may_help(&call, &residence.neighbourhood_id, &volunteer).await?;
        }
        let by = if claim.responsible.is_empty() { subject(&call) } else { claim.responsible };
        let done = self.change(&call, &id, |need| need.claim(&by, claim.take_over)).await?;
        self.noted(done).await
    }

    async fn complete_need(&self, request: Request<CompleteNeedRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let id = fields.name("need", "needs", &request.get_ref().need);
        let minutes = fields.number("minutes", request.get_ref().minutes, 0..=MOST_MINUTES);
        let (id, minutes) = fields.read(id.zip(minutes))?;
        let done = self.change(&call, &id, |need| need.complete(minutes, call.now)).await?;
        self.noted(done).await
    }

    async fn confirm_need(&self, request: Request<ConfirmNeedRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let id = fields.name("need", "needs", &request.get_ref().need);
        let id = fields.read(id)?;
        let (unmet, confirmation, by) = (request.get_ref().unmet, call.id("confirmation"), subject(&call));
        let done = self.change(&call, &id, |need| need.confirm(&confirmation, &by, unmet)).await?;
        self.noted(done).await
    }

    async fn suggest_volunteers(
        &self,
        request: Request<SuggestVolunteersRequest>,
    ) -> Result<Response<SuggestVolunteersResponse>, Status> {
        matching::suggest(self, request).await
    }

    async fn list_volunteer_standings(
        &self,
        request: Request<ListVolunteerStandingsRequest>,
    ) -> Result<Response<ListVolunteerStandingsResponse>, Status> {
        matching::standings(self, request).await
    }

    async fn set_need_plan(&self, request: Request<SetNeedPlanRequest>) -> Result<Response<NeedPlan>, Status> {
        plans::set(self, request).await
    }

    async fn get_need_plan(&self, request: Request<GetNeedPlanRequest>) -> Result<Response<NeedPlan>, Status> {
        plans::get(self, request).await
    }
}

impl Care {
    /// A decision on a need within the caller's reach.
    async fn change<D>(&self, call: &Call, id: &str, decide: D) -> Result<Done<Resource>, Failure>
    where
        D: Fn(&Need) -> Result<Vec<Event>, Refused> + Send + Sync,
    {
        let decide = |need: &Need, _| {
            within_reach(need, &call.principal.scope)?;
            let events = decide(need)?;
            Ok::<_, Refused>(file(&need.opened.clone().unwrap_or_default(), events))
        };
        self.ledger.transact(call, id, decide, answer(id, call.now)).await
    }

    /// Only who is cleared goes to the doors of people who are shut in; and nobody who is shut in themselves.
    async fn may_help(&self, call: &Call, neighbourhood_id: &str, volunteer: &str) -> Result<(), Status> {
        let mut db = self.views.read(call).await?;
        let helper = volunteers::cleared(&mut db, neighbourhood_id, volunteer).await.map_err(fault)?;
        if helper.is_none() && !volunteers::known(&mut db, &call.principal.scope, volunteer).await.map_err(fault)? {
            return Err(not_found());
        }
        drop(db);
        let Some(helper) = helper else { return Err(Refused::NotCleared.refusal().into()) };
        if filing::isolating(&self.ledger, &helper.resident_id).await?.is_some() {
            return Err(Refused::NotCleared.refusal().into());
        }
        Ok(())
    }

    async fn page(
        &self,
        call: &Call,
        asked: &Asked,
        rows: Vec<(String, String)>,
    ) -> Result<Response<ListNeedsResponse>, Status> {
        let (ids, next_page_token) = asked.page(rows);
        let mut found = Vec::with_capacity(ids.len());
        for id in &ids {
            found.push(self.ledger.load::<Need>(id).await?);
        }
        let notes = found.iter().filter_map(|(need, _)| need.opened.as_ref()?.note.as_ref());
        self.vault.foresee(notes).await?;
        let mut needs = Vec::with_capacity(ids.len());
        for (id, (need, version)) in ids.iter().zip(&found) {
            let resource = resource(id, need, *version, call.now);
            // Who acts for the whole subdistrict sees figures and alarms, and nobody's illness.
            let open = call.principal.role != proto::access::v1::Role::Officer;
            needs.push(if open { self.with_note(need, resource).await? } else { resource });
        }
        Ok(Response::new(ListNeedsResponse { needs, next_page_token }))
    }

    /// What exactly is needed is kept nowhere but sealed: it is put into the answer when it goes out.
    async fn noted(&self, done: Done<Resource>) -> Result<Response<Resource>, Status> {
        let id = done.reply.name.trim_start_matches("needs/").to_owned();
        let (need, _) = self.ledger.load::<Need>(&id).await?;
        let Done { reply, log, position } = done;
        let reply = self.with_note(&need, reply).await?;
        Ok(Done { reply, log, position }.into_response())
    }

    async fn with_note(&self, need: &Need, resource: Resource) -> Result<Resource, Status> {
        let Some(sealed) = need.opened.as_ref().and_then(|opened| opened.note.as_ref()) else { return Ok(resource) };
        let note = self.vault.reveal::<NeedNote>(sealed).await?.unwrap_or_default();
        Ok(Resource { note: note.text, ..resource })
    }
}

/// A decision on a need, filed under its neighbourhood and person.
pub(super) fn file(opened: &Opened, events: Vec<Event>) -> Decision<Event> {
    let neighbourhood = opened.residence.as_ref().map(|home| home.neighbourhood_id.clone()).unwrap_or_default();
    Decision::new(events).office(neighbourhood).subject(&opened.resident_id)
}

pub(super) fn answer(id: &str, now: DateTime<Utc>) -> impl Fn(&Need, u64) -> Resource + Send + Sync {
    move |need, version| resource(id, need, version, now)
}

fn resource(id: &str, need: &Need, version: u64, now: DateTime<Utc>) -> Resource {
    let opened = need.opened.clone().unwrap_or_default();
    let residence = opened.residence.clone().unwrap_or_default();
    let alarm = need.alarm().filter(|(_, since)| *since <= now);
    let state = match need.standing {
        Standing::Open => State::Open,
        Standing::Claimed(_) => State::Claimed,
        Standing::Done { .. } => State::Done,
        Standing::Confirmed => State::Confirmed,
        Standing::Ended => State::Ended,
    };
    let escalated = |(_, since): (_, DateTime<Utc>)| instance(since, opened.escalation_hours, now);
    Resource {
        name: format!("needs/{id}"),
        resident: format!("residents/{}", opened.resident_id),
        household: format!("households/{}", residence.household_id),
        compound: format!("compounds/{}", residence.compound_id),
        kind: opened.kind,
        priority: opened.priority,
        asker: opened.asker,
        state: state.into(),
        order: if opened.order_id.is_empty() { String::new() } else { format!("orders/{}", opened.order_id) },
        every_days: opened.every_days,
        times_met: need.times_met,
        begin_time: Some(timestamp(need.begins)),
        due_time: Some(timestamp(need.due)),
        responsible: need.responsible().to_owned(),
        note: String::new(),
        alarm: alarm.map_or(0, |(alarm, _)| alarm.into()),
        alarm_time: alarm.map(|(_, since)| timestamp(since)),
        instance: alarm.map_or(NeedInstance::Unspecified, escalated).into(),
        quantity: (!opened.item.is_empty()).then(|| shown(opened.measure(), opened.amount)),
        item: opened.item,
        etag: version.to_string(),
    }
}

/// `state`: 0 for none.
fn filter(parent: &str, state: i32) -> Result<Filter, Status> {
    let mut fields = Fields::new();
    let mut filter = Filter::default();
    if parent.starts_with("residents/") {
        filter.resident_id = fields.name("parent", "residents", parent).unwrap_or_default();
    } else if parent.starts_with("compounds/") {
        filter.compound_id = fields.name("parent", "compounds", parent).unwrap_or_default();
    } else {
        filter.neighbourhood_id = fields.name_if_given("parent", "neighbourhoods", parent).unwrap_or_default();
    }
    if state != 0 {
        filter.state = fields.one_of("state", state);
    }
    fields.done()?;
    Ok(filter)
}
