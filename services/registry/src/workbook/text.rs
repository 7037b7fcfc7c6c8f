//! A .csv file, as Excel, WPS and other systems write them: UTF-8 with or without its mark, UTF-16, or GBK; with commas,
//! semicolons or tabs between the cells.

use calamine::DataRef;
use csv::ReaderBuilder;
use encoding_rs::{Encoding, GB18030};

use super::{Unreadable, opening::NOT_XLSX, sheet::Grid};

/// Whether it is no package and no old workbook, and holds no bytes that a text never has.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"PK") || bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return false;
    }
    Encoding::for_bom(bytes).is_some() || !bytes.contains(&0)
}

pub(super) fn grid(bytes: &[u8]) -> Result<Grid, Unreadable> {
    let text = decoded(bytes)?;
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter(&text)).from_reader(text.as_bytes());
    let mut grid = Grid::default();
    let mut line = csv::StringRecord::new();
    let (mut seen, mut row) = (0, 0);
    while reader.read_record(&mut line).map_err(|_| Unreadable(NOT_XLSX))? {
        // The reader's own count of lines lags behind; people look for the line that their program shows.
        let begin = line.position().map_or(seen, |position| usize::try_from(position.byte()).unwrap_or(seen));
        let begin = begin + text.as_bytes()[begin..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        row += text[seen..begin].matches('\n').count();
        seen = begin;
        for (column, cell) in (0u32..).zip(&line) {
            grid.put(u32::try_from(row).unwrap_or(u32::MAX), column, &DataRef::String(cell.to_owned()), false)?;
        }
    }
    Ok(grid)
}

/// By its mark; else UTF-8 where it is that throughout; else GBK, of which GB 18030 is the whole. Chinese text in GBK is next
/// to never valid UTF-8.
fn decoded(bytes: &[u8]) -> Result<String, Unreadable> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, broken) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return if broken { Err(Unreadable(NOT_XLSX)) } else { Ok(text.into_owned()) };
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let (text, broken) = GB18030.decode_without_bom_handling(bytes);
    if broken { Err(Unreadable(NOT_XLSX)) } else { Ok(text.into_owned()) }
}

/// What stands most often in the first lines, between what may be headings.
fn delimiter(text: &str) -> u8 {
    let first: String = text.lines().take(5).collect();
    let count = |delimiter: &u8| first.bytes().filter(|byte| byte == delimiter).count();
    [b',', b';', b'\t'].into_iter().max_by_key(count).filter(|delimiter| count(delimiter) > 0).unwrap_or(b',')
}
