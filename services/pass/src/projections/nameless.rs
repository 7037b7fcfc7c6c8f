//! Whom the gates let through without knowing them by name: visitors by their exception, and faces that a guard knew. Only
//! counted, in and out, since nobody can say which of them left.

use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::pass::v1::{
    Decision, Direction, Nameless as Shown,
    gate_day_event::{Crossed, Event},
    nameless::Kind,
    visitor::Exception,
};
use sqlx::{AnyConnection, Row as _};

pub(crate) struct Nameless;

#[async_trait]
impl Projection for Nameless {
    fn name(&self) -> &'static str {
        "nameless"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE nameless (compound_id TEXT NOT NULL, kind BIGINT NOT NULL, neighbourhood_id TEXT NOT NULL,
           entered BIGINT NOT NULL, went_out BIGINT NOT NULL, PRIMARY KEY (compound_id, kind, neighbourhood_id))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Crossed(crossed)) = crate::facts::own::<Event>(record)? else { return Ok(()) };
        let Some(kind) = kind(&crossed) else { return Ok(()) };
        let through = |direction| i64::from(crossed.direction() == direction);
        let numbers = [("entered", through(Direction::In)), ("went_out", through(Direction::Out))];
        let key = [
            ("compound_id", crossed.compound_id.into()),
            ("kind", i64::from(kind as i32).into()),
            ("neighbourhood_id", record.office.clone().into()),
        ];
        tables.add("nameless", key, numbers).await
    }
}

/// `None` for those who are named, and for those who were turned away.
fn kind(crossed: &Crossed) -> Option<Kind> {
    if crossed.decision() != Decision::Allowed || !crossed.resident_id.is_empty() {
        return None;
    }
    let Some(visitor) = &crossed.visitor else { return Some(Kind::Unnamed) };
    Some(match visitor.exception() {
        Exception::Unspecified | Exception::None => Kind::Visitor,
        Exception::Service => Kind::Service,
        Exception::Carer => Kind::Carer,
        Exception::Inspector => Kind::Inspector,
    })
}

/// Of one compound's gates, by kind.
pub(crate) async fn of_compound(
    db: &mut AnyConnection,
    scope: &Scope,
    compound: &str,
) -> Result<Vec<Shown>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT kind, CAST(SUM(entered) AS BIGINT), CAST(SUM(went_out) AS BIGINT) FROM nameless
         WHERE compound_id = $1 AND ($2 = '' OR neighbourhood_id = $2) GROUP BY kind ORDER BY kind",
    )
    .bind(compound.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .fetch_all(db)
    .await?;
    let shown = |row: &sqlx::any::AnyRow| {
        let (entered, left): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        let kind = i32::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
        Ok(Shown { kind, entered, left, inside: (entered - left).max(0) })
    };
    rows.iter().map(shown).collect()
}
