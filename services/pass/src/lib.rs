//! Who may cross the gates of a compound, and who did: holders and their passes, the codes on paper, the decision at a
//! gate, and the record of every crossing.

/// Where codes are made.
pub mod desk;
pub mod domain {
    /// What a gate decides.
    pub mod gate;
    /// What a gate has on record.
    pub mod gate_day;
    /// A resident, what qualifies and what bars them, and their passes.
    pub mod holder;
    /// The keys that sign, and those that do no longer.
    pub mod keyring;
    /// The list of suspended passes.
    pub mod listing;
    /// All that a compound was issued before an hour.
    pub mod recall;
    /// What the guard says.
    mod words;
}
/// Records of the logs, read.
mod facts;
/// What is shown and looked up.
mod projections {
    pub(crate) mod crossings;
    pub(crate) mod gates;
    pub(crate) mod holders;
    pub(crate) mod method;
    pub(crate) mod residents;
}
/// What a gate is answered from.
mod roll;
/// The edge.
mod api;
/// Key sets and lists, signed.
mod publishing;
/// Keys that change, a list that stays young.
mod timekeeping;
/// Numbers and codes for those who are eligible.
mod issuing;
/// Who stands at the gate.
mod passage;
/// Verdicts, orders and move-outs, as they reach the holder.
mod reactions;
/// What a gate reports.
mod report;
/// Holders and passes as the API shows them.
mod resources;

use std::sync::Arc;

use chassis::{Host, Memory};
use proto::pass::v1::{
    pass_service_server::PassServiceServer, recall_service_server::RecallServiceServer,
    verification_service_server::VerificationServiceServer,
};
use tokio::sync::OnceCell;
use tonic::service::RoutesBuilder;

use crate::{
    api::{Api, verification::VerificationApi},
    desk::Desk,
    issuing::Issuing,
    projections::{crossings::Crossings, gates::Gates, holders::Holders, method::MethodInForce, residents::Residents},
    publishing::Publisher,
    reactions::Reactions,
    roll::Roll,
    timekeeping::Timekeeper,
};

/// The service's log, and its name.
const LOG: &str = "pass";

/// Starts the service on this host and adds it to the routes.
pub async fn start(host: &Host, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let api = open(host).await?;
    let publisher = Publisher::new(Arc::clone(&api.issuing.timekeeper.desk), Arc::clone(&api.roll));
    routes.add_service(VerificationServiceServer::new(VerificationApi {
        publisher: Arc::new(publisher),
        remembered: api.remembered.of(LOG),
        stop: host.stop().clone(),
    }));
    routes.add_service(RecallServiceServer::new(api.clone()));
    routes.add_service(PassServiceServer::new(api));
    Ok(())
}

async fn open(host: &Host) -> anyhow::Result<Api> {
    let ledger = host.ledger(LOG).await?;
    let views = host
        .views(
            LOG,
            vec![Box::new(Residents), Box::new(Gates), Box::new(MethodInForce), Box::new(Holders), Box::new(Crossings)],
        )
        .await?;
    host.react(LOG, Box::new(Reactions { ledger: ledger.clone() })).await?;
    let desk = Arc::new(Desk::new(&host.secrets));
    let roll = Arc::new(Roll::new(Arc::clone(&desk)));
    let remembered = host.remember(LOG, Arc::clone(&roll) as Arc<dyn Memory>).await?;
    let timekeeper = Timekeeper {
        ledger: ledger.clone(),
        roll: Arc::clone(&roll),
        remembered: remembered.of(LOG),
        desk,
        clock: host.clock.clone(),
        lease: host.lease.clone(),
    };
    // Nobody waits for the first keys. Where the log does not answer now, the timekeeper tries again; a replica that does not
    // lead is given them by the one that does.
    if host.lease.leads()
        && let Err(failure) = timekeeper.turn_keys(host.clock.now()).await
    {
        tracing::warn!(error = format!("{:#}", anyhow::Error::new(failure)), "the first keys are announced later");
    }
    let (keeping, stop) = (timekeeper.clone(), host.stop().clone());
    host.tracker().spawn(async move {
        stop.run_until_cancelled(keeping.run()).await;
    });
    let issuing =
        Issuing { ledger: ledger.clone(), views: views.clone(), timekeeper, last_index: Arc::new(OnceCell::new()) };
    Ok(Api { ledger, views, issuing, roll, remembered })
}

#[cfg(test)]
mod tests;
