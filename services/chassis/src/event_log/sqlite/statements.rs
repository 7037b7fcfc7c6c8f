//! Statements over all rows of a batch, several of them in one message to the thread that SQLite runs on: each message
//! there and back waits twice for a processor. They are made for a power of two of rows, so that a few dozen stay
//! prepared; rows that are missing are NULL and left out. A row that is refused takes the whole commit back: to undo its statement
//! alone, SQLite would keep every page that the statement touches.

use std::{collections::HashMap, sync::Arc};

use sqlx::{AssertSqlSafe, Sqlite, query::Query, sqlite::SqliteArguments};

/// What a statement over many rows does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    FindCommand,
    FindStream,
    FindKey,
    Stream,
    Event,
    Command,
    /// A key that nobody may hold.
    NewKey,
    Key,
}

impl Table {
    /// How many values a row has, and the statement around the rows. In front of what is looked up stand the table's
    /// number (`column1`) and the row's place (`column2`).
    fn shape(self) -> (usize, &'static str, &'static str) {
        match self {
            Self::FindCommand => (
                1,
                "SELECT v.column1, v.column2, c.fingerprint, c.first_position, c.last_position, c.reply FROM (VALUES ",
                ") AS v CROSS JOIN command AS c ON c.command_id = v.column3",
            ),
            Self::FindStream => (
                2,
                "SELECT v.column1, v.column2, s.stream_no, s.version FROM (VALUES ",
                ") AS v CROSS JOIN stream AS s ON s.category = v.column3 AND s.stream_id = v.column4",
            ),
            Self::FindKey => (
                2,
                "SELECT v.column1, v.column2, r.stream_id FROM (VALUES ",
                ") AS v CROSS JOIN reservation AS r ON r.scope = v.column3 AND r.key = v.column4",
            ),
            Self::Stream => (
                4,
                "INSERT OR ROLLBACK INTO stream (stream_no, category, stream_id, version) SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL ON CONFLICT (stream_no) DO UPDATE SET version = excluded.version",
            ),
            Self::Event => (
                17,
                "INSERT OR ROLLBACK INTO event (position, stream_no, version, event_id, type, schema_version, payload, command_id, \
                 correlation_id, causation_id, actor, office, subject_id, traceparent, occurred_at, recorded_at, chain) \
                 SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL",
            ),
            Self::Command => (
                6,
                "INSERT OR ROLLBACK INTO command (command_id, fingerprint, first_position, last_position, reply, recorded_at) \
                 SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL",
            ),
            Self::NewKey => (
                3,
                "INSERT OR ROLLBACK INTO reservation (scope, key, stream_id) SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL",
            ),
            Self::Key => (
                3,
                "INSERT OR ROLLBACK INTO reservation (scope, key, stream_id) SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL ON CONFLICT (scope, key) DO UPDATE SET stream_id = excluded.stream_id",
            ),
        }
    }

    fn statement(self, rows: usize) -> String {
        let (values, before, after) = self.shape();
        let looks_up = matches!(self, Self::FindCommand | Self::FindStream | Self::FindKey);
        let placeholders = vec!["?"; values].join(",");
        // What is looked up is numbered, so that each answer finds its question.
        let row = |place| {
            if looks_up { format!("({},{place},{placeholders})", self as u8) } else { format!("({placeholders})") }
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("{before}{}{after};", rows.join(","))
    }
}

/// Texts of several statements, by what they do.
#[derive(Default)]
pub(super) struct Statements(HashMap<Outline, Arc<str>>);

/// What comes first, then each table with a power of two of rows.
type Outline = (&'static str, Vec<(Table, usize)>);

impl Statements {
    /// `first`, then what is written to or asked of each table for so many rows, then `last`. A table without rows is
    /// left out; `last` is always the same for the same tables.
    pub(super) fn script(&mut self, first: &'static str, tables: &[(Table, usize)], last: &str) -> Script {
        let tables: Vec<_> = tables
            .iter()
            .filter(|(_, rows)| *rows > 0)
            .map(|(table, rows)| (*table, rows.next_power_of_two()))
            .collect();
        let sql = self.0.entry((first, tables)).or_insert_with_key(|(first, tables)| {
            let statements = tables.iter().map(|(table, rows)| table.statement(*rows));
            std::iter::once((*first).to_owned()).chain(statements).chain([last.to_owned()]).collect::<String>().into()
        });
        Script(sqlx::query(AssertSqlSafe(Arc::clone(sql))))
    }
}

/// Statements that are getting their values, in the order of the tables.
pub(super) struct Script(pub(super) Query<'static, Sqlite, SqliteArguments>);

impl Script {
    /// The rows of one table; those up to the power of two stay NULL.
    pub(super) fn rows<T>(self, table: Table, rows: &[T], row: impl Fn(Self, &T) -> Self) -> Self {
        let missing = if rows.is_empty() { 0 } else { rows.len().next_power_of_two() - rows.len() };
        let (values, ..) = table.shape();
        let bound = rows.iter().fold(self, row);
        (0..missing * values).fold(bound, |bound, _| Self(bound.0.bind(None::<i64>)))
    }

    pub(super) fn number(self, value: i64) -> Self {
        Self(self.0.bind(value))
    }

    pub(super) fn position(self, value: u64) -> Self {
        self.number(value.cast_signed())
    }

    pub(super) fn text(self, value: &str) -> Self {
        Self(self.0.bind(value.to_owned()))
    }

    pub(super) fn text_or_null(self, value: &str) -> Self {
        Self(self.0.bind((!value.is_empty()).then(|| value.to_owned())))
    }

    pub(super) fn bytes(self, value: &[u8]) -> Self {
        Self(self.0.bind(value.to_vec()))
    }
}
