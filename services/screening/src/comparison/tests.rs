use proto::screening::v1::{BorderPair, Level, Measure};

use super::*;
use crate::method_file::sample_content;

fn area(place: &str, from: &str, to: &str, level: Level, measure: Measure) -> KeyArea {
    KeyArea {
        place: place.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        level: level.into(),
        measure: measure.into(),
    }
}

fn taizhou() -> KeyArea {
    area("331000", "2020-02-08", "", Level::Medium, Measure::Home)
}

fn with(change: impl FnOnce(&mut MethodContent)) -> MethodContent {
    let mut content = sample_content();
    change(&mut content);
    content
}

#[test]
fn the_same_lists_in_another_order_are_no_change() {
    let turned = with(|content| {
        content.key_areas.reverse();
        content.border_pairs.reverse();
        for pair in &mut content.border_pairs {
            std::mem::swap(&mut pair.place, &mut pair.neighbour);
        }
    });
    assert_eq!(compare(&sample_content(), &turned), []);
    assert_eq!(headline(&[]).en, "changing nothing");
}

#[test]
fn a_key_area_that_is_added_is_told_with_its_day() {
    let longer = with(|content| content.key_areas.push(taizhou()));
    let [added] = &compare(&sample_content(), &longer)[..] else { panic!("one change") };
    assert_eq!((added.kind(), added.place.as_str(), added.before.as_str()), (Kind::KeyAreaAdded, "331000", ""));
    assert_eq!(added.after, "2020-02-08 to open, medium, home");
    assert_eq!(added.zh, "新增重点地区台州（331000）：自2020-02-08起，中风险，居家隔离");
    let headline = headline(std::slice::from_ref(added));
    assert_eq!((headline.zh.as_str(), headline.en.as_str()), ("自2月8日起增列台州", "adding 台州 from 8 February"));
    let [removed] = &compare(&longer, &sample_content())[..] else { panic!("one change") };
    assert_eq!((removed.kind(), removed.after.as_str()), (Kind::KeyAreaRemoved, ""));
}

#[test]
fn another_level_or_period_of_a_place_is_a_change_of_it() {
    let changed = with(|content| {
        content.key_areas[1].level = Level::Medium.into();
        content.key_areas[1].measure = Measure::Home.into();
        content.key_areas[2].to = "2020-02-15".to_owned();
    });
    let changes = compare(&sample_content(), &changed);
    let shown: Vec<_> = changes.iter().map(|change| (change.kind(), change.place.as_str())).collect();
    assert_eq!(shown, [(Kind::KeyAreaChanged, "330300"), (Kind::KeyAreaChanged, "411500")]);
    assert_eq!(changes[1].after, "2020-01-01 to 2020-02-15, medium, home");
}

#[test]
fn a_second_period_of_a_place_is_added_and_the_first_stays() {
    let next = area("411500", "2020-03-01", "", Level::Low, Measure::Watch);
    let changed = with(|content| content.key_areas.push(next));
    let changes = compare(&sample_content(), &changed);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].kind(), Kind::KeyAreaAdded);
}

#[test]
fn border_pairs_and_numbers_are_rows_too_and_many_rows_are_counted() {
    let pair = |place: &str, neighbour: &str| BorderPair { place: place.to_owned(), neighbour: neighbour.to_owned() };
    let changed = with(|content| {
        content.border_pairs.remove(0);
        content.border_pairs.push(pair("330100", "330200"));
        content.min_hours = 6;
        content.pass_days = 7;
    });
    let changes = compare(&sample_content(), &changed);
    let kinds: Vec<Kind> = changes.iter().map(MethodChange::kind).collect();
    assert_eq!(kinds, [Kind::BorderPairAdded, Kind::BorderPairRemoved, Kind::NumberChanged, Kind::NumberChanged]);
    assert_eq!(
        (changes[2].number.as_str(), changes[2].before.as_str(), changes[2].after.as_str()),
        ("min_hours", "4", "6")
    );
    let headline = headline(&changes);
    assert!(headline.en.ends_with("and 1 more") && headline.zh.ends_with("等4处改动"), "{headline:?}");
}
