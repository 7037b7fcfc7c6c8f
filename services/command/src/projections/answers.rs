//! What was answered for a day?

use std::collections::BTreeMap;

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    Fact as _,
    command::v1::{
        AnswerValue,
        answer_event::{Corrected, Event, Given},
        answer_value::Value,
    },
};
use sqlx::{AnyConnection, Row as _};

/// By neighbourhood and question.
pub(crate) type Answers = BTreeMap<String, BTreeMap<String, Said>>;

/// What holds.
pub(crate) struct Said {
    pub(crate) value: AnswerValue,
    pub(crate) by: String,
    pub(crate) time: DateTime<Utc>,
    /// How often it was said: 1 where nothing was corrected.
    pub(crate) version: i64,
}

/// Of one day; `neighbourhood`: only of this one.
pub(crate) async fn of_day(
    db: &mut AnyConnection,
    scope: &Scope,
    day: NaiveDate,
    neighbourhood: Option<&str>,
) -> anyhow::Result<Answers> {
    let rows = sqlx::query(
        "SELECT neighbourhood, question, number, choice, said_by, said_at, version FROM command_answer
         WHERE day = $1 AND ($2 = '' OR neighbourhood = $2) AND ($3 = '' OR neighbourhood = $3)",
    )
    .bind(day.to_string())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .bind(neighbourhood.unwrap_or_default().to_owned())
    .fetch_all(db)
    .await
    .context("reading answers")?;
    let mut answers = Answers::new();
    for row in rows {
        let choice: String = row.try_get(3)?;
        let value = if choice.is_empty() { Value::Number(row.try_get(2)?) } else { Value::Choice(choice) };
        let said = Said {
            value: AnswerValue { value: Some(value) },
            by: row.try_get(4)?,
            time: DateTime::from_timestamp_micros(row.try_get(5)?).unwrap_or_default(),
            version: row.try_get(6)?,
        };
        answers.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?, said);
    }
    Ok(answers)
}

pub(crate) struct Answered;

#[async_trait]
impl Projection for Answered {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE command_answer (day TEXT NOT NULL, neighbourhood TEXT NOT NULL, question TEXT NOT NULL,
            number BIGINT NOT NULL, choice TEXT NOT NULL, said_by TEXT NOT NULL, said_at BIGINT NOT NULL,
            version BIGINT NOT NULL, PRIMARY KEY (day, neighbourhood, question))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["command"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let Given { question_id, day, neighbourhood_id, value, by, time } =
            match Event::from_payload(&record.payload).context("reading an answer")? {
                Event::Given(given) => given,
                Event::Corrected(Corrected { question_id, day, neighbourhood_id, value, by, time }) => {
                    Given { question_id, day, neighbourhood_id, value, by, time }
                }
            };
        let time = time.as_ref().and_then(instant).unwrap_or_default();
        let (number, choice) = match value.and_then(|value| value.value) {
            Some(Value::Number(number)) => (number, String::new()),
            Some(Value::Choice(choice)) => (0, choice),
            None => return Ok(()),
        };
        sqlx::query(
            "INSERT INTO command_answer (day, neighbourhood, question, number, choice, said_by, said_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (day, neighbourhood, question) DO UPDATE SET number = excluded.number, choice = excluded.choice,
               said_by = excluded.said_by, said_at = excluded.said_at, version = excluded.version",
        )
        .bind(day)
        .bind(neighbourhood_id)
        .bind(question_id)
        .bind(number)
        .bind(choice)
        .bind(by)
        .bind(time.timestamp_micros())
        .bind(i64::try_from(record.version).context("a version beyond the tables")?)
        .execute(tables.now().await?)
        .await
        .context("noting an answer")?;
        Ok(())
    }
}
