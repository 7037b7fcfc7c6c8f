//! Every place of China that GB/T 2260 has listed, under each name that people and carriers give it. Built once; a look-up
//! is one hash.

use std::{collections::HashMap, sync::Arc};

use super::Code;

const LISTS: &str = include_str!("../../data/gbt2260.tsv");
const MOVED: &str = include_str!("../../data/moved.tsv");
const CARRIERS: &str = include_str!("../../data/carriers.tsv");

/// The list in force in 2020.
const IN_FORCE: &str = "201904";

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) codes: Arc<[Code]>,
    /// All of the codes together are the place, as with a carrier's network over three cities.
    pub(super) together: bool,
}

/// Names to codes. One index holds one vocabulary.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<String, Entry>);

/// The vocabularies, each in the order in which a name is looked up.
#[derive(Debug)]
pub(super) struct Gazetteer {
    /// Names of the codes in force, for checking and showing codes.
    pub(super) names: HashMap<Code, &'static str>,
    /// Codes that were in force once.
    pub(super) former_codes: HashMap<Code, Entry>,
    pub(super) declared: [Index; 3],
    pub(super) carrier: [Index; 5],
}

impl Index {
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    fn of(pairs: impl IntoIterator<Item = (String, Code)>) -> Self {
        let mut codes: HashMap<String, Vec<Code>> = HashMap::new();
        for (name, code) in pairs {
            codes.entry(name).or_default().push(code);
        }
        Self(codes.into_iter().map(|(name, codes)| (name, Entry::any(codes))).collect())
    }
}

impl Entry {
    /// One of these codes. A county inside its like-named city is the same city at the grain of all sources (R3).
    pub(super) fn any(mut codes: Vec<Code>) -> Self {
        codes.sort_unstable();
        codes.dedup();
        let cities = codes.clone();
        codes.retain(|code| !cities.iter().any(|city| city != code && city.is_city() && city.contains(*code)));
        Self { codes: codes.into(), together: false }
    }

    /// What of it lies in one of the outer places, as far as the rule lets it; `None` where nothing does. A network stays
    /// one where it lies there with all of its places.
    pub(super) fn within(&self, outer: &Self, rule: impl Fn(Code, Code) -> bool) -> Option<Self> {
        let inside = |code: &&Code| outer.codes.iter().any(|outer| outer.contains(**code) && rule(*outer, **code));
        let codes: Arc<[Code]> = self.codes.iter().filter(inside).copied().collect();
        let together = self.together && codes.len() == self.codes.len();
        if codes.is_empty() { None } else { Some(Self { codes, together }) }
    }
}

impl Gazetteer {
    pub(super) fn build() -> Self {
        let in_force: Vec<(Code, &'static str)> =
            rows(LISTS).filter(|row| row[2] == IN_FORCE).map(|row| (code(row[0]), row[3])).collect();
        let moved: Vec<(Code, &'static str, Vec<Code>)> =
            rows(MOVED).map(|row| (code(row[0]), row[1], codes(row[2]))).collect();
        let cities = || in_force.iter().copied().filter(|(code, _)| code.is_city());
        let provinces = || in_force.iter().copied().filter(|(code, _)| code.is_province());

        let former = |city_only: bool| {
            let kept = moved.iter().filter(move |(old, _, _)| !city_only || old.is_city());
            kept.flat_map(move |(_, name, codes)| {
                let grain = move |code: &Code| if city_only { code.city().unwrap_or(*code) } else { *code };
                codes.iter().map(grain).flat_map(|code| with_short_names(name).map(move |name| (name, code)))
            })
        };
        let short = |(code, name): (Code, &'static str)| with_short_names(name).skip(1).map(move |name| (name, code));
        // Nobody calls an autonomous county by the bare name of a province: 河南 is the province, the county is 河南县.
        let bare_provinces: Vec<&str> = provinces().map(|(_, name)| stem(name)).collect();
        let misleading = |code: Code, name: &str, short: &str| {
            name.contains("自治") && !code.is_city() && !code.is_province() && bare_provinces.contains(&short)
        };
        let full = |(code, name): (Code, &'static str)| (name.to_owned(), code);
        // A carrier may write any city with 市, as 恩施市 for the prefecture.
        let as_city = |(code, name): (Code, &'static str)| (format!("{}市", stem(name)), code);

        Self {
            names: in_force.iter().copied().collect(),
            former_codes: former_codes(&moved),
            declared: [
                Index::of(in_force.iter().copied().map(full)),
                Index::of(in_force.iter().copied().flat_map(|(code, name)| {
                    let misleading = &misleading;
                    short((code, name)).filter(move |(short, _)| !misleading(code, name, short))
                })),
                Index::of(former(false)),
            ],
            carrier: [
                Index(rows(CARRIERS).map(|row| own_word(&row)).collect()),
                Index::of(cities().map(full).chain(provinces().map(full))),
                Index::of(cities().flat_map(short).chain(cities().map(as_city))),
                Index::of(former(true)),
                Index::of(provinces().flat_map(short)),
            ],
        }
    }
}

/// A code that stood for one place after another may mean what became of either.
fn former_codes(moved: &[(Code, &'static str, Vec<Code>)]) -> HashMap<Code, Entry> {
    let mut all: HashMap<Code, Vec<Code>> = HashMap::new();
    for (old, _, codes) in moved {
        all.entry(*old).or_default().extend(codes);
    }
    all.into_iter().map(|(old, codes)| (old, Entry::any(codes))).collect()
}

fn own_word(row: &[&'static str]) -> (String, Entry) {
    (row[0].to_owned(), Entry { codes: codes(row[2]).into(), together: row[1] == "network" })
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn codes(list: &str) -> Vec<Code> {
    list.split(',').map(code).collect()
}

fn code(digits: &str) -> Code {
    Code::parse(digits).expect("the shipped tables hold six digits per code, which a test reads through")
}

/// The name itself first, then what people make of it: 恩施土家族苗族自治州, 恩施, 恩施州, 恩施自治州. Where a people is all
/// that the name says, people leave its 族 out, too: 鄂温克旗.
fn with_short_names(name: &str) -> impl Iterator<Item = String> + use<> {
    let stem = stem(name);
    let mut names = vec![name.to_owned()];
    for kind in ["州", "县", "旗"] {
        if name.ends_with(&format!("自治{kind}")) {
            for stem in [Some(stem), stem.strip_suffix('族').filter(|people| long_enough(people))].into_iter().flatten()
            {
                names.extend([stem.to_owned(), format!("{stem}{kind}"), format!("{stem}自治{kind}")]);
            }
        }
    }
    names.push(stem.to_owned());
    // Never the same name twice, and always the whole one first.
    let whole = names[0].clone();
    names.retain(|short| *short != whole);
    names.sort_unstable();
    names.dedup();
    names.insert(0, whole);
    names.into_iter()
}

const KINDS: [&str; 14] =
    ["特别行政区", "自治州", "自治县", "自治旗", "自治区", "地区", "林区", "特区", "盟", "省", "市", "县", "区", "旗"];

const PEOPLES: [&str; 49] = [
    "维吾尔",
    "达斡尔族",
    "鄂伦春",
    "鄂温克族",
    "柯尔克孜",
    "哈萨克族",
    "哈萨克",
    "塔吉克",
    "蒙古族",
    "朝鲜族",
    "土家族",
    "仫佬族",
    "毛南族",
    "仡佬族",
    "布依族",
    "哈尼族",
    "纳西族",
    "拉祜族",
    "布朗族",
    "景颇族",
    "傈僳族",
    "独龙族",
    "普米族",
    "裕固族",
    "保安族",
    "东乡族",
    "撒拉族",
    "蒙古",
    "锡伯",
    "各族",
    "满族",
    "回族",
    "畲族",
    "苗族",
    "瑶族",
    "侗族",
    "壮族",
    "黎族",
    "羌族",
    "彝族",
    "藏族",
    "水族",
    "傣族",
    "佤族",
    "白族",
    "怒族",
    "土族",
    "阿昌族",
    "京族",
];

/// The name without what kind of place it is. Names of one character keep it: nobody says 泾 for 泾县.
pub(super) fn stem(name: &str) -> &str {
    let Some(mut stem) = KINDS.iter().find_map(|kind| name.strip_suffix(kind)) else { return name };
    if name[stem.len()..].starts_with("自治") {
        while let Some(shorter) = PEOPLES.iter().find_map(|people| stem.strip_suffix(people)) {
            if !long_enough(shorter) {
                break;
            }
            stem = shorter;
        }
    }
    if long_enough(stem) { stem } else { name }
}

fn long_enough(name: &str) -> bool {
    name.chars().count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_lose_the_kind_and_the_peoples_but_never_the_place() {
        for (name, expected) in [
            ("恩施土家族苗族自治州", "恩施"),
            ("湘西土家族苗族自治州", "湘西"),
            ("克孜勒苏柯尔克孜自治州", "克孜勒苏"),
            ("内蒙古自治区", "内蒙古"),
            ("新疆维吾尔自治区", "新疆"),
            ("双江拉祜族佤族布朗族傣族自治县", "双江"),
            ("东乡族自治县", "东乡族"),
            ("鄂伦春自治旗", "鄂伦春"),
            ("香港特别行政区", "香港"),
            ("大兴安岭地区", "大兴安岭"),
            ("泾县", "泾县"),
            ("城区", "城区"),
        ] {
            assert_eq!(stem(name), expected, "{name}");
        }
    }

    #[test]
    fn the_shipped_tables_are_whole_and_point_at_codes_in_force() {
        let gazetteer = Gazetteer::build();
        let provinces = gazetteer.names.keys().filter(|code| code.is_province()).count();
        let prefectures = gazetteer.names.keys().filter(|code| code.is_prefecture()).count();
        let direct = gazetteer.names.keys().filter(|code| code.is_directly_run()).count();
        assert_eq!((provinces, prefectures, direct), (34, 334, 29), "DOMAIN section 4");
        for entry in gazetteer.former_codes.values().chain(gazetteer.carrier[0].0.values()) {
            for code in &*entry.codes {
                assert!(gazetteer.names.contains_key(code), "{code} is not in force");
            }
        }
    }

    #[test]
    fn each_former_place_says_how_it_is_known_where_it_went() {
        for row in rows(MOVED) {
            let several = row[2].contains(',');
            let fits = match row[3] {
                "split" => several,
                "renamed" | "moved" | "merged" => !several,
                _ => false,
            };
            assert!(fits && row[4].len() == 4, "{row:?}");
        }
    }
}
