//! Passes RPCs on to another process as they are: from a replica that does not lead to the one that does, and from one
//! address to the services behind it. Nothing is decoded; tokens, times and positions travel in the headers, and whoever
//! serves the call judges them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use proto::rpcs::{self, Kind as RpcKind};
use tokio::time::Instant;
use tonic::Status;

use crate::{
    Kind, Refusal,
    lease::{Lead, Lease},
};

/// Connections to other processes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Forwarder(Arc<Client<HttpConnector, Body>>);

/// Marks what was passed on once: two replicas that each take the other for the leader must not play ball with a request.
const FORWARDED: &str = "mf-forwarded";

/// Of a connection, not of the request that comes over it.
const OF_THE_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// For what is in no table of RPCs: health, reflection, pages.
const OTHER_DEADLINE: Duration = Duration::from_secs(30);

impl Default for Forwarder {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(3)));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(Duration::from_secs(30)));
        let mut client = Client::builder(TokioExecutor::new());
        client
            .http2_only(true)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            // A process that vanished without a word is noticed, and the next request connects anew.
            .http2_keep_alive_interval(Duration::from_secs(5))
            .http2_keep_alive_timeout(Duration::from_secs(3))
            .http2_keep_alive_while_idle(true)
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(4 << 20);
        Self(Arc::new(client.build(connector)))
    }
}

impl Forwarder {
    /// What the process at `address` (`http://host:port`) answers, or that it cannot be reached.
    pub async fn pass(&self, address: &str, request: Request) -> Response {
        let kind = request.headers().get(header::CONTENT_TYPE).cloned();
        self.send(address, request).await.unwrap_or_else(|| unreachable(kind.as_ref(), address))
    }

    /// None where it cannot be reached, or does not begin to answer in time.
    async fn send(&self, address: &str, mut request: Request) -> Option<Response> {
        let deadline = rpcs::find(request.uri().path()).map_or(OTHER_DEADLINE, |rpc| rpc.deadline);
        *request.uri_mut() = target(address, request.uri())?;
        *request.version_mut() = Version::HTTP_2;
        for name in OF_THE_CONNECTION {
            request.headers_mut().remove(name);
        }
        match tokio::time::timeout(deadline, self.0.request(request)).await {
            Ok(Ok(response)) => Some(response.map(Body::new)),
            Ok(Err(error)) => {
                tracing::debug!(
                    error = format!("{:#}", anyhow::Error::new(error)),
                    address,
                    "a request was not passed on"
                );
                None
            }
            Err(_) => None,
        }
    }
}

/// One address for all services: each RPC goes to the service that its path names, everything else to the office. The
/// replicas of a service take turns.
pub fn router(addresses: impl IntoIterator<Item = (String, String)>) -> Router {
    let mut services: BTreeMap<String, Turns> = BTreeMap::new();
    for (service, address) in addresses {
        services.entry(service).or_default().addresses.push((address, Mutex::default()));
    }
    Router::new()
        .fallback(pass_by_path)
        .with_state(Routes { forwarder: Forwarder::default(), services: services.into() })
}

#[derive(Clone)]
struct Routes {
    forwarder: Forwarder,
    services: Arc<BTreeMap<String, Turns>>,
}

/// The replicas of one service.
#[derive(Default)]
struct Turns {
    /// With the time until which a replica is passed over, after it could not be reached.
    addresses: Vec<(String, Mutex<Option<Instant>>)>,
    next: AtomicUsize,
}

/// How long a replica that could not be reached is left alone.
const PASSED_OVER: Duration = Duration::from_secs(1);

impl Turns {
    fn next(&self) -> Option<&(String, Mutex<Option<Instant>>)> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let all = (0..self.addresses.len()).map(|n| &self.addresses[(first + n) % self.addresses.len()]);
        let well = |(_, down): &&(String, Mutex<Option<Instant>>)| {
            down.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|until| until <= Instant::now())
        };
        // Where none is well, one of them is tried all the same.
        all.clone().find(well).or_else(|| all.clone().next())
    }
}

/// Tokens and the record of all services, the office's pages, health and reflection.
const OFFICE: &str = "office";

async fn pass_by_path(State(routes): State<Routes>, request: Request) -> Response {
    let service = request.uri().path().trim_start_matches('/').split('.').next().unwrap_or_default();
    let kind = request.headers().get(header::CONTENT_TYPE).cloned();
    let turns = routes.services.get(service).or_else(|| routes.services.get(OFFICE));
    let Some((address, down)) = turns.and_then(Turns::next) else { return unreachable(kind.as_ref(), service) };
    if let Some(response) = routes.forwarder.send(address, request).await {
        return response;
    }
    *down.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + PASSED_OVER);
    unreachable(kind.as_ref(), address)
}

/// The replicas of a service, as one of them sees them.
#[derive(Clone)]
pub struct Replicas {
    pub lease: Lease,
    pub forwarder: Forwarder,
}

/// Queries are answered here, commands by the replica that leads.
pub async fn to_the_leader(State(replicas): State<Replicas>, mut request: Request, next: Next) -> Response {
    let command = rpcs::find(request.uri().path()).is_some_and(|rpc| rpc.kind == RpcKind::Command);
    let lead = replicas.lease.watch().borrow().clone();
    match lead {
        Lead::Elsewhere { address } if command => {
            if address.is_empty() || request.headers().contains_key(FORWARDED) {
                return no_leader().into_http();
            }
            request.headers_mut().insert(HeaderName::from_static(FORWARDED), HeaderValue::from_static("1"));
            replicas.forwarder.pass(&address, request).await
        }
        Lead::Here { .. } | Lead::Elsewhere { .. } => next.run(request).await,
    }
}

fn target(address: &str, uri: &Uri) -> Option<Uri> {
    let base: Uri = address.parse().ok()?;
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder().scheme(base.scheme_str()?).authority(base.authority()?.clone()).path_and_query(path).build().ok()
}

fn no_leader() -> Status {
    Refusal::new(
        Kind::Unavailable,
        "NO_LEADER",
        "服务正在切换主节点，通常不超过五秒：请用同一个 request_id 重试",
        "the service is changing its leading replica, usually for less than five seconds: retry with the same request_id",
    )
    .into()
}

fn unreachable(kind: Option<&HeaderValue>, address: &str) -> Response {
    let rpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !rpc {
        let text = "服务暂时无法访问，请稍候重试。The service cannot be reached: retry in a moment.\n";
        return (StatusCode::BAD_GATEWAY, HeaderMap::new(), text).into_response();
    }
    let status: Status = Refusal::new(
        Kind::Unavailable,
        "SERVICE_UNREACHABLE",
        "服务暂时无法访问：请用同一个 request_id 重试；如果持续出现，请管理员检查该服务是否在运行",
        "the service cannot be reached: retry with the same request_id; if it stays so, have the administrator see whether it runs",
    )
    .about("address", address)
    .into();
    status.into_http()
}
