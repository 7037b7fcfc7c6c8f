use proto::isolation::v1::NeedKind;

use super::*;

fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("{text}:00+08:00")).unwrap().to_utc()
}

fn opened(every_days: i32) -> Opened {
    Opened {
        resident_id: "r1".into(),
        kind: NeedKind::Food.into(),
        every_days,
        begin_time: Some(timestamp(moment("2020-02-11T20:00"))),
        due_time: Some(timestamp(moment("2020-02-12T20:00"))),
        claim_hours: 4,
        confirm_hours: 24,
        escalation_hours: 6,
        ..Opened::default()
    }
}

/// The need after a decision that was accepted, and that adds nothing when it is made again.
fn then(given: &Need, decide: impl Fn(&Need) -> Result<Vec<Event>, Refused>) -> Need {
    let mut need = given.clone();
    for event in &decide(given).unwrap() {
        need.evolve(event);
    }
    assert_eq!(decide(&need).unwrap(), [], "decided again, it added an event");
    need
}

fn open(every_days: i32) -> Need {
    then(&Need::default(), |need| Ok(need.open(&opened(every_days))))
}

fn done(need: &Need, at: &str) -> Need {
    let claimed = then(need, |need| need.claim("volunteers/v1", false));
    then(&claimed, |need| need.complete(30, moment(at)))
}

#[test]
fn somebody_takes_it_does_it_and_the_person_confirms() {
    let need = done(&open(0), "2020-02-12T09:00");
    let met = then(&need, |need| need.confirm("c1", "residents/r1", false));
    assert_eq!((met.standing.clone(), met.times_met), (Standing::Confirmed, 1));
    assert_eq!(met.claim("staff/1", true), Err(Refused::Closed));
}

#[test]
fn who_did_it_does_not_confirm_it() {
    let need = done(&open(0), "2020-02-12T09:00");
    assert_eq!(need.confirm("c1", "volunteers/v1", false), Err(Refused::OwnWork));
    assert_eq!(open(0).confirm("c1", "residents/r1", false), Err(Refused::NotDone));
}

#[test]
fn what_the_person_calls_unmet_is_open_again_and_as_late_as_before() {
    let need = done(&open(0), "2020-02-12T09:00");
    let again = then(&need, |need| need.confirm("c1", "residents/r1", true));
    assert_eq!(again.standing, Standing::Open);
    assert_eq!(again.alarm(), Some((NeedAlarm::NobodyResponsible, moment("2020-02-12T00:00"))));
}

#[test]
fn two_do_not_run_for_the_same_thing() {
    let claimed = then(&open(0), |need| need.claim("volunteers/v1", false));
    assert_eq!(claimed.claim("staff/2", false), Err(Refused::Taken("volunteers/v1".into())));
    let taken_over = then(&claimed, |need| need.claim("staff/2", true));
    assert_eq!(taken_over.responsible(), "staff/2");
    assert_eq!(open(0).complete(5, moment("2020-02-12T09:00")), Err(Refused::NotClaimed));
}

#[test]
fn a_standing_need_comes_again_in_step_however_late_it_was_met() {
    let confirm = |need: &Need| need.confirm("c1", "residents/r1", false);
    let in_time = then(&done(&open(3), "2020-02-12T18:00"), confirm);
    assert_eq!((in_time.begins, in_time.due), (moment("2020-02-14T20:00"), moment("2020-02-15T20:00")));
    let late = then(&done(&open(3), "2020-02-18T08:00"), confirm);
    assert_eq!(late.begins, moment("2020-02-20T20:00"), "one turn that was missed is not made up for");
    assert_eq!(late.standing, Standing::Open);
}

#[test]
fn it_ends_with_its_order_and_never_twice() {
    let ended = then(&open(3), |need| Ok(need.end()));
    assert_eq!(ended.alarm(), None);
    assert!(Need::default().end().is_empty());
}

#[test]
fn the_alarm_is_the_clocks() {
    let open = open(0);
    assert_eq!(open.alarm(), Some((NeedAlarm::NobodyResponsible, moment("2020-02-12T00:00"))));
    let claimed = then(&open, |need| need.claim("staff/2", false));
    assert_eq!(claimed.alarm(), Some((NeedAlarm::Unmet, moment("2020-02-12T20:00"))));
    let done = done(&open, "2020-02-12T09:00");
    assert_eq!(done.alarm(), Some((NeedAlarm::Unconfirmed, moment("2020-02-13T09:00"))));
}

#[test]
fn an_alarm_goes_up_from_instance_to_instance() {
    let since = moment("2020-02-12T00:00");
    let at = |time: &str| instance(since, 6, moment(time));
    assert_eq!(at("2020-02-11T23:59"), NeedInstance::Unspecified);
    assert_eq!(at("2020-02-12T00:00"), NeedInstance::Grid);
    assert_eq!(at("2020-02-12T05:59"), NeedInstance::Grid);
    assert_eq!(at("2020-02-12T06:00"), NeedInstance::Neighbourhood);
    assert_eq!(at("2020-02-12T12:00"), NeedInstance::Subdistrict);
    assert_eq!(at("2020-03-12T12:00"), NeedInstance::Subdistrict);
}
