use proto::isolation::v1::{DayPart, Destination, Kind, Level, ReleaseReason, Slot, confirmed_case_event, order_event};

use crate::tests::{
    Street,
    street::{residence, terms},
};

/// In home isolation from the morning of 11 February.
fn isolated() -> Street {
    let mut street = Street::new();
    street.at("2020-02-11 08:00").ordered("o1", "n1/h1", Kind::Home, "2020-02-11");
    street
}

fn hand_over(street: &mut Street, date: &str, day_part: DayPart) {
    let moved =
        order_event::Moved { to: Destination::Central.into(), kind: Kind::Central.into(), ..Default::default() };
    street.tell("o1", order_event::Event::Moved(moved));
    let handed = order_event::HandedOver { date: date.to_owned(), day_part: day_part.into(), ..Default::default() };
    street.tell("o1", order_event::Event::HandedOver(handed));
}

fn home_again(street: &mut Street, date: &str) {
    let home_from = Some(Slot { date: date.to_owned(), day_part: DayPart::Morning.into() });
    let moved =
        order_event::Moved { to: Destination::Home.into(), kind: Kind::Home.into(), home_from, ..Default::default() };
    street.tell("o1", order_event::Event::Moved(moved));
}

#[test]
fn two_readings_a_day_are_due_until_the_release() {
    let mut street = isolated();
    street.at("2020-02-25 18:00").released("o1", ReleaseReason::PeriodComplete);
    let due = |time: &str| street.as_of(time).figures["n1"].readings_due;
    assert_eq!(
        ["2020-02-11 07:59", "2020-02-11 09:00", "2020-02-24 09:00", "2020-02-25 19:00", "2020-02-26 09:00"].map(due),
        [0, 2, 2, 2, 0]
    );
    let mut street = isolated();
    street.at("2020-02-12 09:00").released("o1", ReleaseReason::VerdictChanged);
    assert_eq!(street.live("2020-02-12 20:00").figures["n1"].readings_due, 1, "the evening is owed no more");
    assert_eq!(street.live("2020-02-13 09:00").figures["n1"].released_persons, 0);
}

#[test]
fn a_reading_that_is_told_twice_counts_once_and_as_it_was_told_last() {
    let mut street = isolated();
    street.read("o1", "2020-02-11", DayPart::Morning, true);
    street.at("2020-02-11 09:00").read("o1", "2020-02-11", DayPart::Morning, false);
    let at = |time: &str| {
        let figures = street.as_of(time).figures["n1"];
        (figures.readings_taken, figures.symptoms)
    };
    assert_eq!([at("2020-02-11 08:30"), at("2020-02-11 09:30")], [(1, 1), (1, 0)]);
}

#[test]
fn a_reading_that_goes_up_again_is_missed_once_from_whatever_level_it_began() {
    let mut street = isolated();
    for (time, level) in [("2020-02-12 02:00", Level::Neighbourhood), ("2020-02-12 05:00", Level::Subdistrict)] {
        street.at(time).missed("o1", "2020-02-12", DayPart::Morning, level);
    }
    assert_eq!(street.live("2020-02-12 23:00").figures["n1"].readings_missed, 1);
}

#[test]
fn symptoms_lengthen_what_is_due_by_three_days_and_their_correction_takes_that_back() {
    let mut street = isolated();
    street.at("2020-02-25 09:00").read("o1", "2020-02-25", DayPart::Morning, true);
    let due = |street: &Street, time: &str| street.live(time).figures["n1"].readings_due;
    assert_eq!((due(&street, "2020-02-28 09:00"), due(&street, "2020-02-29 09:00")), (2, 0));
    street.at("2020-02-25 10:00").read("o1", "2020-02-25", DayPart::Morning, false);
    assert_eq!(due(&street, "2020-02-26 09:00"), 0);
}

#[test]
fn nothing_is_due_while_others_observe_however_often_the_place_changes() {
    let mut street = isolated();
    street.at("2020-02-12 09:00");
    hand_over(&mut street, "2020-02-12", DayPart::Morning);
    street.at("2020-02-13 09:00");
    hand_over(&mut street, "2020-02-13", DayPart::Morning);
    assert_eq!(street.as_of("2020-02-12 20:00").figures["n1"].readings_due, 1);
    let due = |street: &Street, day: &str| street.live(&format!("{day} 20:00")).figures["n1"].readings_due;
    assert_eq!(["2020-02-13", "2020-02-14"].map(|day| due(&street, day)), [0, 0]);
    street.at("2020-02-15 09:00");
    home_again(&mut street, "2020-02-15");
    assert_eq!(["2020-02-15", "2020-02-16"].map(|day| due(&street, day)), [2, 2]);
    let figures = street.live("2020-02-16 20:00").figures["n1"];
    assert_eq!((figures.home_isolation_persons, figures.handed_over), (1, 1));
}

#[test]
fn a_transfer_takes_the_person_the_household_and_the_readings_along() {
    let mut street = isolated();
    street.read("o1", "2020-02-11", DayPart::Morning, true).at("2020-02-11 12:00").tell(
        "o1",
        order_event::Event::TransferDecided(order_event::TransferDecided {
            accepted: true,
            residence: Some(residence("n2/h9")),
            ..Default::default()
        }),
    );
    let before = street.as_of("2020-02-11 11:00");
    assert_eq!((before.figures["n1"].readings_taken, before.figures["n1"].home_isolation_households), (1, 1));
    let after = street.live("2020-02-11 13:00");
    let (left, now) = (after.figures["n1"], after.figures["n2"]);
    assert_eq!((left.readings_taken, left.readings_due, left.home_isolation_households), (0, 0, 0));
    assert_eq!((now.readings_taken, now.readings_due, now.symptoms, now.home_isolation_households), (1, 2, 1, 1));
    assert_eq!(left.ordered_today, 1, "where it came into force, it did");
}

#[test]
fn a_household_is_isolated_while_anybody_of_it_is_and_days_are_counted_from_one() {
    let mut street = isolated();
    street.at("2020-02-12 08:00").ordered("o2", "n1/h1", Kind::Home, "2020-02-12");
    let shown = street.live("2020-02-12 09:00");
    let figures = shown.figures["n1"];
    assert_eq!((figures.home_isolation_persons, figures.home_isolation_households), (2, 1));
    let days: Vec<(i32, i64)> = shown.isolation_days["n1"].iter().map(|line| (line.day, line.persons)).collect();
    assert_eq!(days, [(1, 1), (2, 1)]);
    street.at("2020-02-25 08:00").released("o1", ReleaseReason::PeriodComplete);
    let figures = street.live("2020-02-25 09:00").figures["n1"];
    assert_eq!((figures.home_isolation_households, figures.released_persons, figures.released_households), (1, 1, 1));
}

#[test]
fn a_proposal_isolates_nobody_until_it_is_signed() {
    let mut street = Street::new();
    let proposed =
        order_event::Proposed { terms: Some(terms("n1/h1", Kind::Home, "2020-02-11")), ..Default::default() };
    street.at("2020-02-11 08:00").tell("o1", order_event::Event::Proposed(proposed));
    street.at("2020-02-11 10:00").ordered("o1", "n1/h1", Kind::Home, "2020-02-11");
    let at = |time: &str| {
        let figures = street.as_of(time).figures["n1"];
        (figures.orders_proposed, figures.home_isolation_persons, figures.readings_due)
    };
    assert_eq!([at("2020-02-11 09:00"), at("2020-02-11 11:00")], [(1, 0, 0), (0, 1, 2)]);
}

#[test]
fn a_release_of_an_order_that_nobody_knows_counts_nowhere() {
    let mut street = Street::new();
    street.at("2020-02-11 08:00").released("o1", ReleaseReason::PeriodComplete);
    assert_eq!(street.live("2020-02-11 09:00").figures["n1"].released_today, 0);
}

#[test]
fn a_case_is_confirmed_by_the_second_signature_and_withdrawn_by_one() {
    let mut street = Street::new();
    let terms = Some(proto::isolation::v1::CaseTerms { residence: Some(residence("n1/h1")), ..Default::default() });
    let reported = confirmed_case_event::Reported { terms: terms.clone(), ..Default::default() };
    let confirmed = confirmed_case_event::Confirmed { terms, ..Default::default() };
    street.at("2020-02-11 08:00").tell("c1", confirmed_case_event::Event::Reported(reported));
    street.at("2020-02-11 09:00").tell("c1", confirmed_case_event::Event::Confirmed(confirmed));
    street
        .at("2020-02-11 10:00")
        .tell("c1", confirmed_case_event::Event::Withdrawn(confirmed_case_event::Withdrawn::default()));
    let at = |time: &str| street.as_of(time).figures["n1"].confirmed_cases;
    assert_eq!(["2020-02-11 08:30", "2020-02-11 09:30", "2020-02-11 10:30"].map(at), [0, 1, 0]);
}
