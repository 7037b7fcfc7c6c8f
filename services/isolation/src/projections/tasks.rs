//! What is to be done, and by when: readings to take, alerts and breaches to look into, changes to sign, homes to check,
//! orders to release. A row for each, also for those whose time has not come: nothing has to happen for it to come.
//!
//! Rows follow from the order as it stands, which is folded from the same log: whatever record is applied, they are those of
//! the newest state that this replica knows, and after the last record those of the log's head.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Aggregate as _, Ledger, Projection, Record, Scope, Tables, instant};
use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    Fact as _,
    isolation::v1::{Level, TaskKind, order_event::Event},
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use self::planning::Row;
use crate::domain::order::Order;

/// Which rows an order calls for.
mod planning;

pub(crate) struct Tasks {
    pub(crate) ledger: Ledger,
}

/// Which tasks a list asks for; empty fields ask for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) neighbourhood_id: String,
    pub(crate) compound_id: String,
    pub(crate) order_id: String,
    pub(crate) kind: Option<TaskKind>,
    pub(crate) mine: Option<Mine>,
    pub(crate) late: bool,
}

/// What falls to somebody: kinds that always do, kinds that do where nobody else looks after the order, and what has gone up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mine {
    pub(crate) subject: String,
    pub(crate) kinds: Vec<TaskKind>,
    /// Of orders that they look after, or nobody does.
    pub(crate) own: bool,
    pub(crate) level: Option<Level>,
}

/// Where a page begins: behind this time of a task, and its key.
pub(crate) type After = (i64, String);

pub(crate) struct Open {
    pub(crate) row: Row,
    pub(crate) level: Level,
    pub(crate) late: bool,
}

/// No open task is due later than this after now: what is due behind it has not begun.
const HORIZON: TimeDelta = TimeDelta::hours(48);
/// Work other than readings goes up to the subdistrict when it is late by so much; when it is late, to the neighbourhood.
const UP: TimeDelta = TimeDelta::hours(6);

const COLUMNS: &str = "task_key, order_id, kind, resident_id, household_id, compound_id, neighbourhood_id, day, part, \
                       opens_at, due_at, level, step_at, responsible, matter";

/// A page of what is open now within the caller's reach, the most urgent first.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    filter: &Filter,
    now: DateTime<Utc>,
    after: &After,
    size: i64,
) -> anyhow::Result<Vec<Open>> {
    let micros = now.timestamp_micros();
    let mine = filter.mine.clone().unwrap_or_default();
    let kinds: i64 = mine.kinds.iter().map(|kind| 1 << (*kind as i64)).sum();
    // A compound or an order names its rows; otherwise the neighbourhood, or the time alone.
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM isolation_task
         WHERE opens_at <= $1 AND due_at <= $2 AND (due_at, task_key) > ($3, $4)
           AND ($5 = '' OR neighbourhood_id = $5) AND ($6 = '' OR neighbourhood_id = $6)
           AND ($7 = '' OR compound_id = $7) AND ($8 = '' OR order_id = $8) AND ($9 = 0 OR kind = $9)
           AND ($10 = 0 OR due_at <= $1)
           AND ($11 = 0 OR (kind_bit & $12) <> 0
             OR ($13 = 1 AND kind <> {change} AND (responsible = '' OR responsible = $14))
             OR ($15 > 0 AND (level >= $15 OR (kind <> {reading} AND due_at <= $16))))
         ORDER BY due_at, task_key LIMIT $17",
        change = TaskKind::Change as i64,
        reading = TaskKind::Reading as i64,
    )))
    .bind(micros)
    .bind((now + HORIZON).timestamp_micros())
    .bind(after.0)
    .bind(after.1.clone())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .bind(filter.neighbourhood_id.clone())
    .bind(filter.compound_id.clone())
    .bind(filter.order_id.clone())
    .bind(filter.kind.map_or(0, |kind| kind as i64))
    .bind(i64::from(filter.late))
    .bind(i64::from(filter.mine.is_some()))
    .bind(kinds)
    .bind(i64::from(mine.own))
    .bind(mine.subject)
    .bind(mine.level.map_or(0, |level| level as i64))
    .bind((now - if mine.level == Some(Level::Subdistrict) { UP } else { TimeDelta::zero() }).timestamp_micros())
    .bind(size)
    .fetch_all(db)
    .await
    .context("listing tasks")?;
    rows.iter().map(|row| read(row).map(|row| open(row, now))).collect()
}

/// Orders with a reading that goes up by now.
pub(crate) async fn going_up(db: &mut AnyConnection, now: DateTime<Utc>, most: i64) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query("SELECT DISTINCT order_id FROM isolation_task WHERE step_at <= $1 LIMIT $2")
        .bind(now.timestamp_micros())
        .bind(most)
        .fetch_all(db)
        .await
        .context("looking for missed readings")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn open(row: Row, now: DateTime<Utc>) -> Open {
    let micros = now.timestamp_micros();
    let late = row.due_at <= micros;
    let level = match row.kind {
        TaskKind::Reading => Level::try_from(i32::try_from(row.level).unwrap_or_default()).unwrap_or_default(),
        _ if row.due_at <= (now - UP).timestamp_micros() => Level::Subdistrict,
        _ if late => Level::Neighbourhood,
        _ => Level::Grid,
    };
    Open { row, level: level.max(Level::Grid), late }
}

#[async_trait]
impl Projection for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE isolation_task (
           task_key TEXT NOT NULL PRIMARY KEY,
           order_id TEXT NOT NULL,
           kind BIGINT NOT NULL,
           kind_bit BIGINT NOT NULL,
           resident_id TEXT NOT NULL,
           household_id TEXT NOT NULL,
           compound_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL,
           day TEXT NOT NULL,
           part BIGINT NOT NULL,
           opens_at BIGINT NOT NULL,
           due_at BIGINT NOT NULL,
           level BIGINT NOT NULL,
           step_at BIGINT NOT NULL,
           responsible TEXT NOT NULL,
           matter TEXT NOT NULL
         );
         CREATE INDEX isolation_task_order ON isolation_task (order_id);
         CREATE INDEX isolation_task_step ON isolation_task (step_at, order_id);
         CREATE INDEX isolation_task_due ON isolation_task (due_at, task_key);
         CREATE INDEX isolation_task_neighbourhood ON isolation_task (neighbourhood_id, due_at, task_key);
         CREATE INDEX isolation_task_compound ON isolation_task (compound_id, due_at, task_key);"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let event = Event::from_payload(&record.payload)?;
        let order = self.order(record).await?;
        let happened = record.occurred_at.as_ref().and_then(instant).unwrap_or_default();
        let mut rows = planning::planned(&record.stream_id, &order);
        let opened = planning::opened(&record.stream_id, &order, &event, happened);
        let nothing_before = matches!(event, Event::Ordered(_) | Event::Proposed(_)) && record.version == 1;
        if !nothing_before {
            let known = known(tables.now().await?, &record.stream_id).await?;
            for (key, row) in known {
                // What somebody's act has opened stands as long as the order says so, with its time.
                let now = match rows.remove(&key) {
                    Some(planned) => Some(planned),
                    None => planning::refreshed(&order, &row),
                };
                if now.as_ref() == Some(&row) {
                    continue;
                }
                remove(tables.now().await?, &key).await?;
                rows.extend(now.map(|row| (key, row)));
            }
        }
        for row in rows.into_values().chain(opened) {
            put(tables, row).await?;
        }
        Ok(())
    }
}

impl Tasks {
    /// The order, not older than the record. A state that is remembered may be: it is put down after the commit.
    async fn order(&self, record: &Record) -> anyhow::Result<Arc<Order>> {
        let (order, version) = self.ledger.load::<Order>(&record.stream_id).await?;
        if version >= record.version {
            return Ok(order);
        }
        let mut order = Order::default();
        for record in self.ledger.log().read_stream(&record.category, &record.stream_id, 0).await? {
            order.evolve(&Event::from_payload(&record.payload)?);
        }
        Ok(Arc::new(order))
    }
}

async fn known(db: &mut AnyConnection, order_id: &str) -> anyhow::Result<BTreeMap<String, Row>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM isolation_task WHERE order_id = $1")))
        .bind(order_id.to_owned())
        .fetch_all(db)
        .await
        .context("reading an order's tasks")?;
    rows.iter().map(|row| read(row).map(|row| (row.key.clone(), row))).collect()
}

fn read(row: &AnyRow) -> anyhow::Result<Row> {
    let kind = i32::try_from(row.get::<i64, _>(2)).context("a kind is a small number")?;
    let part = i32::try_from(row.get::<i64, _>(8)).context("a part of a day is a small number")?;
    Ok(Row {
        key: row.get(0),
        order_id: row.get(1),
        kind: TaskKind::try_from(kind)?,
        resident_id: row.get(3),
        household_id: row.get(4),
        compound_id: row.get(5),
        neighbourhood_id: row.get(6),
        day: row.get(7),
        part,
        opens_at: row.get(9),
        due_at: row.get(10),
        level: row.get(11),
        step_at: row.get(12),
        responsible: row.get(13),
        matter: row.get(14),
    })
}

async fn put(tables: &mut Tables<'_>, row: Row) -> anyhow::Result<()> {
    let row = [
        ("task_key", row.key.into()),
        ("order_id", row.order_id.into()),
        ("kind", (row.kind as i64).into()),
        ("kind_bit", (1_i64 << (row.kind as i64)).into()),
        ("resident_id", row.resident_id.into()),
        ("household_id", row.household_id.into()),
        ("compound_id", row.compound_id.into()),
        ("neighbourhood_id", row.neighbourhood_id.into()),
        ("day", row.day.into()),
        ("part", i64::from(row.part).into()),
        ("opens_at", row.opens_at.into()),
        ("due_at", row.due_at.into()),
        ("level", row.level.into()),
        ("step_at", row.step_at.into()),
        ("responsible", row.responsible.into()),
        ("matter", row.matter.into()),
    ];
    tables.put("isolation_task", row).await
}

async fn remove(db: &mut AnyConnection, key: &str) -> anyhow::Result<()> {
    sqlx::query("DELETE FROM isolation_task WHERE task_key = $1")
        .bind(key.to_owned())
        .execute(db)
        .await
        .context("forgetting a task")?;
    Ok(())
}
