//! Alarms that nobody has to think of: conditions are looked for, those that hold are raised, those that hold no longer are over,
//! and what nobody acknowledges goes up. One task of the replica that leads. It remembers nothing that the logs do not say: an
//! alarm's id follows from its condition, and what was said already is no event.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use chassis::{Call, Clock, Decision, Failure, Lease, Ledger, Remembered, Views};
use chrono::{DateTime, Utc};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};

use super::watch::Watch;
use crate::{
    domain::{
        alarm::{Alarm, Condition, Event},
        alarm_rules::{Rules, STREAM},
    },
    projections::alarms,
};

pub(super) struct Timekeeper {
    pub(super) ledger: Ledger,
    pub(super) views: Views,
    pub(super) watch: Arc<Watch>,
    pub(super) remembered: Remembered,
    pub(super) clock: Clock,
    pub(super) lease: Lease,
}

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Alarms told in one look, and of them at once: a morning after a long night is many commits, and not one long wait.
const MOST: usize = 500;
const SIDE_BY_SIDE: usize = 16;

impl Timekeeper {
    /// Until the process ends.
    pub(super) async fn run(self) {
        let mut failures: u32 = 0;
        loop {
            let mut pause = LOOK;
            // Before all is read that the logs held at the start, offices seem silent that are not.
            if self.lease.leads() && self.remembered.ready() {
                match self.look().await {
                    Ok(()) => failures = 0,
                    Err(failure) if self.lease.leads() => {
                        failures += 1;
                        let error = format!("{:#}", anyhow::Error::new(failure));
                        tracing::warn!(error, failures, "alarms cannot be told and are tried again");
                        pause = Duration::from_millis(100 << failures.min(7));
                    }
                    // Another replica leads by now.
                    Err(_) => {}
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// All that is to be told now.
    async fn look(&self) -> Result<(), Failure> {
        let now = self.watch.now(&self.clock);
        let (rules, _) = self.ledger.load::<Rules>(STREAM).await?;
        let content = rules.content();
        let hours = content.acknowledge_hours;
        let held: HashMap<String, Condition> =
            self.watch.check(&content, rules.since(), now).into_iter().map(|found| (found.alarm_id(), found)).collect();
        let mut db =
            self.views.connection().await.map_err(|status| Failure::Unavailable(anyhow::Error::new(status)))?;
        let passing = alarms::passing(&mut db).await?;
        let going_up = alarms::going_up(&mut db, now, MOST).await?;
        drop(db);
        let mut telling: Vec<BoxFuture<'_, Result<(), Failure>>> = Vec::new();
        for (id, found) in &held {
            let raise = move |alarm: &Alarm| alarm.raise(found, hours, now);
            telling.push(self.tell(id, now, raise).boxed());
        }
        let held: HashSet<&String> = held.keys().collect();
        for id in passing.iter().filter(|id| !held.contains(id)) {
            telling.push(self.tell(id, now, move |alarm| alarm.end(now)).boxed());
        }
        for id in going_up.iter().filter(|id| !passing.contains(*id) || held.contains(id)) {
            telling.push(self.tell(id, now, move |alarm| alarm.go_up(now)).boxed());
        }
        let told: Vec<Result<(), Failure>> = stream::iter(telling).buffer_unordered(SIDE_BY_SIDE).collect().await;
        told.into_iter().collect()
    }

    /// Decided for one version of the alarm, and named after it: said again, it is the same.
    async fn tell<D>(&self, alarm_id: &str, now: DateTime<Utc>, decide: D) -> Result<(), Failure>
    where
        D: Fn(&Alarm) -> Vec<Event> + Send + Sync,
    {
        let (alarm, version) = self.ledger.load::<Alarm>(alarm_id).await?;
        let events = decide(&alarm);
        let Some(first) = events.first() else { return Ok(()) };
        tracing::info!(alarm_id, event = proto::Fact::type_name(first), "an alarm is told");
        let call = Call::by_itself("command", now, &format!("alarm:{alarm_id}:{version}"));
        let decide = |alarm: &Alarm, at| {
            let events = if at == version { decide(alarm) } else { Vec::new() };
            Ok::<Decision<_>, Infallible>(filed(alarm, events))
        };
        match self.ledger.transact(&call, alarm_id, decide, |_: &Alarm, _| ()).await {
            // Somebody else was faster: the next look finds what is left.
            Ok(_) | Err(Failure::Contended | Failure::Reused) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// Under the neighbourhood whose alarm it is.
pub(super) fn filed(alarm: &Alarm, events: Vec<Event>) -> Decision<Event> {
    let raised = match events.first() {
        Some(Event::Raised(raised)) => Some(raised),
        _ => alarm.raised.as_ref(),
    };
    let office = raised.map(|raised| raised.neighbourhood_id.clone()).unwrap_or_default();
    Decision::new(events).office(office)
}
