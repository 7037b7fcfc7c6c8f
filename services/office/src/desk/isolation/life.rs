//! What becomes of an order: its home, its end, its place, its neighbourhood; what was seen; how it stands.

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};
use proto::isolation::v1::{
    AssessReleaseRequest, ChangeKind, ChangeReason, CheckHomeRequest, DecideChangeRequest, DecideTransferRequest,
    Destination, Home, ListOrderHistoryRequest, MoveOrderRequest, ProposeChangeRequest, ProposeTransferRequest,
    ProveDayZeroRequest, ReportSightingRequest, order_life_service_client::OrderLifeServiceClient,
};

use crate::desk::{
    ask::{Act, Ask},
    typed,
};

#[derive(Subcommand)]
pub enum Life {
    /// Whether the home fits: an own unit or an own room (R12), and who lives there too
    #[command(after_help = "Example:\n  mifeng isolation home 019c50 --home own-room --with 019c31,019c32")]
    Home(Box<CheckHome>),
    /// A better proof of day zero: the end is counted anew
    #[command(after_help = "Example:\n  mifeng isolation day-zero 019c50 --day 2020-02-08 --evidence 火车票-G1234")]
    DayZero(Box<DayZero>),
    /// Proposes another last day; it takes effect with the second signature
    #[command(after_help = "Example:\n  mifeng isolation extend 019c50 --until 2020-03-02 --reason household")]
    Extend(Box<Change>),
    /// Proposes an early release; it takes effect with the second signature
    #[command(after_help = "Example:\n  mifeng isolation release-early 019c50 --reason mistake --remark 同名误认")]
    ReleaseEarly(Box<Change>),
    /// The second signature on a change, by another person of another unit
    #[command(after_help = "Example:\n  mifeng isolation approve 019c50/019c60")]
    Approve(Decide),
    /// The refusal to sign a change
    #[command(after_help = "Example:\n  mifeng isolation decline 019c50/019c60")]
    Decline(Decide),
    /// To central isolation or a hospital with the hand-over, or home again
    #[command(after_help = "Examples:\n  mifeng isolation move 019c50 --to hospital --reason medical --receiver \
                            区一院王医生 --vehicle 浙B12345 --receipt 转诊-3 --place 区第一医院\n  mifeng isolation \
                            move 019c50 --to home --reason medical")]
    Move(Box<Move>),
    /// Asks another neighbourhood to take an order over
    #[command(after_help = "Example:\n  mifeng isolation transfer 019c50 019c02")]
    Transfer(Transfer),
    /// Takes over an order that another neighbourhood hands on
    #[command(after_help = "Example:\n  mifeng isolation take-over 019c50 --household 019c77")]
    TakeOver(TakeOver),
    /// Does not take it over
    #[command(after_help = "Example:\n  mifeng isolation turn-down 019c50")]
    TurnDown {
        #[arg(value_parser = typed::name("orders"))]
        order: String,
        #[command(flatten)]
        act: Act,
    },
    /// The isolated person was seen outside
    #[command(after_help = "Example:\n  mifeng isolation sighting orders/019c50 --place 菜市场南门")]
    Sighting(Sighting),
    /// Whether an order can be released, and why or why not
    #[command(after_help = "Example:\n  mifeng isolation assess 019c50")]
    Assess {
        #[arg(value_parser = typed::name("orders"))]
        order: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// What was done with an order, by whom and when
    #[command(after_help = "Example:\n  mifeng isolation history 019c50")]
    History {
        #[arg(value_parser = typed::name("orders"))]
        order: String,
        #[command(flatten)]
        ask: Ask,
    },
}

/// An order as it was read.
#[derive(Args)]
struct Edited {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    /// The etag that was read: where somebody edited the order since, nothing is done and you are told what; by default the
    /// order as it stands
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct CheckHome {
    #[arg(long, value_parser = typed::word(Home::as_str_name))]
    home: Home,
    /// Residents who live there too
    #[arg(long = "with", value_name = "RESIDENT", value_parser = typed::name("residents"), value_delimiter = ',')]
    cohabitants: Vec<String>,
    #[command(flatten)]
    edited: Edited,
}

#[derive(Args)]
pub struct DayZero {
    #[arg(long, value_parser = typed::date)]
    day: NaiveDate,
    /// What proves it; as often as needed
    #[arg(long, required = true)]
    evidence: Vec<String>,
    #[command(flatten)]
    edited: Edited,
}

#[derive(Args)]
pub struct Change {
    /// The new last day, for an extension
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    until: Option<NaiveDate>,
    #[arg(long, value_parser = typed::word(ChangeReason::as_str_name))]
    reason: ChangeReason,
    #[arg(long, default_value = "", hide_default_value = true)]
    remark: String,
    #[command(flatten)]
    edited: Edited,
}

#[derive(Args)]
pub struct Decide {
    /// orders/<id>/changes/<id>, or <order>/<change>
    #[arg(value_parser = change)]
    change: String,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct Move {
    #[arg(long, value_parser = typed::word(Destination::as_str_name))]
    to: Destination,
    #[arg(long, value_parser = typed::word(ChangeReason::as_str_name))]
    reason: ChangeReason,
    /// Who took the person over; not for home
    #[arg(long, required_if_eq_any([("to", "central"), ("to", "hospital")]), default_value = "", hide_default_value = true)]
    receiver: String,
    #[arg(long, default_value = "", hide_default_value = true)]
    vehicle: String,
    /// The receipt's number
    #[arg(long, default_value = "", hide_default_value = true)]
    receipt: String,
    /// Where the person was brought
    #[arg(long, default_value = "", hide_default_value = true)]
    place: String,
    /// Who handed the person over; by default who asks
    #[arg(long = "by", value_name = "NAME", default_value = "", hide_default_value = true)]
    handed_by: String,
    #[arg(long = "left", value_name = "TIME")]
    leave_time: Option<DateTime<Utc>>,
    #[arg(long = "received", value_name = "TIME")]
    receive_time: Option<DateTime<Utc>>,
    #[command(flatten)]
    edited: Edited,
}

#[derive(Args)]
pub struct Transfer {
    #[command(flatten)]
    edited: Edited,
    #[arg(value_parser = typed::name("neighbourhoods"))]
    neighbourhood: String,
}

#[derive(Args)]
pub struct TakeOver {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    /// Where the person lives from now on
    #[arg(long, value_parser = typed::name("households"))]
    household: String,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct Sighting {
    /// orders/<id>, or residents/<id>
    order: String,
    /// Where
    #[arg(long)]
    place: String,
    /// By default now
    #[arg(long)]
    time: Option<DateTime<Utc>>,
    #[command(flatten)]
    act: Act,
}

/// `orders/o/changes/c`, or `o/c`.
fn change(text: &str) -> Result<String, String> {
    match text.split('/').collect::<Vec<_>>()[..] {
        ["orders", order, "changes", change] => Ok(format!("orders/{order}/changes/{change}")),
        [order, change] if order != "orders" => Ok(format!("orders/{order}/changes/{change}")),
        _ => Err("give orders/<id>/changes/<id>, or <order>/<change>".to_owned()),
    }
}

impl Life {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Home(home) => home.run().await,
            Self::DayZero(proof) => proof.run().await,
            Self::Extend(change) => change.run(ChangeKind::Extension).await,
            Self::ReleaseEarly(change) => change.run(ChangeKind::EarlyRelease).await,
            Self::Approve(decide) => decide.run(true).await,
            Self::Decline(decide) => decide.run(false).await,
            Self::Move(moving) => moving.run().await,
            Self::Transfer(transfer) => transfer.run().await,
            Self::TakeOver(TakeOver { order, household, act }) => transferred(order, household, &act).await,
            Self::TurnDown { order, act } => transferred(order, String::new(), &act).await,
            Self::Sighting(sighting) => sighting.run().await,
            Self::Assess { order, ask } => {
                let mut client = OrderLifeServiceClient::new(ask.connection()?);
                ask.show(&client.assess_release(AssessReleaseRequest { order }).await?.into_inner())
            }
            Self::History { order, ask } => {
                let mut client = OrderLifeServiceClient::new(ask.connection()?);
                let request = ListOrderHistoryRequest { parent: order };
                let entries = client.list_order_history(request).await?.into_inner().entries;
                ask.list(&entries, &["time", "by", "zh", "en", "etag"])
            }
        }
    }
}

impl CheckHome {
    async fn run(self) -> anyhow::Result<()> {
        let Edited { order, etag, act } = self.edited;
        let (home, cohabitants) = (self.home.into(), self.cohabitants);
        let done = act.send(async |connection, request_id| {
            let request = CheckHomeRequest { request_id, order, etag, home, cohabitants };
            OrderLifeServiceClient::new(connection).check_home(request).await
        });
        act.show(&done.await?)
    }
}

impl DayZero {
    async fn run(self) -> anyhow::Result<()> {
        let Edited { order, etag, act } = self.edited;
        let (day_zero, evidence_ids) = (self.day.to_string(), self.evidence);
        let done = act.send(async |connection, request_id| {
            let request = ProveDayZeroRequest { request_id, order, etag, day_zero, evidence_ids };
            OrderLifeServiceClient::new(connection).prove_day_zero(request).await
        });
        act.show(&done.await?)
    }
}

impl Change {
    async fn run(self, kind: ChangeKind) -> anyhow::Result<()> {
        let Edited { order, etag, act } = self.edited;
        let last_day = self.until.map(|day| day.to_string()).unwrap_or_default();
        let (kind, reason, remark) = (kind.into(), self.reason.into(), self.remark);
        let done = act.send(async |connection, request_id| {
            let request = ProposeChangeRequest { request_id, order, etag, kind, reason, last_day, remark };
            OrderLifeServiceClient::new(connection).propose_change(request).await
        });
        act.show(&done.await?)
    }
}

impl Decide {
    async fn run(self, approve: bool) -> anyhow::Result<()> {
        let Self { change, act } = self;
        let done = act.send(async |connection, request_id| {
            let request = DecideChangeRequest { request_id, name: change, approve };
            OrderLifeServiceClient::new(connection).decide_change(request).await
        });
        act.show(&done.await?)
    }
}

impl Move {
    async fn run(self) -> anyhow::Result<()> {
        let Edited { order, etag, act } = self.edited;
        let request = MoveOrderRequest {
            request_id: String::new(),
            order,
            etag,
            to: self.to.into(),
            reason: self.reason.into(),
            receiver: self.receiver,
            vehicle: self.vehicle,
            receipt: self.receipt,
            place: self.place,
            handed_by: self.handed_by,
            leave_time: self.leave_time.map(chassis::timestamp),
            receive_time: self.receive_time.map(chassis::timestamp),
        };
        let done = act.send(async |connection, request_id| {
            OrderLifeServiceClient::new(connection).move_order(MoveOrderRequest { request_id, ..request }).await
        });
        act.show(&done.await?)
    }
}

impl Transfer {
    async fn run(self) -> anyhow::Result<()> {
        let (Edited { order, etag, act }, neighbourhood) = (self.edited, self.neighbourhood);
        let done = act.send(async |connection, request_id| {
            let request = ProposeTransferRequest { request_id, order, etag, neighbourhood };
            OrderLifeServiceClient::new(connection).propose_transfer(request).await
        });
        act.show(&done.await?)
    }
}

async fn transferred(order: String, household: String, act: &Act) -> anyhow::Result<()> {
    let accept = !household.is_empty();
    let done = act.send(async |connection, request_id| {
        let request = DecideTransferRequest { request_id, order, accept, household };
        OrderLifeServiceClient::new(connection).decide_transfer(request).await
    });
    act.show(&done.await?)
}

impl Sighting {
    async fn run(self) -> anyhow::Result<()> {
        let Self { order, place, time, act } = self;
        let order = if order.contains('/') { order } else { format!("orders/{order}") };
        let time = time.map(chassis::timestamp);
        let done = act.send(async |connection, request_id| {
            let request = ReportSightingRequest { request_id, order, time, place };
            OrderLifeServiceClient::new(connection).report_sighting(request).await
        });
        act.show(&done.await?)
    }
}
