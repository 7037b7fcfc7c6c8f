//! The verdict without a server: what `mifeng screening explain` reads and prints, and tests use. The words are stable. The
//! README of this crate shows an example of both.

mod reading;

use chrono::NaiveDate;
use proto::screening::v1::{Honesty, Level, Mark, Measure, Outcome};
use serde::{Deserialize, Serialize};

pub use reading::{Fault, Unanswerable};

use crate::{
    method_file::{MethodFile, day, open_day},
    places::{Resolution, Vocabulary, resolve},
    verdict::judge,
};

/// A person, a day and a method. All days are included, and none lies after `as_of`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    #[serde(deserialize_with = "day")]
    pub as_of: NaiveDate,
    /// The city that needs no declaration; the method's where it is not given.
    #[serde(default)]
    pub home: Option<String>,
    /// How many numbers the person has (R5).
    #[serde(default = "one")]
    pub phones: u32,
    pub method: Method,
    #[serde(default)]
    pub declared: Vec<Declared>,
    #[serde(default)]
    pub evidence: Vec<Evidence>,
}

/// `"sample"`, the shipped one, or a method written out.
#[derive(Clone)]
pub enum Method {
    Sample,
    Written(Box<MethodFile>),
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// A name as said, or a code.
    pub place: String,
    #[serde(deserialize_with = "day")]
    pub from: NaiveDate,
    /// Still there where it is not given.
    #[serde(default, deserialize_with = "open_day")]
    pub to: Option<NaiveDate>,
}

/// What one carrier saw of one number.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// mobile, unicom or telecom.
    pub source: String,
    #[serde(deserialize_with = "day")]
    pub window_from: NaiveDate,
    #[serde(deserialize_with = "day")]
    pub window_to: NaiveDate,
    /// Which of the numbers, from 1; each scan is of another one where it is not given.
    #[serde(default)]
    pub phone: Option<u32>,
    /// None: the carrier has no data, which is never clean (R4).
    #[serde(default)]
    pub visits: Option<Vec<Seen>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// A name as the carrier writes it, or a code.
    pub place: String,
    #[serde(deserialize_with = "day")]
    pub first: NaiveDate,
    #[serde(deserialize_with = "day")]
    pub last: NaiveDate,
    /// Longest stay on a day; absent where the source gives no hours.
    #[serde(default)]
    pub hours: Option<f64>,
}

/// What is printed.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Debug))]
pub struct Answer {
    pub outcome: String,
    pub risk: String,
    pub honesty: String,
    pub measure: String,
    /// In the order of the evidence and its visits.
    pub visits: Vec<AnsweredVisit>,
    pub unresolved: Vec<String>,
    pub explanation: Words,
    pub method_version: String,
    /// The last day in a key area, where one is proven (R10).
    pub last_exposure: Option<NaiveDate>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Debug))]
pub struct AnsweredVisit {
    pub place: String,
    /// What the name stands for, or may stand for where it is marked `unresolved`.
    pub codes: Vec<String>,
    pub marks: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Debug))]
pub struct Words {
    pub zh: String,
    pub en: String,
}

/// What a name stands for: one line of `mifeng place resolve -o json`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Debug))]
pub struct AnsweredName {
    pub name: String,
    /// resolved, ambiguous or unknown.
    pub status: &'static str,
    pub codes: Vec<String>,
}

/// Compares what was declared with what was seen.
pub fn explain(request: &Request) -> Result<Answer, Unanswerable> {
    let rules = request.rules()?;
    let person = request.person()?;
    let judgement = judge(&person, &rules);
    let visits = judgement.visits.iter().map(|visit| AnsweredVisit {
        place: person.scans[visit.scan].visits[visit.visit].place.clone(),
        codes: visit.codes.iter().map(ToString::to_string).collect(),
        marks: visit.marks.iter().map(|mark| mark_word(*mark)).collect(),
    });
    Ok(Answer {
        outcome: outcome_word(judgement.outcome),
        risk: risk_word(judgement.risk),
        honesty: honesty_word(judgement.honesty),
        measure: measure_word(judgement.measure),
        visits: visits.collect(),
        unresolved: judgement.unresolved,
        explanation: Words { zh: judgement.explanation.zh, en: judgement.explanation.en },
        method_version: rules.version,
        last_exposure: judgement.last_exposure,
    })
}

/// What a name stands for in the words of its source.
pub fn place(name: &str, words: Vocabulary) -> AnsweredName {
    let resolution = resolve(name, words);
    let status = match &resolution {
        Resolution::Resolved(_) => "resolved",
        Resolution::Ambiguous(_) => "ambiguous",
        Resolution::Unknown => "unknown",
    };
    let codes = resolution.codes().iter().map(ToString::to_string).collect();
    AnsweredName { name: name.to_owned(), status, codes }
}

pub fn outcome_word(outcome: Outcome) -> String {
    word(outcome.as_str_name(), "OUTCOME_")
}

pub fn risk_word(risk: Level) -> String {
    word(risk.as_str_name(), "LEVEL_")
}

pub fn honesty_word(honesty: Honesty) -> String {
    word(honesty.as_str_name(), "HONESTY_")
}

pub fn measure_word(measure: Measure) -> String {
    word(measure.as_str_name(), "MEASURE_")
}

pub fn mark_word(mark: Mark) -> String {
    word(mark.as_str_name(), "MARK_")
}

fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

const fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests;
