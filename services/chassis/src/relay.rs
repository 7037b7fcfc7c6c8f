//! The log, published to NATS. The stream's own last message says how far that has come, so there is no checkpoint that
//! could be wrong: a stream that was wiped, cut or set back is filled again from the log, and a crash on the way is the same
//! case. A record stands in the stream at the sequence that is its position in the log. That is predicted with each
//! publication, and the server refuses what does not fit: two relays at once can neither interleave nor double anything.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use async_nats::jetstream::{context::PublishAckFuture, message::PublishMessage};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::reconcile::Verdict;
use crate::{
    Clock, Record,
    event_log::EventLog,
    nats::{Nats, headers},
};

/// What a stream's state means for its relay.
mod reconcile;
/// A log's stream at the server.
mod stream;

/// How far a relay is, and what keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayStanding {
    /// The stream holds the log up to here.
    pub published: u64,
    /// What only an operator can mend. Nothing is published meanwhile.
    pub alarm: Option<String>,
    /// What passes by itself.
    pub error: Option<String>,
}

/// What a relay stands on.
pub struct Setup {
    pub log: Arc<dyn EventLog>,
    pub nats: Nats,
    /// Whether this replica leads. A relay that only believes so does no harm.
    pub leads: watch::Receiver<bool>,
    /// The id that the log had before it was given a new one on purpose: its stream may be replaced.
    pub renewed_from: Option<String>,
    pub clock: Clock,
}

/// One log on its way to NATS.
pub struct Relay {
    standing: watch::Receiver<RelayStanding>,
}

/// Records read at once, and publications without an answer yet.
const BATCH: usize = 256;
const IN_FLIGHT: usize = 256;
const BYTES_IN_FLIGHT: usize = 8 << 20;

/// A stream that nobody writes to is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// What an operator has to mend is looked at again.
const ALARM: Duration = Duration::from_secs(30);
/// Between two tries while NATS is away.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
const MOST_PAUSE: Duration = Duration::from_secs(1);

impl Relay {
    /// Publishes the log while this replica leads, until `stop`.
    pub fn start(setup: Setup, tasks: (&TaskTracker, &CancellationToken)) -> Self {
        let (told, standing) = watch::channel(RelayStanding::default());
        let (tracker, stop) = tasks;
        let (running, stop) = (Running { setup, told }, stop.clone());
        tracker.spawn(async move { stop.run_until_cancelled(running.run()).await });
        Self { standing }
    }

    pub fn standing(&self) -> watch::Receiver<RelayStanding> {
        self.standing.clone()
    }
}

struct Running {
    setup: Setup,
    told: watch::Sender<RelayStanding>,
}

/// A publication that the server has not answered yet.
struct Flying {
    position: u64,
    bytes: usize,
    answer: PublishAckFuture,
}

impl Running {
    async fn run(self) {
        let mut pause = LEAST_PAUSE;
        let mut leads = self.setup.leads.clone();
        while leads.wait_for(|leads| *leads).await.is_ok() {
            let before = self.told.borrow().published;
            match self.reconcile().await {
                Ok(Verdict::GoOn(position)) => {
                    self.tell(position, None);
                    let Err(error) = self.publish_from(position).await else { continue };
                    pause =
                        if self.told.borrow().published == before { MOST_PAUSE.min(pause * 2) } else { LEAST_PAUSE };
                    self.wait(&error, pause).await;
                }
                Ok(Verdict::Rebuild(reason)) => {
                    let log = self.setup.log.name();
                    tracing::warn!(log, reason, "the stream is published again from the log");
                    if let Err(error) = self.remake().await {
                        self.wait(&error, pause).await;
                    }
                }
                Ok(Verdict::Alarm(alarm)) => self.stand_still(alarm, &mut leads).await,
                Err(error) => {
                    pause = MOST_PAUSE.min(pause * 2);
                    self.wait(&error, pause).await;
                }
            }
        }
    }

    /// Sends what is behind a position, for as long as every publication is taken as predicted.
    async fn publish_from(&self, mut position: u64) -> anyhow::Result<()> {
        let mut wake = self.setup.log.wake();
        let (mut flying, mut bytes) = (VecDeque::<Flying>::with_capacity(IN_FLIGHT), 0);
        while *self.setup.leads.borrow() {
            wake.mark_unchanged();
            let records = self.setup.log.read(position, BATCH).await.context("reading the log")?;
            if records.is_empty() {
                self.land_all(&mut flying, &mut bytes).await?;
                if timeout(LOOK, wake.changed()).await.is_ok_and(|woken| woken.is_ok()) {
                    continue;
                }
                // Nothing new: is what was published still there?
                return Ok(());
            }
            for record in records {
                ensure!(record.position == position + 1, "the log has a hole: {} follows {position}", record.position);
                while flying.len() >= IN_FLIGHT || bytes > BYTES_IN_FLIGHT {
                    self.land(&mut flying, &mut bytes).await?;
                }
                position = record.position;
                bytes += record.payload.len();
                flying.push_back(self.send(&record).await?);
            }
        }
        self.land_all(&mut flying, &mut bytes).await
    }

    async fn send(&self, record: &Record) -> anyhow::Result<Flying> {
        self.setup.nats.ensure_connected()?;
        let position = record.position;
        let sending = || format!("publishing the record at position {position}");
        let headers = headers::encode(record).with_context(sending)?;
        let message = PublishMessage::build().payload(record.payload.clone().into()).headers(headers);
        let answer = self.setup.nats.jetstream.send_publish(headers::subject(record), message);
        Ok(Flying { position, bytes: record.payload.len(), answer: answer.await.with_context(sending)? })
    }

    /// Waits for the oldest answer.
    async fn land(&self, flying: &mut VecDeque<Flying>, bytes: &mut usize) -> anyhow::Result<()> {
        let Some(Flying { position, bytes: its_bytes, answer }) = flying.pop_front() else { return Ok(()) };
        let answer = answer.await.with_context(|| format!("publishing the record at position {position}"));
        let taken = answer.and_then(|answer| {
            // A repeated message is answered with its first sequence by old servers and refused by new ones.
            ensure!(
                answer.sequence == position && !answer.duplicate,
                "the stream holds the record at position {position} at {} already",
                answer.sequence
            );
            Ok(())
        });
        if let Err(error) = taken {
            // All to their end, so that what is still on its way cannot arrive after the next look at the stream.
            let rest = flying.drain(..).map(|flying| flying.answer.into_future());
            drop(futures::future::join_all(rest).await);
            return Err(error);
        }
        *bytes -= its_bytes;
        self.tell(position, None);
        Ok(())
    }

    async fn land_all(&self, flying: &mut VecDeque<Flying>, bytes: &mut usize) -> anyhow::Result<()> {
        while !flying.is_empty() {
            self.land(flying, bytes).await?;
        }
        Ok(())
    }

    async fn stand_still(&self, alarm: String, leads: &mut watch::Receiver<bool>) {
        let log = self.setup.log.name();
        if self.told.borrow().alarm.as_ref() != Some(&alarm) {
            tracing::error!(log, alarm, "the relay has stopped");
        }
        self.told.send_modify(|standing| {
            standing.alarm = Some(alarm);
            standing.error = None;
        });
        let until = Instant::now() + ALARM;
        drop(tokio::time::timeout_at(until, leads.wait_for(|leads| !leads)).await);
    }

    async fn wait(&self, error: &anyhow::Error, pause: Duration) {
        let text = format!("{error:#}");
        if self.told.borrow().error.as_ref() != Some(&text) {
            tracing::warn!(error = text, log = self.setup.log.name(), "the relay waits");
        }
        let published = self.told.borrow().published;
        self.tell(published, Some(text));
        tokio::time::sleep(pause).await;
    }

    fn tell(&self, published: u64, error: Option<String>) {
        self.told.send_if_modified(|standing| {
            let now = RelayStanding { published, alarm: None, error };
            let changed = *standing != now;
            *standing = now;
            changed
        });
    }
}
