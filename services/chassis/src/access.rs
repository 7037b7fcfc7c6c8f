//! Who may do what: tokens that prove a role and a place, the layer that asks every request for one, the one-time code that
//! makes the first administrator, and the service that makes tokens for everybody else.
//!
//! Invariant: no handler of the contract runs before the layer found the RPC's row, a role in it that the token proves, and
//! a budget that the caller has left. A path without a row does not exist.

/// The first administrator's one-time code.
mod administrator;
/// The service that makes tokens.
mod api;
/// What every request must pass.
mod layer;
/// How much a request may carry and how long it may take.
mod limits;
/// Budgets of calls.
mod rates;
/// Ed25519 for the tokens.
mod signing;
/// Tokens: made and read.
mod tokens;
/// The page on which the first administrator turns the code into a token.
mod welcome;

pub use administrator::FirstAdministrator;
pub use api::AccessApi;
pub use layer::{Access, AccessLayer};
pub use tokens::{TokenProblem, Tokens};
pub use welcome::welcome;
