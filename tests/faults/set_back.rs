//! A database that was restored from an older backup: what others have seen of it is no more. The relay stops with an
//! alarm rather than publish another past, and health says so.

use std::time::{Duration, Instant};

use proto::event::v1::{ListConsumersRequest, consumer::State};
use tests::apart::{Apart, nats_server};

use crate::{
    deeds::{Place, Recorder},
    offices::Offices,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_an_older_backup_stops_the_relay_with_an_alarm() {
    let Some(nats) = nats_server() else { return };
    let mut apart = Apart::start(nats, 1).await;
    let offices = Offices::of_services(&apart);
    let place = Place::found(&offices).await;
    crate::audit::settled(&offices).await;
    apart.kill("registry-1").await;
    apart.postgres.stop();
    let backup = apart.postgres.copy_data().unwrap();
    apart.postgres.start().unwrap();
    apart.run("registry-1");
    apart.ready().await;
    let recorder = Recorder::start(&offices, &place, 1);
    while recorder.acknowledged() < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(recorder.stop().await);
    crate::audit::settled(&offices).await;
    apart.kill("registry-1").await;
    apart.postgres.stop();
    apart.postgres.put_back(&backup).unwrap();
    apart.postgres.start().unwrap();
    apart.run("registry-1");
    let begun = Instant::now();
    let error = loop {
        let listed = offices.logs().list_consumers(ListConsumersRequest {}).await;
        let consumers = listed.map(|listed| listed.into_inner().consumers).unwrap_or_default();
        let relay = consumers.into_iter().find(|one| one.consumer == "registry/relay" && one.state() == State::Halted);
        if let Some(relay) = relay {
            break relay.error;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "the relay has not stopped: {}",
            apart.last_words("registry-1")
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    println!("alarm: {error}");
    assert!(error.contains("backup"), "{error}");
}
