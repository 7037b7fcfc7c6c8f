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
    /// From when until when a reading is due.
    pub mod schedule;
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
    /// Which confirmed cases are there?
    pub(crate) mod confirmed_cases;
    /// What does the method say about days and fever?
    pub(crate) mod methods;
    /// Which orders are there?
    pub(crate) mod orders;
    /// Where does a resident live?
    pub(crate) mod residents;
    /// What is to be done, and by when?
    pub(crate) mod tasks;
    /// Which needs are there, and which are in alarm?
    pub(crate) mod needs;
    /// Which volunteers may help?
    pub(crate) mod volunteers;
    /// What is left, to whom did it go, whom to thank?
    pub(crate) mod supplies;
}

/// The RPCs.
mod api;
/// The RPCs of confirmed cases.
mod confirmed_cases;
/// The RPCs of needs and supplies.
mod care;
/// What other services' news leads to.
mod reactions;
/// Orders and tasks as the API shows them.
mod resources;
/// What time it is.
mod hour;
/// What is due by the clock.
mod timekeeping;

use std::sync::Mutex;

use chassis::{Host, Ledger, Projection};
use proto::isolation::v1::{
    confirmed_case_service_server::ConfirmedCaseServiceServer, isolation_service_server::IsolationServiceServer,
    need_service_server::NeedServiceServer, observation_service_server::ObservationServiceServer,
    order_life_service_server::OrderLifeServiceServer, stock_service_server::StockServiceServer,
};
use tonic::service::RoutesBuilder;

use crate::{
    api::Api,
    care::Care,
    confirmed_cases::ConfirmedCaseApi,
    hour::Hour,
    projections::{
        confirmed_cases::ConfirmedCases, methods::Methods, needs::Needs, orders::Orders, residents::Residents,
        supplies::Supplies, tasks::Tasks, volunteers::Volunteers,
    },
    reactions::Reactions,
    timekeeping::Timekeeper,
};

/// The largest request: a thousand readings of a round.
const LARGEST_REQUEST: usize = 1 << 20;

/// Opens the service's log, keys and views, reacts to the others' news, and takes calls.
pub async fn start(host: &Host, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let ledger = host.ledger("isolation").await?;
    let vault = host.vault("isolation").await?;
    let views = host.views("isolation", projections(&ledger)).await?;
    let reactions =
        Reactions { ledger: ledger.clone(), views: views.clone(), vault: vault.clone(), methods: Mutex::default() };
    host.react("isolation", Box::new(reactions)).await?;
    let hour = Hour::new(ledger.clone(), host.clock.clone());
    let timekeeper = Timekeeper { ledger: ledger.clone(), views: views.clone(), hour, lease: host.lease.clone() };
    let stop = host.stop().clone();
    host.tracker().spawn(async move {
        stop.run_until_cancelled(timekeeper.run()).await;
    });
    let confirmed_cases = ConfirmedCaseApi { ledger: ledger.clone(), views: views.clone() };
    routes.add_service(ConfirmedCaseServiceServer::new(confirmed_cases));
    let care = Care { ledger: ledger.clone(), vault: vault.clone(), views: views.clone() };
    routes.add_service(NeedServiceServer::new(care.clone()));
    routes.add_service(StockServiceServer::new(care));
    let api = Api { ledger, vault, views };
    routes.add_service(ObservationServiceServer::new(api.clone()).max_decoding_message_size(LARGEST_REQUEST));
    routes.add_service(OrderLifeServiceServer::new(api.clone()));
    routes.add_service(IsolationServiceServer::new(api));
    Ok(())
}

fn projections(ledger: &Ledger) -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(Orders),
        Box::new(Residents),
        Box::new(Methods),
        Box::new(Tasks { ledger: ledger.clone() }),
        Box::new(ConfirmedCases),
        Box::new(Needs),
        Box::new(Volunteers),
        Box::new(Supplies),
    ]
}

#[cfg(test)]
mod tests;
