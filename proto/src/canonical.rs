//! The text of a method that everybody can check: the same for the same numbers and lists, whatever their order. Its SHA-256
//! is the version's digest: `mifeng method get 2020-02-09 --canonical | sha256sum`.

use std::fmt::Write as _;

use crate::screening::v1::{Level, Measure, MethodContent};

/// A line for each number, then the key areas and the border pairs in the order of their text. An open period ends with `-`.
pub fn method(content: &MethodContent) -> String {
    // Named one by one, so that a field that is added cannot be left out of what is proved.
    let MethodContent {
        key_areas,
        border_pairs,
        min_hours,
        isolation_days,
        fever_decicelsius,
        pass_days,
        dispute_hours,
        window_days,
        home,
        escalation_hours,
        lag_days,
        daytime_from_hour,
        daytime_to_hour,
        outing_people,
        outing_days,
    } = content;
    let mut text = format!("mifeng method 1\nhome {home}\n");
    for (name, number) in [
        ("min_hours", min_hours),
        ("isolation_days", isolation_days),
        ("fever_decicelsius", fever_decicelsius),
        ("pass_days", pass_days),
        ("dispute_hours", dispute_hours),
        ("window_days", window_days),
    ] {
        writeln!(text, "{name} {number}").expect("a string takes everything");
    }
    // Where it is not said, the text is that of the methods from before it could be: theirs is proved by digests that were
    // handed out.
    for (name, number) in [
        ("escalation_hours", escalation_hours),
        ("lag_days", lag_days),
        ("daytime_from_hour", daytime_from_hour),
        ("daytime_to_hour", daytime_to_hour),
        ("outing_people", outing_people),
        ("outing_days", outing_days),
    ] {
        if *number != 0 {
            writeln!(text, "{name} {number}").expect("a string takes everything");
        }
    }
    let areas = key_areas.iter().map(|area| {
        let level = Level::try_from(area.level).unwrap_or_default().as_str_name();
        let measure = Measure::try_from(area.measure).unwrap_or_default().as_str_name();
        let (level, measure) = (level.trim_start_matches("LEVEL_"), measure.trim_start_matches("MEASURE_"));
        let (from, to) = (open(&area.from), open(&area.to));
        format!("key_area {} {from} {to} {level} {measure}\n", area.place)
    });
    let pairs = border_pairs.iter().map(|pair| {
        let (a, b) = (pair.place.as_str().min(&pair.neighbour), pair.place.as_str().max(&pair.neighbour));
        format!("border_pair {a} {b}\n")
    });
    for mut lines in [areas.collect::<Vec<_>>(), pairs.collect()] {
        lines.sort_unstable();
        text.extend(lines);
    }
    text
}

fn open(day: &str) -> &str {
    if day.is_empty() { "-" } else { day }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::v1::{BorderPair, KeyArea};

    fn content() -> MethodContent {
        let area = |place: &str, to: &str| KeyArea {
            place: place.to_owned(),
            from: "2020-01-01".to_owned(),
            to: to.to_owned(),
            level: Level::High.into(),
            measure: Measure::Central.into(),
        };
        let pair =
            |place: &str, neighbour: &str| BorderPair { place: place.to_owned(), neighbour: neighbour.to_owned() };
        MethodContent {
            key_areas: vec![area("420000", ""), area("330300", "2020-03-31")],
            border_pairs: vec![pair("331000", "330200")],
            min_hours: 4,
            home: "330200".to_owned(),
            ..MethodContent::default()
        }
    }

    #[test]
    fn the_text_is_the_same_whatever_the_order() {
        let mut turned = content();
        turned.key_areas.reverse();
        let pair = &mut turned.border_pairs[0];
        std::mem::swap(&mut pair.place, &mut pair.neighbour);
        assert_eq!(method(&turned), method(&content()));
        let expected = "mifeng method 1\nhome 330200\nmin_hours 4\nisolation_days 0\nfever_decicelsius 0\npass_days 0\n\
            dispute_hours 0\nwindow_days 0\nkey_area 330300 2020-01-01 2020-03-31 HIGH CENTRAL\n\
            key_area 420000 2020-01-01 - HIGH CENTRAL\nborder_pair 330200 331000\n";
        assert_eq!(method(&content()), expected);
    }

    #[test]
    fn every_other_number_and_every_other_day_is_another_text() {
        let text = method(&content());
        assert_ne!(method(&MethodContent { pass_days: 7, ..content() }), text);
        let said = method(&MethodContent { escalation_hours: 12, ..content() });
        assert_eq!(said, text.replace("window_days 0\n", "window_days 0\nescalation_hours 12\n"));
        let hours = method(&MethodContent { daytime_from_hour: 6, daytime_to_hour: 21, ..content() });
        assert_eq!(hours, text.replace("window_days 0\n", "window_days 0\ndaytime_from_hour 6\ndaytime_to_hour 21\n"));
        let mut shorter = content();
        shorter.key_areas[0].to = "2020-03-31".to_owned();
        assert_ne!(method(&shorter), text);
    }
}
