//! The overview now, at a past minute, beside another one, as it changes, and proved.

use chrono::{DateTime, Utc};
use clap::Args;
use proto::command::v1::{
    CompareOverviewsRequest, Figure, GetOverviewRequest, ListAlarmsRequest, ListFiguresRequest, RebuildRequest,
    RecountRequest, WatchOverviewRequest, alarm_service_client::AlarmServiceClient,
    command_service_client::CommandServiceClient,
};

use super::board;
use crate::{
    desk::{
        ask::{Act, Ask},
        typed,
    },
    output::{local_time, print, table},
};

#[derive(Args)]
pub struct Show {
    /// What was known then, to the minute: 2020-02-11T03:12 by the clocks in Ningbo
    #[arg(long, value_parser = typed::time, value_name = "TIME")]
    as_of: Option<DateTime<Utc>>,
    /// One neighbourhood alone
    #[arg(long, value_parser = typed::name("neighbourhoods"), value_name = "NAME")]
    neighbourhood: Option<String>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Watch {
    /// Begin behind these positions, as an earlier watch told them: registry=3,screening=4
    #[arg(long, value_parser = position, value_delimiter = ',', value_name = "LOG=POSITION")]
    after: Vec<(String, u64)>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Compare {
    /// The earlier moment, as 2020-02-10T20:00
    #[arg(value_parser = typed::time, value_name = "TIME")]
    time: DateTime<Utc>,
    /// The later one; now where it is not given
    #[arg(value_parser = typed::time, value_name = "OTHER_TIME")]
    other_time: Option<DateTime<Utc>>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Recount {
    /// What was known then, to the minute
    #[arg(long, value_parser = typed::time, value_name = "TIME")]
    as_of: Option<DateTime<Utc>>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Rebuild {
    #[command(flatten)]
    act: Act,
}

/// What the figures are called.
pub(super) async fn figures(ask: &Ask) -> anyhow::Result<Vec<Figure>> {
    let mut client = CommandServiceClient::new(ask.connection()?);
    Ok(client.list_figures(ListFiguresRequest {}).await?.into_inner().figures)
}

impl Show {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = CommandServiceClient::new(self.ask.connection()?);
        let request = GetOverviewRequest { time: self.as_of.map(chassis::timestamp) };
        let overview = client.get_overview(request).await?.into_inner();
        if self.ask.output.is_json() {
            return self.ask.show(&overview);
        }
        board::show(&overview, &figures(&self.ask).await?, self.neighbourhood.as_deref())?;
        self.alarms().await
    }

    /// How many alarms are open; nothing for whoever may not see them, or asks of a past minute.
    async fn alarms(&self) -> anyhow::Result<()> {
        let mut client = AlarmServiceClient::new(self.ask.connection()?);
        let request = ListAlarmsRequest { page_size: 1, ..ListAlarmsRequest::default() };
        let open = match client.list_alarms(request).await {
            Ok(alarms) if self.as_of.is_none() => alarms.into_inner().open,
            _ => return Ok(()),
        };
        let number: i32 = open.iter().map(|open| open.alarms).sum();
        if number == 0 { Ok(()) } else { print(&format!("{number} alarms are open: `mifeng command alarms`")) }
    }
}

impl Watch {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = CommandServiceClient::new(self.ask.connection()?);
        let names = figures(&self.ask).await?;
        let request = WatchOverviewRequest { positions: self.after.into_iter().collect() };
        let mut overviews = client.watch_overview(request).await?.into_inner();
        while let Some(overview) = overviews.message().await? {
            if self.ask.output.is_json() {
                self.ask.show(&overview)?;
                continue;
            }
            board::show(&overview, &names, None)?;
            let mut positions: Vec<String> = overview.positions.iter().map(|(log, at)| format!("{log}={at}")).collect();
            positions.sort();
            print(&format!("to go on from here: --after {}", positions.join(",")))?;
        }
        Ok(())
    }
}

impl Compare {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = CommandServiceClient::new(self.ask.connection()?);
        let request = CompareOverviewsRequest {
            time: Some(chassis::timestamp(self.time)),
            other_time: self.other_time.map(chassis::timestamp),
        };
        let compared = client.compare_overviews(request).await?.into_inner();
        if self.ask.output.is_json() {
            return self.ask.show(&compared);
        }
        let names = figures(&self.ask).await?;
        let after = compared.other.unwrap_or_default();
        let mut table = table();
        let (then, now) =
            (local_time(compared.overview.and_then(|one| one.time).as_ref()), local_time(after.time.as_ref()));
        table.set_header(["社区", "指标", "figure", &then, &now, "difference"]);
        for change in &compared.changes {
            let place = after.neighbourhoods.iter().find(|one| one.name == change.neighbourhood);
            let place = place.map_or("全部 all", |one| one.display_name.as_str());
            let figure = names.iter().find(|figure| figure.name == change.figure);
            let (zh, en) = figure.map_or(("", change.figure.as_str()), |f| (&f.display_name_zh, &f.display_name_en));
            let (before, after) = (change.before.to_string(), change.after.to_string());
            table.add_row([place, zh, en, &before, &after, &format!("{:+}", change.after - change.before)]);
        }
        print(&table.to_string())?;
        print(&format!("{} figures differ", compared.changes.len()))
    }
}

impl Recount {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = CommandServiceClient::new(self.ask.connection()?);
        let request = RecountRequest { time: self.as_of.map(chassis::timestamp) };
        let recount = client.recount(request).await?.into_inner();
        self.ask.show(&recount)?;
        anyhow::ensure!(recount.equal, "{} figures differ from the logs", recount.differences.len());
        Ok(())
    }
}

impl Rebuild {
    pub async fn run(self) -> anyhow::Result<()> {
        let rebuilt = self.act.send(async |connection, request_id| {
            CommandServiceClient::new(connection).rebuild(RebuildRequest { request_id }).await
        });
        self.act.show(&rebuilt.await?)
    }
}

/// registry=3
fn position(typed: &str) -> Result<(String, u64), String> {
    let wrong = || format!("{typed:?} is no position: write registry=1729");
    let (log, position) = typed.split_once('=').ok_or_else(wrong)?;
    Ok((log.to_owned(), position.parse().map_err(|_| wrong())?))
}
