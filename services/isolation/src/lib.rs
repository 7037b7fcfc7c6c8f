//! Orders of isolation: caused by a verdict or signed by two, observed twice a day, handed over, breached, released. A
//! person shut in depends on this service: nothing here may be forgotten.

/// Pure decisions and facts.
pub mod domain {
    /// The aggregate: somebody who has the disease, by two signatures.
    pub mod confirmed_case;
    /// The aggregate: one order of isolation.
    pub mod order;
    /// Days and half-days.
    pub mod period;
}

/// Whose record an order is, and who is under one.
mod filing;

/// Views of the logs, one question each.
mod projections {
    /// Which confirmed cases are there?
    pub(crate) mod confirmed_cases;
    /// What does the method say about days and fever?
    pub(crate) mod methods;
    /// Which orders are there?
    pub(crate) mod orders;
    /// Where does a resident live?
    pub(crate) mod residents;
}

/// The RPCs.
mod api;
/// The RPCs of confirmed cases.
mod confirmed_cases;
/// What other services' news leads to.
mod reactions;
/// Orders as the API shows them.
mod resources;

use chassis::Host;
use proto::isolation::v1::{
    confirmed_case_service_server::ConfirmedCaseServiceServer, isolation_service_server::IsolationServiceServer,
};
use tonic::service::RoutesBuilder;

use crate::{
    api::Api,
    confirmed_cases::ConfirmedCaseApi,
    projections::{confirmed_cases::ConfirmedCases, methods::Methods, orders::Orders, residents::Residents},
    reactions::Reactions,
};

/// Opens the service's log, keys and views, reacts to the others' news, and takes calls.
pub async fn start(host: &Host, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let ledger = host.ledger("isolation").await?;
    let vault = host.vault("isolation").await?;
    let views = host
        .views("isolation", vec![Box::new(Orders), Box::new(Residents), Box::new(Methods), Box::new(ConfirmedCases)])
        .await?;
    let reactions = Reactions { ledger: ledger.clone(), views: views.clone(), vault: vault.clone() };
    host.react("isolation", Box::new(reactions)).await?;
    let confirmed_cases = ConfirmedCaseApi { ledger: ledger.clone(), views: views.clone() };
    routes.add_service(ConfirmedCaseServiceServer::new(confirmed_cases));
    routes.add_service(IsolationServiceServer::new(Api { ledger, vault, views }));
    Ok(())
}

#[cfg(test)]
mod tests;
