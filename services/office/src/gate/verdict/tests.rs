use credential::{
    glance::Glance,
    list::Contents,
    time::Second,
    verify::{Pass, Refusal},
};

use super::*;

const HERE: u16 = 7;
const WELL: Measured = Measured { decicelsius: Some(365), mask: true };

fn number(index: u32) -> PassNumber {
    PassNumber::new(index, [1; 5]).unwrap()
}

fn payload(index: u32) -> Payload {
    Payload {
        kind: Kind::Paper,
        key_id: 1,
        number: number(index),
        issued: Hour(900),
        expires: Hour(1300),
        compound: HERE,
        rule: Rule::Unrestricted,
        household: [1; 3],
        glance: Glance::default(),
        photo_key: [0; 10],
    }
}

fn good(payload: Payload) -> verify::Verdict {
    verify::Verdict { answer: Ok(Pass { payload, slot: None }), age: None }
}

struct Post {
    list: SuspensionList,
    memory: Memory,
    direction: Direction,
}

impl Post {
    /// 3 is suspended, 4 revoked.
    fn new(direction: Direction) -> Self {
        let listed = vec![(3, State::Suspended), (4, State::Revoked)];
        let contents = Contents { sequence: 1, made: Second(0), high_water: 9, listed, ..Contents::default() };
        Self { list: SuspensionList::new(contents).unwrap(), memory: Memory::default(), direction }
    }

    fn sees(&self, who: &Who<'_>) -> Seen {
        let now = "2020-02-11T08:00:00Z".parse().unwrap();
        let (memory, direction) = (&self.memory, self.direction);
        let limits = Limits::default();
        see(who, &Around { compounds: &[HERE], list: Some(&self.list), memory, limits, now, direction })
    }

    fn finds(&self, who: &Who<'_>) -> (Decision, Vec<Finding>) {
        let seen = self.sees(who);
        (seen.decision, seen.findings)
    }
}

fn refused_with(finding: Finding) -> (Decision, Vec<Finding>) {
    (Decision::Refused, vec![finding])
}

#[test]
fn a_good_pass_opens_the_gates_of_its_compound_alone() {
    let post = Post::new(Direction::In);
    assert_eq!(post.finds(&Who::Code(&good(payload(1)))), (Decision::Allowed, vec![Finding::Valid]));
    let foreign = good(Payload { compound: 8, ..payload(1) });
    assert_eq!(post.finds(&Who::Code(&foreign)), refused_with(Finding::OtherCompound));
}

#[test]
fn every_reason_to_refuse_a_code_becomes_a_finding_and_a_refusal() {
    let post = Post::new(Direction::In);
    for reason in Reason::ALL {
        let verdict = verify::Verdict { answer: Err(Refusal { reason, payload: None }), age: None };
        let seen = post.sees(&Who::Code(&verdict));
        assert_eq!((seen.decision, seen.reason), (Decision::Refused, Some(reason)));
        assert!(!seen.findings.contains(&Finding::Valid));
    }
}

#[test]
fn a_typed_number_counts_where_this_gate_has_read_the_pass() {
    let mut post = Post::new(Direction::Out);
    assert_eq!(post.finds(&Who::Number(number(1))), refused_with(Finding::Unverified));
    assert_eq!(post.finds(&Who::Number(number(3))), refused_with(Finding::Suspended));
    assert_eq!(post.finds(&Who::Number(number(4))), refused_with(Finding::Revoked));
    let mut entry = crate::gate::journal::tests::entry("");
    for (index, expires) in [(1, 1300), (2, 0)] {
        let facts = Facts { expires, ..facts(&payload(index)) };
        let number = number(index).to_string();
        entry.who = crate::gate::journal::Whom::Pass { number, typed: false, facts: Some(facts) };
        post.memory.note(&entry);
    }
    assert_eq!(post.finds(&Who::Number(number(1))), (Decision::Allowed, vec![Finding::Valid]));
    assert_eq!(post.finds(&Who::Number(number(2))), refused_with(Finding::Expired));
    assert_eq!(post.finds(&Who::Slip), refused_with(Finding::Unreadable));
}

#[test]
fn staff_vouch_for_anybody_but_not_for_going_out_against_a_suspension() {
    let (inward, outward) = (Post::new(Direction::In), Post::new(Direction::Out));
    let manual = (Decision::Allowed, vec![Finding::Manual]);
    assert_eq!(inward.finds(&Who::Known(None)), manual);
    assert_eq!(outward.finds(&Who::Known(Some(number(1)))), manual);
    assert_eq!(outward.finds(&Who::Known(Some(number(3)))), refused_with(Finding::Suspended));
    let home = (Decision::Allowed, vec![Finding::Manual, Finding::Suspended]);
    assert_eq!(inward.finds(&Who::Known(Some(number(3)))), home, "nobody is kept out of home");
}

#[test]
fn visitors_enter_by_three_exceptions_and_leave_always() {
    let (inward, outward) = (Post::new(Direction::In), Post::new(Direction::Out));
    let visitor = |exception, guarantor| Who::Visitor { exception, guarantor };
    for (exception, guarantor, welcome) in [
        (Exception::Inspector, Guarantor::Unnamed, true),
        (Exception::Service, Guarantor::Named(None), true),
        (Exception::Carer, Guarantor::Named(Some(number(1))), true),
        (Exception::Carer, Guarantor::Named(Some(number(3))), false),
        (Exception::Service, Guarantor::Unnamed, false),
        (Exception::None, Guarantor::Named(None), false),
    ] {
        let decision = if welcome { Decision::Allowed } else { Decision::Refused };
        assert_eq!(inward.sees(&visitor(exception, guarantor)).decision, decision, "{exception:?} {guarantor:?}");
        assert_eq!(outward.sees(&visitor(exception, guarantor)).decision, Decision::Allowed);
    }
}

#[test]
fn nothing_soft_locks_a_resident_out_and_a_visitor_enters_measured_well_and_with_a_mask() {
    let post = Post::new(Direction::In);
    let resident = post.sees(&Who::Code(&good(payload(1))));
    let guest = post.sees(&Who::Visitor { exception: Exception::Inspector, guarantor: Guarantor::Unnamed });
    for (measured, finding) in [
        (Measured { decicelsius: Some(373), ..WELL }, Finding::Fever),
        (Measured { mask: false, ..WELL }, Finding::NoMask),
        (Measured { decicelsius: None, ..WELL }, Finding::NotMeasured),
    ] {
        let (decision, findings) = weigh(&resident, measured, 373, Direction::In);
        assert_eq!((decision, &findings[..]), (Decision::Allowed, &[Finding::Valid, finding][..]));
        assert_eq!(colour(decision, &findings, Some(Freshness::Green)), Colour::Amber);
        assert_eq!(weigh(&guest, measured, 373, Direction::In).0, Decision::Refused);
        assert_eq!(weigh(&guest, measured, 373, Direction::Out).0, Decision::Allowed);
    }
    assert_eq!(weigh(&resident, Measured { decicelsius: Some(372), ..WELL }, 373, Direction::In).1, [Finding::Valid]);
    assert!(!is_fever(Some(420), 0), "no method says from when on");
}

#[test]
fn the_quota_keeps_a_household_in_and_never_out() {
    let pass = |index| good(Payload { rule: Rule::OneOutingPer(2), ..payload(index) });
    let (mut outward, mut inward) = (Post::new(Direction::Out), Post::new(Direction::In));
    assert_eq!(outward.sees(&Who::Code(&pass(1))).decision, Decision::Allowed);
    let mut entry = crate::gate::journal::tests::entry("");
    let facts = outward.sees(&Who::Code(&pass(1))).facts;
    entry.who = crate::gate::journal::Whom::Pass { number: number(1).to_string(), typed: false, facts };
    entry.direction = Direction::Out.into();
    entry.at = "2020-02-11T06:00:00Z".parse().unwrap();
    outward.memory.note(&entry);
    inward.memory.note(&entry);
    assert_eq!(outward.finds(&Who::Code(&pass(2))), refused_with(Finding::Quota));
    assert_eq!(inward.finds(&Who::Code(&pass(2))), (Decision::Allowed, vec![Finding::Valid]));
    assert_eq!(outward.finds(&Who::Known(Some(number(2)))), (Decision::Allowed, vec![Finding::Manual]));
}

#[test]
fn nothing_is_green_under_an_old_list_or_none() {
    let valid = [Finding::Valid];
    assert_eq!(colour(Decision::Allowed, &valid, Some(Freshness::Green)), Colour::Green);
    for list in [None, Some(Freshness::Amber), Some(Freshness::Stale)] {
        assert_eq!(colour(Decision::Allowed, &valid, list), Colour::Amber);
    }
    assert_eq!(colour(Decision::Refused, &valid, Some(Freshness::Green)), Colour::Red);
}
