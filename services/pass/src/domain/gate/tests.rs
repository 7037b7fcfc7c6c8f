use chassis::Aggregate as _;
use credential::number::PassNumber;
use proto::{
    pass::v1::{self, Reason},
    registry::v1::Residence,
};

use super::*;
use crate::domain::{access::Limits, holder::Issue};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn noon() -> DateTime<Utc> {
    at("2020-02-11T04:00:00Z")
}

fn evolve(mut holder: Holder, events: &[<Holder as chassis::Aggregate>::Event]) -> Holder {
    for event in events {
        holder.evolve(event);
    }
    holder
}

fn home() -> Residence {
    Residence { neighbourhood_id: "n".to_owned(), compound_id: "c".to_owned(), household_id: "h".to_owned() }
}

fn number(index: u32) -> PassNumber {
    PassNumber::new(index, [7; 5]).unwrap()
}

fn with_pass() -> Holder {
    let holder = Holder::default();
    let holder = evolve(holder.clone(), &holder.clear("cases/1", &home()));
    let issued = holder
        .issue(Issue {
            number: number(1),
            now: noon(),
            pass_days: Some(14),
            key_id: 1,
            recalled: false,
            access: v1::Access::Unspecified,
            limits: Limits::default(),
            compound: 7,
        })
        .unwrap();
    evolve(holder, &issued)
}

fn barred(holder: &Holder, by: &str, reason: Reason) -> Holder {
    evolve(holder.clone(), &holder.bar(by, reason, "", &home()))
}

fn crossing(who: Who<'_>, direction: Direction) -> Passage<'_> {
    let measured = Some(Measured { decicelsius: 365, mask: true });
    Passage {
        who,
        at: noon(),
        direction: Some(direction),
        measured,
        fever_from: Some(373),
        limits: Limits::default(),
        outings: 0,
    }
}

fn scan(holder: &Holder) -> Who<'_> {
    Who::Scanned(Scan::Ours { number: "000007R1S3F0G", resident: Resident { holder, lives_here: true } })
}

/// With the holder's own number.
fn judged(holder: &Holder, direction: Direction) -> Judgement {
    let number = holder.pass().map_or(String::new(), |pass| pass.number.clone());
    let resident = Resident { holder, lives_here: true };
    judge(&crossing(Who::Scanned(Scan::Ours { number: &number, resident }), direction))
}

fn known(holder: &Holder, direction: Direction) -> Judgement {
    judge(&crossing(Who::Known(Resident { holder, lives_here: true }), direction))
}

fn verdict(judgement: &Judgement) -> (Decision, &[Finding]) {
    assert!(!judgement.zh.is_empty() && !judgement.en.is_empty(), "the guard needs words: {judgement:?}");
    (judgement.decision, &judgement.findings)
}

#[test]
fn a_valid_pass_opens_the_gate_both_ways() {
    for direction in [Direction::In, Direction::Out] {
        assert_eq!(verdict(&judged(&with_pass(), direction)), (Decision::Allowed, &[Finding::Valid][..]));
    }
}

#[test]
fn only_a_code_of_ours_counts() {
    for (scan, finding) in [(Scan::Unreadable, Finding::Unreadable), (Scan::BadSignature, Finding::BadSignature)] {
        let judgement = judge(&crossing(Who::Scanned(scan), Direction::In));
        assert_eq!(verdict(&judgement), (Decision::Refused, &[finding][..]));
    }
    let unknown = judge(&crossing(scan(&with_pass()), Direction::In));
    assert_eq!(verdict(&unknown), (Decision::Refused, &[Finding::Unreadable][..]));
}

#[test]
fn a_pass_that_does_not_hold_is_refused_and_says_why() {
    let holder = with_pass();
    let suspended = evolve(holder.clone(), &holder.suspend(Reason::Lent, &[]).unwrap());
    let revoked = evolve(holder.clone(), &holder.revoke(Reason::Lost, &[]).unwrap());
    let by_verdict = barred(&holder, "cases/2", Reason::Verdict);
    for (holder, finding) in
        [(suspended, Finding::Suspended), (revoked, Finding::Revoked), (by_verdict, Finding::Suspended)]
    {
        assert_eq!(verdict(&judged(&holder, Direction::In)), (Decision::Refused, &[finding][..]));
    }
}

#[test]
fn a_pass_counts_from_its_issue_to_its_expiry_and_at_its_own_compound() {
    let holder = with_pass();
    let pass = holder.pass().unwrap();
    let check = |at, lives_here| {
        let who = Who::Scanned(Scan::Ours { number: &pass.number, resident: Resident { holder: &holder, lives_here } });
        judge(&Passage { at, ..crossing(who, Direction::In) }).findings
    };
    assert_eq!(check(at("2020-02-11T03:59:59Z"), true), [Finding::NotYetValid]);
    assert_eq!(check(at("2020-02-25T03:59:59Z"), true), [Finding::Valid]);
    assert_eq!(check(at("2020-02-25T04:00:00Z"), true), [Finding::Expired]);
    assert_eq!(check(noon(), false), [Finding::OtherCompound]);
}

#[test]
fn a_replaced_pass_is_refused() {
    let holder = with_pass();
    let holder = evolve(holder.clone(), &holder.suspend(Reason::Lost, &[]).unwrap());
    let issue = Issue {
        number: number(2),
        now: noon(),
        pass_days: Some(14),
        key_id: 1,
        recalled: false,
        access: v1::Access::Unspecified,
        limits: Limits::default(),
        compound: 7,
    };
    let holder = evolve(holder.clone(), &holder.issue(issue).unwrap());
    let old = number(1).to_string();
    let who = Who::Scanned(Scan::Ours { number: &old, resident: Resident { holder: &holder, lives_here: true } });
    assert_eq!(judge(&crossing(who, Direction::In)).findings, [Finding::Replaced]);
    assert_eq!(judged(&holder, Direction::In).findings, [Finding::Valid]);
}

#[test]
fn an_isolated_person_is_refused_both_ways_also_when_staff_vouch() {
    let holder = barred(&with_pass(), "orders/1", Reason::IsolationOrder);
    for direction in [Direction::In, Direction::Out] {
        for judgement in [judged(&holder, direction), known(&holder, direction)] {
            assert_eq!(verdict(&judgement), (Decision::Refused, &[Finding::Isolated][..]));
            assert!(judgement.en.contains("the worker is coming"));
        }
    }
}

#[test]
fn a_feverish_resident_is_let_in_and_sent_to_the_fever_clinic() {
    let holder = with_pass();
    let pass = holder.pass().unwrap();
    let resident = Resident { holder: &holder, lives_here: true };
    let feverish = |who, decicelsius| {
        let measured = Some(Measured { decicelsius, mask: true });
        judge(&Passage { measured, ..crossing(who, Direction::In) })
    };
    let who = Who::Scanned(Scan::Ours { number: &pass.number, resident });
    let judgement = feverish(who, 373);
    assert_eq!(verdict(&judgement), (Decision::Allowed, &[Finding::Valid, Finding::Fever][..]));
    assert!(judgement.en.contains("fever clinic"));
    assert_eq!(feverish(who, 372).findings, [Finding::Valid]);
    assert_eq!(feverish(Who::Known(resident), 380).decision, Decision::Allowed);
}

#[test]
fn a_feverish_visitor_is_refused_entry_and_may_leave() {
    let who = Who::Visitor { exception: Exception::Inspector, guarantor: Guarantor::Unnamed };
    let measured = Some(Measured { decicelsius: 373, mask: true });
    let entering = judge(&Passage { measured, ..crossing(who, Direction::In) });
    assert_eq!(verdict(&entering), (Decision::Refused, &[Finding::Valid, Finding::Fever][..]));
    assert!(!entering.en.contains("go through"));
    let leaving = judge(&Passage { measured, ..crossing(who, Direction::Out) });
    assert_eq!(leaving.decision, Decision::Allowed);
}

#[test]
fn a_missing_mask_is_said_and_keeps_only_visitors_out() {
    let holder = with_pass();
    let resident = Resident { holder: &holder, lives_here: true };
    let unmasked = |who| {
        let measured = Some(Measured { decicelsius: 365, mask: false });
        judge(&Passage { measured, ..crossing(who, Direction::In) })
    };
    let judgement = unmasked(Who::Known(resident));
    assert_eq!(verdict(&judgement), (Decision::Allowed, &[Finding::Manual, Finding::NoMask][..]));
    assert!(judgement.zh.contains("口罩"));
    let inspector = Who::Visitor { exception: Exception::Inspector, guarantor: Guarantor::Unnamed };
    assert_eq!(unmasked(inspector).decision, Decision::Refused);
}

#[test]
fn visitors_stay_out_with_three_exceptions() {
    for (exception, guarantor, decision) in [
        (Exception::None, Guarantor::LivesHere, Decision::Refused),
        (Exception::Service, Guarantor::Unnamed, Decision::Refused),
        (Exception::Service, Guarantor::Unknown, Decision::Refused),
        (Exception::Service, Guarantor::LivesHere, Decision::Allowed),
        (Exception::Carer, Guarantor::LivesHere, Decision::Allowed),
        (Exception::Inspector, Guarantor::Unnamed, Decision::Allowed),
    ] {
        let judgement = judge(&crossing(Who::Visitor { exception, guarantor }, Direction::In));
        assert_eq!(verdict(&judgement).0, decision, "{exception:?} {guarantor:?}");
    }
}

#[test]
fn staff_may_vouch_for_a_resident_without_a_pass_but_not_out_against_a_verdict() {
    let holder = Holder::default();
    assert_eq!(verdict(&known(&holder, Direction::Out)), (Decision::Allowed, &[Finding::Manual][..]));
    let asked_again = barred(&holder, "cases/1", Reason::Verdict);
    assert_eq!(verdict(&known(&asked_again, Direction::Out)), (Decision::Refused, &[Finding::Suspended][..]));
    assert_eq!(verdict(&known(&asked_again, Direction::In)), (Decision::Allowed, &[Finding::Manual][..]));
}

#[test]
fn who_moved_out_is_a_visitor() {
    let holder = with_pass();
    let holder = evolve(holder.clone(), &holder.move_out());
    assert_eq!(verdict(&known(&holder, Direction::In)), (Decision::Refused, &[Finding::Visitor][..]));
    assert_eq!(verdict(&known(&holder, Direction::Out)), (Decision::Allowed, &[Finding::Visitor][..]));
    assert_eq!(judged(&holder, Direction::In).findings, [Finding::Revoked]);
}

#[test]
fn hours_and_outings_keep_somebody_in_and_nobody_out() {
    let holder = Holder::default();
    let holder = evolve(holder.clone(), &holder.clear("cases/1", &home()));
    let limits = Limits::new([6, 21], [1, 2]);
    let judged = |access, time: &str, direction, outings| {
        let issue = Issue {
            number: number(1),
            now: noon(),
            pass_days: Some(14),
            key_id: 1,
            recalled: false,
            access,
            limits,
            compound: 7,
        };
        let holder = evolve(holder.clone(), &holder.issue(issue).unwrap());
        let number = holder.pass().unwrap().number.clone();
        let who =
            Who::Scanned(Scan::Ours { number: &number, resident: Resident { holder: &holder, lives_here: true } });
        judge(&Passage { at: at(time), limits, outings, ..crossing(who, direction) })
    };
    let (day, night) = ("2020-02-11T14:00:00+08:00", "2020-02-11T21:30:00+08:00");
    let out = judged(v1::Access::Daytime, night, Direction::Out, 0);
    assert_eq!((out.decision, out.findings.as_slice()), (Decision::Refused, &[Finding::OutsideHours][..]));
    assert!(out.zh.contains("6点至21点") && out.en.contains("6:00 to 21:00"), "the hours are said aloud: {}", out.en);
    let home = judged(v1::Access::Daytime, night, Direction::In, 0);
    assert_eq!(
        (home.decision, home.findings.as_slice()),
        (Decision::Allowed, &[Finding::Valid, Finding::OutsideHours][..])
    );
    assert_eq!(judged(v1::Access::Daytime, day, Direction::Out, 9).findings, [Finding::Valid]);
    assert_eq!(judged(v1::Access::Household, night, Direction::Out, 0).findings, [Finding::Valid]);
    let used = judged(v1::Access::Household, day, Direction::Out, 1);
    assert_eq!((used.decision, used.findings.as_slice()), (Decision::Refused, &[Finding::Quota][..]));
    assert!(used.zh.contains("2天内外出1人次") && used.en.contains("1 outing in 2 days"), "{}", used.en);
    assert_eq!(judged(v1::Access::Household, day, Direction::In, 1).findings, [Finding::Valid]);
    assert_eq!(judged(v1::Access::Unrestricted, night, Direction::Out, 9).findings, [Finding::Valid]);
}
