//! Orders of isolation: caused by a verdict or signed by two, observed twice a day, handed over, breached, released. A
//! person shut in depends on this service: nothing here may be forgotten.

/// Pure decisions and facts.
pub mod domain {
    /// The aggregate: one order of isolation.
    pub mod order;
    /// Days and half-days.
    pub mod period;
    /// The aggregate: one need of one resident.
    pub mod need;
    /// The aggregate: what an order opens in a neighbourhood.
    pub mod need_plan;
    /// The aggregate: one item in one unit at one place.
    pub mod stock;
    /// Exact amounts in mixed units.
    pub mod quantity;
}

/// Whose record an order is, and who is under one.
mod filing;

/// Views of the logs, one question each.
mod projections {
    /// What does the method say about days and fever?
    pub(crate) mod methods;
    /// Which orders are there?
    pub(crate) mod orders;
    /// Where does a resident live?
    pub(crate) mod residents;
    /// Which needs are there, and which are in alarm?
    pub(crate) mod needs;
    /// Which volunteers may help?
    pub(crate) mod volunteers;
    /// What is left, to whom did it go, whom to thank?
    pub(crate) mod supplies;
}

/// The RPCs.
mod api;
/// The RPCs of needs and supplies.
mod care;
/// What other services' news leads to.
mod reactions;
/// Orders as the API shows them.
mod resources;

use chassis::{Host, Projection};
use proto::isolation::v1::{
    isolation_service_server::IsolationServiceServer, need_service_server::NeedServiceServer,
    stock_service_server::StockServiceServer,
};
use tonic::service::RoutesBuilder;

use crate::{
    api::Api,
    care::Care,
    projections::{
        methods::Methods, needs::Needs, orders::Orders, residents::Residents, supplies::Supplies,
        volunteers::Volunteers,
    },
    reactions::Reactions,
};

/// Opens the service's log, keys and views, reacts to the others' news, and takes calls.
pub async fn start(host: &Host, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let ledger = host.ledger("isolation").await?;
    let vault = host.vault("isolation").await?;
    let views = host.views("isolation", projections()).await?;
    let reactions = Reactions { ledger: ledger.clone(), views: views.clone(), vault: vault.clone() };
    host.react("isolation", Box::new(reactions)).await?;
    let care = Care { ledger: ledger.clone(), vault: vault.clone(), views: views.clone() };
    routes.add_service(NeedServiceServer::new(care.clone()));
    routes.add_service(StockServiceServer::new(care));
    routes.add_service(IsolationServiceServer::new(Api { ledger, vault, views }));
    Ok(())
}

fn projections() -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(Orders),
        Box::new(Residents),
        Box::new(Methods),
        Box::new(Needs),
        Box::new(Volunteers),
        Box::new(Supplies),
    ]
}

#[cfg(test)]
mod tests;
