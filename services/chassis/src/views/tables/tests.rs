use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};

use super::*;

async fn database() -> AnyConnection {
    sqlx::any::install_default_drivers();
    let mut db = AnyConnection::connect("sqlite::memory:").await.unwrap();
    let tables = "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE day (unit TEXT, day BIGINT, crossings BIGINT, fevers BIGINT, PRIMARY KEY (unit, day));";
    db.execute(sqlx::raw_sql(tables)).await.unwrap();
    db
}

async fn people(db: &mut AnyConnection) -> Vec<(i64, String)> {
    let rows = sqlx::query("SELECT id, name FROM person ORDER BY id").fetch_all(db).await.unwrap();
    rows.into_iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn name(tables: &mut Tables<'_>, id: i64, name: &str) {
    tables.put("person", [("id", id.into()), ("name", name.to_owned().into())]).await.unwrap();
}

#[tokio::test]
async fn rows_are_there_for_whoever_looks_and_in_the_order_in_which_they_came() {
    let mut db = database().await;
    let mut gathering = Gathering::of(1);
    let mut tables = gathering.tables(0, &mut db);
    for id in 0..3 {
        name(&mut tables, id, "first").await;
    }
    name(&mut tables, 2, "second").await;
    let now = tables.now().await.unwrap();
    sqlx::query("UPDATE person SET name = 'changed' WHERE id = 1").execute(&mut *now).await.unwrap();
    let expected = [(0, "first"), (1, "changed"), (2, "first")].map(|(id, name)| (id, name.to_owned()));
    assert_eq!(people(now).await, expected);
}

#[tokio::test]
async fn every_number_of_rows_arrives_whole() {
    for count in [1, 7, 8, 127, 128, 129, 300] {
        let mut db = database().await;
        let mut gathering = Gathering::of(1);
        for id in 0..count {
            name(&mut gathering.tables(0, &mut db), id, &id.to_string()).await;
        }
        gathering.settle(&mut db).await.unwrap();
        assert!(people(&mut db).await.into_iter().eq((0..count).map(|id| (id, id.to_string()))), "{count}");
    }
}

#[tokio::test]
async fn numbers_add_up_however_they_come_together() {
    for (gathering, settles) in [(Gathering::of(1), false), (Gathering::of(1), true), (Gathering::at_once(1), false)] {
        let (mut db, mut gathering) = (database().await, gathering);
        for number in 0..100 {
            let key = [("unit", format!("u{}", number % 3).into()), ("day", (number % 2).into())];
            let numbers = [("crossings", 1), ("fevers", i64::from(number == 6))];
            gathering.tables(0, &mut db).add("day", key, numbers).await.unwrap();
            if settles && number % 10 == 0 {
                gathering.settle(&mut db).await.unwrap();
            }
        }
        gathering.settle(&mut db).await.unwrap();
        let rows = sqlx::query("SELECT unit, day, crossings, fevers FROM day ORDER BY unit, day");
        let rows = rows.fetch_all(&mut db).await.unwrap();
        let rows: Vec<(String, i64, i64, i64)> =
            rows.into_iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
        let expected = [
            ("u0", 0, 17, 1),
            ("u0", 1, 17, 0),
            ("u1", 0, 16, 0),
            ("u1", 1, 17, 0),
            ("u2", 0, 17, 0),
            ("u2", 1, 16, 0),
        ];
        assert_eq!(rows, expected.map(|(unit, day, crossings, fevers)| (unit.to_owned(), day, crossings, fevers)));
    }
}

#[tokio::test]
async fn what_is_set_is_set_on_the_row_that_an_addition_began() {
    let mut db = database().await;
    let mut gathering = Gathering::of(1);
    let mut tables = gathering.tables(0, &mut db);
    let day = |day: i64| [("unit", Value::from("u")), ("day", day.into())];
    // Before anything is there it sets nothing; it only opens the list.
    tables.set("day", day(1), [("fevers", 7.into())]).await.unwrap();
    tables.add("day", day(1), [("crossings", 1)]).await.unwrap();
    tables.set("day", day(1), [("fevers", 9.into())]).await.unwrap();
    let db = tables.now().await.unwrap();
    let row = sqlx::query("SELECT crossings, fevers FROM day").fetch_one(db).await.unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (1, 9));
}

#[tokio::test]
async fn what_is_full_is_written_behind_what_was_begun_before_it() {
    let mut db = database().await;
    let mut gathering = Gathering { together: 2, ..Gathering::of(1) };
    let mut tables = gathering.tables(0, &mut db);
    name(&mut tables, 1, "first").await;
    for id in [1, 9] {
        tables.set("person", [("id", id.into())], [("name", "second".into())]).await.unwrap();
    }
    assert_eq!(people(tables.now().await.unwrap()).await, [(1, "second".to_owned())]);
}

#[tokio::test]
async fn a_row_that_the_table_refuses_names_the_table() {
    let mut db = database().await;
    let mut gathering = Gathering::at_once(1);
    let mut tables = gathering.tables(0, &mut db);
    let refused = tables.put("person", [("id", 1.into()), ("name", 7.into()), ("age", 3.into())]).await;
    assert!(format!("{:#}", refused.unwrap_err()).contains("filling the table person"));
}
