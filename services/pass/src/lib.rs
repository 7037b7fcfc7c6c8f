//! Who may cross the gates of a compound, and who did: holders and their passes, the codes on paper, the decision at a
//! gate, and the record of every crossing.

/// Where codes are made.
pub mod desk;
pub mod domain {
    /// Who may ask about whose contacts.
    pub mod co_presence;
    /// What a gate has to expect.
    pub mod forecast;
    /// When somebody may go out.
    pub mod access;
    /// A device at a gate, and how far its crossings are on record.
    pub mod device;
    /// By which codes name a compound.
    pub mod compound_code;
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
    pub(crate) mod confirmed_cases;
    pub(crate) mod conflicts;
    pub(crate) mod crossings;
    pub(crate) mod devices;
    pub(crate) mod gates;
    pub(crate) mod holders;
    pub(crate) mod hours;
    pub(crate) mod meetings;
    pub(crate) mod method;
    pub(crate) mod nameless;
    pub(crate) mod presence;
    pub(crate) mod queries;
    pub(crate) mod outings;
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
/// Crossings that a gate decided by itself.
mod arrivals;
/// The edge for gates that decide by themselves.
mod gates;
/// The edge for who is inside, hours and forecasts.
mod presence;
/// The edge for a confirmed case's contacts.
mod co_presence;
/// Numbers for compounds.
mod codes;
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

use chassis::{Host, Memory, access::Tokens};
use proto::pass::v1::{
    co_presence_service_server::CoPresenceServiceServer, gate_service_server::GateServiceServer,
    pass_service_server::PassServiceServer, presence_service_server::PresenceServiceServer,
    recall_service_server::RecallServiceServer, verification_service_server::VerificationServiceServer,
};
use secrecy::ExposeSecret as _;
use tokio::sync::OnceCell;
use tonic::service::RoutesBuilder;

use crate::{
    api::{Api, verification::VerificationApi},
    co_presence::CoPresenceApi,
    codes::Codes,
    desk::Desk,
    gates::GateApi,
    issuing::Issuing,
    presence::PresenceApi,
    projections::{
        confirmed_cases::ConfirmedCases,
        conflicts::Conflicts,
        crossings::Crossings,
        devices::Devices,
        gates::Gates,
        holders::Holders,
        hours::Hours,
        method::{MethodInForce, Methods},
        nameless::Nameless,
        outings::Outings,
        queries::Queries,
        residents::Residents,
    },
    publishing::Publisher,
    reactions::Reactions,
    roll::Roll,
    timekeeping::Timekeeper,
};

/// The file, beside the installation's own secret, that holds the root of all passes: whoever has only the other one can sign no set
/// of keys. Installations from before it have none.
pub const ROOT_SECRET: &str = "pass-root.secret";

/// The service's log, and its name.
const LOG: &str = "pass";

/// Starts the service on this host and adds it to the routes.
pub async fn start(host: &Host, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let api = open(host).await?;
    routes.add_service(GateServiceServer::new(gates(host, &api)));
    let publisher = Publisher::new(Arc::clone(&api.issuing.timekeeper.desk), Arc::clone(&api.roll));
    routes.add_service(VerificationServiceServer::new(VerificationApi {
        publisher: Arc::new(publisher),
        remembered: api.remembered.of(LOG),
        stop: host.stop().clone(),
    }));
    routes.add_service(RecallServiceServer::new(api.clone()));
    routes.add_service(PresenceServiceServer::new(PresenceApi { views: api.views.clone() }));
    let (ledger, views) = (api.ledger.clone(), api.views.clone());
    routes.add_service(CoPresenceServiceServer::new(CoPresenceApi { ledger, views }));
    routes.add_service(PassServiceServer::new(api));
    Ok(())
}

async fn open(host: &Host) -> anyhow::Result<Api> {
    let ledger = host.ledger(LOG).await?;
    let views = host
        .views(
            LOG,
            vec![
                Box::new(Residents),
                Box::new(Gates),
                Box::new(MethodInForce),
                Box::new(Holders),
                Box::new(Crossings),
                Box::new(Devices),
                Box::new(Conflicts),
                Box::new(Hours),
                Box::new(Nameless),
                Box::new(ConfirmedCases),
                Box::new(Queries),
                Box::new(Outings),
            ],
        )
        .await?;
    let root = host.secrets.beside(ROOT_SECRET)?;
    if root.is_none() {
        tracing::warn!(
            "{ROOT_SECRET} does not lie beside {}: the root of all passes derives from that one secret, as in installations from \
             before there were two. Where there was one, put it back: gates believe no other root",
            host.secrets.file().display()
        );
    }
    let desk = Arc::new(Desk::new(&host.secrets, root));
    let codes = Codes { ledger: ledger.clone(), desk: Arc::clone(&desk) };
    let reactions = Reactions { ledger: ledger.clone(), codes: codes.clone(), views: views.clone() };
    host.react(LOG, Box::new(reactions)).await?;
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
    let methods = Arc::new(Methods::of(&views)?);
    let issuing = Issuing {
        ledger: ledger.clone(),
        views: views.clone(),
        methods: Arc::clone(&methods),
        codes,
        timekeeper,
        last_index: Arc::new(OnceCell::new()),
    };
    Ok(Api { ledger, views, issuing, roll, remembered, methods })
}

fn gates(host: &Host, api: &Api) -> GateApi {
    GateApi {
        ledger: api.ledger.clone(),
        views: api.views.clone(),
        compound_codes: api.issuing.codes.clone(),
        roll: Arc::clone(&api.roll),
        remembered: api.remembered.of(LOG),
        methods: Arc::clone(&api.methods),
        tokens: Tokens::new(&host.secrets),
        clock: host.clock.clone(),
        codes: *host.secrets.derive("gate enrolment").expose_secret(),
    }
}

#[cfg(test)]
mod tests;
