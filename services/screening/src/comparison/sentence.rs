//! A change of the method in words, in both languages; and all changes of a version in one phrase.

use chrono::{Datelike as _, NaiveDate};
use proto::screening::v1::{KeyArea, Level, Measure, MethodChange, method_change::Kind};

use crate::places::Code;

/// "adding 台州 from 8 February"
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Headline {
    pub(crate) zh: String,
    pub(crate) en: String,
}

/// So many changes are named; more are counted.
const NAMED: usize = 3;

/// Every change of a version in one phrase.
pub(crate) fn headline(changes: &[MethodChange]) -> Headline {
    if changes.is_empty() {
        return Headline { zh: "内容与现行标准相同".to_owned(), en: "changing nothing".to_owned() };
    }
    let zh: Vec<String> = changes.iter().take(NAMED).map(|change| phrase(change).zh).collect();
    let en: Vec<String> = changes.iter().take(NAMED).map(|change| phrase(change).en).collect();
    let (mut zh, mut en) = (zh.join("、"), en.join(", "));
    if changes.len() > NAMED {
        zh = format!("{zh}等{}处改动", changes.len());
        en = format!("{en} and {} more", changes.len() - NAMED);
    }
    Headline { zh, en }
}

fn phrase(change: &MethodChange) -> Headline {
    let (place, place_en) = names(&change.place);
    let (other, other_en) = names(&change.neighbour);
    let (zh, en) = match change.kind() {
        Kind::KeyAreaAdded => {
            let (zh, en) = since(&change.after);
            (format!("{zh}增列{place}"), format!("adding {place_en}{en}"))
        }
        Kind::KeyAreaRemoved => (format!("删去{place}"), format!("removing {place_en}")),
        Kind::KeyAreaChanged => (format!("调整{place}"), format!("changing {place_en}")),
        Kind::BorderPairAdded => {
            (format!("增列邻市{place}与{other}"), format!("adding the border of {place_en} and {other_en}"))
        }
        Kind::BorderPairRemoved => {
            (format!("删去邻市{place}与{other}"), format!("removing the border of {place_en} and {other_en}"))
        }
        Kind::NumberChanged | Kind::Unspecified => {
            let (zh, en) = number(&change.number);
            (
                format!("{zh}由{}改为{}", change.before, change.after),
                format!("{en} from {} to {}", change.before, change.after),
            )
        }
    };
    Headline { zh, en }
}

/// The beginning of a period, out of an entry's text.
fn since(area: &str) -> (String, String) {
    let day = area.split(' ').next().and_then(|from| from.parse::<NaiveDate>().ok());
    day.map_or_else(Default::default, |day| {
        (format!("自{}月{}日起", day.month(), day.day()), format!(" from {}", day.format("%-d %B")))
    })
}

/// "2020-02-08 - medium home": period, level and measure of an entry, in the order in which a table shows them.
pub(super) fn area(area: &KeyArea) -> String {
    let to = if area.to.is_empty() { "open" } else { &area.to };
    let (level, measure) = (area.level().as_str_name(), area.measure().as_str_name());
    let (level, measure) = (level.trim_start_matches("LEVEL_"), measure.trim_start_matches("MEASURE_"));
    format!("{} to {to}, {}, {}", area.from, level.to_lowercase(), measure.to_lowercase())
}

/// The change with its sentences.
pub(super) fn said(change: MethodChange) -> MethodChange {
    said_of((None, None), change)
}

/// The same for an entry of the key areas, which is given as it was and as it is.
pub(super) fn said_of((before, after): (Option<&KeyArea>, Option<&KeyArea>), change: MethodChange) -> MethodChange {
    let (place, place_en) = names(&change.place);
    let place = format!("{place}（{}）", change.place);
    let place_en = format!("{place_en} ({})", change.place);
    let (zh, en) = match (change.kind(), before, after) {
        (Kind::KeyAreaAdded, _, Some(after)) => {
            let (zh, en) = terms(after);
            (format!("新增重点地区{place}：{zh}"), format!("{place_en} is a key area: {en}"))
        }
        (Kind::KeyAreaRemoved, Some(before), _) => {
            let (zh, en) = terms(before);
            (format!("删去重点地区{place}：原为{zh}"), format!("{place_en} is no key area any more: it was, {en}"))
        }
        (Kind::KeyAreaChanged, Some(before), Some(after)) => {
            let ((old_zh, old_en), (new_zh, new_en)) = (terms(before), terms(after));
            (
                format!("重点地区{place}：由{old_zh}改为{new_zh}"),
                format!("the key area {place_en} was {old_en}; it is {new_en}"),
            )
        }
        _ => {
            let Headline { zh, en } = phrase(&change);
            (zh, en)
        }
    };
    MethodChange { zh, en, ..change }
}

fn terms(area: &KeyArea) -> (String, String) {
    let (until_zh, until_en) = match area.to.as_str() {
        "" => ("起".to_owned(), String::new()),
        to => (format!("至{to}"), format!(" to {to}")),
    };
    let (level_zh, level_en) = match area.level() {
        Level::Low => ("低风险", "low"),
        Level::Medium => ("中风险", "medium"),
        Level::High => ("高风险", "high"),
        Level::None | Level::Unknown | Level::Unspecified => ("风险不明", "unknown"),
    };
    let (measure_zh, measure_en) = match area.measure() {
        Measure::Watch => ("健康监测", "health watch"),
        Measure::Home => ("居家隔离", "isolation at home"),
        Measure::Central => ("集中隔离", "central isolation"),
        Measure::None | Measure::Ask | Measure::Unspecified => ("人工核实", "to be asked"),
    };
    (
        format!("自{}{until_zh}，{level_zh}，{measure_zh}", area.from),
        format!("from {}{until_en}, {level_en}, {measure_en}", area.from),
    )
}

fn number(field: &str) -> (&'static str, &'static str) {
    match field {
        "home" => ("本地城市", "the home city"),
        "min_hours" => ("计入停留的小时数", "the hours from which a stay counts"),
        "isolation_days" => ("隔离天数", "the days of isolation"),
        "fever_decicelsius" => ("发热标准（0.1℃）", "the fever in tenths of a degree"),
        "pass_days" => ("出入证有效天数", "the days that a pass lives"),
        "dispute_hours" => ("申诉答复小时数", "the hours within which a dispute is answered"),
        "escalation_hours" => {
            ("申诉逾期后逐级上报的小时数", "the hours after which a late dispute goes up another step")
        }
        "lag_days" => ("行程可以滞后的天数", "the days by which evidence may lag"),
        "daytime_from_hour" => ("白天证外出的起始时刻", "the hour from which daytime passes go out"),
        "daytime_to_hour" => ("白天证外出的结束时刻", "the hour to which daytime passes go out"),
        "outing_people" => ("每户外出人次", "the outings of a household"),
        "outing_days" => ("计算每户外出人次的天数", "the days within which a household's outings count"),
        _ => ("行程须覆盖的天数", "the days that evidence reaches back"),
    }
}

/// As people say it in Chinese and in English: 台州 in both, 韩国 and South Korea; the code where no place in force has it.
fn names(code: &str) -> (String, String) {
    let place = Code::parse(code);
    let or_code = |name: Option<&str>| name.unwrap_or(code).to_owned();
    (or_code(place.and_then(Code::short_name)), or_code(place.and_then(Code::english_name)))
}
