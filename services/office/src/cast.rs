//! Who acts on a demonstration server, in the story and in the simulation: each with a token, a role and the unit that a second
//! signature must differ from.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chassis::client::Connection;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use proto::{
    access::v1::{IssueTokenRequest, Principal, Role, access_service_client::AccessServiceClient},
    command::v1::{GetOverviewRequest, command_service_client::CommandServiceClient},
    event::v1::{ListConsumersRequest, consumer::State, event_log_service_client::EventLogServiceClient},
};
use tonic::{Code, Status};

/// A seed's request ids: the same told again is absorbed, whatever was interrupted.
#[derive(Clone)]
pub(crate) struct Ids {
    /// What is told: story, simulation.
    what: &'static str,
    seed: u32,
}

impl Ids {
    pub(crate) const fn new(what: &'static str, seed: u32) -> Self {
        Self { what, seed }
    }

    pub(crate) fn of(&self, which: impl std::fmt::Display) -> String {
        format!("{}-{}:{which}", self.what, self.seed)
    }
}

/// Somebody at a desk or a gate.
#[derive(Clone)]
pub(crate) struct Actor {
    connection: Connection,
}

impl Actor {
    /// The connection at a time that is told.
    pub(crate) fn at(&self, time: DateTime<Utc>) -> Connection {
        self.connection.at(time)
    }
}

/// A wall-clock time of 2020 in Asia/Shanghai.
pub(crate) fn at(day: NaiveDate, hour: u32, minute: u32) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).expect("the story's times are real");
    day.and_time(time).and_local_timezone(chassis::CALENDAR).single().expect("one offset all year").to_utc()
}

/// Gives out tokens in the administrator's name.
pub(crate) struct Casting {
    address: String,
    authority: Option<Vec<u8>>,
    pub(crate) administrator: Connection,
    ids: Ids,
}

impl Casting {
    pub(crate) fn open(address: &str, token: &str, authority: Option<&[u8]>, ids: Ids) -> anyhow::Result<Self> {
        let administrator = Connection::open_trusting(address, Some(token.to_owned()), authority)?;
        Ok(Self { address: address.to_owned(), authority: authority.map(<[u8]>::to_vec), administrator, ids })
    }

    /// Everybody sees what the others have done: the positions are shared.
    pub(crate) async fn cast(
        &self,
        subject: &str,
        role: Role,
        unit: &str,
        neighbourhood: &str,
        gate: &str,
    ) -> anyhow::Result<Actor> {
        self.cast_on(&self.administrator, subject, role, (unit, neighbourhood, gate)).await
    }

    /// Somebody on a line of their own, who waits for nobody else's doings. `of`: unit, neighbourhood, gate.
    pub(crate) async fn cast_on(
        &self,
        line: &Connection,
        subject: &str,
        role: Role,
        (unit, neighbourhood, gate): (&str, &str, &str),
    ) -> anyhow::Result<Actor> {
        let principal = Principal {
            subject: subject.to_owned(),
            role: role.into(),
            unit: if neighbourhood.is_empty() { unit.to_owned() } else { String::new() },
            neighbourhood: neighbourhood.to_owned(),
            gate: gate.to_owned(),
        };
        let request = IssueTokenRequest {
            request_id: self.ids.of(format_args!("token:{}", subject.replace('/', ":"))),
            principal: Some(principal),
            lifetime_seconds: 0,
        };
        let token = AccessServiceClient::new(self.administrator.clone())
            .issue_token(request)
            .await
            .with_context(|| format!("casting {subject}"))?
            .into_inner();
        Ok(Actor { connection: line.clone().with_token(&token.token)? })
    }

    /// A line of its own to the server, without a token.
    pub(crate) fn line(&self) -> anyhow::Result<Connection> {
        Connection::open_trusting(&self.address, None, self.authority.as_deref())
    }

    /// Made-up people in a real subdistrict's record would be a calamity. `time`: any that the server's clock does not show.
    pub(crate) async fn demonstration_only(&self, time: DateTime<Utc>) -> anyhow::Result<()> {
        let officer = self.cast("staff/officer", Role::Officer, "subdistrict", "", "").await?;
        let overview = CommandServiceClient::new(officer.at(time))
            .get_overview(GetOverviewRequest::default())
            .await
            .context("asking for the overview")?
            .into_inner();
        let shown = overview.request_time.as_ref().and_then(chassis::instant);
        ensure!(
            shown.is_some_and(|shown| shown == time),
            "the server at {} does not run as a demonstration: start one with `mifeng up --demo`",
            self.address
        );
        Ok(())
    }

    /// Waits until every service has seen and done what the others' news call for.
    pub(crate) async fn settled(&self, patience: Duration) -> anyhow::Result<()> {
        const LOOK: Duration = Duration::from_millis(50);
        let mut logs = EventLogServiceClient::new(self.administrator.clone());
        let mut quiet = 0;
        let mut before = Vec::new();
        let until = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < until {
            let consumers = logs.list_consumers(ListConsumersRequest {}).await.context("asking for consumers")?;
            let consumers = consumers.into_inner().consumers;
            if let Some(halted) = consumers.iter().find(|consumer| consumer.state() == State::Halted) {
                bail!("{} is halted: {}; run `mifeng doctor`", halted.consumer, halted.error);
            }
            let behind = consumers.iter().any(|consumer| consumer.position < consumer.head);
            let positions: Vec<u64> = consumers.iter().map(|consumer| consumer.head).collect();
            quiet = if !behind && positions == before { quiet + 1 } else { 0 };
            // Twice the same with nothing under way: a reaction's own events were followed too.
            if quiet >= 2 {
                return Ok(());
            }
            before = positions;
            tokio::time::sleep(LOOK).await;
        }
        bail!("the services did not come to rest within {} s; run `mifeng doctor`", patience.as_secs())
    }
}

/// The one refusal that a newcomer will meet. `what`: of what the data folder holds another.
pub(crate) fn other(what: &str, status: Status, doing: &'static str) -> anyhow::Error {
    if status.code() == Code::AlreadyExists {
        return anyhow::Error::new(status).context(format!(
            "this data folder holds another {what}: start a fresh one with `mifeng up --demo --fresh`"
        ));
    }
    anyhow::Error::new(status).context(doing)
}
