//! Alarms: those that wait, what was done about one, and from when on something is one.

use anyhow::ensure;
use clap::{Args, Subcommand};
use proto::command::v1::{
    AcknowledgeAlarmRequest, Alarm, AlarmRules, AssignAlarmRequest, CloseAlarmRequest, GetAlarmRequest,
    GetAlarmRulesRequest, ListAlarmsRequest, OpenAlarms, SetAlarmRulesRequest,
    alarm_service_client::AlarmServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::{cell, json, local_time, print, table, word},
};

/// What waits for somebody, the newest first.
#[derive(Args)]
pub struct List {
    /// Also those that are over or closed
    #[arg(long)]
    all: bool,
    /// Of this neighbourhood
    #[arg(long, value_parser = typed::name("neighbourhoods"))]
    neighbourhood: Option<String>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Subcommand)]
pub enum Command {
    /// What it is about, and what was done
    #[command(after_help = "Example:\n  mifeng command alarm show 7c9e66")]
    Show {
        #[arg(value_parser = typed::name("alarms"))]
        alarm: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Somebody has seen it: it goes up no further
    #[command(after_help = "Example:\n  mifeng command alarm acknowledge 7c9e66")]
    Acknowledge {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        act: Act,
    },
    /// Who answers for it from now on
    #[command(after_help = "Example:\n  mifeng command alarm assign 7c9e66 --to staff/12")]
    Assign {
        #[command(flatten)]
        which: Which,
        /// staff/<id>
        #[arg(long, value_parser = typed::name("staff"), value_name = "PERSON")]
        to: String,
        #[command(flatten)]
        act: Act,
    },
    /// What came of it
    #[command(after_help = "Example:\n  mifeng command alarm close 7c9e66 --note '五例均有两份证据，已抽查'")]
    Close {
        #[command(flatten)]
        which: Which,
        /// At least four characters; it names nobody
        #[arg(long)]
        note: String,
        #[command(flatten)]
        act: Act,
    },
    /// From when on something is an alarm; with numbers and a reason, others from now on
    #[command(
        after_help = "Example:\n  mifeng command alarm rules\n  mifeng command alarm rules --manual-verdicts 3 --because \
                            '两个社区的人工认定需要更早看到'"
    )]
    Rules(Box<Rules>),
}

#[derive(Args)]
pub struct Which {
    #[arg(value_parser = typed::name("alarms"))]
    alarm: String,
    /// Only if nothing has happened to it since it was read: its etag
    #[arg(long, default_value = "")]
    etag: String,
}

#[derive(Args)]
pub struct Rules {
    /// So many adverse verdicts of one unit are a batch
    #[arg(long, value_name = "NUMBER")]
    adverse_verdicts: Option<i32>,
    /// So many verdicts by hand of one unit are a batch
    #[arg(long, value_name = "NUMBER")]
    manual_verdicts: Option<i32>,
    /// Within so many minutes
    #[arg(long, value_name = "MINUTES")]
    batch_minutes: Option<i32>,
    /// An office is silent after so many of its usual hours
    #[arg(long, value_name = "HOURS")]
    silent_office_hours: Option<i32>,
    /// An hour is usual that had records on so many of seven days
    #[arg(long, value_name = "DAYS")]
    usual_days: Option<i32>,
    /// A guarded gate is silent after so many minutes
    #[arg(long, value_name = "MINUTES")]
    silent_gate_minutes: Option<i32>,
    /// The same at night
    #[arg(long, value_name = "MINUTES")]
    silent_gate_night_minutes: Option<i32>,
    /// The night begins
    #[arg(long, value_name = "HOUR")]
    night_from_hour: Option<i32>,
    /// The night ends
    #[arg(long, value_name = "HOUR")]
    night_to_hour: Option<i32>,
    /// What has reached the subdistrict is late after so many hours
    #[arg(long, value_name = "HOURS")]
    late_hours: Option<i32>,
    /// An alarm goes up that nobody acknowledges within so many hours
    #[arg(long, value_name = "HOURS")]
    acknowledge_hours: Option<i32>,
    /// Why
    #[arg(long, value_name = "REASON")]
    because: Option<String>,
    #[command(flatten)]
    act: Act,
}

impl List {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self { all, neighbourhood, listing, ask } = self;
        let parent = neighbourhood.unwrap_or_default();
        let mut client = AlarmServiceClient::new(ask.connection()?);
        let mut open = Vec::new();
        let alarms = listing.collect(async |page_size, page_token| {
            let request = ListAlarmsRequest { parent: parent.clone(), all, page_size, page_token };
            let page = client.list_alarms(request).await?.into_inner();
            open = page.open;
            Ok((page.alarms, page.next_page_token))
        });
        let alarms = alarms.await?;
        let columns =
            ["name", "kind", "state", "level", "neighbourhood", "subject", "count", "owner", "raise_time", "due_time"];
        listing.show(&ask, &alarms, &columns)?;
        if ask.output.is_json() || listing.exports() { Ok(()) } else { counts(&open) }
    }
}

/// Where they are.
fn counts(open: &[OpenAlarms]) -> anyhow::Result<()> {
    for OpenAlarms { neighbourhood, alarms } in open {
        let place = if neighbourhood.is_empty() { "the subdistrict" } else { neighbourhood };
        print(&format!("{alarms} open of {place}"))?;
    }
    Ok(())
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Show { alarm, ask } => {
                let mut client = AlarmServiceClient::new(ask.connection()?);
                show(&ask, &client.get_alarm(GetAlarmRequest { name: alarm }).await?.into_inner())
            }
            Self::Acknowledge { which: Which { alarm, etag }, act } => {
                let done = act.send(async |connection, request_id| {
                    let request = AcknowledgeAlarmRequest { request_id, name: alarm, etag };
                    AlarmServiceClient::new(connection).acknowledge_alarm(request).await
                });
                show(&act.ask, &done.await?)
            }
            Self::Assign { which: Which { alarm, etag }, to, act } => {
                let done = act.send(async |connection, request_id| {
                    let request = AssignAlarmRequest { request_id, name: alarm, owner: to, etag };
                    AlarmServiceClient::new(connection).assign_alarm(request).await
                });
                show(&act.ask, &done.await?)
            }
            Self::Close { which: Which { alarm, etag }, note, act } => {
                let done = act.send(async |connection, request_id| {
                    let request = CloseAlarmRequest { request_id, name: alarm, note, etag };
                    AlarmServiceClient::new(connection).close_alarm(request).await
                });
                show(&act.ask, &done.await?)
            }
            Self::Rules(rules) => rules.run().await,
        }
    }
}

impl Rules {
    async fn run(self) -> anyhow::Result<()> {
        let mut client = AlarmServiceClient::new(self.act.ask.connection()?);
        let known = client.get_alarm_rules(GetAlarmRulesRequest {}).await?.into_inner();
        let wanted = self.changed(&known);
        let Some(reason) = self.because else {
            ensure!(wanted == known, "say why these numbers change: --because REASON");
            return self.act.show(&known);
        };
        let set = self.act.send(async |connection, request_id| {
            let request = SetAlarmRulesRequest { request_id, rules: Some(wanted), reason };
            AlarmServiceClient::new(connection).set_alarm_rules(request).await
        });
        self.act.show(&set.await?)
    }

    /// What was given, and for the rest what is in force.
    fn changed(&self, known: &AlarmRules) -> AlarmRules {
        AlarmRules {
            adverse_verdicts: self.adverse_verdicts.unwrap_or(known.adverse_verdicts),
            manual_verdicts: self.manual_verdicts.unwrap_or(known.manual_verdicts),
            batch_minutes: self.batch_minutes.unwrap_or(known.batch_minutes),
            silent_office_hours: self.silent_office_hours.unwrap_or(known.silent_office_hours),
            usual_days: self.usual_days.unwrap_or(known.usual_days),
            silent_gate_minutes: self.silent_gate_minutes.unwrap_or(known.silent_gate_minutes),
            silent_gate_night_minutes: self.silent_gate_night_minutes.unwrap_or(known.silent_gate_night_minutes),
            night_from_hour: self.night_from_hour.unwrap_or(known.night_from_hour),
            night_to_hour: self.night_to_hour.unwrap_or(known.night_to_hour),
            late_hours: self.late_hours.unwrap_or(known.late_hours),
            acknowledge_hours: self.acknowledge_hours.unwrap_or(known.acknowledge_hours),
            ..known.clone()
        }
    }
}

/// What it says, then what was done about it, line by line.
fn show(ask: &Ask, alarm: &Alarm) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(alarm);
    }
    let fields = json(&Alarm { history: Vec::new(), ..alarm.clone() })?;
    let mut shown = table();
    for (name, value) in fields.as_object().into_iter().flatten().filter(|(name, _)| *name != "history") {
        let value = cell(value);
        if !value.is_empty() {
            shown.add_row([name.clone(), value]);
        }
    }
    print(&shown.to_string())?;
    let mut history = table();
    history.set_header(["time", "deed", "by", "unit", ""]);
    for step in &alarm.history {
        let more = match (step.note.as_str(), step.owner.as_str()) {
            ("", "") if step.level != 0 => format!("with {}", word(step.level().as_str_name())),
            ("", "") if step.count != 0 => step.count.to_string(),
            ("", owner) => owner.to_owned(),
            (note, _) => note.to_owned(),
        };
        let by = if step.by.is_empty() { "by itself" } else { &step.by };
        history.add_row([&local_time(step.time.as_ref()), word(step.deed().as_str_name()), by, &step.unit, &more]);
    }
    print(&history.to_string())
}
