//! Cells into rows under headings. Rows are kept sparsely: a cell in the last corner of a sheet costs one cell.

use std::collections::BTreeMap;

use calamine::{DataRef, Dimensions};

use super::{Column, Unreadable, headings::Kind, opening::TOO_LARGE};
use crate::{sentence::Sentence, typing};

/// What a cell holds, apart from blanks.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Number(f64),
    /// An ISO date. Excel takes 3-1 for the first of March.
    Date(String),
    /// #N/A and the like.
    Error,
    /// A formula of which the file does not say what comes of it.
    Formula,
}

/// A row with something in it.
#[derive(Clone)]
pub struct Row {
    /// As the sheet counts, from 1.
    pub number: u32,
    pub(super) cells: BTreeMap<u32, Cell>,
}

/// A sheet with headings.
pub struct Sheet {
    pub kind: Kind,
    /// Its title; empty where a file has no sheets.
    pub title: String,
    /// By column, from 0.
    pub(super) headings: BTreeMap<u32, String>,
    columns: BTreeMap<Column, u32>,
    pub rows: Vec<Row>,
}

/// A sheet's cells before anybody knows what they mean.
#[derive(Default)]
pub(super) struct Grid {
    rows: BTreeMap<u32, BTreeMap<u32, Cell>>,
    cells: usize,
}

const MOST_CELLS: usize = 1_000_000;
pub(super) const MOST_ROWS: usize = 20_000;
/// Nobody's heading stands further to the right.
const MOST_COLUMNS: u32 = 200;
/// Titles and notes above the headings.
const HEADING_WITHIN: usize = 20;
/// Characters of one cell; the rest of a longer one is nothing that is asked for here.
const MOST_CHARACTERS: usize = 500;

impl Grid {
    /// `formula`: the value is what came of one.
    pub(super) fn put(&mut self, row: u32, column: u32, value: &DataRef<'_>, formula: bool) -> Result<(), Unreadable> {
        if column >= MOST_COLUMNS {
            return Ok(());
        }
        let cell = match cell(value) {
            Some(cell) => cell,
            // A program that does not calculate has written it: to take it for blank would lose what it says.
            None if formula && matches!(value, DataRef::Empty) => Cell::Formula,
            None => return Ok(()),
        };
        self.cells += 1;
        if self.cells > MOST_CELLS {
            return Err(Unreadable(TOO_LARGE));
        }
        self.rows.entry(row).or_default().insert(column, cell);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn cell(value: &DataRef<'_>) -> Option<Cell> {
    let text = |text: &str| {
        let text = typing::tidy(text);
        // An escape that a workbook of refused rows carries, and that some programs show as part of the text. And the one by
        // which long numbers survive in a .csv file: ="13800001234".
        let text = match text.strip_prefix('\'') {
            Some(escaped) if escaped.starts_with(['=', '+', '-', '@']) => escaped.to_owned(),
            _ => match text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
                Some(quoted) if !quoted.contains('"') => quoted.trim().to_owned(),
                _ => text,
            },
        };
        (!text.is_empty()).then(|| Cell::Text(text.chars().take(MOST_CHARACTERS).collect()))
    };
    match value {
        DataRef::Int(number) => Some(Cell::Text(number.to_string())),
        DataRef::Float(number) => Some(Cell::Number(*number)),
        DataRef::String(string) => text(string),
        DataRef::SharedString(string) => text(string),
        DataRef::Bool(truth) => Some(Cell::Text(if *truth { "TRUE" } else { "FALSE" }.to_owned())),
        DataRef::DateTime(date) => {
            let (year, month, day, ..) = date.to_ymd_hms_milli();
            Some(Cell::Date(format!("{year:04}-{month:02}-{day:02}")))
        }
        DataRef::DateTimeIso(iso) | DataRef::DurationIso(iso) => Some(Cell::Date(iso.chars().take(10).collect())),
        DataRef::Error(_) => Some(Cell::Error),
        DataRef::Empty => None,
    }
}

impl Cell {
    /// What it says; numbers without a fraction as one types them, so that 402 stays 402.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Date(text) => text.clone(),
            Self::Number(number) if number.fract() == 0.0 => format!("{number:.0}"),
            Self::Number(number) => number.to_string(),
            Self::Error | Self::Formula => String::new(),
        }
    }

    /// Whether Excel may have dropped digits: it keeps fifteen.
    pub fn cut(&self) -> bool {
        matches!(self, Self::Number(number) if number.abs() >= 1e15)
    }

    /// Whether it may be the number of a day, as Excel counts them: 3-1 was typed, taken for the first of March, and the
    /// column made plain again. Those are the days from 2000 to 2050; no building has such a number.
    pub fn may_be_a_day(&self) -> bool {
        matches!(self, Self::Number(number) if (36_526.0..55_000.0).contains(number))
    }
}

impl Sheet {
    pub fn cell<'a>(&self, row: &'a Row, column: Column) -> Option<&'a Cell> {
        row.cells.get(self.columns.get(&column)?)
    }

    pub(super) fn column_of(&self, column: Column) -> Option<u32> {
        self.columns.get(&column).copied()
    }
}

/// The first row that calls enough columns by name.
pub(super) fn heading(kind: Kind, grid: &Grid) -> Option<u32> {
    let known = |cells: &BTreeMap<u32, Cell>| cells.values().filter(|cell| kind.column(&cell.text()).is_some()).count();
    let enough = kind.known_in_heading();
    grid.rows.iter().take(HEADING_WITHIN).find(|(_, cells)| known(cells) >= enough).map(|(row, _)| *row)
}

/// The rows below the heading. Rows in which no column that is read holds anything do not count.
pub(super) fn under(
    kind: Kind,
    title: String,
    heading: u32,
    mut grid: Grid,
    merged: &[Dimensions],
) -> Result<Sheet, Unreadable> {
    let mut below = grid.rows.split_off(&heading);
    let headings: BTreeMap<u32, String> =
        below.remove(&heading).unwrap_or_default().into_iter().map(|(column, cell)| (column, cell.text())).collect();
    let columns = columns(kind, &headings)?;
    let repeated = |cells: &BTreeMap<u32, Cell>| {
        columns.values().all(|at| cells.get(at).map(Cell::text).unwrap_or_default() == headings[at])
    };
    below.retain(|_, cells| columns.values().any(|at| cells.contains_key(at)) && !repeated(cells));
    if below.len() > MOST_ROWS {
        return Err(Unreadable(TOO_LARGE));
    }
    spread(kind, &mut below, &columns, merged)?;
    let rows = below.into_iter().map(|(row, cells)| Row { number: row.saturating_add(1), cells }).collect();
    Ok(Sheet { kind, title, headings, columns, rows })
}

fn columns(kind: Kind, headings: &BTreeMap<u32, String>) -> Result<BTreeMap<Column, u32>, Unreadable> {
    let mut columns = BTreeMap::new();
    for (at, heading) in headings {
        let Some(column) = kind.column(heading) else { continue };
        if columns.insert(column, *at).is_some() {
            let name = column.heading();
            return Err(Unreadable(Sentence::made(
                format!("表头“{name}”出现了两次：请删去或改名其中一列"),
                format!("the heading {name} stands twice: remove or rename one of the columns"),
            )));
        }
    }
    let missing = kind.required().iter().filter(|column| !columns.contains_key(column));
    let missing: Vec<&str> = missing.map(|column| column.heading()).collect();
    if missing.is_empty() {
        return Ok(columns);
    }
    Err(Unreadable(Sentence::made(
        format!("缺少表头：{}。请补上这些列，或改用这些名称", missing.join("、")),
        format!("headings are missing: {}. Add these columns, or call them so", missing.join(", ")),
    )))
}

/// A cell of the room that is merged over the rows of a family holds for each of them.
fn spread(
    kind: Kind,
    rows: &mut BTreeMap<u32, BTreeMap<u32, Cell>>,
    columns: &BTreeMap<Column, u32>,
    merged: &[Dimensions],
) -> Result<(), Unreadable> {
    let shared: Vec<u32> = kind.shared().iter().filter_map(|column| columns.get(column).copied()).collect();
    let mut steps = 0;
    for region in merged {
        let ((first, column), (last, _)) = (region.start, region.end);
        if first >= last || !shared.contains(&column) {
            continue;
        }
        let Some(cell) = rows.get(&first).and_then(|cells| cells.get(&column)).cloned() else {
            continue;
        };
        for cells in rows.range_mut(first..=last).map(|(_, cells)| cells) {
            steps += 1;
            if steps > MOST_CELLS {
                return Err(Unreadable(TOO_LARGE));
            }
            cells.entry(column).or_insert_with(|| cell.clone());
        }
    }
    Ok(())
}
