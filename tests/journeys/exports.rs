//! Lists leave the house as files for a spreadsheet program: masked as on the screen, every digit kept, nothing calculated.

use std::{fs, path::Path};

use chassis::client::new_request_id;
use proto::{
    access::v1::Role,
    registry::v1::{Compound, CreateCompoundRequest, registry_service_client::RegistryServiceClient},
};
use tests::{House, village::Village};

fn text(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.strip_prefix('\u{feff}').expect("Excel sees by a mark that it is UTF-8").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_of_the_register_becomes_a_file_that_is_masked_and_harmless() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    for (building, name) in [("1幢", "王小明"), ("2幢", "单雄信")] {
        village.resident(&house, building, name, "13900000001").await;
    }
    let formula = Compound {
        display_name: "=HYPERLINK(A1)".into(),
        neighbourhood: village.neighbourhood.clone(),
        ..Compound::default()
    };
    let create = CreateCompoundRequest { request_id: new_request_id(), compound: Some(formula) };
    let director = house.local("staff/director", Role::Director, &village.neighbourhood);
    RegistryServiceClient::new(director).create_compound(create).await.unwrap();
    house.settled().await;

    let token = house.token("staff/worker", Role::Worker, &village.neighbourhood, &village.neighbourhood, "");
    let folder = house.folder().join("exports");
    fs::create_dir(&folder).unwrap();
    let lists: [(&str, &[&str], usize); 11] = [
        ("households", &["household", "list"], 2),
        ("residents", &["resident", "list"], 2),
        ("found", &["resident", "find", "--name", "sxx"], 1),
        ("compounds", &["compound", "list"], 2),
        ("staff", &["staff", "list"], 0),
        ("visits", &["visit", "list"], 0),
        ("coverage", &["visit", "coverage"], 2),
        ("overdue", &["visit", "overdue"], 2),
        ("orders", &["order", "list"], 0),
        ("sessions", &["session", "list"], 0),
        ("set-aside", &["method", "set-aside"], 0),
    ];
    for (name, words, rows) in lists {
        for form in ["csv", "xlsx"] {
            let path = folder.join(format!("{name}.{form}"));
            let export = [words, &["--export", path.to_str().unwrap(), "-o", "json"]].concat();
            let (done, said) = house.desk(&token, &export).await;
            assert!(done && said.contains(&format!("\"rows\":{rows}")), "{name}.{form}: {said}");
            let (again, said) = house.desk(&token, &export).await;
            assert!(!again && said.contains("is there already"), "{said}");
        }
        let lines = text(&folder.join(format!("{name}.csv"))).lines().count();
        assert_eq!(lines, rows + 1, "{name}: a heading and the rows");
        assert!(fs::read(folder.join(format!("{name}.xlsx"))).unwrap().starts_with(b"PK"));
    }
    let residents = text(&folder.join("residents.csv"));
    assert!(residents.contains("王**") && residents.contains("139****0001"), "{residents}");
    assert!(!residents.contains("王小明") && !residents.contains("13900000001"), "{residents}");
    assert!(text(&folder.join("compounds.csv")).contains(",'=HYPERLINK(A1),"));
    let (done, said) = house.desk(&token, &["staff", "list", "--export", "list.pdf"]).await;
    assert!(!done && said.contains(".xlsx or .csv"), "{said}");
}
