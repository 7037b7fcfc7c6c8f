//! Readings that nobody took, that were ill, that are doubted; who may report, who has taken notice.

use super::*;
use crate::domain::{order::matter_of, schedule::SHIPPED};

#[test]
fn a_missed_reading_is_told_once_at_each_level_and_no_more_once_it_is_taken() {
    let order = in_force(Kind::Home);
    let evening = slot("2020-02-11", Part::Evening);
    assert_eq!(order.miss(&SHIPPED, moment("2020-02-11T19:59")), []);
    let (mut order, mut levels) = (order, Vec::new());
    for time in ["2020-02-11T20:00", "2020-02-11T22:00", "2020-02-12T02:00"] {
        order = then(&order, |order| Ok::<_, Refused>(order.miss(&SHIPPED, moment(time))));
        levels.push(order.level(evening).unwrap());
    }
    assert_eq!(levels, [Level::Grid, Level::Neighbourhood, Level::Subdistrict]);
    let taken = observed(order, evening, 365);
    assert_eq!(taken.miss(&SHIPPED, moment("2020-02-12T05:00")), []);
}

#[test]
fn what_was_slept_through_is_told_together_each_at_its_own_level() {
    let order = in_force(Kind::Home);
    let events = order.miss(&SHIPPED, moment("2020-02-12T11:00"));
    let levels: Vec<i32> = events
        .iter()
        .filter_map(|event| if let Event::Missed(missed) = event { Some(missed.level) } else { None })
        .collect();
    assert_eq!(levels, [Level::Grid as i32, Level::Subdistrict as i32]);
}

#[test]
fn nothing_is_missed_that_the_health_team_owes_or_after_the_release() {
    let handed = then(&in_force(Kind::Central), |order| order.hand_over(&receipt("7", "2020-02-11T17:00")));
    assert_eq!(observed(handed, slot("2020-02-11", Part::Evening), 365).miss(&SHIPPED, moment("2020-02-14T09:00")), []);
    let withdrawn =
        then(&in_force(Kind::Home), |order| Ok::<_, Refused>(order.withdraw("x", moment("2020-02-12T18:00"))));
    assert_eq!(withdrawn.miss(&SHIPPED, moment("2020-02-14T09:00")), []);
}

#[test]
fn a_fever_waits_for_notice_until_somebody_takes_it_or_it_is_corrected() {
    let evening = slot("2020-02-11", Part::Evening);
    let ill = observed(in_force(Kind::Home), evening, 381);
    assert_eq!(ill.unacknowledged.iter().collect::<Vec<_>>(), [&matter_of(evening)]);
    assert_eq!(matter_of(evening), "fever-2020-02-11-evening");
    let noticed = then(&ill, |order| order.acknowledge(&matter_of(evening), &health(), None));
    assert!(noticed.unacknowledged.is_empty());
    assert_eq!(noticed.acknowledge("fever-2020-02-12-morning", &health(), None).unwrap_err(), Refused::NoSuchMatter);
    assert!(observed(ill, evening, 366).unacknowledged.is_empty());
}

#[test]
fn a_breach_waits_for_notice_also_after_the_release() {
    let breached = then(&in_force(Kind::Home), |order| Ok::<_, Refused>(order.breach("x1", "g1")));
    let released = then(&breached, |order| Ok::<_, Refused>(order.withdraw("x", moment("2020-02-12T18:00"))));
    then(&released, |order| order.acknowledge("x1", &director(), None));
}

#[test]
fn a_code_reports_for_its_order_until_its_end() {
    let (expires, digest) = (moment("2020-02-12T20:00"), [1; 32]);
    let order = then(&in_force(Kind::Home), |order| order.open_code(&digest, Reporter::Volunteer, expires));
    assert_eq!(order.reporter(&digest, moment("2020-02-12T19:59")), Ok(Reporter::Volunteer));
    assert_eq!(order.reporter(&digest, moment("2020-02-12T20:00")), Err(Refused::CodeSpent));
    assert_eq!(order.reporter(&[2; 32], moment("2020-02-12T12:00")), Err(Refused::CodeSpent));
}

#[test]
fn who_looks_after_an_order_is_one_at_a_time() {
    let order = then(&in_force(Kind::Home), |order| order.assign("staff/7"));
    let order = then(&order, |order| order.assign(""));
    assert_eq!(order.responsible, "");
    assert_eq!(Order::default().assign("staff/7").unwrap_err(), Refused::NotInForce);
}

#[test]
fn what_a_release_rests_on_is_said_in_words() {
    let missing = slot("2020-02-15", Part::Evening);
    let order = observed_but(in_force(Kind::Home), &[missing]);
    let found = order.assess(moment("2020-02-22T18:00"));
    assert!(!found.ready());
    assert_eq!(found.en(), "22 of 23 readings; missing: 15 February, evening");
    assert_eq!(found.zh(), "应有观察记录23次，已有22次；缺：2月15日晚");
    assert!(observed(order, missing, 365).assess(moment("2020-02-22T18:00")).ready());
    let early = observed_but(in_force(Kind::Home), &[]).assess(moment("2020-02-20T18:00"));
    assert!(!early.ready() && early.en().contains("until 22 February"), "{}", early.en());
}
