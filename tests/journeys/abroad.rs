//! Somebody comes back from abroad: the carrier names the country in which the phone was roaming, the declaration covers it, and
//! a new version of the method makes it a key area without another scan.

use chassis::client::new_request_id;
use proto::{
    access::v1::Role,
    screening::v1::{
        ApproveMethodRequest, Case, DraftMethodRequest, DryRunMethodRequest, GetCaseRequest, KeyArea, Level, Measure,
        Outcome, PublishMethodRequest, method_service_client::MethodServiceClient,
        screening_service_client::ScreeningServiceClient,
    },
};
use screening::method_file::sample_content;
use tests::{
    House, once, time,
    village::{Village, compared},
};

const HOME: (&str, &str, &str) = ("宁波", "2020-01-01", "2020-02-10");
const ROAMING: (&str, &str, &str) = ("国际漫游（韩国）", "2020-01-20", "2020-01-24");
const SAID: (&str, &str, &str) = ("South Korea", "2020-01-20", "2020-01-24");

#[tokio::test(flavor = "multi_thread")]
async fn a_country_is_declared_seen_and_made_a_key_area() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let resident = village.resident(&house, "1幢", "王某", "13900000001").await;
    house.settled().await;
    let name = village.case_of(&house, &resident).await;
    let worker = village.worker(&house).at(time("2020-02-11T14:00:00+08:00"));
    let judged = compared(worker.clone(), name.clone(), &[SAID], &[HOME, ROAMING]).await;
    let verdict = judged.verdict.unwrap();
    assert_eq!(verdict.outcome(), Outcome::Clear);
    assert_eq!(verdict.reasons.unwrap().visits[1].codes, ["KR"]);
    house.settled().await;

    let at = time("2020-02-12T09:00:00+08:00");
    let officer = house.central("staff/officer", Role::Officer, "subdistrict").at(at);
    let mut content = sample_content();
    content.key_areas.push(KeyArea {
        place: "KR".into(),
        from: "2020-01-15".into(),
        to: String::new(),
        level: Level::High.into(),
        measure: Measure::Central.into(),
    });
    let draft =
        DraftMethodRequest { request_id: new_request_id(), version: "2020-02-12".into(), content: Some(content) };
    let method = ScreeningServiceClient::new(officer.clone()).draft_method(draft).await.unwrap().into_inner().name;
    let health = house.central("staff/health", Role::Health, "health").at(at);
    let approve = ApproveMethodRequest { request_id: new_request_id(), name: method.clone() };
    ScreeningServiceClient::new(health).approve_method(approve).await.unwrap();
    let request = DryRunMethodRequest { name: method.clone() };
    let foreseen = MethodServiceClient::new(officer.clone()).dry_run_method(request).await.unwrap().into_inner();
    assert_eq!(foreseen.en, "adding South Korea from 15 January touches 1 person in 1 compound: 1 central");
    assert!(foreseen.zh.contains("增列韩国"), "{}", foreseen.zh);
    let publish = PublishMethodRequest { request_id: new_request_id(), name: method.clone(), in_force_time: None };
    ScreeningServiceClient::new(officer).publish_method(publish).await.unwrap();
    let by_the_new_one = async || {
        let request = GetCaseRequest { name: name.clone() };
        let case: Case = ScreeningServiceClient::new(worker.clone()).get_case(request).await.unwrap().into_inner();
        case.verdict.filter(|verdict| verdict.method == method)
    };
    let verdict = once("nobody was judged anew", by_the_new_one).await;
    assert_eq!((verdict.outcome(), verdict.measure()), (Outcome::DeclaredKeyArea, Measure::Central));
}
