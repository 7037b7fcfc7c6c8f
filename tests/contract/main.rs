//! What every store of a log and every feed hold. The rules are written once, in `event_log.rs` and `model.rs`; a further
//! store needs a file like `sqlite.rs`, which names it and adds what is true of it alone. A feed's rules are in `feed.rs`, those
//! of read models' tables in `tables.rs`.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod event_log;
mod feed;
mod memory;
mod model;
mod postgres;
mod sqlite;
mod tables;
