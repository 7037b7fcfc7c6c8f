//! What goes on beside a log for as long as the process lives: it is carried to the others, and old commands are forgotten.

use std::{sync::Arc, time::Duration};

use proto::event::v1::consumer::State;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Host;
use crate::{
    Clock,
    event_log::{COMMANDS_KEPT, EventLog},
    lease::{Lead, Lease},
    nats::Nats,
    relay::{self, Relay},
};

impl Host {
    /// Carries a log of this process to the others. How far that is, and what keeps it, is seen among the consumers.
    pub(super) async fn publish(&self, log: &Arc<dyn EventLog>, nats: Nats) -> anyhow::Result<()> {
        let (leads, leading) = watch::channel(false);
        let renewed_from = log.renewed_from().await?;
        let setup =
            relay::Setup { log: Arc::clone(log), nats, leads: leading, renewed_from, clock: self.clock.clone() };
        let relay = Relay::start(setup, (&self.inner.tracker, &self.inner.stop));
        let progress = self.consumers.enter(&format!("{}/relay", log.name()), log.name(), 0);
        let (log, stop) = (Arc::clone(log), self.inner.stop.clone());
        self.inner.tracker.spawn(async move {
            let (mut lead, mut standing) = (log.lead(), relay.standing());
            let watching = async {
                loop {
                    let here = matches!(*lead.borrow_and_update(), Lead::Here { .. });
                    leads.send_if_modified(|leads| std::mem::replace(leads, here) != here);
                    let now = standing.borrow_and_update().clone();
                    match (here, now.alarm, now.error) {
                        (true, Some(alarm), _) => progress.failing(State::Halted, &alarm),
                        (true, None, Some(error)) => progress.failing(State::Retrying, &error),
                        (true, None, None) => progress.reached(now.published, 0),
                        // The replica that leads publishes: nothing is behind here.
                        (false, ..) => progress.reached(u64::MAX, 0),
                    }
                    tokio::select! {
                        changed = lead.changed() => if changed.is_err() { return },
                        changed = standing.changed() => if changed.is_err() { return },
                    }
                }
            };
            stop.run_until_cancelled(watching).await;
        });
        Ok(())
    }
}

/// Forgets commands whose answers are no longer repeated, once an hour.
pub(super) async fn forget(log: Arc<dyn EventLog>, lease: Lease, clock: Clock, stop: CancellationToken) {
    loop {
        // The replica that leads does it for all.
        if !lease.leads() {
            if stop.run_until_cancelled(tokio::time::sleep(Duration::from_mins(1))).await.is_none() {
                return;
            }
            continue;
        }
        match log.prune_commands(clock.now() - COMMANDS_KEPT).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(log = log.name(), forgotten, "old commands were forgotten"),
            Err(error) => tracing::warn!(log = log.name(), %error, "old commands could not be forgotten"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_hours(1)) => {}
        }
    }
}
