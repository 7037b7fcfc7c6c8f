use chrono::NaiveDate;
use clap::{Args, Subcommand};
use proto::isolation::v1::{
    ConfirmCaseRequest, ListConfirmedCasesRequest, ReportCaseRequest, WithdrawCaseRequest,
    confirmed_case_service_client::ConfirmedCaseServiceClient,
};

use crate::desk::{
    ask::{Act, Ask, Listing},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// States that a resident has the disease; it counts with the second signature
    #[command(
        after_help = "Example:\n  mifeng confirmed-case report 019c31 --infectious 2020-02-05:2020-02-11 --evidence \
                            检验报告17"
    )]
    Report(Report),
    /// The second signature, by another person of another unit
    #[command(after_help = "Example:\n  mifeng confirmed-case confirm 019c60")]
    Confirm {
        #[arg(value_parser = typed::name("confirmed-cases"))]
        case: String,
        #[command(flatten)]
        act: Act,
    },
    /// It was none: nothing more is asked about the person's contacts
    #[command(after_help = "Example:\n  mifeng confirmed-case withdraw 019c60 --because 复检为阴性")]
    Withdraw {
        #[arg(value_parser = typed::name("confirmed-cases"))]
        case: String,
        #[arg(long, value_name = "REASON")]
        because: String,
        #[command(flatten)]
        act: Act,
    },
    /// Confirmed cases, and those that wait for a signature
    #[command(after_help = "Example:\n  mifeng confirmed-case list")]
    List {
        /// Of this resident
        #[arg(long, value_parser = typed::name("residents"))]
        resident: Option<String>,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct Report {
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    /// First and last day on which the person was infectious, both included
    #[arg(long, value_parser = typed::period, value_name = "FROM:TO")]
    infectious: (NaiveDate, NaiveDate),
    /// What proves it: the number of a laboratory's report, of a notice; as often as needed
    #[arg(long, required = true)]
    evidence: Vec<String>,
    #[command(flatten)]
    act: Act,
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Report(Report { resident, infectious: (from, until), evidence, act }) => {
                let reported = act.send(async |connection, request_id| {
                    let request = ReportCaseRequest {
                        request_id,
                        resident,
                        infectious_from: from.to_string(),
                        infectious_until: until.to_string(),
                        evidence_ids: evidence,
                    };
                    ConfirmedCaseServiceClient::new(connection).report_case(request).await
                });
                act.show(&reported.await?)
            }
            Self::Confirm { case, act } => {
                let confirmed = act.send(async |connection, request_id| {
                    let request = ConfirmCaseRequest { request_id, name: case };
                    ConfirmedCaseServiceClient::new(connection).confirm_case(request).await
                });
                act.show(&confirmed.await?)
            }
            Self::Withdraw { case, because, act } => {
                let withdrawn = act.send(async |connection, request_id| {
                    let request = WithdrawCaseRequest { request_id, name: case, reason: because };
                    ConfirmedCaseServiceClient::new(connection).withdraw_case(request).await
                });
                act.show(&withdrawn.await?)
            }
            Self::List { resident, listing, ask } => list(resident.unwrap_or_default(), &listing, &ask).await,
        }
    }
}

async fn list(parent: String, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = ConfirmedCaseServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let request = ListConfirmedCasesRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_confirmed_cases(request).await?.into_inner();
        Ok((page.confirmed_cases, page.next_page_token))
    });
    let columns = ["name", "resident", "state", "infectious_from", "infectious_until", "reported_by", "confirmed_by"];
    listing.show(ask, &all.await?, &columns)
}
