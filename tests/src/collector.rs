//! A collector of traces, as operators have one: takes what services send by OTLP, and keeps it to be looked at.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::ResourceSpans,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, transport::Server};

/// Runs until it is dropped.
pub struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
    _open: DropGuard,
}

/// A piece of work in one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub service: String,
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    /// Empty where it began the trace, or where a client did that sends nothing here.
    pub parent: Vec<u8>,
    pub name: String,
    /// In nanoseconds since 1970.
    pub began: u64,
}

impl Collector {
    pub async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it listens"));
        let (spans, stop) = (Arc::<Mutex<Vec<Span>>>::default(), CancellationToken::new());
        let taking = TraceServiceServer::new(Taking(Arc::clone(&spans))).max_decoding_message_size(64 << 20);
        let serving = Server::builder().add_service(taking);
        let over = stop.clone().cancelled_owned();
        tokio::spawn(serving.serve_with_incoming_shutdown(TcpListenerStream::new(listener), over));
        Self { address, spans, _open: stop.drop_guard() }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// What has come up to now, in the order in which it began.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.sort_by_key(|span| span.began);
        spans
    }
}

struct Taking(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Taking {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter().flat_map(spans_of);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn spans_of(resource: ResourceSpans) -> impl Iterator<Item = Span> {
    let attributes = resource.resource.unwrap_or_default().attributes;
    let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
    let service = match name.and_then(|name| name.value?.value) {
        Some(Value::StringValue(name)) => name,
        _ => String::new(),
    };
    let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(move |span| Span {
        service: service.clone(),
        trace: span.trace_id,
        id: span.span_id,
        parent: span.parent_span_id,
        name: span.name,
        began: span.start_time_unix_nano,
    })
}
