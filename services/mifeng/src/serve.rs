//! One service in a process of its own. It keeps its record in a data folder, or in a database that its replicas share; the
//! records of the others come from their processes.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use chassis::{
    Clock,
    host::Store,
    nats::{self, Nats},
    postgres::Database,
    telemetry,
};
use clap::Args;

use mifeng::wiring::{Plan, Service};
use screening::carriers;

use crate::installation::PREPARED;

#[derive(Args)]
pub(crate) struct Serve {
    #[arg(value_enum)]
    service: Service,
    /// Where to listen
    #[arg(long, env = "MIFENG_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The data folder: the record itself where no database is given
    #[arg(long, env = "MIFENG_DATA", value_name = "FOLDER")]
    data: PathBuf,
    /// The service's own secrets: root.secret, and where needed postgres.password, nats.password, authority.pem
    #[arg(long, env = "MIFENG_SECRETS", value_name = "FOLDER", required_unless_present = "secret_file")]
    secrets: Option<PathBuf>,
    /// The root secret that all processes of a deployment share, where it does not lie among the secrets
    #[arg(long, env = "MIFENG_SECRET_FILE", value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The service's database, for example postgres://mifeng_registry@127.0.0.1:5432/mifeng_registry
    #[arg(long, env = "MIFENG_DATABASE", value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// NATS, which carries the records between the services, for example tls://registry@127.0.0.1:4222
    #[arg(long, env = "MIFENG_NATS", value_name = "URL")]
    nats: Option<String>,
    /// Where another service is, for example registry=http://127.0.0.1:7421, once for each replica
    #[arg(long = "peer", env = "MIFENG_PEERS", value_delimiter = ',', value_parser = peer, value_name = "SERVICE=URL")]
    peers: Vec<(String, String)>,
    /// Where the other replicas of this service reach this process; by default where it listens
    #[arg(long, env = "MIFENG_ADVERTISE", value_name = "URL")]
    advertise: Option<String>,
    /// Lets requests say when they happen: for demonstrations only
    #[arg(long, env = "MIFENG_DEMO", value_parser = clap::builder::FalseyValueParser::new())]
    demo: bool,
    #[command(flatten)]
    carriers: carriers::config::Config,
    #[command(flatten)]
    telemetry: telemetry::Config,
}

impl Serve {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let _telemetry = telemetry::start(&self.telemetry, self.service.name())?;
        let store = match &self.database {
            Some(url) => Store::Database(Database::parse(url, self.secret("postgres.password")?.as_deref())?),
            None => Store::Folder,
        };
        let nats = match &self.nats {
            Some(url) => {
                let password = self.secret("nats.password")?.map(Into::into);
                let config =
                    nats::Config { url: url.clone(), password, authority: self.secret_file_at("authority.pem") };
                Some(Nats::open(&config, self.service.name()).await?)
            }
            None => None,
        };
        let root = self.secrets.as_ref().map(|folder| folder.join(chassis::secrets::FILE));
        let clock = self.clock()?;
        let plan = Plan {
            services: vec![self.service],
            listen: self.listen,
            secret_file: self.secret_file.clone().or(root),
            peers: self.elsewhere(),
            store,
            nats,
            carriers: self.carriers.clone().with_credentials_in(self.secrets.as_deref()),
            advertise: self.advertise,
            clock,
            demonstration: self.demo,
            data: self.data,
        };
        let running = plan.start().await?;
        tracing::info!(service = self.service.name(), address = running.address, "up");
        if let Some(code) = &running.code {
            tracing::info!("the first administrator is waited for: {}/first-administrator#{code}", running.address);
        }
        running.until_told().await
    }

    /// All processes of one demonstration show the same time, also those that were started again: a token of another one is
    /// never issued in the future.
    fn clock(&self) -> anyhow::Result<Clock> {
        if !self.demo {
            return Ok(Clock::system());
        }
        let start = crate::up::DEMONSTRATION.parse().context("the demonstration's time")?;
        Ok(match self.secret(PREPARED)? {
            Some(prepared) => Clock::since(start, prepared.parse().context("reading when the installation was made")?),
            None => Clock::starting_at(start),
        })
    }

    /// One list does for all processes: the service's own rows are no peers.
    fn elsewhere(&self) -> BTreeMap<String, Vec<String>> {
        let mut peers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (service, address) in self.peers.iter().filter(|(service, _)| service != self.service.name()) {
            peers.entry(service.clone()).or_default().push(address.clone());
        }
        peers
    }

    fn secret_file_at(&self, name: &str) -> Option<PathBuf> {
        self.secrets.as_ref().map(|folder| folder.join(name)).filter(|path| path.exists())
    }

    /// One of the service's own secrets, where there is such a file.
    fn secret(&self, name: &str) -> anyhow::Result<Option<String>> {
        let Some(path) = self.secret_file_at(name) else { return Ok(None) };
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Some(text.trim().to_owned()))
    }
}

/// A service and where it is.
pub(crate) fn peer(text: &str) -> Result<(String, String), String> {
    let (service, url) = text.split_once('=').ok_or("must look like registry=http://127.0.0.1:7421")?;
    let known = Service::ALL.iter().any(|known| known.name() == service);
    let valid = url.starts_with("http://") || url.starts_with("https://");
    match (known, valid) {
        (true, true) => Ok((service.to_owned(), url.to_owned())),
        (false, _) => Err(format!("there is no service {service}")),
        (_, false) => Err(format!("{url} must begin with http:// or https://")),
    }
}
