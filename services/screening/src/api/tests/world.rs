use std::collections::BTreeMap;

use chassis::{
    Call, Clock, Decision, Host, Scope,
    call::{Fingerprinter, POSITION, Positions, Principal, RequestTime},
    secrets::Secrets,
};
use chrono::{DateTime, Utc};
use proto::{
    access::v1::Role,
    registry::v1::{Residence, resident_event},
    screening::v1::{
        self, Case, Declaration, DeclaredStay, Itinerary, Source, Visit, method_service_server::MethodService as _,
        screening_service_server::ScreeningService as _,
    },
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{api::Api, domain::case::first_case_of};

/// One installation with the screening service, and everything that anybody has seen.
pub(super) struct World {
    pub(super) api: Api,
    pub(super) host: Host,
    pub(super) now: DateTime<Utc>,
    seen: Positions,
    requests: u32,
    _dir: TempDir,
}

const AFTERNOON: &str = "2020-02-11T06:00:00Z";

impl World {
    /// With the sample method published.
    pub(super) async fn new() -> Self {
        let mut world = Self::without_method().await;
        let officer = officer();
        let draft = v1::DraftMethodRequest { request_id: world.id(), version: "2020-02-09".to_owned(), content: None };
        world.take(world.api.draft_method(world.request(&officer, draft)).await);
        let name = "methods/2020-02-09".to_owned();
        let approve = v1::ApproveMethodRequest { request_id: world.id(), name: name.clone() };
        world.take(world.api.approve_method(world.request(&doctor(), approve)).await);
        let publish = v1::PublishMethodRequest { request_id: world.id(), name, ..Default::default() };
        world.take(world.api.publish_method(world.request(&officer, publish)).await);
        world
    }

    /// Drafted by the subdistrict and approved by the health team.
    pub(super) async fn approved(&mut self, version: &str, content: v1::MethodContent) -> String {
        let draft =
            v1::DraftMethodRequest { request_id: self.id(), version: version.to_owned(), content: Some(content) };
        let answer = self.api.draft_method(self.request(&officer(), draft)).await;
        let name = self.take(answer).name;
        let approve = v1::ApproveMethodRequest { request_id: self.id(), name: name.clone() };
        let answer = self.api.approve_method(self.request(&doctor(), approve)).await;
        self.take(answer);
        name
    }

    /// From now on, or from a time on.
    pub(super) async fn publish(&mut self, name: &str, from: Option<&str>) -> Result<v1::Method, Status> {
        let in_force_time = from.map(|from| chassis::timestamp(from.parse().unwrap()));
        let publish = v1::PublishMethodRequest { request_id: self.id(), name: name.to_owned(), in_force_time };
        let answer = self.api.publish_method(self.request(&officer(), publish)).await;
        answer.map(|answer| self.take(Ok(answer)))
    }

    /// Waits until everybody was judged by a version.
    pub(super) async fn rescreened(&mut self, name: &str) -> v1::Rescreening {
        let progress = once("nobody was judged anew", async || {
            let request = v1::GetRescreeningRequest { name: name.to_owned() };
            let progress = self.api.get_rescreening(self.request(&officer(), request)).await.unwrap().into_inner();
            (progress.state() == v1::rescreening::State::Done).then_some(progress)
        });
        let progress = progress.await;
        let head = self.host.ledger("screening").await.unwrap().log().head().await.unwrap();
        self.seen.insert("screening".to_owned(), head.position);
        progress
    }

    pub(super) async fn dry_run(&self, principal: &Principal, name: &str) -> v1::DryRun {
        let request = v1::DryRunMethodRequest { name: name.to_owned() };
        self.api.dry_run_method(self.request(principal, request)).await.unwrap().into_inner()
    }

    pub(super) async fn without_method() -> Self {
        let dir = TempDir::new().unwrap();
        let now = AFTERNOON.parse().unwrap();
        let (clock, _) = Clock::manual(now);
        let secrets = Secrets::open_or_create(dir.path()).unwrap();
        let host = Host::open(dir.path(), secrets, clock, BTreeMap::new(), CancellationToken::new()).unwrap();
        let api = crate::open(&host).await.unwrap();
        Self { api, host, now, seen: Positions::new(), requests: 0, _dir: dir }
    }

    pub(super) fn id(&mut self) -> String {
        self.requests += 1;
        format!("request-{:04}", self.requests)
    }

    /// Remembers a position, as a client does.
    pub(super) fn saw(&mut self, log: &str, position: u64) {
        self.seen.insert(log.to_owned(), position);
    }

    /// What the registry has on record of somebody.
    pub(super) async fn fact(&mut self, resident: &str, event: resident_event::Event) {
        let call = Call::by(principal("service/registry", Role::Service, "", Scope::Everywhere), self.now, &self.id());
        let ledger = self.host.ledger("registry").await.unwrap();
        let decision = Decision::new(vec![event]).office("n1").subject(resident);
        let done = ledger.collect::<_, ()>(&call, resident, decision, ()).await.unwrap();
        self.seen.insert(done.log, done.position);
    }

    /// A resident of the neighbourhood n1 moves in; the name of their case.
    pub(super) async fn resident(&mut self, resident: &str, phones: i32) -> String {
        let residence = Residence {
            neighbourhood_id: "n1".to_owned(),
            compound_id: "c1".to_owned(),
            household_id: "h1".to_owned(),
        };
        let registered = resident_event::Registered { residence: Some(residence), phones, ..Default::default() };
        self.fact(resident, resident_event::Event::Registered(registered)).await;
        format!("cases/{}", first_case_of(resident))
    }

    /// A request as the access layer lets it through.
    pub(super) fn request<T>(&self, principal: &Principal, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let seen: Vec<String> = self.seen.iter().map(|(log, position)| format!("{log}={position}")).collect();
        request.metadata_mut().insert("mf-min-position", seen.join(",").parse().unwrap());
        request.extensions_mut().insert(principal.clone());
        request.extensions_mut().insert(RequestTime(self.now));
        request.extensions_mut().insert(Fingerprinter::new([3; 32]));
        request
    }

    /// Takes an answer, and remembers its position.
    #[track_caller]
    pub(super) fn take<T>(&mut self, response: Result<Response<T>, Status>) -> T {
        let response = response.unwrap();
        if let Some(position) = response.metadata().get(POSITION) {
            let (log, position) = position.to_str().unwrap().split_once('=').unwrap();
            self.seen.insert(log.to_owned(), position.parse().unwrap());
        }
        response.into_inner()
    }

    pub(super) async fn declare(&mut self, case: &str, stays: &[(&str, &str, &str)]) -> Case {
        let request = v1::DeclareRequest {
            request_id: self.id(),
            case: case.to_owned(),
            declaration: Some(Declaration { people: 1, stays: stays_of(stays), ..Default::default() }),
        };
        let answer = self.api.declare(self.request(&worker(), request)).await;
        self.take(answer)
    }

    pub(super) async fn scan(&mut self, case: &str, phone: i32, visits: &[(&str, &str, &str)]) -> Result<Case, Status> {
        let request = self.itinerary(case, phone, visits);
        let answer = self.api.record_itinerary(self.request(&worker(), request)).await;
        answer.map(|answer| self.take(Ok(answer)))
    }

    pub(super) fn itinerary(
        &mut self,
        case: &str,
        phone: i32,
        visits: &[(&str, &str, &str)],
    ) -> v1::RecordItineraryRequest {
        v1::RecordItineraryRequest {
            request_id: self.id(),
            case: case.to_owned(),
            source: Source::Mobile.into(),
            phone,
            window_from: "2020-01-01".to_owned(),
            window_to: "2020-02-11".to_owned(),
            itinerary: Some(Itinerary { visits: visits_of(visits) }),
        }
    }

    pub(super) async fn case(&self, principal: &Principal, case: &str) -> Result<Case, Status> {
        let request = v1::GetCaseRequest { name: case.to_owned() };
        self.api.get_case(self.request(principal, request)).await.map(Response::into_inner)
    }
}

fn stays_of(stays: &[(&str, &str, &str)]) -> Vec<DeclaredStay> {
    let stay = |(place, from, to): &(&str, &str, &str)| DeclaredStay {
        place: (*place).to_owned(),
        from: format!("2020-{from}"),
        to: format!("2020-{to}"),
    };
    stays.iter().map(stay).collect()
}

fn visits_of(visits: &[(&str, &str, &str)]) -> Vec<Visit> {
    let visit = |(place, first, last): &(&str, &str, &str)| Visit {
        place: (*place).to_owned(),
        first: format!("2020-{first}"),
        last: format!("2020-{last}"),
        hours: None,
    };
    visits.iter().map(visit).collect()
}

/// Waits for what comes by itself.
pub(super) async fn once<T>(otherwise: &str, mut there: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(found) = there().await {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{otherwise}")
}

pub(super) fn principal(subject: &str, role: Role, unit: &str, scope: Scope) -> Principal {
    Principal { subject: subject.to_owned(), role, unit: unit.to_owned(), scope }
}

pub(super) fn worker() -> Principal {
    principal("staff/worker", Role::Worker, "n1", Scope::Neighbourhood("n1".to_owned()))
}

pub(super) fn director() -> Principal {
    principal("staff/director", Role::Director, "n1", Scope::Neighbourhood("n1".to_owned()))
}

pub(super) fn stranger() -> Principal {
    principal("staff/stranger", Role::Worker, "n2", Scope::Neighbourhood("n2".to_owned()))
}

pub(super) fn officer() -> Principal {
    principal("staff/officer", Role::Officer, "subdistrict", Scope::Everywhere)
}

pub(super) fn doctor() -> Principal {
    principal("staff/doctor", Role::Health, "health", Scope::Everywhere)
}

/// The reason that a refusal gives to machines.
pub(super) fn reason(status: &Status) -> String {
    chassis::refusal::Spoken::from(status).reason
}
