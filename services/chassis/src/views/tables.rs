//! A projection's hands in its tables while a batch of records goes by. Rows that are only put in, and numbers that are only
//! added to, are gathered, and many go with one statement: when a million records are taken anew, a statement for each
//! would be most of the work. Whatever else a projection does finds everything that it has put in before.

use std::fmt::Write as _;

use anyhow::Context as _;
use sqlx::{AnyConnection, AssertSqlSafe};

/// What one projection sees of its service's tables. What others have gathered of this batch may not be there yet.
pub struct Tables<'a> {
    db: &'a mut AnyConnection,
    gathered: &'a mut Vec<Rows>,
    together: usize,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Integer(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// What the projections of a batch have gathered.
pub(super) struct Gathering {
    /// By projection.
    rows: Vec<Vec<Rows>>,
    together: usize,
}

/// Rows that wait for one statement.
struct Rows {
    table: &'static str,
    columns: Vec<&'static str>,
    /// How many of the columns are its key, from the first one on.
    key: usize,
    kind: Kind,
    waiting: Vec<Vec<Value>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A row that is there already stays as it is.
    Put,
    /// The numbers behind the key are added to those that are there.
    Add,
}

/// Rows in one statement, so that few different ones are prepared. PostgreSQL takes 65,535 values at a time, SQLite 32,766.
const TOGETHER: [usize; 4] = [128, 32, 8, 1];

impl Gathering {
    pub(super) fn of(projections: usize) -> Self {
        Self { rows: (0..projections).map(|_| Vec::new()).collect(), together: TOGETHER[0] }
    }

    /// Nothing waits: what fails is the record that is at hand.
    pub(super) fn at_once(projections: usize) -> Self {
        Self { together: 1, ..Self::of(projections) }
    }

    pub(super) fn tables<'a>(&'a mut self, projection: usize, db: &'a mut AnyConnection) -> Tables<'a> {
        Tables { db, gathered: &mut self.rows[projection], together: self.together }
    }

    /// Writes what still waits.
    pub(super) async fn settle(&mut self, db: &mut AnyConnection) -> anyhow::Result<()> {
        for rows in self.rows.iter_mut().flatten() {
            rows.write(db).await?;
        }
        Ok(())
    }
}

impl Tables<'_> {
    /// Puts a row into a table; where one with the same key is there, it stays as it is. The first column is the key.
    ///
    /// # Errors
    /// What the database says of this row, or of those gathered before it.
    pub async fn put<const N: usize>(
        &mut self,
        table: &'static str,
        row: [(&'static str, Value); N],
    ) -> anyhow::Result<()> {
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let rows = self.rows(Kind::Put, table, 1, columns);
        rows.waiting.push(values);
        self.write_if_many().await
    }

    /// Adds to the numbers of the row with this key; where there is none, it begins with them.
    ///
    /// # Errors
    /// What the database says of this row, or of those gathered before it.
    pub async fn add<const K: usize, const N: usize>(
        &mut self,
        table: &'static str,
        key: [(&'static str, Value); K],
        numbers: [(&'static str, i64); N],
    ) -> anyhow::Result<()> {
        let numbers = numbers.map(|(column, number)| (column, Value::Integer(number)));
        let (columns, values): (Vec<_>, Vec<Value>) = key.into_iter().chain(numbers).unzip();
        let rows = self.rows(Kind::Add, table, K, columns);
        // One statement must not meet the same row twice.
        match rows.waiting.iter_mut().find(|row| row[..K] == values[..K]) {
            Some(row) => {
                for (sum, value) in row[K..].iter_mut().zip(&values[K..]) {
                    if let (Value::Integer(sum), Value::Integer(value)) = (sum, value) {
                        *sum += value;
                    }
                }
            }
            None => rows.waiting.push(values),
        }
        self.write_if_many().await
    }

    /// The tables with everything in them that was put there before: for whatever changes, removes or reads rows.
    ///
    /// # Errors
    /// What the database says of the rows gathered before.
    pub async fn now(&mut self) -> anyhow::Result<&mut AnyConnection> {
        for rows in &mut *self.gathered {
            rows.write(self.db).await?;
        }
        Ok(self.db)
    }

    fn rows(&mut self, kind: Kind, table: &'static str, key: usize, columns: Vec<&'static str>) -> &mut Rows {
        let same = |rows: &Rows| rows.kind == kind && rows.table == table && rows.key == key && rows.columns == columns;
        let place = self.gathered.iter().position(same).unwrap_or_else(|| {
            self.gathered.push(Rows { table, columns, key, kind, waiting: Vec::new() });
            self.gathered.len() - 1
        });
        &mut self.gathered[place]
    }

    async fn write_if_many(&mut self) -> anyhow::Result<()> {
        for rows in &mut *self.gathered {
            if rows.waiting.len() >= self.together {
                rows.write(self.db).await?;
            }
        }
        Ok(())
    }
}

impl Rows {
    async fn write(&mut self, db: &mut AnyConnection) -> anyhow::Result<()> {
        // SQLite's driver looks each numbered one up among all: with many that is most of the work.
        let numbered = db.backend_name() != "SQLite";
        let mut rows = std::mem::take(&mut self.waiting).into_iter();
        while rows.len() > 0 {
            let count = TOGETHER.into_iter().find(|count| *count <= rows.len()).unwrap_or(1);
            let mut query = sqlx::query(AssertSqlSafe(self.statement(count, numbered)));
            for value in rows.by_ref().take(count).flatten() {
                query = match value {
                    Value::Integer(number) => query.bind(number),
                    Value::Text(text) => query.bind(text),
                };
            }
            query.execute(&mut *db).await.with_context(|| format!("filling the table {}", self.table))?;
        }
        Ok(())
    }

    fn statement(&self, count: usize, numbered: bool) -> String {
        let Self { table, columns, key, .. } = self;
        let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
        for row in 0..count {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..columns.len() {
                let comma = if column == 0 { "" } else { ", " };
                sql.push_str(comma);
                if numbered {
                    write!(sql, "${}", row * columns.len() + column + 1).expect("a string takes everything");
                } else {
                    sql.push('?');
                }
            }
            sql.push(')');
        }
        write!(sql, " ON CONFLICT ({}) DO ", columns[..*key].join(", ")).expect("a string takes everything");
        match self.kind {
            Kind::Put => sql.push_str("NOTHING"),
            Kind::Add => {
                let sums =
                    columns[*key..].iter().map(|column| format!("{column} = {table}.{column} + excluded.{column}"));
                sql.push_str("UPDATE SET ");
                sql.push_str(&sums.collect::<Vec<_>>().join(", "));
            }
        }
        sql
    }
}

#[cfg(test)]
mod tests {
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
        for (gathering, settles) in
            [(Gathering::of(1), false), (Gathering::of(1), true), (Gathering::at_once(1), false)]
        {
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
    async fn a_row_that_the_table_refuses_names_the_table() {
        let mut db = database().await;
        let mut gathering = Gathering::at_once(1);
        let mut tables = gathering.tables(0, &mut db);
        let refused = tables.put("person", [("id", 1.into()), ("name", 7.into()), ("age", 3.into())]).await;
        assert!(format!("{:#}", refused.unwrap_err()).contains("filling the table person"));
    }
}
