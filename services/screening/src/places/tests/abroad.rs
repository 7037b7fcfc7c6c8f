//! Countries, and the names that only look like them.

use super::*;

#[test]
fn a_country_goes_by_its_code_and_by_every_usual_name() {
    for name in ["KR", "韩国", "南韩", "大韩民国", "韓國", "South Korea", "south korea", "Republic of Korea", " 韩 国 "]
    {
        assert_eq!((declared(name), carrier(name)), ("KR".to_owned(), "KR".to_owned()), "{name}");
    }
    for (name, expected) in [
        ("意大利", "IT"),
        ("义大利", "IT"),
        ("Italy", "IT"),
        ("伊朗", "IR"),
        ("Islamic Republic of Iran", "IR"),
        ("阿联酋", "AE"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("UK", "GB"),
        ("英格兰", "GB"),
        ("Côte d’Ivoire", "CI"),
        ("Cote d'Ivoire", "CI"),
        ("刚果（金）", "CD"),
        ("蒙古国", "MN"),
        ("南苏丹", "SS"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
    }
}

#[test]
fn what_may_be_a_country_or_something_else_is_a_question() {
    for (name, expected) in [
        ("蒙古", "? 150000 MN"),
        ("黑山", "? 210726 ME"),
        ("刚果", "? CD CG"),
        ("Korea", "? KP KR"),
        ("多米尼加", "? DM DO"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
    }
    assert_eq!(carrier("黑山"), "ME", "a carrier names no county");
    assert_eq!(carrier("蒙古"), "? 150000 MN");
}

#[test]
fn places_of_china_stay_what_they_are() {
    for (name, expected) in [
        ("内蒙古", "150000"),
        ("黑山县", "210726"),
        ("香港", "810000"),
        ("台湾", "710000"),
        ("延边朝鲜族自治州", "222400"),
        ("巴林左旗", "150422"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
    }
    for name in ["China", "CN", "HK", "TW", "XX", "中国", "kr", "境外", "国外"] {
        assert_eq!((declared(name), carrier(name)), ("unknown".to_owned(), "unknown".to_owned()), "{name}");
    }
}

#[test]
fn a_city_abroad_is_its_country_where_a_sign_sets_the_country_off_and_is_never_guessed() {
    for (name, expected) in [
        ("韩国-首尔", "KR"),
        ("日本 东京", "JP"),
        ("意大利，米兰", "IT"),
        ("Milan, Italy", "IT"),
        ("Jordan, Minnesota", "unknown"),
        ("日本料理街", "unknown"),
        ("首尔", "unknown"),
        ("韩国首尔", "unknown"),
    ] {
        assert_eq!(declared(name), expected, "{name}");
    }
}

#[test]
fn a_carrier_says_where_a_phone_was_roaming() {
    for (name, expected) in [
        ("国际漫游（韩国）", "KR"),
        ("国际漫游-日本", "JP"),
        ("境外意大利", "IT"),
        ("国际及港澳台漫游香港", "810000"),
        ("漫游", "unknown"),
        ("国际漫游", "unknown"),
        ("漫游宁波", "unknown"),
    ] {
        assert_eq!(carrier(name), expected, "{name}");
    }
    assert_eq!(declared("国际漫游日本"), "unknown", "people do not talk like that");
}

#[test]
fn a_country_contains_itself_and_nothing_else() {
    let code = |code: &str| Code::parse(code).unwrap();
    let (korea, aruba) = (code("KR"), code("AW"));
    assert!(korea.contains(korea) && !korea.touches(aruba) && !korea.touches(code("330200")));
    assert_eq!((korea.city(), korea.province(), korea.is_city()), (Some(korea), korea, false));
    assert_eq!((korea.name(), korea.english_name()), (Some("韩国"), Some("South Korea")));
    assert!(korea.is_in_force() && !code("CN").is_in_force() && !code("ZZ").is_in_force());
    assert_eq!(code("330200").english_name(), Some("宁波"));
}
