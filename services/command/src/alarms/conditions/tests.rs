//! Each condition a moment before its threshold, and at it.

use chrono::TimeDelta;
use proto::{
    Fact,
    command::v1::AlarmKind,
    isolation::v1::{
        Level,
        need_event::{Claimed, Confirmed, Opened as NeedOpened},
        order_event::{Missed, Observed},
    },
    pass::v1::device_event::{Enrolled, Opened as DeviceOpened, Reported, Retired},
    registry::v1::{Regime, Residence, compound_event::RegimeSet},
    screening::v1::{
        Instance, Measure, Outcome, OverrideInForce,
        case_event::{Assessed, DisputeEscalated, DisputeResolved},
    },
};

use super::*;
use crate::domain::alarm_rules::SHIPPED;

fn at(time: &str) -> DateTime<Utc> {
    format!("2020-{time}:00+08:00").parse().unwrap()
}

/// Records as the logs would hold them.
#[derive(Default)]
struct Logs(Conditions);

impl Logs {
    fn tell<E: Fact>(&mut self, actor: &str, stream: &str, time: DateTime<Utc>, event: &E) {
        self.0.take(&record(actor, stream, time, event)).unwrap();
    }

    fn verdict(&mut self, case: &str, time: DateTime<Utc>, verdict: Assessed) {
        self.tell("staff/worker", case, time, &case_event::Event::Assessed(verdict));
    }

    fn check(&self, time: DateTime<Utc>) -> Vec<Condition> {
        self.0.check(&SHIPPED, DateTime::<Utc>::MIN_UTC, time)
    }

    fn kinds(&self, time: DateTime<Utc>) -> Vec<AlarmKind> {
        self.check(time).iter().map(|found| found.kind).collect()
    }
}

fn record<E: Fact>(actor: &str, stream: &str, time: DateTime<Utc>, event: &E) -> Record {
    Record {
        category: E::CATEGORY.into(),
        stream_id: stream.into(),
        r#type: event.type_name().into(),
        payload: event.to_payload(),
        actor: actor.into(),
        office: "n1".into(),
        occurred_at: Some(chassis::timestamp(time)),
        ..Record::default()
    }
}

fn residence() -> Residence {
    Residence { neighbourhood_id: "n1".into(), ..Residence::default() }
}

fn adverse() -> Assessed {
    Assessed {
        residence: Some(residence()),
        outcome: Outcome::ConcealedKeyArea.into(),
        measure: Measure::Central.into(),
        ..Assessed::default()
    }
}

fn by_hand(unit: &str) -> Assessed {
    let hand = OverrideInForce {
        proposed_by: "staff/worker".into(),
        proposed_unit: unit.into(),
        approved_by: "staff/doctor".into(),
        approved_unit: "health".into(),
        ..OverrideInForce::default()
    };
    let (outcome, measure) = (Outcome::Overridden.into(), Measure::None.into());
    Assessed { residence: Some(residence()), outcome, measure, r#override: Some(hand), ..Assessed::default() }
}

const NOON: &str = "02-11T12:00";

/// So many verdicts, a minute apart from noon on.
fn told(logs: &mut Logs, count: i64, verdict: &Assessed) {
    for number in 0..count {
        logs.verdict(&format!("case-{number}"), at(NOON) + TimeDelta::minutes(number), verdict.clone());
    }
}

#[test]
fn so_many_verdicts_by_hand_of_one_unit_are_a_batch_and_one_less_is_none() {
    let few = i64::from(SHIPPED.manual_verdicts) - 1;
    let mut logs = Logs::default();
    told(&mut logs, few, &by_hand("neighbourhoods/n1"));
    assert_eq!(logs.kinds(at("02-11T12:30")), []);
    logs.verdict("another", at("02-11T12:30"), by_hand("n1"));
    let [batch] = &logs.check(at("02-11T12:30"))[..] else { panic!("one batch") };
    assert_eq!((batch.kind, batch.subject.as_str()), (AlarmKind::VerdictBatch, "neighbourhoods/n1"));
    assert_eq!((batch.since, i64::from(batch.count), batch.neighbourhood_id.as_str()), (at(NOON), few + 1, "n1"));
    assert_eq!(batch.matters.len(), batch.matters.iter().filter(|matter| matter.starts_with("cases/")).count());
    assert!(batch.signers.contains("staff/doctor"), "who approved them is part of it");
}

#[test]
fn units_are_counted_apart() {
    let few = i64::from(SHIPPED.manual_verdicts) - 1;
    let mut logs = Logs::default();
    told(&mut logs, few, &by_hand("n1"));
    told(&mut logs, few, &by_hand("health"));
    assert_eq!(logs.kinds(at(NOON)), []);
    logs.verdict("another", at("02-11T12:30"), by_hand("health"));
    let [batch] = &logs.check(at("02-11T12:30"))[..] else { panic!("one batch") };
    assert_eq!((batch.subject.as_str(), batch.neighbourhood_id.as_str()), ("units/health", ""));
}

#[test]
fn adverse_verdicts_are_a_batch_by_a_number_of_their_own_and_clear_ones_never() {
    let enough = i64::from(SHIPPED.adverse_verdicts);
    let mut logs = Logs::default();
    told(&mut logs, enough - 1, &adverse());
    let clear = Assessed { outcome: Outcome::Clear.into(), measure: Measure::None.into(), ..adverse() };
    told(&mut logs, enough, &clear);
    assert_eq!(logs.kinds(at("02-11T12:30")), []);
    logs.verdict("another", at("02-11T12:30"), adverse());
    assert_eq!(logs.kinds(at("02-11T12:30")), [AlarmKind::VerdictBatch]);
}

#[test]
fn what_follows_from_a_publication_is_no_batch() {
    let mut logs = Logs::default();
    for number in 0..100 {
        let again = case_event::Event::Assessed(Assessed { again: true, ..adverse() });
        logs.tell("reaction/screening", &format!("case-{number}"), at(NOON), &again);
    }
    assert_eq!(logs.kinds(at(NOON)), []);
    for number in 0..100 {
        let mut asked =
            record("reaction/screening", &format!("asked-{number}"), at(NOON), &case_event::Event::Assessed(adverse()));
        asked.command_id = "inquiry:1".into();
        logs.0.take(&asked).unwrap();
    }
    assert_eq!(logs.kinds(at(NOON)), [AlarmKind::VerdictBatch], "what a carrier answered later is somebody's work");
}

#[test]
fn verdicts_that_are_spread_over_a_longer_time_are_no_batch() {
    let enough = i64::from(SHIPPED.manual_verdicts);
    let span = TimeDelta::minutes(SHIPPED.batch_minutes.into());
    let mut logs = Logs::default();
    told(&mut logs, enough - 1, &by_hand("n1"));
    let mut late = Logs::default();
    told(&mut late, enough - 1, &by_hand("n1"));
    logs.verdict("in time", at(NOON) + span, by_hand("n1"));
    late.verdict("a second late", at(NOON) + span + TimeDelta::seconds(1), by_hand("n1"));
    assert_eq!(logs.kinds(at("02-11T14:00")).len(), 1);
    assert_eq!(late.kinds(at("02-11T14:00")), []);
}

#[test]
fn a_batch_that_goes_on_is_the_same_one_and_a_later_one_is_another() {
    let enough = i64::from(SHIPPED.manual_verdicts);
    let mut logs = Logs::default();
    told(&mut logs, enough, &by_hand("n1"));
    let first = logs.check(at("02-11T12:30")).remove(0);
    logs.verdict("more", at("02-11T12:50"), by_hand("n1"));
    let grown = logs.check(at("02-11T12:50")).remove(0);
    assert_eq!((grown.alarm_id(), grown.count), (first.alarm_id(), first.count + 1));
    for number in 0..enough {
        logs.verdict(&format!("evening-{number}"), at("02-11T20:00"), by_hand("n1"));
    }
    let both = logs.check(at("02-11T20:00"));
    assert_eq!(both.len(), 2);
    assert_ne!(both[1].alarm_id(), first.alarm_id());
}

#[test]
fn other_rules_judge_what_comes_behind_them() {
    let mut logs = Logs::default();
    told(&mut logs, 3, &by_hand("n1"));
    let stricter = AlarmRules { manual_verdicts: 3, ..SHIPPED.clone() };
    assert_eq!(logs.0.check(&stricter, at("02-11T12:03"), at("02-11T13:00")), []);
    assert_eq!(logs.0.check(&stricter, at("02-11T12:02"), at("02-11T13:00")).len(), 1);
}

/// A week in which the office is heard of between nine and five.
fn usual_week(logs: &mut Logs) {
    for day in 4..=10 {
        for hour in 9..17 {
            logs.tell("staff/worker", "case", at(&format!("02-{day:02}T{hour:02}:20")), &resolved());
        }
    }
}

fn resolved() -> case_event::Event {
    case_event::Event::DisputeResolved(DisputeResolved::default())
}

#[test]
fn an_office_that_is_silent_in_hours_in_which_it_usually_is_not_is_missed() {
    let mut logs = Logs::default();
    usual_week(&mut logs);
    logs.tell("staff/worker", "case", at("02-11T09:40"), &resolved());
    // What reactions write in its name is no sign of life.
    logs.tell("reaction/screening", "case", at("02-11T12:30"), &resolved());
    assert_eq!(logs.kinds(at("02-11T12:59")), [], "the third full hour is not over");
    let [silent] = &logs.check(at("02-11T13:00"))[..] else { panic!("one office") };
    assert_eq!((silent.kind, silent.subject.as_str()), (AlarmKind::SilentOffice, "neighbourhoods/n1"));
    assert_eq!((silent.since, silent.count), (at("02-11T09:40"), 3));
    logs.tell("staff/worker", "case", at("02-11T13:10"), &resolved());
    assert_eq!(logs.kinds(at("02-11T13:10")), [], "it is over by itself");
}

#[test]
fn a_night_is_no_silence() {
    let mut logs = Logs::default();
    usual_week(&mut logs);
    logs.tell("staff/worker", "case", at("02-11T16:40"), &resolved());
    assert_eq!(logs.kinds(at("02-12T11:59")), [], "two of its hours are over in the morning");
    assert_eq!(logs.kinds(at("02-12T12:00")), [AlarmKind::SilentOffice]);
}

#[test]
fn an_office_without_a_past_has_no_usual_hours() {
    let mut logs = Logs::default();
    logs.tell("staff/worker", "case", at("02-11T09:40"), &resolved());
    assert_eq!(logs.kinds(at("02-13T09:40")), []);
}

/// A device of a compound whose regime was set so.
fn gate(regime: Regime, from: &str) -> Logs {
    let mut logs = Logs::default();
    let set = RegimeSet { regime: regime.into(), from: from.into() };
    logs.tell("staff/d", "c1", at("01-30T08:00"), &compound_event::Event::RegimeSet(set));
    let opened = DeviceOpened {
        compound_id: "c1".into(),
        gate_id: "g1".into(),
        neighbourhood_id: "n1".into(),
        ..DeviceOpened::default()
    };
    logs.tell("staff/d", "d1", at("02-11T07:55"), &device_event::Event::Opened(opened));
    logs
}

fn reports(logs: &mut Logs, time: &str) {
    logs.tell("device/d1", "d1", at(time), &device_event::Event::Reported(Reported::default()));
}

#[test]
fn a_guarded_gate_of_which_nothing_arrives_is_missed_until_it_sends_again() {
    let mut logs = gate(Regime::Closed, "2020-01-30");
    assert_eq!(logs.kinds(at("02-11T12:00")), [], "a device that nobody enrolled sends nothing");
    logs.tell("device/d1", "d1", at("02-11T08:00"), &device_event::Event::Enrolled(Enrolled {}));
    reports(&mut logs, "02-11T09:00");
    assert_eq!(logs.kinds(at("02-11T10:59")), []);
    let [silent] = &logs.check(at("02-11T11:00"))[..] else { panic!("one gate") };
    assert_eq!((silent.kind, silent.subject.as_str(), silent.count), (AlarmKind::SilentGate, "devices/d1", 120));
    assert_eq!((silent.gate.as_str(), silent.since), ("compounds/c1/gates/g1", at("02-11T09:00")));
    reports(&mut logs, "02-11T11:05");
    assert_eq!(logs.kinds(at("02-11T11:05")), []);
    logs.tell("staff/d", "d1", at("02-11T11:10"), &device_event::Event::Retired(Retired {}));
    assert_eq!(logs.kinds(at("02-11T20:00")), [], "a retired device sends nothing");
}

#[test]
fn nothing_is_expected_of_a_gate_that_stands_open() {
    let mut open = gate(Regime::Open, "2020-01-30");
    open.tell("device/d1", "d1", at("02-11T08:00"), &device_event::Event::Enrolled(Enrolled {}));
    assert_eq!(open.kinds(at("02-11T18:00")), []);
    let mut later = gate(Regime::Closed, "2020-02-12");
    later.tell("device/d1", "d1", at("02-11T08:00"), &device_event::Event::Enrolled(Enrolled {}));
    assert_eq!(later.kinds(at("02-11T18:00")), []);
    // Guarded from midnight on, whose silence counts by the hours of the night.
    assert_eq!(later.kinds(at("02-12T04:59")), []);
    assert_eq!(later.check(at("02-12T05:00"))[0].since, at("02-12T00:00"));
}

#[test]
fn at_night_more_silence_is_usual_and_nightfall_takes_no_alarm_away() {
    let mut logs = gate(Regime::Sealed, "2020-01-30");
    logs.tell("device/d1", "d1", at("02-11T08:00"), &device_event::Event::Enrolled(Enrolled {}));
    reports(&mut logs, "02-11T20:30");
    assert_eq!(logs.kinds(at("02-11T22:30")), [], "two hours, at night");
    assert_eq!(logs.kinds(at("02-12T02:29")), []);
    assert_eq!(logs.kinds(at("02-12T02:30")), [AlarmKind::SilentGate]);
    reports(&mut logs, "02-12T03:00");
    assert_eq!(logs.kinds(at("02-12T05:00")), [AlarmKind::SilentGate], "the night ends and two hours are too long");
    let mut evening = gate(Regime::Sealed, "2020-01-30");
    evening.tell("device/d1", "d1", at("02-11T19:30"), &device_event::Event::Enrolled(Enrolled {}));
    for time in ["02-11T21:30", "02-11T22:10", "02-12T01:00"] {
        assert_eq!(evening.kinds(at(time)), [AlarmKind::SilentGate], "{time}");
    }
}

#[test]
fn a_dispute_that_lies_at_the_subdistrict_is_late_until_it_is_answered() {
    let mut logs = Logs::default();
    let up = |to: Instance| case_event::Event::DisputeEscalated(DisputeEscalated { to: to.into(), due: None });
    logs.tell("reaction/screening", "c1", at("02-11T08:00"), &up(Instance::Neighbourhood));
    assert_eq!(logs.kinds(at("02-11T20:00")), []);
    logs.tell("reaction/screening", "c1", at("02-11T12:00"), &up(Instance::Subdistrict));
    assert_eq!(logs.kinds(at("02-11T13:59")), []);
    logs.tell("reaction/screening", "c1", at("02-11T13:59"), &up(Instance::Health));
    let [late] = &logs.check(at("02-11T14:00"))[..] else { panic!("one alarm") };
    assert_eq!((late.kind, late.subject.as_str()), (AlarmKind::LateDisputes, "neighbourhoods/n1"));
    assert_eq!((late.since, late.count, &late.matters[..]), (at("02-11T14:00"), 1, &["cases/c1".to_owned()][..]));
    logs.tell("staff/officer", "c1", at("02-11T14:10"), &resolved());
    assert_eq!(logs.kinds(at("02-11T14:10")), []);
}

#[test]
fn readings_that_lie_at_the_subdistrict_are_late_until_somebody_is_there_again() {
    let mut logs = Logs::default();
    let missed = |level: Level| order_event::Event::Missed(Missed { slots: Vec::new(), level: level.into() });
    logs.tell("reaction/isolation", "o1", at("02-11T08:00"), &missed(Level::Neighbourhood));
    assert_eq!(logs.kinds(at("02-11T20:00")), []);
    logs.tell("reaction/isolation", "o1", at("02-11T12:00"), &missed(Level::Subdistrict));
    logs.tell("reaction/isolation", "o1", at("02-11T13:00"), &missed(Level::Grid));
    assert_eq!(logs.kinds(at("02-11T13:59")), []);
    let [late] = &logs.check(at("02-11T14:00"))[..] else { panic!("one alarm") };
    assert_eq!((late.kind, late.matters[0].as_str()), (AlarmKind::LateReadings, "orders/o1"));
    logs.tell("staff/worker", "o1", at("02-11T14:10"), &order_event::Event::Observed(Observed::default()));
    assert_eq!(logs.kinds(at("02-11T14:10")), []);
}

#[test]
fn a_need_that_nobody_claims_is_late_when_it_has_lain_at_the_subdistrict() {
    let mut logs = Logs::default();
    let stamp = |time: &str| Some(chassis::timestamp(at(time)));
    let opened = NeedOpened {
        residence: Some(residence()),
        begin_time: stamp("02-11T08:00"),
        due_time: stamp("02-12T08:00"),
        claim_hours: 4,
        escalation_hours: 1,
        ..NeedOpened::default()
    };
    logs.tell("staff/worker", "w1", at("02-11T08:00"), &need_event::Event::Opened(opened));
    // Nobody answers for it from twelve on; the subdistrict's two hours later, and late after two more.
    assert_eq!(logs.kinds(at("02-11T15:59")), []);
    let [late] = &logs.check(at("02-11T16:00"))[..] else { panic!("one alarm") };
    assert_eq!((late.kind, late.matters[0].as_str()), (AlarmKind::LateNeeds, "needs/w1"));
    let claimed = Claimed { responsible: "staff/7".into() };
    logs.tell("staff/worker", "w1", at("02-11T16:10"), &need_event::Event::Claimed(claimed));
    assert_eq!(logs.kinds(at("02-13T16:10")), []);
    let confirmed = Confirmed {
        next_begin_time: stamp("02-14T08:00"),
        next_due_time: stamp("02-15T08:00"),
        ..Confirmed::default()
    };
    logs.tell("staff/worker", "w1", at("02-13T16:20"), &need_event::Event::Confirmed(confirmed));
    assert_eq!(logs.kinds(at("02-14T15:59")), [], "its next turn has a clock of its own");
    assert_eq!(logs.kinds(at("02-14T16:00")), [AlarmKind::LateNeeds]);
    let ended = need_event::Event::Ended(need_event::Ended {});
    logs.tell("staff/worker", "w1", at("02-14T16:10"), &ended);
    assert_eq!(logs.kinds(at("02-14T16:10")), []);
}

#[test]
fn an_alarm_lasts_as_long_as_any_of_them_is_late_and_a_later_one_is_another() {
    let mut logs = Logs::default();
    let missed = order_event::Event::Missed(Missed { slots: Vec::new(), level: Level::Subdistrict.into() });
    let observed = order_event::Event::Observed(Observed::default());
    logs.tell("reaction/isolation", "o1", at("02-11T08:00"), &missed);
    logs.tell("reaction/isolation", "o2", at("02-11T09:00"), &missed);
    let first = logs.check(at("02-11T10:00")).remove(0);
    assert_eq!((first.count, logs.check(at("02-11T11:00"))[0].count), (1, 2));
    logs.tell("staff/worker", "o1", at("02-11T11:30"), &observed);
    let still = logs.check(at("02-11T11:30")).remove(0);
    assert_eq!((still.alarm_id(), still.count), (first.alarm_id(), 1), "the other one is late since then");
    logs.tell("staff/worker", "o2", at("02-11T11:40"), &observed);
    assert_eq!(logs.kinds(at("02-11T11:40")), []);
    logs.tell("reaction/isolation", "o1", at("02-11T11:45"), &missed);
    let later = logs.check(at("02-11T13:45")).remove(0);
    assert_ne!(later.alarm_id(), first.alarm_id());
}
