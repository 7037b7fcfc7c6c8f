//! Accidents: the process is killed, told to end, cut off in mid-sentence, left without a disk. Each time the same is asked:
//! is everything there that was acknowledged, once, and does the house go on?

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "seeds, counts and reasons to skip are for whoever reads the output")]

/// Who sends, and with which tokens.
mod offices;
/// Commands that are sent until they are answered, and what was answered.
mod deeds;
/// What is there afterwards.
mod audit;
/// The real binary in a process of its own.
mod process;

/// Services in processes of their own, over PostgreSQL and NATS.
mod apart;
/// A database that was set back.
mod set_back;

/// A gate off line.
mod gates;

mod full_disk;
mod hanging_up;
mod killing;
mod stopping;
