//! From a template to a register: filled in, previewed, held back for one row at fault, corrected, taken, sent again. At the
//! terminal, as offices do it.

use std::{fs, path::Path, process::Command};

use chassis::Clock;
use mifeng::wiring::Service;
use proto::access::v1::Role;
use registry::workbook::{self, Kind};
use rust_xlsxwriter::{Workbook, XlsxError};
use serde_json::Value;
use tests::{House, Peers, binary, postgres::Cluster, village::Village};

/// What `mifeng` says to these words, in somebody's name: whether it was done, its answer, and what it says beside it.
fn mifeng(house: &House, token: &str, words: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(binary());
    command.args(words).env("MIFENG_ADDRESS", house.address()).env("MIFENG_TOKEN", token);
    let output = command.output().expect("mifeng runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

fn json(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// new, changed, same, refused
fn counts(answer: &str) -> [i64; 4] {
    let outcome = json(answer);
    let [rows, taken, new, changed, same, refused] =
        ["rows", "taken", "rows_new", "rows_changed", "rows_same", "refused"]
            .map(|name| outcome[name].as_i64().unwrap());
    assert_eq!(rows, taken + refused);
    assert_eq!(taken, new + changed + same);
    [new, changed, same, refused]
}

fn write(path: &Path, rows: &[&[&str]]) -> Result<(), XlsxError> {
    let mut workbook = Workbook::new();
    let page = workbook.add_worksheet();
    for (line, cells) in (0u32..).zip(rows) {
        for (column, cell) in (0u16..).zip(*cells) {
            page.write_string(line, column, *cell)?;
        }
    }
    workbook.save(path)
}

const HEADINGS: &[&str] = &["小区", "幢", "室", "性质", "房东姓名", "姓名", "证件号码", "手机号码"];
const ZHANG: &[&str] = &["长丰二村", "3幢", "402", "自住", "", "张三", "11010519491231002X", "13800001234"];
const LI: &[&str] = &["长丰二村", "3幢", "403", "租住", "王五", "李四", "", "13900001234"];

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_is_previewed_held_back_corrected_and_taken_once() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    let token = house.token("staff/worker", Role::Worker, &village.neighbourhood, &village.neighbourhood, "");
    let folder = house.folder().join("imports");
    fs::create_dir(&folder).unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();

    let (done, said, _) = mifeng(&house, &token, &["import", "template", &at("template.xlsx")]);
    assert!(done && said.contains("ready to be filled in"), "{said}");
    let (again, _, why) = mifeng(&house, &token, &["import", "template", &at("template.xlsx")]);
    assert!(!again && why.contains("not there yet"), "never over somebody's work: {why}");
    let (done, said, _) = mifeng(&house, &token, &["import", "residents", &at("template.xlsx"), "-o", "json"]);
    assert!(done, "{said}");
    assert_eq!(counts(&said), [0, 0, 0, 0], "the example is no row");

    let wrong = ["长丰二村", "3幢", "404", "自住", "", "赵六", "110105194912310021", "0574-88123456"];
    write(&folder.join("list.xlsx"), &[HEADINGS, ZHANG, LI, &wrong]).unwrap();
    let import = |words: &[&str]| {
        let list = at("list.xlsx");
        let mut all = vec!["import", "residents", list.as_str(), "-o", "json"];
        all.extend(words);
        mifeng(&house, &token, &all)
    };
    let (clean, preview, beside) = import(&["--preview"]);
    assert!(!clean && beside.contains("1 of 3 rows would be refused"), "{beside}");
    assert_eq!(counts(&preview), [2, 0, 0, 1]);
    assert!(!beside.contains('█') && !beside.contains('\u{1b}'), "nothing is drawn where nobody looks: {beside}");
    assert!(!folder.join("list-refused.xlsx").exists(), "a preview leaves nothing behind");

    let (clean, held, beside) = import(&[]);
    assert!(!clean && beside.contains("nothing was taken"), "{beside}");
    assert_eq!((counts(&held), json(&held)["rows_held"].as_i64()), ([0, 0, 0, 3], Some(2)));
    let row = &json(&held)["refused_rows"][0];
    assert_eq!(row["columns"], serde_json::json!(["证件号码", "手机号码"]));
    let listed = |token: &str| mifeng(&house, token, &["resident", "list", "-o", "json"]).1.lines().count();
    assert_eq!(listed(&token), 0);
    let back = fs::read(folder.join("list-refused.xlsx")).unwrap();
    let today = chassis::day_of(Clock::system().now());
    let back = workbook::read(&back, today).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((back.sheet.rows.len(), back.refused.len()), (3, 1), "it can be handed in again as it is");

    let (clean, partial, beside) = import(&["--partial", "--refused", &at("again.xlsx")]);
    assert!(!clean && beside.contains("again.xlsx"), "{beside}");
    assert_eq!(counts(&partial), [2, 0, 0, 1]);
    let (never, _, why) = import(&["--partial", "--refused", &at("again.xlsx")]);
    assert!(!never && why.contains("is there already"), "{why}");
    let reasons = [&HEADINGS[..7], &["手机号码", "退回原因"]].concat();
    let right = ["长丰二村", "3幢", "404", "自住", "", "赵六", "无", "13700001234", "原第 4 行：……"];
    write(&folder.join("again-2.xlsx"), &[&reasons, &right]).unwrap();
    let corrected = ["import", "residents", &at("again-2.xlsx"), "--request-id", "corrected-1", "-o", "json"];
    for _ in 0..2 {
        let (done, taken, _) = mifeng(&house, &token, &corrected);
        assert!(done && counts(&taken) == [1, 0, 0, 0], "sent again it is answered alike: {taken}");
    }
    house.settled().await;
    assert_eq!(listed(&token), 3);

    // The same people as a file of text, with a number that has changed.
    let text = [HEADINGS, ZHANG, &[&LI[..7], &["13900009999"]].concat()].map(|cells| cells.join(",")).join("\r\n");
    fs::write(folder.join("list.csv"), ["\u{feff}", &text].concat()).unwrap();
    let csv = ["household", "import", &at("list.csv"), "-o", "json"];
    assert_eq!(counts(&mifeng(&house, &token, &csv).1), [0, 1, 1, 0]);
    assert_eq!(counts(&mifeng(&house, &token, &csv).1), [0, 0, 2, 0]);
    house.settled().await;
    let found = mifeng(&house, &token, &["resident", "find", "--phone", "13900009999", "-o", "json"]).1;
    assert_eq!(found.lines().count(), 1);
    fs::remove_dir_all(&folder).unwrap();
    crate::privacy::search(house.folder(), &["张三", "13900009999", "赵六"], &mut 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbourhood_joins_with_one_workbook_of_places() {
    let house = House::new().await;
    join(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_over_postgresql() {
    let cluster = Cluster::own().unwrap();
    let service = cluster.service_named("registry").await.unwrap();
    let house = House::of_one(Service::Registry, service.database, None, Peers::new()).await;
    join(&house);
    house.end().await;
}

fn join(house: &House) {
    let token = house.token("staff/officer", Role::Officer, "subdistrict", "", "");
    let folder = house.folder().join("imports");
    fs::create_dir(&folder).unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (done, said, _) = mifeng(house, &token, &["import", "template", &at("places.xlsx"), "--kind", "places"]);
    assert!(done, "{said}");
    let template = workbook::read_places(&fs::read(folder.join("places.xlsx")).unwrap());
    let sheets = template.unwrap_or_else(|error| panic!("{error:?}")).sheets;
    assert_eq!(sheets.iter().map(|sheet| sheet.kind).collect::<Vec<_>>(), Kind::PLACES);

    let rows: [(&str, &[&[&str]]); 5] = [
        ("社区", &[&["社区", "统计代码"], &["金家漕社区", "330212002012"]]),
        ("网格", &[&["网格"], &["第一网格"]]),
        (
            "小区",
            &[
                &["小区", "网格", "管理组", "管控", "管控起始日"],
                &["长丰二村", "第一网格", "金家漕", "封闭", "2020-01-30"],
            ],
        ),
        ("楼幢", &[&["小区", "幢", "单元数"], &["长丰二村", "3幢", "4"]]),
        ("门岗", &[&["小区", "门岗"], &["长丰二村", "东门"], &["长丰二村", "西门"]]),
    ];
    let mut workbook = Workbook::new();
    for (title, rows) in rows {
        let page = workbook.add_worksheet().set_name(title).unwrap();
        for (line, cells) in (0u32..).zip(rows) {
            for (column, cell) in (0u16..).zip(*cells) {
                page.write_string(line, column, *cell).unwrap();
            }
        }
    }
    workbook.save(folder.join("join.xlsx")).unwrap();
    let import = |words: &[&str]| {
        let path = at("join.xlsx");
        let mut all = vec!["import", "places", path.as_str(), "-o", "json"];
        all.extend(words);
        let (done, said, why) = mifeng(house, &token, &all);
        assert!(done, "{said}{why}");
        counts(&said)
    };
    assert_eq!(import(&["--preview"]), [6, 0, 0, 0]);
    assert_eq!(import(&[]), [6, 0, 0, 0]);
    assert_eq!(import(&[]), [0, 0, 6, 0]);
    let compound = json(&mifeng(house, &token, &["compound", "list", "-o", "json"]).1);
    assert_eq!(
        (compound["regime"].as_str(), compound["regime_from"].as_str()),
        (Some("REGIME_CLOSED"), Some("2020-01-30"))
    );
    assert_eq!(compound["gates"].as_array().unwrap().len(), 2);
    let buildings = mifeng(house, &token, &["grid", "buildings", "-o", "json"]).1;
    assert_eq!(buildings.lines().count(), 2, "the compound as a whole and its building: {buildings}");
    let grid = json(&mifeng(house, &token, &["grid", "list", "-o", "json"]).1);
    assert_eq!((grid["display_name"].as_str(), grid["households"].as_i64()), (Some("第一网格"), Some(0)));

    // Its own people come with the next workbook; two of them may be one.
    let neighbourhood = compound["neighbourhood"].as_str().unwrap();
    let worker = house.token("staff/worker", Role::Worker, neighbourhood, neighbourhood, "");
    let twice = ["长丰二村", "10幢", "101", "自住", "", "张三", "", ""];
    write(&folder.join("people.xlsx"), &[HEADINGS, ZHANG, LI, &twice]).unwrap();
    let people = ["import", "residents", &at("people.xlsx"), "-o", "json"];
    assert_eq!(counts(&mifeng(house, &worker, &people).1), [3, 0, 0, 0]);
    let grid = json(&mifeng(house, &token, &["grid", "list", "-o", "json"]).1);
    assert_eq!(grid["households"].as_i64(), Some(3), "those of its compound");
    let pair = json(&mifeng(house, &worker, &["resident", "duplicates", "-o", "json"]).1);
    let [one, other] = ["one", "other"].map(|which| pair[which]["name"].as_str().unwrap().to_owned());
    let merge = ["resident", "merge", &one, "--into", &other, "--reason", "证件核对，同一人", "-o", "json"];
    let (done, merged, why) = mifeng(house, &worker, &merge);
    assert!(done && json(&merged)["merged_into"].as_str() == Some(&other), "{merged}{why}");
    let undo = ["resident", "unmerge", &one, "--reason", "核对后是两个人", "-o", "json"];
    assert!(mifeng(house, &worker, &undo).0);
    // Another process asks, which has not seen what this one wrote.
    let parted = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(25));
        json(&mifeng(house, &worker, &["resident", "show", &one, "-o", "json"]).1)["merged_into"] == ""
    });
    assert!(parted);
}
