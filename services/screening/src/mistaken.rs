//! Which city a carrier took for which: what a finding has struck, and where the same records say that the person was. Pure.

use chrono::{Days, NaiveDate};
use proto::screening::v1::Source;

use crate::{
    places::{Code, Learned, Vocabulary},
    verdict::{Person, Rules, Visit},
};

/// A struck visit as an error of its carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistaken {
    pub(crate) source: Source,
    /// `None`: a name that stands for no one city.
    pub(crate) city: Option<Code>,
    pub(crate) instead: Code,
}

/// `visits` are positions of scans and of visits in them; what is not there is left out.
pub(crate) fn mistaken(person: &Person, visits: &[(usize, usize)], rules: &Rules, learned: &Learned) -> Vec<Mistaken> {
    let one = |(scan, visit): &(usize, usize)| {
        let scan = person.scans.get(*scan)?;
        let visit = scan.visits.get(*visit)?;
        let city = city(visit, Vocabulary::of(scan.source), learned);
        Some(Mistaken { source: scan.source, city, instead: instead(person, visit, city, rules, learned) })
    };
    visits.iter().filter_map(one).collect()
}

/// Where the person was: a city that was seen around the same days and stands, next to the struck one rather than far away,
/// on the same days rather than the day before or after; else the home city.
fn instead(person: &Person, struck: &Visit, wrong: Option<Code>, rules: &Rules, learned: &Learned) -> Code {
    let seen =
        person.scans.iter().flat_map(|scan| scan.visits.iter().map(|visit| (Vocabulary::of(scan.source), visit)));
    let around = seen.filter(|(_, visit)| !visit.struck).filter_map(|(words, visit)| {
        let city = city(visit, words, learned).filter(|city| Some(*city) != wrong)?;
        let next = rules
            .border_pairs
            .iter()
            .any(|(a, b)| wrong.is_some_and(|wrong| (*a, *b) == (wrong, city) || (*b, *a) == (wrong, city)));
        let same_days = overlaps(visit, struck.first, struck.last);
        let near = overlaps(visit, earlier(struck.first), later(struck.last));
        near.then_some((next, same_days, visit.last - visit.first, city))
    });
    around.max().map_or(rules.home, |(.., city)| city)
}

fn city(visit: &Visit, words: Vocabulary, learned: &Learned) -> Option<Code> {
    let found = learned.resolve(&visit.place, words);
    match found.resolved().map(|codes| &codes[..]) {
        Some([code]) => code.city(),
        _ => None,
    }
}

fn overlaps(visit: &Visit, first: NaiveDate, last: NaiveDate) -> bool {
    visit.first <= last && first <= visit.last
}

fn earlier(day: NaiveDate) -> NaiveDate {
    day.checked_sub_days(Days::new(1)).unwrap_or(day)
}

fn later(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{method_file::sample, verdict::Scan};

    fn visit(place: &str, first: &str, last: &str, struck: bool) -> Visit {
        let day = |day: &str| format!("2020-{day}").parse().unwrap();
        Visit { place: place.to_owned(), first: day(first), last: day(last), hours: None, struck }
    }

    fn pairs(visits: Vec<Visit>) -> Vec<(Option<String>, String)> {
        let day = |day: &str| format!("2020-{day}").parse().unwrap();
        let struck: Vec<(usize, usize)> =
            visits.iter().enumerate().filter(|(_, visit)| visit.struck).map(|(at, _)| (0, at)).collect();
        let scan = Scan { source: Source::Mobile, phone: Some(1), from: day("01-01"), to: day("02-11"), visits };
        let person = Person { as_of: day("02-11"), phones: 1, stays: Vec::new(), scans: vec![scan] };
        let rules = sample().rules(None).unwrap();
        let found = mistaken(&person, &struck, &rules, &Learned::default());
        found.iter().map(|one| (one.city.map(|code| code.to_string()), one.instead.to_string())).collect()
    }

    #[test]
    fn a_city_is_taken_for_the_one_next_to_it_where_the_person_was() {
        let long = visit("上海", "01-20", "01-30", false);
        let next = visit("宁波", "01-24", "01-25", false);
        assert_eq!(
            pairs(vec![long, next, visit("台州", "01-25", "01-25", true)]),
            [(Some("331000".into()), "330200".into())]
        );
    }

    #[test]
    fn far_from_any_border_it_is_the_city_of_those_days_and_else_the_home_city() {
        let there = visit("上海", "01-24", "01-26", false);
        let struck = visit("武汉", "01-25", "01-25", true);
        assert_eq!(pairs(vec![there, struck.clone()]), [(Some("420100".into()), "310000".into())]);
        assert_eq!(pairs(vec![struck]), [(Some("420100".into()), "330200".into())]);
        assert_eq!(pairs(vec![visit("某地", "01-25", "01-25", true)]), [(None, "330200".into())]);
    }
}
