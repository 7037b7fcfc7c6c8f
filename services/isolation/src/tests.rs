//! The service as others meet it: news from other logs, each told twice, and its RPCs.

use std::{collections::BTreeMap, sync::Mutex};

use chassis::{
    Call, Clock, Decision, Host, Ledger, Principal, Reaction as _, Scope,
    call::{Fingerprinter, RequestTime},
    refusal::Spoken,
    secrets::Secrets,
};
use chrono::{DateTime, Utc};
use proto::{
    Fact,
    access::v1::Role,
    isolation::v1::{
        ApproveOrderRequest, DayPart, GetOrderRequest, HandOverRequest, Kind, ListOrdersRequest, Order,
        ProposeOrderRequest, Reason, RecordObservationRequest, ReleaseReason, ReleaseRequest,
        isolation_service_server::IsolationService as _, order::State,
    },
    pass::v1::{Decision as AtGate, Finding, gate_day_event, gate_day_event::Crossed},
    registry::v1::{Residence, resident_event},
    screening::v1::{Measure, MethodContent, Outcome, case_event, method_event},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use crate::{
    api::Api,
    reactions::{Reactions, order_of},
};

struct World {
    host: Host,
    api: Api,
    reactions: Reactions,
    ledger: Ledger,
    _data: tempfile::TempDir,
}

/// In Shanghai.
fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("{text}:00+08:00")).unwrap().to_utc()
}

fn staff(number: u32, role: Role, neighbourhood: Option<&str>) -> Principal {
    Principal {
        subject: format!("staff/{number}"),
        role,
        unit: neighbourhood.unwrap_or("health").to_owned(),
        scope: neighbourhood.map_or(Scope::Everywhere, |own| Scope::Neighbourhood(own.to_owned())),
    }
}

fn director() -> Principal {
    staff(1, Role::Director, Some("jinjiacao"))
}

fn health() -> Principal {
    staff(9, Role::Health, None)
}

fn stranger() -> Principal {
    staff(5, Role::Director, Some("elsewhere"))
}

fn residence() -> Residence {
    Residence { neighbourhood_id: "jinjiacao".into(), compound_id: "changfeng".into(), household_id: "h1".into() }
}

fn request<T>(content: T, by: Principal, time: &str) -> Request<T> {
    let mut request = Request::new(content);
    request.extensions_mut().insert(by);
    request.extensions_mut().insert(RequestTime(moment(time)));
    request.extensions_mut().insert(Fingerprinter::new([7; 32]));
    request
}

/// A process of its own.
fn host() -> (tempfile::TempDir, Host) {
    let data = tempfile::tempdir().unwrap();
    let secrets = Secrets::open_or_create(data.path()).unwrap();
    let (clock, _) = Clock::manual(moment("2020-02-11T08:00"));
    let host = Host::open(data.path(), secrets, clock, BTreeMap::new(), CancellationToken::new()).unwrap();
    (data, host)
}

impl World {
    async fn new() -> Self {
        let (data, host) = host();
        let ledger = host.ledger("isolation").await.unwrap();
        let vault = host.vault("isolation").await.unwrap();
        let views = host.views("isolation", crate::projections(&ledger)).await.unwrap();
        let reactions =
            Reactions { ledger: ledger.clone(), views: views.clone(), vault: vault.clone(), methods: Mutex::default() };
        let api = Api { ledger: ledger.clone(), vault, views };
        let world = Self { host, api, reactions, ledger, _data: data };
        world.tell("r1", "2020-02-01T08:00", registered()).await;
        world.tell("r2", "2020-02-01T08:00", registered()).await;
        world
    }

    /// A world in which the method is published.
    async fn with_method() -> Self {
        let world = Self::new().await;
        world.tell("m1", "2020-02-09T08:00", published()).await;
        world
    }

    /// Puts a fact into its log and has the service react to it, twice.
    async fn tell<E: Fact>(&self, stream: &str, time: &str, event: E) {
        let ledger = self.host.ledger(E::LOG).await.unwrap();
        let now = moment(time);
        let head = ledger.log().head().await.unwrap().position;
        let call = Call::by(health(), now, &format!("told-{}-{head}", E::LOG));
        let decision = Decision::new(vec![event]).office("jinjiacao");
        ledger.collect::<E, Order>(&call, stream, decision, Order::default()).await.unwrap();
        let records = self.host.feed_for("isolation", E::LOG).await.unwrap().read(head, 1).await.unwrap();
        let command = format!("isolation/reactions:{}:{}", E::LOG, records[0].position);
        let times = if self.reactions.wants(&records[0]) { 2 } else { 0 };
        for _ in 0..times {
            self.reactions.react(&records[0], &Call::by(health(), now, &command)).await.unwrap();
        }
        for progress in self.api.views.progress().iter().filter(|progress| progress.source == E::LOG) {
            assert!(
                progress
                    .wait_for(records[0].position, tokio::time::Instant::now() + std::time::Duration::from_secs(5))
                    .await
            );
        }
    }

    async fn orders(&self, by: Principal, time: &str, state: State) -> Vec<Order> {
        let head = self.ledger.log().head().await.unwrap().position;
        let list = ListOrdersRequest { state: state.into(), ..ListOrdersRequest::default() };
        let mut list = request(list, by, time);
        list.metadata_mut().insert("mf-min-position", format!("isolation={head}").parse().unwrap());
        self.api.list_orders(list).await.unwrap().into_inner().orders
    }

    async fn order(&self, id: &str, time: &str) -> Order {
        let get = GetOrderRequest { name: format!("orders/{id}") };
        self.api.get_order(request(get, health(), time)).await.unwrap().into_inner()
    }

    async fn propose(&self, time: &str, change: impl FnOnce(&mut ProposeOrderRequest)) -> Result<Order, Status> {
        let mut proposal = ProposeOrderRequest {
            request_id: format!("propose-{time}"),
            resident: "residents/r1".into(),
            kind: Kind::Home.into(),
            reason: Reason::CloseContact.into(),
            evidence_ids: vec!["paper 17".into()],
            day_zero: "2020-02-15".into(),
            observed_from: String::new(),
        };
        change(&mut proposal);
        let answer = self.api.propose_order(request(proposal, director(), time)).await?;
        Ok(answer.into_inner())
    }

    async fn approve(&self, name: &str, by: Principal, time: &str) -> Result<Order, Status> {
        let approval = ApproveOrderRequest { request_id: format!("approve-{time}"), name: name.into() };
        Ok(self.api.approve_order(request(approval, by, time)).await?.into_inner())
    }

    async fn observe(&self, order: &str, date: &str, part: DayPart, temperature: i32) -> Result<Order, Status> {
        let observation = RecordObservationRequest {
            request_id: format!("observe-{date}-{}-{temperature}", part as i32),
            order: order.into(),
            date: date.into(),
            day_part: part.into(),
            temperature_decicelsius: temperature,
            symptoms: Vec::new(),
        };
        Ok(self.api.record_observation(request(observation, director(), "2020-03-31T12:00")).await?.into_inner())
    }

    async fn release(&self, order: &str, by: Principal, time: &str) -> Result<Order, Status> {
        let release = ReleaseRequest { request_id: format!("release-{time}"), order: order.into() };
        Ok(self.api.release(request(release, by, time)).await?.into_inner())
    }
}

fn published() -> method_event::Event {
    let content = MethodContent { isolation_days: 14, fever_decicelsius: 373, ..MethodContent::default() };
    method_event::Event::Published(method_event::Published {
        by: "staff/1".into(),
        version: "m1".into(),
        content: Some(content),
        ..method_event::Published::default()
    })
}

fn registered() -> resident_event::Event {
    resident_event::Event::Registered(resident_event::Registered {
        residence: Some(residence()),
        ..resident_event::Registered::default()
    })
}

fn assessed(measure: Measure, last_exposure: &str, again: bool) -> case_event::Event {
    case_event::Event::Assessed(case_event::Assessed {
        resident_id: "r1".into(),
        residence: Some(residence()),
        outcome: Outcome::ConcealedKeyArea.into(),
        measure: measure.into(),
        method_version: "m1".into(),
        evidence_ids: vec!["e1".into()],
        last_exposure: last_exposure.into(),
        again,
        ..case_event::Assessed::default()
    })
}

fn crossed(crossing: &str, finding: Finding, decision: AtGate) -> gate_day_event::Event {
    gate_day_event::Event::Crossed(Crossed {
        crossing_id: crossing.into(),
        gate_id: "g1".into(),
        crossed_at: Some(chassis::timestamp(moment("2020-02-12T03:00"))),
        decision: decision.into(),
        findings: vec![finding.into()],
        resident_id: "r1".into(),
        residence: Some(residence()),
        ..Crossed::default()
    })
}

fn refused(answer: Result<Order, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), Spoken::from(&status).reason)
}

/// What people at the desk do.
mod desk;
/// What waits to be done.
mod rounds;
/// What the gates tell.
mod gates;
/// What verdicts lead to.
mod verdicts;
/// What orders open.
mod care;
