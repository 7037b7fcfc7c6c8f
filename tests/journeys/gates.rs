//! A gate that decides with the centre away: how it is enrolled, whom it refuses, and what the centre makes of it afterwards.

mod recalls;

use std::sync::{Arc, Mutex};

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use chrono::TimeDelta;
use office::gate::{
    enrolment::{Server, enrol},
    post::Said,
    watch::Watch,
};
use proto::{
    access::v1::Role,
    isolation::v1::{ListOrdersRequest, isolation_service_client::IsolationServiceClient},
    pass::v1::{
        CheckPassRequest, Conflict, Decision, Device, Direction, EnrolDeviceRequest, Finding, GateCrossing,
        GetKeySetRequest, IssuePassRequest, ListConflictsRequest, ListCrossingsRequest, ListDevicesRequest, Manual,
        OpenEnrolmentRequest, Pass, PassKind, Reason, RecordCrossingRequest, RecordCrossingsRequest,
        ReinstatePassRequest, RetireDeviceRequest, RevokePassRequest, SuspendPassRequest, conflict::Kind,
        device::State, gate_crossing::Identity, gate_service_client::GateServiceClient,
        pass_service_client::PassServiceClient, verification_service_client::VerificationServiceClient,
    },
    registry::v1::Resident,
    screening::v1::{OpenCaseRequest, screening_service_client::ScreeningServiceClient},
};
use tempfile::TempDir;
use tests::{
    House,
    guard::Guard,
    time,
    village::{Village, compared},
};
use tonic::Status;

const AFTERNOON: &str = "2020-02-11T15:00:00+08:00";
const CLEAN: &[(&str, &str, &str)] = &[("宁波", "2020-01-01", "2020-02-10")];
const WUHAN: &[(&str, &str, &str)] = &[("武汉", "2020-02-01", "2020-02-03")];

struct Street {
    house: House,
    village: Village,
}

impl Street {
    async fn begin() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village }
    }

    async fn screened(&self, building: &str, phone: &str) -> Resident {
        let resident = self.village.resident(&self.house, building, "王小明", phone).await;
        self.house.settled().await;
        self.village.screened(&self.house, &resident, CLEAN).await;
        self.house.settled().await;
        resident
    }

    fn desk(&self, at: &str) -> PassServiceClient<Connection> {
        PassServiceClient::new(self.village.worker(&self.house).at(time(at)))
    }

    async fn issue(&self, resident: &Resident, kind: PassKind) -> Pass {
        let (request_id, resident) = (new_request_id(), resident.name.clone());
        let issue = IssuePassRequest { request_id, resident, surname: "王".into(), kind: kind.into(), access: 0 };
        self.desk(AFTERNOON).issue_pass(issue).await.unwrap().into_inner()
    }

    /// A resident with a pass on paper.
    async fn holder(&self, building: &str, phone: &str) -> (Resident, Pass) {
        let resident = self.screened(building, phone).await;
        let pass = self.issue(&resident, PassKind::Paper).await;
        (resident, pass)
    }

    async fn suspend(&self, resident: &Resident, at: &str) {
        let suspend = SuspendPassRequest {
            request_id: new_request_id(),
            resident: resident.name.clone(),
            reason: Reason::Lent.into(),
            evidence_ids: vec!["crossings/1".into()],
        };
        self.desk(at).suspend_pass(suspend).await.unwrap();
        self.house.settled().await;
    }

    async fn guard(&self) -> Guard {
        self.house.settled().await;
        Guard::enrolled(&self.house, &self.village, time(AFTERNOON), TimeDelta::zero()).await
    }

    fn office(&self) -> GateServiceClient<Connection> {
        GateServiceClient::new(self.village.worker(&self.house).at(time(AFTERNOON)))
    }

    async fn conflicts(&self) -> Vec<Conflict> {
        self.house.settled().await;
        let list = ListConflictsRequest { parent: self.village.compound.clone(), ..ListConflictsRequest::default() };
        self.office().list_conflicts(list).await.unwrap().into_inner().conflicts
    }

    async fn crossings(&self) -> usize {
        self.house.settled().await;
        let parent = self.village.compound.clone();
        let list = ListCrossingsRequest { parent, page_size: 1_000, ..ListCrossingsRequest::default() };
        self.desk(AFTERNOON).list_crossings(list).await.unwrap().into_inner().crossings.len()
    }

    async fn devices(&self) -> Vec<Device> {
        self.house.settled().await;
        self.office().list_devices(ListDevicesRequest::default()).await.unwrap().into_inner().devices
    }
}

fn reason(status: &Status) -> String {
    Spoken::from(status).reason
}

#[tokio::test(flavor = "multi_thread")]
async fn off_line_each_kind_of_person_is_let_in_or_refused_and_all_of_it_arrives() {
    let street = Street::begin().await;
    let (_, good) = street.holder("1幢", "13900000001").await;
    let (lent, suspended) = street.holder("2幢", "13900000002").await;
    street.suspend(&lent, AFTERNOON).await;
    let (taken, revoked) = street.holder("3幢", "13900000003").await;
    let revoke = RevokePassRequest {
        request_id: new_request_id(),
        resident: taken.name.clone(),
        reason: Reason::IssuedInError.into(),
        evidence_ids: vec!["paper 1".into()],
    };
    street.desk(AFTERNOON).revoke_pass(revoke).await.unwrap();
    let phone = street.screened("4幢", "13900000004").await;
    let phone = street.issue(&phone, PassKind::Phone).await;
    let mut guard = street.guard().await;

    // From here on nobody answers.
    let allowed = |finding: &[Finding]| (Decision::Allowed, finding.to_vec());
    let refused = |finding: Finding| (Decision::Refused, vec![finding]);
    let mut expected = Vec::new();
    let mut altered = good.code.clone().into_bytes();
    altered[60] = if altered[60] == b'0' { b'1' } else { b'0' };
    for (line, outcome) in [
        (format!("{} 36.5", good.code), allowed(&[Finding::Valid])),
        (format!("{} 36.5 out", good.number.to_lowercase()), allowed(&[Finding::Valid])),
        (format!("{} 36.4 out", good.code), allowed(&[Finding::Valid, Finding::Passback])),
        (format!("{} 36.5", phone.code), allowed(&[Finding::Valid])),
        (format!("{} 37.4/36.9 out", phone.code), allowed(&[Finding::Valid])),
        (format!("{} 37.4/37.3", good.code), allowed(&[Finding::Valid, Finding::Fever])),
        (format!("{} nomask 36.5 out", phone.number), allowed(&[Finding::Valid, Finding::Passback, Finding::NoMask])),
        (String::from_utf8(altered).unwrap(), refused(Finding::BadSignature)),
        ("MF1:6BF%CAT$M".to_owned(), refused(Finding::Unreadable)),
        (suspended.code.clone(), refused(Finding::Suspended)),
        (suspended.number.clone(), refused(Finding::Suspended)),
        (revoked.code.clone(), refused(Finding::Revoked)),
        ("known 老人没有手机 36.5".to_owned(), allowed(&[Finding::Manual])),
        (format!("known {} 忘带 36.5 out", suspended.number), refused(Finding::Suspended)),
        (format!("visit service {} 36.5", good.number), allowed(&[Finding::Valid])),
        ("visit inspector 36.5".to_owned(), allowed(&[Finding::Valid])),
        ("visit carer 36.5".to_owned(), refused(Finding::Visitor)),
        ("visit none 36.5".to_owned(), refused(Finding::Visitor)),
        ("visit none 36.5 out".to_owned(), allowed(&[Finding::Visitor])),
    ] {
        let recorded = guard.records(&line);
        assert_eq!((recorded.decision, recorded.findings), outcome, "{line}");
        assert!(!recorded.say_zh.is_empty(), "{line}");
        expected.push(recorded.sequence);
    }
    for (line, finding) in
        [("visit inspector 37.4/37.5", Finding::Fever), ("visit inspector 36.5 nomask", Finding::NoMask)]
    {
        let recorded = guard.records(line);
        assert_eq!((recorded.decision, recorded.findings.last().copied()), (Decision::Refused, Some(finding)));
    }
    assert_eq!(guard.standing().waiting, 21);
    // What was typed is what counts; nothing is asked twice.
    assert!(matches!(guard.types(&good.code).as_slice(), [Said::Looks { .. }, Said::Note(..)]));
    assert!(matches!(guard.types("37.6").as_slice(), [Said::Note(..)]), "measured again before a fever counts");
    assert_eq!(guard.records("36.8").findings, [Finding::Valid, Finding::Passback]);
    // Five minutes later the picture of a phone is worth nothing, and two weeks later no pass is.
    guard.wait(TimeDelta::minutes(5));
    assert_eq!(guard.records(&phone.code).findings, [Finding::OldPicture]);
    guard.wait(TimeDelta::days(15));
    assert_eq!(guard.records(&good.code).findings, [Finding::Expired]);
    assert_eq!(guard.records(&good.number).findings, [Finding::Expired], "remembered of the scan");
    assert_eq!(guard.standing().waiting, 25);

    guard.exchanges().await.unwrap();
    assert_eq!(guard.standing().waiting, 0);
    assert_eq!(street.crossings().await, 25);
    // The centre knows why a pass is suspended, and lets staff vouch for who only lent it; for the rest it says the same.
    let conflicts = street.conflicts().await;
    let one: Vec<_> =
        conflicts.iter().map(|conflict| (conflict.kind(), conflict.judged_findings().collect())).collect();
    assert_eq!(one, [(Kind::TurnedAway, vec![Finding::Manual])], "{conflicts:#?}");
    guard.exchanges().await.unwrap();
    assert_eq!(street.crossings().await, 25, "nothing is sent twice");
    let devices = street.devices().await;
    assert_eq!((devices[0].crossings, devices[0].state()), (25, State::Enrolled));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_crossed_after_a_suspension_that_the_gate_did_not_know_is_listed_and_so_is_who_was_turned_away_in_vain() {
    let street = Street::begin().await;
    let (lent, pass) = street.holder("1幢", "13900000001").await;
    let (freed, other) = street.holder("2幢", "13900000002").await;
    street.suspend(&freed, AFTERNOON).await;
    let mut guard = street.guard().await;
    street.suspend(&lent, "2020-02-11T15:05:00+08:00").await;
    let reinstate = ReinstatePassRequest { request_id: new_request_id(), resident: freed.name.clone() };
    street.desk("2020-02-11T15:10:00+08:00").reinstate_pass(reinstate).await.unwrap();
    // Before the suspension the gate was right.
    guard.wait(TimeDelta::minutes(2));
    assert_eq!(guard.records(&format!("{} 36.5 out", pass.code)).decision, Decision::Allowed);
    guard.wait(TimeDelta::minutes(43));
    assert_eq!(guard.records(&format!("{} 36.5 in", pass.code)).decision, Decision::Allowed);
    assert_eq!(guard.records(&other.code).decision, Decision::Refused);
    guard.wait(TimeDelta::hours(8));
    guard.exchanges().await.unwrap();
    assert_eq!(guard.records(&format!("{} 36.5 out", pass.code)).findings, [Finding::Suspended], "now it knows");

    let conflicts = street.conflicts().await;
    let kinds: Vec<Kind> = conflicts.iter().map(Conflict::kind).collect();
    assert_eq!(kinds, [Kind::TurnedAway, Kind::LetThrough], "newest first");
    let let_through = &conflicts[1];
    assert_eq!(let_through.resident, lent.name);
    assert_eq!(let_through.direction(), Direction::In);
    assert_eq!(let_through.unknown_for_seconds, 40 * 60);
    assert_eq!(let_through.judged_findings().collect::<Vec<_>>(), [Finding::Suspended]);
    assert!(let_through.say_zh.contains("暂停 40 分钟后通行"), "{}", let_through.say_zh);
    assert!(let_through.say_en.contains("crossed 40 minutes after the suspension"), "{}", let_through.say_en);
    assert_eq!(conflicts[0].unknown_for_seconds, 35 * 60);
    // Another neighbourhood sees neither the gate's devices nor its conflicts.
    let stranger = street.house.local("staff/stranger", Role::Worker, "neighbourhoods/elsewhere");
    let mut stranger = GateServiceClient::new(stranger);
    let list = ListConflictsRequest { parent: street.village.compound.clone(), ..ListConflictsRequest::default() };
    assert!(stranger.list_conflicts(list).await.unwrap().into_inner().conflicts.is_empty());
    assert!(stranger.list_devices(ListDevicesRequest::default()).await.unwrap().into_inner().devices.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_person_who_crossed_at_a_gate_off_line_is_a_breach_of_the_order() {
    let street = Street::begin().await;
    let (resident, pass) = street.holder("1幢", "13900000001").await;
    let mut guard = street.guard().await;
    // Back from a journey that was concealed: an order follows.
    let worker = street.village.worker(&street.house).at(time("2020-02-11T15:30:00+08:00"));
    let open =
        OpenCaseRequest {
            request_id: new_request_id(), resident: resident.name.clone(), occasion: "再次返回".into()
        };
    let case = ScreeningServiceClient::new(worker.clone()).open_case(open).await.unwrap().into_inner().name;
    compared(worker, case, &[], WUHAN).await;
    street.house.settled().await;
    guard.wait(TimeDelta::hours(1));
    assert_eq!(guard.records(&format!("{} 36.5 out", pass.code)).decision, Decision::Allowed);
    guard.wait(TimeDelta::hours(1));
    guard.exchanges().await.unwrap();
    let conflicts = street.conflicts().await;
    assert_eq!(conflicts[0].judged_findings().collect::<Vec<_>>(), [Finding::Isolated]);
    let list = ListOrdersRequest { parent: resident.name.clone(), ..ListOrdersRequest::default() };
    let mut isolation = IsolationServiceClient::new(street.village.worker(&street.house));
    let orders = isolation.list_orders(list).await.unwrap().into_inner().orders;
    assert_eq!(orders.iter().map(|order| order.breaches).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_enrols_one_device_once_and_a_retired_device_counts_no_more() {
    let street = Street::begin().await;
    let open = |device: &str| OpenEnrolmentRequest {
        request_id: new_request_id(),
        gate: street.village.gate.clone(),
        label: "北门".into(),
        device: device.into(),
    };
    let request = open("");
    let opened = street.office().open_enrolment(request.clone()).await.unwrap().into_inner();
    assert_eq!(street.office().open_enrolment(request).await.unwrap().into_inner(), opened, "said twice");
    assert_eq!(opened.code.len(), 12);
    let anybody = || GateServiceClient::new(street.house.anybody().at(time(AFTERNOON)));
    let spend = |code: &str| EnrolDeviceRequest { request_id: new_request_id(), code: code.into() };
    let wrong = anybody().enrol_device(spend("000000000000")).await.unwrap_err();
    assert_eq!(reason(&wrong), "CODE_SPENT");
    let late = GateServiceClient::new(street.house.anybody().at(time("2020-02-11T15:15:00+08:00")));
    let late = late.clone().enrol_device(spend(&opened.code)).await.unwrap_err();
    assert_eq!((reason(&late), late.message()), (reason(&wrong), wrong.message()));
    let typed = format!("{}-{}", &opened.code[..6], &opened.code[6..]).to_lowercase();
    let gate = anybody().enrol_device(spend(&typed)).await.unwrap().into_inner().gate.unwrap();
    assert_eq!((gate.name.as_str(), gate.device.as_str()), (street.village.gate.as_str(), opened.device.as_str()));
    assert_eq!(gate.fever_decicelsius, 373);
    assert_eq!(reason(&anybody().enrol_device(spend(&opened.code)).await.unwrap_err()), "CODE_SPENT");

    // A director of elsewhere can neither open a code here nor retire the device.
    let stranger = street.house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere");
    let mut stranger = GateServiceClient::new(stranger.at(time(AFTERNOON)));
    assert_eq!(reason(&stranger.open_enrolment(open("")).await.unwrap_err()), "NOT_FOUND");
    let retire = || RetireDeviceRequest { request_id: new_request_id(), name: opened.device.clone() };
    assert_eq!(reason(&stranger.retire_device(retire()).await.unwrap_err()), "NOT_FOUND");
    assert_eq!(street.devices().await[0].state(), State::Enrolled);

    let device = street.house.anybody().with_token(&gate.token).unwrap().at(time(AFTERNOON));
    let report = |sequence| RecordCrossingsRequest {
        request_id: new_request_id(),
        boot: "boot-0001".into(),
        raw_time: Some(chassis::timestamp(time(AFTERNOON))),
        monotonic_ms: 1_000,
        crossings: vec![GateCrossing {
            boot: "boot-0001".into(),
            sequence,
            raw_time: Some(chassis::timestamp(time(AFTERNOON))),
            direction: Direction::In.into(),
            decision: Decision::Allowed.into(),
            findings: vec![Finding::Manual.into()],
            identity: Some(Identity::Manual(Manual { reason: "认识".into(), ..Manual::default() })),
            ..GateCrossing::default()
        }],
    };
    let mut device = GateServiceClient::new(device);
    let answer = device.record_crossings(report(1)).await.unwrap().into_inner();
    assert_eq!(answer.marks[0].sequence, 1);
    assert_eq!(device.record_crossings(report(3)).await.unwrap().into_inner().marks[0].sequence, 1, "behind a hole");
    street.office().retire_device(retire()).await.unwrap();
    assert_eq!(reason(&device.record_crossings(report(2)).await.unwrap_err()), "DEVICE_RETIRED");
    assert_eq!(street.devices().await[0].state(), State::Retired);
    // Its token is good for days yet, and opens nothing any more.
    let stolen = street.house.anybody().with_token(&gate.token).unwrap().at(time(AFTERNOON));
    let check = CheckPassRequest { gate: street.village.gate.clone(), code: "MF1:".into(), direction: 0 };
    let passes = || PassServiceClient::new(stolen.clone());
    tests::once("the retired device is refused", async || {
        passes().check_pass(check.clone()).await.err().filter(|refused| reason(refused) == "DEVICE_RETIRED")
    })
    .await;
    let crossing = RecordCrossingRequest {
        request_id: new_request_id(),
        gate: street.village.gate.clone(),
        direction: Direction::In.into(),
        ..RecordCrossingRequest::default()
    };
    assert_eq!(reason(&passes().record_crossing(crossing).await.unwrap_err()), "DEVICE_RETIRED");
    let mut keys = VerificationServiceClient::new(stolen.clone());
    assert_eq!(reason(&keys.get_key_set(GetKeySetRequest {}).await.unwrap_err()), "DEVICE_RETIRED");
    assert_eq!(street.crossings().await, 1);
    // A guard of flesh and blood is no device.
    let guard = street.house.guard("staff/7", &street.village.neighbourhood, &street.village.gate);
    assert_eq!(reason(&GateServiceClient::new(guard).record_crossings(report(2)).await.unwrap_err()), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_filed_is_kept_and_listed_and_a_rotten_line_is_missed() {
    let street = Street::begin().await;
    let mut guard = street.guard().await;
    for line in ["known 认识 36.5", "known 忘带证 36.6", "known 老人 36.7"] {
        guard.records(line);
    }
    let mut guard = guard.killed(|folder| {
        let path = folder.join("queue.log");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("忘带证", "忘带X", 1)).unwrap();
    });
    guard.wait(TimeDelta::minutes(10));
    guard.exchanges().await.unwrap();
    assert_eq!(guard.standing().waiting, 0);
    assert_eq!(street.crossings().await, 2);
    let conflicts = street.conflicts().await;
    assert_eq!(conflicts.iter().map(Conflict::kind).collect::<Vec<_>>(), [Kind::Unfiled]);
    assert!(!conflicts[0].say_zh.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_believes_the_root_that_was_printed_and_keeps_its_folder_to_itself() {
    let street = Street::begin().await;
    street.house.settled().await;
    let folder = TempDir::new().unwrap();
    let code = async || {
        let gate = street.village.gate.clone();
        let request = OpenEnrolmentRequest { request_id: new_request_id(), gate, ..OpenEnrolmentRequest::default() };
        street.office().open_enrolment(request).await.unwrap().into_inner().code
    };
    let server = || Server { address: street.house.address().to_owned(), authority: None };
    let watch = Watch::of_this_machine;
    let connection = || street.house.anybody().at(time(AFTERNOON));
    let other = "00".repeat(32);
    let refused = enrol(folder.path(), server(), connection(), &code().await, Some(&other), watch()).await;
    assert!(refused.err().unwrap().to_string().contains("do not use this server"));
    let station = enrol(folder.path(), server(), connection(), &code().await, None, watch()).await.unwrap();
    let root = station.settings().root.clone();
    let station = Mutex::new(station);
    let mut post = office::gate::post::Post::new(Arc::new(station), Direction::In);
    post.take("known 认识 36.5", None).unwrap();
    drop(post);
    // The folder holds what that device has not sent.
    let foreign = enrol(folder.path(), server(), connection(), &code().await, Some(&root), watch()).await;
    assert!(foreign.err().unwrap().to_string().contains("belongs to another device"));
}
