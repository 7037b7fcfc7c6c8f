//! What a method may say: every number within bounds in which it makes sense, every place a code in force, every day of a key
//! area said once and none left out between two of them.

use std::collections::HashMap;

use chassis::Fields;
use chrono::NaiveDate;
use proto::screening::v1::{BorderPair, KeyArea, Level, Measure, MethodContent};
use tonic::Status;

use super::fields::{MOST, in_order, not_too_many};
use crate::{method_file::BOUNDS, places::Code};

pub(super) fn check(content: &MethodContent) -> Result<(), Status> {
    let mut fields = Fields::new();
    not_too_many(&mut fields, "content.key_areas", content.key_areas.len());
    not_too_many(&mut fields, "content.border_pairs", content.border_pairs.len());
    key_areas(&mut fields, &content.key_areas[..content.key_areas.len().min(MOST)]);
    border_pairs(&mut fields, &content.border_pairs[..content.border_pairs.len().min(MOST)]);
    city(&mut fields, "content.home", &content.home);
    let numbers = [
        content.min_hours,
        content.isolation_days,
        content.fever_decicelsius,
        content.pass_days,
        content.dispute_hours,
        content.window_days,
        content.escalation_hours,
        content.lag_days,
        content.daytime_from_hour,
        content.daytime_to_hour,
        content.outing_people,
        content.outing_days,
    ];
    for ((field, bounds), number) in BOUNDS.into_iter().zip(numbers) {
        fields.number(format!("content.{field}"), number, bounds);
    }
    limits(&mut fields, content);
    fields.done()
}

/// R18: hours that go forward, and a quota with both its numbers; or neither.
fn limits(fields: &mut Fields, content: &MethodContent) {
    let (from, to) = (content.daytime_from_hour, content.daytime_to_hour);
    fields.check(
        "content.daytime_to_hour",
        from < to || (from, to) == (0, 0),
        "白天外出的结束时刻应晚于开始时刻，例如 6 和 21；没有白天证则两项都填 0",
        "must be later than daytime_from_hour, for example 6 and 21; where there are no daytime passes both are 0",
    );
    fields.check(
        "content.outing_days",
        (content.outing_people == 0) == (content.outing_days == 0),
        "外出人次和天数要同时填写，例如 1 和 2（每户每两天外出一人次）；不限次数则两项都填 0",
        "goes with outing_people, for example 1 outing in 2 days; where households are not limited both are 0",
    );
}

/// The days of one entry, and where it stands; the last day of an open one is the calendar's.
struct Period {
    from: NaiveDate,
    to: NaiveDate,
    at: usize,
}

fn key_areas(fields: &mut Fields, areas: &[KeyArea]) {
    let mut periods: HashMap<&str, Vec<Period>> = HashMap::new();
    for (at, area) in areas.iter().enumerate() {
        let field = |name: &str| format!("content.key_areas[{at}].{name}");
        place(fields, &field("place"), &area.place);
        let from = fields.date(field("from"), &area.from);
        let to = fields.date_if_given(field("to"), &area.to);
        in_order(fields, &field("to"), from, to);
        fields.check(
            field("level"),
            matches!(area.level(), Level::Low | Level::Medium | Level::High),
            "风险等级应为低、中或高",
            "must be low, medium or high",
        );
        fields.check(
            field("measure"),
            matches!(area.measure(), Measure::Watch | Measure::Home | Measure::Central),
            "措施应为健康监测、居家隔离或集中隔离",
            "must be watch, home or central",
        );
        if let Some(from) = from
            && (area.to.is_empty() || to.is_some_and(|to| from <= to))
        {
            periods.entry(&area.place).or_default().push(Period { from, to: to.unwrap_or(NaiveDate::MAX), at });
        }
    }
    let mut periods: Vec<Vec<Period>> = periods.into_values().collect();
    periods.sort_by_key(|periods| periods.first().map(|period| period.at));
    for mut periods in periods {
        periods.sort_by_key(|period| (period.from, period.at));
        for pair in periods.windows(2) {
            follows(fields, areas, &pair[0], &pair[1]);
        }
    }
}

/// Two entries of one place: not on the same days, and none left out between.
fn follows(fields: &mut Fields, areas: &[KeyArea], first: &Period, next: &Period) {
    let (place, other) = (&areas[next.at].place, first.at);
    if next.from <= first.to {
        fields.refuse(
            format!("content.key_areas[{}].place", next.at),
            format!("{place} 在同样的日子里列了两次（另见 key_areas[{other}]）：请合并为一条，或让两段时间首尾相接"),
            format!("{place} is listed twice for the same days (see key_areas[{other}]): make them one entry, or let one period end before the other begins"),
        );
    } else if first.to.succ_opt().is_some_and(|day| day < next.from) {
        fields.refuse(
            format!("content.key_areas[{}].from", next.at),
            format!("{place} 的两段时间之间有空档：{} 之后、{} 之前没有规定，请补上这几天或改成一段", first.to, next.from),
            format!("leaves a hole: {place} is listed up to {} (key_areas[{other}]) and then from {}: list the days between too, with a lower level if need be", first.to, next.from),
        );
    }
}

fn border_pairs(fields: &mut Fields, pairs: &[BorderPair]) {
    let sorted = |pair: &BorderPair| -> (String, String) {
        let (a, b) = (pair.place.clone(), pair.neighbour.clone());
        if a <= b { (a, b) } else { (b, a) }
    };
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for (at, pair) in pairs.iter().enumerate() {
        city(fields, &format!("content.border_pairs[{at}].place"), &pair.place);
        city(fields, &format!("content.border_pairs[{at}].neighbour"), &pair.neighbour);
        fields.check(
            format!("content.border_pairs[{at}].neighbour"),
            pair.place != pair.neighbour,
            "不能与自己相邻：请填写相邻的另一个城市",
            "is the same city twice: name its neighbour",
        );
        if let Some(other) = seen.insert(sorted(pair), at) {
            fields.refuse(
                format!("content.border_pairs[{at}]"),
                format!("与 border_pairs[{other}] 重复：请删去一条"),
                format!("is border_pairs[{other}] again: leave one of them out"),
            );
        }
    }
}

fn place(fields: &mut Fields, field: &str, code: &str) {
    fields.check(
        field,
        Code::parse(code).is_some_and(Code::is_in_force),
        "需要现行的六位行政区划代码（GB/T 2260），例如 420000；国外填国家的两位字母代码（ISO 3166-1），例如 KR",
        "must be a six-digit code of GB/T 2260 that is in force, for example 420000, or the two letters of a country (ISO 3166-1), for example KR",
    );
}

fn city(fields: &mut Fields, field: &str, code: &str) {
    fields.check(
        field,
        Code::parse(code).is_some_and(|code| code.is_in_force() && code.is_city()),
        "需要地级市（或直辖市、省直辖县）的六位代码，例如 330200",
        "must be the six-digit code of a prefecture, a municipality or a county run by its province, for example 330200",
    );
}

#[cfg(test)]
mod tests {
    use chassis::refusal::Spoken;

    use super::*;
    use crate::method_file::sample_content;

    fn area(place: &str, from: &str, to: &str) -> KeyArea {
        KeyArea {
            place: place.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            level: Level::Medium.into(),
            measure: Measure::Home.into(),
        }
    }

    fn refused(areas: &[KeyArea]) -> Vec<(String, String)> {
        let content = MethodContent { key_areas: areas.to_vec(), ..sample_content() };
        let Err(status) = check(&content) else { return Vec::new() };
        Spoken::from(&status).fields.into_iter().map(|field| (field.field, field.en)).collect()
    }

    #[test]
    fn the_shipped_method_has_nothing_to_refuse() {
        check(&sample_content()).unwrap();
    }

    #[test]
    fn hours_go_forward_and_a_quota_has_both_its_numbers() {
        let told = |from, to, people, days| {
            let content = MethodContent {
                daytime_from_hour: from,
                daytime_to_hour: to,
                outing_people: people,
                outing_days: days,
                ..sample_content()
            };
            let Err(status) = check(&content) else { return Vec::new() };
            Spoken::from(&status).fields.into_iter().map(|field| field.field).collect::<Vec<_>>()
        };
        assert!(told(6, 21, 1, 2).is_empty() && told(0, 24, 0, 0).is_empty());
        assert_eq!(told(21, 6, 0, 0), ["content.daytime_to_hour"]);
        assert_eq!(told(6, 6, 0, 0), ["content.daytime_to_hour"]);
        assert_eq!(told(0, 0, 1, 0), ["content.outing_days"]);
        assert_eq!(told(0, 0, 0, 2), ["content.outing_days"]);
        assert_eq!(told(0, 25, 1, 31), ["content.daytime_to_hour", "content.outing_days"]);
    }

    #[test]
    fn periods_of_one_place_follow_each_other_without_a_hole() {
        let first = area("331000", "2020-02-01", "2020-02-05");
        assert!(refused(&[first.clone(), area("331000", "2020-02-06", "")]).is_empty());
        let hole = refused(&[area("331000", "2020-02-08", ""), first.clone()]);
        assert_eq!(hole[0].0, "content.key_areas[0].from");
        assert!(hole[0].1.contains("up to 2020-02-05") && hole[0].1.contains("then from 2020-02-08"), "{hole:?}");
        assert!(refused(&[first, area("331001", "2020-02-08", "")]).iter().all(|(field, _)| field.ends_with("place")));
    }

    #[test]
    fn a_day_of_a_place_is_said_once() {
        for again in [area("331000", "2020-02-05", ""), area("331000", "2020-02-01", "2020-02-10")] {
            let twice = refused(&[area("331000", "2020-02-01", "2020-02-10"), again]);
            assert_eq!(twice[0].0, "content.key_areas[1].place");
            assert!(twice[0].1.contains("listed twice"), "{twice:?}");
        }
        let open = refused(&[area("331000", "2020-02-01", ""), area("331000", "2020-03-01", "2020-03-05")]);
        assert_eq!(open.len(), 1, "{open:?}");
        let province = [area("330000", "2020-02-01", ""), area("331000", "2020-02-01", "")];
        assert!(refused(&province).is_empty(), "a city may be worse than its province");
    }

    #[test]
    fn a_period_upside_down_and_an_unknown_place_are_refused_with_their_fields() {
        let wrong = refused(&[area("331000", "2020-02-09", "2020-02-08"), area("999999", "2020-02-01", "")]);
        let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["content.key_areas[0].to", "content.key_areas[1].place"]);
    }

    #[test]
    fn a_border_has_two_sides_and_is_named_once() {
        let pair =
            |place: &str, neighbour: &str| BorderPair { place: place.to_owned(), neighbour: neighbour.to_owned() };
        let border_pairs = vec![pair("330200", "331000"), pair("331000", "330200"), pair("330200", "330200")];
        let status = check(&MethodContent { border_pairs, ..sample_content() }).unwrap_err();
        let fields: Vec<String> = Spoken::from(&status).fields.into_iter().map(|field| field.field).collect();
        assert_eq!(fields, ["content.border_pairs[1]", "content.border_pairs[2].neighbour"]);
    }
}
