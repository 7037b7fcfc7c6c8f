//! From what stands in a file to what a verdict compares with. Whatever is wrong names its field and says what to write.

use std::ops::RangeInclusive;

use chrono::NaiveDate;
use proto::screening::v1::{Level, Measure};
use serde::{Deserialize as _, Deserializer, de::Error as _};

use super::{Area, MethodFile, sample, usual_measure};
use crate::{
    places::{Code, Resolution, Vocabulary, resolve},
    verdict::{KeyArea, Rules},
};

/// What a method says that nobody can act on, and in which field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {wrong}")]
pub struct Unusable {
    pub field: String,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("no place is called {0:?}: write its six-digit code of GB/T 2260, or the two letters of a country, as KR")]
    Unknown(String),
    #[error("{name:?} may be any of {codes}: write the code of the one that is meant")]
    Ambiguous { name: String, codes: String },
    #[error("{0:?} is a province, not a city: write the code of a prefecture, as 330200")]
    NoCity(String),
    #[error("{0:?} lies abroad: write the code of a prefecture, as 330200")]
    Abroad(String),
    #[error("{0:?} is none of low, medium, high")]
    Level(String),
    #[error("{0:?} is none of watch, home, central")]
    Measure(String),
    #[error("{number} is out of bounds: write a number from {least} to {most}")]
    Number { number: i32, least: i32, most: i32 },
    #[error("{to} lies before {from}: write the earlier day first")]
    UpsideDown { from: NaiveDate, to: NaiveDate },
    #[error("is empty: write a name, as 2020-02-09")]
    Empty,
}

/// Bounds within which the numbers of a method make sense, in the unit that the field's name says.
pub(crate) const BOUNDS: [(&str, RangeInclusive<i32>); 12] = [
    ("min_hours", 0..=24),
    ("isolation_days", 1..=90),
    ("fever_decicelsius", 350..=420),
    ("pass_days", 1..=365),
    ("dispute_hours", 1..=720),
    ("window_days", 1..=90),
    ("escalation_hours", 0..=720),
    ("lag_days", 0..=90),
    ("daytime_from_hour", 0..=23),
    ("daytime_to_hour", 0..=24),
    ("outing_people", 0..=20),
    // A gate remembers outings for five weeks.
    ("outing_days", 0..=30),
];

pub(super) fn rules(file: &MethodFile, home: Option<&str>) -> Result<Rules, Unusable> {
    let shipped = sample();
    if file.version.trim().is_empty() {
        return Err(Unusable { field: "version".to_owned(), wrong: Wrong::Empty });
    }
    let numbers = [
        Some(file.min_hours),
        file.isolation_days.or(shipped.isolation_days),
        file.fever_decicelsius.or(shipped.fever_decicelsius),
        file.pass_days.or(shipped.pass_days),
        file.dispute_hours.or(shipped.dispute_hours),
        file.window_days.or(shipped.window_days),
        file.escalation_hours.or(shipped.escalation_hours),
        file.lag_days.or(shipped.lag_days),
        file.daytime_from_hour.or(shipped.daytime_from_hour),
        file.daytime_to_hour.or(shipped.daytime_to_hour),
        file.outing_people.or(shipped.outing_people),
        file.outing_days.or(shipped.outing_days),
    ];
    for ((field, bounds), number) in BOUNDS.iter().zip(numbers) {
        let number = number.unwrap_or_default();
        if !bounds.contains(&number) {
            let wrong = Wrong::Number { number, least: *bounds.start(), most: *bounds.end() };
            return Err(Unusable { field: (*field).to_owned(), wrong });
        }
    }
    let [min_hours, isolation_days, _, _, dispute_hours, window_days, _, lag_days, ..] =
        numbers.map(Option::unwrap_or_default);
    let home = home.or(file.home.as_deref()).or(shipped.home.as_deref()).unwrap_or_default();
    let mut key_areas = Vec::with_capacity(file.key_areas.len());
    for (at, area) in file.key_areas.iter().enumerate() {
        let named = |field| Unusable::named(format!("key_areas[{at}].{field}"));
        key_areas.extend(area.read().map_err(|(field, wrong)| named(field)(wrong))?);
    }
    let mut border_pairs = Vec::with_capacity(file.border_pairs.len());
    for (at, (place, neighbour)) in file.border_pairs.iter().enumerate() {
        let read = |name, side| city(name).map_err(Unusable::named(format!("border_pairs[{at}][{side}]")));
        border_pairs.push((read(place, 0)?, read(neighbour, 1)?));
    }
    Ok(Rules {
        version: file.version.clone(),
        home: city(home).map_err(Unusable::named("home"))?,
        min_hours,
        window_days: window_days.unsigned_abs(),
        lag_days: lag_days.unsigned_abs(),
        isolation_days,
        dispute_hours,
        key_areas,
        border_pairs,
    })
}

impl Unusable {
    fn named(field: impl Into<String>) -> impl FnOnce(Wrong) -> Self {
        let field = field.into();
        move |wrong| Self { field, wrong }
    }
}

impl Area {
    /// One area for each code of its place; else the field and what is wrong with it.
    fn read(&self) -> Result<Vec<KeyArea>, (&'static str, Wrong)> {
        let level = level(&self.level).ok_or_else(|| ("level", Wrong::Level(self.level.clone())))?;
        let measure = match &self.measure {
            Some(word) => measure(word).ok_or_else(|| ("measure", Wrong::Measure(word.clone())))?,
            None => usual_measure(level),
        };
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to < from
        {
            return Err(("to", Wrong::UpsideDown { from, to }));
        }
        let codes = places(&self.place).map_err(|wrong| ("place", wrong))?;
        Ok(codes.iter().map(|place| KeyArea { place: *place, from: self.from, to: self.to, level, measure }).collect())
    }
}

/// Whoever writes a method names places in people's words.
fn places(name: &str) -> Result<Vec<Code>, Wrong> {
    match resolve(name, Vocabulary::Declared) {
        Resolution::Resolved(codes) => Ok(codes.to_vec()),
        Resolution::Ambiguous(codes) => {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            Err(Wrong::Ambiguous { name: name.to_owned(), codes: codes.join(", ") })
        }
        Resolution::Unknown => Err(Wrong::Unknown(name.to_owned())),
    }
}

/// The city that a name stands for, or in which the county lies that it stands for.
fn city(name: &str) -> Result<Code, Wrong> {
    match *places(name)? {
        [code] if code.is_abroad() => Err(Wrong::Abroad(name.to_owned())),
        [code] => code.city().ok_or_else(|| Wrong::NoCity(name.to_owned())),
        _ => Err(Wrong::NoCity(name.to_owned())),
    }
}

pub(super) fn level(word: &str) -> Option<Level> {
    match word {
        "low" => Some(Level::Low),
        "medium" => Some(Level::Medium),
        "high" => Some(Level::High),
        _ => None,
    }
}

pub(super) fn measure(word: &str) -> Option<Measure> {
    match word {
        "watch" => Some(Measure::Watch),
        "home" => Some(Measure::Home),
        "central" => Some(Measure::Central),
        _ => None,
    }
}

/// A calendar day of a JSON file.
pub(crate) fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = String::deserialize(deserializer)?;
    NaiveDate::parse_from_str(&text, "%Y-%m-%d")
        .map_err(|_| D::Error::custom(format!("{text:?} is no day: write it as 2020-02-11")))
}

/// The same where it may be left out, or null.
pub(crate) fn open_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    day(serde::de::value::StringDeserializer::<D::Error>::new(text)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let file: MethodFile = serde_json::from_str(text).unwrap();
        file.rules(None).unwrap_err().to_string()
    }

    fn with_area(area: &str) -> String {
        refused(&format!(r#"{{"version": "t", "min_hours": 4, "key_areas": [{area}]}}"#))
    }

    fn with(field: &str) -> String {
        refused(&format!(r#"{{"version": "t", "min_hours": 4, "key_areas": [], {field}}}"#))
    }

    #[test]
    fn a_method_that_nobody_can_act_on_names_the_field_and_what_to_write() {
        for (told, expected) in [
            (
                with_area(r#"{"place": "朝阳", "level": "high"}"#),
                "key_areas[0].place: \"朝阳\" may be any of 110105, 211300, 220104: write the code",
            ),
            (with_area(r#"{"place": "老家", "level": "high"}"#), "key_areas[0].place: no place is called \"老家\""),
            (with_area(r#"{"place": "999999", "level": "high"}"#), "key_areas[0].place: no place is called"),
            (
                with_area(r#"{"place": "420000", "level": "severe"}"#),
                "key_areas[0].level: \"severe\" is none of low, medium, high",
            ),
            (
                with_area(r#"{"place": "420000", "level": "low", "measure": "jail"}"#),
                "key_areas[0].measure: \"jail\" is none of watch, home, central",
            ),
            (
                with_area(r#"{"place": "420000", "level": "low", "from": "2020-02-01", "to": "2020-01-01"}"#),
                "key_areas[0].to: 2020-01-01 lies before 2020-02-01",
            ),
            (with(r#""home": "韩国""#), "home: \"韩国\" lies abroad"),
            (with(r#""border_pairs": [["330200", "KR"]]"#), "border_pairs[0][1]: \"KR\" lies abroad"),
            (with(r#""home": "浙江""#), "home: \"浙江\" is a province, not a city"),
            (with(r#""border_pairs": [["330200", "331000"], ["330200", "某地"]]"#), "border_pairs[1][1]: no place"),
            (with(r#""window_days": 0"#), "window_days: 0 is out of bounds: write a number from 1 to 90"),
            (refused(r#"{"version": " ", "min_hours": 4, "key_areas": []}"#), "version: is empty"),
            (refused(r#"{"version": "t", "min_hours": 25, "key_areas": []}"#), "min_hours: 25 is out of bounds"),
        ] {
            assert!(told.starts_with(expected), "{told}");
        }
    }

    #[test]
    fn a_method_with_a_hole_or_a_word_that_nobody_knows_is_no_method() {
        for (text, expected) in [
            (r#"{"min_hours": 4, "key_areas": []}"#, "missing field `version`"),
            (r#"{"version": "t", "key_areas": []}"#, "missing field `min_hours`"),
            (r#"{"version": "t", "min_hours": 4}"#, "missing field `key_areas`"),
            (r#"{"version": "t", "min_hours": 4, "key_areas": [{"place": "420000"}]}"#, "missing field `level`"),
            (r#"{"version": "t", "min_hours": 4, "key_areas": [], "min_hour": 5}"#, "unknown field `min_hour`"),
            (
                r#"{"version": "t", "min_hours": 4, "key_areas": [{"place": "420000", "level": "low", "to": "31.3."}]}"#,
                "\"31.3.\" is no day: write it as 2020-02-11",
            ),
        ] {
            let told = serde_json::from_str::<MethodFile>(text).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn places_of_a_method_are_names_or_codes_of_any_year_and_cities_may_be_named_by_a_county() {
        let text = r#"{"version": "t", "min_hours": 4, "home": "330227", "border_pairs": [["宁波", "天台"]],
            "key_areas": [{"place": "襄樊", "level": "low", "from": null}]}"#;
        let rules = serde_json::from_str::<MethodFile>(text).unwrap().rules(None).unwrap();
        assert_eq!(rules.home.to_string(), "330200");
        assert_eq!(
            (rules.border_pairs[0].0.to_string(), rules.border_pairs[0].1.to_string()),
            ("330200".into(), "331000".into())
        );
        assert_eq!(
            (rules.key_areas[0].place.to_string(), rules.key_areas[0].measure),
            ("420600".into(), Measure::Watch)
        );
    }
}
