//! Stays abroad: the grain is the country (R3).

use super::*;

fn korea() -> Rules {
    with_key_area("KR", Level::High, Measure::Central)
}

#[test]
fn a_country_is_away_from_home_and_covered_by_its_declaration_and_by_no_other() {
    let seen = [home(), visit("国际漫游-韩国", "01-20", "01-24")];
    let silent = judged(&[], &seen);
    is(&silent, Outcome::UndeclaredElsewhere, Level::None, Honesty::Undeclared, Measure::Ask);
    let honest = judged(&[stay("South Korea", "01-20", "01-24")], &seen);
    is(&honest, Outcome::Clear, Level::None, Honesty::Consistent, Measure::None);
    let other = judged(&[stay("朝鲜", "01-20", "01-24")], &seen);
    assert_eq!(other.outcome, Outcome::UndeclaredElsewhere);
    let unseen = judged(&[stay("韩国", "01-20", "01-24")], &[home()]);
    assert_eq!(unseen.outcome, Outcome::OverDeclared);
}

#[test]
fn a_country_can_be_a_key_area() {
    let at = person(&[], &[home(), visit("韩国", "01-20", "01-24")]);
    is(&judge(&at, &korea()), Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
    let at = person(&[stay("KR", "01-20", "01-24")], &[home(), visit("韩国", "01-20", "01-24")]);
    let declared = judge(&at, &korea());
    is(&declared, Outcome::DeclaredKeyArea, Level::High, Honesty::Consistent, Measure::Central);
    assert_eq!(declared.visits[1].codes[0].to_string(), "KR");
    let question = person(&[], &[home(), visit("Korea", "01-20", "01-24")]);
    assert_eq!(judge(&question, &korea()).outcome, Outcome::UnresolvedPlace, "which of the two, nobody guesses");
}
