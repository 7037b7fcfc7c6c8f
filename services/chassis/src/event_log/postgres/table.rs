//! Rows of the log's tables, each as one value of its table's own row type: a batch travels as one array per table, which
//! the server unfolds once, instead of once per column. Fields stand in the order of the columns in `schema.sql`.

use std::sync::Arc;

use proto::event::v1::Record;
use sqlx::{
    Postgres, Type,
    postgres::{PgHasArrayType, PgTypeInfo},
};

use super::super::batch::{Done, Plan, Stream, StreamName};
use crate::instant;

#[derive(sqlx::Encode)]
pub(super) struct StreamRow<'a> {
    stream_no: i64,
    category: &'a str,
    stream_id: &'a str,
    version: i64,
}

#[derive(sqlx::Encode)]
pub(super) struct EventRow<'a> {
    position: i64,
    stream_no: i64,
    version: i64,
    event_id: &'a str,
    r#type: &'a str,
    schema_version: i64,
    payload: &'a [u8],
    command_id: &'a str,
    correlation_id: &'a str,
    causation_id: &'a str,
    actor: &'a str,
    office: &'a str,
    subject_id: Option<&'a str>,
    traceparent: &'a str,
    occurred_at: i64,
    recorded_at: i64,
    chain: &'a [u8],
}

#[derive(sqlx::Encode)]
pub(super) struct CommandRow<'a> {
    command_id: &'a str,
    fingerprint: &'a [u8],
    first_position: i64,
    last_position: i64,
    reply: &'a [u8],
    recorded_at: i64,
}

#[derive(sqlx::Encode)]
pub(super) struct ReservationRow<'a> {
    scope: &'a str,
    key: &'a [u8],
    stream_id: &'a str,
}

/// The row types that the database made along with the tables.
macro_rules! typed {
    ($($row:ident: $table:literal),*) => {$(
        impl Type<Postgres> for $row<'_> {
            fn type_info() -> PgTypeInfo {
                PgTypeInfo::with_name($table)
            }
        }

        impl PgHasArrayType for $row<'_> {
            fn array_type_info() -> PgTypeInfo {
                PgTypeInfo::array_of($table)
            }
        }
    )*};
}

typed!(StreamRow: "log.stream", EventRow: "log.event", CommandRow: "log.command", ReservationRow: "log.reservation");

impl<'a> StreamRow<'a> {
    pub(super) fn of((category, stream_id): StreamName<'a>, stream: Stream) -> Self {
        Self { stream_no: stream.number, category, stream_id, version: stream.version.cast_signed() }
    }
}

impl<'a> EventRow<'a> {
    pub(super) fn all_of(plan: &'a Plan<'_>) -> Vec<Self> {
        let recorded_at = plan.recorded_at.timestamp_micros();
        let row = |(stream_no, record): &'a (i64, Arc<Record>)| {
            let occurred_at = record.occurred_at.as_ref().and_then(instant).unwrap_or_default();
            Self {
                position: record.position.cast_signed(),
                stream_no: *stream_no,
                version: record.version.cast_signed(),
                event_id: &record.event_id,
                r#type: &record.r#type,
                schema_version: record.schema_version.into(),
                payload: &record.payload,
                command_id: &record.command_id,
                correlation_id: &record.correlation_id,
                causation_id: &record.causation_id,
                actor: &record.actor,
                office: &record.office,
                subject_id: (!record.subject_id.is_empty()).then_some(&*record.subject_id),
                traceparent: &record.traceparent,
                occurred_at: occurred_at.timestamp_micros(),
                recorded_at,
                chain: &record.chain,
            }
        };
        plan.records.iter().map(row).collect()
    }
}

impl<'a> CommandRow<'a> {
    pub(super) fn all_of(plan: &'a Plan<'_>) -> Vec<Self> {
        let recorded_at = plan.recorded_at.timestamp_micros();
        let row = |done: &'a Done<'_>| Self {
            command_id: &done.request.command_id,
            fingerprint: &done.request.fingerprint,
            first_position: done.first_position.cast_signed(),
            last_position: done.last_position.cast_signed(),
            reply: &done.request.reply,
            recorded_at,
        };
        plan.commands.iter().map(row).collect()
    }
}

impl<'a> ReservationRow<'a> {
    /// None for a key that nobody holds any more.
    pub(super) fn of(((scope, key), holder): &'a ((&str, &[u8]), Option<String>)) -> Option<Self> {
        Some(Self { scope, key, stream_id: holder.as_deref()? })
    }
}
