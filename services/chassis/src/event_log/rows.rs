//! Records made of rows, whichever database they come from. Numbers are signed and 64 bits wide there.

use anyhow::{Context as _, anyhow};
use chrono::DateTime;
use proto::event::v1::Record;
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{
    KnownCommand,
    chain::Chain,
    tail::{Standing, Tail},
};

/// Every column of a record, in the order in which [`record`] reads them, of an event `e` and its stream `s`.
macro_rules! select_records {
    ($rest:literal) => {
        concat!(
            "SELECT e.position, s.category, s.stream_id, e.version, e.event_id, e.type, e.schema_version, e.payload, ",
            "e.command_id, e.correlation_id, e.causation_id, e.actor, e.office, e.subject_id, e.traceparent, ",
            "e.occurred_at, e.recorded_at, e.chain ",
            $rest
        )
    };
}
pub(super) use select_records;

/// A row, by the places of its columns.
pub(super) trait Columns {
    fn number(&self, column: usize) -> anyhow::Result<i64>;
    fn text(&self, column: usize) -> anyhow::Result<String>;
    /// Empty where there is none.
    fn text_or_null(&self, column: usize) -> anyhow::Result<String>;
    fn bytes(&self, column: usize) -> anyhow::Result<Vec<u8>>;

    fn position(&self, column: usize) -> anyhow::Result<u64> {
        Ok(self.number(column)?.cast_unsigned())
    }

    /// 32 bytes.
    fn hash(&self, column: usize) -> anyhow::Result<Chain> {
        Chain::try_from(self.bytes(column)?.as_slice()).context("a hash has 32 bytes")
    }
}

impl<R> Columns for R
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Type<R::Database> + for<'r> Decode<'r, R::Database>,
    String: Type<R::Database> + for<'r> Decode<'r, R::Database>,
    Vec<u8>: Type<R::Database> + for<'r> Decode<'r, R::Database>,
{
    fn number(&self, column: usize) -> anyhow::Result<i64> {
        Ok(self.try_get(column)?)
    }

    fn text(&self, column: usize) -> anyhow::Result<String> {
        Ok(self.try_get(column)?)
    }

    fn text_or_null(&self, column: usize) -> anyhow::Result<String> {
        Ok(self.try_get::<Option<String>, _>(column)?.unwrap_or_default())
    }

    fn bytes(&self, column: usize) -> anyhow::Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }
}

/// A record of a log, from a row that [`select_records`] asked for.
pub(super) fn record(log: &Tail, row: &impl Columns) -> anyhow::Result<Record> {
    let time = |column: usize| {
        let micros = row.number(column)?;
        let time = DateTime::from_timestamp_micros(micros).ok_or_else(|| anyhow!("no time: {micros}"))?;
        anyhow::Ok(Some(crate::timestamp(time)))
    };
    Ok(Record {
        log: log.log.clone(),
        log_id: log.log_id.clone(),
        position: row.position(0)?,
        category: row.text(1)?,
        stream_id: row.text(2)?,
        version: row.position(3)?,
        event_id: row.text(4)?,
        r#type: row.text(5)?,
        schema_version: u32::try_from(row.number(6)?)?,
        payload: row.bytes(7)?,
        command_id: row.text(8)?,
        correlation_id: row.text(9)?,
        causation_id: row.text(10)?,
        actor: row.text(11)?,
        office: row.text(12)?,
        subject_id: row.text_or_null(13)?,
        traceparent: row.text(14)?,
        occurred_at: time(15)?,
        recorded_at: time(16)?,
        chain: row.bytes(17)?,
    })
}

/// Fingerprint, positions and reply, from a column on.
pub(super) fn known_command(row: &impl Columns, column: usize) -> anyhow::Result<KnownCommand> {
    Ok(KnownCommand {
        fingerprint: row.hash(column)?,
        first_position: row.position(column + 1)?,
        last_position: row.position(column + 2)?,
        reply: row.bytes(column + 3)?,
    })
}

/// Position and chain, from a column on.
pub(super) fn standing(row: &impl Columns, column: usize) -> anyhow::Result<Standing> {
    Ok(Standing { position: row.position(column)?, chain: row.hash(column + 1)? })
}
