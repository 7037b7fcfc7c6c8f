//! Alarms: conditions found in the four logs, raised by the replica that leads, and what people do about them.

use std::sync::Arc;

use chassis::{Host, Ledger, Remembered, Views};
use proto::command::v1::alarm_service_server::AlarmServiceServer;
use tonic::service::RoutesBuilder;

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

/// What alarms stand on.
pub struct Setup {
    pub ledger: Ledger,
    /// They hold [`crate::projections::alarms`].
    pub views: Views,
    pub watch: Arc<watch::Watch>,
    /// How far the watch is.
    pub remembered: Remembered,
}

/// Raises alarms and answers on `routes`.
pub fn start(host: &Host, setup: Setup, routes: &mut RoutesBuilder) {
    let Setup { ledger, views, watch, remembered } = setup;
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
    routes.add_service(AlarmServiceServer::new(api::AlarmApi { ledger, views }));
}
