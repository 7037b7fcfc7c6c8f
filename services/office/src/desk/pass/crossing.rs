use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use comfy_table::Table;
use proto::pass::v1::{
    Crossing, Direction, ListCrossingsRequest, Manual, RecordCrossingRequest, Visitor,
    pass_service_client::PassServiceClient, record_crossing_request::Identity, visitor::Exception,
};

use super::said;
use crate::{
    desk::{
        ask::{Act, Ask, Paging},
        typed,
    },
    output::{local_time, print, table, word},
};

#[derive(Subcommand)]
pub enum Command {
    /// Records one passage; a refusal of entry is recorded too
    #[command(after_help = "Examples:\n  mifeng crossing record in --gate 019c2f/1 --temperature 36.5 --code \
                            'MF1:6BF%CAT$M.'\n  mifeng crossing record out --gate 019c2f/1 --temperature 36.4 --known \
                            019c31 --because 老人无手机，身份证核对\n  mifeng crossing record in --gate 019c2f/1 \
                            --temperature 36.6 --visitor service --guarantor 019c31")]
    Record(Box<Record>),
    /// Who crossed, when, and what was said
    #[command(after_help = "Example:\n  mifeng crossing list --compound 019c2f --limit 50")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct Record {
    #[arg(value_parser = typed::word(Direction::as_str_name))]
    direction: Direction,
    /// By default the gate of the token
    #[arg(long, value_parser = typed::gate)]
    gate: Option<String>,
    /// In degrees Celsius
    #[arg(long, value_parser = typed::temperature, value_name = "DEGREES")]
    temperature: i32,
    /// The person wears no mask
    #[arg(long)]
    no_mask: bool,
    /// The gate's own time, at most 24 hours ago, as 2020-02-11T14:00:00+08:00; by default now
    #[arg(long, value_name = "TIME")]
    time: Option<DateTime<Utc>>,
    #[command(flatten)]
    who: Who,
    /// Why a known resident comes without a pass
    #[arg(long, value_name = "REASON", requires = "known", conflicts_with_all = ["code", "visitor"])]
    because: Option<String>,
    /// Who answers for a service worker, or is cared for
    #[arg(long, value_parser = typed::name("residents"), value_name = "RESIDENT", requires = "visitor", conflicts_with_all = ["code", "known"])]
    guarantor: Option<String>,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Who {
    /// The scanned text in quotes, or - for the standard input
    #[arg(long, value_parser = code)]
    code: Option<String>,
    /// A resident known by face or identity card, without a pass
    #[arg(long, value_parser = typed::name("residents"), value_name = "RESIDENT", requires = "because")]
    known: Option<String>,
    /// Nobody of this compound, and by which exception
    #[arg(long, value_parser = typed::word(Exception::as_str_name), value_name = "EXCEPTION")]
    visitor: Option<Exception>,
}

#[derive(Args)]
#[group(multiple = false)]
pub struct Place {
    /// All gates of a compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
    /// One gate; by default the gate of the token
    #[arg(long, value_parser = typed::gate)]
    gate: Option<String>,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Record(record) => record.run().await,
            Self::List { place, paging, ask } => list(place, &paging, &ask).await,
        }
    }
}

impl Record {
    async fn run(self) -> anyhow::Result<()> {
        let identity = match (self.who.code, self.who.known, self.who.visitor) {
            (Some(code), _, _) => Identity::Code(code),
            (_, Some(resident), _) => Identity::Manual(Manual { resident, reason: self.because.unwrap_or_default() }),
            (_, _, Some(exception)) => Identity::Visitor(Visitor {
                exception: exception.into(),
                guarantor: self.guarantor.unwrap_or_default(),
            }),
            (None, None, None) => bail!("say who crosses: --code, --known or --visitor"),
        };
        let request = RecordCrossingRequest {
            request_id: String::new(),
            gate: self.act.ask.gate(self.gate).await?,
            direction: self.direction.into(),
            cross_time: self.time.map(chassis::timestamp),
            temperature_decicelsius: self.temperature,
            mask: !self.no_mask,
            identity: Some(identity),
        };
        let recorded = self.act.send(async |connection, request_id| {
            PassServiceClient::new(connection).record_crossing(RecordCrossingRequest { request_id, ..request }).await
        });
        show(&self.act.ask, &recorded.await?)
    }
}

async fn list(place: Place, paging: &Paging, ask: &Ask) -> anyhow::Result<()> {
    let parent = match place.compound {
        Some(compound) => compound,
        None => ask.gate(place.gate).await?,
    };
    let mut client = PassServiceClient::new(ask.connection()?);
    let all = paging.collect(async |page_size, page_token| {
        let request = ListCrossingsRequest { parent: parent.clone(), page_size, page_token };
        let page = client.list_crossings(request).await?.into_inner();
        Ok((page.crossings, page.next_page_token))
    });
    let crossings: Vec<Crossing> = all.await?;
    if ask.output.is_json() {
        return ask.list(&crossings, &[]);
    }
    print(&rows(&crossings).to_string())?;
    print(&format!("{} in all", crossings.len()))
}

fn rows(crossings: &[Crossing]) -> Table {
    let mut table = table();
    table.set_header(["time", "gate", "", "°C", "mask", "decision", "because", "resident"]);
    for crossing in crossings {
        let verdict = crossing.verdict.clone().unwrap_or_default();
        let findings: Vec<&str> = verdict.findings().map(|finding| word(finding.as_str_name())).collect();
        let temperature = crossing.temperature_decicelsius;
        table.add_row([
            local_time(crossing.cross_time.as_ref()),
            crossing.gate.clone(),
            word(crossing.direction().as_str_name()).to_owned(),
            // Who was turned away at once was not measured.
            if temperature == 0 { String::new() } else { format!("{}.{}", temperature / 10, temperature % 10) },
            if crossing.mask { "yes" } else { "no" }.to_owned(),
            word(verdict.decision().as_str_name()).to_owned(),
            findings.join(", "),
            verdict.resident.clone(),
        ]);
    }
    table
}

fn show(ask: &Ask, crossing: &Crossing) -> anyhow::Result<()> {
    match &crossing.verdict {
        Some(verdict) if !ask.output.is_json() => print(&format!("{}\nrecorded as {}", said(verdict), crossing.name)),
        _ => ask.show(crossing),
    }
}

/// A scanned code, or the first line of the standard input: a scanner types it there.
pub(super) fn code(typed: &str) -> Result<String, String> {
    if typed != "-" {
        return Ok(typed.to_owned());
    }
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) => Err("the standard input is empty: scan a code".to_owned()),
        Ok(_) => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => Err(format!("the standard input cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        record: Record,
    }

    fn record(words: &str) -> Option<Record> {
        let words =
            ["record", "in", "--gate", "c/1", "--temperature", "36.5"].into_iter().chain(words.split_whitespace());
        Typed::try_parse_from(words).ok().map(|typed| typed.record)
    }

    #[test]
    fn a_crossing_names_exactly_one_kind_of_person() {
        assert!(record("--code MF1:X").is_some());
        assert!(record("--visitor carer --guarantor r-1").is_some());
        assert!(record("").is_none());
        assert!(record("--code MF1:X --visitor none").is_none());
    }

    #[test]
    fn who_comes_without_a_pass_comes_with_a_reason() {
        assert!(record("--known r-1").is_none());
        assert!(record("--known r-1 --because 无手机").is_some());
        assert!(record("--code MF1:X --because 无手机").is_none());
        assert!(record("--code MF1:X --guarantor r-1").is_none());
    }

    #[test]
    fn a_crossing_is_listed_in_the_time_and_degrees_of_the_gate() {
        let crossing = Crossing {
            cross_time: Some(prost_types::Timestamp { seconds: 1_581_379_200, nanos: 0 }),
            direction: Direction::Out.into(),
            temperature_decicelsius: 365,
            ..Crossing::default()
        };
        let shown = rows(&[crossing]).to_string();
        for part in ["2020-02-11 08:00", "out", "36.5", "no"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }

    #[test]
    fn a_mask_is_worn_unless_it_is_missing() {
        assert!(!record("--code MF1:X").unwrap().no_mask);
        assert_eq!(record("--code MF1:X --no-mask").unwrap().temperature, 365);
    }
}
