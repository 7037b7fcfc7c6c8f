//! The one binary's parts: which services a process runs, and how they are put together.

/// Services, access, health and the server, wired.
pub mod wiring;
