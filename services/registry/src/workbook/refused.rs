//! The refused rows as a workbook of the same shape, with red cells and a column of reasons: to be corrected in place and
//! handed in again.

use std::collections::HashMap;

use anyhow::Context as _;
use rust_xlsxwriter::{Color, Format, FormatAlign, Workbook};

use super::{
    Refused,
    headings::REASON,
    sheet::{Cell, Row, Sheet},
};

pub(super) fn write(sheet: &Sheet, refused: &[Refused]) -> anyhow::Result<Vec<u8>> {
    if refused.is_empty() {
        return Ok(Vec::new());
    }
    let text = Format::new().set_num_format("@");
    let red = Format::new()
        .set_num_format("@")
        .set_background_color(Color::RGB(0x00FF_C7CE))
        .set_font_color(Color::RGB(0x009C_0006));
    let bold = Format::new().set_bold().set_align(FormatAlign::Center);
    let wrapped = Format::new().set_text_wrap();
    let columns: Vec<u32> = sheet.headings.keys().copied().collect();
    let reasons = u16::try_from(columns.len()).context("counting the columns")?;
    let rows: HashMap<u32, &Row> = sheet.rows.iter().map(|row| (row.number, row)).collect();

    let mut workbook = Workbook::new();
    let page = workbook.add_worksheet();
    for (at, column) in (0u16..).zip(&columns) {
        page.set_column_width(at, 20)?;
        page.set_column_format(at, &text)?;
        page.write_string_with_format(0, at, escaped(&sheet.headings[column]), &bold)?;
    }
    page.set_column_width(reasons, 80)?;
    page.write_string_with_format(0, reasons, REASON, &bold)?;
    for (line, refused) in (1u32..).zip(refused) {
        let at_fault: Vec<u32> =
            refused.troubles.iter().filter_map(|(column, _)| sheet.column_of((*column)?)).collect();
        let whole = at_fault.is_empty();
        for (at, column) in (0u16..).zip(&columns) {
            let cell = rows.get(&refused.row).and_then(|row| row.cells.get(column));
            let format = if whole || at_fault.contains(column) { &red } else { &text };
            page.write_string_with_format(line, at, escaped(&shown(cell)), format)?;
        }
        let (zh, en) = refused.sentences();
        let reason = format!("原第 {} 行：{zh}\n{en}", refused.row);
        page.write_string_with_format(line, reasons, escaped(&reason), &wrapped)?;
    }
    workbook.save_to_buffer().context("writing the workbook of refused rows")
}

fn shown(cell: Option<&Cell>) -> String {
    cell.map(Cell::text).unwrap_or_default()
}

/// A cell that begins so would be a formula as soon as somebody saves the sheet as CSV and opens it again.
fn escaped(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
