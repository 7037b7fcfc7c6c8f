use std::path::PathBuf;

use clap::Subcommand;
use comfy_table::Table;
use proto::screening::v1::{
    ApproveMethodRequest, DraftMethodRequest, GetMethodRequest, Method, MethodContent, PublishMethodRequest,
    screening_service_client::ScreeningServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask},
        typed,
    },
    output::{local_time, print, table, word},
};

#[derive(Subcommand)]
pub enum Command {
    /// Drafts a version, from a file or from the shipped sample
    #[command(
        after_help = "`mifeng method show -o json` prints a method whose \"content\" is such a file.\n\nExample:\n  \
                            mifeng method draft 2020-02-09 method.json"
    )]
    Draft {
        /// The new version's name
        version: String,
        /// A JSON file of screening.v1.MethodContent, or - for the standard input; by default the shipped sample
        #[arg(value_name = "FILE.json")]
        file: Option<PathBuf>,
        #[command(flatten)]
        act: Act,
    },
    /// The second signature, from another unit than the drafter's
    #[command(after_help = "Example:\n  mifeng method approve 2020-02-09")]
    Approve {
        #[arg(value_parser = typed::name("methods"))]
        method: String,
        #[command(flatten)]
        act: Act,
    },
    /// Puts an approved version in force
    #[command(after_help = "Example:\n  mifeng method publish 2020-02-09")]
    Publish {
        #[arg(value_parser = typed::name("methods"))]
        method: String,
        #[command(flatten)]
        act: Act,
    },
    /// The version in force, or the one asked for
    #[command(after_help = "Example:\n  mifeng method show\n  mifeng method show 2020-02-09 -o json")]
    Show {
        #[arg(value_parser = typed::name("methods"))]
        method: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Draft { version, file, act } => {
                let content = file.as_deref().map(typed::read_message).transpose()?;
                let draft = act.send(async |connection, request_id| {
                    let request = DraftMethodRequest { request_id, version, content };
                    ScreeningServiceClient::new(connection).draft_method(request).await
                });
                show(&act.ask, &draft.await?)
            }
            Self::Approve { method, act } => {
                let approved = act.send(async |connection, request_id| {
                    let request = ApproveMethodRequest { request_id, name: method };
                    ScreeningServiceClient::new(connection).approve_method(request).await
                });
                show(&act.ask, &approved.await?)
            }
            Self::Publish { method, act } => {
                let published = act.send(async |connection, request_id| {
                    let request = PublishMethodRequest { request_id, name: method };
                    ScreeningServiceClient::new(connection).publish_method(request).await
                });
                show(&act.ask, &published.await?)
            }
            Self::Show { method, ask } => {
                let mut client = ScreeningServiceClient::new(ask.connection()?);
                let request = GetMethodRequest { name: method.unwrap_or_default() };
                show(&ask, &client.get_method(request).await?.into_inner())
            }
        }
    }
}

/// A method as people read it: its numbers, then its places.
fn show(ask: &Ask, method: &Method) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(method);
    }
    let content = method.content.clone().unwrap_or_default();
    print(&numbers(method, &content).to_string())?;
    print(&areas(&content).to_string())
}

fn numbers(method: &Method, content: &MethodContent) -> Table {
    let mut table = table();
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    let fever = content.fever_decicelsius;
    row("method", method.name.clone());
    row("state", word(method.state().as_str_name()).to_owned());
    row("in force from", local_time(method.publish_time.as_ref()));
    row("home", content.home.clone());
    row("a stay counts from", format!("{} hours on a day", content.min_hours));
    row("evidence reaches back", format!("{} days", content.window_days));
    row("isolation", format!("{} days", content.isolation_days));
    row("a fever from", format!("{}.{} °C", fever / 10, fever % 10));
    row("a pass lives", format!("{} days", content.pass_days));
    row("a dispute is answered within", format!("{} hours", content.dispute_hours));
    let pairs = content.border_pairs.iter().map(|pair| format!("{}-{}", pair.place, pair.neighbour));
    row("phones stray across", pairs.collect::<Vec<_>>().join("\n"));
    row("etag", method.etag.clone());
    table
}

fn areas(content: &MethodContent) -> Table {
    let mut table = table();
    table.set_header(["key area", "from", "to", "level", "measure"]);
    for area in &content.key_areas {
        let (level, measure) = (word(area.level().as_str_name()), word(area.measure().as_str_name()));
        let to = if area.to.is_empty() { "open" } else { &area.to };
        table.add_row([&area.place, &area.from, to, level, measure]);
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::screening::v1::{KeyArea, Level, Measure};

    use super::*;

    #[test]
    fn a_method_is_read_with_units() {
        let content = MethodContent { fever_decicelsius: 373, isolation_days: 14, ..MethodContent::default() };
        let shown = numbers(&Method::default(), &content).to_string();
        assert!(shown.contains("37.3 °C") && shown.contains("14 days"), "{shown}");
    }

    #[test]
    fn a_key_area_without_an_end_is_open() {
        let area = KeyArea {
            place: "420000".into(),
            level: Level::High.into(),
            measure: Measure::Central.into(),
            ..KeyArea::default()
        };
        let shown = areas(&MethodContent { key_areas: vec![area], ..MethodContent::default() }).to_string();
        for part in ["420000", "open", "high", "central"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }
}
