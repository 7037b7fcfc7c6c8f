//! What holds for every person.

use proptest::prelude::*;

use super::*;

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
}
