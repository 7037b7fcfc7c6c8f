//! What a call looks like on the wire: one message or many, and how long it may take.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use http::{HeaderMap, HeaderValue};
use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Who sends how many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One message each way.
    Asks,
    /// One message, many in answer.
    Listens,
    /// Many messages: cannot be sent again.
    Streams,
}

/// For calls that the table of RPCs does not know: health.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

static SHAPES: LazyLock<HashMap<String, Shape>> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(proto::DESCRIPTORS).expect("the contract was encoded when it was compiled");
    let mut shapes = HashMap::from([("/grpc.health.v1.Health/Check".to_owned(), Shape::Asks)]);
    for file in &files.file {
        for service in &file.service {
            for method in &service.method {
                let shape = match (method.client_streaming(), method.server_streaming()) {
                    (true, _) => Shape::Streams,
                    (false, true) => Shape::Listens,
                    (false, false) => Shape::Asks,
                };
                shapes.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()), shape);
            }
        }
    }
    shapes
});

/// A path that the contract does not know may be anything.
pub(super) fn of(path: &str) -> Shape {
    SHAPES.get(path).copied().unwrap_or(Shape::Streams)
}

/// What the caller itself allows, in gRPC's header: digits and a unit.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u32 = digits.parse().ok().filter(|amount| *amount <= 99_999_999)?;
    let unit = match unit {
        "H" => Duration::from_hours(1),
        "M" => Duration::from_mins(1),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    unit.checked_mul(amount)
}

/// The same, to be sent: at most eight digits, so milliseconds reach for a day and seconds for three years.
pub(super) fn timeout_header(left: Duration) -> HeaderValue {
    let millis = left.as_millis().max(1);
    let text = if millis <= 99_999_999 { format!("{millis}m") } else { format!("{}S", left.as_secs().min(99_999_999)) };
    HeaderValue::try_from(text).expect("digits and a letter make a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_says_which_calls_are_streams() {
        assert_eq!(of("/access.v1.AccessService/GetPrincipal"), Shape::Asks);
        assert_eq!(of("/command.v1.CommandService/WatchOverview"), Shape::Listens);
        assert_eq!(of("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"), Shape::Streams);
    }

    #[test]
    fn every_rpc_of_the_table_has_a_shape() {
        for rpc in proto::rpcs::TABLE {
            assert!(SHAPES.contains_key(rpc.path), "{}", rpc.path);
        }
    }

    #[test]
    fn timeouts_are_read_as_they_are_written() {
        for duration in [Duration::from_millis(1), Duration::from_secs(5), Duration::from_secs(500_000)] {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), timeout_header(duration))]);
            assert_eq!(timeout(&headers), Some(duration));
        }
        let hostile = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), "张".parse().unwrap())]);
        assert_eq!(timeout(&hostile), None);
    }
}
