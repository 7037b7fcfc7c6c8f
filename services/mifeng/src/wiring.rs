//! Puts services, access, health and the server together, whichever services a process runs.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use chassis::{
    Clock, Host, Lease,
    access::{AccessApi, AccessLayer, FirstAdministrator, Tokens, welcome},
    client::Connection,
    forward::{Forwarder, Replicas},
    host::{Foundation, Store},
    log_service::LogApi,
    nats::Nats,
    secrets::Secrets,
    server::{Health, Server},
};
use clap::ValueEnum;
use proto::{
    access::v1::access_service_server::AccessServiceServer, event::v1::event_log_service_server::EventLogServiceServer,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Service {
    Registry,
    Screening,
    Pass,
    Isolation,
    /// The command centre
    Command,
    /// Tokens, and the page of the first administrator
    Office,
}

impl Service {
    pub const ALL: [Self; 6] =
        [Self::Registry, Self::Screening, Self::Pass, Self::Isolation, Self::Command, Self::Office];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Screening => "screening",
            Self::Pass => "pass",
            Self::Isolation => "isolation",
            Self::Command => "command",
            Self::Office => "office",
        }
    }
}

/// What a process runs, and where.
pub struct Plan {
    pub services: Vec<Service>,
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// In place of the data folder's own secret: shared by processes that must trust each other's tokens.
    pub secret_file: Option<PathBuf>,
    /// Addresses of the services that run in other processes, one per replica.
    pub peers: BTreeMap<String, Vec<String>>,
    pub store: Store,
    /// What carries the logs between processes.
    pub nats: Option<Nats>,
    /// Where the other replicas of the service reach this process; by default where it listens.
    pub advertise: Option<String>,
    /// Which carriers are asked, and where they are.
    pub carriers: screening::carriers::config::Config,
    pub clock: Clock,
    /// Believes the time that a request claims.
    pub demonstration: bool,
}

/// A process that serves.
pub struct Running {
    pub address: String,
    pub tokens: Tokens,
    /// The first administrator's one-time code, while nobody has claimed it.
    pub code: Option<String>,
    host: Host,
    server: tokio::task::JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
    _lock: std::fs::File,
}

impl Plan {
    pub async fn start(self) -> anyhow::Result<Running> {
        std::fs::create_dir_all(&self.data)
            .with_context(|| format!("making the data folder {}", self.data.display()))?;
        let lock = lock(&self.data)?;
        let secrets = if let Some(file) = &self.secret_file {
            Secrets::from_file(file)?
        } else {
            Secrets::create_beside(&self.data, &[pass::ROOT_SECRET])?;
            Secrets::open_or_create(&self.data)?
        };
        let (tokens, stop) = (Tokens::new(&secrets), CancellationToken::new());
        let access = AccessLayer::new(tokens.clone(), &secrets, self.clock.clone(), self.demonstration);
        let office = self.services.contains(&Service::Office);
        let (first, code) = if office {
            let (first, code) = FirstAdministrator::open(&self.data, &secrets, self.clock.clone())?;
            (Some(first), code)
        } else {
            (None, None)
        };
        // Followers go on while the last requests finish: they wait for what they have written.
        let following = CancellationToken::new();
        let listener = TcpListener::bind(self.listen).await.with_context(|| {
            format!("listening on {}: another process may have it; choose another with --listen", self.listen)
        })?;
        let address = format!("http://{}", listener.local_addr().context("reading the own address")?);
        let foundation = Foundation {
            data: self.data.clone(),
            store: self.store,
            nats: self.nats,
            secrets,
            clock: self.clock.clone(),
            peers: self.peers.clone(),
            address: self.advertise.unwrap_or_else(|| address.clone()),
            stop: following,
        };
        let host = Host::found(foundation).await?;
        let health = Health::default();
        let mut routes = Routes::builder();
        for service in &self.services {
            start(*service, &host, &mut routes, &self.carriers)
                .await
                .with_context(|| format!("starting {}", service.name()))?;
            health.watch(service.name(), host.consumers.clone());
            let lease = host.lease.clone();
            health.register(format!("{}/database", service.name()), move || database_answers(&lease));
        }
        let mut pages = axum::Router::new();
        if let Some(first) = first {
            let api = AccessApi::new(tokens.clone(), first, self.clock);
            pages = pages.merge(welcome(api.clone()));
            routes.add_service(AccessServiceServer::new(api));
        }
        let mut logs = LogApi::new(host.clone());
        if office {
            logs = logs.with(connections(&self.peers)?);
        }
        routes.add_service(EventLogServiceServer::new(logs));
        write_address(&self.data, &address)?;
        let replicas = Replicas { lease: host.lease.clone(), forwarder: Forwarder::default() };
        let server = Server::new(routes.routes(), pages, access, health).among(replicas);
        let server = tokio::spawn(server.serve(listener, stop.clone()));
        Ok(Running { address, tokens, code, host, server, stop, _lock: lock })
    }
}

impl Running {
    /// Ends in order: what runs may finish, then the logs are closed.
    pub async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let served = self.server.await.context("the server's task failed")?;
        self.host.close().await;
        served
    }

    /// Everything that the process stands on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Serves until Ctrl-C or SIGTERM, then ends in order.
    pub async fn until_told(mut self) -> anyhow::Result<()> {
        tokio::select! {
            ended = &mut self.server => {
                self.host.close().await;
                return ended.context("the server's task failed")?;
            }
            told = told() => told?,
        }
        tracing::info!("stopping: what runs may finish within 20 s");
        self.end().await
    }
}

async fn start(
    service: Service,
    host: &Host,
    routes: &mut RoutesBuilder,
    carriers: &screening::carriers::config::Config,
) -> anyhow::Result<()> {
    match service {
        Service::Registry => registry::start(host, routes).await,
        Service::Screening => screening::start(host, routes, carriers).await,
        Service::Pass => pass::start(host, routes).await,
        Service::Isolation => isolation::start(host, routes).await,
        Service::Command => command::start(host, routes).await,
        // Its one RPC service is wired with the access that everybody has.
        Service::Office => Ok(()),
    }
}

/// A leader whose lease has run out has had no answer from its database for three seconds.
fn database_answers(lease: &Lease) -> Result<(), String> {
    if lease.leads() && lease.sure().is_none() {
        return Err("the database does not answer: is it running, and does the network reach it?".to_owned());
    }
    Ok(())
}

/// To the services that run elsewhere, for whoever shows their record.
fn connections(peers: &BTreeMap<String, Vec<String>>) -> anyhow::Result<BTreeMap<String, Vec<Connection>>> {
    let open = |(service, addresses): (&String, &Vec<String>)| {
        let open = addresses.iter().map(|address| Connection::open(address, None));
        Ok((service.clone(), open.collect::<anyhow::Result<_>>()?))
    };
    peers.iter().map(open).collect()
}

/// Two processes on one folder would write over each other.
fn lock(data: &Path) -> anyhow::Result<std::fs::File> {
    let path = data.join("lock");
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => anyhow::bail!(
            "another mifeng process works in the data folder {}: stop it, or choose another folder with --data",
            data.display()
        ),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking the data folder {}", data.display()))
        }
    }
}

/// For the office commands of the same machine.
pub fn write_address(data: &Path, address: &str) -> anyhow::Result<()> {
    let path = data.join("address");
    std::fs::write(&path, address).with_context(|| format!("writing {}", path.display()))
}

/// Ctrl-C or SIGTERM.
pub async fn told() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for Ctrl-C"),
        _ = term.recv() => Ok(()),
    }
}
