//! One service in a process of its own, on a data folder of its own; the logs of the others come from their processes.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use chassis::{Clock, telemetry};
use clap::Args;

use mifeng::wiring::{Plan, Service};

#[derive(Args)]
pub(crate) struct Serve {
    #[arg(value_enum)]
    service: Service,
    /// Where to listen
    #[arg(long, env = "MIFENG_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The data folder
    #[arg(long, env = "MIFENG_DATA", value_name = "FOLDER")]
    data: PathBuf,
    /// The root secret that all processes of a deployment share
    #[arg(long, env = "MIFENG_SECRET_FILE", value_name = "FILE")]
    secret_file: PathBuf,
    /// Where another service is, for example registry=http://127.0.0.1:7421
    #[arg(long = "peer", env = "MIFENG_PEERS", value_delimiter = ',', value_parser = peer, value_name = "SERVICE=URL")]
    peers: Vec<(String, String)>,
    /// Lets requests say when they happen: for demonstrations only
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    telemetry: telemetry::Config,
}

impl Serve {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let plan = Plan {
            services: vec![self.service],
            listen: self.listen,
            data: self.data,
            secret_file: Some(self.secret_file),
            peers: self.peers.into_iter().collect::<BTreeMap<_, _>>(),
            clock: if self.demo {
                Clock::starting_at(crate::up::DEMONSTRATION.parse().context("the demonstration's time")?)
            } else {
                Clock::system()
            },
            demonstration: self.demo,
        };
        let _telemetry = telemetry::start(&self.telemetry, self.service.name())?;
        let running = plan.start().await?;
        tracing::info!(service = self.service.name(), address = running.address, "up");
        running.until_told().await
    }
}

fn peer(text: &str) -> Result<(String, String), String> {
    let (service, url) = text.split_once('=').ok_or("must look like registry=http://127.0.0.1:7421")?;
    let known = Service::ALL.iter().any(|known| known.name() == service);
    let valid = url.starts_with("http://") || url.starts_with("https://");
    match (known, valid) {
        (true, true) => Ok((service.to_owned(), url.to_owned())),
        (false, _) => Err(format!("there is no service {service}")),
        (_, false) => Err(format!("{url} must begin with http:// or https://")),
    }
}
