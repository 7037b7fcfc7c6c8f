use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use proto::screening::v1::{
    ApproveOverrideRequest, DeclineOverrideRequest, GetOverrideRequest, ListCarrierErrorsRequest,
    ListManualVerdictsRequest, ListOverridesRequest, Measure, OverrideReason, ProposeOverrideRequest, Source,
    dispute_service_client::DisputeServiceClient, override_service_client::OverrideServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Proposes another measure for a case; nothing changes before another unit approves it
    #[command(after_help = "Example:\n  mifeng override propose 019c40 medical-need --measure none --until \
                            2020-02-13T12:00:00+08:00 --document '李惠利医院透析证明，存社区档案柜'")]
    Propose(Box<Propose>),
    /// The second signature, from another unit than the proposer's
    #[command(after_help = "Example:\n  mifeng override approve cases/019c40/overrides/019c50")]
    Approve {
        #[arg(value_parser = typed::of_case("overrides"))]
        name: String,
        #[command(flatten)]
        act: Act,
    },
    /// Says no to a proposal, or takes one's own back
    #[command(after_help = "Example:\n  mifeng override decline cases/019c40/overrides/019c50 --reason '证明没有日期'")]
    Decline {
        #[arg(value_parser = typed::of_case("overrides"))]
        name: String,
        /// Why not
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        act: Act,
    },
    /// One override with both signatures and what it rests on
    #[command(after_help = "Example:\n  mifeng override show cases/019c40/overrides/019c50")]
    Show {
        #[arg(value_parser = typed::of_case("overrides"))]
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
}

/// What screening keeps on record about itself, beside the verdict without a server.
#[derive(Subcommand)]
pub enum Records {
    /// Verdicts set by hand, the latest first; or how many each unit has set
    #[command(
        after_help = "Examples:\n  mifeng screening overrides --open\n  mifeng screening overrides --unit health\n  mifeng \
                            screening overrides --counts"
    )]
    Overrides(Box<List>),
    /// How often carriers were found wrong, by source and pair of cities
    #[command(after_help = "Example:\n  mifeng screening carrier-errors --source mobile --export errors.xlsx")]
    CarrierErrors {
        /// Only of this carrier
        #[arg(long, value_parser = typed::word(Source::as_str_name))]
        source: Option<Source>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct Propose {
    #[arg(value_parser = typed::name("cases"))]
    case: String,
    /// Why: nothing is set by hand for any other reason
    #[arg(value_parser = typed::word(OverrideReason::as_str_name))]
    reason: OverrideReason,
    /// What is to follow for the person: none, watch, home or central
    #[arg(long, value_parser = typed::word(Measure::as_str_name))]
    measure: Measure,
    /// When the verdict by the method comes back
    #[arg(long, value_name = "TIME")]
    until: DateTime<Utc>,
    /// Evidence of the case, or a document's number; as often as needed
    #[arg(long, value_name = "ID")]
    evidence: Vec<String>,
    /// What was shown, by whom, and where it is kept
    #[arg(long, default_value = "", hide_default_value = true)]
    document: String,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct List {
    /// Of this resident
    #[arg(long, value_parser = typed::name("residents"))]
    resident: Option<String>,
    /// Only those that wait for their second signature or are in force
    #[arg(long)]
    open: bool,
    /// Only those that this unit has proposed or decided
    #[arg(long, default_value = "", hide_default_value = true)]
    unit: String,
    /// How much each unit has set by hand
    #[arg(long, conflicts_with_all = ["open", "resident"])]
    counts: bool,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Propose(propose) => propose.run().await,
            Self::Approve { name, act } => {
                let approved = act.send(async |connection, request_id| {
                    let request = ApproveOverrideRequest { request_id, name };
                    OverrideServiceClient::new(connection).approve_override(request).await
                });
                act.show(&approved.await?)
            }
            Self::Decline { name, reason, act } => {
                let declined = act.send(async |connection, request_id| {
                    let request = DeclineOverrideRequest { request_id, name, reason };
                    OverrideServiceClient::new(connection).decline_override(request).await
                });
                act.show(&declined.await?)
            }
            Self::Show { name, ask } => {
                let mut client = OverrideServiceClient::new(ask.connection()?);
                ask.show(&client.get_override(GetOverrideRequest { name }).await?.into_inner())
            }
        }
    }
}

impl Propose {
    async fn run(self) -> anyhow::Result<()> {
        let proposed = self.act.send(async |connection, request_id| {
            let request = ProposeOverrideRequest {
                request_id,
                case: self.case,
                reason: self.reason.into(),
                measure: self.measure.into(),
                evidence_ids: self.evidence,
                document: self.document,
                expire_time: Some(chassis::timestamp(self.until)),
            };
            OverrideServiceClient::new(connection).propose_override(request).await
        });
        self.act.show(&proposed.await?)
    }
}

impl Records {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Overrides(list) => list.run().await,
            Self::CarrierErrors { source, listing, ask } => {
                let source = source.unwrap_or_default().into();
                let mut client = DisputeServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListCarrierErrorsRequest { source, page_size, page_token };
                    let page = client.list_carrier_errors(request).await?.into_inner();
                    Ok((page.carrier_errors, page.next_page_token))
                });
                let columns = ["source", "city", "city_name", "instead", "instead_name", "errors", "last_day"];
                listing.show(&ask, &all.await?, &columns)
            }
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let mut client = OverrideServiceClient::new(self.ask.connection()?);
        if self.counts {
            let request = ListManualVerdictsRequest { unit: self.unit };
            let units = client.list_manual_verdicts(request).await?.into_inner().units;
            return self.listing.show(&self.ask, &units, &COUNTS);
        }
        let request = ListOverridesRequest {
            parent: self.resident.unwrap_or_default(),
            open: self.open,
            unit: self.unit,
            ..ListOverridesRequest::default()
        };
        let all = self.listing.collect(async |page_size, page_token| {
            let page = client.list_overrides(ListOverridesRequest { page_size, page_token, ..request.clone() });
            let page = page.await?.into_inner();
            Ok((page.overrides, page.next_page_token))
        });
        self.listing.show(&self.ask, &all.await?, &OVERRIDES)
    }
}

const COUNTS: [&str; 9] =
    ["unit", "assessed", "proposed", "approved", "declined", "came_into_force", "in_force", "upheld", "rejected"];

const OVERRIDES: [&str; 8] = ["name", "resident", "state", "reason", "measure", "expire_time", "proposed", "decided"];
