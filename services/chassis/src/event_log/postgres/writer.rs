//! The one connection that writes. A commit takes one message there and back, however many requests it holds: write all if
//! the head is still the row that the last commit left, and what is to be new is new. Where that is not known, or was
//! wrong, another one goes before it: look up. Nobody holds the head while a message is under way. The statements' texts
//! do not depend on the number of rows, so that each is planned once.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, postgres::PgRow};
use tokio::time::timeout;

use super::{
    super::{
        KnownCommand,
        batch::{Batch, Known, Plan, Stream},
        chain,
        rows::Columns as _,
        store::{Grounds, Store, StoreError},
        tail::{Standing, Tail},
    },
    STEP, classified,
    herald::Herald,
    same_log,
    table::{CommandRow, EventRow, ReservationRow, StreamRow},
};
use crate::{
    Lead, Lease,
    museum::Bug,
    postgres::{Database, leave},
};

/// Writes one log.
pub(super) struct Writer {
    database: Database,
    lease: Lease,
    tail: Arc<Tail>,
    /// None before the first batch and after the connection broke.
    db: Option<PgConnection>,
    /// The head's row as the last look saw it, or the last commit left it; None where somebody else may have changed it.
    seen: Option<Seen>,
    herald: Herald,
}

/// A version of the head's row, and the fence that stood then: who takes over changes both.
struct Seen {
    version: String,
    fence: i64,
}

/// Limits of this connection, all shorter than [`STEP`]: a head that stays locked by a process that was stopped is let go
/// by the server.
const SESSION: &str = "SET statement_timeout = '4500ms'; SET lock_timeout = '4000ms'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// What was found (0: the head, 1: the lease and the last stream, 2: a command, 3: a stream, 4: a key), and by which name.
/// One statement sees one state: whoever writes or takes over later changes the head's row, which `xmin` tells.
const LOOK_UP: &str = "
    SELECT 0::bigint, 0::bigint, h.position, 0::bigint, h.chain, NULL::bytea, h.log_id, h.xmin::text
    FROM log.log_head h WHERE h.id = 1
    UNION ALL
    SELECT 1, 0, l.fence, (SELECT COALESCE(MAX(stream_no), 0) FROM log.stream), NULL, NULL, l.holder, NULL
    FROM replica.lease l WHERE l.id = 1
    UNION ALL
    SELECT 2, n.place, c.first_position, c.last_position, c.fingerprint, c.reply, NULL, NULL
    FROM UNNEST($1::text[]) WITH ORDINALITY n (id, place) JOIN log.command c ON c.command_id = n.id
    UNION ALL
    SELECT 3, n.place, s.stream_no, s.version, NULL, NULL, NULL, NULL
    FROM UNNEST($2::text[], $3::text[]) WITH ORDINALITY n (category, id, place)
    JOIN log.stream s ON s.category = n.category AND s.stream_id = n.id
    UNION ALL
    SELECT 4, n.place, NULL, NULL, NULL, NULL, r.stream_id, NULL
    FROM UNNEST($4::text[], $5::bytea[]) WITH ORDINALITY n (scope, key, place)
    JOIN log.reservation r ON r.scope = n.scope AND r.key = n.key";

/// Answers with how many rows of each kind were written: all, or none where the head is no longer the row that was seen, or
/// the fence is another.
/// Its lock comes first, since all others wait for what it finds. `$held`: what becomes of a key that is held already.
/// Columns: the new version of the head's row, then the counts.
macro_rules! writing {
    ($held:literal) => {
        concat!(
            "
    WITH moved AS (
        UPDATE log.log_head SET position = $1, chain = $2
        WHERE id = 1 AND xmin::text = $3 AND (SELECT fence FROM replica.lease WHERE id = 1) = $4
        RETURNING xmin::text AS version
    ), opened AS (
        INSERT INTO log.stream SELECT n.* FROM moved, UNNEST($5::log.stream[]) n RETURNING 1
    ), went_on AS (
        UPDATE log.stream s SET version = n.version
        FROM moved, UNNEST($6::bigint[], $7::bigint[]) n (stream_no, version)
        WHERE s.stream_no = n.stream_no RETURNING 1
    ), happened AS (
        INSERT INTO log.event SELECT n.* FROM moved, UNNEST($8::log.event[]) n RETURNING 1
    ), done AS (
        INSERT INTO log.command SELECT n.* FROM moved, UNNEST($9::log.command[]) n RETURNING 1
    ), released AS (
        DELETE FROM log.reservation r USING moved, UNNEST($10::text[], $11::bytea[]) n (scope, key)
        WHERE r.scope = n.scope AND r.key = n.key RETURNING 1
    ), reserved AS (
        INSERT INTO log.reservation SELECT n.* FROM moved, UNNEST($12::log.reservation[]) n
        ",
            $held,
            " RETURNING 1
    )
    SELECT (SELECT version FROM moved), (SELECT COUNT(*) FROM moved), (SELECT COUNT(*) FROM opened),
        (SELECT COUNT(*) FROM went_on), (SELECT COUNT(*) FROM happened), (SELECT COUNT(*) FROM done),
        (SELECT COUNT(*) FROM reserved)"
        )
    };
}

/// After a look: a key that changes hands within the plan is held already.
const WRITE: &str = writing!("ON CONFLICT (scope, key) DO UPDATE SET stream_id = excluded.stream_id");

/// Without a look: whatever is there already refuses the whole.
const WRITE_NEW: &str = writing!("");

impl Writer {
    pub(super) fn new(database: Database, lease: Lease, tail: Arc<Tail>) -> Self {
        let herald = Herald::sent(database.clone());
        Self { database, lease, tail, db: None, seen: None, herald }
    }

    /// Once it has left its connection.
    pub(super) async fn close(self) {
        self.herald.end().await;
    }

    async fn connected(&mut self) -> Result<&mut PgConnection, StoreError> {
        if self.db.is_none() {
            let mut db = self.database.connect().await.map_err(StoreError::Unknown)?;
            answered(sqlx::raw_sql(SESSION).execute(&mut db)).await?;
            self.db = Some(db);
        }
        self.db.as_mut().ok_or_else(|| StoreError::Unknown(anyhow!("there is no connection")))
    }

    /// Whether the row of the lease is this replica's.
    fn leads(&self, fence: i64, holder: &str) -> Result<(), StoreError> {
        let Some(ours) = self.lease.holder() else { return Ok(()) };
        match *self.lease.watch().borrow() {
            Lead::Here { fence: believed } if believed == fence && ours == holder => Ok(()),
            Lead::Here { .. } if Bug::FenceIgnored.is_back() => Ok(()),
            _ => Err(StoreError::Unknown(anyhow!("another replica leads"))),
        }
    }

    /// Whether this replica believes that it leads as it did at its last look.
    fn leads_still(&self, seen: i64) -> bool {
        self.lease.holder().is_none() || matches!(*self.lease.watch().borrow(), Lead::Here { fence } if fence == seen)
    }
}

#[async_trait]
impl Store for Writer {
    const RECOLLECTS: bool = true;

    async fn begin(&mut self, batch: &Batch<'_>) -> Result<Known, StoreError> {
        let (categories, streams): (Vec<&str>, Vec<&str>) = batch.streams.list.iter().copied().unzip();
        let (scopes, keys): (Vec<&str>, Vec<&[u8]>) = batch.keys.list.iter().copied().unzip();
        let query = sqlx::query(LOOK_UP)
            .bind(&batch.commands.list)
            .bind(categories)
            .bind(streams)
            .bind(scopes)
            .bind(keys)
            .fetch_all(self.connected().await?);
        let rows = answered(query).await?;
        let mut found = Found::nothing_of(batch);
        for row in rows {
            found.take(&row).map_err(StoreError::Fault)?;
        }
        let strange = || StoreError::Fault(anyhow!("the database has no head or no lease"));
        let (head, (fence, holder)) = found.head.zip(found.lease).ok_or_else(strange)?;
        same_log(&self.tail, &head.log_id, found.known.head).map_err(StoreError::Unknown)?;
        self.leads(fence, &holder)?;
        self.seen = Some(Seen { version: head.version, fence });
        Ok(found.known)
    }

    async fn commit(&mut self, plan: &Plan<'_>, grounds: Grounds) -> Result<(), StoreError> {
        let seen = self.seen.take().ok_or(StoreError::Moved)?;
        if grounds == Grounds::Recollected && !self.leads_still(seen.fence) {
            return Err(StoreError::Moved);
        }
        let statement = match grounds {
            Grounds::Looked => WRITE,
            Grounds::Recollected => WRITE_NEW,
        };
        let writing = write(self.connected().await?, statement, plan, &seen);
        let version = timeout(STEP, writing).await.map_err(late)??;
        self.seen = Some(Seen { version, ..seen });
        Ok(())
    }

    fn announce(&mut self, position: u64) {
        self.herald.tell(position);
    }

    async fn roll_back(&mut self, after: Option<&StoreError>) {
        // Nothing is open between two statements. A connection that did not answer may be in the middle of one: the server
        // ends it when the connection is gone.
        if !matches!(after, None | Some(StoreError::Refused(_) | StoreError::Full | StoreError::Moved)) {
            self.db = None;
        }
        if after.is_some() {
            self.seen = None;
        }
    }

    async fn leave(&mut self) {
        if let Some(db) = self.db.take() {
            leave(db).await;
        }
    }

    async fn prune(&mut self, before: DateTime<Utc>, most: u32) -> Result<u64, StoreError> {
        let pruned = sqlx::query(
            "DELETE FROM log.command WHERE command_id IN
                (SELECT command_id FROM log.command WHERE recorded_at < $1 ORDER BY recorded_at LIMIT $2)",
        )
        .bind(before.timestamp_micros())
        .bind(i64::from(most))
        .execute(self.connected().await?);
        Ok(answered(pruned).await?.rows_affected())
    }
}

/// What the rows of [`LOOK_UP`] say.
struct Found {
    head: Option<HeadRow>,
    /// Fence and holder.
    lease: Option<(i64, String)>,
    known: Known,
}

struct HeadRow {
    log_id: String,
    version: String,
}

impl Found {
    fn nothing_of(batch: &Batch<'_>) -> Self {
        let known = Known {
            head: Standing { position: 0, chain: chain::START },
            last_stream_no: 0,
            commands: batch.commands.list.iter().map(|_| None).collect(),
            streams: vec![None; batch.streams.list.len()],
            keys: vec![None; batch.keys.list.len()],
        };
        Self { head: None, lease: None, known }
    }

    fn take(&mut self, row: &PgRow) -> anyhow::Result<()> {
        let kind = row.number(0)?;
        // Names are counted from 1.
        let place = usize::try_from(row.number(1)? - 1).unwrap_or_default();
        let strange = "a row that was not asked for";
        match kind {
            0 => {
                self.known.head = Standing { position: row.position(2)?, chain: row.hash(4)? };
                self.head = Some(HeadRow { log_id: row.text(6)?, version: row.text(7)? });
            }
            1 => {
                self.lease = Some((row.number(2)?, row.text(6)?));
                self.known.last_stream_no = row.number(3)?;
            }
            2 => {
                let known = KnownCommand {
                    fingerprint: row.hash(4)?,
                    first_position: row.position(2)?,
                    last_position: row.position(3)?,
                    reply: row.bytes(5)?,
                };
                *self.known.commands.get_mut(place).context(strange)? = Some(known);
            }
            3 => {
                let stream = Stream { number: row.number(2)?, version: row.position(3)?, new: false };
                *self.known.streams.get_mut(place).context(strange)? = Some(stream);
            }
            _ => *self.known.keys.get_mut(place).context(strange)? = Some(row.text(6)?),
        }
        Ok(())
    }
}

/// Writes all rows of a plan, and counts them: an insert that loses one without a word is a fault. Returns the version of
/// the head's row.
async fn write(
    db: &mut PgConnection,
    statement: &'static str,
    plan: &Plan<'_>,
    seen: &Seen,
) -> Result<String, StoreError> {
    let (opened, went_on): (Vec<_>, Vec<_>) = plan.streams.iter().partition(|(_, stream)| stream.new);
    let released: Vec<_> = plan.keys.iter().filter(|(_, holder)| holder.is_none()).map(|(key, _)| *key).collect();
    let (events, commands) = (EventRow::all_of(plan), CommandRow::all_of(plan));
    let reserved: Vec<_> = plan.keys.iter().filter_map(ReservationRow::of).collect();
    let query = sqlx::query(statement)
        .bind(plan.head.position.cast_signed())
        .bind(&plan.head.chain[..])
        .bind(&seen.version)
        .bind(seen.fence)
        .bind(opened.iter().map(|(name, stream)| StreamRow::of(*name, *stream)).collect::<Vec<_>>())
        .bind(went_on.iter().map(|(_, stream)| stream.number).collect::<Vec<_>>())
        .bind(went_on.iter().map(|(_, stream)| stream.version.cast_signed()).collect::<Vec<_>>())
        .bind(&events)
        .bind(&commands)
        .bind(released.iter().map(|(scope, _)| *scope).collect::<Vec<_>>())
        .bind(released.iter().map(|(_, key)| *key).collect::<Vec<_>>())
        .bind(&reserved);
    let row = query.fetch_one(db).await.map_err(classified)?;
    if row.position(1).map_err(StoreError::Fault)? == 0 {
        return Err(StoreError::Moved);
    }
    let planned = [1, opened.len(), went_on.len(), events.len(), commands.len(), reserved.len()];
    for (column, planned) in (1..).zip(planned) {
        let written = row.position(column).map_err(StoreError::Fault)?;
        if written != planned as u64 {
            return Err(StoreError::Fault(anyhow!("{written} of {planned} rows were written ({column})")));
        }
    }
    row.text(0).map_err(StoreError::Fault)
}

/// A server that has gone silent may have done it.
async fn answered<T>(asked: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
    timeout(STEP, asked).await.map_err(late)?.map_err(classified)
}

#[expect(clippy::needless_pass_by_value, reason = "it maps an error")]
fn late(late: tokio::time::error::Elapsed) -> StoreError {
    StoreError::Unknown(anyhow!("the database does not answer: {late}"))
}
