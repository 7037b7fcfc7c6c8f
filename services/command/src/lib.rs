//! The command centre: what all the neighbourhoods look like together, from the four logs alone. What people
//! decide about what they see here stands in a log of its own, and no figure is made from that.

/// The figures by pure folding, to prove those that are shown.
pub mod recount;
/// Which figures there are, and how they add up.
pub mod figures;
/// What people decide here: pure decisions and facts.
pub mod domain {
    /// The aggregate: something that somebody must look at.
    pub mod alarm;
    /// The aggregate: from when on something is an alarm.
    pub mod alarm_rules;
}
/// Views of the logs, one question each.
pub mod projections {
    pub mod people;
    pub mod measures;
    pub mod alarms;
}
/// What somebody must look at.
pub mod alarms;
/// The RPCs.
pub mod api;

use chassis::Projection;
use proto::command::v1::command_service_server::CommandServiceServer;

/// The four logs that everything here is made from.
pub const LOGS: [&str; 4] = ["registry", "screening", "pass", "isolation"];

/// Starts following the logs and answers on `routes`.
pub async fn start(host: &chassis::Host, routes: &mut tonic::service::RoutesBuilder) -> anyhow::Result<()> {
    let ledger = host.ledger("command").await?;
    let mut shown: Vec<Box<dyn Projection>> =
        vec![Box::new(projections::people::People), Box::new(projections::measures::Measures)];
    shown.extend(alarms::projections());
    let views = host.figures("command", shown).await?;
    alarms::start(host, &ledger, &views, routes).await?;
    let mut feeds = Vec::new();
    for log in LOGS {
        feeds.push(host.feed_for("command", log).await?);
    }
    routes.add_service(CommandServiceServer::new(api::Api { views, feeds, stop: host.stop().clone() }));
    Ok(())
}
