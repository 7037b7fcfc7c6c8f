//! The forms of the three: names of fields, dates, codes and windows, none like another's.

use std::{collections::BTreeMap, time::Duration};

use chrono::{Days, NaiveDate};
use proto::screening::v1::{NoData, Source};
use serde_json::{Value, json};

use super::Stay;

/// How one carrier is spoken to.
pub(super) struct Form {
    pub(super) code_path: &'static str,
    pub(super) path: &'static str,
    /// Names of fields.
    pub(super) number: &'static str,
    pub(super) ticket: &'static str,
    pub(super) code: &'static str,
    pub(super) sent: fn(&str, Duration) -> Value,
    pub(super) refused: fn(NoData) -> Value,
    /// True where the code has expired.
    pub(super) wrong: fn(bool) -> Value,
    pub(super) seen: fn(NaiveDate, NaiveDate, &[Stay]) -> Value,
}

/// By its part of the address.
pub(super) fn of(carrier: &str) -> Option<(Source, &'static Form)> {
    match carrier {
        "mobile" => Some((Source::Mobile, &MOBILE)),
        "unicom" => Some((Source::Unicom, &UNICOM)),
        "telecom" => Some((Source::Telecom, &TELECOM)),
        _ => None,
    }
}

pub(super) fn chinese(source: Source) -> &'static str {
    match source {
        Source::Mobile => "移动",
        Source::Unicom => "联通",
        Source::Telecom => "电信",
        Source::Unspecified => "",
    }
}

/// The days that an answer covers: 42 up to today, 30 and 15 up to yesterday.
pub(super) fn window(source: Source, today: NaiveDate) -> (NaiveDate, NaiveDate) {
    let yesterday = today - Days::new(1);
    match source {
        Source::Unicom => (yesterday - Days::new(29), yesterday),
        Source::Telecom => (yesterday - Days::new(14), yesterday),
        Source::Mobile | Source::Unspecified => (today - Days::new(41), today),
    }
}

const MOBILE: Form = Form {
    code_path: "v1/sms-code",
    path: "v1/trajectory",
    number: "msisdn",
    ticket: "ticket",
    code: "smsCode",
    sent: |ticket, holds| json!({ "code": "0000", "msg": "成功", "data": { "ticket": ticket, "expireIn": holds.as_secs() } }),
    refused: |why| {
        json!({ "code": match why {
            NoData::UnknownNumber => "2001",
            NoData::Ported => "2002",
            NoData::SwitchedOff => "2003",
            NoData::NoRecord | NoData::Unspecified => "2004",
        }, "msg": "无数据" })
    },
    wrong: |expired| json!({ "code": if expired { "1002" } else { "1001" }, "msg": "验证码错误" }),
    seen: |from, to, stays| {
        let day = |day: NaiveDate| day.format("%Y%m%d").to_string();
        let city = |stay: &Stay| {
            json!({
                "cityName": stay.place,
                "firstDay": day(stay.first),
                "lastDay": day(stay.last),
                "maxStayHours": stay.hours.to_string(),
            })
        };
        let cities: Vec<Value> = stays.iter().map(city).collect();
        json!({ "code": "0000", "msg": "成功", "data": { "startDate": day(from), "endDate": day(to), "cityList": cities } })
    },
};

const UNICOM: Form = Form {
    code_path: "auth/sms",
    path: "roaming/history",
    number: "phone_number",
    ticket: "session",
    code: "verify_code",
    sent: |ticket, holds| json!({ "status": "OK", "session": ticket, "ttl_seconds": holds.as_secs() }),
    refused: |why| {
        json!({ "status": match why {
            NoData::UnknownNumber => "NO_SUCH_USER",
            NoData::Ported => "MNP",
            NoData::SwitchedOff => "POWERED_OFF",
            NoData::NoRecord | NoData::Unspecified => "NO_RECORD",
        } })
    },
    wrong: |expired| json!({ "status": if expired { "CODE_TIMEOUT" } else { "CODE_ERROR" } }),
    seen: |from, to, stays| {
        let mut days: BTreeMap<NaiveDate, Vec<&str>> = BTreeMap::new();
        for stay in stays {
            for day in stay.first.iter_days().take_while(|day| *day <= stay.last) {
                days.entry(day).or_default().push(&stay.place);
            }
        }
        let track = |(day, places): (NaiveDate, Vec<&str>)| json!({ "date": midnight(day), "places": places });
        let tracks: Vec<Value> = days.into_iter().map(track).collect();
        json!({ "status": "OK", "begin": midnight(from), "end": midnight(to), "tracks": tracks })
    },
};

const TELECOM: Form = Form {
    code_path: "api/sendRandomCode",
    path: "api/queryTrack",
    number: "accNbr",
    ticket: "token",
    code: "randomCode",
    sent: |ticket, holds| {
        let minutes = holds.as_secs().div_ceil(60);
        json!({ "resp_code": 0, "resp_desc": "成功", "result": { "token": ticket, "valid_minutes": minutes } })
    },
    refused: |why| {
        json!({ "resp_desc": "无数据", "resp_code": match why {
            NoData::UnknownNumber => 201,
            NoData::Ported => 202,
            NoData::SwitchedOff => 203,
            NoData::NoRecord | NoData::Unspecified => 204,
        } })
    },
    wrong: |expired| json!({ "resp_code": if expired { 102 } else { 101 }, "resp_desc": "随机码错误" }),
    seen: |from, to, stays| {
        let words = |day: NaiveDate| day.format("%Y年%m月%d日").to_string();
        let stay = |stay: &Stay| {
            json!({
                "prov": "",
                "city": stay.place,
                "arrive": format!("{} 00:00:00", stay.first),
                "leave": format!("{} 23:59:59", stay.last),
                "stay_minutes": stay.hours * 60,
            })
        };
        let list: Vec<Value> = stays.iter().map(stay).collect();
        let period = format!("{}-{}", words(from), words(to));
        json!({ "resp_code": 0, "resp_desc": "成功", "result": { "period": period, "list": list } })
    },
};

/// In China, in milliseconds.
fn midnight(day: NaiveDate) -> i64 {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    midnight.and_local_timezone(chassis::CALENDAR).single().map_or(0, |time| time.timestamp_millis())
}
