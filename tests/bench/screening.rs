//! Comparisons of what was declared with what was seen, on one core: from names as they were typed to a verdict with its
//! sentences. Each person is another one, so that nothing is answered from a cache; the tenant with 33 cities is the worst.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chrono::{Days, NaiveDate};
use clap::Args;
use proto::screening::v1::{Outcome, Source};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use screening::{
    method_file::sample,
    verdict::{Person, Rules, Scan, Stay, Visit, judge},
};
use serde_json::{Map, Value, json};

use crate::rounds::{Round, count, median_of};

#[derive(Args)]
pub(crate) struct Options {
    /// People, over and over again.
    #[arg(long, default_value_t = 10_000)]
    people: usize,
    /// Rounds of each kind.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Seconds per round and kind.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

/// Cities as carriers write them; those of the tenant of 11 February 2020 first.
const CITIES: [&str; 40] = [
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
    "台州",
    "上海",
    "嘉兴",
    "金华",
    "恩施",
    "南昌",
    "长沙",
];

/// From here on no city is a key area of the shipped method.
const HARMLESS: usize = 24;

pub(crate) fn measure(options: &Options) -> anyhow::Result<Map<String, Value>> {
    let rules = sample().rules(None).context("reading the shipped method")?;
    let people = people(options.people.max(1))?;
    let tenant = vec![tenant()?];
    let clear = people.iter().filter(|person| judge(person, &rules).outcome == Outcome::Clear).count();
    ensure!(clear > 0 && clear < people.len(), "{clear} of {} people are clear: they are all alike", people.len());
    ensure!(judge(&tenant[0], &rules).outcome == Outcome::ConcealedKeyArea, "the tenant's verdict is another one");

    let length = Duration::from_secs(options.seconds);
    let (mut all, mut worst) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        all.push(round(&people, &rules, length));
        worst.push(round(&tenant, &rules, length));
    }
    let visits: usize = people.iter().flat_map(|person| &person.scans).map(|scan| scan.visits.len()).sum();
    let mut results = Map::new();
    results.insert("comparisons_per_s".to_owned(), json!(median_of(&all).round()));
    results.insert("tenant_of_33_cities_per_s".to_owned(), json!(median_of(&worst).round()));
    results.insert("people".to_owned(), json!(people.len()));
    results
        .insert("visits_per_person".to_owned(), json!((count(visits) / count(people.len()) * 100.0).round() / 100.0));
    results.insert("clear_percent".to_owned(), json!((count(clear) / count(people.len()) * 100.0).round()));
    results.insert("rounds".to_owned(), json!(options.rounds));
    results.insert("seconds".to_owned(), json!(options.seconds));
    Ok(results)
}

fn round(people: &[Person], rules: &Rules, length: Duration) -> Round {
    let start = Instant::now();
    let mut made = 0;
    while start.elapsed() < length {
        for person in people.iter().cycle().skip(made % people.len()).take(1_000) {
            black_box(judge(black_box(person), rules));
            made += 1;
        }
    }
    Round { per_second: count(made) / start.elapsed().as_secs_f64(), waits: Vec::new() }
}

/// As those at the gates: a number or two, home and up to four other cities, most of them declared, about one in fifty in a
/// key area.
fn people(how_many: usize) -> anyhow::Result<Vec<Person>> {
    let mut random = StdRng::seed_from_u64(1);
    let mut people = Vec::with_capacity(how_many);
    for _ in 0..how_many {
        let phones = if random.random_ratio(1, 4) { 2 } else { 1 };
        let mut visits = vec![visit("宁波", 0, 41)?];
        let mut stays = Vec::new();
        for _ in 0..random.random_range(0..5) {
            let key = random.random_ratio(1, 100);
            let place = CITIES[if key { random.random_range(0..HARMLESS) } else { random.random_range(HARMLESS..40) }];
            let first = random.random_range(0..38);
            let seen = visit(place, first, first + random.random_range(0..3))?;
            if random.random_ratio(9, 10) {
                stays.push(Stay { place: seen.place.clone(), from: seen.first, to: seen.last });
            }
            visits.push(seen);
        }
        people.push(person(phones, stays, &visits)?);
    }
    Ok(people)
}

/// He declared a province, and was seen in 33 cities.
fn tenant() -> anyhow::Result<Person> {
    let visits = CITIES[..33].iter().zip(0..).map(|(city, first)| visit(city, first, first));
    let stays = vec![Stay { place: "四川".to_owned(), from: day(0)?, to: day(39)? }];
    person(1, stays, &visits.collect::<anyhow::Result<Vec<_>>>()?)
}

fn person(phones: usize, stays: Vec<Stay>, visits: &[Visit]) -> anyhow::Result<Person> {
    let mut scans = Vec::with_capacity(phones);
    for phone in (1..).take(phones) {
        let source = if phone == 1 { Source::Mobile } else { Source::Unicom };
        scans.push(Scan { source, phone: Some(phone), from: day(0)?, to: day(41)?, visits: visits.to_vec() });
    }
    Ok(Person { as_of: day(41)?, phones, stays, scans })
}

fn visit(place: &str, first: u64, last: u64) -> anyhow::Result<Visit> {
    Ok(Visit { place: place.to_owned(), first: day(first)?, last: day(last)?, hours: Some(6), struck: false })
}

/// So many days after 1 January 2020.
fn day(number: u64) -> anyhow::Result<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2020, 1, 1);
    first.and_then(|first| first.checked_add_days(Days::new(number))).context("a day of 2020")
}
