//! 移动. One row for each city with its first and last day (`20200120`) and the hours of the longest day as text; reaches back
//! to the first of January, up to today. Codes of four digits in every answer.

use async_trait::async_trait;
use chrono::NaiveDate;
use proto::screening::v1::{NoData, Permission, Visit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    carrier::{Answer, Carrier, Sent, Trouble, Window, read, ticket},
    endpoint::Endpoint,
};

pub struct Mobile(pub Endpoint);

#[async_trait]
impl Carrier for Mobile {
    async fn send_code(&self, number: &str) -> Result<Sent, Trouble> {
        sent(&self.0.post("/v1/sms-code", &code_request(number)).await?)
    }

    async fn look_up(&self, permission: &Permission, today: NaiveDate) -> Result<Answer, Trouble> {
        answer(&self.0.post("/v1/trajectory", &request(permission)).await?, today)
    }
}

fn code_request(number: &str) -> Value {
    json!({ "msisdn": number })
}

fn request(permission: &Permission) -> Value {
    json!({ "msisdn": permission.number, "ticket": permission.ticket, "smsCode": permission.code })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<D> {
    code: String,
    data: Option<D>,
    /// Seconds, where it is busy.
    retry_after: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    ticket: Option<String>,
    expire_in: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trajectory {
    start_date: String,
    end_date: String,
    city_list: Option<Vec<Row>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    city_name: String,
    first_day: String,
    last_day: String,
    max_stay_hours: Option<String>,
}

fn sent(bytes: &[u8]) -> Result<Sent, Trouble> {
    let envelope: Envelope<Code> = read(bytes)?;
    if let Some(no_data) = no_data(&envelope.code) {
        return Ok(Sent::Nobody(no_data));
    }
    let data = sound(envelope)?.ok_or_else(|| Trouble::broken("data is missing"))?;
    ticket("data", data.ticket, data.expire_in)
}

fn answer(bytes: &[u8], today: NaiveDate) -> Result<Answer, Trouble> {
    let envelope: Envelope<Trajectory> = read(bytes)?;
    match envelope.code.as_str() {
        "1001" => return Ok(Answer::WrongCode),
        "1002" => return Ok(Answer::ExpiredCode),
        _ => {}
    }
    let no_data = no_data(&envelope.code);
    let data = if no_data.is_some() { envelope.data } else { sound(envelope)? };
    let Some(data) = data else {
        let no_data = no_data.ok_or_else(|| Trouble::broken("data is missing"))?;
        return Ok(Answer::NoData(Window::none(today), no_data));
    };
    let (from, to) = (day("data.startDate", &data.start_date)?, day("data.endDate", &data.end_date)?);
    let window = Window::new(from, to, today)?;
    if let Some(no_data) = no_data {
        return Ok(Answer::NoData(window, no_data));
    }
    let cities = data.city_list.ok_or_else(|| Trouble::broken("data.cityList is missing"))?;
    let mut visits = Vec::with_capacity(cities.len());
    for (at, city) in cities.into_iter().enumerate() {
        let path = format!("data.cityList[{at}]");
        let hours = match city.max_stay_hours.as_deref().map(str::parse) {
            None => None,
            Some(Ok(hours)) => Some(hours),
            Some(Err(_)) => return Err(Trouble::broken(format!("{path}.maxStayHours is no number of hours"))),
        };
        let first = day(&format!("{path}.firstDay"), &city.first_day)?.to_string();
        let last = day(&format!("{path}.lastDay"), &city.last_day)?.to_string();
        visits.push((path, Visit { place: city.city_name.trim().to_owned(), first, last, hours }));
    }
    window.seen(visits)
}

fn no_data(code: &str) -> Option<NoData> {
    match code {
        "2001" => Some(NoData::UnknownNumber),
        "2002" => Some(NoData::Ported),
        "2003" => Some(NoData::SwitchedOff),
        "2004" => Some(NoData::NoRecord),
        _ => None,
    }
}

fn sound<D>(envelope: Envelope<D>) -> Result<Option<D>, Trouble> {
    match envelope.code.as_str() {
        "0000" => Ok(envelope.data),
        "9001" => Err(Trouble::busy(envelope.retry_after.map(std::time::Duration::from_secs))),
        _ => Err(Trouble::broken("code is none of the agreed ones")),
    }
}

fn day(path: &str, text: &str) -> Result<NaiveDate, Trouble> {
    let shape = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let day = NaiveDate::parse_from_str(text, "%Y%m%d").ok().filter(|_| shape);
    day.ok_or_else(|| Trouble::broken(format!("{path} is no day like 20200211")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::screening::v1;

    use super::{
        super::carrier::given::{broken, seen, today, visit},
        *,
    };

    fn date(text: &str) -> NaiveDate {
        super::super::carrier::given::day(text)
    }

    const SEEN: &str = r#"{"code":"0000","msg":"成功","data":{"startDate":"20200101","endDate":"20200211","cityList":[
        {"cityName":"武汉","firstDay":"20200120","lastDay":"20200122","maxStayHours":"24"},
        {"cityName":"宁波","firstDay":"20200123","lastDay":"20200211"}]}}"#;

    fn read_answer(text: &str) -> Result<Answer, Trouble> {
        answer(text.as_bytes(), today())
    }

    #[test]
    fn cities_have_days_without_dashes_and_hours_as_text_or_none() {
        let (from, to, visits) = seen(read_answer(SEEN));
        assert_eq!((from.as_str(), to.as_str()), ("2020-01-01", "2020-02-11"));
        let wuhan = visit("武汉", "2020-01-20", "2020-01-22", Some(24));
        assert_eq!(visits, [wuhan, visit("宁波", "2020-01-23", "2020-02-11", None)]);
    }

    #[test]
    fn a_code_comes_with_a_ticket_that_holds_for_a_while() {
        let answer = sent(br#"{"code":"0000","data":{"ticket":"t-1","expireIn":1800}}"#);
        assert_eq!(answer.unwrap(), Sent::Code { ticket: "t-1".to_owned(), holds: Duration::from_mins(30) });
        assert_eq!(sent(br#"{"code":"2001"}"#).unwrap(), Sent::Nobody(NoData::UnknownNumber));
        assert!(sent(br#"{"code":"0000","data":{"expireIn":1800}}"#).unwrap_err().detail.contains("no ticket"));
        assert!(sent(br#"{"code":"0000","data":{"ticket":"t-1"}}"#).unwrap_err().detail.contains("how long"));
    }

    #[test]
    fn a_carrier_without_data_says_why_with_its_window_or_without() {
        let with = r#"{"code":"2003","data":{"startDate":"20200101","endDate":"20200211"}}"#;
        let window = Window { from: date("2020-01-01"), to: today() };
        assert_eq!(read_answer(with).unwrap(), Answer::NoData(window, NoData::SwitchedOff));
        let none = Window { from: today(), to: today() };
        assert_eq!(read_answer(r#"{"code":"2002"}"#).unwrap(), Answer::NoData(none, NoData::Ported));
        let nowhere = r#"{"code":"0000","data":{"startDate":"20200101","endDate":"20200211","cityList":[]}}"#;
        assert_eq!(read_answer(nowhere).unwrap(), Answer::NoData(window, NoData::NoRecord), "not even at home");
    }

    #[test]
    fn wrong_and_expired_codes_and_a_busy_carrier_are_told_apart() {
        assert_eq!(read_answer(r#"{"code":"1001"}"#).unwrap(), Answer::WrongCode);
        assert_eq!(read_answer(r#"{"code":"1002"}"#).unwrap(), Answer::ExpiredCode);
        let busy = read_answer(r#"{"code":"9001","retryAfter":7}"#).unwrap_err();
        assert_eq!((busy.kind, busy.pause), (v1::Trouble::Busy, Some(Duration::from_secs(7))));
    }

    #[test]
    fn an_answer_that_cannot_be_read_names_the_place_and_is_no_itinerary() {
        let with = |from: &str, to: &str| read_answer(&SEEN.replace(from, to));
        broken(read_answer("<html>502</html>"), "no JSON");
        broken(read_answer(""), "no JSON");
        broken(read_answer(&SEEN[..SEEN.len() - 2]), "data");
        broken(read_answer(&format!("{SEEN} {SEEN}")), "behind the end");
        broken(read_answer(r#"{"code":"0000"}"#), "data is missing");
        broken(read_answer(r#"{"code":"0000","data":{"startDate":"20200101","endDate":"20200211"}}"#), "cityList");
        broken(with("\"0000\"", "\"0042\""), "code");
        broken(with("\"20200101\"", "\"2020-01-01\""), "data.startDate");
        broken(with("\"20200120\"", "\"20200230\""), "data.cityList[0].firstDay");
        broken(with("\"20200120\"", "\"20191231\""), "outside the window");
        broken(with("\"20200122\"", "\"20200119\""), "ends before it begins");
        broken(with("\"24\"", "\"many\""), "data.cityList[0].maxStayHours");
        broken(with("\"24\"", "\"25\""), "hours");
        broken(with("\"武汉\"", "\" \""), "no place's name");
        broken(with("\"武汉\"", "17"), "data.cityList[0].cityName");
        broken(with("\"endDate\":\"20200211\"", "\"endDate\":\"20200212\""), "beyond today");
    }
}
