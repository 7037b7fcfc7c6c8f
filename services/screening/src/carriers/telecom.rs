//! 电信. One row for each stay with the minutes of the longest day, province and city apart, and a window written in words.
//! Fifteen days up to yesterday. Codes are numbers.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{NaiveDate, NaiveDateTime};
use proto::screening::v1::{NoData, Permission, Visit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    carrier::{Answer, Carrier, Sent, Trouble, Window, read, ticket},
    endpoint::Endpoint,
};

pub struct Telecom(pub Endpoint);

#[async_trait]
impl Carrier for Telecom {
    async fn send_code(&self, number: &str) -> Result<Sent, Trouble> {
        sent(&self.0.post("/api/sendRandomCode", &code_request(number)).await?)
    }

    async fn look_up(&self, permission: &Permission, today: NaiveDate) -> Result<Answer, Trouble> {
        answer(&self.0.post("/api/queryTrack", &request(permission)).await?, today)
    }
}

fn code_request(number: &str) -> Value {
    json!({ "accNbr": number })
}

fn request(permission: &Permission) -> Value {
    json!({ "accNbr": permission.number, "token": permission.ticket, "randomCode": permission.code })
}

#[derive(Deserialize)]
struct Envelope<R> {
    resp_code: i64,
    result: Option<R>,
    retry: Option<u64>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    valid_minutes: Option<u64>,
}

#[derive(Deserialize)]
struct Track {
    period: String,
    list: Option<Vec<Row>>,
}

#[derive(Deserialize)]
struct Row {
    prov: String,
    /// Empty for what has no city above it.
    city: String,
    arrive: String,
    leave: String,
    /// Of the longest day.
    stay_minutes: Option<i32>,
}

fn sent(bytes: &[u8]) -> Result<Sent, Trouble> {
    let envelope: Envelope<Token> = read(bytes)?;
    if let Some(no_data) = no_data(envelope.resp_code) {
        return Ok(Sent::Nobody(no_data));
    }
    let token = sound(envelope)?.ok_or_else(|| Trouble::broken("result is missing"))?;
    ticket("result", token.token, token.valid_minutes.map(|minutes| minutes.saturating_mul(60)))
}

fn answer(bytes: &[u8], today: NaiveDate) -> Result<Answer, Trouble> {
    let envelope: Envelope<Track> = read(bytes)?;
    match envelope.resp_code {
        101 => return Ok(Answer::WrongCode),
        102 => return Ok(Answer::ExpiredCode),
        _ => {}
    }
    let no_data = no_data(envelope.resp_code);
    let result = if no_data.is_some() { envelope.result } else { sound(envelope)? };
    let Some(result) = result else {
        let no_data = no_data.ok_or_else(|| Trouble::broken("result is missing"))?;
        return Ok(Answer::NoData(Window::none(today), no_data));
    };
    let (from, to) = period(&result.period)
        .ok_or_else(|| Trouble::broken("result.period is no period like 2020年01月27日-2020年02月10日"))?;
    let window = Window::new(from, to, today)?;
    if let Some(no_data) = no_data {
        return Ok(Answer::NoData(window, no_data));
    }
    let stays = result.list.ok_or_else(|| Trouble::broken("result.list is missing"))?;
    let mut visits = Vec::with_capacity(stays.len());
    for (at, stay) in stays.into_iter().enumerate() {
        let path = format!("result.list[{at}]");
        let first = day(&format!("{path}.arrive"), &stay.arrive)?;
        let last = day(&format!("{path}.leave"), &stay.leave)?;
        let (prov, city) = (stay.prov.trim(), stay.city.trim());
        // The whole stay is told; the window is what the answer is about.
        let first = if last >= window.from { first.max(window.from) } else { first };
        // R2 counts whole hours: 3 h 59 min are not four.
        let hours = stay.stay_minutes.map(|minutes| minutes.div_euclid(60));
        let place = if city.is_empty() { prov } else { city }.to_owned();
        visits.push((path, Visit { place, first: first.to_string(), last: last.to_string(), hours }));
    }
    window.seen(visits)
}

fn no_data(code: i64) -> Option<NoData> {
    match code {
        201 => Some(NoData::UnknownNumber),
        202 => Some(NoData::Ported),
        203 => Some(NoData::SwitchedOff),
        204 => Some(NoData::NoRecord),
        _ => None,
    }
}

fn sound<R>(envelope: Envelope<R>) -> Result<Option<R>, Trouble> {
    match envelope.resp_code {
        0 => Ok(envelope.result),
        500 => Err(Trouble::busy(envelope.retry.map(Duration::from_secs))),
        _ => Err(Trouble::broken("resp_code is none of the agreed ones")),
    }
}

fn period(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let (from, to) = text.split_once('-')?;
    let day = |text: &str| NaiveDate::parse_from_str(text.trim(), "%Y年%m月%d日").ok();
    Some((day(from)?, day(to)?))
}

/// 2020-01-20 08:15:00, by the clocks in China.
fn day(path: &str, text: &str) -> Result<NaiveDate, Trouble> {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S");
    time.map(|time| time.date()).map_err(|_| Trouble::broken(format!("{path} is no time like 2020-01-20 08:15:00")))
}

#[cfg(test)]
mod tests {
    use proto::screening::v1;

    use super::{
        super::carrier::given::{broken, seen, today, visit},
        *,
    };

    const SEEN: &str = r#"{"resp_code":0,"resp_desc":"成功","result":{"period":"2020年01月27日-2020年02月10日","list":[
        {"prov":"湖北省","city":"武汉市","arrive":"2020-01-20 08:15:00","leave":"2020-01-28 17:40:00","stay_minutes":1440},
        {"prov":"上海市","city":"","arrive":"2020-01-28 21:00:00","leave":"2020-01-29 00:20:00","stay_minutes":239},
        {"prov":"浙江省","city":"宁波市","arrive":"2020-01-29 03:00:00","leave":"2020-02-10 23:59:59"}]}}"#;

    fn read_answer(text: &str) -> Result<Answer, Trouble> {
        answer(text.as_bytes(), today())
    }

    #[test]
    fn stays_have_times_and_minutes_and_a_window_in_words() {
        let (from, to, visits) = seen(read_answer(SEEN));
        assert_eq!((from.as_str(), to.as_str()), ("2020-01-27", "2020-02-10"));
        let expected = [
            visit("武汉市", "2020-01-27", "2020-01-28", Some(24)),
            visit("上海市", "2020-01-28", "2020-01-29", Some(3)),
            visit("宁波市", "2020-01-29", "2020-02-10", None),
        ];
        assert_eq!(visits, expected, "3 h 59 min are three hours, and what began before the window begins with it");
    }

    #[test]
    fn a_token_is_a_ticket() {
        let answer = sent(br#"{"resp_code":0,"result":{"token":"k-1","valid_minutes":20}}"#).unwrap();
        assert_eq!(answer, Sent::Code { ticket: "k-1".to_owned(), holds: Duration::from_mins(20) });
        assert_eq!(sent(br#"{"resp_code":203}"#).unwrap(), Sent::Nobody(NoData::SwitchedOff));
        assert!(sent(br#"{"resp_code":0}"#).unwrap_err().detail.contains("result"));
    }

    #[test]
    fn no_data_wrong_codes_and_a_busy_carrier_are_told_apart() {
        let none = Window { from: today(), to: today() };
        assert_eq!(read_answer(r#"{"resp_code":202}"#).unwrap(), Answer::NoData(none, NoData::Ported));
        assert_eq!(read_answer(r#"{"resp_code":101}"#).unwrap(), Answer::WrongCode);
        assert_eq!(read_answer(r#"{"resp_code":102}"#).unwrap(), Answer::ExpiredCode);
        let busy = read_answer(r#"{"resp_code":500,"retry":9}"#).unwrap_err();
        assert_eq!((busy.kind, busy.pause), (v1::Trouble::Busy, Some(Duration::from_secs(9))));
        let nowhere = r#"{"resp_code":0,"result":{"period":"2020年01月27日-2020年02月10日","list":[]}}"#;
        let Ok(Answer::NoData(_, NoData::NoRecord)) = read_answer(nowhere) else { panic!("not even at home") };
    }

    #[test]
    fn an_answer_that_cannot_be_read_names_the_place_and_is_no_itinerary() {
        let with = |from: &str, to: &str| read_answer(&SEEN.replacen(from, to, 1));
        broken(read_answer("null"), "agreed form");
        broken(read_answer(r#"{"resp_code":0,"result":{"period":"2020年01月27日-2020年02月10日"}}"#), "result.list");
        broken(with("\"resp_code\":0", "\"resp_code\":7"), "resp_code");
        broken(with("\"resp_code\":0", "\"resp_code\":\"0\""), "resp_code");
        broken(with("01月27日", "13月27日"), "result.period");
        broken(with("2020-01-20 08:15:00", "2020-01-20"), "result.list[0].arrive");
        broken(with("2020-01-28 17:40:00", "2020-01-26 17:40:00"), "result.list[0]");
        broken(with("2020-02-10 23:59:59", "2020-02-11 00:00:01"), "result.list[2]: the stay lies outside");
        broken(with("1440", "\"1440\""), "result.list[0].stay_minutes");
        broken(with("1440", "-30"), "hours");
        broken(with("\"武汉市\"", "null"), "result.list[0].city");
        broken(with("\"上海市\"", "\"\""), "no place's name");
    }
}
