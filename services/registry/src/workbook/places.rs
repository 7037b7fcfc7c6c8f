//! Rows of places. Each names what it stands in; whether that is there, on an earlier sheet or in the register, is for the
//! import to say.

use chrono::NaiveDate;
use proto::registry::v1::{Refusal, Regime};

use super::{
    Column, Kind, Refused, Sheet, Unreadable, Warning, opening,
    rows::{BLANK, ERROR, FORMULA},
    sheet::{Cell, Row},
    template::EXAMPLE,
    without_example,
};
use crate::{place, sentence::Sentence, typing};

/// What a file holds.
pub struct Places {
    pub sheets: Vec<Sheet>,
    /// In the order in which they are to be taken.
    pub entries: Vec<Entry>,
    pub refused: Vec<Refused>,
    pub warnings: Vec<Warning>,
}

/// One row that is right in itself. What its kind does not have is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub kind: Kind,
    pub sheet: String,
    pub row: u32,
    pub neighbourhood: String,
    pub code: String,
    pub grid: String,
    pub compound: String,
    pub group: String,
    /// And from which day on, where the row says it.
    pub regime: Option<(Regime, Option<NaiveDate>)>,
    pub building: String,
    pub units: i32,
    pub gate: String,
}

/// Characters of a name on a sign.
const LONGEST: usize = 60;
const MOST_UNITS: i32 = 50;

/// Reads a workbook of the size that a request may carry.
pub fn read(bytes: &[u8]) -> Result<Places, Unreadable> {
    let (mut sheets, mut warnings) = opening::places(bytes)?;
    let (mut entries, mut refused) = (Vec::new(), Vec::new());
    for sheet in &mut sheets {
        without_example(sheet, &mut warnings);
        for row in &sheet.rows {
            match entry(sheet, row) {
                Ok(entry) => entries.push(entry),
                Err(row) => refused.push(row),
            }
        }
    }
    Ok(Places { sheets, entries, refused, warnings })
}

fn entry(sheet: &Sheet, row: &Row) -> Result<Entry, Refused> {
    let mut reader = Reader { sheet, row, troubles: Vec::new() };
    let entry = Entry {
        kind: sheet.kind,
        sheet: sheet.title.clone(),
        row: row.number,
        neighbourhood: reader.name(Column::Neighbourhood),
        code: reader.code(),
        grid: reader.name(Column::Grid),
        compound: reader.name(Column::Compound),
        group: reader.name(Column::Group),
        regime: reader.regime(),
        building: reader.building(),
        units: reader.units(),
        gate: reader.name(Column::Gate),
    };
    if reader.troubles.is_empty() {
        return Ok(entry);
    }
    let reason = chassis::reason(Refusal::FieldInvalid.as_str_name());
    Err(Refused { sheet: sheet.title.clone(), row: row.number, reason, troubles: reader.troubles })
}

struct Reader<'a> {
    sheet: &'a Sheet,
    row: &'a Row,
    troubles: Vec<(Option<Column>, Sentence)>,
}

impl Reader<'_> {
    fn refuse(&mut self, column: Column, sentence: Sentence) {
        if !self.troubles.iter().any(|(known, _)| *known == Some(column)) {
            self.troubles.push((Some(column), sentence));
        }
    }

    /// Empty where the sheet has no such column.
    fn text(&mut self, column: Column) -> String {
        let text = match self.sheet.cell(self.row, column) {
            Some(Cell::Date(_)) if column != Column::RegimeFrom => {
                self.refuse(column, DATE);
                return String::new();
            }
            Some(Cell::Error) => {
                self.refuse(column, ERROR);
                return String::new();
            }
            Some(Cell::Formula) => {
                self.refuse(column, FORMULA);
                return String::new();
            }
            Some(cell) => cell.text(),
            None => String::new(),
        };
        if text.is_empty() && self.sheet.kind.required().contains(&column) {
            self.refuse(column, BLANK);
        }
        text
    }

    fn name(&mut self, column: Column) -> String {
        let name = self.text(column);
        if name.chars().count() > LONGEST {
            self.refuse(column, LONG);
        }
        if name.starts_with(EXAMPLE) {
            self.refuse(column, CHANGED_EXAMPLE);
        }
        name
    }

    fn code(&mut self) -> String {
        let code = typing::compact(&self.text(Column::Code));
        if !code.is_empty() && (code.len() != 12 || !code.bytes().all(|digit| digit.is_ascii_digit())) {
            self.refuse(Column::Code, CODE);
        }
        code
    }

    fn building(&mut self) -> String {
        if self.sheet.cell(self.row, Column::Building).is_some_and(Cell::may_be_a_day) {
            self.refuse(Column::Building, DATE);
        }
        let building = place::building(&self.text(Column::Building));
        if building.chars().count() > place::LONGEST {
            self.refuse(Column::Building, LONG);
        }
        building
    }

    fn units(&mut self) -> i32 {
        let text = typing::compact(&self.text(Column::Units));
        let plain = text.trim_end_matches("个").trim_end_matches("单元");
        if plain.is_empty() {
            return 0;
        }
        match plain.parse() {
            Ok(units) if (0..=MOST_UNITS).contains(&units) => units,
            _ => {
                self.refuse(Column::Units, UNITS);
                0
            }
        }
    }

    fn regime(&mut self) -> Option<(Regime, Option<NaiveDate>)> {
        let typed = typing::compact(&self.text(Column::Regime));
        let regime = match typed.as_str() {
            "" => None,
            "开放" | "不封闭" => Some(Regime::Open),
            "封闭" | "封闭管理" => Some(Regime::Closed),
            "封控" | "全封闭" => Some(Regime::Sealed),
            _ => {
                self.refuse(Column::Regime, REGIME);
                None
            }
        };
        let day = self.text(Column::RegimeFrom);
        if day.is_empty() {
            return Some((regime?, None));
        }
        let number = match self.sheet.cell(self.row, Column::RegimeFrom) {
            Some(cell @ Cell::Number(number)) if cell.may_be_a_day() => Some(*number),
            _ => None,
        };
        let Some(from) = number.map_or_else(|| date(&day), day_of_excel) else {
            self.refuse(Column::RegimeFrom, DAY);
            return None;
        };
        if regime.is_none() {
            self.refuse(Column::Regime, NO_REGIME);
        }
        Some((regime?, Some(from)))
    }
}

/// A day as people write it: 2020-01-30, 2020/1/30, 2020.1.30, 2020年1月30日, 20200130.
fn date(typed: &str) -> Option<NaiveDate> {
    let plain = typing::compact(typed).replace(['年', '月', '/', '.'], "-").replace(['日', '号'], "");
    ["%Y-%m-%d", "%Y%m%d"].into_iter().find_map(|form| NaiveDate::parse_from_str(&plain, form).ok())
}

/// Excel counts days from the end of 1899, with a day that never was.
fn day_of_excel(number: f64) -> Option<NaiveDate> {
    const FIRST: NaiveDate = NaiveDate::from_ymd_opt(1899, 12, 30).expect("a day of the calendar");
    #[expect(clippy::cast_possible_truncation, reason = "the caller lets through the days of one century")]
    FIRST.checked_add_signed(chrono::TimeDelta::days(number as i64))
}

const DATE: Sentence = Sentence::new(
    "被 Excel 当成了日期：请把该列设为“文本”后重新输入",
    "was turned into a date by Excel: format the column as text and type it again",
);
const LONG: Sentence =
    Sentence::new("太长：名称最多 60 个字，幢号最多 20 个字", "is too long: 60 characters of a name, 20 of a building");
const CHANGED_EXAMPLE: Sentence = Sentence::new(
    "这是模板的示例行，但被改过：请删去这一行，或填入真实的名称",
    "is the template's example row, and it was changed: remove the row, or give a real name",
);
const CODE: Sentence = Sentence::new(
    "应为 12 位统计用区划代码，例如 330212002012",
    "must be the twelve digits of the statistical code, for example 330212002012",
);
const UNITS: Sentence = Sentence::new("应为 0 到 50 之间的整数", "must be a whole number between 0 and 50");
const REGIME: Sentence =
    Sentence::new("只能填“开放”“封闭”或“封控”", "must be 开放 (open), 封闭 (closed) or 封控 (sealed)");
const NO_REGIME: Sentence = Sentence::new(
    "填了起始日，却没有填写管控方式：请补填",
    "is empty, though there is a day from which it holds: fill it in",
);
const DAY: Sentence = Sentence::new("不是日期：请按 2020-01-30 填写", "is no day: write it as 2020-01-30");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_same_however_it_is_written() {
        let day = NaiveDate::from_ymd_opt(2020, 1, 30);
        for typed in ["2020-01-30", "2020/1/30", "2020.1.30", "2020年1月30日", "20200130", "２０２０－０１－３０"]
        {
            assert_eq!(date(typed), day, "{typed}");
        }
        assert_eq!(day_of_excel(43_860.0), day);
        assert_eq!(date("2020-02-30"), None);
        assert_eq!(date("一月三十日"), None);
    }
}
