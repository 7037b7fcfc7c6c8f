//! What a gate has to expect on a day, hour by hour: a weighted mean of what it has seen. Anybody can do it again with a pencil:
//! a day of the same weekday weighs four, another of the last seven days one, and what is older nothing. So a market day
//! looks like market days, and a gate that was closed last week is felt within days. Where there is neither, every day of the
//! four weeks weighs the same.

use chrono::{Datelike as _, NaiveDate, TimeDelta};

pub const HOURS: usize = 24;
/// How far back days count: four of each weekday.
pub const WEEKS_BACK: TimeDelta = TimeDelta::days(28);
/// Days ahead of today that can be asked for: with more, the same weekday of four weeks back would be all there is.
pub const MOST_AHEAD: TimeDelta = TimeDelta::days(14);

const SAME_WEEKDAY: u32 = 4;
const LAST_DAYS: u32 = 1;
const LAST: TimeDelta = TimeDelta::days(7);

/// What one gate saw on one day on which it was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayOfGate {
    pub day: NaiveDate,
    /// By the hour of Asia/Shanghai in which they came in, or went out.
    pub entered: [u32; HOURS],
    pub left: [u32; HOURS],
}

#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The days that it stands on, and how many of them were of the same weekday.
    pub days: usize,
    pub same_weekdays: usize,
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub entered: Vec<Expected>,
    pub left: Vec<Expected>,
    /// Of whole days.
    pub entered_in_all: Expected,
    pub left_in_all: Expected,
}

/// A mean of people, and the least and most that those days have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    pub mean: f64,
    pub least: u32,
    pub most: u32,
}

/// `history`: complete days before the one asked for, in any order; those that are more than four weeks older do not count.
/// `None` where no day counts.
pub fn forecast(day: NaiveDate, history: &[DayOfGate]) -> Option<Forecast> {
    let newest = history.iter().map(|past| past.day).filter(|past| *past < day).max()?;
    let within = |past: &&DayOfGate| past.day < day && past.day >= day - WEEKS_BACK;
    let weight = |past: &DayOfGate| match past.day.weekday() == day.weekday() {
        true => SAME_WEEKDAY,
        false if past.day > newest - LAST => LAST_DAYS,
        false => 0,
    };
    let mut weighed: Vec<(u32, &DayOfGate)> =
        history.iter().filter(within).map(|past| (weight(past), past)).filter(|(weight, _)| *weight > 0).collect();
    if weighed.is_empty() {
        weighed = history.iter().filter(within).map(|past| (1, past)).collect();
    }
    let (first, last) =
        (weighed.iter().map(|(_, past)| past.day).min()?, weighed.iter().map(|(_, past)| past.day).max()?);
    let hour = |of: fn(&DayOfGate) -> &[u32; HOURS]| {
        (0..HOURS).map(|hour| expected(&weighed, |past| of(past)[hour])).collect::<Vec<_>>()
    };
    Some(Forecast {
        days: weighed.len(),
        same_weekdays: weighed.iter().filter(|(_, past)| past.day.weekday() == day.weekday()).count(),
        first,
        last,
        entered: hour(|past| &past.entered),
        left: hour(|past| &past.left),
        entered_in_all: expected(&weighed, |past| past.entered.iter().sum()),
        left_in_all: expected(&weighed, |past| past.left.iter().sum()),
    })
}

fn expected(weighed: &[(u32, &DayOfGate)], of: impl Fn(&DayOfGate) -> u32) -> Expected {
    let weights: u32 = weighed.iter().map(|(weight, _)| *weight).sum();
    let sum: f64 = weighed.iter().map(|(weight, past)| f64::from(*weight) * f64::from(of(past))).sum();
    let seen = || weighed.iter().map(|(_, past)| of(past));
    Expected {
        mean: sum / f64::from(weights.max(1)),
        least: seen().min().unwrap_or(0),
        most: seen().max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Per cent of a day's crossings by hour, as 长丰二村 had them.
    const CURVE: [u32; HOURS] = [1, 1, 2, 8, 6, 5, 6, 8, 6, 4, 4, 4, 4, 3, 3, 3, 4, 6, 6, 4, 4, 4, 3, 1];

    fn day(number: u64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2020, 1, 6).unwrap() + chrono::Days::new(number)
    }

    /// Markets on Wednesdays and Saturdays, quiet Sundays, and something else every day.
    fn seen(number: u64) -> DayOfGate {
        let busy = match day(number).weekday().num_days_from_monday() {
            2 | 5 => 30,
            6 => 6,
            _ => 15,
        };
        let noise = |hour: usize| u32::try_from((number * 7 + hour as u64 * 13) % 5).unwrap();
        let entered = std::array::from_fn(|hour| CURVE[hour] * busy / 10 + noise(hour));
        let left = std::array::from_fn(|hour| CURVE[HOURS - 1 - hour] * busy / 10 + noise(hour + 1));
        DayOfGate { day: day(number), entered, left }
    }

    fn error(guess: impl Fn(usize) -> f64, real: &DayOfGate) -> f64 {
        (0..HOURS).map(|hour| (guess(hour) - f64::from(real.entered[hour])).abs()).sum()
    }

    #[test]
    fn it_is_far_closer_than_the_same_guess_for_every_hour_and_than_the_mean_day() {
        let history: Vec<DayOfGate> = (0..28).map(seen).collect();
        let (mut ours, mut constant, mut mean_day) = (0.0, 0.0, 0.0);
        for number in 28..35 {
            let (real, known) = (seen(number), &history[..]);
            let forecast = forecast(day(number), known).unwrap();
            let of_hour = |hour: usize| known.iter().map(|past| f64::from(past.entered[hour])).sum::<f64>() / 28.0;
            let of_all = (0..HOURS).map(of_hour).sum::<f64>() / 24.0;
            ours += error(|hour| forecast.entered[hour].mean, &real);
            constant += error(|_| of_all, &real);
            mean_day += error(of_hour, &real);
        }
        assert!(ours < constant / 2.0, "{ours} against {constant} of the constant guess");
        assert!(ours < mean_day * 0.75, "{ours} against {mean_day} of the mean day");
    }

    #[test]
    fn it_says_on_how_many_days_it_stands_and_what_they_have_shown() {
        let history: Vec<DayOfGate> = (0..28).map(seen).collect();
        let forecast = forecast(day(30), &history).unwrap();
        // Wednesday, three weeks of it within four weeks of that day; and the six other days of the last week.
        assert_eq!((forecast.days, forecast.same_weekdays), (10, 4));
        assert_eq!((forecast.first, forecast.last), (day(2), day(27)));
        let three = forecast.entered[3];
        assert!(f64::from(three.least) < three.mean && three.mean < f64::from(three.most), "{three:?}");
        let in_all: f64 = forecast.entered.iter().map(|hour| hour.mean).sum();
        assert!((in_all - forecast.entered_in_all.mean).abs() < 1e-6);
    }

    #[test]
    fn days_of_other_weekdays_serve_where_there_are_no_better_ones() {
        let old = DayOfGate { day: day(1), entered: [2; HOURS], left: [1; HOURS] };
        let forecast = forecast(day(20), std::slice::from_ref(&old)).unwrap();
        assert_eq!((forecast.days, forecast.same_weekdays), (1, 0));
        assert_eq!(forecast.entered[0], Expected { mean: 2.0, least: 2, most: 2 });
    }

    #[test]
    fn nothing_is_said_without_a_day_that_counts() {
        assert_eq!(forecast(day(3), &[]), None);
        assert_eq!(forecast(day(3), &[seen(3), seen(4)]), None, "what comes later is no history");
        assert_eq!(forecast(day(40), &[seen(1)]), None, "five weeks are too long ago");
    }
}
