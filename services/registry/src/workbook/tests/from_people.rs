use std::io::Read as _;

use encoding_rs::{GBK, UTF_16LE};
use rust_xlsxwriter::Formula;

use super::*;

fn whole(bytes: &[u8]) -> Workbook {
    read(bytes, TODAY).unwrap_or_else(|Unreadable(sentence)| panic!("{sentence:?}"))
}

/// A part of a package, as text.
fn part(bytes: &[u8], name: &str) -> String {
    let mut text = String::new();
    let mut package = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    package.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The package with one part changed.
fn changed(bytes: &[u8], name: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let mut package = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut after = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let names: Vec<String> = package.file_names().map(|name| name.unwrap().into_owned()).collect();
    for each in names {
        let mut text = Vec::new();
        package.by_name(&each).unwrap().read_to_end(&mut text).unwrap();
        after.start_file(&each, zip::write::SimpleFileOptions::default()).unwrap();
        let text = if each == name { change(String::from_utf8(text).unwrap()).into_bytes() } else { text };
        after.write_all(&text).unwrap();
    }
    after.finish().unwrap().into_inner()
}

/// A line of a .csv file for each row, under the headings.
fn lines_of(rows: &[&[&str]], between: &str) -> String {
    let lines = [&HEADINGS[..]].into_iter().chain(rows.iter().copied());
    lines.map(|cells| cells.join(between) + "\r\n").collect()
}

#[test]
fn a_template_has_text_columns_drop_downs_and_an_example_that_is_no_row() {
    let template = template(&[Kind::Residents]).unwrap();
    let empty = whole(&template);
    assert_eq!((empty.sheet.rows.len(), empty.refused.len(), empty.warnings.len()), (0, 0, 1));
    assert!(empty.warnings[0].sentence.en.contains("example"));
    let page = part(&template, "xl/worksheets/sheet1.xml");
    for choice in ["\"自住,租住\"", "\"身份证,居住证,护照,无\""] {
        assert!(page.contains(choice), "{choice}");
    }
    let styles = part(&template, "xl/styles.xml");
    assert!(styles.contains("numFmtId=\"49\"") || styles.contains("formatCode=\"@\""), "columns of text");
}

#[test]
fn an_example_that_was_changed_is_no_example_any_more() {
    let template = template(&[Kind::Residents]).unwrap();
    let meddled = changed(&template, "xl/sharedStrings.xml", |text| text.replace("张三", "王五"));
    let workbook = whole(&meddled);
    assert_eq!(workbook.refused.len(), 1);
    assert!(RefusedRow::from(&workbook.refused[0]).message_en.contains("example row, and it was changed"));
}

#[test]
fn what_only_equals_the_example_by_chance_is_a_row() {
    let mut workbook = Writer::new();
    lines(workbook.add_worksheet().set_name("网格").unwrap(), 0, &[&["网格"], &["第一网格"]]);
    let places = read_places(&workbook.save_to_buffer().unwrap()).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(places.entries.len(), 1);
}

#[test]
fn a_hidden_sheet_is_not_read_and_is_mentioned() {
    let mut workbook = Writer::new();
    lines(workbook.add_worksheet(), 0, &[&HEADINGS, &owner("张三", "", "")]);
    let hidden = workbook.add_worksheet();
    lines(hidden.set_name("旧表").unwrap(), 0, &[&HEADINGS, &owner("李四", "", "")]);
    hidden.set_hidden(true);
    let one = whole(&workbook.save_to_buffer().unwrap());
    assert_eq!(one.sheet.rows.len(), 1);
    assert!(one.warnings.iter().any(|warning| warning.sentence.zh.contains("旧表")), "{:?}", one.warnings);

    let mut only = Writer::new();
    only.add_worksheet();
    lines(only.add_worksheet().set_hidden(true), 0, &[&HEADINGS, &owner("李四", "", "")]);
    assert!(unreadable(&only.save_to_buffer().unwrap()).contains("hidden"));
}

#[test]
fn what_came_of_a_formula_is_taken_and_a_formula_without_a_result_is_not_taken_for_blank() {
    let bytes = file(|page| {
        lines(page, 0, &[&HEADINGS]);
        lines(page, 1, &[&owner("张三", "", "")]);
        page.write_formula(1, 9, Formula::new("=A9").set_result("13800001234")).unwrap();
    });
    let taken = whole(&bytes);
    assert_eq!(taken.rooms[0].occupants[0].person.phones, ["13800001234"]);

    let bare = |text: String| text.replace("<v>13800001234</v>", "");
    let refused = whole(&changed(&bytes, "xl/worksheets/sheet1.xml", bare));
    let row = RefusedRow::from(refused.refused.first().expect("a formula without a result is refused"));
    assert!(row.column == PHONES && row.message_en.contains("formula without a result"), "{row:?}");
}

#[test]
fn a_file_of_text_is_read_in_each_encoding_that_excel_writes() {
    let text = lines_of(&[&owner("张三丰", CARD, "13800001234"), &owner("𠮷", "", "")], ",");
    let common = lines_of(&[&owner("张三丰", CARD, "13800001234")], ",");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(UTF_16LE.decode(&utf16).0, text);
    let files = [
        text.clone().into_bytes(),
        ["\u{feff}", &text].concat().into_bytes(),
        [&[0xff, 0xfe], &utf16[..]].concat(),
        GBK.encode(&common).0.into_owned(),
        lines_of(&[&owner("张三丰", CARD, "13800001234")], ";").into_bytes(),
        lines_of(&[&owner("张三丰", CARD, "13800001234")], "\t").into_bytes(),
    ];
    for (at, bytes) in files.iter().enumerate() {
        let workbook = whole(bytes);
        assert!(workbook.refused.is_empty(), "file {at}: {:?}", workbook.refused);
        assert_eq!(workbook.rooms[0].occupants[0].person.full_name, "张三丰", "file {at}");
        assert_eq!(workbook.rooms[0].occupants[0].row, 2, "file {at}");
    }
}

#[test]
fn a_row_of_a_file_of_text_has_the_number_of_its_line_whatever_stands_before_it() {
    let note = "\"登记表\n二月\",,,\n\n";
    let text = [note, &lines_of(&[&owner("张三", CARD, ""), &[], &owner("李四5", "", "")], ",")].concat();
    let workbook = whole(text.as_bytes());
    assert_eq!(workbook.rooms[0].occupants[0].row, 5);
    assert_eq!(workbook.refused[0].row, 7);
}

#[test]
fn numbers_in_a_file_of_text_keep_their_digits_or_are_called_cut() {
    let kept = lines_of(&[&owner("张三", "\"=\"\"11010519491231002X\"\"\"", "\"=\"\"13800001234\"\"\"")], ",");
    assert_eq!(whole(kept.as_bytes()).rooms[0].occupants[0].person.phones, ["13800001234"]);
    let cut = whole(lines_of(&[&owner("张三", "1.10105E+17", "1.38E+10")], ",").as_bytes());
    let row = RefusedRow::from(&cut.refused[0]);
    assert_eq!(row.columns, [DOCUMENT, PHONES]);
    assert!(row.message_en.contains("15 digits") && row.message_en.contains("power of ten"), "{row:?}");
}

#[test]
fn a_door_that_excel_took_for_a_day_is_refused_as_a_day_and_as_the_number_of_one() {
    let date = Format::new().set_num_format("m\"月\"d\"日\"");
    let bytes = file(|page| {
        lines(page, 0, &[&HEADINGS]);
        lines(page, 1, &[&owner("张三", "", ""), &owner("李四", "", "")]);
        page.write_number_with_format(1, 1, 43_891, &date).unwrap();
        page.write_number(2, 1, 43_891).unwrap();
    });
    let workbook = whole(&bytes);
    assert_eq!(workbook.refused.len(), 2);
    for refused in &workbook.refused {
        assert!(RefusedRow::from(refused).message_en.contains("into a date by Excel"), "{refused:?}");
    }
}

#[test]
fn full_width_digits_blanks_around_and_within_and_line_breaks_in_a_cell_do_not_matter() {
    let workbook = sheet(&[&[
        " 长丰二村\u{a0}",
        "３幢",
        "１单元",
        " 402 ",
        "自住 ",
        "",
        "",
        "张\u{3000}三 ",
        "１１０１０５１９４９１２３１００２ｘ",
        "138 0000 1234\n139-0000-5678",
    ]]);
    let room = &workbook.rooms[0];
    assert_eq!(room.place.compound, "长丰二村");
    let person = &room.occupants[0].person;
    assert_eq!((person.full_name.as_str(), person.document.as_ref().unwrap().number.as_str()), ("张三", CARD));
    assert_eq!(person.phones, ["13800001234", "13900005678"]);
}

#[test]
fn a_kind_of_document_that_is_given_must_fit_the_number() {
    let headings = [&HEADINGS[..], &[DOCUMENT_KIND]].concat();
    let row = |name, number, kind| [&owner(name, number, "")[..], &[kind]].concat();
    let bytes = file(|page| {
        lines(page, 0, &[&headings]);
        let rows = [
            row("张三", CARD, "身份证"),
            row("李四", "561234567", "护照"),
            row("王五", "", "无"),
            row("赵六", CARD, "护照证"),
            row("钱七", "110105194912310100", "无"),
        ];
        for (at, cells) in (1..).zip(&rows) {
            lines(page, at, &[cells]);
        }
    });
    let workbook = whole(&bytes);
    let kinds = workbook.rooms[0].occupants.iter().map(|row| row.person.document.as_ref().unwrap().kind());
    assert_eq!(kinds.collect::<Vec<_>>(), [Document::IdCard, Document::Passport, Document::None]);
    let columns: Vec<String> = workbook.refused.iter().map(|row| RefusedRow::from(row).column).collect();
    assert_eq!(columns, [DOCUMENT_KIND, DOCUMENT]);
}

#[test]
fn a_workbook_that_comes_back_twice_has_one_column_of_reasons_and_all_rows_if_all_were_held() {
    let first = sheet(&[&owner("张三", "", ""), &owner("李四5", "", "")]);
    let refused: Vec<RefusedRow> = first.refused.iter().map(RefusedRow::from).collect();
    let held = refused_workbook(std::slice::from_ref(&first.sheet), &refused, true).unwrap();
    let second = whole(&held);
    assert_eq!((second.sheet.rows.len(), second.refused.len()), (2, 1));
    let third = whole(&back(&second));
    assert_eq!(third.sheet.headings.values().filter(|heading| *heading == REASON).count(), 1);
    assert_eq!(third.sheet.rows.len(), 1);
    let page = part(&held, "xl/worksheets/sheet1.xml");
    assert!(page.contains("dataValidation"), "what is to be corrected has its drop-downs, too");
    assert!(part(&held, "xl/styles.xml").contains("FFFFC7CE"), "a red cell");
}

#[test]
fn places_are_read_from_a_sheet_for_each_kind() {
    let template = template(&Kind::PLACES).unwrap();
    let places = read_places(&template).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((places.sheets.len(), places.entries.len(), places.refused.len()), (5, 0, 0));

    let mut workbook = Writer::new();
    lines(workbook.add_worksheet().set_name("门岗").unwrap(), 0, &[&["小区", "门岗"], &["长丰二村", "东门"]]);
    let page = workbook.add_worksheet().set_name("小区").unwrap();
    lines(page, 0, &[&["小区名称", "管控", "起始日"], &["长丰二村", "封闭", ""], &["金家新村", "半封闭", "2020.1.30"]]);
    page.write_number(1, 2, 43_860).unwrap();
    lines(workbook.add_worksheet().set_name("备注").unwrap(), 0, &[&["随便写写"]]);
    let bytes = workbook.save_to_buffer().unwrap();
    let places = read_places(&bytes).unwrap_or_else(|error| panic!("{error:?}"));
    let kinds: Vec<Kind> = places.entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Compounds, Kind::Gates], "what stands on others comes after them");
    let from = places.entries[0].regime.unwrap().1.unwrap();
    assert_eq!(from.to_string(), "2020-01-30");
    assert_eq!((places.refused[0].sheet.as_str(), places.warnings.len()), ("小区", 1));
    assert!(matches!(read_places(&file(|_| {})), Err(Unreadable(_))));
}
