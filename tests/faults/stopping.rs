//! SIGTERM while many work.

use std::time::Duration;

use tempfile::TempDir;

use crate::{
    audit,
    deeds::{Place, Recorder},
    offices::Offices,
    process::{Process, Words, data},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_end_ends_in_time_and_in_order() {
    let folder = TempDir::new().unwrap();
    let _words = Words(folder.path().to_owned());
    let port = tests::free_port();
    let address = format!("http://127.0.0.1:{port}");
    let mut server = Process::start(folder.path(), port);
    server.ready(&address).await;
    let offices = Offices::of(&data(folder.path()), &address).await;
    let place = Place::found(&offices).await;
    let recorder = Recorder::start(&offices, &place, 16);
    while recorder.acknowledged() < 300 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (status, took) = server.terminate().await;
    println!("ended after {took:?}: {status}");
    assert_eq!(status.code(), Some(0), "an orderly end");
    assert!(took < Duration::from_secs(20), "it took {took:?}");

    let mut server = Process::start(folder.path(), port);
    server.ready(&address).await;
    let book = recorder.stop().await;
    audit::nothing_lost(&offices, &place, &book).await;
    audit::recounted(&offices).await;
    server.kill().await;
}
