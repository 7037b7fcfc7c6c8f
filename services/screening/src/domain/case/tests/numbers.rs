use super::*;

/// What the registry says: of each number, the place that it had before.
fn put_right(case: &Case, id: &str, former_places: &[i32]) -> PhonesChanged {
    case.phones_change(i32::try_from(former_places.len()).unwrap(), former_places, id)
}

#[track_caller]
fn changed(before: &[Event], id: &str, former_places: &[i32]) -> Vec<Event> {
    decided(before, |case| {
        let known = case.phones_changed().filter(|known| known.correction_id == id).cloned();
        case.change_phones(&known.unwrap_or_else(|| put_right(case, id, former_places)), None)
    })
}

fn half_scanned() -> Vec<Event> {
    vec![Event::Opened(opened(2)), declared(), Event::EvidenceRecorded(evidence("e1", 1))]
}

#[test]
fn a_number_in_the_place_of_a_scanned_one_needs_a_scan_of_its_own() {
    let events = changed(&half_scanned(), "c1", &[0, 2]);
    let case = given(&events);
    assert_eq!((case.phones(), case.scanned()), (2, 0));
    assert_eq!((case.evidence().len(), case.evidence()[0].phone), (1, 0), "what was seen stays evidence of its days");
    assert_eq!((case.place_since(1), case.place_since(2)), ("c1", ""));
    let events = decided(&events, |case| case.record(&evidence("e2", 2), None));
    assert!(given(&events).completes(1) && !given(&events).completes(2));
}

#[test]
fn numbers_that_only_change_places_keep_their_scans() {
    let case = given(&changed(&half_scanned(), "c1", &[2, 1]));
    assert_eq!((case.scanned(), case.evidence()[0].phone), (1, 2));
    assert!(!case.completes(2) && case.completes(1));
    assert_eq!(
        (case.place_since(1), case.place_since(2)),
        ("c1", "c1"),
        "an answer that is under way is of another place"
    );
}

#[test]
fn once_only_scanned_numbers_are_left_the_verdict_is_due_wherever_they_stood() {
    let second = vec![Event::Opened(opened(2)), declared(), Event::EvidenceRecorded(evidence("e2", 2))];
    let case = given(&second);
    assert!(case.is_complete_with(&put_right(&case, "c1", &[2])), "the second one is left, and was scanned");
    assert!(!case.is_complete_with(&put_right(&case, "c1", &[1])));
    assert!(!case.is_complete_with(&put_right(&case, "c1", &[0])));
    assert!(!case.is_complete_with(&put_right(&case, "c1", &[1, 2])), "nothing has changed");
}

#[test]
fn a_closed_case_keeps_what_it_rests_on_and_the_next_one_knows_how_many_there_are() {
    let closed = assessed(Outcome::Clear);
    let case = given(&closed);
    let change = put_right(&case, "c1", &[0, 0]);
    assert!(change.for_the_next);
    let events = decided(&closed, |case| case.change_phones(&change, None));
    let case = given(&events);
    assert_eq!((case.phones(), case.phones_on_record(), case.evidence()[0].phone), (1, 2, 1));
}

#[test]
fn older_records_that_say_only_how_many_leave_numbers_in_their_places() {
    let old = PhonesChanged { before: 2, after: 3, correction_id: "c1".to_owned(), ..PhonesChanged::default() };
    let events = decided(&half_scanned(), |case| case.change_phones(&old, None));
    assert_eq!((given(&events).phones(), given(&events).scanned()), (3, 1));
}
