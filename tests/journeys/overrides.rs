//! A verdict is set by hand by two people of different units, for a reason from the list, on evidence, until an end (R23).

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    isolation::v1::{
        ListOrdersRequest, Order, Reason, isolation_service_client::IsolationServiceClient, order::State as OrderState,
    },
    pass::v1::{GetHolderRequest, Holder, pass_service_client::PassServiceClient},
    registry::v1::Resident,
    screening::v1::{
        ApproveMethodRequest, ApproveOverrideRequest, Case, DeclineOverrideRequest, DisputeCaseRequest,
        DraftMethodRequest, GetCaseRequest, GetOverrideRequest, GetRescreeningRequest, ListManualVerdictsRequest,
        ListOverridesRequest, ManualVerdicts, Measure, OpenCaseRequest, Outcome, Override, OverrideReason,
        ProposeOverrideRequest, PublishMethodRequest, ResolveDisputeRequest, Verdict, case,
        method_service_client::MethodServiceClient, r#override::State, override_service_client::OverrideServiceClient,
        rescreening::State as Progress, screening_service_client::ScreeningServiceClient,
    },
};
use screening::method_file::sample_content;
use tests::{
    House, once, time,
    village::{Stays, Village},
};

const PROPOSED: &str = "2020-02-11T15:00:00+08:00";
const APPROVED: &str = "2020-02-11T16:00:00+08:00";
const UNTIL: &str = "2020-02-13T12:00:00+08:00";

const HOME: (&str, &str, &str) = ("宁波", "2020-01-01", "2020-02-10");
const XINYANG: (&str, &str, &str) = ("信阳", "2020-01-25", "2020-01-28");

struct Street {
    house: House,
    village: Village,
    resident: Resident,
    case: String,
}

impl Street {
    async fn open(seen: Stays<'_>) -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let resident = village.resident(&house, "1幢", "王小明", "13900000001").await;
        house.settled().await;
        let case = village.screened(&house, &resident, seen).await.name;
        house.settled().await;
        Self { house, village, resident, case }
    }

    fn worker(&self, at: &str) -> Connection {
        self.village.worker(&self.house).at(time(at))
    }

    fn director(&self, at: &str) -> Connection {
        self.house.local("staff/director", Role::Director, &self.village.neighbourhood).at(time(at))
    }

    fn health(&self, at: &str) -> Connection {
        self.house.central("staff/health", Role::Health, "health").at(time(at))
    }

    fn officer(&self, at: &str) -> Connection {
        self.house.central("staff/officer", Role::Officer, "subdistrict").at(time(at))
    }

    fn proposal(&self, measure: Measure) -> ProposeOverrideRequest {
        ProposeOverrideRequest {
            request_id: new_request_id(),
            case: self.case.clone(),
            reason: OverrideReason::MedicalNeed.into(),
            measure: measure.into(),
            evidence_ids: Vec::new(),
            document: "李惠利医院透析证明，存社区档案柜".into(),
            expire_time: Some(chassis::timestamp(time(UNTIL))),
        }
    }

    async fn propose(&self, measure: Measure) -> String {
        let proposal = self.proposal(measure);
        let mut desk = OverrideServiceClient::new(self.worker(PROPOSED));
        desk.propose_override(proposal).await.unwrap().into_inner().name
    }

    async fn approve(&self, who: Connection, name: &str) -> Result<Override, String> {
        let request = ApproveOverrideRequest { request_id: new_request_id(), name: name.to_owned() };
        let answer = OverrideServiceClient::new(who).approve_override(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| Spoken::from(&status).reason)
    }

    async fn set(&self, measure: Measure) -> String {
        let name = self.propose(measure).await;
        self.approve(self.health(APPROVED), &name).await.unwrap();
        self.house.settled().await;
        name
    }

    async fn case(&self, at: &str) -> Case {
        let request = GetCaseRequest { name: self.case.clone() };
        ScreeningServiceClient::new(self.worker(at)).get_case(request).await.unwrap().into_inner()
    }

    async fn verdict(&self, at: &str) -> Verdict {
        self.case(at).await.verdict.unwrap()
    }

    async fn holder(&self, at: &str) -> Holder {
        let request = GetHolderRequest { name: self.resident.name.clone() };
        PassServiceClient::new(self.worker(at)).get_holder(request).await.unwrap().into_inner()
    }

    async fn orders(&self, at: &str) -> Vec<Order> {
        let parent = self.resident.name.clone();
        let request = ListOrdersRequest { parent, state: OrderState::InForce.into(), ..Default::default() };
        IsolationServiceClient::new(self.worker(at)).list_orders(request).await.unwrap().into_inner().orders
    }

    async fn listed(&self, open: bool, unit: &str) -> Vec<Override> {
        let request = ListOverridesRequest { open, unit: unit.into(), ..Default::default() };
        let mut officer = OverrideServiceClient::new(self.officer(UNTIL));
        officer.list_overrides(request).await.unwrap().into_inner().overrides
    }

    /// Something happens at that time, so that everybody knows that it has come; waits until the verdict is another one.
    async fn over(&self, at: &str) -> Verdict {
        let occasion = "从杭州返回".into();
        let request = OpenCaseRequest { request_id: new_request_id(), resident: self.resident.name.clone(), occasion };
        ScreeningServiceClient::new(self.worker(at)).open_case(request).await.unwrap();
        let other = async || Some(self.verdict(at).await).filter(|verdict| verdict.outcome() != Outcome::Overridden);
        let verdict = once("what was set by hand does not end", other).await;
        self.house.settled().await;
        verdict
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sets_a_bare_status() {
    let street = Street::open(&[HOME]).await;
    let mut desk = OverrideServiceClient::new(street.worker(PROPOSED));
    let good = || street.proposal(Measure::Home);
    for (field, wrong) in [
        ("reason", ProposeOverrideRequest { reason: 0, ..good() }),
        ("reason", ProposeOverrideRequest { reason: 99, ..good() }),
        ("measure", ProposeOverrideRequest { measure: Measure::Ask.into(), ..good() }),
        ("evidence_ids", ProposeOverrideRequest { document: " ".into(), ..good() }),
        ("expire_time", ProposeOverrideRequest { expire_time: None, ..good() }),
        ("expire_time", ProposeOverrideRequest { expire_time: Some(chassis::timestamp(time(PROPOSED))), ..good() }),
        (
            "expire_time",
            ProposeOverrideRequest {
                expire_time: Some(chassis::timestamp(time("2020-02-25T15:00:01+08:00"))),
                ..good()
            },
        ),
    ] {
        let refused = Spoken::from(&desk.propose_override(wrong).await.unwrap_err());
        let fields: Vec<&str> = refused.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!((refused.reason.as_str(), &fields[..]), ("FIELD_INVALID", &[field][..]));
        assert!(!refused.fields[0].zh.is_empty() && !refused.fields[0].en.is_empty());
    }
    assert!(street.listed(false, "").await.is_empty(), "what was refused left nothing");
    let stranger = street.house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere").at(time(PROPOSED));
    let refused = OverrideServiceClient::new(stranger).propose_override(good()).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_set_by_hand_takes_two_units_frees_until_its_end_and_then_the_rule_returns() {
    let street = Street::open(&[HOME, XINYANG]).await;
    assert_eq!(street.orders(PROPOSED).await.len(), 1);
    let name = street.propose(Measure::None).await;
    street.house.settled().await;
    assert_eq!(street.verdict(PROPOSED).await.outcome(), Outcome::ConcealedKeyArea, "one signature changes nothing");
    assert_eq!(street.listed(true, "").await[0].state(), State::Proposed);

    let moved = street.house.central("staff/worker", Role::Health, "health").at(time(APPROVED));
    assert_eq!(street.approve(moved, &name).await.unwrap_err(), "SAME_PERSON", "the same person in another unit");
    let colleague = street.approve(street.director(APPROVED), &name).await.unwrap_err();
    assert_eq!(colleague, "SAME_UNIT", "another account of the same unit");
    let approved = street.approve(street.health(APPROVED), &name).await.unwrap();
    assert_eq!((approved.state(), approved.decided.unwrap().unit.as_str()), (State::InForce, "health"));
    street.house.settled().await;

    let verdict = street.verdict(APPROVED).await;
    assert_eq!((verdict.outcome(), verdict.measure()), (Outcome::Overridden, Measure::None));
    let hand = verdict.r#override.unwrap();
    assert_eq!((hand.name.as_str(), hand.reason()), (name.as_str(), OverrideReason::MedicalNeed));
    assert_eq!(
        (hand.proposed.unwrap().by.as_str(), hand.approved.unwrap().by.as_str()),
        ("staff/worker", "staff/health")
    );
    let explanation = verdict.reasons.unwrap().explanation.unwrap();
    assert!(explanation.zh.contains("人工认定") && explanation.en.contains("2020-02-13 12:00"), "{}", explanation.en);
    assert!(street.orders(APPROVED).await.is_empty(), "the order follows");
    let holder = street.holder(APPROVED).await;
    assert!(holder.eligible && holder.bars.is_empty(), "and the pass");

    let get = GetOverrideRequest { name: name.clone() };
    let shown =
        OverrideServiceClient::new(street.worker(APPROVED)).get_override(get.clone()).await.unwrap().into_inner();
    assert!(shown.document.contains("透析"));
    let figures = OverrideServiceClient::new(street.officer(APPROVED)).get_override(get).await.unwrap().into_inner();
    assert!(figures.document.is_empty(), "documents are for those who act on them");

    let returned = street.over("2020-02-13T12:00:01+08:00").await;
    assert_eq!((returned.outcome(), returned.measure()), (Outcome::ConcealedKeyArea, Measure::Home));
    assert!(returned.r#override.is_none());
    assert_eq!(street.orders(UNTIL).await.len(), 1, "the order returns with the verdict");
    assert!(!street.holder(UNTIL).await.eligible);
    assert_eq!(street.listed(false, "").await[0].state(), State::Expired);
    assert!(street.listed(true, "").await.is_empty());
    assert_eq!(street.listed(false, "health").await.len(), 1);
    assert!(street.listed(false, "subdistrict").await.is_empty());
    let mut officer = OverrideServiceClient::new(street.officer(UNTIL));
    let units = officer.list_manual_verdicts(ListManualVerdictsRequest::default()).await.unwrap().into_inner().units;
    let of = |unit: &str| -> ManualVerdicts { units.iter().find(|one| one.unit == unit).cloned().unwrap_or_default() };
    let own = of(&street.village.neighbourhood);
    assert_eq!((own.proposed, own.came_into_force, own.in_force), (1, 1, 0));
    assert_eq!((of("health").approved, of("health").proposed), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declined_or_left_lying_changes_nothing() {
    let street = Street::open(&[HOME]).await;
    let name = street.propose(Measure::Home).await;
    let twice =
        OverrideServiceClient::new(street.worker(PROPOSED)).propose_override(street.proposal(Measure::Home)).await;
    assert_eq!(Spoken::from(&twice.unwrap_err()).reason, "ALREADY_PROPOSED");
    let decline = |reason: &str| DeclineOverrideRequest {
        request_id: new_request_id(),
        name: name.clone(),
        reason: reason.into(),
    };
    let mut health = OverrideServiceClient::new(street.health(APPROVED));
    let refused = Spoken::from(&health.decline_override(decline("")).await.unwrap_err());
    assert_eq!(refused.fields[0].field, "reason");
    health.decline_override(decline("证明没有日期")).await.unwrap();
    assert_eq!(street.approve(street.health(APPROVED), &name).await.unwrap_err(), "NOT_PROPOSED");
    let second = street.propose(Measure::Home).await;
    let late = "2020-02-13T13:00:00+08:00";
    assert_eq!(street.approve(street.health(late), &second).await.unwrap_err(), "TOO_LATE");
    assert_eq!(street.over(late).await.outcome(), Outcome::Clear);
    once("a proposal does not lapse", async || street.listed(true, "").await.is_empty().then_some(())).await;
    let states: Vec<State> = street.listed(false, "").await.iter().map(Override::state).collect();
    assert_eq!(states, [State::Lapsed, State::Declined]);
    assert!(street.orders(late).await.is_empty() && street.holder(late).await.eligible);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_by_hand_outlives_a_publication_and_is_lifted_by_an_upheld_dispute() {
    let street = Street::open(&[HOME]).await;
    street.set(Measure::Home).await;
    let order = street.orders(APPROVED).await.remove(0);
    assert_eq!(order.reason(), Reason::Override);
    assert!(!street.holder(APPROVED).await.eligible);

    let at = "2020-02-11T17:00:00+08:00";
    let mut content = sample_content();
    content.min_hours = 5;
    let draft =
        DraftMethodRequest { request_id: new_request_id(), version: "2020-02-12".into(), content: Some(content) };
    let mut officer = ScreeningServiceClient::new(street.officer(at));
    let method = officer.draft_method(draft).await.unwrap().into_inner().name;
    let approve = ApproveMethodRequest { request_id: new_request_id(), name: method.clone() };
    ScreeningServiceClient::new(street.health(at)).approve_method(approve).await.unwrap();
    let publish = PublishMethodRequest { request_id: new_request_id(), name: method.clone(), in_force_time: None };
    officer.publish_method(publish).await.unwrap();
    let mut methods = MethodServiceClient::new(street.officer(at));
    let done = async || {
        let request = GetRescreeningRequest { name: method.clone() };
        let progress = methods.get_rescreening(request).await.unwrap().into_inner();
        (progress.state() == Progress::Done).then_some(())
    };
    once("nobody was judged anew", done).await;
    street.house.settled().await;
    assert_eq!(street.verdict(at).await.outcome(), Outcome::Overridden, "no publication passes over two signatures");

    let dispute = DisputeCaseRequest {
        request_id: new_request_id(),
        case: street.case.clone(),
        statement: "我没有接触过任何人".into(),
        ..Default::default()
    };
    ScreeningServiceClient::new(street.worker(at)).dispute_case(dispute).await.unwrap();
    let resolve = || ResolveDisputeRequest {
        request_id: new_request_id(),
        case: street.case.clone(),
        upheld: true,
        finding: "流调表上的姓名是另一人".into(),
        proofs: vec![proto::screening::v1::Proof {
            kind: proto::screening::v1::ProofKind::Register.into(),
            description: "流调表 17".into(),
        }],
        ..Default::default()
    };
    let signer =
        Spoken::from(&ScreeningServiceClient::new(street.health(at)).resolve_dispute(resolve()).await.unwrap_err());
    assert_eq!(signer.reason, "SAME_PERSON", "who signed it does not judge it");
    let resolved = officer.resolve_dispute(resolve()).await.unwrap().into_inner();
    assert_eq!((resolved.state(), resolved.verdict.unwrap().outcome()), (case::State::Assessed, Outcome::Clear));
    street.house.settled().await;
    assert!(street.orders(at).await.is_empty() && street.holder(at).await.eligible);
    assert_eq!(street.listed(false, "").await[0].state(), State::Lifted);
}
