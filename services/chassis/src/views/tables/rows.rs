use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::{Value, statement};

/// Of one table and its columns; the key's come first.
pub(super) struct Rows {
    pub(super) kind: Kind,
    pub(super) table: &'static str,
    pub(super) columns: Vec<&'static str>,
    /// How many of the columns are the key.
    pub(super) key: usize,
    waiting: Vec<Vec<Value>>,
    /// Where in `waiting` each key is.
    places: HashMap<Vec<Value>, usize>,
    /// First values of the keys that wait: what names a row.
    named: HashSet<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A row that is there already stays as it is.
    Put,
    /// The numbers behind the key are added to those that are there.
    Add,
    /// The values behind the key take the place of those that are there.
    Set,
    Remove,
}

impl Rows {
    pub(super) fn new(kind: Kind, table: &'static str, key: usize, columns: Vec<&'static str>) -> Self {
        Self { kind, table, columns, key, waiting: Vec::new(), places: HashMap::new(), named: HashSet::new() }
    }

    pub(super) fn are(&self, kind: Kind, table: &str, key: usize, columns: &[&str]) -> bool {
        self.kind == kind && self.table == table && self.key == key && self.columns == columns
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a row changes nothing: it waits to be put in already, and nothing removes it meanwhile.
    pub(super) fn is_idle(&self, row: &[Value], later: &[Self]) -> bool {
        self.kind == Kind::Put
            && self.places.contains_key(&row[..self.key])
            && !later.iter().any(|later| later.kind == Kind::Remove && later.concerns(self.table, &row[0]))
    }

    /// Whether `later` holds changes of a row, written after these, that happened before what comes now.
    pub(super) fn must_precede(&self, name: &Value, later: &Self) -> bool {
        later.concerns(self.table, name) && self.meets(later)
    }

    fn concerns(&self, table: &str, name: &Value) -> bool {
        self.table == table && self.named.contains(name)
    }

    /// Whether the order of the two matters to a row.
    fn meets(&self, other: &Self) -> bool {
        let whole = |rows: &Self| matches!(rows.kind, Kind::Put | Kind::Remove);
        // What is added to may begin with that, and what is set is only set where there is a row.
        let begins = matches!((self.kind, other.kind), (Kind::Add, Kind::Set) | (Kind::Set, Kind::Add));
        let shared = |one: &Self, all: &Self| one.columns[one.key..].iter().any(|column| all.columns.contains(column));
        whole(self) || whole(other) || begins || shared(self, other) || shared(other, self)
    }

    /// One statement must not meet the same row twice.
    pub(super) fn gather(&mut self, row: Vec<Value>) {
        let Some(place) = self.places.get(&row[..self.key]) else {
            self.named.insert(row[0].clone());
            self.places.insert(row[..self.key].to_vec(), self.waiting.len());
            self.waiting.push(row);
            return;
        };
        let there = &mut self.waiting[*place];
        match self.kind {
            Kind::Put | Kind::Remove => {}
            Kind::Set => *there = row,
            Kind::Add => {
                for (sum, value) in there[self.key..].iter_mut().zip(&row[self.key..]) {
                    if let (Value::Integer(sum), Value::Integer(value)) = (sum, value) {
                        *sum += value;
                    }
                }
            }
        }
    }

    pub(super) async fn write(&mut self, db: &mut AnyConnection) -> anyhow::Result<()> {
        self.places.clear();
        self.named.clear();
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        let filling = || format!("filling the table {}", self.table);
        if db.backend_name() == "SQLite" {
            let mut rows = rows.into_iter();
            while rows.len() > 0 {
                let count = statement::most(rows.len());
                let mut query = sqlx::query(AssertSqlSafe(statement::of_values(self, count)));
                for value in rows.by_ref().take(count).flatten() {
                    query = match value {
                        Value::Integer(number) => query.bind(number),
                        Value::Text(text) => query.bind(text),
                    };
                }
                query.execute(&mut *db).await.with_context(filling)?;
            }
        } else {
            let mut query = sqlx::query(AssertSqlSafe(statement::of_arrays(self, &rows[0])));
            for column in 0..self.columns.len() {
                query = query.bind(statement::array(rows.iter().map(|row| &row[column])));
            }
            query.execute(db).await.with_context(filling)?;
        }
        Ok(())
    }
}
