use super::*;

fn answer(text: &str) -> Result<Answer, Unanswerable> {
    explain(&Request::read(text)?)
}

const EXAMPLE: &str = r#"
    {"as_of": "2020-02-11", "home": "330200", "phones": 1,
     "method": {"version": "t1", "min_hours": 4, "border_pairs": [["330200", "331000"]],
                "key_areas": [{"place": "420000", "from": "2020-01-01", "to": "2020-03-31", "level": "high"}]},
     "declared": [{"place": "四川", "from": "2020-01-18", "to": "2020-02-09"}],
     "evidence": [{"source": "mobile", "window_from": "2020-01-01", "window_to": "2020-02-11",
                   "visits": [{"place": "信阳", "first": "2020-01-19", "last": "2020-01-19", "hours": 6}]}]}"#;

/// The example with something else in one place.
#[track_caller]
fn with(old: &str, new: &str) -> Result<Answer, Unanswerable> {
    assert!(EXAMPLE.contains(old), "{old} is not in the example");
    answer(&EXAMPLE.replacen(old, new, 1))
}

#[track_caller]
fn refused(old: &str, new: &str, expected: &str) {
    let told = with(old, new).unwrap_err().to_string();
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn the_example_of_the_documentation_was_undeclared_elsewhere() {
    let answer = answer(EXAMPLE).unwrap();
    let words = [&answer.outcome, &answer.risk, &answer.honesty, &answer.measure];
    assert_eq!(words, ["undeclared_elsewhere", "none", "undeclared", "ask"]);
    assert_eq!(
        (&answer.visits[0].codes[..], &answer.visits[0].marks[..]),
        (&["411500".into()][..], &["undeclared".into()][..])
    );
    assert_eq!((answer.method_version.as_str(), answer.unresolved.len()), ("t1", 0));
}

#[test]
fn an_answer_is_told_in_stable_words_and_two_languages() {
    let key_area = r#"{"place": "信阳", "level": "medium"}"#;
    let answer = with(r#""key_areas": ["#, &format!(r#""key_areas": [{key_area}, "#)).unwrap();
    let words = [&answer.outcome, &answer.risk, &answer.honesty, &answer.measure];
    assert_eq!(words, ["concealed_key_area", "medium", "concealed", "home"]);
    assert_eq!(answer.visits[0].marks, ["undeclared", "key_area"]);
    assert!(answer.explanation.zh.contains("信阳（1月19日）"), "{}", answer.explanation.zh);
    assert!(answer.explanation.en.contains("信阳 (19 January)"), "{}", answer.explanation.en);
    let json = serde_json::to_string(&answer).unwrap();
    assert!(json.starts_with(r#"{"outcome":"concealed_key_area","risk":"medium","honesty":"concealed","measure":"home","visits":[{"place":"信阳","codes":["411500"],"marks":["undeclared","key_area"]}],"unresolved":[],"explanation":{"zh":"#), "{json}");
    assert!(json.ends_with(r#""method_version":"t1","last_exposure":"2020-01-19"}"#), "{json}");
}

#[test]
fn the_shipped_method_is_named_sample_and_begun_hours_do_not_count() {
    let text = |hours: &str| {
        format!(
            r#"{{"as_of": "2020-02-11", "method": "sample", "evidence": [{{"source": "unicom", "phone": 1,
                "window_from": "2020-01-01", "window_to": "2020-02-11", "visits": [
                {{"place": "宁波", "first": "2020-01-01", "last": "2020-02-11", "hours": null}},
                {{"place": "武汉", "first": "2020-01-19", "last": "2020-01-19", "hours": {hours}}}]}}]}}"#
        )
    };
    let short = answer(&text("3.9")).unwrap();
    assert_eq!(
        (short.outcome.as_str(), &short.visits[1].marks[..]),
        ("clear", &["key_area".into(), "too_short".into()][..])
    );
    let long = answer(&text("4")).unwrap();
    assert_eq!((long.outcome.as_str(), long.method_version.as_str()), ("concealed_key_area", "2020-02-09"));
}

/// Each outcome by its name, with the words that belong to it.
#[test]
fn every_outcome_is_told_with_its_risk_honesty_and_measure() {
    let home = ("宁波", "2020-01-01", "2020-02-11");
    let chengdu = ("成都", "2020-01-20", "2020-01-22");
    let wuhan = ("武汉", "2020-01-20", "2020-01-22");
    let table = [
        (&[chengdu][..], &[home, chengdu][..], "clear none consistent none"),
        (&[wuhan], &[home, wuhan], "declared_key_area high consistent central"),
        (&[chengdu], &[home, wuhan, chengdu], "concealed_key_area high concealed central"),
        (&[], &[home, chengdu], "undeclared_elsewhere none undeclared ask"),
        (&[chengdu], &[home], "over_declared none over_declared ask"),
        (&[], &[home, ("台州", "2020-01-20", "2020-01-20")], "border_suspect unknown not_comparable ask"),
        (&[chengdu], &[], "insufficient_evidence unknown not_comparable ask"),
        (&[], &[home, ("海南", "2020-01-20", "2020-01-20")], "unresolved_place unknown not_comparable ask"),
    ];
    for (declared, seen, expected) in table {
        let days = |(place, from, to): &(&str, &str, &str), names: [&str; 2]| {
            format!(r#"{{"place": "{place}", "{}": "{from}", "{}": "{to}"}}"#, names[0], names[1])
        };
        let all = |stays: &[_], names| stays.iter().map(|stay| days(stay, names)).collect::<Vec<_>>().join(", ");
        let text = format!(
            r#"{{"as_of": "2020-02-11", "method": "sample", "declared": [{}], "evidence": [{{"source": "telecom",
                "window_from": "2020-01-01", "window_to": "2020-02-11", "visits": [{}]}}]}}"#,
            all(declared, ["from", "to"]),
            all(seen, ["first", "last"]),
        );
        let answer = answer(&text).unwrap();
        let Answer { outcome, risk, honesty, measure, explanation, .. } = &answer;
        assert_eq!(format!("{outcome} {risk} {honesty} {measure}"), expected);
        assert!(explanation.zh.chars().count() > 20 && explanation.en.len() > 40, "{expected}");
    }
}

#[test]
fn what_cannot_be_answered_names_the_field_and_what_to_write() {
    refused(r#""home": "330200""#, r#""home": "老家""#, "home: no place is called \"老家\": write its six-digit code");
    refused("\"420000\"", "\"朝阳\"", "method.key_areas[0].place: \"朝阳\" may be any of 110105, 211300, 220104");
    refused("\"high\"", "\"severe\"", "method.key_areas[0].level: \"severe\" is none of low, medium, high");
    refused("\"331000\"", "\"某地\"", "method.border_pairs[0][1]: no place is called");
    refused("\"mobile\"", "\"pigeon\"", "evidence[0].source: \"pigeon\" is none of mobile, unicom, telecom");
    refused("\"mobile\"", "\"declared\"", "evidence[0].source: \"declared\" is none of");
    refused("\"2020-02-09\"", "\"2020-01-17\"", "declared[0].to: 2020-01-17 lies before 2020-01-18");
    refused("\"2020-02-09\"", "\"2020-02-12\"", "declared[0].to: 2020-02-12 lies after as_of, 2020-02-11");
    refused(r#""window_to": "2020-02-11""#, r#""window_to": "2020-02-12""#, "evidence[0].window_to: 2020-02-12 lies");
    refused(
        r#""window_to": "2020-02-11""#,
        r#""window_to": "2019-12-12""#,
        "evidence[0].window_to: 2019-12-12 lies before",
    );
    refused(r#""last": "2020-01-19""#, r#""last": "2020-01-18""#, "evidence[0].visits[0].last: 2020-01-18 lies before");
    refused(r#""last": "2020-01-19""#, r#""last": "2020-03-18""#, "evidence[0].visits[0].last: 2020-03-18 lies after");
    refused(r#""hours": 6"#, r#""hours": -1"#, "evidence[0].visits[0].hours: -1 is no number of hours");
    refused("\"信阳\"", "\" \"", "evidence[0].visits[0].place: is empty");
    refused(r#""source""#, r#""phone": 2, "source""#, "evidence[0].phone: 2 is none of the person's numbers");
    refused(r#""min_hours": 4"#, r#""min_hours": -4"#, "method.min_hours: -4 is out of bounds");
}

#[test]
fn what_cannot_be_read_names_the_field_too() {
    refused(r#""as_of": "2020-02-11", "#, "", "missing field `as_of`");
    refused(r#""version": "t1", "#, "", "method: missing field `version`");
    refused(r#""min_hours": 4, "#, "", "method: missing field `min_hours`");
    refused("\"2020-02-11\"", "\"11.2.2020\"", "as_of: \"11.2.2020\" is no day: write it as 2020-02-11");
    refused("\"2020-02-09\"", "\"2020-02-30\"", "declared[0].to: \"2020-02-30\" is no day");
    refused(r#""phones": 1"#, r#""phones": -1"#, "phones: invalid value: integer `-1`");
    refused(r#""hours""#, r#""hour""#, "evidence[0].visits[0].hour: unknown field `hour`, expected one of");
    refused(r#""phones""#, r#""fones""#, "fones: unknown field `fones`, expected one of `as_of`, `home`, `phones`");
    refused(r#"[["330200", "331000"]]"#, r#"[["330200"]]"#, "method.border_pairs[0]: invalid length 1");
    assert!(
        answer(r#"{"as_of": "2020-02-11", "method": "mine"}"#)
            .unwrap_err()
            .to_string()
            .starts_with("method: \"mine\" is no method")
    );
    assert!(answer(&format!("{EXAMPLE} {{}}")).unwrap_err().to_string().contains("behind the end"));
    assert!(answer("").is_err());
    assert!(answer(&format!("\u{feff}{EXAMPLE}")).is_ok());
}

#[test]
fn a_carrier_without_data_is_not_clean() {
    for visits in ["", r#", "visits": null"#, r#", "visits": []"#] {
        let text = format!(
            r#"{{"as_of": "2020-02-11", "method": "sample", "evidence": [
                {{"source": "telecom", "window_from": "2020-01-01", "window_to": "2020-02-11"{visits}}}]}}"#
        );
        assert_eq!(answer(&text).unwrap().outcome, "insufficient_evidence");
    }
}

#[test]
fn a_name_is_answered_with_its_status_and_codes() {
    let told = |name, words| serde_json::to_string(&place(name, words)).unwrap();
    assert_eq!(
        told("江汉", Vocabulary::Unicom),
        r#"{"name":"江汉","status":"resolved","codes":["429004","429005","429006"]}"#
    );
    assert_eq!(
        told("吉林", Vocabulary::Declared),
        r#"{"name":"吉林","status":"ambiguous","codes":["220000","220200"]}"#
    );
    assert_eq!(told("老家", Vocabulary::Declared), r#"{"name":"老家","status":"unknown","codes":[]}"#);
}
