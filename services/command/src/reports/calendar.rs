//! When a day's report has its cut-off and is due, by the calendar of Asia/Shanghai.

use chassis::{CALENDAR, day_of};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use proto::command::v1::FormContent;

/// States are those of then. A report of it can be filed from then on.
pub(crate) fn cut_off(form: &FormContent, day: NaiveDate) -> DateTime<Utc> {
    begins(day) + TimeDelta::minutes(form.cut_off_minute.into())
}

/// By when it is to be filed (R22: 10:00).
pub(crate) fn due(form: &FormContent, day: NaiveDate) -> DateTime<Utc> {
    begins(day) + TimeDelta::minutes(form.due_minute.into())
}

/// The last day whose cut-off has passed.
pub(crate) fn last_day(form: &FormContent, now: DateTime<Utc>) -> NaiveDate {
    day_of(now - TimeDelta::minutes(form.cut_off_minute.into()))
}

/// For which moment figures are asked: the day's end belongs to the next day, so it is the last moment before a cut-off.
pub(crate) fn moment(cut_off: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    now.min(cut_off - TimeDelta::microseconds(1))
}

pub(crate) fn day_before(day: NaiveDate) -> NaiveDate {
    day.checked_sub_days(Days::new(1)).unwrap_or(day)
}

fn begins(day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_hms_opt(0, 0, 0).expect("every day has a midnight");
    midnight.and_local_timezone(CALENDAR).single().expect("the calendar has one offset").to_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_daily_report_of_a_day_is_due_at_ten_the_next_morning() {
        let daily = FormContent { cut_off_minute: 1_440, due_minute: 2_040, ..FormContent::default() };
        let day = NaiveDate::from_ymd_opt(2020, 2, 11).unwrap();
        assert_eq!(cut_off(&daily, day), at("2020-02-12T00:00:00+08:00"));
        assert_eq!(due(&daily, day), at("2020-02-12T10:00:00+08:00"));
        assert_eq!(last_day(&daily, at("2020-02-12T00:00:00+08:00")), day);
        assert_eq!(last_day(&daily, at("2020-02-11T23:59:59+08:00")), day_before(day));
        let asked = moment(cut_off(&daily, day), at("2020-02-12T09:50:00+08:00"));
        assert_eq!(day_of(asked), day, "what counts a day counts the day that is reported");
        let early = at("2020-02-11T15:00:00+08:00");
        assert_eq!(moment(cut_off(&daily, day), early), early);
    }
}
