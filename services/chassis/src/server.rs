//! One port for everything that a process offers: gRPC, gRPC-Web, reflection and health, `/healthz`, `/metrics`, and pages.
//! What keeps it up is set here rather than left to defaults: keepalive, numbers of connections and streams, their age, and
//! an end that finishes what runs and cuts nobody off who could still be answered.

use std::convert::Infallible;

use anyhow::Context as _;
use axum::{
    Router,
    extract::{Request, State},
    handler::Handler as _,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{Route, get},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt as _};

use crate::{
    access::AccessLayer,
    forward::{Replicas, to_the_leader},
};
use observe::Observer;

mod connections;
mod health;
mod observe;
#[cfg(test)]
mod tests;

pub use health::{Health, Trouble};

/// Everything behind one port.
pub struct Server {
    /// The services, behind the access layer.
    services: Router,
    pages: Router,
    health: Health,
    /// Where several processes are one service.
    replicas: Option<Replicas>,
}

/// Serves one address for services in other processes, until `stop`.
pub async fn serve_router(listener: TcpListener, router: Router, stop: CancellationToken) {
    connections::serve(listener, router, stop, || {}).await;
}

impl Server {
    /// `routes` are the services of the contract, each behind `access`; `pages` answer whatever is no RPC.
    pub fn new(routes: Routes, pages: Router, access: AccessLayer, health: Health) -> Self {
        Self::behind(routes, pages, access, health)
    }

    fn behind<L>(routes: Routes, pages: Router, access: L, health: Health) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        // tonic's routes bring a fallback of their own, and two routers that both have one cannot be merged.
        let services = routes.into_axum_router().reset_fallback();
        let services = if services.has_routes() { services.route_layer(access) } else { services };
        Self { services, pages, health, replicas: None }
    }

    /// Commands go to the replica that leads.
    #[must_use]
    pub fn among(self, replicas: Replicas) -> Self {
        Self { replicas: Some(replicas), ..self }
    }

    /// Serves until `stop`, then finishes what runs, for 20 s at most.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
        let address = listener.local_addr().context("reading the address that the server listens on")?;
        tracing::info!(%address, "serving");
        let health = self.health.clone();
        let leaving = stop.clone();
        let app = self.app(&stop)?;
        connections::serve(listener, app, stop, move || health.leave()).await;
        debug_assert!(leaving.is_cancelled(), "a server ends when it is told to");
        tracing::info!(%address, "served to the end");
        Ok(())
    }

    fn app(self, stop: &CancellationToken) -> anyhow::Result<Router> {
        let open = Routes::new(reflection()?).add_service(reflection_alpha()?).add_service(self.health.service());
        // Before the access layer: it is the leader who judges.
        let services = match self.replicas {
            Some(replicas) if self.services.has_routes() => {
                self.services.route_layer(axum::middleware::from_fn_with_state(replicas, to_the_leader))
            }
            _ => self.services,
        };
        let rpcs = Router::new()
            .merge(services)
            .merge(open.into_axum_router().reset_fallback())
            .fallback(unimplemented)
            .layer(axum::middleware::from_fn_with_state(Observer::new(stop.clone()), observe::observe))
            // Outermost, so that everything within sees one protocol. Only for RPCs: it refuses all else in HTTP/1.
            .layer(GrpcWebLayer::new());
        let pages = self.pages.layer(axum::middleware::map_response(nothing_here));
        let pages = Router::new()
            .route("/healthz", get(health::healthz))
            .route("/metrics", get(metrics))
            .with_state(self.health)
            .fallback_service(pages);
        Ok(Router::new().fallback_service(dispatch.with_state(Doors { rpcs, pages })))
    }
}

#[derive(Clone)]
struct Doors {
    rpcs: Router,
    pages: Router,
}

/// Tells RPCs from pages by their content type, so that no page can take an RPC's path nor the other way round.
async fn dispatch(State(doors): State<Doors>, request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    if !kind.starts_with(b"application/grpc") {
        return doors.pages.oneshot(request).await.unwrap_or_else(|never| match never {});
    }
    if kind.starts_with(b"application/grpc-web") && !same_origin(request.headers(), request.uri()) {
        let text = "calls from pages of other origins are refused: open the console of this server instead\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    doors.rpcs.oneshot(request).await.unwrap_or_else(|never| match never {})
}

/// Whether a browser calls from a page of this very server. The scheme may differ: TLS ends at a proxy.
fn same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    match (origin, host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

async fn unimplemented() -> Response {
    let text = "this server has no such RPC: are client and server of the same version, and is this the right service?";
    Status::unimplemented(text).into_http()
}

/// An empty 404 becomes a line that helps.
async fn nothing_here(response: Response) -> Response {
    if response.status() != StatusCode::NOT_FOUND || response.headers().contains_key(header::CONTENT_TYPE) {
        return response;
    }
    let text = "这里没有网页。There is no page here. \
        This port serves gRPC and gRPC-Web; see also /healthz and /metrics.\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

async fn metrics() -> Response {
    match crate::telemetry::exposition() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the metrics cannot be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn reflection() -> anyhow::Result<impl GrpcService> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    builder.build_v1().context("preparing reflection")
}

/// Older tools ask for this one first, some for no other.
fn reflection_alpha() -> anyhow::Result<impl GrpcService> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    builder.build_v1alpha().context("preparing reflection (v1alpha)")
}

/// What tonic's routes take.
trait GrpcService:
    Service<
        axum::http::Request<tonic::body::Body>,
        Response = axum::http::Response<tonic::body::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + tonic::server::NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> GrpcService for S where
    S: Service<
            axum::http::Request<tonic::body::Body>,
            Response = axum::http::Response<tonic::body::Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}
