//! Passes and gates: who may cross, and who did.

use clap::{Args, Subcommand};
use proto::pass::v1::{
    CheckPassRequest, CheckPassResponse, Direction, GetHolderRequest, ListHoldersRequest, Reason, ReinstatePassRequest,
    ReportLostRequest, RevokePassRequest, SuspendPassRequest, Verdict, pass_service_client::PassServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::{print, word},
};

mod co_presence;
mod crossing;
mod giving;
mod inspect;
mod presence;
mod print;
mod recall;
mod verification;

#[derive(Subcommand)]
pub enum Command {
    /// Passes (出入证)
    #[command(subcommand)]
    Pass(Pass),
    /// Crossings of the gates
    #[command(subcommand)]
    Crossing(crossing::Command),
}

#[derive(Subcommand)]
pub enum Pass {
    /// Issues a pass to a resident who qualifies, and prints its code
    #[command(
        after_help = "Example:\n  mifeng pass issue 019c31 --surname 张\n  mifeng pass issue 019c31 --access daytime"
    )]
    Issue(giving::Giving),
    /// Another pass without a new scan while nothing has changed: in the last quarter of the old one's life, after it, or where
    /// it was recalled. The old number no longer counts
    #[command(after_help = "Example:\n  mifeng pass renew 019c31 --surname 张")]
    Renew(giving::Giving),
    /// The holder has lost the pass: no gate takes it any more, until it is found (reinstate) or replaced
    #[command(after_help = "Example:\n  mifeng pass lost 019c31")]
    Lost {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        #[command(flatten)]
        act: Act,
    },
    /// Another pass in the place of a lost one, which is revoked
    #[command(after_help = "Example:\n  mifeng pass replace 019c31 --surname 张")]
    Replace(giving::Giving),
    /// Passes on A4 sheets, to cut apart and hand out: who qualifies and has none gets one, others get theirs again
    #[command(after_help = "Example:\n  mifeng pass print passes.pdf --compound 019c2f")]
    Print(print::Print),
    /// Closes the gates to a pass for a while
    #[command(after_help = "Example:\n  mifeng pass suspend 019c31 --reason lent --evidence crossings/019c2f")]
    Suspend(Taking),
    /// Opens them again
    #[command(after_help = "Example:\n  mifeng pass reinstate 019c31")]
    Reinstate {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        #[command(flatten)]
        act: Act,
    },
    /// Takes a pass away for good; another may be issued
    #[command(after_help = "Example:\n  mifeng pass revoke 019c31 --reason lost")]
    Revoke(Taking),
    /// A resident's pass, and what bars the resident
    #[command(after_help = "Example:\n  mifeng pass show 019c31")]
    Show {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Residents and their passes
    #[command(after_help = "Example:\n  mifeng pass list --compound 019c2f")]
    List {
        /// Only of this compound
        #[arg(long, value_parser = typed::name("compounds"))]
        compound: Option<String>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// The keys that gates believe, as a set that the root signed
    #[command(after_help = "Example:\n  mifeng pass keys\n  mifeng pass keys --qr")]
    Keys(verification::Keys),
    /// The list of suspended passes: whole, or what has changed since the one that a gate holds; as text or as a QR code
    #[command(
        after_help = "Example:\n  mifeng pass suspensions\n  mifeng pass suspensions --from 1024 --qr\n  mifeng pass suspensions --watch -o json"
    )]
    Suspensions(verification::Suspensions),
    /// Many passes at once: all of a key since an hour, all of a compound before one
    #[command(subcommand)]
    Recall(recall::Command),
    /// May this code cross here now? Records nothing
    #[command(after_help = "Example:\n  mifeng pass check 'MF1:6BF%CAT$M.' --gate 019c2f/1")]
    Check {
        /// The scanned text in quotes, or - for the standard input
        #[arg(value_parser = crossing::code)]
        code: String,
        /// By default the gate of the token
        #[arg(long, value_parser = typed::gate)]
        gate: Option<String>,
        /// Going in or out; by default only the pass is looked at
        #[arg(long, value_parser = typed::word(Direction::as_str_name))]
        direction: Option<Direction>,
        #[command(flatten)]
        ask: Ask,
    },
    /// How many residents are inside, of how many; or who, one by one
    #[command(
        after_help = "Examples:\n  mifeng pass inside --compound 019c2f\n  mifeng pass inside --compound 019c2f --names \
                            --whereabouts outside"
    )]
    Inside(Box<presence::Inside>),
    /// Crossings of a compound's gates on a day, by hour
    #[command(after_help = "Example:\n  mifeng pass hours --compound 019c2f --day 2020-02-11")]
    Hours(presence::Hours),
    /// What a gate has to expect on a day, by hour, from the four weeks before
    #[command(
        after_help = "A day of the same weekday weighs 4, another of the last seven days 1; with neither, all days of four \
                            weeks weigh the same.\n\nExample:\n  mifeng pass forecast --gate 019c2f/1 --day 2020-02-12"
    )]
    Forecast(presence::ShowForecast),
    /// Who crossed the same gates within half an hour of a confirmed case; only for the health team, and on record
    #[command(
        after_help = "Examples:\n  mifeng pass co-presence 019c60 --because 流调7号\n  mifeng pass co-presence --log"
    )]
    CoPresence(Box<co_presence::CoPresence>),
    /// What a code says and whether it is good, from a key set and a list alone, without a server
    #[command(
        after_help = "Example:\n  mifeng pass inspect 'MF1:6BF%CAT$M.' --root 19204c8c3ba85ba059cd18ac9017bd02a18da5d10c68fb779a34be43ef067791 --keys keys.txt --list list.txt -o json"
    )]
    Inspect(Box<inspect::Inspect>),
}

#[derive(Args)]
pub struct Taking {
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    #[arg(long, value_parser = typed::word(Reason::as_str_name))]
    reason: Reason,
    /// What proves it: a crossing, the number of a paper; as often as needed. Only a lost pass needs none
    #[arg(long)]
    evidence: Vec<String>,
    #[command(flatten)]
    act: Act,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Pass(pass) => pass.run().await,
            Self::Crossing(command) => command.run().await,
        }
    }
}

impl Pass {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Issue(giving) => giving.issue().await,
            Self::Renew(giving) => giving.renew().await,
            Self::Replace(giving) => giving.replace().await,
            Self::Lost { resident, act } => {
                let lost = act.send(async |connection, request_id| {
                    let request = ReportLostRequest { request_id, resident };
                    PassServiceClient::new(connection).report_lost(request).await
                });
                act.show(&lost.await?)
            }
            Self::Keys(keys) => keys.run().await,
            Self::Suspensions(suspensions) => suspensions.run().await,
            Self::Recall(command) => command.run().await,
            Self::Suspend(Taking { resident, reason, evidence, act }) => {
                let suspended = act.send(async |connection, request_id| {
                    let request =
                        SuspendPassRequest { request_id, resident, reason: reason.into(), evidence_ids: evidence };
                    PassServiceClient::new(connection).suspend_pass(request).await
                });
                act.show(&suspended.await?)
            }
            Self::Reinstate { resident, act } => {
                let reinstated = act.send(async |connection, request_id| {
                    let request = ReinstatePassRequest { request_id, resident };
                    PassServiceClient::new(connection).reinstate_pass(request).await
                });
                act.show(&reinstated.await?)
            }
            Self::Revoke(Taking { resident, reason, evidence, act }) => {
                let revoked = act.send(async |connection, request_id| {
                    let request =
                        RevokePassRequest { request_id, resident, reason: reason.into(), evidence_ids: evidence };
                    PassServiceClient::new(connection).revoke_pass(request).await
                });
                act.show(&revoked.await?)
            }
            Self::Show { resident, ask } => {
                let mut client = PassServiceClient::new(ask.connection()?);
                ask.show(&client.get_holder(GetHolderRequest { name: resident }).await?.into_inner())
            }
            Self::Inside(inside) => inside.run().await,
            Self::Hours(hours) => hours.run().await,
            Self::Forecast(forecast) => forecast.run().await,
            Self::CoPresence(asked) => asked.run().await,
            Self::Inspect(inspect) => inspect.run(),
            Self::Print(print) => print.run().await,
            Self::List { compound, listing, ask } => list(compound.unwrap_or_default(), &listing, &ask).await,
            Self::Check { code, gate, direction, ask } => {
                let direction = direction.unwrap_or_default().into();
                let gate = ask.gate(gate).await?;
                let mut client = PassServiceClient::new(ask.connection()?);
                show_check(&ask, &client.check_pass(CheckPassRequest { gate, code, direction }).await?.into_inner())
            }
        }
    }
}

async fn list(parent: String, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = PassServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListHoldersRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_holders(request).await?.into_inner();
        Ok((page.holders, page.next_page_token))
    });
    listing.show(ask, &all.await?, &["name", "household", "eligible", "bars", "pass"])
}

fn show_check(ask: &Ask, answer: &CheckPassResponse) -> anyhow::Result<()> {
    match &answer.verdict {
        Some(verdict) if !ask.output.is_json() => print(&said(verdict)),
        _ => ask.show(answer),
    }
}

/// What the guard says, and why.
fn said(verdict: &Verdict) -> String {
    let findings: Vec<&str> = verdict.findings().map(|finding| word(finding.as_str_name())).collect();
    let decision = word(verdict.decision().as_str_name());
    let mut lines =
        vec![format!("{decision} ({})", findings.join(", ")), verdict.say_zh.clone(), verdict.say_en.clone()];
    if !verdict.resident.is_empty() {
        lines.push(verdict.resident.clone());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use proto::pass::v1::{Decision, Finding};

    use super::*;

    #[test]
    fn the_guard_reads_the_decision_first() {
        let verdict = Verdict {
            decision: Decision::Refused.into(),
            findings: vec![Finding::OtherCompound.into(), Finding::NoMask.into()],
            say_zh: "请戴口罩".into(),
            say_en: "please wear a mask".into(),
            resident: String::new(),
        };
        assert_eq!(said(&verdict), "refused (other-compound, no-mask)\n请戴口罩\nplease wear a mask");
    }
}
