//! Dice that fall alike wherever they are thrown: each question has dice of its own, made of the seed and of what is asked, so
//! that nothing hangs on the order in which things happen.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// The dice of one question about one thing.
pub(super) fn dice(seed: u32, question: &str, which: u64) -> StdRng {
    // FNV-1a: the same in every version of everything.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in seed.to_be_bytes().into_iter().chain(question.bytes()).chain(which.to_be_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    StdRng::seed_from_u64(hash)
}

/// Which of these, where each has a weight.
pub(super) fn weighted(dice: &mut StdRng, weights: &[u32]) -> usize {
    let mut roll = dice.random_range(0..weights.iter().sum::<u32>().max(1));
    for (index, weight) in weights.iter().enumerate() {
        if roll < *weight {
            return index;
        }
        roll -= weight;
    }
    weights.len().saturating_sub(1)
}

/// A share of a hundred per cent.
pub(super) fn happens(dice: &mut StdRng, share: f64) -> bool {
    dice.random_bool(share.clamp(0.0, 1.0))
}
