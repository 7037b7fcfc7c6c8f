//! The workbooks by which a neighbourhood joins in minutes: its places, then its people.

use anyhow::Context as _;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet};

use super::world::World;

/// All places, a sheet for each kind; every compound is closed since 30 January.
pub(super) fn places(world: &World) -> anyhow::Result<Vec<u8>> {
    let mut workbook = begin()?;
    let neighbourhood = |compound: usize| world.neighbourhoods[world.compounds[compound].neighbourhood].name.clone();
    let rows = world.neighbourhoods.iter().map(|one| vec![one.name.clone(), one.code.clone()]);
    sheet(workbook.add_worksheet().set_name("社区")?, &["社区", "统计代码"], rows)?;
    let rows =
        world.compounds.iter().enumerate().map(|(index, one)| {
            vec![neighbourhood(index), one.name.clone(), "封闭".to_owned(), "2020-01-30".to_owned()]
        });
    sheet(workbook.add_worksheet().set_name("小区")?, &["社区", "小区", "管控", "管控起始日"], rows)?;
    let rows = world.gates.iter().map(|gate| {
        vec![neighbourhood(gate.compound), world.compounds[gate.compound].name.clone(), gate.name.to_owned()]
    });
    sheet(workbook.add_worksheet().set_name("门岗")?, &["社区", "小区", "门岗"], rows)?;
    workbook.save_to_buffer().context("closing the workbook of places")
}

/// The people of one neighbourhood, a row each.
pub(super) fn people(world: &World, neighbourhood: usize) -> anyhow::Result<Vec<u8>> {
    const HEADINGS: [&str; 10] =
        ["小区", "幢", "单元", "室", "性质", "房东姓名", "房东电话", "姓名", "证件号码", "手机号码"];
    let mut workbook = begin()?;
    let compounds = world.compounds.iter().filter(|compound| compound.neighbourhood == neighbourhood);
    let homes = compounds.flat_map(|compound| world.homes[compound.homes.clone()].iter());
    let rows = homes.flat_map(|home| {
        let (landlord, landlord_phone) = home.landlord.clone().unwrap_or_default();
        world.people[home.people.clone()].iter().map(move |person| {
            vec![
                world.compounds[home.compound].name.clone(),
                home.building.to_string(),
                home.unit.to_string(),
                home.room.to_string(),
                if home.landlord.is_some() { "租住" } else { "自住" }.to_owned(),
                landlord.clone(),
                landlord_phone.clone(),
                person.name.clone(),
                person.document.clone(),
                person.phones.join("、"),
            ]
        })
    });
    sheet(workbook.add_worksheet(), &HEADINGS, rows)?;
    workbook.save_to_buffer().context("closing the workbook of residents")
}

/// The same content must make the same bytes: a request id stands for one content.
fn begin() -> anyhow::Result<Workbook> {
    let mut workbook = Workbook::new();
    let made = ExcelDateTime::from_ymd(2020, 2, 1).context("the day of the workbook")?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    Ok(workbook)
}

fn sheet(page: &mut Worksheet, headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<()> {
    let text = Format::new().set_num_format("@");
    let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
    for (row, cells) in (0..).zip(std::iter::once(headings).chain(rows)) {
        for (column, cell) in (0..).zip(cells) {
            page.write_string_with_format(row, column, cell, &text).context("writing a row")?;
        }
    }
    Ok(())
}
