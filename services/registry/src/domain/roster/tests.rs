use proto::registry::v1::{Post, Shift, roster_event::Member};

use super::{suggestion::Load, *};
use crate::domain::given::given;

fn shift(label: &str, hour: i32, night: bool) -> Shift {
    Shift { label: label.into(), start_minute: hour * 60, minutes: 480, night }
}

/// Two gates for guards and two for workers, three shifts, ten of each.
fn opened(from: &str) -> Opened {
    let post = |gate: &str, kind: StaffKind| Post { gate: gate.into(), kind: kind.into(), people: 1 };
    let members = |kind: StaffKind, letter: char| {
        (0..10).map(move |number| Member { staff_id: format!("{letter}{number}"), kind: kind.into() })
    };
    Opened {
        from: from.into(),
        shifts: vec![shift("夜班", 0, true), shift("早班", 8, false), shift("中班", 16, false)],
        posts: vec![
            post("east", StaffKind::Guard),
            post("west", StaffKind::Guard),
            post("north", StaffKind::Worker),
            post("south", StaffKind::Worker),
        ],
        members: members(StaffKind::Guard, 'g').chain(members(StaffKind::Worker, 'w')).collect(),
        rest_hours: 12,
        ..Opened::default()
    }
}

fn open() -> Vec<Event> {
    given(&[]).when(|r: &Roster| r.open(&opened("2020-02-10"))).unwrap()
}

fn assigned(history: &[Event], wanted: &[(&str, &str)]) -> Result<Vec<Event>, Refusal> {
    let wanted: Vec<_> = wanted.iter().map(|(duty, staff)| ((*duty).to_owned(), (*staff).to_owned())).collect();
    let mut after = history.to_vec();
    after.extend(given(history).when(|r: &Roster| r.assign(&wanted, &[]))?);
    Ok(after)
}

fn full() -> Vec<Event> {
    let mut history = open();
    let suggestion = given(&history).then::<Roster>().suggest(&[], &[]);
    history.extend(given(&history).when(|r: &Roster| r.assign(&suggestion.assignments, &[])).unwrap());
    history
}

fn roster(history: &[Event]) -> Roster {
    given(history).then()
}

#[test]
fn a_week_begins_at_midnight_in_shanghai_and_has_every_seat() {
    let slots = roster(&open()).slots();
    assert_eq!(slots.len(), 7 * 3 * 4);
    assert_eq!(
        (slots[0].id.as_str(), slots[0].start.to_rfc3339()),
        ("2020-02-10.0.0.0", "2020-02-09T16:00:00+00:00".into())
    );
}

#[test]
fn the_suggestion_fills_every_gate_and_shares_the_nights() {
    let roster = roster(&open());
    let suggestion = roster.suggest(&[], &[]);
    assert!(suggestion.unfilled.is_empty(), "{:?}", suggestion.unfilled);
    for kind in [StaffKind::Guard, StaffKind::Worker] {
        let loads: Vec<&Load> = suggestion.loads.iter().filter(|load| load.kind == kind).collect();
        let spread = |of: fn(&Load) -> i32| {
            let numbers = loads.iter().map(|load| of(load));
            numbers.clone().max().unwrap() - numbers.min().unwrap()
        };
        assert!(spread(|load| load.nights) <= 1, "{loads:?}");
        assert!(spread(|load| load.shifts) <= 1, "{loads:?}");
    }
    assert_eq!(roster.suggest(&[], &[]).assignments, suggestion.assignments, "the same roster, the same answer");
}

#[test]
fn what_is_suggested_can_be_assigned() {
    let roster = roster(&full());
    assert!(roster.slots().iter().all(|slot| roster.holder(&slot.id).is_some()));
}

#[test]
fn who_had_the_nights_before_has_fewer_now() {
    let night = |staff: &str, day: i64| {
        let start = DateTime::<Utc>::default() + TimeDelta::days(day);
        Busy { staff_id: staff.into(), start, end: start + TimeDelta::hours(8), night: true }
    };
    let before: Vec<Busy> = (0..3).map(|day| night("g0", day)).collect();
    let loads = roster(&open()).suggest(&before, &[]).loads;
    assert_eq!((loads[0].nights, loads[0].nights_before), (0, 3));
}

#[test]
fn between_two_shifts_there_is_rest() {
    let history = assigned(&open(), &[("2020-02-10.1.0.0", "g0")]).unwrap();
    let too_soon = Err(Refusal::TooLittleRest { duty: "2020-02-11.0.0.0".into(), hours: 12 });
    assert_eq!(assigned(&history, &[("2020-02-11.0.0.0", "g0")]), too_soon);
    assert!(assigned(&history, &[("2020-02-11.1.0.0", "g0")]).is_ok());
    let two_at_once = assigned(&history, &[("2020-02-10.1.1.0", "g0")]);
    assert!(matches!(two_at_once, Err(Refusal::TooLittleRest { .. })));
    let sunday = roster(&assigned(&open(), &[("2020-02-16.2.0.0", "g0")]).unwrap()).busy();
    let mut next = Roster::default();
    next.evolve(&Event::Opened(opened("2020-02-17")));
    let monday = vec![("2020-02-17.0.0.0".to_owned(), "g0".to_owned())];
    assert!(matches!(next.assign(&monday, &sunday), Err(Refusal::TooLittleRest { .. })), "over the week's end, too");
}

#[test]
fn a_guard_holds_no_workers_post_and_no_duty_is_held_by_two() {
    assert_eq!(assigned(&open(), &[("2020-02-10.1.0.0", "w0")]), Err(Refusal::NotOnRoster));
    assert_eq!(assigned(&open(), &[("2020-02-10.1.0.0", "x")]), Err(Refusal::NotOnRoster));
    assert_eq!(assigned(&open(), &[("2020-02-30.1.0.0", "g0")]), Err(Refusal::Unknown));
    let twice = assigned(&open(), &[("2020-02-10.1.0.0", "g0"), ("2020-02-10.1.0.0", "g1")]);
    assert_eq!(twice, Err(Refusal::Taken { duty: "2020-02-10.1.0.0".into() }));
}

#[test]
fn who_will_not_come_leaves_gaps_that_others_fill_in_their_place() {
    let mut history = assigned(&open(), &[("2020-02-10.1.0.0", "g0")]).unwrap();
    let monday = "2020-02-10".parse().unwrap();
    history.extend(given(&history).when(|r: &Roster| r.report_absence("g0", monday)).unwrap());
    let state = roster(&history);
    assert_eq!((state.holder("2020-02-10.1.0.0"), state.left("2020-02-10.1.0.0")), (None, Some("g0")));
    let back = assigned(&history, &[("2020-02-10.2.0.0", "g0")]);
    assert_eq!(back, Err(Refusal::Absent { duty: "2020-02-10.2.0.0".into() }));
    assert!(
        state
            .suggest(&[], &[])
            .assignments
            .iter()
            .all(|(duty, staff)| staff != "g0" || !duty.starts_with("2020-02-10"))
    );
    let filled = assigned(&history, &[("2020-02-10.1.0.0", "g1")]).unwrap();
    assert_eq!(roster(&filled).holder("2020-02-10.1.0.0").unwrap().instead_of, "g0");
}

#[test]
fn duties_change_hands_when_both_have_agreed() {
    let mut history = assigned(&open(), &[("2020-02-10.1.0.0", "g0"), ("2020-02-12.1.0.0", "g1")]).unwrap();
    let duties = ("2020-02-10.1.0.0", "2020-02-12.1.0.0");
    let propose = |by: &'static str| move |r: &Roster| r.propose_swap(("s1", by), duties, &[]);
    assert_eq!(given(&history).when(propose("g2")), Err(Refusal::NotYours));
    history.extend(given(&history).when(propose("g0")).unwrap());
    assert_eq!(roster(&history).holder(duties.0).unwrap().staff_id, "g0", "one consent is not enough");
    let answer = |by: &'static str, agree| move |r: &Roster| r.answer_swap("s1", (by, agree), &[]);
    assert_eq!(given(&history).when(answer("g0", true)), Err(Refusal::NotYours));
    history.extend(given(&history).when(answer("g1", true)).unwrap());
    let state = roster(&history);
    assert_eq!(state.holder(duties.0).unwrap().staff_id, "g1");
    assert_eq!(state.holder(duties.1).unwrap().staff_id, "g0");
    assert_eq!(given(&history).when(answer("g1", false)), Err(Refusal::SwapClosed));
}

#[test]
fn a_swap_that_would_take_the_rest_is_not_offered() {
    let wanted = [("2020-02-10.1.0.0", "g0"), ("2020-02-10.2.0.0", "g1"), ("2020-02-11.1.1.0", "g0")];
    let history = assigned(&open(), &wanted).unwrap();
    let late = ("2020-02-10.1.0.0", "2020-02-10.2.0.0");
    let refused = given(&history).when(|r: &Roster| r.propose_swap(("s1", "g0"), late, &[]));
    assert!(matches!(refused, Err(Refusal::TooLittleRest { .. })), "{refused:?}");
}
