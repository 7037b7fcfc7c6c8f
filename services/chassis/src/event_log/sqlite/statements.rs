//! Statements over all rows of a batch. They are made for a power of two of rows, so that a few dozen stay prepared; rows
//! that are missing are NULL and left out.

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
    Key,
}

impl Table {
    /// How many values a row has, and the statement around the rows. `column1` is the first value of a row.
    fn shape(self) -> (usize, &'static str, &'static str) {
        match self {
            Self::FindCommand => (
                1,
                "SELECT v.column1, c.fingerprint, c.first_position, c.last_position, c.reply FROM (VALUES ",
                ") AS v CROSS JOIN command AS c ON c.command_id = v.column2",
            ),
            Self::FindStream => (
                2,
                "SELECT v.column1, s.stream_no, s.version FROM (VALUES ",
                ") AS v CROSS JOIN stream AS s ON s.category = v.column2 AND s.stream_id = v.column3",
            ),
            Self::FindKey => (
                2,
                "SELECT v.column1, r.stream_id FROM (VALUES ",
                ") AS v CROSS JOIN reservation AS r ON r.scope = v.column2 AND r.key = v.column3",
            ),
            Self::Stream => (
                4,
                "INSERT INTO stream (stream_no, category, stream_id, version) SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL ON CONFLICT (stream_no) DO UPDATE SET version = excluded.version",
            ),
            Self::Event => (
                17,
                "INSERT INTO event (position, stream_no, version, event_id, type, schema_version, payload, command_id, \
                 correlation_id, causation_id, actor, office, subject_id, traceparent, occurred_at, recorded_at, chain) \
                 SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL",
            ),
            Self::Command => (
                6,
                "INSERT INTO command (command_id, fingerprint, first_position, last_position, reply, recorded_at) \
                 SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL",
            ),
            Self::Key => (
                3,
                "INSERT INTO reservation (scope, key, stream_id) SELECT * FROM (VALUES ",
                ") WHERE column1 IS NOT NULL ON CONFLICT (scope, key) DO UPDATE SET stream_id = excluded.stream_id",
            ),
        }
    }

    fn statement(self, rows: usize) -> Arc<str> {
        let (values, before, after) = self.shape();
        let looks_up = matches!(self, Self::FindCommand | Self::FindStream | Self::FindKey);
        let placeholders = vec!["?"; values].join(",");
        // What is looked up is numbered, so that each answer finds its question.
        let row = |place| {
            if looks_up { format!("({place},{placeholders})") } else { format!("({placeholders})") }
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("{before}{}{after}", rows.join(",")).into()
    }
}

/// Statements by what they do and for how many rows.
#[derive(Default)]
pub(super) struct Statements(HashMap<(Table, usize), Arc<str>>);

impl Statements {
    pub(super) fn query(&mut self, table: Table, rows: usize) -> Binding {
        let rows = rows.next_power_of_two();
        let sql = self.0.entry((table, rows)).or_insert_with(|| table.statement(rows));
        Binding(sqlx::query(AssertSqlSafe(Arc::clone(sql))))
    }
}

/// A statement that is getting its values; those that stay away are NULL.
pub(super) struct Binding(pub(super) Query<'static, Sqlite, SqliteArguments>);

impl Binding {
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
