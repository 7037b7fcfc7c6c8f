//! Where the centre, which knew more, judges a crossing otherwise than the gate did; and what it could not file.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, Value, instant};
use chrono::DateTime;
use proto::{
    Fact as _,
    pass::v1::{
        Conflict, Decision, Finding,
        conflict::Kind,
        device_event::{self, Kept},
        gate_day_event::{self, Crossed},
    },
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

pub(crate) struct Conflicts;

#[async_trait]
impl Projection for Conflicts {
    fn name(&self) -> &'static str {
        "conflicts"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE conflict (position BIGINT PRIMARY KEY, neighbourhood_id TEXT NOT NULL, compound_id TEXT NOT NULL,
           gate_id TEXT NOT NULL, device_id TEXT NOT NULL, kind BIGINT NOT NULL, crossed_at BIGINT NOT NULL,
           received_at BIGINT NOT NULL, direction BIGINT NOT NULL, gate_decision BIGINT NOT NULL,
           gate_findings TEXT NOT NULL, judged_decision BIGINT NOT NULL, judged_findings TEXT NOT NULL,
           unknown_seconds BIGINT NOT NULL, resident_id TEXT NOT NULL, reason_zh TEXT NOT NULL, reason_en TEXT NOT NULL);
         CREATE INDEX conflict_by_compound ON conflict (compound_id, position);
         CREATE TABLE conflict_device (device_id TEXT PRIMARY KEY, compound_id TEXT NOT NULL, gate_id TEXT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        match record.category.as_str() {
            gate_day_event::Event::CATEGORY => match crate::facts::own(record)? {
                Some(gate_day_event::Event::Crossed(crossed)) if crossed.conflict => {
                    tables.put("conflict", of_crossing(record, crossed)?).await
                }
                Some(gate_day_event::Event::Crossed(_)) | None => Ok(()),
            },
            device_event::Event::CATEGORY => match crate::facts::own(record)? {
                Some(device_event::Event::Opened(opened)) => {
                    let row = [
                        ("device_id", record.stream_id.clone().into()),
                        ("compound_id", opened.compound_id.into()),
                        ("gate_id", opened.gate_id.into()),
                    ];
                    tables.put("conflict_device", row).await
                }
                Some(device_event::Event::Kept(kept)) => {
                    let place = place_of(tables.now().await?, &record.stream_id).await?;
                    tables.put("conflict", of_kept(record, kept, place)?).await
                }
                Some(_) | None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

type Columns = [(&'static str, Value); 17];

fn of_crossing(record: &Record, crossed: Crossed) -> anyhow::Result<Columns> {
    let micros = |time: Option<&_>| time.and_then(instant).map(|time| time.timestamp_micros());
    let crossed_at = micros(crossed.crossed_at.as_ref()).unwrap_or(0);
    let since = micros(crossed.unknown_since.as_ref()).unwrap_or(crossed_at);
    // People of another neighbourhood stay nameless here, though the record knows them.
    let own = crossed.residence.as_ref().is_some_and(|home| home.neighbourhood_id == record.office);
    let kind = if crossed.decision() == Decision::Allowed { Kind::LetThrough } else { Kind::TurnedAway };
    Ok([
        ("position", position(record)?),
        ("neighbourhood_id", record.office.clone().into()),
        ("compound_id", crossed.compound_id.into()),
        ("gate_id", crossed.gate_id.into()),
        ("device_id", crossed.device_id.into()),
        ("kind", i64::from(kind as i32).into()),
        ("crossed_at", crossed_at.into()),
        ("received_at", micros(record.occurred_at.as_ref()).unwrap_or(0).into()),
        ("direction", i64::from(crossed.direction).into()),
        ("gate_decision", i64::from(crossed.decision).into()),
        ("gate_findings", joined(&crossed.findings).into()),
        ("judged_decision", i64::from(crossed.judged_decision).into()),
        ("judged_findings", joined(&crossed.judged_findings).into()),
        ("unknown_seconds", ((crossed_at - since) / 1_000_000).max(0).into()),
        ("resident_id", if own { crossed.resident_id } else { String::new() }.into()),
        ("reason_zh", String::new().into()),
        ("reason_en", String::new().into()),
    ])
}

fn of_kept(record: &Record, kept: Kept, (compound, gate): (String, String)) -> anyhow::Result<Columns> {
    let micros = |time: Option<&_>| time.and_then(instant).map(|time| time.timestamp_micros());
    let crossing = kept.crossing.unwrap_or_default();
    Ok([
        ("position", position(record)?),
        ("neighbourhood_id", record.office.clone().into()),
        ("compound_id", compound.into()),
        ("gate_id", gate.into()),
        ("device_id", record.stream_id.clone().into()),
        ("kind", i64::from(Kind::Unfiled as i32).into()),
        ("crossed_at", micros(crossing.raw_time.as_ref()).unwrap_or(0).into()),
        ("received_at", micros(record.occurred_at.as_ref()).unwrap_or(0).into()),
        ("direction", i64::from(crossing.direction).into()),
        ("gate_decision", i64::from(crossing.decision).into()),
        ("gate_findings", joined(&crossing.findings).into()),
        ("judged_decision", 0_i64.into()),
        ("judged_findings", String::new().into()),
        ("unknown_seconds", 0_i64.into()),
        ("resident_id", String::new().into()),
        ("reason_zh", kept.reason_zh.into()),
        ("reason_en", kept.reason_en.into()),
    ])
}

fn position(record: &Record) -> anyhow::Result<Value> {
    Ok(i64::try_from(record.position).context("a position fits into 63 bits")?.into())
}

fn joined(findings: &[i32]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

async fn place_of(db: &mut AnyConnection, device: &str) -> Result<(String, String), sqlx::Error> {
    let row = sqlx::query("SELECT compound_id, gate_id FROM conflict_device WHERE device_id = $1")
        .bind(device.to_owned())
        .fetch_optional(db)
        .await?;
    row.map_or(Ok((String::new(), String::new())), |row| Ok((row.try_get(0)?, row.try_get(1)?)))
}

/// One page of conflicts and the position after which the next one begins; `gate` empty: of all the compound's gates.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    (compound, gate): (&str, &str),
    before: i64,
    limit: i64,
) -> Result<(Vec<Conflict>, Option<i64>), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT position, compound_id, gate_id, device_id, kind, crossed_at, received_at, direction, gate_decision,
           gate_findings, judged_decision, judged_findings, unknown_seconds, resident_id, reason_zh, reason_en
         FROM conflict WHERE compound_id = $1 AND ($2 = '' OR gate_id = $2) AND ($3 = '' OR neighbourhood_id = $3)
           AND position < $4
         ORDER BY position DESC LIMIT $5",
    )
    .bind(compound.to_owned())
    .bind(gate.to_owned())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await?;
    let last = rows.last().map(|row| row.try_get(0)).transpose()?;
    Ok((rows.iter().map(conflict).collect::<Result<_, _>>()?, last))
}

fn conflict(row: &AnyRow) -> Result<Conflict, sqlx::Error> {
    let small = |column: usize| row.try_get::<i64, _>(column).map(|value| i32::try_from(value).unwrap_or(0));
    let time = |column| {
        let micros = row.try_get::<i64, _>(column)?;
        Ok::<_, sqlx::Error>(DateTime::from_timestamp_micros(micros).map(chassis::timestamp))
    };
    let findings = |column| {
        let text: String = row.try_get(column)?;
        Ok::<Vec<i32>, sqlx::Error>(text.split(',').filter_map(|finding| finding.parse().ok()).collect())
    };
    let resident: String = row.try_get(13)?;
    let mut conflict = Conflict {
        kind: small(4)?,
        gate: format!("compounds/{}/gates/{}", row.try_get::<String, _>(1)?, row.try_get::<String, _>(2)?),
        device: format!("devices/{}", row.try_get::<String, _>(3)?),
        cross_time: time(5)?,
        receive_time: time(6)?,
        direction: small(7)?,
        gate_decision: small(8)?,
        gate_findings: findings(9)?,
        judged_decision: small(10)?,
        judged_findings: findings(11)?,
        unknown_for_seconds: row.try_get(12)?,
        resident: if resident.is_empty() { resident } else { format!("residents/{resident}") },
        say_zh: row.try_get(14)?,
        say_en: row.try_get(15)?,
    };
    if conflict.kind() != Kind::Unfiled {
        (conflict.say_zh, conflict.say_en) = sentence(&conflict);
    }
    Ok(conflict)
}

/// "crossed 40 minutes after the suspension, gate off line"
fn sentence(conflict: &Conflict) -> (String, String) {
    if conflict.judged_findings().any(|finding| finding == Finding::Manual) {
        let (zh, en) = (
            "人工登记被门岗拦下，而中心没有不放行的理由",
            "entered by hand and turned away, though nothing that the centre knows bars them",
        );
        return (zh.to_owned(), en.to_owned());
    }
    let first = conflict.judged_findings().next().unwrap_or_default();
    let rule = match first {
        Finding::Quota => Some((
            "本户外出人次已在别的门岗用完，门岗放行时尚不知道",
            "crossed though the household's outings were used up at another gate, which this gate did not know",
        )),
        Finding::OutsideHours => Some((
            "不在现行标准的外出时段内，门岗放行时尚不知道",
            "crossed outside the hours of the method in force, which the gate did not know",
        )),
        _ => None,
    };
    if let Some((zh, en)) = rule {
        return (zh.to_owned(), en.to_owned());
    }
    let (zh, en) = match first {
        Finding::Isolated => ("隔离令下达", "the isolation order"),
        Finding::Suspended => ("暂停", "the suspension"),
        Finding::Revoked => ("作废", "the withdrawal"),
        Finding::Replaced => ("换证", "the new pass"),
        Finding::Recalled => ("统一换证", "the recall"),

        Finding::Valid => ("恢复", "the pass was good again"),
        _ => ("情况变化", "what the gate did not know"),
    };
    let seconds = conflict.unknown_for_seconds;
    let (count, unit_zh, unit_en) = match seconds {
        ..120 => (seconds, "秒", "seconds"),
        120..7_200 => (seconds / 60, "分钟", "minutes"),
        _ => (seconds / 3_600, "小时", "hours"),
    };
    let (how_zh, how_en) = if conflict.kind() == Kind::LetThrough {
        ("通行，门岗尚不知道", "crossed")
    } else {
        ("被拦下，门岗尚不知道", "turned away")
    };
    (
        format!("{zh} {count} {unit_zh}后{how_zh}"),
        format!("{how_en} {count} {unit_en} after {en}, which the gate did not know"),
    )
}
