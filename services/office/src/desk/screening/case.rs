use anyhow::Context as _;
use clap::{Args, Subcommand};
use proto::screening::v1::{
    AssessCaseRequest, Case, DisputeCaseRequest, GetCaseRequest, ListCasesRequest, OpenCaseRequest, Outcome, Proof,
    ProofKind, ResolveDisputeRequest, StatementAuthor, case::State, screening_service_client::ScreeningServiceClient,
};

use super::{declaration::Declare, itinerary::Record, verdict};
use crate::desk::{
    ask::{About, Act, Ask, Paging},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Cases, with the outcome of each
    #[command(after_help = "Example:\n  mifeng case list --compound 019c2f --outcome concealed-key-area")]
    List(Box<List>),
    /// One case with its verdict, explained
    #[command(after_help = "Example:\n  mifeng case show 019c40")]
    Show {
        #[arg(value_parser = typed::name("cases"))]
        case: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Opens a further case for somebody who was screened before
    #[command(after_help = "Example:\n  mifeng case open 019c31 --occasion 从杭州返回")]
    Open {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        /// Why again
        #[arg(long)]
        occasion: String,
        #[command(flatten)]
        act: Act,
    },
    /// What the person says, before anything was seen: the ten questions
    #[command(after_help = "Examples:\n  mifeng case declare 019c40 declaration.json\n  mifeng case declare 019c40 \
                            --people 3 --origin 武汉 --stay 武汉:2020-01-20:2020-01-22 --health 无不适")]
    Declare(Box<Declare>),
    /// What a carrier saw of one of the person's numbers; with the last number the verdict follows
    #[command(after_help = "Example:\n  mifeng case itinerary 019c40 --source mobile --window 2020-01-27:2020-02-10 \
                            --visit 武汉:2020-01-27:2020-01-28:9 --visit 宁波:2020-01-29:2020-02-10")]
    Itinerary(Box<Record>),
    /// A verdict on what there is, though numbers were not scanned: never clear
    #[command(after_help = "Example:\n  mifeng case assess 019c40")]
    Assess {
        #[arg(value_parser = typed::name("cases"))]
        case: String,
        #[command(flatten)]
        act: Act,
    },
    /// The person says that the evidence is wrong
    #[command(
        after_help = "Examples:\n  mifeng case dispute 019c40 --statement '那几天手机借给了哥哥'\n  mifeng case dispute \
                            019c40 --statement '父亲一直在家' --by family --role 长子"
    )]
    Dispute {
        #[arg(value_parser = typed::name("cases"))]
        case: String,
        /// In the words of whoever states it
        #[arg(long)]
        statement: String,
        /// Who states it
        #[arg(long, default_value = "person", value_parser = typed::word(StatementAuthor::as_str_name))]
        by: StatementAuthor,
        /// What they are to the person, where they speak for them
        #[arg(long, default_value = "", hide_default_value = true)]
        role: String,
        #[command(flatten)]
        act: Act,
    },
    /// Answers a dispute; upheld, the visits named do not count and the case is assessed again
    #[command(after_help = "Example:\n  mifeng case resolve 019c40 --strike 1 --proof ticket:G1234次车票 --finding \
                            '列车过境未下车'\n  mifeng case resolve 019c40 --rejected --finding '三个来源一致'")]
    Resolve(Box<Resolve>),
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    about: About,
    /// Only in this state
    #[arg(long, value_parser = typed::word(State::as_str_name))]
    state: Option<State>,
    /// Only with this outcome
    #[arg(long, value_parser = typed::word(Outcome::as_str_name))]
    outcome: Option<Outcome>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Resolve {
    #[arg(value_parser = typed::name("cases"))]
    case: String,
    #[command(flatten)]
    answer: Answer,
    /// What was found, and why
    #[arg(long)]
    finding: String,
    /// What it was weighed against, as kind:description; as often as needed. Kinds: ticket, workplace, register, camera,
    /// witness, carrier, other
    #[arg(long, value_name = "KIND:DESCRIPTION", value_parser = proof)]
    proof: Vec<Proof>,
    /// Evidence of the case that it was weighed against; by default all of it
    #[arg(long, value_name = "ID")]
    evidence: Vec<String>,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Answer {
    /// The person is right about this visit, by its number in `case show`; as often as needed
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    strike: Vec<i32>,
    /// The evidence stands
    #[arg(long)]
    rejected: bool,
    /// The verdict that was set by hand ends
    #[arg(long)]
    lift: bool,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run().await,
            Self::Show { case, ask } => {
                let mut client = ScreeningServiceClient::new(ask.connection()?);
                verdict::show(&ask, &client.get_case(GetCaseRequest { name: case }).await?.into_inner())
            }
            Self::Open { resident, occasion, act } => {
                let opened = act.send(async |connection, request_id| {
                    let request = OpenCaseRequest { request_id, resident, occasion };
                    ScreeningServiceClient::new(connection).open_case(request).await
                });
                verdict::show(&act.ask, &opened.await?)
            }
            Self::Declare(declare) => declare.run().await,
            Self::Itinerary(record) => record.run().await,
            Self::Assess { case, act } => {
                let assessed = act.send(async |connection, request_id| {
                    let request = AssessCaseRequest { request_id, case };
                    ScreeningServiceClient::new(connection).assess_case(request).await
                });
                verdict::show(&act.ask, &assessed.await?)
            }
            Self::Dispute { case, statement, by, role, act } => {
                let disputed = act.send(async |connection, request_id| {
                    let request =
                        DisputeCaseRequest { request_id, case, statement, author: by.into(), author_role: role };
                    ScreeningServiceClient::new(connection).dispute_case(request).await
                });
                verdict::show(&act.ask, &disputed.await?)
            }
            Self::Resolve(resolve) => resolve.run().await,
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let request = ListCasesRequest {
            parent: self.about.parent(),
            state: self.state.unwrap_or_default().into(),
            outcome: self.outcome.unwrap_or_default().into(),
            ..ListCasesRequest::default()
        };
        let mut client = ScreeningServiceClient::new(self.ask.connection()?);
        let all = self.paging.collect(async |page_size, page_token| {
            let page = client.list_cases(ListCasesRequest { page_size, page_token, ..request.clone() });
            let page = page.await?.into_inner();
            Ok((page.cases, page.next_page_token))
        });
        let cases: Vec<Case> = all.await.context("listing cases")?;
        verdict::list(&self.ask, &cases)
    }
}

impl Resolve {
    async fn run(self) -> anyhow::Result<()> {
        let Self { case, answer, finding, proof: proofs, evidence: evidence_ids, act } = self;
        let (upheld, struck_visits) = answer.verdict();
        let resolved = act.send(async |connection, request_id| {
            let request =
                ResolveDisputeRequest { request_id, case, upheld, struck_visits, finding, proofs, evidence_ids };
            ScreeningServiceClient::new(connection).resolve_dispute(request).await
        });
        verdict::show(&act.ask, &resolved.await?)
    }
}

/// `ticket:G1234` is a proof of the kind ticket.
fn proof(typed: &str) -> Result<Proof, String> {
    let (kind, description) = typed.split_once(':').ok_or("write the kind, a colon and what it is, as ticket:G1234")?;
    let name = format!("PROOF_KIND_{}", kind.to_uppercase());
    let kind = ProofKind::from_str_name(&name).filter(|kind| *kind != ProofKind::Unspecified);
    let kind = kind.ok_or("the kinds are ticket, workplace, register, camera, witness, carrier and other")?;
    Ok(Proof { kind: kind.into(), description: description.to_owned() })
}

impl Answer {
    /// Whether the dispute is upheld, and the visits' positions, which the contract counts from 0 and people from 1.
    fn verdict(self) -> (bool, Vec<i32>) {
        (!self.rejected, self.strike.iter().map(|number| number - 1).collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        answer: Answer,
    }

    fn answer(words: &[&str]) -> Option<(bool, Vec<i32>)> {
        Typed::try_parse_from(["resolve"].iter().chain(words)).ok().map(|typed| typed.answer.verdict())
    }

    #[test]
    fn a_dispute_is_upheld_for_named_visits_or_rejected() {
        assert_eq!(answer(&["--strike", "1", "--strike", "3"]), Some((true, vec![0, 2])));
        assert_eq!(answer(&["--rejected"]), Some((false, vec![])));
        assert_eq!(answer(&[]), None);
        assert_eq!(answer(&["--strike", "1", "--rejected"]), None);
        assert_eq!(answer(&["--strike", "0"]), None);
        assert_eq!(answer(&["--lift"]), Some((true, vec![])), "against a verdict set by hand");
        assert_eq!(proof("ticket:G1234").unwrap().kind(), ProofKind::Ticket);
        assert!(proof("rumour:说是").is_err() && proof("ticket").is_err());
    }
}
