use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;
use proto::screening::v1::{
    Declaration, DeclareRequest, DeclaredStay, screening_service_client::ScreeningServiceClient,
};

use super::verdict;
use crate::desk::{ask::Act, typed};

#[derive(Args)]
pub struct Declare {
    #[arg(value_parser = typed::name("cases"))]
    case: String,
    /// A JSON file of screening.v1.Declaration, or - for the standard input; what is also typed below counts instead
    #[arg(value_name = "FILE.json")]
    file: Option<PathBuf>,
    #[command(flatten)]
    answers: Answers,
    #[command(flatten)]
    act: Act,
}

/// The ten questions (R20).
#[derive(Args)]
pub(super) struct Answers {
    /// 1 How many people the household has
    #[arg(long, value_name = "NUMBER")]
    people: Option<i32>,
    /// 2 What the person does for a living
    #[arg(long, value_name = "TEXT")]
    occupation: Option<String>,
    /// 3 When the person arrived
    #[arg(long, value_name = "TEXT")]
    arrival: Option<String>,
    /// 4 From where
    #[arg(long, value_name = "TEXT")]
    origin: Option<String>,
    /// 5 Where the person has been, as often as needed: PLACE:FIRST DAY:LAST DAY
    #[arg(long = "stay", value_name = "STAY", value_parser = stay)]
    stays: Vec<DeclaredStay>,
    /// 6 By which transport, with its number
    #[arg(long, value_name = "TEXT")]
    transport: Option<String>,
    /// 7 Contact with cases
    #[arg(long, value_name = "TEXT")]
    contact_with_cases: Option<String>,
    /// 8 How the person feels
    #[arg(long, value_name = "TEXT")]
    health: Option<String>,
    /// 9 What was done about it
    #[arg(long, value_name = "TEXT")]
    measures: Option<String>,
    /// 10 Close contacts
    #[arg(long, value_name = "TEXT")]
    close_contacts: Option<String>,
    /// What the person said besides
    #[arg(long, value_name = "TEXT")]
    free_text: Option<String>,
}

impl Declare {
    pub async fn run(self) -> anyhow::Result<()> {
        let written = match &self.file {
            Some(file) => typed::read_message(file)?,
            None => Declaration::default(),
        };
        let (case, declaration) = (self.case, self.answers.over(written));
        let declared = self.act.send(async |connection, request_id| {
            let request = DeclareRequest { request_id, case, declaration: Some(declaration) };
            ScreeningServiceClient::new(connection).declare(request).await
        });
        verdict::show(&self.act.ask, &declared.await?)
    }
}

impl Answers {
    /// What was typed counts instead of what the file says.
    fn over(self, written: Declaration) -> Declaration {
        Declaration {
            people: self.people.unwrap_or(written.people),
            occupation: self.occupation.unwrap_or(written.occupation),
            arrival: self.arrival.unwrap_or(written.arrival),
            origin: self.origin.unwrap_or(written.origin),
            stays: if self.stays.is_empty() { written.stays } else { self.stays },
            transport: self.transport.unwrap_or(written.transport),
            contact_with_cases: self.contact_with_cases.unwrap_or(written.contact_with_cases),
            health: self.health.unwrap_or(written.health),
            measures: self.measures.unwrap_or(written.measures),
            close_contacts: self.close_contacts.unwrap_or(written.close_contacts),
            free_text: self.free_text.unwrap_or(written.free_text),
        }
    }
}

/// 武汉:2020-01-20:2020-01-22.
fn stay(typed: &str) -> Result<DeclaredStay, String> {
    let (place, first, last, rest) = place_and_days(typed, "武汉:2020-01-20:2020-01-22")?;
    if rest.is_some() {
        return Err(format!("{typed:?} has too many parts: write it as 武汉:2020-01-20:2020-01-22"));
    }
    Ok(DeclaredStay { place, from: first.to_string(), to: last.to_string() })
}

/// A place, its first and its last day, and whatever follows; the colons may be Chinese ones.
pub(super) fn place_and_days(
    text: &str,
    example: &str,
) -> Result<(String, NaiveDate, NaiveDate, Option<String>), String> {
    let plain = text.replace('：', ":");
    let mut parts = plain.splitn(4, ':').map(str::trim);
    let (Some(place), Some(first), Some(last)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("{text:?} lacks a part: write it as {example}"));
    };
    if place.is_empty() {
        return Err(format!("{text:?} names no place: write it as {example}"));
    }
    let (first, last) = (typed::date(first)?, typed::date(last)?);
    if first > last {
        return Err(format!("{first} is after {last}: write the earlier day first"));
    }
    Ok((place.to_owned(), first, last, parts.next().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        answers: Answers,
    }

    fn answers(words: &[&str]) -> Answers {
        Typed::try_parse_from(["declare"].iter().chain(words)).unwrap().answers
    }

    #[test]
    fn a_stay_is_a_place_and_two_days() {
        let stay = stay("武汉：2020-01-20:2020-01-22").ok().unwrap();
        assert_eq!((stay.place.as_str(), stay.from.as_str(), stay.to.as_str()), ("武汉", "2020-01-20", "2020-01-22"));
    }

    #[test]
    fn a_stay_that_lacks_something_is_no_stay() {
        for wrong in [
            "武汉",
            "武汉:2020-01-20",
            ":2020-01-20:2020-01-22",
            "武汉:2020-01-22:2020-01-20",
            "武汉:20.1.:22.1.",
            "武汉:2020-01-20:2020-01-22:4",
        ] {
            assert!(stay(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_typed_counts_instead_of_the_file() {
        let written = Declaration { people: 3, health: "好".into(), ..Declaration::default() };
        let declared = answers(&["--people", "4", "--stay", "杭州:2020-01-20:2020-01-22"]).over(written);
        assert_eq!((declared.people, declared.health.as_str(), declared.stays.len()), (4, "好", 1));
    }
}
