//! What waits to be done, and a round of readings.

use chassis::Lease;
use proto::isolation::v1::{
    AcknowledgeRequest, AssignOrderRequest, CheckHomeRequest, Home, Level, ListObservationsRequest,
    ListOrderHistoryRequest, ListTasksRequest, OpenReportingCodeRequest, ProveDayZeroRequest, Reading,
    RecordObservationsRequest, RecordObservationsResponse, ReportObservationRequest, Reporter, Task, TaskKind,
    observation_service_server::ObservationService as _, order_life_service_server::OrderLifeService as _,
};

use super::*;
use crate::{hour::Hour, timekeeping::Timekeeper};

impl World {
    /// One home order from the evening of 11 February, by verdict.
    async fn isolated() -> (Self, String) {
        let world = Self::with_method().await;
        world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
        (world, format!("orders/{}", order_of("c1", 0)))
    }

    async fn tasks(&self, by: Principal, time: &str, change: impl FnOnce(&mut ListTasksRequest)) -> Vec<Task> {
        let head = self.ledger.log().head().await.unwrap().position;
        let mut list = ListTasksRequest::default();
        change(&mut list);
        let mut list = request(list, by, time);
        list.metadata_mut().insert("mf-min-position", format!("isolation={head}").parse().unwrap());
        self.api.list_tasks(list).await.unwrap().into_inner().tasks
    }

    async fn round(&self, id: &str, time: &str, readings: Vec<Reading>) -> RecordObservationsResponse {
        let round = RecordObservationsRequest { request_id: format!("round-000{id}"), readings };
        self.api.record_observations(request(round, director(), time)).await.unwrap().into_inner()
    }

    /// What is due by the clock, at this time.
    async fn clock_strikes(&self, time: &str) {
        let (clock, _) = Clock::manual(moment(time));
        let head = self.ledger.log().head().await.unwrap().position;
        for progress in self.api.views.progress().iter().filter(|progress| progress.source == "isolation") {
            let until = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
            assert!(progress.wait_for(head, until).await);
        }
        let keeper = Timekeeper {
            ledger: self.ledger.clone(),
            views: self.api.views.clone(),
            hour: Hour::new(self.ledger.clone(), clock),
            lease: Lease::alone(),
        };
        keeper.look().await.unwrap();
    }
}

fn reading(order: &str, date: &str, part: DayPart, temperature: i32) -> Reading {
    Reading {
        order: order.into(),
        date: date.into(),
        day_part: part.into(),
        temperature_decicelsius: temperature,
        ..Reading::default()
    }
}

fn kinds(tasks: &[Task]) -> Vec<TaskKind> {
    tasks.iter().map(Task::kind).collect()
}

#[tokio::test]
async fn a_reading_is_a_task_until_it_is_taken_and_goes_up_when_it_is_late() {
    let (world, order) = World::isolated().await;
    let readings = |list: &mut ListTasksRequest| list.kind = TaskKind::Reading.into();
    let open = world.tasks(director(), "2020-02-11T20:31", readings).await;
    assert_eq!((open.len(), open[0].order.as_str(), open[0].date.as_str()), (1, order.as_str(), "2020-02-11"));
    assert_eq!((open[0].late, open[0].level()), (false, Level::Grid), "its clock begins with the order");
    world.clock_strikes("2020-02-12T00:30").await;
    world.clock_strikes("2020-02-12T00:30").await;
    let late = world.tasks(director(), "2020-02-12T00:31", |list| list.late = true).await;
    assert_eq!((late.len(), late[0].level()), (1, Level::Neighbourhood));
    let next = world.tasks(director(), "2020-02-12T06:00", readings).await;
    assert_eq!((next.len(), next[1].day_part(), next[1].late), (2, DayPart::Morning, false));
    world.observe(&order, "2020-02-11", DayPart::Evening, 365).await.unwrap();
    let left = world.tasks(director(), "2020-02-12T06:00", readings).await;
    assert_eq!((left.len(), left[0].date.as_str()), (1, "2020-02-12"));
    // Once at each level, and once more for nothing.
    let history = ListOrderHistoryRequest { parent: order };
    let history = request(history, director(), "2020-02-12T06:00");
    let told = world.api.list_order_history(history).await.unwrap().into_inner().entries;
    let missed: Vec<&str> = told.iter().map(|entry| entry.en.as_str()).filter(|en| en.contains("not taken")).collect();
    assert_eq!(missed, ["not taken: 11 February, evening; gone up to the neighbourhood"]);
}

#[tokio::test]
async fn everybody_sees_what_falls_to_them_and_nobody_what_is_anothers() {
    let (world, order) = World::isolated().await;
    let worker = staff(7, Role::Worker, Some("jinjiacao"));
    let mine = |list: &mut ListTasksRequest| list.mine = true;
    let at = "2020-02-11T21:00";
    assert_eq!(kinds(&world.tasks(worker.clone(), at, mine).await), [TaskKind::Reading, TaskKind::Home]);
    let assign = |id: &str, to: &str| {
        let assign =
            AssignOrderRequest { request_id: format!("assign-{id}"), order: order.clone(), responsible: to.into() };
        world.api.assign_order(request(assign, director(), at))
    };
    assign("1", "staff/8").await.unwrap();
    assert!(world.tasks(worker.clone(), at, mine).await.is_empty());
    assign("2", "staff/7").await.unwrap();
    assert_eq!(world.tasks(worker, at, mine).await.len(), 2);
    let officer = staff(3, Role::Officer, None);
    assert!(world.tasks(officer.clone(), at, mine).await.is_empty());
    world.clock_strikes("2020-02-12T04:30").await;
    assert_eq!(kinds(&world.tasks(officer, "2020-02-12T04:31", mine).await), [TaskKind::Reading]);
    assert!(world.tasks(stranger(), at, |_| {}).await.is_empty());
    assert!(world.tasks(stranger(), at, |list| list.parent = order.clone()).await.is_empty());
}

#[tokio::test]
async fn a_fever_is_the_health_teams_at_once_until_it_takes_notice() {
    let (world, order) = World::isolated().await;
    let at = "2020-02-11T21:00";
    let round = vec![reading(&order, "2020-02-11", DayPart::Evening, 381)];
    assert_eq!(world.round("ill", at, round).await.ill, 1);
    let mine = |list: &mut ListTasksRequest| list.mine = true;
    let alerts = world.tasks(health(), at, mine).await;
    assert_eq!((kinds(&alerts), alerts[0].matter.as_str()), (vec![TaskKind::Alert], "fever-2020-02-11-evening"));
    let notice = AcknowledgeRequest {
        request_id: "notice-1".into(),
        order: order.clone(),
        matter: alerts[0].matter.clone(),
        remark: "已送发热门诊".into(),
    };
    let noticed = world.api.acknowledge(request(notice, health(), at)).await.unwrap().into_inner();
    assert!(noticed.unacknowledged.is_empty());
    assert!(world.tasks(health(), at, mine).await.is_empty());
    let unknown = AcknowledgeRequest { request_id: "notice-2".into(), order, matter: "x".into(), ..Default::default() };
    let refused = world.api.acknowledge(request(unknown, health(), at)).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "NO_SUCH_MATTER");
}

#[tokio::test]
async fn rows_of_a_round_are_taken_or_refused_and_taken_once() {
    let (world, order) = World::isolated().await;
    let at = "2020-02-12T09:00";
    let round = || {
        vec![
            reading(&order, "2020-02-11", DayPart::Evening, 365),
            reading(&order, "2020-02-12", DayPart::Evening, 365),
            reading(&order, "2020-02-12", DayPart::Morning, 999),
            reading("orders/nobody", "2020-02-12", DayPart::Morning, 365),
            reading(&order, "2020-02-12", DayPart::Morning, 366),
        ]
    };
    let first = world.round("1", at, round()).await;
    let refused: Vec<(i32, &str)> = first.refused.iter().map(|row| (row.index, row.reason.as_str())).collect();
    assert_eq!(first.taken, 2);
    assert_eq!(refused, [(1, "FIELD_INVALID"), (2, "FIELD_INVALID"), (3, "NOT_FOUND")]);
    assert!(first.refused[1].message_en.contains("temperature_decicelsius"), "{}", first.refused[1].message_en);
    let head = world.ledger.log().head().await.unwrap().position;
    assert_eq!(world.round("1", at, round()).await, first);
    assert_eq!(world.ledger.log().head().await.unwrap().position, head);
    let foreign = RecordObservationsRequest { request_id: "round-foreign".into(), readings: round() };
    let foreign = world.api.record_observations(request(foreign, stranger(), at)).await.unwrap().into_inner();
    assert_eq!((foreign.taken, foreign.refused.len()), (0, 5));
    let empty = RecordObservationsRequest { request_id: "round-empty".into(), readings: Vec::new() };
    assert!(world.api.record_observations(request(empty, director(), at)).await.is_err());
}

#[tokio::test]
async fn a_corrected_reading_is_a_new_fact_and_one_that_never_changes_is_doubted() {
    let (world, order) = World::isolated().await;
    world.observe(&order, "2020-02-11", DayPart::Evening, 381).await.unwrap();
    world.observe(&order, "2020-02-11", DayPart::Evening, 365).await.unwrap();
    for day in 12..=14 {
        for part in [DayPart::Morning, DayPart::Evening] {
            world.observe(&order, &format!("2020-02-{day}"), part, 365).await.unwrap();
        }
    }
    let list = ListObservationsRequest { parent: order };
    let list = world.api.list_observations(request(list, director(), "2020-02-15T09:00")).await.unwrap().into_inner();
    let said: Vec<(i32, bool)> =
        list.observations.iter().map(|it| (it.temperature_decicelsius, it.corrected)).collect();
    assert_eq!(said[..2], [(381, true), (365, false)]);
    let doubted: Vec<bool> = list.observations.iter().map(|it| it.doubt != 0).collect();
    assert_eq!(doubted, [false, false, false, false, false, false, false, true]);
}

#[tokio::test]
async fn the_person_reports_with_a_code_and_nobody_without() {
    let (world, order) = World::isolated().await;
    let open = || {
        let mut open = OpenReportingCodeRequest { request_id: "code-0001".into(), order: order.clone(), reporter: 0 };
        open.set_reporter(Reporter::Person);
        world.api.open_reporting_code(request(open, director(), "2020-02-11T20:40"))
    };
    let code = open().await.unwrap().into_inner().code;
    assert_eq!(open().await.unwrap().into_inner().code, code, "said again, it is the same");
    assert_eq!(code.len(), 10);
    let report = |code: &str, time: &str| {
        let report = ReportObservationRequest {
            request_id: format!("report-{}", time.replace('T', "-")),
            code: code.into(),
            temperature_decicelsius: 368,
            symptoms: Vec::new(),
        };
        world.api.report_observation(request(report, Principal::nobody(), time))
    };
    let typed = format!("{}-{}", &code[..5].to_lowercase(), &code[5..]);
    let receipt = report(&typed, "2020-02-11T20:41").await.unwrap().into_inner();
    assert_eq!(
        (receipt.date.as_str(), receipt.day_part(), receipt.fever_or_symptoms),
        ("2020-02-11", DayPart::Evening, false)
    );
    for (code, time) in [("0000000000", "2020-02-11T20:42"), (code.as_str(), "2020-02-12T20:40")] {
        assert_eq!(Spoken::from(&report(code, time).await.unwrap_err()).reason, "CODE_SPENT");
    }
    let night = report(&code, "2020-02-12T03:00").await.unwrap_err();
    assert_eq!(Spoken::from(&night).fields[0].field, "date");
    let list = ListObservationsRequest { parent: order };
    let list = world.api.list_observations(request(list, director(), "2020-02-12T09:00")).await.unwrap().into_inner();
    assert_eq!((list.observations.len(), list.observations[0].reporter()), (1, Reporter::Person));
    assert_eq!(list.observations[0].recorded_by, "residents/r1");
}

#[tokio::test]
async fn whoever_edits_second_reads_what_the_first_one_did() {
    let (world, order) = World::isolated().await;
    let at = "2020-02-12T09:00";
    let etag = world.order(order.trim_start_matches("orders/"), at).await.etag;
    let check = CheckHomeRequest {
        request_id: "home-0001".into(),
        order: order.clone(),
        etag: etag.clone(),
        home: Home::OwnRoom.into(),
        cohabitants: vec!["residents/r2".into()],
    };
    world.api.check_home(request(check, director(), at)).await.unwrap();
    let prove = |id: &str, etag: String| {
        let prove = ProveDayZeroRequest {
            request_id: format!("proof-000{id}"),
            order: order.clone(),
            etag,
            day_zero: "2020-02-06".into(),
            evidence_ids: vec!["火车票".into()],
        };
        world.api.prove_day_zero(request(prove, health(), at))
    };
    let stale = prove("1", etag).await.unwrap_err();
    let said = Spoken::from(&stale);
    assert_eq!((stale.code(), said.reason.as_str()), (Code::Aborted, "STALE"));
    assert_eq!(said.metadata["changed"], "staff/1: home checked: an own room");
    assert!(said.zh.contains("居家条件：单间"), "{}", said.zh);
    let proved = prove("2", String::new()).await.unwrap().into_inner();
    assert_eq!((proved.last_day.as_str(), proved.cohabitants.as_slice()), ("2020-02-20", &["residents/r2".into()][..]));
}
