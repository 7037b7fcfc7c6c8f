//! One service on a host of its own: the real handlers, reactions and read models. Its log is in memory, its keys, read
//! models and checkpoints are files; both outlive a crash, and the latter two can be lost.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use chassis::{
    Clock, Host,
    access::{AccessLayer, Tokens},
    event_log::memory::{Memory, MemoryLog},
    log_service::LogApi,
    secrets::Secrets,
};
use chrono::TimeDelta;
use proto::{
    access::v1::{Principal, Role},
    event::v1::event_log_service_server::EventLogServiceServer,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    network,
    weather::{Lost, Weather},
    wire::{self, Inbox},
};

/// Those whose log others follow.
pub(crate) const LOGS: [&str; 4] = command::LOGS;
/// All of them.
pub(crate) const SERVICES: [&str; 5] = ["registry", "screening", "pass", "isolation", "command"];

/// A mistake that the simulation must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// The command centre's feed leaves out what is in some records.
    FeedWithHoles,
    /// The log does not know after a crash which commands it has done.
    ForgottenCommands,
}

/// What all hosts of one run have in common, and what outlives their crashes.
pub(crate) struct World {
    pub(crate) secrets: Secrets,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    pub(crate) weather: Arc<Weather>,
    pub(crate) flaw: Flaw,
    folder: PathBuf,
    memories: BTreeMap<&'static str, Memory>,
}

impl World {
    pub(crate) fn new(folder: PathBuf, clock: Clock, weather: Arc<Weather>, flaw: Flaw) -> Self {
        let secrets = Secrets::open_or_create(&folder).unwrap();
        let tokens = Tokens::new(&secrets);
        let memories = SERVICES.map(|log| (log, Memory::with_fate(weather.fate(log)))).into();
        Self { secrets, tokens, clock, weather, flaw, folder, memories }
    }

    pub(crate) fn memory(&self, log: &str) -> &Memory {
        &self.memories[log]
    }

    /// Where the read models of a service are.
    pub(crate) fn views(&self, service: &str) -> PathBuf {
        self.folder.join(service).join(service).join("views")
    }

    /// What a crash takes along.
    pub(crate) fn lose(&self, service: &str, lost: Lost) {
        if self.flaw == Flaw::ForgottenCommands
            && let Some(memory) = self.memories.get(service)
        {
            memory.forget_commands();
        }
        let folder = self.folder.join(service).join(service);
        if lost != Lost::Nothing {
            let_go(&folder);
        }
        match lost {
            Lost::Nothing => {}
            Lost::Views => drop(fs::remove_dir_all(folder.join("views"))),
            Lost::Checkpoints => {
                for file in ["reactions.db", "reactions.db-wal", "reactions.db-shm"] {
                    drop(fs::remove_file(folder.join(file)));
                }
            }
        }
    }
}

/// A crash ends a process and closes its files. Here the threads of SQLite outlive it for a moment, and the last one to let go of a
/// database unlinks the log of whichever database lies at its path by then.
fn let_go(folder: &Path) {
    let holds = || {
        let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        open.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file.starts_with(folder))
    };
    let until = Instant::now() + Duration::from_secs(10);
    while holds() {
        assert!(Instant::now() < until, "somebody holds {} long after its process died", folder.display());
        thread::sleep(Duration::from_millis(1));
    }
}

/// From the start to the next crash.
pub(crate) async fn live(world: Arc<World>, service: &'static str) -> turmoil::Result {
    let (clock, stop) = (world.clock.clone(), CancellationToken::new());
    let mut host =
        Host::open(&world.folder.join(service), world.secrets.clone(), clock.clone(), BTreeMap::new(), stop)?;
    if let Some(memory) = world.memories.get(service) {
        let log: Arc<dyn chassis::event_log::EventLog> = Arc::new(MemoryLog::open(memory, service, clock.clone()));
        host = host.with_log(Arc::clone(&log)).await;
        if LOGS.contains(&service) {
            let listeners = SERVICES.into_iter().filter(|other| *other != service).collect();
            tokio::spawn(wire::relay(log, listeners, Arc::clone(&world.weather)));
        }
    }
    let subject = format!("service/{service}");
    let person = Principal { subject, role: Role::Service.into(), ..Principal::default() };
    let token = world.tokens.issue(&person, TimeDelta::days(1), clock.now())?.token;
    let mut inboxes = Vec::new();
    for source in LOGS.into_iter().filter(|source| *source != service) {
        let spoils = world.flaw == Flaw::FeedWithHoles && service == "command";
        let inbox = Inbox::new(source, token.clone(), spoils);
        tokio::spawn(Arc::clone(&inbox).sweep());
        host = host.with_feed(Arc::clone(&inbox) as Arc<dyn chassis::Feed>).await;
        inboxes.push(inbox);
    }
    tokio::spawn(wire::receive(inboxes));
    let mut routes = Routes::builder();
    match service {
        "registry" => registry::start(&host, &mut routes).await?,
        "screening" => screening::start(&host, &mut routes, &screening::carriers::config::Config::default()).await?,
        "pass" => pass::start(&host, &mut routes).await?,
        "isolation" => isolation::start(&host, &mut routes).await?,
        _ => command::start(&host, &mut routes).await?,
    }
    routes.add_service(EventLogServiceServer::new(LogApi::new(host.clone())));
    // As a demonstration, so that each request says when it happens.
    let access = AccessLayer::new(world.tokens.clone(), &world.secrets, clock, true);
    network::serve(routes.routes(), access).await
}
