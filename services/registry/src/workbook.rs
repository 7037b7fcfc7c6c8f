//! Workbooks of residents as offices keep them: one row per resident, columns in any order, rows of one room make a
//! household. Files come from people and are bounded before they are built; every row that stands in one is either taken
//! or refused with its reason, and none is lost.

/// The columns, and what else people call them.
pub mod headings;
/// Bounds: what is unpacked and how much of it, before anything is built.
mod opening;
/// The refused rows as a workbook of the same shape.
mod refused;
/// Rows into households; what contradicts itself within the file.
mod rooms;
/// One row into a resident and a room.
mod rows;
/// Cells into rows under headings.
mod sheet;

use chrono::NaiveDate;
use proto::registry::v1::{Landlord, Person, RefusedRow, RowWarning, Tenure};

pub use headings::Column;
pub use opening::MOST_BYTES;
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
    pub row: u32,
    /// A name of the contract's `Refusal`, without its prefix.
    pub reason: &'static str,
    /// `None` where the row as a whole is at fault.
    pub troubles: Vec<(Option<Column>, Sentence)>,
}

/// Something about a row that is taken.
#[derive(Clone, Debug)]
pub struct Warning {
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
    let (sheet, mut warnings) = opening::open(bytes)?;
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

/// The refused rows in a workbook of the same shape, with their reasons: to be corrected and handed in again.
pub fn refused_workbook(sheet: &Sheet, refused: &[Refused]) -> anyhow::Result<Vec<u8>> {
    refused::write(sheet, refused)
}

impl Refused {
    pub fn new(row: u32, reason: &'static str, column: Option<Column>, sentence: Sentence) -> Self {
        Self { row, reason, troubles: vec![(column, sentence)] }
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
        let column = refused.troubles.iter().find_map(|(column, _)| *column);
        Self {
            row: i32::try_from(refused.row).unwrap_or(i32::MAX),
            column: column.map_or("", Column::heading).to_owned(),
            reason: refused.reason.to_owned(),
            message_zh,
            message_en,
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
        }
    }
}

#[cfg(test)]
mod tests;
