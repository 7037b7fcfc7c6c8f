use super::{Delta, SuspensionList, Taken, delta};
use crate::{
    keys::KeySet,
    reason::Reason,
    text::{Prefix, unarmour},
};

/// What a gate is sent: a whole list or a change of it, over a line or from a QR code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    Snapshot(SuspensionList),
    Delta(Delta),
}

impl Update {
    /// Whichever of the two a key for lists signed.
    pub fn open(bytes: &[u8], keys: &KeySet) -> Result<Self, Reason> {
        // Only which of the two to try; each looks again at what was signed.
        match bytes.first() {
            Some(first) if first & 15 == delta::KIND => Delta::open(bytes, keys).map(Self::Delta),
            _ => SuspensionList::open(bytes, keys).map(Self::Snapshot),
        }
    }

    pub fn open_text(text: &str, keys: &KeySet) -> Result<Self, Reason> {
        Self::open(&unarmour(Prefix::List, text)?, keys)
    }

    /// Takes it into the list that is held. Who holds none begins with a snapshot.
    pub fn take_into(self, held: &mut Option<SuspensionList>) -> Result<Taken, Reason> {
        match (self, held) {
            (Self::Snapshot(list), Some(held)) => held.replace(list),
            (Self::Snapshot(list), none) => {
                *none = Some(list);
                Ok(Taken::Applied)
            }
            (Self::Delta(delta), Some(held)) => held.apply(&delta),
            (Self::Delta(_), None) => Err(Reason::SequenceGap),
        }
    }
}
