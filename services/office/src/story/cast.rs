//! Who acts in the story: each with a token, a role and the unit that a second signature must differ from.

use anyhow::Context as _;
use chassis::client::Connection;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use proto::access::v1::{IssueTokenRequest, Principal, Role, access_service_client::AccessServiceClient};

/// A seed's request ids: the same story told again is absorbed, whatever was interrupted.
#[derive(Clone)]
pub(super) struct Ids {
    seed: u32,
}

impl Ids {
    pub(super) fn new(seed: u32) -> Self {
        Self { seed }
    }

    pub(super) fn of(&self, what: impl std::fmt::Display) -> String {
        format!("story-{}:{what}", self.seed)
    }
}

/// Somebody at a desk or a gate.
#[derive(Clone)]
pub(super) struct Actor {
    connection: Connection,
}

impl Actor {
    /// The connection at the story's time.
    pub(super) fn at(&self, time: DateTime<Utc>) -> Connection {
        self.connection.at(time)
    }
}

/// A wall-clock time of 2020 in Asia/Shanghai.
pub(super) fn at(day: NaiveDate, hour: u32, minute: u32) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).expect("the story's times are real");
    day.and_time(time).and_local_timezone(chassis::CALENDAR).single().expect("one offset all year").to_utc()
}

/// Gives out tokens in the administrator's name.
pub(super) struct Casting {
    address: String,
    pub(super) administrator: Connection,
    ids: Ids,
}

impl Casting {
    pub(super) fn open(address: &str, token: &str, authority: Option<&[u8]>, ids: Ids) -> anyhow::Result<Self> {
        let administrator = Connection::open_trusting(address, Some(token.to_owned()), authority)?;
        Ok(Self { address: address.to_owned(), administrator, ids })
    }

    pub(super) async fn cast(
        &self,
        subject: &str,
        role: Role,
        unit: &str,
        neighbourhood: &str,
        gate: &str,
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
        // Everybody sees what the others have done: the positions are shared.
        let connection = self.administrator.clone().with_token(&token.token)?;
        Ok(Actor { connection })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}
