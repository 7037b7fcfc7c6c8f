//! What is known of one resident is put right at a desk: the numbers by which they are screened, who they are, how they came
//! back. Screening follows, the record says who did it and why, and nothing of it stands in clear.

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    registry::v1::{
        CorrectResidentRequest, FindResidentsRequest, Phones, Resident, Return, RevealResidentRequest,
        correction_service_client::CorrectionServiceClient, find_residents_request::Key,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{Case, GetCaseRequest, case::State, screening_service_client::ScreeningServiceClient},
};
use tests::{
    House, once, time,
    village::{Village, compared},
};

const HOME: &[(&str, &str, &str)] = &[("宁波", "2020-01-01", "2020-02-10")];
const FROM: &str = "靐龘镇";

async fn case(worker: Connection, name: &str) -> Case {
    let request = GetCaseRequest { name: name.to_owned() };
    ScreeningServiceClient::new(worker).get_case(request).await.unwrap().into_inner()
}

fn numbers(all: &[&str]) -> Phones {
    Phones { numbers: all.iter().map(|&number| number.to_owned()).collect() }
}

fn correction(resident: &Resident) -> CorrectResidentRequest {
    CorrectResidentRequest {
        request_id: new_request_id(),
        name: resident.name.clone(),
        reason: "本人到窗口核对".into(),
        ..CorrectResidentRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_number_keeps_the_screening_open_and_is_found_and_the_record_says_why() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let resident = village.resident(&house, "1幢", "王小明", "13900000001").await;
    let other = village.resident(&house, "2幢", "李红", "13900000009").await;
    house.settled().await;
    let name = village.case_of(&house, &resident).await;
    let worker = village.worker(&house).at(time("2020-02-11T14:00:00+08:00"));

    let returned =
        Return { from: FROM.into(), transport: "高铁".into(), number: "G1".into(), day: "2020-01-22".into() };
    let second = CorrectResidentRequest {
        phones: Some(numbers(&["13900000001", "13900000002"])),
        returned: Some(returned.clone()),
        ..correction(&resident)
    };
    let mut desk = CorrectionServiceClient::new(worker.clone());
    desk.correct_resident(second).await.unwrap();
    house.settled().await;
    let open = compared(worker.clone(), name.clone(), &[], HOME).await;
    assert_eq!((open.state(), open.phones, open.scanned), (State::Declared, 2, 1), "R5: every number");
    let why = case(worker.clone(), &name).await.phones_change.unwrap().explanation.unwrap();
    assert!(why.zh.contains("由1个改为2个") && why.en.contains("were 1 and are 2"), "{why:?}");
    let find = FindResidentsRequest { key: Some(Key::Phone("13900000002".into())), ..Default::default() };
    let mut registry = RegistryServiceClient::new(worker.clone());
    assert_eq!(registry.find_residents(find).await.unwrap().into_inner().residents[0].name, resident.name);
    let reveal = RevealResidentRequest {
        request_id: new_request_id(),
        name: resident.name.clone(),
        reason: "核对返甬情况".into(),
    };
    let shown = registry.reveal_resident(reveal).await.unwrap().into_inner();
    assert_eq!((shown.person.unwrap().full_name.as_str(), shown.returned), ("王小明", Some(returned)));

    // It was the daughter's: with one number, all that is left was seen.
    let first = CorrectResidentRequest { phones: Some(numbers(&["13900000001"])), ..correction(&resident) };
    desk.correct_resident(first).await.unwrap();
    let judged = async || Some(case(worker.clone(), &name).await).filter(|case| case.state() == State::Assessed);
    assert_eq!(once("the case waits for a number that is gone", judged).await.phones, 1);

    let token = house.token("staff/worker", Role::Worker, &village.neighbourhood, &village.neighbourhood, "");
    let (done, said) = house.desk(&token, &["resident", "corrections", &resident.name]).await;
    assert!(done && said.contains("phones") && said.contains("return") && said.contains("本人到窗口核对"), "{said}");
    let words = ["resident", "correct", &other.name, "--no-phone", "--reason", "老人不用手机"];
    let (done, said) = house.desk(&token, &words).await;
    assert!(done && !said.contains("139****0009"), "{said}");
    let (done, said) = house.desk(&token, &["household", "list", "--grid", "none", "-o", "json"]).await;
    assert!(done && said.is_empty(), "{said}");
    let stranger = Village::found(&house, "330212002002").await;
    let mut stranger = CorrectionServiceClient::new(stranger.worker(&house));
    let request = CorrectResidentRequest { phones: Some(numbers(&[])), ..correction(&resident) };
    assert_eq!(Spoken::from(&stranger.correct_resident(request).await.unwrap_err()).reason, "NOT_FOUND");
    house.settled().await;
    crate::privacy::search(house.folder(), &[FROM, "王小明", "13900000002"], &mut 0);
}
