//! The refused rows as a workbook of the same shape, with red cells and a column of reasons: to be corrected in place and
//! handed in again.

use std::collections::HashMap;

use anyhow::Context as _;
use proto::registry::v1::RefusedRow;
use rust_xlsxwriter::{Color, Format, FormatAlign, Workbook, Worksheet};

use super::{
    headings::REASON,
    sheet::{Cell, Row, Sheet},
    template::choices,
};

pub(super) fn write(sheets: &[Sheet], refused: &[RefusedRow], whole: bool) -> anyhow::Result<Vec<u8>> {
    if refused.is_empty() {
        return Ok(Vec::new());
    }
    let mut workbook = Workbook::new();
    for sheet in sheets {
        let refused: HashMap<i32, &RefusedRow> = refused
            .iter()
            .filter(|row| sheets.len() == 1 || row.sheet == sheet.title)
            .map(|row| (row.row, row))
            .collect();
        let lines = sheet.rows.iter().map(|row| (row, refused.get(&row_number(row)).copied()));
        let lines: Vec<_> = lines.filter(|(_, refused)| whole || refused.is_some()).collect();
        if lines.is_empty() {
            continue;
        }
        let page = workbook.add_worksheet();
        if !sheet.title.is_empty() {
            page.set_name(&sheet.title)?;
        }
        fill(page, sheet, &lines).with_context(|| format!("writing the sheet {}", sheet.kind.title()))?;
    }
    workbook.save_to_buffer().context("writing the workbook of refused rows")
}

fn fill(page: &mut Worksheet, sheet: &Sheet, lines: &[(&Row, Option<&RefusedRow>)]) -> anyhow::Result<()> {
    let text = Format::new().set_num_format("@");
    let red = Format::new()
        .set_num_format("@")
        .set_background_color(Color::RGB(0x00FF_C7CE))
        .set_font_color(Color::RGB(0x009C_0006));
    let bold = Format::new().set_bold().set_align(FormatAlign::Center);
    let wrapped = Format::new().set_text_wrap();
    // The reasons of an earlier time are no part of what people wrote.
    let columns = sheet.headings.iter().filter(|(_, heading)| *heading != REASON);
    let columns: Vec<(u32, &String)> = columns.map(|(at, heading)| (*at, heading)).collect();
    let reasons = u16::try_from(columns.len()).context("counting the columns")?;
    page.set_freeze_panes(1, 0)?;
    for (at, (_, heading)) in (0u16..).zip(&columns) {
        page.set_column_width(at, 20)?;
        page.set_column_format(at, &text)?;
        page.write_string_with_format(0, at, escaped(heading), &bold)?;
        if let Some(column) = sheet.kind.column(heading) {
            choices(page, at, column)?;
        }
    }
    page.set_column_width(reasons, 80)?;
    page.write_string_with_format(0, reasons, REASON, &bold)?;
    for (line, (row, refused)) in (1u32..).zip(lines) {
        let at_fault: Vec<u32> = refused.map(|refused| at_fault(sheet, refused)).unwrap_or_default();
        let whole = refused.is_some() && at_fault.is_empty();
        for (at, (column, _)) in (0u16..).zip(&columns) {
            let format = if whole || at_fault.contains(column) { &red } else { &text };
            page.write_string_with_format(line, at, escaped(&shown(row.cells.get(column))), format)?;
        }
        if let Some(refused) = refused {
            let reason = format!("原第 {} 行：{}\n{}", refused.row, refused.message_zh, refused.message_en);
            page.write_string_with_format(line, reasons, escaped(&reason), &wrapped)?;
        }
    }
    Ok(())
}

fn at_fault(sheet: &Sheet, refused: &RefusedRow) -> Vec<u32> {
    refused.columns.iter().filter_map(|heading| sheet.column_of(sheet.kind.column(heading)?)).collect()
}

fn row_number(row: &Row) -> i32 {
    i32::try_from(row.number).unwrap_or(i32::MAX)
}

fn shown(cell: Option<&Cell>) -> String {
    cell.map(Cell::text).unwrap_or_default()
}

/// A cell that begins so would be a formula as soon as somebody saves the sheet as CSV and opens it again.
fn escaped(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
