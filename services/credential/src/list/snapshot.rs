use sha2::{Digest as _, Sha256};

use super::{delta::Taken, rice};
use crate::{
    bytes::{Bytes, three},
    keys::{KeySet, Scope},
    payload::{Payload, VERSION},
    reason::Reason,
    signature::{self, SigningKey},
    text::{Prefix, armour, unarmour},
    time::{Hour, Second},
};

/// The lower half of a snapshot's first byte.
const KIND: u8 = 8;
/// Of the digest by which a change knows the list that it leads to.
pub const DIGEST: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// May be lifted.
    Suspended,
    /// For good.
    Revoked,
}

/// Who is suspended, as of a number and a time. What is not on it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspensionList {
    pub(super) made: Second,
    pub(super) sequence: u32,
    /// The highest status index that had been given.
    pub(super) high_water: u32,
    /// Passes of this compound issued before this hour do not count; by compound.
    pub(super) lines: Vec<(u16, Hour)>,
    /// Ascending: the status index in the upper 31 bits, 1 in the last one for revoked.
    pub(super) listed: Vec<u32>,
}

/// What whoever makes a list knows.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub sequence: u32,
    pub made: Second,
    pub high_water: u32,
    pub lines: Vec<(u16, Hour)>,
    pub listed: Vec<(u32, State)>,
}

/// How old a list is: part of every verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// Below zero when the list was made later than the gate's clock shows.
    pub seconds: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Up to an hour.
    Green,
    /// Up to twelve hours, or from a time to come, which says that a clock is wrong.
    Amber,
    /// Older: what then is the method's to say.
    Stale,
}

impl Age {
    pub fn colour(self) -> Colour {
        match self.seconds {
            -600..=3_600 => Colour::Green,
            ..=43_200 => Colour::Amber,
            _ => Colour::Stale,
        }
    }
}

impl SuspensionList {
    /// Refuses an index above the high-water mark or given twice, a compound given twice, and a line that says nothing.
    pub fn new(contents: Contents) -> Result<Self, Reason> {
        let Contents { sequence, made, high_water, mut lines, listed } = contents;
        lines.sort_unstable();
        let mut listed: Vec<u32> = listed.into_iter().map(|(index, state)| entry(index, state)).collect();
        listed.sort_unstable();
        let list = Self { made, sequence, high_water, lines, listed };
        list.sound().then_some(list).ok_or(Reason::Malformed)
    }

    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    pub fn made(&self) -> Second {
        self.made
    }

    pub fn high_water(&self) -> u32 {
        self.high_water
    }

    pub fn lines(&self) -> &[(u16, Hour)] {
        &self.lines
    }

    /// In order of index.
    pub fn listed(&self) -> impl Iterator<Item = (u32, State)> {
        self.listed.iter().map(|entry| (entry >> 1, state(*entry)))
    }

    pub fn age(&self, now: Second) -> Age {
        Age { seconds: i64::from(now.0) - i64::from(self.made.0) }
    }

    /// What the list says of a status index.
    pub fn state(&self, index: u32) -> Option<State> {
        let at = self.listed.partition_point(|entry| entry >> 1 < index);
        self.listed.get(at).filter(|entry| *entry >> 1 == index).map(|entry| state(*entry))
    }

    /// Whether a pass is good as far as the list knows.
    pub fn check(&self, pass: &Payload) -> Result<(), Reason> {
        match self.state(pass.number.index()) {
            Some(State::Revoked) => return Err(Reason::Revoked),
            Some(State::Suspended) => return Err(Reason::Suspended),
            None => {}
        }
        let line = self.lines.binary_search_by_key(&pass.compound, |(compound, _)| *compound);
        if line.is_ok_and(|at| pass.issued < self.lines[at].1) {
            return Err(Reason::CompoundBefore);
        }
        // Only the hour of issue is known: the pass is surely older than the list when that hour had ended.
        if pass.number.index() > self.high_water && pass.issued.end() <= self.made {
            return Err(Reason::AboveHighWater);
        }
        Ok(())
    }

    /// The bytes of the snapshot.
    pub fn sign(&self, key_id: u8, key: &SigningKey) -> Vec<u8> {
        sealed(KIND, key_id, self.made, &self.content(), key)
    }

    /// The same as the text of a QR code, where it is short enough for one.
    pub fn text(&self, key_id: u8, key: &SigningKey) -> String {
        armour(Prefix::List, &self.sign(key_id, key))
    }

    /// A snapshot that a key for lists signed.
    pub fn open(bytes: &[u8], keys: &KeySet) -> Result<Self, Reason> {
        let (made, content) = opened(KIND, bytes, keys)?;
        Self::read(made, content)
    }

    pub fn open_text(text: &str, keys: &KeySet) -> Result<Self, Reason> {
        Self::open(&unarmour(Prefix::List, text)?, keys)
    }

    /// Takes another snapshot in place of this one; never an older one. The same one again is harmless.
    pub fn replace(&mut self, newer: Self) -> Result<Taken, Reason> {
        if newer.sequence < self.sequence {
            return Err(Reason::StepBack);
        }
        if newer.sequence == self.sequence {
            return self.confirm(newer.made, newer.digest());
        }
        if newer.high_water < self.high_water {
            return Err(Reason::StepBack);
        }
        *self = newer;
        Ok(Taken::Applied)
    }

    /// Somebody says that at this time this list was still the newest.
    pub(super) fn confirm(&mut self, made: Second, digest: [u8; DIGEST]) -> Result<Taken, Reason> {
        if digest != self.digest() {
            return Err(Reason::WrongBase);
        }
        self.made = self.made.max(made);
        Ok(Taken::Already)
    }

    /// Of everything but the time: lists that say the same have the same.
    pub fn digest(&self) -> [u8; DIGEST] {
        let digest = Sha256::digest(self.content());
        std::array::from_fn(|at| digest[at])
    }

    pub(super) fn sound(&self) -> bool {
        self.lines.is_sorted_by(|a, b| a.0 < b.0)
            && self.lines.len() <= MOST_LINES
            && self.lines.iter().all(|(_, before)| *before > Hour(0))
            && self.listed.is_sorted_by(|a, b| a >> 1 < b >> 1)
            && self.listed.last().is_none_or(|entry| entry >> 1 <= self.high_water)
            && self.high_water <= crate::number::PassNumber::MAX_INDEX
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.lines.len() * 4 + self.listed.len() * 2);
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(three(self.high_water));
        write_lines(&mut bytes, &self.lines);
        for of in [State::Suspended, State::Revoked] {
            let run: Vec<u32> = self.listed().filter(|(_, state)| *state == of).map(|(index, _)| index).collect();
            rice::write(&mut bytes, &run, self.high_water);
        }
        bytes
    }

    fn read(made: Second, content: &[u8]) -> Result<Self, Reason> {
        let mut bytes = Bytes(content);
        let (sequence, high_water) = (bytes.u32()?, bytes.u24()?);
        let lines = read_lines(&mut bytes)?;
        let suspended = rice::read(&mut bytes, high_water)?;
        let revoked = rice::read(&mut bytes, high_water)?;
        bytes.end()?;
        let mut listed = Vec::with_capacity(suspended.len() + revoked.len());
        listed.extend(suspended.into_iter().map(|index| entry(index, State::Suspended)));
        listed.extend(revoked.into_iter().map(|index| entry(index, State::Revoked)));
        listed.sort_unstable();
        let list = Self { made, sequence, high_water, lines, listed };
        list.sound().then_some(list).ok_or(Reason::Malformed)
    }
}

/// Their number takes a byte.
pub(super) const MOST_LINES: usize = 255;

pub(super) fn entry(index: u32, state: State) -> u32 {
    index << 1 | u32::from(state == State::Revoked)
}

fn state(entry: u32) -> State {
    if entry & 1 == 1 { State::Revoked } else { State::Suspended }
}

pub(super) fn write_lines(bytes: &mut Vec<u8>, lines: &[(u16, Hour)]) {
    bytes.push(u8::try_from(lines.len()).expect("at most 255 lines"));
    for (compound, before) in lines {
        bytes.extend(compound.to_be_bytes());
        bytes.extend(before.0.to_be_bytes());
    }
}

pub(super) fn read_lines(bytes: &mut Bytes<'_>) -> Result<Vec<(u16, Hour)>, Reason> {
    let mut lines = Vec::new();
    for _ in 0..bytes.u8()? {
        lines.push((bytes.u16()?, Hour(bytes.u16()?)));
    }
    Ok(lines)
}

/// What every signed list begins and ends with.
pub(super) fn sealed(kind: u8, key_id: u8, made: Second, content: &[u8], key: &SigningKey) -> Vec<u8> {
    let mut bytes = vec![VERSION << 4 | kind, key_id];
    bytes.extend(made.0.to_be_bytes());
    bytes.extend_from_slice(content);
    let signature = key.sign(&bytes);
    bytes.extend_from_slice(&signature);
    bytes
}

/// The time and the content, once the signature has been verified.
pub(super) fn opened<'a>(kind: u8, bytes: &'a [u8], keys: &KeySet) -> Result<(Second, &'a [u8]), Reason> {
    let (signed, signature) = bytes.split_last_chunk::<{ signature::LENGTH }>().ok_or(Reason::WrongLength)?;
    let mut rest = Bytes(signed);
    let [first, key_id] = rest.array()?;
    let made = Second(rest.u32()?);
    let key = keys.find(key_id, Scope::Lists)?;
    key.public.verify(signed, signature)?;
    if first >> 4 != VERSION {
        return Err(Reason::UnknownVersion);
    }
    if first & 15 != kind {
        return Err(Reason::UnknownKind);
    }
    key.counts(made.hour())?;
    Ok((made, rest.0))
}
