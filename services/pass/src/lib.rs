//! Who may cross the gates of a compound, and who did: holders and their passes, the codes on paper, the decision at a
//! gate, and the record of every crossing.

/// Where codes are made.
pub mod desk;
pub mod domain {
    /// A device at a gate, and how far its crossings are on record.
    pub mod device;
    /// What a gate decides.
    pub mod gate;
    /// What a gate has on record.
    pub mod gate_day;
    /// A resident, what qualifies and what bars them, and their passes.
    pub mod holder;
    /// What the guard says.
    mod words;
}
/// Records of the logs, read.
mod facts;
/// What is shown and looked up.
mod projections {
    pub(crate) mod conflicts;
    pub(crate) mod crossings;
    pub(crate) mod devices;
    pub(crate) mod gates;
    pub(crate) mod holders;
    pub(crate) mod method;
    pub(crate) mod residents;
}
/// The edge.
mod api;
/// Crossings that a gate decided by itself.
mod arrivals;
/// The edge for gates that decide by themselves.
mod gates;
/// Numbers and codes for those who are eligible.
mod issuing;
/// Who stands at the gate.
mod passage;
/// Holders as they stood at an earlier time.
mod past;
/// Verdicts, orders and move-outs, as they reach the holder.
mod reactions;
/// What a gate reports.
mod report;
/// Holders and passes as the API shows them.
mod resources;

use std::sync::Arc;

use chassis::{Host, access::Tokens};
use proto::pass::v1::{gate_service_server::GateServiceServer, pass_service_server::PassServiceServer};
use secrecy::ExposeSecret as _;
use tokio::sync::OnceCell;
use tonic::service::RoutesBuilder;

use crate::{
    api::Api,
    desk::Desk,
    gates::GateApi,
    issuing::Issuing,
    projections::{
        conflicts::Conflicts, crossings::Crossings, devices::Devices, gates::Gates, holders::Holders,
        method::MethodInForce, residents::Residents,
    },
    reactions::Reactions,
};

/// Starts the service on this host and adds it to the routes.
pub async fn start(host: &Host, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let api = open(host).await?;
    routes.add_service(GateServiceServer::new(gates(host, &api)));
    routes.add_service(PassServiceServer::new(api));
    Ok(())
}

async fn open(host: &Host) -> anyhow::Result<Api> {
    let ledger = host.ledger("pass").await?;
    let views = host
        .views(
            "pass",
            vec![
                Box::new(Residents),
                Box::new(Gates),
                Box::new(MethodInForce),
                Box::new(Holders),
                Box::new(Crossings),
                Box::new(Devices),
                Box::new(Conflicts),
            ],
        )
        .await?;
    host.react("pass", Box::new(Reactions { ledger: ledger.clone() })).await?;
    let desk = Desk::new(
        host.secrets.derive("pass signing").expose_secret(),
        *host.secrets.derive("pass tags").expose_secret(),
    );
    let issuing = Issuing {
        ledger: ledger.clone(),
        views: views.clone(),
        desk: Arc::new(desk),
        last_index: Arc::new(OnceCell::new()),
    };
    Ok(Api { ledger, views, issuing })
}

fn gates(host: &Host, api: &Api) -> GateApi {
    GateApi {
        ledger: api.ledger.clone(),
        views: api.views.clone(),
        desk: Arc::clone(&api.issuing.desk),
        tokens: Tokens::new(&host.secrets),
        clock: host.clock.clone(),
        codes: *host.secrets.derive("gate enrolment").expose_secret(),
    }
}

#[cfg(test)]
mod tests;
