//! One span, one count and one duration per RPC; a panic becomes an answer; a stream ends in order when the server stops.
//! Only names of RPCs that the contract knows are written down: a path made up by a stranger, a body and a header never are.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};
use futures::FutureExt as _;
use http_body::{Frame, SizeHint};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};
use prost::bytes::Bytes;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Code, Status};
use tracing::{Instrument as _, Span, field::Empty};

use crate::{
    Kind, Refusal,
    refusal::code_name,
    telemetry::{self, TRACEPARENT},
};

/// Where the readings go.
#[derive(Clone)]
pub(super) struct Observer {
    instruments: Arc<Instruments>,
    stop: CancellationToken,
}

struct Instruments {
    requests: Counter<u64>,
    duration: Histogram<f64>,
}

impl Observer {
    pub(super) fn new(stop: CancellationToken) -> Self {
        let meter = telemetry::meter();
        let requests = meter.u64_counter("rpc_server_requests").with_description("RPCs answered").build();
        let duration = meter
            .f64_histogram("rpc_server_duration")
            .with_unit("s")
            .with_description("Time from an RPC's arrival to the end of its answer")
            .with_boundaries(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
            .build();
        Self { instruments: Arc::new(Instruments { requests, duration }), stop }
    }
}

pub(super) async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let rpc = known(request.uri().path());
    let (service, method) = rpc.trim_start_matches('/').split_once('/').unwrap_or(("", rpc));
    let span = tracing::info_span!(
        "rpc",
        otel.name = rpc,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        otel.status_code = Empty,
    );
    if let Some(parent) = request.headers().get(TRACEPARENT).and_then(|parent| parent.to_str().ok()) {
        telemetry::continue_trace(&span, parent);
    }
    let mut ending = Ending {
        rpc,
        instruments: Arc::clone(&observer.instruments),
        started: Instant::now(),
        span: span.clone(),
        told: false,
    };
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span).await;
    let response = answered.unwrap_or_else(|_panic| {
        // The panic's own line is on stderr already; what it holds goes no further.
        tracing::error!(rpc, "a request ran into a bug");
        Status::internal("the server ran into a bug; the reason is in its log").into_http()
    });
    if let Some(code) = code_in(response.headers()) {
        ending.tell(code);
        return response;
    }
    let stop = Box::pin(observer.stop.cancelled_owned());
    response.map(|body| Body::new(Watched { body, ending, stop, ended: false }))
}

/// The path where the contract knows it.
fn known(path: &str) -> &'static str {
    match proto::rpcs::find(path) {
        Some(rpc) => rpc.path,
        None if path.starts_with("/grpc.health.v1.Health/") => "/grpc.health.v1.Health",
        None if path.starts_with("/grpc.reflection.") => "/grpc.reflection.ServerReflection",
        None => "unknown",
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

/// Writes down how an RPC ended, once; one that ended without a word was cancelled by its caller.
struct Ending {
    rpc: &'static str,
    instruments: Arc<Instruments>,
    started: Instant,
    span: Span,
    told: bool,
}

impl Ending {
    fn tell(&mut self, code: Code) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let labels = [KeyValue::new("rpc_method", self.rpc), KeyValue::new("rpc_grpc_status_code", code_name(code))];
        let seconds = self.started.elapsed().as_secs_f64();
        self.instruments.requests.add(1, &labels);
        self.instruments.duration.record(seconds, &labels);
        self.span.record("rpc.grpc.status_code", code as i32);
        let fault = matches!(code, Code::Unknown | Code::Internal | Code::DataLoss | Code::Unimplemented);
        self.span.record("otel.status_code", if fault { "ERROR" } else { "OK" });
        let _entered = self.span.enter();
        tracing::debug!(rpc = self.rpc, code = code_name(code), seconds, "answered");
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.tell(Code::Cancelled);
    }
}

/// An answer on its way. Once the server stops, what still waits for its next message (a watcher's stream) is told to call
/// again; an answer that is ready goes out whole.
struct Watched {
    body: Body,
    ending: Ending,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() {
            ready!(self.stop.as_mut().poll(context));
            self.ended = true;
            self.ending.tell(Code::Unavailable);
            return Poll::Ready(Some(Ok(Frame::trailers(leaving()))));
        }
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(code) = frame.trailers_ref().map(|trailers| code_in(trailers).unwrap_or(Code::Unknown)) {
                    self.ending.tell(code);
                }
            }
            Poll::Ready(Some(Err(_)) | None) => self.ending.tell(Code::Unknown),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn leaving() -> HeaderMap {
    let status = Status::from(Refusal::new(
        Kind::Unavailable,
        "SHUTTING_DOWN",
        "服务器正在重启：请稍候重新连接",
        "the server is shutting down: connect again in a moment",
    ));
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        trailers.insert("grpc-status", axum::http::HeaderValue::from(Code::Unavailable as i32));
    }
    trailers
}
