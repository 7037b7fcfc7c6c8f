//! Tickets and proofs: they prove a place and its days, and never that somebody was nowhere else.

use super::*;

/// What a ticket or a proof says.
fn paper(visits: Vec<Visit>) -> Scan {
    let (from, to) = (visits[0].first, visits[0].last);
    Scan { source: Source::Unspecified, phone: None, from, to, visits }
}

fn with_paper(stays: &[Stay], scanned: &[Visit], said: Visit) -> Judgement {
    let mut person = person(stays, scanned);
    person.scans.push(paper(vec![said]));
    judge(&person, &rules())
}

#[test]
fn a_paper_proves_a_key_area_and_is_no_scan_of_a_number() {
    let wuhan = visit("武汉", "01-22", "01-22");
    let judgement = with_paper(&[], &[home()], wuhan.clone());
    is(&judgement, Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
    assert_eq!(judgement.last_exposure, Some(day("01-22")), "R10: day 0 is proven");
    let alone = with_paper(&[stay("武汉", "01-20", "01-22")], &[], wuhan);
    is(&alone, Outcome::DeclaredKeyArea, Level::High, Honesty::Consistent, Measure::Central);
    let mut alone = person(&[], &[]);
    alone.scans = vec![paper(vec![visit("宁波", "01-01", "02-11")])];
    let judgement = judge(&alone, &rules());
    is(&judgement, Outcome::InsufficientEvidence, Level::Unknown, Honesty::NotComparable, Measure::Ask);
}

#[test]
fn a_paper_shows_a_declared_stay_that_no_network_saw() {
    let stays = [stay("上海", "01-20", "01-22")];
    assert_eq!(judged(&stays, &[home()]).outcome, Outcome::OverDeclared);
    assert_eq!(with_paper(&stays, &[home()], visit("上海", "01-20", "01-22")).outcome, Outcome::Clear);
}

#[test]
fn a_ticket_across_the_border_is_no_strayed_signal() {
    let taizhou = visit("台州", "02-01", "02-01");
    assert_eq!(judged(&[], &[home(), taizhou.clone()]).outcome, Outcome::BorderSuspect);
    assert_eq!(with_paper(&[], &[home()], taizhou).outcome, Outcome::UndeclaredElsewhere);
}
