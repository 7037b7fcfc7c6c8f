//! The command centre: what all the neighbourhoods look like together, from the four logs alone. Its figures are folded in the
//! memory of each replica, so that they can be asked for now and for any past minute.

/// Which figures there are, and how they add up.
pub mod figures;
/// What adds up, over time.
pub mod book;
/// What each record means for it.
pub mod fold;
/// All of it in memory, for now and for any past minute.
pub mod picture;
/// Small numbers that nobody needs to see.
pub mod hiding;
/// What somebody may see.
pub mod overview;
/// The figures by plain counting, to prove those that are shown.
pub mod recount;
/// Where two pictures of one moment disagree.
pub mod comparison;
/// The proof, and everything made anew.
pub mod proof;
/// The RPCs.
pub mod api;

use std::sync::Arc;

use chassis::Memory;
use proto::command::v1::command_service_server::CommandServiceServer;

/// The service's own log, of what people decide here.
pub const LOG: &str = "command";

/// The four logs that every figure is made from.
pub const LOGS: [&str; 4] = ["registry", "screening", "pass", "isolation"];

/// Starts following the logs and answers on `routes`.
pub async fn start(host: &chassis::Host, routes: &mut tonic::service::RoutesBuilder) -> anyhow::Result<()> {
    let picture = Arc::new(picture::Picture::default());
    let remembered = host.remember(LOG, Arc::clone(&picture) as Arc<dyn Memory>).await?;
    let mut feeds = Vec::new();
    for log in LOGS {
        feeds.push(host.feed_for(LOG, log).await?);
    }
    let stop = host.stop().clone();
    let rebuilding = tokio::sync::Mutex::default();
    routes.add_service(CommandServiceServer::new(api::Api { picture, remembered, feeds, stop, rebuilding }));
    Ok(())
}

#[cfg(test)]
mod tests;
