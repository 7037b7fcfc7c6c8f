//! A method as it is written in a file. The shipped one is the sample of DOMAIN R7, dated 2020-02-09: no number of it stands
//! in code.

use std::sync::LazyLock;

use chrono::NaiveDate;
use proto::screening::v1::{self, Level, Measure};
use serde::Deserialize;

use crate::{
    places::{Code, Vocabulary, resolve},
    verdict::{KeyArea, Rules},
};

/// One version of the method; numbers that are not given are those of the shipped one.
#[derive(Clone, Debug, Deserialize)]
pub struct MethodFile {
    pub version: String,
    #[serde(default)]
    pub home: Option<String>,
    #[serde(default)]
    pub min_hours: Option<i32>,
    #[serde(default)]
    pub isolation_days: Option<i32>,
    #[serde(default)]
    pub fever_decicelsius: Option<i32>,
    #[serde(default)]
    pub pass_days: Option<i32>,
    #[serde(default)]
    pub dispute_hours: Option<i32>,
    #[serde(default)]
    pub window_days: Option<i32>,
    #[serde(default)]
    pub key_areas: Vec<Area>,
    #[serde(default)]
    pub border_pairs: Vec<(String, String)>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Area {
    /// A code, or a name that stands for one place.
    pub place: String,
    #[serde(default)]
    pub from: Option<NaiveDate>,
    #[serde(default)]
    pub to: Option<NaiveDate>,
    pub level: String,
    /// R8 says which, where none is given.
    #[serde(default)]
    pub measure: Option<String>,
}

/// What a method says that nobody can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("method: the place {0} is unknown or ambiguous: write its GB/T 2260 code")]
    Place(String),
    #[error("method: the level {0} is none of low, medium, high")]
    Level(String),
    #[error("method: the measure {0} is none of watch, home, central")]
    Measure(String),
    #[error("method: the number {0} is out of range")]
    Number(&'static str),
    #[error("method: the period of {0} ends before it begins")]
    Period(String),
}

static SAMPLE: LazyLock<MethodFile> = LazyLock::new(|| {
    let text = include_str!("../data/sample_method.json");
    serde_json::from_str(text).expect("the shipped method is read by a test")
});

/// The shipped one.
pub fn sample() -> &'static MethodFile {
    &SAMPLE
}

/// The shipped one as the contract carries it.
pub fn sample_content() -> v1::MethodContent {
    let sample = sample();
    let area = |area: &Area| v1::KeyArea {
        place: area.place.clone(),
        from: area.from.map(|day| day.to_string()).unwrap_or_default(),
        to: area.to.map(|day| day.to_string()).unwrap_or_default(),
        level: level(&area.level).unwrap_or_default().into(),
        measure: area.measure.as_deref().and_then(|word| measure(word).ok()).unwrap_or_default().into(),
    };
    let pair =
        |(place, neighbour): &(String, String)| v1::BorderPair { place: place.clone(), neighbour: neighbour.clone() };
    v1::MethodContent {
        key_areas: sample.key_areas.iter().map(area).collect(),
        border_pairs: sample.border_pairs.iter().map(pair).collect(),
        min_hours: sample.min_hours.unwrap_or_default(),
        isolation_days: sample.isolation_days.unwrap_or_default(),
        fever_decicelsius: sample.fever_decicelsius.unwrap_or_default(),
        pass_days: sample.pass_days.unwrap_or_default(),
        dispute_hours: sample.dispute_hours.unwrap_or_default(),
        window_days: sample.window_days.unwrap_or_default(),
        home: sample.home.clone().unwrap_or_default(),
    }
}

impl MethodFile {
    /// The rules of a verdict. `home` outweighs the file's.
    pub fn rules(&self, home: Option<&str>) -> Result<Rules, Unusable> {
        let shipped = sample();
        let number = |name, own: Option<i32>, shipped: Option<i32>| match own.or(shipped) {
            Some(number) if (0..=10_000).contains(&number) => Ok(number),
            _ => Err(Unusable::Number(name)),
        };
        let home = home.or(self.home.as_deref()).or(shipped.home.as_deref()).unwrap_or_default();
        let mut key_areas = Vec::with_capacity(self.key_areas.len());
        for area in &self.key_areas {
            key_areas.extend(area.read()?);
        }
        let pairs = self.border_pairs.iter().map(|(a, b)| Ok((one_place(a)?, one_place(b)?)));
        let window = number("window_days", self.window_days, shipped.window_days)?;
        Ok(Rules {
            version: self.version.clone(),
            home: one_place(home)?,
            min_hours: number("min_hours", self.min_hours, shipped.min_hours)?,
            window_days: u32::try_from(window).unwrap_or_default(),
            isolation_days: number("isolation_days", self.isolation_days, shipped.isolation_days)?,
            dispute_hours: number("dispute_hours", self.dispute_hours, shipped.dispute_hours)?,
            key_areas,
            border_pairs: pairs.collect::<Result<_, _>>()?,
        })
    }
}

impl Area {
    /// One area for each code of its place.
    fn read(&self) -> Result<Vec<KeyArea>, Unusable> {
        let level = level(&self.level)?;
        let measure = match &self.measure {
            Some(word) => measure(word)?,
            None => usual_measure(level),
        };
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to < from
        {
            return Err(Unusable::Period(self.place.clone()));
        }
        let place = resolve(&self.place, Vocabulary::Declared);
        let codes = place.resolved().ok_or_else(|| Unusable::Place(self.place.clone()))?;
        Ok(codes.iter().map(|place| KeyArea { place: *place, from: self.from, to: self.to, level, measure }).collect())
    }
}

/// R8.
pub fn usual_measure(level: Level) -> Measure {
    match level {
        Level::High => Measure::Central,
        Level::Medium => Measure::Home,
        Level::Low => Measure::Watch,
        Level::None | Level::Unknown | Level::Unspecified => Measure::Ask,
    }
}

fn one_place(name: &str) -> Result<Code, Unusable> {
    match resolve(name, Vocabulary::Declared).resolved().map(|codes| &**codes) {
        Some([code]) => Ok(*code),
        _ => Err(Unusable::Place(name.to_owned())),
    }
}

fn level(word: &str) -> Result<Level, Unusable> {
    match word {
        "low" => Ok(Level::Low),
        "medium" => Ok(Level::Medium),
        "high" => Ok(Level::High),
        _ => Err(Unusable::Level(word.to_owned())),
    }
}

fn measure(word: &str) -> Result<Measure, Unusable> {
    match word {
        "watch" => Ok(Measure::Watch),
        "home" => Ok(Measure::Home),
        "central" => Ok(Measure::Central),
        _ => Err(Unusable::Measure(word.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_method_is_that_of_the_ninth_of_february() {
        let rules = sample().rules(None).unwrap();
        assert_eq!(rules.version, "2020-02-09");
        assert_eq!((rules.min_hours, rules.window_days, rules.isolation_days, rules.dispute_hours), (4, 14, 14, 24));
        let areas: Vec<String> =
            rules.key_areas.iter().map(|area| format!("{} {:?} {:?}", area.place, area.level, area.measure)).collect();
        assert_eq!(
            areas,
            [
                "420000 High Central",
                "330300 High Central",
                "411500 Medium Home",
                "411700 Medium Home",
                "411300 Medium Home"
            ]
        );
        assert!(rules.key_areas.iter().all(|area| area.place.to_string() != "331000"), "台州 is the dry run's to add");
        let content = sample_content();
        assert_eq!((content.fever_decicelsius, content.pass_days, content.home.as_str()), (373, 14, "330200"));
    }

    #[test]
    fn a_method_that_nobody_can_act_on_says_why() {
        let file = |area: &str| -> MethodFile {
            serde_json::from_str(&format!(r#"{{"version": "t", "key_areas": [{area}]}}"#)).unwrap()
        };
        let refused = |area: &str| file(area).rules(None).unwrap_err().to_string();
        assert!(refused(r#"{"place": "朝阳", "level": "high"}"#).contains("朝阳"));
        assert!(refused(r#"{"place": "420000", "level": "severe"}"#).contains("severe"));
        assert!(refused(r#"{"place": "420000", "level": "low", "measure": "jail"}"#).contains("jail"));
        assert!(
            refused(r#"{"place": "420000", "level": "low", "from": "2020-02-01", "to": "2020-01-01"}"#)
                .contains("ends before")
        );
    }
}
