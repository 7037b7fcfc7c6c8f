//! What anybody can try without a server: what a name of a place stands for, and what the method says about a person.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use office::{
    desk::{screening::carriers, typed},
    output::{Format, Output, print, table},
};
use screening::{
    explain::{Answer, AnsweredName, Request, place},
    places::{Code, Vocabulary},
};

#[derive(Subcommand)]
pub(crate) enum Place {
    /// What names stand for in the words of a source: resolved, ambiguous or unknown, never a guess
    #[command(
        after_help = "With -o json one line for each name: {\"name\", \"status\", \"codes\"}. A name may also be a code, of any year; \
                      a country has the two letters of ISO 3166-1.\n\n\
                      Example:\n  mifeng place resolve --source mobile 江汉 海南 湖北恩施\n  \
                      mifeng place resolve --source declared 鄞县 毕节地区 朝阳 330227 韩国 -o json"
    )]
    Resolve(Resolve),
    #[command(flatten)]
    Decided(office::desk::screening::Place),
}

#[derive(Args)]
pub(crate) struct Resolve {
    /// Whose words they are: a carrier never names a district, a person may
    #[arg(long, value_parser = source())]
    source: Vocabulary,
    /// Names as they were said or written, or codes
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
pub(crate) enum Screening {
    /// Compares what was declared with what was seen, and explains the verdict
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    #[command(flatten)]
    Records(office::desk::screening::Records),
    #[command(flatten)]
    Desk(carriers::Command),
}

#[derive(Args)]
pub(crate) struct Explain {
    /// A JSON file with the person, the day and the method, or - for the standard input
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
    /// How the answer is shown
    #[arg(short, long, value_enum, default_value_t = Format::Json)]
    output: Format,
}

/// The file is the one that the README of screening shows.
const EXPLAIN: &str = r#"The file:
{"as_of": "2020-02-11", "home": "330200", "phones": 1,
 "method": {"version": "t1", "min_hours": 4, "border_pairs": [["330200", "331000"]],
            "key_areas": [{"place": "420000", "from": "2020-01-01", "to": "2020-03-31", "level": "high"}]},
 "declared": [{"place": "四川", "from": "2020-01-18", "to": "2020-02-09"}],
 "evidence": [{"source": "mobile", "window_from": "2020-01-01", "window_to": "2020-02-11",
               "visits": [{"place": "信阳", "first": "2020-01-19", "last": "2020-01-19", "hours": 6}]}]}

"method": "sample" is the shipped one. Places are names or codes of GB/T 2260; hours may be missing.

Example:
  mifeng screening explain person.json
  mifeng screening explain - -o table"#;

impl Place {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Resolve(resolve) => resolve.run(),
            Self::Decided(command) => command.run().await,
        }
    }
}

impl Resolve {
    fn run(self) -> anyhow::Result<()> {
        let Self { source, names, output } = self;
        let answers: Vec<AnsweredName> = names.iter().map(|name| place(name, source)).collect();
        if output.is_json() {
            for answer in &answers {
                print(&serde_json::to_string(answer)?)?;
            }
            return Ok(());
        }
        let mut table = table();
        table.set_header(["name", "status", "codes"]);
        for answer in &answers {
            table.add_row([answer.name.as_str(), answer.status, &named(&answer.codes)]);
        }
        print(&table.to_string())
    }
}

impl Screening {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Explain(explain) => explain.run(),
            Self::Records(command) => command.run().await,
            Self::Desk(command) => command.run().await,
        }
    }
}

impl Explain {
    fn run(self) -> anyhow::Result<()> {
        let Self { file, output } = self;
        let text = typed::read_text(&file)?;
        let answer = Request::read(&text).and_then(|request| screening::explain(&request));
        let answer =
            answer.map_err(|fault| anyhow!("{fault}\n`mifeng screening explain --help` shows a whole file"))?;
        match output {
            Format::Json => print(&serde_json::to_string_pretty(&answer)?),
            Format::Table => show(&answer),
        }
    }
}

/// An answer as people read it: what was found, the visits with their marks, why.
fn show(answer: &Answer) -> anyhow::Result<()> {
    let mut facts = table();
    for (name, value) in [
        ("outcome", &answer.outcome),
        ("risk", &answer.risk),
        ("honesty", &answer.honesty),
        ("measure", &answer.measure),
        ("places that nobody could name", &answer.unresolved.join("、")),
        ("last day in a key area", &answer.last_exposure.map(|day| day.to_string()).unwrap_or_default()),
        ("by the method", &answer.method_version),
    ] {
        if !value.is_empty() {
            facts.add_row([name, value]);
        }
    }
    print(&facts.to_string())?;
    if !answer.visits.is_empty() {
        let mut visits = table();
        visits.set_header(["place", "codes", "marks"]);
        for visit in &answer.visits {
            visits.add_row([&visit.place, &named(&visit.codes), &visit.marks.join(", ")]);
        }
        print(&visits.to_string())?;
    }
    print(&format!("{}\n{}", answer.explanation.zh, answer.explanation.en))
}

/// Codes with the names in force, the larger places first: 110105 北京市朝阳区.
fn named(codes: &[String]) -> String {
    let each: Vec<String> = codes.iter().map(|code| format!("{code} {}", full_name(code))).collect();
    each.join("\n")
}

fn full_name(digits: &str) -> String {
    let Some(code) = Code::parse(digits) else { return String::new() };
    let mut around: Vec<Code> = [Some(code.province()), code.city(), Some(code)].into_iter().flatten().collect();
    around.dedup();
    around.into_iter().filter_map(Code::name).collect()
}

fn source() -> impl TypedValueParser<Value = Vocabulary> {
    PossibleValuesParser::new(Vocabulary::WORDS.map(|(word, _)| word)).map(|typed| {
        let known = Vocabulary::WORDS.into_iter().find(|(word, _)| *word == typed);
        known.expect("clap lets through only the words that it was given").1
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, Command};

    #[test]
    fn the_examples_of_the_desk_can_be_typed() {
        for line in [
            "session open --compound 019c2f --with staff/12 --with 13",
            "session open --grid 019c2f",
            "session close 019c60",
            "session show 019c60 -o json",
            "session list --state open --compound 019c2f --export rounds.xlsx",
            "session cases 019c60 --export evening.csv",
            "session hand-overs 019c60",
            "order hand-over 019c50 --receiver 李医生 --vehicle 浙B12345 --receipt 8 --to 集中隔离点A --by 社工王 --left 2020-02-11T21:30:00+08:00",
            "method set-aside --limit 5",
            "resident correct 019c31 --phone 13800001234 --phone 13900005678 --reason 本人补登号码",
            "resident correct 019c31 --document 330212198001011234 --kind id-card --name 张三 --reason 核对证件",
            "resident correct 019c31 --returned-from 武汉 --returned-on 2020-01-22 --transport 高铁 --reason 车票核对",
            "resident corrections 019c31",
            "household list --grid 019c2e",
            "screening code 019c40 --source mobile --number 13800001234",
            "screening scan 019c40 --source mobile --code 123456 --phone 2",
            "screening numbers 019c40 -o json",
            "screening waiting --compound 019c2f",
            "screening evidence list 019c40",
            "screening evidence page 019c40 --kind national-card --source mobile --window 2020-01-28:2020-02-10 --visit 宁波:2020-01-28:2020-02-10",
            "screening evidence ticket 019c40 --mode train --from 武汉 --to 宁波 --day 2020-01-22 --number G590",
            "screening evidence proof 019c40 --kind lodging --place 上海 --days 2020-01-20:2020-01-22 --issuer 某酒店",
        ] {
            let words = std::iter::once("mifeng").chain(line.split(' '));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }

    fn explained(text: &str) -> Answer {
        screening::explain(&Request::read(text).unwrap()).unwrap()
    }

    #[test]
    fn the_file_of_the_help_gets_a_verdict() {
        let file = &EXPLAIN[EXPLAIN.find('{').unwrap()..EXPLAIN.find("\n\n").unwrap()];
        assert_eq!(explained(file).outcome, "undeclared_elsewhere");
    }

    #[test]
    fn every_source_has_its_word_and_another_one_is_answered_with_them() {
        for (word, vocabulary) in Vocabulary::WORDS {
            let typed = Cli::try_parse_from(["mifeng", "place", "resolve", "--source", word, "武汉", "宁波"]).unwrap();
            let Command::Place(Place::Resolve(resolve)) = typed.command else { panic!("{word}") };
            assert_eq!((resolve.source, resolve.names.len()), (vocabulary, 2));
        }
        let refused = Cli::try_parse_from(["mifeng", "place", "resolve", "--source", "pigeon", "武汉"]).err().unwrap();
        assert!(refused.to_string().contains("mobile, unicom, telecom, declared"), "{refused}");
    }

    #[test]
    fn codes_are_shown_with_the_names_of_the_places_around_them() {
        let codes = ["110105", "330212", "429004", "460000", "KR"].map(str::to_owned);
        assert_eq!(
            named(&codes),
            "110105 北京市朝阳区\n330212 浙江省宁波市鄞州区\n429004 湖北省仙桃市\n460000 海南省\nKR 韩国"
        );
    }
}
