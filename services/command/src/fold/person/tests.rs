use chassis::timestamp;
use chrono::TimeDelta;
use proto::{
    pass::v1::Direction,
    registry::v1::{VisitOutcome, key_person_event, resident_event, visits_event},
    screening::v1::{
        Outcome, OverrideInForce,
        case_event::{self, Assessed},
    },
};

use crate::{
    figures::Which,
    tests::{
        Street,
        street::{residence, time, verdict},
    },
};

/// Registered on the morning of 11 February.
fn living() -> Street {
    let mut street = Street::new();
    street.at("2020-02-11 08:00").resident("r1", "n1/h1");
    street
}

fn flag(street: &mut Street, until: &str) {
    let flagged = key_person_event::Flagged {
        residence: Some(residence("n1/h1")),
        until: until.to_owned(),
        ..Default::default()
    };
    street.tell("r1", key_person_event::Event::Flagged(flagged));
}

fn merged() -> resident_event::Event {
    resident_event::Event::Merged(resident_event::Merged::default())
}

fn parted() -> resident_event::Event {
    resident_event::Event::Unmerged(resident_event::Unmerged::default())
}

#[test]
fn a_verdict_counts_under_the_latest_case_alone_and_while_the_person_lives_here() {
    let mut street = living();
    street.at("2020-02-11 09:00").screened("c1", "r1", "n1/h1", Outcome::ConcealedKeyArea);
    street.at("2020-02-11 10:00").open_case("c2", "r1");
    street.at("2020-02-11 11:00").tell("c1", case_event::Event::Assessed(verdict("n1/h1", Outcome::Clear)));
    street.at("2020-02-11 12:00").tell("c2", case_event::Event::Assessed(verdict("n1/h1", Outcome::Clear)));
    street.at("2020-02-11 13:00").tell("r1", resident_event::Event::MovedOut(resident_event::MovedOut {}));
    let at = |time: &str| {
        let figures = street.as_of(time).figures["n1"];
        (figures.residents, figures.screened, figures.concealed, figures.clear)
    };
    assert_eq!(at("2020-02-11 09:30"), (1, 1, 1, 0));
    assert_eq!(at("2020-02-11 11:30"), (1, 0, 0, 0), "what is said of an older case says nothing of the person");
    assert_eq!(at("2020-02-11 12:30"), (1, 1, 0, 1));
    assert_eq!(at("2020-02-11 13:30"), (0, 0, 0, 0));
    assert_eq!(street.live("2020-02-11 14:00").figures["n1"].screened_today, 3);
}

#[test]
fn a_verdict_that_is_heard_before_the_registration_is_known_since_its_own_time() {
    let mut street = Street::new();
    street.at("2020-02-11 08:00").resident("r1", "n1/h1");
    street.at("2020-02-11 09:00").screened("c1", "r1", "n1/h1", Outcome::Clear);
    street.at("2020-02-11 10:00").resident("r2", "n1/h2");
    // The registry's log comes last.
    street.records.sort_by_key(|record| record.log == "registry" && record.stream_id.starts_with('r'));
    let at = |time: &str| street.as_of(time).figures["n1"];
    assert_eq!((at("2020-02-11 08:30").residents, at("2020-02-11 08:30").screened), (1, 0));
    assert_eq!((at("2020-02-11 09:30").screened, at("2020-02-11 10:30").residents), (1, 2));
}

#[test]
fn who_stands_in_the_register_twice_is_counted_once_until_they_are_two_people_after_all() {
    let mut street = living();
    street.resident("r2", "n1/h1");
    street.at("2020-02-11 09:00").tell("r2", merged());
    street.at("2020-02-11 10:00").tell("r2", parted());
    let at = |time: &str| street.as_of(time).figures["n1"].residents;
    assert_eq!(["2020-02-11 08:30", "2020-02-11 09:30", "2020-02-11 10:30"].map(at), [2, 1, 2]);
}

#[test]
fn who_moved_out_under_a_merged_record_does_not_come_back_with_it() {
    let mut street = living();
    street.tell("r1", merged()).tell("r1", resident_event::Event::MovedOut(resident_event::MovedOut {}));
    street.at("2020-02-11 09:00").tell("r1", parted());
    assert_eq!(street.live("2020-02-11 10:00").figures["n1"].residents, 0);
}

#[test]
fn a_key_person_is_watched_through_the_last_day_and_wherever_the_record_goes_but_not_after_an_erasure() {
    let mut street = living();
    flag(&mut street, "2020-02-12");
    street.at("2020-02-11 09:00").tell("r1", merged());
    let at = |street: &Street, time: &str| street.live(time).figures["n1"].key_persons;
    assert_eq!((at(&street, "2020-02-12 23:59"), at(&street, "2020-02-13 00:00")), (1, 0));
    street.at("2020-02-11 10:00").tell("r1", resident_event::Event::Erased(resident_event::Erased {}));
    assert_eq!(at(&street, "2020-02-11 11:00"), 0);
    assert_eq!(street.as_of("2020-02-11 09:30").figures["n1"].key_persons, 1);
}

#[test]
fn a_key_person_who_was_met_is_seen_for_a_fortnight() {
    let mut street = living();
    flag(&mut street, "");
    let visited = visits_event::Visited {
        residence: Some(residence("n1/h1")),
        outcome: VisitOutcome::Met.into(),
        resident_ids: vec!["r1".to_owned()],
        visited_at: Some(timestamp(time("2020-02-11 07:30"))),
        ..Default::default()
    };
    street.at("2020-02-11 09:00").tell("h1", visits_event::Event::Visited(visited));
    let at = |time: &str| street.live(time).figures["n1"].key_persons_seen;
    assert_eq!(["2020-02-11 09:00", "2020-02-25 07:29", "2020-02-25 07:30"].map(at), [1, 1, 0]);
    assert_eq!(street.as_of("2020-02-11 08:30").figures["n1"].key_persons_seen, 0);
}

#[test]
fn a_dispute_is_late_once_its_time_is_over_without_anybody_saying_so() {
    let mut street = living();
    street.screened("c1", "r1", "n1/h1", Outcome::ConcealedKeyArea);
    let due = Some(timestamp(street.now + TimeDelta::hours(24)));
    street.tell("c1", case_event::Event::Disputed(case_event::Disputed { due, ..Default::default() }));
    let at = |time: &str| {
        let figures = street.live(time).figures["n1"];
        (figures.disputed, figures.disputes_late)
    };
    assert_eq!([at("2020-02-12 07:59"), at("2020-02-12 08:00")], [(1, 0), (1, 1)]);
}

#[test]
fn an_override_is_counted_for_its_unit_until_it_ends_even_where_no_verdict_follows() {
    let mut street = living();
    street.screened("c1", "r1", "n1/h1", Outcome::ConcealedKeyArea);
    let proposed =
        case_event::OverrideProposed { override_id: "x".to_owned(), unit: "health".to_owned(), ..Default::default() };
    street.at("2020-02-11 09:00").tell("c1", case_event::Event::OverrideProposed(proposed));
    let approved = case_event::OverrideApproved { override_id: "x".to_owned(), ..Default::default() };
    let hand =
        OverrideInForce { override_id: "x".to_owned(), proposed_unit: "health".to_owned(), ..Default::default() };
    let by_hand = Assessed { again: true, r#override: Some(hand), ..verdict("n1/h1", Outcome::Overridden) };
    street.at("2020-02-11 10:00").tell("c1", case_event::Event::OverrideApproved(approved));
    street.tell("c1", case_event::Event::Assessed(by_hand));
    let ended = case_event::OverrideEnded { override_id: "x".to_owned(), ..Default::default() };
    street.at("2020-02-11 11:00").tell("c1", case_event::Event::OverrideEnded(ended));
    let at = |time: &str| {
        let shown = street.as_of(time);
        let unit = shown.units.first().cloned().unwrap_or_default();
        (shown.figures["n1"].overrides_proposed, unit.overrides_in_force, unit.overrides_proposed)
    };
    assert_eq!(["2020-02-11 09:30", "2020-02-11 10:30", "2020-02-11 11:30"].map(at), [(1, 0, 1), (0, 1, 1), (0, 0, 1)]);
}

#[test]
fn the_last_passage_by_its_time_at_the_gate_says_where_somebody_is() {
    let mut street = living();
    street.at("2020-02-11 10:00").crossed("r1", Direction::Out, time("2020-02-11 10:00"));
    // Of a gate that was without a line.
    street.at("2020-02-11 12:00").crossed("r1", Direction::In, time("2020-02-11 09:00"));
    let figures = street.live("2020-02-11 13:00").figures["n1"];
    assert_eq!((figures.inside, figures.outside, figures.crossings), (0, 1, 2));
}

#[test]
fn somebody_who_crosses_for_months_keeps_few_changes_and_every_minute() {
    let mut street = living();
    for day in 12..28 {
        for (hour, direction) in [("03", Direction::Out), ("11", Direction::In)] {
            let at = format!("2020-02-{day} {hour}:00");
            street.at(&at).crossed("r1", direction, time(&at));
        }
    }
    for (minute, inside) in [("2020-02-12 02:00", 0), ("2020-02-12 12:00", 1), ("2020-02-13 04:00", 0)] {
        assert_eq!(street.as_of(minute).figures["n1"].inside, inside, "{minute}");
    }
    assert_eq!(street.picture().counted(Which::Inside, "n1", street.now).unwrap(), ["residents/r1"]);
}
