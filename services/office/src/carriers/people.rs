//! Where numbers were: most at home, some back from their home town, one or two in a hundred from a key area.

use chrono::{Days, NaiveDate};
use proto::screening::v1::{NoData, Source};

use crate::desk::typed;

/// One place where a number was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    pub place: String,
    pub first: NaiveDate,
    pub last: NaiveDate,
    /// Of the longest day.
    pub hours: i32,
}

const TOWNS: [&str; 8] = ["阜阳", "毕节", "上饶", "商丘", "昭通", "徐州", "六安", "赣州"];
const KEY_AREAS: [&str; 4] = ["武汉", "温州", "信阳", "黄冈"];
const NEIGHBOURS: [&str; 2] = ["台州", "绍兴"];

/// Three first digits, by carrier.
const PREFIXES: [(Source, &[&str]); 3] = [
    (
        Source::Mobile,
        &[
            "134", "135", "136", "137", "138", "139", "147", "150", "151", "152", "157", "158", "159", "178", "182",
            "183", "184", "187", "188",
        ],
    ),
    (Source::Unicom, &["130", "131", "132", "145", "155", "156", "166", "175", "176", "185", "186"]),
    (Source::Telecom, &["133", "149", "153", "173", "177", "180", "181", "189", "199"]),
];

/// Whether a carrier knows a number; what nobody claims is everybody's.
pub(super) fn is_of(number: &str, source: Source) -> bool {
    let claims = |(_, prefixes): &&(Source, &[&str])| prefixes.iter().any(|prefix| number.starts_with(prefix));
    PREFIXES.iter().find(claims).is_none_or(|(owner, _)| *owner == source)
}

/// The same for the same seed and the same words (FNV-1a, then stirred).
pub(super) fn dice(seed: u64, what: &str) -> u64 {
    let hash = what
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// Whether a share of all numbers includes this one.
fn hits(seed: u64, what: &str, share: f64) -> bool {
    const PARTS: u32 = 1_000_000;
    let part = u32::try_from(dice(seed, what) % u64::from(PARTS)).unwrap_or_default();
    f64::from(part) < share * f64::from(PARTS)
}

pub(super) fn no_data(seed: u64, number: &str, share: f64) -> Option<NoData> {
    let reasons = [NoData::SwitchedOff, NoData::Ported, NoData::NoRecord];
    let reason = reasons[usize::try_from(dice(seed, &format!("{number}/why")) % 3).unwrap_or_default()];
    hits(seed, &format!("{number}/no data"), share).then_some(reason)
}

/// Stays since the first of January, or as far back as anybody looks.
pub(super) fn stays(seed: u64, number: &str, today: NaiveDate) -> Vec<Stay> {
    let begin = today - Days::new(60);
    let stay = |place: &str, first, last, hours| Stay { place: place.to_owned(), first, last, hours };
    let kind = dice(seed, &format!("{number}/kind")) % 100;
    if kind < 70 {
        return vec![stay("宁波", begin, today, 24)];
    }
    let pick = |from: &[&'static str]| {
        from[usize::try_from(dice(seed, &format!("{number}/town"))).unwrap_or_default() % from.len()]
    };
    let town = if kind < 98 { pick(&TOWNS) } else { pick(&KEY_AREAS) };
    let left = today - Days::new(30 - dice(seed, &format!("{number}/left")) % 8);
    let back = today - Days::new(1 + dice(seed, &format!("{number}/back")) % 12);
    vec![stay("宁波", begin, left, 24), stay(town, left, back, 24), stay("宁波", back, today, 24)]
}

/// A mast across the border.
pub(super) fn border_error(seed: u64, number: &str, share: f64, last: NaiveDate) -> Option<Stay> {
    let day = last - Days::new(dice(seed, &format!("{number}/day")) % 12);
    let city = NEIGHBOURS[usize::try_from(dice(seed, &format!("{number}/border")) % 2).unwrap_or_default()];
    hits(seed, &format!("{number}/strayed"), share).then(|| Stay {
        place: city.to_owned(),
        first: day,
        last: day,
        hours: 5,
    })
}

/// 13800001234=武汉:2020-01-20:2020-01-22:6
pub(super) fn typed_stay(text: &str) -> Result<(String, Stay), String> {
    const EXAMPLE: &str = "13800001234=武汉:2020-01-20:2020-01-22:6";
    let wrong = || format!("{text:?} is no stay: write it as {EXAMPLE}");
    let (number, rest) = text.split_once('=').ok_or_else(wrong)?;
    let parts: Vec<&str> = rest.split(':').collect();
    let (place, first, last, hours) = match parts[..] {
        [place, first, last] => (place, first, last, "24"),
        [place, first, last, hours] => (place, first, last, hours),
        _ => return Err(wrong()),
    };
    let hours = hours.parse().ok().filter(|hours| (0..=24).contains(hours)).ok_or_else(wrong)?;
    let stay = Stay { place: place.to_owned(), first: typed::date(first)?, last: typed::date(last)?, hours };
    Ok((number.to_owned(), stay))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2020, 2, 11).unwrap()
    }

    #[test]
    fn a_seed_says_the_same_of_a_number_and_shares_are_about_what_they_say() {
        let numbers: Vec<String> = (0..20_000).map(|number| format!("138{number:08}")).collect();
        assert!(numbers.iter().all(|number| stays(7, number, today()) == stays(7, number, today())));
        assert!(numbers.iter().any(|number| stays(7, number, today()) != stays(8, number, today())));
        let count = |what: &dyn Fn(&String) -> bool| numbers.iter().filter(|number| what(number)).count();
        let without = count(&|number| no_data(7, number, 0.05).is_some());
        assert!((900..1_100).contains(&without), "{without} of 20000 are five in a hundred");
        let strayed = count(&|number| border_error(7, number, 0.005, today()).is_some());
        assert!((70..130).contains(&strayed), "{strayed}");
        let key = count(&|number| stays(7, number, today()).iter().any(|stay| KEY_AREAS.contains(&&*stay.place)));
        assert!((300..500).contains(&key), "{key} were in a key area");
        assert_eq!(count(&|number| no_data(7, number, 0.0).is_some()), 0);
    }

    #[test]
    fn a_number_belongs_to_one_carrier() {
        assert!(is_of("13800001234", Source::Mobile) && !is_of("13800001234", Source::Unicom));
        assert!(is_of("18600001234", Source::Unicom) && is_of("18900001234", Source::Telecom));
        assert!(is_of("11100001234", Source::Mobile) && is_of("11100001234", Source::Telecom));
    }

    #[test]
    fn a_stay_is_typed_with_its_number() {
        let (number, stay) = typed_stay("13800001234=武汉:2020-01-20:2020-01-22:6").unwrap();
        assert_eq!((number.as_str(), stay.place.as_str(), stay.hours), ("13800001234", "武汉", 6));
        for wrong in ["13800001234", "1=武汉:2020-01-20", "1=武汉:2020-01-20:2020-01-22:25", "1=武汉:a:b"] {
            assert!(typed_stay(wrong).is_err(), "{wrong}");
        }
    }
}
