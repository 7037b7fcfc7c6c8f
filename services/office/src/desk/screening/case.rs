use anyhow::Context as _;
use clap::{Args, Subcommand};
use proto::screening::v1::{
    AssessCaseRequest, Case, DisputeCaseRequest, GetCaseRequest, ListCasesRequest, OpenCaseRequest, Outcome,
    ResolveDisputeRequest, case::State, screening_service_client::ScreeningServiceClient,
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
    #[command(after_help = "Example:\n  mifeng case dispute 019c40 --statement '那几天手机借给了哥哥'")]
    Dispute {
        #[arg(value_parser = typed::name("cases"))]
        case: String,
        /// In the person's words
        #[arg(long)]
        statement: String,
        #[command(flatten)]
        act: Act,
    },
    /// Answers a dispute; upheld, the visits named do not count and the case is assessed again
    #[command(after_help = "Example:\n  mifeng case resolve 019c40 --strike 1 --finding '车票证明，列车过境未下车'")]
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
    /// What was found, and on which proof
    #[arg(long)]
    finding: String,
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
            Self::Dispute { case, statement, act } => {
                let disputed = act.send(async |connection, request_id| {
                    let request = DisputeCaseRequest { request_id, case, statement };
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
        let (case, finding) = (self.case, self.finding);
        let (upheld, struck_visits) = self.answer.verdict();
        let resolved = self.act.send(async |connection, request_id| {
            let request = ResolveDisputeRequest { request_id, case, upheld, struck_visits, finding };
            ScreeningServiceClient::new(connection).resolve_dispute(request).await
        });
        verdict::show(&self.act.ask, &resolved.await?)
    }
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
    }
}
