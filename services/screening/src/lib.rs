//! The method that every neighbourhood shares, and what it says about a person: declared, seen, compared, explained.

/// Names of places, in the words of people and of carriers.
pub mod places;
/// What was declared and what was seen, compared: a pure function.
pub mod verdict;
/// A method as it is written in a file, and the one that is shipped.
pub mod method_file;
/// The verdict without a server: JSON in, JSON out.
pub mod explain;
/// Messages of the contract in the forms that the verdict takes, and back.
pub mod messages;
/// What decides.
pub mod domain {
    /// One version of the method.
    pub mod method;
    /// One occasion on which one person is screened.
    pub mod case;
}
pub use explain::explain;

