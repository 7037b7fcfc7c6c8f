//! Homes, day zero, ends, places, neighbourhoods; two who edit at once.

use super::*;
use crate::domain::order::ChangeWish;
use proto::isolation::v1::{Destination, Home};

/// As whoever has just read the order.
const NOW: u64 = u64::MAX;

fn wish(kind: ChangeKind, last_day: Option<&str>) -> ChangeWish {
    ChangeWish { id: "w1".into(), kind, reason: ChangeReason::Medical, last_day: last_day.map(day), remark: None }
}

fn extension(last_day: &str) -> ChangeWish {
    wish(ChangeKind::Extension, Some(last_day))
}

fn last_day(order: &Order) -> String {
    order.period.last_day.to_string()
}

#[test]
fn of_two_who_edit_one_order_the_second_is_told() {
    let order = in_force(Kind::Home);
    let read = order.version;
    let first = then(&order, |order| order.check_home(Home::OwnRoom, &[], "staff/1", read));
    let evidence = ["ticket".to_owned()];
    let second = first.prove_day_zero(day("2020-02-06"), &evidence, 14, "staff/2", read).unwrap_err();
    assert_eq!(second, Refused::Stale { since: read, changed: Vec::new() });
    // A reading surprises nobody.
    let observed = observed(order, slot("2020-02-11", Part::Evening), 365);
    assert!(observed.check_home(Home::OwnRoom, &[], "staff/1", read).is_ok());
}

#[test]
fn a_new_proof_of_day_zero_moves_the_end_and_stays_on_record() {
    let evidence = ["ticket".to_owned()];
    let order =
        then(&in_force(Kind::Home), |order| order.prove_day_zero(day("2020-02-06"), &evidence, 14, "staff/1", NOW));
    assert_eq!((last_day(&order).as_str(), order.terms.last_day.as_str()), ("2020-02-20", "2020-02-20"));
    assert!(order.terms.evidence_ids.contains(&"ticket".to_owned()));
    // The verdict says what it said before: that undoes nothing.
    assert!(order.answers(Kind::Home, Some(day("2020-02-08")), 14));
}

#[test]
fn an_extension_takes_two_people_of_two_units() {
    let order = then(&in_force(Kind::Home), |order| order.propose_change(&extension("2020-02-25"), &director(), NOW));
    let now = moment("2020-02-20T09:00");
    assert_eq!(last_day(&order), "2020-02-22", "proposed is not decided");
    assert_eq!(order.decide_change("w1", true, &director(), now).unwrap_err(), Refused::SamePerson);
    let colleague = Signature { by: "staff/2".into(), unit: "jinjiacao".into() };
    assert_eq!(order.decide_change("w1", true, &colleague, now).unwrap_err(), Refused::SameUnit);
    let extended = then(&order, |order| order.decide_change("w1", true, &health(), now));
    assert_eq!(last_day(&extended), "2020-02-25");
    assert_eq!(extended.due(moment("2020-03-31T12:00")).len(), 1 + 2 * 14);
    // A better proof does not take back what two have signed for.
    let proved =
        then(&extended, |order| order.prove_day_zero(day("2020-02-06"), &["ticket".to_owned()], 14, "staff/1", NOW));
    assert_eq!(last_day(&proved), "2020-02-25");
    let declined = then(&order, |order| order.decide_change("w1", false, &director(), now));
    assert_eq!((last_day(&declined).as_str(), declined.pending), ("2020-02-22", None));
}

#[test]
fn an_extension_is_later_and_not_for_ever() {
    let propose =
        |day: &str| in_force(Kind::Home).propose_change(&extension(day), &director(), NOW).map(|events| events.len());
    let refused = Err(Refused::NoExtension { last_day: day("2020-02-22") });
    assert_eq!((propose("2020-02-22"), propose("2020-03-22")), (refused.clone(), refused));
    assert_eq!((propose("2020-02-23"), propose("2020-03-21")), (Ok(1), Ok(1)));
}

#[test]
fn one_change_at_a_time_waits_for_its_signature() {
    let order = then(&in_force(Kind::Home), |order| order.propose_change(&extension("2020-02-25"), &director(), NOW));
    let other = ChangeWish { id: "w2".into(), ..extension("2020-02-26") };
    assert_eq!(order.propose_change(&other, &director(), NOW).unwrap_err(), Refused::ChangePending);
    assert_eq!(
        order.decide_change("w2", true, &health(), moment("2020-02-12T09:00")).unwrap_err(),
        Refused::NotPending
    );
}

#[test]
fn an_early_release_by_two_units_ends_the_order_but_not_a_fever() {
    let early = wish(ChangeKind::EarlyRelease, None);
    let now = moment("2020-02-12T18:00");
    let order = then(&in_force(Kind::Home), |order| order.propose_change(&early, &director(), NOW));
    let released = then(&order, |order| order.decide_change("w1", true, &health(), now));
    let Standing::Released(ended) = &released.standing else { panic!("not released") };
    assert_eq!((ended.reason(), ended.by.as_str()), (ReleaseReason::Early, "staff/9"));
    assert!(released.answers(Kind::Home, Some(day("2020-02-08")), 14), "nobody is isolated again for it");
    let ill = observed(order, slot("2020-02-12", Part::Morning), 381);
    let held = ill.decide_change("w1", true, &health(), now).unwrap_err();
    assert_eq!(held, Refused::Symptoms { until: day("2020-02-15") });
}

#[test]
fn who_is_moved_away_and_comes_home_owes_no_reading_between() {
    let order = observed(in_force(Kind::Home), slot("2020-02-11", Part::Evening), 365);
    let to_hospital = receipt("7", "2020-02-12T10:00");
    let moved =
        then(&order, |order| order.move_to(Destination::Hospital, ChangeReason::Medical, &to_hospital, "staff/1", NOW));
    assert_eq!((moved.terms.kind(), moved.hand_over.is_some()), (Kind::Central, true));
    assert!(moved.answers(Kind::Home, Some(day("2020-02-08")), 14), "its verdict still calls for what it began as");
    let back = receipt("", "2020-02-14T17:00");
    let home = then(&moved, |order| order.move_to(Destination::Home, ChangeReason::Medical, &back, "staff/1", NOW));
    assert_eq!((home.terms.kind(), home.hand_over.is_some()), (Kind::Home, false));
    let owed = [
        slot("2020-02-11", Part::Evening),
        slot("2020-02-12", Part::Morning),
        slot("2020-02-14", Part::Evening),
        slot("2020-02-15", Part::Morning),
    ];
    assert_eq!(home.due(moment("2020-02-15T09:00")), owed);
    let again =
        home.move_to(Destination::Home, ChangeReason::Medical, &receipt("", "2020-02-16T17:00"), "staff/1", NOW);
    assert_eq!(again.unwrap(), []);
}

#[test]
fn a_watch_moves_nobody_and_nobody_is_brought_home_who_is_there() {
    let there = receipt("7", "2020-02-12T10:00");
    let go = |kind, to| in_force(kind).move_to(to, ChangeReason::Medical, &there, "staff/1", NOW).unwrap_err();
    assert_eq!(go(Kind::Watch, Destination::Hospital), Refused::NotIsolating);
    assert_eq!(go(Kind::Home, Destination::Home), Refused::ThereAlready);
}

#[test]
fn another_neighbourhood_takes_over_or_does_not() {
    let order = then(&in_force(Kind::Home), |order| order.assign("staff/7"));
    let asked = then(&order, |order| order.propose_transfer("elsewhere", "staff/1", NOW));
    let there = Residence { neighbourhood_id: "elsewhere".into(), compound_id: "c2".into(), household_id: "h9".into() };
    let taken = then(&asked, |order| order.decide_transfer(Some(&there), "staff/5"));
    assert_eq!((taken.terms.residence.as_ref(), taken.responsible.as_str()), (Some(&there), ""));
    let left: Vec<Event> = asked.decide_transfer(None, "staff/5").unwrap();
    let left = left.iter().fold(asked.clone(), |mut order, event| {
        order.evolve(event);
        order
    });
    assert_eq!((left.terms.residence.clone(), left.transfer), (asked.terms.residence.clone(), None));
    assert_eq!(order.decide_transfer(Some(&there), "staff/5").unwrap_err(), Refused::NotPending);
    assert_eq!(order.propose_transfer("jinjiacao", "staff/1", NOW).unwrap_err(), Refused::ThereAlready);
}

#[test]
fn somebody_who_was_seen_outside_is_on_the_order() {
    let at = moment("2020-02-12T10:00");
    let seen = then(&in_force(Kind::Home), |order| order.sight("s1", at, "staff/1", None));
    assert!(seen.sightings.contains("s1") && seen.unacknowledged.contains("s1"));
}
