//! What is due by the clock: keys announced and retired, and the list of suspended passes confirmed while nothing changes, since
//! its age is part of every verdict. One task of the replica that leads. It remembers nothing that the log does not say.

use std::{convert::Infallible, sync::Arc, time::Duration};

use chassis::{Call, Clock, Decision, Failure, Lease, Ledger, Remembered, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use credential::{keys, signature::PublicKey, time::Hour};
use proto::pass::v1::suspension_list_event::{Confirmed, Event};

use crate::{
    desk::Desk,
    domain::keyring::{Keyring, Makes, Making, STREAM},
    roll::Roll,
};

#[derive(Clone)]
pub(crate) struct Timekeeper {
    pub(crate) ledger: Ledger,
    pub(crate) roll: Arc<Roll>,
    pub(crate) remembered: Remembered,
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Clock,
    pub(crate) lease: Lease,
}

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks until the record was read after a start.
const SOON: Duration = Duration::from_millis(20);

/// How old the list gets: half of what is promised.
const YOUNG: TimeDelta = TimeDelta::minutes(5);

/// Of the list's own facts.
const LIST: &str = "list";

impl Timekeeper {
    /// Until the process ends.
    pub(crate) async fn run(self) {
        let mut failures: u32 = 0;
        loop {
            let mut pause = if self.remembered.ready() { LOOK } else { SOON };
            if self.lease.leads() && self.remembered.ready() {
                match self.look().await {
                    Ok(()) => failures = 0,
                    Err(failure) if self.lease.leads() => {
                        failures += 1;
                        let error = format!("{:#}", anyhow::Error::new(failure));
                        tracing::warn!(error, failures, "keys and list cannot be kept and are tried again");
                        pause = Duration::from_millis(100 << failures.min(7));
                    }
                    // Another replica leads by now.
                    Err(_) => {}
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// All that is due now.
    pub(crate) async fn look(&self) -> Result<(), Failure> {
        let now = self.now();
        self.turn_keys(now).await?;
        self.confirm_list(now).await
    }

    /// The latest time that anything happened at, or that the clock shows: on a demonstration server requests say when they
    /// happen.
    fn now(&self) -> DateTime<Utc> {
        let made = DateTime::from_timestamp(self.roll.made().unix(), 0).unwrap_or_default();
        self.clock.now().max(made)
    }

    /// The keyring in which some key signs passes at this time. Also for whoever issues one: then it may be later than the
    /// clock shows.
    pub(crate) async fn turn_keys(&self, now: DateTime<Utc>) -> Result<Arc<Keyring>, Failure> {
        let (ring, version) = self.ledger.load::<Keyring>(STREAM).await?;
        if ring.turn(self.making(now)).is_empty() {
            return Ok(ring);
        }
        let call = Call::by_itself("pass", now, &format!("keys:{version}:{}", now.timestamp()));
        let turn = |ring: &Keyring, _| -> Result<_, Infallible> { Ok(Decision::new(ring.turn(self.making(now)))) };
        match self.ledger.transact(&call, STREAM, turn, |_: &Keyring, _| ()).await {
            // Somebody else was faster, to the same end.
            Ok(_) | Err(Failure::Contended | Failure::Reused) => {}
            Err(failure) => return Err(failure),
        }
        Ok(self.ledger.load::<Keyring>(STREAM).await?.0)
    }

    /// What the decisions about keys need besides the keyring.
    pub(crate) fn making(&self, now: DateTime<Utc>) -> Making<'_> {
        Making { now, makes: self }
    }

    async fn confirm_list(&self, now: DateTime<Utc>) -> Result<(), Failure> {
        let made = DateTime::from_timestamp(self.roll.made().unix(), 0).unwrap_or_default();
        if now - made < YOUNG {
            return Ok(());
        }
        let call = Call::by_itself("pass", now, &format!("list:{}", made.timestamp()));
        let confirmed = Event::Confirmed(Confirmed { as_of: Some(timestamp(now)) });
        match self.ledger.collect(&call, LIST, Decision::new(vec![confirmed]), ()).await {
            Ok(_) | Err(Failure::Reused) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

impl Makes for Timekeeper {
    fn public(&self, scope: keys::Scope, serial: u32) -> PublicKey {
        self.desk.key(scope, serial).public()
    }

    fn needed_until(&self, key: u8) -> Option<Hour> {
        // Before the record was read nobody knows, so no key retires.
        if self.remembered.ready() { self.roll.needed_until(key) } else { Some(Hour::NEVER) }
    }
}
