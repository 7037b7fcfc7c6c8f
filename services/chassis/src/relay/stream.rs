//! A log's stream: a limit of age, and nothing deleted or purged by any service. Only as a whole is it deleted, by its own
//! relay, to be made anew.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::{
    ErrorCode,
    context::GetStreamErrorKind,
    stream::{Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType},
};
use chrono::TimeDelta;

use super::Running;
use crate::nats::{headers, stream_name};

/// The longest that a consumer may be away and still catch up without its source.
pub(super) const KEPT: TimeDelta = TimeDelta::days(30);

/// A stream's state.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) messages: u64,
    /// The last message, where it is there and readable.
    pub(super) tail: Option<Tail>,
}

#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) log_id: String,
    pub(super) position: u64,
    pub(super) chain: Vec<u8>,
}

fn config(log: &str) -> Config {
    Config {
        name: stream_name(log),
        subjects: vec![format!("mifeng.{log}.>")],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_age: KEPT.to_std().unwrap_or(Duration::MAX),
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        num_replicas: 1,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    }
}

impl Running {
    /// The stream's state; `None` where there is none. One whose limits are not ours gets them.
    pub(super) async fn find(&self) -> anyhow::Result<Option<Found>> {
        let (jetstream, wanted) = (&self.setup.nats.jetstream, config(self.setup.log.name()));
        let stream = match jetstream.get_stream(&wanted.name).await {
            Ok(stream) => stream,
            Err(error) => {
                if let GetStreamErrorKind::JetStream(refused) = error.kind()
                    && refused.error_code() == ErrorCode::STREAM_NOT_FOUND
                {
                    return Ok(None);
                }
                return Err(error).with_context(|| format!("looking at the stream {}", wanted.name));
            }
        };
        let is = &stream.cached_info().config;
        if (&is.subjects, is.max_age, is.max_messages, is.max_bytes)
            != (&wanted.subjects, wanted.max_age, wanted.max_messages, wanted.max_bytes)
        {
            let updated = Config { num_replicas: is.num_replicas, ..wanted.clone() };
            jetstream.update_stream(updated).await.context("setting the stream's limits")?;
        }
        let state = &stream.cached_info().state;
        let (first, last, messages) = (state.first_sequence, state.last_sequence, state.messages);
        let tail = match stream.get_raw_message(last).await {
            _ if messages == 0 => None,
            Ok(message) => headers::decode(&message.headers, &message.payload).ok(),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => None,
                LastRawMessageErrorKind::JetStream(refused) if refused.code() == 404 => None,
                _ => return Err(error).context("reading the stream's last message"),
            },
        };
        let tail = tail.map(|record| Tail { log_id: record.log_id, position: record.position, chain: record.chain });
        Ok(Some(Found { first, last, messages, tail }))
    }

    pub(super) async fn make(&self) -> anyhow::Result<()> {
        let wanted = config(self.setup.log.name());
        let name = wanted.name.clone();
        self.setup.nats.jetstream.create_stream(wanted).await.with_context(|| format!("making the stream {name}"))?;
        Ok(())
    }

    /// Another relay may have been faster with either step: the next look at the stream tells.
    pub(super) async fn remake(&self) -> anyhow::Result<()> {
        let name = stream_name(self.setup.log.name());
        let deleted = self.setup.nats.jetstream.delete_stream(&name).await;
        deleted.with_context(|| format!("deleting the stream {name}, to make it anew"))?;
        self.make().await
    }
}
