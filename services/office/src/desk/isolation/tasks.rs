//! What is to be done; readings, codes, notice that is taken.

use chrono::NaiveDate;
use clap::Args;
use proto::isolation::v1::{
    AcknowledgeRequest, AssignOrderRequest, DayPart, ListObservationsRequest, ListTasksRequest,
    OpenReportingCodeRequest, Reading, RecordObservationRequest, ReportObservationRequest, Reporter, Symptom, TaskKind,
    isolation_service_client::IsolationServiceClient, observation_service_client::ObservationServiceClient,
};

use crate::{
    connect::Connect,
    desk::{
        ask::{Act, Ask, Listing, repeatable},
        typed,
    },
    output::Output,
};

/// The columns of a list of tasks.
const COLUMNS: [&str; 9] = ["order", "kind", "date", "day_part", "due_time", "late", "level", "responsible", "matter"];

#[derive(Args)]
pub struct Tasks {
    /// Only what falls to you
    #[arg(long)]
    mine: bool,
    /// Only what is past its time
    #[arg(long)]
    late: bool,
    #[arg(long, value_parser = typed::word(TaskKind::as_str_name))]
    kind: Option<TaskKind>,
    /// Of this neighbourhood
    #[arg(long, value_parser = typed::name("neighbourhoods"), conflicts_with_all = ["compound", "order"])]
    neighbourhood: Option<String>,
    /// Of this compound
    #[arg(long, value_parser = typed::name("compounds"), conflicts_with = "order")]
    compound: Option<String>,
    /// Of this order
    #[arg(long, value_parser = typed::name("orders"))]
    order: Option<String>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

impl Tasks {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { mine, late, kind, neighbourhood, compound, order, listing, ask } = self;
        let mut client = ObservationServiceClient::new(ask.connection()?);
        let parent = neighbourhood.or(compound).or(order).unwrap_or_default();
        let kind = kind.unwrap_or_default().into();
        let tasks = listing.collect(async |page_size, page_token| {
            let request = ListTasksRequest { parent: parent.clone(), kind, mine, late, page_size, page_token };
            let page = client.list_tasks(request).await?.into_inner();
            Ok((page.tasks, page.next_page_token))
        });
        listing.show(&ask, &tasks.await?, &COLUMNS)
    }
}

/// What a thermometer and the person say.
#[derive(Args)]
struct Vitals {
    /// In degrees Celsius
    #[arg(long, value_parser = typed::temperature, value_name = "DEGREES")]
    temperature: i32,
    /// As often as needed; none where the person is well
    #[arg(long = "symptom", value_parser = typed::word(Symptom::as_str_name), value_delimiter = ',')]
    symptoms: Vec<Symptom>,
}

#[derive(Args)]
pub struct Observe {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    date: NaiveDate,
    #[arg(long, value_parser = typed::word(DayPart::as_str_name))]
    part: DayPart,
    #[command(flatten)]
    vitals: Vitals,
    /// Who has taken it; by default a worker
    #[arg(long, value_parser = typed::word(Reporter::as_str_name))]
    reporter: Option<Reporter>,
    #[command(flatten)]
    act: Act,
}

impl Observe {
    pub async fn run(self) -> anyhow::Result<()> {
        let symptoms: Vec<i32> = self.vitals.symptoms.into_iter().map(i32::from).collect();
        let Some(reporter) = self.reporter else {
            let request = RecordObservationRequest {
                request_id: String::new(),
                order: self.order,
                date: self.date.to_string(),
                day_part: self.part.into(),
                temperature_decicelsius: self.vitals.temperature,
                symptoms,
            };
            let observed = self.act.send(async |connection, request_id| {
                let request = RecordObservationRequest { request_id, ..request };
                IsolationServiceClient::new(connection).record_observation(request).await
            });
            return self.act.show(&observed.await?);
        };
        let reading = Reading {
            order: self.order,
            date: self.date.to_string(),
            day_part: self.part.into(),
            temperature_decicelsius: self.vitals.temperature,
            symptoms,
            reporter: reporter.into(),
        };
        super::sheet::record(&self.act, vec![reading]).await.and_then(|answer| self.act.show(&answer))
    }
}

#[derive(Args)]
pub struct Readings {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    #[command(flatten)]
    ask: Ask,
}

impl Readings {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = ObservationServiceClient::new(self.ask.connection()?);
        let request = ListObservationsRequest { parent: self.order };
        let observations = client.list_observations(request).await?.into_inner().observations;
        let columns = [
            "date",
            "day_part",
            "temperature_decicelsius",
            "symptoms",
            "fever_or_symptoms",
            "reporter",
            "recorded_by",
            "record_time",
            "corrected",
            "doubt",
        ];
        self.ask.list(&observations, &columns)
    }
}

#[derive(Args)]
pub struct Code {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    /// The isolated person, or a volunteer
    #[arg(long = "for", value_name = "WHO", value_parser = typed::word(Reporter::as_str_name), default_value = "person")]
    reporter: Reporter,
    #[command(flatten)]
    act: Act,
}

impl Code {
    pub async fn run(self) -> anyhow::Result<()> {
        let (order, reporter) = (self.order, self.reporter.into());
        let opened = self.act.send(async |connection, request_id| {
            let request = OpenReportingCodeRequest { request_id, order, reporter };
            ObservationServiceClient::new(connection).open_reporting_code(request).await
        });
        self.act.show(&opened.await?)
    }
}

#[derive(Args)]
pub struct Report {
    /// As the worker gave it
    code: String,
    #[command(flatten)]
    vitals: Vitals,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    output: Output,
}

impl Report {
    /// Without a token: the code is the proof.
    pub async fn run(self) -> anyhow::Result<()> {
        let request_id = chassis::client::new_request_id();
        let request = ReportObservationRequest {
            request_id: request_id.clone(),
            code: self.code,
            temperature_decicelsius: self.vitals.temperature,
            symptoms: self.vitals.symptoms.into_iter().map(i32::from).collect(),
        };
        let mut client = ObservationServiceClient::new(self.connect.anonymous()?);
        let receipt = client.report_observation(request).await.map_err(|status| repeatable(status, &request_id))?;
        self.output.show(&receipt.into_inner())
    }
}

#[derive(Args)]
pub struct Acknowledge {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    /// As the task names it
    matter: String,
    /// What was done
    #[arg(long, default_value = "", hide_default_value = true)]
    remark: String,
    #[command(flatten)]
    act: Act,
}

impl Acknowledge {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { order, matter, remark, act } = self;
        let done = act.send(async |connection, request_id| {
            let request = AcknowledgeRequest { request_id, order, matter, remark };
            ObservationServiceClient::new(connection).acknowledge(request).await
        });
        act.show(&done.await?)
    }
}

#[derive(Args)]
pub struct Assign {
    #[arg(value_parser = typed::name("orders"))]
    order: String,
    /// staff/<id> or volunteers/<id>; left out, nobody looks after it any more
    #[arg(default_value = "", hide_default_value = true)]
    responsible: String,
    #[command(flatten)]
    act: Act,
}

impl Assign {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { order, responsible, act } = self;
        let done = act.send(async |connection, request_id| {
            let request = AssignOrderRequest { request_id, order, responsible };
            ObservationServiceClient::new(connection).assign_order(request).await
        });
        act.show(&done.await?)
    }
}
