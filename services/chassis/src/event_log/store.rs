//! What the appender needs of a store, and why a store may not do it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    AppendError,
    batch::{Batch, Known, Plan},
};

/// What a plan was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grounds {
    /// On what `begin` has just found.
    Looked,
    /// On what the last look and the commits since then have left, without a look. What the plan adds must not be there yet:
    /// [`StoreError::Refused`] or [`StoreError::Moved`] where that was wrong, and nothing is done.
    Recollected,
}

/// Where a log is written. `begin`, then `commit` or `roll_back`; never two at a time. Where it remembers, `commit` may also
/// come alone.
#[async_trait]
pub(super) trait Store: Send + 'static {
    /// Whether it refuses what a plan wrongly takes for new, so that it can do without a look.
    const RECOLLECTS: bool = false;

    /// Looks up what the batch names, and sees to it that a commit fails if anybody else writes before it.
    async fn begin(&mut self, batch: &Batch<'_>) -> Result<Known, StoreError>;

    /// Writes all of a plan, durably.
    async fn commit(&mut self, plan: &Plan<'_>, grounds: Grounds) -> Result<(), StoreError>;

    /// Tells other processes how far the log goes, and keeps nobody waiting for it.
    fn announce(&mut self, _position: u64) {}

    /// Ends what was begun, if there is anything still, without a trace. After an error the next `begin` trusts nothing that
    /// was in memory.
    async fn roll_back(&mut self, after: Option<&StoreError>);

    /// Leaves what is bound to the appender's thread, which ends.
    async fn leave(&mut self) {}

    /// Forgets at most `most` commands that were recorded before a time, and counts them.
    async fn prune(&mut self, before: DateTime<Utc>, most: u32) -> Result<u64, StoreError>;
}

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("the disk is full")]
    Full,
    /// Somebody else has written since the look: nothing was done.
    #[error("another process has written meanwhile")]
    Moved,
    /// The store does not take a row: somebody's request is bad.
    #[error("the store refuses a row")]
    Refused(#[source] anyhow::Error),
    /// It may have been done.
    #[error("the store did not answer")]
    Unknown(#[source] anyhow::Error),
    #[error("the store is damaged")]
    Fault(#[source] anyhow::Error),
}

impl StoreError {
    /// The same answer for one of several callers.
    pub(super) fn answer(&self) -> AppendError {
        match self {
            Self::Full => AppendError::Full,
            Self::Moved => AppendError::Unknown(anyhow::anyhow!("{self}")),
            Self::Unknown(error) => AppendError::Unknown(anyhow::anyhow!("{error:#}")),
            Self::Refused(error) | Self::Fault(error) => AppendError::Fault(anyhow::anyhow!("{error:#}")),
        }
    }
}
