use clap::{Args, Subcommand};
use proto::screening::v1::{
    Dispute, GetDisputeRequest, Instance, ListDisputesRequest, Statement, dispute::State,
    dispute_service_client::DisputeServiceClient,
};

use crate::{
    desk::{
        ask::{About, Ask, Listing},
        typed,
    },
    output::{local_time, print, table, word},
};

#[derive(Subcommand)]
pub enum Command {
    /// Disputes that wait for an answer, the one due first first, with what is left of its time
    #[command(
        after_help = "Example:\n  mifeng dispute list\n  mifeng dispute list --late --with subdistrict\n  mifeng dispute list \
                            --state upheld --export upheld.xlsx"
    )]
    List(Box<List>),
    /// One dispute: what was stated by whom, what it was weighed against, what was found
    #[command(after_help = "Example:\n  mifeng dispute show cases/019c40/disputes/5")]
    Show {
        #[arg(value_parser = typed::of_case("disputes"))]
        dispute: String,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    about: About,
    /// Open ones, or those that were answered so
    #[arg(long, default_value = "open", value_parser = typed::word(State::as_str_name))]
    state: State,
    /// Only those that have gone up to there, or further
    #[arg(long, value_parser = typed::word(Instance::as_str_name))]
    with: Option<Instance>,
    /// Only those that are past their time
    #[arg(long)]
    late: bool,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run().await,
            Self::Show { dispute, ask } => {
                let mut client = DisputeServiceClient::new(ask.connection()?);
                show(&ask, &client.get_dispute(GetDisputeRequest { name: dispute }).await?.into_inner())
            }
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let request = ListDisputesRequest {
            parent: self.about.parent(),
            state: self.state.into(),
            instance: self.with.unwrap_or_default().into(),
            late: self.late,
            ..ListDisputesRequest::default()
        };
        let mut client = DisputeServiceClient::new(self.ask.connection()?);
        let all = self.listing.collect(async |page_size, page_token| {
            let page = client.list_disputes(ListDisputesRequest { page_size, page_token, ..request.clone() });
            let page = page.await?.into_inner();
            Ok((page.disputes, page.next_page_token))
        });
        let disputes = all.await?;
        if self.listing.exports() || self.ask.output.is_json() {
            let columns = ["name", "resident", "state", "due_time", "left_minutes", "instance", "author", "filed_by"];
            return self.listing.show(&self.ask, &disputes, &columns);
        }
        let mut table = table();
        table.set_header(["dispute", "resident", "due", "left", "waits at", "stated by", "filed by"]);
        for dispute in &disputes {
            table.add_row([
                dispute.name.clone(),
                dispute.resident.clone(),
                local_time(dispute.due_time.as_ref()),
                left(dispute),
                word(dispute.instance().as_str_name()).to_owned(),
                word(dispute.author().as_str_name()).to_owned(),
                dispute.filed_by.clone(),
            ]);
        }
        print(&table.to_string())?;
        print(&format!("{} in all", disputes.len()))
    }
}

/// "3 h 20 min left", "late by 2 h"; what became of one that was answered.
fn left(dispute: &Dispute) -> String {
    match (dispute.state(), dispute.late) {
        (State::Open | State::Unspecified, _) => {
            let minutes = dispute.left_minutes.abs();
            let span = match (minutes / 60, minutes % 60) {
                (0, minutes) => format!("{minutes} min"),
                (hours, 0) => format!("{hours} h"),
                (hours, minutes) => format!("{hours} h {minutes} min"),
            };
            if dispute.left_minutes < 0 { format!("late by {span}") } else { format!("{span} left") }
        }
        (state, true) => format!("{}, late", word(state.as_str_name())),
        (state, false) => word(state.as_str_name()).to_owned(),
    }
}

fn show(ask: &Ask, dispute: &Dispute) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(dispute);
    }
    let mut table = table();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            table.add_row([name.to_owned(), value]);
        }
    };
    row("dispute", dispute.name.clone());
    row("resident", dispute.resident.clone());
    row("stated by", word(dispute.author().as_str_name()).to_owned());
    row("filed by", format!("{} at {}", dispute.filed_by, local_time(dispute.file_time.as_ref())));
    row("due", local_time(dispute.due_time.as_ref()));
    row("left", left(dispute));
    for escalation in &dispute.escalations {
        let to = word(escalation.to().as_str_name());
        row("went up to", format!("{to} at {}", local_time(escalation.time.as_ref())));
    }
    row("weighed against", dispute.evidence_ids.join("\n"));
    if !dispute.resolved_by.is_empty() {
        row("answered by", format!("{} at {}", dispute.resolved_by, local_time(dispute.resolve_time.as_ref())));
        row("visits struck", dispute.struck_visits.to_string());
    }
    let words = |words: &Statement| {
        let mut lines = vec![words.text.clone()];
        if !words.author_role.is_empty() {
            lines.push(format!("({})", words.author_role));
        }
        lines.extend(
            words.proofs.iter().map(|proof| format!("{}: {}", word(proof.kind().as_str_name()), proof.description)),
        );
        lines.join("\n")
    };
    row("statement", dispute.statement.as_ref().map(words).unwrap_or_default());
    row("finding", dispute.finding.as_ref().map(words).unwrap_or_default());
    print(&table.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_in_hours_and_minutes() {
        let open = |left_minutes| left(&Dispute { state: State::Open.into(), left_minutes, ..Dispute::default() });
        assert_eq!(open(200), "3 h 20 min left");
        assert_eq!(open(45), "45 min left");
        assert_eq!(open(-120), "late by 2 h");
        let answered = Dispute { state: State::Upheld.into(), late: true, ..Dispute::default() };
        assert_eq!(left(&answered), "upheld, late");
    }
}
