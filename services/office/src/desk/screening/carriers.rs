use std::io::BufRead as _;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use comfy_table::Table;
use proto::screening::v1::{
    GetInquiryRequest, Inquiry, ListWaitingNumbersRequest, NoData, NumberInquiry, RequestCodeRequest,
    ScanNumberRequest, Source, Trouble, carrier_service_client::CarrierServiceClient, number_inquiry::State,
};

use super::verdict;
use crate::{
    desk::{
        ask::{Act, Ask, Paging},
        typed,
    },
    output::{local_time, print, table, word},
};

/// What a worker reads off a phone or a paper.
mod evidence;

#[derive(Subcommand)]
pub enum Command {
    /// Has a carrier send a code by SMS to one of the person's numbers
    #[command(after_help = "Example:\n  mifeng screening code 019c40 --source mobile --number 13800001234")]
    Code(Code),
    /// Asks the carrier where that number was, with the code that the person reads out; with the last number the verdict follows
    #[command(after_help = "Example:\n  mifeng screening scan 019c40 --source mobile --code 123456")]
    Scan(Scan),
    /// Each number of a case: what is missing, why, and when its carrier is tried again
    #[command(after_help = "Example:\n  mifeng screening numbers 019c40")]
    Numbers {
        #[arg(value_parser = typed::name("cases"))]
        case: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Numbers whose carrier owes an answer, or whose person is to be asked again
    #[command(after_help = "Example:\n  mifeng screening waiting --compound 019c2f")]
    Waiting(Waiting),
    /// What the person's phone shows, tickets, a workplace's or a hotel's proof
    #[command(subcommand)]
    Evidence(evidence::Command),
}

#[derive(Args)]
pub struct Which {
    #[arg(value_parser = typed::name("cases"))]
    case: String,
    /// Which of the person's numbers, from 1
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    phone: i32,
    /// Whose number it is
    #[arg(long, value_parser = typed::word(Source::as_str_name))]
    source: Source,
}

#[derive(Args)]
pub struct Code {
    #[command(flatten)]
    which: Which,
    /// The number, as the person says it; without it a line of the standard input
    #[arg(long, value_name = "DIGITS")]
    number: Option<String>,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct Scan {
    #[command(flatten)]
    which: Which,
    /// The code, as the person reads it out; without it a line of the standard input
    #[arg(long, value_name = "DIGITS")]
    code: Option<String>,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct Waiting {
    /// Of this compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    ask: Ask,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Code(Code { which: Which { case, phone, source }, number, act }) => {
                let number = said(number, "the number")?;
                let asked = act.send(async |connection, request_id| {
                    let request = RequestCodeRequest { request_id, case, phone, number, source: source.into() };
                    CarrierServiceClient::new(connection).request_code(request).await
                });
                show(&act.ask, &asked.await?)
            }
            Self::Scan(Scan { which: Which { case, phone, source }, code, act }) => {
                let code = said(code, "the code")?;
                let scanned = act.send(async |connection, request_id| {
                    let request = ScanNumberRequest { request_id, case, phone, source: source.into(), code };
                    CarrierServiceClient::new(connection).scan_number(request).await
                });
                show(&act.ask, &scanned.await?)
            }
            Self::Numbers { case, ask } => {
                let mut client = CarrierServiceClient::new(ask.connection()?);
                show(&ask, &client.get_inquiry(GetInquiryRequest { case }).await?.into_inner())
            }
            Self::Waiting(waiting) => waiting.run().await,
            Self::Evidence(command) => command.run().await,
        }
    }
}

impl Waiting {
    async fn run(self) -> anyhow::Result<()> {
        let parent = self.compound.unwrap_or_default();
        let mut client = CarrierServiceClient::new(self.ask.connection()?);
        let all = self.paging.collect(async |page_size, page_token| {
            let request = ListWaitingNumbersRequest { parent: parent.clone(), page_size, page_token };
            let page = client.list_waiting_numbers(request).await?.into_inner();
            Ok((page.numbers, page.next_page_token))
        });
        let numbers: Vec<NumberInquiry> = all.await.context("listing numbers that wait")?;
        if self.ask.output.is_json() {
            return self.ask.list(&numbers, &[]);
        }
        print(&rows(&numbers, true).to_string())?;
        print(&format!("{} in all", numbers.len()))
    }
}

/// Whatever is typed after the command's name stands in the shell's history: it may be given as a line instead.
fn said(given: Option<String>, what: &str) -> anyhow::Result<String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).with_context(|| format!("reading {what}"))?;
    ensure!(!line.trim().is_empty(), "{what} is missing: give it as an option, or as a line of the standard input");
    Ok(line.trim().to_owned())
}

fn show(ask: &Ask, inquiry: &Inquiry) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(inquiry);
    }
    print(&rows(&inquiry.numbers, false).to_string())?;
    match &inquiry.case {
        Some(case) => verdict::show(ask, case),
        None => Ok(()),
    }
}

fn rows(numbers: &[NumberInquiry], cases: bool) -> Table {
    let mut table = table();
    let columns = ["number", "carrier", "state", "why", "tries", "next try", "code holds until"];
    table.set_header(Some("case").filter(|_| cases).into_iter().chain(columns));
    for number in numbers {
        let case = Some(number.case.clone()).filter(|_| cases);
        table.add_row(case.into_iter().chain([
            number.phone.to_string(),
            word(number.source().as_str_name()).to_owned(),
            state(number.state()).to_owned(),
            why(number),
            number.tries.to_string(),
            local_time(number.next_try_time.as_ref()),
            local_time(number.permission_end_time.as_ref()),
        ]));
    }
    table
}

fn state(state: State) -> &'static str {
    match state {
        State::Unspecified => "",
        State::NotAsked => "待查 not asked",
        State::CodeSent => "已发验证码 code sent",
        State::Waiting => "等运营商 waits for the carrier",
        State::AskAgain => "请重发验证码 ask the person again",
        State::Scanned => "已查 scanned",
        State::NoData => "无数据 no data",
    }
}

fn why(number: &NumberInquiry) -> String {
    let said = match (number.no_data(), number.trouble()) {
        (NoData::UnknownNumber, _) => "不是该运营商的号码 not this carrier's number: ask another one",
        (NoData::Ported, _) => "刚携号转网 ported a short time ago",
        (NoData::SwitchedOff, _) => "关机或无信号 switched off or in no network",
        (NoData::NoRecord, _) => "没有记录 no record in the window",
        (NoData::Unspecified, Trouble::Unreachable) => "连不上 cannot be reached",
        (NoData::Unspecified, Trouble::Slow) => "没有及时答复 no answer in time",
        (NoData::Unspecified, Trouble::Busy) => "运营商忙 busy",
        (NoData::Unspecified, Trouble::BrokenAnswer) => "答复无法读取 an answer that cannot be read",
        (NoData::Unspecified, Trouble::CredentialRefused) => "凭证不被接受 the credential is not accepted",
        (NoData::Unspecified, Trouble::Unspecified) => "",
    };
    if number.detail.is_empty() { said.to_owned() } else { format!("{said}\n{}", number.detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_waits_says_why_how_often_and_until_when() {
        let number = NumberInquiry {
            phone: 2,
            state: State::Waiting.into(),
            source: Source::Mobile.into(),
            trouble: Trouble::Unreachable.into(),
            tries: 3,
            next_try_time: Some(prost_types::Timestamp { seconds: 1_581_379_200, nanos: 0 }),
            ..NumberInquiry::default()
        };
        let shown = rows(&[number], false).to_string();
        for part in ["mobile", "等运营商", "连不上", "3", "2020-02-11 08:00"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }
}
