use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use proto::pass::v1::{
    ConfirmKeyRecallRequest, DeclineKeyRecallRequest, LiftCompoundRecallRequest, ListRecallsRequest,
    RecallCompoundRequest, RecallKeyRequest, RecallReason, recall_service_client::RecallServiceClient,
};

use crate::desk::{
    ask::{Act, Ask},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Proposes that nothing counts which a key has signed from an hour on; somebody of another unit confirms
    #[command(
        after_help = "Example:\n  mifeng pass recall key 2 --since 2020-02-11T08:00:00+08:00 --reason secret-exposed --evidence 报告3"
    )]
    Key {
        /// As `mifeng pass keys` shows it
        key: u32,
        /// The whole hour counts
        #[arg(long, value_name = "TIME")]
        since: DateTime<Utc>,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        act: Act,
    },
    /// The second signature under the recall of a key. It cannot be undone: another key signs from now on
    #[command(after_help = "Example:\n  mifeng pass recall confirm 2")]
    Confirm(Proposed),
    /// Takes back a recall of a key that nobody has confirmed
    #[command(after_help = "Example:\n  mifeng pass recall decline 2")]
    Decline(Proposed),
    /// What the compound was issued before an hour counts nowhere until it is renewed
    #[command(
        after_help = "Example:\n  mifeng pass recall compound 019c2f --before 2020-02-11T08:00:00+08:00 --reason papers-lost --evidence 登记簿7"
    )]
    Compound {
        #[arg(value_parser = typed::name("compounds"))]
        compound: String,
        /// A full hour, at the latest the one that runs
        #[arg(long, value_name = "TIME")]
        before: DateTime<Utc>,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        act: Act,
    },
    /// It counts again
    #[command(after_help = "Example:\n  mifeng pass recall lift 019c2f --because 登记有误")]
    Lift {
        #[arg(value_parser = typed::name("compounds"))]
        compound: String,
        #[arg(long, value_name = "REASON")]
        because: String,
        #[command(flatten)]
        act: Act,
    },
    /// Recalls that are proposed or in force
    #[command(after_help = "Example:\n  mifeng pass recall list")]
    List(Ask),
}

#[derive(Args)]
pub struct Why {
    #[arg(long, value_parser = typed::word(RecallReason::as_str_name))]
    reason: RecallReason,
    /// What proves it: the number of a paper, a crossing; as often as needed
    #[arg(long, required = true)]
    evidence: Vec<String>,
}

#[derive(Args)]
pub struct Proposed {
    /// As `mifeng pass keys` shows it
    key: u32,
    #[command(flatten)]
    act: Act,
}

impl Proposed {
    fn name(&self) -> String {
        format!("keys/{}/recall", self.key)
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Key { key, since, why: Why { reason, evidence }, act } => {
                let recalled = act.send(async |connection, request_id| {
                    let signed_from = Some(chassis::timestamp(since));
                    let (reason, evidence_ids) = (reason.into(), evidence);
                    let request = RecallKeyRequest { request_id, key, signed_from, reason, evidence_ids };
                    RecallServiceClient::new(connection).recall_key(request).await
                });
                act.show(&recalled.await?)
            }
            Self::Confirm(proposed) => {
                let confirmed = proposed.act.send(async |connection, request_id| {
                    let request = ConfirmKeyRecallRequest { request_id, name: proposed.name() };
                    RecallServiceClient::new(connection).confirm_key_recall(request).await
                });
                proposed.act.show(&confirmed.await?)
            }
            Self::Decline(proposed) => {
                let declined = proposed.act.send(async |connection, request_id| {
                    let request = DeclineKeyRecallRequest { request_id, name: proposed.name() };
                    RecallServiceClient::new(connection).decline_key_recall(request).await
                });
                proposed.act.show(&declined.await?)
            }
            Self::Compound { compound, before, why: Why { reason, evidence }, act } => {
                let recalled = act.send(async |connection, request_id| {
                    let issued_before = Some(chassis::timestamp(before));
                    let (reason, evidence_ids) = (reason.into(), evidence);
                    let request = RecallCompoundRequest { request_id, compound, issued_before, reason, evidence_ids };
                    RecallServiceClient::new(connection).recall_compound(request).await
                });
                act.show(&recalled.await?)
            }
            Self::Lift { compound, because, act } => {
                let lifted = act.send(async |connection, request_id| {
                    let request = LiftCompoundRecallRequest { request_id, compound, reason: because };
                    RecallServiceClient::new(connection).lift_compound_recall(request).await
                });
                act.show(&lifted.await?)
            }
            Self::List(ask) => list(&ask).await,
        }
    }
}

async fn list(ask: &Ask) -> anyhow::Result<()> {
    let mut client = RecallServiceClient::new(ask.connection()?);
    let recalls = client.list_recalls(ListRecallsRequest {}).await?.into_inner();
    if ask.output.is_json() {
        return ask.show(&recalls);
    }
    ask.list(&recalls.keys, &["name", "signed_from", "reason", "state", "proposed_by", "confirmed_by"])?;
    ask.list(&recalls.compounds, &["name", "issued_before", "reason", "by"])
}
