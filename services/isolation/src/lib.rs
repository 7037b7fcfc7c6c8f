//! Orders of isolation: caused by a verdict or signed by two, observed twice a day, handed over, breached, released. A
//! person shut in depends on this service: nothing here may be forgotten.

/// Pure decisions and facts.
pub mod domain {
    /// Days and half-days.
    pub mod period;
    /// The aggregate: one order of isolation.
    pub mod order;
}
