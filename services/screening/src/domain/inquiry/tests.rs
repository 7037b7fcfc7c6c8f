use chassis::timestamp;

use super::*;

const ABOUT: About<'_> = About { neighbourhood: "n1", resident: "r1" };

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_581_400_000 + seconds, 0).unwrap()
}

fn sent(permission: &str) -> CodeSent {
    CodeSent {
        phone: 1,
        source: Source::Mobile.into(),
        permission_id: permission.to_owned(),
        permission: Some(Sealed::default()),
        end_time: Some(timestamp(at(600))),
        by: "staff/worker".to_owned(),
        compound_id: "c1".to_owned(),
        place_since: String::new(),
    }
}

fn tried(permission: &str, tries: i32) -> Tried {
    Tried {
        phone: 1,
        permission_id: permission.to_owned(),
        permission: None,
        trouble: Trouble::Unreachable.into(),
        detail: String::new(),
        time: Some(timestamp(at(10))),
        next_time: Some(timestamp(at(20))),
        tries,
    }
}

fn given(events: &[Event]) -> Inquiry {
    let mut inquiry = Inquiry::default();
    for event in events {
        inquiry.evolve(event);
    }
    inquiry
}

/// Decides, and again on the outcome, which must add nothing.
#[track_caller]
fn decided(before: &[Event], decide: impl Fn(&Inquiry) -> Result<Decision<Event>, Refused>) -> Vec<Event> {
    let mut inquiry = given(before);
    let events = decide(&inquiry).unwrap().events;
    assert!(!events.is_empty());
    for event in &events {
        inquiry.evolve(event);
    }
    assert!(decide(&inquiry).unwrap().events.is_empty(), "deciding again on its own outcome adds no event");
    [before, &events].concat()
}

fn state(events: &[Event]) -> State {
    given(events).number(1).unwrap().state()
}

#[test]
fn a_carrier_that_does_not_answer_is_tried_again_and_its_answer_ends_it() {
    let events = decided(&[], |inquiry| inquiry.code_sent(ABOUT, &sent("p1")));
    assert_eq!(state(&events), State::CodeSent);
    let events = decided(&events, |inquiry| inquiry.tried(ABOUT, &tried("p1", 1)));
    assert_eq!(state(&events), State::Waiting);
    let number = given(&events);
    let number = number.number(1).unwrap();
    assert!(!number.is_due(at(19)) && number.is_due(at(20)));
    let events = decided(&events, |inquiry| inquiry.tried(ABOUT, &tried("p1", 2)));
    let events = decided(&events, |inquiry| inquiry.answered(ABOUT, 1, "p1"));
    assert_eq!(state(&events), State::Scanned);
    let late = given(&events).tried(ABOUT, &tried("p1", 3)).unwrap();
    assert!(late.events.is_empty(), "what was answered is not waited for");
}

#[test]
fn what_comes_of_a_permission_that_was_replaced_changes_nothing() {
    let mut events = decided(&[], |inquiry| inquiry.code_sent(ABOUT, &sent("p1")));
    events = decided(&events, |inquiry| inquiry.code_sent(ABOUT, &sent("p2")));
    let inquiry = given(&events);
    assert!(inquiry.tried(ABOUT, &tried("p1", 1)).unwrap().events.is_empty());
    assert!(inquiry.answered(ABOUT, 1, "p1").unwrap().events.is_empty());
    assert!(inquiry.lapse(ABOUT, 1, "p1").unwrap().events.is_empty());
}

#[test]
fn nobody_is_asked_about_without_a_code_or_after_its_end() {
    assert_eq!(given(&[]).permitted(1, Source::Mobile, at(0)).unwrap_err(), Refused::NoCode);
    let events = decided(&[], |inquiry| inquiry.code_sent(ABOUT, &sent("p1")));
    assert!(given(&events).permitted(1, Source::Mobile, at(599)).is_ok());
    assert_eq!(given(&events).permitted(1, Source::Unicom, at(0)).unwrap_err(), Refused::NoCode);
    assert_eq!(given(&events).permitted(1, Source::Mobile, at(600)).unwrap_err(), Refused::CodeExpired);
}

#[test]
fn whoever_guesses_has_the_person_asked_again() {
    let mut events = decided(&[], |inquiry| inquiry.code_sent(ABOUT, &sent("p1")));
    for _ in 0..GUESSES {
        assert!(given(&events).permitted(1, Source::Mobile, at(0)).is_ok());
        events.extend(given(&events).reject(ABOUT, 1, "p1", false).unwrap().events);
    }
    assert_eq!(state(&events), State::AskAgain);
    assert_eq!(given(&events).permitted(1, Source::Mobile, at(0)).unwrap_err(), Refused::NoCode);
    assert!(given(&events).reject(ABOUT, 1, "p1", false).unwrap().events.is_empty());
}

#[test]
fn a_permission_that_is_over_is_for_the_person_to_renew() {
    let mut events = decided(&[], |inquiry| inquiry.code_sent(ABOUT, &sent("p1")));
    events = decided(&events, |inquiry| inquiry.tried(ABOUT, &tried("p1", 1)));
    events = decided(&events, |inquiry| inquiry.lapse(ABOUT, 1, "p1"));
    assert_eq!(state(&events), State::AskAgain);
    assert!(!given(&events).number(1).unwrap().is_due(at(10_000)));
    events = decided(&events, |inquiry| inquiry.code_sent(ABOUT, &sent("p2")));
    assert_eq!(state(&events), State::CodeSent);
}

#[test]
fn a_carrier_that_sends_no_code_leaves_its_reason_and_how_often() {
    let told = |seconds| CodeNotSent {
        phone: 1,
        source: Source::Telecom.into(),
        trouble: Trouble::Slow.into(),
        time: Some(timestamp(at(seconds))),
        ..Default::default()
    };
    let events = decided(&[], |inquiry| inquiry.code_not_sent(ABOUT, &told(0)));
    let events = decided(&events, |inquiry| inquiry.code_not_sent(ABOUT, &told(9)));
    let inquiry = given(&events);
    let number = inquiry.number(1).unwrap();
    assert_eq!((number.state(), number.tries(), number.trouble()), (State::AskAgain, 2, Trouble::Slow));
}

#[test]
fn pauses_double_up_to_five_minutes_and_are_as_long_as_the_carrier_wants() {
    let first = TimeDelta::seconds(5);
    let pauses: Vec<i64> = [1, 2, 3, 7, 1_000].map(|tries| pause(tries, first, None).num_seconds()).to_vec();
    assert_eq!(pauses, [5, 10, 20, 300, 300]);
    assert_eq!(pause(1, first, Some(TimeDelta::seconds(30))).num_seconds(), 30);
    assert_eq!(pause(1, first, Some(TimeDelta::days(9))), LONGEST, "nobody waits for a day because a carrier says so");
}

#[test]
fn what_was_asked_about_a_number_that_is_another_one_by_now_is_over() {
    let second = CodeSent { phone: 2, ..sent("p2") };
    let events = [Event::CodeSent(sent("p1")), Event::CodeSent(second), Event::Tried(tried("p1", 1))];
    let events = decided(&events, |inquiry| inquiry.replace(ABOUT, "c1", |place| place == 2));
    let inquiry = given(&events);
    assert!(inquiry.number(1).is_none() && inquiry.number(2).is_some());
    assert!(inquiry.answered(ABOUT, 1, "p1").unwrap().events.is_empty());
}
