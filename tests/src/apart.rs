//! Every service in a process of its own, over a PostgreSQL and a NATS server of their own, behind one address: what
//! `mifeng installation prepare`, `mifeng database create` and `mifeng serve` make of a machine.

use std::{
    collections::BTreeMap,
    fs::File,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use chassis::{client::Connection, forward, secrets, server::serve_router};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use crate::{binary, free_port, line::Line, nats, page, postgres};

/// The services, their servers and what is in front of them.
pub struct Apart {
    folder: TempDir,
    pub postgres: postgres::Cluster,
    pub nats: nats::Server,
    /// Between the services and the two servers.
    pub to_postgres: Line,
    pub to_nats: Line,
    collector: Option<String>,
    replicas: BTreeMap<String, Replica>,
    address: String,
    _router: DropGuard,
}

/// What is not as usual.
#[derive(Default)]
pub struct Circumstances {
    /// A server in place of one that is made.
    pub postgres: Option<postgres::Cluster>,
    /// The address of a collector that takes the traces.
    pub collector: Option<String>,
}

/// One process.
struct Replica {
    service: &'static str,
    port: u16,
    child: Option<Child>,
}

pub const SERVICES: [&str; 6] = ["registry", "screening", "pass", "isolation", "command", "office"];

/// How long anything may take to be there.
const PATIENCE: Duration = Duration::from_mins(2);

impl Apart {
    /// With so many replicas of each service that has a record; as a demonstration.
    pub async fn start(nats_server: PathBuf, replicas: usize) -> Self {
        Self::under(nats_server, replicas, Circumstances::default()).await
    }

    pub async fn under(nats_server: PathBuf, replicas: usize, circumstances: Circumstances) -> Self {
        let Circumstances { postgres, collector } = circumstances;
        let folder = TempDir::new().expect("a folder for the test");
        let secrets = folder.path().join("secrets");
        mifeng(&["installation", "prepare", &secrets.display().to_string()]).await;
        let postgres = if let Some(postgres) = postgres {
            postgres
        } else {
            let started = tokio::task::spawn_blocking(postgres::Cluster::own).await.expect("the task ends");
            started.expect("PostgreSQL starts")
        };
        let administrator = format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port());
        let secrets = secrets.display().to_string();
        mifeng(&["database", "create", "all", "--as", &administrator, "--secrets", &secrets]).await;
        let mut nats = nats::Server::start(nats_server, "").await;
        nats.kill().await;
        nats.deploy(include_str!("../../deploy/nats/nats.conf"), &folder.path().join("secrets/nats"));
        nats.run().await;
        let (to_postgres, to_nats) = (Line::to(postgres.port()).await, Line::to(nats.port()).await);
        let mut all = BTreeMap::new();
        for service in SERVICES {
            let count = if service == "office" { 1 } else { replicas };
            for number in 1..=count {
                all.insert(format!("{service}-{number}"), Replica { service, port: free_port(), child: None });
            }
        }
        let (address, router) = route(&all).await;
        let replicas = all;
        let mut apart =
            Self { folder, postgres, nats, to_postgres, to_nats, collector, replicas, address, _router: router };
        for name in apart.names() {
            apart.run(&name);
        }
        apart.ready().await;
        apart
    }

    /// Where all services are reached.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// "registry-1", …
    pub fn names(&self) -> Vec<String> {
        self.replicas.keys().cloned().collect()
    }

    /// The root secret's folder, which is what tokens are made from.
    pub fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets/office")
    }

    pub fn root_secret(&self) -> PathBuf {
        self.secrets().join(secrets::FILE)
    }

    /// Of one process alone.
    pub fn address_of(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}", self.replica(name).port)
    }

    /// Starts a process, again after it was killed.
    pub fn run(&mut self, name: &str) {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the process");
        let words = File::options().create(true).append(true).open(self.words(name)).expect("its words are kept");
        let Replica { service, port, .. } = *self.replica(name);
        let peers = self.replicas.values().map(|peer| format!("{}=http://127.0.0.1:{}", peer.service, peer.port));
        let mut command = Command::new(binary());
        command
            .args(["serve", service, "--demo", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(&folder)
            .arg("--secrets")
            .arg(self.folder.path().join("secrets").join(service))
            .args(["--nats", &format!("tls://{service}@localhost:{}", self.to_nats.port())])
            .env("MIFENG_PEERS", peers.collect::<Vec<_>>().join(","))
            .env("MIFENG_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words)
            .kill_on_drop(true);
        if let Some(collector) = &self.collector {
            command.args(["--otlp-endpoint", collector]);
        }
        if service != "office" {
            let port = self.to_postgres.port();
            command.args(["--database", &format!("postgres://mifeng_{service}@127.0.0.1:{port}/mifeng_{service}")]);
        }
        let child = command.spawn().expect("mifeng starts");
        self.replicas.get_mut(name).expect("the process has a name").child = Some(child);
    }

    /// As a power cut for the process.
    pub async fn kill(&mut self, name: &str) {
        let child = self.replicas.get_mut(name).and_then(|replica| replica.child.take());
        let mut child = child.unwrap_or_else(|| panic!("{name} runs"));
        if let Some(ended) = child.try_wait().expect("it can be asked") {
            panic!("{name} ended by itself with {ended}: {}", self.last_words(name));
        }
        child.kill().await.expect("it can be killed");
    }

    /// It stands still and closes nothing, until it is thawed.
    pub async fn freeze(&self, name: &str) {
        self.signal(name, "-STOP").await;
    }

    pub async fn thaw(&self, name: &str) {
        self.signal(name, "-CONT").await;
    }

    /// Waits until every process that was started serves.
    pub async fn ready(&mut self) {
        let begun = Instant::now();
        for name in self.names() {
            let Some(child) = self.replicas.get_mut(&name).and_then(|replica| replica.child.as_mut()) else { continue };
            let ended = child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "{name} ended by itself: {}", self.last_words(&name));
            let connection = Connection::open(&self.address_of(&name), None).expect("the address is one");
            let mut health = HealthClient::new(connection);
            loop {
                let answer = health.check(HealthCheckRequest::default()).await;
                if answer.is_ok_and(|answer| answer.into_inner() == HealthCheckResponse { status: SERVING }) {
                    break;
                }
                let (late, troubles) = (begun.elapsed() > PATIENCE, self.troubles(&name));
                assert!(!late, "{name} does not serve: {}\n{}", troubles.await, self.last_words(&name));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// What keeps a process from serving, by its own account.
    async fn troubles(&self, name: &str) -> String {
        let authority = format!("127.0.0.1:{}", self.replica(name).port);
        match timeout(Duration::from_secs(5), page(&authority, "/healthz")).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        }
    }

    /// What a process said last.
    pub fn last_words(&self, name: &str) -> String {
        let words = std::fs::read_to_string(self.words(name)).unwrap_or_default();
        let lines: Vec<&str> = words.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// All that a process has said.
    pub fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.words(name)).unwrap_or_default()
    }

    fn words(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.err"))
    }

    fn replica(&self, name: &str) -> &Replica {
        self.replicas.get(name).unwrap_or_else(|| panic!("there is no process {name}"))
    }

    async fn signal(&self, name: &str, signal: &str) {
        let id = self.replica(name).child.as_ref().and_then(Child::id).expect("it runs").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await.expect("kill is there");
        assert!(sent.success(), "{signal} could not be sent to {name}");
    }
}

#[expect(clippy::print_stdout, reason = "what the processes said is for whoever reads a failed test's output")]
impl Drop for Apart {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in self.names() {
                println!("what {name} said last:\n{}\n", self.last_words(&name));
            }
        }
    }
}

const SERVING: i32 = 1;

/// One address by gRPC path, in the test's own process.
async fn route(replicas: &BTreeMap<String, Replica>) -> (String, DropGuard) {
    let addresses =
        replicas.values().map(|replica| (replica.service.to_owned(), format!("http://127.0.0.1:{}", replica.port)));
    let router = forward::router(addresses);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it listens"));
    let stop = CancellationToken::new();
    tokio::spawn(serve_router(listener, router, stop.clone()));
    (address, stop.drop_guard())
}

async fn mifeng(arguments: &[&str]) {
    let ended = Command::new(binary()).args(arguments).stdin(Stdio::null()).output().await.expect("mifeng starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "mifeng {}: {said}", arguments.join(" "));
}

/// A server's program, or that there is none: a test that cannot be run says so.
#[expect(clippy::print_stdout, reason = "why a test was left out is for whoever reads its output")]
pub fn nats_server() -> Option<PathBuf> {
    let found = nats::find(nats::Version::Newest).or_else(|| nats::find(nats::Version::Oldest));
    if found.is_none() {
        println!("skipped: there is no nats-server");
    }
    found
}
