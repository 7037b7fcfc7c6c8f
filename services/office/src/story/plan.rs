//! Who lives in 长丰二村 and 金家新村, where they were and when they came back: everything that the story decides by itself,
//! from a seed. What the services make of it is theirs.

use std::collections::HashSet;

use chrono::{Days, NaiveDate};
use rand::{Rng, RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// DOMAIN section 1.
pub(super) const HOUSEHOLDS: usize = 1_729;
pub(super) const RENTED: usize = 1_300;
/// Rooms of 长丰二村; the others are 金家新村's.
const OLD_COMPOUND: usize = 1_430;
pub(super) const COMPOUNDS: [&str; 2] = ["长丰二村", "金家新村"];
/// Three gates of the one, one of the other: the shares are DOMAIN section 6's.
pub(super) const GATES: [(usize, &str, u32); 4] = [(0, "东门", 45), (0, "南门", 30), (0, "西门", 15), (1, "北门", 10)];
pub(super) struct Plan {
    pub(super) homes: Vec<Home>,
    /// Crossings of the eleventh, beside the remarkable ones.
    pub(super) crossings: usize,
}

pub(super) struct Home {
    /// Index into `COMPOUNDS`.
    pub(super) compound: usize,
    pub(super) building: usize,
    pub(super) unit: usize,
    pub(super) room: usize,
    pub(super) landlord: Option<(String, String)>,
    pub(super) people: Vec<Someone>,
    pub(super) part: Part,
}

#[derive(Clone)]
pub(super) struct Someone {
    pub(super) name: String,
    pub(super) document: String,
    pub(super) phones: Vec<String>,
    /// What they say, and what their phones were seen at.
    pub(super) travels: Travels,
}

#[derive(Clone, Default)]
pub(super) struct Travels {
    pub(super) declared: Vec<Stay>,
    /// One list for each phone.
    pub(super) seen: Vec<Vec<Stay>>,
}

#[derive(Clone)]
pub(super) struct Stay {
    pub(super) place: &'static str,
    pub(super) from: NaiveDate,
    pub(super) to: NaiveDate,
}

/// What a household is in the story for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Not back yet.
    Away,
    /// Back before the eleventh, or in the afternoon of the eleventh.
    BackEarlier,
    BackToday,
    /// The tenant who had been "only in Sichuan".
    OnlySichuan,
    /// The native of Ningbo who hid a stay in 天台.
    HidTiantai,
    /// Three more for central isolation: one told the truth.
    HidWenzhou,
    HidHuanggang,
    ToldWuhan,
    /// Told of 信阳: home isolation.
    ToldXinyang,
    /// In isolation since January, free on the eleventh.
    IsolatedSinceJanuary,
    /// 72 years old, seen for a day across the border of the city.
    SeenAcrossBorder,
    /// Two numbers, of which one is scanned first.
    TwoNumbers,
    /// Lost the pass; somebody else found it.
    LostPass,
}

const REMARKABLE: [Part; 10] = [
    Part::OnlySichuan,
    Part::HidTiantai,
    Part::HidWenzhou,
    Part::HidHuanggang,
    Part::ToldWuhan,
    Part::ToldXinyang,
    Part::SeenAcrossBorder,
    Part::TwoNumbers,
    Part::LostPass,
    Part::IsolatedSinceJanuary,
];

/// Where people of the compound come from: none of it a key area, every name with one meaning.
const HOME_TOWNS: [&str; 14] =
    ["阜阳", "毕节", "上饶", "商丘", "昭通", "达州", "怀化", "徐州", "六安", "铜仁", "赣州", "菏泽", "遵义", "宿州"];
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹";
const GIVEN: &str = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉萍红建国志文海燕春梅";
const AREAS: [&str; 8] = ["330212", "330227", "330204", "341202", "522401", "361102", "411402", "513001"];

/// A day of 2020.
pub(super) fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, month, day).expect("the story's days are real")
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut people = People { taken: HashSet::new(), phones: 0 };
        let parts = parts(&mut dice);
        let homes = (0..HOUSEHOLDS).map(|index| home(index, parts[index], &mut dice, &mut people)).collect();
        Self { homes, crossings: dice.random_range(770..=830) }
    }
}

fn parts(dice: &mut StdRng) -> Vec<Part> {
    let mut parts = vec![Part::Away; HOUSEHOLDS];
    // In the old compound's rented rooms, except for the two natives.
    for (index, part) in REMARKABLE.iter().enumerate() {
        parts[7 + index * 83] = *part;
    }
    for index in [901, 977, 1_033] {
        parts[index] = Part::IsolatedSinceJanuary;
    }
    parts.swap(7 + 83, RENTED + 40);
    parts.swap(7 + 6 * 83, RENTED + 80);
    let mut ordinary: Vec<usize> = (0..HOUSEHOLDS).filter(|index| parts[*index] == Part::Away).collect();
    // Only tenants come back on the eleventh: more than 300 households were screened from two to ten.
    let mut tenants: Vec<usize> = ordinary.iter().copied().filter(|index| *index < RENTED).collect();
    for _ in 0..dice.random_range(305..=330) {
        let pick = tenants.swap_remove(dice.random_range(0..tenants.len()));
        parts[pick] = Part::BackToday;
    }
    ordinary.retain(|index| parts[*index] == Part::Away);
    for _ in 0..dice.random_range(905..=930) {
        let pick = ordinary.swap_remove(dice.random_range(0..ordinary.len()));
        parts[pick] = Part::BackEarlier;
    }
    parts
}

fn home(index: usize, part: Part, dice: &mut StdRng, people: &mut People) -> Home {
    let compound = usize::from(index >= OLD_COMPOUND);
    let place = if compound == 0 { index } else { index - OLD_COMPOUND };
    let rented = index < RENTED;
    let crowd = match part {
        Part::Away | Part::BackEarlier | Part::BackToday => *[1, 1, 1, 2, 2, 3].choose(dice).expect("not empty"),
        Part::IsolatedSinceJanuary => dice.random_range(1..=2),
        _ => 1,
    };
    Home {
        compound,
        building: place / 36 + 1,
        unit: place / 12 % 3 + 1,
        room: (place % 12 / 2 + 1) * 100 + place % 2 + 1,
        landlord: rented.then(|| (name(dice), people.phone())),
        people: (0..crowd).map(|_| people.somebody(part, dice)).collect(),
        part,
    }
}

/// Gives everybody a number of their own.
struct People {
    taken: HashSet<String>,
    phones: u64,
}

impl People {
    fn somebody(&mut self, part: Part, dice: &mut StdRng) -> Someone {
        let travels = travels(part, dice);
        let phones = (0..travels.seen.len().max(1)).map(|_| self.phone()).collect();
        let years = if part == Part::SeenAcrossBorder { 1947..=1947 } else { 1950..=2001 };
        Someone { name: name(dice), document: self.document(dice, years), phones, travels }
    }

    fn phone(&mut self) -> String {
        self.phones += 1;
        // Spread over the number space, still one each: 7,919 and 10^8 have no common factor.
        format!("1{}{:08}", 37 + self.phones % 3, self.phones * 7_919 % 100_000_000)
    }

    /// GB 11643 with its check digit.
    fn document(&mut self, dice: &mut StdRng, years: std::ops::RangeInclusive<i32>) -> String {
        const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        loop {
            let area = AREAS.choose(dice).expect("not empty");
            let year = dice.random_range(years.clone());
            let born = NaiveDate::from_yo_opt(year, dice.random_range(1..=365)).expect("every year has 365 days");
            let body = format!("{area}{}{:03}", born.format("%Y%m%d"), dice.random_range(1..=999));
            let sum: u32 = body.chars().filter_map(|c| c.to_digit(10)).zip(WEIGHTS).map(|(d, w)| d * w).sum();
            let check = "10X98765432".as_bytes()[(sum % 11) as usize] as char;
            let number = format!("{body}{check}");
            // The import points at numbers that end in 000 as Excel's doing; a real one may, the story's do not.
            if !number.ends_with("000") && self.taken.insert(number.clone()) {
                return number;
            }
        }
    }
}

fn name(dice: &mut impl Rng) -> String {
    let pick = |letters: &str, dice: &mut dyn FnMut(usize) -> usize| {
        let letters: Vec<char> = letters.chars().collect();
        letters[dice(letters.len())]
    };
    let mut roll = |below: usize| dice.random_range(0..below);
    let mut name = String::from(pick(SURNAMES, &mut roll));
    name.push(pick(GIVEN, &mut roll));
    if roll(3) > 0 {
        name.push(pick(GIVEN, &mut roll));
    }
    name
}

fn stay(place: &'static str, from: NaiveDate, to: NaiveDate) -> Stay {
    Stay { place, from, to }
}

fn travels(part: Part, dice: &mut StdRng) -> Travels {
    let honest = |place: &'static str, from, to| Travels {
        declared: vec![stay(place, from, to)],
        seen: vec![vec![stay("宁波", day(1, 1), from), stay(place, from, to), stay("宁波", to, to)]],
    };
    match part {
        Part::Away | Part::IsolatedSinceJanuary => {
            Travels { declared: Vec::new(), seen: vec![vec![stay("宁波", day(1, 1), day(2, 9))]] }
        }
        Part::BackEarlier | Part::BackToday | Part::LostPass => ordinary(dice),
        Part::OnlySichuan => only_sichuan(),
        Part::HidTiantai => Travels {
            declared: Vec::new(),
            seen: vec![vec![
                stay("宁波", day(1, 1), day(1, 22)),
                stay("台州", day(1, 22), day(1, 28)),
                stay("宁波", day(1, 28), day(2, 11)),
            ]],
        },
        Part::HidWenzhou => Travels {
            declared: vec![stay("福州", day(1, 20), day(2, 8))],
            seen: vec![vec![
                stay("福州", day(1, 20), day(2, 5)),
                stay("温州", day(2, 5), day(2, 8)),
                stay("宁波", day(2, 8), day(2, 11)),
            ]],
        },
        Part::HidHuanggang => Travels {
            declared: vec![stay("九江", day(1, 19), day(2, 9))],
            seen: vec![vec![
                stay("九江", day(1, 19), day(1, 24)),
                stay("黄冈", day(1, 24), day(1, 31)),
                stay("九江", day(1, 31), day(2, 9)),
                stay("宁波", day(2, 9), day(2, 11)),
            ]],
        },
        Part::ToldWuhan => honest("武汉", day(1, 17), day(2, 7)),
        Part::ToldXinyang => honest("信阳", day(1, 18), day(2, 9)),
        Part::SeenAcrossBorder => Travels {
            declared: Vec::new(),
            seen: vec![vec![stay("宁波", day(1, 1), day(2, 11)), stay("绍兴", day(1, 30), day(1, 30))]],
        },
        Part::TwoNumbers => {
            let first = honest("阜阳", day(1, 20), day(2, 8));
            Travels { seen: vec![first.seen[0].clone(), first.seen[0].clone()], ..first }
        }
    }
}

/// Home for the holidays and back, or never away. About one in eighty keeps quiet about a detour.
fn ordinary(dice: &mut StdRng) -> Travels {
    let back = day(2, 8).checked_sub_days(Days::new(dice.random_range(0..5))).expect("a day in February");
    let mut travels = if dice.random_range(0..4) == 0 {
        Travels { declared: Vec::new(), seen: vec![vec![stay("宁波", day(1, 1), day(2, 9))]] }
    } else {
        let town = HOME_TOWNS.choose(dice).copied().expect("not empty");
        let left = day(1, dice.random_range(15..=23));
        Travels {
            declared: vec![stay(town, left, back)],
            seen: vec![vec![stay("宁波", day(1, 1), left), stay(town, left, back), stay("宁波", back, day(2, 9))]],
        }
    };
    if dice.random_range(0..80) == 0 {
        let detour = *["金华", "合肥", "南昌", "徐州"].choose(dice).expect("not empty");
        let already = travels.declared.iter().any(|stay| stay.place == detour);
        if !already {
            travels.seen[0].push(stay(detour, back, back.succ_opt().expect("a day in February")));
        }
    }
    travels
}

/// From Sichuan by a way that he did not speak of (DOMAIN section 1): 信阳, 驻马店, 南阳, 武汉, 宜昌, 江汉, 孝感, 黄冈 and more
/// than thirty cities in all.
fn only_sichuan() -> Travels {
    const WAY: [&str; 36] = [
        "成都",
        "德阳",
        "绵阳",
        "遂宁",
        "南充",
        "广安",
        "达州",
        "巴中",
        "广元",
        "汉中",
        "安康",
        "十堰",
        "襄阳",
        "荆门",
        "宜昌",
        "荆州",
        "江汉",
        "孝感",
        "武汉",
        "黄冈",
        "随州",
        "信阳",
        "驻马店",
        "南阳",
        "平顶山",
        "许昌",
        "漯河",
        "周口",
        "阜阳",
        "淮南",
        "合肥",
        "芜湖",
        "宣城",
        "湖州",
        "杭州",
        "绍兴",
    ];
    let at_home = stay("成都", day(1, 18), day(1, 24));
    let mut seen = vec![at_home];
    for (index, place) in WAY.iter().enumerate().skip(1) {
        let date = day(1, 24).checked_add_days(Days::new(index as u64 * 15 / 36)).expect("a day in February");
        seen.push(stay(place, date, date));
    }
    seen.push(stay("宁波", day(2, 9), day(2, 11)));
    Travels { declared: vec![stay("四川", day(1, 18), day(2, 9))], seen: vec![seen] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_tells_the_same_story() {
        let (one, other) = (Plan::new(7), Plan::new(7));
        let names = |plan: &Plan| plan.homes.iter().flat_map(|h| &h.people).map(|p| p.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&one), names(&other));
        assert_ne!(names(&one), names(&Plan::new(8)));
    }

    #[test]
    fn every_room_document_and_number_is_there_once() {
        let plan = Plan::new(1);
        let rooms: HashSet<_> = plan.homes.iter().map(|h| (h.compound, h.building, h.unit, h.room)).collect();
        assert_eq!(rooms.len(), HOUSEHOLDS);
        let people: Vec<_> = plan.homes.iter().flat_map(|home| &home.people).collect();
        let documents: HashSet<_> = people.iter().map(|person| &person.document).collect();
        let phones: HashSet<_> = people.iter().flat_map(|person| &person.phones).collect();
        assert_eq!(documents.len(), people.len());
        assert!(phones.len() >= people.len());
    }

    #[test]
    fn every_part_is_played() {
        for seed in 0..20 {
            let plan = Plan::new(seed);
            for part in REMARKABLE {
                let count = plan.homes.iter().filter(|home| home.part == part).count();
                assert_eq!(count, if part == Part::IsolatedSinceJanuary { 4 } else { 1 }, "{part:?} with seed {seed}");
            }
            assert!(plan.homes.iter().filter(|home| home.part == Part::BackToday).count() > 300);
            assert_eq!(plan.homes.iter().filter(|home| home.landlord.is_some()).count(), RENTED);
        }
    }

    #[test]
    fn the_gates_shares_are_complete() {
        assert_eq!(GATES.iter().map(|gate| gate.2).sum::<u32>(), 100);
    }
}
