//! The RPCs of isolation: fields are read here, places are checked here, and the rest is the domain's.

/// The record of a hand-over.
mod handing_over;
/// What becomes of an order.
mod life;
/// Tasks, readings of a round, codes, notice that is taken.
mod observations;
/// What happened to an order.
mod past;
/// One reading.
mod readings;

use chassis::{Call, Done, Failure, Fields, Ledger, Refuse as _, Scope, Vault, Views, page};
use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    isolation::v1::{
        ApproveOrderRequest, GetOrderRequest, HandOverRequest, Kind, ListOrdersRequest, ListOrdersResponse,
        Order as Resource, ProposeOrderRequest, Reading, Reason, RecordObservationRequest, ReleaseRequest, Reporter,
        Terms, isolation_service_server::IsolationService, order::State, order_event::Event,
    },
    registry::v1::Residence,
};
use readings::Taken;
use tonic::{Request, Response, Status};

use crate::{
    domain::{
        order::{Order, Refused, Signature, Standing},
        period::{Period, Slot},
    },
    filing,
    projections::{
        methods::{self, Method},
        orders::{self, Filter},
        residents,
    },
    resources,
};

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) ledger: Ledger,
    pub(crate) vault: Vault,
    pub(crate) views: Views,
}

#[tonic::async_trait]
impl IsolationService for Api {
    async fn propose_order(&self, request: Request<ProposeOrderRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let proposal = Proposal::read(request.get_ref(), call.now)?;
        if let Some(done) = self.ledger.done_before::<Resource>(&call).await? {
            return Ok(done.into_response());
        }
        let (residence, method) = self.known(&call, &proposal.resident_id).await?;
        let id = call.id("order");
        let other = self.in_the_way(proposal.kind, &proposal.resident_id).await?;
        if other.is_some() {
            return Err(Refused::AlreadyIsolated.refusal().into());
        }
        let terms = proposal.into_terms(residence, method);
        let signature = signature(&call);
        let key = filing::only_key(terms.kind());
        let decide =
            |order: &Order, _| order.propose(terms.clone(), &signature).map(|events| filing::file(order, events, key));
        let done = self.ledger.begin(&call, &id, decide, shown(&id, call.now)).await?;
        Ok(done.into_response())
    }

    async fn approve_order(&self, request: Request<ApproveOrderRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let id = fields.name("name", "orders", &request.get_ref().name);
        let id = fields.read(id)?;
        let (order, _) = self.ledger.load::<Order>(&id).await?;
        within_reach(&order, &call.principal.scope).map_err(|refused| refused.refusal())?;
        if let Some(done) = self.ledger.done_before::<Resource>(&call).await? {
            return Ok(done.into_response());
        }
        let other = self.in_the_way(order.terms.kind(), &order.terms.resident_id).await?;
        if other.is_some_and(|other| other != id) {
            return Err(Refused::AlreadyIsolated.refusal().into());
        }
        let signature = signature(&call);
        let approved = self.change(&call, &id, |order| order.approve(&signature, call.now)).await;
        match approved {
            Err(Failure::Reserved { .. }) => Err(Refused::AlreadyIsolated.refusal().into()),
            approved => Ok(approved?.into_response()),
        }
    }

    async fn record_observation(
        &self,
        request: Request<RecordObservationRequest>,
    ) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let RecordObservationRequest { order, date, day_part, temperature_decicelsius, symptoms, .. } =
            request.into_inner();
        let mut reading = Reading { order, date, day_part, temperature_decicelsius, symptoms, reporter: 0 };
        reading.set_reporter(Reporter::Worker);
        let reading = Taken::read(&reading)?;
        let fever_decicelsius = self.fever_of(&call, &reading.order_id).await?;
        Ok(self.take_reading(&call, reading, fever_decicelsius).await?.into_response())
    }

    async fn hand_over(&self, request: Request<HandOverRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let receipt = handing_over::receipt(&mut fields, &request, &call);
        let id = fields.read(id)?;
        let done = self.change(&call, &id, |order| order.hand_over(&receipt)).await?;
        Ok(done.into_response())
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.get_ref().order);
        let id = fields.read(id)?;
        let by = &call.principal.subject;
        let done = self.change(&call, &id, |order| order.release(by, call.now)).await?;
        Ok(done.into_response())
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::query(&request)?;
        let mut fields = Fields::new();
        let id = fields.name("name", "orders", &request.get_ref().name);
        let id = fields.read(id)?;
        // The caller may have seen the verdict whose order is on its way.
        self.ledger.settle(&call.after).await;
        let (order, version) = self.ledger.load::<Order>(&id).await?;
        within_reach(&order, &call.principal.scope).map_err(|refused| refused.refusal())?;
        Ok(Response::new(resources::order(&id, &order, version, call.now)))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let filter = filter(&request)?;
        let (size, after) = (page::size(request.page_size), page::after(&request.page_token)?);
        let mut db = self.views.read(&call).await?;
        let mut ids =
            orders::list(&mut db, &call.principal.scope, &filter, &after, size + 1).await.map_err(Failure::from)?;
        drop(db);
        let more = ids.len() > usize::try_from(size).unwrap_or(usize::MAX);
        if more {
            ids.pop();
        }
        let next_page_token = ids.last().filter(|_| more).map_or_else(String::new, |id| page::token_after(id));
        let mut orders = Vec::with_capacity(ids.len());
        for id in ids {
            let (order, version) = self.ledger.load::<Order>(&id).await?;
            orders.push(resources::order(&id, &order, version, call.now));
        }
        Ok(Response::new(ListOrdersResponse { orders, next_page_token }))
    }
}

impl Api {
    /// A decision on an order within the caller's reach.
    async fn change<D>(&self, call: &Call, id: &str, decide: D) -> Result<Done<Resource>, Failure>
    where
        D: Fn(&Order) -> Result<Vec<Event>, Refused> + Send + Sync,
    {
        let decide = |order: &Order, _| {
            within_reach(order, &call.principal.scope)?;
            let events = decide(order)?;
            Ok::<_, Refused>(filing::file(order, events, filing::only_key(order.terms.kind())))
        };
        self.ledger.transact(call, id, decide, shown(id, call.now)).await
    }

    /// Where the person lives, and the method in force.
    async fn known(&self, call: &Call, resident_id: &str) -> Result<(Residence, Method), Status> {
        let mut db = self.views.read(call).await?;
        let residence = residents::find(&mut db, &call.principal.scope, resident_id).await.map_err(Failure::from)?;
        let residence = residence.ok_or_else(|| Refused::NotFound.refusal())?;
        let method = methods::in_force(&mut db, call.now).await.map_err(Failure::from)?;
        Ok((residence, method.ok_or_else(|| Refused::NoMethod.refusal())?))
    }

    /// The order that stands in the way of another: only isolation may come beside a health watch.
    async fn in_the_way(&self, kind: Kind, resident_id: &str) -> Result<Option<String>, Failure> {
        match kind {
            Kind::Watch => filing::any(&self.ledger, resident_id).await,
            _ => filing::isolating(&self.ledger, resident_id).await,
        }
    }
}

/// Foreign and missing orders answer alike.
fn within_reach(order: &Order, scope: &Scope) -> Result<(), Refused> {
    let neighbourhood = order.terms.residence.as_ref().map_or("", |residence| &residence.neighbourhood_id);
    if order.standing == Standing::Unwritten || !scope.allows(neighbourhood) {
        return Err(Refused::NotFound);
    }
    Ok(())
}

fn signature(call: &Call) -> Signature {
    Signature { by: call.principal.subject.clone(), unit: call.principal.unit.clone() }
}

fn shown(id: &str, now: DateTime<Utc>) -> impl Fn(&Order, u64) -> Resource + Send + Sync {
    move |order, version| resources::order(id, order, version, now)
}

// ---- Fields ----

struct Proposal {
    resident_id: String,
    kind: Kind,
    reason: Reason,
    evidence_ids: Vec<String>,
    day_zero: NaiveDate,
    first: Slot,
}

/// Papers that one order can rest on.
const MOST_EVIDENCE: usize = 20;

impl Proposal {
    fn read(request: &ProposeOrderRequest, now: DateTime<Utc>) -> Result<Self, Status> {
        let mut fields = Fields::new();
        let today = chassis::day_of(now);
        let resident_id = fields.name("resident", "residents", &request.resident);
        let kind = fields.one_of("kind", request.kind);
        let reason = fields.one_of("reason", request.reason);
        fields.check(
            "reason",
            reason != Some(Reason::Override),
            "人工认定请在排查中提出并复核，指令会随结论自动生成",
            "is for verdicts set by hand: propose that on the case, and the order follows from the verdict",
        );
        let day_zero = fields.date("day_zero", &request.day_zero);
        if let Some(day) = day_zero {
            fields.check(
                "day_zero",
                day <= today,
                "不能晚于今天：请填写离开重点地区或最后接触的日期",
                "must not be after today: give the day of leaving the area or of the last contact",
            );
        }
        let observed_from = fields.date_if_given("observed_from", &request.observed_from).or(day_zero);
        if let (Some(from), Some(zero)) = (observed_from, day_zero) {
            fields.check(
                "observed_from",
                (zero..=today.max(zero)).contains(&from),
                "应在第 0 天与今天之间：请填写开始观察的日期",
                "must lie between day zero and today: give the day on which observation began",
            );
        }
        let evidence_ids = evidence(&mut fields, &request.evidence_ids);
        let read = || {
            Some(Self {
                resident_id: resident_id?,
                kind: kind?,
                reason: reason?,
                evidence_ids,
                day_zero: day_zero?,
                first: Slot::first_on(observed_from?, now),
            })
        };
        let read = read();
        fields.read(read)
    }

    fn into_terms(self, residence: Residence, method: Method) -> Terms {
        Period::new(self.day_zero, self.first, method.isolation_days).into_terms(Terms {
            resident_id: self.resident_id,
            residence: Some(residence),
            kind: self.kind.into(),
            reason: self.reason.into(),
            method_version: method.version,
            evidence_ids: self.evidence_ids,
            ..Terms::default()
        })
    }
}

/// R23: no order without evidence.
fn evidence(fields: &mut Fields, given: &[String]) -> Vec<String> {
    fields.check(
        "evidence_ids",
        (1..=MOST_EVIDENCE).contains(&given.len()),
        format!("需要 1 至 {MOST_EVIDENCE} 份证据的编号：没有证据不能开具隔离令"),
        format!("must hold 1 to {MOST_EVIDENCE} ids of evidence: there is no order without"),
    );
    let given = given.iter().take(MOST_EVIDENCE).enumerate();
    given.map(|(at, id)| fields.required(format!("evidence_ids[{at}]"), id, 100).to_owned()).collect()
}

fn filter(request: &ListOrdersRequest) -> Result<Filter, Status> {
    let mut fields = Fields::new();
    let mut filter = Filter { state: State::try_from(request.state).ok(), ..Filter::default() };
    fields.check(
        "state",
        filter.state.is_some(),
        "不是本版本认识的状态：请从列出的状态中选一个，或者留空",
        "is unknown to this version: choose one of the listed states, or none",
    );
    if request.parent.starts_with("residents/") {
        filter.resident_id = fields.name("parent", "residents", &request.parent).unwrap_or_default();
    } else if request.parent.starts_with("compounds/") {
        filter.compound_id = fields.name("parent", "compounds", &request.parent).unwrap_or_default();
    } else {
        fields.check(
            "parent",
            request.parent.is_empty(),
            "应为 residents/<编号>、compounds/<编号> 或者留空",
            "must be residents/<id>, compounds/<id>, or empty for all that you may see",
        );
    }
    fields.done()?;
    Ok(filter)
}
