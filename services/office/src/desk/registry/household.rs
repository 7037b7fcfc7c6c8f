use anyhow::ensure;
use clap::{Args, Subcommand};
use proto::registry::v1::{
    CreateHouseholdRequest, GetHouseholdRequest, Household, Landlord, ListHouseholdsRequest, Tenure,
    registry_service_client::RegistryServiceClient,
};

use super::import::{Import, Rows};
use crate::desk::{
    ask::{Act, Ask, Listing},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Registers a household
    #[command(after_help = "Example:\n  mifeng household create --compound 019c2f --building 3 --unit 2 --room 501 \
                            --tenure rented --landlord-name 王建国 --landlord-phone 13800001234")]
    Create(Box<Create>),
    /// One household
    #[command(after_help = "Example:\n  mifeng household show 019c30")]
    Show {
        #[arg(value_parser = typed::name("households"))]
        household: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Households
    #[command(after_help = "Example:\n  mifeng household list --compound 019c2f --limit 20\n  mifeng household list \
                            --grid 019c2e --export households.xlsx")]
    List {
        /// Only of this compound
        #[arg(long, value_parser = typed::name("compounds"), conflicts_with = "grid")]
        compound: Option<String>,
        /// Only of this grid
        #[arg(long, value_parser = typed::name("grids"))]
        grid: Option<String>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Takes a workbook of residents, a row for each person
    #[command(
        after_help = "Every row is either taken or refused with its reason, and one refused row holds back all of \
                            them unless --partial is said. The refused ones are written to a workbook of their own, to be \
                            corrected and imported again. Exits with 1 where rows were refused. `mifeng import template` \
                            makes a workbook to begin with.\n\nExample:\n  mifeng household import 长丰二村.xlsx --preview"
    )]
    Import(Box<Import>),
}

#[derive(Args)]
pub struct Create {
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: String,
    /// 幢
    #[arg(long)]
    building: String,
    /// 单元
    #[arg(long, default_value = "")]
    unit: String,
    /// 室
    #[arg(long)]
    room: String,
    #[arg(long, value_parser = typed::word(Tenure::as_str_name))]
    tenure: Tenure,
    /// Of a rented one
    #[arg(long)]
    landlord_name: Option<String>,
    /// Of a rented one
    #[arg(long)]
    landlord_phone: Option<String>,
    #[command(flatten)]
    act: Act,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run().await,
            Self::Show { household, ask } => {
                let mut client = RegistryServiceClient::new(ask.connection()?);
                ask.show(&client.get_household(GetHouseholdRequest { name: household }).await?.into_inner())
            }
            Self::List { compound, grid, listing, ask } => {
                list(compound.or(grid).unwrap_or_default(), &listing, &ask).await
            }
            Self::Import(import) => import.run(Rows::Residents).await,
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let landlord = match (self.landlord_name, self.landlord_phone) {
            (None, None) => None,
            (name, phone) => Some(Landlord { full_name: name.unwrap_or_default(), phone: phone.unwrap_or_default() }),
        };
        ensure!(
            self.tenure != Tenure::Rented || landlord.is_some(),
            "a rented household has a landlord: give --landlord-name and --landlord-phone"
        );
        let household = Household {
            compound: self.compound,
            building: self.building,
            unit: self.unit,
            room: self.room,
            tenure: self.tenure.into(),
            ..Household::default()
        };
        let registered = self.act.send(async |connection, request_id| {
            let request = CreateHouseholdRequest { request_id, household: Some(household), landlord };
            RegistryServiceClient::new(connection).create_household(request).await
        });
        self.act.show(&registered.await?)
    }
}

async fn list(parent: String, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = RegistryServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListHouseholdsRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_households(request).await?.into_inner();
        Ok((page.households, page.next_page_token))
    });
    listing.show(ask, &all.await?, &["name", "compound", "building", "unit", "room", "tenure", "landlord", "residents"])
}
