//! 联通. One row for each day with all the places of that day, as midnight in China in milliseconds; no hours. Thirty days up
//! to yesterday. Words in place of codes.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use chassis::day_of;
use chrono::{DateTime, NaiveDate};
use proto::screening::v1::{NoData, Permission, Visit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    carrier::{Answer, Carrier, Sent, Trouble, Window, read, ticket},
    endpoint::Endpoint,
};

pub struct Unicom(pub Endpoint);

#[async_trait]
impl Carrier for Unicom {
    async fn send_code(&self, number: &str) -> Result<Sent, Trouble> {
        sent(&self.0.post("/auth/sms", &code_request(number)).await?)
    }

    async fn look_up(&self, permission: &Permission, today: NaiveDate) -> Result<Answer, Trouble> {
        answer(&self.0.post("/roaming/history", &request(permission)).await?, today)
    }
}

fn code_request(number: &str) -> Value {
    json!({ "phone_number": number })
}

fn request(permission: &Permission) -> Value {
    json!({
        "phone_number": permission.number,
        "session": permission.ticket,
        "verify_code": permission.code,
    })
}

#[derive(Deserialize)]
struct Opened {
    status: String,
    session: Option<String>,
    ttl_seconds: Option<u64>,
    wait_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct History {
    status: String,
    wait_seconds: Option<u64>,
    begin: Option<i64>,
    end: Option<i64>,
    tracks: Option<Vec<Track>>,
}

#[derive(Deserialize)]
struct Track {
    date: i64,
    places: Vec<String>,
}

fn sent(bytes: &[u8]) -> Result<Sent, Trouble> {
    let session: Opened = read(bytes)?;
    if let Some(no_data) = no_data(&session.status) {
        return Ok(Sent::Nobody(no_data));
    }
    sound(&session.status, session.wait_seconds)?;
    ticket("session", session.session, session.ttl_seconds)
}

fn answer(bytes: &[u8], today: NaiveDate) -> Result<Answer, Trouble> {
    let history: History = read(bytes)?;
    match history.status.as_str() {
        "CODE_ERROR" => return Ok(Answer::WrongCode),
        "CODE_TIMEOUT" => return Ok(Answer::ExpiredCode),
        _ => {}
    }
    let no_data = no_data(&history.status);
    if no_data.is_none() {
        sound(&history.status, history.wait_seconds)?;
    }
    let window = match (history.begin, history.end) {
        (Some(begin), Some(end)) => Window::new(day("begin", begin)?, day("end", end)?, today)?,
        _ if no_data.is_some() => Window::none(today),
        (None, _) => return Err(Trouble::broken("begin is missing")),
        (_, None) => return Err(Trouble::broken("end is missing")),
    };
    if let Some(no_data) = no_data {
        return Ok(Answer::NoData(window, no_data));
    }
    let tracks = history.tracks.ok_or_else(|| Trouble::broken("tracks is missing"))?;
    let mut days: BTreeMap<String, Vec<(NaiveDate, usize)>> = BTreeMap::new();
    for (at, track) in tracks.into_iter().enumerate() {
        let day = day(&format!("tracks[{at}].date"), track.date)?;
        for place in track.places {
            days.entry(place.trim().to_owned()).or_default().push((day, at));
        }
    }
    window.seen(days.into_iter().flat_map(|(place, days)| stays(&place, days)).collect())
}

/// Days in a row at one place are one visit.
fn stays(place: &str, mut days: Vec<(NaiveDate, usize)>) -> Vec<(String, Visit)> {
    days.sort_unstable();
    let mut stays: Vec<(usize, NaiveDate, NaiveDate)> = Vec::new();
    for (day, at) in days {
        match stays.last_mut() {
            Some((_, _, last)) if *last == day || last.succ_opt() == Some(day) => *last = day,
            _ => stays.push((at, day, day)),
        }
    }
    let visit = |(at, first, last): (usize, NaiveDate, NaiveDate)| {
        let visit = Visit { place: place.to_owned(), first: first.to_string(), last: last.to_string(), hours: None };
        (format!("tracks[{at}]"), visit)
    };
    stays.into_iter().map(visit).collect()
}

fn no_data(status: &str) -> Option<NoData> {
    match status {
        "NO_SUCH_USER" => Some(NoData::UnknownNumber),
        "MNP" => Some(NoData::Ported),
        "POWERED_OFF" => Some(NoData::SwitchedOff),
        "NO_RECORD" => Some(NoData::NoRecord),
        _ => None,
    }
}

fn sound(status: &str, wait: Option<u64>) -> Result<(), Trouble> {
    match status {
        "OK" => Ok(()),
        "BUSY" => Err(Trouble::busy(wait.map(Duration::from_secs))),
        _ => Err(Trouble::broken("status is none of the agreed words")),
    }
}

fn day(path: &str, milliseconds: i64) -> Result<NaiveDate, Trouble> {
    let day = DateTime::from_timestamp_millis(milliseconds).map(day_of);
    let sensible = |day: &NaiveDate| day.to_string().len() == 10 && *day >= NaiveDate::default();
    day.filter(sensible).ok_or_else(|| Trouble::broken(format!("{path} is no time in milliseconds")))
}

#[cfg(test)]
mod tests {
    use proto::screening::v1;

    use super::{
        super::carrier::given::{broken, seen, today, visit},
        *,
    };

    /// Midnight of the twelfth of January 2020 in China, and days behind it.
    const TWELFTH: i64 = 1_578_758_400_000;
    const DAY: i64 = 86_400_000;

    fn history(tracks: &str) -> String {
        format!(r#"{{"status":"OK","begin":{TWELFTH},"end":{},"tracks":[{tracks}]}}"#, TWELFTH + 29 * DAY)
    }

    fn track(days: i64, places: &str) -> String {
        format!(r#"{{"date":{},"places":[{places}]}}"#, TWELFTH + days * DAY)
    }

    fn read_answer(text: &str) -> Result<Answer, Trouble> {
        answer(text.as_bytes(), today())
    }

    #[test]
    fn days_in_a_row_at_a_place_are_one_visit_and_no_hours_are_known() {
        let tracks =
            [track(1, r#""武汉""#), track(0, r#""宁波""#), track(2, r#""武汉","孝感""#), track(5, r#""武汉""#)];
        let (from, to, visits) = seen(read_answer(&history(&tracks.join(","))));
        assert_eq!((from.as_str(), to.as_str()), ("2020-01-12", "2020-02-10"), "up to yesterday");
        let expected = [
            visit("孝感", "2020-01-14", "2020-01-14", None),
            visit("宁波", "2020-01-12", "2020-01-12", None),
            visit("武汉", "2020-01-13", "2020-01-14", None),
            visit("武汉", "2020-01-17", "2020-01-17", None),
        ];
        assert_eq!(visits, expected);
    }

    #[test]
    fn a_session_is_a_ticket() {
        let answer = sent(br#"{"status":"OK","session":"s-1","ttl_seconds":600}"#).unwrap();
        assert_eq!(answer, Sent::Code { ticket: "s-1".to_owned(), holds: Duration::from_mins(10) });
        assert_eq!(sent(br#"{"status":"MNP"}"#).unwrap(), Sent::Nobody(NoData::Ported));
        assert!(sent(br#"{"status":"OK"}"#).unwrap_err().detail.contains("session"));
    }

    #[test]
    fn no_data_wrong_codes_and_a_busy_carrier_are_told_apart() {
        let none = Window { from: today(), to: today() };
        let answer = read_answer(r#"{"status":"NO_SUCH_USER"}"#).unwrap();
        assert_eq!(answer, Answer::NoData(none, NoData::UnknownNumber));
        assert_eq!(read_answer(r#"{"status":"CODE_ERROR"}"#).unwrap(), Answer::WrongCode);
        assert_eq!(read_answer(r#"{"status":"CODE_TIMEOUT"}"#).unwrap(), Answer::ExpiredCode);
        let busy = read_answer(r#"{"status":"BUSY","wait_seconds":3}"#).unwrap_err();
        assert_eq!((busy.kind, busy.pause), (v1::Trouble::Busy, Some(Duration::from_secs(3))));
        let Ok(Answer::NoData(_, NoData::NoRecord)) = read_answer(&history("")) else { panic!("not even at home") };
    }

    #[test]
    fn an_answer_that_cannot_be_read_names_the_place_and_is_no_itinerary() {
        let wuhan = track(1, r#""武汉""#);
        broken(read_answer("[]"), "agreed form");
        broken(read_answer(r#"{"tracks":[]}"#), "agreed form");
        broken(read_answer(r#"{"status":"FINE"}"#), "status");
        broken(read_answer(&history(&wuhan).replace("begin", "start")), "begin is missing");
        broken(read_answer(&history(&wuhan).replace("tracks", "places")), "tracks is missing");
        broken(
            read_answer(&history(&wuhan.replace("157", "\"157").replace(",\"places", "\",\"places"))),
            "tracks[0].date",
        );
        broken(read_answer(&history(&track(40, r#""武汉""#))), "outside the window");
        broken(read_answer(&history(&track(1, r#""""#))), "no place's name");
        broken(read_answer(&history(&track(1, "null"))), "tracks[0].places[0]");
        broken(read_answer(&history(&wuhan).replace(&format!("{TWELFTH}"), "99999999999999999")), "begin");
    }
}
