//! Another service's log, out of NATS. One task per process and source keeps the newest records in memory, where all
//! consumers read them; who is further behind is served from the stream, and what the stream does not hold is asked of the
//! source itself. Consumers keep their own checkpoints, so nothing that is acknowledged to NATS means anything. While NATS
//! is away the source is asked every second, and while the source is away NATS goes on: only without both does a consumer
//! wait.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    stream::Stream,
    window::{Taken, Window},
};
use crate::{
    Feed, Record,
    event_log::{Head, LogError},
    nats::Nats,
};

/// The stream at the server, as a reader sees it.
mod stream;
/// The newest records, in memory.
mod window;

/// The log of another service as this process follows it.
pub struct Inbox {
    source: String,
    /// Asked for what NATS does not have.
    remote: Arc<dyn Feed>,
    stream: Stream,
    known: Mutex<Known>,
    /// Whether the window grows by itself. Until then, and when that ends, the source is asked.
    live: watch::Sender<bool>,
    wake: watch::Sender<u64>,
}

/// What is known of the log.
#[derive(Default)]
struct Known {
    window: Window,
    /// As the source last told it.
    head: Option<Head>,
    /// When the source last failed to answer.
    away_since: Option<Instant>,
}

/// How often the source's head is compared with what arrived: NATS may lose what it likes.
const SWEEP: Duration = Duration::from_secs(30);
/// How often it is asked while NATS does not deliver.
const POLL: Duration = Duration::from_secs(1);
/// Between two tries to follow the stream.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the source has to tell its head, and how long a failure to do so is believed.
const PATIENCE: Duration = Duration::from_secs(2);

impl Inbox {
    /// Follows the log `source`, until `stop`. `remote` is the same log, asked directly.
    pub fn follow(
        source: &str,
        remote: Arc<dyn Feed>,
        nats: Nats,
        tasks: (&TaskTracker, &CancellationToken),
    ) -> Arc<Self> {
        let inbox = Arc::new(Self {
            source: source.to_owned(),
            remote,
            stream: Stream::new(source, nats),
            known: Mutex::default(),
            live: watch::Sender::new(false),
            wake: watch::Sender::new(0),
        });
        let (tracker, stop) = tasks;
        let (following, sweeping) = (Arc::clone(&inbox), Arc::clone(&inbox));
        let (until, stop) = (stop.clone(), stop.clone());
        tracker.spawn(async move { until.run_until_cancelled(following.keep_following()).await });
        tracker.spawn(async move { stop.run_until_cancelled(sweeping.sweep()).await });
        inbox
    }

    async fn keep_following(&self) {
        let mut told = String::new();
        loop {
            let Err(error) = self.follow_stream().await;
            let text = format!("{error:#}");
            if self.live.send_replace(false) || told != text {
                tracing::warn!(error = text, source = self.source, "NATS does not deliver: the source is asked");
                told = text;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes what the stream delivers, until something is wrong with it.
    async fn follow_stream(&self) -> anyhow::Result<std::convert::Infallible> {
        let tail = self.stream.tail().await?;
        if let Some(tail) = &tail {
            self.accept(&tail.log_id).await?;
        }
        // Behind what is known already; or from the newest one, so that the log's id and its head are known at once.
        let last = self.known().window.last();
        let first = last.map(|last| last + 1).or(tail.as_ref().map(|tail| tail.position)).unwrap_or(1);
        let mut messages = self.stream.follow_from(first).await?;
        self.live.send_replace(true);
        loop {
            let record = messages.next().await.context("the stream has ended")??;
            let taken = self.known().window.take(&record);
            match taken {
                Taken::Next | Taken::Known => {}
                Taken::Hole => {
                    tracing::debug!(source = self.source, position = record.position, "NATS has left a hole")
                }
                Taken::OtherLog => {
                    self.accept(&record.log_id).await?;
                    self.known().window.restart(&record);
                }
                Taken::Broken => {
                    anyhow::bail!("the record at position {} does not follow the one before it", record.position)
                }
            }
            self.wake_at(record.position.max(self.wake_position()));
        }
    }

    /// Before records of this log are taken: NATS may still hold, or hold again, what the source has given up.
    async fn accept(&self, log_id: &str) -> anyhow::Result<()> {
        if self.known().window.log_id() == log_id {
            return Ok(());
        }
        if let Ok(head) = self.ask().await {
            ensure!(
                head.log_id == log_id,
                "the stream carries the log {log_id}, and the source holds the log {}",
                head.log_id
            );
        }
        self.known().window.forget_other_than(log_id);
        Ok(())
    }

    /// Compares heads, seldom while NATS delivers and often while it does not.
    async fn sweep(&self) {
        let mut live = self.live.subscribe();
        loop {
            drop(self.ask().await);
            let lags = {
                let known = self.known();
                known.head.as_ref().is_some_and(|head| head.position > known.window.last().unwrap_or(0))
            };
            let pause = if *live.borrow_and_update() && !lags { SWEEP } else { POLL };
            drop(timeout(pause, live.changed()).await);
        }
    }

    /// The source's own head. Whoever waits hears of it.
    async fn ask(&self) -> Result<Head, LogError> {
        let answer = in_time(self.remote.head()).await;
        let mut known = self.known();
        match &answer {
            Ok(head) => {
                known.away_since = None;
                known.window.forget_other_than(&head.log_id);
                let position = head.position.max(known.window.last().unwrap_or(0));
                known.head = Some(head.clone());
                drop(known);
                self.wake_at(position);
            }
            Err(_) => known.away_since = Some(Instant::now()),
        }
        answer
    }

    fn wake_position(&self) -> u64 {
        *self.wake.borrow()
    }

    fn wake_at(&self, position: u64) {
        self.wake.send_if_modified(|seen| std::mem::replace(seen, position) != position);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source has two seconds: whoever asks has something else to do.
async fn in_time(answer: impl Future<Output = Result<Head, LogError>>) -> Result<Head, LogError> {
    let answer = timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| Err(anyhow::anyhow!("the source does not answer").into()))
}

/// Where a reader is served from.
enum From {
    Memory(Vec<Arc<Record>>),
    /// The stream, if it holds the record behind the position.
    Stream,
    Source,
}

impl Known {
    fn place(&self, after_position: u64, limit: usize, live: bool) -> From {
        if let Some(records) = self.window.read(after_position, limit) {
            return From::Memory(records);
        }
        let Some(last) = self.window.last() else { return From::Source };
        if after_position < last {
            return From::Stream;
        }
        let more = self.head.as_ref().is_some_and(|head| head.position > after_position);
        if live && !more { From::Memory(Vec::new()) } else { From::Source }
    }
}

#[async_trait]
impl Feed for Inbox {
    fn source(&self) -> &str {
        &self.source
    }

    /// The source's head; while it is away, the last that NATS has brought.
    async fn head(&self) -> Result<Head, LogError> {
        let fallback = {
            let known = self.known();
            let newest = known.window.head(&self.source);
            match (&newest, known.away_since) {
                (Some(head), Some(since)) if since.elapsed() < PATIENCE => return Ok(head.clone()),
                _ => newest,
            }
        };
        let answer = self.ask().await;
        answer.or_else(|error| fallback.ok_or(error))
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        let (place, log_id) = {
            let known = self.known();
            (known.place(after_position, limit, *self.live.borrow()), known.window.log_id().to_owned())
        };
        match place {
            From::Memory(records) => return Ok(records),
            From::Source => {}
            From::Stream => match self.stream.read(&log_id, after_position, limit).await {
                Ok(records) if !records.is_empty() => return Ok(records),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(error = format!("{error:#}"), source = self.source, "the stream cannot fill a gap");
                }
            },
        }
        self.remote.read(after_position, limit).await
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }
}
