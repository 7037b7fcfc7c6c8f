//! Who and what is where: neighbourhoods, compounds with their gates and regime, households with tenure and landlord,
//! residents with their sealed person, staff. Other services know a resident by id alone and copy the residence from this
//! log, so that they need not ask.

/// The RPCs.
mod api;
/// How volunteers stand, asked of isolation.
mod care;
/// State, events, refusals, decisions, evolve of each aggregate.
pub mod domain;
/// Numbers of identity documents.
pub mod identity;
/// What is there only once, and how somebody is found.
mod keys;
/// Who may stand in the register twice.
mod likeness;
/// What a screen shows of a person.
pub mod mask;
/// How a name sounds.
mod sounds;
/// Who is called what, in memory.
mod names;
/// A person as they come in and as they are kept.
mod person;
/// Mobile numbers.
pub mod phone;
/// Buildings, units and rooms.
mod place;
/// What the registry shows.
mod projections;
/// When somebody is erased, then their key is destroyed.
mod reactions;
/// What is wrong and what to do, in both languages.
mod sentence;
/// What people type.
mod typing;
/// Workbooks of residents.
pub mod workbook;

use std::sync::Arc;

use chassis::Host;
use proto::registry::v1::{
    correction_service_server::CorrectionServiceServer, duplicate_service_server::DuplicateServiceServer,
    grid_service_server::GridServiceServer, import_service_server::ImportServiceServer,
    registry_service_server::RegistryServiceServer, roster_service_server::RosterServiceServer,
    round_service_server::RoundServiceServer, visit_service_server::VisitServiceServer,
    volunteer_service_server::VolunteerServiceServer,
};
use tonic::service::RoutesBuilder;

/// The largest request is a workbook of 8 MiB with what is around it; the largest answer brings one back.
const LARGEST_REQUEST: usize = 9 << 20;

/// Starts the service on this host and adds its RPCs to the routes.
pub async fn start(host: &Host, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let api = open(host).await?;
    routes.add_service(VisitServiceServer::new(api.clone()));
    routes.add_service(VolunteerServiceServer::new(api.clone()));
    routes.add_service(RosterServiceServer::new(api.clone()));
    routes.add_service(RoundServiceServer::new(api.clone()));
    routes.add_service(GridServiceServer::new(api.clone()));
    routes.add_service(CorrectionServiceServer::new(api.clone()));
    routes.add_service(DuplicateServiceServer::new(api.clone()));
    routes.add_service(ImportServiceServer::new(api.clone()).max_decoding_message_size(LARGEST_REQUEST));
    routes.add_service(RegistryServiceServer::new(api).max_decoding_message_size(LARGEST_REQUEST));
    Ok(())
}

async fn open(host: &Host) -> anyhow::Result<api::Api> {
    let ledger = host.ledger("registry").await?;
    let vault = host.vault("registry").await?;
    let views = host.views("registry", projections::all(&vault)).await?;
    let names = Arc::new(names::Names::default());
    host.react("registry", Box::new(reactions::Erasure { vault: vault.clone(), names: Arc::clone(&names) })).await?;
    let (tracker, stop) = (host.tracker().clone(), host.stop().clone());
    tracker.spawn(Arc::clone(&names).sweep(stop.clone()));
    let care = care::Care { replicas: host.connections_to("isolation")? };
    Ok(api::Api { ledger, vault, views, names, care, tracker, stop })
}

#[cfg(test)]
mod tests;
