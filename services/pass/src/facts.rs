//! Reads records of the logs. What another service has learnt to say since this version was built is skipped; what this
//! service wrote itself it must be able to read.

use anyhow::Context as _;
use chassis::Record;
use proto::{Fact, UnreadableFact};

/// The event in a record of another service's log; `None` for other aggregates and for events newer than this version.
pub(crate) fn foreign<E: Fact>(record: &Record) -> anyhow::Result<Option<E>> {
    if record.log != E::LOG || record.category != E::CATEGORY {
        return Ok(None);
    }
    match E::from_payload(&record.payload) {
        Ok(event) => Ok(Some(event)),
        Err(UnreadableFact::Unknown(_)) => Ok(None),
        Err(error @ UnreadableFact::Garbled(_)) => Err(error).with_context(|| place(record)),
    }
}

/// The event in a record of this service's own log; `None` for other aggregates.
pub(crate) fn own<E: Fact>(record: &Record) -> anyhow::Result<Option<E>> {
    if record.log != E::LOG || record.category != E::CATEGORY {
        return Ok(None);
    }
    E::from_payload(&record.payload).map(Some).with_context(|| place(record))
}

fn place(record: &Record) -> String {
    format!("reading {} at position {} of the log {}", record.r#type, record.position, record.log)
}
