use super::{
    rice,
    snapshot::{DIGEST, MOST_LINES, State, SuspensionList, entry, opened, read_lines, sealed, write_lines},
};
use crate::{
    bytes::{Bytes, three},
    keys::KeySet,
    number::PassNumber,
    reason::Reason,
    signature::SigningKey,
    text::{Prefix, armour, unarmour},
    time::{Hour, Second},
};

/// The lower half of a change's first byte.
pub(super) const KIND: u8 = 9;

/// What became different between two numbers of the list. It names the new state of each pass, not the step to it, and the
/// digest of the list that comes of it, so that taking it in twice does nothing and taking it in wrongly is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    made: Second,
    from: u32,
    to: u32,
    /// Of the list that comes of it.
    digest: [u8; DIGEST],
    high_water: u32,
    /// Hour 0 takes the compound's line away.
    lines: Vec<(u16, Hour)>,
    lifted: Vec<u32>,
    suspended: Vec<u32>,
    revoked: Vec<u32>,
}

/// What became of a list or a change that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Applied,
    /// It was known; at most the list is younger now.
    Already,
}

impl Delta {
    /// From an older list to a newer one. Of a list to itself: that it is still the newest.
    pub fn between(old: &SuspensionList, new: &SuspensionList) -> Self {
        let mut lines: Vec<(u16, Hour)> = new.lines.iter().filter(|line| !old.lines.contains(line)).copied().collect();
        let gone = |(compound, _): &&(u16, Hour)| new.lines.iter().all(|line| line.0 != *compound);
        lines.extend(old.lines.iter().filter(gone).map(|(compound, _)| (*compound, Hour(0))));
        lines.sort_unstable();
        let changed = |of| {
            let now = new.listed().filter(move |(_, state)| *state == of);
            now.filter(|(index, _)| old.state(*index) != Some(of)).map(|(index, _)| index).collect()
        };
        Self {
            made: new.made,
            from: old.sequence,
            to: new.sequence,
            digest: new.digest(),
            high_water: new.high_water,
            lines,
            lifted: old.listed().map(|(index, _)| index).filter(|index| new.state(*index).is_none()).collect(),
            suspended: changed(State::Suspended),
            revoked: changed(State::Revoked),
        }
    }

    pub fn from(&self) -> u32 {
        self.from
    }

    pub fn to(&self) -> u32 {
        self.to
    }

    /// How many passes it is about.
    pub fn entries(&self) -> usize {
        self.lifted.len() + self.suspended.len() + self.revoked.len()
    }

    pub fn sign(&self, key_id: u8, key: &SigningKey) -> Vec<u8> {
        sealed(KIND, key_id, self.made, &self.content(), key)
    }

    /// The text of a QR code, by which a gate without a line gets it.
    pub fn text(&self, key_id: u8, key: &SigningKey) -> String {
        armour(Prefix::List, &self.sign(key_id, key))
    }

    /// A change that a key for lists signed.
    pub fn open(bytes: &[u8], keys: &KeySet) -> Result<Self, Reason> {
        let (made, content) = opened(KIND, bytes, keys)?;
        Self::read(made, content)
    }

    pub fn open_text(text: &str, keys: &KeySet) -> Result<Self, Reason> {
        Self::open(&unarmour(Prefix::List, text)?, keys)
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.from.to_be_bytes());
        bytes.extend(self.to.to_be_bytes());
        bytes.extend(self.digest);
        bytes.extend(three(self.high_water));
        write_lines(&mut bytes, &self.lines);
        for run in [&self.lifted, &self.suspended, &self.revoked] {
            rice::write(&mut bytes, run, self.high_water);
        }
        bytes
    }

    fn read(made: Second, content: &[u8]) -> Result<Self, Reason> {
        let mut bytes = Bytes(content);
        let (from, to, digest, high_water) = (bytes.u32()?, bytes.u32()?, bytes.array()?, bytes.u24()?);
        let lines = read_lines(&mut bytes)?;
        let [lifted, suspended, revoked] = [
            rice::read(&mut bytes, high_water)?,
            rice::read(&mut bytes, high_water)?,
            rice::read(&mut bytes, high_water)?,
        ];
        bytes.end()?;
        let delta = Self { made, from, to, digest, high_water, lines, lifted, suspended, revoked };
        delta.sound().then_some(delta).ok_or(Reason::Malformed)
    }

    /// Forwards, each compound and each pass named once.
    fn sound(&self) -> bool {
        let mut named = [&self.lifted[..], &self.suspended, &self.revoked].concat();
        named.sort_unstable();
        self.from <= self.to
            && self.lines.is_sorted_by(|a, b| a.0 < b.0)
            && named.is_sorted_by(|a, b| a < b)
            && self.high_water <= PassNumber::MAX_INDEX
    }
}

impl SuspensionList {
    /// Takes a change in. One that was taken before is harmless, one that begins beyond this list is refused, and so is one
    /// that does not come to the list which its maker had: then this list is as it was. One that begins before this list and
    /// leads beyond it is tried, and fits unless something has changed back in between.
    pub fn apply(&mut self, delta: &Delta) -> Result<Taken, Reason> {
        if delta.from > self.sequence {
            return Err(Reason::SequenceGap);
        }
        if delta.to < self.sequence {
            return Ok(Taken::Already);
        }
        if delta.to == self.sequence {
            return self.confirm(delta.made, delta.digest);
        }
        if delta.high_water < self.high_water {
            return Err(Reason::StepBack);
        }
        let next = self.with(delta);
        if !next.sound() || next.digest() != delta.digest {
            return Err(Reason::WrongBase);
        }
        *self = next;
        Ok(Taken::Applied)
    }

    fn with(&self, delta: &Delta) -> Self {
        let named = |run: &[u32], index: u32| run.binary_search(&index).is_ok();
        let stays = |entry: &u32| {
            ![&delta.lifted, &delta.suspended, &delta.revoked].into_iter().any(|run| named(run, entry >> 1))
        };
        let mut listed: Vec<u32> = self.listed.iter().copied().filter(stays).collect();
        listed.extend(delta.suspended.iter().map(|index| entry(*index, State::Suspended)));
        listed.extend(delta.revoked.iter().map(|index| entry(*index, State::Revoked)));
        listed.sort_unstable();
        let kept = |(compound, _): &(u16, Hour)| delta.lines.iter().all(|line| line.0 != *compound);
        let mut lines: Vec<(u16, Hour)> = self.lines.iter().copied().filter(kept).collect();
        lines.extend(delta.lines.iter().filter(|(_, before)| *before > Hour(0)));
        lines.sort_unstable();
        lines.truncate(MOST_LINES + 1);
        Self { made: self.made.max(delta.made), sequence: delta.to, high_water: delta.high_water, lines, listed }
    }
}
