//! What was given, what is left of it, to whom it went.

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use proto::isolation::v1::{
    DonateRequest, Giver, IssueSuppliesRequest, ListIssuesRequest, ListShortagesRequest, ListStockRequest,
    ListThanksRequest, Quantity, stock_service_client::StockServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing, Place},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Takes a donation into stock
    #[command(
        after_help = "Example:\n  mifeng stock donate 玉米 2000斤 --place compounds/019c2f\n  mifeng stock donate 消毒液 1瓶 --place \
                            compounds/019c2f --giver 陈先生 --may-be-named --expires 2021-02-01"
    )]
    Donate(Box<Donate>),
    /// What there is, by place
    #[command(after_help = "Example:\n  mifeng stock list")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Gives something out, for a need or to somebody
    #[command(
        after_help = "Example:\n  mifeng stock issue 玉米 5斤 --place compounds/019c2f --need 019c60\n  mifeng stock issue 口罩 \
                            2件 --place compounds/019c2f --to staff/019c11"
    )]
    Issue(Box<Issue>),
    /// To whom it went, the last first
    #[command(after_help = "Example:\n  mifeng stock issues --export issues.xlsx")]
    Issues {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// What the needs of the coming days take, beside what will still be good then
    #[command(after_help = "Example:\n  mifeng stock shortage --days 14")]
    Shortage {
        #[command(flatten)]
        place: Place,
        /// By default 7
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        days: i32,
        #[command(flatten)]
        ask: Ask,
    },
    /// To be hung out: who gave what, with the names of those who agreed
    #[command(after_help = "Example:\n  mifeng stock thanks")]
    Thanks {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct Donate {
    /// What: one thing has one name
    item: String,
    /// How much: 2000斤, 1000kg, 12瓶, 3箱, 50件
    #[arg(value_parser = typed::quantity)]
    quantity: Quantity,
    /// compounds/{id} or neighbourhoods/{id}: where it lies
    #[arg(long)]
    place: String,
    /// The last day on which it is good
    #[arg(long = "expires", value_parser = typed::date, value_name = "DAY")]
    expires_on: Option<NaiveDate>,
    /// Who gave it; kept sealed. By default nobody knows
    #[arg(long, value_name = "NAME")]
    giver: Option<String>,
    #[arg(long, default_value = "", hide_default_value = true, requires = "giver")]
    phone: String,
    /// The giver agreed to be named in the list of thanks
    #[arg(long, requires = "giver")]
    may_be_named: bool,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct Issue {
    item: String,
    #[arg(value_parser = typed::quantity)]
    quantity: Quantity,
    /// compounds/{id} or neighbourhoods/{id}: from where
    #[arg(long)]
    place: String,
    /// For this need
    #[arg(long, value_parser = typed::name("needs"), conflicts_with = "recipient")]
    need: Option<String>,
    /// residents/, households/, staff/ or volunteers/{id}
    #[arg(long = "to", value_name = "NAME", default_value = "", hide_default_value = true)]
    recipient: String,
    #[command(flatten)]
    act: Act,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Donate(donate) => donate.run().await,
            Self::List { place, listing, ask } => {
                let parent = place.parent();
                let mut client = StockServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListStockRequest { parent: parent.clone(), page_size, page_token };
                    let page = client.list_stock(request).await?.into_inner();
                    Ok((page.stock, page.next_page_token))
                });
                let columns = [
                    "place",
                    "item",
                    "available.number",
                    "available.unit",
                    "expired.number",
                    "expired.unit",
                    "first_expiry",
                ];
                listing.show(&ask, &all.await?, &columns)
            }
            Self::Issue(issue) => issue.run().await,
            Self::Issues { place, listing, ask } => {
                let parent = place.parent();
                let mut client = StockServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListIssuesRequest { parent: parent.clone(), page_size, page_token };
                    let page = client.list_issues(request).await?.into_inner();
                    Ok((page.issues, page.next_page_token))
                });
                let columns = ["time", "place", "item", "quantity.number", "quantity.unit", "recipient", "need"];
                listing.show(&ask, &all.await?, &columns)
            }
            Self::Shortage { place, days, ask } => {
                let mut client = StockServiceClient::new(ask.connection()?);
                let request = ListShortagesRequest { parent: place.parent(), days };
                let found = client.list_shortages(request).await?.into_inner();
                ask.list(&found.shortages, &["item", "needed", "available", "short"])
            }
            Self::Thanks { place, listing, ask } => {
                let parent = place.parent();
                let mut client = StockServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListThanksRequest { parent: parent.clone(), page_size, page_token };
                    let page = client.list_thanks(request).await?.into_inner();
                    Ok((page.donations, page.next_page_token))
                });
                let columns = ["time", "item", "quantity.number", "quantity.unit", "thanked", "unknown_giver"];
                listing.show(&ask, &all.await?, &columns)
            }
        }
    }
}

impl Donate {
    async fn run(self) -> anyhow::Result<()> {
        let Self { item, quantity, place, expires_on, giver, phone, may_be_named, act } = self;
        let given = act.send(async |connection, request_id| {
            let request = DonateRequest {
                request_id,
                place,
                item,
                quantity: Some(quantity),
                expires_on: expires_on.map(|day| day.to_string()).unwrap_or_default(),
                giver: giver.map(|full_name| Giver { full_name, phone }),
                may_be_named,
            };
            StockServiceClient::new(connection).donate(request).await
        });
        act.show(&given.await?)
    }
}

impl Issue {
    async fn run(self) -> anyhow::Result<()> {
        let Self { item, quantity, place, need, recipient, act } = self;
        let issued = act.send(async |connection, request_id| {
            let need = need.unwrap_or_default();
            let request = IssueSuppliesRequest { request_id, place, item, quantity: Some(quantity), recipient, need };
            StockServiceClient::new(connection).issue_supplies(request).await
        });
        act.show(&issued.await?)
    }
}
