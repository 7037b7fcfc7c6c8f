use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{self, consumer::PullConsumer, stream::State};
use chassis::{Feed, event_log::Record};
use futures::StreamExt as _;
use tempfile::TempDir;

use super::{
    OverNats, Way, add, assert_arrives, open_log,
    over_nats::{Sending, Source},
    read_to,
};

pub(crate) async fn a_consumer_catches_up_while_the_source_is_away<const OLDEST: bool>(way: OverNats<OLDEST>) {
    add(&way.log, 10_000).await;
    way.settle().await;
    way.source.away(true);
    let feed = way.feed().await;
    // All of it lies beyond what a process keeps in memory, so this is the stream itself.
    assert_arrives(&way, &feed, 0).await;
    assert_eq!(feed.head().await.unwrap(), way.log.head().await.unwrap());
    add(&way.log, 5).await;
    assert_arrives(&way, &feed, 10_000).await;
    assert_eq!(feed.head().await.unwrap(), way.log.head().await.unwrap());
}

pub(crate) async fn nothing_stands_still_while_nats_is_away<const OLDEST: bool>(mut way: OverNats<OLDEST>) {
    way.server.kill().await;
    add(&way.log, 300).await;
    let feed = way.feed().await;
    assert_arrives(&way, &feed, 0).await;
    add(&way.log, 1).await;
    assert_arrives(&way, &feed, 300).await;
    way.relay.until(|standing| standing.error.is_some()).await;
    way.server.run().await;
    way.settle().await;
    over_nats_alone(&way, &feed).await;
}

pub(crate) async fn a_server_that_was_killed_is_found_again<const OLDEST: bool>(mut way: OverNats<OLDEST>) {
    let feed = way.feed().await;
    add(&way.log, 500).await;
    assert_arrives(&way, &feed, 0).await;
    for round in 0..3 {
        let log = way.log();
        let writing = tokio::spawn(async move { add(&log, 2_000).await });
        way.server.kill().await;
        way.server.run().await;
        writing.await.unwrap();
        assert_arrives(&way, &feed, 500 + round * 2_000).await;
    }
    assert_converged(&way, &feed).await;
}

pub(crate) async fn a_server_that_stands_still_is_noticed<const OLDEST: bool>(way: OverNats<OLDEST>) {
    let feed = way.feed().await;
    add(&way.log, 100).await;
    assert_arrives(&way, &feed, 0).await;
    way.settle().await;
    way.server.freeze().await;
    add(&way.log, 100).await;
    assert_arrives(&way, &feed, 100).await;
    way.relay.until(|standing| standing.error.is_some()).await;
    way.server.thaw().await;
    assert_converged(&way, &feed).await;
}

pub(crate) async fn a_stream_that_was_deleted_is_published_again<const OLDEST: bool>(way: OverNats<OLDEST>) {
    let feed = way.feed().await;
    add(&way.log, 1_000).await;
    assert_arrives(&way, &feed, 0).await;
    way.settle().await;
    let jetstream = operator(&way).await;
    jetstream.delete_stream("mifeng-registry").await.unwrap();
    // Also while nobody writes.
    until_state(&way, |state| state.messages == 1_000).await;
    assert_converged(&way, &feed).await;
}

pub(crate) async fn data_that_were_deleted_are_published_again<const OLDEST: bool>(mut way: OverNats<OLDEST>) {
    let feed = way.feed().await;
    add(&way.log, 1_000).await;
    assert_arrives(&way, &feed, 0).await;
    way.settle().await;
    way.server.kill().await;
    way.server.delete_data();
    add(&way.log, 500).await;
    way.server.run().await;
    assert_arrives(&way, &feed, 1_000).await;
    assert_converged(&way, &feed).await;
}

pub(crate) async fn data_that_were_cut_are_published_again<const OLDEST: bool>(mut way: OverNats<OLDEST>) {
    let feed = way.feed().await;
    add(&way.log, 2_000).await;
    assert_arrives(&way, &feed, 0).await;
    for (numerator, denominator) in [(9, 10), (1, 2), (0, 1)] {
        way.settle().await;
        way.server.kill().await;
        way.server.truncate_data(numerator, denominator);
        way.server.run().await;
        assert_converged(&way, &feed).await;
    }
}

pub(crate) async fn data_that_were_set_back_are_published_again<const OLDEST: bool>(mut way: OverNats<OLDEST>) {
    let feed = way.feed().await;
    add(&way.log, 1_000).await;
    assert_arrives(&way, &feed, 0).await;
    way.settle().await;
    way.server.kill().await;
    let old = way.server.copy_data();
    way.server.run().await;
    add(&way.log, 1_000).await;
    assert_arrives(&way, &feed, 1_000).await;
    way.settle().await;
    way.server.kill().await;
    way.server.replace_data(old.path());
    add(&way.log, 10).await;
    way.server.run().await;
    assert_arrives(&way, &feed, 2_000).await;
    assert_converged(&way, &feed).await;
}

pub(crate) async fn two_relays_neither_interleave_nor_double<const OLDEST: bool>(way: OverNats<OLDEST>) {
    let other = Sending::start(&way.server.url(), &way.log, true, None).await;
    let third = Sending::start(&way.server.url(), &way.log, true, None).await;
    let feed = way.feed().await;
    let log = way.log();
    let writing = tokio::spawn(async move {
        for _ in 0..40 {
            add(&log, 100).await;
        }
    });
    read_to(&feed, 0, 4_000).await;
    writing.await.unwrap();
    other.published(4_000).await;
    third.published(4_000).await;
    assert_converged(&way, &feed).await;
}

pub(crate) async fn a_relay_that_does_not_lead_publishes_nothing<const OLDEST: bool>(way: OverNats<OLDEST>) {
    add(&way.log, 10).await;
    way.settle().await;
    way.relay.leads.send_replace(false);
    // It has noticed when it has landed what was under way: the next look is later than a leader's.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    add(&way.log, 10).await;
    let other = Sending::start(&way.server.url(), &way.log, false, None).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(until_state(&way, |_| true).await.messages, 10);
    other.leads.send_replace(true);
    other.published(20).await;
    assert_eq!(until_state(&way, |_| true).await.messages, 20);
}

pub(crate) async fn a_log_that_was_set_back_alarms_and_publishes_nothing<const OLDEST: bool>(
    mut way: OverNats<OLDEST>,
) {
    let before = set_back(&mut way, 0).await;
    let alarm = way.relay.alarm().await;
    assert!(alarm.contains("knows records up to 200") && alarm.contains("ends at 100"), "{alarm}");
    assert_untouched(&way, &before).await;
}

pub(crate) async fn a_log_that_was_set_back_and_has_grown_alarms_and_publishes_nothing<const OLDEST: bool>(
    mut way: OverNats<OLDEST>,
) {
    let before = set_back(&mut way, 150).await;
    let alarm = way.relay.alarm().await;
    assert!(alarm.contains("different records at position 200"), "{alarm}");
    assert_untouched(&way, &before).await;
}

pub(crate) async fn another_log_alarms_and_a_renewed_one_is_published_anew<const OLDEST: bool>(
    mut way: OverNats<OLDEST>,
) {
    let feed = way.feed().await;
    add(&way.log, 100).await;
    assert_arrives(&way, &feed, 0).await;
    way.settle().await;
    let before = stored(&way).await;
    way.relay.end().await;
    let old = way.log.head().await.unwrap().log_id;
    let folder = TempDir::new().unwrap();
    let other = open_log(&folder).await;
    add(&other, 40).await;
    let strange = Sending::start(&way.server.url(), &other, true, None).await;
    let alarm = strange.alarm().await;
    assert!(alarm.contains(&format!("carries the log {old}")), "{alarm}");
    assert_untouched(&way, &before).await;
    strange.end().await;
    way.log = Arc::clone(&other);
    way.folder = folder;
    way.source.away(true);
    way.source = Source::new(&other);
    way.relay = Sending::start(&way.server.url(), &other, true, Some(old.clone())).await;
    way.settle().await;
    // A process that starts now, and one that had followed the old log and cannot ask.
    assert_converged(&way, &way.feed().await).await;
    let until_renewed = async {
        while feed.head().await.unwrap().log_id == old {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), until_renewed).await.unwrap();
    assert_arrives(&way, &feed, 0).await;
}

/// Sets the log back to half of what is published, then lets it grow by other records.
async fn set_back<const OLDEST: bool>(way: &mut OverNats<OLDEST>, grown: usize) -> Vec<Record> {
    add(&way.log, 100).await;
    way.log.close().await;
    let backup = std::fs::read(way.folder.path().join("log.db")).unwrap();
    way.relay.end().await;
    way.log = open_log(&way.folder).await;
    way.relay = Sending::start(&way.server.url(), &way.log, true, None).await;
    add(&way.log, 100).await;
    way.settle().await;
    way.relay.end().await;
    way.log.close().await;
    let before = stored(way).await;
    for entry in std::fs::read_dir(way.folder.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::fs::write(way.folder.path().join("log.db"), backup).unwrap();
    way.log = open_log(&way.folder).await;
    assert_eq!(way.log.head().await.unwrap().position, 100);
    if grown > 0 {
        add(&way.log, grown).await;
    }
    way.relay = Sending::start(&way.server.url(), &way.log, true, None).await;
    before
}

/// What a consumer gets is what the log holds, and so is what lies in the stream; by NATS alone.
async fn assert_converged<const OLDEST: bool>(way: &OverNats<OLDEST>, feed: &Arc<dyn Feed>) {
    way.settle().await;
    let head = way.log.head().await.unwrap().position;
    let state = until_state(way, |state| state.last_sequence == head && state.messages == head).await;
    assert_eq!((state.first_sequence, state.last_sequence, state.messages), (1, head, head));
    let mut log = Vec::new();
    while (log.len() as u64) < head {
        log.extend(way.log.read(log.len() as u64, 5_000).await.unwrap());
    }
    let stored = stored(way).await;
    assert_eq!(stored.len(), log.len());
    for (stored, record) in stored.iter().zip(&log) {
        assert_eq!(stored.position, record.position);
        assert_eq!(stored.payload, record.payload);
    }
    over_nats_alone(way, feed).await;
}

/// New records arrive while the source is away.
async fn over_nats_alone<const OLDEST: bool>(way: &OverNats<OLDEST>, feed: &Arc<dyn Feed>) {
    way.source.away(true);
    let head = way.log.head().await.unwrap().position;
    add(&way.log, 3).await;
    assert_arrives(way, feed, head).await;
    way.source.away(false);
    assert_arrives(way, feed, 0).await;
}

async fn assert_untouched<const OLDEST: bool>(way: &OverNats<OLDEST>, before: &[Record]) {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(stored(way).await, before);
}

async fn operator<const OLDEST: bool>(way: &OverNats<OLDEST>) -> jetstream::Context {
    jetstream::new(async_nats::connect(way.server.url()).await.unwrap())
}

async fn until_state<const OLDEST: bool>(way: &OverNats<OLDEST>, expected: impl Fn(&State) -> bool) -> State {
    let jetstream = operator(way).await;
    let waiting = async {
        loop {
            if let Ok(stream) = jetstream.get_stream("mifeng-registry").await
                && expected(&stream.cached_info().state)
            {
                return stream.cached_info().state.clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("the stream gets there")
}

/// What lies in the stream, as an operator's tool reads it: position and payload.
async fn stored<const OLDEST: bool>(way: &OverNats<OLDEST>) -> Vec<Record> {
    let stream = operator(way).await.get_stream("mifeng-registry").await.unwrap();
    let messages = usize::try_from(stream.cached_info().state.messages).unwrap();
    let consumer: PullConsumer = stream.create_consumer(jetstream::consumer::pull::Config::default()).await.unwrap();
    let fetched = consumer.stream().max_messages_per_batch(1_000).messages().await.unwrap().take(messages);
    let record = |message: jetstream::Message| {
        let header = |name: &str| message.headers.as_ref().unwrap().get(name).unwrap().as_str().to_owned();
        let (position, log_id) = (header("mf-position").parse().unwrap(), header("mf-log"));
        Record { position, log_id, payload: message.payload.to_vec(), ..Record::default() }
    };
    fetched.map(|message| record(message.unwrap())).collect().await
}
