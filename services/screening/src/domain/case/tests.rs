use chassis::Aggregate as _;
use chrono::{DateTime, TimeDelta, Utc};
use prost_types::Timestamp;
use proto::screening::v1::{
    EvidenceKind, Level, Measure, OverrideInForce, Source,
    case_event::{OverrideApproved, OverrideDeclined, OverrideProposed},
};

use super::*;

mod numbers;

fn opened(phones: i32) -> Opened {
    let residence =
        Residence { neighbourhood_id: "n1".to_owned(), compound_id: "c1".to_owned(), household_id: "h1".to_owned() };
    Opened { resident_id: "r1".to_owned(), residence: Some(residence), phones, occasion: "registered".to_owned() }
}

fn sealed(text: &str) -> Sealed {
    Sealed { subject_id: "r1".to_owned(), nonce: Vec::new(), ciphertext: text.as_bytes().to_vec() }
}

fn declared() -> Event {
    Event::Declared(Declared { declaration: Some(sealed("said")) })
}

fn evidence(id: &str, phone: i32) -> EvidenceRecorded {
    EvidenceRecorded {
        evidence_id: id.to_owned(),
        source: Source::Mobile.into(),
        phone,
        window_from: "2020-01-01".to_owned(),
        window_to: "2020-02-11".to_owned(),
        itinerary: Some(sealed("seen")),
        by: "staff/worker".to_owned(),
        ..EvidenceRecorded::default()
    }
}

fn ticket(id: &str) -> EvidenceRecorded {
    let mut ticket = EvidenceRecorded { source: 0, phone: 0, ..evidence(id, 0) };
    ticket.set_kind(EvidenceKind::Ticket);
    ticket
}

fn verdict(outcome: Outcome) -> Assessed {
    let mut verdict =
        Assessed { resident_id: "r1".to_owned(), method_version: "2020-02-09".to_owned(), ..Default::default() };
    verdict.set_outcome(outcome);
    verdict.set_risk(Level::None);
    verdict.set_measure(Measure::Ask);
    verdict
}

fn disputed() -> Disputed {
    Disputed {
        statement: Some(sealed("never there")),
        due: Some(Timestamp { seconds: 86_400, nanos: 0 }),
        by: "staff/filer".to_owned(),
        escalation_hours: 12,
        ..Disputed::default()
    }
}

fn finding(by: &str) -> DisputeResolved {
    let struck = vec![StruckVisit { evidence_id: "e1".to_owned(), index: 0 }];
    DisputeResolved { upheld: true, struck, finding: Some(sealed("a ticket")), by: by.to_owned(), ..Default::default() }
}

fn given(events: &[Event]) -> Case {
    let mut case = Case::default();
    for event in events {
        case.evolve(event);
    }
    case
}

/// Decides, and again on the outcome, which must add nothing.
#[track_caller]
fn decided(before: &[Event], decide: impl Fn(&Case) -> Result<Decision<Event>, Refused>) -> Vec<Event> {
    let mut case = given(before);
    let events = decide(&case).unwrap().events;
    assert!(!events.is_empty());
    for event in &events {
        case.evolve(event);
    }
    assert!(decide(&case).unwrap().events.is_empty(), "deciding again on its own outcome adds no event");
    [before, &events].concat()
}

#[track_caller]
fn refused(before: &[Event], decide: impl Fn(&Case) -> Result<Decision<Event>, Refused>) -> Refused {
    decide(&given(before)).unwrap_err()
}

fn assessed(outcome: Outcome) -> Vec<Event> {
    let scan = evidence("e1", 1);
    vec![Event::Opened(opened(1)), declared(), Event::EvidenceRecorded(scan), Event::Assessed(verdict(outcome))]
}

#[test]
fn a_case_is_opened_declared_scanned_and_judged_at_once_with_the_last_number() {
    let events = decided(&[], |case| case.open(&opened(2)));
    assert_eq!(given(&events).standing(), case::State::Due);
    let events = decided(&events, |case| case.declare(&sealed("said")));
    let events = decided(&events, |case| case.record(&evidence("e1", 1), None));
    assert!(!given(&events).completes(1) && given(&events).completes(2));
    assert_eq!((given(&events).standing(), given(&events).scanned()), (case::State::Declared, 1));
    let events = decided(&events, |case| case.record(&evidence("e2", 2), Some(&verdict(Outcome::Clear))));
    assert_eq!((given(&events).standing(), given(&events).scanned()), (case::State::Assessed, 2));
}

#[test]
fn nothing_is_looked_at_before_it_was_asked_about() {
    let events = [Event::Opened(opened(1))];
    assert_eq!(refused(&events, |case| case.record(&evidence("e1", 1), None)), Refused::NotDeclared);
    assert_eq!(refused(&events, |case| case.assess(&verdict(Outcome::Clear))), Refused::NotDeclared);
}

#[test]
fn a_declaration_can_be_said_anew_until_the_first_evidence_freezes_it() {
    let events = [Event::Opened(opened(2)), declared()];
    let events = decided(&events, |case| case.declare(&sealed("said better")));
    let events = decided(&events, |case| case.record(&evidence("e1", 1), None));
    assert_eq!(refused(&events, |case| case.declare(&sealed("oh, that too"))), Refused::Frozen);
}

#[test]
fn only_numbers_on_record_are_scanned() {
    let events = [Event::Opened(opened(1)), declared()];
    for phone in [0, 2, -1] {
        let refusal = refused(&events, |case| case.record(&evidence("e1", phone), None));
        assert_eq!(refusal, Refused::NoSuchPhone { phones: 1 });
    }
}

#[test]
fn a_verdict_for_want_of_evidence_waits_for_more_and_any_other_is_closed() {
    let waiting = assessed(Outcome::InsufficientEvidence);
    let events = decided(&waiting, |case| case.record(&evidence("e2", 1), Some(&verdict(Outcome::Clear))));
    assert_eq!(given(&events).verdict().unwrap().outcome(), Outcome::Clear);
    let refusal = refused(&events, |case| case.record(&evidence("e3", 1), Some(&verdict(Outcome::Clear))));
    assert_eq!(refusal, Refused::AlreadyAssessed);
    assert_eq!(refused(&events, |case| case.assess(&verdict(Outcome::OverDeclared))), Refused::AlreadyAssessed);
}

#[test]
fn a_verdict_can_be_given_on_what_there_is() {
    let events = [Event::Opened(opened(2)), declared(), Event::EvidenceRecorded(evidence("e1", 1))];
    let events = decided(&events, |case| case.assess(&verdict(Outcome::InsufficientEvidence)));
    assert_eq!(given(&events).standing(), case::State::Assessed);
}

#[test]
fn a_doubt_needs_evidence_and_a_declared_key_area_needs_none() {
    let events = [Event::Opened(opened(1)), declared()];
    let doubt = verdict(Outcome::InsufficientEvidence);
    assert_eq!(refused(&events, |case| case.assess(&doubt)), Refused::NoEvidence);
    let mut honest = verdict(Outcome::DeclaredKeyArea);
    honest.set_measure(Measure::Central);
    decided(&events, |case| case.assess(&honest));
    decided(&[Event::Opened(opened(0)), declared()], |case| case.assess(&doubt));
}

#[test]
fn a_dispute_is_resolved_by_another_person_and_judged_again_without_the_struck_visits() {
    let events = decided(&assessed(Outcome::ConcealedKeyArea), |case| case.dispute_verdict(&disputed()));
    assert_eq!(given(&events).standing(), case::State::Disputed);
    assert_eq!(refused(&events, |case| case.resolve(&finding("staff/worker"), None)), Refused::SamePerson);
    assert_eq!(refused(&events, |case| case.resolve(&finding("staff/filer"), None)), Refused::SamePerson);
    let again = verdict(Outcome::Clear);
    let events = decided(&events, |case| case.resolve(&finding("staff/director"), Some(&again)));
    let case = given(&events);
    assert_eq!((case.standing(), case.struck().len()), (case::State::Assessed, 1));
    assert_eq!(case.verdict().unwrap().outcome(), Outcome::Clear);
    assert_eq!(refused(&events, |case| case.resolve(&finding("staff/other"), None)), Refused::NotDisputed);
}

#[test]
fn only_a_verdict_is_disputed_and_one_dispute_at_a_time() {
    let before = [Event::Opened(opened(1)), declared()];
    assert_eq!(refused(&before, |case| case.dispute_verdict(&disputed())), Refused::NotAssessed);
    let events = decided(&assessed(Outcome::Clear), |case| case.dispute_verdict(&disputed()));
    let other = Disputed { statement: Some(sealed("another")), ..disputed() };
    assert_eq!(refused(&events, |case| case.dispute_verdict(&other)), Refused::AlreadyDisputed);
}

#[test]
fn a_case_that_was_never_opened_is_not_there() {
    assert_eq!(refused(&[], |case| case.declare(&sealed("said"))), Refused::NotFound);
    assert_eq!(refused(&[], |case| case.record(&evidence("e1", 1), None)), Refused::NotFound);
    assert_eq!(refused(&[], |case| case.dispute_verdict(&disputed())), Refused::NotFound);
    assert_eq!(refused(&[], |case| case.resolve(&finding("staff/d"), None)), Refused::NotFound);
}

#[test]
fn the_first_case_of_a_resident_has_the_same_id_everywhere() {
    assert_eq!(first_case_of("r1"), first_case_of("r1"));
    assert_ne!(first_case_of("r1"), first_case_of("r2"));
}

#[test]
fn another_version_gives_another_verdict_only_where_it_says_something_else() {
    let mut events = vec![Event::Opened(opened(1)), declared(), Event::EvidenceRecorded(evidence("e1", 1))];
    events.push(Event::Assessed(verdict(Outcome::UndeclaredElsewhere)));
    let case = given(&events);
    let same = Assessed { method_version: "2020-02-12".to_owned(), ..verdict(Outcome::UndeclaredElsewhere) };
    assert!(case.reassess(&same).unwrap().events.is_empty());
    let later = Assessed { last_exposure: "2020-01-30".to_owned(), ..same };
    assert_eq!(case.reassess(&later).unwrap().events.len(), 1, "another last day in a key area is another verdict");
    let adverse = verdict(Outcome::ConcealedKeyArea);
    let decided = case.reassess(&adverse).unwrap().events;
    let [Event::Assessed(again)] = &decided[..] else { panic!("one verdict") };
    assert!(again.again && again.outcome() == Outcome::ConcealedKeyArea);
    assert!(given(&[events, decided].concat()).reassess(&adverse).unwrap().events.is_empty(), "decided once");
    assert_eq!(given(&[Event::Opened(opened(1)), declared()]).reassess(&adverse).unwrap_err(), Refused::NotAssessed);
}

#[test]
fn what_is_in_dispute_keeps_its_verdict_until_it_is_answered() {
    let mut events = vec![Event::Opened(opened(1)), declared(), Event::EvidenceRecorded(evidence("e1", 1))];
    events.extend([Event::Assessed(verdict(Outcome::UndeclaredElsewhere)), Event::Disputed(disputed())]);
    let adverse = verdict(Outcome::ConcealedKeyArea);
    assert!(given(&events).reassess(&adverse).unwrap().events.is_empty());
    events.push(Event::DisputeResolved(finding("staff/director")));
    assert_eq!(given(&events).reassess(&adverse).unwrap().events.len(), 1);
}

fn hours(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
}

#[test]
fn a_dispute_that_nobody_answers_goes_up_step_by_step_and_each_step_once() {
    let events = decided(&assessed(Outcome::ConcealedKeyArea), |case| case.dispute_verdict(&disputed()));
    assert!(given(&events).escalate(hours(23)).unwrap().events.is_empty());
    let first = decided(&events, |case| case.escalate(hours(24)));
    assert_eq!(given(&first).dispute_instance(), Instance::Subdistrict);
    assert!(given(&first).escalate(hours(35)).unwrap().events.is_empty());
    let second = decided(&first, |case| case.escalate(hours(36)));
    assert_eq!(given(&second).dispute_instance(), Instance::Health);
    let at_once = decided(&events, |case| case.escalate(hours(100)));
    assert_eq!(at_once.len(), second.len(), "after a long silence every step is on record");
    let answered = decided(&first, |case| case.resolve(&finding("staff/director"), None));
    assert!(given(&answered).escalate(hours(100)).unwrap().events.is_empty(), "what was answered stays");
    let old = Disputed { escalation_hours: 0, ..disputed() };
    let events = decided(&assessed(Outcome::ConcealedKeyArea), |case| case.dispute_verdict(&old));
    let up = decided(&events, |case| case.escalate(hours(100)));
    assert_eq!(given(&up).dispute_instance(), Instance::Subdistrict, "filed before there were hours for more");
}

#[test]
fn who_asked_for_the_verdict_does_not_answer_the_dispute_about_it() {
    let mut events = vec![Event::Opened(opened(0)), declared()];
    let asked = Assessed { by: "staff/director".to_owned(), ..verdict(Outcome::InsufficientEvidence) };
    events.extend([Event::Assessed(asked), Event::Disputed(disputed())]);
    assert_eq!(refused(&events, |case| case.resolve(&finding("staff/director"), None)), Refused::SamePerson);
}

fn proposed() -> OverrideProposed {
    OverrideProposed {
        override_id: "o1".to_owned(),
        measure: Measure::None.into(),
        document: Some(sealed("a letter")),
        expire_time: Some(Timestamp { seconds: 36_000, nanos: 0 }),
        by: "staff/worker-1".to_owned(),
        unit: "n1".to_owned(),
        ..OverrideProposed::default()
    }
}

fn approved(by: &str, unit: &str) -> OverrideApproved {
    OverrideApproved { override_id: "o1".to_owned(), by: by.to_owned(), unit: unit.to_owned() }
}

fn overridden() -> Assessed {
    let hand = OverrideInForce { override_id: "o1".to_owned(), ..OverrideInForce::default() };
    Assessed { r#override: Some(hand), again: true, ..verdict(Outcome::Overridden) }
}

fn set_by_hand() -> Vec<Event> {
    let events = decided(&assessed(Outcome::ConcealedKeyArea), |case| case.propose_override(&proposed()));
    decided(&events, |case| case.approve_override(&approved("staff/doctor", "health"), &overridden(), hours(1)))
}

#[test]
fn a_verdict_is_set_by_hand_by_two_people_of_two_units_and_ends_at_its_time() {
    let before = decided(&assessed(Outcome::ConcealedKeyArea), |case| case.propose_override(&proposed()));
    assert_eq!(given(&before).verdict().unwrap().outcome(), Outcome::ConcealedKeyArea);
    let approve = |by: &'static str, unit: &'static str, at: i64| {
        refused(&before, |case| case.approve_override(&approved(by, unit), &overridden(), hours(at)))
    };
    assert_eq!(approve("staff/worker-1", "health", 1), Refused::SameSigner);
    assert_eq!(approve("staff/worker-2", "n1", 1), Refused::SameUnit, "two accounts of one unit are one signature");
    assert_eq!(approve("staff/doctor", "health", 10), Refused::TooLate);
    let events = set_by_hand();
    assert_eq!(given(&events).verdict().unwrap().outcome(), Outcome::Overridden);
    let rule = verdict(Outcome::ConcealedKeyArea);
    assert!(given(&events).end_overrides(Some(&rule), hours(9)).unwrap().events.is_empty());
    let ended = decided(&events, |case| case.end_overrides(Some(&rule), hours(10)));
    assert_eq!(given(&ended).verdict().unwrap().outcome(), Outcome::ConcealedKeyArea);
    let erased = decided(&events, |case| case.end_overrides(None, hours(10)));
    assert_eq!(erased.len(), events.len() + 1, "of an erased person nothing is judged, and it ends all the same");
    let lapsed = decided(&before, |case| case.end_overrides(None, hours(10)));
    assert!(given(&lapsed).overriding().proposed().is_none());
}

#[test]
fn a_proposal_can_be_declined_and_no_dispute_is_passed_over() {
    let before = decided(&assessed(Outcome::ConcealedKeyArea), |case| case.propose_override(&proposed()));
    let other = OverrideProposed { override_id: "o2".to_owned(), ..proposed() };
    assert_eq!(refused(&before, |case| case.propose_override(&other)), Refused::AlreadyProposed);
    let declined = OverrideDeclined {
        override_id: "o1".to_owned(),
        by: "staff/doctor".to_owned(),
        unit: "health".to_owned(),
        ..OverrideDeclined::default()
    };
    let after = decided(&before, |case| case.decline_override(&declined));
    let late = refused(&after, |case| case.approve_override(&approved("staff/x", "n2"), &overridden(), hours(1)));
    assert_eq!(late, Refused::NotProposed);
    let disputed = decided(&before, |case| case.dispute_verdict(&disputed()));
    let approve = |case: &Case| case.approve_override(&approved("staff/x", "n2"), &overridden(), hours(1));
    assert_eq!(refused(&disputed, approve), Refused::AlreadyDisputed);
    let unjudged = [Event::Opened(opened(1)), declared()];
    assert_eq!(refused(&unjudged, |case| case.propose_override(&proposed())), Refused::NotAssessed);
}

#[test]
fn a_verdict_set_by_hand_is_left_alone_by_a_method_and_lifted_by_an_upheld_dispute() {
    let events = set_by_hand();
    assert!(given(&events).reassess(&verdict(Outcome::Clear)).unwrap().events.is_empty());
    let events = decided(&events, |case| case.dispute_verdict(&disputed()));
    let rejected = DisputeResolved { upheld: false, struck: Vec::new(), ..finding("staff/director") };
    let kept = decided(&events, |case| case.resolve(&rejected, None));
    assert!(given(&kept).overriding().in_force().is_some());
    let again = verdict(Outcome::Clear);
    let lifted = decided(&events, |case| case.resolve(&finding("staff/director"), Some(&again)));
    assert!(given(&lifted).overriding().in_force().is_none());
    let rule = verdict(Outcome::Clear);
    let over = decided(&events, |case| case.end_overrides(Some(&rule), hours(10)));
    assert_eq!(given(&over).standing(), case::State::Disputed, "its end leaves the dispute open");
}

#[test]
fn a_paper_leaves_what_was_set_by_hand_alone() {
    let events = set_by_hand();
    let filed = decided(&events, |case| case.file(&ticket("t1"), Some(&verdict(Outcome::ConcealedKeyArea))));
    assert_eq!(given(&filed).verdict().unwrap().outcome(), Outcome::Overridden);
    assert_eq!(filed.len(), events.len() + 1, "it is kept for the verdict that comes back");
}

#[test]
fn a_paper_scans_no_number_and_closes_nothing() {
    let before = [Event::Opened(opened(1)), declared()];
    let events = decided(&before, |case| case.file(&ticket("t1"), None));
    let case = given(&events);
    assert_eq!((case.scanned(), case.standing()), (0, case::State::Declared));
    let doubt = verdict(Outcome::InsufficientEvidence);
    assert_eq!(
        refused(&events, |case| case.assess(&doubt)),
        Refused::NoEvidence,
        "a ticket is no doubt's ground (R23)"
    );
    assert_eq!(refused(&events, |case| case.declare(&sealed("oh, that too"))), Refused::Frozen);
    assert_eq!(refused(&[Event::Opened(opened(1))], |case| case.file(&ticket("t1"), None)), Refused::NotDeclared);
}

#[test]
fn a_paper_after_the_verdict_has_it_given_again_where_it_says_something_else() {
    let clear = assessed(Outcome::Clear);
    let same = given(&clear).file(&ticket("t1"), Some(&verdict(Outcome::Clear))).unwrap().events;
    assert_eq!(same.len(), 1, "the paper is kept, the verdict stands");
    let adverse = verdict(Outcome::ConcealedKeyArea);
    let events = decided(&clear, |case| case.file(&ticket("t1"), Some(&adverse)));
    assert_eq!(given(&events).verdict().unwrap().outcome(), Outcome::ConcealedKeyArea);
    assert!(given(&events).verdict().unwrap().again);
    let events = decided(&events, |case| case.dispute_verdict(&disputed()));
    assert_eq!(refused(&events, |case| case.file(&ticket("t2"), None)), Refused::AlreadyDisputed);
}
