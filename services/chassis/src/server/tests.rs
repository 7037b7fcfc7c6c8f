use std::time::{Duration, Instant};

use axum::http::Request as HttpRequest;
use futures::StreamExt as _;
use proto::access::v1::{
    ClaimAdministratorRequest, GetPrincipalRequest, IssueTokenRequest, Principal, Token,
    access_service_client::AccessServiceClient,
    access_service_server::{AccessService, AccessServiceServer},
};
use tokio::task::JoinHandle;
use tonic::{Code, Request as Asked, Response as Answered, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::layer::util::Identity;

use super::*;
use crate::client::Connection;

/// Answers at once, after a while, or not at all, as its methods go.
struct Stub;

#[tonic::async_trait]
impl AccessService for Stub {
    async fn get_principal(&self, asked: Asked<GetPrincipalRequest>) -> Result<Answered<Principal>, Status> {
        let peer = asked.extensions().get::<axum::extract::ConnectInfo<std::net::SocketAddr>>();
        Ok(Answered::new(Principal { subject: peer.unwrap().0.ip().to_string(), ..Principal::default() }))
    }

    async fn claim_administrator(&self, _: Asked<ClaimAdministratorRequest>) -> Result<Answered<Token>, Status> {
        panic!("secret-1")
    }

    async fn issue_token(&self, _: Asked<IssueTokenRequest>) -> Result<Answered<Token>, Status> {
        tokio::time::sleep(Duration::from_millis(600)).await;
        Ok(Answered::new(Token { token: "slow".to_owned(), ..Token::default() }))
    }
}

struct Running {
    address: String,
    health: Health,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

async fn start() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (health, stop) = (Health::default(), CancellationToken::new());
    let pages = Router::new().route("/welcome", get(|| async { "hello" }));
    let routes = Routes::new(AccessServiceServer::new(Stub));
    let server = Server::behind(routes, pages, Identity::new(), health.clone());
    let task = tokio::spawn(server.serve(listener, stop.clone()));
    Running { address, health, stop, task }
}

impl Running {
    async fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone()).unwrap().connect().await.unwrap()
    }

    fn connection(&self) -> Connection {
        Connection::open(&self.address, None).unwrap()
    }

    /// Plain HTTP/1.1 by hand, as a browser or curl sends it: the whole answer.
    async fn say(&self, head: &str, body: &[u8]) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let host = self.address.strip_prefix("http://").unwrap();
        let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
        let length = body.len();
        let head = format!("{head}\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

const EMPTY_MESSAGE: &[u8] = &[0; 5];

#[tokio::test]
async fn a_service_answers_and_knows_who_called() {
    let running = start().await;
    let mut client = AccessServiceClient::new(running.connection());
    assert_eq!(client.get_principal(GetPrincipalRequest {}).await.unwrap().into_inner().subject, "127.0.0.1");
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented_in_grpc() {
    let running = start().await;
    let mut channel = running.channel().await;
    let request = HttpRequest::post(format!("{}/nobody.v1.Nobody/Do", running.address))
        .header(header::CONTENT_TYPE, "application/grpc")
        .body(tonic::body::Body::empty())
        .unwrap();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "12");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/grpc");
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented_in_grpc_web() {
    let running = start().await;
    let answer =
        running.say("POST /nobody.v1.Nobody/Do HTTP/1.1\r\ncontent-type: application/grpc-web+proto", b"").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("grpc-status: 12"), "{answer}");
    assert!(answer.contains("content-type: application/grpc-web+proto"), "{answer}");
}

#[tokio::test]
async fn a_browser_calls_from_the_servers_own_pages_and_from_no_others() {
    let running = start().await;
    let call = "POST /access.v1.AccessService/GetPrincipal HTTP/1.1\r\ncontent-type: application/grpc-web+proto";
    let own = running.say(&format!("{call}\r\norigin: {}", running.address), EMPTY_MESSAGE).await;
    assert!(own.contains("grpc-status:0") || own.contains("grpc-status: 0"), "{own}");
    assert!(own.contains("127.0.0.1"), "{own}");
    let foreign = running.say(&format!("{call}\r\norigin: http://elsewhere.example"), EMPTY_MESSAGE).await;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let preflight = "OPTIONS /access.v1.AccessService/GetPrincipal HTTP/1.1\r\norigin: http://elsewhere.example\r\n\
        access-control-request-method: POST";
    assert!(!running.say(preflight, b"").await.contains("access-control-allow"));
}

#[tokio::test]
async fn pages_are_served_and_a_missing_one_says_what_is_here() {
    let running = start().await;
    assert!(running.say("GET /welcome HTTP/1.1", b"").await.ends_with("hello"));
    let missing = running.say("GET /nothing HTTP/1.1", b"").await;
    assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("/healthz"), "{missing}");
}

#[tokio::test]
async fn reflection_speaks_both_versions() {
    use tonic_reflection::pb::{v1, v1alpha};
    let running = start().await;
    let channel = running.channel().await;
    let asked = v1::ServerReflectionRequest {
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::once(asked)).await.unwrap().into_inner();
    let listed = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(listed.contains("access.v1.AccessService"), "{listed}");
    let asked = v1alpha::ServerReflectionRequest {
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(tokio_stream::once(asked)).await.unwrap().into_inner();
    let listed = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(listed.contains("grpc.health.v1.Health"), "{listed}");
}

#[tokio::test]
async fn health_tells_of_trouble_in_grpc_and_on_its_page() {
    let running = start().await;
    running.health.register("registry", || Ok(()));
    let mut client = HealthClient::new(running.channel().await);
    let mut status = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        client.check(request).await.map(|answer| answer.into_inner().status)
    };
    assert_eq!(status("").await.unwrap(), 1);
    assert_eq!(status("nobody").await.unwrap_err().code(), Code::NotFound);
    running.health.register("pass/views", || Err("stands still".to_owned()));
    assert_eq!(status("").await.unwrap(), 2);
    assert_eq!(status("registry.v1.RegistryService").await.unwrap(), 1);
    assert_eq!(status("pass.v1.PassService").await.unwrap(), 2);
    let page = running.say("GET /healthz HTTP/1.1", b"").await;
    assert!(page.starts_with("HTTP/1.1 503"), "{page}");
    assert!(page.contains(r#""troubles":[{"part":"pass/views","reason":"stands still"}]"#), "{page}");
}

#[tokio::test]
async fn metrics_count_rpcs_by_names_of_the_contract_only() {
    let running = start().await;
    AccessServiceClient::new(running.connection()).get_principal(GetPrincipalRequest {}).await.unwrap();
    let made_up = "POST /secret.v1.Zhang/San HTTP/1.1\r\ncontent-type: application/grpc-web+proto";
    running.say(made_up, b"").await;
    let page = running.say("GET /metrics HTTP/1.1", b"").await;
    assert!(page.contains("rpc_server_duration_seconds_bucket"), "{page}");
    let counted =
        page.lines().find(|line| line.starts_with("rpc_server_requests_total") && line.contains("GetPrincipal"));
    assert!(counted.is_some_and(|line| line.contains(r#"rpc_grpc_status_code="OK""#)), "{page}");
    assert!(!page.contains("Zhang"), "{page}");
}

#[tokio::test]
async fn a_bug_in_one_request_is_that_requests_own() {
    let running = start().await;
    let mut client = AccessServiceClient::new(running.connection());
    let status = client.claim_administrator(ClaimAdministratorRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("secret"));
    assert!(client.get_principal(GetPrincipalRequest {}).await.is_ok());
}

#[tokio::test]
async fn at_the_end_running_requests_are_finished_and_new_ones_refused() {
    let running = start().await;
    let connection = running.connection();
    let mut client = AccessServiceClient::new(connection.clone());
    client.get_principal(GetPrincipalRequest {}).await.unwrap();
    let slow = tokio::spawn(async move { client.issue_token(IssueTokenRequest::default()).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    running.stop.cancel();
    assert_eq!(slow.await.unwrap().unwrap().into_inner().token, "slow");
    running.task.await.unwrap().unwrap();
    assert_eq!(running.health.troubles().last().unwrap().part, "server");
    let refused = AccessServiceClient::new(connection).get_principal(GetPrincipalRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn at_the_end_watchers_are_told_to_come_back() {
    let running = start().await;
    let mut client = HealthClient::new(running.channel().await);
    let mut watched = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.next().await.unwrap().unwrap().status, 1);
    let started = Instant::now();
    running.stop.cancel();
    let mut last = None;
    while let Some(told) = watched.next().await {
        last = Some(told);
    }
    assert_eq!(last.unwrap().unwrap_err().code(), Code::Unavailable);
    running.task.await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
}
