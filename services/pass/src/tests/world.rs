use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use chassis::{
    Call, Clock, Decision, Host, Scope,
    call::{Fingerprinter, POSITION, Positions, Principal, RequestTime},
    secrets::Secrets,
};
use chrono::{DateTime, Utc};
use proto::{
    Fact,
    access::v1::Role,
    isolation::v1::{Kind, ReleaseReason, Terms, order_event},
    pass::v1::{
        CheckPassRequest, CheckPassResponse, Crossing, Direction, GetHolderRequest, Holder, IssuePassRequest,
        ListCrossingsRequest, ListHoldersRequest, Pass, RecordCrossingRequest, pass_service_server::PassService as _,
        record_crossing_request::Identity,
    },
    registry::v1::{Residence, compound_event, resident_event},
    screening::v1::{Measure, MethodContent, Outcome, case_event, method_event},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::api::Api;

/// One installation with the pass service, a clock of its own, and everything that anybody has seen.
pub(super) struct World {
    pub(super) api: Api,
    pub(super) host: Host,
    pub(super) now: DateTime<Utc>,
    seen: Positions,
    requests: AtomicU32,
    dir: TempDir,
}

pub(super) const MORNING: &str = "2020-02-11T00:30:00Z";

impl World {
    pub(super) async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (host, api) = open(dir.path()).await;
        let now = MORNING.parse().unwrap();
        Self { api, host, now, seen: Positions::new(), requests: AtomicU32::new(0), dir }
    }

    /// With two compounds under one management, a third elsewhere, a method, and a gate each.
    pub(super) async fn with_gates() -> Self {
        let mut world = Self::new().await;
        for (compound, neighbourhood, group) in
            [("c1", "n1", "g"), ("c2", "n1", "g"), ("c3", "n1", ""), ("c9", "n9", "g")]
        {
            let opened = compound_event::Opened {
                neighbourhood_id: neighbourhood.to_owned(),
                management_group: group.to_owned(),
                ..compound_event::Opened::default()
            };
            let added = compound_event::GateAdded { gate_id: "1".to_owned(), ..compound_event::GateAdded::default() };
            let events = vec![compound_event::Event::Opened(opened), compound_event::Event::GateAdded(added)];
            world.fact(neighbourhood, "", compound, events).await;
        }
        let content = MethodContent { pass_days: 14, fever_decicelsius: 373, ..MethodContent::default() };
        let published = method_event::Published { content: Some(content), ..method_event::Published::default() };
        world.fact("", "", "2020-02-09", vec![method_event::Event::Published(published)]).await;
        world
    }

    /// Stops everything and starts it again on the same folder.
    pub(super) async fn restarted(self) -> Self {
        self.host.close().await;
        let Self { api, host, now, seen, requests, dir } = self;
        drop((api, host));
        let (host, api) = open(dir.path()).await;
        Self { api, host, now, seen, requests, dir }
    }

    /// The same without waiting for it: many at once.
    async fn write<E: Fact>(&self, office: &str, subject: &str, stream: &str, event: E) {
        let call = Call::by(everywhere(), self.now, &self.next_id());
        let ledger = self.host.ledger(E::LOG).await.unwrap();
        let decision = Decision::new(vec![event]).office(office).subject(subject);
        ledger.collect::<E, ()>(&call, stream, decision, ()).await.unwrap();
    }

    pub(super) async fn moved_in(&self, resident: &str, home: &Residence) {
        let registered = resident_event::Registered { residence: Some(home.clone()), ..Default::default() };
        self.write(&home.neighbourhood_id, resident, resident, resident_event::Event::Registered(registered)).await;
    }

    pub(super) async fn found(&self, case: &str, resident: &str, home: &Residence, outcome: Outcome) {
        let mut assessed = case_event::Assessed {
            resident_id: resident.to_owned(),
            residence: Some(home.clone()),
            outcome: outcome.into(),
            ..case_event::Assessed::default()
        };
        assessed.set_measure(Measure::None);
        self.write(&home.neighbourhood_id, resident, case, case_event::Event::Assessed(assessed)).await;
    }

    pub(super) async fn isolated(&self, order: &str, resident: &str, home: &Residence, kind: Kind) {
        let terms = Terms {
            resident_id: resident.to_owned(),
            residence: Some(home.clone()),
            kind: kind.into(),
            ..Terms::default()
        };
        let ordered = order_event::Ordered { terms: Some(terms), ..order_event::Ordered::default() };
        self.write(&home.neighbourhood_id, resident, order, order_event::Event::Ordered(ordered)).await;
    }

    pub(super) async fn try_issue(&self, resident: &str) -> Result<Pass, Status> {
        let message = IssuePassRequest {
            request_id: self.next_id(),
            resident: format!("residents/{resident}"),
            ..IssuePassRequest::default()
        };
        self.api.issue_pass(self.request(worker("n1"), message)).await.map(Response::into_inner)
    }

    /// Something that another service has on record.
    pub(super) async fn fact<E: Fact>(&mut self, office: &str, subject: &str, stream: &str, events: Vec<E>) {
        let call = Call::by(everywhere(), self.now, &self.next_id());
        let ledger = self.host.ledger(E::LOG).await.unwrap();
        let decision = Decision::new(events).office(office).subject(subject);
        let done = ledger.collect::<E, ()>(&call, stream, decision, ()).await.unwrap();
        self.seen.insert(done.log, done.position);
    }

    pub(super) async fn resident(&mut self, resident: &str, home: &Residence) {
        let registered =
            resident_event::Registered { residence: Some(home.clone()), ..resident_event::Registered::default() };
        let events = vec![resident_event::Event::Registered(registered)];
        self.fact(&home.neighbourhood_id, resident, resident, events).await;
    }

    pub(super) async fn assessed(
        &mut self,
        case: &str,
        resident: &str,
        home: &Residence,
        outcome: Outcome,
        measure: Measure,
    ) {
        let assessed = case_event::Assessed {
            resident_id: resident.to_owned(),
            residence: Some(home.clone()),
            outcome: outcome.into(),
            measure: measure.into(),
            ..case_event::Assessed::default()
        };
        let events = vec![case_event::Event::Assessed(assessed)];
        self.fact(&home.neighbourhood_id, resident, case, events).await;
    }

    pub(super) async fn ordered(&mut self, order: &str, resident: &str, home: &Residence, case: &str, kind: Kind) {
        let terms = Terms {
            resident_id: resident.to_owned(),
            residence: Some(home.clone()),
            kind: kind.into(),
            case_id: case.to_owned(),
            ..Terms::default()
        };
        let ordered = order_event::Ordered { terms: Some(terms), ..order_event::Ordered::default() };
        self.fact(&home.neighbourhood_id, resident, order, vec![order_event::Event::Ordered(ordered)]).await;
    }

    pub(super) async fn released(&mut self, order: &str, resident: &str, home: &Residence) {
        self.ended(order, resident, home, Kind::Home, ReleaseReason::PeriodComplete).await;
    }

    pub(super) async fn ended(
        &mut self,
        order: &str,
        resident: &str,
        home: &Residence,
        kind: Kind,
        reason: ReleaseReason,
    ) {
        let released = order_event::Released {
            resident_id: resident.to_owned(),
            residence: Some(home.clone()),
            kind: kind.into(),
            reason: reason.into(),
            ..order_event::Released::default()
        };
        self.fact(&home.neighbourhood_id, resident, order, vec![order_event::Event::Released(released)]).await;
    }

    /// A resident of c1 whom a clear case has qualified.
    pub(super) async fn qualified(&mut self, resident: &str) -> Residence {
        let home = home("n1", "c1");
        self.resident(resident, &home).await;
        self.assessed(&format!("clear-{resident}"), resident, &home, Outcome::Clear, Measure::None).await;
        home
    }

    pub(super) fn next_id(&self) -> String {
        format!("request-{:04}", self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// A request as the access layer lets it through.
    pub(super) fn request<T>(&self, principal: Principal, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let seen: Vec<String> = self.seen.iter().map(|(log, position)| format!("{log}={position}")).collect();
        request.metadata_mut().insert("mf-min-position", seen.join(",").parse().unwrap());
        request.extensions_mut().insert(principal);
        request.extensions_mut().insert(RequestTime(self.now));
        request.extensions_mut().insert(Fingerprinter::new([3; 32]));
        request
    }

    /// Takes an answer, and remembers its position.
    pub(super) fn take<T>(&mut self, response: Response<T>) -> T {
        if let Some(position) = response.metadata().get(POSITION) {
            let (log, position) = position.to_str().unwrap().split_once('=').unwrap();
            self.seen.insert(log.to_owned(), position.parse().unwrap());
        }
        response.into_inner()
    }

    pub(super) async fn issue(&mut self, resident: &str) -> Result<Pass, Status> {
        let message = IssuePassRequest {
            request_id: self.next_id(),
            resident: format!("residents/{resident}"),
            surname: "张".to_owned(),
            kind: 0,
            access: 0,
        };
        let response = self.api.issue_pass(self.request(worker("n1"), message)).await?;
        Ok(self.take(response))
    }

    pub(super) async fn check(&self, compound: &str, code: &str) -> Result<CheckPassResponse, Status> {
        let message = CheckPassRequest { gate: gate(compound), code: code.to_owned(), direction: 0 };
        Ok(self.api.check_pass(self.request(guard("n1", compound), message)).await?.into_inner())
    }

    /// A healthy crossing of c1's gate.
    pub(super) fn crossing(&self, direction: Direction, identity: Identity) -> RecordCrossingRequest {
        RecordCrossingRequest {
            request_id: self.next_id(),
            gate: gate("c1"),
            direction: direction.into(),
            cross_time: None,
            temperature_decicelsius: 365,
            mask: true,
            identity: Some(identity),
        }
    }

    pub(super) async fn cross(&mut self, message: RecordCrossingRequest) -> Result<Crossing, Status> {
        let response = self.api.record_crossing(self.request(guard("n1", "c1"), message)).await?;
        Ok(self.take(response))
    }

    pub(super) async fn holder(&self, principal: Principal, resident: &str) -> Result<Holder, Status> {
        let message = GetHolderRequest { name: format!("residents/{resident}") };
        Ok(self.api.get_holder(self.request(principal, message)).await?.into_inner())
    }

    pub(super) async fn holders(&self, principal: Principal) -> Vec<Holder> {
        let mut holders = Vec::new();
        let mut page_token = String::new();
        loop {
            let message = ListHoldersRequest { page_size: 2, page_token, ..ListHoldersRequest::default() };
            let page = self.api.list_holders(self.request(principal.clone(), message)).await.unwrap().into_inner();
            holders.extend(page.holders);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return holders;
            }
        }
    }

    pub(super) async fn crossings(&self, principal: Principal, parent: &str) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        let mut page_token = String::new();
        loop {
            let message = ListCrossingsRequest { parent: parent.to_owned(), page_size: 2, page_token };
            let page = self.api.list_crossings(self.request(principal.clone(), message)).await.unwrap().into_inner();
            crossings.extend(page.crossings);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return crossings;
            }
        }
    }
}

async fn open(dir: &Path) -> (Host, Api) {
    let (clock, _) = Clock::manual(MORNING.parse().unwrap());
    let secrets = Secrets::open_or_create(dir).unwrap();
    let host = Host::open(dir, secrets, clock, BTreeMap::new(), CancellationToken::new()).unwrap();
    let api = crate::open(&host).await.unwrap();
    (host, api)
}

/// Waits for what comes by itself.
pub(super) async fn once<T>(otherwise: &str, mut there: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..3_000 {
        if let Some(found) = there().await {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{otherwise}")
}

pub(super) fn home(neighbourhood: &str, compound: &str) -> Residence {
    Residence {
        neighbourhood_id: neighbourhood.to_owned(),
        compound_id: compound.to_owned(),
        household_id: "h".to_owned(),
    }
}

pub(super) fn gate(compound: &str) -> String {
    format!("compounds/{compound}/gates/1")
}

pub(super) fn everywhere() -> Principal {
    principal(Role::Service, Scope::Everywhere)
}

pub(super) fn worker(neighbourhood: &str) -> Principal {
    principal(Role::Worker, Scope::Neighbourhood(neighbourhood.to_owned()))
}

pub(super) fn guard(neighbourhood: &str, compound: &str) -> Principal {
    let scope =
        Scope::Gate { neighbourhood: neighbourhood.to_owned(), compound: compound.to_owned(), gate: "1".to_owned() };
    principal(Role::Guard, scope)
}

fn principal(role: Role, scope: Scope) -> Principal {
    Principal { subject: "staff/1".to_owned(), role, unit: String::new(), scope }
}

/// The reason that a refusal gives to machines.
pub(super) fn reason(status: &Status) -> String {
    chassis::refusal::Spoken::from(status).reason
}
