//! One address for services that run apart, on one machine: for development and tests. A deployment has a proxy with TLS in
//! this place.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use chassis::{forward, server::serve_router, telemetry};
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use mifeng::wiring;

use crate::serve::peer;

#[derive(Args)]
pub(crate) struct Route {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "MIFENG_LISTEN", default_value = "127.0.0.1:7420", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where a service is, for example registry=http://127.0.0.1:7421; what no service is named for goes to the office
    #[arg(long = "peer", env = "MIFENG_PEERS", value_delimiter = ',', value_parser = peer, value_name = "SERVICE=URL", required = true)]
    peers: Vec<(String, String)>,
    /// Where the address is left for the office commands of this machine
    #[arg(long, env = "MIFENG_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[command(flatten)]
    telemetry: telemetry::Config,
}

impl Route {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let _telemetry = telemetry::start(&self.telemetry, "route")?;
        let listener = TcpListener::bind(self.listen).await.with_context(|| {
            format!("listening on {}: another process may have it; choose another with --listen", self.listen)
        })?;
        let address = format!("http://{}", listener.local_addr().context("reading the own address")?);
        if let Some(data) = &self.data {
            wiring::write_address(data, &address)?;
        }
        tracing::info!(address, "routing");
        let stop = CancellationToken::new();
        let router = forward::router(self.peers.into_iter().collect::<BTreeMap<_, _>>());
        let serving = tokio::spawn(serve_router(listener, router, stop.clone()));
        wiring::told().await?;
        stop.cancel();
        serving.await.context("the router's task failed")
    }
}
