use chrono::{DateTime, NaiveDate, Utc};
use clap::Subcommand;
use proto::registry::v1::{
    ListRoundsRequest, PlanRoundRequest, RoundKind, TickRoundRequest, round_service_client::RoundServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing, Place},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Plans what is to be done again and again at one place
    #[command(
        after_help = "Example:\n  mifeng round plan 019c2f disinfection --times 1\n  mifeng round plan 019c2f disinfection \
                            --spot 垃圾房 --times 2"
    )]
    Plan {
        #[arg(value_parser = typed::name("compounds"))]
        compound: String,
        #[arg(value_parser = typed::word(RoundKind::as_str_name))]
        kind: RoundKind,
        /// A key place; by default the whole compound
        #[arg(long, default_value = "", hide_default_value = true)]
        spot: String,
        /// A day; 0: no more
        #[arg(long)]
        times: i32,
        #[command(flatten)]
        act: Act,
    },
    /// Ticks off that it was made
    #[command(after_help = "Example:\n  mifeng round tick 019ca0 --by staff/019c11 --time 2020-02-11T09:30:00+08:00")]
    Tick {
        #[arg(value_parser = typed::name("rounds"))]
        round: String,
        /// staff/{id} or volunteers/{id}; by default who asks
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        by: String,
        /// By default now
        #[arg(long)]
        time: Option<DateTime<Utc>>,
        #[command(flatten)]
        act: Act,
    },
    /// What was made on a day, when last and by whom
    #[command(after_help = "Example:\n  mifeng round list --missing")]
    List {
        #[command(flatten)]
        place: Place,
        /// By default today
        #[arg(long, value_parser = typed::date, value_name = "DAY")]
        date: Option<NaiveDate>,
        /// Only those that were not made as often as planned
        #[arg(long)]
        missing: bool,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Plan { compound, kind, spot, times, act } => {
                let planned = act.send(async |connection, request_id| {
                    let kind = kind.into();
                    let request = PlanRoundRequest { request_id, compound, kind, spot, times_per_day: times };
                    RoundServiceClient::new(connection).plan_round(request).await
                });
                act.show(&planned.await?)
            }
            Self::Tick { round, by, time, act } => {
                let ticked = act.send(async |connection, request_id| {
                    let request = TickRoundRequest { request_id, round, by, time: time.map(chassis::timestamp) };
                    RoundServiceClient::new(connection).tick_round(request).await
                });
                act.show(&ticked.await?)
            }
            Self::List { place, date, missing, listing, ask } => {
                let parent = place.parent();
                let date = date.map(|day| day.to_string()).unwrap_or_default();
                let mut client = RoundServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListRoundsRequest {
                        parent: parent.clone(),
                        date: date.clone(),
                        missing_only: missing,
                        page_size,
                        page_token,
                    };
                    let page = client.list_rounds(request).await?.into_inner();
                    Ok((page.rounds, page.next_page_token))
                });
                let columns = ["name", "compound", "kind", "spot", "times_per_day", "done", "last_time", "last_by"];
                listing.show(&ask, &all.await?, &columns)
            }
        }
    }
}
