//! Which orders there are: by person, by compound, by state. What an order says is read from its stream.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use proto::{
    Fact as _,
    isolation::v1::{
        Terms,
        order::State,
        order_event::{Event, Ordered, Proposed, TransferDecided},
    },
    registry::v1::Residence,
};
use sqlx::{AnyConnection, Row as _};

pub(crate) struct Orders;

/// Which orders a list asks for; empty fields ask for all.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) resident_id: String,
    pub(crate) compound_id: String,
    pub(crate) state: Option<State>,
}

/// Ids of the orders within the caller's reach, in the order of their ids, after this one.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    filter: &Filter,
    after: &str,
    size: i64,
) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT order_id FROM isolation_order
         WHERE order_id > $1 AND ($2 = '' OR neighbourhood_id = $2) AND ($3 = '' OR resident_id = $3)
           AND ($4 = '' OR compound_id = $4) AND ($5 = 0 OR state = $5)
         ORDER BY order_id LIMIT $6",
    )
    .bind(after.to_owned())
    .bind(scope.neighbourhood().unwrap_or_default().to_owned())
    .bind(filter.resident_id.clone())
    .bind(filter.compound_id.clone())
    .bind(filter.state.map_or(0, |state| i64::from(state as i32)))
    .bind(size)
    .fetch_all(db)
    .await
    .context("listing orders")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[async_trait]
impl Projection for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE isolation_order (
           order_id TEXT NOT NULL PRIMARY KEY,
           resident_id TEXT NOT NULL,
           compound_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL,
           state BIGINT NOT NULL
         );
         CREATE INDEX isolation_order_resident ON isolation_order (resident_id);
         CREATE INDEX isolation_order_neighbourhood ON isolation_order (neighbourhood_id, state, order_id);"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let id = record.stream_id.clone();
        let db = tables.now().await?;
        match Event::from_payload(&record.payload)? {
            Event::Proposed(Proposed { terms, .. }) => note(db, id, terms.unwrap_or_default(), State::Proposed).await,
            Event::Ordered(Ordered { terms, .. }) => note(db, id, terms.unwrap_or_default(), State::InForce).await,
            Event::Released(_) => release(db, id).await,
            Event::TransferDecided(TransferDecided { accepted: true, residence, .. }) => {
                transfer(db, id, residence.unwrap_or_default()).await
            }
            Event::Observed(_)
            | Event::HandedOver(_)
            | Event::Breached(_)
            | Event::Missed(_)
            | Event::Acknowledged(_)
            | Event::CodeOpened(_)
            | Event::Assigned(_)
            | Event::HomeChecked(_)
            | Event::DayZeroProved(_)
            | Event::ChangeProposed(_)
            | Event::ChangeDecided(_)
            | Event::Moved(_)
            | Event::TransferProposed(_)
            | Event::TransferDecided(_)
            | Event::Sighted(_) => Ok(()),
        }
    }
}

async fn note(db: &mut AnyConnection, id: String, terms: Terms, state: State) -> anyhow::Result<()> {
    let residence = terms.residence.unwrap_or_default();
    sqlx::query(
        "INSERT INTO isolation_order (order_id, resident_id, compound_id, neighbourhood_id, state)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (order_id) DO UPDATE SET state = excluded.state",
    )
    .bind(id)
    .bind(terms.resident_id)
    .bind(residence.compound_id)
    .bind(residence.neighbourhood_id)
    .bind(i64::from(state as i32))
    .execute(db)
    .await
    .context("noting an order")?;
    Ok(())
}

async fn release(db: &mut AnyConnection, id: String) -> anyhow::Result<()> {
    sqlx::query("UPDATE isolation_order SET state = $2 WHERE order_id = $1")
        .bind(id)
        .bind(i64::from(State::Released as i32))
        .execute(db)
        .await
        .context("noting a release")?;
    Ok(())
}

async fn transfer(db: &mut AnyConnection, id: String, residence: Residence) -> anyhow::Result<()> {
    sqlx::query("UPDATE isolation_order SET neighbourhood_id = $2, compound_id = $3 WHERE order_id = $1")
        .bind(id)
        .bind(residence.neighbourhood_id)
        .bind(residence.compound_id)
        .execute(db)
        .await
        .context("noting a transfer")?;
    Ok(())
}
