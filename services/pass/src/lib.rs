//! Who may cross the gates of a compound, and who did: holders and their passes, the codes on paper, the decision at a
//! gate, and the record of every crossing.

/// The code on a pass.
pub mod credential {
    /// The pass number, for typing.
    pub mod number;
    /// The 36 bytes that are signed.
    pub mod payload;
    /// Signature and text.
    pub mod code;
    /// Where codes are made.
    pub mod desk;
}
pub mod domain {
    /// A resident, what qualifies and what bars them, and their passes.
    pub mod holder;
    /// What a gate decides.
    pub mod gate;
    /// What the guard says.
    mod words;
    /// What a gate has on record.
    pub mod gate_day;
}
