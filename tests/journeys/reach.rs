//! No command and no list reaches another office's record, whatever it names: a foreign name answers like one of nothing.

use std::collections::BTreeSet;

use chassis::client::new_request_id;
use proto::{
    access::v1::Role,
    isolation::v1::{
        ApproveOrderRequest, HandOverRequest, Kind, ListOrdersRequest, ProposeOrderRequest, Reason,
        RecordObservationRequest, ReleaseRequest, isolation_service_client::IsolationServiceClient,
    },
    pass::v1::{
        IssuePassRequest, LiftCompoundRecallRequest, ListHoldersRequest, Reason as PassReason, RecallCompoundRequest,
        RecallReason, ReinstatePassRequest, RenewPassRequest, ReplacePassRequest, ReportLostRequest, RevokePassRequest,
        SuspendPassRequest, pass_service_client::PassServiceClient, recall_service_client::RecallServiceClient,
    },
    registry::v1::{
        AddGateRequest, Compound, CreateCompoundRequest, CreateHouseholdRequest, CreateResidentRequest,
        EraseResidentRequest, Household, IdentityDocument, ListResidentsRequest, ListStaffRequest,
        MoveOutResidentRequest, Person, Regime, RevealResidentRequest, SetRegimeRequest, Tenure, identity_document,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{
        AssessCaseRequest, Declaration, DeclareRequest, DisputeCaseRequest, ListCasesRequest, OpenCaseRequest,
        RecordItineraryRequest, ResolveDisputeRequest, Source, screening_service_client::ScreeningServiceClient,
    },
};
use tests::{House, time, village::Village};
use tonic::{Code, Status};

/// Names of one office's things, or of nothing.
struct Names {
    neighbourhood: String,
    compound: String,
    household: String,
    resident: String,
    case: String,
    order: String,
}

impl Names {
    fn of_nothing() -> Self {
        let name = |collection: &str| format!("{collection}/00000000-0000-5000-8000-000000000000");
        Self {
            neighbourhood: name("neighbourhoods"),
            compound: name("compounds"),
            household: name("households"),
            resident: name("residents"),
            case: name("cases"),
            order: name("orders"),
        }
    }
}

/// What a stranger could compare, by command.
type Answers = Vec<(&'static str, Code, String, Vec<u8>)>;

macro_rules! ask {
    ($answers:ident, $client:ident.$rpc:ident($request:expr)) => {
        let status: Status = $client.$rpc($request).await.map(|_| ()).expect_err(stringify!($rpc));
        $answers.push((stringify!($rpc), status.code(), status.message().to_owned(), status.details().to_vec()));
    };
}

fn id() -> String {
    new_request_id()
}

async fn registry(mut client: RegistryServiceClient<chassis::client::Connection>, names: &Names) -> Answers {
    let mut answers = Answers::new();
    let compound =
        Compound { display_name: "新村".into(), neighbourhood: names.neighbourhood.clone(), ..Compound::default() };
    ask!(answers, client.create_compound(CreateCompoundRequest { request_id: id(), compound: Some(compound) }));
    let (compound, etag) = (names.compound.clone(), String::new());
    let gate = AddGateRequest { request_id: id(), compound, display_name: "西门".into(), etag };
    ask!(answers, client.add_gate(gate));
    ask!(
        answers,
        client.set_regime(SetRegimeRequest {
            request_id: id(),
            compound: names.compound.clone(),
            regime: Regime::Sealed.into(),
            from: "2020-02-11".into(),
            etag: String::new(),
        })
    );
    let household = Household {
        compound: names.compound.clone(),
        building: "1".into(),
        unit: "1".into(),
        room: "101".into(),
        tenure: Tenure::Owned.into(),
        ..Household::default()
    };
    let household = CreateHouseholdRequest { request_id: id(), household: Some(household), landlord: None };
    ask!(answers, client.create_household(household));
    let document = IdentityDocument { kind: identity_document::Kind::None.into(), number: String::new() };
    let person = Person { full_name: "王小明".into(), phones: vec!["13900000001".into()], document: Some(document) };
    ask!(
        answers,
        client.create_resident(CreateResidentRequest {
            request_id: id(),
            household: names.household.clone(),
            person: Some(person),
        })
    );
    let name = || names.resident.clone();
    ask!(
        answers,
        client.reveal_resident(RevealResidentRequest { request_id: id(), name: name(), reason: "上门核对".into() })
    );
    let etag = String::new();
    ask!(answers, client.move_out_resident(MoveOutResidentRequest { request_id: id(), name: name(), etag }));
    ask!(answers, client.erase_resident(EraseResidentRequest { request_id: id(), name: name() }));
    answers
}

async fn screening(mut client: ScreeningServiceClient<chassis::client::Connection>, names: &Names) -> Answers {
    let mut answers = Answers::new();
    let (resident, case) = (names.resident.clone(), || names.case.clone());
    ask!(answers, client.open_case(OpenCaseRequest { request_id: id(), resident, occasion: "返回".into() }));
    let declaration = Some(Declaration::default());
    ask!(answers, client.declare(DeclareRequest { request_id: id(), case: case(), declaration }));
    ask!(
        answers,
        client.record_itinerary(RecordItineraryRequest {
            request_id: id(),
            case: case(),
            source: Source::Mobile.into(),
            phone: 1,
            window_from: "2020-01-01".into(),
            window_to: "2020-02-10".into(),
            itinerary: None,
        })
    );
    ask!(answers, client.assess_case(AssessCaseRequest { request_id: id(), case: case() }));
    let statement = "不对".to_owned();
    ask!(
        answers,
        client.dispute_case(DisputeCaseRequest { request_id: id(), case: case(), statement, ..Default::default() })
    );
    ask!(
        answers,
        client.resolve_dispute(ResolveDisputeRequest {
            request_id: id(),
            case: case(),
            upheld: true,
            struck_visits: vec![0],
            proofs: vec![proto::screening::v1::Proof {
                kind: proto::screening::v1::ProofKind::Workplace.into(),
                description: "考勤记录".to_owned()
            }],
            finding: "有证明".into(),
            ..Default::default()
        })
    );
    answers
}

async fn pass(mut client: PassServiceClient<chassis::client::Connection>, names: &Names) -> Answers {
    let mut answers = Answers::new();
    let resident = || names.resident.clone();
    let (surname, evidence_ids) = (String::new(), vec!["crossings/1".to_owned()]);
    let kind = 0;
    ask!(
        answers,
        client.issue_pass(IssuePassRequest { request_id: id(), resident: resident(), surname, kind, access: 0 })
    );
    let surname = String::new();
    ask!(
        answers,
        client.renew_pass(RenewPassRequest { request_id: id(), resident: resident(), surname, kind, access: 0 })
    );
    ask!(answers, client.report_lost(ReportLostRequest { request_id: id(), resident: resident() }));
    let surname = String::new();
    ask!(
        answers,
        client.replace_pass(ReplacePassRequest { request_id: id(), resident: resident(), surname, kind, access: 0 })
    );
    ask!(
        answers,
        client.suspend_pass(SuspendPassRequest {
            request_id: id(),
            resident: resident(),
            reason: PassReason::Lent.into(),
            evidence_ids: evidence_ids.clone(),
        })
    );
    ask!(answers, client.reinstate_pass(ReinstatePassRequest { request_id: id(), resident: resident() }));
    ask!(
        answers,
        client.revoke_pass(RevokePassRequest {
            request_id: id(),
            resident: resident(),
            reason: PassReason::Lent.into(),
            evidence_ids,
        })
    );
    answers
}

async fn recall(mut client: RecallServiceClient<chassis::client::Connection>, names: &Names) -> Answers {
    let mut answers = Answers::new();
    let (compound, issued_before) =
        (|| names.compound.clone(), Some(chassis::timestamp(time("2020-02-11T15:00:00+08:00"))));
    let (reason, evidence_ids) = (RecallReason::PapersLost.into(), vec!["7".to_owned()]);
    let recall = RecallCompoundRequest { request_id: id(), compound: compound(), issued_before, reason, evidence_ids };
    ask!(answers, client.recall_compound(recall));
    let lift = LiftCompoundRecallRequest { request_id: id(), compound: compound(), reason: "有误".into() };
    ask!(answers, client.lift_compound_recall(lift));
    answers
}

async fn isolation(mut client: IsolationServiceClient<chassis::client::Connection>, names: &Names) -> Answers {
    let mut answers = Answers::new();
    let order = || names.order.clone();
    ask!(
        answers,
        client.propose_order(ProposeOrderRequest {
            request_id: id(),
            resident: names.resident.clone(),
            kind: Kind::Home.into(),
            reason: Reason::CloseContact.into(),
            evidence_ids: vec!["1".into()],
            day_zero: "2020-02-10".into(),
            observed_from: String::new(),
        })
    );
    ask!(answers, client.approve_order(ApproveOrderRequest { request_id: id(), name: order() }));
    ask!(
        answers,
        client.record_observation(RecordObservationRequest {
            request_id: id(),
            order: order(),
            date: "2020-02-11".into(),
            day_part: 1,
            temperature_decicelsius: 365,
            symptoms: Vec::new(),
        })
    );
    ask!(
        answers,
        client.hand_over(HandOverRequest {
            request_id: id(),
            order: order(),
            receiver: "二队".into(),
            vehicle: "浙B1".into(),
            receipt: "7".into(),
            ..HandOverRequest::default()
        })
    );
    ask!(answers, client.release(ReleaseRequest { request_id: id(), order: order() }));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_and_no_list_reaches_another_offices_record() {
    let house = House::new().await;
    let here = Village::found(&house, "330212002001").await;
    let there = Village::found(&house, "330212002002").await;
    there.publish_method(&house).await;
    let resident = there.resident(&house, "1幢", "王小明", "13900000001").await;
    house.settled().await;
    let seen = [("宁波", "2020-01-01", "2020-02-10"), ("武汉", "2020-01-30", "2020-01-30")];
    let case = there.screened(&house, &resident, &seen).await.name;
    house.settled().await;
    let mine = IsolationServiceClient::new(there.worker(&house)).list_orders(ListOrdersRequest::default()).await;
    let order = mine.unwrap().into_inner().orders.remove(0).name;
    let theirs = Names {
        neighbourhood: there.neighbourhood.clone(),
        compound: there.compound.clone(),
        household: resident.household.clone(),
        resident: resident.name.clone(),
        case,
        order,
    };
    let me = house.local("staff/me", Role::Director, &here.neighbourhood).at(time("2020-02-11T16:00:00+08:00"));
    let nothing = Names::of_nothing();
    let client = || RegistryServiceClient::new(me.clone());
    assert_eq!(registry(client(), &theirs).await, registry(client(), &nothing).await);
    let client = || ScreeningServiceClient::new(me.clone());
    assert_eq!(screening(client(), &theirs).await, screening(client(), &nothing).await);
    let client = || PassServiceClient::new(me.clone());
    assert_eq!(pass(client(), &theirs).await, pass(client(), &nothing).await);
    let client = || RecallServiceClient::new(me.clone());
    assert_eq!(recall(client(), &theirs).await, recall(client(), &nothing).await);
    let client = || IsolationServiceClient::new(me.clone());
    assert_eq!(isolation(client(), &theirs).await, isolation(client(), &nothing).await);
    house.settled().await;

    // By parents of theirs, and by a page token that begins before everything they have.
    let page_token = chassis::page::token_after("!");
    let mut registry = RegistryServiceClient::new(me.clone());
    for parent in [String::new(), theirs.compound.clone(), theirs.household.clone()] {
        let list = ListResidentsRequest { parent, page_size: 1, page_token: page_token.clone() };
        let page = registry.list_residents(list).await.unwrap().into_inner();
        assert!(page.residents.is_empty() && page.next_page_token.is_empty());
    }
    let staff = ListStaffRequest { parent: theirs.neighbourhood.clone(), ..ListStaffRequest::default() };
    assert!(registry.list_staff(staff).await.unwrap().into_inner().staff.is_empty());
    for parent in [theirs.resident.clone(), theirs.compound.clone()] {
        let (page_token, page_size) = (page_token.clone(), 1);
        let list = ListCasesRequest {
            parent: parent.clone(),
            page_token: page_token.clone(),
            page_size,
            ..Default::default()
        };
        let page = ScreeningServiceClient::new(me.clone()).list_cases(list).await.unwrap().into_inner();
        assert!(page.cases.is_empty() && page.next_page_token.is_empty());
        let list = ListOrdersRequest { parent, page_token, page_size, ..Default::default() };
        let page = IsolationServiceClient::new(me.clone()).list_orders(list).await.unwrap().into_inner();
        assert!(page.orders.is_empty() && page.next_page_token.is_empty());
    }
    let list = ListHoldersRequest { parent: theirs.compound.clone(), page_token, page_size: 1 };
    let page = PassServiceClient::new(me).list_holders(list).await.unwrap().into_inner();
    assert!(page.holders.is_empty() && page.next_page_token.is_empty());

    // And nothing of all that changed anything there.
    let orders = IsolationServiceClient::new(there.worker(&house)).list_orders(ListOrdersRequest::default()).await;
    let states: BTreeSet<i32> = orders.unwrap().into_inner().orders.iter().map(|order| order.state).collect();
    assert_eq!(states, BTreeSet::from([2]), "their order is in force as before");
}
