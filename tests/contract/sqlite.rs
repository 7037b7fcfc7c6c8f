//! The log in a SQLite file: the contract, and what is true of such files alone.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use chassis::{
    Clock,
    event_log::{EventLog, Expected, sqlite::SqliteLog},
};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::event_log::{Store, Tampering, command, held_by, write};

/// A folder that goes with the test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("registry/log.db")
    }

    async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path()).connect().await.unwrap()
    }

    /// Changes rows behind the log's back.
    async fn alter(&self, sql: &'static str) {
        let mut db = self.connect().await;
        sqlx::raw_sql("DROP TRIGGER IF EXISTS event_never_changes; DROP TRIGGER IF EXISTS event_never_goes")
            .execute(&mut db)
            .await
            .unwrap();
        assert!(sqlx::raw_sql(sql).execute(&mut db).await.unwrap().rows_affected() > 0, "{sql}");
        db.close().await.unwrap();
    }
}

#[async_trait]
impl Store for Folder {
    async fn empty() -> Self {
        Self::new()
    }

    async fn open_at(&self, clock: Clock) -> Arc<dyn EventLog> {
        Arc::new(SqliteLog::open(&self.path(), "registry", clock).await.unwrap())
    }

    async fn tamper(&self, how: Tampering) {
        self.alter(how.sql()).await;
    }
}

held_by!(Folder);

async fn with_events(count: usize) -> Folder {
    let folder = Folder::new();
    let log = folder.open().await;
    log.append(command("c", vec![write("h", Expected::Any, count)])).await.unwrap();
    log.close().await;
    folder
}

async fn refusal(path: &Path, name: &str) -> String {
    match SqliteLog::open(path, name, Clock::system()).await {
        Ok(_) => panic!("it opened"),
        Err(error) => format!("{error:#}"),
    }
}

/// Before 3.51.3 two connections could corrupt a database in WAL mode.
#[tokio::test]
async fn sqlite_is_new_enough() {
    let mut db = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut db).await.unwrap();
    let version: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(version >= [3, 51, 3].to_vec(), "{version:?}");
}

#[tokio::test]
async fn a_second_process_is_told_which_folder_is_taken_and_what_to_do() {
    let folder = with_events(1).await;
    let log = folder.open().await;
    let message = refusal(&folder.path(), "registry").await;
    let expected =
        format!("the data folder {} is in use by another process", folder.path().parent().unwrap().display());
    assert!(message.contains(&expected) && message.contains("stop that process"), "{message}");
    log.close().await;
    folder.open().await.close().await;
}

#[tokio::test]
async fn garbage_is_not_taken_for_a_log() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().parent().unwrap()).unwrap();
    std::fs::write(folder.path(), "this is not a database, and long enough to be read as one. ".repeat(100)).unwrap();
    let message = refusal(&folder.path(), "registry").await;
    assert!(message.contains("log.db") && message.contains("restore it from a backup"), "{message}");
}

#[tokio::test]
async fn a_truncated_file_is_not_taken_for_a_log() {
    let folder = with_events(900).await;
    let file = std::fs::File::options().write(true).open(folder.path()).unwrap();
    let length = file.metadata().unwrap().len();
    for rest in [length / 2, 5_000, 1_000] {
        file.set_len(rest).unwrap();
        let message = refusal(&folder.path(), "registry").await;
        assert!(message.contains("restore it from a backup"), "{rest} of {length}: {message}");
    }
}

#[tokio::test]
async fn a_log_is_not_taken_for_another_one() {
    let folder = with_events(1).await;
    let message = refusal(&folder.path(), "screening").await;
    assert!(message.contains("this is the log registry"), "{message}");
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().parent().unwrap()).unwrap();
    let mut db = SqliteConnectOptions::new().filename(folder.path()).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE diary (day TEXT)").execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    let message = refusal(&folder.path(), "registry").await;
    assert!(message.contains("another program"), "{message}");
}

#[tokio::test]
async fn events_can_neither_be_changed_nor_deleted() {
    let folder = with_events(3).await;
    let mut db = folder.connect().await;
    for sql in ["UPDATE event SET actor = 'x'", "DELETE FROM event"] {
        let error = sqlx::raw_sql(sql).execute(&mut db).await.unwrap_err();
        assert!(error.to_string().contains("events are never"), "{error}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_fit_the_last_event_is_found_at_the_start() {
    let folder = with_events(3).await;
    folder.alter("UPDATE log_head SET position = 2").await;
    let message = refusal(&folder.path(), "registry").await;
    assert!(message.contains("position 2") && message.contains("restore it from a backup"), "{message}");
}

#[tokio::test]
async fn a_row_that_the_file_refuses_fails_its_request_alone() {
    let folder = with_events(1).await;
    folder
        .alter(
            "UPDATE log_head SET position = position;
             CREATE TRIGGER no_such_stream BEFORE INSERT ON stream WHEN new.stream_id = 'bad'
             BEGIN SELECT RAISE(ABORT, 'no such stream'); END",
        )
        .await;
    let log = folder.open().await;
    let streams = ["a", "b", "bad", "d"];
    let append = |stream: &'static str| log.append(command(stream, vec![write(stream, Expected::Version(0), 1)]));
    let answers = futures::future::join_all(streams.map(append)).await;
    for (stream, answer) in streams.iter().zip(&answers) {
        assert_eq!(answer.is_err(), *stream == "bad", "{answer:?}");
    }
    assert_eq!(log.head().await.unwrap().position, 4);
    assert_eq!(log.verify().await.unwrap().broken_at, None);
}
