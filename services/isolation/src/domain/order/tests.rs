use chassis::{Aggregate as _, Refuse as _};
use proto::isolation::v1::{
    ChangeKind, ChangeReason, Doubt, Reason as Cause, Refusal as Reason, Reporter, Symptom, Vitals,
};
use proto::registry::v1::Residence;

use super::*;

// ---- Given, when, then ----

/// The order after a decision that was accepted, and that adds nothing when it is made again.
fn then<E: std::fmt::Debug>(given: &Order, decide: impl Fn(&Order) -> Result<Vec<Event>, E>) -> Order {
    let mut order = given.clone();
    let events = decide(given).unwrap();
    assert!(!events.is_empty(), "nothing happened");
    for event in &events {
        order.evolve(event);
    }
    let again = decide(&order).unwrap();
    assert_eq!(again, [], "decided again, it added an event");
    order
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// In Shanghai.
fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("{text}:00+08:00")).unwrap().to_utc()
}

fn slot(date: &str, part: Part) -> Slot {
    Slot { date: day(date), part }
}

fn director() -> Signature {
    Signature { by: "staff/1".into(), unit: "jinjiacao".into() }
}

fn health() -> Signature {
    Signature { by: "staff/9".into(), unit: "health".into() }
}

fn terms(kind: Kind, zero: &str, first: Slot) -> Terms {
    Period::new(day(zero), first, 14).into_terms(Terms {
        resident_id: "r1".into(),
        residence: Some(Residence {
            neighbourhood_id: "jinjiacao".into(),
            compound_id: "changfeng".into(),
            household_id: "h1".into(),
        }),
        kind: kind.into(),
        reason: Cause::ConcealedKeyArea.into(),
        method_version: "2020-02-09".into(),
        evidence_ids: vec!["e1".into()],
        ..Terms::default()
    })
}

/// In force from the evening of 11 February, after a verdict; the area was left on the 8th.
fn in_force(kind: Kind) -> Order {
    let terms = terms(kind, "2020-02-08", slot("2020-02-11", Part::Evening));
    then(&Order::default(), |order| Ok::<_, Refused>(order.order(terms.clone(), moment("2020-02-11T17:00"))))
}

fn sealed(number: u8) -> Sealed {
    Sealed { subject_id: "r1".into(), nonce: vec![number; 24], ciphertext: vec![number] }
}

fn reading(slot: Slot, temperature: i32, symptoms: &[Symptom]) -> NewReading {
    NewReading {
        slot,
        vitals: Vitals {
            temperature_decicelsius: temperature,
            symptoms: symptoms.iter().map(|symptom| *symptom as i32).collect(),
        },
        sealed: Some(sealed(1)),
        fever_decicelsius: 373,
        reporter: Reporter::Worker,
        doubt: Doubt::Unspecified,
    }
}

fn observed(mut order: Order, slot: Slot, temperature: i32) -> Order {
    for event in order.observe(reading(slot, temperature, &[]), None, moment("2020-12-31T23:00")).unwrap() {
        order.evolve(&event);
    }
    order
}

/// Every reading of the period, but those named.
fn observed_but(order: Order, missing: &[Slot]) -> Order {
    let last = Slot::evening(order.period.last_day);
    let slots: Vec<Slot> = order.period.first.through(last).filter(|slot| !missing.contains(slot)).collect();
    slots.into_iter().fold(order, |order, slot| observed(order, slot, 365))
}

// ---- Two signatures ----

#[test]
fn a_proposed_order_is_in_force_with_the_second_signature_of_another_unit() {
    let terms = terms(Kind::Home, "2020-02-10", slot("2020-02-10", Part::Morning));
    let proposed = then(&Order::default(), |order| order.propose(terms.clone(), &director()));
    assert!(!proposed.in_force());
    let ordered = then(&proposed, |order| order.approve(&health(), moment("2020-02-11T17:00")));
    assert_eq!(ordered.standing, Standing::InForce { approved_by: "staff/9".into() });
    assert_eq!(ordered.terms, terms);
}

#[test]
fn nobody_signs_twice_and_no_unit_signs_twice() {
    let terms = terms(Kind::Home, "2020-02-10", slot("2020-02-10", Part::Morning));
    let proposed = then(&Order::default(), |order| order.propose(terms.clone(), &director()));
    let by = |by: &str, unit: &str| Signature { by: by.into(), unit: unit.into() };
    assert_eq!(proposed.approve(&director(), moment("2020-02-11T17:00")).unwrap_err(), Refused::SamePerson);
    assert_eq!(
        proposed.approve(&by("staff/1", "health"), moment("2020-02-11T17:00")).unwrap_err(),
        Refused::SamePerson
    );
    assert_eq!(
        proposed.approve(&by("staff/2", "jinjiacao"), moment("2020-02-11T17:00")).unwrap_err(),
        Refused::SameUnit
    );
}

#[test]
fn only_a_proposal_takes_a_second_signature() {
    assert_eq!(Order::default().approve(&health(), moment("2020-02-11T17:00")).unwrap_err(), Refused::NotFound);
    assert_eq!(in_force(Kind::Home).approve(&health(), moment("2020-02-11T17:00")).unwrap_err(), Refused::NotProposed);
}

#[test]
fn a_proposal_takes_no_observations() {
    let terms = terms(Kind::Home, "2020-02-10", slot("2020-02-10", Part::Morning));
    let proposed = then(&Order::default(), |order| order.propose(terms.clone(), &director()));
    let now = moment("2020-02-10T20:00");
    let recorded = proposed.observe(reading(slot("2020-02-10", Part::Evening), 365, &[]), None, now);
    assert_eq!(recorded.unwrap_err(), Refused::NotInForce);
    assert_eq!(proposed.release("staff/1", now).unwrap_err(), Refused::NotInForce);
}

// ---- Observations ----

#[test]
fn the_same_reading_said_twice_adds_nothing_and_another_one_replaces_it() {
    let (evening, now) = (slot("2020-02-11", Part::Evening), moment("2020-02-11T21:00"));
    let order = observed(in_force(Kind::Home), evening, 381);
    let known = (sealed(1), reading(evening, 381, &[]).vitals);
    assert_eq!(order.observe(reading(evening, 381, &[]), Some(&known), now).unwrap(), []);
    let corrected = then(&order, |order| {
        let said = order.vitals(evening) == Some(&sealed(2));
        let known = said.then(|| (sealed(2), reading(evening, 366, &[]).vitals));
        order.observe(NewReading { sealed: Some(sealed(2)), ..reading(evening, 366, &[]) }, known.as_ref(), now)
    });
    assert_eq!(corrected.due(now).len(), 1);
    assert_eq!(corrected.missing(now), []);
    assert_eq!(corrected.observed_until(), corrected.period.last_day);
}

#[test]
fn readings_lie_within_the_period_and_in_half_days_that_have_begun() {
    let order = in_force(Kind::Home);
    let observe = |date: &str, part, now: &str| {
        order.observe(reading(slot(date, part), 365, &[]), None, moment(now)).map(|events| events.len())
    };
    let outside = Refused::OutsidePeriod { from: day("2020-02-11"), until: day("2020-02-22") };
    assert_eq!(observe("2020-02-10", Part::Evening, "2020-02-12T09:00"), Err(outside.clone()));
    assert_eq!(observe("2020-02-23", Part::Morning, "2020-02-24T09:00"), Err(outside));
    assert_eq!(observe("2020-02-22", Part::Evening, "2020-02-24T09:00"), Ok(1));
    let early = Refused::NotBegun(slot("2020-02-12", Part::Evening));
    assert_eq!(observe("2020-02-12", Part::Evening, "2020-02-12T15:59"), Err(early));
    assert_eq!(observe("2020-02-12", Part::Evening, "2020-02-12T16:00"), Ok(1));
}

#[test]
fn fever_counts_from_the_number_of_the_method() {
    let ill = |temperature, symptoms: &[Symptom]| {
        let reading = reading(slot("2020-02-11", Part::Evening), temperature, symptoms);
        let events = in_force(Kind::Home).observe(reading, None, moment("2020-02-11T20:00")).unwrap();
        matches!(&events[..], [Event::Observed(observed)] if observed.fever_or_symptoms)
    };
    assert!(!ill(372, &[]));
    assert!(ill(373, &[]));
    assert!(ill(365, &[Symptom::Cough]));
}

#[test]
fn what_is_due_begins_with_the_half_day_of_the_order() {
    let order = in_force(Kind::Home);
    assert_eq!(order.due(moment("2020-02-11T21:00")), [slot("2020-02-11", Part::Evening)]);
    assert_eq!(order.due(moment("2020-02-12T05:00")).len(), 1);
    assert_eq!(order.due(moment("2020-02-12T06:00")).len(), 2);
    assert_eq!(order.due(moment("2020-03-31T12:00")).len(), 1 + 2 * 11);
}

// ---- Release ----

#[test]
fn release_is_possible_on_the_last_day_with_every_reading_that_is_due() {
    let order = observed_but(in_force(Kind::Home), &[]);
    let early = order.release("staff/1", moment("2020-02-21T23:59")).unwrap_err();
    assert_eq!(early, Refused::PeriodNotComplete { last_day: day("2020-02-22") });
    let released = then(&order, |order| order.release("staff/1", moment("2020-02-22T08:00")));
    let Standing::Released(released) = released.standing else { panic!("not released") };
    assert_eq!((released.observations, released.observations_due), (22, 22));
    assert_eq!(released.reason(), ReleaseReason::PeriodComplete);
    assert_eq!((released.resident_id.as_str(), released.kind()), ("r1", Kind::Home));
}

#[test]
fn a_period_over_the_leap_day_ends_on_the_first_of_march() {
    let terms = terms(Kind::Home, "2020-02-16", slot("2020-02-16", Part::Morning));
    let order =
        then(&Order::default(), |order| Ok::<_, Refused>(order.order(terms.clone(), moment("2020-02-11T17:00"))));
    let order = observed_but(order, &[slot("2020-02-29", Part::Evening)]);
    let early = order.release("staff/1", moment("2020-02-29T23:00")).unwrap_err();
    assert_eq!(early, Refused::PeriodNotComplete { last_day: day("2020-03-01") });
    let held = order.release("staff/1", moment("2020-03-01T08:00")).unwrap_err();
    assert_eq!(held, Refused::ObservationsMissing(vec![slot("2020-02-29", Part::Evening)]));
    let order = observed(order, slot("2020-02-29", Part::Evening), 366);
    then(&order, |order| order.release("staff/1", moment("2020-03-01T08:00")));
}

#[test]
fn a_missing_reading_holds_the_release_and_is_named_in_both_languages() {
    let missing = [slot("2020-02-15", Part::Evening), slot("2020-02-20", Part::Morning)];
    let order = observed_but(in_force(Kind::Home), &missing);
    let refused = order.release("staff/1", moment("2020-02-22T18:00")).unwrap_err();
    assert_eq!(refused, Refused::ObservationsMissing(missing.to_vec()));
    let refusal = refused.refusal();
    assert_eq!(refusal.reason, "OBSERVATIONS_MISSING");
    assert_eq!(refusal.metadata, [("missing".into(), "2020-02-15 evening, 2020-02-20 morning".into())]);
    assert!(refusal.zh.contains("2月15日晚、2月20日早"), "{}", refusal.zh);
    assert!(refusal.en.contains("2020-02-15 evening, 2020-02-20 morning"), "{}", refusal.en);
}

#[test]
fn fever_in_the_last_three_days_holds_the_release_until_three_days_without_have_followed() {
    let order = observed(observed_but(in_force(Kind::Home), &[]), slot("2020-02-22", Part::Morning), 374);
    let held = order.release("staff/1", moment("2020-02-22T18:00")).unwrap_err();
    assert_eq!(held, Refused::Symptoms { until: day("2020-02-25") });
    let unseen = order.release("staff/1", moment("2020-02-25T08:00")).unwrap_err();
    assert!(matches!(unseen, Refused::ObservationsMissing(missing) if missing.len() == 5));
    let well = slot("2020-02-23", Part::Morning)
        .through(slot("2020-02-25", Part::Morning))
        .fold(order, |order, slot| observed(order, slot, 365));
    then(&well, |order| order.release("staff/1", moment("2020-02-25T08:00")));
}

#[test]
fn fever_before_the_last_three_days_holds_nothing() {
    let order = observed(observed_but(in_force(Kind::Home), &[]), slot("2020-02-19", Part::Evening), 374);
    then(&order, |order| order.release("staff/1", moment("2020-02-22T18:00")));
}

#[test]
fn a_changed_verdict_releases_at_once_with_the_counts_as_they_are() {
    let order = observed(in_force(Kind::Home), slot("2020-02-11", Part::Evening), 365);
    let now = moment("2020-02-12T18:00");
    let withdrawn = then(&order, |order| Ok::<_, Refused>(order.withdraw("reaction/isolation", now)));
    let Standing::Released(released) = &withdrawn.standing else { panic!("not released") };
    assert_eq!((released.observations, released.observations_due), (1, 3));
    assert_eq!(released.reason(), ReleaseReason::VerdictChanged);
    let terms = withdrawn.terms.clone();
    assert_eq!(withdrawn.order(terms, moment("2020-02-12T18:00")), [], "a released order comes back to life");
}

// ---- Hand-over ----

fn receipt(number: &str, at: &str) -> Receipt {
    Receipt {
        receiver: "health team 2".into(),
        vehicle: "浙B·12345".into(),
        receipt: number.into(),
        handed_by: "staff/7".into(),
        left: moment(at),
        received: moment(at),
        ..Receipt::default()
    }
}

#[test]
fn only_central_isolation_is_handed_over_and_only_once() {
    let evening = "2020-02-11T21:30";
    assert_eq!(in_force(Kind::Home).hand_over(&receipt("7", evening)).unwrap_err(), Refused::NotCentral);
    let handed = then(&in_force(Kind::Central), |order| order.hand_over(&receipt("7", evening)));
    assert_eq!(handed.hand_over(&receipt("8", evening)).unwrap_err(), Refused::AlreadyHandedOver);
}

#[test]
fn nobody_is_handed_over_before_the_order_that_says_so() {
    let early = in_force(Kind::Central).hand_over(&receipt("7", "2020-02-01T21:30"));
    assert_eq!(early.unwrap_err(), Refused::BeforeTheOrder);
}

#[test]
fn after_the_hand_over_the_neighbourhood_owes_no_reading() {
    let order = in_force(Kind::Central);
    let handed = then(&order, |order| order.hand_over(&receipt("7", "2020-02-12T10:00")));
    let end = moment("2020-02-22T09:00");
    let until_then = [slot("2020-02-11", Part::Evening), slot("2020-02-12", Part::Morning)];
    assert_eq!(handed.due(end), until_then);
    let held = handed.release("staff/9", end).unwrap_err();
    assert_eq!(held, Refused::ObservationsMissing(until_then.to_vec()));
    let seen = until_then.into_iter().fold(handed, |order, slot| observed(order, slot, 365));
    then(&seen, |order| order.release("staff/9", end));
}

#[test]
fn who_is_handed_over_before_six_owes_nothing_of_that_day() {
    let order = in_force(Kind::Central);
    let handed = then(&order, |order| order.hand_over(&receipt("7", "2020-03-01T02:00")));
    assert_eq!(last_before(handed.hand_over.as_ref().unwrap()), slot("2020-02-29", Part::Evening));
}

// ---- Breach ----

#[test]
fn a_refused_crossing_is_one_breach_however_often_it_is_told() {
    let breached = then(&in_force(Kind::Home), |order| Ok::<_, Refused>(order.breach("x1", "g1")));
    let twice = then(&breached, |order| Ok::<_, Refused>(order.breach("x2", "g1")));
    assert_eq!(twice.breaches.len(), 2);
    assert_eq!(Order::default().breach("x1", "g1"), []);
}

// ---- A further verdict on the same case ----

#[test]
fn a_further_verdict_that_asks_for_the_same_changes_nothing() {
    let order = in_force(Kind::Home);
    assert!(order.answers(Kind::Home, Some(day("2020-02-08")), 14));
    assert!(order.answers(Kind::Home, None, 14));
    assert!(!order.answers(Kind::Central, Some(day("2020-02-08")), 14));
    assert!(!order.answers(Kind::Home, Some(day("2020-02-10")), 14));
    assert!(!order.answers(Kind::Home, Some(day("2020-02-08")), 21));
}

#[test]
fn who_completed_the_period_is_not_isolated_again_for_that_exposure() {
    let order = observed_but(in_force(Kind::Home), &[]);
    let released = then(&order, |order| order.release("staff/1", moment("2020-02-22T18:00")));
    assert!(released.answers(Kind::Central, Some(day("2020-02-08")), 14));
    assert!(released.answers(Kind::Central, None, 14));
    assert!(!released.answers(Kind::Home, Some(day("2020-02-20")), 14));
    let withdrawn = then(&order, |order| Ok::<_, Refused>(order.withdraw("x", moment("2020-02-12T18:00"))));
    assert!(!withdrawn.answers(Kind::Home, Some(day("2020-02-08")), 14));
}

// ---- Refusals ----

#[test]
fn every_refusal_says_in_both_languages_what_to_do() {
    let date = day("2020-02-29");
    let all = [
        Refused::NotFound,
        Refused::AlreadyIsolated,
        Refused::NotProposed,
        Refused::SamePerson,
        Refused::SameUnit,
        Refused::NotInForce,
        Refused::OutsidePeriod { from: date, until: date },
        Refused::NotBegun(Slot::evening(date)),
        Refused::NotCentral,
        Refused::AlreadyHandedOver,
        Refused::PeriodNotComplete { last_day: date },
        Refused::Symptoms { until: date },
        Refused::ObservationsMissing(vec![Slot::evening(date); 300]),
        Refused::NoMethod,
        Refused::CodeSpent,
        Refused::NoSuchMatter,
        Refused::Stale { since: 1, changed: vec![("甲".into(), "a".into())] },
        Refused::ChangePending,
        Refused::NotPending,
        Refused::NotIsolating,
        Refused::ThereAlready,
        Refused::NoExtension { last_day: date },
    ];
    for refused in all {
        let refusal = refused.refusal();
        assert!(refusal.zh.contains(['：', '；']), "{}", refusal.zh);
        assert!(refusal.en.contains([':', ',']), "{}", refusal.en);
        assert!(Reason::from_str_name(&format!("REFUSAL_{}", refusal.reason)).is_some(), "{}", refusal.reason);
    }
}

/// What is changed.
mod changes;
/// What is read, missed and noticed.
mod readings;
