//! Cells into rows under headings. Rows are kept sparsely: a cell in the last corner of a sheet costs one cell.

use std::collections::BTreeMap;

use calamine::{DataRef, Dimensions};

use super::{Column, Unreadable, opening::TOO_LARGE};
use crate::{sentence::Sentence, typing};

/// What a cell holds, apart from blanks.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Number(f64),
    /// Excel takes 3-1 for the first of March.
    Date,
    /// #N/A and the like.
    Error,
}

/// A row with something in it.
#[derive(Clone)]
pub struct Row {
    /// As the sheet counts, from 1.
    pub number: u32,
    pub(super) cells: BTreeMap<u32, Cell>,
}

/// A sheet of residents.
pub struct Sheet {
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
const MOST_ROWS: usize = 20_000;
/// Nobody's heading stands further to the right.
const MOST_COLUMNS: u32 = 200;
/// Titles and notes above the headings.
const HEADING_WITHIN: usize = 20;
/// Characters of one cell; the rest of a longer one is nothing that is asked for here.
const MOST_CHARACTERS: usize = 500;

impl Grid {
    pub(super) fn put(&mut self, row: u32, column: u32, value: &DataRef<'_>) -> Result<(), Unreadable> {
        if column >= MOST_COLUMNS {
            return Ok(());
        }
        let Some(cell) = cell(value) else { return Ok(()) };
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
        // An escape that a workbook of refused rows carries, and that some programs show as part of the text.
        let text = match text.strip_prefix('\'') {
            Some(escaped) if escaped.starts_with(['=', '+', '-', '@']) => escaped.to_owned(),
            _ => text,
        };
        (!text.is_empty()).then(|| Cell::Text(text.chars().take(MOST_CHARACTERS).collect()))
    };
    match value {
        DataRef::Int(number) => Some(Cell::Text(number.to_string())),
        DataRef::Float(number) => Some(Cell::Number(*number)),
        DataRef::String(string) => text(string),
        DataRef::SharedString(string) => text(string),
        DataRef::Bool(truth) => Some(Cell::Text(if *truth { "TRUE" } else { "FALSE" }.to_owned())),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => Some(Cell::Date),
        DataRef::Error(_) => Some(Cell::Error),
        DataRef::Empty => None,
    }
}

impl Cell {
    /// What it says; numbers without a fraction as one types them, so that 402 stays 402.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) if number.fract() == 0.0 => format!("{number:.0}"),
            Self::Number(number) => number.to_string(),
            Self::Date | Self::Error => String::new(),
        }
    }

    /// Whether Excel may have dropped digits: it keeps fifteen.
    pub fn cut(&self) -> bool {
        matches!(self, Self::Number(number) if number.abs() >= 1e15)
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

/// The first row that calls at least three columns by name.
pub(super) fn heading(grid: &Grid) -> Option<u32> {
    let known = |cells: &BTreeMap<u32, Cell>| cells.values().filter(|cell| Column::of(&cell.text()).is_some()).count();
    grid.rows.iter().take(HEADING_WITHIN).find(|(_, cells)| known(cells) >= 3).map(|(row, _)| *row)
}

/// The rows below the heading. Rows in which no column that is read holds anything do not count.
pub(super) fn under(heading: u32, mut grid: Grid, merged: &[Dimensions]) -> Result<Sheet, Unreadable> {
    let mut below = grid.rows.split_off(&heading);
    let headings: BTreeMap<u32, String> =
        below.remove(&heading).unwrap_or_default().into_iter().map(|(column, cell)| (column, cell.text())).collect();
    let columns = columns(&headings)?;
    let repeated = |cells: &BTreeMap<u32, Cell>| {
        columns.values().all(|at| cells.get(at).map(Cell::text).unwrap_or_default() == headings[at])
    };
    below.retain(|_, cells| columns.values().any(|at| cells.contains_key(at)) && !repeated(cells));
    if below.len() > MOST_ROWS {
        return Err(Unreadable(TOO_LARGE));
    }
    spread(&mut below, &columns, merged)?;
    let rows = below.into_iter().map(|(row, cells)| Row { number: row.saturating_add(1), cells }).collect();
    Ok(Sheet { headings, columns, rows })
}

fn columns(headings: &BTreeMap<u32, String>) -> Result<BTreeMap<Column, u32>, Unreadable> {
    let mut columns = BTreeMap::new();
    for (at, heading) in headings {
        let Some(column) = Column::of(heading) else { continue };
        if columns.insert(column, *at).is_some() {
            let name = column.heading();
            return Err(Unreadable(Sentence::made(
                format!("表头“{name}”出现了两次：请删去或改名其中一列"),
                format!("the heading {name} stands twice: remove or rename one of the columns"),
            )));
        }
    }
    let missing = Column::ALL.into_iter().filter(|column| column.required() && !columns.contains_key(column));
    let missing: Vec<&str> = missing.map(Column::heading).collect();
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
    rows: &mut BTreeMap<u32, BTreeMap<u32, Cell>>,
    columns: &BTreeMap<Column, u32>,
    merged: &[Dimensions],
) -> Result<(), Unreadable> {
    let of_the_room: Vec<u32> = Column::OF_THE_ROOM.iter().filter_map(|column| columns.get(column).copied()).collect();
    let mut steps = 0;
    for region in merged {
        let ((first, column), (last, _)) = (region.start, region.end);
        if first >= last || !of_the_room.contains(&column) {
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
