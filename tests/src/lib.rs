//! The harness: a whole house on port 0 with stores of its own, and people with tokens to act in it.

/// PostgreSQL servers.
pub mod postgres;
/// NATS servers that can be killed, cut and set back.
pub mod nats;
/// A line that can go silent or be cut.
pub mod line;
/// Every service in a process of its own.
pub mod apart;
/// Takes the traces of services.
pub mod collector;
/// A neighbourhood to try things in.
pub mod village;
/// A gate that decides by itself.
pub mod guard;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use chassis::{Clock, client::Connection, host::Store, nats::Nats, postgres::Database};
use chrono::{DateTime, TimeDelta, Utc};
use mifeng::wiring::{Plan, Running, Service};
use proto::{
    access::v1::{Principal, Role},
    event::v1::{ListConsumersRequest, event_log_service_client::EventLogServiceClient},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Addresses of services elsewhere, by their names.
pub type Peers = BTreeMap<String, Vec<String>>;

/// Every service in this process.
pub struct House {
    running: Running,
    folder: TempDir,
    /// Everybody's connection: what one has done, the others see.
    connection: Connection,
}

impl House {
    pub async fn new() -> Self {
        Self::on(TempDir::new().expect("a folder for the test")).await
    }

    /// On a data folder that may have been used before.
    pub async fn on(folder: TempDir) -> Self {
        Self::planned(folder, plan).await
    }

    /// The same where something is not as usual.
    pub async fn planned(folder: TempDir, plan: impl Fn(&Path) -> Plan) -> Self {
        let running = plan(folder.path()).start().await.expect("the house starts");
        let connection = Connection::open(&running.address, None).expect("the address is one");
        Self { running, folder, connection }
    }

    /// One service alone, with its record in a database, and with whatever carries it to others.
    pub async fn of_one(service: Service, database: Database, nats: Option<Nats>, peers: Peers) -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        let secret_file = folder.path().join("root.secret");
        std::fs::write(&secret_file, [7; 32]).expect("a secret for the test");
        let plan = Plan {
            // Tokens are asked for here, too.
            services: vec![service, Service::Office],
            store: Store::Database(database),
            secret_file: Some(secret_file),
            nats,
            peers,
            ..plan(folder.path())
        };
        let running = plan.start().await.expect("the service starts");
        let connection = Connection::open(&running.address, None).expect("the address is one");
        Self { running, folder, connection }
    }

    /// The same house after an orderly end and a start.
    pub async fn restarted(self) -> Self {
        self.restarted_as(plan).await
    }

    /// The same where something is not as usual.
    pub async fn restarted_as(self, plan: impl Fn(&Path) -> Plan) -> Self {
        self.running.end().await.expect("the house ends in order");
        Self::planned(self.folder, plan).await
    }

    /// An orderly end.
    pub async fn end(self) {
        self.running.end().await.expect("the house ends in order");
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn address(&self) -> &str {
        &self.running.address
    }

    pub fn running(&self) -> &Running {
        &self.running
    }

    /// A connection without a token.
    pub fn anybody(&self) -> Connection {
        self.connection.clone()
    }

    pub fn token(&self, subject: &str, role: Role, unit: &str, neighbourhood: &str, gate: &str) -> String {
        let person = Principal {
            subject: subject.into(),
            role: role.into(),
            unit: unit.into(),
            neighbourhood: neighbourhood.into(),
            gate: gate.into(),
        };
        let now = self.running.host().clock.now();
        self.running.tokens.issue(&person, TimeDelta::hours(12), now).expect("a token can be made").token
    }

    /// Somebody for the whole subdistrict.
    pub fn central(&self, subject: &str, role: Role, unit: &str) -> Connection {
        self.somebody(&self.token(subject, role, unit, "", ""))
    }

    /// Somebody of one neighbourhood (`neighbourhoods/{id}`), whose unit it is.
    pub fn local(&self, subject: &str, role: Role, neighbourhood: &str) -> Connection {
        self.somebody(&self.token(subject, role, neighbourhood, neighbourhood, ""))
    }

    /// Somebody at one gate (`compounds/{id}/gates/{id}`).
    pub fn guard(&self, subject: &str, neighbourhood: &str, gate: &str) -> Connection {
        self.somebody(&self.token(subject, Role::Guard, neighbourhood, neighbourhood, gate))
    }

    fn somebody(&self, token: &str) -> Connection {
        self.connection.clone().with_token(token).expect("a token is ASCII")
    }

    /// What a page of the server shows.
    pub async fn page(&self, path: &str) -> String {
        page(self.running.address.trim_start_matches("http://"), path).await.expect("the server shows a page")
    }

    /// Records of each log by their types, but for those that the clock alone tells, some time after their cause: readings
    /// that nobody took, alarms that come and end, errors of carriers that are counted.
    pub async fn told(&self) -> Vec<BTreeMap<String, usize>> {
        let by_the_clock =
            |kind: &str| matches!(kind, "order.missed" | "carrier_error.counted") || kind.starts_with("alarm.");
        let mut told = Vec::new();
        for log in self.running().host().logs().await.values() {
            let (mut after, mut counts) = (0, BTreeMap::new());
            loop {
                let records = log.read(after, 1_000).await.expect("a log that answers");
                let Some(last) = records.last() else { break };
                after = last.position;
                for record in records.iter().filter(|record| !by_the_clock(&record.r#type)) {
                    *counts.entry(record.r#type.clone()).or_default() += 1;
                }
            }
            told.push(counts);
        }
        told
    }

    /// Waits until every consumer has done what the logs call for, twice in a row without anything new. Fails when nobody has
    /// moved for half a minute.
    pub async fn settled(&self) {
        let mut logs = EventLogServiceClient::new(self.central("staff/settling", Role::Administrator, "subdistrict"));
        let (mut quiet, mut still, mut before) = (0, 0, Vec::new());
        while still < 1_200 {
            let consumers = logs.list_consumers(ListConsumersRequest {}).await.expect("consumers are listed");
            let consumers = consumers.into_inner().consumers;
            let standing: Vec<_> = consumers.into_iter().map(|one| (one.consumer, one.position, one.head)).collect();
            let caught_up = standing.iter().all(|(_, position, head)| position == head);
            let moved = standing != before;
            quiet = if caught_up && !moved { quiet + 1 } else { 0 };
            if quiet >= 2 {
                return;
            }
            still = if moved { 0 } else { still + 1 };
            before = standing;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        before.retain(|(_, position, head)| position != head);
        panic!("the services did not come to rest: {before:?}");
    }
}

/// Looks until something is there, and gives it back. Fails with the reason `otherwise` when it is not there within half a
/// minute of looking.
pub async fn once<T>(otherwise: &str, mut there: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = there().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{otherwise}")
}

/// What a server (`127.0.0.1:18340`) answers to a browser.
async fn page(authority: &str, path: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(authority).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// As a demonstration, so that each request says when it happens.
pub fn plan(data: &Path) -> Plan {
    Plan {
        services: Service::ALL.to_vec(),
        listen: ([127, 0, 0, 1], 0).into(),
        data: data.to_owned(),
        secret_file: None,
        peers: BTreeMap::new(),
        store: Store::Folder,
        nats: None,
        advertise: None,
        carriers: screening::carriers::config::Config::default(),
        clock: Clock::starting_at(time("2020-02-11T08:00:00+08:00")),
        demonstration: true,
    }
}

/// RFC 3339.
pub fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time as RFC 3339 writes it")
}

/// One that nobody listens on, to be listened on again and again. Below those that the system gives to outgoing
/// connections: one of them would be taken before, or between two lives of, the process that it is meant for.
pub fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u32 = 15_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Tests run in processes of their own: each begins elsewhere.
    let begin = std::process::id().wrapping_mul(7_919);
    loop {
        let place = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST + u16::try_from(place).expect("it is less than COUNT");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl House {
    /// Whether `mifeng` did what these words say, in somebody's name, and what it said.
    pub async fn desk(&self, token: &str, words: &[&str]) -> (bool, String) {
        let mut command = tokio::process::Command::new(binary());
        command.args(words).env("MIFENG_ADDRESS", self.address()).env("MIFENG_TOKEN", token);
        let output = command.output().await.expect("mifeng runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// The program that is tested.
pub fn binary() -> PathBuf {
    let binary = std::env::var_os("MIFENG_BIN").map_or_else(beside_the_test, PathBuf::from);
    assert!(
        binary.is_file(),
        "{} is missing: build it with `cargo build --workspace --bin mifeng`, or name another one in MIFENG_BIN",
        binary.display()
    );
    binary
}

/// Tests lie in target/<profile>/deps.
fn beside_the_test() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it lies");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps");
    profile.join(format!("mifeng{}", std::env::consts::EXE_SUFFIX))
}
