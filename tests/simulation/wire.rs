//! A feed as bad as one may be: every record goes out once per listener, as a datagram that is lost, doubled, delayed and
//! overtaken; what has arrived waits in a window, and whatever is missing there is fetched from its source. It stands
//! where a relay, a broker and an inbox stand between real services.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{
    Feed, Record,
    client::Connection,
    event_log::{EventLog, Head, LogError},
};
use prost::Message as _;
use proto::event::v1::{GetHeadRequest, ReadRecordsRequest, event_log_service_client::EventLogServiceClient};
use tokio::sync::watch;
use tonic::Status;
use turmoil::net::UdpSocket;

use crate::{network, weather::Weather};

/// Where records arrive.
const PORT: u16 = 4_222;

/// Sends what is committed from now on to every listener. What was committed before a crash and not sent stays unsent:
/// that is the listeners' to find out.
pub(crate) async fn relay(log: Arc<dyn EventLog>, listeners: Vec<&'static str>, weather: Arc<Weather>) {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap());
    let mut wake = log.wake();
    let mut sent = *wake.borrow_and_update();
    while wake.changed().await.is_ok() {
        let Ok(records) = log.read(sent, 1_000).await else { continue };
        for record in records {
            sent = record.position;
            let datagram = record.encode_to_vec();
            for listener in &listeners {
                for delay in weather.copies(&format!("{} {sent} to {listener}", record.log)) {
                    let (socket, datagram, listener) = (Arc::clone(&socket), datagram.clone(), *listener);
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        drop(socket.send_to(&datagram, (listener, PORT)).await);
                    });
                }
            }
        }
    }
}

/// Puts what arrives into the inbox of its log.
pub(crate) async fn receive(inboxes: Vec<Arc<Inbox>>) {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.unwrap();
    let mut datagram = vec![0; 1 << 20];
    while let Ok((length, _)) = socket.recv_from(&mut datagram).await {
        let record = Record::decode(&datagram[..length]).unwrap();
        if let Some(inbox) = inboxes.iter().find(|inbox| inbox.source == record.log) {
            inbox.arrived(record);
        }
    }
}

/// One source as its consumers on one host see it.
pub(crate) struct Inbox {
    source: &'static str,
    token: String,
    spoils: Option<AtomicU64>,
    arrived: Mutex<Window>,
    connection: Mutex<Connection>,
    /// As it was last told.
    log: Mutex<Option<Head>>,
    /// The furthest position that anybody has told of.
    head: watch::Sender<u64>,
}

/// Records that came ahead of their time or were not asked for yet.
#[derive(Default)]
struct Window(BTreeMap<u64, Arc<Record>>);

/// Beyond this the oldest go: whoever needs one fetches it.
const MOST_WAITING: usize = 64;
/// Every so often the source is asked for its head: the last record may be the one that was lost.
const SWEEP: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_secs(1);

impl Window {
    fn put(&mut self, record: Record) {
        self.0.insert(record.position, Arc::new(record));
        while self.0.len() > MOST_WAITING {
            self.0.pop_first();
        }
    }

    /// Those that follow one another from this position on.
    fn behind(&self, after: u64, limit: usize) -> Vec<Arc<Record>> {
        let following = self.0.range(after.saturating_add(1)..).zip(after.saturating_add(1)..);
        let following = following.take_while(|((position, _), expected)| **position == *expected).take(limit);
        following.map(|((_, record), _)| Arc::clone(record)).collect()
    }
}

impl Inbox {
    /// `spoils`: every seventh record comes without its content, as through a filter, to whoever reads it first since the host's
    /// start: what is remembered has holes then, and a recount has none.
    pub(crate) fn new(source: &'static str, token: String, spoils: bool) -> Arc<Self> {
        Arc::new(Self {
            source,
            token,
            spoils: spoils.then(AtomicU64::default),
            arrived: Mutex::default(),
            connection: Mutex::new(network::connect(source)),
            log: Mutex::default(),
            head: watch::Sender::new(0),
        })
    }

    fn arrived(&self, record: Record) {
        let position = record.position;
        self.arrived.lock().unwrap().put(record);
        self.told_of(position);
    }

    fn told_of(&self, position: u64) {
        self.head.send_if_modified(|head| {
            let news = position > *head;
            *head = position.max(*head);
            news
        });
    }

    /// Asks for the head until the host crashes.
    pub(crate) async fn sweep(self: Arc<Self>) {
        loop {
            // Whoever is away now is asked again.
            drop(self.ask().await);
            tokio::time::sleep(SWEEP).await;
        }
    }

    fn client(&self) -> anyhow::Result<EventLogServiceClient<Connection>> {
        let connection = self.connection.lock().unwrap().clone();
        Ok(EventLogServiceClient::new(connection.with_token(&self.token)?))
    }

    async fn ask(&self) -> anyhow::Result<Head> {
        let head = self.asked(self.client()?.get_head(GetHeadRequest { log: self.source.into() })).await?;
        *self.log.lock().unwrap() = Some(head.clone());
        self.told_of(head.position);
        Ok(head)
    }

    /// A source that does not answer is called anew the next time.
    async fn asked<T>(&self, asking: impl Future<Output = Result<tonic::Response<T>, Status>>) -> anyhow::Result<T> {
        let answer = tokio::time::timeout(PATIENCE, asking).await.context("the source is silent");
        let answer = answer.and_then(|answer| answer.context("the source is away"));
        if answer.is_err() {
            *self.connection.lock().unwrap() = network::connect(self.source);
        }
        Ok(answer?.into_inner())
    }

    async fn fetch(&self, after_position: u64, limit: usize) -> anyhow::Result<Vec<Arc<Record>>> {
        let page_size = i32::try_from(limit)?.min(1_000);
        let request =
            ReadRecordsRequest { log: self.source.into(), after_position, page_size, ..ReadRecordsRequest::default() };
        let read = self.asked(self.client()?.read_records(request)).await?;
        Ok(read.records.into_iter().map(Arc::new).collect())
    }
}

#[async_trait]
impl Feed for Inbox {
    fn source(&self) -> &str {
        self.source
    }

    async fn head(&self) -> Result<Head, LogError> {
        let known = self.log.lock().unwrap().clone();
        match known {
            Some(known) => Ok(Head { position: known.position.max(*self.head.borrow()), ..known }),
            None => Ok(self.ask().await?),
        }
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let mut records = self.arrived.lock().unwrap().behind(after_position, limit);
        if records.is_empty() && after_position < *self.head.borrow() {
            records = self.fetch(after_position, limit).await?;
        }
        if let (Some(spoilt), Some(last)) = (&self.spoils, records.last().map(|last| last.position)) {
            let before = spoilt.fetch_max(last, Ordering::Relaxed);
            let first = |record: &&mut Arc<Record>| record.position > before && record.position % 7 == 3;
            records.iter_mut().filter(first).for_each(emptied);
        }
        Ok(records)
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}

fn emptied(record: &mut Arc<Record>) {
    let Record { log, log_id, position, .. } = (**record).clone();
    *record = Arc::new(Record { log, log_id, position, category: "nothing".into(), ..Record::default() });
}
