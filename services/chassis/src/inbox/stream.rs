//! A stream as its readers see it. Ephemeral pull consumers without acknowledgements, made anew from the next position
//! whenever one is lost: there is no progress at the server that could run ahead of ours. No filter, which would make holes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use async_nats::jetstream::{
    Message,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
};
use futures::{Stream as _, StreamExt as _, stream::BoxStream};
use tokio::time::timeout;

use crate::{
    Record,
    nats::{ANSWER_TIMEOUT, Nats, headers, stream_name},
};

pub(super) struct Stream {
    name: String,
    nats: Nats,
    /// Consumers that others have read from, by the position that comes next: who reads on reads from the same.
    open: Mutex<Vec<(u64, PullConsumer)>>,
}

/// Messages asked for at once.
const BATCH: usize = 512;
/// A server that stands still is noticed after two of these.
const HEARTBEAT: Duration = Duration::from_secs(2);
const EXPIRES: Duration = Duration::from_secs(20);
/// A consumer that nobody reads from is forgotten by the server.
const FORGOTTEN: Duration = Duration::from_secs(30);
/// Readers of one source that catch up at the same time.
const MOST_OPEN: usize = 8;

impl Stream {
    pub(super) fn new(source: &str, nats: Nats) -> Self {
        Self { name: stream_name(source), nats, open: Mutex::default() }
    }

    /// The newest record; none in an empty stream.
    pub(super) async fn tail(&self) -> anyhow::Result<Option<Record>> {
        self.nats.ensure_connected()?;
        let stream = self.nats.jetstream.get_stream(&self.name).await;
        let stream = stream.with_context(|| format!("looking at the stream {}", self.name))?;
        let state = &stream.cached_info().state;
        if state.messages == 0 {
            return Ok(None);
        }
        let last = stream.get_raw_message(state.last_sequence).await.context("reading the stream's last message")?;
        let tail = headers::decode(&last.headers, &last.payload)?;
        ensure_in_place(last.sequence, &tail)?;
        Ok(Some(tail))
    }

    /// Records from a position on, as they arrive, until an error.
    pub(super) async fn follow_from(
        &self,
        position: u64,
    ) -> anyhow::Result<BoxStream<'static, anyhow::Result<Arc<Record>>>> {
        let consumer = self.consumer(position).await?;
        let messages = consumer.stream().max_messages_per_batch(BATCH).expires(EXPIRES).heartbeat(HEARTBEAT);
        let messages = messages.messages().await.context("asking the stream for messages")?;
        Ok(messages.map(|message| record(&message.context("the stream does not deliver")?)).boxed())
    }

    /// At most `limit` records of this log behind a position; none where the stream does not hold the next one.
    pub(super) async fn read(
        &self,
        log_id: &str,
        after_position: u64,
        limit: usize,
    ) -> anyhow::Result<Vec<Arc<Record>>> {
        self.nats.ensure_connected()?;
        let consumer = match self.opened(after_position + 1) {
            Some(consumer) => consumer,
            None => self.consumer(after_position + 1).await?,
        };
        let fetched = consumer.fetch().max_messages(limit).expires(ANSWER_TIMEOUT).messages();
        let mut messages = fetched.await.context("asking the stream for messages")?;
        let mut records: Vec<Arc<Record>> = Vec::with_capacity(limit.min(messages.size_hint().0));
        while let Some(message) = timeout(ANSWER_TIMEOUT, messages.next()).await.context("the stream stands still")? {
            let message = message.map_err(|error| anyhow::anyhow!(error).context("the stream does not deliver"))?;
            let record = record(&message)?;
            let next = records.last().map_or(after_position, |record| record.position) + 1;
            // The first ones may have grown too old; and NATS may leave holes.
            if record.position != next || record.log_id != log_id {
                return Ok(records);
            }
            records.push(record);
        }
        if let Some(last) = records.last() {
            self.keep_open(last.position + 1, consumer);
        }
        Ok(records)
    }

    async fn consumer(&self, position: u64) -> anyhow::Result<PullConsumer> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: position },
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGOTTEN,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = self.nats.jetstream.create_consumer_on_stream(config, &self.name).await;
        consumer.with_context(|| format!("following the stream {}", self.name))
    }

    fn opened(&self, position: u64) -> Option<PullConsumer> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|(next, _)| *next == position)?;
        Some(open.swap_remove(at).1)
    }

    fn keep_open(&self, position: u64, consumer: PullConsumer) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST_OPEN {
            drop(open.remove(0));
        }
        open.push((position, consumer));
    }
}

fn record(message: &Message) -> anyhow::Result<Arc<Record>> {
    let headers = message.headers.as_ref().context("a message of the stream has no headers")?;
    let record = headers::decode(headers, &message.payload)?;
    let info =
        message.info().map_err(|error| anyhow::anyhow!(error).context("a message of the stream has no place"))?;
    ensure_in_place(info.stream_sequence, &record)?;
    Ok(Arc::new(record))
}

/// Its relay is about to mend a stream in which a record stands elsewhere.
fn ensure_in_place(sequence: u64, record: &Record) -> anyhow::Result<()> {
    ensure!(sequence == record.position, "the record at position {} stands at {sequence}", record.position);
    Ok(())
}
