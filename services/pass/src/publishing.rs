//! Key sets and lists as gates are given them. The same sequence is the same bytes on every replica: content, time and key
//! follow from the log, and signatures are deterministic.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chassis::{secrets::hex, timestamp};
use chrono::DateTime;
use credential::{
    keys::{Key, Scope},
    list::Delta,
    signature::Algorithm,
    time::{Hour, Second},
};
use proto::pass::v1::{self, SuspensionUpdate, key};

use crate::{
    desk::Desk,
    domain::keyring::{Keyring, time_of},
    roll::{Roll, Since},
};

pub(crate) struct Publisher {
    pub(crate) desk: Arc<Desk>,
    pub(crate) roll: Arc<Roll>,
    /// Hundreds of gates ask for the same.
    made: Mutex<Made>,
}

/// What leads to one list.
#[derive(Default)]
struct Made {
    sequence: u32,
    by_sequence: HashMap<u32, SuspensionUpdate>,
}

impl Publisher {
    pub(crate) fn new(desk: Arc<Desk>, roll: Arc<Roll>) -> Self {
        Self { desk, roll, made: Mutex::default() }
    }

    /// `None` before the first key.
    pub(crate) fn key_set(&self) -> Option<v1::KeySet> {
        let ring: Arc<Keyring> = self.roll.keyring();
        let set = ring.set()?;
        Some(v1::KeySet {
            text: self.desk.sign_set(set),
            number: set.number,
            root: hex(&self.desk.root().to_bytes()),
            keys: set.keys().iter().map(shown).collect(),
            make_time: time(set.made),
        })
    }

    /// What leads from the list that somebody holds to the newest one; `None` before the first key.
    pub(crate) fn update(&self, from: u32) -> anyhow::Result<Option<SuspensionUpdate>> {
        let sequence = self.roll.sequence();
        if let Some(made) = self.made().of(sequence, from) {
            return Ok(Some(made));
        }
        let Some(since) = self.roll.since(from) else { return Ok(None) };
        let update = self.sign(&since)?;
        self.made().keep(from, &update);
        Ok(Some(update))
    }

    fn sign(&self, since: &Since) -> anyhow::Result<SuspensionUpdate> {
        let (id, key) = (since.signer.key.id, self.desk.announced(&since.signer)?);
        let delta = since.held.as_ref().map(|held| Delta::between(held, &since.newest).text(id, &key));
        // Where most have changed, the whole is shorter than the difference.
        let delta = match delta {
            Some(delta) if delta.len() < SHORT => Some(delta),
            Some(delta) => Some(delta).filter(|delta| delta.len() < since.newest.text(id, &key).len()),
            None => None,
        };
        Ok(SuspensionUpdate {
            delta: delta.is_some(),
            text: delta.unwrap_or_else(|| since.newest.text(id, &key)),
            sequence: since.newest.sequence(),
            time: time(since.newest.made()),
        })
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Characters up to which a change is not compared with the whole list.
const SHORT: usize = 400;

/// Changes kept of one list: more than a subdistrict has gates that are each elsewhere.
const MOST_MADE: usize = 1_000;

impl Made {
    fn of(&self, sequence: u32, from: u32) -> Option<SuspensionUpdate> {
        if self.sequence == sequence { self.by_sequence.get(&from).cloned() } else { None }
    }

    fn keep(&mut self, from: u32, update: &SuspensionUpdate) {
        if self.sequence != update.sequence || self.by_sequence.len() >= MOST_MADE {
            self.by_sequence.clear();
            self.sequence = update.sequence;
        }
        self.by_sequence.insert(from, update.clone());
    }
}

fn shown(key: &Key) -> v1::Key {
    let never = |hour: Hour| (hour != Hour::NEVER).then(|| time_of(hour));
    let algorithm = match key.public.algorithm() {
        Algorithm::Ed25519 => key::Algorithm::Ed25519,
        Algorithm::Es256 => key::Algorithm::Es256,
        Algorithm::Sm2 => key::Algorithm::Sm2,
    };
    let scope = match key.scope {
        Scope::Passes => key::Scope::Passes,
        Scope::Lists => key::Scope::Lists,
    };
    v1::Key {
        id: key.id.into(),
        algorithm: algorithm.into(),
        scope: scope.into(),
        from: Some(time_of(key.from)),
        until: never(key.until),
        compromised: never(key.compromised),
    }
}

fn time(second: Second) -> Option<prost_types::Timestamp> {
    DateTime::from_timestamp(second.unix(), 0).map(timestamp)
}
