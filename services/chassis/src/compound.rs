//! What the tests of this crate decide about: a compound that gets gates, and a house in which its log stands.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::anyhow;
use async_trait::async_trait;
use proto::{
    access::v1::Role,
    event::v1::Head,
    registry::v1::compound_event::{Event, GateAdded, Opened},
};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Aggregate, Call, Clock, Decision, Done, Failure, Feed, Host, Kind, Ledger, Principal, Record, Refusal, Refuse,
    Scope,
    event_log::{self, EventLog, LogError},
    feed::InProcess,
    secrets::Secrets,
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compound {
    pub(crate) name: Option<String>,
    pub(crate) gates: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is such a compound already")]
    AlreadyOpened,
    #[error("there is no such compound")]
    NotFound,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        Refusal::new(Kind::Precondition, "REFUSED", "不行", self.to_string())
    }
}

impl Compound {
    pub(crate) fn open(&self, name: &str) -> Result<Vec<Event>, Refused> {
        if self.name.is_some() {
            return Err(Refused::AlreadyOpened);
        }
        Ok(vec![Event::Opened(Opened { display_name: name.to_owned(), ..Opened::default() })])
    }

    /// Said twice, nothing new.
    pub(crate) fn add_gate(&self, gate: &str) -> Result<Vec<Event>, Refused> {
        if self.name.is_none() {
            return Err(Refused::NotFound);
        }
        if self.gates.iter().any(|other| other == gate) {
            return Ok(Vec::new());
        }
        Ok(vec![gate_added(gate)])
    }
}

pub(crate) fn gate_added(gate: &str) -> Event {
    Event::GateAdded(GateAdded { gate_id: gate.to_owned(), ..GateAdded::default() })
}

impl Aggregate for Compound {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(opened) => self.name = Some(opened.display_name.clone()),
            Event::GateAdded(added) => self.gates.push(added.gate_id.clone()),
            Event::RegimeSet(_) | Event::BuildingAdded(_) | Event::GridAssigned(_) => {}
        }
    }
}

pub(crate) fn call(command_id: &str) -> Call {
    let principal =
        Principal { subject: "staff/1".to_owned(), role: Role::Worker, unit: String::new(), scope: Scope::Everywhere };
    Call::by(principal, "2020-02-11T08:00:00Z".parse().unwrap(), command_id)
}

/// The answer of every command here is the stream's version, so that a stored answer can be told from a new one.
fn answer(_: &Compound, version: u64) -> Head {
    Head { position: version, ..Head::default() }
}

pub(crate) async fn open(ledger: &Ledger, call: &Call, compound: &str) -> Result<Done<Head>, Failure> {
    let decide = |state: &Compound, _| state.open(compound).map(Decision::new);
    ledger.transact(call, compound, decide, answer).await
}

pub(crate) async fn add_gate(ledger: &Ledger, call: &Call, compound: &str, gate: &str) -> Result<Done<Head>, Failure> {
    let decide = |state: &Compound, _| state.add_gate(gate).map(Decision::new);
    ledger.transact(call, compound, decide, answer).await
}

/// Opens a compound with so many gates, in as few commits as it takes.
pub(crate) async fn open_with_gates(ledger: &Ledger, compound: &str, gates: usize) {
    open(ledger, &call(&format!("open {compound}")), compound).await.unwrap();
    let gates: Vec<usize> = (0..gates).collect();
    for chunk in gates.chunks(500) {
        let events = chunk.iter().map(|gate| gate_added(&format!("{compound}-{gate}"))).collect();
        let call = call(&format!("{compound} from {}", chunk[0]));
        ledger.collect(&call, compound, Decision::new(events), Head::default()).await.unwrap();
    }
}

/// A folder and what stands on it; the folder goes with the test.
pub(crate) struct House {
    pub(crate) host: Host,
    pub(crate) folder: Arc<TempDir>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn on(folder: Arc<TempDir>) -> Self {
        let secrets = Secrets::open_or_create(folder.path()).unwrap();
        let host = Host::open(folder.path(), secrets, Clock::system(), BTreeMap::new(), CancellationToken::new());
        Self { host: host.unwrap(), folder }
    }

    pub(crate) async fn ledger(&self) -> Ledger {
        self.host.ledger("registry").await.unwrap()
    }

    pub(crate) async fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(self.ledger().await.log())
    }

    /// Ends, and `meanwhile` happens to the folder before it begins again.
    pub(crate) async fn restarted(self, meanwhile: impl FnOnce(&std::path::Path)) -> Self {
        self.host.close().await;
        meanwhile(self.folder.path());
        Self::on(self.folder)
    }
}

/// A source that cannot be reached for a while.
pub(crate) struct Away {
    inner: InProcess,
    refusals: AtomicU64,
}

impl Away {
    pub(crate) fn from(log: &Arc<dyn EventLog>, refusals: u64) -> Self {
        Self { inner: InProcess(Arc::clone(log)), refusals: AtomicU64::new(refusals) }
    }

    /// Until it is asked so often.
    pub(crate) fn go(&self, refusals: u64) {
        self.refusals.store(refusals, Ordering::Relaxed);
    }
}

#[async_trait]
impl Feed for Away {
    fn source(&self) -> &str {
        self.inner.source()
    }

    async fn head(&self) -> Result<event_log::Head, LogError> {
        self.inner.head().await
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let left = self.refusals.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(LogError::Store(anyhow!("nobody answers"))),
            Err(_) => self.inner.read(after_position, limit).await,
        }
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.inner.wake()
    }
}
