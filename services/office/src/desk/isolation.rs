//! Isolation: orders, observations, hand-overs, releases; needs and supplies.

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

mod need;
mod stock;

#[derive(Subcommand)]
pub enum Command {
    /// Orders of isolation (隔离)
    #[command(subcommand)]
    Order(Order),
    /// What people who are shut in, old or alone need (需求)
    #[command(subcommand)]
    Need(need::Command),
    /// Donations and supplies (物资)
    #[command(subcommand)]
    Stock(stock::Command),
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
            Self::Need(command) => command.run().await,
            Self::Stock(command) => command.run().await,
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
