//! Names whose meaning people have decided.

use super::*;

#[test]
fn what_a_person_decided_about_a_name_answers_the_question_for_that_source() {
    let mut learned = Learned::default();
    let person = person(&[stay("老家", "01-10", "01-12")], &[home(), visit("成都", "01-10", "01-12")]);
    assert_eq!(judge_with(&person, &rules(), &learned).outcome, Outcome::UnresolvedPlace);
    learned.decide("老家", Vocabulary::Mobile, &[Code::parse("510000").unwrap()]).unwrap();
    assert_eq!(
        judge_with(&person, &rules(), &learned).outcome,
        Outcome::UnresolvedPlace,
        "that was the carrier's word"
    );
    learned.decide("老家", Vocabulary::Declared, &[Code::parse("510000").unwrap()]).unwrap();
    let known = judge_with(&person, &rules(), &learned);
    is(&known, Outcome::Clear, Level::None, Honesty::Consistent, Measure::None);
    learned.take_back("老家", Vocabulary::Declared);
    assert_eq!(judge_with(&person, &rules(), &learned).outcome, Outcome::UnresolvedPlace);
}

#[test]
fn a_name_that_is_no_place_is_neither_a_visit_nor_a_stay_and_no_data() {
    let mut learned = Learned::default();
    learned.means("漫游", Vocabulary::Mobile, &[]);
    learned.means("在家", Vocabulary::Declared, &[]);
    let roaming = visit("漫游", "01-20", "01-25");
    let said = [stay("在家", "01-01", "02-10")];
    let judgement = judge_with(&person(&said, &[home(), roaming.clone()]), &rules(), &learned);
    is(&judgement, Outcome::Clear, Level::None, Honesty::Consistent, Measure::None);
    assert_eq!(judgement.visits[1].marks, [Mark::NoPlace]);
    assert!(judgement.unresolved.is_empty());
    let nothing = judge_with(&person(&said, &[roaming]), &rules(), &learned);
    assert_eq!(nothing.outcome, Outcome::InsufficientEvidence, "a carrier that names no place has seen nobody");
}
