//! Which needs are there: by person, by place, the most urgent first, and those in alarm. What a need says is read from its
//! stream.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables, instant};
use proto::{
    Fact as _,
    isolation::v1::{
        NeedInstance,
        need::State,
        need_event::{Event, Opened},
    },
};
use sqlx::{AnyConnection, Row as _};

pub(crate) struct Needs;

/// Which needs a list asks for; empty fields ask for all.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) resident_id: String,
    pub(crate) compound_id: String,
    pub(crate) neighbourhood_id: String,
    /// `None`: all that somebody still has to do something about.
    pub(crate) state: Option<State>,
}

/// Keys and ids of the needs within the caller's reach, the most urgent first, after this key.
pub(crate) async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    filter: &Filter,
    after: &str,
    size: i64,
) -> anyhow::Result<Vec<(String, String)>> {
    let (within, own) = reach(scope);
    let rows = sqlx::query(
        "SELECT queue, need_id FROM need
         WHERE waiting = $1 AND queue > $2 AND ($3 = '' OR neighbourhood_id = $3) AND ($4 = '' OR neighbourhood_id = $4)
           AND ($5 = '' OR compound_id = $5) AND ($6 = '' OR resident_id = $6) AND ($7 = '' OR resident_id = $7)
           AND ($8 = 0 OR state = $8)
         ORDER BY queue LIMIT $9",
    )
    .bind(i64::from(filter.state.is_none_or(waits)))
    .bind(after.to_owned())
    .bind(within)
    .bind(filter.neighbourhood_id.clone())
    .bind(filter.compound_id.clone())
    .bind(own)
    .bind(filter.resident_id.clone())
    .bind(filter.state.map_or(0, |state| i64::from(state as i32)))
    .bind(size)
    .fetch_all(db)
    .await
    .context("listing needs")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Keys and ids of those in alarm at a time, the longest first.
pub(crate) async fn alarms(
    db: &mut AnyConnection,
    scope: &Scope,
    filter: &Filter,
    instance: NeedInstance,
    (now, after, size): (i64, &str, i64),
) -> anyhow::Result<Vec<(String, String)>> {
    let (within, own) = reach(scope);
    let rows = sqlx::query(
        "SELECT alarm_key, need_id FROM need
         WHERE waiting = 1 AND alarm_at <= $1 AND alarm_key > $2 AND alarm_at + $3 * escalation <= $1
           AND ($4 = '' OR neighbourhood_id = $4) AND ($5 = '' OR neighbourhood_id = $5)
           AND ($6 = '' OR compound_id = $6) AND ($7 = '' OR resident_id = $7) AND ($8 = '' OR resident_id = $8)
         ORDER BY alarm_key LIMIT $9",
    )
    .bind(now)
    .bind(after.to_owned())
    .bind(match instance {
        NeedInstance::Unspecified | NeedInstance::Grid => 0_i64,
        NeedInstance::Neighbourhood => 1,
        NeedInstance::Subdistrict => 2,
    })
    .bind(within)
    .bind(filter.neighbourhood_id.clone())
    .bind(filter.compound_id.clone())
    .bind(own)
    .bind(filter.resident_id.clone())
    .bind(size)
    .fetch_all(db)
    .await
    .context("listing needs in alarm")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What the needs of the days until then take: item, kept unit, amount. A standing one takes it once for
/// each of its turns, and what was done has had it.
pub(crate) async fn demand(
    db: &mut AnyConnection,
    scope: &Scope,
    (neighbourhood_id, compound_id): (&str, &str),
    until: i64,
) -> anyhow::Result<Vec<(String, i64, i64)>> {
    let (within, _) = reach(scope);
    let rows = sqlx::query(
        "SELECT item, measure,
            CAST(SUM(amount * (CASE WHEN state = 3 THEN 0 ELSE 1 END
                + CASE WHEN every > 0 THEN ($1 - begins) / every ELSE 0 END)) AS BIGINT)
         FROM need
         WHERE waiting = 1 AND item <> '' AND begins <= $1 AND ($2 = '' OR neighbourhood_id = $2)
           AND ($3 = '' OR neighbourhood_id = $3) AND ($4 = '' OR compound_id = $4)
         GROUP BY item, measure ORDER BY item, measure",
    )
    .bind(until)
    .bind(within)
    .bind(neighbourhood_id.to_owned())
    .bind(compound_id.to_owned())
    .fetch_all(db)
    .await
    .context("adding up what needs take")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// Neighbourhood and resident that a query is bound to; a gate has no business with needs.
pub(crate) fn reach(scope: &Scope) -> (String, String) {
    let own = match scope {
        Scope::Own { resident, .. } => resident.clone(),
        Scope::Gate { .. } | Scope::Nobody => "\u{1}".to_owned(),
        Scope::Everywhere | Scope::Neighbourhood(_) => String::new(),
    };
    (scope.neighbourhood().unwrap_or_default().to_owned(), own)
}

fn waits(state: State) -> bool {
    matches!(state, State::Open | State::Claimed | State::Done)
}

/// Microseconds.
const HOUR: i64 = 3_600_000_000;

#[async_trait]
impl Projection for Needs {
    fn name(&self) -> &'static str {
        "needs"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE need (
           need_id TEXT NOT NULL PRIMARY KEY,
           resident_id TEXT NOT NULL,
           compound_id TEXT NOT NULL,
           neighbourhood_id TEXT NOT NULL,
           state BIGINT NOT NULL,
           waiting BIGINT NOT NULL,
           urgency BIGINT NOT NULL,
           queue TEXT NOT NULL,
           begins BIGINT NOT NULL,
           due BIGINT NOT NULL,
           every BIGINT NOT NULL,
           claim BIGINT NOT NULL,
           confirm BIGINT NOT NULL,
           escalation BIGINT NOT NULL,
           alarm_at BIGINT NOT NULL,
           alarm_key TEXT NOT NULL,
           item TEXT NOT NULL,
           measure BIGINT NOT NULL,
           amount BIGINT NOT NULL
         );
         CREATE INDEX need_queue ON need (waiting, queue);
         CREATE INDEX need_neighbourhood_queue ON need (neighbourhood_id, waiting, queue);
         CREATE INDEX need_alarm ON need (waiting, alarm_key);
         CREATE INDEX need_neighbourhood_alarm ON need (neighbourhood_id, waiting, alarm_key);
         CREATE INDEX need_resident ON need (resident_id, waiting, queue);
         CREATE INDEX need_demand ON need (waiting, item, begins);"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["isolation"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let id = record.stream_id.as_str();
        let db = tables.now().await?;
        let micros = |stamp: &Option<_>| stamp.as_ref().and_then(instant).unwrap_or_default().timestamp_micros();
        match Event::from_payload(&record.payload)? {
            Event::Opened(opened) => open(db, id, &opened).await,
            Event::Claimed(_) => turn(db, id, State::Claimed, Clock::Due).await,
            Event::Completed(done) => turn(db, id, State::Done, Clock::Unheard(micros(&done.time))).await,
            Event::Confirmed(confirmed) if confirmed.next_begin_time.is_some() => {
                let next = (micros(&confirmed.next_begin_time), micros(&confirmed.next_due_time));
                again(db, id, next).await?;
                turn(db, id, State::Open, Clock::Unclaimed).await
            }
            Event::Confirmed(_) => turn(db, id, State::Confirmed, Clock::Never).await,
            Event::Reopened(_) => turn(db, id, State::Open, Clock::Unclaimed).await,
            Event::Ended(_) => turn(db, id, State::Ended, Clock::Never).await,
            Event::Supplied(_) => Ok(()),
        }
    }
}

async fn open(db: &mut AnyConnection, id: &str, opened: &Opened) -> anyhow::Result<()> {
    let micros = |stamp: &Option<_>| stamp.as_ref().and_then(instant).unwrap_or_default().timestamp_micros();
    let residence = opened.residence.clone().unwrap_or_default();
    let (begins, due) = (micros(&opened.begin_time), micros(&opened.due_time));
    let urgency = 9 - i64::from(opened.priority);
    let claim = i64::from(opened.claim_hours) * HOUR;
    let alarm_at = due.min(begins + claim);
    sqlx::query(
        "INSERT INTO need (need_id, resident_id, compound_id, neighbourhood_id, state, waiting, urgency, queue, begins, due,
           every, claim, confirm, escalation, alarm_at, alarm_key, item, measure, amount)
         VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (need_id) DO UPDATE SET compound_id = excluded.compound_id, neighbourhood_id = excluded.neighbourhood_id,
           state = excluded.state, waiting = excluded.waiting, urgency = excluded.urgency, queue = excluded.queue,
           begins = excluded.begins, due = excluded.due, every = excluded.every, claim = excluded.claim,
           confirm = excluded.confirm, escalation = excluded.escalation, alarm_at = excluded.alarm_at,
           alarm_key = excluded.alarm_key, item = excluded.item, measure = excluded.measure, amount = excluded.amount",
    )
    .bind(id.to_owned())
    .bind(opened.resident_id.clone())
    .bind(residence.compound_id)
    .bind(residence.neighbourhood_id)
    .bind(i64::from(State::Open as i32))
    .bind(urgency)
    .bind(queue(urgency, due, id))
    .bind(begins)
    .bind(due)
    .bind(i64::from(opened.every_days) * 24 * HOUR)
    .bind(claim)
    .bind(i64::from(opened.confirm_hours) * HOUR)
    .bind(i64::from(opened.escalation_hours.max(1)) * HOUR)
    .bind(alarm_at)
    .bind(key(alarm_at, id))
    .bind(opened.item.clone())
    .bind(i64::from(opened.measure))
    .bind(opened.amount)
    .execute(db)
    .await
    .context("noting a need")?;
    Ok(())
}

/// The next turn of a standing need.
async fn again(db: &mut AnyConnection, id: &str, (begins, due): (i64, i64)) -> anyhow::Result<()> {
    let urgency: i64 = sqlx::query("SELECT urgency FROM need WHERE need_id = $1")
        .bind(id.to_owned())
        .fetch_one(&mut *db)
        .await
        .context("reading a need")?
        .get(0);
    sqlx::query("UPDATE need SET begins = $2, due = $3, queue = $4 WHERE need_id = $1")
        .bind(id.to_owned())
        .bind(begins)
        .bind(due)
        .bind(queue(urgency, due, id))
        .execute(db)
        .await
        .context("noting the next turn of a need")?;
    Ok(())
}

/// Which clock runs.
enum Clock {
    Unclaimed,
    Due,
    /// Since it was done.
    Unheard(i64),
    Never,
}

async fn turn(db: &mut AnyConnection, id: &str, state: State, clock: Clock) -> anyhow::Result<()> {
    let row = sqlx::query("SELECT begins, due, claim, confirm FROM need WHERE need_id = $1")
        .bind(id.to_owned())
        .fetch_one(&mut *db)
        .await
        .context("reading a need")?;
    let [begins, due, claim, confirm]: [i64; 4] = std::array::from_fn(|column| row.get(column));
    let alarm_at = match clock {
        Clock::Unclaimed => due.min(begins + claim),
        Clock::Due => due,
        Clock::Unheard(since) => since + confirm,
        Clock::Never => i64::MAX,
    };
    sqlx::query("UPDATE need SET state = $2, waiting = $3, alarm_at = $4, alarm_key = $5 WHERE need_id = $1")
        .bind(id.to_owned())
        .bind(i64::from(state as i32))
        .bind(i64::from(waits(state)))
        .bind(alarm_at)
        .bind(key(alarm_at, id))
        .execute(db)
        .await
        .context("noting what became of a need")?;
    Ok(())
}

fn queue(urgency: i64, due: i64, id: &str) -> String {
    format!("{urgency}{}", key(due, id))
}

fn key(at: i64, id: &str) -> String {
    format!("{at:020}/{id}")
}
