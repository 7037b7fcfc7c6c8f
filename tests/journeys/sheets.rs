//! Passes are printed for a whole compound: whoever qualifies is on the sheet, and whoever does not is counted.

use std::fs;

use proto::access::v1::Role;
use serde_json::{Value, json};
use tests::{House, village::Village};

const SEEN: &[(&str, &str, &str)] = &[("宁波", "2020-01-01", "2020-02-10")];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_qualifies_is_on_the_sheet_the_same_again_and_others_are_counted() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let screened = village.resident(&house, "10幢", "王小明", "13900000001").await;
    village.resident(&house, "2幢", "单雄信", "13900000002").await;
    house.settled().await;
    village.screened(&house, &screened, SEEN).await;
    house.settled().await;

    let token = house.token("staff/worker", Role::Worker, &village.neighbourhood, &village.neighbourhood, "");
    let file = |name: &str| house.folder().join(name).to_str().unwrap().to_owned();
    let print = async |file: &str| {
        let words = ["pass", "print", file, "--compound", &village.compound, "-o", "json"];
        let (done, said) = house.desk(&token, &words).await;
        assert!(done, "{said}");
        serde_json::from_str::<Value>(&said).unwrap()
    };
    let (one, two) = (file("one.html"), file("two.html"));
    let told = print(&one).await;
    assert_eq!(told, json!({ "file": one, "passes": 1, "pages": 1, "without": { "NOT_ELIGIBLE": 1 } }));
    print(&two).await;
    let sheet = fs::read_to_string(&one).unwrap();
    assert!(sheet == fs::read_to_string(&two).unwrap(), "a pass in order is not issued twice");
    assert!(sheet.contains("王**") && sheet.contains("10幢") && !sheet.contains("王小明") && !sheet.contains("单**"));
    let (done, said) = house.desk(&token, &["pass", "print", &one, "--compound", &village.compound]).await;
    assert!(!done && said.contains("is there already"), "{said}");
    let (done, said) = house.desk(&token, &["pass", "print", "passes.docx", "--compound", &village.compound]).await;
    assert!(!done && said.contains(".html or .pdf"), "{said}");
}
