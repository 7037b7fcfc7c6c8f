//! The verdict without a server: what `mifeng screening explain` reads and prints, and tests use. The words are stable.

use chrono::NaiveDate;
use proto::screening::v1::{Honesty, Level, Mark, Measure, Outcome, Source};
use serde::{Deserialize, Serialize};

use crate::{
    method_file::{MethodFile, Unusable, sample},
    verdict::{Person, Scan, Stay, Visit, judge},
};

/// A person, a day and a method.
#[derive(Clone, Deserialize)]
pub struct Request {
    pub as_of: NaiveDate,
    /// The city that needs no declaration; the method's where it is not given.
    #[serde(default)]
    pub home: Option<String>,
    #[serde(default = "one")]
    pub phones: usize,
    pub method: Method,
    #[serde(default)]
    pub declared: Vec<Declared>,
    #[serde(default)]
    pub evidence: Vec<Evidence>,
}

/// `"sample"`, or a method written out.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum Method {
    Named(String),
    Written(Box<MethodFile>),
}

#[derive(Clone, Deserialize)]
pub struct Declared {
    pub place: String,
    pub from: NaiveDate,
    /// Still there where it is not given.
    #[serde(default)]
    pub to: Option<NaiveDate>,
}

#[derive(Clone, Deserialize)]
pub struct Evidence {
    /// mobile, unicom or telecom.
    pub source: String,
    pub window_from: NaiveDate,
    pub window_to: NaiveDate,
    /// Which of the numbers; each scan is of another one where it is not given.
    #[serde(default)]
    pub phone: Option<i32>,
    /// None: the carrier has no data.
    #[serde(default)]
    pub visits: Option<Vec<Seen>>,
}

#[derive(Clone, Deserialize)]
pub struct Seen {
    pub place: String,
    pub first: NaiveDate,
    pub last: NaiveDate,
    #[serde(default)]
    pub hours: Option<i32>,
}

/// What is printed.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Debug))]
pub struct Answer {
    pub outcome: String,
    pub risk: String,
    pub honesty: String,
    pub measure: String,
    pub visits: Vec<AnsweredVisit>,
    pub unresolved: Vec<String>,
    pub explanation: Words,
    pub method_version: String,
    /// The last day in a key area, where one is proven.
    pub last_exposure: Option<NaiveDate>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Debug))]
pub struct AnsweredVisit {
    pub place: String,
    pub codes: Vec<String>,
    pub marks: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Debug))]
pub struct Words {
    pub zh: String,
    pub en: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    #[error(transparent)]
    Method(#[from] Unusable),
    #[error("method: {0} is no method: write \"sample\" or the method itself")]
    UnknownMethod(String),
    #[error("evidence: the source {0} is none of mobile, unicom, telecom")]
    Source(String),
    #[error("{0}: a stay ends before it begins")]
    UpsideDown(&'static str),
}

/// Compares what was declared with what was seen.
pub fn explain(request: &Request) -> Result<Answer, Unanswerable> {
    let home = request.home.as_deref();
    let rules = match &request.method {
        Method::Named(name) if name == "sample" => sample().rules(home)?,
        Method::Named(name) => return Err(Unanswerable::UnknownMethod(name.clone())),
        Method::Written(file) => file.rules(home)?,
    };
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

impl Request {
    fn person(&self) -> Result<Person, Unanswerable> {
        let mut stays = Vec::with_capacity(self.declared.len());
        for stay in &self.declared {
            let to = stay.to.unwrap_or(self.as_of.max(stay.from));
            in_order("declared", stay.from, to)?;
            stays.push(Stay { place: stay.place.clone(), from: stay.from, to });
        }
        let mut scans = Vec::with_capacity(self.evidence.len());
        for evidence in &self.evidence {
            scans.push(evidence.scan()?);
        }
        Ok(Person { as_of: self.as_of, phones: self.phones, stays, scans })
    }
}

impl Evidence {
    fn scan(&self) -> Result<Scan, Unanswerable> {
        in_order("evidence", self.window_from, self.window_to)?;
        let seen = self.visits.as_deref().unwrap_or_default();
        let mut visits = Vec::with_capacity(seen.len());
        for visit in seen {
            in_order("visits", visit.first, visit.last)?;
            let Seen { place, first, last, hours } = visit.clone();
            visits.push(Visit { place, first, last, hours, struck: false });
        }
        Ok(Scan {
            source: source(&self.source)?,
            phone: self.phone,
            from: self.window_from,
            to: self.window_to,
            visits,
        })
    }
}

fn in_order(what: &'static str, from: NaiveDate, to: NaiveDate) -> Result<(), Unanswerable> {
    if from <= to { Ok(()) } else { Err(Unanswerable::UpsideDown(what)) }
}

/// The word for a source of evidence, read.
pub fn source(word: &str) -> Result<Source, Unanswerable> {
    match word {
        "mobile" => Ok(Source::Mobile),
        "unicom" => Ok(Source::Unicom),
        "telecom" => Ok(Source::Telecom),
        other => Err(Unanswerable::Source(other.to_owned())),
    }
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

const fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<Answer, Unanswerable> {
        explain(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_example_of_the_documentation_is_a_concealed_key_area() {
        let text = r#"
            {"as_of": "2020-02-11", "home": "330200", "phones": 1,
             "method": {"version": "t1", "min_hours": 4, "border_pairs": [["330200", "331000"]],
                        "key_areas": [{"place": "420000", "from": "2020-01-01", "to": "2020-03-31", "level": "high"},
                                      {"place": "信阳", "level": "medium"}]},
             "declared": [{"place": "四川", "from": "2020-01-18", "to": "2020-02-09"}],
             "evidence": [{"source": "mobile", "window_from": "2020-01-01", "window_to": "2020-02-11",
                           "visits": [{"place": "信阳", "first": "2020-01-19", "last": "2020-01-19", "hours": 6}]}]}"#;
        let answer = answer(text).unwrap();
        assert_eq!(answer.outcome, "concealed_key_area");
        assert_eq!(
            (answer.risk.as_str(), answer.honesty.as_str(), answer.measure.as_str()),
            ("medium", "concealed", "home")
        );
        assert_eq!(answer.visits[0].codes, ["411500"]);
        assert_eq!(answer.visits[0].marks, ["undeclared", "key_area"]);
        assert_eq!(answer.method_version, "t1");
        assert!(answer.explanation.zh.contains("信阳（1月19日）"), "{}", answer.explanation.zh);
        assert!(answer.explanation.en.contains("信阳 (19 January)"), "{}", answer.explanation.en);
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(json["explanation"]["zh"], answer.explanation.zh);
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        let with = |method: &str, evidence: &str| {
            answer(&format!(r#"{{"as_of": "2020-02-11", "method": {method}, "evidence": [{evidence}]}}"#))
                .unwrap_err()
                .to_string()
        };
        assert!(with("\"mine\"", "").contains("mine"));
        let upside_down = r#"{"source": "mobile", "window_from": "2020-02-11", "window_to": "2020-01-01"}"#;
        assert!(with("\"sample\"", upside_down).contains("ends before"));
        let stranger = r#"{"source": "pigeon", "window_from": "2020-01-01", "window_to": "2020-02-11"}"#;
        assert!(with("\"sample\"", stranger).contains("pigeon"));
    }

    #[test]
    fn a_carrier_without_data_is_not_clean() {
        let text = r#"{"as_of": "2020-02-11", "method": "sample",
            "evidence": [{"source": "telecom", "window_from": "2020-01-01", "window_to": "2020-02-11", "visits": []}]}"#;
        assert_eq!(answer(text).unwrap().outcome, "insufficient_evidence");
    }
}
