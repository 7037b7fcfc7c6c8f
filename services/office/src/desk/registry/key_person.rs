use chrono::NaiveDate;
use clap::Subcommand;
use proto::registry::v1::{
    FlagKeyPersonRequest, KeyDecision, KeyReason, ListKeyPersonsRequest, UnflagKeyPersonRequest,
    visit_service_client::VisitServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing, Place},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Flags a resident who is to be watched; a second flag takes the place of the first
    #[command(
        after_help = "Example:\n  mifeng key-person flag 019c31 lives-alone aged\n  mifeng key-person flag 019c31 returned \
                            --until 2020-02-23"
    )]
    Flag {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        /// Why, as often as there are reasons
        #[arg(required = true, value_parser = typed::word(KeyReason::as_str_name))]
        reason: Vec<KeyReason>,
        /// The last day; by default until somebody decides
        #[arg(long, value_parser = typed::date, value_name = "DAY")]
        until: Option<NaiveDate>,
        #[command(flatten)]
        act: Act,
    },
    /// Ends the watch
    #[command(after_help = "Example:\n  mifeng key-person unflag 019c31 passed")]
    Unflag {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        /// Why it can end
        #[arg(value_parser = typed::word(KeyDecision::as_str_name))]
        decision: KeyDecision,
        #[command(flatten)]
        act: Act,
    },
    /// Who is watched and when they were last met, in the order of their doors
    #[command(after_help = "Example:\n  mifeng key-person list --overdue --days 1")]
    List {
        #[command(flatten)]
        place: Place,
        /// Only those who were not met within the days
        #[arg(long)]
        overdue: bool,
        /// Within how many days somebody counts as seen; by default 3
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        days: i32,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Flag { resident, reason, until, act } => {
                let flagged = act.send(async |connection, request_id| {
                    let reasons = reason.into_iter().map(i32::from).collect();
                    let until = until.map(|until| until.to_string()).unwrap_or_default();
                    let request = FlagKeyPersonRequest { request_id, resident, reasons, until };
                    VisitServiceClient::new(connection).flag_key_person(request).await
                });
                act.show(&flagged.await?)
            }
            Self::Unflag { resident, decision, act } => {
                let unflagged = act.send(async |connection, request_id| {
                    let request = UnflagKeyPersonRequest { request_id, resident, decision: decision.into() };
                    VisitServiceClient::new(connection).unflag_key_person(request).await
                });
                act.show(&unflagged.await?)
            }
            Self::List { place, overdue, days, listing, ask } => {
                list(&place.parent(), overdue, days, &listing, &ask).await
            }
        }
    }
}

async fn list(parent: &str, overdue_only: bool, days: i32, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = VisitServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListKeyPersonsRequest { parent: parent.to_owned(), days, overdue_only, page_size, page_token };
        let page = client.list_key_persons(request).await?.into_inner();
        Ok((page.key_persons, page.next_page_token))
    });
    listing.show(
        ask,
        &all.await?,
        &[
            "resident",
            "door.building",
            "door.unit",
            "door.room",
            "masked_name",
            "reasons",
            "flagged",
            "until",
            "last_seen",
            "overdue",
        ],
    )
}
