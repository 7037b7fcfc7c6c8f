//! The one binary's parts: which services a process runs, and how they are put together.

/// A request is thousands of small pieces of memory that another thread gives back: the system's allocator takes a tenth of
/// the time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Services, access, health and the server, wired.
pub mod wiring;
