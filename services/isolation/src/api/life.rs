//! What becomes of an order between its beginning and its release.

use chassis::{Call, Failure, Fields, Kind, Refuse as _, Scope};
use proto::{
    isolation::v1::{
        AssessReleaseRequest, ChangeKind, ChangeReason, CheckHomeRequest, DecideChangeRequest, DecideTransferRequest,
        Destination, HandOverRequest, Home, ListOrderHistoryRequest, ListOrderHistoryResponse, MoveOrderRequest,
        Order as Resource, ProposeChangeRequest, ProposeTransferRequest, ProveDayZeroRequest, Refusal,
        ReleaseAssessment, ReportSightingRequest, order_event::Event, order_life_service_server::OrderLifeService,
    },
    registry::v1::Residence,
};
use tonic::{Request, Response, Status};

use super::{Api, evidence, handing_over, shown, signature, within_reach};
use crate::{
    domain::{
        order::{ChangeWish, Order, Receipt, Refused, Standing},
        period::Slot,
    },
    filing,
    projections::residents,
};

#[tonic::async_trait]
impl OrderLifeService for Api {
    async fn check_home(&self, request: Request<CheckHomeRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let home = fields.one_of::<Home>("home", request.home);
        let etag = etag(&mut fields, &request.etag);
        fields.check(
            "cohabitants",
            request.cohabitants.len() <= 100,
            "一户最多填写 100 人",
            "names more than 100 people",
        );
        let mut cohabitants = Vec::new();
        for (at, name) in request.cohabitants.iter().enumerate().take(100) {
            cohabitants.extend(fields.name(format!("cohabitants[{at}]"), "residents", name));
        }
        cohabitants.sort_unstable();
        cohabitants.dedup();
        let (id, home) = fields.read(id.zip(home))?;
        let by = &call.principal.subject;
        self.edit(&call, &id, etag, |order| order.check_home(home, &cohabitants, by, etag)).await
    }

    async fn prove_day_zero(&self, request: Request<ProveDayZeroRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let etag = etag(&mut fields, &request.etag);
        let day_zero = fields.date("day_zero", &request.day_zero);
        fields.check(
            "day_zero",
            day_zero.is_none_or(|day| day <= chassis::day_of(call.now)),
            "不能晚于今天：请填写离开重点地区或最后接触的日期",
            "must not be after today: give the day of leaving the area or of the last contact",
        );
        let evidence_ids = evidence(&mut fields, &request.evidence_ids);
        let (id, day_zero) = fields.read(id.zip(day_zero))?;
        let (order, _) = self.ledger.load::<Order>(&id).await?;
        within_reach(&order, &call.principal.scope).map_err(|refused| refused.refusal())?;
        let days = self.method_of(&order, &call).await?.isolation_days;
        let by = &call.principal.subject;
        self.edit(&call, &id, etag, |order| order.prove_day_zero(day_zero, &evidence_ids, days, by, etag)).await
    }

    async fn propose_change(&self, request: Request<ProposeChangeRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let etag = etag(&mut fields, &request.etag);
        let kind = fields.one_of::<ChangeKind>("kind", request.kind);
        let reason = fields.one_of::<ChangeReason>("reason", request.reason);
        let last_day = fields.date_if_given("last_day", &request.last_day);
        fields.check(
            "last_day",
            (kind == Some(ChangeKind::Extension)) != request.last_day.is_empty(),
            "延长必须填写新的截止日，提前解除不填",
            "is needed for an extension, and for nothing else",
        );
        let text = fields.at_most("remark", &request.remark, 200).to_owned();
        let (id, (kind, reason)) = fields.read(id.zip(kind.zip(reason)))?;
        let remark = self.remark(&call, &id, text).await?;
        let wish = ChangeWish { id: call.id("change"), kind, reason, last_day, remark };
        let who = signature(&call);
        self.edit(&call, &id, etag, |order| order.propose_change(&wish, &who, etag)).await
    }

    async fn decide_change(&self, request: Request<DecideChangeRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let name = fields.path("name", ["orders", "changes"], &request.name);
        let [id, change_id] = fields.read(name)?;
        let who = signature(&call);
        let decide = |order: &Order| order.decide_change(&change_id, request.approve, &who, call.now);
        Ok(self.change(&call, &id, decide).await?.into_response())
    }

    async fn move_order(&self, request: Request<MoveOrderRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let etag = etag(&mut fields, &request.etag);
        let to = fields.one_of::<Destination>("to", request.to);
        let reason = fields.one_of::<ChangeReason>("reason", request.reason);
        let receipt = if to == Some(Destination::Home) {
            came_home(&mut fields, &request, &call)
        } else {
            handing_over::receipt(&mut fields, &hand_over(request), &call)
        };
        let (id, (to, reason)) = fields.read(id.zip(to.zip(reason)))?;
        let by = &call.principal.subject;
        self.edit(&call, &id, etag, |order| order.move_to(to, reason, &receipt, by, etag)).await
    }

    async fn propose_transfer(&self, request: Request<ProposeTransferRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let etag = etag(&mut fields, &request.etag);
        let neighbourhood = fields.name("neighbourhood", "neighbourhoods", &request.neighbourhood);
        let (id, neighbourhood) = fields.read(id.zip(neighbourhood))?;
        let by = &call.principal.subject;
        self.edit(&call, &id, etag, |order| order.propose_transfer(&neighbourhood, by, etag)).await
    }

    async fn decide_transfer(&self, request: Request<DecideTransferRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let household = fields.name_if_given("household", "households", &request.household);
        fields.check(
            "household",
            request.accept != request.household.is_empty(),
            "接管时必须填写此人今后居住的住户，不接管时不填",
            "is where the person lives from now on: needed to accept, and for nothing else",
        );
        let id = fields.read(id)?;
        let residence = match household {
            Some(household) => Some(self.residence(&call, &household).await?),
            None => None,
        };
        let by = &call.principal.subject;
        let decide = |order: &Order, _| {
            asked_to_take_over(order, &call.principal.scope)?;
            let events = order.decide_transfer(residence.as_ref(), by)?;
            Ok::<_, Refused>(filing::file(order, events, ""))
        };
        Ok(self.ledger.transact(&call, &id, decide, shown(&id, call.now)).await?.into_response())
    }

    async fn report_sighting(&self, request: Request<ReportSightingRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let by_resident = request.order.starts_with("residents/");
        let named = if by_resident { "residents" } else { "orders" };
        let id = fields.name("order", named, &request.order);
        let place = fields.required("place", &request.place, 100).to_owned();
        let seen_at = match &request.time {
            Some(time) => fields.time("time", Some(time)),
            None => Some(call.now),
        };
        fields.check(
            "time",
            seen_at.is_none_or(|time| time <= call.now),
            "不能晚于现在：请填写看到的时间",
            "must not lie ahead: give the time at which the person was seen",
        );
        let (id, seen_at) = fields.read(id.zip(seen_at))?;
        let id = if by_resident {
            let isolating = filing::isolating(&self.ledger, &id).await?;
            isolating.ok_or_else(|| Status::from(Refused::NotFound.refusal()))?
        } else {
            id
        };
        let place = self.remark(&call, &id, place).await?;
        let (sighting_id, by) = (call.id("sighting"), &call.principal.subject);
        let decide = |order: &Order| order.sight(&sighting_id, seen_at, by, place.clone());
        Ok(self.change(&call, &id, decide).await?.into_response())
    }

    async fn assess_release(
        &self,
        request: Request<AssessReleaseRequest>,
    ) -> Result<Response<ReleaseAssessment>, Status> {
        let call = Call::query(&request)?;
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.get_ref().order);
        let id = fields.read(id)?;
        self.ledger.settle(&call.after).await;
        let (order, _) = self.ledger.load::<Order>(&id).await?;
        within_reach(&order, &call.principal.scope).map_err(|refused| refused.refusal())?;
        let found = order.assess(call.now);
        let count = |slots: usize| i32::try_from(slots).unwrap_or(i32::MAX);
        Ok(Response::new(ReleaseAssessment {
            ready: order.in_force() && found.ready(),
            zh: found.zh(),
            en: found.en(),
            observations: count(found.taken),
            observations_due: count(found.due),
            missing: found.missing.iter().map(Slot::to_string).collect(),
            earliest: found.until.max(found.last_day).to_string(),
            doubted: count(order.doubted()),
        }))
    }

    async fn list_order_history(
        &self,
        request: Request<ListOrderHistoryRequest>,
    ) -> Result<Response<ListOrderHistoryResponse>, Status> {
        let call = Call::query(&request)?;
        let mut fields = Fields::new();
        let id = fields.name("parent", "orders", &request.get_ref().parent);
        let id = fields.read(id)?;
        self.ledger.settle(&call.after).await;
        let (order, _) = self.ledger.load::<Order>(&id).await?;
        within_reach(&order, &call.principal.scope).map_err(|refused| refused.refusal())?;
        Ok(Response::new(ListOrderHistoryResponse { entries: self.history(&id, 0).await? }))
    }
}

impl Api {
    /// An edit of an order as somebody has read it. Who comes second is told what changed.
    async fn edit<D>(&self, call: &Call, id: &str, etag: u64, decide: D) -> Result<Response<Resource>, Status>
    where
        D: Fn(&Order) -> Result<Vec<Event>, Refused> + Send + Sync,
    {
        let stale = chassis::reason(Refusal::Stale.as_str_name());
        match self.change(call, id, decide).await {
            Ok(done) => Ok(done.into_response()),
            Err(Failure::Refused(refusal)) if refusal.kind == Kind::Stale && refusal.reason == stale => {
                Err(self.stale(id, etag).await?)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Where a household of the caller's neighbourhood is, as those registered there tell.
    async fn residence(&self, call: &Call, household_id: &str) -> Result<Residence, Status> {
        let mut db = self.views.read(call).await?;
        let found = residents::household(&mut db, &call.principal.scope, household_id).await.map_err(Failure::from)?;
        found.ok_or_else(|| Refused::NotFound.refusal().into())
    }
}

/// Foreign and missing orders answer alike, and so do those that nobody asked this neighbourhood to take over.
fn asked_to_take_over(order: &Order, scope: &Scope) -> Result<(), Refused> {
    let asked = order.transfer.as_deref().is_some_and(|neighbourhood| scope.allows(neighbourhood));
    if order.standing == Standing::Unwritten || !(asked || within_reach(order, scope).is_ok()) {
        return Err(Refused::NotFound);
    }
    // Whoever wants to hand it on cannot also take it over.
    if order.transfer.is_some() && !asked { Err(Refused::NotPending) } else { Ok(()) }
}

/// What the editor had read; without one, the order as it stands.
fn etag(fields: &mut Fields, given: &str) -> u64 {
    let read = given.parse();
    fields.check(
        "etag",
        given.is_empty() || read.is_ok(),
        "请原样填写读到的 etag，或者留空",
        "must be the etag that was read, or none",
    );
    read.unwrap_or(u64::MAX)
}

fn hand_over(request: MoveOrderRequest) -> HandOverRequest {
    HandOverRequest {
        request_id: request.request_id,
        order: request.order,
        receiver: request.receiver,
        vehicle: request.vehicle,
        receipt: request.receipt,
        place: request.place,
        handed_by: request.handed_by,
        leave_time: request.leave_time,
        receive_time: request.receive_time,
    }
}

/// Nobody signs for a person who came home; only the time counts, from which readings are owed again.
fn came_home(fields: &mut Fields, request: &MoveOrderRequest, call: &Call) -> Receipt {
    let received = match &request.receive_time {
        Some(time) => fields.time("receive_time", Some(time)).unwrap_or(call.now),
        None => call.now,
    };
    fields.check(
        "receive_time",
        received <= call.now,
        "时间在将来：请填写到家的时间",
        "lies in the future: give the time at which the person came home",
    );
    Receipt { left: received, received, ..Receipt::default() }
}
