//! Isolation: orders, observations, hand-overs, releases; needs and supplies.

/// Who has the disease.
mod confirmed_case;
/// What becomes of an order.
mod life;
/// What people need.
mod need;
/// Orders and releases on paper.
mod print;
/// A round as a workbook.
mod sheet;
/// What there is to give.
mod stock;
/// What is to be done.
mod tasks;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};
use proto::isolation::v1::{
    ApproveOrderRequest, DayPart, GetOrderRequest, HandOverRequest, Kind, ListOrdersRequest, ProposeOrderRequest,
    Reason, RecordObservationRequest, ReleaseRequest, Symptom, isolation_service_client::IsolationServiceClient,
    order::State,
};

use crate::desk::{
    ask::{About, Act, Ask, Listing},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Orders of isolation (隔离)
    #[command(subcommand)]
    Order(Order),
    /// Residents who have the disease (确诊病例), by two signatures
    #[command(subcommand)]
    ConfirmedCase(confirmed_case::Command),
    /// The care for those under an order: tasks, readings, changes, paper
    #[command(subcommand)]
    Isolation(Isolation),
    /// What people who are shut in, old or alone need (需求)
    #[command(subcommand)]
    Need(need::Command),
    /// Donations and supplies (物资)
    #[command(subcommand)]
    Stock(stock::Command),
}

#[derive(Subcommand)]
pub enum Isolation {
    /// What is to be done now, the most urgent first
    #[command(
        after_help = "Examples:\n  mifeng isolation tasks --mine\n  mifeng isolation tasks --late --export 催办.xlsx"
    )]
    Tasks(Box<tasks::Tasks>),
    /// Temperature and symptoms of one person, morning or evening
    #[command(
        after_help = "Example:\n  mifeng isolation observe 019c50 --date 2020-02-11 --part evening --temperature \
                            36.5 --reporter volunteer"
    )]
    Observe(Box<tasks::Observe>),
    /// Every reading of an order, those that were corrected too
    #[command(after_help = "Example:\n  mifeng isolation readings 019c50")]
    Readings(tasks::Readings),
    /// The open readings of a round as a workbook to be filled in at the doors
    #[command(after_help = "Example:\n  mifeng isolation sheet 晚.xlsx --compound 019c10")]
    Sheet(sheet::Sheet),
    /// Takes such a workbook back; refused rows come back with the reason
    #[command(after_help = "Example:\n  mifeng isolation record 晚.xlsx")]
    Record(sheet::Record),
    /// A short-lived code with which the person or a volunteer reports without a token
    #[command(after_help = "Example:\n  mifeng isolation code 019c50 --for person")]
    Code(tasks::Code),
    /// Reports with such a code
    #[command(after_help = "Example:\n  mifeng isolation report 7K2M9QX4TB --temperature 36.5")]
    Report(tasks::Report),
    /// Takes notice of a fever, of symptoms or of a breach, and says what was done
    #[command(
        after_help = "Example:\n  mifeng isolation acknowledge 019c50 fever-2020-02-12-evening --remark 已送发热门诊"
    )]
    Acknowledge(tasks::Acknowledge),
    /// Says who looks after an order
    #[command(after_help = "Example:\n  mifeng isolation assign 019c50 staff/019c05")]
    Assign(tasks::Assign),
    /// The order 告知书 or the release 解除告知书 as an A4 page
    #[command(after_help = "Examples:\n  mifeng isolation print 告知书.pdf --order 019c50\n  mifeng isolation print \
                            解除.html --order 019c50 --release --templates 模板")]
    Print(print::Print),
    /// Writes the texts that are printed, for the office to change
    #[command(after_help = "Example:\n  mifeng isolation templates 模板")]
    Templates(print::Templates),
    #[command(flatten)]
    Life(life::Life),
}

#[derive(Subcommand)]
pub enum Order {
    /// Proposes an order that no verdict caused; it takes effect with the second signature
    #[command(after_help = "Example:\n  mifeng order propose 019c31 --kind home --reason close-contact --evidence \
                            流调表-17 --day-zero 2020-02-10")]
    Propose(Box<Propose>),
    /// The second signature, by another person of another unit
    #[command(after_help = "Example:\n  mifeng order approve 019c50")]
    Approve {
        #[arg(value_parser = typed::name("orders"))]
        order: String,
        #[command(flatten)]
        act: Act,
    },
    /// Temperature and symptoms, morning or evening
    #[command(after_help = "Example:\n  mifeng order observe 019c50 --date 2020-02-11 --part morning --temperature \
                            36.5 --symptom cough,fatigue")]
    Observe(Box<Observe>),
    /// To the health team, for central isolation
    #[command(after_help = "Example:\n  mifeng order hand-over 019c50 --receiver 区疾控李医生 --vehicle 浙B12345 \
                            --receipt 交接单-8 --to 集中隔离点A --by 社工王 --left 2020-02-11T21:30:00+08:00 --received \
                            2020-02-11T22:10:00+08:00")]
    HandOver(Box<HandOver>),
    /// Ends an order whose period is complete
    #[command(after_help = "Example:\n  mifeng order release 019c50")]
    Release {
        #[arg(value_parser = typed::name("orders"))]
        order: String,
        #[command(flatten)]
        act: Act,
    },
    /// One order, with the observations that are missing
    #[command(after_help = "Example:\n  mifeng order show 019c50")]
    Show {
        #[arg(value_parser = typed::name("orders"))]
        order: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Orders
    #[command(after_help = "Example:\n  mifeng order list --state in-force")]
    List {
        #[command(flatten)]
        about: About,
        /// Only in this state
        #[arg(long, value_parser = typed::word(State::as_str_name))]
        state: Option<State>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct Propose {
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    #[arg(long, value_parser = typed::word(Kind::as_str_name))]
    kind: Kind,
    #[arg(long, value_parser = typed::word(Reason::as_str_name))]
    reason: Reason,
    /// What proves it: an id of evidence, the number of a paper; as often as needed
    #[arg(long, required = true)]
    evidence: Vec<String>,
    /// The day from which the period counts
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    day_zero: NaiveDate,
    /// The first day of observation; by default day zero
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    observed_from: Option<NaiveDate>,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct Observe {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    date: NaiveDate,
    #[arg(long, value_parser = typed::word(DayPart::as_str_name))]
    part: DayPart,
    /// In degrees Celsius
    #[arg(long, value_parser = typed::temperature, value_name = "DEGREES")]
    temperature: i32,
    /// As often as needed; none where the person is well
    #[arg(long = "symptom", value_parser = typed::word(Symptom::as_str_name), value_delimiter = ',')]
    symptoms: Vec<Symptom>,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct HandOver {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    /// Who took the person over
    #[arg(long)]
    receiver: String,
    /// In which vehicle
    #[arg(long)]
    vehicle: String,
    /// The receipt's number
    #[arg(long)]
    receipt: String,
    /// Where the person was brought
    #[arg(long = "to", value_name = "PLACE", default_value = "", hide_default_value = true)]
    place: String,
    /// Who handed the person over, somebody else than the receiver; by default who asks
    #[arg(long = "by", value_name = "NAME", default_value = "", hide_default_value = true)]
    handed_by: String,
    /// When the vehicle left; by default when the person was received
    #[arg(long = "left", value_name = "TIME")]
    leave_time: Option<DateTime<Utc>>,
    /// When the person was received; by default now
    #[arg(long = "received", value_name = "TIME")]
    receive_time: Option<DateTime<Utc>>,
    #[command(flatten)]
    act: Act,
}

impl HandOver {
    async fn run(self) -> anyhow::Result<()> {
        let Self { order, receiver, vehicle, receipt, place, handed_by, leave_time, receive_time, act } = self;
        let (leave_time, receive_time) = (leave_time.map(chassis::timestamp), receive_time.map(chassis::timestamp));
        let handed_over = act.send(async |connection, request_id| {
            let request = HandOverRequest {
                request_id,
                order,
                receiver,
                vehicle,
                receipt,
                place,
                handed_by,
                leave_time,
                receive_time,
            };
            IsolationServiceClient::new(connection).hand_over(request).await
        });
        act.show(&handed_over.await?)
    }
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Order(order) => order.run().await,
            Self::ConfirmedCase(command) => command.run().await,
            Self::Need(command) => command.run().await,
            Self::Stock(command) => command.run().await,
            Self::Isolation(command) => command.run().await,
        }
    }
}

impl Isolation {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Tasks(tasks) => tasks.run().await,
            Self::Observe(observe) => observe.run().await,
            Self::Readings(readings) => readings.run().await,
            Self::Sheet(sheet) => sheet.run().await,
            Self::Record(record) => record.run().await,
            Self::Code(code) => code.run().await,
            Self::Report(report) => report.run().await,
            Self::Acknowledge(notice) => notice.run().await,
            Self::Assign(assign) => assign.run().await,
            Self::Print(print) => print.run().await,
            Self::Templates(templates) => templates.run(),
            Self::Life(life) => life.run().await,
        }
    }
}

impl Order {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Propose(propose) => propose.run().await,
            Self::Approve { order, act } => {
                let approved = act.send(async |connection, request_id| {
                    let request = ApproveOrderRequest { request_id, name: order };
                    IsolationServiceClient::new(connection).approve_order(request).await
                });
                act.show(&approved.await?)
            }
            Self::Observe(observe) => observe.run().await,
            Self::HandOver(hand_over) => hand_over.run().await,
            Self::Release { order, act } => {
                let released = act.send(async |connection, request_id| {
                    let request = ReleaseRequest { request_id, order };
                    IsolationServiceClient::new(connection).release(request).await
                });
                act.show(&released.await?)
            }
            Self::Show { order, ask } => {
                let mut client = IsolationServiceClient::new(ask.connection()?);
                ask.show(&client.get_order(GetOrderRequest { name: order }).await?.into_inner())
            }
            Self::List { about, state, listing, ask } => list(about.parent(), state, &listing, &ask).await,
        }
    }
}

impl Propose {
    async fn run(self) -> anyhow::Result<()> {
        let request = ProposeOrderRequest {
            request_id: String::new(),
            resident: self.resident,
            kind: self.kind.into(),
            reason: self.reason.into(),
            evidence_ids: self.evidence,
            day_zero: self.day_zero.to_string(),
            observed_from: self.observed_from.map(|day| day.to_string()).unwrap_or_default(),
        };
        let proposed = self.act.send(async |connection, request_id| {
            IsolationServiceClient::new(connection).propose_order(ProposeOrderRequest { request_id, ..request }).await
        });
        self.act.show(&proposed.await?)
    }
}

impl Observe {
    async fn run(self) -> anyhow::Result<()> {
        let request = RecordObservationRequest {
            request_id: String::new(),
            order: self.order,
            date: self.date.to_string(),
            day_part: self.part.into(),
            temperature_decicelsius: self.temperature,
            symptoms: self.symptoms.into_iter().map(i32::from).collect(),
        };
        let observed = self.act.send(async |connection, request_id| {
            let request = RecordObservationRequest { request_id, ..request };
            IsolationServiceClient::new(connection).record_observation(request).await
        });
        self.act.show(&observed.await?)
    }
}

async fn list(parent: String, state: Option<State>, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = IsolationServiceClient::new(ask.connection()?);
    let state = state.unwrap_or_default().into();
    let all = listing.collect(async |page_size, page_token| {
        let request = ListOrdersRequest { parent: parent.clone(), state, page_size, page_token };
        let page = client.list_orders(request).await?.into_inner();
        Ok((page.orders, page.next_page_token))
    });
    let columns = [
        "name",
        "resident",
        "kind",
        "reason",
        "state",
        "day_zero",
        "last_day",
        "observations",
        "observations_due",
        "handed_over",
    ];
    listing.show(ask, &all.await?, &columns)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(subcommand)]
        order: Order,
    }

    #[test]
    fn symptoms_are_typed_one_by_one_or_together() {
        let words = "order observe o --date 2020-02-11 --part evening --temperature 37.8 --symptom cough,fatigue --symptom diarrhoea";
        let Ok(Typed { order: Order::Observe(observe) }) = Typed::try_parse_from(words.split_whitespace()) else {
            panic!("an observation is understood");
        };
        assert_eq!(observe.symptoms, [Symptom::Cough, Symptom::Fatigue, Symptom::Diarrhoea]);
        assert_eq!((observe.order.as_str(), observe.temperature), ("orders/o", 378));
    }

    #[test]
    fn no_order_is_proposed_without_evidence() {
        let words = "order propose r --kind home --reason fever --day-zero 2020-02-10";
        assert!(Typed::try_parse_from(words.split_whitespace()).is_err());
        let proved = format!("{words} --evidence paper-1");
        assert!(Typed::try_parse_from(proved.split_whitespace()).is_ok());
    }
}
