//! Which version of a form fills a day? Those that came with the program are not in these tables.

use anyhow::Context as _;
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use chassis::{Projection, Record, Tables, Value, instant};
use chrono::{DateTime, NaiveDate, Utc};
use prost::Message as _;
use proto::{
    Fact as _,
    command::v1::{FormContent, form_event::Event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

/// One version, and its place among the others.
pub(crate) struct Defined {
    pub(crate) form: String,
    pub(crate) version: i32,
    pub(crate) content: FormContent,
    pub(crate) by: String,
    pub(crate) time: DateTime<Utc>,
}

/// Of every form, or of the one that is named, the version that fills the day, where one was defined.
pub(crate) async fn in_force(
    db: &mut AnyConnection,
    form: Option<&str>,
    day: NaiveDate,
) -> anyhow::Result<Vec<Defined>> {
    let rows = sqlx::query(
        "SELECT f.form, f.version, f.content, f.defined_by, f.defined_at FROM command_form f
         WHERE f.from_day <= $1 AND ($2 = '' OR f.form = $2)
           AND NOT EXISTS (SELECT 1 FROM command_form g WHERE g.form = f.form AND g.from_day <= $1
             AND (g.from_day > f.from_day OR (g.from_day = f.from_day AND g.version > f.version)))
         ORDER BY f.form",
    )
    .bind(day.to_string())
    .bind(form.unwrap_or_default().to_owned())
    .fetch_all(db)
    .await
    .context("reading forms")?;
    rows.iter().map(read).collect()
}

/// The first day after `day` on which another version begins; none: no other is defined.
pub(crate) async fn replaced(db: &mut AnyConnection, form: &str, day: &str) -> anyhow::Result<String> {
    let row = sqlx::query("SELECT COALESCE(MIN(from_day), '') FROM command_form WHERE form = $1 AND from_day > $2")
        .bind(form.to_owned())
        .bind(day.to_owned())
        .fetch_one(db)
        .await
        .context("reading when a form is replaced")?;
    Ok(row.try_get(0)?)
}

fn read(row: &AnyRow) -> anyhow::Result<Defined> {
    let content = STANDARD_NO_PAD.decode(row.try_get::<String, _>(2)?).context("reading a form")?;
    Ok(Defined {
        form: row.try_get(0)?,
        version: i32::try_from(row.try_get::<i64, _>(1)?).unwrap_or(i32::MAX),
        content: FormContent::decode(&*content).context("reading a form")?,
        by: row.try_get(3)?,
        time: DateTime::from_timestamp_micros(row.try_get(4)?).unwrap_or_default(),
    })
}

pub(crate) struct Forms;

#[async_trait]
impl Projection for Forms {
    fn name(&self) -> &'static str {
        "forms"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE command_form (form TEXT NOT NULL, version BIGINT NOT NULL, from_day TEXT NOT NULL,
            content TEXT NOT NULL, defined_by TEXT NOT NULL, defined_at BIGINT NOT NULL, PRIMARY KEY (form, version));
         CREATE INDEX command_form_from ON command_form (form, from_day, version)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["command"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let Event::Defined(defined) = Event::from_payload(&record.payload).context("reading a form")?;
        let content = defined.content.unwrap_or_default();
        let time = record.occurred_at.as_ref().and_then(instant).unwrap_or_default();
        let key = [("form", Value::from(record.stream_id.clone())), ("version", i64::from(defined.version).into())];
        let rest = [
            ("from_day", Value::from(content.from.clone())),
            ("content", STANDARD_NO_PAD.encode(content.encode_to_vec()).into()),
            ("defined_by", defined.by.into()),
            ("defined_at", time.timestamp_micros().into()),
        ];
        tables.put_under("command_form", key, rest).await
    }
}
