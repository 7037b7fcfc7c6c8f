//! A projection's hands in its tables: what was gathered comes to what the same changes come to one by one, in SQLite and in
//! PostgreSQL.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{
    Lease, Projection, Record, Tables, Value, Views,
    consumers::Consumers,
    event_log::{EventLog, Expected, memory::Memory},
    feed::InProcess,
    views::{OnFailure, Setup, Shelf},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sqlx::Row as _;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    event_log::{Store as _, command, write},
    postgres,
};

/// More than what is applied in one transaction.
const CHANGES: usize = 6_000;

/// Changes of the same houses, one after another. Short, so that much of what came of them is there at the end.
const STREET: u64 = 20;

/// What people write into fields, and what a database could take for its own.
const TEXTS: [&str; 8] = ["长丰二村", "", "NULL", "a\"b", "a\\b", "{1,2}", "a,b", "it's"];

#[derive(Clone, Debug)]
enum Change {
    Put(String, i64, i64, &'static str),
    Add(String, i64, i64),
    Count(String, i64, i64),
    Note(String, &'static str),
    NoteWhere(String, i64, &'static str),
    Remove(String, i64),
    RemoveAll(String),
    /// Looks at the tables in between.
    Look,
}

/// One for each record. Few rows of a street, so that changes meet.
fn change(position: u64) -> Change {
    let mut random = StdRng::seed_from_u64(position);
    let (house, door) = (["a", "b\""][random.random_range(0..2)], random.random_range(0..2));
    let house = format!("{house}{}", position / STREET);
    let (number, text) = (random.random_range(0..4), TEXTS[random.random_range(0..TEXTS.len())]);
    match random.random_range(0..15) {
        0..4 => Change::Put(house, door, number, text),
        4..7 => Change::Add(house, door, number),
        7..9 => Change::Count(house, door, number),
        9..11 => Change::Note(house, text),
        11..13 => Change::NoteWhere(house, number, text),
        13 if number == 0 => Change::RemoveAll(house),
        13 => Change::Remove(house, door),
        _ if number == 0 && position.is_multiple_of(50) => Change::Look,
        _ => Change::Add(house, door, 1),
    }
}

/// House and door, and what is kept of them.
type Doors = BTreeMap<(String, i64), (i64, String)>;

fn expected() -> Doors {
    let mut doors = Doors::new();
    for position in 1..=CHANGES as u64 {
        match change(position) {
            Change::Put(house, door, number, text) => {
                doors.entry((house, door)).or_insert_with(|| (number, text.to_owned()));
            }
            Change::Add(house, door, number) => doors.entry((house, door)).or_default().0 += number,
            Change::Count(house, door, number) => {
                doors.entry((house, door)).and_modify(|kept| kept.0 = number);
            }
            Change::Note(house, text) => {
                for (_, kept) in doors.iter_mut().filter(|(key, _)| key.0 == house) {
                    text.clone_into(&mut kept.1);
                }
            }
            Change::NoteWhere(house, number, text) => {
                for (_, kept) in doors.iter_mut().filter(|(key, kept)| key.0 == house && kept.0 == number) {
                    text.clone_into(&mut kept.1);
                }
            }
            Change::Remove(house, door) => drop(doors.remove(&(house, door))),
            Change::RemoveAll(house) => doors.retain(|key, _| key.0 != house),
            Change::Look => {}
        }
    }
    doors
}

struct Changing;

#[async_trait]
impl Projection for Changing {
    fn name(&self) -> &'static str {
        "changing"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE door (house TEXT NOT NULL, door BIGINT NOT NULL, number BIGINT NOT NULL, note TEXT NOT NULL DEFAULT '',
           PRIMARY KEY (house, door))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let key = |house: String, door: i64| [("house", house.into()), ("door", Value::from(door))];
        let whole = |house: String| [("house", Value::from(house))];
        match change(record.position) {
            Change::Put(house, door, number, text) => {
                let rest = [("number", number.into()), ("note", text.into())];
                tables.put_under("door", key(house, door), rest).await
            }
            Change::Add(house, door, number) => tables.add("door", key(house, door), [("number", number)]).await,
            Change::Count(house, door, number) => {
                tables.set("door", key(house, door), [("number", number.into())]).await
            }
            Change::Note(house, text) => tables.set("door", whole(house), [("note", text.into())]).await,
            Change::NoteWhere(house, number, text) => {
                let found = [("house", house.into()), ("number", number.into())];
                tables.set("door", found, [("note", text.into())]).await
            }
            Change::Remove(house, door) => tables.remove("door", key(house, door)).await,
            Change::RemoveAll(house) => tables.remove("door", whole(house)).await,
            Change::Look => {
                read(tables.now().await?).await?;
                Ok(())
            }
        }
    }
}

async fn read(db: &mut sqlx::AnyConnection) -> sqlx::Result<Doors> {
    let rows = sqlx::query("SELECT house, door, number, note FROM door").fetch_all(db).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)))).collect())
}

/// What the tables on this shelf hold once the log has been applied.
async fn applied(shelf: Shelf) -> Doors {
    let log: Arc<dyn EventLog> = Memory::empty().await.open().await;
    for part in (0..CHANGES).step_by(500) {
        let events = CHANGES.min(part + 500) - part;
        let stream = format!("stream-{part}");
        log.append(command(&stream, vec![write(&stream, Expected::Any, events)])).await.unwrap();
    }
    let (tracker, stop, consumers) = (TaskTracker::new(), CancellationToken::new(), Consumers::default());
    let views = Views::open(Setup {
        service: "test".to_owned(),
        shelf,
        lease: Lease::alone(),
        projections: vec![Box::new(Changing)],
        sources: vec![Arc::new(InProcess(Arc::clone(&log)))],
        on_failure: OnFailure::Halt,
        consumers: consumers.clone(),
        ledger: None,
        tracker: tracker.clone(),
        stop: stop.clone(),
    });
    let views = views.await.unwrap();
    let progress = consumers.find("test/views", "registry").unwrap();
    let patience = Instant::now() + Duration::from_mins(1);
    assert!(progress.wait_for(CHANGES as u64, patience).await, "{:?}", progress.standing());
    let doors = read(&mut views.connection().await.unwrap()).await.unwrap();
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    doors
}

#[tokio::test]
async fn gathered_changes_come_to_the_same_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(applied(Shelf::Folder(folder.path().to_owned())).await, expected());
}

#[tokio::test]
async fn gathered_changes_come_to_the_same_on_a_server() {
    let service = postgres::cluster().service().await.unwrap();
    assert_eq!(applied(Shelf::Database(service.database.clone())).await, expected());
}
