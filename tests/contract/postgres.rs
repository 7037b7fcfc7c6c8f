//! The log in a PostgreSQL database: the contract, and what is true of such databases alone.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chassis::{
    Clock, Lease, database,
    event_log::{AppendError, EventLog, Expected, postgres::PgLog},
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::{
    once,
    postgres::{Cluster, PASSWORD, Service},
};

use crate::event_log::{Store, Tampering, command, held_by, write};

/// Servers that are killed, frozen, and given old data.
mod faults;
/// Who leads, who follows, and what became of the one who led.
mod replicas;

/// An empty log in a database of its own, which it hands on to the next one in this process.
struct Kept {
    service: Option<Service>,
    cluster: Arc<Cluster>,
}

static CLUSTER: Mutex<Option<Arc<Cluster>>> = Mutex::new(None);
static USED: Mutex<Vec<Service>> = Mutex::new(Vec::new());

pub(crate) fn cluster() -> Arc<Cluster> {
    let mut cluster = CLUSTER.lock().unwrap();
    Arc::clone(cluster.get_or_insert_with(|| Arc::new(Cluster::shared().unwrap())))
}

impl Kept {
    /// Empties what an earlier test has left.
    async fn on(service: Service) -> Self {
        let kept = Self { service: Some(service), cluster: cluster() };
        let mut db = kept.connect().await;
        let wipe = "DELETE FROM event; DELETE FROM stream; DELETE FROM command; DELETE FROM reservation;
            UPDATE log_head SET log = 'registry', position = 0, chain = decode(repeat('00', 32), 'hex');
            UPDATE replica.lease SET holder = '', address = '', expires_at = '-infinity'";
        sqlx::raw_sql(wipe).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
        kept
    }

    fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    /// Past all rights and triggers.
    async fn connect(&self) -> PgConnection {
        let mut db = self.cluster.administer(self.service()).await.unwrap();
        sqlx::raw_sql("SET session_replication_role = replica").execute(&mut db).await.unwrap();
        db
    }

    /// How often anything was looked for in the log, and how many rows were read because a whole table was.
    async fn scans(&self) -> (i64, i64) {
        let mut db = self.connect().await;
        let counted = "SELECT SUM(seq_scan + idx_scan)::bigint, SUM(seq_tup_read)::bigint FROM pg_stat_user_tables
            WHERE schemaname = 'log'";
        let scans = sqlx::query_as(counted).fetch_one(&mut db).await.unwrap();
        db.close().await.unwrap();
        scans
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        USED.lock().unwrap().extend(self.service.take());
    }
}

#[async_trait]
impl Store for Kept {
    async fn empty() -> Self {
        let used = USED.lock().unwrap().pop();
        match used {
            Some(service) => Self::on(service).await,
            None => Self::on(cluster().service().await.unwrap()).await,
        }
    }

    async fn open_at(&self, clock: Clock) -> Arc<dyn EventLog> {
        let service = self.service();
        Arc::new(PgLog::open(&service.database, "registry", clock, Lease::alone()).await.unwrap())
    }

    async fn tamper(&self, how: Tampering) {
        let sql = how.sql();
        let mut db = self.connect().await;
        assert!(sqlx::raw_sql(sql).execute(&mut db).await.unwrap().rows_affected() > 0, "{sql}");
        db.close().await.unwrap();
    }
}

held_by!(Kept);

async fn refusal(service: &Service, name: &str) -> String {
    match PgLog::open(&service.database, name, Clock::system(), Lease::alone()).await {
        Ok(_) => panic!("it opened"),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test]
async fn the_service_can_neither_change_nor_delete_what_has_happened_and_nor_can_the_tables_owner() {
    let kept = Kept::empty().await;
    let log = kept.open().await;
    log.append(command("c", vec![write("h", Expected::Any, 3)])).await.unwrap();
    let mut role = kept.service().database.connect().await.unwrap();
    let mut owner = kept.cluster.administer(kept.service()).await.unwrap();
    for sql in ["UPDATE log.event SET actor = 'x'", "DELETE FROM log.event", "TRUNCATE log.event"] {
        let error = sqlx::raw_sql(sql).execute(&mut role).await.unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{sql}: {error}");
        let error = sqlx::raw_sql(sql).execute(&mut owner).await.unwrap_err();
        assert!(error.to_string().contains("never changed or deleted"), "{sql}: {error}");
    }
    for sql in ["DROP TABLE log.event", "ALTER TABLE log.event DISABLE TRIGGER ALL", "DELETE FROM log.stream"] {
        assert!(sqlx::raw_sql(sql).execute(&mut role).await.is_err(), "{sql}");
    }
    sqlx::raw_sql("CREATE SCHEMA views_1; CREATE TABLE views_1.v (x int)").execute(&mut role).await.unwrap();
    log.close().await;
}

#[tokio::test]
async fn the_role_of_one_service_does_not_enter_the_databases_of_another() {
    let (one, other) = (Kept::empty().await, Kept::empty().await);
    let url = format!(
        "postgres://mifeng_{}@127.0.0.1:{}/mifeng_{}",
        one.service().name,
        one.cluster.port(),
        other.service().name
    );
    let foreign = chassis::postgres::Database::parse(&url, Some(PASSWORD)).unwrap();
    for database in [foreign.keys(), foreign] {
        let error = format!("{:#}", database.connect().await.unwrap_err());
        assert!(error.contains("permission denied for database"), "{error}");
    }
    let own = one.service().database.keys().connect().await;
    let mut own = own.unwrap();
    sqlx::raw_sql(
        "INSERT INTO subject_key VALUES ('r1', 'wrapped', 'k', 1); UPDATE subject_key SET wrapped_key = NULL",
    )
    .execute(&mut own)
    .await
    .unwrap();
    assert!(sqlx::raw_sql("DELETE FROM subject_key").execute(&mut own).await.is_err());
}

#[tokio::test]
async fn databases_are_made_once_however_often_and_by_however_many_at_once() {
    let cluster = cluster();
    let service = cluster.service().await.unwrap();
    let log = PgLog::open(&service.database, &service.name, Clock::system(), Lease::alone()).await.unwrap();
    log.append(command("c", vec![write("h", Expected::Any, 2)])).await.unwrap();
    let head = log.head().await.unwrap();
    log.close().await;
    let administrator = cluster.administrator();
    let again = || database::create(&administrator, &service.name, "another password");
    let (one, two) = tokio::join!(again(), again());
    one.and(two).unwrap();
    let error = refusal(&service, &service.name).await;
    assert!(error.contains("password authentication failed") && !error.contains(PASSWORD), "{error}");
    database::create(&administrator, &service.name, PASSWORD).await.unwrap();
    let log = PgLog::open(&service.database, &service.name, Clock::system(), Lease::alone()).await.unwrap();
    assert_eq!(log.head().await.unwrap(), head);
    log.close().await;
}

#[tokio::test]
async fn a_database_that_is_not_this_logs_is_told_with_what_to_do() {
    let kept = Kept::empty().await;
    let mut owner = kept.cluster.administer(kept.service()).await.unwrap();
    for (sql, told) in [
        ("UPDATE log_head SET log = 'another'", "this is the log another"),
        ("UPDATE log_head SET log = 'registry', position = 7", "restore it from a backup"),
        ("UPDATE log.schema SET version = 99", "update the program"),
        ("UPDATE log.schema SET version = 0", "run `mifeng database create registry`"),
        ("DROP TABLE log.schema", "run `mifeng database create registry`"),
    ] {
        sqlx::raw_sql(sql).execute(&mut owner).await.unwrap();
        let error = refusal(kept.service(), "registry").await;
        assert!(error.contains(told), "{sql}: {error}");
    }
    // Nobody else gets this one.
    std::mem::forget(kept);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_fails_its_request_alone() {
    let kept = Kept::empty().await;
    let log = kept.open().await;
    let streams = ["a", "b", "bad\0", "d"];
    let append = |stream: &'static str| log.append(command(stream, vec![write(stream, Expected::Version(0), 1)]));
    let answers = futures::future::join_all(streams.map(append)).await;
    for (stream, answer) in streams.iter().zip(&answers) {
        assert_eq!(matches!(answer, Err(AppendError::Fault(_))), stream.starts_with("bad"), "{answer:?}");
    }
    assert_eq!(log.head().await.unwrap().position, 3);
    assert_eq!(log.verify().await.unwrap().broken_at, None);
    log.close().await;
}

/// The server plans by what it last counted: while a subdistrict is brought in it takes the tables for small, for a minute.
#[tokio::test]
async fn a_log_that_was_small_a_moment_ago_is_asked_by_its_keys() {
    const STREAMS: usize = 1_000;
    let kept = Kept::empty().await;
    let log = kept.open().await;
    let ask = async |number: usize| {
        let stream = format!("h{number}");
        log.find_command(&stream).await.unwrap();
        log.find_reservation("phone", stream.as_bytes()).await.unwrap();
        log.read_stream("household", &stream, 0).await.unwrap().len()
    };
    log.append(command("first", vec![write("first", Expected::Version(0), 1)])).await.unwrap();
    sqlx::raw_sql("ANALYZE log.event, log.stream, log.command").execute(&mut kept.connect().await).await.unwrap();
    // So often, on every connection, that the plans are kept.
    for _ in 0..20 {
        let all = futures::future::join_all((0..12).map(|_| ask(0))).await;
        assert!(all.into_iter().all(|found| found == 0));
    }
    let streams: Vec<String> = (0..STREAMS).map(|number| format!("h{number}")).collect();
    for streams in streams.chunks(100) {
        let writes = streams.iter().map(|stream| write(stream, Expected::Version(0), 1)).collect();
        log.append(command(&streams[0], writes)).await.unwrap();
    }
    let (asked, read) = kept.scans().await;
    for number in 0..STREAMS {
        assert_eq!(ask(number).await, 1);
    }
    // Each connection says what it did at the latest when it ends.
    log.close().await;
    let streams = i64::try_from(STREAMS).unwrap();
    let passed = once("the server does not say what it did", async || {
        let (now, passed) = kept.scans().await;
        (now - asked >= 4 * streams).then_some(passed - read)
    });
    let passed = passed.await;
    assert!(passed < 10 * streams, "{passed} rows were read to find {streams} streams");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_in_the_middle_of_appends_lose_and_double_nothing() {
    const CALLERS: u64 = 12;
    const EACH: u64 = 15;
    let kept = Kept::empty().await;
    let log = kept.open().await;
    let name = kept.service().database.name().to_owned();
    let mut owner = kept.cluster.administer(kept.service()).await.unwrap();
    let breaking = tokio::spawn(async move {
        let sql = format!(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}' AND usename = '{name}'"
        );
        loop {
            sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut owner).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    });
    let callers = (0..CALLERS).map(|caller| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut unknown = 0;
            for n in 0..EACH {
                let (id, stream) = (format!("{caller}-{n}"), format!("h{caller}"));
                while let Err(error) = log.append(command(&id, vec![write(&stream, Expected::Version(n), 1)])).await {
                    assert!(matches!(error, AppendError::Unknown(_)), "{error:?}");
                    unknown += 1;
                }
            }
            unknown
        })
    });
    let mut unknown = 0;
    for caller in callers.collect::<Vec<_>>() {
        unknown += caller.await.unwrap();
    }
    breaking.abort();
    drop(breaking.await);
    assert!(unknown > 0, "nothing broke");
    let found = log.verify().await.unwrap();
    assert_eq!((found.records, found.broken_at), (CALLERS * EACH, None));
    assert_eq!(log.head().await.unwrap().position, CALLERS * EACH);
    log.close().await;
}
