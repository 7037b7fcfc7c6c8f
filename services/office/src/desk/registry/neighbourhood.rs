use clap::Subcommand;
use proto::registry::v1::{
    CreateNeighbourhoodRequest, ListNeighbourhoodsRequest, Neighbourhood,
    registry_service_client::RegistryServiceClient,
};

use crate::desk::ask::{Act, Ask, Listing};

#[derive(Subcommand)]
pub enum Command {
    /// Opens a neighbourhood
    #[command(after_help = "Example:\n  mifeng neighbourhood create 金家漕社区 --code 330212002012")]
    Create {
        /// What people call it
        display_name: String,
        /// The twelve digits of its statistical code
        #[arg(long)]
        code: String,
        #[command(flatten)]
        act: Act,
    },
    /// All neighbourhoods that the token may see
    #[command(after_help = "Example:\n  mifeng neighbourhood list -o json")]
    List {
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create { display_name, code, act } => {
                let neighbourhood = Neighbourhood { display_name, code, ..Neighbourhood::default() };
                let opened = act.send(async |connection, request_id| {
                    let request = CreateNeighbourhoodRequest { request_id, neighbourhood: Some(neighbourhood) };
                    RegistryServiceClient::new(connection).create_neighbourhood(request).await
                });
                act.show(&opened.await?)
            }
            Self::List { listing, ask } => {
                let mut client = RegistryServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListNeighbourhoodsRequest { page_size, page_token };
                    let page = client.list_neighbourhoods(request).await?.into_inner();
                    Ok((page.neighbourhoods, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &["name", "display_name", "code"])
            }
        }
    }
}
