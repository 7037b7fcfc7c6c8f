//! The workbook as a neighbourhood keeps it: a row for every person, the room repeated.

use anyhow::Context as _;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook};

use super::plan::{COMPOUNDS, Home};

const HEADINGS: [&str; 10] =
    ["小区", "幢", "单元", "室", "性质", "房东姓名", "房东电话", "姓名", "证件号码", "手机号码"];

/// Rows that somebody typed as Excel likes it: the last digits of the identity number are gone.
pub(super) const SPOILT: usize = 3;

pub(super) struct Sheet {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: usize,
}

/// The homes' people. `spoilt`: the first rows come as Excel keeps long numbers.
pub(super) fn write<'a>(homes: impl IntoIterator<Item = &'a Home>, spoilt: usize) -> anyhow::Result<Sheet> {
    let mut workbook = Workbook::new();
    // The same people must make the same bytes: a request id stands for one content.
    let made = ExcelDateTime::from_ymd(2020, 2, 1).context("the day of the workbook")?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let bold = Format::new().set_bold();
    let text = Format::new().set_num_format("@");
    let sheet = workbook.add_worksheet();
    for (column, heading) in (0..).zip(HEADINGS) {
        sheet.write_string_with_format(0, column, heading, &bold).context("writing the headings")?;
    }
    let mut row = 0;
    for home in homes {
        for person in &home.people {
            row += 1;
            let document =
                if row as usize <= spoilt { format!("{}000", &person.document[..15]) } else { person.document.clone() };
            let (landlord, landlord_phone) = home.landlord.clone().unwrap_or_default();
            let cells = [
                COMPOUNDS[home.compound].to_owned(),
                home.building.to_string(),
                home.unit.to_string(),
                home.room.to_string(),
                if home.landlord.is_some() { "租住" } else { "自住" }.to_owned(),
                landlord,
                landlord_phone,
                person.name.clone(),
                document,
                person.phones.join("、"),
            ];
            for (column, cell) in (0..).zip(cells) {
                sheet.write_string_with_format(row, column, cell, &text).context("writing a row")?;
            }
        }
    }
    Ok(Sheet { bytes: workbook.save_to_buffer().context("closing the workbook")?, rows: row as usize })
}
