use axum::Router;
use proto::access::v1::{access_service_client::AccessServiceClient, access_service_server::AccessServiceServer};
use tonic::Code;
use tower::Layer as _;

use super::*;
use crate::{
    access::{Access, AccessLayer},
    refusal::Spoken,
    secrets::Secrets,
};

type Client = AccessServiceClient<Access<Router>>;

/// The service behind the layer, spoken to with a real client, without a network.
struct Bench {
    client: Client,
    code: String,
    _dir: tempfile::TempDir,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::open_or_create(dir.path()).unwrap();
    let (clock, _) = Clock::manual("2020-02-11T00:00:00Z".parse().unwrap());
    let tokens = Tokens::new(&secrets);
    let (first, code) = FirstAdministrator::open(dir.path(), &secrets, clock.clone()).unwrap();
    let api = AccessApi::new(tokens.clone(), first, clock.clone());
    let router = Router::new().route_service("/access.v1.AccessService/{*method}", AccessServiceServer::new(api));
    let service = AccessLayer::new(tokens, &secrets, clock, false).layer(router);
    let client = AccessServiceClient::with_origin(service, "http://localhost".parse().unwrap());
    Bench { client, code: code.unwrap(), _dir: dir }
}

fn with<T>(token: &Token, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", token.token).parse().unwrap());
    request
}

impl Bench {
    async fn claim(&mut self) -> Result<Token, Status> {
        let request = ClaimAdministratorRequest { code: self.code.clone() };
        self.client.claim_administrator(request).await.map(Response::into_inner)
    }

    async fn issue(&mut self, by: &Token, person: Person, lifetime_seconds: i32) -> Result<Token, Status> {
        let request_id = "request-1".to_owned();
        let request = IssueTokenRequest { request_id, principal: Some(person), lifetime_seconds };
        self.client.issue_token(with(by, request)).await.map(Response::into_inner)
    }
}

fn somebody(role: Role, subject: &str, neighbourhood: &str, gate: &str) -> Person {
    let mut person =
        Person { subject: subject.into(), neighbourhood: neighbourhood.into(), gate: gate.into(), ..Person::default() };
    person.set_role(role);
    person
}

fn refused(outcome: Result<Token, Status>) -> (Code, Spoken) {
    let status = outcome.unwrap_err();
    (status.code(), Spoken::from(&status))
}

#[tokio::test]
async fn the_code_makes_the_first_administrator_once() {
    let mut bench = bench();
    let wrong = ClaimAdministratorRequest { code: "0".repeat(32) };
    let (code, spoken) = refused(bench.client.claim_administrator(wrong).await.map(Response::into_inner));
    assert_eq!((code, &*spoken.reason), (Code::PermissionDenied, "CODE_SPENT"));
    let token = bench.claim().await.unwrap();
    let principal = bench.client.get_principal(with(&token, GetPrincipalRequest {})).await.unwrap().into_inner();
    assert_eq!(principal.role(), Role::Administrator);
    assert_eq!(Some(principal), token.principal);
    let (_, spoken) = refused(bench.claim().await);
    assert!(spoken.zh.contains("已被使用") && spoken.en.contains("used already"));
}

#[tokio::test]
async fn an_administrator_makes_tokens_for_every_role_with_its_place() {
    let mut bench = bench();
    let administrator = bench.claim().await.unwrap();
    let (n1, g1) = ("neighbourhoods/n1", "compounds/c1/gates/g1");
    for (person, unit) in [
        (somebody(Role::Resident, "resident/r1", n1, ""), "n1"),
        (somebody(Role::Guard, "device/d1", n1, g1), "n1"),
        (somebody(Role::Worker, "staff/1", n1, ""), "n1"),
        (somebody(Role::Director, "staff/2", n1, ""), "n1"),
        (somebody(Role::Officer, "staff/3", "", ""), "subdistrict"),
        (somebody(Role::Health, "staff/4", "", ""), "health"),
        (somebody(Role::Auditor, "staff/5", "", ""), "subdistrict"),
        (somebody(Role::Administrator, "staff/6", "", ""), "subdistrict"),
        (somebody(Role::Service, "service/pass", "", ""), "subdistrict"),
    ] {
        let token = bench.issue(&administrator, person.clone(), 0).await.unwrap();
        let expected = Person { unit: unit.into(), ..person };
        let seen = bench.client.get_principal(with(&token, GetPrincipalRequest {})).await.unwrap().into_inner();
        assert_eq!(seen, expected);
        assert_eq!(token.principal, Some(expected));
        assert_eq!(token.expire_time.unwrap().seconds, 1_581_379_200 + 43_200);
    }
}

#[tokio::test]
async fn a_role_without_its_place_gets_no_token() {
    let mut bench = bench();
    let administrator = bench.claim().await.unwrap();
    for person in [
        somebody(Role::Resident, "resident/r1", "", ""),
        somebody(Role::Worker, "staff/1", "", ""),
        somebody(Role::Director, "staff/1", "", ""),
        somebody(Role::Guard, "staff/1", "", "compounds/c1/gates/g1"),
        somebody(Role::Guard, "staff/1", "neighbourhoods/n1", ""),
    ] {
        let (code, spoken) = refused(bench.issue(&administrator, person, 0).await);
        assert_eq!((code, &*spoken.reason), (Code::InvalidArgument, "ROLE_NEEDS_PLACE"));
    }
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let mut bench = bench();
    let administrator = bench.claim().await.unwrap();
    let n1 = "neighbourhoods/n1";
    for (person, lifetime, field) in [
        (Person::default(), 0, "principal.role"),
        (somebody(Role::Worker, "worker one", n1, ""), 0, "principal.subject"),
        (somebody(Role::Worker, "resident/r1", n1, ""), 0, "principal.subject"),
        (somebody(Role::Resident, "staff/1", n1, ""), 0, "principal.subject"),
        (somebody(Role::Worker, "staff/1", "n1", ""), 0, "principal.neighbourhood"),
        (somebody(Role::Officer, "staff/1", n1, ""), 0, "principal.neighbourhood"),
        (somebody(Role::Worker, "staff/1", n1, "compounds/c1/gates/g1"), 0, "principal.gate"),
        (somebody(Role::Guard, "staff/1", n1, "g1"), 0, "principal.gate"),
        (Person { unit: "a b".into(), ..somebody(Role::Worker, "staff/1", n1, "") }, 0, "principal.unit"),
        (somebody(Role::Worker, "staff/1", n1, ""), 59, "lifetime_seconds"),
        (somebody(Role::Worker, "staff/1", n1, ""), 86_401, "lifetime_seconds"),
    ] {
        let (code, spoken) = refused(bench.issue(&administrator, person, lifetime).await);
        assert_eq!((code, &*spoken.reason), (Code::InvalidArgument, "FIELD_INVALID"));
        assert_eq!(spoken.fields.iter().map(|field| &*field.field).collect::<Vec<_>>(), [field]);
        assert!(!spoken.fields[0].zh.is_ascii() && spoken.fields[0].en.is_ascii());
    }
    for lifetime in [60, 86_400] {
        bench.issue(&administrator, somebody(Role::Worker, "staff/1", n1, ""), lifetime).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_but_an_administrator_makes_tokens() {
    let mut bench = bench();
    let administrator = bench.claim().await.unwrap();
    let director = somebody(Role::Director, "staff/2", "neighbourhoods/n1", "");
    let director = bench.issue(&administrator, director, 0).await.unwrap();
    let (code, spoken) = refused(bench.issue(&director, somebody(Role::Officer, "staff/9", "", ""), 0).await);
    assert_eq!((code, &*spoken.reason), (Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
}

#[tokio::test]
async fn a_message_beyond_the_rows_size_is_refused_by_the_codec_that_reads_it() {
    let mut bench = bench();
    let administrator = bench.claim().await.unwrap();
    let huge = Person { unit: "x".repeat(300 << 10), ..somebody(Role::Officer, "staff/9", "", "") };
    let (code, spoken) = refused(bench.issue(&administrator, huge, 0).await);
    assert_eq!((code, &*spoken.reason), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
}
