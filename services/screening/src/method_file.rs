//! A method as it is written in a file. The shipped one is the sample of DOMAIN R7, dated 2020-02-09: no number of it stands
//! in code.

mod reading;

use std::sync::LazyLock;

use chrono::NaiveDate;
use proto::screening::v1::{self, Level, Measure};
use serde::Deserialize;

pub(crate) use reading::{BOUNDS, day, open_day};
pub use reading::{Unusable, Wrong};

use crate::verdict::Rules;

/// One version of the method. What a verdict may hang on has to be there; other numbers that are not given are those of the
/// shipped one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodFile {
    pub version: String,
    #[serde(default)]
    pub home: Option<String>,
    pub min_hours: i32,
    #[serde(default)]
    pub isolation_days: Option<i32>,
    #[serde(default)]
    pub fever_decicelsius: Option<i32>,
    #[serde(default)]
    pub pass_days: Option<i32>,
    #[serde(default)]
    pub dispute_hours: Option<i32>,
    #[serde(default)]
    pub escalation_hours: Option<i32>,
    #[serde(default)]
    pub window_days: Option<i32>,
    #[serde(default)]
    pub lag_days: Option<i32>,
    #[serde(default)]
    pub daytime_from_hour: Option<i32>,
    #[serde(default)]
    pub daytime_to_hour: Option<i32>,
    #[serde(default)]
    pub outing_people: Option<i32>,
    #[serde(default)]
    pub outing_days: Option<i32>,
    pub key_areas: Vec<Area>,
    /// Two cities each.
    #[serde(default)]
    pub border_pairs: Vec<(String, String)>,
}

/// An entry of R7; both days included, and an absent one leaves the period open.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// A code, or a name that stands for one place.
    pub place: String,
    #[serde(default, deserialize_with = "open_day")]
    pub from: Option<NaiveDate>,
    #[serde(default, deserialize_with = "open_day")]
    pub to: Option<NaiveDate>,
    /// low, medium or high.
    pub level: String,
    /// watch, home or central; R8 says which, where none is given.
    #[serde(default)]
    pub measure: Option<String>,
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
        level: reading::level(&area.level).unwrap_or_default().into(),
        measure: area.measure.as_deref().and_then(reading::measure).unwrap_or_default().into(),
    };
    let pair =
        |(place, neighbour): &(String, String)| v1::BorderPair { place: place.clone(), neighbour: neighbour.clone() };
    v1::MethodContent {
        key_areas: sample.key_areas.iter().map(area).collect(),
        border_pairs: sample.border_pairs.iter().map(pair).collect(),
        min_hours: sample.min_hours,
        isolation_days: sample.isolation_days.unwrap_or_default(),
        fever_decicelsius: sample.fever_decicelsius.unwrap_or_default(),
        pass_days: sample.pass_days.unwrap_or_default(),
        dispute_hours: sample.dispute_hours.unwrap_or_default(),
        escalation_hours: sample.escalation_hours.unwrap_or_default(),
        window_days: sample.window_days.unwrap_or_default(),
        lag_days: sample.lag_days.unwrap_or_default(),
        home: sample.home.clone().unwrap_or_default(),
        daytime_from_hour: sample.daytime_from_hour.unwrap_or_default(),
        daytime_to_hour: sample.daytime_to_hour.unwrap_or_default(),
        outing_people: sample.outing_people.unwrap_or_default(),
        outing_days: sample.outing_days.unwrap_or_default(),
    }
}

impl MethodFile {
    /// The rules of a verdict. `home` outweighs the file's.
    pub fn rules(&self, home: Option<&str>) -> Result<Rules, Unusable> {
        reading::rules(self, home)
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
        assert_eq!((content.escalation_hours, content.lag_days), (12, 3));
    }
}
