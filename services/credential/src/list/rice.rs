//! Ascending indices as their distances, each in a few bits (Rice coding). Nothing but the indices' own range says how: the
//! same indices have exactly one form, and a form of n bytes holds no more than 8 n of them.

use crate::{
    bytes::{Bytes, three},
    reason::Reason,
};

/// Appends a run: how many (3 bytes), then for each index the distance from the one before it less one, `q` ones and a zero
/// for its upper bits, and `k` lower bits; at the end zeros up to a whole byte. The indices ascend and lie in `0..=highest`.
pub fn write(out: &mut Vec<u8>, indices: &[u32], highest: u32) {
    let count = u32::try_from(indices.len()).expect("an index has 24 bits");
    out.extend(three(count));
    let lower = lower_bits(count, highest);
    let mut bits = Writer { out, room: 0 };
    let mut next = 0;
    for index in indices {
        let distance = index - next;
        for _ in 0..distance >> lower {
            bits.push(1);
        }
        bits.push(0);
        for place in (0..lower).rev() {
            bits.push(distance >> place & 1);
        }
        next = index + 1;
    }
}

/// Takes a run off the front.
pub(crate) fn read(bytes: &mut Bytes<'_>, highest: u32) -> Result<Vec<u32>, Reason> {
    let count = bytes.u24()?;
    let lower = lower_bits(count, highest);
    // Each index takes at least so much: a count that promises more than there is buys no memory.
    let least = (u64::from(count) * u64::from(lower + 1)).div_ceil(8);
    if usize::try_from(least).map_or(true, |least| least > bytes.0.len()) {
        return Err(Reason::WrongLength);
    }
    let mut bits = Reader { bytes: bytes.0, at: 0 };
    let mut indices = Vec::with_capacity(count as usize);
    let mut next = 0;
    for _ in 0..count {
        let mut distance = 0;
        while bits.next()? == 1 {
            distance += 1 << lower;
            if distance > highest {
                return Err(Reason::Malformed);
            }
        }
        let mut rest = 0;
        for _ in 0..lower {
            rest = rest << 1 | bits.next()?;
        }
        let index = next + distance + rest;
        if index > highest {
            return Err(Reason::Malformed);
        }
        indices.push(index);
        next = index + 1;
    }
    let used = bits.at.div_ceil(8);
    while bits.at < used * 8 {
        if bits.next()? == 1 {
            return Err(Reason::NotCanonical);
        }
    }
    bytes.take(used)?;
    Ok(indices)
}

/// As many as the mean distance has, rounded down: within a few hundredths of the best.
fn lower_bits(count: u32, highest: u32) -> u32 {
    ((highest + 1) / count.max(1)).max(1).ilog2()
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Bits that are free in the last byte.
    room: u32,
}

impl Writer<'_> {
    fn push(&mut self, bit: u32) {
        if self.room == 0 {
            self.out.push(0);
            self.room = 8;
        }
        self.room -= 1;
        if let Some(last) = self.out.last_mut().filter(|_| bit == 1) {
            *last |= 1 << self.room;
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<u32, Reason> {
        let byte = self.bytes.get(self.at / 8).ok_or(Reason::WrongLength)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(u32::from(bit))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::number::PassNumber;

    fn written(indices: &[u32], highest: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, indices, highest);
        out
    }

    #[test]
    fn an_example_that_can_be_done_by_hand() {
        // Mean distance 10 / 3, so one lower bit. Distances 0, 3 and 2: 00, 101, 100.
        assert_eq!(written(&[0, 4, 7], 9), [0, 0, 3, 0b0010_1100]);
        assert_eq!(written(&[], 9), [0, 0, 0]);
    }

    #[test]
    fn a_count_buys_no_memory() {
        let mut bytes = Bytes(&[0xFF, 0xFF, 0xFF, 0, 0, 0]);
        assert_eq!(read(&mut bytes, PassNumber::MAX_INDEX), Err(Reason::WrongLength));
    }

    #[test]
    fn an_index_above_the_highest_and_set_bits_at_the_end_are_refused() {
        assert_eq!(read(&mut Bytes(&[0, 0, 2, 0b0000_1100]), 9), Ok(vec![0, 4]));
        assert_eq!(read(&mut Bytes(&[0, 0, 2, 0b0000_1101]), 9), Err(Reason::NotCanonical));
        assert_eq!(read(&mut Bytes(&[0, 0, 1, 0b1100_0000]), 9), Err(Reason::Malformed));
    }

    proptest! {
        #[test]
        fn indices_come_back(mut indices in prop::collection::btree_set(0..=5000_u32, 0..300), highest in 0..=5000_u32) {
            indices.retain(|index| *index <= highest);
            let indices: Vec<u32> = indices.into_iter().collect();
            let bytes = written(&indices, highest);
            let mut rest = Bytes(&bytes);
            prop_assert_eq!(read(&mut rest, highest), Ok(indices));
            prop_assert!(rest.end().is_ok());
        }

        #[test]
        fn what_is_read_is_what_was_written(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0..40_u8, highest in 0..0x00FF_FFFF_u32) {
            let bytes = [&[0, 0, count], &bytes[..]].concat();
            let mut rest = Bytes(&bytes);
            if let Ok(indices) = read(&mut rest, highest) {
                prop_assert_eq!(&written(&indices, highest)[..], &bytes[..bytes.len() - rest.0.len()]);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), highest in 0..=0x00FF_FFFF_u32) {
            drop(read(&mut Bytes(&bytes), highest));
        }
    }
}
