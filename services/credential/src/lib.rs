//! The pass as bytes and text, for whoever makes, carries or checks one: the code, the keys that are believed, the list of
//! those suspended, and the one function that says whether a code is good. No store, no network, no clock: a gate without
//! a line, a browser and another authority use the same. The bytes are described in `tests/vectors/pass/README.md`.

/// Whether a code is good, and if not, why.
pub mod verify;
#[cfg(test)]
mod tests;

/// The 36 bytes that are signed.
pub mod payload;

/// 张** 女 70+.
pub mod glance;
/// Codes made and taken apart.
pub mod code;
/// The set of keys that the root signed.
pub mod keys;
/// Who is suspended.
pub mod list {
    /// What changed between two lists.
    pub mod delta;
    /// Indices in few bits.
    pub mod rice;
    /// The whole list.
    pub mod snapshot;
    /// Either of them, as it arrives.
    pub mod update;

    #[cfg(test)]
    mod tests;

    pub use delta::{Delta, Taken};
    pub use snapshot::{Age, Colour, Contents, State, SuspensionList};
    pub use update::Update;
}
/// The pass number, for typing.
pub mod number;
/// The code that changes every half minute.
pub mod phone;
/// Why something is refused.
pub mod reason;
/// Who signed what.
pub mod signature;
/// Bytes as the text of a QR code.
pub mod text;
/// Hours and seconds since 2020.
pub mod time;

/// Bytes taken off the front, one field after the other.
mod bytes;
