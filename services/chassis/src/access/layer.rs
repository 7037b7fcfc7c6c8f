//! What every request must pass before a handler sees it: a row in the table of RPCs, a token with a role of that row, a
//! budget, a size and a deadline. Answers that it gives itself are whole gRPC responses without a body.
//!
//! A handler's future is dropped at the deadline or when the client goes away. Commands live on: the ledger runs them in
//! tasks of their own.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::ConnectInfo,
};
use chrono::{DateTime, Utc};
use http::{HeaderMap, Request, Response, header};
use proto::rpcs::{self, Rpc};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorInfo, LocalizedMessage, StatusExt as _};
use tower::{Layer, Service};

use super::{
    Tokens,
    limits::{late, limit, timeout, until},
    rates::Rates,
    tokens::{TokenProblem, service_of},
};
use crate::{
    Clock, Kind, Principal, Refusal,
    call::{Fingerprinter, RequestTime},
    refusal::DOMAIN,
    secrets::Secrets,
};

/// Metadata key by which a demonstration sets the time of one request, as RFC 3339.
const DEMO_TIME: &str = "mf-demo-time";

/// Open to everybody: they tell of the contract and of the server, never of people.
const OPEN: [&str; 3] =
    ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

/// Puts [`Access`] before a router. gRPC-Web is translated further out.
#[derive(Clone)]
pub struct AccessLayer(Arc<Gatekeeper>);

/// A service behind the access layer.
#[derive(Clone)]
pub struct Access<S> {
    inner: S,
    gatekeeper: Arc<Gatekeeper>,
}

struct Gatekeeper {
    tokens: Tokens,
    rates: Rates,
    clock: Clock,
    fingerprinter: Fingerprinter,
    demo: bool,
}

impl AccessLayer {
    /// `demo`: requests may say for which time they are, so that a story of weeks can be told in minutes.
    pub fn new(tokens: Tokens, secrets: &Secrets, clock: Clock, demo: bool) -> Self {
        let fingerprinter = secrets.fingerprinter();
        Self(Arc::new(Gatekeeper { tokens, rates: Rates::new(), clock, fingerprinter, demo }))
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Access<S> {
        Access { inner, gatekeeper: Arc::clone(&self.0) }
    }
}

impl<S, B, R> Service<Request<B>> for Access<S>
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone was not polled ready, this one was.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gatekeeper = Arc::clone(&self.gatekeeper);
        Box::pin(async move {
            let request = request.map(Body::new);
            let (request, rpc) = match gatekeeper.admit(request) {
                Ok(admitted) => admitted,
                Err(status) => return Ok(status.into_http()),
            };
            let Some(rpc) = rpc else { return Ok(inner.call(request).await?.map(Body::new)) };
            let allowed = timeout(request.headers()).map_or(rpc.deadline, |asked| asked.min(rpc.deadline));
            let end = Instant::now() + allowed;
            match tokio::time::timeout_at(end, inner.call(request)).await {
                Ok(response) => Ok(response?.map(|body| until(end, allowed, Body::new(body)))),
                Err(_) => Ok(late(allowed).into_http()),
            }
        })
    }
}

impl Gatekeeper {
    /// The request with what its handler needs to know; its row where it is an RPC of the contract.
    fn admit(&self, request: Request<Body>) -> Result<(Request<Body>, Option<&'static Rpc>), Status> {
        let path = request.uri().path();
        let Some(rpc) = rpcs::find(path) else {
            let open = !is_rpc(path, request.headers()) || OPEN.iter().any(|prefix| path.starts_with(prefix));
            return if open { Ok((request, None)) } else { Err(unknown()) };
        };
        let (mut parts, body) = request.into_parts();
        let principal = self.principal(rpc, &parts.headers)?;
        let caller = principal.as_ref().map_or_else(|| peer(&parts.extensions), |principal| principal.subject.clone());
        self.rates.take(rpc.rate, &caller)?;
        let now = self.time(&parts.headers)?;
        let body = limit(&parts.headers, body, rpc.max_request)?;
        // Where the row is open to anybody, a one-time code in the request says the rest.
        parts.extensions.insert(principal.unwrap_or_else(Principal::nobody));
        parts.extensions.insert(RequestTime(now));
        parts.extensions.insert(self.fingerprinter.clone());
        Ok((Request::from_parts(parts, body), Some(rpc)))
    }

    /// Who calls; nobody where the row is open to anybody.
    fn principal(&self, rpc: &Rpc, headers: &HeaderMap) -> Result<Option<Principal>, Status> {
        if rpc.roles.is_empty() {
            return Ok(None);
        }
        let token = bearer(headers)?;
        let principal =
            self.tokens.verify(token, service_of(rpc.path), self.clock.now()).map_err(TokenProblem::refusal)?;
        if !rpc.roles.contains(&principal.role) {
            return Err(role_not_allowed(&principal).into());
        }
        Ok(Some(principal))
    }

    fn time(&self, headers: &HeaderMap) -> Result<DateTime<Utc>, Status> {
        let Some(value) = headers.get(DEMO_TIME).filter(|_| self.demo) else {
            return Ok(self.clock.now());
        };
        let time = value.to_str().ok().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        time.map(|time| time.with_timezone(&Utc)).ok_or_else(|| {
            Refusal::new(
                Kind::Invalid,
                "DEMO_TIME_INVALID",
                format!("元数据 {DEMO_TIME} 应为 RFC 3339 时间，例如 2020-02-11T08:00:00+08:00"),
                format!("the metadata {DEMO_TIME} must be an RFC 3339 time such as 2020-02-11T08:00:00+08:00"),
            )
            .into()
        })
    }
}

/// Whether a request wants an RPC. The router goes by the path alone, so the content type cannot be what decides it.
fn is_rpc(path: &str, headers: &HeaderMap) -> bool {
    let mut segments = path.trim_start_matches('/').split('/');
    let shaped = matches!(
        (segments.next(), segments.next(), segments.next()),
        (Some(service), Some(method), None) if service.contains('.') && !method.is_empty()
    );
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    shaped || content_type.starts_with("application/grpc")
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        Refusal::new(
            Kind::Unauthenticated,
            "TOKEN_MISSING",
            "请求没有附带令牌：请先登录，或在元数据中加上 authorization: Bearer 令牌",
            "the request carries no token: sign in first, or send the metadata authorization: Bearer <token>",
        )
    })?;
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(TokenProblem::Garbled.refusal()),
    }
}

fn role_not_allowed(principal: &Principal) -> Refusal {
    Refusal::new(
        Kind::Denied,
        "ROLE_NOT_ALLOWED",
        "您的岗位没有这项操作的权限：请由有权限的岗位办理，或请管理员签发相应岗位的令牌",
        "your role may not do this: ask somebody whose role may, or ask an administrator for a token of that role",
    )
    .about("role", principal.role.as_str_name())
}

fn unknown() -> Status {
    let (zh, en) = (
        "服务器没有这个接口：请检查服务和方法的名称，并确认客户端与服务器版本一致",
        "the server has no such method: check the names of service and method, and that client and server are of one version",
    );
    let details: [ErrorDetail; 3] = [
        ErrorInfo::new("METHOD_UNKNOWN", DOMAIN, []).into(),
        LocalizedMessage::new("zh-CN", zh).into(),
        LocalizedMessage::new("en", en).into(),
    ];
    Status::with_error_details_vec(Code::Unimplemented, en, details)
}

/// Whose budget a call without a token draws on.
fn peer(extensions: &http::Extensions) -> String {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or_else(|| "anybody".to_owned(), |ConnectInfo(address)| address.ip().to_string())
}

#[cfg(test)]
mod tests;
