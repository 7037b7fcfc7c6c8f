//! Keys that one stream holds at a time.

use chassis::event_log::{Append, AppendError, Expected};
use futures::future::join_all;

use super::{Store, claim, command, write};

pub(crate) async fn a_key_is_held_by_one_stream(store: impl Store) {
    let log = store.open().await;
    let hold = |n: u64| {
        let stream = format!("h{n}");
        let append = command(&format!("c{n}"), vec![write(&stream, Expected::Version(0), 1)]);
        log.append(Append { reserve: vec![claim("id card 1", &stream)], ..append })
    };
    let answers = join_all((0..20).map(hold)).await;
    let held = log.find_reservation("document", b"id card 1").await.unwrap().unwrap();
    for answer in answers {
        match answer {
            Ok(done) => assert_eq!(done.records[0].stream_id, held),
            Err(AppendError::Reserved { scope, stream_id }) => {
                assert_eq!((&*scope, stream_id), ("document", held.clone()));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(log.head().await.unwrap().position, 1);
    // Who holds it may say so again; another cannot give it back.
    log.append(Append { reserve: vec![claim("id card 1", &held)], ..command("again", Vec::new()) }).await.unwrap();
    log.append(Append { release: vec![claim("id card 1", "x")], ..command("not mine", Vec::new()) }).await.unwrap();
    assert_eq!(log.find_reservation("document", b"id card 1").await.unwrap(), Some(held));
    assert_eq!(log.find_reservation("phone", b"id card 1").await.unwrap(), None);
}

pub(crate) async fn a_key_is_handed_on_within_one_request(store: impl Store) {
    let log = store.open().await;
    log.append(Append { reserve: vec![claim("k", "a")], ..command("c1", Vec::new()) }).await.unwrap();
    let hand_on =
        Append { release: vec![claim("k", "a")], reserve: vec![claim("k", "b")], ..command("c2", Vec::new()) };
    log.append(hand_on).await.unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap().unwrap(), "b");
    // Within one batch: given back, then taken.
    let release = log.append(Append { release: vec![claim("k", "b")], ..command("c3", Vec::new()) });
    let reserve = log.append(Append { reserve: vec![claim("k", "c")], ..command("c4", Vec::new()) });
    let (release, reserve) = tokio::join!(release, reserve);
    release.unwrap();
    reserve.unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap().unwrap(), "c");
    log.append(Append { release: vec![claim("k", "c")], ..command("c5", Vec::new()) }).await.unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap(), None);
}

pub(crate) async fn a_refused_request_reserves_nothing(store: impl Store) {
    let log = store.open().await;
    let refused = command("c1", vec![write("a", Expected::Version(7), 1)]);
    let refused = log.append(Append { reserve: vec![claim("k", "a")], ..refused });
    let taken = log.append(Append { reserve: vec![claim("k", "b")], ..command("c2", Vec::new()) });
    let (refused, taken) = tokio::join!(refused, taken);
    assert!(matches!(refused, Err(AppendError::Conflict)));
    taken.unwrap();
    assert_eq!(log.find_reservation("document", b"k").await.unwrap().unwrap(), "b");
}
