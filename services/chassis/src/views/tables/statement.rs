use std::fmt::Write as _;

use super::{
    Value,
    rows::{Kind, Rows},
};

/// Rows in one statement of SQLite's, so that few different ones are prepared. It takes 32,766 values at a time.
const TOGETHER: [usize; 4] = [128, 32, 8, 1];

/// How many of so many rows one statement of SQLite's takes.
pub(super) fn most(rows: usize) -> usize {
    TOGETHER.into_iter().find(|count| *count <= rows).unwrap_or(1)
}

/// For SQLite: a parameter for each value. Unnumbered, since its driver looks each numbered one up among all.
pub(super) fn of_values(rows: &Rows, count: usize) -> String {
    let row = format!("({})", vec!["?"; rows.columns.len()].join(", "));
    let values = format!("VALUES {}", vec![row; count].join(", "));
    let columns: Vec<_> = (1..=rows.columns.len()).map(|column| format!("v.column{column}")).collect();
    let Rows { table, kind, .. } = rows;
    match kind {
        Kind::Put | Kind::Add => insert(rows, &values),
        Kind::Set => {
            format!("UPDATE {table} SET {} FROM ({values}) AS v WHERE {}", sets(rows, &columns), same(rows, &columns))
        }
        Kind::Remove => format!("DELETE FROM {table} WHERE ({}) IN ({values})", rows.columns.join(", ")),
    }
}

/// For PostgreSQL: a parameter for each column, with the values of all rows. One plan serves any number of rows.
pub(super) fn of_arrays(rows: &Rows, first: &[Value]) -> String {
    let mut arrays = String::new();
    for (number, value) in (1..).zip(first) {
        let comma = if number == 1 { "" } else { ", " };
        let kind = match value {
            Value::Integer(_) => "bigint",
            Value::Text(_) => "text",
        };
        write!(arrays, "{comma}${number}::text::{kind}[]").expect("a string takes everything");
    }
    let Rows { table, columns, .. } = rows;
    let source = format!("unnest({arrays}) AS v ({})", columns.join(", "));
    let values: Vec<_> = columns.iter().map(|column| format!("v.{column}")).collect();
    match rows.kind {
        Kind::Put | Kind::Add => insert(rows, &format!("SELECT * FROM {source}")),
        Kind::Set => format!("UPDATE {table} SET {} FROM {source} WHERE {}", sets(rows, &values), same(rows, &values)),
        Kind::Remove => format!("DELETE FROM {table} USING {source} WHERE {}", same(rows, &values)),
    }
}

fn insert(Rows { table, columns, key, kind, .. }: &Rows, values: &str) -> String {
    let conflict = format!("ON CONFLICT ({}) DO", columns[..*key].join(", "));
    let sums = columns[*key..].iter().map(|column| format!("{column} = {table}.{column} + excluded.{column}"));
    let done = match kind {
        Kind::Add => format!("UPDATE SET {}", sums.collect::<Vec<_>>().join(", ")),
        Kind::Put | Kind::Set | Kind::Remove => "NOTHING".to_owned(),
    };
    format!("INSERT INTO {table} ({}) {values} {conflict} {done}", columns.join(", "))
}

/// What is behind the key, from where it comes.
fn sets(rows: &Rows, values: &[String]) -> String {
    let pairs = rows.columns.iter().zip(values).skip(rows.key).map(|(column, value)| format!("{column} = {value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

fn same(Rows { table, columns, key, .. }: &Rows, values: &[String]) -> String {
    let pairs = columns.iter().zip(values).take(*key).map(|(column, value)| format!("{table}.{column} = {value}"));
    pairs.collect::<Vec<_>>().join(" AND ")
}

/// As PostgreSQL writes an array.
pub(super) fn array<'a>(values: impl Iterator<Item = &'a Value>) -> String {
    let mut array = String::from("{");
    for (at, value) in values.enumerate() {
        if at > 0 {
            array.push(',');
        }
        match value {
            Value::Integer(number) => write!(array, "{number}").expect("a string takes everything"),
            Value::Text(text) => {
                array.push('"');
                for char in text.chars() {
                    if matches!(char, '"' | '\\') {
                        array.push('\\');
                    }
                    array.push(char);
                }
                array.push('"');
            }
        }
    }
    array.push('}');
    array
}
