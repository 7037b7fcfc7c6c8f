//! Lists as files for a spreadsheet program: .xlsx with columns of text, so that no number of a document is rounded; .csv with
//! a mark by which Excel knows the encoding, and without cells that it would calculate.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail, ensure};
use rust_xlsxwriter::{Format, Workbook};
use serde_json::Value;

use crate::output::{cell, field, headings};

/// What Excel takes in one sheet, with the heading.
const MOST_ROWS: usize = 1_048_576;

/// By which Excel knows that a file is UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The form of a file, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Workbook,
    Csv,
}

/// A file's name, where it says a form that we can write.
pub fn file(typed: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(typed);
    form(&path).map(|_| path.clone()).ok_or_else(|| "name a file that ends in .xlsx or .csv".to_owned())
}

fn form(path: &Path) -> Option<Form> {
    match path.extension()?.to_ascii_lowercase().to_str()? {
        "xlsx" => Some(Form::Workbook),
        "csv" => Some(Form::Csv),
        _ => None,
    }
}

/// Writes the rows under the headings of their columns; never over a file that is there.
pub fn write(path: &Path, rows: &[Value], columns: &[&str]) -> anyhow::Result<()> {
    let writing = || format!("writing {}", path.display());
    let bytes = match form(path) {
        Some(Form::Workbook) => workbook(rows, columns).with_context(writing)?,
        Some(Form::Csv) => csv(rows, columns).with_context(writing)?,
        None => bail!("{} ends neither in .xlsx nor in .csv", path.display()),
    };
    create(path, &bytes)
}

/// Writes a file that is not there yet.
pub fn create(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let writing = || format!("writing {}", path.display());
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(bytes).with_context(writing),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(taken(path)),
        Err(error) => Err(error).with_context(writing),
    }
}

pub fn taken(path: &Path) -> anyhow::Error {
    anyhow!("{} is there already: name another file, or remove this one first", path.display())
}

fn workbook(rows: &[Value], columns: &[&str]) -> anyhow::Result<Vec<u8>> {
    ensure!(rows.len() < MOST_ROWS, "a sheet holds {MOST_ROWS} rows, and there are more: export them as .csv");
    let (bold, text) = (Format::new().set_bold(), Format::new().set_num_format("@"));
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_freeze_panes(1, 0)?;
    for (number, heading) in (0_u16..).zip(headings(columns)) {
        sheet.set_column_format(number, &text)?;
        sheet.write_string_with_format(0, number, heading, &bold)?;
    }
    for (line, row) in (1_u32..).zip(rows) {
        for (number, column) in (0_u16..).zip(columns) {
            match field(row, column) {
                Some(Value::Number(count)) => {
                    sheet.write_number(line, number, count.as_f64().unwrap_or_default())?;
                }
                other => {
                    sheet.write_string_with_format(line, number, plain(other), &text)?;
                }
            }
        }
    }
    sheet.autofit();
    Ok(workbook.save_to_buffer()?)
}

fn csv(rows: &[Value], columns: &[&str]) -> anyhow::Result<Vec<u8>> {
    let lines = csv::Terminator::CRLF;
    let mut writer = csv::WriterBuilder::new().terminator(lines).from_writer(BYTE_ORDER_MARK.to_vec());
    writer.write_record(headings(columns))?;
    for row in rows {
        writer.write_record(columns.iter().map(|column| harmless(plain(field(row, column)))))?;
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

/// A value in one line.
fn plain(value: Option<&Value>) -> String {
    value.map(cell).unwrap_or_default().replace('\n', "; ")
}

/// A spreadsheet program calculates a cell that begins like a formula, whoever typed it into a register. An apostrophe before
/// it makes it text (OWASP, CSV injection); full-width signs are taken for the same ones by some of them.
pub fn harmless(text: String) -> String {
    let formula = |sign: char| matches!(sign, '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠');
    if text.starts_with(formula) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use calamine::{Data, Reader as _, Xlsx, open_workbook};
    use serde_json::json;

    use super::*;

    const COLUMNS: [&str; 4] = ["name", "door.room", "code", "count"];

    fn rows() -> Vec<Value> {
        vec![
            json!({ "name": "=1+2", "door": { "room": "402" }, "code": "330212002012345678", "count": 3 }),
            json!({ "name": "张**, \"甲\"", "door": null, "code": "2020-02-11T01:30:00Z", "count": 0, "more": "@" }),
        ]
    }

    #[test]
    fn a_csv_is_read_by_excel_and_calculates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        write(&path, &rows(), &COLUMNS).unwrap();
        let bytes = fs::read(path).unwrap();
        assert!(bytes.starts_with(BYTE_ORDER_MARK));
        let text = String::from_utf8(bytes[BYTE_ORDER_MARK.len()..].to_vec()).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "name,room,code,count");
        assert_eq!(lines[1], "'=1+2,402,330212002012345678,3");
        assert_eq!(lines[2], "\"张**, \"\"甲\"\"\",,2020-02-11 09:30,0");
    }

    #[test]
    fn every_sign_that_begins_a_formula_is_made_harmless() {
        for sign in ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"] {
            assert_eq!(harmless(format!("{sign}cmd")), format!("'{sign}cmd"));
        }
        assert_eq!(harmless("3-2-501".into()), "3-2-501");
        assert_eq!(harmless(String::new()), "");
    }

    #[test]
    fn a_workbook_keeps_every_digit_and_every_sign_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.XLSX");
        write(&path, &rows(), &COLUMNS).unwrap();
        let mut workbook: Xlsx<_> = open_workbook(path).unwrap();
        let sheet = workbook.worksheet_range_at(0).unwrap().unwrap();
        let text = |row, column| sheet.get((row, column)).cloned();
        assert_eq!(text(0, 1), Some(Data::String("room".into())));
        assert_eq!(text(1, 0), Some(Data::String("=1+2".into())));
        assert_eq!(text(1, 2), Some(Data::String("330212002012345678".into())));
        assert_eq!(text(1, 3), Some(Data::Float(3.0)));
    }

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        write(&path, &rows(), &COLUMNS).unwrap();
        let refused = write(&path, &[], &COLUMNS).unwrap_err();
        assert!(refused.to_string().contains("is there already"), "{refused}");
    }

    #[test]
    fn only_what_can_be_written_can_be_named() {
        assert!(file("a/list.xlsx").is_ok() && file("list.CSV").is_ok());
        assert!(file("list.xls").is_err() && file("list").is_err());
    }
}
