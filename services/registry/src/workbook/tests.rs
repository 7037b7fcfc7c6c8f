/// What PITFALLS says about files from people.
mod from_people;

use std::io::{Cursor, Write as _};

use proptest::prelude::*;
use proto::registry::v1::identity_document::Kind as Document;
use rust_xlsxwriter::{Format, Workbook as Writer, Worksheet};

use super::{headings::*, *};

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2020, 2, 11).unwrap();
const CARD: &str = "11010519491231002X";

fn file(write: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Writer::new();
    write(workbook.add_worksheet());
    workbook.save_to_buffer().unwrap()
}

fn lines(page: &mut Worksheet, first: u32, rows: &[&[&str]]) {
    for (row, cells) in (first..).zip(rows) {
        for (column, cell) in (0u16..).zip(*cells) {
            page.write_string(row, column, *cell).unwrap();
        }
    }
}

fn sheet(rows: &[&[&str]]) -> Workbook {
    let bytes = file(|page| {
        lines(page, 0, &[&HEADINGS]);
        lines(page, 1, rows);
    });
    read(&bytes, TODAY).unwrap_or_else(|Unreadable(sentence)| panic!("{sentence:?}"))
}

fn unreadable(bytes: &[u8]) -> String {
    match read(bytes, TODAY) {
        Ok(_) => panic!("it was read"),
        Err(Unreadable(sentence)) => sentence.en.into_owned(),
    }
}

fn back(workbook: &Workbook) -> Vec<u8> {
    let refused: Vec<RefusedRow> = workbook.refused.iter().map(RefusedRow::from).collect();
    refused_workbook(std::slice::from_ref(&workbook.sheet), &refused, false).unwrap()
}

fn owner<'a>(name: &'a str, document: &'a str, phones: &'a str) -> [&'a str; 10] {
    ["长丰二村", "3", "1", "402", OWNED, "", "", name, document, phones]
}

#[test]
fn rows_of_one_room_make_a_household() {
    let workbook = sheet(&[
        &[
            "长丰二村",
            "3幢",
            "1单元",
            "402室",
            RENTED,
            "李四",
            "13911112222",
            "张三",
            CARD,
            "138 0000 1234、13900005678",
        ],
        &["长丰二村", "３", "1", "402", "", "", "", "张小三", "", ""],
        &["长丰二村", "3", "1", "403", OWNED, "", "", "𠮷㐂", "无", "+86 13700001111"],
    ]);
    assert!(workbook.refused.is_empty());
    assert_eq!(workbook.rooms.len(), 2);
    let rented = &workbook.rooms[0];
    assert_eq!((rented.tenure, rented.occupants.len()), (Tenure::Rented, 2));
    assert_eq!(rented.landlord.as_ref().unwrap().phone, "13911112222");
    assert_eq!(rented.occupants[0].person.phones, ["13800001234", "13900005678"]);
    assert_eq!(rented.occupants[1].person.document.as_ref().unwrap().kind(), Document::None);
    assert_eq!(workbook.rooms[1].occupants[0].person.full_name, "𠮷㐂");
}

#[test]
fn columns_are_found_by_heading_in_any_order_below_a_merged_title() {
    let bytes = file(|page| {
        page.merge_range(0, 0, 0, 8, "长丰二村住户登记表", &Format::new()).unwrap();
        lines(page, 2, &[&["备注", "手机", "姓　名", "身份证号", "室号", "单元", "栋", "小区名称", "性质", "房东"]]);
        lines(page, 3, &[&["老人", "13800001234", "张三", CARD, "402", "", "3", "长丰二村", OWNED]]);
        page.set_row_hidden(3).unwrap();
    });
    let workbook = read(&bytes, TODAY).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(workbook.rooms.len(), 1, "{:?}", workbook.refused);
    assert_eq!(workbook.rooms[0].occupants[0].row, 4);
}

#[test]
fn empty_rows_are_skipped_without_being_counted() {
    let workbook = sheet(&[&owner("张三", "", ""), &[], &["", " ", "\u{3000}"], &owner("李四", "", "")]);
    assert_eq!(workbook.sheet.rows.len(), 2);
    assert_eq!(workbook.rooms[0].occupants[1].row, 5);
}

#[test]
fn everything_that_is_wrong_with_a_row_is_said_at_once_without_repeating_it() {
    let workbook = sheet(&[&["", "3", "1", "402", "合租", "", "", "张三5", "110105194912310021", "0574-88123456"]]);
    let row = RefusedRow::from(&workbook.refused[0]);
    assert_eq!((row.row, row.column.as_str(), row.reason.as_str()), (2, COMPOUND, "FIELD_INVALID"));
    for heading in [COMPOUND, TENURE, NAME, DOCUMENT, PHONES] {
        assert!(row.message_zh.contains(heading) && row.message_en.contains(heading), "{row:?}");
    }
    assert!(!row.message_zh.contains("张三") && !row.message_en.contains("1101051949"), "{row:?}");
}

#[test]
fn numbers_typed_as_numbers_are_read_and_cut_ones_are_called_so() {
    let bytes = file(|page| {
        lines(page, 0, &[&HEADINGS]);
        for row in 1..=2 {
            lines(page, row, &[&owner(["张三", "李四"][row as usize - 1], "", "")]);
            page.write_number(row, 3, 402).unwrap();
            page.write_number(row, 9, 13_800_001_234.0).unwrap();
        }
        page.write_number(1, 8, 110_105_194_912_310_020.0).unwrap();
        page.write_number(2, 8, 110_105_491_231_002.0).unwrap();
    });
    let workbook = read(&bytes, TODAY).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(workbook.refused.len(), 1);
    assert!(RefusedRow::from(&workbook.refused[0]).message_en.contains("typed as a number"));
    let occupant = &workbook.rooms[0].occupants[0];
    assert_eq!(workbook.rooms[0].place.room, "402");
    assert_eq!((occupant.row, occupant.person.phones[0].as_str()), (3, "13800001234"));
}

#[test]
fn somebody_who_stands_twice_in_a_file_is_taken_once() {
    let mut elsewhere = owner("张三", CARD, "");
    elsewhere[3] = "501";
    let workbook = sheet(&[&owner("张三", CARD, ""), &owner("张三", CARD, ""), &owner("张三", "", ""), &elsewhere]);
    let columns: Vec<String> = workbook.refused.iter().map(|row| RefusedRow::from(row).column).collect();
    assert_eq!(columns, ["", NAME, DOCUMENT]);
    assert_eq!(workbook.rooms.iter().map(|room| room.occupants.len()).sum::<usize>(), 1);
}

#[test]
fn a_room_that_contradicts_itself_is_refused_whole() {
    let mut rented = owner("李四", "", "");
    (rented[4], rented[5]) = (RENTED, "王五");
    let workbook = sheet(&[&owner("张三", "", ""), &rented]);
    assert_eq!(workbook.refused.len(), 2);
    assert_eq!(RefusedRow::from(&workbook.refused[1]).column, TENURE);
    assert!(workbook.rooms.is_empty());
}

#[test]
fn a_rented_room_needs_a_landlord() {
    let mut rented = owner("李四", "", "");
    rented[4] = RENTED;
    assert_eq!(RefusedRow::from(&sheet(&[&rented]).refused[0]).column, LANDLORD_NAME);
}

#[test]
fn a_cell_merged_over_a_family_holds_for_each_of_them() {
    let bytes = file(|page| {
        lines(page, 0, &[&HEADINGS]);
        lines(page, 1, &[&owner("张三", "", ""), &["", "", "", "", "", "", "", "李四"]]);
        for (column, cell) in (0u16..5).zip(["长丰二村", "3", "1", "402", OWNED]) {
            page.merge_range(1, column, 2, column, cell, &Format::new()).unwrap();
        }
    });
    let workbook = read(&bytes, TODAY).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(workbook.rooms[0].occupants.len(), 2, "{:?}", workbook.refused);
}

#[test]
fn refused_rows_come_back_in_a_workbook_that_can_be_corrected_and_read_again() {
    let first = sheet(&[
        &owner("张三", "", ""),
        &["长丰二村", "4", "", "101", OWNED, "", "", "=cmd()5", "", "+86 13800001234"],
    ]);
    assert_eq!(first.refused.len(), 1);
    let back = back(&first);
    let again = read(&back, TODAY).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((again.sheet.rows.len(), again.refused.len()), (1, 1));
    let at = again.sheet.column_of(Column::Phones).unwrap();
    assert_eq!(again.sheet.rows[0].cells[&at].text(), "+86 13800001234");
    assert!(refused_workbook(std::slice::from_ref(&first.sheet), &[], true).unwrap().is_empty());
}

#[test]
fn a_cell_in_the_last_corner_of_a_sheet_costs_one_cell() {
    let bytes = file(|page| {
        lines(page, 0, &[&HEADINGS]);
        lines(page, 1, &[&owner("张三", "", "")]);
        page.write_string(1_048_575, 16_383, "x").unwrap();
        page.write_string(1_048_575, 0, "x").unwrap();
    });
    let workbook = read(&bytes, TODAY).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((workbook.sheet.rows.len(), workbook.refused[0].row), (2, 1_048_576));
}

#[test]
fn headings_that_are_missing_or_stand_twice_are_named() {
    let missing = file(|page| lines(page, 0, &[&[COMPOUND, BUILDING, ROOM, TENURE, NAME, PHONES]]));
    assert!(unreadable(&missing).contains(DOCUMENT));
    let twice = file(|page| lines(page, 0, &[&[&HEADINGS[..], &[NAME]].concat()]));
    assert!(unreadable(&twice).contains(NAME));
    assert!(unreadable(&file(|_| {})).contains("no headings"));
}

#[test]
fn residents_on_two_sheets_are_not_half_read_and_other_sheets_are_mentioned() {
    let mut workbook = Writer::new();
    lines(workbook.add_worksheet().set_name("说明").unwrap(), 0, &[&["请按要求填写"]]);
    lines(workbook.add_worksheet(), 0, &[&HEADINGS, &owner("张三", "", "")]);
    let one = read(&workbook.save_to_buffer().unwrap(), TODAY).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((one.rooms.len(), one.warnings.len()), (1, 1));
    lines(workbook.add_worksheet(), 0, &[&HEADINGS, &owner("李四", "", "")]);
    assert!(unreadable(&workbook.save_to_buffer().unwrap()).contains("more than one sheet"));
}

#[test]
fn a_file_that_is_no_workbook_says_what_to_do() {
    assert!(unreadable(b"").contains("empty"));
    assert!(unreadable(b"name,phone\n").contains("no headings"));
    assert!(unreadable(b"\x00\x01\x02").contains("neither an .xlsx"));
    assert!(unreadable(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1]).contains(".xls"));
    assert!(unreadable(&vec![b'P'; MOST_BYTES + 1]).contains("too large"));
    let whole = file(|page| lines(page, 0, &[&HEADINGS, &owner("张三", "", "")]));
    assert!(unreadable(&whole[..whole.len() / 2]).contains("damaged"));
}

#[test]
fn a_package_that_unpacks_to_more_than_it_should_is_stopped_while_it_is_counted() {
    let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
    package.start_file("xl/worksheets/sheet1.xml", zip::write::SimpleFileOptions::default()).unwrap();
    for _ in 0..64 {
        package.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bytes = package.finish().unwrap().into_inner();
    assert!(bytes.len() < 1 << 20);
    assert!(unreadable(&bytes).contains("too large"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_row_is_lost_whatever_stands_in_it(
        cells in prop::collection::vec(prop::collection::vec(
            prop_oneof!["\\PC{0,6}", Just("自住".to_owned()), Just("租住".to_owned()), Just("张三".to_owned()), Just(CARD.to_owned()), "[0-9]{1,3}"], 10), 0..12)
    ) {
        let rows: Vec<Vec<&str>> = cells.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
        let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
        let workbook = sheet(&rows);
        let taken: usize = workbook.rooms.iter().map(|room| room.occupants.len()).sum();
        prop_assert_eq!(workbook.sheet.rows.len(), taken + workbook.refused.len());
        let back = back(&workbook);
        if !workbook.refused.is_empty() {
            let again = read(&back, TODAY).unwrap_or_else(|error| panic!("{error:?}"));
            prop_assert_eq!(again.sheet.rows.len(), workbook.refused.len());
        }
    }

    #[test]
    fn no_damage_to_a_file_makes_it_panic(at in 0usize..6000, with in any::<u8>(), cut in 0usize..6000) {
        let mut bytes = file(|page| lines(page, 0, &[&HEADINGS, &owner("张三", CARD, "")]));
        let length = bytes.len();
        bytes[at % length] = with;
        if cut % 3 == 0 {
            bytes.truncate(cut % length);
        }
        let _either = read(&bytes, TODAY);
    }
}
