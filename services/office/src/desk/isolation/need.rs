//! What people who are shut in, old or alone need.

use clap::{Args, Subcommand};
use proto::isolation::v1::{
    AskForHelpRequest, ClaimNeedRequest, CompleteNeedRequest, ConfirmNeedRequest, GetNeedPlanRequest,
    ListEscalationsRequest, ListNeedsRequest, NeedAsker, NeedInstance, NeedKind, NeedPlan, NeedPriority, Quantity,
    SetNeedPlanRequest, SuggestVolunteersRequest, need::State, need_service_client::NeedServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Asks for help for a resident
    #[command(
        after_help = "Example:\n  mifeng need ask 019c31 medicine --priority urgent --asker relative --note '降压药两盒'\n  \
                            mifeng need ask 019c31 food --item 玉米 --quantity 5jin"
    )]
    Ask(Box<AskFor>),
    /// Needs, the most urgent first
    #[command(after_help = "Example:\n  mifeng need list --compound 019c2f")]
    List {
        #[command(flatten)]
        of: Of,
        /// Only in this state; by default all that somebody still has to do something about
        #[arg(long, value_parser = typed::word(State::as_str_name))]
        state: Option<State>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Takes a need: from here on somebody answers for it
    #[command(after_help = "Example:\n  mifeng need claim 019c60 --by volunteers/019c70")]
    Claim {
        #[arg(value_parser = typed::name("needs"))]
        need: String,
        /// staff/{id} or volunteers/{id}; by default who asks
        #[arg(long = "by", value_name = "NAME", default_value = "", hide_default_value = true)]
        responsible: String,
        /// From whoever has it now
        #[arg(long)]
        take_over: bool,
        #[command(flatten)]
        act: Act,
    },
    /// It was done, by whoever took it
    #[command(after_help = "Example:\n  mifeng need done 019c60 --minutes 40")]
    Done {
        #[arg(value_parser = typed::name("needs"))]
        need: String,
        /// How long it took
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        minutes: i32,
        #[command(flatten)]
        act: Act,
    },
    /// What the person says of it
    #[command(after_help = "Example:\n  mifeng need confirm 019c60\n  mifeng need confirm 019c60 --unmet")]
    Confirm {
        #[arg(value_parser = typed::name("needs"))]
        need: String,
        /// It is not met: open again
        #[arg(long)]
        unmet: bool,
        #[command(flatten)]
        act: Act,
    },
    /// Needs in alarm, the longest first: nobody is responsible, not done, nobody has heard the person
    #[command(after_help = "Example:\n  mifeng need escalations --instance neighbourhood")]
    Escalations {
        #[command(flatten)]
        of: Of,
        /// Only those that have come to this instance or beyond
        #[arg(long, value_parser = typed::word(NeedInstance::as_str_name))]
        instance: Option<NeedInstance>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Volunteers who could take it, the best first, and why
    #[command(after_help = "Example:\n  mifeng need suggest 019c60")]
    Suggest {
        #[arg(value_parser = typed::name("needs"))]
        need: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// What an order opens, and the hours of all clocks
    #[command(subcommand)]
    Plan(Plan),
}

#[derive(Subcommand)]
pub enum Plan {
    /// The plan in force
    #[command(after_help = "Example:\n  mifeng need plan show")]
    Show {
        /// By default the neighbourhood of the token
        #[arg(long, value_parser = typed::name("neighbourhoods"))]
        neighbourhood: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Sets the plan from a JSON file, as `show -o json` writes it
    #[command(after_help = "Example:\n  mifeng need plan set plan.json")]
    Set {
        /// - is the standard input
        file: std::path::PathBuf,
        #[command(flatten)]
        act: Act,
    },
}

#[derive(Args)]
pub struct AskFor {
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    #[arg(value_parser = typed::word(NeedKind::as_str_name))]
    kind: NeedKind,
    #[arg(long, value_parser = typed::word(NeedPriority::as_str_name), default_value = "normal")]
    priority: NeedPriority,
    /// Who asked
    #[arg(long, value_parser = typed::word(NeedAsker::as_str_name), default_value = "self")]
    asker: NeedAsker,
    /// What exactly; kept sealed
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    /// What it takes from stock
    #[arg(long, default_value = "", hide_default_value = true, requires = "quantity")]
    item: String,
    /// How much of it: 5jin, 5斤, 2bottle
    #[arg(long, value_parser = typed::quantity, requires = "item")]
    quantity: Option<Quantity>,
    #[command(flatten)]
    act: Act,
}

/// Whose needs; nothing given means all that the token may see.
#[derive(Args)]
#[group(multiple = false)]
pub struct Of {
    /// Of this resident
    #[arg(long, value_parser = typed::name("residents"))]
    resident: Option<String>,
    /// Of this compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
    /// Of this neighbourhood
    #[arg(long, value_parser = typed::name("neighbourhoods"))]
    neighbourhood: Option<String>,
}

impl Of {
    fn parent(self) -> String {
        self.resident.or(self.compound).or(self.neighbourhood).unwrap_or_default()
    }
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Ask(asked) => asked.run().await,
            Self::List { of, state, listing, ask } => {
                let request = ListNeedsRequest {
                    parent: of.parent(),
                    state: state.unwrap_or_default().into(),
                    ..ListNeedsRequest::default()
                };
                let columns =
                    ["name", "kind", "priority", "state", "due_time", "resident", "responsible", "note", "alarm"];
                let mut client = NeedServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListNeedsRequest { page_size, page_token, ..request.clone() };
                    let page = client.list_needs(request).await?.into_inner();
                    Ok((page.needs, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &columns)
            }
            Self::Claim { need, responsible, take_over, act } => {
                let claimed = act.send(async |connection, request_id| {
                    let request = ClaimNeedRequest { request_id, need, responsible, take_over };
                    NeedServiceClient::new(connection).claim_need(request).await
                });
                act.show(&claimed.await?)
            }
            Self::Done { need, minutes, act } => {
                let done = act.send(async |connection, request_id| {
                    let request = CompleteNeedRequest { request_id, need, minutes };
                    NeedServiceClient::new(connection).complete_need(request).await
                });
                act.show(&done.await?)
            }
            Self::Confirm { need, unmet, act } => {
                let confirmed = act.send(async |connection, request_id| {
                    let request = ConfirmNeedRequest { request_id, need, unmet };
                    NeedServiceClient::new(connection).confirm_need(request).await
                });
                act.show(&confirmed.await?)
            }
            Self::Escalations { of, instance, listing, ask } => {
                let request = ListEscalationsRequest {
                    parent: of.parent(),
                    instance: instance.unwrap_or_default().into(),
                    ..ListEscalationsRequest::default()
                };
                let columns = ["name", "kind", "alarm", "alarm_time", "instance", "resident", "responsible"];
                let mut client = NeedServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListEscalationsRequest { page_size, page_token, ..request.clone() };
                    let page = client.list_escalations(request).await?.into_inner();
                    Ok((page.needs, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &columns)
            }
            Self::Suggest { need, ask } => {
                let mut client = NeedServiceClient::new(ask.connection()?);
                let found = client.suggest_volunteers(SuggestVolunteersRequest { need }).await?.into_inner();
                ask.list(&found.suggestions, &["volunteer", "points", "reasons_zh", "reasons_en"])
            }
            Self::Plan(plan) => plan.run().await,
        }
    }
}

impl Plan {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Show { neighbourhood, ask } => {
                let neighbourhood = ask.neighbourhood(neighbourhood).await?;
                let mut client = NeedServiceClient::new(ask.connection()?);
                ask.show(&client.get_need_plan(GetNeedPlanRequest { neighbourhood }).await?.into_inner())
            }
            Self::Set { file, act } => {
                let plan: NeedPlan = typed::read_message(&file)?;
                let set = act.send(async |connection, request_id| {
                    let request = SetNeedPlanRequest { request_id, plan: Some(plan) };
                    NeedServiceClient::new(connection).set_need_plan(request).await
                });
                act.show(&set.await?)
            }
        }
    }
}

impl AskFor {
    async fn run(self) -> anyhow::Result<()> {
        let Self { resident, kind, priority, asker, note, item, quantity, act } = self;
        let opened = act.send(async |connection, request_id| {
            let request = AskForHelpRequest {
                request_id,
                resident,
                kind: kind.into(),
                priority: priority.into(),
                asker: asker.into(),
                note,
                item,
                quantity,
            };
            NeedServiceClient::new(connection).ask_for_help(request).await
        });
        act.show(&opened.await?)
    }
}
