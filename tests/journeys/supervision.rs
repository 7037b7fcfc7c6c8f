//! Looking at a person leaves a trace that cannot be avoided, and "who looked at me" has an answer.

use chassis::{client::new_request_id, refusal::Spoken};
use proto::{
    access::v1::Role,
    event::v1::{ReadRecordsRequest, event_log_service_client::EventLogServiceClient},
    registry::v1::{
        FindResidentsRequest, GetResidentRequest, ListResidentsRequest, ListRevealsRequest, RevealResidentRequest,
        find_residents_request::Key, registry_service_client::RegistryServiceClient,
    },
    screening::v1::{GetCaseRequest, screening_service_client::ScreeningServiceClient},
};
use tests::{House, time, village::Village};

#[tokio::test(flavor = "multi_thread")]
async fn every_look_at_a_person_is_on_record_with_who_when_and_why() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    let resident = village.resident(&house, "1幢", "王小明", "13900000001").await;
    let noon = time("2020-02-11T12:00:00+08:00");
    let worker = house.local("staff/worker", Role::Worker, &village.neighbourhood).at(noon);
    let officer = house.central("staff/officer", Role::Officer, "subdistrict").at(noon);
    let reveal = |reason: &str| RevealResidentRequest {
        request_id: new_request_id(),
        name: resident.name.clone(),
        reason: reason.into(),
    };
    let mut desk = RegistryServiceClient::new(worker);
    let mut centre = RegistryServiceClient::new(officer);
    for reason in ["", "查"] {
        let refused = centre.reveal_resident(reveal(reason)).await.unwrap_err();
        assert_eq!(Spoken::from(&refused).fields[0].field, "reason", "no name without a reason");
    }
    let stranger = house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere").at(noon);
    let mut stranger = RegistryServiceClient::new(stranger);
    assert_eq!(Spoken::from(&stranger.reveal_resident(reveal("好奇看看")).await.unwrap_err()).reason, "NOT_FOUND");

    let first = reveal("上门核对");
    let person = desk.reveal_resident(first.clone()).await.unwrap().into_inner().person.unwrap();
    assert_eq!(person.full_name, "王小明");
    desk.reveal_resident(first).await.unwrap();
    for number in 0..3 {
        centre.reveal_resident(reveal(&format!("市里核查第{number}批"))).await.unwrap();
    }

    let director = house.local("staff/director", Role::Director, &village.neighbourhood);
    let mut director = RegistryServiceClient::new(director);
    let mut reveals = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListRevealsRequest { parent: resident.name.clone(), page_size: 2, page_token };
        let page = director.list_reveals(request).await.unwrap().into_inner();
        assert!(page.reveals.len() <= 2);
        reveals.extend(page.reveals);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let looked: Vec<(&str, &str)> = reveals.iter().map(|look| (look.actor.as_str(), look.reason.as_str())).collect();
    assert_eq!(
        looked,
        [
            ("staff/officer", "市里核查第2批"),
            ("staff/officer", "市里核查第1批"),
            ("staff/officer", "市里核查第0批"),
            ("staff/worker", "上门核对"),
        ],
        "the newest first, and a request that is sent twice is one look"
    );
    assert!(reveals.iter().all(|look| look.time.as_ref().and_then(chassis::instant) == Some(noon)));
    let asked = ListRevealsRequest { parent: resident.name.clone(), ..ListRevealsRequest::default() };
    assert_eq!(Spoken::from(&stranger.list_reveals(asked.clone()).await.unwrap_err()).reason, "NOT_FOUND");
    let auditor = house.central("staff/auditor", Role::Auditor, "audit");
    let audited = RegistryServiceClient::new(auditor.clone()).list_reveals(asked).await.unwrap().into_inner();
    assert_eq!(audited.reveals.len(), 4, "an auditor sees who looked");
    let masked = GetResidentRequest { name: resident.name.clone() };
    let refused = RegistryServiceClient::new(auditor.clone()).get_resident(masked).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "ROLE_NOT_ALLOWED", "and no people");
    let read = ReadRecordsRequest { log: "registry".into(), ..ReadRecordsRequest::default() };
    let records = EventLogServiceClient::new(auditor).read_records(read).await.unwrap().into_inner().records;
    assert!(records.iter().all(|record| !String::from_utf8_lossy(&record.payload).contains("王小明")));
    let revealed = records.iter().filter(|record| record.r#type == "resident.revealed").count();
    assert_eq!(revealed, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_acts_for_the_whole_subdistrict_sees_masks_and_figures_without_a_reason() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let resident = village.resident(&house, "1幢", "欧阳小明", "13900000001").await;
    house.settled().await;
    let seen = [("宁波", "2020-01-01", "2020-02-10"), ("武汉", "2020-01-20", "2020-01-22")];
    let case = village.screened(&house, &resident, &seen).await;
    house.settled().await;
    for (subject, role, unit) in
        [("staff/officer", Role::Officer, "subdistrict"), ("staff/health", Role::Health, "health")]
    {
        let somebody = house.central(subject, role, unit);
        let mut registry = RegistryServiceClient::new(somebody.clone());
        let get = GetResidentRequest { name: resident.name.clone() };
        let mut shown = vec![registry.get_resident(get).await.unwrap().into_inner()];
        let list = registry.list_residents(ListResidentsRequest::default()).await.unwrap().into_inner();
        shown.extend(list.residents);
        let find = FindResidentsRequest { key: Some(Key::Phone("13900000001".into())), ..Default::default() };
        shown.extend(registry.find_residents(find).await.unwrap().into_inner().residents);
        assert_eq!(shown.len(), 3);
        for resident in shown {
            let text = format!("{}{:?}", resident.masked_name, resident.masked_phones);
            assert!(text.contains('*') && !text.contains("小明") && !text.contains("13900000001"), "{text}");
        }
        let get = GetCaseRequest { name: case.name.clone() };
        let case = ScreeningServiceClient::new(somebody).get_case(get).await.unwrap().into_inner();
        let reasons = case.verdict.unwrap().reasons;
        assert_eq!(reasons.is_some(), role == Role::Health, "where somebody was is the health team's to know");
    }
}
