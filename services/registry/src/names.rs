//! Who is called what, in memory: a neighbourhood's names, unsealed when somebody first looks for one and dropped when nobody
//! has for ten minutes. No part of a name stands on a disk for this, not even blinded: the secret outlives an erasure, and
//! under it a dictionary would give blinded surnames and initials back.
//!
//! Invariants: an index has seen every change of a row up to `seen`, and a row without a person has no name in it. Whoever
//! fills an index holds its lock from reading a row to keeping its name, and `forget` comes after the key is destroyed and
//! takes the same lock: so no name that was read before an erasure is kept after it.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chassis::{Call, Vault, Views};
use proto::registry::v1::Person;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    projections::{Asked, Page, Within, residents},
    sounds::{Sought, Sounds},
};

/// Neighbourhoods in memory at once, some 6,000 residents each (DOMAIN section 6): a few megabytes for one.
const MOST: usize = 64;
const IDLE: Duration = Duration::from_mins(10);
/// Rows that are read and unsealed between two looks at the clock.
const STEP: i64 = 2_000;

#[derive(Default)]
pub(crate) struct Names {
    neighbourhoods: Mutex<HashMap<String, Slot>>,
}

#[derive(Clone)]
struct Slot {
    index: Arc<tokio::sync::Mutex<Index>>,
    used: Instant,
}

#[derive(Default)]
struct Index {
    /// The position of the last change of a row that is in it.
    seen: i64,
    /// In the order of the doors, as lists are.
    by_door: BTreeMap<String, Sounds>,
    doors: HashMap<String, String>,
}

impl Names {
    /// The ids of those whose name fits, in the order of their doors. The place names a neighbourhood, and maybe a compound in
    /// it.
    pub(crate) async fn find(
        &self,
        (views, vault): (&Views, &Vault),
        call: &Call,
        place: &Within,
        sought: &Sought,
        asked: &Asked,
    ) -> Result<Page<String>, Status> {
        // Waits until the rows are there that the caller has seen.
        drop(views.read(call).await?);
        let slot = self.slot(&place.neighbourhood);
        let mut index = slot.lock().await;
        while index.fill(views, vault, &place.neighbourhood).await? {}
        Ok(index.find(&place.compound, sought, asked))
    }

    /// At once, also where nobody looks for a name again.
    pub(crate) async fn forget(&self, resident: &str) {
        let slots: Vec<Slot> = self.lock().values().cloned().collect();
        for slot in slots {
            slot.index.lock().await.forget(resident);
        }
    }

    /// Drops what nobody uses, until the process ends.
    pub(crate) async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(Duration::from_mins(1))).await.is_some() {
            self.lock().retain(|_, slot| slot.used.elapsed() < IDLE);
        }
    }

    fn slot(&self, neighbourhood: &str) -> Arc<tokio::sync::Mutex<Index>> {
        let mut slots = self.lock();
        if !slots.contains_key(neighbourhood) && slots.len() >= MOST {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.used).map(|(name, _)| name.clone());
            slots.remove(&oldest.unwrap_or_default());
        }
        let slot = slots
            .entry(neighbourhood.to_owned())
            .or_insert_with(|| Slot { index: Arc::default(), used: Instant::now() });
        slot.used = Instant::now();
        Arc::clone(&slot.index)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.neighbourhoods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// Takes the next changes of rows; whether there may be more.
    async fn fill(&mut self, views: &Views, vault: &Vault, neighbourhood: &str) -> Result<bool, Status> {
        let rows = {
            let mut db = views.connection().await?;
            residents::changed(&mut db, neighbourhood, self.seen, STEP).await.map_err(crate::api::fault)?
        };
        vault.foresee(rows.iter().filter_map(|row| row.person.as_ref())).await?;
        let more = rows.len() == usize::try_from(STEP).unwrap_or(usize::MAX);
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            let person: Option<Person> = match &row.person {
                Some(sealed) => vault.reveal(sealed).await?,
                None => None,
            };
            read.push((row, person.map(|person| Sounds::of(&person.full_name))));
        }
        // Nothing waits from here on: a caller who goes away leaves the index as it was, or with all of them.
        for (row, sounds) in read {
            self.forget(&row.id);
            self.seen = self.seen.max(row.position);
            if let Some(sounds) = sounds {
                self.doors.insert(row.id, row.door.clone());
                self.by_door.insert(row.door, sounds);
            }
        }
        Ok(more)
    }

    fn find(&self, compound: &str, sought: &Sought, asked: &Asked) -> Page<String> {
        // A door begins with its compound and ends with the resident.
        let within = if compound.is_empty() { String::new() } else { format!("{compound}/") };
        let after = asked.after();
        let begin = if after < within.as_str() { Bound::Included(within.as_str()) } else { Bound::Excluded(after) };
        let fitting = self
            .by_door
            .range::<str, _>((begin, Bound::Unbounded))
            .take_while(|(door, _)| door.starts_with(&within))
            .filter(|(_, sounds)| sounds.fit(sought))
            .map(|(door, _)| (door.clone(), door.rsplit('/').next().unwrap_or_default().to_owned()));
        asked.page(fitting.take(asked.most() + 1).collect())
    }

    fn forget(&mut self, resident: &str) {
        if let Some(door) = self.doors.remove(resident) {
            self.by_door.remove(&door);
        }
    }
}
