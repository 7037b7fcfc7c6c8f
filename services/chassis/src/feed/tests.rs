use std::net::SocketAddr;

use axum::Router;
use proto::event::v1::event_log_service_server::EventLogServiceServer;
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::service::Routes;

use super::*;
use crate::{
    Decision,
    access::AccessLayer,
    compound::{House, call, gate_added, open, open_with_gates},
    log_service::LogApi,
    server::{Health, Server},
};

/// A house whose log others follow over the network.
struct Served {
    house: House,
    address: SocketAddr,
    running: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

impl Served {
    async fn new() -> Self {
        let house = House::new();
        house.ledger().await;
        let mut served = Self { house, address: ([127, 0, 0, 1], 0).into(), running: None };
        served.serve().await;
        served
    }

    /// At the same address as before, where there was one.
    async fn serve(&mut self) {
        let host = &self.house.host;
        let access = AccessLayer::new(Tokens::new(&host.secrets), &host.secrets, host.clock.clone(), false);
        let routes = Routes::new(EventLogServiceServer::new(LogApi::new(host.clone())));
        let server = Server::new(routes, Router::new(), access, Health::default());
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        self.running = Some((stop.clone(), tokio::spawn(server.serve(listener, stop))));
    }

    async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    fn follow(&self) -> Arc<Remote> {
        let host = &self.house.host;
        let address = format!("http://{}", self.address);
        let tasks = (host.tracker(), host.stop());
        Remote::follow(
            "registry",
            std::slice::from_ref(&address),
            "pass",
            Tokens::new(&host.secrets),
            host.clock.clone(),
            POLL,
            tasks,
        )
        .unwrap()
    }
}

async fn woken(wake: &mut watch::Receiver<u64>, position: u64) {
    let woken = wake.wait_for(|head| *head == position);
    tokio::time::timeout(Duration::from_secs(20), woken).await.expect("the head is seen").unwrap();
}

#[tokio::test]
async fn another_processs_log_is_read_like_ones_own() {
    let served = Served::new().await;
    let ledger = served.house.ledger().await;
    let remote = served.follow();
    let mut wake = remote.wake();
    open_with_gates(&ledger, "c", 1_200).await;
    woken(&mut wake, 1_201).await;
    assert_eq!(remote.source(), "registry");
    assert_eq!(remote.head().await.unwrap(), ledger.log().head().await.unwrap());
    let mut read = Vec::new();
    while read.len() < 1_201 {
        let more = remote.read(read.len() as u64, 512).await.unwrap();
        assert!(!more.is_empty());
        read.extend(more);
    }
    assert_eq!(read, ledger.log().read(0, 5_000).await.unwrap());
    assert!(remote.read(1_201, 512).await.unwrap().is_empty());
}

#[tokio::test]
async fn large_records_come_in_several_answers() {
    let served = Served::new().await;
    let ledger = served.house.ledger().await;
    open(&ledger, &call("open"), "c").await.unwrap();
    for gate in 0..12 {
        let decision = Decision::new(vec![gate_added(&format!("{gate}{}", "x".repeat(700_000)))]);
        ledger.collect(&call(&format!("gate {gate}")), "c", decision, ()).await.unwrap();
    }
    let remote = served.follow();
    let (mut position, mut answers) = (0, 0);
    while position < 13 {
        let read = remote.read(position, 512).await.unwrap();
        assert_eq!(read[0].position, position + 1);
        position = read.last().unwrap().position;
        answers += 1;
    }
    assert!(answers > 1);
}

#[tokio::test]
async fn a_source_that_starts_again_is_followed_again() {
    let mut served = Served::new().await;
    let ledger = served.house.ledger().await;
    open_with_gates(&ledger, "c", 1).await;
    let remote = served.follow();
    let mut wake = remote.wake();
    woken(&mut wake, 2).await;
    served.stop().await;
    let error = unreachable(remote.read(0, 10).await.unwrap_err());
    assert!(error.is::<Unreachable>(), "{error:#}");
    let decision = Decision::new(vec![gate_added("later")]);
    ledger.collect(&call("later"), "c", decision, ()).await.unwrap();
    served.serve().await;
    woken(&mut wake, 3).await;
    assert_eq!(remote.read(2, 10).await.unwrap()[0].position, 3);
}

#[tokio::test]
async fn a_process_with_another_secret_is_refused() {
    let served = Served::new().await;
    let foreign = House::new();
    let address = format!("http://{}", served.address);
    let tokens = Tokens::new(&foreign.host.secrets);
    let tasks = (foreign.host.tracker(), foreign.host.stop());
    let remote = Remote::follow(
        "registry",
        std::slice::from_ref(&address),
        "pass",
        tokens,
        foreign.host.clock.clone(),
        POLL,
        tasks,
    )
    .unwrap();
    assert!(remote.head().await.is_err());
    foreign.host.close().await;
}
