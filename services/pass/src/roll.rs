//! What each replica remembers so that a gate waits for no database: holders, gates, keys, recalls, and the list of suspended
//! passes. All of it is folded from the logs, by the same rules by which decisions are made.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use chassis::{Aggregate as _, Memory, Record, Scope, instant};
use chrono::{DateTime, Utc};
use credential::{
    keys,
    list::{State, SuspensionList},
    number::PassNumber,
    time::{Hour, Second},
};
use proto::{
    pass::v1::{compound_code_event, device_event, holder_event, keyring_event, recall_event, suspension_list_event},
    registry::v1::compound_event,
};
use tokio::sync::watch;

use crate::{
    desk::Desk,
    domain::{
        compound_code::CompoundCode,
        holder::{Holder, Pass},
        keyring::{Keyring, Known},
        listing::{Change, Listing},
        recall::Recall,
    },
    facts::{foreign, own},
};

pub(crate) struct Roll {
    /// Makes the numbers of compounds.
    desk: Arc<Desk>,
    known: RwLock<Remembered>,
    /// The sequence of the list.
    changes: watch::Sender<u32>,
}

#[derive(Default)]
struct Remembered {
    holders: HashMap<Arc<str>, Arc<Holder>>,
    /// Whom a status index was given to.
    by_index: HashMap<u32, Arc<str>>,
    compounds: HashMap<String, Compound>,
    keyring: Arc<Keyring>,
    /// The last hour in which a pass of the key is valid.
    needed_until: HashMap<u8, Hour>,
    recalls: HashMap<String, Recall>,
    codes: HashMap<String, CompoundCode>,
    retired_devices: HashSet<String>,
    listing: Listing,
}

#[derive(Default)]
struct Compound {
    neighbourhood_id: String,
    management_group: String,
    gates: Vec<String>,
}

/// A gate, and whom it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) neighbourhood_id: String,
    pub(crate) compound_id: String,
    pub(crate) management_group: String,
}

/// The newest list, the one that somebody holds where it can still be had, and the key that signs.
pub(crate) struct Since {
    pub(crate) newest: SuspensionList,
    pub(crate) held: Option<SuspensionList>,
    pub(crate) signer: Known,
}

impl Roll {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, known: RwLock::default(), changes: watch::Sender::new(0) }
    }

    /// Shows each new sequence of the list.
    pub(crate) fn watch(&self) -> watch::Receiver<u32> {
        self.changes.subscribe()
    }

    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.read().keyring)
    }

    /// The last hour in which a pass of this key is valid.
    pub(crate) fn needed_until(&self, key: u8) -> Option<Hour> {
        self.read().needed_until.get(&key).copied()
    }

    /// As of when the list is.
    pub(crate) fn made(&self) -> Second {
        self.read().listing.made()
    }

    pub(crate) fn sequence(&self) -> u32 {
        self.read().listing.sequence()
    }

    /// What leads from an older list to the newest; `None` while no key signs lists.
    pub(crate) fn since(&self, sequence: u32) -> Option<Since> {
        let known = self.read();
        let newest = known.listing.list().ok()?;
        let signer = known.keyring.signing(keys::Scope::Lists, newest.made().hour())?.clone();
        let held = if sequence == 0 { None } else { known.listing.list_at(sequence) };
        Some(Since { newest, held, signer })
    }

    /// The resident whose pass has this number; `None` when it is none of ours. The index alone finds nobody.
    pub(crate) fn holder_of(&self, number: PassNumber) -> Option<(Arc<str>, Arc<Holder>)> {
        let known = self.read();
        let resident = known.by_index.get(&number.index())?;
        let holder = known.holders.get(resident)?;
        holder.find_pass(&number.to_string())?;
        Some((Arc::clone(resident), Arc::clone(holder)))
    }

    /// Whether this pass was recalled: with all that its key has signed since, or that its compound was issued before.
    pub(crate) fn recalled(&self, pass: &Pass) -> bool {
        let known = self.read();
        let by_key =
            Hour::of_unix(pass.issued.timestamp()).is_some_and(|hour| known.keyring.recalled(pass.key_id, hour));
        by_key || known.recall_before(&pass.residence.compound_id).is_some_and(|before| pass.issued < before)
    }

    /// Whether this pass is recalled, or may have been before a recall was lifted.
    pub(crate) fn was_ever_recalled(&self, pass: &Pass) -> bool {
        self.recalled(pass) || self.read().recalls.contains_key(&pass.residence.compound_id)
    }

    /// The pass of a resident that counts, if it was recalled.
    pub(crate) fn is_recalled(&self, resident: &str) -> bool {
        let holder = self.read().holders.get(resident).cloned();
        holder.is_some_and(|holder| holder.pass().is_some_and(|pass| self.recalled(pass)))
    }

    pub(crate) fn device_is_retired(&self, device: &str) -> bool {
        self.read().retired_devices.contains(device)
    }

    /// The neighbourhood of a compound.
    pub(crate) fn neighbourhood(&self, compound: &str) -> Option<String> {
        self.read().compounds.get(compound).map(|compound| compound.neighbourhood_id.clone())
    }

    /// Compounds with a recall in force, within reach.
    pub(crate) fn recalls(&self, scope: &Scope) -> Vec<(String, Recall)> {
        let known = self.read();
        let reach = |id: &str| known.compounds.get(id).is_some_and(|compound| scope.allows(&compound.neighbourhood_id));
        let in_force = known.recalls.iter().filter(|(id, recall)| recall.before().is_some() && reach(id));
        let mut found: Vec<_> = in_force.map(|(id, recall)| (id.clone(), recall.clone())).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }

    /// A gate within reach; a guard reaches one. `None` for one that is not there and for one out of reach alike.
    pub(crate) fn gate(&self, scope: &Scope, compound: &str, gate: &str) -> Option<Gate> {
        if let Scope::Gate { compound: own_compound, gate: own_gate, .. } = scope
            && (own_compound != compound || own_gate != gate)
        {
            return None;
        }
        let known = self.read();
        let found = known.compounds.get(compound)?;
        let there = scope.allows(&found.neighbourhood_id) && found.gates.iter().any(|known| known == gate);
        there.then(|| Gate {
            neighbourhood_id: found.neighbourhood_id.clone(),
            compound_id: compound.to_owned(),
            management_group: found.management_group.clone(),
        })
    }

    /// Whether the people of a compound use this gate: compounds under one management share theirs.
    pub(crate) fn serves(&self, gate: &Gate, compound: &str) -> bool {
        if gate.compound_id == compound || gate.management_group.is_empty() {
            return gate.compound_id == compound;
        }
        self.read().compounds.get(compound).is_some_and(|other| {
            other.management_group == gate.management_group && other.neighbourhood_id == gate.neighbourhood_id
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Remembered> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Remembered> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory for Roll {
    fn sources(&self) -> &'static [&'static str] {
        &["pass", "registry"]
    }

    fn take(&self, record: &Arc<Record>) -> anyhow::Result<()> {
        let changes = if let Some(event) = foreign::<compound_event::Event>(record)? {
            self.write().of_compound(&record.stream_id, event);
            None
        } else if let Some(event) = own::<holder_event::Event>(record)? {
            self.write().of_holder(&record.stream_id, &event)
        } else if let Some(event) = own::<keyring_event::Event>(record)? {
            Arc::make_mut(&mut self.write().keyring).evolve(&event);
            Some(Vec::new())
        } else if let Some(event) = own::<recall_event::Event>(record)? {
            let line = self.write().of_recall(&record.stream_id, &event);
            let before = line.and_then(|before| Hour::of_unix(before.timestamp()));
            let derived = self.desk.compound(&record.stream_id);
            let known = self.read().codes.get(&record.stream_id).copied().unwrap_or_default();
            Some(known.all(derived).into_iter().map(|compound| Change::Line { compound, before }).collect())
        } else if let Some(event) = own::<compound_code_event::Event>(record)? {
            self.write().codes.entry(record.stream_id.clone()).or_default().evolve(&event);
            None
        } else if let Some(event) = own::<device_event::Event>(record)? {
            if let device_event::Event::Retired(_) = event {
                self.write().retired_devices.insert(record.stream_id.clone());
            }
            None
        } else {
            own::<suspension_list_event::Event>(record)?.map(|_| Vec::new())
        };
        if let Some(changes) = changes {
            let happened = record.occurred_at.as_ref().and_then(instant).unwrap_or_default();
            let mut known = self.write();
            known.listing.take(record.position, happened, &changes);
            let sequence = known.listing.sequence();
            drop(known);
            self.changes.send_replace(sequence);
        }
        Ok(())
    }

    fn forget(&self) {
        *self.write() = Remembered::default();
    }
}

impl Remembered {
    fn recall_before(&self, compound: &str) -> Option<DateTime<Utc>> {
        self.recalls.get(compound)?.before()
    }

    fn of_compound(&mut self, id: &str, event: compound_event::Event) {
        match event {
            compound_event::Event::Opened(opened) => {
                let compound = self.compounds.entry(id.to_owned()).or_default();
                compound.neighbourhood_id = opened.neighbourhood_id;
                compound.management_group = opened.management_group;
            }
            compound_event::Event::GateAdded(added) => {
                self.compounds.entry(id.to_owned()).or_default().gates.push(added.gate_id);
            }
            compound_event::Event::RegimeSet(_)
            | compound_event::Event::BuildingAdded(_)
            | compound_event::Event::GridAssigned(_) => {}
        }
    }

    /// What it means for the list; `None`: nothing.
    fn of_holder(&mut self, resident: &str, event: &holder_event::Event) -> Option<Vec<Change>> {
        let resident: Arc<str> = Arc::from(resident);
        let holder = self.holders.entry(Arc::clone(&resident)).or_default();
        let changes = changes(holder, event);
        Arc::make_mut(holder).evolve(event);
        if let holder_event::Event::Issued(issued) = event
            && let Some(pass) = holder.pass()
        {
            let until = self.needed_until.entry(pass.key_id).or_insert(Hour(0));
            *until = (*until).max(expiry(pass));
            self.by_index.insert(issued.status_index, resident);
        }
        changes
    }

    fn of_recall(&mut self, compound: &str, event: &recall_event::Event) -> Option<DateTime<Utc>> {
        let recall = self.recalls.entry(compound.to_owned()).or_default();
        recall.evolve(event);
        recall.before()
    }
}

/// What a fact about a holder means for the list. A pass in whose place another one was issued counts no more.
fn changes(before: &Holder, event: &holder_event::Event) -> Option<Vec<Change>> {
    let listed = |number: &str, state| {
        let pass = before.find_pass(number)?;
        Some(vec![Change::Listed { index: index(number)?, state, expires: expiry(pass) }])
    };
    match event {
        holder_event::Event::Issued(issued) => {
            let mut changes = vec![Change::Issued { index: issued.status_index }];
            changes.extend(before.pass().and_then(|pass| listed(&pass.number, State::Revoked)).into_iter().flatten());
            Some(changes)
        }
        holder_event::Event::Suspended(suspended) => listed(&suspended.number, State::Suspended),
        holder_event::Event::Revoked(revoked) => listed(&revoked.number, State::Revoked),
        holder_event::Event::Reinstated(reinstated) => Some(vec![Change::Lifted { index: index(&reinstated.number)? }]),
        holder_event::Event::Qualified(_)
        | holder_event::Event::Barred(_)
        | holder_event::Event::BarLifted(_)
        | holder_event::Event::Joined(_)
        | holder_event::Event::Parted(_) => None,
    }
}

fn index(number: &str) -> Option<u32> {
    number.parse::<PassNumber>().ok().map(PassNumber::index)
}

/// The hour from which on it has expired.
fn expiry(pass: &Pass) -> Hour {
    Hour::of_unix(pass.expires.timestamp()).unwrap_or(Hour::NEVER)
}
