//! Passes, crossings and isolation: what was done about people.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables};
use proto::{
    Fact,
    isolation::v1::{
        ReleaseReason, order,
        order_event::{self, TransferDecided},
    },
    pass::v1::{Decision, Finding, gate_day_event, holder_event},
};
use sqlx::AnyConnection;

pub struct Measures;

#[async_trait]
impl Projection for Measures {
    fn name(&self) -> &'static str {
        "measures"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE pass (resident_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL, household_id TEXT NOT NULL,
           expires BIGINT NOT NULL, suspended BIGINT NOT NULL, revoked BIGINT NOT NULL);
         CREATE TABLE gate_day (neighbourhood_id TEXT NOT NULL, day TEXT NOT NULL, crossings BIGINT NOT NULL,
           refused BIGINT NOT NULL, fevers BIGINT NOT NULL, PRIMARY KEY (neighbourhood_id, day));
         CREATE TABLE isolation_order (order_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL,
           household_id TEXT NOT NULL, kind BIGINT NOT NULL, state BIGINT NOT NULL, completed BIGINT NOT NULL,
           handed_over BIGINT NOT NULL, breaches BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["pass", "isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let (id, payload) = (record.stream_id.clone(), &*record.payload);
        match record.category.as_str() {
            holder_event::Event::CATEGORY => {
                holder(tables.now().await?, id, holder_event::Event::from_payload(payload)?).await
            }
            gate_day_event::Event::CATEGORY => {
                crossing(tables, record.office.clone(), &gate_day_event::Event::from_payload(payload)?).await
            }
            order_event::Event::CATEGORY => {
                order(tables.now().await?, id, order_event::Event::from_payload(payload)?).await
            }
            _ => Ok(()),
        }
    }
}

async fn holder(db: &mut AnyConnection, id: String, event: holder_event::Event) -> anyhow::Result<()> {
    let change = match event {
        holder_event::Event::Issued(event) => {
            let residence = event.residence.unwrap_or_default();
            let expires = event.expires.as_ref().and_then(chassis::instant).unwrap_or_default();
            sqlx::query(
                "INSERT INTO pass (resident_id, neighbourhood_id, household_id, expires, suspended, revoked)
                 VALUES ($1, $2, $3, $4, 0, 0)
                 ON CONFLICT (resident_id) DO UPDATE SET neighbourhood_id = excluded.neighbourhood_id,
                   household_id = excluded.household_id, expires = excluded.expires, suspended = 0, revoked = 0",
            )
            .bind(id)
            .bind(residence.neighbourhood_id)
            .bind(residence.household_id)
            .bind(expires.timestamp_micros())
        }
        holder_event::Event::Suspended(_) => {
            sqlx::query("UPDATE pass SET suspended = 1 WHERE resident_id = $1").bind(id)
        }
        holder_event::Event::Reinstated(_) => {
            sqlx::query("UPDATE pass SET suspended = 0 WHERE resident_id = $1").bind(id)
        }
        holder_event::Event::Revoked(_) => sqlx::query("UPDATE pass SET revoked = 1 WHERE resident_id = $1").bind(id),
        holder_event::Event::Qualified(_)
        | holder_event::Event::Barred(_)
        | holder_event::Event::BarLifted(_)
        | holder_event::Event::Joined(_)
        | holder_event::Event::Parted(_) => return Ok(()),
    };
    change.execute(db).await.context("noting a pass")?;
    Ok(())
}

async fn crossing(tables: &mut Tables<'_>, office: String, event: &gate_day_event::Event) -> anyhow::Result<()> {
    let gate_day_event::Event::Crossed(event) = event;
    let crossed_at = event.crossed_at.as_ref().and_then(chassis::instant).unwrap_or_default();
    let day = chassis::day_of(crossed_at).to_string();
    let numbers = [
        ("crossings", 1),
        ("refused", i64::from(event.decision() == Decision::Refused)),
        ("fevers", i64::from(event.findings().any(|finding| finding == Finding::Fever))),
    ];
    tables.add("gate_day", [("neighbourhood_id", office.into()), ("day", day.into())], numbers).await
}

async fn order(db: &mut AnyConnection, id: String, event: order_event::Event) -> anyhow::Result<()> {
    let change = match event {
        order_event::Event::Ordered(event) => {
            let terms = event.terms.unwrap_or_default();
            let kind = i64::from(terms.kind);
            let residence = terms.residence.unwrap_or_default();
            sqlx::query(
                "INSERT INTO isolation_order (order_id, neighbourhood_id, household_id, kind, state, completed, handed_over,
                   breaches)
                 VALUES ($1, $2, $3, $4, $5, 0, 0, 0)",
            )
            .bind(id)
            .bind(residence.neighbourhood_id)
            .bind(residence.household_id)
            .bind(kind)
            .bind(i64::from(order::State::InForce as i32))
        }
        order_event::Event::HandedOver(_) => {
            sqlx::query("UPDATE isolation_order SET handed_over = 1 WHERE order_id = $1").bind(id)
        }
        order_event::Event::Breached(_) | order_event::Event::Sighted(_) => {
            sqlx::query("UPDATE isolation_order SET breaches = breaches + 1 WHERE order_id = $1").bind(id)
        }
        order_event::Event::Released(event) => {
            sqlx::query("UPDATE isolation_order SET state = $2, completed = $3 WHERE order_id = $1")
                .bind(id)
                .bind(i64::from(order::State::Released as i32))
                .bind(i64::from(event.reason() == ReleaseReason::PeriodComplete))
        }
        order_event::Event::Moved(event) => {
            sqlx::query("UPDATE isolation_order SET kind = $2 WHERE order_id = $1").bind(id).bind(i64::from(event.kind))
        }
        order_event::Event::TransferDecided(TransferDecided { accepted: true, residence, .. }) => {
            let residence = residence.unwrap_or_default();
            sqlx::query("UPDATE isolation_order SET neighbourhood_id = $2, household_id = $3 WHERE order_id = $1")
                .bind(id)
                .bind(residence.neighbourhood_id)
                .bind(residence.household_id)
        }
        order_event::Event::Proposed(_)
        | order_event::Event::Observed(_)
        | order_event::Event::Missed(_)
        | order_event::Event::Acknowledged(_)
        | order_event::Event::CodeOpened(_)
        | order_event::Event::Assigned(_)
        | order_event::Event::HomeChecked(_)
        | order_event::Event::DayZeroProved(_)
        | order_event::Event::ChangeProposed(_)
        | order_event::Event::ChangeDecided(_)
        | order_event::Event::TransferProposed(_)
        | order_event::Event::TransferDecided(_) => return Ok(()),
    };
    change.execute(db).await.context("noting an order")?;
    Ok(())
}
