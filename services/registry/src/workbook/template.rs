//! Workbooks to be filled in: columns of text, so that no number loses its digits; drop-downs for closed lists; one example
//! row, by which people see what is meant, and which an import skips as long as nobody has changed it.

use anyhow::Context as _;
use rust_xlsxwriter::{
    Color, DataValidation, DataValidationErrorStyle, Format, FormatAlign, FormatBorder, Workbook, Worksheet,
};

use super::{
    Column, Sheet,
    headings::{DOCUMENT_KINDS, Kind, OWNED, REGIMES, RENTED},
    sheet::{Cell, MOST_ROWS, Row},
};

/// What an example's first cell begins with.
pub(super) const EXAMPLE: &str = "示例";

pub(super) fn write(kinds: &[Kind]) -> anyhow::Result<Vec<u8>> {
    let heading = Format::new()
        .set_bold()
        .set_align(FormatAlign::Center)
        .set_background_color(Color::RGB(0x00DD_EBF7))
        .set_border_bottom(FormatBorder::Thin);
    let text = Format::new().set_num_format("@");
    let grey = Format::new().set_num_format("@").set_italic().set_font_color(Color::RGB(0x0080_8080));
    let mut workbook = Workbook::new();
    for kind in kinds {
        let page = workbook.add_worksheet().set_name(kind.title())?;
        page.set_freeze_panes(1, 0)?;
        for (at, column) in (0u16..).zip(kind.columns()) {
            page.set_column_width(at, width(*column))?;
            page.set_column_format(at, &text)?;
            page.write_string_with_format(0, at, column.heading(), &heading)?;
            page.write_string_with_format(1, at, example(*kind, *column), &grey)?;
            choices(page, at, *column)?;
        }
    }
    workbook.save_to_buffer().context("writing a template")
}

/// The drop-down of a closed list, and what a column asks for, beside the cell.
pub(super) fn choices(page: &mut Worksheet, at: u16, column: Column) -> anyhow::Result<()> {
    let list: &[&str] = match column {
        Column::Tenure => &[OWNED, RENTED],
        Column::DocumentKind => &DOCUMENT_KINDS,
        Column::Regime => &REGIMES,
        _ => &[],
    };
    let hint = hint(column);
    if list.is_empty() && hint.is_empty() {
        return Ok(());
    }
    let validation = DataValidation::new().set_input_title(column.heading())?.set_input_message(hint)?;
    let validation = if list.is_empty() {
        validation.allow_any_value()
    } else {
        validation
            .allow_list_strings(list)?
            .set_error_style(DataValidationErrorStyle::Stop)
            .set_error_title(column.heading())?
            .set_error_message(format!("只能填：{}", list.join("、")))?
    };
    let last = u32::try_from(MOST_ROWS).context("counting rows")?;
    page.add_data_validation(1, at, last, at, &validation)?;
    Ok(())
}

/// Whether a row is the template's example, untouched. One of its cells says so: a grid may well be called 第一网格.
pub(super) fn is_example(sheet: &Sheet, row: &Row) -> bool {
    let columns = sheet.kind.columns().iter().filter(|column| sheet.column_of(**column).is_some());
    let mut says_so = false;
    for column in columns {
        let text = sheet.cell(row, *column).map(Cell::text).unwrap_or_default();
        if text != example(sheet.kind, *column) {
            return false;
        }
        says_so |= text.starts_with(EXAMPLE);
    }
    says_so
}

const fn example(kind: Kind, column: Column) -> &'static str {
    match (kind, column) {
        (Kind::Residents | Kind::Compounds | Kind::Buildings | Kind::Gates, Column::Compound) => "示例小区",
        (_, Column::Neighbourhood) => "示例社区",
        (_, Column::Compound) => "",
        (_, Column::Building) => "3",
        (_, Column::Unit) => "1",
        (_, Column::Room) => "402",
        (_, Column::Tenure) => RENTED,
        (_, Column::LandlordName) => "李四",
        (_, Column::LandlordPhone) => "13900000000",
        (_, Column::Name) => "张三",
        (_, Column::DocumentKind) => "身份证",
        // The example of GB 11643 itself.
        (_, Column::Document) => "11010519491231002X",
        (_, Column::Phones) => "13800000000、13700000000",
        (_, Column::Code) => "330212002012",
        (_, Column::Grid) => "第一网格",
        (_, Column::Group) => "金家漕",
        (_, Column::Regime) => "封闭",
        (_, Column::RegimeFrom) => "2020-01-30",
        (_, Column::Units) => "4",
        (_, Column::Gate) => "东门",
    }
}

/// At most 255 characters, which is what Excel shows.
const fn hint(column: Column) -> &'static str {
    match column {
        Column::Building | Column::Room => "只填编号，例如 3 或 402。",
        Column::Unit => "没有单元的不填。",
        Column::Tenure => "自住或租住；同一户填一次即可。",
        Column::LandlordName => "租住的必填，自住的不填。",
        Column::DocumentKind => "可以不填，按号码识别；没有证件的（如儿童）填“无”。",
        Column::Document => "按文本填写，18 位或旧证 15 位；护照直接填号码。",
        Column::Phones => "本人使用的所有手机号码，多个之间用顿号分开。",
        Column::Neighbourhood => "只有一个社区时可以不填。",
        Column::Code => "12 位统计用区划代码。",
        Column::Grid => "先在“网格”表中登记；小区、楼幢可以不填。",
        Column::Group => "合并管理的小区填同一个名称。",
        Column::Regime => "开放、封闭或封控。",
        Column::RegimeFrom => "例如 2020-01-30。",
        Column::Compound | Column::LandlordPhone | Column::Name | Column::Units | Column::Gate => "",
    }
}

const fn width(column: Column) -> f64 {
    match column {
        Column::Building | Column::Unit | Column::Room | Column::Tenure | Column::Units | Column::Regime => 9.0,
        Column::Document => 24.0,
        Column::Phones => 28.0,
        _ => 16.0,
    }
}
