use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use proto::registry::v1::{
    Coverage, ListCoverageRequest, ListOverdueHouseholdsRequest, ListUnknownOccupantsRequest, ListVisitsRequest,
    OccupantsDecision, RecordVisitRequest, ResolveUnknownOccupantsRequest, VisitOutcome,
    visit_service_client::VisitServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing, Place},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Puts on record who stood at a door and what came of it
    #[command(
        after_help = "Example:\n  mifeng visit record 019c30 met --resident 019c31 --resident 019c32\n  mifeng visit record \
                            019c30 nobody-home --time 2020-02-11T18:30:00+08:00\n  mifeng visit record 019c30 \
                            strangers-only --unknown 3 --note '三人，称从信阳来'"
    )]
    Record(Box<Record>),
    /// Who was seen when, and by whom; the one recorded last first
    #[command(after_help = "Example:\n  mifeng visit list --household 019c30")]
    List {
        #[command(flatten)]
        home: Home,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// How many households were visited and how many key persons seen (两个全覆盖)
    #[command(after_help = "Households is the number of those registered, key_persons of those flagged: visited and \
                            key_persons_seen are parts of them.\n\nExample:\n  mifeng visit coverage --compound 019c2f \
                            --by-building --days 7")]
    Coverage(ShowCoverage),
    /// Households where nobody was met for too long, in the order of their doors
    #[command(after_help = "Example:\n  mifeng visit overdue --compound 019c2f --days 7 --export overdue.xlsx")]
    Overdue {
        #[command(flatten)]
        place: Place,
        /// For more than so many days; by default 14
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        days: i32,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// People found at a door whom nobody knows yet, the oldest first
    #[command(after_help = "Example:\n  mifeng visit unknown")]
    Unknown {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Says who unknown people turned out to be, or why they need not be registered
    #[command(
        after_help = "Register them first; the note about them is destroyed with the last.\n\nExample:\n  mifeng visit \
                            resolve households/019c30/visits/019c40 --resident 019c33\n  mifeng visit resolve \
                            households/019c30/visits/019c40 --dismiss 2 --because left"
    )]
    Resolve {
        /// The visit that found them
        #[arg(value_parser = typed::visit)]
        visit: String,
        /// Who they turned out to be, once for each
        #[arg(long, value_parser = typed::name("residents"))]
        resident: Vec<String>,
        /// How many of them need not be registered
        #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true, requires = "because")]
        dismiss: i32,
        /// Why not
        #[arg(long, value_parser = typed::word(OccupantsDecision::as_str_name), requires = "dismiss")]
        because: Option<OccupantsDecision>,
        #[command(flatten)]
        act: Act,
    },
}

#[derive(Args)]
pub struct Record {
    #[arg(value_parser = typed::name("households"))]
    household: String,
    #[arg(value_parser = typed::word(VisitOutcome::as_str_name))]
    outcome: VisitOutcome,
    /// Who was met, once for each
    #[arg(long, value_parser = typed::name("residents"))]
    resident: Vec<String>,
    /// How many people were there who are not registered
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    unknown: i32,
    /// About those people; destroyed once it is known who they are
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    /// Who stood at the door, where it is not you
    #[arg(long, value_parser = typed::name("staff"))]
    visitor: Option<String>,
    /// The task that asked for it
    #[arg(long, value_parser = typed::name("tasks"))]
    task: Option<String>,
    /// When; by default now
    #[arg(long)]
    time: Option<DateTime<Utc>>,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct ShowCoverage {
    #[command(flatten)]
    place: Place,
    /// A row for each building, not for each compound
    #[arg(long)]
    by_building: bool,
    /// Within how many days a household counts as visited; by default 14
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    days: i32,
    /// Within how many days a key person counts as seen; by default 3
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    key_person_days: i32,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
#[group(multiple = false)]
pub struct Home {
    /// Of this household
    #[arg(long, value_parser = typed::name("households"))]
    household: Option<String>,
    /// Of this compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Record(record) => record.run().await,
            Self::List { home, listing, ask } => list(home, &listing, &ask).await,
            Self::Coverage(coverage) => coverage.run().await,
            Self::Overdue { place, days, listing, ask } => overdue(&place.parent(), days, &listing, &ask).await,
            Self::Unknown { place, listing, ask } => unknown(&place.parent(), &listing, &ask).await,
            Self::Resolve { visit, resident, dismiss, because, act } => {
                let resolved = act.send(async |connection, request_id| {
                    let request = ResolveUnknownOccupantsRequest {
                        request_id,
                        name: visit,
                        residents: resident,
                        dismissed: dismiss,
                        decision: because.unwrap_or_default().into(),
                    };
                    VisitServiceClient::new(connection).resolve_unknown_occupants(request).await
                });
                act.show(&resolved.await?)
            }
        }
    }
}

impl Record {
    async fn run(self) -> anyhow::Result<()> {
        let recorded = self.act.send(async |connection, request_id| {
            let request = RecordVisitRequest {
                request_id,
                household: self.household,
                outcome: self.outcome.into(),
                residents: self.resident,
                unknown_occupants: self.unknown,
                note: self.note,
                visitor: self.visitor.unwrap_or_default(),
                task: self.task.unwrap_or_default(),
                time: self.time.map(chassis::timestamp),
            };
            VisitServiceClient::new(connection).record_visit(request).await
        });
        self.act.show(&recorded.await?)
    }
}

impl ShowCoverage {
    /// The total stands below the rows; as JSON it is the last line, without a compound.
    async fn run(self) -> anyhow::Result<()> {
        let (parent, by_building) = (self.place.parent(), self.by_building);
        let mut client = VisitServiceClient::new(self.ask.connection()?);
        let mut total = Coverage::default();
        let all = self.listing.collect(async |page_size, page_token| {
            let request = ListCoverageRequest {
                parent: parent.clone(),
                by_building,
                days: self.days,
                key_person_days: self.key_person_days,
                page_size,
                page_token,
            };
            let page = client.list_coverage(request).await?.into_inner();
            total = page.total.unwrap_or_default();
            Ok((page.coverages, page.next_page_token))
        });
        let mut rows = all.await?;
        rows.push(total);
        self.listing.show(&self.ask, &rows, &COVERAGE)
    }
}

const COVERAGE: [&str; 9] = [
    "compound",
    "building",
    "households",
    "visited",
    "tried_in_vain",
    "never_visited",
    "oldest_visit",
    "key_persons",
    "key_persons_seen",
];

async fn list(home: Home, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let parent = home.household.or(home.compound).unwrap_or_default();
    let mut client = VisitServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListVisitsRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_visits(request).await?.into_inner();
        Ok((page.visits, page.next_page_token))
    });
    listing.show(ask, &all.await?, &["time", "name", "outcome", "residents", "unknown_occupants", "visitor", "task"])
}

async fn overdue(parent: &str, days: i32, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = VisitServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListOverdueHouseholdsRequest { parent: parent.to_owned(), days, page_size, page_token };
        let page = client.list_overdue_households(request).await?.into_inner();
        Ok((page.households, page.next_page_token))
    });
    listing.show(
        ask,
        &all.await?,
        &["door.building", "door.unit", "door.room", "door.household", "last_visit", "days_since", "last_try"],
    )
}

async fn unknown(parent: &str, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = VisitServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListUnknownOccupantsRequest { parent: parent.to_owned(), page_size, page_token };
        let page = client.list_unknown_occupants(request).await?.into_inner();
        Ok((page.occupants, page.next_page_token))
    });
    listing.show(
        ask,
        &all.await?,
        &["name", "door.building", "door.unit", "door.room", "found", "unresolved", "note", "visitor", "time"],
    )
}
