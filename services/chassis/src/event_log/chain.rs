//! The hash that runs through a log: each record carries SHA-256 over the chain of the record before it and its own
//! fields. Whoever edits, removes or inserts a record breaks every chain behind it, and whoever kept a signed head can
//! prove it.
//!
//! Hashed, in this order: the 32 bytes of the previous chain (zeros before the first record); position, version,
//! schema version, occurred at, recorded at (microseconds since 1970) as 8 bytes each, big-endian; then log, category,
//! stream id, event id, type, command id, correlation id, causation id, actor, office, subject id, traceparent and
//! payload, each behind its length in 8 bytes, big-endian. The log id is left out: a restored copy gets another one and
//! keeps its past.

use proto::event::v1::Record;
use sha2::{Digest, Sha256};

/// 32 bytes that stand for a whole log up to a record.
pub type Chain = [u8; 32];

/// Before the first record.
pub const START: Chain = [0; 32];

/// The chain at a record, whose own `chain` is not looked at.
pub fn link(previous: &Chain, record: &Record) -> Chain {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(record.position.to_be_bytes());
    hash.update(record.version.to_be_bytes());
    hash.update(u64::from(record.schema_version).to_be_bytes());
    hash.update(micros(record.occurred_at.as_ref()).to_be_bytes());
    hash.update(micros(record.recorded_at.as_ref()).to_be_bytes());
    let texts = [
        &record.log,
        &record.category,
        &record.stream_id,
        &record.event_id,
        &record.r#type,
        &record.command_id,
        &record.correlation_id,
        &record.causation_id,
        &record.actor,
        &record.office,
        &record.subject_id,
        &record.traceparent,
    ];
    for field in texts.map(String::as_bytes).into_iter().chain([&*record.payload]) {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

fn micros(time: Option<&prost_types::Timestamp>) -> i64 {
    time.map_or(0, |time| time.seconds.wrapping_mul(1_000_000).wrapping_add(i64::from(time.nanos / 1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            log: "registry".to_owned(),
            log_id: "one".to_owned(),
            position: 1,
            category: "household".to_owned(),
            stream_id: "7".to_owned(),
            version: 1,
            event_id: "e".to_owned(),
            r#type: "household.registered".to_owned(),
            schema_version: 1,
            payload: b"payload".to_vec(),
            command_id: "c".to_owned(),
            actor: "staff/1".to_owned(),
            occurred_at: Some(prost_types::Timestamp { seconds: 1, nanos: 2_000 }),
            recorded_at: Some(prost_types::Timestamp { seconds: 1, nanos: 3_000 }),
            ..Record::default()
        }
    }

    #[test]
    fn the_hash_is_pinned_for_ever() {
        let pinned: [u64; 4] =
            [0x9c34_2079_6d1e_87aa, 0xe5f3_29ac_14dd_b4ef, 0xc7ca_58c7_7f8a_f425, 0x73e0_ed69_d9f9_f480];
        assert_eq!(link(&START, &record()).to_vec(), pinned.map(u64::to_be_bytes).concat());
    }

    #[test]
    fn bytes_that_move_from_one_field_to_the_next_change_the_hash() {
        let moved = Record { category: "househol".to_owned(), stream_id: "d7".to_owned(), ..record() };
        assert_ne!(link(&START, &record()), link(&START, &moved));
    }

    #[test]
    fn a_restored_log_keeps_its_chain() {
        let restored = Record { log_id: "two".to_owned(), ..record() };
        assert_eq!(link(&START, &record()), link(&START, &restored));
    }
}
