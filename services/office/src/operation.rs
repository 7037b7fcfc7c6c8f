//! For whoever runs the system: is it well, what is it stuck on, is the record whole, who may come in.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use chassis::{Clock, access::FirstAdministrator, client::new_request_id, secrets::Secrets};
use clap::{Args, Subcommand};
use proto::{
    access::v1::{
        ClaimAdministratorRequest, GetPrincipalRequest, IssueTokenRequest, Principal, Role,
        access_service_client::AccessServiceClient,
    },
    event::v1::{
        Consumer, GetHeadRequest, ListConsumersRequest, ParkedRecord, ReadRecordsRequest, RebuildViewsRequest,
        ResumeConsumerRequest, VerifyLogRequest, consumer::State, event_log_service_client::EventLogServiceClient,
    },
    screening::v1::{ListSetAsideCasesRequest, method_service_client::MethodServiceClient},
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    connect::{Connect, keep_token, kept_token_file},
    desk::screening::method::rescreening::set_aside,
    output::{Output, print},
};

#[derive(Subcommand)]
pub enum Command {
    /// Exits with 0 where the server serves, with 1 where it does not
    Healthcheck(Ask),
    /// Says what is wrong, and what to do about it
    Doctor(Doctor),
    /// The record: where it stands, what is in it, whether it is whole
    #[command(subcommand)]
    Log(Log),
    /// Tokens: who may do what
    #[command(subcommand)]
    Token(Token),
}

#[derive(Args)]
pub struct Ask {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    ask: Ask,
    #[command(subcommand)]
    treatment: Option<Treatment>,
}

#[derive(Subcommand)]
pub enum Treatment {
    /// Starts a halted consumer again; one that runs tries again what it has laid aside
    Resume {
        /// For example pass/reactions
        consumer: String,
        /// The log that it is halted on, or has laid records of aside
        source: String,
    },
}

#[derive(Subcommand)]
pub enum Log {
    /// Where the logs stand
    Head(Ask),
    /// Records of a log, without personal data
    Show {
        /// registry, screening, pass, isolation or command
        log: String,
        /// Records with greater positions
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: i32,
        #[command(flatten)]
        ask: Ask,
    },
    /// Computes the hash chain again: did anybody edit the record?
    Verify(Ask),
    /// Builds a service's read models anew beside the live ones, then switches
    Rebuild {
        /// registry, screening, pass, isolation or command
        service: String,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Subcommand)]
pub enum Token {
    /// Turns the one-time code of the first start into the first administrator's token, and keeps it
    Claim {
        /// The code behind the # of the link that `mifeng up` printed, or the whole link
        code: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Makes a token for somebody else
    Issue {
        /// For example staff/12
        subject: String,
        /// resident, guard, worker, director, officer, health, auditor or administrator
        #[arg(value_parser = role)]
        role: Role,
        /// The unit that a second signature must differ from; by default the neighbourhood's id
        #[arg(long, default_value = "")]
        unit: String,
        /// neighbourhoods/{id}
        #[arg(long, default_value = "")]
        neighbourhood: String,
        /// compounds/{id}/gates/{id}
        #[arg(long, default_value = "")]
        gate: String,
        /// Seconds, 60 to 86400
        #[arg(long, default_value_t = 43_200)]
        lifetime: i32,
        #[command(flatten)]
        ask: Ask,
    },
    /// Keeps a token for the commands of this user
    Save {
        /// Asked for where it is not given, so that it stays out of the shell's history
        token: Option<String>,
    },
    /// Makes another one-time code, for whoever has the server's data folder in hand and lost every administrator's token
    Recover(Connect),
    /// What the token in use allows
    Show(Ask),
}

const LOGS: [&str; 5] = ["registry", "screening", "pass", "isolation", "command"];

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Healthcheck(ask) => healthcheck(&ask).await,
            Self::Doctor(doctor) => doctor.run().await,
            Self::Log(log) => log.run().await,
            Self::Token(token) => token.run().await,
        }
    }
}

async fn healthcheck(ask: &Ask) -> anyhow::Result<()> {
    let mut client = HealthClient::new(ask.connect.connection()?);
    let answer = client.check(HealthCheckRequest::default()).await?.into_inner();
    match answer.status() {
        ServingStatus::Serving => print("serving"),
        _ => bail!("not serving: see `mifeng doctor`"),
    }
}

impl Doctor {
    async fn run(self) -> anyhow::Result<()> {
        let mut logs = EventLogServiceClient::new(self.ask.connect.connection()?);
        if let Some(Treatment::Resume { consumer, source }) = self.treatment {
            let request = ResumeConsumerRequest { request_id: new_request_id(), consumer, source };
            return self.ask.output.show(&logs.resume_consumer(request).await?.into_inner());
        }
        let consumers = logs.list_consumers(ListConsumersRequest {}).await?.into_inner().consumers;
        self.ask.output.list(&consumers, &["consumer", "source", "state", "position", "head", "parked", "error"])?;
        let halted: Vec<_> = consumers.iter().filter(|consumer| consumer.state() == State::Halted).collect();
        // Machines read all this in the list.
        if !self.ask.output.is_json() {
            for Consumer { consumer, source, .. } in &halted {
                print(&format!(
                    "{consumer} is halted on {source}: mend the cause above, then `mifeng doctor resume {consumer} {source}`"
                ))?;
            }
            for consumer in consumers.iter().filter(|consumer| consumer.parked > 0) {
                show_parked(consumer)?;
            }
        }
        self.set_aside().await?;
        if !halted.is_empty() {
            bail!("{} of {} consumers are halted", halted.len(), consumers.len());
        }
        Ok(())
    }
}

impl Doctor {
    /// Cases whose record does not open. Whoever may look at the consumers only does not see them.
    async fn set_aside(&self) -> anyhow::Result<()> {
        let mut methods = MethodServiceClient::new(self.ask.connect.connection()?);
        let request = ListSetAsideCasesRequest { page_size: 20, ..ListSetAsideCasesRequest::default() };
        let found = match methods.list_set_aside_cases(request).await {
            Ok(found) => found.into_inner(),
            Err(status) if matches!(status.code(), Code::PermissionDenied | Code::Unimplemented) => return Ok(()),
            Err(status) => return Err(anyhow::Error::new(status).context("asking for cases that were set aside")),
        };
        if self.ask.output.is_json() {
            // Lines of another kind, behind the consumers' and only where there is something wrong.
            return self.ask.output.list(&found.cases, &[]);
        }
        if found.cases.is_empty() {
            return Ok(());
        }
        let more = if found.next_page_token.is_empty() { "" } else { " and more" };
        print(&set_aside(format!("{}{more} cases", found.cases.len())))?;
        for case in &found.cases {
            print(&format!("  {} of {}, in {}", case.case, case.resident, case.compound))?;
        }
        Ok(())
    }
}

fn show_parked(consumer: &Consumer) -> anyhow::Result<()> {
    let Consumer { consumer: name, source, parked, parked_records, .. } = consumer;
    print(&format!(
        "{name} has laid {parked} records of {source} aside: mend the cause, then `mifeng doctor resume {name} {source}`"
    ))?;
    for record in parked_records {
        let ParkedRecord { position, r#type, stream, error } = record;
        print(&format!("  {source} {position} {type} of {stream}: {error}"))?;
    }
    Ok(())
}

impl Log {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Head(ask) => {
                let mut client = EventLogServiceClient::new(ask.connect.connection()?);
                let mut heads = Vec::new();
                for log in LOGS {
                    heads.push(client.get_head(GetHeadRequest { log: log.into() }).await?.into_inner());
                }
                ask.output.list(&heads, &["log", "position", "log_id", "chain"])
            }
            Self::Show { log, after, limit, ask } => {
                let mut client = EventLogServiceClient::new(ask.connect.connection()?);
                let request = ReadRecordsRequest {
                    log,
                    after_position: after,
                    page_size: limit,
                    ..ReadRecordsRequest::default()
                };
                let records = client.read_records(request).await?.into_inner().records;
                ask.output
                    .list(&records, &["position", "occurred_at", "type", "stream_id", "version", "actor", "office"])
            }
            Self::Verify(ask) => {
                let mut client = EventLogServiceClient::new(ask.connect.connection()?);
                for log in LOGS {
                    let found = client.verify_log(VerifyLogRequest { log: log.into() }).await?.into_inner();
                    if !found.intact {
                        bail!(
                            "{log} was edited: the chain breaks at position {} of {}",
                            found.broken_at,
                            found.records
                        );
                    }
                    print(&format!("{log}: {} records, the chain holds", found.records))?;
                }
                Ok(())
            }
            Self::Rebuild { service, ask } => {
                let mut client = EventLogServiceClient::new(ask.connect.connection()?);
                let request = RebuildViewsRequest { request_id: new_request_id(), log: service };
                ask.output.show(&client.rebuild_views(request).await?.into_inner())
            }
        }
    }
}

impl Token {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Claim { code, ask } => {
                let code = code.rsplit('#').next().unwrap_or_default().to_owned();
                let mut client = AccessServiceClient::new(ask.connect.connection()?);
                let token = client.claim_administrator(ClaimAdministratorRequest { code }).await?.into_inner();
                save(&token.token)
            }
            Self::Issue { subject, role, unit, neighbourhood, gate, lifetime, ask } => {
                let principal = Principal { subject, role: role.into(), unit, neighbourhood, gate };
                let request = IssueTokenRequest {
                    request_id: new_request_id(),
                    principal: Some(principal),
                    lifetime_seconds: lifetime,
                };
                let mut client = AccessServiceClient::new(ask.connect.connection()?);
                ask.output.show(&client.issue_token(request).await?.into_inner())
            }
            Self::Save { token: Some(token) } => save(&token),
            Self::Save { token: None } => save(&asked_token()?),
            Self::Recover(connect) => recover(&connect),
            Self::Show(ask) => {
                let mut client = AccessServiceClient::new(ask.connect.connection()?);
                ask.output.show(&client.get_principal(GetPrincipalRequest {}).await?.into_inner())
            }
        }
    }
}

fn asked_token() -> anyhow::Result<String> {
    print("Paste the token, then press Enter:")?;
    let mut token = String::new();
    std::io::stdin().read_line(&mut token).context("reading the token")?;
    anyhow::ensure!(!token.trim().is_empty(), "no token was given");
    Ok(token.trim().to_owned())
}

fn recover(connect: &Connect) -> anyhow::Result<()> {
    let data = connect.folder(false)?;
    let secret = data.join(chassis::secrets::FILE);
    anyhow::ensure!(secret.exists(), "{} is no server's data folder: name it with --data", data.display());
    let (first, _) = FirstAdministrator::open(&data, &Secrets::from_file(&secret)?, Clock::system())?;
    print(&format!("{}/first-administrator#{}", connect.address()?, first.another_code()?))
}

fn save(token: &str) -> anyhow::Result<()> {
    let path: PathBuf = kept_token_file()?;
    keep_token(&path, token)?;
    print(&format!("kept in {}; the commands of this user take it from there", path.display()))
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_str_name(&format!("ROLE_{}", text.to_uppercase()))
        .filter(|role| !matches!(role, Role::Unspecified | Role::Service))
        .context("no such role")
        .map_err(|_| "resident, guard, worker, director, officer, health, auditor or administrator".to_owned())
}
