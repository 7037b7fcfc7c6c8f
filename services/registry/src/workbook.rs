//! Workbooks as offices keep them, of residents and of places. One row per resident, columns in any order, rows of one room
//! make a household. Files come from people and are bounded before they are built; every row that stands in one is either taken
//! or refused with its reason, and none is lost.

/// The columns, and what else people call them.
pub mod headings;
/// Bounds: what is unpacked and how much of it, before anything is built.
mod opening;
/// Places: neighbourhoods, grids, compounds, buildings, gates.
mod places;
/// The refused rows as a workbook of the same shape.
mod refused;
/// Rows into households; what contradicts itself within the file.
mod rooms;
/// One row into a resident and a room.
mod rows;
/// Cells into rows under headings.
mod sheet;
/// Workbooks to be filled in.
mod template;
/// Files of text with a line for each row.
mod text;

use chrono::NaiveDate;
use proto::registry::v1::{Landlord, Person, RefusedRow, RowWarning, Tenure};

pub use headings::{Column, Kind};
pub use opening::MOST_BYTES;
pub use places::{Entry as Listed, Places, read as read_places};
pub use sheet::Sheet;

use crate::sentence::Sentence;

/// What a file holds.
pub struct Workbook {
    pub sheet: Sheet,
    pub rooms: Vec<Room>,
    pub refused: Vec<Refused>,
    pub warnings: Vec<Warning>,
}

/// A room and who lives there, free of contradictions.
#[derive(Clone)]
pub struct Room {
    pub place: Place,
    pub tenure: Tenure,
    pub landlord: Option<Landlord>,
    pub occupants: Vec<Occupant>,
}

/// Compound by its name, building, unit and room as they are kept: 3, 1, 402.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub compound: String,
    pub building: String,
    pub unit: String,
    pub room: String,
}

#[derive(Clone)]
pub struct Occupant {
    pub row: u32,
    pub person: Person,
}

/// A row that is not taken, and every reason for it.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its title, where a workbook has several; else empty.
    pub sheet: String,
    pub row: u32,
    /// A name of the contract's `Refusal`, without its prefix.
    pub reason: &'static str,
    /// `None` where the row as a whole is at fault.
    pub troubles: Vec<(Option<Column>, Sentence)>,
}

/// Something about a row that is taken.
#[derive(Clone, Debug)]
pub struct Warning {
    /// Its title, where a workbook has several; else empty.
    pub sheet: String,
    /// 0 where it is about the file.
    pub row: u32,
    pub column: Option<Column>,
    pub sentence: Sentence,
}

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub Sentence);

/// Reads a workbook of the size that a request may carry. `today` bounds birth dates.
pub fn read(bytes: &[u8], today: NaiveDate) -> Result<Workbook, Unreadable> {
    let (mut sheet, mut warnings) = opening::residents(bytes)?;
    without_example(&mut sheet, &mut warnings);
    let mut refused = Vec::new();
    let mut entries = Vec::new();
    for row in &sheet.rows {
        match rows::read(&sheet, row, today) {
            Ok((entry, doubts)) => {
                warnings.extend(doubts);
                entries.push(entry);
            }
            Err(row) => refused.push(row),
        }
    }
    let rooms = rooms::merge(entries, &mut refused, &mut warnings);
    refused.sort_by_key(|refused| refused.row);
    Ok(Workbook { sheet, rooms, refused, warnings })
}

/// The template's example is no row, as long as nobody has changed it.
fn without_example(sheet: &mut Sheet, warnings: &mut Vec<Warning>) {
    let examples = sheet.rows.iter().filter(|row| template::is_example(sheet, row)).map(|row| row.number);
    let examples: Vec<u32> = examples.collect();
    sheet.rows.retain(|row| !examples.contains(&row.number));
    let several = if sheet.kind == Kind::Residents { String::new() } else { sheet.title.clone() };
    warnings.extend(examples.into_iter().map(|row| Warning {
        sheet: several.clone(),
        row,
        column: None,
        sentence: SKIPPED,
    }));
}

/// The refused rows in a workbook of the same shape, with their reasons: to be corrected and handed in again. `whole`: all
/// other rows, too.
pub fn refused_workbook(sheets: &[Sheet], refused: &[RefusedRow], whole: bool) -> anyhow::Result<Vec<u8>> {
    refused::write(sheets, refused, whole)
}

/// A workbook to be filled in, with a sheet for each kind of row.
pub fn template(kinds: &[Kind]) -> anyhow::Result<Vec<u8>> {
    template::write(kinds)
}

const SKIPPED: Sentence = Sentence::new("是模板的示例行，已跳过", "is the template's example and was skipped");

impl Refused {
    pub fn new(row: u32, reason: &'static str, column: Option<Column>, sentence: Sentence) -> Self {
        Self { sheet: String::new(), row, reason, troubles: vec![(column, sentence)] }
    }

    /// On this sheet of several.
    pub fn on(self, sheet: &str) -> Self {
        Self { sheet: sheet.to_owned(), ..self }
    }

    /// Every trouble in one sentence per language, each with its column before it.
    pub(crate) fn sentences(&self) -> (String, String) {
        let zh = self.troubles.iter().map(|(column, sentence)| match column {
            Some(column) => format!("{}：{}", column.heading(), sentence.zh),
            None => sentence.zh.to_string(),
        });
        let en = self.troubles.iter().map(|(column, sentence)| match column {
            Some(column) => format!("{} {}", column.heading(), sentence.en),
            None => sentence.en.to_string(),
        });
        (zh.collect::<Vec<_>>().join("；"), en.collect::<Vec<_>>().join("; "))
    }
}

impl From<&Refused> for RefusedRow {
    fn from(refused: &Refused) -> Self {
        let (message_zh, message_en) = refused.sentences();
        let columns =
            refused.troubles.iter().filter_map(|(column, _)| column.map(|column| column.heading().to_owned()));
        let columns: Vec<String> = columns.collect();
        Self {
            row: i32::try_from(refused.row).unwrap_or(i32::MAX),
            column: columns.first().cloned().unwrap_or_default(),
            reason: refused.reason.to_owned(),
            message_zh,
            message_en,
            columns,
            sheet: refused.sheet.clone(),
        }
    }
}

impl From<&Warning> for RowWarning {
    fn from(warning: &Warning) -> Self {
        Self {
            row: i32::try_from(warning.row).unwrap_or(i32::MAX),
            column: warning.column.map_or("", Column::heading).to_owned(),
            message_zh: warning.sentence.zh.to_string(),
            message_en: warning.sentence.en.to_string(),
            sheet: warning.sheet.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
