//! What a neighbourhood answers to a question on a day 一次填报: once, for however many forms ask it. Another answer corrects it and
//! keeps what was said before. Numbers and choices alone: nothing of a person has a place in it.

use chassis::{Aggregate, Kind, Refuse, reason, timestamp};
use chrono::{DateTime, Utc};
use proto::command::v1::{
    self as contract, AnswerValue, EarlierAnswer,
    answer_event::{Corrected, Given},
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    said: Vec<EarlierAnswer>,
}

impl Answer {
    /// What holds, and what was said before it, the oldest first; `None` before anything was.
    pub fn said(&self) -> Option<(&EarlierAnswer, &[EarlierAnswer])> {
        self.said.split_last()
    }
}

/// The stream of a question's answer.
pub fn stream_id(question: &str, day: &str, neighbourhood: &str) -> String {
    format!("{question}_{day}_{neighbourhood}")
}

// Events

pub use proto::command::v1::answer_event::Event;

// Refusals

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the question was answered otherwise")]
    AlreadyAnswered { by: String },
    #[error("the answer was corrected since it was read")]
    Stale,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        match self {
            Self::AlreadyAnswered { by } => chassis::Refusal::new(
                Kind::AlreadyExists,
                reason(contract::Refusal::AlreadyAnswered.as_str_name()),
                "这个问题今天已经有人回答过，答案不同：请先查看，需要更正时带上该答案的 etag 再提交",
                "somebody has answered this for the day, and otherwise: look at it, and correct it with its etag",
            )
            .about("by", by),
            Self::Stale => super::stale(),
        }
    }
}

// Decisions

/// Somebody says something for a question, a day and a neighbourhood.
#[derive(Clone, Copy, Debug)]
pub struct Saying<'a> {
    pub question: &'a str,
    pub day: &'a str,
    pub neighbourhood: &'a str,
    pub value: &'a AnswerValue,
    pub by: &'a str,
    pub now: DateTime<Utc>,
    /// Of the answer that is corrected; empty: there is none.
    pub etag: &'a str,
}

impl Answer {
    pub fn say(&self, saying: Saying, version: u64) -> Result<Vec<Event>, Refusal> {
        let Saying { question, day, neighbourhood, value, by, now, etag } = saying;
        let (value, by, time) = (Some(value.clone()), by.to_owned(), Some(timestamp(now)));
        let (question_id, day, neighbourhood_id) = (question.to_owned(), day.to_owned(), neighbourhood.to_owned());
        match self.said.last() {
            None => Ok(vec![Event::Given(Given { question_id, day, neighbourhood_id, value, by, time })]),
            Some(last) if last.value == value => Ok(Vec::new()),
            Some(last) if etag.is_empty() => Err(Refusal::AlreadyAnswered { by: last.answer_by.clone() }),
            Some(_) if etag != version.to_string() => Err(Refusal::Stale),
            Some(_) => Ok(vec![Event::Corrected(Corrected { question_id, day, neighbourhood_id, value, by, time })]),
        }
    }
}

// Evolve

impl Aggregate for Answer {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        let (value, by, time) = match event {
            Event::Given(given) => (&given.value, &given.by, given.time),
            Event::Corrected(corrected) => (&corrected.value, &corrected.by, corrected.time),
        };
        self.said.push(EarlierAnswer { value: value.clone(), answer_by: by.clone(), answer_time: time });
    }
}

// Tests

#[cfg(test)]
mod tests {
    use proto::command::v1::answer_value::Value;

    use super::*;
    use crate::domain::given::given;

    fn say(answer: &Answer, number: i64, etag: &str, version: u64) -> Result<Vec<Event>, Refusal> {
        let value = AnswerValue { value: Some(Value::Number(number)) };
        let (question, day, neighbourhood, by) = ("masks", "2020-02-11", "n1", "staff/worker");
        let now = DateTime::UNIX_EPOCH;
        answer.say(Saying { question, day, neighbourhood, value: &value, by, now, etag }, version)
    }

    #[test]
    fn a_question_is_answered_once_and_a_correction_keeps_what_was_said() {
        let mut history = given(&[]).when(|answer: &Answer| say(answer, 40, "", 0)).unwrap();
        assert_eq!(given(&history).when(|answer: &Answer| say(answer, 40, "", 1)), Ok(vec![]));
        let by = "staff/worker".to_owned();
        let otherwise = given(&history).when(|answer: &Answer| say(answer, 41, "", 1));
        assert_eq!(otherwise, Err(Refusal::AlreadyAnswered { by }));
        assert_eq!(given(&history).when(|answer: &Answer| say(answer, 41, "7", 1)), Err(Refusal::Stale));
        history.extend(given(&history).when(|answer: &Answer| say(answer, 41, "1", 1)).unwrap());
        let mut answer = Answer::default();
        for event in &history {
            answer.evolve(event);
        }
        let numbers = |said: &EarlierAnswer| said.value.clone().and_then(|value| value.value);
        let (last, earlier) = answer.said().unwrap();
        assert_eq!(numbers(last), Some(Value::Number(41)));
        assert_eq!(earlier.iter().map(numbers).collect::<Vec<_>>(), [Some(Value::Number(40))]);
    }
}
