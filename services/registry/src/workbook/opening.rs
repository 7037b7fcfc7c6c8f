//! Opens a file that somebody sent. A few hundred kilobytes can unpack to gigabytes and one cell can stand in the last
//! corner of a sheet, so everything is counted while it streams and nothing is sized by what the file claims of itself.

use std::{
    io::{Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use calamine::{Dimensions, Reader as _, SheetType, SheetVisible, Xlsx, XlsxError};

use super::{
    Sheet, Unreadable, Warning,
    headings::Kind,
    sheet::{self, Grid},
    text,
};
use crate::sentence::Sentence;

/// Bytes of a workbook as it is sent.
pub const MOST_BYTES: usize = 8 << 20;
/// Parts of a package; an ordinary workbook has a dozen.
const MOST_PARTS: usize = 500;
/// Unpacked bytes: twenty thousand rows take about fifteen million.
const MOST_UNPACKED: u64 = 40 << 20;
/// Of any part that holds no cells: styles of a few bytes become hundreds each when they are read.
const MOST_UNPACKED_ASIDE: u64 = 4 << 20;

type Package<'a> = Xlsx<Cursor<&'a [u8]>>;

/// A sheet as it stands in a file.
struct Page {
    title: String,
    hidden: bool,
    grid: Grid,
    merged: Vec<Dimensions>,
}

/// The one sheet with residents, and what is said about the others.
pub(super) fn residents(bytes: &[u8]) -> Result<(Sheet, Vec<Warning>), Unreadable> {
    let mut found: Option<Sheet> = None;
    let mut warnings = Vec::new();
    let mut hidden = Vec::new();
    for page in pages(bytes)? {
        match sheet::heading(Kind::Residents, &page.grid) {
            Some(_) if page.hidden => hidden.push(page.title),
            Some(_) if found.is_some() => return Err(Unreadable(TWO_SHEETS)),
            Some(heading) => {
                found = Some(sheet::under(Kind::Residents, page.title, heading, page.grid, &page.merged)?);
            }
            // A list for a drop-down, more often than not.
            None if page.hidden => {}
            None => warnings.push(not_read(&page.title)),
        }
    }
    warnings.extend(hidden.iter().map(|title| hidden_sheet(title)));
    match found {
        Some(sheet) => Ok((sheet, warnings)),
        None if hidden.is_empty() => Err(Unreadable(NO_HEADING)),
        None => Err(Unreadable(ALL_HIDDEN)),
    }
}

/// The sheets with places, in the order in which they are taken, and what is said about the others.
pub(super) fn places(bytes: &[u8]) -> Result<(Vec<Sheet>, Vec<Warning>), Unreadable> {
    let mut found: Vec<Sheet> = Vec::new();
    let mut warnings = Vec::new();
    for page in pages(bytes)? {
        let Some(kind) = Kind::of_title(&page.title) else {
            if !page.hidden {
                warnings.push(other_title(&page.title));
            }
            continue;
        };
        if page.hidden {
            warnings.push(hidden_sheet(&page.title));
            continue;
        }
        if found.iter().any(|sheet| sheet.kind == kind) {
            return Err(Unreadable(TWO_SHEETS));
        }
        let heading = sheet::heading(kind, &page.grid).ok_or_else(|| no_heading(kind))?;
        found.push(sheet::under(kind, page.title, heading, page.grid, &page.merged)?);
    }
    if found.is_empty() {
        return Err(Unreadable(NO_PLACES));
    }
    found.sort_by_key(|sheet| sheet.kind);
    Ok((found, warnings))
}

/// Every sheet that holds anything.
fn pages(bytes: &[u8]) -> Result<Vec<Page>, Unreadable> {
    if bytes.is_empty() {
        return Err(Unreadable(EMPTY));
    }
    if bytes.len() > MOST_BYTES {
        return Err(Unreadable(TOO_LARGE));
    }
    if text::is_text(bytes) {
        let grid = text::grid(bytes)?;
        return Ok(vec![Page { title: String::new(), hidden: false, grid, merged: Vec::new() }]);
    }
    bound(bytes)?;
    // The readers of packages and sheets are others' code, and the files are hostile: a panic in them is one more way of
    // being unreadable.
    catch_unwind(AssertUnwindSafe(|| read(bytes))).unwrap_or(Err(Unreadable(DAMAGED)))
}

/// Unpacks every part and counts, since the sizes in a package's directory may lie.
fn bound(bytes: &[u8]) -> Result<(), Unreadable> {
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(Unreadable(OLD_OR_LOCKED));
    }
    if !bytes.starts_with(b"PK") {
        return Err(Unreadable(NOT_XLSX));
    }
    let counted = catch_unwind(AssertUnwindSafe(|| unpacked(bytes)));
    counted.unwrap_or(Err(Unreadable(DAMAGED)))
}

fn unpacked(bytes: &[u8]) -> Result<(), Unreadable> {
    let damaged = |_| Unreadable(DAMAGED);
    let mut package = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if package.len() > MOST_PARTS {
        return Err(Unreadable(TOO_LARGE));
    }
    let mut left = MOST_UNPACKED;
    for index in 0..package.len() {
        let mut part = package.by_index(index).map_err(damaged)?;
        let name = part.name().map_err(damaged)?.to_lowercase();
        let cells = name.contains("worksheets/") || name.ends_with("sharedstrings.xml");
        // Pictures and the like are never unpacked by the reader.
        if !["xml", "rels"].iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        let most = if cells { left } else { left.min(MOST_UNPACKED_ASIDE) };
        let size =
            std::io::copy(&mut (&mut part).take(most + 1), &mut std::io::sink()).map_err(|_| Unreadable(DAMAGED))?;
        if size > most {
            return Err(Unreadable(TOO_LARGE));
        }
        left -= size;
    }
    Ok(())
}

fn read(bytes: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let mut package: Package<'_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let sheets = package.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
    let sheets: Vec<(String, bool)> =
        sheets.map(|sheet| (sheet.name.clone(), sheet.visible != SheetVisible::Visible)).collect();
    let mut pages = Vec::new();
    for (title, hidden) in sheets {
        let grid = grid(&mut package, &title)?;
        if grid.is_empty() {
            continue;
        }
        let merged = package.merge_cells_by_sheet_name(&title).unwrap_or_default();
        pages.push(Page { title, hidden, grid, merged });
    }
    Ok(pages)
}

fn grid(package: &mut Package<'_>, name: &str) -> Result<Grid, Unreadable> {
    let mut cells = package.worksheet_cells_reader(name).map_err(|error| broken(&error))?;
    let mut grid = Grid::default();
    while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(|error| broken(&error))? {
        let (row, column) = cell.pos;
        grid.put(row, column, &cell.value, cell.formula.is_some())?;
    }
    Ok(grid)
}

fn broken(error: &XlsxError) -> Unreadable {
    match error {
        XlsxError::Password => Unreadable(OLD_OR_LOCKED),
        _ => Unreadable(DAMAGED),
    }
}

fn not_read(title: &str) -> Warning {
    about(Sentence::made(
        format!("工作表“{title}”没有表头，未读取：如果其中有住户，请加上表头后另行导入"),
        format!(
            "the sheet “{title}” has no headings and was not read: if it holds residents, add the headings and import it by itself"
        ),
    ))
}

fn hidden_sheet(title: &str) -> Warning {
    about(Sentence::made(
        format!("工作表“{title}”是隐藏的，未读取：如需导入，请先取消隐藏"),
        format!("the sheet “{title}” is hidden and was not read: to import it, show it first"),
    ))
}

fn other_title(title: &str) -> Warning {
    about(Sentence::made(
        format!("工作表“{title}”不是 社区、网格、小区、楼幢、门岗 之一，未读取：如需导入，请改用这些名称"),
        format!(
            "the sheet “{title}” is none of 社区, 网格, 小区, 楼幢, 门岗 and was not read: to import it, call it so"
        ),
    ))
}

fn about(sentence: Sentence) -> Warning {
    Warning { sheet: String::new(), row: 0, column: None, sentence }
}

fn no_heading(kind: Kind) -> Unreadable {
    let (title, columns) = (kind.title(), kind.required().iter().map(|column| column.heading()));
    let columns: Vec<&str> = columns.collect();
    Unreadable(Sentence::made(
        format!("工作表“{title}”没有表头：前 20 行中应有一行写着 {}", columns.join("、")),
        format!("the sheet “{title}” has no headings: one of the first 20 rows must read {}", columns.join(", ")),
    ))
}

const EMPTY: Sentence = Sentence::new("文件是空的：请重新选择文件", "the file is empty: choose it again");
pub(super) const TOO_LARGE: Sentence = Sentence::new(
    "文件过大（最多 8 MiB，展开后 40 MiB，20,000 行）：请分成几个文件，或把数据复制到新的工作簿后再导入",
    "the file is too large (at most 8 MiB, 40 MiB unpacked, 20,000 rows): split it, or copy the data into a new workbook",
);
const OLD_OR_LOCKED: Sentence = Sentence::new(
    "文件是旧的 .xls 格式或者设了密码：请另存为不带密码的 .xlsx 后再导入",
    "the file is an old .xls or has a password: save it as .xlsx without one",
);
pub(super) const NOT_XLSX: Sentence = Sentence::new(
    "文件既不是 .xlsx 工作簿，也不是 .csv 文本：请用 Excel 或 WPS 另存为 .xlsx 后再导入",
    "the file is neither an .xlsx workbook nor a .csv text: save it as .xlsx",
);
const ALL_HIDDEN: Sentence = Sentence::new(
    "带表头的工作表都是隐藏的：请先取消隐藏再导入",
    "every sheet with headings is hidden: show the one to be imported first",
);
const NO_PLACES: Sentence = Sentence::new(
    "没有找到 社区、网格、小区、楼幢、门岗 中的任何一张工作表：请使用模板（mifeng import template）",
    "none of the sheets 社区, 网格, 小区, 楼幢, 门岗 is there: begin with the template (mifeng import template)",
);
const DAMAGED: Sentence = Sentence::new(
    "文件已损坏或不完整：请用 Excel 或 WPS 打开并另存为 .xlsx 后再导入",
    "the file is damaged or incomplete: open it in a spreadsheet program and save it as .xlsx again",
);
const TWO_SHEETS: Sentence = Sentence::new(
    "有两张以上的工作表带表头：请合并为一张，或分成几个文件导入",
    "more than one sheet has headings: put them into one, or import them as separate files",
);
const NO_HEADING: Sentence = Sentence::new(
    "没有找到表头：前 20 行中应有一行写着 小区、幢、单元、室、性质、房东姓名、房东电话、姓名、证件号码、手机号码",
    "no headings found: one of the first 20 rows must read 小区, 幢, 单元, 室, 性质, 房东姓名, 房东电话, 姓名, 证件号码, 手机号码",
);
