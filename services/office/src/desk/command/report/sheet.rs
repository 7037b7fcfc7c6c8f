//! A report in a spreadsheet: headings in the first row, so that it can be sorted and added up; beside each number what it is more or
//! less than the day before. A workbook has a second sheet that says what the report is.

use std::path::Path;

use anyhow::Context as _;
use proto::command::v1::{FormColumn, Report, ReportCell, form_column::Content, report_cell::Value};
use rust_xlsxwriter::{Format, Workbook, Worksheet};

use super::shown::{self, cells, named, rows};
use crate::export;

pub(super) fn write(path: &Path, report: &Report) -> anyhow::Result<()> {
    let writing = || format!("writing {}", path.display());
    let workbook = path.extension().is_some_and(|form| form.eq_ignore_ascii_case("xlsx"));
    let bytes = if workbook { self::workbook(report) } else { csv(report) }.with_context(writing)?;
    export::create(path, &bytes)
}

/// What stands in one place of the sheet.
#[derive(Debug, PartialEq)]
enum Entry {
    Number(i64),
    /// Tenths of a per cent.
    Ratio(i64),
    Words(String),
}

/// The headings, then a line for each row.
fn lines(report: &Report) -> Vec<Vec<Entry>> {
    let mut heading = vec![Entry::Words("社区".to_owned())];
    for column in &report.columns {
        heading.push(Entry::Words(column.heading_zh.clone()));
        if counts(column) {
            heading.push(Entry::Words(format!("{} 较前日", column.heading_zh)));
        }
    }
    let mut lines = vec![heading];
    for row in rows(report) {
        let mut line = vec![Entry::Words(named(row))];
        for (column, cell) in cells(report, row) {
            line.push(value(column, cell));
            if counts(column) {
                line.push(cell.difference.map_or(Entry::Words(String::new()), |number| numeric(column, number)));
            }
        }
        lines.push(line);
    }
    lines
}

/// Whether a day can be compared with the one before.
const fn counts(column: &FormColumn) -> bool {
    !matches!(column.content, Some(Content::Text(_)) | None)
}

fn value(column: &FormColumn, cell: &ReportCell) -> Entry {
    match &cell.value {
        Some(Value::Number(number) | Value::PerMille(number)) => numeric(column, *number),
        Some(Value::Text(_) | Value::Hidden(_)) => Entry::Words(shown::value(column, cell)),
        None => Entry::Words(String::new()),
    }
}

const fn numeric(column: &FormColumn, number: i64) -> Entry {
    if shown::is_ratio(column) { Entry::Ratio(number) } else { Entry::Number(number) }
}

fn workbook(report: &Report) -> anyhow::Result<Vec<u8>> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name(report.day.as_str())?;
    sheet.set_freeze_panes(1, 1)?;
    for (line, entries) in (0_u32..).zip(lines(report)) {
        for (number, entry) in (0_u16..).zip(entries) {
            put(sheet, (line, number), entry)?;
        }
    }
    sheet.autofit();
    let about = workbook.add_worksheet();
    about.set_name("说明")?;
    for (line, words) in (0_u32..).zip(shown::heading(report).into_iter().chain(shown::footing(report))) {
        about.write_string(line, 0, words)?;
    }
    about.autofit();
    Ok(workbook.save_to_buffer()?)
}

#[expect(clippy::cast_precision_loss, reason = "a spreadsheet knows no other numbers, and none of these is that large")]
fn put(sheet: &mut Worksheet, (line, number): (u32, u16), entry: Entry) -> anyhow::Result<()> {
    let (bold, text, ratio) =
        (Format::new().set_bold(), Format::new().set_num_format("@"), Format::new().set_num_format("0.0%"));
    match entry {
        Entry::Number(count) => sheet.write_number(line, number, count as f64)?,
        Entry::Ratio(mille) => sheet.write_number_with_format(line, number, mille as f64 / 1_000.0, &ratio)?,
        Entry::Words(words) if line == 0 => sheet.write_string_with_format(line, number, words, &bold)?,
        Entry::Words(words) => sheet.write_string_with_format(line, number, words, &text)?,
    };
    Ok(())
}

fn csv(report: &Report) -> anyhow::Result<Vec<u8>> {
    let lines = lines(report);
    let terminator = csv::Terminator::CRLF;
    let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(export::BYTE_ORDER_MARK.to_vec());
    for line in lines {
        let words = line.into_iter().map(|entry| match entry {
            Entry::Number(count) => count.to_string(),
            Entry::Ratio(mille) => {
                let sign = if mille < 0 { "-" } else { "" };
                format!("{sign}{}.{}%", mille.abs() / 10, mille.abs() % 10)
            }
            Entry::Words(words) => export::harmless(words),
        });
        writer.write_record(words)?;
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

#[cfg(test)]
mod tests {
    use calamine::{Data, Reader as _, Xlsx, open_workbook};
    use proto::command::v1::{FigureRatio, Hidden, ReportRow};

    use super::*;

    fn report() -> Report {
        let column = |id: &str, content: Content| FormColumn {
            id: id.into(),
            heading_zh: format!("列{id}"),
            content: Some(content),
            ..FormColumn::default()
        };
        let cell = |value, difference| ReportCell { value: Some(value), difference, ..ReportCell::default() };
        let cells = |count: i64| {
            vec![
                cell(Value::Number(count), Some(-2)),
                cell(Value::PerMille(602), Some(5)),
                cell(Value::Text("=口罩".into()), None),
                cell(Value::Hidden(Hidden::Small.into()), None),
            ]
        };
        let row = |name: &str, count: i64| ReportRow {
            neighbourhood: if name.is_empty() { String::new() } else { format!("neighbourhoods/{name}") },
            display_name: name.into(),
            cells: cells(count),
        };
        let figure = |name: &str| Content::Figure(name.into());
        Report {
            day: "2020-02-11".into(),
            columns: vec![
                column("1", figure("passes")),
                column("2", Content::Ratio(FigureRatio::default())),
                column("3", Content::Text("x".into())),
                column("4", figure("fevers")),
            ],
            rows: vec![row("甲", 12), row("乙", 30)],
            sum: Some(row("", 42)),
            ..Report::default()
        }
    }

    #[test]
    fn a_workbook_holds_numbers_that_can_be_added_up_and_no_number_for_what_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.xlsx");
        write(&path, &report()).unwrap();
        let mut workbook: Xlsx<_> = open_workbook(&path).unwrap();
        let sheet = workbook.worksheet_range("2020-02-11").unwrap();
        let entry = |row, column| sheet.get((row, column)).cloned();
        assert_eq!(entry(0, 2), Some(Data::String("列1 较前日".into())));
        assert_eq!(entry(1, 1), Some(Data::Float(12.0)));
        assert_eq!(entry(1, 2), Some(Data::Float(-2.0)));
        assert_eq!(entry(2, 3), Some(Data::Float(0.602)));
        assert_eq!(entry(3, 0), Some(Data::String("合计".into())));
        assert_eq!(entry(3, 6), Some(Data::String("<5".into())));
        assert!(write(&path, &report()).unwrap_err().to_string().contains("is there already"));
    }

    #[test]
    fn a_csv_says_the_same_and_calculates_nothing() {
        let bytes = csv(&report()).unwrap();
        let text = String::from_utf8(bytes[export::BYTE_ORDER_MARK.len()..].to_vec()).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "社区,列1,列1 较前日,列2,列2 较前日,列3,列4,列4 较前日");
        assert_eq!(lines[1], "甲,12,-2,60.2%,0.5%,'=口罩,<5,");
    }
}
