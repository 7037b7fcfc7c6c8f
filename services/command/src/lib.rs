//! The command centre: what all the neighbourhoods look like together, from the four logs alone. Its figures are folded in the
//! memory of each replica, so that they can be asked for now and for any past minute. What people decide about what they see
//! here stands in a log of its own, and no figure is made from that.

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
/// What people decide here: pure decisions and facts.
pub mod domain;
/// Views of the service's own log, one question each.
pub mod projections {
    pub(crate) mod alarms;
    /// Forms by the day that they fill.
    pub(crate) mod forms;
    /// Reports on record.
    pub(crate) mod reports;
    /// Answers to questions.
    pub(crate) mod answers;
}
/// What somebody must look at.
pub mod alarms;
/// Forms as data, filled from the figures: asked once, reported many times.
pub(crate) mod reports {
    /// Where figures come from.
    pub(crate) mod source;
    /// The forms that come with the program.
    pub(crate) mod shipped;
    /// Whether a form can be filled.
    pub(crate) mod definition;
    /// When a report has its cut-off and is due.
    pub(crate) mod calendar;
    /// Rows, sums, and the day before.
    pub(crate) mod filling;
    /// What not everybody may see.
    pub(crate) mod hiding;
    /// The RPCs of reports.
    pub(crate) mod api;
}
/// What is remembered of the four logs.
pub mod memory;
/// The RPCs of the overview.
pub mod api;

use std::sync::Arc;

use chassis::{Memory, Projection};
use proto::command::v1::{command_service_server::CommandServiceServer, report_service_server::ReportServiceServer};

/// The service's own log, of what people decide here.
pub const LOG: &str = "command";

/// The four logs that every figure is made from.
pub const LOGS: [&str; 4] = ["registry", "screening", "pass", "isolation"];

/// Starts following the logs and answers on `routes`.
pub async fn start(host: &chassis::Host, routes: &mut tonic::service::RoutesBuilder) -> anyhow::Result<()> {
    let ledger = host.ledger(LOG).await?;
    let known = Arc::new(memory::Known::default());
    let remembered = host.remember(LOG, Arc::clone(&known) as Arc<dyn Memory>).await?;
    let projections: Vec<Box<dyn Projection>> = vec![
        Box::new(projections::alarms::Alarms),
        Box::new(projections::forms::Forms),
        Box::new(projections::reports::Reports),
        Box::new(projections::answers::Answered),
    ];
    let views = host.figures(LOG, projections).await?;
    let (watch, picture) = (Arc::clone(&known.watch), Arc::clone(&known.picture));
    let source = reports::source::Source { picture, remembered: remembered.clone() };
    let reports = reports::api::Api { ledger: ledger.clone(), views: views.clone(), source };
    routes.add_service(ReportServiceServer::new(reports));
    alarms::start(host, alarms::Setup { ledger, views, watch, remembered: remembered.clone() }, routes);
    let mut feeds = Vec::new();
    for log in LOGS {
        feeds.push(host.feed_for(LOG, log).await?);
    }
    let (picture, stop) = (Arc::clone(&known.picture), host.stop().clone());
    let rebuilding = tokio::sync::Mutex::default();
    routes.add_service(CommandServiceServer::new(api::Api { picture, remembered, feeds, stop, rebuilding }));
    Ok(())
}

#[cfg(test)]
mod tests;
