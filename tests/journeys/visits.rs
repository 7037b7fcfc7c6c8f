//! From door to door: who was seen and who waits, people whom nobody knew become residents, key persons are watched. What a
//! visitor writes about strangers, and why somebody is watched, stands nowhere in clear.

use chassis::{client::new_request_id, refusal::Spoken};
use mifeng::wiring::Service;
use proto::{
    access::v1::Role,
    registry::v1::{
        CreateResidentRequest, FindResidentsRequest, FlagKeyPersonRequest, IdentityDocument, KeyReason,
        ListCoverageRequest, ListKeyPersonsRequest, ListOverdueHouseholdsRequest, ListUnknownOccupantsRequest, Person,
        RecordVisitRequest, ResolveUnknownOccupantsRequest, VisitOutcome, find_residents_request::Key,
        identity_document::Kind, registry_service_client::RegistryServiceClient,
        visit_service_client::VisitServiceClient,
    },
};
use tests::{House, Peers, postgres::Cluster, time, village::Village};

const NOTE: &str = "靐龘，自称来自信阳";

#[tokio::test(flavor = "multi_thread")]
async fn people_whom_nobody_knew_become_residents_and_every_door_is_seen() {
    let house = House::new().await;
    story(&house).await;
    house.settled().await;
    crate::privacy::search(house.folder(), &[NOTE, "靐龘"], &mut 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_over_postgresql() {
    let cluster = Cluster::own().unwrap();
    let service = cluster.service_named("registry").await.unwrap();
    let house = House::of_one(Service::Registry, service.database, None, Peers::new()).await;
    story(&house).await;
    house.end().await;
}

async fn story(house: &House) {
    let village = Village::found(house, "330212002001").await;
    let known = village.resident(house, "1幢", "王小明", "13900000001").await;
    let behind = village.household(house, "2幢").await;
    let evening = village.worker(house).at(time("2020-02-11T18:00:00+08:00"));
    let mut visits = VisitServiceClient::new(evening.clone());
    let visit = |household: &str, outcome: VisitOutcome| RecordVisitRequest {
        request_id: new_request_id(),
        household: household.to_owned(),
        outcome: outcome.into(),
        ..RecordVisitRequest::default()
    };
    let flag = FlagKeyPersonRequest {
        request_id: new_request_id(),
        resident: known.name.clone(),
        reasons: vec![KeyReason::LivesAlone.into(), KeyReason::Aged.into()],
        until: String::new(),
    };
    visits.flag_key_person(flag).await.unwrap();
    let overdue = ListOverdueHouseholdsRequest::default;
    assert_eq!(visits.list_overdue_households(overdue()).await.unwrap().into_inner().households.len(), 2);

    let met = RecordVisitRequest { residents: vec![known.name.clone()], ..visit(&known.household, VisitOutcome::Met) };
    visits.record_visit(met).await.unwrap();
    let strangers =
        RecordVisitRequest { unknown_occupants: 2, note: NOTE.into(), ..visit(&behind, VisitOutcome::StrangersOnly) };
    let found = visits.record_visit(strangers.clone()).await.unwrap().into_inner();
    assert_eq!(visits.record_visit(strangers).await.unwrap().into_inner(), found, "said twice is one visit");
    let left = visits.list_overdue_households(overdue()).await.unwrap().into_inner().households;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].door.as_ref().unwrap().household.as_str(), left[0].last_visit), (behind.as_str(), None));
    let listed = visits.list_unknown_occupants(ListUnknownOccupantsRequest::default()).await.unwrap().into_inner();
    assert_eq!((listed.occupants[0].unresolved, listed.occupants[0].note.as_str()), (2, NOTE));

    let document = IdentityDocument { kind: Kind::None.into(), number: String::new() };
    let person = Person { full_name: "靐龘".into(), phones: vec!["13900000002".into()], document: Some(document) };
    let register =
        CreateResidentRequest { request_id: new_request_id(), household: behind.clone(), person: Some(person) };
    let registered = RegistryServiceClient::new(evening).create_resident(register).await.unwrap().into_inner();
    let resolve = |residents: Vec<String>, dismissed, decision| ResolveUnknownOccupantsRequest {
        request_id: new_request_id(),
        name: found.name.clone(),
        residents,
        dismissed,
        decision,
    };
    let too_many = visits.resolve_unknown_occupants(resolve(vec![], 3, 1)).await.unwrap_err();
    assert_eq!(Spoken::from(&too_many).reason, "FEWER_UNKNOWN");
    visits.resolve_unknown_occupants(resolve(vec![registered.name], 0, 0)).await.unwrap();
    let last = visits.resolve_unknown_occupants(resolve(vec![], 1, 1)).await.unwrap().into_inner();
    assert_eq!((last.found, last.unresolved), (2, 0));
    let listed = visits.list_unknown_occupants(ListUnknownOccupantsRequest::default()).await.unwrap().into_inner();
    assert!(listed.occupants.is_empty());

    let director = house.local("staff/director", Role::Director, &village.neighbourhood);
    let mut director = VisitServiceClient::new(director.at(time("2020-02-14T09:00:00+08:00")));
    let coverage = ListCoverageRequest { by_building: true, ..ListCoverageRequest::default() };
    let coverage = director.list_coverage(coverage).await.unwrap().into_inner();
    let rows = coverage.coverages.iter().map(|row| (row.building.as_str(), row.visited, row.households));
    assert_eq!(rows.collect::<Vec<_>>(), [("1", 1, 1), ("2", 0, 1)]);
    let total = coverage.total.unwrap();
    assert_eq!((total.households, total.visited, total.key_persons, total.key_persons_seen), (2, 1, 1, 1));
    let watched = ListKeyPersonsRequest { days: 2, overdue_only: true, ..ListKeyPersonsRequest::default() };
    let watched = director.list_key_persons(watched).await.unwrap().into_inner().key_persons;
    assert_eq!((watched.len(), watched[0].masked_name.as_str(), watched[0].reasons.len()), (1, "王**", 2));

    // Figures are everybody's, health and need are not.
    let mut auditor = VisitServiceClient::new(house.central("staff/auditor", Role::Auditor, "audit"));
    assert!(auditor.list_coverage(ListCoverageRequest::default()).await.is_ok());
    let refused = auditor.list_key_persons(ListKeyPersonsRequest::default()).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "ROLE_NOT_ALLOWED");

    let mut registry = RegistryServiceClient::new(village.worker(house));
    let sought = [
        (Key::Name("wxm".into()), "1"),
        (Key::Name("小明".into()), "1"),
        (Key::Phone("139 0000 0002".into()), "2"),
        (Key::Room("2-1-101".into()), "2"),
    ];
    for (key, building) in sought {
        let find = FindResidentsRequest { key: Some(key), ..FindResidentsRequest::default() };
        let found = registry.find_residents(find).await.unwrap().into_inner().residents;
        assert_eq!(found.iter().map(|resident| resident.building.as_str()).collect::<Vec<_>>(), [building]);
    }
}
