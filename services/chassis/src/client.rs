//! The one way to call a service. A [`Connection`] stands under any generated client and adds what every call needs: the
//! token, a deadline from the table of RPCs, the one retry layer of the system, and reading one's own writes.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use anyhow::{Context as _, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::time::Instant;
use tonic::{
    Code, Status,
    body::Body,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tower::{Service, ServiceExt as _};

use crate::{
    Kind, Refusal,
    call::{MIN_POSITION, POSITION, Positions, parse_positions},
    telemetry::{self, TRACEPARENT},
};
use retry::Budget;
use shape::Shape;

mod retry;
mod shape;
#[cfg(test)]
mod tests;

/// Metadata key by which a demonstration sets the time of one request.
const DEMO_TIME: &str = "mf-demo-time";

/// How long a server has to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Kept to be sent again; larger than anything that a server takes.
const LARGEST_REQUEST: usize = 16 << 20;
/// One try and two more.
const TRIES: u32 = 3;

/// A service's address, a token, and what was seen through them. Clones share the connection and what they have seen.
#[derive(Clone)]
pub struct Connection {
    channel: Channel,
    shared: Arc<Shared>,
    authorization: Option<HeaderValue>,
    demo_time: Option<HeaderValue>,
}

struct Shared {
    address: String,
    /// The greatest positions that answers have named.
    seen: Mutex<Positions>,
    budget: Budget,
}

impl Connection {
    /// To `http://host:port` or `https://host`, connected at the first call. Needs a tokio runtime.
    pub fn open(address: &str, token: Option<String>) -> anyhow::Result<Self> {
        Self::open_trusting(address, token, None)
    }

    /// As `open`, where an `https://` server's certificate comes from an authority of one's own (PEM).
    pub fn open_trusting(address: &str, token: Option<String>, authority: Option<&[u8]>) -> anyhow::Result<Self> {
        let https = address.starts_with("https://");
        if !https && !address.starts_with("http://") {
            bail!("the address {address:?} must begin with http:// or https://");
        }
        let mut endpoint = Endpoint::from_shared(address.to_owned())
            .with_context(|| format!("reading the address {address:?}"))?
            .user_agent(concat!("mifeng/", env!("CARGO_PKG_VERSION")))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(Some(Duration::from_mins(1)))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        if https {
            let tls = ClientTlsConfig::new().trust_anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            let tls = match authority {
                Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
                None => tls,
            };
            endpoint = endpoint.tls_config(tls).context("preparing TLS")?;
        }
        let connection = Self::over(endpoint.connect_lazy(), address);
        match token {
            Some(token) => connection.with_token(&token),
            None => Ok(connection),
        }
    }

    /// Over a channel of one's own, for a network that is not this machine's.
    pub fn over(channel: Channel, address: &str) -> Self {
        let shared = Shared { address: address.to_owned(), seen: Mutex::default(), budget: Budget::default() };
        Self { channel, shared: Arc::new(shared), authorization: None, demo_time: None }
    }

    /// The same connection for somebody else.
    pub fn with_token(mut self, token: &str) -> anyhow::Result<Self> {
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| anyhow::anyhow!("the token has characters that no token has"))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// The same connection, whose requests say that they happen at this time. Only demonstration servers believe it.
    pub fn at(&self, time: DateTime<Utc>) -> Self {
        let text = time.to_rfc3339_opts(SecondsFormat::Micros, true);
        Self { demo_time: HeaderValue::try_from(text).ok(), ..self.clone() }
    }

    /// The greatest positions that answers have named, by log.
    pub fn seen(&self) -> Positions {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let path = request.uri().path().to_owned();
        let (mut parts, body) = request.into_parts();
        self.dress(&mut parts.headers);
        let shape = shape::of(&path);
        if shape == Shape::Streams {
            // Its request goes on while its answer comes: nothing to keep, nothing to send again.
            let response = self.once(Request::from_parts(parts, body)).await?;
            return Ok(self.follow(response));
        }
        let message = Limited::new(body, LARGEST_REQUEST).collect().await.map_err(|_| too_large())?.to_bytes();
        let deadline = proto::rpcs::find(&path).map_or(shape::DEADLINE, |rpc| rpc.deadline);
        let deadline = shape::timeout(&parts.headers).map_or(deadline, |asked| asked.min(deadline));
        let until = Instant::now() + deadline;
        let mut tries = 0;
        loop {
            tries += 1;
            let left = until.saturating_duration_since(Instant::now());
            parts.headers.insert("grpc-timeout", shape::timeout_header(left));
            let request = Request::from_parts(parts.clone(), Body::new(Full::new(message.clone())));
            let answered = tokio::time::timeout_at(until, self.attempt(request, shape));
            let Ok(outcome) = answered.await else { return Err(late(deadline)) };
            if matches!(&outcome, Err(status) if status.code() == Code::DeadlineExceeded) {
                return Err(late(deadline));
            }
            if !unavailable(&outcome) {
                self.shared.budget.earn();
                return outcome;
            }
            let pause = retry::pause(tries);
            if !self.shared.budget.spend() || tries == TRIES || Instant::now() + pause >= until {
                return outcome;
            }
            tracing::debug!(path, tries, "unavailable, trying again");
            tokio::time::sleep(pause).await;
        }
    }

    /// One try. A whole answer is read to its end, so that a connection that breaks in the middle of it is tried again too.
    async fn attempt(&self, request: Request<Body>, shape: Shape) -> Result<Response<Body>, Status> {
        let response = self.once(request).await?;
        if shape == Shape::Listens {
            return Ok(self.follow(response));
        }
        let (mut parts, body) = response.into_parts();
        let collected = body.collect().await.map_err(|error| self.unreachable(&error))?;
        let trailers = collected.trailers().cloned();
        if let Some(trailers) = &trailers {
            self.note(trailers);
            if let (Some(code), false) = (code_in(trailers), parts.headers.contains_key("grpc-status")) {
                parts.extensions.insert(code);
            }
        }
        let body = Full::new(collected.to_bytes()).with_trailers(async move { trailers.map(Ok) });
        Ok(Response::from_parts(parts, Body::new(body)))
    }

    async fn once(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let mut channel = self.channel.clone();
        let ready = channel.ready().await.map_err(|error| self.unreachable(&error))?;
        let response = ready.call(request).await.map_err(|error| self.unreachable(&error))?;
        self.note(response.headers());
        Ok(response)
    }

    /// An answer of many messages goes on as it comes.
    fn follow(&self, response: Response<Body>) -> Response<Body> {
        let (noting, broken) = (self.clone(), self.clone());
        response.map(|body| {
            Body::new(
                body.map_frame(move |frame| {
                    if let Some(trailers) = frame.trailers_ref() {
                        noting.note(trailers);
                    }
                    frame
                })
                .map_err(move |error| broken.unreachable(&error)),
            )
        })
    }

    fn dress(&self, headers: &mut HeaderMap) {
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(time) = &self.demo_time {
            headers.insert(HeaderName::from_static(DEMO_TIME), time.clone());
        }
        let seen = self.seen().iter().map(|(log, position)| format!("{log}={position}")).collect::<Vec<_>>().join(",");
        for (name, value) in [(MIN_POSITION, seen), (TRACEPARENT, telemetry::traceparent_of_current())] {
            if !value.is_empty()
                && !headers.contains_key(name)
                && let Ok(value) = HeaderValue::try_from(value)
            {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// Remembers where an effect stands, for later requests to see it.
    fn note(&self, metadata: &HeaderMap) {
        let named = metadata.get(POSITION).and_then(|value| value.to_str().ok()).and_then(parse_positions);
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (log, position) in named.unwrap_or_default() {
            let greatest = seen.entry(log).or_default();
            *greatest = position.max(*greatest);
        }
    }

    /// A connection that could not be made, or that broke. Whether the request was done nobody knows; it may be sent again.
    fn unreachable(&self, error: &(dyn Error + 'static)) -> Status {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        if let Some(status) = cause.downcast_ref::<Status>() {
            return status.clone();
        }
        if cause.is::<tonic::TimeoutExpired>() {
            return Status::deadline_exceeded("the channel's own clock was faster");
        }
        let address = &self.shared.address;
        Refusal::new(
            Kind::Unavailable,
            "SERVER_UNREACHABLE",
            format!("连接不上服务器 {address}（{cause}）：请确认服务器已启动、地址和网络无误，然后重试"),
            format!(
                "the server at {address} cannot be reached ({cause}): check that it runs and that address and network are right, then retry"
            ),
        )
        .about("address", address)
        .into()
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    /// Always: each try waits for the channel itself.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

/// An id for one intention, to be kept over all tries of it: a UUID of version 7, so that the log's indexes grow at their end.
pub fn new_request_id() -> String {
    crate::Clock::system().id().to_string()
}

/// Whether the server, or a proxy before it, says that the same request may be sent again.
fn unavailable(outcome: &Result<Response<Body>, Status>) -> bool {
    match outcome {
        Err(status) => status.code() == Code::Unavailable,
        Ok(response) => match code_in(response.headers()).or_else(|| response.extensions().get::<Code>().copied()) {
            Some(code) => code == Code::Unavailable,
            None => matches!(response.status().as_u16(), 429 | 502..=504),
        },
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

fn late(deadline: Duration) -> Status {
    let seconds = deadline.as_secs_f32();
    Refusal::new(
        Kind::Late,
        "DEADLINE_EXCEEDED",
        format!("服务器在 {seconds} 秒内没有答复：请用同一个 request_id 重试，已完成的不会重复执行"),
        format!("the server did not answer within {seconds} s: retry with the same request_id, nothing is done twice"),
    )
    .into()
}

fn too_large() -> Status {
    Refusal::new(
        Kind::Invalid,
        "REQUEST_TOO_LARGE",
        "请求超过 16 MiB：请分成几次提交",
        "the request is larger than 16 MiB: send it in several",
    )
    .into()
}
