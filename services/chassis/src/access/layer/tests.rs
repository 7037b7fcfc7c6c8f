use std::time::Duration;

use axum::{Extension, Router, routing::post};
use chrono::TimeDelta;
use http::StatusCode;
use http_body_util::BodyExt as _;
use proto::access::v1::{Principal as Person, Role};
use tower::ServiceExt as _;

use super::*;
use crate::refusal::Spoken;

const GET_HOUSEHOLD: &str = "/registry.v1.RegistryService/GetHousehold";
const FIND_RESIDENTS: &str = "/registry.v1.RegistryService/FindResidents";
const GET_METHOD: &str = "/screening.v1.ScreeningService/GetMethod";
const CLAIM: &str = "/access.v1.AccessService/ClaimAdministrator";

struct Bench {
    service: Access<Router>,
    tokens: Tokens,
    now: DateTime<Utc>,
    _dir: tempfile::TempDir,
}

fn bench(demo: bool) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::open_or_create(dir.path()).unwrap();
    let now = "2020-02-11T00:00:00Z".parse().unwrap();
    let (clock, _) = Clock::manual(now);
    let tokens = Tokens::new(&secrets);
    let router = Router::new()
        .route(GET_HOUSEHOLD, post(tell))
        .route(FIND_RESIDENTS, post(tell))
        .route(GET_METHOD, post(async || tokio::time::sleep(Duration::from_hours(1)).await))
        .route(CLAIM, post(async || "open"))
        .route("/grpc.health.v1.Health/Check", post(async || "well"))
        .route("/no.v1.Row/Method", post(async || "reached"))
        .route("/page", post(async || "page"));
    let service = AccessLayer::new(tokens.clone(), &secrets, clock, demo).layer(router);
    Bench { service, tokens, now, _dir: dir }
}

/// What a handler sees.
async fn tell(
    Extension(principal): Extension<Principal>,
    Extension(RequestTime(now)): Extension<RequestTime>,
    Extension(_): Extension<Fingerprinter>,
    body: Body,
) -> String {
    let read = body.collect().await.map(|body| body.to_bytes().len());
    format!("{} {:?} {} {}", principal.subject, principal.scope, now.to_rfc3339(), read.is_ok())
}

impl Bench {
    fn token(&self, role: Role, subject: &str) -> String {
        let mut person =
            Person { subject: subject.into(), neighbourhood: "neighbourhoods/n1".into(), ..Person::default() };
        person.set_role(role);
        person.gate = "compounds/c1/gates/g1".into();
        format!("Bearer {}", self.tokens.issue(&person, TimeDelta::hours(1), self.now).unwrap().token)
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
        let mut request = Request::post(path).header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.service.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
    }

    async fn text(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let response = self.ask(path, headers, "").await;
        assert_eq!(refusal(&response), None);
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn refused(&self, path: &str, headers: &[(&str, &str)]) -> (Code, Spoken) {
        let response = self.ask(path, headers, "").await;
        assert_eq!(response.status(), StatusCode::OK, "gRPC answers by grpc-status");
        refusal(&response).expect("a refusal")
    }
}

fn refusal(response: &Response<Body>) -> Option<(Code, Spoken)> {
    let status = Status::from_header_map(response.headers())?;
    let spoken = Spoken::from(&status);
    assert!(!spoken.zh.is_ascii() && spoken.en.is_ascii(), "said in both languages: {spoken:?}");
    Some((status.code(), spoken))
}

#[tokio::test]
async fn a_handler_learns_who_calls_and_when() {
    let bench = bench(false);
    let token = bench.token(Role::Worker, "staff/7");
    let told = bench.text(GET_HOUSEHOLD, &[("authorization", &token)]).await;
    assert_eq!(told, r#"staff/7 Neighbourhood("n1") 2020-02-11T00:00:00+00:00 true"#);
    let told = bench.text(GET_HOUSEHOLD, &[("authorization", &token.replace("Bearer", "bearer"))]).await;
    assert!(told.starts_with("staff/7"));
}

#[tokio::test]
async fn without_a_token_nothing_is_done() {
    let bench = bench(false);
    let (code, spoken) = bench.refused(GET_HOUSEHOLD, &[]).await;
    assert_eq!((code, &*spoken.reason), (Code::Unauthenticated, "TOKEN_MISSING"));
    for wrong in ["Bearer nonsense", "Basic YTpi", "nonsense", "Bearer "] {
        let (code, spoken) = bench.refused(GET_HOUSEHOLD, &[("authorization", wrong)]).await;
        assert_eq!((code, &*spoken.reason), (Code::Unauthenticated, "TOKEN_INVALID"), "{wrong}");
        assert!(!spoken.en.contains("nonsense"));
    }
}

#[tokio::test]
async fn a_content_type_does_not_open_a_way_round() {
    let bench = bench(false);
    for content_type in ["text/plain", "application/json", ""] {
        let request = Request::post(GET_HOUSEHOLD).header("content-type", content_type).body(Body::empty()).unwrap();
        let response = bench.service.clone().oneshot(request).await.unwrap();
        assert_eq!(refusal(&response).unwrap().1.reason, "TOKEN_MISSING");
        let request =
            Request::post("/no.v1.Row/Method").header("content-type", content_type).body(Body::empty()).unwrap();
        let response = bench.service.clone().oneshot(request).await.unwrap();
        assert_eq!(refusal(&response).unwrap().0, Code::Unimplemented);
    }
}

#[tokio::test]
async fn an_expired_token_is_told_from_a_wrong_one() {
    let bench = bench(false);
    let mut person = Person { subject: "staff/7".into(), ..Person::default() };
    person.set_role(Role::Officer);
    let old = bench.tokens.issue(&person, TimeDelta::hours(1), bench.now - TimeDelta::hours(2)).unwrap().token;
    let (code, spoken) = bench.refused(GET_HOUSEHOLD, &[("authorization", &format!("Bearer {old}"))]).await;
    assert_eq!((code, &*spoken.reason), (Code::Unauthenticated, "TOKEN_EXPIRED"));
}

#[tokio::test]
async fn a_role_without_this_right_is_refused() {
    let bench = bench(false);
    let guard = bench.token(Role::Guard, "staff/8");
    let (code, spoken) = bench.refused(GET_HOUSEHOLD, &[("authorization", &guard)]).await;
    assert_eq!((code, &*spoken.reason), (Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    assert_eq!(spoken.metadata["role"], "ROLE_GUARD");
}

#[tokio::test]
async fn a_token_for_another_service_is_refused() {
    let bench = bench(false);
    let auditor = bench.token(Role::Service, "service/pass");
    let (code, spoken) = bench.refused(GET_HOUSEHOLD, &[("authorization", &auditor)]).await;
    assert_eq!((code, &*spoken.reason), (Code::Unauthenticated, "TOKEN_INVALID"));
    assert!(spoken.en.contains("not for this service"));
}

#[tokio::test]
async fn what_has_no_row_does_not_exist() {
    let bench = bench(false);
    for path in ["/no.v1.Row/Method", "/registry.v1.RegistryService/Unknown", "/page"] {
        assert_eq!(bench.refused(path, &[]).await.0, Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn open_rows_health_and_pages_need_no_token() {
    let bench = bench(false);
    assert_eq!(bench.text(CLAIM, &[]).await, "open");
    assert_eq!(bench.text("/grpc.health.v1.Health/Check", &[]).await, "well");
    let page = Request::post("/page").body(Body::empty()).unwrap();
    let page = bench.service.clone().oneshot(page).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(&*page.to_bytes(), b"page");
}

#[tokio::test]
async fn attempts_with_a_code_are_few_and_look_ups_of_persons_are_counted_per_caller() {
    let bench = bench(false);
    let mut open = 0;
    while refusal(&bench.ask(CLAIM, &[], "").await).is_none() {
        open += 1;
    }
    assert_eq!(open, 5);
    let (one, other) = (bench.token(Role::Worker, "staff/1"), bench.token(Role::Worker, "staff/2"));
    for _ in 0..30 {
        assert_eq!(refusal(&bench.ask(FIND_RESIDENTS, &[("authorization", &one)], "").await), None);
    }
    let (code, spoken) = bench.refused(FIND_RESIDENTS, &[("authorization", &one)]).await;
    assert_eq!((code, &*spoken.reason), (Code::ResourceExhausted, "RATE_LIMITED"));
    bench.text(FIND_RESIDENTS, &[("authorization", &other)]).await;
    bench.text(GET_HOUSEHOLD, &[("authorization", &one)]).await;
}

#[tokio::test]
async fn only_a_demonstration_lets_requests_say_what_time_it_is() {
    let said = ("mf-demo-time", "2020-03-01T08:00:00+08:00");
    let real = bench(false);
    let token = real.token(Role::Worker, "staff/7");
    assert!(real.text(GET_HOUSEHOLD, &[("authorization", &token), said]).await.contains("2020-02-11T00:00:00"));
    let demo = bench(true);
    let token = demo.token(Role::Worker, "staff/7");
    assert!(demo.text(GET_HOUSEHOLD, &[("authorization", &token), said]).await.contains("2020-03-01T00:00:00"));
    let (code, spoken) = demo.refused(GET_HOUSEHOLD, &[("authorization", &token), ("mf-demo-time", "yesterday")]).await;
    assert_eq!((code, &*spoken.reason), (Code::InvalidArgument, "DEMO_TIME_INVALID"));
}

#[tokio::test]
async fn a_request_beyond_its_rows_size_is_refused_or_cut_off() {
    let bench = bench(false);
    let token = bench.token(Role::Worker, "staff/7");
    let most = rpcs::find(GET_HOUSEHOLD).unwrap().max_request;
    let said = (most + 6).to_string();
    let headers = [("authorization", &*token), ("content-length", &*said)];
    let (code, spoken) = bench.refused(GET_HOUSEHOLD, &headers).await;
    assert_eq!((code, &*spoken.reason), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    assert!(spoken.en.contains(&format!("{most} bytes")));
    for (bytes, read) in [(most + 5, "true"), (most + 6, "false")] {
        let chunks =
            futures::stream::iter([Ok::<_, std::io::Error>(vec![0; bytes / 2]), Ok(vec![0; bytes - bytes / 2])]);
        let response = bench.ask(GET_HOUSEHOLD, &[("authorization", &token)], Body::from_stream(chunks)).await;
        let told = response.into_body().collect().await.unwrap().to_bytes();
        assert!(std::str::from_utf8(&told).unwrap().ends_with(read));
    }
}

#[tokio::test(start_paused = true)]
async fn the_rows_deadline_holds_and_the_clients_where_it_is_earlier() {
    let bench = bench(false);
    let token = bench.token(Role::Worker, "staff/7");
    for (asked, seconds) in [("1500m", 1.5), ("9H", 5.0)] {
        let start = tokio::time::Instant::now();
        let (code, spoken) = bench.refused(GET_METHOD, &[("authorization", &token), ("grpc-timeout", asked)]).await;
        assert_eq!((code, &*spoken.reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
        assert!((start.elapsed().as_secs_f64() - seconds).abs() < 0.1);
    }
}

#[test]
fn every_row_can_be_reached_by_the_roles_in_it() {
    let bench = bench(false);
    for rpc in rpcs::TABLE {
        for role in rpc.roles {
            let subject = if *role == Role::Resident { "resident/r1" } else { "staff/7" };
            let token = bench.token(*role, subject);
            let request = Request::post(rpc.path).header(header::AUTHORIZATION, token);
            let admitted = bench.service.gatekeeper.admit(request.body(Body::empty()).unwrap());
            assert!(admitted.is_ok(), "{} for {role:?}", rpc.path);
        }
    }
}
