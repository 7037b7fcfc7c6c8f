//! What every service stands on: an event log, decisions over it, read models and reactions behind it, sealed personal
//! data, access, and a server. No word of the domain is spoken here.

/// Time and ids, passed in so that a test and the story can set them.
pub mod clock;
/// Who calls, from where, and as which command.
pub mod call;
/// Why a request is not done, in words that a person can act on.
pub mod refusal;
/// Where a service's PostgreSQL database is, and how it is entered.
pub mod postgres;
/// Which of several replicas writes.
pub mod lease;
/// What a service's databases are made of, and who may do what there.
pub mod database;
/// The truth: an append-only log with group commit.
pub mod event_log;
/// Load, fold, decide, append, again on conflict.
pub mod ledger;
/// One log as its consumers see it.
pub mod feed;
/// The way to NATS.
pub mod nats;
/// One's own log, published to NATS.
pub mod relay;
/// Another's log, out of NATS.
pub mod inbox;
/// How far each consumer is, and what it is stuck on.
pub mod consumers;
/// What to do when there is no room left.
mod disk;
/// Bugs that can be brought back.
mod museum;
/// Read models: views of the logs that can be dropped and built again.
pub mod views;
/// What every replica remembers of the logs, for answers without a database.
pub mod memory;
/// When X then Y.
pub mod reactions;
/// The secret from which all other keys derive.
pub mod secrets;
/// Personal data, sealed under a key per subject.
pub mod vault;
/// Tokens, roles, rates, and the layer that asks for them.
pub mod access;
/// Pages of long lists.
pub mod page;
/// A service's log seen from outside.
pub mod log_service;
/// Traces, metrics and log lines.
pub mod telemetry;
/// One port for gRPC, gRPC-Web, health, metrics and pages.
pub mod server;
/// RPCs passed on to another process, as they are.
pub mod forward;
/// The one way to call a service.
pub mod client;
/// Everything above, wired for one process.
pub mod host;

pub use call::{Call, Principal, Scope};
pub use clock::{CALENDAR, Clock, day_of, instant, midnight, timestamp};
pub use event_log::Record;
pub use feed::Feed;
pub use host::Host;
pub use lease::{Lead, Lease};
pub use ledger::{Aggregate, Decision, Done, Failure, Ledger};
pub use memory::{Memory, Remembered};
pub use reactions::Reaction;
pub use refusal::{Fields, Kind, Refusal, Refuse, reason};
pub use vault::Vault;
pub use views::{Parked, Projection, Reading, Tables, Value, Views};

#[cfg(test)]
mod compound;
