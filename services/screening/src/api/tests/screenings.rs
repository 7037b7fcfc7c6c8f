use proto::{
    registry::v1::resident_event,
    screening::v1::{self, Level, Measure, Outcome, case, method, screening_service_server::ScreeningService as _},
};

use super::world::{World, doctor, officer, reason, stranger, worker};

const SEEN: [(&str, &str, &str); 5] = [
    ("成都", "01-01", "01-17"),
    ("信阳", "01-18", "01-19"),
    ("武汉", "01-20", "01-21"),
    ("江汉", "01-22", "01-23"),
    ("宁波", "01-24", "02-11"),
];

#[tokio::test]
async fn the_tenant_who_said_only_sichuan_is_judged_with_his_last_number() {
    let mut world = World::new().await;
    let case = world.resident("r1", 2).await;
    let due = world.case(&worker(), &case).await.unwrap();
    assert_eq!((due.state(), due.phones, due.scanned), (case::State::Due, 2, 0));
    world.declare(&case, &[("四川", "01-01", "02-09")]).await;
    let first = world.scan(&case, 1, &SEEN).await.unwrap();
    assert_eq!((first.state(), first.scanned, first.verdict.is_none()), (case::State::Declared, 1, true));
    let judged = world.scan(&case, 2, &[("宁波", "01-24", "02-11")]).await.unwrap();
    let verdict = judged.verdict.unwrap();
    assert_eq!(
        (verdict.outcome(), verdict.risk(), verdict.measure()),
        (Outcome::ConcealedKeyArea, Level::High, Measure::Central)
    );
    assert_eq!((verdict.method.as_str(), verdict.last_exposure.as_str()), ("methods/2020-02-09", "2020-01-23"));
    let reasons = verdict.reasons.unwrap();
    assert_eq!(reasons.visits.len(), 6);
    assert!(reasons.explanation.unwrap().zh.contains("信阳（1月18日至1月19日）"));

    let shown = world.case(&worker(), &case).await.unwrap().verdict.unwrap();
    assert!(shown.reasons.is_some() && shown.time.is_some());
    let by_officer = world.case(&officer(), &case).await.unwrap().verdict.unwrap();
    assert!(by_officer.reasons.is_none(), "an officer sees figures");
}

#[tokio::test]
async fn what_was_said_is_frozen_by_what_was_seen_and_nothing_is_seen_before() {
    let mut world = World::new().await;
    let case = world.resident("r1", 1).await;
    assert_eq!(reason(&world.scan(&case, 1, &SEEN).await.unwrap_err()), "NOT_DECLARED");
    world.declare(&case, &[]).await;
    world.scan(&case, 1, &SEEN).await.unwrap();
    let request = v1::DeclareRequest {
        request_id: world.id(),
        case: case.clone(),
        declaration: Some(v1::Declaration::default()),
    };
    let refused = world.api.declare(world.request(&worker(), request)).await.unwrap_err();
    assert_eq!(reason(&refused), "FROZEN");
    assert_eq!(reason(&world.scan(&case, 1, &SEEN).await.unwrap_err()), "ALREADY_ASSESSED");
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_leaves_one_scan() {
    let mut world = World::new().await;
    let case = world.resident("r1", 1).await;
    world.declare(&case, &[]).await;
    let request = world.itinerary(&case, 1, &SEEN);
    let answer = world.api.record_itinerary(world.request(&worker(), request.clone())).await;
    let first = world.take(answer);
    let again = world.api.record_itinerary(world.request(&worker(), request)).await;
    assert!(first == world.take(again), "the reasons too, which are not stored with the reply");
    assert_eq!(first.etag, "4");
}

#[tokio::test]
async fn two_workers_on_one_case_judge_it_once() {
    let mut world = World::new().await;
    let case = world.resident("r1", 2).await;
    world.declare(&case, &[]).await;
    let (one, two) = (world.itinerary(&case, 1, &SEEN), world.itinerary(&case, 2, &SEEN));
    let (one, two) = (world.request(&worker(), one), world.request(&worker(), two));
    let (one, two) = futures::join!(world.api.record_itinerary(one), world.api.record_itinerary(two));
    let (one, two) = (world.take(one), world.take(two));
    let verdicts = [one, two].into_iter().filter_map(|case| case.verdict).count();
    assert_eq!(verdicts, 1, "whoever came second gave the verdict, on both scans");
    let verdict = world.case(&worker(), &case).await.unwrap().verdict.unwrap();
    assert_eq!((verdict.evidence_ids.len(), verdict.outcome()), (2, Outcome::ConcealedKeyArea));
}

#[tokio::test]
async fn a_verdict_on_what_there_is_waits_for_the_missing_number() {
    let mut world = World::new().await;
    let case = world.resident("r1", 2).await;
    world.declare(&case, &[]).await;
    let home = [("宁波", "01-01", "02-11")];
    world.scan(&case, 1, &home).await.unwrap();
    let request = v1::AssessCaseRequest { request_id: world.id(), case: case.clone() };
    let answer = world.api.assess_case(world.request(&worker(), request)).await;
    let verdict = world.take(answer).verdict.unwrap();
    assert_eq!((verdict.outcome(), verdict.risk()), (Outcome::InsufficientEvidence, Level::Unknown));
    let completed = world.scan(&case, 2, &home).await.unwrap().verdict.unwrap();
    assert_eq!(completed.outcome(), Outcome::Clear);
}

#[tokio::test]
async fn another_neighbourhoods_case_and_no_case_answer_alike() {
    let mut world = World::new().await;
    let case = world.resident("r1", 1).await;
    let foreign = world.case(&stranger(), &case).await.unwrap_err();
    let missing = world.case(&stranger(), "cases/none").await.unwrap_err();
    assert_eq!((foreign.code(), foreign.message()), (missing.code(), missing.message()));
    assert_eq!(foreign.code(), tonic::Code::NotFound);
    let request = v1::DeclareRequest {
        request_id: world.id(),
        case: case.clone(),
        declaration: Some(v1::Declaration::default()),
    };
    let refused = world.api.declare(world.request(&stranger(), request)).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (missing.code(), missing.message()));
    let everything = v1::ListCasesRequest { parent: "compounds/c1".to_owned(), ..Default::default() };
    let listed = world.api.list_cases(world.request(&stranger(), everything)).await.unwrap().into_inner();
    assert!(listed.cases.is_empty());
}

#[tokio::test]
async fn cases_are_listed_by_resident_compound_state_and_outcome_page_by_page() {
    let mut world = World::new().await;
    for resident in ["r1", "r2", "r3", "r4", "r5"] {
        let case = world.resident(resident, 1).await;
        if resident < "r4" {
            world.declare(&case, &[]).await;
            world.scan(&case, 1, &[("宁波", "01-01", "02-11")]).await.unwrap();
        }
    }
    let list = async |request: v1::ListCasesRequest| {
        world.api.list_cases(world.request(&worker(), request)).await.unwrap().into_inner()
    };
    let of = |parent: &str| v1::ListCasesRequest { parent: parent.to_owned(), ..Default::default() };
    assert_eq!(list(of("")).await.cases.len(), 5);
    assert_eq!(list(of("residents/r2")).await.cases.len(), 1);
    let due = v1::ListCasesRequest { state: case::State::Due.into(), ..of("compounds/c1") };
    assert_eq!(list(due).await.cases.len(), 2);
    let mut clear = v1::ListCasesRequest { outcome: Outcome::Clear.into(), page_size: 2, ..of("compounds/c1") };
    let first = list(clear.clone()).await;
    clear.page_token.clone_from(&first.next_page_token);
    let second = list(clear).await;
    assert_eq!((first.cases.len(), second.cases.len(), second.next_page_token.as_str()), (2, 1, ""));
    let case = &first.cases[0];
    let shown = world.case(&worker(), &case.name).await.unwrap();
    let without_reasons = v1::Verdict { reasons: None, ..shown.verdict.clone().unwrap() };
    assert!(*case == v1::Case { verdict: Some(without_reasons), ..shown }, "the list says what the case says");
}

#[tokio::test]
async fn fields_that_cannot_be_are_refused_in_one_answer() {
    let mut world = World::new().await;
    let case = world.resident("r1", 1).await;
    world.declare(&case, &[]).await;
    let mut request = world.itinerary(&case, 1, &[("宁波", "02-12", "02-10"), ("", "01-01", "01-01")]);
    request.source = 9;
    request.window_from = "2020-02-12".to_owned();
    request.window_to = "2020-02-12".to_owned();
    let refused = world.api.record_itinerary(world.request(&worker(), request)).await.unwrap_err();
    let spoken = chassis::refusal::Spoken::from(&refused);
    assert_eq!(spoken.reason, "FIELD_INVALID");
    let fields: Vec<&str> = spoken.fields.iter().map(|field| field.field.as_str()).collect();
    for field in
        ["source", "window_to", "itinerary.visits[0].last", "itinerary.visits[1].place", "itinerary.visits[1].first"]
    {
        assert!(fields.contains(&field), "{field} of {fields:?}");
    }
    let refused = world.scan(&case, 2, &SEEN).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (tonic::Code::InvalidArgument, "FIELD_INVALID"));
    let unknown =
        world.scan(&case, 1, &[("宁波", "01-01", "02-11"), ("不知道的地方", "01-05", "01-06")]).await.unwrap();
    assert_eq!(unknown.verdict.unwrap().outcome(), Outcome::UnresolvedPlace, "a place nobody knows is asked about");
}

#[tokio::test]
async fn another_occasion_opens_once_the_first_has_its_verdict() {
    let mut world = World::new().await;
    let case = world.resident("r1", 1).await;
    let mut request = v1::OpenCaseRequest {
        request_id: world.id(),
        resident: "residents/r1".to_owned(),
        occasion: "returned from 杭州".to_owned(),
    };
    let refused = world.api.open_case(world.request(&worker(), request.clone())).await.unwrap_err();
    assert_eq!(reason(&refused), "ALREADY_OPEN");
    world.declare(&case, &[]).await;
    world.scan(&case, 1, &[("宁波", "01-01", "02-11")]).await.unwrap();
    request.request_id = world.id();
    let answer = world.api.open_case(world.request(&worker(), request)).await;
    let opened = world.take(answer);
    assert_eq!((opened.state(), opened.resident.as_str(), opened.phones), (case::State::Due, "residents/r1", 1));
    assert_ne!(opened.name, case);
}

#[tokio::test]
async fn without_a_method_nothing_is_judged() {
    let mut world = World::without_method().await;
    let case = world.resident("r1", 1).await;
    world.declare(&case, &[]).await;
    assert_eq!(reason(&world.scan(&case, 1, &SEEN).await.unwrap_err()), "NO_METHOD");
    let missing = world.api.get_method(world.request(&worker(), v1::GetMethodRequest::default())).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn the_method_published_last_is_in_force_and_the_one_before_replaced() {
    let mut world = World::new().await;
    let mut content = crate::method_file::sample_content();
    content.key_areas.push(v1::KeyArea {
        place: "331000".to_owned(),
        from: "2020-02-08".to_owned(),
        to: String::new(),
        level: Level::Medium.into(),
        measure: Measure::Home.into(),
    });
    let draft =
        v1::DraftMethodRequest { request_id: world.id(), version: "2020-02-12".to_owned(), content: Some(content) };
    let answer = world.api.draft_method(world.request(&officer(), draft)).await;
    world.take(answer);
    let name = "methods/2020-02-12".to_owned();
    let early = v1::PublishMethodRequest { request_id: world.id(), name: name.clone(), ..Default::default() };
    let refused = world.api.publish_method(world.request(&officer(), early)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_APPROVED");
    let approve = v1::ApproveMethodRequest { request_id: world.id(), name: name.clone() };
    let refused = world.api.approve_method(world.request(&officer(), approve.clone())).await.unwrap_err();
    assert_eq!(reason(&refused), "SAME_UNIT");
    let answer = world.api.approve_method(world.request(&doctor(), approve)).await;
    world.take(answer);
    let publish = v1::PublishMethodRequest { request_id: world.id(), name: name.clone(), ..Default::default() };
    let answer = world.api.publish_method(world.request(&officer(), publish)).await;
    world.take(answer);
    let get = async |name: &str| {
        let request = v1::GetMethodRequest { name: name.to_owned(), ..Default::default() };
        world.api.get_method(world.request(&worker(), request)).await.unwrap().into_inner()
    };
    let in_force = get("").await;
    assert_eq!((in_force.name.as_str(), in_force.state()), ("methods/2020-02-12", method::State::Published));
    assert!(in_force.publish_time.is_some() && in_force.content.unwrap().key_areas.len() == 6);
    assert_eq!(get("methods/2020-02-09").await.state(), method::State::Replaced);
}

#[tokio::test]
async fn of_an_erased_person_the_verdict_stays_and_the_reasons_are_gone() {
    let mut world = World::new().await;
    let case = world.resident("r1", 1).await;
    world.declare(&case, &[]).await;
    world.scan(&case, 1, &SEEN).await.unwrap();
    world.fact("r1", resident_event::Event::Erased(resident_event::Erased {})).await;
    let verdict = world.case(&worker(), &case).await.unwrap().verdict.unwrap();
    assert_eq!(verdict.outcome(), Outcome::ConcealedKeyArea);
    assert!(verdict.reasons.is_none());
}
