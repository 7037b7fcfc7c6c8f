use proptest::prelude::*;

use super::*;

const CASE: &str = "cases/1";
const ORDER: &str = "orders/1";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn noon() -> DateTime<Utc> {
    at("2020-02-11T04:20:00Z")
}

fn home() -> Residence {
    Residence { neighbourhood_id: "n".to_owned(), compound_id: "c".to_owned(), household_id: "h".to_owned() }
}

fn issue(index: u32) -> Issue {
    let number = PassNumber::new(index, [7; 5]).unwrap();
    Issue {
        number,
        now: noon(),
        pass_days: Some(14),
        key_id: 1,
        recalled: false,
        access: v1::Access::Unspecified,
        limits: Limits::default(),
        compound: 7,
    }
}

/// Folds events, and holds the rule of this aggregate against every position.
fn given(events: &[Events]) -> Holder {
    let mut holder = Holder::default();
    for event in events.iter().flatten() {
        step(&mut holder, event);
    }
    holder
}

fn step(holder: &mut Holder, event: &Event) {
    holder.evolve(event);
    let active = holder.pass().is_some_and(|pass| pass.standing == Standing::Active);
    assert!(!active || holder.bars.is_empty(), "an active pass under a bar after {event:?}");
}

/// Decides, checks that deciding again adds nothing, and gives the state after it.
fn when(mut holder: Holder, decide: impl Fn(&Holder) -> Events) -> (Holder, Vec<&'static str>) {
    use proto::Fact as _;

    let events = decide(&holder);
    let names = events.iter().map(|event| event.type_name().trim_start_matches("holder.")).collect();
    for event in &events {
        step(&mut holder, event);
    }
    assert_eq!(decide(&holder), [], "deciding again on its own outcome adds no event");
    (holder, names)
}

fn with_pass() -> Holder {
    let holder = given(&[Holder::default().clear(CASE, &home())]);
    when(holder, |holder| holder.issue(issue(1)).unwrap()).0
}

fn standing(holder: &Holder) -> Standing {
    holder.pass().unwrap().standing
}

#[test]
fn only_who_scans_clean_gets_the_pass() {
    assert!(matches!(Holder::default().issue(issue(1)), Err(Refused::NotEligible)));
    let (holder, names) = when(Holder::default(), |holder| holder.clear(CASE, &home()));
    assert_eq!(names, ["qualified"]);
    let (holder, names) = when(holder, |holder| holder.issue(issue(1)).unwrap());
    assert_eq!(names, ["issued"]);
    assert_eq!(holder.pass().unwrap().by, CASE);
}

#[test]
fn a_pass_lives_full_hours_and_as_long_as_the_method_says() {
    let holder = with_pass();
    let pass = holder.pass().unwrap();
    assert_eq!(pass.issued, at("2020-02-11T04:00:00Z"));
    assert_eq!(pass.expires, at("2020-02-25T05:00:00Z"));
}

#[test]
fn without_a_method_nobody_knows_how_long_a_pass_lives() {
    let holder = given(&[Holder::default().clear(CASE, &home())]);
    for pass_days in [None, Some(0)] {
        assert!(matches!(holder.issue(Issue { pass_days, ..issue(1) }), Err(Refused::NoMethod)));
    }
}

#[test]
fn issuing_again_gives_the_same_pass_until_it_expires_or_the_home_changes() {
    let holder = with_pass();
    assert_eq!(holder.issue(issue(2)).unwrap(), []);
    let later = Issue { now: at("2020-02-25T05:00:00Z"), ..issue(2) };
    assert_eq!(holder.issue(later).unwrap().len(), 1);
    let elsewhere = Residence { household_id: "other".to_owned(), ..home() };
    let (moved, _) = when(holder, |holder| holder.clear("cases/2", &elsewhere));
    assert_eq!(moved.issue(issue(2)).unwrap().len(), 1);
}

#[test]
fn a_bar_suspends_the_pass_and_its_fall_reinstates_it() {
    let (holder, names) = when(with_pass(), |holder| holder.bar(CASE, Reason::Verdict, "", &home()));
    assert_eq!(names, ["suspended", "barred"]);
    assert!(matches!(holder.issue(issue(2)), Err(Refused::Barred(by)) if by == [CASE]));
    assert!(matches!(holder.reinstate(), Err(Refused::Barred(_))));
    let (holder, names) = when(holder, |holder| holder.clear(CASE, &home()));
    assert_eq!(names, ["bar_lifted", "reinstated"]);
    assert_eq!(standing(&holder), Standing::Active);
}

#[test]
fn the_last_bar_decides() {
    let (holder, _) = when(with_pass(), |holder| holder.bar(CASE, Reason::Verdict, "", &home()));
    let (holder, names) = when(holder, |holder| holder.bar("cases/2", Reason::Verdict, "", &home()));
    assert_eq!(names, ["barred"]);
    let (holder, names) = when(holder, |holder| holder.tolerate(CASE));
    assert_eq!(names, ["bar_lifted"]);
    let (holder, names) = when(holder, |holder| holder.tolerate("cases/2"));
    assert_eq!(names, ["bar_lifted", "reinstated"]);
    assert_eq!(standing(&holder), Standing::Active);
}

#[test]
fn what_a_worker_suspended_stays_suspended_when_the_bar_falls() {
    let (lent_first, _) = when(with_pass(), |holder| holder.suspend(Reason::Lent, &[]).unwrap());
    let (lent_first, names) = when(lent_first, |holder| holder.bar(CASE, Reason::Verdict, "", &home()));
    assert_eq!(names, ["barred"]);
    let (barred_first, _) = when(with_pass(), |holder| holder.bar(CASE, Reason::Verdict, "", &home()));
    let (barred_first, _) = when(barred_first, |holder| holder.suspend(Reason::Lent, &[]).unwrap());
    for holder in [lent_first, barred_first] {
        let (holder, names) = when(holder, |holder| holder.clear(CASE, &home()));
        assert_eq!(names, ["bar_lifted"]);
        assert_eq!(standing(&holder), Standing::Suspended(Reason::Lent));
        let (holder, names) = when(holder, |holder| holder.reinstate().unwrap());
        assert_eq!((names, standing(&holder)), (vec!["reinstated"], Standing::Active));
    }
}

#[test]
fn verdict_and_order_bar_alike_in_either_order_of_arrival() {
    let verdict = |holder: &Holder| holder.bar(CASE, Reason::Verdict, "", &home());
    let order = |holder: &Holder| holder.bar(ORDER, Reason::IsolationOrder, CASE, &home());
    let verdict_first = when(when(with_pass(), verdict).0, order).0;
    let order_first = when(when(with_pass(), order).0, verdict).0;
    for holder in [verdict_first, order_first] {
        assert!(holder.isolated());
        let (holder, names) = when(holder, |holder| holder.release(ORDER, &home()));
        assert_eq!(names, ["bar_lifted", "bar_lifted", "reinstated", "qualified"]);
        assert!(holder.eligible());
        assert_eq!(standing(&holder), Standing::Active);
    }
}

#[test]
fn a_verdict_that_arrives_after_its_release_does_not_bar_again() {
    let (holder, _) = when(Holder::default(), |holder| holder.bar(ORDER, Reason::IsolationOrder, CASE, &home()));
    let (holder, _) = when(holder, |holder| holder.release(ORDER, &home()));
    let (holder, names) = when(holder, |holder| holder.bar(CASE, Reason::Verdict, "", &home()));
    assert!(names.is_empty());
    let (_, names) = when(holder, |holder| holder.issue(issue(1)).unwrap());
    assert_eq!(names, ["issued"]);
}

#[test]
fn a_clear_verdict_may_be_overturned_by_a_later_one_on_the_same_case() {
    let (holder, _) = when(with_pass(), |holder| holder.bar(CASE, Reason::Verdict, "", &home()));
    let (holder, _) = when(holder, |holder| holder.clear(CASE, &home()));
    let (holder, names) = when(holder, |holder| holder.bar(CASE, Reason::Verdict, "", &home()));
    assert_eq!(names, ["suspended", "barred"]);
    assert!(!holder.eligible());
}

#[test]
fn an_order_withdrawn_with_its_verdict_settles_nothing() {
    let order = |holder: &Holder| holder.bar(ORDER, Reason::IsolationOrder, CASE, &home());
    let verdict = |holder: &Holder| holder.bar(CASE, Reason::Verdict, "", &home());
    let (holder, _) = when(when(Holder::default(), verdict).0, order);
    let (holder, names) = when(holder, |holder| holder.withdraw(ORDER));
    assert_eq!(names, ["bar_lifted"]);
    assert!(!holder.eligible());
    let (holder, _) = when(holder, |holder| holder.tolerate(CASE));
    assert!(matches!(holder.issue(issue(1)), Err(Refused::NotEligible)));
    let (holder, names) = when(holder, verdict);
    assert_eq!(names, ["barred"]);
    // The order itself is over, also when the news of it is read again.
    assert_eq!(order(&holder), []);
}

#[test]
fn a_released_person_is_eligible_without_another_screening() {
    let (holder, _) = when(Holder::default(), |holder| holder.bar(CASE, Reason::Verdict, "", &home()));
    let (holder, _) = when(holder, |holder| holder.bar(ORDER, Reason::IsolationOrder, CASE, &home()));
    let (holder, _) = when(holder, |holder| holder.release(ORDER, &home()));
    let (holder, _) = when(holder, |holder| holder.issue(issue(1)).unwrap());
    assert_eq!(holder.pass().unwrap().by, ORDER);
}

#[test]
fn a_lost_pass_is_replaced_and_a_lent_one_is_not() {
    let (lost, _) = when(with_pass(), |holder| holder.suspend(Reason::Lost, &[]).unwrap());
    let (replaced, names) = when(lost, |holder| holder.issue(issue(2)).unwrap());
    assert_eq!(names, ["issued"]);
    assert_eq!(standing(&replaced), Standing::Active);
    let (lent, _) = when(with_pass(), |holder| holder.suspend(Reason::Lent, &[]).unwrap());
    assert!(matches!(lent.issue(issue(2)), Err(Refused::Suspended)));
}

#[test]
fn a_revoked_pass_cannot_be_reinstated_but_another_can_be_issued() {
    let (holder, names) = when(with_pass(), |holder| holder.revoke(Reason::IssuedInError, &[]).unwrap());
    assert_eq!(names, ["revoked"]);
    assert!(matches!(holder.reinstate(), Err(Refused::NoPass)));
    assert!(matches!(holder.suspend(Reason::Lost, &[]), Err(Refused::NoPass)));
    assert_eq!(holder.issue(issue(2)).unwrap().len(), 1);
}

#[test]
fn without_a_pass_there_is_nothing_to_take_away() {
    let holder = Holder::default();
    for refused in [holder.suspend(Reason::Lost, &[]), holder.reinstate(), holder.revoke(Reason::Lost, &[])] {
        assert!(matches!(refused, Err(Refused::NoPass)));
    }
}

#[test]
fn who_moved_out_gets_no_pass_even_when_a_clear_verdict_arrives_late() {
    for holder in [with_pass(), Holder::default()] {
        let (holder, names) = when(holder, Holder::move_out);
        assert_eq!(names, ["revoked"]);
        let (holder, names) = when(holder, |holder| holder.clear("cases/2", &home()));
        assert!(names.is_empty());
        assert!(matches!(holder.issue(issue(2)), Err(Refused::NotEligible)));
    }
}

fn doubted(holder: Holder, case: &str) -> Holder {
    when(holder, |holder| holder.doubt(case, &home())).0
}

#[test]
fn a_clear_verdict_on_a_later_case_answers_the_doubts_of_earlier_ones() {
    let holder = doubted(doubted(with_pass(), "cases/2"), "cases/3");
    assert!(matches!(holder.issue(issue(2)), Err(Refused::Barred(_))));
    let (holder, names) = when(holder, |holder| holder.clear("cases/4", &home()));
    assert_eq!(names, ["qualified", "bar_lifted", "bar_lifted", "reinstated"]);
    assert_eq!((standing(&holder), holder.eligible()), (Standing::Active, true));
}

#[test]
fn a_clear_verdict_answers_no_later_doubt_and_no_measure() {
    let holder = doubted(doubted(with_pass(), "cases/2"), "cases/3");
    let (holder, _) = when(holder, |holder| holder.clear("cases/2", &home()));
    assert_eq!(holder.bars.keys().collect::<Vec<_>>(), ["cases/3"], "the later doubt stands");
    let (holder, names) = when(holder, |holder| holder.clear(CASE, &home()));
    assert_eq!(names, ["qualified"], "the first case said again is no news");
    let (holder, _) = when(holder, |holder| holder.bar("cases/3", Reason::Verdict, "", &home()));
    let (holder, _) = when(holder, |holder| holder.clear("cases/4", &home()));
    assert!(!holder.eligible(), "a measure is answered by its own case or by a release");
    let (holder, _) = when(holder, |holder| holder.doubt("cases/3", &home()));
    assert!(when(holder, |holder| holder.clear("cases/5", &home())).0.eligible());
}

#[test]
fn a_release_leaves_no_doubt_behind_and_what_it_settled_does_not_include_them() {
    let holder = doubted(with_pass(), "cases/2");
    let (holder, _) = when(holder, |holder| holder.bar(ORDER, Reason::IsolationOrder, "cases/3", &home()));
    let (holder, _) = when(holder, |holder| holder.release(ORDER, &home()));
    assert_eq!((standing(&holder), holder.eligible()), (Standing::Active, true));
    assert!(!doubted(holder, "cases/2").eligible(), "a new verdict on that case bars again");
}

#[test]
fn a_suspension_by_a_worker_ends_with_the_pass() {
    let (lent, _) = when(with_pass(), |holder| holder.suspend(Reason::Lent, &["crossings/1".to_owned()]).unwrap());
    assert!(matches!(lent.issue(issue(2)), Err(Refused::Suspended)));
    let later = Issue { now: at("2020-02-25T05:00:00Z"), ..issue(2) };
    assert_eq!(lent.issue(later).unwrap().len(), 1);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Clear(u8),
    Tolerate(u8),
    Verdict(u8),
    Doubt(u8),
    Order(u8),
    Release(u8),
    Withdraw(u8),
    Issue,
    Suspend,
    Reinstate,
    Revoke,
    MoveOut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..2_u8).prop_map(Step::Clear),
        (0..2_u8).prop_map(Step::Tolerate),
        (0..2_u8).prop_map(Step::Verdict),
        (0..2_u8).prop_map(Step::Doubt),
        (0..2_u8).prop_map(Step::Order),
        (0..2_u8).prop_map(Step::Release),
        (0..2_u8).prop_map(Step::Withdraw),
        Just(Step::Issue),
        Just(Step::Issue),
        Just(Step::Suspend),
        Just(Step::Reinstate),
        Just(Step::Revoke),
        Just(Step::MoveOut),
    ];
    proptest::collection::vec(step, 0..24)
}

proptest! {
    /// `when` and `step` hold the rules at every position.
    #[test]
    fn nobody_under_a_bar_ever_holds_an_active_pass(steps in steps()) {
        let mut holder = Holder::default();
        for (index, step) in (1..).zip(steps) {
            let decide = |holder: &Holder| match step {
                Step::Clear(n) => holder.clear(&format!("cases/{n}"), &home()),
                Step::Tolerate(n) => holder.tolerate(&format!("cases/{n}")),
                Step::Verdict(n) => holder.bar(&format!("cases/{n}"), Reason::Verdict, "", &home()),
                Step::Doubt(n) => holder.doubt(&format!("cases/{n}"), &home()),
                Step::Order(n) => {
                    holder.bar(&format!("orders/{n}"), Reason::IsolationOrder, &format!("cases/{n}"), &home())
                }
                Step::Release(n) => holder.release(&format!("orders/{n}"), &home()),
                Step::Withdraw(n) => holder.withdraw(&format!("orders/{n}")),
                Step::Issue => holder.issue(issue(index)).unwrap_or_default(),
                Step::Suspend => holder.suspend(Reason::Lent, &[]).unwrap_or_default(),
                Step::Reinstate => holder.reinstate().unwrap_or_default(),
                Step::Revoke => holder.revoke(Reason::Lent, &[]).unwrap_or_default(),
                Step::MoveOut => holder.move_out(),
            };
            holder = when(holder, decide).0;
        }
    }
}
