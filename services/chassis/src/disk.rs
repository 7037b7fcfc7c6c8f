//! A full disk is nobody's mistake: it is told as what it is, and whoever waits for room goes on by themselves once there is
//! some.

use std::io;

use crate::{Failure, feed::Unreachable};

/// In place of an error that was told to several at once.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the disk is full")]
pub(crate) struct DiskFull;

/// Whether it was for want of room.
pub(crate) fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<DiskFull>()
            || matches!(cause.downcast_ref::<Failure>(), Some(Failure::Full))
            || cause.downcast_ref::<sqlx::Error>().is_some_and(is_full_database)
            || cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
    })
}

/// Whether time alone may mend it: to try for ever is right, to stand still is not.
pub(crate) fn passes(error: &anyhow::Error) -> bool {
    let out_of_reach = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref::<Failure>(), Some(Failure::Unavailable(_)))
    };
    error.is::<Unreachable>() || is_full(error) || error.chain().any(|cause| out_of_reach(cause) || is_away(cause))
}

/// Whether a store cannot be reached for the moment, or was too slow: nothing is wrong with what was asked of it.
fn is_away(cause: &(dyn std::error::Error + 'static)) -> bool {
    /// Of PostgreSQL: connection exceptions, lack of resources, operator intervention, deadlocks and lock timeouts.
    const PASSING: [&str; 6] = ["08", "53", "57", "40", "55P03", "25P03"];
    if cause.is::<tokio::time::error::Elapsed>() {
        return true;
    }
    match cause.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)) => true,
        Some(sqlx::Error::Database(error)) => {
            let code = error.code().unwrap_or_default();
            code.len() == 5 && PASSING.iter().any(|passing| code.starts_with(passing))
        }
        _ => false,
    }
}

fn is_full_database(error: &sqlx::Error) -> bool {
    /// SQLite's FULL, and that the WAL's shared memory cannot grow.
    const FULL: u32 = 13;
    const SHARED_MEMORY_SIZE: u32 = 4874;
    const POSTGRES_DISK_FULL: &str = "53100";
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(POSTGRES_DISK_FULL) {
        return true;
    }
    // PostgreSQL's codes have five characters and some are numbers too; none of those is meant here.
    let code = code.filter(|code| code.len() < 5).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == FULL || code == SHARED_MEMORY_SIZE)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn want_of_room_is_known_behind_every_context() {
        let full: anyhow::Result<()> = Err(Failure::Full.into());
        assert!(is_full(&full.context("reacting").unwrap_err()));
        assert!(is_full(&anyhow!(DiskFull).context("writing")));
        assert!(!is_full(&anyhow!("a bug")));
    }

    #[tokio::test]
    async fn a_database_without_room_says_so() {
        let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect("sqlite::memory:").await.unwrap();
        let filling = "PRAGMA max_page_count = 4; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000));";
        let error = sqlx::raw_sql(filling).execute(&mut db).await.unwrap_err();
        assert!(is_full(&anyhow::Error::new(error).context("filling")));
    }
}
