//! What holds for every person.

use proptest::prelude::*;

use super::*;
use crate::difference::{Difference, Footprint};

const SEEN: [&str; 12] =
    ["宁波", "台州", "绍兴", "温州", "武汉", "江汉", "信阳", "成都", "西安", "海南", "浙江", "某地"];
const SAID: [&str; 10] = ["四川", "武汉", "台州", "天台", "西安", "老家", "湖北", "浙江", "朝阳", "信阳"];

fn stretch() -> impl Strategy<Value = (NaiveDate, NaiveDate)> {
    (0..40_u64, 0..4_u64).prop_map(|(start, length)| {
        let first = day("01-01") + chrono::Days::new(start);
        (first, first + chrono::Days::new(length))
    })
}

prop_compose! {
    fn any_visit()(place in prop::sample::select(&SEEN[..]), (first, last) in stretch(), hours in prop::option::of(0..24)) -> Visit {
        Visit { place: place.to_owned(), first, last, hours, struck: false }
    }
}

prop_compose! {
    fn any_stay()(place in prop::sample::select(&SAID[..]), (from, to) in stretch()) -> Stay {
        Stay { place: place.to_owned(), from, to }
    }
}

prop_compose! {
    fn any_person()(
        stays in prop::collection::vec(any_stay(), 0..4),
        visits in prop::collection::vec(prop::collection::vec(any_visit(), 0..5), 0..3),
        phones in 0..3_usize,
    ) -> Person {
        let scans = visits.into_iter().zip(1..).map(|(visits, phone)| Scan { phone: Some(phone), ..scan(visits) });
        Person { as_of: day("02-11"), phones, stays, scans: scans.collect() }
    }
}

prop_compose! {
    /// The shipped rules with an entry more, an entry less, a pair less, or other hours.
    fn any_rules()(
        place in prop::sample::select(&["331000", "331023", "330600", "330000", "429004", "510100", "620000"][..]),
        (from, to) in stretch(),
        open in any::<bool>(),
        gone in prop::option::of(0..5_usize),
        pair in prop::option::of(0..9_usize),
        min_hours in prop::sample::select(&[4, 4, 4, 12][..]),
    ) -> Rules {
        let mut rules = with_key_area(place, Level::Medium, Measure::Home);
        if let Some(area) = rules.key_areas.last_mut() {
            (area.from, area.to) = (Some(from), if open { None } else { Some(to) });
        }
        if let Some(gone) = gone {
            rules.key_areas.remove(gone);
        }
        if let Some(pair) = pair {
            rules.border_pairs.remove(pair);
        }
        Rules { min_hours, ..rules }
    }
}

fn rank(level: Level) -> u8 {
    match level {
        Level::Unspecified | Level::None => 0,
        Level::Unknown => 1,
        Level::Low => 2,
        Level::Medium => 3,
        Level::High => 4,
    }
}

proptest! {
    #[test]
    fn more_evidence_in_a_key_area_never_lowers_the_risk(person in any_person(), mut more in any_visit(), key in prop::sample::select(&["武汉", "信阳", "江汉", "温州"][..])) {
        let before = judge(&person, &rules());
        more.place = key.to_owned();
        more.hours = None;
        let mut after = person;
        if after.scans.is_empty() {
            after.scans.push(scan(Vec::new()));
        }
        after.scans[0].visits.push(more);
        let after = judge(&after, &rules());
        prop_assert!(rank(after.risk) >= rank(before.risk), "{before:?} then {after:?}");
        prop_assert!(after.outcome != Outcome::Clear);
    }

    #[test]
    fn no_evidence_is_never_clear(mut person in any_person()) {
        person.scans.clear();
        prop_assert_eq!(judge(&person, &rules()).outcome, Outcome::InsufficientEvidence);
    }

    #[test]
    fn the_same_gives_the_same_in_whatever_order(person in any_person()) {
        let forwards = judge(&person, &rules());
        prop_assert_eq!(&forwards, &judge(&person, &rules()));
        let mut turned = person.clone();
        turned.stays.reverse();
        turned.scans.reverse();
        for scan in &mut turned.scans {
            scan.visits.reverse();
        }
        let backwards = judge(&turned, &rules());
        let told = |judgement: &Judgement| {
            let Judgement { outcome, risk, honesty, measure, last_exposure, .. } = judgement;
            (*outcome, *risk, *honesty, *measure, *last_exposure, judgement.unresolved.clone(), judgement.explanation.clone())
        };
        prop_assert_eq!(told(&forwards), told(&backwards));
    }

    #[test]
    fn risk_and_measure_agree_with_the_outcome(person in any_person()) {
        let judgement = judge(&person, &rules());
        let isolates = matches!(judgement.measure, Measure::Home | Measure::Central);
        let key = matches!(judgement.outcome, Outcome::ConcealedKeyArea | Outcome::DeclaredKeyArea);
        prop_assert_eq!(isolates, key);
        prop_assert_eq!(judgement.last_exposure.is_some(), key);
        prop_assert_eq!(judgement.measure == Measure::None, judgement.outcome == Outcome::Clear);
    }

    #[test]
    fn a_proven_key_area_outweighs_every_doubt(mut person in any_person(), phones in 0..9_usize, name in "\\PC{1,8}") {
        if person.scans.is_empty() {
            person.scans.push(scan(Vec::new()));
        }
        // Two days, so that it is no border noise; too few scans, a window too short, and a name that nobody knows.
        person.scans[0].visits.push(visit("武汉", "01-20", "01-21"));
        person.scans[0].visits.push(visit(&name, "01-25", "01-25"));
        person.scans[0].from = day("02-10");
        person.phones = phones;
        let judgement = judge(&person, &rules());
        let key = matches!(judgement.outcome, Outcome::ConcealedKeyArea | Outcome::DeclaredKeyArea);
        prop_assert!(key, "{judgement:?}");
        prop_assert_eq!((judgement.risk, judgement.measure), (Level::High, Measure::Central));
    }

    #[test]
    fn one_more_declared_stay_never_turns_honesty_into_concealment(person in any_person(), more in any_stay()) {
        let before = judge(&person, &rules());
        let mut after = person;
        after.stays.push(more);
        let after = judge(&after, &rules());
        let left_out = |outcome| matches!(outcome, Outcome::ConcealedKeyArea | Outcome::UndeclaredElsewhere);
        let honest = matches!(before.outcome, Outcome::Clear | Outcome::OverDeclared | Outcome::DeclaredKeyArea);
        prop_assert!(!(honest && left_out(after.outcome)), "{before:?} then {after:?}");
        let seen_alike = before.visits.iter().zip(&after.visits).all(|(before, after)| before.codes == after.codes);
        prop_assert!(seen_alike, "what was seen does not depend on what was said");
    }

    #[test]
    fn who_declares_all_that_was_seen_has_left_nothing_out(mut person in any_person()) {
        // By code: 江汉 and 西安 are other places for a person than for a carrier.
        for visit in person.scans.iter().flat_map(|scan| &scan.visits) {
            if let Some(code) = Learned::default().resolve(&visit.place, Vocabulary::Mobile).codes().first() {
                person.stays.push(Stay { place: code.to_string(), from: visit.first, to: visit.last });
            }
        }
        let judgement = judge(&person, &rules());
        if judgement.unresolved.is_empty() {
            let honest = !matches!(judgement.honesty, Honesty::Concealed | Honesty::Undeclared);
            prop_assert!(honest && judgement.outcome != Outcome::BorderSuspect, "{judgement:?}");
        }
    }

    #[test]
    fn fewer_scans_than_numbers_or_too_short_a_window_are_never_clear(mut person in any_person(), short in any::<bool>()) {
        if short {
            for scan in &mut person.scans {
                scan.from = day("01-29");
            }
        } else {
            person.phones = person.scans.len() + 1;
        }
        let judgement = judge(&person, &rules());
        prop_assert!(judgement.outcome != Outcome::Clear);
        let doubt = [Outcome::InsufficientEvidence, Outcome::UnresolvedPlace].contains(&judgement.outcome);
        prop_assert_eq!(judgement.risk == Level::Unknown, doubt);
    }

    #[test]
    fn a_name_that_nobody_knows_is_never_clear_where_it_counts(mut person in any_person()) {
        if person.scans.is_empty() {
            person.scans.push(scan(Vec::new()));
        }
        person.scans[0].visits.push(visit("某个地方", "01-20", "01-20"));
        prop_assert!(judge(&person, &rules()).outcome != Outcome::Clear);
    }

    #[test]
    fn where_another_method_says_something_else_its_difference_touches_the_person(person in any_person(), other in any_rules()) {
        let said = |judgement: &Judgement| {
            let Judgement { outcome, risk, honesty, measure, last_exposure, .. } = judgement;
            (*outcome, *risk, *honesty, *measure, *last_exposure)
        };
        let differs = said(&judge(&person, &rules())) != said(&judge(&person, &other));
        let difference = Difference::between(&rules(), &other);
        let footprint = Footprint::of(&person);
        prop_assert!(!differs || difference.touches(&footprint), "{difference:?}");
        prop_assert_eq!(difference.touches(&footprint), Difference::between(&other, &rules()).touches(&footprint));
    }
}
