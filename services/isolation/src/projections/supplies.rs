//! What is left of each donation, to whom it went, and whom to thank.

use anyhow::Context as _;
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use chassis::{Projection, Record, Scope, Tables, instant, timestamp};
use chrono::DateTime;
use prost::Message as _;
use proto::{
    Fact as _,
    event::v1::Sealed,
    isolation::v1::{
        Donation, Issue, Quantity, Stock, Unit,
        stock_event::{Event, Issued, Received},
    },
};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::needs::reach;
use crate::domain::quantity::shown;

pub(crate) struct Supplies;

/// A part of what the caller may see; empty texts bind nothing.
#[derive(Debug, Default)]
pub(crate) struct Within {
    pub(crate) neighbourhood: String,
    /// Only what lies there.
    pub(crate) compound: String,
}

/// What there is, by item, unit and place, after this key; `today` as an ISO date.
pub(crate) async fn stock(
    db: &mut AnyConnection,
    scope: &Scope,
    within: &Within,
    today: &str,
    (after, size): (&str, i64),
) -> anyhow::Result<Vec<(String, Stock)>> {
    let (neighbourhood, own) = reach(scope);
    let rows = sqlx::query(
        "SELECT item, measure, neighbourhood_id, compound_id, stream_id,
            CAST(SUM(CASE WHEN expires_on = '' OR expires_on >= $1 THEN remains ELSE 0 END) AS BIGINT),
            CAST(SUM(CASE WHEN expires_on = '' OR expires_on >= $1 THEN 0 ELSE remains END) AS BIGINT),
            COALESCE(MIN(CASE WHEN expires_on >= $1 AND expires_on <> '' THEN expires_on END), '')
         FROM stock_lot
         WHERE remains > 0 AND stream_id > $2 AND ($3 = '' OR neighbourhood_id = $3) AND ($4 = '' OR neighbourhood_id = $4)
           AND ($5 = '' OR compound_id = $5) AND $6 = ''
         GROUP BY stream_id, item, measure, neighbourhood_id, compound_id ORDER BY stream_id LIMIT $7",
    )
    .bind(today.to_owned())
    .bind(after.to_owned())
    .bind(neighbourhood)
    .bind(within.neighbourhood.clone())
    .bind(within.compound.clone())
    .bind(own)
    .bind(size)
    .fetch_all(db)
    .await
    .context("reading stock")?;
    Ok(rows.iter().map(stocked).collect())
}

/// What is still good on a day, added up over the places: item, kept unit, amount.
pub(crate) async fn good_on(
    db: &mut AnyConnection,
    scope: &Scope,
    within: &Within,
    day: &str,
) -> anyhow::Result<Vec<(String, i64, i64)>> {
    let (neighbourhood, own) = reach(scope);
    let rows = sqlx::query(
        "SELECT item, measure, CAST(SUM(remains) AS BIGINT) FROM stock_lot
         WHERE remains > 0 AND (expires_on = '' OR expires_on >= $1) AND ($2 = '' OR neighbourhood_id = $2)
           AND ($3 = '' OR neighbourhood_id = $3) AND ($4 = '' OR compound_id = $4) AND $5 = ''
         GROUP BY item, measure",
    )
    .bind(day.to_owned())
    .bind(neighbourhood)
    .bind(within.neighbourhood.clone())
    .bind(within.compound.clone())
    .bind(own)
    .fetch_all(db)
    .await
    .context("adding up stock")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// A donation whose giver is still sealed; absent where they are not to be named.
pub(crate) struct Thanked {
    pub(crate) donation: Donation,
    pub(crate) giver: Option<Sealed>,
}

/// The last first, before this position.
pub(crate) async fn thanks(
    db: &mut AnyConnection,
    scope: &Scope,
    within: &Within,
    (before, size): (i64, i64),
) -> anyhow::Result<Vec<(i64, Thanked)>> {
    // To be hung out: everybody of the neighbourhood may read it.
    let neighbourhood = scope.neighbourhood().unwrap_or_default().to_owned();
    let rows = sqlx::query(
        "SELECT position, donation_id, neighbourhood_id, compound_id, item, number, unit, expires_on, at, giver, known
         FROM donation
         WHERE position < $1 AND ($2 = '' OR neighbourhood_id = $2) AND ($3 = '' OR neighbourhood_id = $3)
           AND ($4 = '' OR compound_id = $4)
         ORDER BY position DESC LIMIT $5",
    )
    .bind(before)
    .bind(neighbourhood)
    .bind(within.neighbourhood.clone())
    .bind(within.compound.clone())
    .bind(size)
    .fetch_all(db)
    .await
    .context("reading donations")?;
    rows.iter().map(|row| Ok((row.get(0), thanked(row)?))).collect()
}

/// The last first, before this position.
pub(crate) async fn issues(
    db: &mut AnyConnection,
    scope: &Scope,
    within: &Within,
    (before, size): (i64, i64),
) -> anyhow::Result<Vec<(i64, Issue)>> {
    let (neighbourhood, own) = reach(scope);
    let rows = sqlx::query(
        "SELECT i.position, i.issue_id, d.neighbourhood_id, d.compound_id, d.item, d.measure, i.amount, i.recipient, i.need_id, i.at
         FROM stock_issue i JOIN stock_place d ON d.stream_id = i.stream_id
         WHERE i.position < $1 AND ($2 = '' OR d.neighbourhood_id = $2) AND ($3 = '' OR d.neighbourhood_id = $3)
           AND ($4 = '' OR d.compound_id = $4) AND $5 = ''
         ORDER BY i.position DESC LIMIT $6",
    )
    .bind(before)
    .bind(neighbourhood)
    .bind(within.neighbourhood.clone())
    .bind(within.compound.clone())
    .bind(own)
    .bind(size)
    .fetch_all(db)
    .await
    .context("reading issues")?;
    Ok(rows.iter().map(|row| (row.get(0), issued(row))).collect())
}

/// compounds/{compound}, or neighbourhoods/{neighbourhood} where it lies with the neighbourhood.
pub(crate) fn place(neighbourhood_id: &str, compound_id: &str) -> String {
    if compound_id.is_empty() {
        format!("neighbourhoods/{neighbourhood_id}")
    } else {
        format!("compounds/{compound_id}")
    }
}

fn unit(number: i64) -> Unit {
    i32::try_from(number).ok().and_then(|number| Unit::try_from(number).ok()).unwrap_or_default()
}

fn stocked(row: &AnyRow) -> (String, Stock) {
    let measure = unit(row.get(1));
    let stock = Stock {
        place: place(&row.get::<String, _>(2), &row.get::<String, _>(3)),
        item: row.get(0),
        available: Some(shown(measure, row.get(5))),
        expired: Some(shown(measure, row.get(6))),
        first_expiry: row.get(7),
    };
    (row.get(4), stock)
}

fn thanked(row: &AnyRow) -> anyhow::Result<Thanked> {
    let giver: String = row.get(9);
    let giver = match giver.as_str() {
        "" => None,
        text => {
            let bytes = STANDARD_NO_PAD.decode(text).context("reading a sealed giver")?;
            Some(Sealed::decode(&*bytes).context("reading a sealed giver")?)
        }
    };
    let unit = i32::try_from(row.get::<i64, _>(6)).unwrap_or_default();
    let donation = Donation {
        name: format!("donations/{}", row.get::<String, _>(1)),
        place: place(&row.get::<String, _>(2), &row.get::<String, _>(3)),
        item: row.get(4),
        quantity: Some(Quantity { number: row.get(5), unit }),
        expires_on: row.get(7),
        time: DateTime::from_timestamp_micros(row.get(8)).map(timestamp),
        thanked: String::new(),
        unknown_giver: row.get::<i64, _>(10) == 0,
    };
    Ok(Thanked { donation, giver })
}

fn issued(row: &AnyRow) -> Issue {
    let need: String = row.get(8);
    Issue {
        name: format!("issues/{}", row.get::<String, _>(1)),
        place: place(&row.get::<String, _>(2), &row.get::<String, _>(3)),
        item: row.get(4),
        quantity: Some(shown(unit(row.get(5)), row.get(6))),
        recipient: row.get(7),
        need: if need.is_empty() { need } else { format!("needs/{need}") },
        time: DateTime::from_timestamp_micros(row.get(9)).map(timestamp),
        left: None,
    }
}

#[async_trait]
impl Projection for Supplies {
    fn name(&self) -> &'static str {
        "supplies"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE stock_place (
           stream_id TEXT NOT NULL PRIMARY KEY,
           neighbourhood_id TEXT NOT NULL,
           compound_id TEXT NOT NULL,
           item TEXT NOT NULL,
           measure BIGINT NOT NULL
         );
         CREATE TABLE stock_lot (
           donation_id TEXT NOT NULL PRIMARY KEY,
           stream_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL,
           compound_id TEXT NOT NULL,
           item TEXT NOT NULL,
           measure BIGINT NOT NULL,
           remains BIGINT NOT NULL,
           expires_on TEXT NOT NULL
         );
         CREATE INDEX stock_lot_stream ON stock_lot (stream_id);
         CREATE INDEX stock_lot_neighbourhood ON stock_lot (neighbourhood_id, compound_id, item);
         CREATE TABLE donation (
           position BIGINT NOT NULL PRIMARY KEY,
           donation_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL,
           compound_id TEXT NOT NULL,
           item TEXT NOT NULL,
           number TEXT NOT NULL,
           unit BIGINT NOT NULL,
           expires_on TEXT NOT NULL,
           at BIGINT NOT NULL,
           giver TEXT NOT NULL,
           known BIGINT NOT NULL
         );
         CREATE INDEX donation_neighbourhood ON donation (neighbourhood_id, position);
         CREATE TABLE stock_issue (
           position BIGINT NOT NULL PRIMARY KEY,
           stream_id TEXT NOT NULL,
           issue_id TEXT NOT NULL,
           need_id TEXT NOT NULL,
           recipient TEXT NOT NULL,
           amount BIGINT NOT NULL,
           at BIGINT NOT NULL
         );
         CREATE INDEX stock_issue_stream ON stock_issue (stream_id, position);"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let position = i64::try_from(record.position).context("a position fits into 63 bits")?;
        let at = record.occurred_at.as_ref().and_then(instant).unwrap_or_default().timestamp_micros();
        let db = tables.now().await?;
        match Event::from_payload(&record.payload)? {
            Event::Received(received) => receive(db, &record.stream_id, (position, at), received).await,
            Event::Issued(issued) => issue(db, &record.stream_id, (position, at), issued).await,
        }
    }
}

async fn receive(
    db: &mut AnyConnection,
    stream: &str,
    (position, at): (i64, i64),
    received: Received,
) -> anyhow::Result<()> {
    let given = received.given.clone().unwrap_or_default();
    let named = received.giver.as_ref().filter(|_| received.may_be_named);
    sqlx::query(
        "INSERT INTO stock_place (stream_id, neighbourhood_id, compound_id, item, measure) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (stream_id) DO UPDATE SET item = excluded.item",
    )
    .bind(stream.to_owned())
    .bind(received.neighbourhood_id.clone())
    .bind(received.compound_id.clone())
    .bind(received.item.clone())
    .bind(i64::from(received.measure))
    .execute(&mut *db)
    .await
    .context("noting what lies where")?;
    sqlx::query(
        "INSERT INTO stock_lot (donation_id, stream_id, neighbourhood_id, compound_id, item, measure, remains, expires_on)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (donation_id) DO UPDATE SET expires_on = excluded.expires_on",
    )
    .bind(received.donation_id.clone())
    .bind(stream.to_owned())
    .bind(received.neighbourhood_id.clone())
    .bind(received.compound_id.clone())
    .bind(received.item.clone())
    .bind(i64::from(received.measure))
    .bind(received.amount)
    .bind(received.expires_on.clone())
    .execute(&mut *db)
    .await
    .context("noting stock")?;
    sqlx::query(
        "INSERT INTO donation (position, donation_id, neighbourhood_id, compound_id, item, number, unit, expires_on, at, giver, known)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (position) DO UPDATE SET at = excluded.at",
    )
    .bind(position)
    .bind(received.donation_id)
    .bind(received.neighbourhood_id)
    .bind(received.compound_id)
    .bind(received.item)
    .bind(given.number)
    .bind(i64::from(given.unit))
    .bind(received.expires_on)
    .bind(at)
    .bind(named.map(|sealed| STANDARD_NO_PAD.encode(sealed.encode_to_vec())).unwrap_or_default())
    .bind(i64::from(received.giver.is_some()))
    .execute(db)
    .await
    .context("noting a donation")?;
    Ok(())
}

async fn issue(db: &mut AnyConnection, stream: &str, (position, at): (i64, i64), issued: Issued) -> anyhow::Result<()> {
    for part in issued.parts {
        sqlx::query("UPDATE stock_lot SET remains = $2 WHERE donation_id = $1")
            .bind(part.donation_id)
            .bind(part.left)
            .execute(&mut *db)
            .await
            .context("noting what is left")?;
    }
    sqlx::query(
        "INSERT INTO stock_issue (position, stream_id, issue_id, need_id, recipient, amount, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (position) DO UPDATE SET at = excluded.at",
    )
    .bind(position)
    .bind(stream.to_owned())
    .bind(issued.issue_id)
    .bind(issued.need_id)
    .bind(issued.recipient)
    .bind(issued.amount)
    .bind(at)
    .execute(db)
    .await
    .context("noting an issue")?;
    Ok(())
}
