use std::time::Duration;

use super::{Way, add, assert_arrives};

pub(crate) async fn every_record_arrives_once_in_order_and_byte_for_byte(way: impl Way) {
    let feed = way.feed().await;
    assert_eq!(feed.source(), "registry");
    let log = way.log();
    let writing = tokio::spawn(async move {
        for _ in 0..40 {
            add(&log, 50).await;
        }
    });
    super::read_to(&feed, 0, 2_000).await;
    writing.await.unwrap();
    assert_arrives(&way, &feed, 0).await;
}

pub(crate) async fn a_consumer_that_begins_late_gets_everything(way: impl Way) {
    add(&way.log(), 3_000).await;
    let feed = way.feed().await;
    assert_arrives(&way, &feed, 0).await;
    add(&way.log(), 10).await;
    assert_arrives(&way, &feed, 3_000).await;
}

pub(crate) async fn a_consumer_that_was_away_for_ten_thousand_records_catches_up(way: impl Way) {
    add(&way.log(), 100).await;
    let feed = way.feed().await;
    assert_arrives(&way, &feed, 0).await;
    add(&way.log(), 10_000).await;
    assert_arrives(&way, &feed, 100).await;
}

pub(crate) async fn a_sleeping_consumer_is_woken(way: impl Way) {
    let feed = way.feed().await;
    add(&way.log(), 1).await;
    assert_arrives(&way, &feed, 0).await;
    for position in 2..=5 {
        let mut wake = feed.wake();
        wake.mark_unchanged();
        let log = way.log();
        let adding = tokio::spawn(async move { add(&log, 1).await });
        let woken = wake.wait_for(|head| *head >= position);
        drop(tokio::time::timeout(Duration::from_secs(20), woken).await.expect("the consumer is woken").unwrap());
        adding.await.unwrap();
        assert_eq!(feed.read(position - 1, 10).await.unwrap().len(), 1);
    }
}

pub(crate) async fn the_head_is_the_logs(way: impl Way) {
    let feed = way.feed().await;
    assert_eq!(feed.head().await.unwrap(), way.log().head().await.unwrap());
    add(&way.log(), 7).await;
    assert_arrives(&way, &feed, 0).await;
    assert_eq!(feed.head().await.unwrap(), way.log().head().await.unwrap());
    assert!(feed.read(7, 10).await.unwrap().is_empty());
}
