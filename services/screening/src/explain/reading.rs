//! A request as it is read from JSON: whatever is wrong is told with the path of its field and with what to write.

use std::fmt;

use chrono::NaiveDate;
use proto::screening::v1::Source;
use serde::{
    Deserialize,
    de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Declared, Evidence, Method, Request, Seen};
use crate::{
    method_file::{MethodFile, Unusable, Wrong, sample},
    verdict::{Person, Rules, Scan, Stay, Visit},
};

/// Why there is no answer, and in which field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    #[error("{field}: {fault}")]
    Field { field: String, fault: Fault },
    /// It is no such JSON at all.
    #[error("{0}")]
    Unreadable(String),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Method(Wrong),
    #[error("{0:?} is none of mobile, unicom, telecom")]
    Source(String),
    #[error("{to} lies before {from}: write the earlier day first")]
    UpsideDown { from: NaiveDate, to: NaiveDate },
    #[error("{day} lies after as_of, {as_of}: only days that have come can be declared or seen")]
    Future { day: NaiveDate, as_of: NaiveDate },
    #[error("{0} is no number of hours: write one from 0 on, or leave it out where the source gives none")]
    Hours(String),
    #[error("{0} is none of the person's numbers: they are counted from 1 up to phones")]
    Phone(u32),
    #[error("is empty: write a name or a code")]
    NoName,
}

impl Request {
    /// From JSON; a mark before the first brace, as Notepad puts it, is no fault.
    pub fn read(text: &str) -> Result<Self, Unanswerable> {
        let mut json = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
        let request = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let fault = error.into_inner();
            // A dot is the path of what lies at the top, a question mark that of what breaks off.
            let named = !matches!(path.as_str(), "." | "?");
            Unanswerable::Unreadable(if named { format!("{path}: {fault}") } else { fault.to_string() })
        })?;
        json.end().map_err(|_| {
            Unanswerable::Unreadable("there is something behind the end of the JSON: remove it".to_owned())
        })?;
        Ok(request)
    }

    pub(super) fn rules(&self) -> Result<Rules, Unanswerable> {
        let file = match &self.method {
            Method::Sample => sample(),
            Method::Written(file) => file,
        };
        file.rules(self.home.as_deref()).map_err(|Unusable { field, wrong }| {
            let own = field == "home" && self.home.is_some();
            at(if own { field } else { format!("method.{field}") }, Fault::Method(wrong))
        })
    }

    pub(super) fn person(&self) -> Result<Person, Unanswerable> {
        let mut stays = Vec::with_capacity(self.declared.len());
        for (index, stay) in self.declared.iter().enumerate() {
            stays.push(stay.stay(self.as_of).map_err(below(format!("declared[{index}]")))?);
        }
        let mut scans = Vec::with_capacity(self.evidence.len());
        for (index, evidence) in self.evidence.iter().enumerate() {
            scans.push(evidence.scan(self).map_err(below(format!("evidence[{index}]")))?);
        }
        let phones = usize::try_from(self.phones).unwrap_or(usize::MAX);
        Ok(Person { as_of: self.as_of, phones, stays, scans })
    }
}

/// A field within the thing that was read, and its fault.
type Found = (String, Fault);

fn at(field: String, fault: Fault) -> Unanswerable {
    Unanswerable::Field { field, fault }
}

fn below(path: String) -> impl FnOnce(Found) -> Unanswerable {
    move |(field, fault)| at(format!("{path}.{field}"), fault)
}

impl Declared {
    fn stay(&self, as_of: NaiveDate) -> Result<Stay, Found> {
        let to = self.to.unwrap_or_else(|| as_of.max(self.from));
        named(&self.place)?;
        days(("from", self.from), ("to", to), as_of)?;
        Ok(Stay { place: self.place.clone(), from: self.from, to })
    }
}

impl Evidence {
    fn scan(&self, request: &Request) -> Result<Scan, Found> {
        let source = source(&self.source).ok_or_else(|| found("source", Fault::Source(self.source.clone())))?;
        days(("window_from", self.window_from), ("window_to", self.window_to), request.as_of)?;
        if let Some(phone) = self.phone.filter(|phone| !(1..=request.phones).contains(phone)) {
            return Err(found("phone", Fault::Phone(phone)));
        }
        let mut visits = Vec::new();
        for (index, seen) in self.visits.iter().flatten().enumerate() {
            let visit = seen.visit(request.as_of);
            visits.push(visit.map_err(|(field, fault)| (format!("visits[{index}].{field}"), fault))?);
        }
        let phone = self.phone.and_then(|phone| i32::try_from(phone).ok());
        Ok(Scan { source, phone, from: self.window_from, to: self.window_to, visits })
    }
}

impl Seen {
    fn visit(&self, as_of: NaiveDate) -> Result<Visit, Found> {
        named(&self.place)?;
        days(("first", self.first), ("last", self.last), as_of)?;
        let hours = match self.hours {
            Some(hours) if !(0.0..=1e6).contains(&hours) => {
                return Err(found("hours", Fault::Hours(hours.to_string())));
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "begun hours do not count, and the bounds were checked"
            )]
            hours => hours.map(|hours| hours.floor() as i32),
        };
        Ok(Visit { place: self.place.clone(), first: self.first, last: self.last, hours, struck: false })
    }
}

fn found(field: &str, fault: Fault) -> Found {
    (field.to_owned(), fault)
}

fn named(place: &str) -> Result<(), Found> {
    if place.trim().is_empty() { Err(found("place", Fault::NoName)) } else { Ok(()) }
}

fn days(from: (&str, NaiveDate), to: (&str, NaiveDate), as_of: NaiveDate) -> Result<(), Found> {
    if let Some((field, day)) = [from, to].into_iter().find(|(_, day)| *day > as_of) {
        return Err(found(field, Fault::Future { day, as_of }));
    }
    if to.1 < from.1 {
        return Err(found(to.0, Fault::UpsideDown { from: from.1, to: to.1 }));
    }
    Ok(())
}

fn source(word: &str) -> Option<Source> {
    match word {
        "mobile" => Some(Source::Mobile),
        "unicom" => Some(Source::Unicom),
        "telecom" => Some(Source::Telecom),
        _ => None,
    }
}

/// By hand, since what serde says of alternatives without a tag is only that none of them fits.
impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherWay)
    }
}

struct EitherWay;

impl<'de> Visitor<'de> for EitherWay {
    type Value = Method;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("\"sample\" or a method written out")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Method, E> {
        if word == "sample" {
            Ok(Method::Sample)
        } else {
            Err(E::custom(format!("{word:?} is no method: write \"sample\" or the method itself")))
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Method, A::Error> {
        MethodFile::deserialize(MapAccessDeserializer::new(map)).map(|file| Method::Written(Box::new(file)))
    }
}
