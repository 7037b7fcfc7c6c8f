//! A new version of the method reaches everybody on record without another scan: a longer list takes passes and isolates, a
//! shorter one gives them back; and what the dry run said is what came true.

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    isolation::v1::{
        Kind, ListOrdersRequest, Order, ReleaseReason, isolation_service_client::IsolationServiceClient, order::State,
    },
    pass::v1::{
        CheckPassRequest, Finding, GetHolderRequest, Holder, IssuePassRequest, Pass,
        pass_service_client::PassServiceClient,
    },
    registry::v1::Resident,
    screening::v1::{
        ApproveMethodRequest, DisputeCaseRequest, DraftMethodRequest, DryRun, DryRunMethodRequest, GetMethodRequest,
        GetRescreeningRequest, KeyArea, Level, ListCasesRequest, Measure, MethodContent, OpenCaseRequest, Outcome,
        PublishMethodRequest, Rescreening, ResolveDisputeRequest, Verdict, method_service_client::MethodServiceClient,
        rescreening::State as Progress, screening_service_client::ScreeningServiceClient,
    },
};
use screening::method_file::sample_content;
use tests::{
    House, once, time,
    village::{Stays, Village, compared},
};

const HOME: (&str, &str, &str) = ("宁波", "2020-01-01", "2020-02-10");
const TAIZHOU: (&str, &str, &str) = ("台州", "2020-02-06", "2020-02-09");
const WENZHOU: (&str, &str, &str) = ("温州", "2020-02-01", "2020-02-05");

struct Street {
    house: House,
    village: Village,
}

impl Street {
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village }
    }

    fn worker(&self, at: &str) -> Connection {
        self.village.worker(&self.house).at(time(at))
    }

    fn officer(&self, at: &str) -> Connection {
        self.house.central("staff/officer", Role::Officer, "subdistrict").at(time(at))
    }

    /// Somebody who said this and was seen there, on the afternoon of the eleventh.
    async fn screened(&self, number: usize, said: Stays<'_>, seen: Stays<'_>) -> Resident {
        let (building, phone) = (format!("{number}幢"), format!("138{number:08}"));
        let resident = self.village.resident(&self.house, &building, "王某", &phone).await;
        self.house.settled().await;
        let case = self.village.case_of(&self.house, &resident).await;
        compared(self.worker("2020-02-11T14:00:00+08:00"), case, said, seen).await;
        self.house.settled().await;
        resident
    }

    async fn issue(&self, resident: &Resident) -> Pass {
        let request = IssuePassRequest {
            request_id: new_request_id(),
            resident: resident.name.clone(),
            surname: "王".into(),
            kind: 0,
            access: 0,
        };
        let mut desk = PassServiceClient::new(self.worker("2020-02-11T15:00:00+08:00"));
        desk.issue_pass(request).await.unwrap().into_inner()
    }

    async fn finding(&self, pass: &Pass, at: &str) -> Finding {
        let guard = self.house.guard("device/1", &self.village.neighbourhood, &self.village.gate).at(time(at));
        let request = CheckPassRequest { gate: self.village.gate.clone(), code: pass.code.clone(), direction: 0 };
        let checked = PassServiceClient::new(guard).check_pass(request).await.unwrap().into_inner();
        checked.verdict.unwrap().findings().next().unwrap()
    }

    /// Waits until the gate says so: nobody has scanned anything again.
    async fn until(&self, pass: &Pass, wanted: Finding, at: &str) {
        let says = async || (self.finding(pass, at).await == wanted).then_some(());
        once(&format!("the gate does not say {wanted:?}"), says).await;
    }

    async fn verdict(&self, resident: &Resident) -> Verdict {
        let request = ListCasesRequest { parent: resident.name.clone(), ..ListCasesRequest::default() };
        let mut desk = ScreeningServiceClient::new(self.worker("2020-02-14T08:00:00+08:00"));
        desk.list_cases(request).await.unwrap().into_inner().cases.remove(0).verdict.unwrap()
    }

    async fn orders(&self, resident: &Resident, state: State) -> Vec<Order> {
        let request =
            ListOrdersRequest { parent: resident.name.clone(), state: state.into(), ..ListOrdersRequest::default() };
        let mut desk = IsolationServiceClient::new(self.worker("2020-02-14T08:00:00+08:00"));
        desk.list_orders(request).await.unwrap().into_inner().orders
    }

    async fn holder(&self, resident: &Resident) -> Holder {
        let request = GetHolderRequest { name: resident.name.clone() };
        let mut desk = PassServiceClient::new(self.worker("2020-02-14T08:00:00+08:00"));
        desk.get_holder(request).await.unwrap().into_inner()
    }

    async fn approved(&self, version: &str, content: MethodContent, at: &str) -> String {
        let draft =
            DraftMethodRequest { request_id: new_request_id(), version: version.into(), content: Some(content) };
        let mut officer = ScreeningServiceClient::new(self.officer(at));
        let name = officer.draft_method(draft).await.unwrap().into_inner().name;
        let health = self.house.central("staff/health", Role::Health, "health").at(time(at));
        let approve = ApproveMethodRequest { request_id: new_request_id(), name: name.clone() };
        ScreeningServiceClient::new(health).approve_method(approve).await.unwrap();
        name
    }

    async fn publish(&self, name: &str, from: Option<&str>, at: &str) {
        let in_force_time = from.map(|from| chassis::timestamp(time(from)));
        let publish = PublishMethodRequest { request_id: new_request_id(), name: name.to_owned(), in_force_time };
        ScreeningServiceClient::new(self.officer(at)).publish_method(publish).await.unwrap();
    }

    async fn dry_run(&self, name: &str, at: &str) -> DryRun {
        let request = DryRunMethodRequest { name: name.to_owned() };
        MethodServiceClient::new(self.officer(at)).dry_run_method(request).await.unwrap().into_inner()
    }

    async fn progress(&self, name: &str, at: &str) -> Rescreening {
        let request = GetRescreeningRequest { name: name.to_owned() };
        MethodServiceClient::new(self.officer(at)).get_rescreening(request).await.unwrap().into_inner()
    }

    async fn rescreened(&self, name: &str, at: &str) -> Rescreening {
        let done = async || Some(self.progress(name, at).await).filter(|progress| progress.state() == Progress::Done);
        let progress = once("nobody was judged anew", done).await;
        self.house.settled().await;
        progress
    }
}

fn with(change: impl FnOnce(&mut MethodContent)) -> MethodContent {
    let mut content = sample_content();
    change(&mut content);
    content
}

/// 台州 is a key area from the sixth of February.
fn taizhou(content: &mut MethodContent) {
    content.key_areas.push(KeyArea {
        place: "331000".into(),
        from: "2020-02-06".into(),
        to: String::new(),
        level: Level::Medium.into(),
        measure: Measure::Home.into(),
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_list_takes_passes_without_a_scan_and_a_shorter_one_gives_them_back() {
    let street = Street::open().await;
    let honest = street.screened(1, &[TAIZHOU], &[HOME, TAIZHOU]).await;
    let silent = street.screened(2, &[], &[HOME, TAIZHOU]).await;
    let stayed = street.screened(3, &[], &[HOME]).await;
    let isolated = street.screened(4, &[WENZHOU], &[HOME, WENZHOU]).await;
    let (pass, other) = (street.issue(&honest).await, street.issue(&stayed).await);
    assert_eq!(street.orders(&isolated, State::InForce).await[0].kind(), Kind::Central);

    let at = "2020-02-12T09:00:00+08:00";
    let longer = street.approved("2020-02-12", with(taizhou), at).await;
    let foreseen = street.dry_run(&longer, at).await;
    assert_eq!(foreseen.en, "adding 台州 from 6 February touches 2 people in 1 compound: 2 home");
    assert_eq!(street.finding(&pass, at).await, Finding::Valid, "a dry run changes nothing");

    street.publish(&longer, None, at).await;
    street.until(&pass, Finding::Isolated, at).await;
    let progress = street.rescreened(&longer, at).await;
    assert_eq!(progress.changed, foreseen.figures.unwrap().verdicts);
    assert_eq!(street.verdict(&honest).await.outcome(), Outcome::DeclaredKeyArea);
    assert_eq!(street.verdict(&silent).await.outcome(), Outcome::ConcealedKeyArea);
    for person in [&honest, &silent] {
        let order = street.orders(person, State::InForce).await.remove(0);
        assert_eq!((order.kind(), order.day_zero.as_str()), (Kind::Home, "2020-02-09"), "from the day they left");
        assert_eq!(order.method, longer);
    }
    assert!(street.holder(&honest).await.pass.unwrap().suspended);
    assert_eq!(street.finding(&other, at).await, Finding::Valid, "nothing happens to who stayed");

    let at = "2020-02-13T09:00:00+08:00";
    let shorter = street
        .approved("2020-02-13", with(|content| content.key_areas.retain(|area| area.place != "330300")), at)
        .await;
    let foreseen = street.dry_run(&shorter, at).await.figures.unwrap();
    assert_eq!((foreseen.touched, foreseen.none, foreseen.ask, foreseen.released), (3, 2, 1, 3));
    street.publish(&shorter, None, at).await;
    street.until(&pass, Finding::Valid, at).await;
    assert_eq!(street.rescreened(&shorter, at).await.changed, foreseen.verdicts);
    for person in [&honest, &silent, &isolated] {
        assert!(street.orders(person, State::InForce).await.is_empty());
        let ended = street.orders(person, State::Released).await.remove(0);
        assert_eq!(ended.release_reason(), ReleaseReason::VerdictChanged, "nobody has served a period");
    }
    for (person, eligible) in [(&honest, true), (&isolated, true), (&silent, false)] {
        let holder = street.holder(person).await;
        assert_eq!(
            (holder.eligible, holder.bars.is_empty()),
            (eligible, eligible),
            "who is asked waits for the answer"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_for_tomorrow_changes_nothing_until_then() {
    let street = Street::open().await;
    let resident = street.screened(1, &[TAIZHOU], &[HOME, TAIZHOU]).await;
    let pass = street.issue(&resident).await;
    let (today, tomorrow) = ("2020-02-12T15:00:00+08:00", "2020-02-13T08:00:00+08:00");
    let content = with(|content| {
        taizhou(content);
        content.pass_days = 3;
    });
    let name = street.approved("2020-02-13", content, today).await;
    street.publish(&name, Some(tomorrow), today).await;
    street.house.settled().await;
    assert_eq!(street.progress(&name, today).await.state(), Progress::Waiting);
    assert_eq!(street.finding(&pass, today).await, Finding::Valid);
    let other = street.screened(2, &[], &[HOME]).await;
    let life = |pass: &Pass| (pass.expire_time.unwrap().seconds - pass.issue_time.unwrap().seconds) / 86_400;
    assert_eq!(life(&street.issue(&other).await), 14, "passes live as long as the method of their day says");
    let mut officer = ScreeningServiceClient::new(street.officer(today));
    let running = async |officer: &mut ScreeningServiceClient<Connection>, at: Option<&str>| {
        let request = GetMethodRequest { name: String::new(), time: at.map(|at| chassis::timestamp(time(at))) };
        officer.get_method(request).await.unwrap().into_inner().name
    };
    assert_eq!(running(&mut officer, None).await, "methods/2020-02-09");
    assert_eq!(running(&mut officer, Some(tomorrow)).await, name);

    // The day has come: something happens in the story, later than that.
    let open =
        OpenCaseRequest {
            request_id: new_request_id(), resident: other.name.clone(), occasion: "从杭州返回".into()
        };
    let morning = "2020-02-13T08:30:00+08:00";
    ScreeningServiceClient::new(street.worker(morning)).open_case(open).await.unwrap();
    street.until(&pass, Finding::Isolated, morning).await;
    let order = street.orders(&resident, State::InForce).await.remove(0);
    assert_eq!(order.method, name);
    assert_eq!(running(&mut ScreeningServiceClient::new(street.officer(morning)), None).await, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_disputes_is_left_alone_until_the_answer_and_then_judged_by_the_version_in_force() {
    let street = Street::open().await;
    let resident = street.screened(1, &[], &[HOME, TAIZHOU]).await;
    let case = street.village.case_of(&street.house, &resident).await;
    let dispute = DisputeCaseRequest {
        request_id: new_request_id(),
        case: case.clone(),
        statement: "我二月没有去过台州".into(),
        ..Default::default()
    };
    ScreeningServiceClient::new(street.worker("2020-02-11T16:00:00+08:00")).dispute_case(dispute).await.unwrap();
    let at = "2020-02-11T17:00:00+08:00";
    let longer = street.approved("2020-02-12", with(taizhou), at).await;
    let foreseen = street.dry_run(&longer, at).await.figures.unwrap();
    assert_eq!((foreseen.touched, foreseen.disputed), (0, 1));
    street.publish(&longer, None, at).await;
    assert_eq!(street.rescreened(&longer, at).await.changed, 0);
    assert_eq!(street.verdict(&resident).await.outcome(), Outcome::UndeclaredElsewhere);
    assert!(street.orders(&resident, State::InForce).await.is_empty());
    let resolve = ResolveDisputeRequest {
        request_id: new_request_id(),
        case,
        finding: "没有任何证明".into(),
        ..ResolveDisputeRequest::default()
    };
    let health = street.house.central("staff/health", Role::Health, "health").at(time("2020-02-11T18:00:00+08:00"));
    ScreeningServiceClient::new(health).resolve_dispute(resolve).await.unwrap();
    street.house.settled().await;
    assert_eq!(street.verdict(&resident).await.outcome(), Outcome::ConcealedKeyArea);
    assert_eq!(street.orders(&resident, State::InForce).await[0].kind(), Kind::Home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_nobody_could_apply_is_refused_with_its_fields() {
    let street = Street::open().await;
    let at = "2020-02-12T09:00:00+08:00";
    let area = |place: &str, from: &str, to: &str| KeyArea {
        place: place.into(),
        from: from.into(),
        to: to.into(),
        level: Level::Medium.into(),
        measure: Measure::Home.into(),
    };
    let content = with(|content| {
        content.key_areas = vec![
            area("331000", "2020-02-01", "2020-02-03"),
            area("331000", "2020-02-06", ""),
            area("330100", "2020-02-09", "2020-02-08"),
            area("999999", "2020-02-01", ""),
            area("420000", "2020-01-01", ""),
            area("420000", "2020-01-23", ""),
        ];
    });
    let draft =
        DraftMethodRequest { request_id: new_request_id(), version: "2020-02-12".into(), content: Some(content) };
    let refused = ScreeningServiceClient::new(street.officer(at)).draft_method(draft).await.unwrap_err();
    let fields: Vec<String> = Spoken::from(&refused).fields.into_iter().map(|field| field.field).collect();
    let area = |at: usize, field: &str| format!("content.key_areas[{at}].{field}");
    assert_eq!(fields, [area(2, "to"), area(3, "place"), area(1, "from"), area(5, "place")]);
    let late = street.approved("2020-02-12", sample_content(), at).await;
    let passed = Some(chassis::timestamp(time("2020-02-12T08:59:59+08:00")));
    let publish = PublishMethodRequest { request_id: new_request_id(), name: late, in_force_time: passed };
    let refused = ScreeningServiceClient::new(street.officer(at)).publish_method(publish).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "IN_THE_PAST");
}
