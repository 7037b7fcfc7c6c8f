//! No office reads another's people, by any RPC, and a foreign record answers like a missing one.

use proto::{
    access::v1::Role,
    command::v1::{GetOverviewRequest, command_service_client::CommandServiceClient},
    isolation::v1::{ListOrdersRequest, isolation_service_client::IsolationServiceClient},
    pass::v1::{GetHolderRequest, ListHoldersRequest, pass_service_client::PassServiceClient},
    registry::v1::{
        GetHouseholdRequest, GetResidentRequest, ListHouseholdsRequest, ListResidentsRequest,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{GetCaseRequest, ListCasesRequest, screening_service_client::ScreeningServiceClient},
};
use tests::{House, village::Village};
use tonic::Status;

/// What a stranger could compare: code, message and details.
fn answer(status: &Status) -> (i32, String, Vec<u8>) {
    (status.code() as i32, status.message().to_owned(), status.details().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_missing_answer_alike_in_every_service() {
    let house = House::new().await;
    let here = Village::found(&house, "330212002001").await;
    let there = Village::found(&house, "330212002002").await;
    let theirs = there.resident(&house, "1幢", "王小明", "13900000001").await;
    house.settled().await;
    let their_case = there.case_of(&house, &theirs).await;
    let me = house.local("staff/me", Role::Director, &here.neighbourhood);

    let mut registry = RegistryServiceClient::new(me.clone());
    let get = |name: String| GetResidentRequest { name };
    let foreign = registry.get_resident(get(theirs.name.clone())).await.unwrap_err();
    let missing = registry.get_resident(get("residents/nobody".into())).await.unwrap_err();
    assert_eq!(answer(&foreign), answer(&missing), "GetResident");
    let foreign = registry.get_household(GetHouseholdRequest { name: theirs.household.clone() }).await.unwrap_err();
    let missing = registry.get_household(GetHouseholdRequest { name: "households/none".into() }).await.unwrap_err();
    assert_eq!(answer(&foreign), answer(&missing), "GetHousehold");
    let list = ListResidentsRequest { parent: there.compound.clone(), ..ListResidentsRequest::default() };
    let seen = registry.list_residents(list).await.map(|page| page.into_inner().residents.len());
    assert!(matches!(seen, Ok(0) | Err(_)), "ListResidents by a foreign compound");
    let all = registry.list_residents(ListResidentsRequest::default()).await.unwrap().into_inner();
    assert!(all.residents.is_empty(), "ListResidents of all");
    let all = registry.list_households(ListHouseholdsRequest::default()).await.unwrap().into_inner();
    assert!(all.households.is_empty(), "ListHouseholds of all");

    let mut screening = ScreeningServiceClient::new(me.clone());
    let foreign = screening.get_case(GetCaseRequest { name: their_case }).await.unwrap_err();
    let missing = screening.get_case(GetCaseRequest { name: "cases/none".into() }).await.unwrap_err();
    assert_eq!(answer(&foreign), answer(&missing), "GetCase");
    let all = screening.list_cases(ListCasesRequest::default()).await.unwrap().into_inner();
    assert!(all.cases.is_empty(), "ListCases of all");

    let mut pass = PassServiceClient::new(me.clone());
    let foreign = pass.get_holder(GetHolderRequest { name: theirs.name.clone() }).await.unwrap_err();
    let missing = pass.get_holder(GetHolderRequest { name: "residents/nobody".into() }).await.unwrap_err();
    assert_eq!(answer(&foreign), answer(&missing), "GetHolder");
    let all = pass.list_holders(ListHoldersRequest::default()).await.unwrap().into_inner();
    assert!(all.holders.is_empty(), "ListHolders of all");

    let mut isolation = IsolationServiceClient::new(me.clone());
    let all = isolation.list_orders(ListOrdersRequest::default()).await.unwrap().into_inner();
    assert!(all.orders.is_empty(), "ListOrders of all");

    let mut command = CommandServiceClient::new(me);
    let overview = command.get_overview(GetOverviewRequest::default()).await.unwrap().into_inner();
    let names: Vec<&str> = overview.neighbourhoods.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, [here.neighbourhood.as_str()], "the overview shows the own neighbourhood alone");
    assert_eq!(overview.subdistrict.unwrap().residents, 0, "and sums no more than that");
}
