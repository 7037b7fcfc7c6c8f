//! A record as a NATS message: the payload is the body, as it is stored; the envelope travels in headers, as CloudEvents
//! in binary mode with `mf-*` for what they have no name for. Out of the message comes the same record to the last byte.
//! Written by hand: the CloudEvents SDK pins an old client.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use async_nats::{HeaderMap, header};
use chrono::{DateTime, SecondsFormat};
use proto::event::v1::Record;

use super::stream_name;
use crate::{secrets::hex, telemetry::TRACEPARENT};

const SOURCE: &str = "/mifeng/";

/// Where a record is published: `mifeng.<log>.<category>.<stream id>`. For filters and for people; nothing is read out
/// of it.
pub(crate) fn subject(record: &Record) -> String {
    let Record { log, category, stream_id, .. } = record;
    format!("mifeng.{}.{}.{}", token(log), token(category), token(stream_id))
}

/// Everything of a record but its payload, and what lets the stream take it at its own position alone.
pub(crate) fn encode(record: &Record) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str| {
        if !value.is_empty() {
            headers.insert(name, escaped(value));
        }
    };
    put("ce-specversion", "1.0");
    put("ce-id", &record.event_id);
    put("ce-source", &format!("{SOURCE}{}", record.log));
    put("ce-type", &record.r#type);
    put("ce-time", &time(record.occurred_at.as_ref())?);
    put("content-type", "application/protobuf");
    put(TRACEPARENT, &record.traceparent);
    put("mf-log", &record.log_id);
    put("mf-position", &record.position.to_string());
    put("mf-stream-version", &record.version.to_string());
    put("mf-schema-version", &record.schema_version.to_string());
    put("mf-command", &record.command_id);
    put("mf-correlation", &record.correlation_id);
    put("mf-causation", &record.causation_id);
    put("mf-actor", &record.actor);
    put("mf-office", &record.office);
    put("mf-subject-id", &record.subject_id);
    put("mf-recorded-at", &time(record.recorded_at.as_ref())?);
    put("mf-chain", &hex(&record.chain));
    headers.insert("ce-subject", format!("{}/{}", token(&record.category), token(&record.stream_id)));
    headers.insert(header::NATS_MESSAGE_ID, escaped(&format!("{}:{}", record.log_id, record.position)));
    headers.insert(header::NATS_EXPECTED_STREAM, escaped(&stream_name(&record.log)));
    headers.insert(header::NATS_EXPECTED_LAST_SEQUENCE, (record.position.saturating_sub(1)).to_string());
    Ok(headers)
}

/// The record that was published.
pub(crate) fn decode(headers: &HeaderMap, payload: &[u8]) -> anyhow::Result<Record> {
    let text = |name: &'static str| match headers.get(name) {
        Some(value) => unescaped(value.as_str()).with_context(|| format!("the header {name}")),
        None => Ok(String::new()),
    };
    let number = |name: &'static str| text(name)?.parse::<u64>().with_context(|| format!("the header {name}"));
    let moment = |name: &'static str| moment(&text(name)?).with_context(|| format!("the header {name}"));
    let source = text("ce-source")?;
    let subject = headers.get("ce-subject").and_then(|subject| subject.as_str().split_once('/'));
    let (category, stream_id) = subject.context("the header ce-subject names no stream")?;
    Ok(Record {
        log: source.strip_prefix(SOURCE).context("the header ce-source names no log")?.to_owned(),
        log_id: text("mf-log")?,
        position: number("mf-position")?,
        category: untoken(category)?,
        stream_id: untoken(stream_id)?,
        version: number("mf-stream-version")?,
        event_id: text("ce-id")?,
        r#type: text("ce-type")?,
        schema_version: u32::try_from(number("mf-schema-version")?).context("the header mf-schema-version")?,
        payload: payload.to_vec(),
        command_id: text("mf-command")?,
        correlation_id: text("mf-correlation")?,
        causation_id: text("mf-causation")?,
        actor: text("mf-actor")?,
        office: text("mf-office")?,
        subject_id: text("mf-subject-id")?,
        traceparent: text(TRACEPARENT)?,
        occurred_at: moment("ce-time")?,
        recorded_at: moment("mf-recorded-at")?,
        chain: unhex(&text("mf-chain")?)?,
    })
}

/// RFC 3339 to the nanosecond; nothing for a time that is not there.
fn time(time: Option<&prost_types::Timestamp>) -> anyhow::Result<String> {
    let Some(time) = time else { return Ok(String::new()) };
    let nanos = u32::try_from(time.nanos).context("a time has nanoseconds")?;
    let time = DateTime::from_timestamp(time.seconds, nanos).context("a time is within the calendar")?;
    Ok(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn moment(text: &str) -> anyhow::Result<Option<prost_types::Timestamp>> {
    if text.is_empty() {
        return Ok(None);
    }
    let time = DateTime::parse_from_rfc3339(text)?;
    let nanos = i32::try_from(time.timestamp_subsec_nanos())?;
    Ok(Some(prost_types::Timestamp { seconds: time.timestamp(), nanos }))
}

/// Printable ASCII, since a line break would end a header; what else there is goes as %XX.
fn escaped(text: &str) -> String {
    escape(text, |byte| byte.is_ascii_graphic() && byte != b'%' && byte != b'"')
}

/// One token of a subject: no dot, no wildcard, no space, and never empty.
fn token(text: &str) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    escape(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn untoken(token: &str) -> anyhow::Result<String> {
    if token == "%" { Ok(String::new()) } else { unescaped(token) }
}

fn escape(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a string takes everything");
        }
    }
    escaped
}

fn unescaped(text: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (code, rest) = part.split_at_checked(2).context("an escape is cut off")?;
        bytes.push(u8::from_str_radix(code, 16).context("an escape is no number")?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).context("an escaped text is no UTF-8")
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        bail!("the header mf-chain is not in hexadecimal");
    }
    let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    bytes.collect::<Result<_, _>>().context("the header mf-chain")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times() -> impl Strategy<Value = Option<prost_types::Timestamp>> {
        let time = (-62_135_596_800..253_402_300_799_i64, 0..1_000_000_000)
            .prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos });
        proptest::option::of(time)
    }

    /// Anything at all, not only what the services write.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[ .*>%/$\"\r\n\ta-z]{0,12}", Just("中和里 3 号".to_owned())]
    }

    prop_compose! {
        fn records()(
            texts in proptest::collection::vec(text(), 13),
            (position, version, schema_version) in (any::<u64>(), any::<u64>(), any::<u32>()),
            payload in proptest::collection::vec(any::<u8>(), 0..64),
            chain in proptest::collection::vec(any::<u8>(), 0..33),
            (occurred_at, recorded_at) in (times(), times()),
        ) -> Record {
            let mut texts = texts.into_iter();
            let mut text = || texts.next().unwrap();
            Record {
                log: text(), log_id: text(), position, category: text(), stream_id: text(), version, event_id: text(),
                r#type: text(), schema_version, payload, command_id: text(), correlation_id: text(),
                causation_id: text(), actor: text(), office: text(), subject_id: text(), traceparent: text(),
                occurred_at, recorded_at, chain,
            }
        }
    }

    proptest! {
        #[test]
        fn out_of_a_message_comes_the_record_that_went_in(record in records()) {
            let headers = encode(&record).unwrap();
            for (name, values) in headers.iter() {
                for value in values {
                    prop_assert!(value.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{name}: {value}");
                }
            }
            prop_assert_eq!(decode(&headers, &record.payload).unwrap(), record);
        }

        #[test]
        fn a_subject_has_four_tokens_whatever_a_stream_is_called(record in records()) {
            let subject = subject(&record);
            let tokens: Vec<&str> = subject.split('.').collect();
            prop_assert_eq!(tokens.len(), 4);
            prop_assert_eq!(tokens[0], "mifeng");
            for token in tokens {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte);
                prop_assert!(!token.is_empty() && token.bytes().all(plain), "{}", token);
            }
        }
    }

    #[test]
    fn a_message_reads_as_a_cloud_event() {
        let record = Record {
            log: "registry".to_owned(),
            log_id: "0198".to_owned(),
            position: 7,
            category: "household".to_owned(),
            stream_id: "h 1".to_owned(),
            version: 2,
            event_id: "0199".to_owned(),
            r#type: "household.registered".to_owned(),
            schema_version: 1,
            occurred_at: Some(prost_types::Timestamp { seconds: 1_581_379_200, nanos: 123_456_000 }),
            chain: vec![0x0a, 0xff],
            ..Record::default()
        };
        let headers = encode(&record).unwrap();
        let expected = [
            ("ce-specversion", "1.0"),
            ("ce-id", "0199"),
            ("ce-source", "/mifeng/registry"),
            ("ce-type", "household.registered"),
            ("ce-subject", "household/h%201"),
            ("ce-time", "2020-02-11T00:00:00.123456Z"),
            ("content-type", "application/protobuf"),
            ("mf-log", "0198"),
            ("mf-position", "7"),
            ("mf-stream-version", "2"),
            ("mf-schema-version", "1"),
            ("mf-chain", "0aff"),
            ("Nats-Msg-Id", "0198:7"),
            ("Nats-Expected-Stream", "mifeng-registry"),
            ("Nats-Expected-Last-Sequence", "6"),
        ];
        for (name, value) in expected {
            assert_eq!(headers.get(name).map(async_nats::HeaderValue::as_str), Some(value), "{name}");
        }
        assert_eq!(headers.len(), expected.len());
        assert_eq!(subject(&record), "mifeng.registry.household.h%201");
    }

    #[test]
    fn garbage_is_no_record() {
        let record = Record { log: "registry".to_owned(), position: 1, ..Record::default() };
        let good = encode(&record).unwrap();
        for (name, value) in [
            ("mf-position", "seven"),
            ("mf-stream-version", ""),
            ("ce-subject", "household"),
            ("ce-source", "elsewhere"),
            ("ce-time", "today"),
            ("mf-chain", "0"),
            ("mf-chain", "xx"),
            ("mf-actor", "%"),
            ("mf-actor", "%zz"),
        ] {
            let mut headers = good.clone();
            headers.insert(name, value);
            assert!(decode(&headers, b"").is_err(), "{name}: {value}");
        }
        assert!(decode(&HeaderMap::new(), b"").is_err());
    }
}
