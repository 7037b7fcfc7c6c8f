//! The keys of this installation: which sign passes and which lists, from when until when, and "nothing issued by key k after
//! T". A key is announced in the set a week before it signs; a set is the fold of this one stream, so that every replica has
//! the same one under the same number. Secrets derive from an installation's own one by the serial number of the key.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use chassis::{Aggregate, instant, timestamp};
use chrono::{DateTime, Utc};
use credential::{
    keys::{Key, KeySet, Scope, WEEK},
    signature::{Algorithm, PublicKey},
    time::{Hour, Second},
};
use proto::pass::v1::{
    key,
    keyring_event::{Announced, Event, RecallConfirmed, RecallDeclined, RecallProposed, Retired},
};

/// What stands in the way.
mod refused;

pub use refused::Refused;

/// The one stream.
pub const STREAM: &str = "keys";

// --- State ---

#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// In the order in which they were announced.
    keys: Vec<Known>,
    /// Keys announced so far, also those that have retired.
    announced: u32,
    /// The ids given last, of passes and of lists.
    last: [Option<u8>; 2],
    recalls: BTreeMap<u8, Recall>,
    /// Of the set: how often it has changed.
    number: u32,
    made: Second,
    set: Option<Arc<KeySet>>,
    /// The latest first.
    retired: VecDeque<Known>,
    /// With those that have retired.
    known: Option<Arc<KeySet>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub serial: u32,
    pub key: Key,
}

/// "Nothing issued by key k after T": said by one, confirmed by another.
#[derive(Clone, Debug, PartialEq)]
pub struct Recall {
    pub proposed: RecallProposed,
    pub confirmed: Option<RecallConfirmed>,
    pub declined: bool,
}

/// Who signs, and for which unit.
#[derive(Clone, Copy, Debug)]
pub struct Signatory<'a> {
    pub by: &'a str,
    pub unit: &'a str,
}

/// What a change of the keys needs to know.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    pub now: DateTime<Utc>,
    pub makes: &'a dyn Makes,
}

/// What the keyring does not know by itself.
pub trait Makes: Sync {
    /// The public key that derives from the secret under this serial number.
    fn public(&self, scope: Scope, serial: u32) -> PublicKey;
    /// The last hour in which a pass of the key is valid; `None` where it has signed none.
    fn needed_until(&self, key: u8) -> Option<Hour>;
}

impl Keyring {
    /// What gates are given; `None` before the first key.
    pub fn set(&self) -> Option<&Arc<KeySet>> {
        self.set.as_ref()
    }

    /// The key that signs now, with its serial number.
    pub fn signing(&self, scope: Scope, now: Hour) -> Option<&Known> {
        let id = self.set.as_ref()?.signing(scope, now)?.id;
        self.find(id)
    }

    /// With the keys that have retired: whose pass ran out long ago is told so, and is not taken for a forger.
    pub fn known(&self) -> Option<&Arc<KeySet>> {
        self.known.as_ref()
    }

    /// The key with which a pass was issued in this hour, also one that has retired since.
    pub fn signed(&self, id: u8, issued: Hour) -> Option<&Known> {
        let signed = |known: &&Known| known.key.id == id && (known.key.from..known.key.until).contains(&issued);
        self.keys.iter().chain(&self.retired).find(signed)
    }

    /// The key of an id in the set.
    pub fn find(&self, id: u8) -> Option<&Known> {
        self.keys.iter().find(|known| known.key.id == id)
    }

    pub fn recalls(&self) -> impl Iterator<Item = (u8, &Recall)> {
        self.recalls.iter().map(|(id, recall)| (*id, recall))
    }

    pub fn recall(&self, id: u8) -> Option<&Recall> {
        self.recalls.get(&id)
    }

    /// Whether what the key signed in this hour was recalled.
    pub fn recalled(&self, id: u8, issued: Hour) -> bool {
        self.find(id).is_some_and(|known| known.key.compromised != Hour::NEVER && issued >= known.key.compromised)
    }
}

// --- Decisions ---

/// Keys change in the night from Sunday to Monday, Ningbo's time. Hours since 2020-01-01 00:00 UTC.
const FIRST_CHANGE: u16 = 4 * 24 + 16;
/// Ids of issuing keys go round; those of lists stand apart, so that a person sees which is which.
const PASS_IDS: std::ops::RangeInclusive<u8> = 1..=199;
const LIST_IDS: std::ops::RangeInclusive<u8> = 200..=254;
/// Hours for which a key stays in the set after the end of what it signed: a gate's clock may be a day behind.
pub const MARGIN: u16 = 48;

type Events = Vec<Event>;

impl Keyring {
    /// What is due by the clock: a key for now and the next week's announced, and one for lists; keys retired that nothing
    /// valid needs. Decided again on its outcome it is nothing.
    pub fn turn(&self, making: Making<'_>) -> Events {
        let Some(now) = Hour::of_unix(making.now.timestamp()) else { return Vec::new() };
        let mut turn = Turn { after: self.clone(), events: Vec::new(), making };
        turn.retire(now);
        let first = |scope| !self.keys.iter().any(|known| known.key.scope == scope);
        if turn.after.signing(Scope::Passes, now).is_none() {
            // The first one also signs for what is dated before it: it is the one that signed before keys changed.
            let from = if first(Scope::Passes) && self.announced == 0 { Hour(0) } else { now };
            turn.announce(Scope::Passes, from, end_of_week(now));
        }
        let next = end_of_week(now);
        if next < Hour::NEVER && turn.after.signing(Scope::Passes, next).is_none() {
            turn.announce(Scope::Passes, next, end_of_week(next));
        }
        if turn.after.signing(Scope::Lists, now).is_none() {
            let from = if first(Scope::Lists) { Hour(0) } else { now };
            turn.announce(Scope::Lists, from, Hour::NEVER);
        }
        turn.events
    }

    /// The first signature. One that was declined may be proposed again, and one in force from an earlier hour.
    pub fn propose(&self, proposed: RecallProposed) -> Result<Events, Refused> {
        let id = u8::try_from(proposed.key_id).map_err(|_| Refused::NotFound)?;
        let known = self.find(id).ok_or(Refused::NotFound)?;
        let from = hour_of(proposed.signed_from.as_ref()).ok_or(Refused::NotFound)?;
        match self.recalls.get(&id) {
            Some(recall) if recall.open() && recall.proposed == proposed => return Ok(Vec::new()),
            Some(recall) if recall.open() => return Err(Refused::AlreadyProposed),
            Some(_) | None => {}
        }
        if known.key.compromised <= from && known.key.compromised != Hour::NEVER {
            return Err(Refused::AlreadyRecalled);
        }
        Ok(vec![Event::RecallProposed(proposed)])
    }

    /// The second signature, of another person of another unit (R23). Another key signs from this hour on.
    pub fn confirm(&self, id: u8, signatory: Signatory<'_>, making: Making<'_>) -> Result<Events, Refused> {
        let recall = self.recalls.get(&id).ok_or(Refused::NotFound)?;
        if let Some(confirmed) = &recall.confirmed {
            return if confirmed.by == signatory.by { Ok(Vec::new()) } else { Err(Refused::NotProposed) };
        }
        if recall.declined {
            return Err(Refused::NotProposed);
        }
        if recall.proposed.by == signatory.by {
            return Err(Refused::SamePerson);
        }
        if recall.proposed.unit == signatory.unit {
            return Err(Refused::SameUnit);
        }
        let confirmed = Event::RecallConfirmed(RecallConfirmed {
            key_id: id.into(),
            signed_from: recall.proposed.signed_from,
            by: signatory.by.to_owned(),
            unit: signatory.unit.to_owned(),
            made: Some(timestamp(making.now)),
        });
        let mut after = self.clone();
        after.evolve(&confirmed);
        let mut events = vec![confirmed];
        events.extend(after.turn(making));
        Ok(events)
    }

    /// By whoever may confirm it, also by who proposed it.
    pub fn decline(&self, id: u8, signatory: Signatory<'_>) -> Result<Events, Refused> {
        let recall = self.recalls.get(&id).ok_or(Refused::NotFound)?;
        match (recall.declined, &recall.confirmed) {
            (true, _) => Ok(Vec::new()),
            (false, Some(_)) => Err(Refused::NotProposed),
            (false, None) => Ok(vec![Event::RecallDeclined(RecallDeclined {
                key_id: id.into(),
                by: signatory.by.to_owned(),
                unit: signatory.unit.to_owned(),
            })]),
        }
    }

    /// The next id of its range that no key of the set has.
    fn free_id(&self, scope: Scope) -> u8 {
        let range = if scope == Scope::Passes { PASS_IDS } else { LIST_IDS };
        let last = self.last[usize::from(scope == Scope::Lists)];
        let begin = last.map_or(*range.start(), |last| if last < *range.end() { last + 1 } else { *range.start() });
        let around = (begin..=*range.end()).chain(*range.start()..begin);
        around.into_iter().find(|id| self.find(*id).is_none()).unwrap_or(begin)
    }
}

/// Several changes, each decided on the outcome of the one before.
struct Turn<'a> {
    after: Keyring,
    events: Events,
    making: Making<'a>,
}

impl Turn<'_> {
    fn retire(&mut self, now: Hour) {
        let over = |hour: Hour| Hour(hour.0.saturating_add(MARGIN)) <= now;
        let (makes, passes) = (self.making.makes, Scope::Passes);
        let issuing = self.after.keys.iter().filter(|known| known.key.scope == passes && over(known.key.until));
        let done = issuing.filter(|known| makes.needed_until(known.key.id).is_none_or(over)).map(|known| known.key.id);
        for id in done.collect::<Vec<_>>() {
            self.happen(Event::Retired(Retired { key_id: id.into(), made: Some(timestamp(self.making.now)) }));
        }
    }

    fn announce(&mut self, scope: Scope, from: Hour, until: Hour) {
        // A set holds 32: where passes live for half a year the oldest are renewed.
        while self.after.keys.len() >= credential::keys::MOST {
            let issuing = self.after.keys.iter().find(|known| known.key.scope == Scope::Passes);
            let Some(oldest) = issuing.map(|known| known.key.id) else { break };
            self.happen(Event::Retired(Retired { key_id: oldest.into(), made: Some(timestamp(self.making.now)) }));
        }
        let serial = self.after.announced;
        let scope_name = if scope == Scope::Passes { key::Scope::Passes } else { key::Scope::Lists };
        self.happen(Event::Announced(Announced {
            serial,
            key_id: self.after.free_id(scope).into(),
            scope: scope_name.into(),
            public_key: self.making.makes.public(scope, serial).to_bytes(),
            from: Some(time_of(from)),
            until: (until != Hour::NEVER).then(|| time_of(until)),
            made: Some(timestamp(self.making.now)),
        }));
    }

    fn happen(&mut self, event: Event) {
        self.after.evolve(&event);
        self.events.push(event);
    }
}

impl Recall {
    /// Waits for its second signature.
    pub fn open(&self) -> bool {
        self.confirmed.is_none() && !self.declined
    }
}

/// The hour in which the keys change next.
fn end_of_week(now: Hour) -> Hour {
    let weeks = now.0.checked_sub(FIRST_CHANGE).map_or(0, |hours| hours / WEEK + 1);
    Hour(weeks.checked_mul(WEEK).and_then(|hours| hours.checked_add(FIRST_CHANGE)).unwrap_or(u16::MAX))
}

pub fn time_of(hour: Hour) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: hour.start().unix(), nanos: 0 }
}

fn hour_of(time: Option<&prost_types::Timestamp>) -> Option<Hour> {
    Hour::of_unix(time?.seconds)
}

// --- Evolve ---

impl Aggregate for Keyring {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        let made = match event {
            Event::Announced(announced) => {
                self.announced = announced.serial + 1;
                if let Some(known) = known(announced) {
                    self.last[usize::from(known.key.scope == Scope::Lists)] = Some(known.key.id);
                    self.keys.push(known);
                }
                announced.made
            }
            Event::Retired(retired) => {
                let (gone, kept) = std::mem::take(&mut self.keys)
                    .into_iter()
                    .partition::<Vec<_>, _>(|known| u32::from(known.key.id) == retired.key_id);
                self.keys = kept;
                for known in gone {
                    self.retired.push_front(known);
                }
                self.recalls.retain(|id, _| u32::from(*id) != retired.key_id);
                retired.made
            }
            Event::RecallConfirmed(confirmed) => {
                let from = hour_of(confirmed.signed_from.as_ref()).unwrap_or(Hour(0));
                for known in self.keys.iter_mut().filter(|known| u32::from(known.key.id) == confirmed.key_id) {
                    known.key.compromised = known.key.compromised.min(from);
                }
                if let Some(recall) = u8::try_from(confirmed.key_id).ok().and_then(|id| self.recalls.get_mut(&id)) {
                    recall.confirmed = Some(confirmed.clone());
                }
                confirmed.made
            }
            Event::RecallProposed(proposed) => {
                let recall = Recall { proposed: proposed.clone(), confirmed: None, declined: false };
                self.recalls.extend(u8::try_from(proposed.key_id).ok().map(|id| (id, recall)));
                return;
            }
            Event::RecallDeclined(declined) => {
                if let Some(recall) = u8::try_from(declined.key_id).ok().and_then(|id| self.recalls.get_mut(&id)) {
                    recall.declined = true;
                }
                return;
            }
        };
        let made = made.as_ref().and_then(instant).and_then(|made| Second::of_unix(made.timestamp()));
        self.made = self.made.max(made.unwrap_or_default());
        self.number += 1;
        self.set = self.set_of(self.keys.iter());
        let mut ids = BTreeSet::new();
        let latest = self.keys.iter().chain(&self.retired).filter(|known| ids.insert(known.key.id));
        let latest: Vec<&Known> = latest.take(credential::keys::MOST).collect();
        self.known = self.set_of(latest.into_iter());
    }
}

impl Keyring {
    fn set_of<'a>(&self, keys: impl Iterator<Item = &'a Known>) -> Option<Arc<KeySet>> {
        let keys = keys.map(|known| known.key.clone()).collect();
        KeySet::new(self.number, self.made, keys).ok().map(Arc::new)
    }
}

/// `None` for bytes that are no key: nothing signed with it is believed.
fn known(announced: &Announced) -> Option<Known> {
    let public = PublicKey::from_bytes(Algorithm::Ed25519, &announced.public_key).ok()?;
    let scope = if announced.scope() == key::Scope::Lists { Scope::Lists } else { Scope::Passes };
    let key = Key {
        id: u8::try_from(announced.key_id).ok()?,
        scope,
        from: hour_of(announced.from.as_ref())?,
        until: hour_of(announced.until.as_ref()).unwrap_or(Hour::NEVER),
        compromised: Hour::NEVER,
        public,
    };
    Some(Known { serial: announced.serial, key })
}

#[cfg(test)]
mod tests;
