use proptest::prelude::*;

use super::*;

fn show(name: &str, vocabulary: Vocabulary) -> String {
    let list = |codes: &[Code]| codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    match resolve(name, vocabulary) {
        Resolution::Resolved(codes) => list(&codes),
        Resolution::Ambiguous(codes) => format!("? {}", list(&codes)),
        Resolution::Unknown => "unknown".to_owned(),
    }
}

fn declared(name: &str) -> String {
    show(name, Vocabulary::Declared)
}

fn carrier(name: &str) -> String {
    show(name, Vocabulary::Carrier)
}

#[test]
fn jianghan_is_a_network_of_three_cities_for_a_carrier_and_a_district_for_a_person() {
    for name in ["江汉", "湖北江汉", "湖北省 江汉"] {
        assert_eq!(carrier(name), "429004 429005 429006", "{name}");
    }
    assert_eq!(declared("江汉"), "420103");
    assert_eq!(carrier("江汉区"), "unknown", "a carrier never names a district");
}

#[test]
fn carriers_never_fall_through_to_districts() {
    for (name, expected) in [
        ("西安", "610100"),
        ("吉林", "220200"),
        ("吉林省", "220000"),
        ("朝阳", "211300"),
        ("朝阳区", "unknown"),
        ("鼓楼区", "unknown"),
        ("天台", "unknown"),
        ("海南", "? 460000 632500"),
        ("海南州", "632500"),
        ("海南省", "460000"),
        ("海南海口", "460100"),
        ("四川", "510000"),
        ("成都", "510100"),
        ("仙桃", "429004"),
        ("陵水", "469028"),
        ("石河子市", "659001"),
        ("恩施市", "422800"),
        ("北京", "110000"),
        ("重庆市", "500000"),
        ("香港", "810000"),
        ("襄樊", "420600"),
        ("巢湖", "? 340100 340200 340500"),
        ("河南信阳", "411500"),
        ("日本", "unknown"),
    ] {
        assert_eq!(carrier(name), expected, "{name}");
    }
}

#[test]
fn an_ambiguous_name_is_a_question() {
    for (name, expected) in [
        ("朝阳", "? 110105 211300 220104"),
        ("西安", "? 220403 231005 610100"),
        ("海南", "? 150303 460000 632500"),
        ("吉林", "? 220000 220200"),
        ("鼓楼区", "? 320106 320302 350102 410204"),
        ("河北", "? 120105 130000"),
        ("兴安", "? 152200 230405 450325"),
        ("鼓楼", "? 320106 320302 350102 410204"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
    }
}

#[test]
fn the_whole_name_or_the_place_around_it_answers_the_question() {
    for (name, expected) in [
        ("朝阳市", "211300"),
        ("朝阳县", "211321"),
        ("北京朝阳", "110105"),
        ("北京市 朝阳区", "110105"),
        ("辽宁-朝阳", "211300"),
        ("西安市", "610100"),
        ("陕西西安", "610100"),
        ("海南省", "460000"),
        ("海南州", "632500"),
        ("海南藏族自治州", "632500"),
        ("吉林市", "220200"),
        ("吉林省吉林市", "220200"),
        ("浙江省台州市天台县", "331023"),
        ("台州天台", "331023"),
        ("浙江省宁波市鄞州区", "330212"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
    }
}

#[test]
fn names_come_with_and_without_what_kind_of_place_it_is() {
    for (names, expected) in [
        (&["恩施", "恩施州", "恩施自治州", "恩施土家族苗族自治州"][..], "422800"),
        (&["湘西", "湘西州", "湘西土家族苗族自治州"], "433100"),
        (&["大兴安岭", "大兴安岭地区"], "232700"),
        (&["锡林郭勒", "锡林郭勒盟"], "152500"),
        (&["天台", "天台县"], "331023"),
        (&["台州", "台州市"], "331000"),
        (&["神农架", "神农架林区"], "429021"),
        (&["内蒙古", "内蒙古自治区"], "150000"),
        (&["四川", "四川省"], "510000"),
        (&["河南", "河南省"], "410000"),
        (&["河南县", "河南蒙古族自治县"], "632324"),
        (&["恩施市"], "422801"),
    ] {
        for name in names {
            assert_eq!(declared(name), expected, "{name}");
        }
    }
}

#[test]
fn a_name_that_moved_resolves_to_the_code_in_force() {
    for (name, expected) in [
        ("鄞县", "330212"),
        // 衡阳 had a 江东区 too.
        ("江东区", "? 330212 430405"),
        ("毕节地区", "520500"),
        ("襄樊", "420600"),
        ("襄樊市", "420600"),
        ("襄阳", "420600"),
        ("信阳地区", "411500"),
        ("台州地区", "331000"),
        ("鄂西", "422800"),
        ("荆沙市", "421000"),
        ("崇文区", "110101"),
        ("卢湾", "310101"),
        ("330227", "330212"),
        ("330204", "330212"),
        ("吴县", "? 320506 320507"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
    }
}

#[test]
fn what_nobody_knows_is_unknown() {
    for name in ["", " ", "老家", "湖北成都", "999999", "12345", "亚特兰蒂斯", "自治州"] {
        assert_eq!(declared(name), "unknown", "{name:?}");
        assert_eq!(carrier(name), "unknown", "{name:?}");
    }
    assert_eq!(declared(&"北京".repeat(10_000)), "unknown");
}

#[test]
fn counties_run_directly_by_a_province_have_no_prefecture() {
    let code = |digits| Code::parse(digits).unwrap();
    for digits in ["429004", "469028", "659001", "419001"] {
        assert_eq!(code(digits).city(), Some(code(digits)));
    }
    assert_eq!(code("331023").city(), Some(code("331000")));
    assert_eq!(code("500112").city(), Some(code("500000")));
    assert_eq!(code("420000").city(), None);
    assert!(code("420000").contains(code("429004")));
    assert!(code("510000").contains(code("510100")) && !code("510000").contains(code("500000")));
}

#[test]
fn every_full_name_of_a_city_resolves_to_its_own_code() {
    for (code, name) in &PLACES.names {
        if code.is_city() {
            assert_eq!(carrier(name), code.to_string(), "{name}");
        }
        assert!(resolve(name, Vocabulary::Declared).codes().contains(code), "{name}");
    }
}

proptest! {
    #[test]
    fn any_text_is_answered_and_only_with_codes_in_force(name in "\\PC{0,60}") {
        for vocabulary in [Vocabulary::Declared, Vocabulary::Carrier] {
            for code in resolve(&name, vocabulary).codes() {
                prop_assert!(code.is_in_force());
            }
        }
    }
}
