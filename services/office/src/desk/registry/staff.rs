use clap::Subcommand;
use proto::registry::v1::{
    EnrolStaffRequest, ListStaffRequest, StaffKind, registry_service_client::RegistryServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Enrols somebody who serves in a neighbourhood
    #[command(after_help = "Example:\n  mifeng staff enrol guard --name 特保一 --phone 13900000001")]
    Enrol {
        #[arg(value_parser = typed::word(StaffKind::as_str_name))]
        kind: StaffKind,
        /// The full name
        #[arg(long)]
        name: String,
        #[arg(long)]
        phone: String,
        /// By default the neighbourhood of the token
        #[arg(long, value_parser = typed::name("neighbourhoods"))]
        neighbourhood: Option<String>,
        #[command(flatten)]
        act: Act,
    },
    /// Who serves where
    #[command(after_help = "Example:\n  mifeng staff list --export staff.csv")]
    List {
        /// Only of this neighbourhood
        #[arg(long, value_parser = typed::name("neighbourhoods"))]
        neighbourhood: Option<String>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Enrol { kind, name, phone, neighbourhood, act } => {
                let neighbourhood = act.ask.neighbourhood(neighbourhood).await?;
                let enrolled = act.send(async |connection, request_id| {
                    let kind = kind.into();
                    let request = EnrolStaffRequest { request_id, kind, neighbourhood, full_name: name, phone };
                    RegistryServiceClient::new(connection).enrol_staff(request).await
                });
                act.show(&enrolled.await?)
            }
            Self::List { neighbourhood, listing, ask } => {
                let parent = neighbourhood.unwrap_or_default();
                let mut client = RegistryServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListStaffRequest { parent: parent.clone(), page_size, page_token };
                    let page = client.list_staff(request).await?.into_inner();
                    Ok((page.staff, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &["name", "kind", "neighbourhood", "masked_name"])
            }
        }
    }
}
