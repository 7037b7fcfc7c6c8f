//! One key is lost, and with it what one person has said and where they were seen. A new version of the method judges everybody
//! else; the one is shown to their own office and to whoever runs the system, and screened again.

use std::process::Command;

use chassis::client::{Connection, new_request_id};
use proto::{
    access::v1::Role,
    registry::v1::{MoveOutResidentRequest, Resident, registry_service_client::RegistryServiceClient},
    screening::v1::{
        ApproveMethodRequest, DraftMethodRequest, DryRunMethodRequest, GetCaseRequest, GetRescreeningRequest, KeyArea,
        Level, ListSetAsideCasesRequest, Measure, OpenCaseRequest, Outcome, PublishMethodRequest, Rescreening,
        SetAsideCase, method_service_client::MethodServiceClient, rescreening::State,
        screening_service_client::ScreeningServiceClient,
    },
};
use screening::method_file::sample_content;
use tests::{
    House, binary, once, time,
    village::{Village, compared},
};

const HOME: (&str, &str, &str) = ("宁波", "2020-01-01", "2020-02-10");
const TAIZHOU: (&str, &str, &str) = ("台州", "2020-02-06", "2020-02-09");
const NEXT_DAY: &str = "2020-02-12T09:00:00+08:00";

async fn screened(house: &House, village: &Village, number: usize) -> (Resident, String) {
    let resident = village.resident(house, &format!("{number}幢"), "王某", &format!("138{number:08}")).await;
    house.settled().await;
    let case = village.case_of(house, &resident).await;
    let worker = village.worker(house).at(time("2020-02-11T14:00:00+08:00"));
    compared(worker, case.clone(), &[TAIZHOU], &[HOME, TAIZHOU]).await;
    (resident, case)
}

/// As a disk that lost a sector would: the key is gone, and nobody has said that it was to go.
async fn lose_key(house: &House, resident: &Resident) {
    let url = format!("sqlite://{}", house.folder().join("screening/keys.db").display());
    sqlx::any::install_default_drivers();
    let mut db = <sqlx::AnyConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let id = resident.name.trim_start_matches("residents/").to_owned();
    let gone = sqlx::query("DELETE FROM subject_key WHERE subject_id = $1").bind(id).execute(&mut db).await.unwrap();
    assert_eq!(gone.rows_affected(), 1);
}

/// 台州 is a key area from the sixth of February: approved, not published.
async fn longer(house: &House) -> String {
    let at = time(NEXT_DAY);
    let mut content = sample_content();
    content.key_areas.push(KeyArea {
        place: "331000".into(),
        from: "2020-02-06".into(),
        to: String::new(),
        level: Level::Medium.into(),
        measure: Measure::Home.into(),
    });
    let draft =
        DraftMethodRequest { request_id: new_request_id(), version: "2020-02-12".into(), content: Some(content) };
    let name = ScreeningServiceClient::new(officer(house)).draft_method(draft).await.unwrap().into_inner().name;
    let health = house.central("staff/health", Role::Health, "health").at(at);
    let approve = ApproveMethodRequest { request_id: new_request_id(), name: name.clone() };
    ScreeningServiceClient::new(health).approve_method(approve).await.unwrap();
    name
}

fn officer(house: &House) -> Connection {
    house.central("staff/officer", Role::Officer, "subdistrict").at(time(NEXT_DAY))
}

async fn outcome(worker: Connection, case: &str) -> Outcome {
    let request = GetCaseRequest { name: case.to_owned() };
    ScreeningServiceClient::new(worker).get_case(request).await.unwrap().into_inner().verdict.unwrap().outcome()
}

async fn set_aside(by: Connection) -> Vec<SetAsideCase> {
    let mut methods = MethodServiceClient::new(by);
    methods.list_set_aside_cases(ListSetAsideCasesRequest::default()).await.unwrap().into_inner().cases
}

async fn rescreened(house: &House, name: &str) -> Rescreening {
    let done = async || {
        let request = GetRescreeningRequest { name: name.to_owned() };
        let progress = MethodServiceClient::new(officer(house)).get_rescreening(request).await.unwrap().into_inner();
        Some(progress).filter(|progress| progress.state() == State::Done)
    };
    let progress = once("nobody was judged anew", done).await;
    house.settled().await;
    progress
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_key_keeps_nobody_else_waiting() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let (_, first) = screened(&house, &village, 1).await;
    let (lost, unreadable) = screened(&house, &village, 2).await;
    let (_, last) = screened(&house, &village, 3).await;
    let (leaving, gone) = screened(&house, &village, 4).await;
    let leave =
        MoveOutResidentRequest { request_id: new_request_id(), name: leaving.name.clone(), etag: String::new() };
    RegistryServiceClient::new(village.worker(&house)).move_out_resident(leave).await.unwrap();
    house.settled().await;
    lose_key(&house, &lost).await;
    // What is in memory must not help.
    let house = house.restarted().await;

    let name = longer(&house).await;
    let request = DryRunMethodRequest { name: name.clone() };
    let foreseen = MethodServiceClient::new(officer(&house)).dry_run_method(request).await.unwrap().into_inner();
    let figures = foreseen.figures.unwrap();
    assert_eq!((figures.people, figures.touched, figures.unreadable), (3, 2, 1), "{}", foreseen.en);
    let publish = PublishMethodRequest { request_id: new_request_id(), name: name.clone(), in_force_time: None };
    ScreeningServiceClient::new(officer(&house)).publish_method(publish).await.unwrap();
    let progress = rescreened(&house, &name).await;
    assert_eq!((progress.cases, progress.done, progress.changed, progress.set_aside), (3, 3, 2, 1));
    assert_eq!(progress.set_aside_cases[0].case, unreadable);
    let worker = village.worker(&house).at(time("2020-02-12T10:00:00+08:00"));
    for case in [&first, &last] {
        assert_eq!(outcome(worker.clone(), case).await, Outcome::DeclaredKeyArea);
    }
    assert_eq!(outcome(worker.clone(), &gone).await, Outcome::Clear, "who has moved out is left alone");

    let stranger = Village::found(&house, "330212002002").await;
    assert!(set_aside(stranger.worker(&house)).await.is_empty());
    assert_eq!(set_aside(worker.clone()).await[0].resident, lost.name);
    let token = house.token("staff/administrator", Role::Administrator, "subdistrict", "", "");
    let mut doctor = Command::new(binary());
    doctor.arg("doctor").env("MIFENG_ADDRESS", house.address()).env("MIFENG_TOKEN", token);
    let said = tokio::task::spawn_blocking(move || doctor.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success() && told.contains(&unreadable) && told.contains("could not be judged anew"), "{told}");

    let open =
        OpenCaseRequest {
            request_id: new_request_id(), resident: lost.name.clone(), occasion: "记录无法打开".into()
        };
    let again = ScreeningServiceClient::new(worker.clone()).open_case(open).await.unwrap().into_inner().name;
    compared(worker.clone(), again, &[], &[HOME]).await;
    assert!(set_aside(worker).await.is_empty(), "they have another verdict");
}
