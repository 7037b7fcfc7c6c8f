//! A report 报表 of one form, for one day and one office, on record with every value as it was filed. Due by an hour also when there
//! is nothing to report (R22): then that is said, and not left out. Filed again only for a reason; what was filed before stays.

use chassis::{Aggregate, Kind, Refuse, instant, reason, timestamp};
use chrono::{DateTime, Utc};
use proto::command::v1::{self as contract, CorrectionReason, Report as Filled, report_event::Filed};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    last: Option<Filed>,
    late: bool,
    filings: i32,
}

impl Report {
    /// As it was filed last; `None` before it was.
    pub fn filed(&self) -> Option<Filled> {
        let last = self.last.as_ref()?;
        Some(Filled {
            file_time: last.time,
            file_by: last.by.clone(),
            late: self.late,
            corrections: self.filings - 1,
            reason: last.reason,
            ..last.report.clone().unwrap_or_default()
        })
    }
}

/// The stream of a form's report.
pub fn stream_id(form: &str, day: &str, neighbourhood: &str) -> String {
    format!("{form}_{day}_{}", place(neighbourhood))
}

/// What a name says in place of a neighbourhood's id, where it is the subdistrict's.
pub const ALL: &str = "all";

/// How a report's name ends.
pub const fn place(neighbourhood: &str) -> &str {
    if neighbourhood.is_empty() { ALL } else { neighbourhood }
}

// Events

pub use proto::command::v1::report_event::Event;

// Refusals

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the cut-off has not passed")]
    NotYet,
    #[error("there is nothing in it, and nobody says so")]
    ZeroNotSaid,
    #[error("there is something in it")]
    NotZero,
    #[error("questions are not answered")]
    Unanswered { questions: String },
    #[error("it was filed before")]
    AlreadyFiled,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        let (name, zh, en) = match self {
            Self::NotYet => (
                contract::Refusal::NotYet,
                "统计截止时间还没有到：请在截止时间之后上报",
                "its cut-off has not passed: file it afterwards",
            ),
            Self::ZeroNotSaid => (
                contract::Refusal::ZeroNotSaid,
                "本表没有任何需要上报的情况：确认无误后请按“零报告”上报（zero）",
                "there is nothing to report: if that is right, say so and file it as a zero report (zero)",
            ),
            Self::NotZero => (
                contract::Refusal::NotZero,
                "本表有需要上报的情况，不能按“零报告”上报：请去掉 zero 再上报",
                "there is something to report, so it is no zero report: file it without zero",
            ),
            Self::Unanswered { .. } => (
                contract::Refusal::Unanswered,
                "有问题还没有回答：请先回答（questions），或注明空缺后上报（unanswered）",
                "questions are not answered: answer them (questions), or file it with the gaps (unanswered)",
            ),
            Self::AlreadyFiled => (
                contract::Refusal::AlreadyFiled,
                "这张报表已经上报，现在的数字与当时不同：需要更正上报时请选择原因（reason）",
                "it is on record, and with other values: to file it again choose the reason",
            ),
        };
        let kind = if *self == Self::AlreadyFiled { Kind::AlreadyExists } else { Kind::Precondition };
        let refusal = chassis::Refusal::new(kind, reason(name.as_str_name()), zh, en);
        match self {
            Self::Unanswered { questions } => refusal.about("questions", questions),
            _ => refusal,
        }
    }
}

// Decisions

/// Somebody files what stands there.
#[derive(Clone, Copy, Debug)]
pub struct Filing<'a> {
    pub form: &'a str,
    pub report: &'a Filled,
    pub by: &'a str,
    pub now: DateTime<Utc>,
    /// Says that there is nothing to report.
    pub zero: bool,
    /// Also with gaps.
    pub unanswered: bool,
    pub reason: CorrectionReason,
}

impl Report {
    pub fn file(&self, filing: Filing) -> Result<Vec<Event>, Refusal> {
        let Filing { form, report, by, now, zero, unanswered, reason } = filing;
        if self.last.as_ref().and_then(|last| last.report.as_ref()).is_some_and(|last| same(last, report)) {
            return Ok(Vec::new());
        }
        let instant = |time: &Option<prost_types::Timestamp>| time.as_ref().and_then(instant).unwrap_or_default();
        if instant(&report.cut_off_time) > now {
            return Err(Refusal::NotYet);
        }
        if self.last.is_some() && reason == CorrectionReason::Unspecified {
            return Err(Refusal::AlreadyFiled);
        }
        if report.zero != zero {
            return Err(if zero { Refusal::NotZero } else { Refusal::ZeroNotSaid });
        }
        if !report.unanswered.is_empty() && !unanswered {
            let mut questions: Vec<&str> = report.unanswered.iter().map(|open| open.question.as_str()).collect();
            questions.dedup();
            return Err(Refusal::Unanswered { questions: questions.join(", ") });
        }
        let corrects = self.last.is_some();
        Ok(vec![Event::Filed(Filed {
            form_id: form.to_owned(),
            day: report.day.clone(),
            neighbourhood_id: report.neighbourhood.trim_start_matches("neighbourhoods/").to_owned(),
            report: Some(Filled { etag: String::new(), ..report.clone() }),
            by: by.to_owned(),
            time: Some(timestamp(now)),
            late: now > instant(&report.due_time),
            reason: if corrects { reason } else { CorrectionReason::Unspecified }.into(),
        })])
    }
}

/// What an office says; what the day before was is not its own.
fn same(one: &Filled, other: &Filled) -> bool {
    let said = |report: &Filled| {
        let rows = report.rows.iter().chain(&report.sum);
        let values = rows.map(|row| {
            let cells = row.cells.iter().map(|cell| cell.value.clone());
            (row.neighbourhood.clone(), cells.collect::<Vec<_>>())
        });
        (report.version, values.collect::<Vec<_>>())
    };
    said(one) == said(other)
}

// Evolve

impl Aggregate for Report {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Filed(filed) => {
                if self.last.is_none() {
                    self.late = filed.late;
                }
                self.filings += 1;
                self.last = Some(filed.clone());
            }
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use proto::command::v1::{OpenQuestion, ReportCell, ReportRow, report_cell::Value};

    use super::*;
    use crate::domain::given::given;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn filled(number: i64) -> Filled {
        let cell = ReportCell { value: Some(Value::Number(number)), ..ReportCell::default() };
        Filled {
            day: "2020-02-11".into(),
            neighbourhood: "neighbourhoods/n1".into(),
            rows: vec![ReportRow {
                neighbourhood: "neighbourhoods/n1".into(),
                cells: vec![cell],
                ..ReportRow::default()
            }],
            zero: number == 0,
            cut_off_time: Some(timestamp(at("2020-02-12T00:00:00+08:00"))),
            due_time: Some(timestamp(at("2020-02-12T10:00:00+08:00"))),
            ..Filled::default()
        }
    }

    fn filing<'a>(report: &'a Filled, now: &str) -> Filing<'a> {
        let (zero, unanswered, reason) = (false, false, CorrectionReason::Unspecified);
        Filing { form: "daily", report, by: "staff/director", now: at(now), zero, unanswered, reason }
    }

    fn replayed(history: &[Event]) -> Report {
        let mut report = Report::default();
        for event in history {
            report.evolve(event);
        }
        report
    }

    #[test]
    fn ten_oclock_is_in_time_and_a_moment_later_is_late() {
        for (now, late) in [("2020-02-12T10:00:00+08:00", false), ("2020-02-12T10:00:00.000001+08:00", true)] {
            let history = given(&[]).when(|report: &Report| report.file(filing(&filled(3), now))).unwrap();
            assert_eq!(replayed(&history).filed().unwrap().late, late, "{now}");
        }
        let before = given(&[]).when(|report: &Report| report.file(filing(&filled(3), "2020-02-11T23:59:59+08:00")));
        assert_eq!(before, Err(Refusal::NotYet));
    }

    #[test]
    fn a_zero_report_is_said_and_not_left_out() {
        let (now, nothing) = ("2020-02-12T09:00:00+08:00", filled(0));
        let file = |filing: Filing| given(&[]).when(|report: &Report| report.file(filing));
        assert_eq!(file(filing(&nothing, now)), Err(Refusal::ZeroNotSaid));
        assert_eq!(file(Filing { zero: true, ..filing(&nothing, now) }).unwrap().len(), 1);
        let something = filled(3);
        assert_eq!(file(Filing { zero: true, ..filing(&something, now) }), Err(Refusal::NotZero));
    }

    #[test]
    fn gaps_are_named_before_they_are_filed() {
        let open = OpenQuestion { question: "masks".into(), neighbourhood: "neighbourhoods/n1".into() };
        let report = Filled { unanswered: vec![open.clone(), open], ..filled(3) };
        let now = "2020-02-12T09:00:00+08:00";
        let file = |unanswered| {
            given(&[])
                .when(|r: &Report| r.file(Filing { unanswered, ..filing(&report, now) }))
                .map(|events| events.len())
        };
        assert_eq!(file(false), Err(Refusal::Unanswered { questions: "masks".into() }));
        assert_eq!(file(true), Ok(1));
    }

    #[test]
    fn filing_again_takes_a_reason_and_does_not_make_the_first_one_late() {
        let first = filled(3);
        let in_time = filing(&first, "2020-02-12T09:50:00+08:00");
        let mut history = given(&[]).when(|report: &Report| report.file(in_time)).unwrap();
        let second = filled(4);
        let later = filing(&second, "2020-02-12T11:00:00+08:00");
        let file = |filing: Filing| given(&history).when(|report: &Report| report.file(filing));
        assert_eq!(file(filing(&first, "2020-02-12T11:00:00+08:00")), Ok(vec![]));
        assert_eq!(file(later), Err(Refusal::AlreadyFiled));
        let corrected = file(Filing { reason: CorrectionReason::WrongRecord, ..later }).unwrap();
        history.extend(corrected);
        let filed = replayed(&history).filed().unwrap();
        assert_eq!((filed.late, filed.corrections, filed.reason()), (false, 1, CorrectionReason::WrongRecord));
        assert_eq!(filed.rows, second.rows);
    }
}
