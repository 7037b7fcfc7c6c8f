use chrono::NaiveDate;
use clap::{Args, Subcommand};
use proto::registry::v1::{
    AnswerSwapRequest, AssignDutiesRequest, Assignment, GetRosterRequest, ListGapsRequest, ListRostersRequest,
    OpenRosterRequest, Post, ProposeSwapRequest, ReportAbsenceRequest, Roster, Shift, StaffKind, SuggestDutiesRequest,
    roster_service_client::RosterServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing, Place},
        typed,
    },
    output::print,
};

#[derive(Subcommand)]
pub enum Command {
    /// Opens a week of a compound: shifts, posts at the gates, who takes part
    #[command(
        after_help = "Example:\n  mifeng roster open 019c2f --from 2020-02-10 --shift 夜班=00:00+8:night --shift 早班=08:00+8 \
                            --shift 中班=16:00+8 --post 019c2f/1=guard --post 019c2f/2=worker --member 019c11 --member 019c12"
    )]
    Open(Box<Open>),
    /// The week: who holds what, and how many shifts and nights everybody has
    #[command(after_help = "Example:\n  mifeng roster show 019c80")]
    Show {
        #[arg(value_parser = typed::name("rosters"))]
        roster: String,
        /// How many shifts and nights everybody has
        #[arg(long)]
        loads: bool,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Weeks, the latest first
    #[command(after_help = "Example:\n  mifeng roster list")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// Who could hold what nobody holds, nights shared fairly; `--adopt` assigns it
    #[command(after_help = "Example:\n  mifeng roster suggest 019c80\n  mifeng roster suggest 019c80 --adopt")]
    Suggest {
        #[arg(value_parser = typed::name("rosters"))]
        roster: String,
        /// Assigns what is suggested
        #[arg(long)]
        adopt: bool,
        #[command(flatten)]
        act: Act,
    },
    /// Gives a duty to somebody
    #[command(after_help = "Example:\n  mifeng roster assign rosters/019c80/duties/2020-02-10.0.0.0 019c11")]
    Assign {
        #[arg(value_parser = typed::of_roster("duties"))]
        duty: String,
        #[arg(value_parser = typed::name("staff"))]
        staff: String,
        #[command(flatten)]
        act: Act,
    },
    /// Somebody will not come on a day: what they held is a gap
    #[command(after_help = "Example:\n  mifeng roster absent 019c80 019c11 --date 2020-02-12")]
    Absent {
        #[arg(value_parser = typed::name("rosters"))]
        roster: String,
        #[arg(value_parser = typed::name("staff"))]
        staff: String,
        #[arg(long, value_parser = typed::date, value_name = "DAY")]
        date: NaiveDate,
        #[command(flatten)]
        act: Act,
    },
    /// Offers an own duty for another's
    #[command(after_help = "Example:\n  mifeng roster swap 019c80/2020-02-10.0.0.0 019c80/2020-02-12.1.0.0")]
    Swap {
        #[arg(value_parser = typed::of_roster("duties"))]
        own: String,
        #[arg(value_parser = typed::of_roster("duties"))]
        other: String,
        #[command(flatten)]
        act: Act,
    },
    /// Says yes to a swap, or no: with the second consent the duties change hands
    #[command(
        after_help = "Example:\n  mifeng roster answer 019c80/019c90\n  mifeng roster answer 019c80/019c90 --decline"
    )]
    Answer {
        #[arg(value_parser = typed::of_roster("swaps"))]
        swap: String,
        #[arg(long)]
        decline: bool,
        #[command(flatten)]
        act: Act,
    },
    /// Duties that nobody holds and that begin soon, the next one first
    #[command(after_help = "Example:\n  mifeng roster gaps --within 48")]
    Gaps {
        #[command(flatten)]
        place: Place,
        /// Hours; by default 24
        #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "HOURS")]
        within: i32,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct Open {
    #[arg(value_parser = typed::name("compounds"))]
    compound: String,
    /// A Monday
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    from: NaiveDate,
    /// 早班=08:00+8 for eight hours from eight; with :night where it counts as one; as often as needed
    #[arg(long = "shift", required = true, value_parser = shift, value_name = "NAME=FROM+HOURS")]
    shifts: Vec<Shift>,
    /// A gate and who must stand there in every shift: <compound>/<gate>=guard, or =worker:2 for two; as often as needed
    #[arg(long = "post", required = true, value_parser = post, value_name = "GATE=KIND")]
    posts: Vec<Post>,
    /// Who takes part; as often as needed
    #[arg(long = "member", required = true, value_parser = typed::name("staff"))]
    members: Vec<String>,
    /// Between two shifts of one person; by default 12
    #[arg(long, value_name = "HOURS")]
    rest: Option<i32>,
    #[command(flatten)]
    act: Act,
}

fn shift(typed: &str) -> Result<Shift, String> {
    let wrong = || format!("{typed:?} is no shift: write 早班=08:00+8, or 夜班=00:00+8:night");
    let (label, span) = typed.split_once('=').ok_or_else(wrong)?;
    let (span, night) = span.strip_suffix(":night").map_or((span, false), |span| (span, true));
    let (from, hours) = span.split_once('+').ok_or_else(wrong)?;
    let hours: i32 = hours.parse().ok().filter(|hours| (1..=24).contains(hours)).ok_or_else(wrong)?;
    Ok(Shift { label: label.to_owned(), start_minute: typed::minute(from)?, minutes: hours * 60, night })
}

fn post(typed: &str) -> Result<Post, String> {
    let wrong = || format!("{typed:?} is no post: write <compound>/<gate>=guard, or =worker:2 for two");
    let (gate, who) = typed.split_once('=').ok_or_else(wrong)?;
    let (kind, people) = who.split_once(':').unwrap_or((who, "1"));
    let kind = StaffKind::from_str_name(&format!("STAFF_KIND_{}", kind.to_uppercase())).ok_or_else(wrong)?;
    let people = people.parse().map_err(|_| wrong())?;
    Ok(Post { gate: typed::gate(gate)?, kind: kind.into(), people })
}

const DUTY: [&str; 8] = ["date", "shift", "gate", "kind", "staff", "night", "instead_of", "name"];
const LOAD: [&str; 5] = ["staff", "kind", "shifts", "nights", "nights_before"];

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Open(open) => open.run().await,
            Self::Show { roster, loads, listing, ask } => {
                let mut client = RosterServiceClient::new(ask.connection()?);
                let shown = client.get_roster(GetRosterRequest { name: roster }).await?.into_inner();
                match (loads, ask.output.is_json() && !listing.exports()) {
                    (true, _) => listing.show(&ask, &shown.loads, &LOAD),
                    (false, true) => ask.show(&shown),
                    (false, false) => listing.show(&ask, &shown.duties, &DUTY),
                }
            }
            Self::List { place, listing, ask } => {
                let parent = place.parent();
                let mut client = RosterServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListRostersRequest { parent: parent.clone(), page_size, page_token };
                    let page = client.list_rosters(request).await?.into_inner();
                    Ok((page.rosters, page.next_page_token))
                });
                listing.show(&ask, &all.await?, &["name", "compound", "from", "gaps"])
            }
            Self::Suggest { roster, adopt, act } => suggest(roster, adopt, &act).await,
            Self::Assign { duty, staff, act } => {
                let roster = duty.split("/duties/").next().unwrap_or_default().to_owned();
                let assigned = assign(&act, roster, vec![Assignment { duty, staff }]).await?;
                act.show(&assigned)
            }
            Self::Absent { roster, staff, date, act } => {
                let told = act.send(async |connection, request_id| {
                    let request = ReportAbsenceRequest { request_id, roster, staff, date: date.to_string() };
                    RosterServiceClient::new(connection).report_absence(request).await
                });
                act.show(&told.await?)
            }
            Self::Swap { own, other, act } => {
                let proposed = act.send(async |connection, request_id| {
                    let request = ProposeSwapRequest { request_id, own_duty: own, other_duty: other };
                    RosterServiceClient::new(connection).propose_swap(request).await
                });
                act.show(&proposed.await?)
            }
            Self::Answer { swap, decline, act } => {
                let answered = act.send(async |connection, request_id| {
                    let request = AnswerSwapRequest { request_id, name: swap, agree: !decline };
                    RosterServiceClient::new(connection).answer_swap(request).await
                });
                act.show(&answered.await?)
            }
            Self::Gaps { place, within, listing, ask } => {
                let parent = place.parent();
                let mut client = RosterServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let within_hours = within;
                    let request = ListGapsRequest { parent: parent.clone(), within_hours, page_size, page_token };
                    let page = client.list_gaps(request).await?.into_inner();
                    Ok((page.gaps, page.next_page_token))
                });
                listing.show(
                    &ask,
                    &all.await?,
                    &["start_time", "end_time", "gate", "kind", "shift", "instead_of", "name"],
                )
            }
        }
    }
}

impl Open {
    async fn run(self) -> anyhow::Result<()> {
        let Self { compound, from, shifts, posts, members, rest, act } = self;
        let opened = act.send(async |connection, request_id| {
            let request = OpenRosterRequest {
                request_id,
                compound,
                from: from.to_string(),
                shifts,
                posts,
                members,
                rest_hours: rest,
            };
            RosterServiceClient::new(connection).open_roster(request).await
        });
        act.show(&opened.await?)
    }
}

async fn suggest(roster: String, adopt: bool, act: &Act) -> anyhow::Result<()> {
    let mut client = RosterServiceClient::new(act.ask.connection()?);
    let found = client.suggest_duties(SuggestDutiesRequest { roster: roster.clone() }).await?.into_inner();
    if adopt {
        if found.assignments.is_empty() {
            return print("there is nothing to assign");
        }
        let assigned = assign(act, roster, found.assignments).await?;
        return act.show(&assigned);
    }
    if act.ask.output.is_json() {
        return act.ask.show(&found);
    }
    act.ask.list(&found.assignments, &["duty", "staff"])?;
    act.ask.list(&found.loads, &LOAD)?;
    for duty in &found.unfilled {
        print(&format!("nobody can hold {duty}"))?;
    }
    Ok(())
}

async fn assign(act: &Act, roster: String, assignments: Vec<Assignment>) -> anyhow::Result<Roster> {
    act.send(async |connection, request_id| {
        let request = AssignDutiesRequest { request_id, roster, assignments };
        RosterServiceClient::new(connection).assign_duties(request).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_and_posts_are_typed_short() {
        let night = shift("夜班=00:00+8:night").unwrap();
        assert_eq!((night.label.as_str(), night.start_minute, night.minutes, night.night), ("夜班", 0, 480, true));
        assert!(!shift("早班=08:00+8").unwrap().night);
        let two = post("c/1=worker:2").unwrap();
        assert_eq!((two.gate.as_str(), two.kind(), two.people), ("compounds/c/gates/1", StaffKind::Worker, 2));
        for wrong in ["", "早班", "早班=8", "早班=08:00+25", "早班=25:00+8"] {
            assert!(shift(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "c/1", "c/1=king", "c=guard", "c/1=guard:x"] {
            assert!(post(wrong).is_err(), "{wrong}");
        }
    }
}
