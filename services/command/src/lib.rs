//! The command centre: what all the neighbourhoods look like together, from the four logs alone. Its own log holds what people
//! decide there, such as which forms are filled and what was reported; no figure is made from it.

/// The figures by pure folding, to prove those that are shown.
pub mod recount;
/// Which figures there are, and how they add up.
pub mod figures;
/// State, events, refusals, decisions, evolve of each aggregate.
pub mod domain;
/// The figures as tables, and what was decided.
pub mod projections {
    pub mod people;
    pub mod measures;
    /// Forms by the day that they fill.
    pub(crate) mod forms;
    /// Reports on record.
    pub(crate) mod reports;
    /// Answers to questions.
    pub(crate) mod answers;
}
/// The RPCs.
pub mod api;
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

use proto::command::v1::{command_service_server::CommandServiceServer, report_service_server::ReportServiceServer};

/// The four logs that everything here is made from.
pub const LOGS: [&str; 4] = ["registry", "screening", "pass", "isolation"];

/// Starts following the logs and answers on `routes`.
pub async fn start(host: &chassis::Host, routes: &mut tonic::service::RoutesBuilder) -> anyhow::Result<()> {
    let ledger = host.ledger("command").await?;
    let views = host.figures(
        "command",
        vec![
            Box::new(projections::people::People),
            Box::new(projections::measures::Measures),
            Box::new(projections::forms::Forms),
            Box::new(projections::reports::Reports),
            Box::new(projections::answers::Answered),
        ],
    );
    let mut feeds = Vec::new();
    for log in LOGS {
        feeds.push(host.feed_for("command", log).await?);
    }
    let views = views.await?;
    let source = reports::source::Source { views: views.clone() };
    routes.add_service(ReportServiceServer::new(reports::api::Api { ledger, views: views.clone(), source }));
    routes.add_service(CommandServiceServer::new(api::Api { views, feeds, stop: host.stop().clone() }));
    Ok(())
}
