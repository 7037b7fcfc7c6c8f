//! Alarms: conditions found in the four logs, raised by the replica that leads, and what people do about them.

use std::sync::Arc;

use chassis::{Host, Ledger, Memory, Projection, Views};
use proto::command::v1::alarm_service_server::AlarmServiceServer;
use tonic::service::RoutesBuilder;

use crate::projections::alarms::Alarms;

/// What calls for an alarm.
pub mod conditions;
/// Conditions, kept up with the logs.
pub mod watch;
/// The RPCs.
mod api;
/// Alarms as the API shows them, and what they say.
mod shown;
/// What is raised, goes up and ends by itself.
mod timekeeping;

/// The alarms' read models, among those of the service.
pub fn projections() -> Vec<Box<dyn Projection>> {
    vec![Box::new(Alarms)]
}

/// Follows the logs, raises alarms and answers on `routes`. `views` hold [`projections`].
pub async fn start(host: &Host, ledger: &Ledger, views: &Views, routes: &mut RoutesBuilder) -> anyhow::Result<()> {
    let watch = Arc::new(watch::Watch::default());
    let remembered = host.remember("command", Arc::clone(&watch) as Arc<dyn Memory>).await?;
    let timekeeper = timekeeping::Timekeeper {
        ledger: ledger.clone(),
        views: views.clone(),
        watch,
        remembered,
        clock: host.clock.clone(),
        lease: host.lease.clone(),
    };
    let stop = host.stop().clone();
    host.tracker().spawn(async move {
        stop.run_until_cancelled(timekeeper.run()).await;
    });
    routes.add_service(AlarmServiceServer::new(api::AlarmApi { ledger: ledger.clone(), views: views.clone() }));
    Ok(())
}
