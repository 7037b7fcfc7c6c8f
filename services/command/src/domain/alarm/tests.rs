use super::*;

fn at(time: &str) -> DateTime<Utc> {
    format!("2020-02-11T{time}:00+08:00").parse().unwrap()
}

fn gate() -> Condition {
    Condition {
        kind: AlarmKind::SilentGate,
        subject: "devices/d1".into(),
        neighbourhood_id: "n1".into(),
        gate: "compounds/c1/gates/g1".into(),
        since: at("08:00"),
        count: 120,
        matters: Vec::new(),
        signers: BTreeSet::new(),
    }
}

fn batch(count: i32) -> Condition {
    Condition {
        kind: AlarmKind::VerdictBatch,
        subject: "neighbourhoods/n1".into(),
        gate: String::new(),
        count,
        matters: vec!["cases/1".into()],
        signers: ["staff/worker".to_owned(), "staff/doctor".to_owned()].into(),
        ..gate()
    }
}

fn hand(by: &str, unit: &str, scope: Scope) -> Hand {
    Hand { by: by.into(), unit: unit.into(), scope, now: at("10:30"), read: None }
}

fn director() -> Hand {
    hand("staff/director", "n1", Scope::Neighbourhood("n1".into()))
}

fn officer() -> Hand {
    hand("staff/officer", "subdistrict", Scope::Everywhere)
}

type Step<'a> = &'a dyn Fn(&Alarm) -> Result<Vec<Event>, Refused>;

/// What becomes of an alarm by these decisions, each of which says nothing new when it is made again.
fn after(steps: &[Step<'_>]) -> Alarm {
    let mut alarm = Alarm::default();
    for step in steps {
        let events = step(&alarm).unwrap();
        assert!(!events.is_empty(), "a step says something");
        for event in &events {
            alarm.evolve(event);
        }
        assert_eq!(step(&alarm), Ok(Vec::new()), "said twice is said once");
    }
    alarm
}

fn raise(found: Condition) -> impl Fn(&Alarm) -> Result<Vec<Event>, Refused> {
    move |alarm| Ok(alarm.raise(&found, 4, at("10:00")))
}

#[test]
fn a_condition_has_the_same_id_whenever_it_is_found_and_another_for_another_beginning() {
    assert_eq!(gate().alarm_id(), Condition { count: 500, ..gate() }.alarm_id());
    assert_ne!(gate().alarm_id(), Condition { since: at("08:01"), ..gate() }.alarm_id());
    assert_ne!(gate().alarm_id(), Condition { subject: "devices/d2".into(), ..gate() }.alarm_id());
}

#[test]
fn an_office_acknowledges_its_own_alarm_and_closes_it_with_a_word_on_what_came_of_it() {
    let closed = after(&[
        &raise(gate()),
        &|alarm| alarm.acknowledge(&director(), 1),
        &|alarm| alarm.assign("staff/7", &director(), 2),
        &|alarm| alarm.close("网线松动，已插好", &director(), 3),
    ]);
    assert_eq!((closed.standing, closed.owner.as_str()), (Standing::Closed, "staff/7"));
    let deeds: Vec<Deed> = closed.steps.iter().map(AlarmStep::deed).collect();
    assert_eq!(deeds, [Deed::Raised, Deed::Acknowledged, Deed::Assigned, Deed::Closed]);
    assert_eq!(closed.close("另一句话", &director(), 4), Err(Refused::Closed));
    assert_eq!(closed.acknowledge(&director(), 4), Err(Refused::Closed));
    assert_eq!(closed.assign("staff/8", &director(), 4), Err(Refused::Closed));
    assert_eq!(closed.end(at("11:00")), []);
}

#[test]
fn who_acknowledges_answers_for_it_unless_somebody_does() {
    let alarm = after(&[&raise(gate()), &|alarm| alarm.acknowledge(&director(), 1)]);
    assert_eq!(alarm.owner, "staff/director");
    let alarm = after(&[&raise(gate()), &|alarm| alarm.assign("staff/7", &officer(), 1), &|alarm| {
        alarm.acknowledge(&director(), 2)
    }]);
    assert_eq!(alarm.owner, "staff/7");
}

#[test]
fn another_office_is_told_what_it_is_told_of_an_alarm_that_does_not_exist() {
    let alarm = after(&[&raise(gate())]);
    let stranger = hand("staff/x", "n2", Scope::Neighbourhood("n2".into()));
    assert_eq!(alarm.acknowledge(&stranger, 1), Err(Refused::NotFound));
    assert_eq!(Alarm::default().acknowledge(&officer(), 0), Err(Refused::NotFound));
}

#[test]
fn nobody_closes_an_alarm_about_their_own_conduct() {
    let alarm = after(&[&raise(batch(5))]);
    assert_eq!(alarm.level, AlarmLevel::Subdistrict);
    let of_the_unit = hand("staff/sent", "neighbourhoods/n1", Scope::Everywhere);
    let signer = hand("staff/doctor", "health", Scope::Everywhere);
    for who in [director(), of_the_unit, signer] {
        assert_eq!(alarm.acknowledge(&who, 1), Err(Refused::NotYours), "{}", who.by);
        assert_eq!(alarm.assign("staff/7", &who, 1), Err(Refused::NotYours), "{}", who.by);
        assert_eq!(alarm.close("没有问题", &who, 1), Err(Refused::NotYours), "{}", who.by);
    }
    assert!(alarm.close("每一例都有证据", &officer(), 1).is_ok());
}

#[test]
fn what_an_office_let_go_up_to_the_subdistrict_is_not_its_own_to_close() {
    let late = Condition { kind: AlarmKind::LateDisputes, subject: "neighbourhoods/n1".into(), ..gate() };
    let alarm = after(&[&raise(late)]);
    assert_eq!(alarm.close("已经处理完毕", &director(), 1), Err(Refused::NotYours));
    // It was the office's, and may still be mended by it.
    let gone_up = after(&[&raise(gate()), &|alarm| Ok(alarm.go_up(at("14:00")))]);
    assert!(gone_up.close("已经处理完毕", &director(), 2).is_ok());
}

#[test]
fn what_nobody_acknowledges_goes_up_step_by_step_and_not_before_its_time() {
    let alarm = after(&[&raise(gate())]);
    assert_eq!(alarm.go_up(at("13:59")), [], "a minute before");
    let once = after(&[&raise(gate()), &|alarm| Ok(alarm.go_up(at("14:00")))]);
    assert_eq!((once.level, once.due), (AlarmLevel::Subdistrict, Some(at("18:00"))));
    let twice = after(&[&raise(gate()), &|alarm| Ok(alarm.go_up(at("14:00"))), &|alarm| Ok(alarm.go_up(at("18:00")))]);
    assert_eq!((twice.level, twice.due), (AlarmLevel::Health, None));
    let seen = after(&[&raise(gate()), &|alarm| alarm.acknowledge(&director(), 1)]);
    assert_eq!(seen.go_up(at("23:00")), []);
}

#[test]
fn a_silence_is_over_by_itself_and_may_still_be_explained() {
    let over = after(&[&raise(gate()), &|alarm| Ok(alarm.end(at("11:00"))), &|alarm| {
        alarm.close("设备断电两小时", &director(), 2)
    }]);
    assert_eq!((over.standing, over.ended), (Standing::Closed, Some(at("11:00"))));
    let batch = after(&[&raise(batch(5))]);
    assert_eq!(batch.end(at("11:00")), [], "a batch stays until somebody has looked into it");
}

#[test]
fn what_holds_again_after_it_was_over_waits_for_somebody_again_unless_it_was_closed() {
    let over = after(&[&raise(gate()), &|alarm| Ok(alarm.end(at("11:00")))]);
    let again = after(&[&raise(gate()), &|alarm| Ok(alarm.end(at("11:00"))), &raise(gate())]);
    assert_eq!((over.is_open(), again.is_open(), again.ended), (false, true, None));
    let closed = after(&[&raise(gate()), &|alarm| alarm.close("已经处理完毕", &director(), 1)]);
    assert_eq!(closed.raise(&gate(), 4, at("12:00")), []);
}

#[test]
fn a_batch_that_doubles_is_told_again_also_after_it_was_closed() {
    let closed = after(&[&raise(batch(5)), &|alarm| alarm.close("每一例都有证据", &officer(), 1)]);
    assert_eq!(closed.raise(&batch(9), 4, at("11:00")), [], "one less than twice as many");
    let more = Condition { signers: ["staff/officer".to_owned()].into(), ..batch(10) };
    let open = after(&[&raise(batch(5)), &|alarm| alarm.close("每一例都有证据", &officer(), 1), &|alarm| {
        Ok(alarm.raise(&more, 4, at("11:00")))
    }]);
    assert_eq!((open.standing, open.count, open.due), (Standing::Open, 10, Some(at("15:00"))));
    assert_eq!(
        open.close("没有问题", &officer(), 3),
        Err(Refused::NotYours),
        "who signed since then does not close it"
    );
}

#[test]
fn two_people_do_not_decide_on_what_only_one_of_them_has_read() {
    let alarm = after(&[&raise(gate()), &|alarm| alarm.assign("staff/7", &officer(), 1)]);
    let behind = Hand { read: Some(1), ..director() };
    assert_eq!(alarm.acknowledge(&behind, 2), Err(Refused::Stale));
    assert_eq!(alarm.assign("staff/8", &behind, 2), Err(Refused::Stale));
    assert_eq!(alarm.close("已经处理完毕", &behind, 2), Err(Refused::Stale));
    assert!(alarm.close("已经处理完毕", &Hand { read: Some(2), ..director() }, 2).is_ok());
}
