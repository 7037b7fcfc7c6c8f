//! After erasure nothing decrypts the person, in any service, and the counts stay right.

use chassis::client::new_request_id;
use proto::{
    access::v1::Role,
    command::v1::{GetOverviewRequest, RecountRequest, command_service_client::CommandServiceClient},
    registry::v1::{
        EraseResidentRequest, FindResidentsRequest, GetResidentRequest, RevealResidentRequest,
        find_residents_request::Key, registry_service_client::RegistryServiceClient,
    },
    screening::v1::{GetCaseRequest, screening_service_client::ScreeningServiceClient},
};
use tests::{House, time, village::Village};

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_gone_everywhere_and_still_counted() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    let resident = village.resident(&house, "1幢", "欧阳小霞", "13912345678").await;
    village.publish_method(&house).await;
    house.settled().await;
    let case = village.screened(&house, &resident, &[("武汉", "2020-01-20", "2020-01-22")]).await;
    assert!(case.verdict.as_ref().unwrap().reasons.is_some());
    let director = house.local("staff/d", Role::Director, &village.neighbourhood).at(time("2020-02-11T15:00:00+08:00"));
    let mut registry = RegistryServiceClient::new(director.clone());
    let find = || FindResidentsRequest { key: Some(Key::Phone("13912345678".into())), ..Default::default() };
    let by_name = || FindResidentsRequest { key: Some(Key::Name("oyxx".into())), ..Default::default() };
    assert_eq!(registry.find_residents(find()).await.unwrap().into_inner().residents.len(), 1);
    assert_eq!(registry.find_residents(by_name()).await.unwrap().into_inner().residents.len(), 1);

    let erase = EraseResidentRequest { request_id: new_request_id(), name: resident.name.clone() };
    let erased = registry.erase_resident(erase).await.unwrap().into_inner();
    assert!(erased.erased && erased.masked_name.is_empty() && erased.masked_document.is_empty());
    house.settled().await;

    assert!(registry.find_residents(find()).await.unwrap().into_inner().residents.is_empty());
    assert!(registry.find_residents(by_name()).await.unwrap().into_inner().residents.is_empty());
    let shown = registry.get_resident(GetResidentRequest { name: resident.name.clone() }).await.unwrap().into_inner();
    assert!(shown.erased && shown.masked_name.is_empty() && shown.masked_phones.is_empty());
    let reveal =
        RevealResidentRequest { request_id: new_request_id(), name: resident.name, reason: "复核".repeat(3) };
    assert!(registry.reveal_resident(reveal).await.is_err());
    let mut screening = ScreeningServiceClient::new(director);
    let case = screening.get_case(GetCaseRequest { name: case.name }).await.unwrap().into_inner();
    let verdict = case.verdict.expect("the verdict stays");
    assert!(verdict.reasons.is_none(), "where the person was is gone with the key");

    let mut command = CommandServiceClient::new(house.central("staff/o", Role::Officer, "subdistrict"));
    let figures = command.get_overview(GetOverviewRequest::default()).await.unwrap().into_inner().subdistrict.unwrap();
    assert_eq!((figures.residents, figures.screened), (1, 1));
    assert!(command.recount(RecountRequest::default()).await.unwrap().into_inner().equal);
}
