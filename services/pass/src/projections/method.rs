//! The numbers of the method in force that passes and gates need, from screening's log.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables};
use proto::screening::v1::method_event::Event;
use sqlx::{AnyConnection, Row as _};

pub(crate) struct MethodInForce;

#[async_trait]
impl Projection for MethodInForce {
    fn name(&self) -> &'static str {
        "method"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE method (id BIGINT PRIMARY KEY, version TEXT NOT NULL, pass_days BIGINT NOT NULL,
           fever_decicelsius BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    /// The last one published is in force.
    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Published(published)) = crate::facts::foreign::<Event>(record)? else {
            return Ok(());
        };
        let content = published.content.context("a method was published without content")?;
        let db = tables.now().await?;
        sqlx::query(
            "INSERT INTO method (id, version, pass_days, fever_decicelsius) VALUES (1, $1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, pass_days = excluded.pass_days,
             fever_decicelsius = excluded.fever_decicelsius",
        )
        .bind(published.version)
        .bind(i64::from(content.pass_days))
        .bind(i64::from(content.fever_decicelsius))
        .execute(db)
        .await?;
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    pub version: String,
    pub pass_days: i32,
    pub fever_decicelsius: i32,
}

/// One method for everybody, so there is no scope to it.
pub(crate) async fn in_force(db: &mut AnyConnection) -> Result<Option<Method>, sqlx::Error> {
    let row =
        sqlx::query("SELECT version, pass_days, fever_decicelsius FROM method WHERE id = 1").fetch_optional(db).await?;
    let Some(row) = row else { return Ok(None) };
    let number = |column: usize| row.try_get::<i64, _>(column).map(|value| i32::try_from(value).unwrap_or(0));
    Ok(Some(Method { version: row.try_get(0)?, pass_days: number(1)?, fever_decicelsius: number(2)? }))
}
