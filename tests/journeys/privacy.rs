//! Canaries: a person whose name, number and places are nowhere else. After the whole way through the services nothing of
//! them may stand in clear in any file, any metric or any refusal.

use std::{fs, path::Path};

use chassis::client::new_request_id;
use proto::{
    access::v1::Role,
    registry::v1::{
        CreateResidentRequest, IdentityDocument, Person, identity_document,
        registry_service_client::RegistryServiceClient,
    },
};
use tests::{House, village::Village};

const NAME: &str = "龘靐齉";
const PHONE: &str = "13987654321";
const DOCUMENT: &str = "33021219780607891X";
const PLACE: &str = "大兴安岭";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_stands_in_clear_in_files_metrics_or_refusals() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let household = village.household(&house, "9幢").await;
    let document = document(DOCUMENT);
    let person = Person {
        full_name: NAME.into(),
        phones: vec![PHONE.into()],
        document: Some(IdentityDocument { kind: identity_document::Kind::IdCard.into(), number: document.clone() }),
    };
    let mut worker = RegistryServiceClient::new(house.local("staff/w", Role::Worker, &village.neighbourhood));
    let create = |person: &Person| CreateResidentRequest {
        request_id: new_request_id(),
        household: household.clone(),
        person: Some(person.clone()),
    };
    let resident = worker.create_resident(create(&person)).await.unwrap().into_inner();
    let mut refusals = vec![worker.create_resident(create(&person)).await.unwrap_err()];
    let wrong = Person { phones: vec![format!("{PHONE}99")], ..person.clone() };
    refusals.push(worker.create_resident(create(&wrong)).await.unwrap_err());
    house.settled().await;
    village.screened(&house, &resident, &[(PLACE, "2020-01-20", "2020-01-22")]).await;
    house.settled().await;

    let canaries = [NAME, PHONE, &document, PLACE];
    for refusal in refusals {
        let said = format!("{} {}", refusal.message(), String::from_utf8_lossy(refusal.details()));
        for canary in canaries {
            assert!(!said.contains(canary), "a refusal says {canary}: {said}");
        }
    }
    let metrics = house.page("/metrics").await;
    let metrics_are_there = metrics.contains("rpc");
    assert!(metrics_are_there, "{metrics}");
    for canary in canaries {
        assert!(!metrics.contains(canary), "the metrics say {canary}");
    }
    let folder = house.folder().to_owned();
    // With the server still up, so that nothing hides in a journal that an orderly end would fold in.
    let mut files = 0;
    search(&folder, &canaries, &mut files);
    assert!(files > 10, "{files} files were searched");
}

/// The number with the check digit that belongs to it.
fn document(like: &str) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = like.chars().filter_map(|c| c.to_digit(10)).zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    format!("{}{}", &like[..17], "10X98765432".as_bytes()[(sum % 11) as usize] as char)
}

pub(crate) fn search(folder: &Path, canaries: &[&str], files: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, canaries, files);
            continue;
        }
        *files += 1;
        let bytes = fs::read(&path).unwrap();
        for canary in canaries {
            for encoded in [canary.as_bytes().to_vec(), hex(canary.as_bytes())] {
                let found = bytes.windows(encoded.len()).any(|window| window == encoded);
                assert!(!found, "{canary} stands in clear in {}", path.display());
            }
        }
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}
