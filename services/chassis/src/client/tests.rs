use std::sync::atomic::{AtomicU32, Ordering};

use proto::{
    access::v1::{
        ClaimAdministratorRequest, GetPrincipalRequest, IssueTokenRequest, Principal, Token,
        access_service_client::AccessServiceClient,
        access_service_server::{AccessService, AccessServiceServer},
    },
    command::v1::{
        CompareOverviewsRequest, CompareOverviewsResponse, GetOverviewRequest, GetSeriesRequest, ListCountedRequest,
        ListCountedResponse, ListFiguresRequest, ListFiguresResponse, ListSupplyRequest, ListSupplyResponse, Overview,
        RebuildRequest, RebuildResponse, RecountRequest, RecountResponse, Series, WatchOverviewRequest,
        command_service_client::CommandServiceClient,
        command_service_server::{CommandService, CommandServiceServer},
    },
};
use tokio::net::TcpListener;
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Request as Asked, Response as Answered};

use super::*;
use crate::refusal::Spoken;

type Metadata = tonic::metadata::MetadataMap;

/// Fails so many times with a code, then answers; keeps what it was sent.
#[derive(Clone)]
struct Fake(Arc<FakeState>);

struct FakeState {
    code: Code,
    failures: AtomicU32,
    calls: AtomicU32,
    slow: Duration,
    metadata: Mutex<Vec<Metadata>>,
}

impl Fake {
    fn failing(failures: u32, code: Code) -> Self {
        Self(Arc::new(FakeState {
            code,
            failures: failures.into(),
            calls: 0.into(),
            slow: Duration::ZERO,
            metadata: Mutex::default(),
        }))
    }

    fn slow() -> Self {
        let state = FakeState {
            code: Code::Ok,
            failures: 0.into(),
            calls: 0.into(),
            slow: Duration::from_mins(1),
            metadata: Mutex::default(),
        };
        Self(Arc::new(state))
    }

    async fn answer<T>(&self, metadata: &Metadata, body: T) -> Result<Answered<T>, Status> {
        let call = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.metadata.lock().unwrap().push(metadata.clone());
        tokio::time::sleep(self.0.slow).await;
        if call <= self.0.failures.load(Ordering::SeqCst) {
            return Err(Status::new(self.0.code, "not now"));
        }
        let mut response = Answered::new(body);
        response.metadata_mut().insert(POSITION, format!("registry={}", 10 - call).parse().unwrap());
        Ok(response)
    }

    fn calls(&self) -> u32 {
        self.0.calls.load(Ordering::SeqCst)
    }

    fn sent(&self, call: usize, key: &str) -> Option<String> {
        let sent = self.0.metadata.lock().unwrap();
        sent[call].get(key).map(|value| value.to_str().unwrap().to_owned())
    }

    async fn start(&self) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(AccessServiceServer::new(self.clone()))
            .add_service(CommandServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Connection::open(&address, Some("token".to_owned())).unwrap()
    }
}

#[tonic::async_trait]
impl AccessService for Fake {
    async fn get_principal(&self, asked: Asked<GetPrincipalRequest>) -> Result<Answered<Principal>, Status> {
        let principal = Principal { subject: "staff/1".to_owned(), ..Principal::default() };
        self.answer(asked.metadata(), principal).await
    }

    async fn claim_administrator(&self, _: Asked<ClaimAdministratorRequest>) -> Result<Answered<Token>, Status> {
        unreachable!()
    }

    async fn issue_token(&self, _: Asked<IssueTokenRequest>) -> Result<Answered<Token>, Status> {
        unreachable!()
    }
}

#[tonic::async_trait]
impl CommandService for Fake {
    type WatchOverviewStream = Pin<Box<dyn futures::Stream<Item = Result<Overview, Status>> + Send>>;

    async fn watch_overview(
        &self,
        asked: Asked<WatchOverviewRequest>,
    ) -> Result<Answered<Self::WatchOverviewStream>, Status> {
        let messages = [Ok(Overview::default()), Ok(Overview::default()), Err(Status::aborted("the end"))];
        let stream: Self::WatchOverviewStream = Box::pin(futures::stream::iter(messages));
        self.answer(asked.metadata(), stream).await
    }

    async fn get_overview(&self, _: Asked<GetOverviewRequest>) -> Result<Answered<Overview>, Status> {
        unreachable!()
    }

    async fn recount(&self, _: Asked<RecountRequest>) -> Result<Answered<RecountResponse>, Status> {
        unreachable!()
    }

    async fn compare_overviews(
        &self,
        _: Asked<CompareOverviewsRequest>,
    ) -> Result<Answered<CompareOverviewsResponse>, Status> {
        unreachable!()
    }

    async fn get_series(&self, _: Asked<GetSeriesRequest>) -> Result<Answered<Series>, Status> {
        unreachable!()
    }

    async fn list_figures(&self, _: Asked<ListFiguresRequest>) -> Result<Answered<ListFiguresResponse>, Status> {
        unreachable!()
    }

    async fn list_counted(&self, _: Asked<ListCountedRequest>) -> Result<Answered<ListCountedResponse>, Status> {
        unreachable!()
    }

    async fn list_supply(&self, _: Asked<ListSupplyRequest>) -> Result<Answered<ListSupplyResponse>, Status> {
        unreachable!()
    }

    async fn rebuild(&self, _: Asked<RebuildRequest>) -> Result<Answered<RebuildResponse>, Status> {
        unreachable!()
    }
}

async fn ask(connection: &Connection) -> Result<Principal, Status> {
    let mut client = AccessServiceClient::new(connection.clone());
    client.get_principal(GetPrincipalRequest {}).await.map(Answered::into_inner)
}

#[tokio::test]
async fn unavailable_is_tried_twice_more() {
    let fake = Fake::failing(2, Code::Unavailable);
    let connection = fake.start().await;
    assert_eq!(ask(&connection).await.unwrap().subject, "staff/1");
    assert_eq!(fake.calls(), 3);
}

#[tokio::test]
async fn after_the_third_try_the_answer_stands() {
    let fake = Fake::failing(9, Code::Unavailable);
    let status = ask(&fake.start().await).await.unwrap_err();
    assert_eq!((status.code(), status.message(), fake.calls()), (Code::Unavailable, "not now", 3));
}

#[tokio::test]
async fn nothing_else_is_tried_again() {
    for code in [Code::Internal, Code::Aborted, Code::ResourceExhausted, Code::DeadlineExceeded, Code::Unknown] {
        let fake = Fake::failing(9, code);
        let status = ask(&fake.start().await).await.unwrap_err();
        assert_eq!((status.code(), fake.calls()), (code, 1));
    }
}

#[tokio::test]
async fn a_service_that_stays_down_is_not_asked_three_times_for_ever() {
    let fake = Fake::failing(1000, Code::Unavailable);
    let connection = fake.start().await;
    for _ in 0..6 {
        ask(&connection).await.unwrap_err();
    }
    assert!(fake.calls() < 12, "{}", fake.calls());
}

#[tokio::test]
async fn what_was_seen_is_asked_for_and_never_less() {
    let fake = Fake::failing(0, Code::Ok);
    let connection = fake.start().await;
    for _ in 0..3 {
        ask(&connection.clone()).await.unwrap();
    }
    assert_eq!(fake.sent(0, MIN_POSITION), None);
    assert_eq!(fake.sent(1, MIN_POSITION).unwrap(), "registry=9");
    assert_eq!(fake.sent(2, MIN_POSITION).unwrap(), "registry=9", "the second answer said 8");
    assert_eq!(connection.seen()["registry"], 9);
}

#[tokio::test]
async fn a_request_carries_token_deadline_and_the_storys_time() {
    let fake = Fake::failing(0, Code::Ok);
    let connection = fake.start().await;
    let time = "2020-02-10T08:00:00Z".parse().unwrap();
    ask(&connection.at(time)).await.unwrap();
    assert_eq!(fake.sent(0, "authorization").unwrap(), "Bearer token");
    assert_eq!(fake.sent(0, DEMO_TIME).unwrap(), "2020-02-10T08:00:00.000000Z");
    let timeout = fake.sent(0, "grpc-timeout").unwrap();
    let millis: u32 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!((4_000..=5_000).contains(&millis), "{timeout}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_at_the_deadline() {
    let fake = Fake::slow();
    let connection = fake.start().await;
    let mut asked = Asked::new(GetPrincipalRequest {});
    asked.set_timeout(Duration::from_millis(200));
    let started = Instant::now();
    let status = AccessServiceClient::new(connection).get_principal(asked).await.unwrap_err();
    assert_eq!(Spoken::from(&status).reason, "DEADLINE_EXCEEDED", "{status:?}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_in_both_languages() {
    let connection = Connection::open("http://127.0.0.1:1", None).unwrap();
    let status = ask(&connection).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let spoken = Spoken::from(&status);
    assert_eq!(spoken.reason, "SERVER_UNREACHABLE");
    assert!(spoken.zh.contains("http://127.0.0.1:1") && spoken.en.contains("http://127.0.0.1:1"));
}

#[tokio::test]
async fn a_stream_comes_message_by_message_with_its_end() {
    let fake = Fake::failing(1, Code::Unavailable);
    let connection = fake.start().await;
    let mut client = CommandServiceClient::new(connection.clone());
    let mut stream = client.watch_overview(WatchOverviewRequest::default()).await.unwrap().into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(stream.next().await.unwrap().unwrap_err().message(), "the end");
    assert_eq!(fake.calls(), 2, "a stream that did not begin is tried again");
    assert_eq!(connection.seen()["registry"], 8);
}

#[tokio::test]
async fn an_address_needs_its_scheme() {
    let error = Connection::open("localhost:8080", None).unwrap_err();
    assert!(error.to_string().contains("http://"));
}

#[test]
fn request_ids_are_uuids_and_differ() {
    let (one, other) = (new_request_id(), new_request_id());
    assert_ne!(one, other);
    assert_eq!(uuid::Uuid::parse_str(&one).unwrap().get_version_num(), 7);
}
