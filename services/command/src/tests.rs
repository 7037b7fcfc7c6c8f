//! What the tests of this crate tell the fold: records of the four logs, as the services write them.

/// Records, one after the other.
pub(crate) mod street;
/// Random lives, in random orders.
mod lives;
/// Records that nobody can read, rebuilds, who sees what.
mod pictures;

pub(crate) use street::Street;
