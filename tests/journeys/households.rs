//! Fourteen days of a household, with everything that can go wrong: a morning that nobody came, a fever, a walk outside, two who
//! edit one order, a better proof, an extension over the end of the month, a restart of the server, a reading that is missing
//! in the end.

use std::fs;

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    command::v1::{GetOverviewRequest, command_service_client::CommandServiceClient},
    isolation::v1::{
        AcknowledgeRequest, AssessReleaseRequest, ChangeKind, ChangeReason, CheckHomeRequest, DayPart,
        DecideChangeRequest, DecideTransferRequest, Destination, GetOrderRequest, Home, ListOrderHistoryRequest,
        ListOrdersRequest, ListTasksRequest, MoveOrderRequest, Order, ProposeChangeRequest, ProposeTransferRequest,
        ProveDayZeroRequest, Reading, RecordObservationsRequest, RecordObservationsResponse, ReleaseReason,
        ReleaseRequest, ReportSightingRequest, Task, TaskKind, isolation_service_client::IsolationServiceClient,
        observation_service_client::ObservationServiceClient, order_life_service_client::OrderLifeServiceClient,
    },
    pass::v1::{
        Direction, Finding, GetHolderRequest, Manual, RecordCrossingRequest, pass_service_client::PassServiceClient,
        record_crossing_request::Identity,
    },
    registry::v1::Resident,
};
use rust_xlsxwriter::Workbook;
use serde_json::Value;
use tests::{House, once, time, village::Village};

struct Fortnight {
    house: House,
    village: Village,
    resident: Resident,
    order: String,
}

/// In Shanghai.
fn at(moment: &str) -> chrono::DateTime<chrono::Utc> {
    time(&format!("2020-{moment}:00+08:00"))
}

impl Fortnight {
    /// 信阳 until 3 February, not declared: home isolation, day 14 is the 17th.
    async fn begin() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let resident = village.resident(&house, "1幢", "王小明", "13900000001").await;
        house.settled().await;
        let seen = [("宁波", "2020-01-01", "2020-02-10"), ("信阳", "2020-01-28", "2020-02-03")];
        village.screened(&house, &resident, &seen).await;
        house.settled().await;
        let list = ListOrdersRequest { parent: resident.name.clone(), ..ListOrdersRequest::default() };
        let worker = village.worker(&house).at(at("02-11T14:01"));
        let order = IsolationServiceClient::new(worker).list_orders(list).await.unwrap().into_inner().orders.remove(0);
        assert_eq!((order.last_day.as_str(), order.observed_from.as_str()), ("2020-02-17", "2020-02-11"));
        Self { house, village, resident, order: order.name }
    }

    fn worker(&self, moment: &str) -> Connection {
        self.village.worker(&self.house).at(at(moment))
    }

    fn director(&self, moment: &str) -> Connection {
        self.house.local("staff/director", Role::Director, &self.village.neighbourhood).at(at(moment))
    }

    fn central(&self, role: Role, moment: &str) -> Connection {
        let (subject, unit) =
            if role == Role::Health { ("staff/health", "health") } else { ("staff/officer", "subdistrict") };
        self.house.central(subject, role, unit).at(at(moment))
    }

    async fn order(&self, moment: &str) -> Order {
        let request = GetOrderRequest { name: self.order.clone() };
        IsolationServiceClient::new(self.worker(moment)).get_order(request).await.unwrap().into_inner()
    }

    fn reading(&self, day: &str, part: DayPart, temperature: i32) -> Reading {
        Reading {
            order: self.order.clone(),
            date: format!("2020-{day}"),
            day_part: part.into(),
            temperature_decicelsius: temperature,
            ..Reading::default()
        }
    }

    async fn observe(&self, moment: &str, readings: Vec<Reading>) -> RecordObservationsResponse {
        let round = RecordObservationsRequest { request_id: new_request_id(), readings };
        ObservationServiceClient::new(self.worker(moment)).record_observations(round).await.unwrap().into_inner()
    }

    async fn tasks(&self, by: Connection, kind: TaskKind, mine: bool) -> Vec<Task> {
        let list = ListTasksRequest { kind: kind.into(), mine, ..ListTasksRequest::default() };
        ObservationServiceClient::new(by).list_tasks(list).await.unwrap().into_inner().tasks
    }

    async fn acknowledge(&self, by: Connection, matter: &str) -> Order {
        let notice = AcknowledgeRequest {
            request_id: new_request_id(),
            order: self.order.clone(),
            matter: matter.into(),
            remark: "已处置".into(),
        };
        ObservationServiceClient::new(by).acknowledge(notice).await.unwrap().into_inner()
    }

    async fn desk(&self, moment: &str, words: &[&str]) -> (bool, String) {
        let place = &self.village.neighbourhood;
        let token = self.house.token("staff/worker", Role::Worker, place, place, "");
        let moment = at(moment).to_rfc3339();
        self.house.desk(&token, &[words, &["--at", &moment]].concat()).await
    }

    fn file(&self, name: &str) -> String {
        self.house.folder().join(name).to_str().unwrap().to_owned()
    }

    /// The guard knows the face, and the order is in force.
    async fn walks_out(&self, moment: &str) {
        let crossing = RecordCrossingRequest {
            request_id: new_request_id(),
            gate: self.village.gate.clone(),
            direction: Direction::Out.into(),
            cross_time: None,
            temperature_decicelsius: 365,
            mask: true,
            identity: Some(Identity::Manual(Manual {
                resident: self.resident.name.clone(),
                reason: "手机没电".into(),
            })),
        };
        let guard = self.house.guard("device/1", &self.village.neighbourhood, &self.village.gate).at(at(moment));
        let crossed = PassServiceClient::new(guard).record_crossing(crossing).await.unwrap().into_inner();
        assert_eq!(crossed.verdict.unwrap().findings().next(), Some(Finding::Isolated));
        self.house.settled().await;
    }

    /// The sheet of the evening: printed with one open reading, filled in, handed in with one row that is wrong.
    async fn evening_by_sheet(&self) {
        let (sheet, filled) = (self.file("晚.xlsx"), self.file("晚-填好.xlsx"));
        let (done, said) = self.desk("02-11T18:00", &["isolation", "sheet", &sheet, "-o", "json"]).await;
        assert!(done, "{said}");
        let mut rows = rows(&sheet);
        assert_eq!((rows.len(), rows[1][0].as_str(), rows[1][2].as_str()), (3, self.order.as_str(), "王**"));
        assert_eq!([rows[1][4].as_str(), rows[2][4].as_str()], ["早", "晚"]);
        rows[2][5] = "36.4".into();
        rows[1][5] = "高".into();
        write(&filled, &rows);
        let (done, said) = self.desk("02-11T18:01", &["isolation", "record", &filled, "-o", "json"]).await;
        assert!(done, "{said}");
        let told: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (told["rows"].as_i64(), told["taken"].as_i64(), told["refused"].as_i64()),
            (Some(2), Some(1), Some(1))
        );
        let back = self::rows(told["refused_file"].as_str().unwrap());
        assert!(back[1][7].contains("体温"), "{back:?}");
    }
}

fn life(by: Connection) -> OrderLifeServiceClient<Connection> {
    OrderLifeServiceClient::new(by)
}

fn rows(file: &str) -> Vec<Vec<String>> {
    let mut workbook: Xlsx<_> = open_workbook(file).unwrap();
    let title = workbook.sheet_names()[0].clone();
    let range = workbook.worksheet_range(&title).unwrap();
    range.rows().map(|row| row.iter().map(Data::to_string).collect()).collect()
}

fn write(file: &str, rows: &[Vec<String>]) {
    let mut workbook = Workbook::new();
    let page = workbook.add_worksheet();
    for (line, row) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(row) {
            page.write_string(line, column, cell).unwrap();
        }
    }
    workbook.save(file).unwrap();
}

const BOTH: [DayPart; 2] = [DayPart::Morning, DayPart::Evening];

#[tokio::test(flavor = "multi_thread")]
async fn a_fortnight_in_which_everything_goes_wrong_ends_with_a_signed_release_and_a_pass() {
    let mut home = Fortnight::begin().await;

    // The first evening: the home is looked at, the round is written into a sheet.
    let check = CheckHomeRequest {
        request_id: new_request_id(),
        order: home.order.clone(),
        etag: home.order("02-11T17:00").await.etag,
        home: Home::OwnRoom.into(),
        cohabitants: Vec::new(),
    };
    assert_eq!(home.tasks(home.worker("02-11T17:00"), TaskKind::Home, true).await.len(), 1);
    life(home.worker("02-11T17:00")).check_home(check).await.unwrap();
    assert!(home.tasks(home.worker("02-11T17:01"), TaskKind::Home, true).await.is_empty());
    home.evening_by_sheet().await;

    // Nobody came on the 12th before the evening: two readings have gone up to the subdistrict.
    home.observe("02-12T17:00", vec![home.reading("02-12", DayPart::Evening, 366)]).await;
    let late = once("nobody missed the readings", async || {
        let late = home.tasks(home.central(Role::Officer, "02-12T17:01"), TaskKind::Reading, true).await;
        (late.len() == 2).then_some(late)
    });
    assert_eq!(late.await.iter().map(Task::day_part).collect::<Vec<_>>(), [DayPart::Morning, DayPart::Morning]);
    let made_up = vec![home.reading("02-11", DayPart::Morning, 365), home.reading("02-12", DayPart::Morning, 364)];
    assert_eq!(home.observe("02-12T17:10", made_up).await.taken, 2);
    assert!(home.tasks(home.central(Role::Officer, "02-12T17:11"), TaskKind::Reading, true).await.is_empty());

    // He walks to the gate, and is seen at the market: both are on the order, and somebody's work.
    home.walks_out("02-13T09:00").await;
    let sighting = ReportSightingRequest {
        request_id: new_request_id(),
        order: home.resident.name.clone(),
        time: None,
        place: "菜市场南门".into(),
    };
    life(home.worker("02-13T10:00")).report_sighting(sighting).await.unwrap();
    let breaches = home.tasks(home.worker("02-13T10:01"), TaskKind::Breach, true).await;
    assert_eq!(breaches.len(), 2);
    home.house.settled().await;
    let mut command = CommandServiceClient::new(home.central(Role::Officer, "02-13T10:02"));
    let overview = command.get_overview(GetOverviewRequest::default()).await.unwrap().into_inner();
    assert_eq!(overview.subdistrict.unwrap().breaches, 2, "the command centre knows");
    for breach in &breaches {
        home.acknowledge(home.worker("02-13T11:00"), &breach.matter).await;
    }
    assert!(home.order("02-13T11:01").await.unacknowledged.is_empty());

    // Fever on the 14th: hospital with a hand-over, home on the 16th.
    home.observe("02-13T17:00", BOTH.map(|part| home.reading("02-13", part, 365)).into()).await;
    home.observe("02-14T08:00", vec![home.reading("02-14", DayPart::Morning, 382)]).await;
    let alert = home.tasks(home.central(Role::Health, "02-14T08:01"), TaskKind::Alert, true).await.remove(0);
    home.acknowledge(home.central(Role::Health, "02-14T08:10"), &alert.matter).await;
    let away = MoveOrderRequest {
        request_id: new_request_id(),
        order: home.order.clone(),
        to: Destination::Hospital.into(),
        reason: ChangeReason::Medical.into(),
        receiver: "区一院王医生".into(),
        vehicle: "浙B12345".into(),
        receipt: "转诊-3".into(),
        place: "区第一医院".into(),
        ..MoveOrderRequest::default()
    };
    let moved = life(home.worker("02-14T09:00")).move_order(away).await.unwrap().into_inner();
    assert_eq!((moved.place(), moved.handed_over), (Destination::Hospital, true));
    let back = MoveOrderRequest {
        request_id: new_request_id(),
        order: home.order.clone(),
        to: Destination::Home.into(),
        reason: ChangeReason::Medical.into(),
        ..MoveOrderRequest::default()
    };
    life(home.worker("02-16T17:00")).move_order(back).await.unwrap();
    assert!(home.order("02-16T17:01").await.missing.iter().all(|slot| slot == "2020-02-16 evening"));

    // A train ticket shows that he left on the 5th: two write it down at once, and the second is told.
    let read = home.order("02-16T18:00").await.etag;
    let prove = |day: &str, etag: &str| ProveDayZeroRequest {
        request_id: new_request_id(),
        order: home.order.clone(),
        etag: etag.into(),
        day_zero: day.into(),
        evidence_ids: vec!["火车票-G1234".into()],
    };
    let proved = life(home.worker("02-16T18:01")).prove_day_zero(prove("2020-02-05", &read)).await.unwrap();
    assert_eq!(proved.into_inner().last_day, "2020-02-19");
    let second = life(home.director("02-16T18:02")).prove_day_zero(prove("2020-02-04", &read)).await.unwrap_err();
    let told = Spoken::from(&second);
    assert_eq!(told.reason, "STALE");
    assert!(told.metadata["changed"].contains("the end moved from 2020-02-17 to 2020-02-19"), "{}", told.en);

    // Another neighbourhood is asked, and does not want him.
    let other = Village::found(&home.house, "330212002002").await;
    let ask = ProposeTransferRequest {
        request_id: new_request_id(),
        order: home.order.clone(),
        etag: String::new(),
        neighbourhood: other.neighbourhood.clone(),
    };
    life(home.director("02-17T09:00")).propose_transfer(ask).await.unwrap();
    let there = home.house.local("staff/there", Role::Director, &other.neighbourhood).at(at("02-17T10:00"));
    assert_eq!(home.tasks(there.clone(), TaskKind::Transfer, true).await.len(), 1);
    let no = DecideTransferRequest { request_id: new_request_id(), order: home.order.clone(), ..Default::default() };
    assert_eq!(life(there).decide_transfer(no).await.unwrap().into_inner().pending_transfer, "");

    // His wife came back ill: ten days more, by two units, over the end of the month.
    let extend = ProposeChangeRequest {
        request_id: new_request_id(),
        order: home.order.clone(),
        kind: ChangeKind::Extension.into(),
        reason: ChangeReason::Household.into(),
        last_day: "2020-03-01".into(),
        ..ProposeChangeRequest::default()
    };
    let pending = life(home.director("02-18T09:00")).propose_change(extend).await.unwrap().into_inner();
    let name = pending.pending_change.unwrap().name;
    let sign = || DecideChangeRequest { request_id: new_request_id(), name: name.clone(), approve: true };
    let own = life(home.director("02-18T09:01")).decide_change(sign()).await.unwrap_err();
    assert_eq!(Spoken::from(&own).reason, "SAME_PERSON");
    assert_eq!(home.tasks(home.central(Role::Health, "02-18T09:02"), TaskKind::Change, true).await.len(), 1);
    let signed = life(home.central(Role::Health, "02-18T09:03")).decide_change(sign()).await.unwrap().into_inner();
    assert_eq!(signed.last_day, "2020-03-01");

    // The server starts anew, and nothing is forgotten.
    let before = home.order("02-18T09:04").await;
    home.house = home.house.restarted().await;
    let after = home.order("02-18T09:04").await;
    // What was missed may have gone up meanwhile.
    assert_eq!(Order { etag: before.etag.clone(), ..after }, before);

    // Every reading but one: the release says which, and nobody extends in silence.
    let days = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29].map(|day| format!("02-{day}"));
    let days = days.into_iter().chain(["03-01".to_owned()]);
    let mut readings: Vec<Reading> = days
        .flat_map(|day| BOTH.map(|part| home.reading(&day, part, if part == DayPart::Morning { 364 } else { 366 })))
        .collect();
    readings.remove(0);
    let left_out = readings.remove(readings.len() - 3);
    assert_eq!(left_out.date, "2020-02-29");
    assert!(home.observe("03-01T17:00", readings).await.refused.is_empty());
    let assess = AssessReleaseRequest { order: home.order.clone() };
    let found = life(home.director("03-01T17:01")).assess_release(assess).await.unwrap().into_inner();
    assert!(!found.ready);
    assert_eq!(found.en, "35 of 36 readings; missing: 29 February, evening");
    let sign = || ReleaseRequest { request_id: new_request_id(), order: home.order.clone() };
    let mut director = IsolationServiceClient::new(home.director("03-01T17:02"));
    assert_eq!(Spoken::from(&director.release(sign()).await.unwrap_err()).reason, "OBSERVATIONS_MISSING");
    assert!(home.observe("03-01T17:03", vec![left_out]).await.refused.is_empty());
    let released = director.release(sign()).await.unwrap().into_inner();
    assert_eq!((released.release_reason(), released.observations), (ReleaseReason::PeriodComplete, 36));

    // On paper, for the door; and the pass follows.
    let page = home.file("解除.html");
    let words = ["isolation", "print", &page, "--order", &home.order, "--release"];
    let (done, said) = home.desk("03-01T17:05", &words).await;
    assert!(done, "{said}");
    let text = fs::read_to_string(&page).unwrap();
    assert!(
        text.contains("解除居家隔离告知书") && text.contains("王**") && text.contains("应有观察记录36次"),
        "{text}"
    );
    assert!(!text.contains("王小明"), "nobody gave a reason for the name");
    home.house.settled().await;
    let mut gate = PassServiceClient::new(home.worker("03-01T17:06"));
    let holder = gate.get_holder(GetHolderRequest { name: home.resident.name.clone() }).await.unwrap().into_inner();
    assert!(holder.eligible && holder.bars.is_empty(), "{:?}", holder.bars);
    let parent = home.order.clone();
    let history = life(home.director("03-01T17:07")).list_order_history(ListOrderHistoryRequest { parent }).await;
    let told: Vec<String> = history.unwrap().into_inner().entries.into_iter().map(|entry| entry.en).collect();
    for word in ["own room", "not taken", "seen outside", "hospital", "day zero", "extension", "released"] {
        assert!(told.iter().any(|entry| entry.contains(word)), "{word}: {told:?}");
    }
}
