//! The command centre: what all the neighbourhoods look like together, from the four logs alone. It owns no decision and
//! has no log of its own.

/// The figures by pure folding, to prove those that are shown.
pub mod recount;
/// Which figures there are, and how they add up.
pub mod figures;
/// The figures as tables.
pub mod projections {
    pub mod people;
    pub mod measures;
}
/// The RPCs.
pub mod api;

use proto::command::v1::command_service_server::CommandServiceServer;

/// The four logs that everything here is made from.
pub const LOGS: [&str; 4] = ["registry", "screening", "pass", "isolation"];

/// Starts following the logs and answers on `routes`.
pub async fn start(host: &chassis::Host, routes: &mut tonic::service::RoutesBuilder) -> anyhow::Result<()> {
    let views =
        host.figures("command", vec![Box::new(projections::people::People), Box::new(projections::measures::Measures)]);
    let mut feeds = Vec::new();
    for log in LOGS {
        feeds.push(host.feed_for("command", log).await?);
    }
    routes.add_service(CommandServiceServer::new(api::Api { views: views.await?, feeds, stop: host.stop().clone() }));
    Ok(())
}
