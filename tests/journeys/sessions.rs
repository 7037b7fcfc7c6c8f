//! An evening's round: opened for a compound, people screened in it, one taken to isolation, closed; what came of it is counted,
//! timed, handed out as a file, and nobody else's to see.

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    isolation::v1::{
        HandOverRequest, ListOrdersRequest, Order, isolation_service_client::IsolationServiceClient, order::State,
    },
    registry::v1::{AssignGridRequest, CreateGridRequest, Grid, Resident, grid_service_client::GridServiceClient},
    screening::v1::{
        ApproveMethodRequest, CloseSessionRequest, Declaration, DeclareRequest, DraftMethodRequest, GetCaseRequest,
        GetSessionRequest, ListSessionCasesRequest, ListSessionsRequest, Measure, OpenSessionRequest, Outcome,
        PublishMethodRequest, Session, screening_service_client::ScreeningServiceClient, session,
        session_service_client::SessionServiceClient,
    },
};
use screening::method_file::sample_content;
use tests::{
    House, once, time,
    village::{Stays, Village, compared},
};

const HOME: (&str, &str, &str) = ("宁波", "2020-01-01", "2020-02-10");
const WUHAN: (&str, &str, &str) = ("武汉", "2020-01-20", "2020-01-24");

struct Evening {
    house: House,
    village: Village,
}

impl Evening {
    async fn begin() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village }
    }

    fn worker(&self, at: &str) -> Connection {
        self.village.worker(&self.house).at(time(&format!("2020-02-11T{at}:00+08:00")))
    }

    fn sessions(&self, at: &str) -> SessionServiceClient<Connection> {
        SessionServiceClient::new(self.worker(at))
    }

    async fn resident(&self, building: &str, phone: &str) -> Resident {
        let resident = self.village.resident(&self.house, building, "王某", phone).await;
        self.house.settled().await;
        resident
    }

    async fn screened(&self, resident: &Resident, at: &str, seen: Stays<'_>) {
        let case = self.village.case_of(&self.house, resident).await;
        compared(self.worker(at), case, &[], seen).await;
        self.house.settled().await;
    }

    async fn declared(&self, resident: &Resident, at: &str) {
        let case = self.village.case_of(&self.house, resident).await;
        let declaration = Some(Declaration { people: 1, health: "良好".into(), ..Declaration::default() });
        let request = DeclareRequest { request_id: new_request_id(), case, declaration };
        ScreeningServiceClient::new(self.worker(at)).declare(request).await.unwrap();
    }

    async fn open(&self, place: &str, at: &str) -> Result<Session, tonic::Status> {
        let staff = vec!["staff/12".into(), "staff/worker".into()];
        let request = OpenSessionRequest { request_id: new_request_id(), place: place.into(), staff };
        self.sessions(at).open_session(request).await.map(tonic::Response::into_inner)
    }

    async fn close(&self, session: &Session, at: &str) -> Session {
        let request = CloseSessionRequest { request_id: new_request_id(), name: session.name.clone() };
        self.sessions(at).close_session(request).await.unwrap().into_inner()
    }

    async fn shown(&self, session: &Session) -> Session {
        let request = GetSessionRequest { name: session.name.clone() };
        self.sessions("23:00").get_session(request).await.unwrap().into_inner()
    }

    /// 湖北 is no key area any more; waits until that has reached somebody.
    async fn published_without_hubei(&self, at: &str, resident: &Resident) {
        let at = time(&format!("2020-02-11T{at}:00+08:00"));
        let mut content = sample_content();
        content.key_areas.retain(|area| area.place != "420000");
        let mut officer =
            ScreeningServiceClient::new(self.house.central("staff/officer", Role::Officer, "subdistrict").at(at));
        let draft =
            DraftMethodRequest { request_id: new_request_id(), version: "2020-02-12".into(), content: Some(content) };
        let name = officer.draft_method(draft).await.unwrap().into_inner().name;
        let health = self.house.central("staff/health", Role::Health, "health").at(at);
        let approve = ApproveMethodRequest { request_id: new_request_id(), name: name.clone() };
        ScreeningServiceClient::new(health).approve_method(approve).await.unwrap();
        let publish = PublishMethodRequest { request_id: new_request_id(), name: name.clone(), in_force_time: None };
        officer.publish_method(publish).await.unwrap();
        let case = self.village.case_of(&self.house, resident).await;
        let judged = async || {
            let request = GetCaseRequest { name: case.clone() };
            let shown = ScreeningServiceClient::new(self.worker("23:20")).get_case(request).await.unwrap();
            shown.into_inner().verdict.filter(|verdict| verdict.method == name)
        };
        once("nobody was judged anew", judged).await;
        self.house.settled().await;
    }

    async fn order(&self, resident: &Resident) -> Order {
        let parent = resident.name.clone();
        let request = ListOrdersRequest { parent, state: State::InForce.into(), ..ListOrdersRequest::default() };
        let mut desk = IsolationServiceClient::new(self.worker("23:00"));
        desk.list_orders(request).await.unwrap().into_inner().orders.remove(0)
    }
}

fn taken(order: &Order) -> HandOverRequest {
    HandOverRequest {
        request_id: new_request_id(),
        order: order.name.clone(),
        receiver: "区疾控李医生".into(),
        vehicle: "浙B12345".into(),
        receipt: "交接单-8".into(),
        place: "集中隔离点A".into(),
        handed_by: "社工王".into(),
        leave_time: Some(chassis::timestamp(time("2020-02-11T21:30:00+08:00"))),
        receive_time: Some(chassis::timestamp(time("2020-02-11T22:10:00+08:00"))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evening_has_its_counts_its_times_and_who_was_taken_to_isolation() {
    let evening = Evening::begin().await;
    let clean = evening.resident("1幢", "13900000001").await;
    let key = evening.resident("2幢", "13900000002").await;
    let before = evening.resident("3幢", "13900000003").await;
    let waiting = evening.resident("4幢", "13900000004").await;
    evening.screened(&before, "13:00", &[HOME]).await;

    let place = evening.village.compound.clone();
    let session = evening.open(&place, "14:00").await.unwrap();
    assert_eq!(session.staff, ["staff/worker", "staff/12"], "whoever opens it is on it, and nobody twice");
    let twice = Spoken::from(&evening.open(&place, "14:01").await.unwrap_err());
    assert_eq!(twice.reason, "SESSION_OPEN");
    evening.declared(&clean, "14:10").await;
    evening.screened(&clean, "14:14", &[HOME]).await;
    evening.screened(&key, "15:00", &[HOME, WUHAN]).await;
    evening.declared(&waiting, "15:30").await;

    let order = evening.order(&key).await;
    let mut desk = IsolationServiceClient::new(evening.worker("22:20"));
    for (wrong, field) in [
        (HandOverRequest { handed_by: "区疾控李医生".into(), ..taken(&order) }, "handed_by"),
        (
            HandOverRequest {
                leave_time: taken(&order).receive_time,
                receive_time: taken(&order).leave_time,
                ..taken(&order)
            },
            "leave_time",
        ),
        (
            HandOverRequest {
                receive_time: Some(chassis::timestamp(time("2020-02-11T23:10:00+08:00"))),
                ..taken(&order)
            },
            "receive_time",
        ),
        (
            HandOverRequest {
                leave_time: Some(chassis::timestamp(time("2020-02-01T20:10:00+08:00"))),
                ..taken(&order)
            },
            "leave_time",
        ),
    ] {
        let refused = Spoken::from(&desk.hand_over(wrong).await.unwrap_err());
        assert_eq!(refused.fields.first().map(|wrong| wrong.field.as_str()), Some(field), "{refused:?}");
    }
    let done = desk.hand_over(taken(&order)).await.unwrap().into_inner().hand_over.unwrap();
    assert_eq!((done.handed_by.as_str(), done.place.as_str()), ("社工王", "集中隔离点A"));
    evening.close(&session, "22:30").await;
    evening.screened(&waiting, "22:40", &[HOME]).await;

    let shown = evening.shown(&session).await;
    assert_eq!((shown.state(), shown.display_name.as_str()), (session::State::Closed, "长丰二村"));
    let figures = shown.figures.unwrap();
    assert_eq!((figures.cases, figures.households, figures.assessed, figures.left_open), (3, 3, 2, 1));
    let outcomes: Vec<(Outcome, i32)> = figures.outcomes.iter().map(|one| (one.outcome(), one.cases)).collect();
    assert_eq!(outcomes, [(Outcome::Clear, 1), (Outcome::ConcealedKeyArea, 1)]);
    let measures: Vec<(Measure, i32)> = figures.measures.iter().map(|one| (one.measure(), one.cases)).collect();
    assert_eq!(measures, [(Measure::None, 1), (Measure::Central, 1)]);
    assert_eq!((figures.longest_seconds, figures.handed_over), (240, 1));
    let taken = &shown.hand_overs[0];
    assert_eq!((&taken.order, &taken.resident), (&order.name, &key.name));
    assert_eq!((taken.handed_by.as_str(), taken.receiver.as_str()), ("社工王", "区疾控李医生"));

    let request = ListSessionCasesRequest { parent: session.name.clone(), page_size: 2, ..Default::default() };
    let page = evening.sessions("23:00").list_session_cases(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.cases.iter().map(|case| case.seconds).collect::<Vec<_>>(), [240, 0]);
    let request = ListSessionCasesRequest { page_token: page.next_page_token, ..request };
    let last = evening.sessions("23:00").list_session_cases(request).await.unwrap().into_inner();
    assert_eq!(last.cases.len(), 1);
    assert!(last.cases[0].verdict_time.is_none() && last.next_page_token.is_empty(), "left open");
    let night = evening.open(&place, "23:05").await.expect("the place is free again");
    evening.published_without_hubei("23:10", &key).await;
    let figures = evening.shown(&night).await.figures.unwrap();
    assert_eq!((figures.cases, figures.assessed), (0, 0), "what another method says is nobody's work");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_grid_has_the_cases_of_its_buildings_and_is_its_own_neighbourhoods() {
    let evening = Evening::begin().await;
    let director = evening.house.local("staff/director", Role::Director, &evening.village.neighbourhood);
    let mut grids = GridServiceClient::new(director);
    let grid = Grid {
        display_name: "第一网格".into(),
        neighbourhood: evening.village.neighbourhood.clone(),
        ..Grid::default()
    };
    let create = CreateGridRequest { request_id: new_request_id(), grid: Some(grid) };
    let grid = grids.create_grid(create).await.unwrap().into_inner().name;
    let inside = evening.resident("1幢", "13900000001").await;
    evening.house.settled().await;
    let session = evening.open(&grid, "14:00").await.unwrap();
    evening.screened(&inside, "14:10", &[HOME]).await;
    assert_eq!(evening.shown(&session).await.figures.unwrap().cases, 0, "it belongs to no grid yet");
    let assign = AssignGridRequest {
        request_id: new_request_id(),
        grid: grid.clone(),
        compound: evening.village.compound.clone(),
        building: String::new(),
    };
    grids.assign_grid(assign).await.unwrap();
    evening.house.settled().await;
    assert_eq!(evening.shown(&session).await.figures.unwrap().cases, 1);

    let other = Village::found(&evening.house, "330212002002").await;
    let mut stranger = SessionServiceClient::new(other.worker(&evening.house));
    let get = GetSessionRequest { name: session.name.clone() };
    assert_eq!(Spoken::from(&stranger.get_session(get).await.unwrap_err()).reason, "NOT_FOUND");
    let close = CloseSessionRequest { request_id: new_request_id(), name: session.name.clone() };
    assert_eq!(Spoken::from(&stranger.close_session(close).await.unwrap_err()).reason, "NOT_FOUND");
    let open = OpenSessionRequest { request_id: new_request_id(), place: grid, staff: Vec::new() };
    assert_eq!(Spoken::from(&stranger.open_session(open).await.unwrap_err()).reason, "NOT_FOUND");
    let cases = ListSessionCasesRequest { parent: session.name.clone(), ..Default::default() };
    assert_eq!(Spoken::from(&stranger.list_session_cases(cases).await.unwrap_err()).reason, "NOT_FOUND");
    let listed = stranger.list_sessions(ListSessionsRequest::default()).await.unwrap().into_inner();
    assert!(listed.sessions.is_empty());
}
