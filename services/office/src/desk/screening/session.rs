//! Evening rounds: opened, closed, and what came of them.

use clap::{Args, Subcommand};
use proto::screening::v1::{
    CloseSessionRequest, GetSessionRequest, ListSessionCasesRequest, ListSessionsRequest, OpenSessionRequest, Session,
    SessionFigures, session::State, session_service_client::SessionServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::{local_time, print, table, word},
};

#[derive(Subcommand)]
pub enum Command {
    /// Opens a round in a compound or a grid: what is screened there from now on belongs to it
    #[command(after_help = "Example:\n  mifeng session open --compound 019c2f --with staff/12 --with staff/13")]
    Open {
        #[command(flatten)]
        place: Place,
        /// Who else is on it; as often as needed
        #[arg(long, value_name = "STAFF", value_parser = typed::name("staff"))]
        with: Vec<String>,
        #[command(flatten)]
        act: Act,
    },
    /// Ends it, and shows what came of it
    #[command(after_help = "Example:\n  mifeng session close 019c60")]
    Close {
        #[arg(value_parser = typed::name("sessions"))]
        session: String,
        #[command(flatten)]
        act: Act,
    },
    /// Its counts, times and hand-overs
    #[command(after_help = "Example:\n  mifeng session show 019c60")]
    Show {
        #[arg(value_parser = typed::name("sessions"))]
        session: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Rounds, the newest first
    #[command(after_help = "Example:\n  mifeng session list --state open\n  mifeng session list --export rounds.xlsx")]
    List(Box<List>),
    /// The cases that were worked on in it, with how long each took
    #[command(after_help = "Example:\n  mifeng session cases 019c60 --export evening.xlsx")]
    Cases {
        #[arg(value_parser = typed::name("sessions"))]
        session: String,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Who was taken to isolation: by whom, in which vehicle, where to, received by whom and when
    #[command(after_help = "Example:\n  mifeng session hand-overs 019c60 --export hand-overs.xlsx")]
    HandOvers {
        #[arg(value_parser = typed::name("sessions"))]
        session: String,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
#[group(multiple = false)]
pub struct Place {
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
    #[arg(long, value_parser = typed::name("grids"))]
    grid: Option<String>,
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    place: Place,
    /// Only in this state
    #[arg(long, value_parser = typed::word(State::as_str_name))]
    state: Option<State>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

impl Place {
    fn name(self) -> String {
        self.compound.or(self.grid).unwrap_or_default()
    }
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Open { place, with, act } => {
                let opened = act.send(async |connection, request_id| {
                    let request = OpenSessionRequest { request_id, place: place.name(), staff: with };
                    SessionServiceClient::new(connection).open_session(request).await
                });
                show(&act.ask, &opened.await?)
            }
            Self::Close { session, act } => {
                let closed = act.send(async |connection, request_id| {
                    let request = CloseSessionRequest { request_id, name: session };
                    let closed = SessionServiceClient::new(connection.clone()).close_session(request).await?;
                    let request = GetSessionRequest { name: closed.into_inner().name };
                    SessionServiceClient::new(connection).get_session(request).await
                });
                show(&act.ask, &closed.await?)
            }
            Self::Show { session, ask } => show(&ask, &get(&ask, session).await?),
            Self::List(list) => list.run().await,
            Self::Cases { session, listing, ask } => {
                let mut client = SessionServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListSessionCasesRequest { parent: session.clone(), page_size, page_token };
                    let page = client.list_session_cases(request).await?.into_inner();
                    Ok((page.cases, page.next_page_token))
                });
                let columns = [
                    "case",
                    "household",
                    "resident",
                    "first_touch_time",
                    "verdict_time",
                    "seconds",
                    "outcome",
                    "measure",
                ];
                listing.show(&ask, &all.await?, &columns)
            }
            Self::HandOvers { session, listing, ask } => {
                listing.show(&ask, &get(&ask, session).await?.hand_overs, &HAND_OVER)
            }
        }
    }
}

const HAND_OVER: [&str; 10] =
    ["order", "case", "resident", "handed_by", "receiver", "vehicle", "receipt", "place", "leave_time", "receive_time"];

async fn get(ask: &Ask, name: String) -> anyhow::Result<Session> {
    let mut client = SessionServiceClient::new(ask.connection()?);
    Ok(client.get_session(GetSessionRequest { name }).await?.into_inner())
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let (parent, state) = (self.place.name(), self.state.unwrap_or_default().into());
        let mut client = SessionServiceClient::new(self.ask.connection()?);
        let all = self.listing.collect(async |page_size, page_token| {
            let request = ListSessionsRequest { parent: parent.clone(), state, page_size, page_token };
            let page = client.list_sessions(request).await?.into_inner();
            Ok((page.sessions, page.next_page_token))
        });
        let columns = [
            "name",
            "display_name",
            "state",
            "open_time",
            "close_time",
            "figures.households",
            "figures.cases",
            "figures.assessed",
            "figures.left_open",
            "figures.median_seconds",
            "figures.handed_over",
        ];
        self.listing.show(&self.ask, &all.await?, &columns)
    }
}

/// What it was, its counts, and a row for each person who was taken to isolation.
fn show(ask: &Ask, session: &Session) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(session);
    }
    print(&told(session))?;
    if session.hand_overs.is_empty() { Ok(()) } else { ask.list(&session.hand_overs, &HAND_OVER) }
}

fn told(session: &Session) -> String {
    let figures = session.figures.clone().unwrap_or_default();
    let mut table = table();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            table.add_row([name.to_owned(), value]);
        }
    };
    row("session", session.name.clone());
    row("place", format!("{} {}", session.display_name, session.place));
    row("state", word(session.state().as_str_name()).to_owned());
    row("on it", session.staff.join(", "));
    row("from", local_time(session.open_time.as_ref()));
    row("to", local_time(session.close_time.as_ref()));
    if session.figures.is_none() {
        return table.to_string();
    }
    row("households", figures.households.to_string());
    row("cases", format!("{}: {} with a verdict, {} left open", figures.cases, figures.assessed, figures.left_open));
    let outcomes = figures.outcomes.iter().map(|one| format!("{} {}", one.cases, word(one.outcome().as_str_name())));
    row("outcomes", outcomes.collect::<Vec<_>>().join(", "));
    let measures = figures.measures.iter().map(|one| format!("{} {}", one.cases, word(one.measure().as_str_name())));
    row("measures", measures.collect::<Vec<_>>().join(", "));
    row("time for a household", times(&figures));
    row("taken to isolation", figures.handed_over.to_string());
    table.to_string()
}

fn times(figures: &SessionFigures) -> String {
    if figures.longest_seconds == 0 {
        return String::new();
    }
    let minutes = |seconds: i32| format!("{}:{:02}", seconds / 60, seconds % 60);
    let SessionFigures { median_seconds, mean_seconds, longest_seconds, .. } = figures;
    format!(
        "median {} min, mean {}, longest {}",
        minutes(*median_seconds),
        minutes(*mean_seconds),
        minutes(*longest_seconds)
    )
}

#[cfg(test)]
mod tests {
    use proto::screening::v1::{Outcome, OutcomeCount};

    use super::*;

    #[test]
    fn an_evening_is_told_in_households_and_minutes() {
        let outcomes = vec![OutcomeCount { outcome: Outcome::ConcealedKeyArea.into(), cases: 2 }];
        let figures = SessionFigures {
            cases: 5,
            assessed: 4,
            left_open: 1,
            outcomes,
            median_seconds: 95,
            mean_seconds: 100,
            longest_seconds: 605,
            ..SessionFigures::default()
        };
        let told = told(&Session { figures: Some(figures), ..Session::default() });
        for part in ["5: 4 with a verdict, 1 left open", "2 concealed-key-area", "median 1:35 min", "longest 10:05"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
