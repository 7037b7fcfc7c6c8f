//! What one figure was over time, what it means, and whom or what it counts.

use chrono::{DateTime, Utc};
use clap::Args;
use proto::command::v1::{
    GetSeriesRequest, ListCountedRequest, ListSupplyRequest, command_service_client::CommandServiceClient,
};

use crate::{
    desk::{
        ask::{Ask, Listing},
        typed,
    },
    output::{local_time, print, table},
};

#[derive(Args)]
pub struct Over {
    /// Its name: `mifeng command figures` lists them
    figure: String,
    /// Of this neighbourhood; of all where none is named
    #[arg(long, value_parser = typed::name("neighbourhoods"), value_name = "NAME")]
    neighbourhood: Option<String>,
    /// From then on, as 2020-02-11T00:00
    #[arg(long, value_parser = typed::time, value_name = "TIME")]
    from: DateTime<Utc>,
    /// Until then; now where it is not given
    #[arg(long, value_parser = typed::time, value_name = "TIME")]
    to: Option<DateTime<Utc>>,
    /// Minutes between two points
    #[arg(long, default_value_t = 60, value_name = "MINUTES")]
    every: i32,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Counted {
    /// Its name: `mifeng command figures` marks those with a list
    figure: String,
    /// Of this neighbourhood; by default that of the token
    #[arg(long, value_parser = typed::name("neighbourhoods"), value_name = "NAME")]
    neighbourhood: Option<String>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Supplies {
    /// Of this neighbourhood; of all where none is named
    #[arg(long, value_parser = typed::name("neighbourhoods"), value_name = "NAME")]
    neighbourhood: Option<String>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

/// Characters of the longest bar.
const BAR: i64 = 40;

impl Over {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = CommandServiceClient::new(self.ask.connection()?);
        let request = GetSeriesRequest {
            figure: self.figure,
            neighbourhood: self.neighbourhood.unwrap_or_default(),
            start_time: Some(chassis::timestamp(self.from)),
            end_time: self.to.map(chassis::timestamp),
            step_minutes: self.every,
        };
        let series = client.get_series(request).await?.into_inner();
        if self.ask.output.is_json() {
            return self.ask.show(&series);
        }
        let most = series.points.iter().map(|point| point.value).max().unwrap_or(0).max(1);
        let mut table = table();
        table.set_header(["time", &series.figure, ""]);
        for point in &series.points {
            let bar = "█".repeat(usize::try_from(point.value.max(0) * BAR / most)?);
            let value = if point.hidden { "·".to_owned() } else { point.value.to_string() };
            table.add_row([local_time(point.time.as_ref()), value, bar]);
        }
        print(&table.to_string())
    }
}

impl List {
    pub async fn run(self) -> anyhow::Result<()> {
        let figures = super::overview::figures(&self.ask).await?;
        let columns =
            ["name", "display_name_zh", "display_name_en", "denominator", "unit", "of_the_day", "personal", "listed"];
        self.ask.list(&figures, &columns)
    }
}

impl Counted {
    pub async fn run(self) -> anyhow::Result<()> {
        let neighbourhood = self.ask.neighbourhood(self.neighbourhood).await?;
        let mut client = CommandServiceClient::new(self.ask.connection()?);
        let names = self.listing.collect(async |page_size, page_token| {
            let (figure, neighbourhood) = (self.figure.clone(), neighbourhood.clone());
            let request = ListCountedRequest { figure, neighbourhood, page_size, page_token };
            let page = client.list_counted(request).await?.into_inner();
            Ok((page.names, page.next_page_token))
        });
        let names = names.await?;
        if self.ask.output.is_json() {
            return print(&serde_json::json!({ "names": names }).to_string());
        }
        if !names.is_empty() {
            print(&names.join("\n"))?;
        }
        print(&format!("{} in all", names.len()))
    }
}

impl Supplies {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = CommandServiceClient::new(self.ask.connection()?);
        let request = ListSupplyRequest { neighbourhood: self.neighbourhood.unwrap_or_default() };
        let supplies = client.list_supply(request).await?.into_inner().supplies;
        self.listing.show(&self.ask, &supplies, &["neighbourhood", "item", "unit", "stock", "needed"])
    }
}
