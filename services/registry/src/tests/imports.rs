//! Workbooks that are sent once, twice, wrong, or by a client that goes away.

use std::time::Instant;

use proto::registry::v1::{
    ImportHouseholdsRequest, find_residents_request::Key, registry_service_server::RegistryService as _,
};
use tonic::Code;

use super::{CARD, Desk, many, row, workbook};
use crate::workbook::headings::{COMPOUND, DOCUMENT, LANDLORD_NAME, NAME, PHONES, TENURE};

#[tokio::test(flavor = "multi_thread")]
async fn four_thousand_rows_are_taken_once_whatever_is_sent_again() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    desk.compound(&parent, "长丰二村").await;
    let file = many(4000);

    let rehearsal = desk.import("import-000", &parent, file.clone(), true).await;
    assert_eq!((rehearsal.rows_new, rehearsal.households_new), (4000, 2000));
    assert!(desk.residents("").await.is_empty());

    let started = Instant::now();
    let first = desk.import("import-001", &parent, file.clone(), false).await;
    println!("4,000 rows in {:?}", started.elapsed());
    assert_eq!((first.rows_new, first.rows_same, first.households_new), (4000, 0, 2000));
    assert_eq!(desk.residents("").await.len(), 4000);

    let head = desk.api.ledger.log().head().await.unwrap().position;
    let retry = desk.import("import-001", &parent, file.clone(), false).await;
    assert_eq!(retry, first);
    let again = desk.import("import-002", &parent, file, false).await;
    assert_eq!((again.rows_new, again.rows_same, again.households_new), (0, 4000, 0));
    assert_eq!(desk.api.ledger.log().head().await.unwrap().position, head);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_says_something_else_than_the_registry_is_refused_and_comes_back() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    desk.compound(&parent, "长丰二村").await;
    desk.import("import-001", &parent, workbook([row(1, "402", "张三", CARD), row(1, "403", "李四", "")]), false).await;

    let mut tenant = row(2, "403", "王五", "");
    tenant[3] = "403室".into();
    let mut unknown = row(1, "404", "赵六", "");
    unknown[0] = "没有这个小区".into();
    let file = workbook([
        row(1, "402", "张三", "110105194912310021"),
        row(1, "402", "张四", CARD),
        tenant,
        unknown,
        row(1, "405", "钱七", ""),
    ]);
    let outcome = desk.import("import-002", &parent, file, false).await;
    let columns: Vec<&str> = outcome.refused_rows.iter().map(|row| row.column.as_str()).collect();
    assert_eq!(columns, [DOCUMENT, NAME, TENURE, COMPOUND]);
    assert_eq!(outcome.rows_new, 1);

    let back = desk.import("import-003", &parent, outcome.refused_workbook, false).await;
    assert_eq!((back.rows, back.refused), (4, 4));
    let again = [row(1, "402", "张三", CARD), row(1, "406", "李四", CARD)];
    let elsewhere = desk.import("import-004", &parent, workbook([again[1].clone()]), false).await;
    assert_eq!(elsewhere.refused_rows[0].column, DOCUMENT);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_when_its_client_has_gone_away() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    desk.compound(&parent, "长丰二村").await;
    let request = ImportHouseholdsRequest {
        request_id: "import-001".into(),
        parent: parent.name.clone(),
        workbook: many(200),
        validate_only: false,
        partial: false,
    };
    drop(desk.api.import_households(desk.ask(request)).await.unwrap());
    desk.host.tracker().close();
    for _ in 0..100 {
        if desk.residents("").await.len() == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(desk.residents("").await.len(), 200);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_under_a_used_request_id_is_refused_whole() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    desk.compound(&parent, "长丰二村").await;
    desk.import("import-001", &parent, many(2), false).await;
    let request = ImportHouseholdsRequest {
        request_id: "import-001".into(),
        parent: parent.name.clone(),
        workbook: many(4),
        validate_only: false,
        partial: false,
    };
    let refused = desk.api.import_households(desk.ask(request)).await.err().unwrap();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let request = ImportHouseholdsRequest {
        request_id: "import-003".into(),
        parent: parent.name.clone(),
        workbook: b"PK\x03\x04 and nothing else".to_vec(),
        validate_only: false,
        partial: false,
    };
    let refused = desk.api.import_households(desk.ask(request)).await.err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_at_fault_holds_back_all_and_the_corrected_workbook_is_taken_whole() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    desk.compound(&parent, "长丰二村").await;
    let file = workbook([row(1, "402", "张三", CARD), row(1, "403", "李四5", ""), row(1, "404", "王五", "")]);
    let head = desk.api.ledger.log().head().await.unwrap().position;
    let held = desk.whole("import-001", &parent, file.clone(), false).await;
    assert_eq!((held.rows, held.taken, held.refused, held.rows_held), (3, 0, 3, 2));
    assert!(!held.committed);
    assert_eq!(held.refused_rows.len(), 1);
    assert_eq!(desk.api.ledger.log().head().await.unwrap().position, head, "nothing was written");

    let preview = desk.whole("import-002", &parent, file, true).await;
    assert_eq!((preview.rows_new, preview.refused, preview.rows_held, preview.committed), (2, 1, 0, false));
    let back =
        crate::workbook::read(&held.refused_workbook, desk.now.date_naive()).unwrap_or_else(|_| panic!("unreadable"));
    assert_eq!(back.sheet.rows.len(), 3, "all rows come back");

    let corrected = workbook([row(1, "402", "张三", CARD), row(1, "403", "李四", ""), row(1, "404", "王五", "")]);
    let taken = desk.whole("import-001", &parent, corrected, false).await;
    assert_eq!((taken.taken, taken.refused, taken.committed), (3, 0, true), "a request that did nothing took no id");
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_puts_right_phones_a_landlord_and_a_missing_document_and_is_counted_as_changed() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    desk.compound(&parent, "长丰二村").await;
    let before = workbook([row(2, "402", "张三", ""), row(1, "403", "李四", CARD), row(1, "404", "王五", "")]);
    desk.import("import-001", &parent, before.clone(), false).await;

    let (mut first, mut second) = (row(2, "402", "张三", "440524188001010014"), row(1, "403", "李四", CARD));
    second[9] = "13700001111".into();
    let file = workbook([first.clone(), second, row(1, "404", "王五", "")]);
    let preview = desk.whole("import-002", &parent, file.clone(), true).await;
    assert_eq!((preview.rows_new, preview.rows_changed, preview.rows_same), (0, 2, 1));
    let columns: Vec<&str> = preview.warnings.iter().map(|warning| warning.column.as_str()).collect();
    assert_eq!(columns, [DOCUMENT, PHONES]);
    assert!(desk.find(Key::Phone("13700001111".into())).await.is_empty(), "a preview changes nothing");

    let changed = desk.whole("import-003", &parent, file.clone(), false).await;
    assert_eq!((changed.rows_changed, changed.committed), (2, true));
    assert_eq!(desk.find(Key::Phone("13700001111".into())).await.len(), 1);
    assert_eq!(desk.find(Key::DocumentNumber("440524188001010014".into())).await.len(), 1);
    assert_eq!(desk.whole("import-004", &parent, file.clone(), false).await.rows_same, 3);

    first[5] = "房东乙".into();
    let relet = desk.whole("import-005", &parent, workbook([first]), false).await;
    assert_eq!((relet.rows_changed, relet.warnings[0].column.as_str()), (1, LANDLORD_NAME));

    // The older workbook changes the phone back; the newer request, sent once more, changes nothing and says what it said.
    assert_eq!(desk.whole("import-006", &parent, before, false).await.rows_changed, 2);
    let head = desk.api.ledger.log().head().await.unwrap().position;
    assert_eq!(desk.whole("import-003", &parent, file, false).await, changed);
    assert_eq!(desk.api.ledger.log().head().await.unwrap().position, head);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_import_the_same_rows_at_once_register_everybody_once() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    desk.compound(&parent, "长丰二村").await;
    let file = many(200);
    let (one, other) = tokio::join!(
        desk.whole("import-001", &parent, file.clone(), false),
        desk.whole("import-002", &parent, file.clone(), false)
    );
    assert_eq!((one.taken, other.taken), (200, 200));
    assert_eq!(one.rows_new + other.rows_new, 200);
    assert_eq!(desk.residents("").await.len(), 200);
    desk.host.close().await;
}
