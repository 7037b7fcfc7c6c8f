//! From a verdict to an order to a barred pass to the release to a pass again: nobody isolated holds one that opens, and
//! nobody released is left barred.

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    isolation::v1::{
        DayPart, HandOverRequest, ListOrdersRequest, Order, RecordObservationRequest, ReleaseReason, ReleaseRequest,
        isolation_service_client::IsolationServiceClient, order::State,
    },
    pass::v1::{
        CheckPassRequest, Direction, Finding, GetHolderRequest, Holder, IssuePassRequest, Manual, Pass,
        RecordCrossingRequest, pass_service_client::PassServiceClient, record_crossing_request::Identity,
    },
    registry::v1::Resident,
    screening::v1::{
        Case, Declaration, DeclareRequest, DisputeCaseRequest, Itinerary, OpenCaseRequest, Outcome,
        RecordItineraryRequest, ResolveDisputeRequest, Source, Visit, screening_service_client::ScreeningServiceClient,
    },
};
use tests::{
    House, time,
    village::{Stays, Village, compared},
};

const HOME: (&str, &str, &str) = ("宁波", "2020-01-01", "2020-02-10");

struct Life {
    house: House,
    village: Village,
    resident: Resident,
}

impl Life {
    async fn begin() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let resident = village.resident(&house, "1幢", "王小明", "13900000001").await;
        house.settled().await;
        Self { house, village, resident }
    }

    fn worker(&self, at: &str) -> Connection {
        self.village.worker(&self.house).at(time(at))
    }

    fn health(&self, at: &str) -> Connection {
        self.house.central("staff/health", Role::Health, "health").at(time(at))
    }

    async fn issue(&self, at: &str) -> Result<Pass, String> {
        let request = IssuePassRequest {
            request_id: new_request_id(),
            resident: self.resident.name.clone(),
            surname: "王".into(),
            kind: 0,
            access: 0,
        };
        let issued = PassServiceClient::new(self.worker(at)).issue_pass(request).await;
        issued.map(tonic::Response::into_inner).map_err(|status| Spoken::from(&status).reason)
    }

    async fn finding(&self, pass: &Pass, at: &str) -> Finding {
        let guard = self.house.guard("device/1", &self.village.neighbourhood, &self.village.gate).at(time(at));
        let check = CheckPassRequest { gate: self.village.gate.clone(), code: pass.code.clone(), direction: 0 };
        let checked = PassServiceClient::new(guard).check_pass(check).await.unwrap().into_inner();
        checked.verdict.unwrap().findings().next().unwrap()
    }

    async fn holder(&self) -> Holder {
        let request = GetHolderRequest { name: self.resident.name.clone() };
        PassServiceClient::new(self.village.worker(&self.house)).get_holder(request).await.unwrap().into_inner()
    }

    async fn orders(&self, at: &str, state: State) -> Vec<Order> {
        let request = ListOrdersRequest {
            parent: self.resident.name.clone(),
            state: state.into(),
            ..ListOrdersRequest::default()
        };
        IsolationServiceClient::new(self.worker(at)).list_orders(request).await.unwrap().into_inner().orders
    }

    /// A further occasion: declared, scanned, judged.
    async fn again(&self, at: &str, declared: Stays<'_>, seen: Stays<'_>) -> Case {
        let mut screening = ScreeningServiceClient::new(self.worker(at));
        let open = OpenCaseRequest {
            request_id: new_request_id(),
            resident: self.resident.name.clone(),
            occasion: "再次返回".into(),
        };
        let case = screening.open_case(open).await.unwrap().into_inner().name;
        let case = compared(self.worker(at), case, declared, seen).await;
        self.house.settled().await;
        case
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concealed_journey_bars_the_pass_until_the_release_and_no_longer() {
    let life = Life::begin().await;
    let clear = life.village.screened(&life.house, &life.resident, &[HOME]).await;
    assert_eq!(clear.verdict.unwrap().outcome(), Outcome::Clear);
    life.house.settled().await;
    let pass = life.issue("2020-02-11T15:00:00+08:00").await.unwrap();
    assert_eq!(life.finding(&pass, "2020-02-11T15:01:00+08:00").await, Finding::Valid);

    let seen = [HOME, ("武汉", "2020-01-30", "2020-02-01")];
    let concealed = life.again("2020-02-12T09:00:00+08:00", &[], &seen).await;
    assert_eq!(concealed.verdict.unwrap().outcome(), Outcome::ConcealedKeyArea);
    assert_eq!(life.finding(&pass, "2020-02-12T09:05:00+08:00").await, Finding::Isolated);
    assert_eq!(life.issue("2020-02-12T09:06:00+08:00").await.unwrap_err(), "BARRED");
    let holder = life.holder().await;
    assert!(!holder.eligible && holder.pass.unwrap().suspended);

    // Not by hand either; and the attempt is on the order.
    let crossing = RecordCrossingRequest {
        request_id: new_request_id(),
        gate: life.village.gate.clone(),
        direction: Direction::Out.into(),
        cross_time: None,
        temperature_decicelsius: 365,
        mask: true,
        identity: Some(Identity::Manual(Manual {
            resident: life.resident.name.clone(), reason: "手机没电".into()
        })),
    };
    let guard = life.house.guard("device/1", &life.village.neighbourhood, &life.village.gate);
    let guard = guard.at(time("2020-02-12T09:10:00+08:00"));
    let crossed = PassServiceClient::new(guard).record_crossing(crossing).await.unwrap().into_inner();
    assert_eq!(crossed.verdict.unwrap().findings().next(), Some(Finding::Isolated));
    life.house.settled().await;
    let order = life.orders("2020-02-12T09:11:00+08:00", State::InForce).await.remove(0);
    assert_eq!((order.breaches, order.last_day.as_str()), (1, "2020-02-15"), "14 days after leaving the area");

    // A clear scan on a further occasion does not talk anybody out of an order.
    let talk = life.again("2020-02-12T10:00:00+08:00", &[], &[HOME]).await;
    assert_eq!(talk.verdict.unwrap().outcome(), Outcome::Clear);
    assert_eq!(life.issue("2020-02-12T10:01:00+08:00").await.unwrap_err(), "BARRED");

    let hand_over = HandOverRequest {
        request_id: new_request_id(),
        order: order.name.clone(),
        receiver: "防疫二队".into(),
        vehicle: "浙B12345".into(),
        receipt: "7".into(),
        ..HandOverRequest::default()
    };
    let mut workers = IsolationServiceClient::new(life.worker("2020-02-12T11:00:00+08:00"));
    workers.hand_over(hand_over).await.unwrap();
    let release = || ReleaseRequest { request_id: new_request_id(), order: order.name.clone() };
    let early = IsolationServiceClient::new(life.health("2020-02-14T09:00:00+08:00")).release(release()).await;
    assert_eq!(Spoken::from(&early.unwrap_err()).reason, "PERIOD_NOT_COMPLETE");
    let mut health = IsolationServiceClient::new(life.health("2020-02-15T09:00:00+08:00"));
    let held = Spoken::from(&health.release(release()).await.unwrap_err());
    assert_eq!(held.reason, "OBSERVATIONS_MISSING");
    let missing = held.metadata.get("missing").cloned().unwrap();
    for slot in missing.split(", ") {
        let (date, part) = slot.split_once(' ').unwrap();
        let part = if part == "morning" { DayPart::Morning } else { DayPart::Evening };
        let reading = RecordObservationRequest {
            request_id: new_request_id(),
            order: order.name.clone(),
            date: date.into(),
            day_part: part.into(),
            temperature_decicelsius: 365,
            symptoms: Vec::new(),
        };
        health.record_observation(reading).await.unwrap();
    }
    let released = health.release(release()).await.unwrap().into_inner();
    assert_eq!(released.release_reason(), ReleaseReason::PeriodComplete);
    life.house.settled().await;
    let holder = life.holder().await;
    assert!(holder.eligible && holder.bars.is_empty(), "{:?}", holder.bars);
    assert_eq!(life.finding(&pass, "2020-02-15T09:30:00+08:00").await, Finding::Valid);
    assert_eq!(life.issue("2020-02-15T09:31:00+08:00").await.unwrap().number, pass.number);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forgot_a_stay_is_asked_again_and_gets_the_pass_with_a_full_declaration() {
    let life = Life::begin().await;
    let seen = [HOME, ("台州", "2020-01-24", "2020-01-28")];
    let forgot = life.village.screened(&life.house, &life.resident, &seen).await;
    assert_eq!(forgot.verdict.unwrap().outcome(), Outcome::UndeclaredElsewhere);
    life.house.settled().await;
    assert_eq!(life.holder().await.bars, [forgot.name]);
    let told = life.again("2020-02-11T16:00:00+08:00", &[("天台", "2020-01-24", "2020-01-28")], &seen).await;
    assert_eq!(told.verdict.unwrap().outcome(), Outcome::Clear);
    let holder = life.holder().await;
    assert!(holder.eligible && holder.bars.is_empty(), "left barred by an answered question: {:?}", holder.bars);
    assert!(life.issue("2020-02-11T16:10:00+08:00").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_occasion_takes_the_pass_only_with_its_verdict() {
    let life = Life::begin().await;
    life.village.screened(&life.house, &life.resident, &[HOME]).await;
    life.house.settled().await;
    let pass = life.issue("2020-02-11T15:00:00+08:00").await.unwrap();
    let mut screening = ScreeningServiceClient::new(life.worker("2020-02-12T09:00:00+08:00"));
    let open = OpenCaseRequest {
        request_id: new_request_id(),
        resident: life.resident.name.clone(),
        occasion: "从杭州返回".into(),
    };
    let case = screening.open_case(open.clone()).await.unwrap().into_inner();
    let twice = OpenCaseRequest { request_id: new_request_id(), ..open.clone() };
    assert_eq!(Spoken::from(&screening.open_case(twice).await.unwrap_err()).reason, "ALREADY_OPEN");
    life.house.settled().await;
    assert_eq!(life.finding(&pass, "2020-02-12T09:01:00+08:00").await, Finding::Valid, "due");
    let declaration = Some(Declaration { people: 1, ..Declaration::default() });
    let declare = DeclareRequest { request_id: new_request_id(), case: case.name.clone(), declaration };
    screening.declare(declare).await.unwrap();
    life.house.settled().await;
    assert_eq!(life.finding(&pass, "2020-02-12T09:02:00+08:00").await, Finding::Valid, "declared");
    let silent = RecordItineraryRequest {
        request_id: new_request_id(),
        case: case.name.clone(),
        source: Source::Unicom.into(),
        phone: 1,
        window_from: "2020-01-01".into(),
        window_to: "2020-02-11".into(),
        itinerary: None,
    };
    let judged = screening.record_itinerary(silent.clone()).await.unwrap().into_inner();
    assert_eq!(judged.verdict.as_ref().unwrap().outcome(), Outcome::InsufficientEvidence);
    life.house.settled().await;
    assert_eq!(life.finding(&pass, "2020-02-12T09:03:00+08:00").await, Finding::Suspended, "no data is not clean");
    let visits =
        vec![Visit { place: "宁波".into(), first: "2020-01-01".into(), last: "2020-02-11".into(), hours: None }];
    let found = RecordItineraryRequest {
        request_id: new_request_id(),
        source: Source::Telecom.into(),
        itinerary: Some(Itinerary { visits }),
        ..silent.clone()
    };
    let cleared = screening.record_itinerary(found).await.unwrap().into_inner();
    assert_eq!(cleared.verdict.unwrap().outcome(), Outcome::Clear);
    life.house.settled().await;
    assert_eq!(life.finding(&pass, "2020-02-12T09:04:00+08:00").await, Finding::Valid);
    // An old client sends everything again: it gets the answers of then, and nothing happens.
    assert_eq!(screening.open_case(open).await.unwrap().into_inner(), case);
    let etag = screening.record_itinerary(silent).await.unwrap().into_inner().etag;
    assert_eq!(etag, judged.etag);
    life.house.settled().await;
    assert_eq!(life.finding(&pass, "2020-02-12T09:05:00+08:00").await, Finding::Valid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_upheld_after_the_order_ends_it_and_leaves_no_bar() {
    let life = Life::begin().await;
    let seen = [HOME, ("武汉", "2020-01-30", "2020-01-30")];
    let case = life.village.screened(&life.house, &life.resident, &seen).await;
    life.house.settled().await;
    assert_eq!(life.orders("2020-02-11T15:00:00+08:00", State::InForce).await.len(), 1);
    let dispute = DisputeCaseRequest {
        request_id: new_request_id(),
        case: case.name.clone(),
        statement: "我一月没有离开过宁波".into(),
        ..Default::default()
    };
    let mut worker = ScreeningServiceClient::new(life.worker("2020-02-11T16:00:00+08:00"));
    worker.dispute_case(dispute).await.unwrap();
    life.house.settled().await;
    assert_eq!(life.issue("2020-02-11T16:01:00+08:00").await.unwrap_err(), "NOT_ELIGIBLE");
    let resolve = ResolveDisputeRequest {
        request_id: new_request_id(),
        case: case.name,
        upheld: true,
        struck_visits: vec![1],
        proofs: vec![proto::screening::v1::Proof {
            kind: proto::screening::v1::ProofKind::Workplace.into(),
            description: "考勤记录".to_owned(),
        }],
        finding: "单位考勤证明".into(),
        ..Default::default()
    };
    let mut health = ScreeningServiceClient::new(life.health("2020-02-11T17:00:00+08:00"));
    assert_eq!(health.resolve_dispute(resolve).await.unwrap().into_inner().verdict.unwrap().outcome(), Outcome::Clear);
    life.house.settled().await;
    let ended = life.orders("2020-02-11T17:10:00+08:00", State::Released).await.remove(0);
    assert_eq!(ended.release_reason(), ReleaseReason::VerdictChanged);
    let holder = life.holder().await;
    assert!(holder.eligible && holder.bars.is_empty());
    assert!(life.issue("2020-02-11T17:11:00+08:00").await.is_ok());
}
