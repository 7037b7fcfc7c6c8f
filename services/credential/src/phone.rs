//! The code on a phone: a hash chain that the phone walks from its anchor towards its secret, a step each half minute. Who
//! has seen a value can reckon all earlier ones and no later one, so a picture of the screen is soon worth nothing, and a
//! gate needs no secret.

use sha2::{Digest as _, Sha256};

use crate::{
    number::PassNumber,
    reason::Reason,
    time::{Hour, Second},
};

/// Bytes of a value of the chain.
pub const VALUE: usize = 16;
/// Seconds.
pub const SLOT: u32 = 30;
/// Of a chain: a day. Slot 0 would show the anchor, which everybody knows.
pub const SLOTS: u16 = 2880;

/// What a phone code shows beside its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Signed.
    pub anchor: [u8; VALUE],
    pub value: [u8; VALUE],
    /// Slot 1 begins with the hour of issue.
    pub slot: u16,
}

/// The chain of one phone pass.
pub struct Chain {
    number: PassNumber,
    /// The value of the last slot.
    secret: [u8; VALUE],
}

/// How far the slot of a code may lie from the gate's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leeway {
    pub slots_behind: u16,
    pub slots_ahead: u16,
}

impl Default for Leeway {
    /// A minute each way: the time of scanning, and clocks that telephone networks set.
    fn default() -> Self {
        Self { slots_behind: 2, slots_ahead: 2 }
    }
}

impl Chain {
    pub fn new(number: PassNumber, secret: [u8; VALUE]) -> Self {
        Self { number, secret }
    }

    /// `None` unless the slot is 1 to 2,880.
    pub fn value(&self, slot: u16) -> Option<[u8; VALUE]> {
        (1..=SLOTS).contains(&slot).then(|| walk(self.number, self.secret, slot + 1..=SLOTS))
    }

    pub fn anchor(&self) -> [u8; VALUE] {
        walk(self.number, self.secret, 1..=SLOTS)
    }
}

impl Shown {
    /// Whether the slot is now's, and the value leads to the anchor: at most 2,880 hashes, and none for a slot of another
    /// time.
    pub fn check(&self, number: PassNumber, issued: Hour, now: Second, leeway: Leeway) -> Result<(), Reason> {
        if !(1..=SLOTS).contains(&self.slot) {
            return Err(Reason::SlotRange);
        }
        let current = slot_at(issued, now);
        let slot = i64::from(self.slot);
        if slot < current - i64::from(leeway.slots_behind) {
            return Err(Reason::SlotTooOld);
        }
        if slot > current + i64::from(leeway.slots_ahead) {
            return Err(Reason::SlotInFuture);
        }
        if walk(number, self.value, 1..=self.slot) == self.anchor { Ok(()) } else { Err(Reason::ChainBroken) }
    }
}

/// The slot that runs at this time: 1 in the first half minute after the start of the hour of issue, less before it.
pub fn slot_at(issued: Hour, now: Second) -> i64 {
    (i64::from(now.0) - i64::from(issued.start().0)).div_euclid(i64::from(SLOT)) + 1
}

/// From the value of the last of these slots to that of the one before the first.
fn walk(number: PassNumber, mut value: [u8; VALUE], slots: std::ops::RangeInclusive<u16>) -> [u8; VALUE] {
    // "MFc1", pass number, slot, value.
    let mut block = [0; 4 + 8 + 2 + VALUE];
    block[..4].copy_from_slice(b"MFc1");
    block[4..12].copy_from_slice(&number.to_bytes());
    for slot in slots.rev() {
        block[12..14].copy_from_slice(&slot.to_be_bytes());
        block[14..].copy_from_slice(&value);
        value.copy_from_slice(&Sha256::digest(block)[..VALUE]);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: Hour = Hour(1000);

    fn number() -> PassNumber {
        PassNumber::new(7, [1, 2, 3, 4, 5]).unwrap()
    }

    fn shown(slot: u16) -> Shown {
        let chain = Chain::new(number(), [9; VALUE]);
        Shown { anchor: chain.anchor(), value: chain.value(slot).unwrap(), slot }
    }

    fn at(slot: u16) -> Second {
        Second(ISSUED.start().0 + (u32::from(slot) - 1) * SLOT)
    }

    #[test]
    fn each_slot_leads_to_the_anchor_in_its_own_half_minute() {
        for slot in [1, 2, 100, SLOTS] {
            let check = |now| shown(slot).check(number(), ISSUED, now, Leeway { slots_behind: 0, slots_ahead: 0 });
            assert_eq!(check(at(slot)), Ok(()));
            assert_eq!(check(Second(at(slot).0 + SLOT - 1)), Ok(()));
            assert_eq!(check(Second(at(slot).0 + SLOT)), Err(Reason::SlotTooOld));
            assert_eq!(check(Second(at(slot).0 - 1)), Err(Reason::SlotInFuture));
        }
    }

    #[test]
    fn leeway_is_counted_in_slots() {
        let check = |now| shown(10).check(number(), ISSUED, now, Leeway::default());
        assert_eq!(check(at(12)), Ok(()));
        assert_eq!(check(at(13)), Err(Reason::SlotTooOld));
        assert_eq!(check(at(8)), Ok(()));
        assert_eq!(check(at(7)), Err(Reason::SlotInFuture));
    }

    #[test]
    fn what_was_seen_gives_the_past_and_never_the_future() {
        let seen = shown(50);
        let past = walk(number(), seen.value, 50..=50);
        assert_eq!(Some(past), Chain::new(number(), [9; VALUE]).value(49));
        let posed = Shown { slot: 51, ..seen };
        assert_eq!(posed.check(number(), ISSUED, at(51), Leeway::default()), Err(Reason::ChainBroken));
    }

    #[test]
    fn a_value_serves_one_pass() {
        let other = PassNumber::new(8, [1, 2, 3, 4, 5]).unwrap();
        assert_eq!(shown(50).check(other, ISSUED, at(50), Leeway::default()), Err(Reason::ChainBroken));
    }

    #[test]
    fn a_slot_beyond_the_day_is_not_hashed() {
        for slot in [0, SLOTS + 1, u16::MAX] {
            let posed = Shown { slot, ..shown(1) };
            assert_eq!(posed.check(number(), ISSUED, at(1), Leeway::default()), Err(Reason::SlotRange));
        }
        assert_eq!(Chain::new(number(), [9; VALUE]).value(0), None);
        assert_eq!(Chain::new(number(), [9; VALUE]).value(SLOTS + 1), None);
    }
}
