//! Whether the process can do its work, and if not, what is in the way: for gRPC's health protocol, for `/healthz`, and for
//! `doctor`. Checks are asked each time; they must answer at once.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, extract::State, http::StatusCode};
use futures::{Stream, stream};
use serde::Serialize;
use tonic::{Request, Response, Status, async_trait};
use tonic_health::{
    ServingStatus,
    pb::{
        HealthCheckRequest, HealthCheckResponse,
        health_server::{Health as HealthService, HealthServer},
    },
};

use crate::consumers::Consumers;

/// What every part of the process says about itself. Clones share it.
#[derive(Clone, Default)]
pub struct Health(Arc<Parts>);

#[derive(Default)]
struct Parts {
    checks: RwLock<Vec<Check>>,
    leaving: AtomicBool,
}

struct Check {
    part: String,
    ask: Box<dyn Fn() -> Vec<Trouble> + Send + Sync>,
}

/// Something that keeps a part from working.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// "registry", "pass/views".
    pub part: String,
    /// For the operator; nothing personal.
    pub reason: String,
}

impl Health {
    /// A part and the question whether it works; the error says why it does not.
    pub fn register(&self, part: impl Into<String>, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        let part = part.into();
        let named = part.clone();
        let ask = move || check().err().map(|reason| Trouble { part: named.clone(), reason }).into_iter().collect();
        self.enter(Check { part, ask: Box::new(ask) });
    }

    /// A service that decides on what it has read must not decide on the half of it: consumers that are halted or far behind are trouble.
    pub fn watch(&self, service: impl Into<String>, consumers: Consumers) {
        let part = service.into();
        let prefix = format!("{part}/");
        let ask = move || {
            let halted = consumers.stuck().into_iter().filter(|progress| progress.consumer.starts_with(&prefix));
            halted
                .map(|progress| Trouble {
                    part: progress.consumer.clone(),
                    reason: format!(
                        "stands still at position {} of {}: see `mifeng doctor`",
                        progress.standing().position,
                        progress.source
                    ),
                })
                .collect()
        };
        self.enter(Check { part, ask: Box::new(ask) });
    }

    /// All that is in the way now.
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = self.ask(|_| true).unwrap_or_default();
        if self.0.leaving.load(Ordering::Relaxed) {
            troubles.push(Trouble { part: "server".to_owned(), reason: "is shutting down".to_owned() });
        }
        troubles
    }

    /// From now on nothing more should be sent here.
    pub(super) fn leave(&self) {
        self.0.leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn service(&self) -> HealthServer<impl HealthService + use<>> {
        HealthServer::new(self.clone())
    }

    fn enter(&self, check: Check) {
        self.0.checks.write().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    /// `None` where no part is meant.
    fn ask(&self, meant: impl Fn(&str) -> bool) -> Option<Vec<Trouble>> {
        let checks = self.0.checks.read().unwrap_or_else(PoisonError::into_inner);
        let mut known = false;
        let mut troubles = Vec::new();
        for check in checks.iter().filter(|check| meant(&check.part)) {
            known = true;
            troubles.extend((check.ask)());
        }
        known.then_some(troubles)
    }

    /// The empty name is the whole process; "registry", "registry/views" and "registry.v1.RegistryService" are parts.
    fn status(&self, name: &str) -> Option<ServingStatus> {
        let troubles = if name.is_empty() {
            self.ask(|_| true).unwrap_or_default()
        } else {
            let service = name.split(['.', '/']).next().unwrap_or(name);
            self.ask(|part| part == name || part.split('/').next() == Some(service))?
        };
        let works = troubles.is_empty() && !self.0.leaving.load(Ordering::Relaxed);
        Some(if works { ServingStatus::Serving } else { ServingStatus::NotServing })
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Health").field(&self.troubles()).finish()
    }
}

/// How often somebody who watches is told of a change.
const GLANCE: Duration = Duration::from_millis(500);

#[async_trait]
impl HealthService for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let status = self.status(&request.get_ref().service);
        let status = status.ok_or_else(|| Status::not_found("this server has no such part"))?;
        Ok(Response::new(HealthCheckResponse { status: wire(status) }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let name = request.into_inner().service;
        let changes = stream::unfold((self.clone(), None), move |(health, told)| {
            let name = name.clone();
            async move {
                loop {
                    // The protocol wants an unknown service watched, since it may come yet.
                    let status = health.status(&name).map_or(SERVICE_UNKNOWN, wire);
                    if told != Some(status) {
                        return Some((Ok(HealthCheckResponse { status }), (health, Some(status))));
                    }
                    tokio::time::sleep(GLANCE).await;
                }
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}

const SERVICE_UNKNOWN: i32 = 3;

const fn wire(status: ServingStatus) -> i32 {
    match status {
        ServingStatus::Unknown => 0,
        ServingStatus::Serving => 1,
        ServingStatus::NotServing => 2,
    }
}

/// What `/healthz` answers.
#[derive(Serialize)]
pub(super) struct Report {
    status: &'static str,
    troubles: Vec<Trouble>,
}

pub(super) async fn healthz(State(health): State<Health>) -> (StatusCode, Json<Report>) {
    let troubles = health.troubles();
    match health.status("") {
        Some(ServingStatus::Serving) => (StatusCode::OK, Json(Report { status: "SERVING", troubles })),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Json(Report { status: "NOT_SERVING", troubles })),
    }
}
