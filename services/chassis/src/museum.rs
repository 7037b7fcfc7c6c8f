//! Bugs that logs like this one have had, each behind a switch that brings it back: `cargo xtask test museum` turns on one
//! after the other and demands that a suite notices, so that nobody has to believe it would. A release build has no
//! switches.

use std::{env, sync::LazyLock};

/// What can be brought back.
#[derive(Clone, Copy)]
pub(crate) enum Bug {
    /// Positions out of a sequence: whoever is refused has used up a number.
    PositionFromASequence,
    /// Followers live on notifications alone, and one is lost.
    NotifyMissed,
    /// A command whose commit nobody heard of is done again when it is sent again.
    UnknownCommitAsNew,
    /// A consumer's checkpoint moves in a transaction of its own.
    CheckpointApart,
    /// A caller hangs up while a transaction begins, and the connection goes back to the pool within it.
    CancelledBegin,
    /// A replica that only believes it leads may write.
    FenceIgnored,
    /// A failure that is over is told for as long as nothing new comes.
    FailureThatStays,
}

/// The name of the bug that is to come back.
static BACK: LazyLock<String> = LazyLock::new(|| env::var("MIFENG_MUSEUM").unwrap_or_default());

impl Bug {
    pub(crate) fn is_back(self) -> bool {
        cfg!(debug_assertions) && *BACK == self.name()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::PositionFromASequence => "position-from-a-sequence",
            Self::NotifyMissed => "notify-missed",
            Self::UnknownCommitAsNew => "unknown-commit-as-new",
            Self::CheckpointApart => "checkpoint-apart",
            Self::CancelledBegin => "cancelled-begin",
            Self::FenceIgnored => "fence-ignored",
            Self::FailureThatStays => "failure-that-stays",
        }
    }
}
