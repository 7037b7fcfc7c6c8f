//! Files that do not take what is written: a full disk, played by one that may not grow, and one that loses rows.

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{lock, options, prepare, writer::Writer};
use crate::{
    Clock,
    event_log::{
        Append, Expected, NewEvent, Write,
        batch::Batch,
        store::{Grounds, Store as _, StoreError},
        tail::Tail,
    },
};

struct Log {
    folder: TempDir,
    writer: Writer,
    tail: Tail,
    clock: Clock,
}

impl Log {
    async fn open() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        let path = folder.path().join("log.db");
        let (log_id, standing) = prepare(&path, "registry", &clock).await.unwrap();
        let writer = Writer::new(options(&path), lock(&path).await.unwrap());
        Self { folder, writer, tail: Tail::new("registry".to_owned(), log_id, standing), clock }
    }

    /// Behind the writer's back.
    async fn tamper(&self, sql: &'static str) {
        let mut db = options(&self.folder.path().join("log.db")).connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    }

    fn may_grow_to(&mut self, pages: &'static str) {
        let path = self.folder.path().join("log.db");
        let limited: SqliteConnectOptions = options(&path).pragma("max_page_count", pages);
        self.writer.reconnect_with(limited);
    }

    async fn append(&mut self, number: u64) -> Result<(), StoreError> {
        let event = NewEvent { event_type: "a.b", schema_version: 1, payload: vec![7; 4_000] };
        let write = Write {
            category: "a",
            stream_id: "s".to_owned(),
            expected: Expected::Version(number),
            office: String::new(),
            subject_id: String::new(),
            events: vec![event],
        };
        let append = Append {
            command_id: format!("c{number}"),
            fingerprint: [0; 32],
            reply: Vec::new(),
            writes: vec![write],
            reserve: Vec::new(),
            release: Vec::new(),
            actor: String::new(),
            correlation_id: String::new(),
            causation_id: String::new(),
            traceparent: String::new(),
            occurred_at: self.clock.now(),
        };
        let batch = Batch::of(vec![&append]);
        let known = self.writer.begin(&batch).await?;
        let plan = batch.plan(known, &self.tail, &self.clock);
        assert!(plan.verdicts[0].is_ok(), "{:?}", plan.verdicts[0]);
        let committed = self.writer.commit(&plan, Grounds::Looked).await;
        if let Err(error) = &committed {
            self.writer.roll_back(Some(error)).await;
        }
        committed
    }
}

#[tokio::test]
async fn a_full_disk_refuses_loses_nothing_and_takes_the_same_command_when_there_is_space() {
    let mut log = Log::open().await;
    log.may_grow_to("60");
    let mut done = 0;
    let error = loop {
        match log.append(done).await {
            Ok(()) => done += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert!(matches!(log.append(done).await, Err(StoreError::Full)));
    log.may_grow_to("1000");
    log.append(done).await.unwrap();
    let left = log.writer.begin(&Batch::of(Vec::new())).await.unwrap();
    assert_eq!(left.head.position, done + 1);
}

#[tokio::test]
async fn a_commit_that_loses_a_row_is_a_fault_and_leaves_nothing() {
    let mut log = Log::open().await;
    log.append(0).await.unwrap();
    for loses in [
        "CREATE TRIGGER lose BEFORE INSERT ON event BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER lose BEFORE INSERT ON command BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER lose BEFORE UPDATE ON stream BEGIN SELECT RAISE(IGNORE); END",
    ] {
        log.tamper(loses).await;
        let lost = log.append(1).await;
        assert!(matches!(lost, Err(StoreError::Fault(_))), "{loses}: {lost:?}");
        log.tamper("DROP TRIGGER lose").await;
    }
    log.append(1).await.unwrap();
    let left = log.writer.begin(&Batch::of(Vec::new())).await.unwrap();
    assert_eq!(left.head.position, 2);
}
