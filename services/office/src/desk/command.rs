//! The command centre's desk: the overview, as it changes, and the proof that it is right.

use clap::{Args, Subcommand};
use proto::command::v1::{
    GetOverviewRequest, Overview, RecountRequest, WatchOverviewRequest, command_service_client::CommandServiceClient,
};

use crate::{
    connect::Connect,
    output::{Output, json, print, table},
};

/// Forms, reports, questions.
pub mod report;

#[derive(Subcommand)]
pub enum Command {
    /// The command centre
    #[command(subcommand)]
    Command(Centre),
}

#[derive(Subcommand)]
pub enum Centre {
    /// All neighbourhoods as they are now
    Overview(Ask),
    /// The overview again whenever it changes
    Watch(Ask),
    /// Folds the logs afresh and compares every figure
    Recount(Ask),
    #[command(flatten)]
    Report(Box<report::Command>),
}

#[derive(Args)]
pub struct Ask {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    output: Output,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self::Command(centre) = self;
        match centre {
            Centre::Overview(ask) => {
                let mut client = CommandServiceClient::new(ask.connect.connection()?);
                show(ask.output, &client.get_overview(GetOverviewRequest {}).await?.into_inner())
            }
            Centre::Watch(ask) => {
                let mut client = CommandServiceClient::new(ask.connect.connection()?);
                let mut overviews = client.watch_overview(WatchOverviewRequest {}).await?.into_inner();
                while let Some(overview) = overviews.message().await? {
                    show(ask.output, &overview)?;
                }
                Ok(())
            }
            Centre::Recount(ask) => {
                let mut client = CommandServiceClient::new(ask.connect.connection()?);
                let recount = client.recount(RecountRequest {}).await?.into_inner();
                ask.output.show(&recount)?;
                anyhow::ensure!(recount.equal, "{} figures differ from the logs", recount.differences.len());
                Ok(())
            }
            Centre::Report(command) => command.run().await,
        }
    }
}

/// A row for each figure, a column for each neighbourhood and one for their sum.
fn show(output: Output, overview: &Overview) -> anyhow::Result<()> {
    if output.is_json() {
        return output.show(overview);
    }
    let mut columns = vec![json(&overview.subdistrict.unwrap_or_default())?];
    let mut header = vec![String::new(), "all".to_owned()];
    for neighbourhood in &overview.neighbourhoods {
        header.push(neighbourhood.display_name.clone());
        columns.push(json(&neighbourhood.figures.unwrap_or_default())?);
    }
    let mut table = table();
    table.set_header(header);
    let names: Vec<String> = columns[0].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for name in names {
        let values = columns.iter().map(|column| column[&name].as_str().unwrap_or("0").to_owned());
        table.add_row(std::iter::once(name.replace('_', " ")).chain(values));
    }
    print(&table.to_string())?;
    print(&format!("by {}", if overview.method.is_empty() { "no method yet" } else { &overview.method }))
}
