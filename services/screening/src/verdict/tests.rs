//! Each outcome by its name, and the cases of February 2020.

mod abroad;
mod decided;
mod laws;
mod papers;
mod windows;

use super::*;
use crate::method_file::sample;

fn day(text: &str) -> NaiveDate {
    format!("2020-{text}").parse().unwrap()
}

fn stay(place: &str, from: &str, to: &str) -> Stay {
    Stay { place: place.to_owned(), from: day(from), to: day(to) }
}

fn visit(place: &str, first: &str, last: &str) -> Visit {
    Visit { place: place.to_owned(), first: day(first), last: day(last), hours: None, struck: false }
}

fn scan(visits: Vec<Visit>) -> Scan {
    Scan { source: Source::Mobile, phone: Some(1), from: day("01-01"), to: day("02-11"), visits }
}

fn person(stays: &[Stay], visits: &[Visit]) -> Person {
    Person { as_of: day("02-11"), phones: 1, stays: stays.to_vec(), scans: vec![scan(visits.to_vec())] }
}

fn rules() -> Rules {
    sample().rules(None).unwrap()
}

fn with_key_area(place: &str, level: Level, measure: Measure) -> Rules {
    let mut rules = rules();
    rules.key_areas.push(KeyArea { place: Code::parse(place).unwrap(), from: None, to: None, level, measure });
    rules
}

fn judged(stays: &[Stay], visits: &[Visit]) -> Judgement {
    judge(&person(stays, visits), &rules())
}

fn home() -> Visit {
    visit("宁波", "01-01", "02-11")
}

#[track_caller]
fn is(judgement: &Judgement, outcome: Outcome, risk: Level, honesty: Honesty, measure: Measure) {
    let found = (judgement.outcome, judgement.risk, judgement.honesty, judgement.measure);
    assert_eq!(found, (outcome, risk, honesty, measure), "{}", judgement.explanation.en);
    let Explanation { zh, en } = &judgement.explanation;
    assert!(zh.chars().count() > 20 && en.len() > 40, "an explanation says what to do: {zh} {en}");
}

/// The tenant of 11 February 2020: 30 and more cities.
fn sichuan_tenant() -> Person {
    let cities = [
        "信阳",
        "驻马店",
        "南阳",
        "武汉",
        "宜昌",
        "江汉",
        "孝感",
        "黄冈",
        "成都",
        "绵阳",
        "德阳",
        "重庆",
        "广元",
        "汉中",
        "西安",
        "商洛",
        "十堰",
        "襄阳",
        "荆门",
        "荆州",
        "随州",
        "鄂州",
        "黄石",
        "咸宁",
        "九江",
        "安庆",
        "六安",
        "合肥",
        "芜湖",
        "湖州",
        "杭州",
        "绍兴",
        "宁波",
    ];
    let visits = cities.iter().enumerate().map(|(index, city)| {
        let date = day("01-01") + chrono::Days::new(index as u64);
        Visit { place: (*city).to_owned(), first: date, last: date, hours: Some(5), struck: false }
    });
    let stays = [stay("四川", "01-01", "02-09")];
    person(&stays, &visits.collect::<Vec<_>>())
}

#[test]
fn the_tenant_from_sichuan_concealed_a_key_area_and_did_not_hide_chengdu() {
    let tenant = sichuan_tenant();
    let judgement = judge(&tenant, &rules());
    is(&judgement, Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
    assert!(judgement.visits.len() > 30);
    let marks = |name: &str| {
        let places = &tenant.scans[0].visits;
        let found = judgement.visits.iter().find(|judged| places[judged.visit].place == name).unwrap();
        (found.codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), found.marks.clone())
    };
    assert_eq!(marks("信阳"), ("411500".to_owned(), vec![Mark::Undeclared, Mark::KeyArea]));
    assert_eq!(marks("江汉"), ("429004 429005 429006".to_owned(), vec![Mark::Undeclared, Mark::KeyArea]));
    assert_eq!(marks("成都"), ("510100".to_owned(), vec![Mark::Declared]));
    assert_eq!(marks("合肥").1, [Mark::Undeclared]);
    assert_eq!(marks("宁波").1, [Mark::Home]);
    assert_eq!(judgement.last_exposure, Some(day("01-24")), "咸宁 on the twenty-fourth day");
    assert!(judgement.explanation.zh.contains("信阳（1月1日）"), "{}", judgement.explanation.zh);
    assert!(judgement.explanation.zh.contains("24小时"), "{}", judgement.explanation.zh);
}

#[test]
fn the_ningbo_native_who_hid_tiantai_is_seen_in_taizhou_and_undeclared() {
    let judgement = judged(&[], &[home(), visit("台州", "01-24", "01-27")]);
    is(&judgement, Outcome::UndeclaredElsewhere, Level::None, Honesty::Undeclared, Measure::Ask);
    assert_eq!(judgement.visits[1].marks, [Mark::Undeclared]);
    let declared = judged(&[stay("天台", "01-24", "01-27")], &[home(), visit("台州", "01-24", "01-27")]);
    is(&declared, Outcome::Clear, Level::None, Honesty::Consistent, Measure::None);
}

#[test]
fn clear_is_all_that_was_seen_declared_and_all_that_was_declared_seen() {
    let judgement = judged(&[stay("四川", "01-10", "01-20")], &[home(), visit("成都", "01-10", "01-12")]);
    is(&judgement, Outcome::Clear, Level::None, Honesty::Consistent, Measure::None);
    is(&judged(&[], &[home()]), Outcome::Clear, Level::None, Honesty::Consistent, Measure::None);
}

#[test]
fn declared_key_area_is_honest_and_still_isolates() {
    let judgement = judged(&[stay("武汉", "01-10", "01-20")], &[visit("武汉", "01-11", "01-19"), home()]);
    is(&judgement, Outcome::DeclaredKeyArea, Level::High, Honesty::Consistent, Measure::Central);
    assert_eq!(judgement.last_exposure, Some(day("01-19")));
    assert_eq!(judgement.visits[0].marks, [Mark::Declared, Mark::KeyArea]);
    let more =
        judged(&[stay("武汉", "01-10", "01-20")], &[visit("武汉", "01-11", "01-19"), visit("长沙", "01-21", "01-22")]);
    is(&more, Outcome::DeclaredKeyArea, Level::High, Honesty::Undeclared, Measure::Central);
}

#[test]
fn concealed_key_area_is_by_place_and_by_day() {
    let visits = [home(), visit("南阳", "01-10", "01-20")];
    is(&judged(&[], &visits), Outcome::ConcealedKeyArea, Level::Medium, Honesty::Concealed, Measure::Home);
    let late = judged(&[stay("南阳", "01-15", "01-20")], &visits);
    is(&late, Outcome::ConcealedKeyArea, Level::Medium, Honesty::Concealed, Measure::Home);
    let in_two = judged(&[stay("河南", "01-15", "01-20"), stay("南阳", "01-08", "01-14")], &visits);
    is(&in_two, Outcome::DeclaredKeyArea, Level::Medium, Honesty::Consistent, Measure::Home);
}

#[test]
fn a_visit_before_the_period_of_a_key_area_is_one_elsewhere() {
    let mut person = person(&[], &[home(), visit("武汉", "01-02", "01-03")]);
    let mut rules = rules();
    rules.key_areas[0].from = Some(day("01-20"));
    let before = judge(&person, &rules);
    is(&before, Outcome::UndeclaredElsewhere, Level::None, Honesty::Undeclared, Measure::Ask);
    person.scans[0].visits.push(visit("武汉", "01-15", "01-22"));
    is(&judge(&person, &rules), Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
    person.stays.push(stay("武汉", "01-20", "01-22"));
    let partly = judge(&person, &rules);
    is(&partly, Outcome::DeclaredKeyArea, Level::High, Honesty::Undeclared, Measure::Central);
}

#[test]
fn undeclared_elsewhere_is_asked_about() {
    let judgement = judged(
        &[stay("四川", "01-10", "01-20")],
        &[home(), visit("成都", "01-10", "01-20"), visit("长沙", "01-21", "01-21")],
    );
    is(&judgement, Outcome::UndeclaredElsewhere, Level::None, Honesty::Undeclared, Measure::Ask);
    let beyond = judged(&[stay("四川", "01-10", "01-20")], &[home(), visit("重庆", "01-10", "01-20")]);
    is(&beyond, Outcome::UndeclaredElsewhere, Level::None, Honesty::Undeclared, Measure::Ask);
}

#[test]
fn over_declared_is_a_declared_stay_of_two_days_that_nobody_saw() {
    let missed = judged(&[stay("上海", "01-10", "01-11")], &[home()]);
    is(&missed, Outcome::OverDeclared, Level::None, Honesty::OverDeclared, Measure::Ask);
    for declared in [
        stay("上海", "01-10", "01-10"),
        stay("宁波", "01-10", "01-20"),
        stay("浙江", "01-10", "01-20"),
        Stay { from: "2019-12-01".parse().unwrap(), to: day("01-01"), place: "上海".to_owned() },
    ] {
        assert_eq!(judged(&[declared], &[home()]).outcome, Outcome::Clear);
    }
}

#[test]
fn border_suspect_is_a_lone_day_next_door_and_no_reason_to_isolate() {
    let lone = judged(&[], &[home(), visit("绍兴", "01-20", "01-20")]);
    is(&lone, Outcome::BorderSuspect, Level::Unknown, Honesty::NotComparable, Measure::Ask);
    assert_eq!(lone.visits[1].marks, [Mark::Undeclared, Mark::Border]);

    // 温州 is a key area next to the declared 台州.
    let visits = [home(), visit("台州", "01-20", "01-22"), visit("温州", "01-21", "01-21")];
    let key = judged(&[stay("台州", "01-20", "01-22")], &visits);
    is(&key, Outcome::BorderSuspect, Level::Unknown, Honesty::NotComparable, Measure::Ask);
    assert_eq!(key.last_exposure, None);

    for more in [visit("绍兴", "01-22", "01-22"), visit("长沙", "01-22", "01-22")] {
        let judgement = judged(&[], &[home(), visit("绍兴", "01-20", "01-20"), more]);
        is(&judgement, Outcome::UndeclaredElsewhere, Level::None, Honesty::Undeclared, Measure::Ask);
    }
    assert_eq!(judged(&[], &[home(), visit("绍兴", "01-20", "01-21")]).outcome, Outcome::UndeclaredElsewhere);
    assert_eq!(
        judged(&[], &[home(), visit("温州", "01-21", "01-21")]).outcome,
        Outcome::ConcealedKeyArea,
        "no neighbour"
    );
}

#[test]
fn two_numbers_in_one_pocket_see_one_border() {
    let mut person = person(&[], &[home(), visit("绍兴", "01-20", "01-20")]);
    person.phones = 2;
    person.scans.push(Scan { source: Source::Unicom, phone: Some(2), ..person.scans[0].clone() });
    assert_eq!(judge(&person, &rules()).outcome, Outcome::BorderSuspect);
}

#[test]
fn a_network_that_reaches_over_the_border_is_border_noise_too() {
    let mut rules = rules();
    let code = |digits| Code::parse(digits).unwrap();
    rules.border_pairs.push((code("420100"), code("429004")));
    let stays = [stay("武汉", "01-10", "01-20")];
    let mut person = person(&stays, &[home(), visit("武汉", "01-10", "01-20"), visit("江汉", "01-21", "01-21")]);
    let declared = judge(&person, &rules);
    is(&declared, Outcome::DeclaredKeyArea, Level::High, Honesty::Consistent, Measure::Central);
    assert_eq!(declared.visits[2].marks, [Mark::Undeclared, Mark::KeyArea, Mark::Border]);
    assert_eq!(declared.last_exposure, Some(day("01-20")), "a lead proves nothing");
    person.scans[0].visits[2].last = day("01-22");
    is(&judge(&person, &rules), Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
}

#[test]
fn a_lone_day_over_the_border_is_that_even_where_a_key_area_may_lie_there() {
    let rules = with_key_area("331023", Level::Medium, Measure::Home);
    let judgement = judge(&person(&[], &[home(), visit("台州", "01-24", "01-24")]), &rules);
    is(&judgement, Outcome::BorderSuspect, Level::Unknown, Honesty::NotComparable, Measure::Ask);
}

#[test]
fn a_declared_key_area_outweighs_a_border() {
    let visits = [visit("信阳", "01-10", "01-12"), visit("绍兴", "01-20", "01-20"), home()];
    let judgement = judged(&[stay("信阳", "01-10", "01-12")], &visits);
    is(&judgement, Outcome::DeclaredKeyArea, Level::Medium, Honesty::Consistent, Measure::Home);
    assert!(judgement.explanation.zh.contains("邻市行程：绍兴（1月20日）"), "{}", judgement.explanation.zh);
    assert!(judgement.explanation.en.contains("stray: 绍兴 (20 January)"), "{}", judgement.explanation.en);
}

#[test]
fn insufficient_evidence_is_never_clear() {
    let mut without = person(&[], &[home()]);
    without.scans.clear();
    let mut no_data = person(&[], &[]);
    let mut one_of_two = person(&[], &[home()]);
    one_of_two.phones = 2;
    let mut same_twice = one_of_two.clone();
    same_twice.scans.push(same_twice.scans[0].clone());
    let mut short_window = person(&[], &[home()]);
    short_window.scans[0].from = day("01-29");
    let mut stale = person(&[], &[home()]);
    stale.scans[0].to = day("01-27");
    let mut no_phone = without.clone();
    no_phone.phones = 0;
    for person in [&without, &no_data, &one_of_two, &same_twice, &short_window, &stale, &no_phone] {
        is(
            &judge(person, &rules()),
            Outcome::InsufficientEvidence,
            Level::Unknown,
            Honesty::NotComparable,
            Measure::Ask,
        );
    }
    short_window.scans[0].from = day("01-28");
    assert_eq!(judge(&short_window, &rules()).outcome, Outcome::Clear, "fourteen days");
    no_data.scans[0].visits.push(visit("武汉", "01-20", "01-20"));
    no_data.phones = 2;
    let proven = judge(&no_data, &rules());
    is(&proven, Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
}

#[test]
fn unresolved_place_is_a_question_where_the_answer_depends_on_it() {
    for (stays, visits) in [
        (vec![], vec![home(), visit("海南", "01-10", "01-10")]),
        (vec![], vec![home(), visit("某地", "01-10", "01-10")]),
        (vec![stay("西安", "01-10", "01-12")], vec![home(), visit("西安", "01-10", "01-12")]),
        (vec![stay("老家", "01-10", "01-12")], vec![home(), visit("成都", "01-10", "01-12")]),
        (vec![stay("老家", "01-10", "01-12")], vec![home()]),
    ] {
        let judgement = judged(&stays, &visits);
        is(&judgement, Outcome::UnresolvedPlace, Level::Unknown, Honesty::NotComparable, Measure::Ask);
        assert_eq!(judgement.unresolved.len(), 1);
    }
}

#[test]
fn a_name_on_which_nothing_depends_holds_nobody_up() {
    let proven = judged(&[stay("老家", "01-10", "01-12")], &[home(), visit("武汉", "01-20", "01-22")]);
    is(&proven, Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
    assert_eq!(proven.unresolved, ["老家"]);
    let over = judged(&[stay("朝阳", "01-10", "01-12")], &[home()]);
    assert_eq!(over.outcome, Outcome::OverDeclared, "none of its places was seen");
    let mut nothing_seen = person(&[stay("老家", "01-10", "01-12")], &[]);
    nothing_seen.scans.clear();
    assert_eq!(judge(&nothing_seen, &rules()).outcome, Outcome::InsufficientEvidence);
    let mut short = visit("某地", "01-10", "01-10");
    short.hours = Some(1);
    let judgement = judged(&[], &[home(), short]);
    assert_eq!(
        (judgement.outcome, &judgement.visits[1].marks[..]),
        (Outcome::Clear, &[Mark::TooShort, Mark::Unresolved][..])
    );
}

#[test]
fn who_said_a_name_that_nobody_knows_is_asked_whether_it_was_the_key_area() {
    let judgement = judged(&[stay("老家", "01-18", "01-24")], &[home(), visit("武汉", "01-20", "01-22")]);
    is(&judgement, Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
    assert!(judgement.explanation.zh.contains("老家，如果说的就是"), "{}", judgement.explanation.zh);
    assert!(judgement.explanation.en.contains("meant by 老家"), "{}", judgement.explanation.en);
}

#[test]
fn evidence_coarser_than_a_key_area_is_possible_and_asked_about() {
    let rules = with_key_area("331023", Level::Medium, Measure::Home);
    let seen = [home(), visit("台州", "01-24", "01-27")];
    let judge = |stays: &[Stay]| judge(&person(stays, &seen), &rules);
    is(&judge(&[]), Outcome::UnresolvedPlace, Level::Unknown, Honesty::NotComparable, Measure::Ask);
    assert_eq!(judge(&[]).unresolved, ["台州"], "the question is about this place");
    is(
        &judge(&[stay("台州", "01-24", "01-27")]),
        Outcome::UnresolvedPlace,
        Level::Unknown,
        Honesty::NotComparable,
        Measure::Ask,
    );
    let said_so = judge(&[stay("天台", "01-24", "01-27")]);
    is(&said_so, Outcome::DeclaredKeyArea, Level::Medium, Honesty::Consistent, Measure::Home);
}

#[test]
fn a_stay_too_short_does_not_count() {
    let mut passing = visit("武汉", "01-20", "01-20");
    passing.hours = Some(3);
    let judgement = judged(&[], &[home(), passing.clone()]);
    is(&judgement, Outcome::Clear, Level::None, Honesty::Consistent, Measure::None);
    assert_eq!(judgement.visits[1].marks, [Mark::KeyArea, Mark::TooShort]);
    passing.hours = Some(4);
    assert_eq!(judged(&[], &[home(), passing]).outcome, Outcome::ConcealedKeyArea);
}

#[test]
fn a_visit_found_wrong_does_not_count() {
    let mut wrong = visit("武汉", "01-20", "01-20");
    wrong.struck = true;
    let judgement = judged(&[], &[home(), wrong]);
    is(&judgement, Outcome::Clear, Level::None, Honesty::Consistent, Measure::None);
    assert_eq!(judgement.visits[1].marks, [Mark::Struck]);
}

#[test]
fn jianghan_is_declared_by_xiantao_and_outside_by_a_district_of_wuhan() {
    let seen = [home(), visit("江汉", "01-20", "01-22")];
    let honest = judged(&[stay("仙桃", "01-20", "01-22")], &seen);
    is(&honest, Outcome::DeclaredKeyArea, Level::High, Honesty::Consistent, Measure::Central);
    let district = judged(&[stay("武汉市江汉区", "01-20", "01-22")], &seen);
    is(&district, Outcome::ConcealedKeyArea, Level::High, Honesty::Concealed, Measure::Central);
}
