//! Grids, and the buildings in them.

use clap::Subcommand;
use proto::registry::v1::{
    AddBuildingRequest, AssignGridRequest, CreateGridRequest, Grid, ListBuildingsRequest, ListGridsRequest,
    grid_service_client::GridServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Opens a grid in a neighbourhood
    #[command(after_help = "Example:\n  mifeng grid create 第一网格")]
    Create {
        /// What people call it
        display_name: String,
        /// By default the neighbourhood of the token
        #[arg(long, value_parser = typed::name("neighbourhoods"))]
        neighbourhood: Option<String>,
        #[command(flatten)]
        act: Act,
    },
    /// Grids with the households in each
    #[command(after_help = "Example:\n  mifeng grid list --neighbourhood 019c2e")]
    List {
        /// Only of this neighbourhood
        #[arg(long, value_parser = typed::name("neighbourhoods"))]
        neighbourhood: Option<String>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Puts a compound, or one building of it, into a grid
    #[command(after_help = "Example:\n  mifeng grid assign 019c40 --compound 019c2f --building 3")]
    Assign {
        #[arg(value_parser = typed::name("grids"))]
        grid: String,
        #[arg(long, value_parser = typed::name("compounds"))]
        compound: String,
        /// 幢; by default the whole compound, except buildings that were assigned by themselves
        #[arg(long, default_value = "", hide_default_value = true)]
        building: String,
        #[command(flatten)]
        act: Act,
    },
    /// Adds a building to a compound
    #[command(after_help = "Example:\n  mifeng grid add-building 3 --compound 019c2f --units 4")]
    AddBuilding {
        /// 幢
        building: String,
        #[arg(long, value_parser = typed::name("compounds"))]
        compound: String,
        /// How many 单元; 0 where nobody counted
        #[arg(long, default_value_t = 0)]
        units: i32,
        #[command(flatten)]
        act: Act,
    },
    /// Buildings with the grid of each
    #[command(after_help = "Example:\n  mifeng grid buildings --compound 019c2f")]
    Buildings {
        /// Only of this compound
        #[arg(long, value_parser = typed::name("compounds"))]
        compound: Option<String>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create { display_name, neighbourhood, act } => {
                let neighbourhood = act.ask.neighbourhood(neighbourhood).await?;
                let opened = act.send(async |connection, request_id| {
                    let grid = Grid { display_name, neighbourhood, ..Grid::default() };
                    let request = CreateGridRequest { request_id, grid: Some(grid) };
                    GridServiceClient::new(connection).create_grid(request).await
                });
                act.show(&opened.await?)
            }
            Self::List { neighbourhood, listing, ask } => {
                let parent = neighbourhood.unwrap_or_default();
                let mut client = GridServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListGridsRequest { parent: parent.clone(), page_size, page_token };
                    let page = client.list_grids(request).await?.into_inner();
                    Ok((page.grids, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &["name", "display_name", "neighbourhood", "households"])
            }
            Self::Assign { grid, compound, building, act } => {
                let assigned = act.send(async |connection, request_id| {
                    let request = AssignGridRequest { request_id, grid, compound, building };
                    GridServiceClient::new(connection).assign_grid(request).await
                });
                act.show(&assigned.await?)
            }
            Self::AddBuilding { building, compound, units, act } => {
                let added = act.send(async |connection, request_id| {
                    let request = AddBuildingRequest { request_id, compound, building, units };
                    GridServiceClient::new(connection).add_building(request).await
                });
                act.show(&added.await?)
            }
            Self::Buildings { compound, listing, ask } => {
                let parent = compound.unwrap_or_default();
                let mut client = GridServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListBuildingsRequest { parent: parent.clone(), page_size, page_token };
                    let page = client.list_buildings(request).await?.into_inner();
                    Ok((page.buildings, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &["compound", "building", "units", "grid"])
            }
        }
    }
}
