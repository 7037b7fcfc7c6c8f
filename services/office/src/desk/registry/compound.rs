use chrono::NaiveDate;
use clap::Subcommand;
use proto::registry::v1::{
    AddGateRequest, Compound, CreateCompoundRequest, GetCompoundRequest, ListCompoundsRequest, Regime,
    SetRegimeRequest, registry_service_client::RegistryServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Opens a compound
    #[command(after_help = "Example:\n  mifeng compound create 长丰二村 --group 长丰二村、金家新村")]
    Create {
        /// What people call it
        display_name: String,
        /// By default the neighbourhood of the token
        #[arg(long, value_parser = typed::name("neighbourhoods"))]
        neighbourhood: Option<String>,
        /// Compounds run together share this name
        #[arg(long, default_value = "")]
        group: String,
        #[command(flatten)]
        act: Act,
    },
    /// Compounds, with their regime
    #[command(after_help = "Example:\n  mifeng compound list")]
    List {
        /// Only of this neighbourhood
        #[arg(long, value_parser = typed::name("neighbourhoods"))]
        neighbourhood: Option<String>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// One compound with its gates
    #[command(after_help = "Example:\n  mifeng compound show 019c2f")]
    Show {
        #[arg(value_parser = typed::name("compounds"))]
        compound: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Adds a gate
    #[command(after_help = "Example:\n  mifeng compound add-gate 019c2f 北门")]
    AddGate {
        #[arg(value_parser = typed::name("compounds"))]
        compound: String,
        /// What people call the gate
        display_name: String,
        /// Refuse where the compound has changed since this etag was read
        #[arg(long, default_value = "")]
        etag: String,
        #[command(flatten)]
        act: Act,
    },
    /// Says how the compound's gates are kept, from a day on
    #[command(after_help = "Example:\n  mifeng compound regime 019c2f closed --from 2020-01-30")]
    Regime {
        #[arg(value_parser = typed::name("compounds"))]
        compound: String,
        #[arg(value_parser = typed::word(Regime::as_str_name))]
        regime: Regime,
        /// The first day on which it holds
        #[arg(long, value_parser = typed::date, value_name = "DAY")]
        from: NaiveDate,
        /// Refuse where the compound has changed since this etag was read
        #[arg(long, default_value = "")]
        etag: String,
        #[command(flatten)]
        act: Act,
    },
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create { display_name, neighbourhood, group, act } => {
                let neighbourhood = act.ask.neighbourhood(neighbourhood).await?;
                let compound = Compound { display_name, neighbourhood, management_group: group, ..Compound::default() };
                let opened = act.send(async |connection, request_id| {
                    let request = CreateCompoundRequest { request_id, compound: Some(compound) };
                    RegistryServiceClient::new(connection).create_compound(request).await
                });
                act.show(&opened.await?)
            }
            Self::List { neighbourhood, listing, ask } => list(neighbourhood.unwrap_or_default(), &listing, &ask).await,
            Self::Show { compound, ask } => {
                let mut client = RegistryServiceClient::new(ask.connection()?);
                ask.show(&client.get_compound(GetCompoundRequest { name: compound }).await?.into_inner())
            }
            Self::AddGate { compound, display_name, etag, act } => {
                let with_gate = act.send(async |connection, request_id| {
                    let request = AddGateRequest { request_id, compound, display_name, etag };
                    RegistryServiceClient::new(connection).add_gate(request).await
                });
                act.show(&with_gate.await?)
            }
            Self::Regime { compound, regime, from, etag, act } => {
                let under_regime = act.send(async |connection, request_id| {
                    let (regime, from) = (regime.into(), from.to_string());
                    let request = SetRegimeRequest { request_id, compound, regime, from, etag };
                    RegistryServiceClient::new(connection).set_regime(request).await
                });
                act.show(&under_regime.await?)
            }
        }
    }
}

async fn list(parent: String, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = RegistryServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListCompoundsRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_compounds(request).await?.into_inner();
        Ok((page.compounds, page.next_page_token))
    });
    listing.show(
        ask,
        &all.await?,
        &["name", "display_name", "neighbourhood", "management_group", "regime", "regime_from"],
    )
}
