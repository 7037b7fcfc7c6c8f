//! Nobody turns anybody red, or frees anybody, alone or without evidence (R23).

use chassis::{client::new_request_id, refusal::Spoken};
use proto::{
    access::v1::Role,
    isolation::v1::{
        ApproveOrderRequest, Kind, Order, ProposeOrderRequest, Reason,
        isolation_service_client::IsolationServiceClient, order::State,
    },
    pass::v1::{GetHolderRequest, Reason as PassReason, SuspendPassRequest, pass_service_client::PassServiceClient},
    registry::v1::Resident,
    screening::v1::{
        AssessCaseRequest, Declaration, DeclareRequest, DisputeCaseRequest, OpenCaseRequest, Outcome,
        ResolveDisputeRequest, screening_service_client::ScreeningServiceClient,
    },
};
use tests::{House, time, village::Village};
use tonic::Status;

fn reason(status: &Status) -> String {
    let spoken = Spoken::from(status);
    assert!(!spoken.zh.is_empty() && !spoken.en.is_empty(), "{spoken:?}");
    spoken.reason
}

fn proposal(resident: &Resident) -> ProposeOrderRequest {
    ProposeOrderRequest {
        request_id: new_request_id(),
        resident: resident.name.clone(),
        kind: Kind::Home.into(),
        reason: Reason::CloseContact.into(),
        evidence_ids: vec!["流调表 17".into()],
        day_zero: "2020-02-10".into(),
        observed_from: String::new(),
    }
}

async fn at_home() -> (House, Village, Resident) {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let resident = village.resident(&house, "1幢", "王小明", "13900000001").await;
    house.settled().await;
    (house, village, resident)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_takes_evidence_two_people_and_two_units_and_bars_nobody_before() {
    let (house, village, resident) = at_home().await;
    let seen = [("宁波", "2020-01-01", "2020-02-10")];
    village.screened(&house, &resident, &seen).await;
    house.settled().await;
    let noon = time("2020-02-11T12:00:00+08:00");
    let worker = village.worker(&house).at(noon);
    let colleague = house.local("staff/director", Role::Director, &village.neighbourhood).at(noon);
    let health = house.central("staff/health", Role::Health, "health").at(noon);
    let mut first = IsolationServiceClient::new(worker.clone());

    let bare = ProposeOrderRequest { evidence_ids: Vec::new(), ..proposal(&resident) };
    let refused = first.propose_order(bare).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).fields[0].field, "evidence_ids");
    let unlisted = ProposeOrderRequest { reason: 99, ..proposal(&resident) };
    assert_eq!(Spoken::from(&first.propose_order(unlisted).await.unwrap_err()).fields[0].field, "reason");

    let proposed: Order = first.propose_order(proposal(&resident)).await.unwrap().into_inner();
    assert_eq!(proposed.state(), State::Proposed);
    house.settled().await;
    let holder = || GetHolderRequest { name: resident.name.clone() };
    let mut pass = PassServiceClient::new(worker.clone());
    assert!(pass.get_holder(holder()).await.unwrap().into_inner().eligible, "one signature bars nobody");

    let approve = || ApproveOrderRequest { request_id: new_request_id(), name: proposed.name.clone() };
    let refused = IsolationServiceClient::new(colleague).approve_order(approve()).await.unwrap_err();
    assert_eq!(reason(&refused), "SAME_UNIT");
    // The same person with the token of another unit.
    let moved = house.central("staff/worker", Role::Health, "health").at(noon);
    let refused = IsolationServiceClient::new(moved).approve_order(approve()).await.unwrap_err();
    assert_eq!(reason(&refused), "SAME_PERSON");
    assert_eq!(reason(&first.approve_order(approve()).await.unwrap_err()), "ROLE_NOT_ALLOWED");
    let stranger = house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere").at(noon);
    let refused = IsolationServiceClient::new(stranger).approve_order(approve()).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_FOUND");

    let ordered = IsolationServiceClient::new(health).approve_order(approve()).await.unwrap().into_inner();
    assert_eq!((ordered.state(), ordered.last_day.is_empty()), (State::InForce, false), "with its end in it");
    house.settled().await;
    let barred = pass.get_holder(holder()).await.unwrap().into_inner();
    assert_eq!((barred.eligible, barred.bars), (false, vec![ordered.name]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_somebody_opens_and_declares_takes_no_pass_without_a_scan() {
    let (house, village, resident) = at_home().await;
    village.screened(&house, &resident, &[("宁波", "2020-01-01", "2020-02-10")]).await;
    house.settled().await;
    let worker = village.worker(&house).at(time("2020-02-12T09:00:00+08:00"));
    let mut screening = ScreeningServiceClient::new(worker.clone());
    let open = OpenCaseRequest {
        request_id: new_request_id(),
        resident: resident.name.clone(),
        occasion: "讨债的人太多".into(),
    };
    let case = screening.open_case(open).await.unwrap().into_inner().name;
    let declaration = Some(Declaration { people: 1, ..Declaration::default() });
    let declare = DeclareRequest { request_id: new_request_id(), case: case.clone(), declaration };
    screening.declare(declare).await.unwrap();
    let assess = AssessCaseRequest { request_id: new_request_id(), case };
    assert_eq!(reason(&screening.assess_case(assess).await.unwrap_err()), "NO_EVIDENCE");
    house.settled().await;
    let holder = GetHolderRequest { name: resident.name.clone() };
    let holder = PassServiceClient::new(worker).get_holder(holder).await.unwrap().into_inner();
    assert!(holder.eligible && holder.bars.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_recorded_the_evidence_or_filed_the_dispute_does_not_free_the_friend() {
    let (house, village, resident) = at_home().await;
    let seen = [("宁波", "2020-01-01", "2020-02-10"), ("武汉", "2020-01-20", "2020-01-20")];
    let case = village.screened(&house, &resident, &seen).await;
    assert_eq!(case.verdict.unwrap().outcome(), Outcome::ConcealedKeyArea);
    let later = time("2020-02-11T16:00:00+08:00");
    let director = house.local("staff/director", Role::Director, &village.neighbourhood).at(later);
    let mut director = ScreeningServiceClient::new(director);
    let resolve = || ResolveDisputeRequest {
        request_id: new_request_id(),
        case: case.name.clone(),
        upheld: true,
        struck_visits: vec![1],
        proofs: vec![proto::screening::v1::Proof {
            kind: proto::screening::v1::ProofKind::Workplace.into(),
            description: "考勤记录".to_owned(),
        }],
        finding: "我认识他".into(),
        ..Default::default()
    };
    assert_eq!(reason(&director.resolve_dispute(resolve()).await.unwrap_err()), "NOT_DISPUTED");
    let dispute = DisputeCaseRequest {
        request_id: new_request_id(),
        case: case.name.clone(),
        statement: "我一月没有离开过宁波".into(),
        ..Default::default()
    };
    director.dispute_case(dispute).await.unwrap();
    assert_eq!(reason(&director.resolve_dispute(resolve()).await.unwrap_err()), "SAME_PERSON", "who filed it");
    let scanner = house.local("staff/worker", Role::Director, &village.neighbourhood).at(later);
    let refused = ScreeningServiceClient::new(scanner).resolve_dispute(resolve()).await.unwrap_err();
    assert_eq!(reason(&refused), "SAME_PERSON", "who scanned");
    let stranger = house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere").at(later);
    let refused = ScreeningServiceClient::new(stranger).resolve_dispute(resolve()).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_FOUND");
    let health = house.central("staff/health", Role::Health, "health").at(later);
    let resolved = ScreeningServiceClient::new(health).resolve_dispute(resolve()).await.unwrap().into_inner();
    assert_eq!(resolved.verdict.unwrap().outcome(), Outcome::Clear);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pass_is_suspended_on_a_bare_word_or_for_a_reason_outside_the_list() {
    let (house, village, resident) = at_home().await;
    let worker = village.worker(&house);
    let mut pass = PassServiceClient::new(worker);
    let suspend = |reason: i32, evidence_ids: &[&str]| SuspendPassRequest {
        request_id: new_request_id(),
        resident: resident.name.clone(),
        reason,
        evidence_ids: evidence_ids.iter().map(ToString::to_string).collect(),
    };
    for (reason, field) in [
        (PassReason::Lent as i32, "evidence_ids"),
        (PassReason::Verdict as i32, "reason"),
        (PassReason::IsolationOrder as i32, "reason"),
        (99, "reason"),
    ] {
        let refused = pass.suspend_pass(suspend(reason, &[])).await.unwrap_err();
        assert_eq!(Spoken::from(&refused).fields[0].field, field);
    }
    let refused = pass.suspend_pass(suspend(PassReason::Lent as i32, &["crossings/1"])).await.unwrap_err();
    assert_eq!(reason(&refused), "NO_PASS");
    let stranger = house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere");
    let foreign = suspend(PassReason::Lent as i32, &["crossings/1"]);
    let refused = PassServiceClient::new(stranger).suspend_pass(foreign).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_FOUND");
}
