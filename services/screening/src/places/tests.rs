mod abroad;

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

const CARRIERS: [Vocabulary; 3] = [Vocabulary::Mobile, Vocabulary::Unicom, Vocabulary::Telecom];

/// All three of them say the same.
#[track_caller]
fn carrier(name: &str) -> String {
    let [mobile, unicom, telecom] = CARRIERS.map(|words| show(name, words));
    assert_eq!((&mobile, &mobile), (&unicom, &telecom), "{name}");
    mobile
}

#[test]
fn jianghan_is_a_network_of_three_cities_for_a_carrier_and_a_district_for_a_person() {
    for name in ["江汉", "江汉市", "湖北江汉", "湖北省 江汉", "江漢"] {
        assert_eq!(carrier(name), "429004 429005 429006", "{name}");
    }
    assert_eq!(declared("江汉"), "420103");
    for name in ["江汉区", "武汉江汉区", "湖北省武汉市江汉区"] {
        assert_eq!(carrier(name), "unknown", "a carrier never names a district: {name}");
        assert_eq!(declared(name), "420103", "{name}");
    }
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
        ("日本", "JP"),
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
        // People leave 族 out, too.
        ("东乡", "? 361003 622926"),
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
        ("湖北武汉", "420100"),
        ("湖北省武汉市洪山区", "420111"),
        ("中国 内蒙古自治区 呼和浩特市", "150100"),
        ("北京市市辖区朝阳区", "110105"),
        ("上海市上海市浦东新区", "310115"),
        ("重庆市重庆市", "500000"),
        ("吉林吉林", "220200"),
        // Districts that are no more, in the city that they were part of.
        ("石家庄桥东区", "130100"),
        ("张家口桥东区", "130702"),
        ("邯郸郊区", "130400"),
        ("广州东山区", "440104"),
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
        (&["鄂温克旗", "鄂温克", "鄂温克族自治旗"], "150724"),
        (&["长阳", "长阳县", "长阳土家族自治县"], "420528"),
        (&["阿坝", "阿坝州", "阿坝藏族羌族自治州"], "513200"),
        (&["伊犁", "伊犁州", "伊犁哈萨克自治州"], "654000"),
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
        // Named after their region, not after the county of that name.
        ("恩施地区", "422800"),
        ("荆州地区", "421000"),
        ("思茅地区", "530800"),
        ("武都地区", "621200"),
        ("惠阳地区", "? 441300 441500 441600 441900"),
        ("淮阴市", "320800"),
        ("哲里木盟", "150500"),
        ("海南行政区", "460000"),
        ("万县市", "500101"),
        ("银南地区", "640300"),
        ("燕山区", "110111"),
        // Two places stood under this code, one after the other.
        ("130124", "? 130111 130123"),
        ("522400", "520500"),
        ("110100", "110000"),
        ("500200", "500000"),
        // No place, but a heading of the lists: it must not become a prefecture.
        ("429000", "unknown"),
        ("469000", "unknown"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
    }
    for name in ["襄樊", "毕节地区", "毕节", "思茅", "哲里木盟", "330227", "522400"] {
        assert!(resolve(name, Vocabulary::Mobile).resolved().is_some(), "{name}");
    }
}

#[test]
fn every_place_that_was_ever_listed_leads_to_one_in_force_of_its_own_province() {
    /// Lines of the lists that name a place under a code of another one.
    const SLIPS: [(&str, &str); 4] =
        [("339007", "安徽省"), ("339008", "合肥市"), ("420802", "鄂城区"), ("420803", "黄州区")];
    // 海南 was part of 广东, and 重庆 of 四川.
    let provinces = |code: &str| {
        match &code[..2] {
            "44" => vec!["44", "46"],
            "51" => vec!["51", "50"],
            own => vec![own],
        }
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>()
    };
    let lists = include_str!("../../data/gbt2260.tsv");
    for row in lists.lines().filter(|line| !line.starts_with('#')) {
        let [code, _, _, name] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        if SLIPS.contains(&(code, name)) {
            continue;
        }
        let found = resolve(code, Vocabulary::Declared);
        assert!(!found.codes().is_empty(), "{row}");
        assert!(!resolve(name, Vocabulary::Declared).codes().is_empty(), "{row}");
        for successor in found.codes() {
            assert!(provinces(code).iter().any(|own| successor.to_string().starts_with(own)), "{row}: {successor}");
        }
    }
}

#[test]
fn provinces_are_named_short() {
    for (name, expected) in [
        ("内蒙古", "150000"),
        ("新疆", "650000"),
        ("广西", "450000"),
        ("宁夏", "640000"),
        ("西藏", "540000"),
        ("黑龙江", "230000"),
        ("四川", "510000"),
        ("湖北", "420000"),
        ("广东", "440000"),
        ("台湾", "710000"),
        ("香港", "810000"),
        ("澳门", "820000"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
        assert_eq!(carrier(name), expected, "{name}");
    }
}

#[test]
fn names_are_read_as_people_type_them() {
    for (name, expected) in [
        (" 武汉　", "420100"),
        ("湖北－武汉", "420100"),
        ("湖北省/武汉市", "420100"),
        ("湖北省,武汉市", "420100"),
        ("湖北，武汉", "420100"),
        ("武漢", "420100"),
        ("臺州市天臺縣", "331023"),
        ("寧波市鄞縣", "330212"),
        ("廣東省廣州市", "440100"),
        ("３３０２００", "330200"),
        ("武汉市*", "420100"),
        ("330200\u{feff}", "330200"),
        // An enumeration is two places, and which is meant nobody can say.
        ("湖北、武汉", "unknown"),
        ("信阳、南阳", "unknown"),
        ("武汉或孝感", "unknown"),
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
        for vocabulary in Vocabulary::WORDS.map(|(_, words)| words) {
            for code in resolve(&name, vocabulary).codes() {
                prop_assert!(code.is_in_force());
            }
        }
    }

    #[test]
    fn a_path_leads_to_places_within_all_that_it_names(outer in any_place(), inner in any_place(), between in "[ -]?") {
        let whole = resolve(&format!("{}{between}{}", outer.name().unwrap(), inner.name().unwrap()), Vocabulary::Declared);
        for code in whole.codes() {
            let around = resolve(outer.name().unwrap(), Vocabulary::Declared);
            prop_assert!(around.codes().iter().any(|outer| outer.contains(*code)), "{whole:?}");
        }
        if outer.contains(inner) {
            prop_assert!(whole.codes().iter().any(|code| code.touches(inner)), "{whole:?}");
        }
    }

    #[test]
    fn a_name_is_the_same_in_traditional_characters(place in any_place()) {
        let table = include_str!("../../data/traditional.tsv");
        let variant = |c: char| table.lines().find(|row| row.starts_with(c)).and_then(|row| row.split_once('\t'));
        let name = place.name().unwrap();
        let typed: String = name.chars().map(|c| variant(c).and_then(|row| row.1.chars().next()).unwrap_or(c)).collect();
        for (_, words) in Vocabulary::WORDS {
            prop_assert_eq!(resolve(&typed, words), resolve(name, words), "{}", typed);
        }
    }
}

/// In force.
fn any_place() -> impl Strategy<Value = Code> {
    let mut all: Vec<Code> = PLACES.names.keys().copied().collect();
    all.sort_unstable();
    prop::sample::select(all)
}
