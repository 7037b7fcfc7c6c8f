//! Which days evidence covers: how far back it reaches, and how early it may end.

use super::*;

fn ending(to: &str) -> Person {
    let mut person = person(&[], &[home()]);
    person.scans[0].to = day(to);
    person
}

#[test]
fn evidence_that_ends_long_before_is_no_proof_of_the_days_between() {
    assert_eq!(judge(&ending("02-08"), &rules()).outcome, Outcome::Clear, "a carrier may lag");
    let early = judge(&ending("02-07"), &rules());
    is(&early, Outcome::InsufficientEvidence, Level::Unknown, Honesty::NotComparable, Measure::Ask);
    let Explanation { zh, en } = &early.explanation;
    assert!(zh.contains("只到2月7日，2月8日至2月11日没有人看到"), "{zh}");
    assert!(en.contains("end on 7 February") && en.contains("on 8 February to 11 February"), "{en}");
    let any = Rules { lag_days: 0, ..rules() };
    assert_eq!(judge(&ending("01-28"), &any).outcome, Outcome::Clear, "a method may ask for nothing");
}

#[test]
fn one_scan_of_a_number_leads_on_from_another_in_whatever_order() {
    let mut two = ending("02-01");
    two.scans.push(Scan { from: day("02-02"), to: day("02-10"), ..two.scans[0].clone() });
    for _ in 0..2 {
        assert_eq!(judge(&two, &rules()).outcome, Outcome::Clear);
        two.scans.reverse();
    }
    two.scans[1].from = day("02-03");
    let gap = judge(&two, &rules());
    assert_eq!(gap.outcome, Outcome::InsufficientEvidence, "nobody saw the second");
    assert!(gap.explanation.zh.contains("2月2日至2月11日"), "{}", gap.explanation.zh);
    two.scans[1].phone = Some(2);
    two.phones = 2;
    assert_eq!(judge(&two, &rules()).outcome, Outcome::InsufficientEvidence, "each number stands for itself");
}

#[test]
fn a_scan_of_a_number_that_is_no_longer_theirs_stands_in_for_no_other() {
    let mut other = person(&[], &[home()]);
    other.scans[0].phone = Some(2);
    assert_eq!(judge(&other, &rules()).outcome, Outcome::InsufficientEvidence);
    other.scans[0].visits.push(visit("武汉", "01-20", "01-22"));
    assert_eq!(judge(&other, &rules()).outcome, Outcome::ConcealedKeyArea, "it shows places all the same");
}

#[test]
fn a_key_area_that_was_seen_outweighs_days_that_were_not() {
    let mut early = ending("02-01");
    early.scans[0].visits.push(visit("武汉", "01-20", "01-22"));
    assert_eq!(judge(&early, &rules()).outcome, Outcome::ConcealedKeyArea);
}
