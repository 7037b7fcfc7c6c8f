//! A neighbourhood joins with one workbook: its grids, compounds, buildings and gates, taken once whatever is sent again.

use chassis::Scope;
use futures::StreamExt as _;
use proto::registry::v1::{
    ImportOutcome, ImportPlacesRequest, ListBuildingsRequest, ListCompoundsRequest, ListGridsRequest, Regime,
    grid_service_server::GridService as _, import_service_server::ImportService as _,
    registry_service_server::RegistryService as _,
};
use rust_xlsxwriter::Workbook;

use super::{Desk, workbook};

type Sheet<'a> = (&'a str, &'a [&'a [&'a str]]);

fn file(sheets: &[Sheet<'_>]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    for (title, rows) in sheets {
        let page = workbook.add_worksheet().set_name(*title).unwrap();
        for (row, cells) in (0u32..).zip(*rows) {
            for (column, cell) in (0u16..).zip(*cells) {
                page.write_string(row, column, *cell).unwrap();
            }
        }
    }
    workbook.save_to_buffer().unwrap()
}

fn village() -> Vec<u8> {
    file(&[
        ("社区", &[&["社区", "统计代码"], &["金家漕社区", "330212002012"], &["繁裕社区", "330212002013"]]),
        ("网格", &[&["社区", "网格"], &["金家漕社区", "第一网格"], &["金家漕社区", "第二网格"]]),
        (
            "小区",
            &[
                &["社区", "小区", "网格", "管理组", "管控", "管控起始日"],
                &["金家漕社区", "长丰二村", "第一网格", "金家漕", "封闭", "2020-01-30"],
                &["金家漕社区", "金家新村", "", "金家漕", "", ""],
            ],
        ),
        (
            "楼幢",
            &[
                &["社区", "小区", "幢", "单元数", "网格"],
                &["金家漕社区", "长丰二村", "3幢", "4", ""],
                &["金家漕社区", "长丰二村", "10幢", "", "第二网格"],
            ],
        ),
        (
            "门岗",
            &[&["社区", "小区", "门岗"], &["金家漕社区", "长丰二村", "东门"], &["金家漕社区", "长丰二村", "西门"]],
        ),
    ])
}

async fn import(desk: &Desk, id: &str, workbook: Vec<u8>, validate_only: bool) -> ImportOutcome {
    let request =
        ImportPlacesRequest { request_id: id.into(), parent: String::new(), workbook, validate_only, partial: false };
    let stream = desk.api.import_places(desk.ask(request)).await.unwrap().into_inner();
    let answers: Vec<_> = stream.collect().await;
    let outcome = answers.last().unwrap().as_ref().unwrap().outcome.clone().unwrap();
    assert_eq!(outcome.rows, outcome.taken + outcome.refused);
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbourhood_joins_with_one_workbook() {
    let desk = Desk::open().await;
    let preview = import(&desk, "places-000", village(), true).await;
    assert_eq!((preview.rows, preview.rows_new, preview.committed), (10, 10, false));
    // Made a second later it would be another file.
    let sent = village();
    let taken = import(&desk, "places-001", sent.clone(), false).await;
    assert_eq!((taken.rows_new, taken.refused, taken.committed), (10, 0, true));
    let head = desk.api.ledger.log().head().await.unwrap().position;
    assert_eq!(import(&desk, "places-001", sent, false).await, taken);
    assert_eq!(import(&desk, "places-002", village(), false).await.rows_same, 10);
    assert_eq!(desk.api.ledger.log().head().await.unwrap().position, head);

    let compounds = desk.done(desk.api.list_compounds(desk.ask(ListCompoundsRequest::default())).await).compounds;
    let closed = compounds.iter().find(|compound| compound.display_name == "长丰二村").unwrap();
    assert_eq!((closed.regime(), closed.regime_from.as_str(), closed.gates.len()), (Regime::Closed, "2020-01-30", 2));
    let request = ListBuildingsRequest { parent: closed.name.clone(), ..ListBuildingsRequest::default() };
    let buildings = desk.done(desk.api.list_buildings(desk.ask(request)).await).buildings;
    let rows: Vec<(&str, i32)> = buildings.iter().map(|row| (row.building.as_str(), row.units)).collect();
    assert_eq!(rows, [("", 0), ("3", 4), ("10", 0)]);

    let parent = proto::registry::v1::Neighbourhood { name: closed.neighbourhood.clone(), ..Default::default() };
    let mut people = super::row(1, "402", "张三", "");
    let first = people.clone();
    people[1] = "10".into();
    desk.import("import-001", &parent, workbook([first, people]), false).await;
    let grids = desk.done(desk.api.list_grids(desk.ask(ListGridsRequest::default())).await).grids;
    let mut counted: Vec<(&str, i32)> =
        grids.iter().map(|grid| (grid.display_name.as_str(), grid.households)).collect();
    counted.sort_unstable();
    assert_eq!(counted, [("第一网格", 1), ("第二网格", 1)], "a building's own grid before its compound's");
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_register_comes_back_with_its_sheet_and_nothing_is_written() {
    let desk = Desk::open().await;
    import(&desk, "places-001", village(), false).await;
    let wrong = file(&[
        ("社区", &[&["社区", "统计代码"], &["另一社区", "330212002012"]]),
        ("小区", &[&["社区", "小区", "网格", "管控"], &["金家漕社区", "长丰三村", "第九网格", "封闭"]]),
        (
            "楼幢",
            &[&["社区", "小区", "幢", "单元数"], &["金家漕社区", "长丰二村", "3", "5"], &["", "长丰二村", "4", ""]],
        ),
        (
            "门岗",
            &[&["社区", "小区", "门岗"], &["金家漕社区", "没有这个小区", "东门"], &["金家漕社区", "长丰二村", "南门"]],
        ),
    ]);
    let head = desk.api.ledger.log().head().await.unwrap().position;
    let refused = import(&desk, "places-002", wrong, false).await;
    let rows: Vec<(&str, i32, &str)> =
        refused.refused_rows.iter().map(|row| (row.sheet.as_str(), row.row, row.column.as_str())).collect();
    let expected =
        [("小区", 2, "网格"), ("楼幢", 2, "单元数"), ("楼幢", 3, "社区"), ("社区", 2, "统计代码"), ("门岗", 2, "小区")];
    let mut rows = rows;
    rows.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(rows, expected);
    assert_eq!((refused.rows_held, refused.taken), (1, 0));
    assert_eq!(desk.api.ledger.log().head().await.unwrap().position, head);
    assert!(!refused.refused_workbook.is_empty());
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbourhoods_own_office_adds_to_its_own_places_only() {
    let mut desk = Desk::open().await;
    let own = desk.neighbourhood("330212002099").await;
    import(&desk, "places-001", file(&[("社区", &[&["社区", "统计代码"], &["繁裕社区", "330212002013"]])]), false)
        .await;
    desk.scope = Scope::Neighbourhood(own.name.trim_start_matches("neighbourhoods/").to_owned());
    let taken = import(&desk, "places-002", file(&[("小区", &[&["小区"], &["新村"]])]), false).await;
    assert_eq!(taken.rows_new, 1);
    let others =
        import(&desk, "places-003", file(&[("小区", &[&["社区", "小区"], &["繁裕社区", "甲村"]])]), false).await;
    assert_eq!(others.refused_rows[0].reason, "NOT_FOUND");
    let opened =
        import(&desk, "places-004", file(&[("社区", &[&["社区", "统计代码"], &["新社区", "330212002014"]])]), false)
            .await;
    assert_eq!(opened.refused_rows[0].reason, "NOT_FOUND");
    desk.host.close().await;
}
