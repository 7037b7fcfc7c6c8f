//! The command centre: what is known now and was known at any past minute, whom each number counts, what an auditor does not see;
//! and a log that is away for an hour, after which every minute of that hour is as it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
    timestamp,
};
use chrono::{DateTime, TimeDelta, Utc};
use mifeng::wiring::{Plan, Service};
use proto::{
    access::v1::Role,
    command::v1::{
        CompareOverviewsRequest, Figures, GetOverviewRequest, GetSeriesRequest, ListCountedRequest, ListSupplyRequest,
        Overview, RebuildRequest, RecountRequest, WatchOverviewRequest, command_service_client::CommandServiceClient,
    },
    isolation::v1::{DonateRequest, Quantity, Unit, stock_service_client::StockServiceClient},
    pass::v1::{
        Direction, Manual, RecordCrossingRequest, pass_service_client::PassServiceClient,
        record_crossing_request::Identity,
    },
    registry::v1::Resident,
};
use tempfile::TempDir;
use tests::{
    House,
    line::{Condition, Line},
    once, plan, time,
    village::Village,
};

const HOME: (&str, &str, &str) = ("宁波", "2020-01-01", "2020-02-10");
const NOON: &str = "2020-02-11T12:00:00+08:00";
const AFTERNOON: &str = "2020-02-11T15:00:00+08:00";

/// One of two neighbourhoods has a resident, who came from Wuhan and said nothing of it: screened at two in the afternoon.
struct Street {
    house: House,
    village: Village,
    other: Village,
    resident: Resident,
}

impl Street {
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        let other = Village::found(&house, "330212002002").await;
        village.publish_method(&house).await;
        let resident = village.resident(&house, "1幢", "王小明", "13900000001").await;
        house.settled().await;
        village.screened(&house, &resident, &[HOME, ("武汉", "2020-01-30", "2020-02-01")]).await;
        house.settled().await;
        Self { house, village, other, resident }
    }

    fn officer(&self) -> CommandServiceClient<Connection> {
        CommandServiceClient::new(self.house.central("staff/officer", Role::Officer, "subdistrict").at(time(AFTERNOON)))
    }

    fn worker(&self) -> CommandServiceClient<Connection> {
        CommandServiceClient::new(self.village.worker(&self.house).at(time(AFTERNOON)))
    }

    fn of(&self, overview: &Overview) -> Figures {
        let found = overview.neighbourhoods.iter().find(|one| one.name == self.village.neighbourhood);
        found.unwrap().figures.unwrap()
    }
}

async fn as_of(mut client: CommandServiceClient<Connection>, at: Option<DateTime<Utc>>) -> Overview {
    let request = GetOverviewRequest { time: at.map(timestamp) };
    client.get_overview(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_minute_shows_what_was_known_then_and_two_are_compared() {
    let street = Street::open().await;
    let (noon, now) = (as_of(street.officer(), Some(time(NOON))).await, as_of(street.officer(), None).await);
    assert_eq!((street.of(&noon).residents, street.of(&noon).screened), (1, 0));
    assert_eq!((street.of(&now).concealed, street.of(&now).central_isolation_persons), (1, 1));
    assert_eq!((noon.method.as_str(), now.subdistrict.unwrap().concealed), ("methods/2020-02-09", 1));

    let request = CompareOverviewsRequest { time: Some(timestamp(time(NOON))), other_time: None };
    let changes = street.officer().compare_overviews(request).await.unwrap().into_inner().changes;
    let concealed: Vec<_> = changes.iter().filter(|change| change.figure == "concealed").collect();
    assert_eq!(concealed.len(), 2, "of the neighbourhood and of the subdistrict: {changes:?}");
    assert!(concealed.iter().all(|change| (change.before, change.after) == (0, 1)));

    let request = GetSeriesRequest {
        figure: "screened".into(),
        neighbourhood: street.village.neighbourhood.clone(),
        start_time: Some(timestamp(time("2020-02-11T12:30:00+08:00"))),
        end_time: Some(timestamp(time("2020-02-11T14:45:00+08:00"))),
        step_minutes: 60,
    };
    let points = street.officer().get_series(request).await.unwrap().into_inner().points;
    assert_eq!(points.iter().map(|point| point.value).collect::<Vec<_>>(), [0, 0, 1]);

    for at in [Some(timestamp(time(NOON))), Some(timestamp(time("2020-02-11T14:30:00+08:00"))), None] {
        let recount = street.officer().recount(RecountRequest { time: at }).await.unwrap().into_inner();
        assert!(recount.equal && recount.records > 0, "{at:?}: {:?}", recount.differences);
    }
    let tomorrow = GetOverviewRequest { time: Some(timestamp(time("2020-02-12T12:00:00+08:00"))) };
    let refused = street.officer().get_overview(tomorrow).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "FIELD_INVALID", "nobody knows what will be known");

    let rebuilt = street.officer().rebuild(RebuildRequest { request_id: new_request_id() }).await.unwrap().into_inner();
    assert_eq!(rebuilt.differences, []);
    assert_eq!(as_of(street.officer(), Some(time(NOON))).await, noon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_leads_to_its_list_for_those_who_may_see_it() {
    let street = Street::open().await;
    let list = |figure: &str, neighbourhood: &str| ListCountedRequest {
        figure: figure.into(),
        neighbourhood: neighbourhood.into(),
        ..ListCountedRequest::default()
    };
    let (own, foreign) = (street.village.neighbourhood.clone(), street.other.neighbourhood.clone());
    let counted = street.worker().list_counted(list("concealed", &own)).await.unwrap().into_inner();
    assert_eq!(counted.names, std::slice::from_ref(&street.resident.name));
    for elsewhere in [foreign.as_str(), "neighbourhoods/0190aaaa-0000-7000-8000-000000000000"] {
        let refused = street.worker().list_counted(list("concealed", elsewhere)).await.unwrap_err();
        assert_eq!(Spoken::from(&refused).reason, "NOT_FOUND", "{elsewhere}");
    }
    let nobody = street.officer().list_counted(list("concealed", &foreign)).await.unwrap().into_inner();
    assert_eq!(nobody.names, Vec::<String>::new());
    let refused = street.worker().list_counted(list("crossings", &own)).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "NOT_LISTED");

    let auditor = street.house.central("staff/auditor", Role::Auditor, "subdistrict").at(time(AFTERNOON));
    let mut auditor = CommandServiceClient::new(auditor);
    assert!(auditor.list_counted(list("concealed", &own)).await.is_err(), "an auditor sees no people");
    let shown = as_of(auditor.clone(), None).await;
    let one = shown.neighbourhoods.iter().find(|one| one.name == own).unwrap();
    assert!(one.hidden.contains(&"concealed".to_owned()), "one is under five: {:?}", one.hidden);
    assert_eq!((one.figures.unwrap().concealed, one.figures.unwrap().residents), (0, 1));
    let request = GetSeriesRequest {
        figure: "concealed".into(),
        start_time: Some(timestamp(time("2020-02-11T14:30:00+08:00"))),
        end_time: Some(timestamp(time("2020-02-11T14:30:00+08:00"))),
        ..GetSeriesRequest::default()
    };
    let points = auditor.get_series(request).await.unwrap().into_inner().points;
    assert_eq!(points.iter().map(|point| (point.value, point.hidden)).collect::<Vec<_>>(), [(0, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_goes_on_from_where_they_stood_and_sees_stock_come() {
    let street = Street::open().await;
    let mut watched = street.officer().watch_overview(WatchOverviewRequest::default()).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    let donate = DonateRequest {
        request_id: new_request_id(),
        place: street.village.compound.clone(),
        item: "口罩".into(),
        quantity: Some(Quantity { number: "200".into(), unit: Unit::Piece.into() }),
        ..DonateRequest::default()
    };
    let stock = street.village.worker(&street.house).at(time("2020-02-11T15:10:00+08:00"));
    StockServiceClient::new(stock).donate(donate).await.unwrap();
    let second = watched.message().await.unwrap().unwrap();
    assert_eq!((first.subdistrict.unwrap().donations, second.subdistrict.unwrap().donations), (0, 1));
    drop(watched);
    // Somebody who has seen the second one sees it not again.
    let resume = WatchOverviewRequest { positions: second.positions.clone() };
    let mut resumed = street.officer().watch_overview(resume).await.unwrap().into_inner();
    street.village.household(&street.house, "9幢").await;
    let third = resumed.message().await.unwrap().unwrap();
    assert!(third.positions["registry"] > second.positions["registry"]);
    assert_eq!(third.subdistrict.unwrap().households, 2);

    let supplies = street.worker().list_supply(ListSupplyRequest::default()).await.unwrap().into_inner().supplies;
    let lines: Vec<_> = supplies.iter().map(|line| (line.item.as_str(), line.stock)).collect();
    assert_eq!(lines, [("口罩", 200)]);
    let elsewhere = street.other.worker(&street.house).at(time(AFTERNOON));
    let supplies = CommandServiceClient::new(elsewhere).list_supply(ListSupplyRequest::default()).await.unwrap();
    assert_eq!(supplies.into_inner().supplies, [], "another neighbourhood's stock is nobody's business there");

    let mut request = ListCountedRequest {
        figure: "households".into(),
        neighbourhood: street.village.neighbourhood.clone(),
        page_size: 1,
        page_token: String::new(),
    };
    let mut listed = BTreeSet::new();
    for _ in 0..2 {
        let page = street.officer().list_counted(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.names.len(), 1);
        listed.extend(page.names);
        request.page_token = page.next_page_token;
    }
    assert_eq!((listed.len(), request.page_token.as_str()), (2, ""), "each household is on one page");
}

/// The services that decide, and the command centre in a process of its own, which hears of the gates over a line.
struct Apart {
    deciders: House,
    centre: House,
    line: Line,
}

impl Apart {
    async fn start(folder: &Path) -> Self {
        let secret = folder.join("secret");
        std::fs::write(&secret, [7; 32]).unwrap();
        let services = |services: &'static [Service], peers: BTreeMap<String, Vec<String>>| {
            let secret = secret.clone();
            move |data: &Path| Plan {
                services: services.to_vec(),
                secret_file: Some(secret.clone()),
                peers: peers.clone(),
                ..plan(data)
            }
        };
        let deciding = &[Service::Registry, Service::Screening, Service::Pass, Service::Isolation, Service::Office];
        let deciders = House::planned(TempDir::new().unwrap(), services(deciding, BTreeMap::new())).await;
        let (_, port) = deciders.address().rsplit_once(':').unwrap();
        let line = Line::to(port.parse().unwrap()).await;
        let address = |log: &str| match log {
            "pass" => format!("http://127.0.0.1:{}", line.port()),
            _ => deciders.address().to_owned(),
        };
        let logs = ["registry", "screening", "pass", "isolation"];
        let peers = logs.map(|log| (log.to_owned(), vec![address(log)])).into();
        let centre = House::planned(TempDir::new().unwrap(), services(&[Service::Command], peers)).await;
        Self { deciders, centre, line }
    }

    async fn crossed(&self, village: &Village, resident: &Resident, minutes: i64) {
        let at = time("2020-02-12T03:00:00+08:00") + TimeDelta::minutes(minutes);
        let manual = Manual { resident: resident.name.clone(), reason: "手机没电".into() };
        let crossing = RecordCrossingRequest {
            request_id: new_request_id(),
            gate: village.gate.clone(),
            direction: if minutes % 2 == 0 { Direction::Out } else { Direction::In }.into(),
            cross_time: None,
            temperature_decicelsius: 365,
            mask: true,
            identity: Some(Identity::Manual(manual)),
        };
        let guard = self.deciders.guard("device/1", &village.neighbourhood, &village.gate).at(at);
        PassServiceClient::new(guard).record_crossing(crossing).await.unwrap();
    }

    fn officer(&self, minutes: i64) -> CommandServiceClient<Connection> {
        let at = time("2020-02-12T03:00:00+08:00") + TimeDelta::minutes(minutes);
        CommandServiceClient::new(self.centre.central("staff/officer", Role::Officer, "subdistrict").at(at))
    }

    /// The sums, once the centre knows what the logs held when it began.
    async fn sums(&self, minutes: i64) -> Option<Figures> {
        let overview = self.officer(minutes).get_overview(GetOverviewRequest::default()).await.ok()?;
        overview.into_inner().subdistrict
    }

    async fn crossings(&self, minutes: i64, expected: i64) -> Option<()> {
        (self.sums(minutes).await?.crossings == expected).then_some(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_away_for_an_hour_leaves_no_minute_of_it_wrong() {
    let folder = TempDir::new().unwrap();
    let apart = Apart::start(folder.path()).await;
    let village = Village::found(&apart.deciders, "330212002001").await;
    village.publish_method(&apart.deciders).await;
    let resident = village.resident(&apart.deciders, "1幢", "王小明", "13900000001").await;
    apart.deciders.settled().await;
    apart.crossed(&village, &resident, 0).await;
    once("the first crossing is not shown", async || apart.crossings(0, 1).await).await;

    apart.line.put(Condition::Cut);
    let mut crossed: Vec<i64> = vec![0];
    for minutes in (3..60).step_by(5) {
        apart.crossed(&village, &resident, minutes).await;
        crossed.push(minutes);
    }
    // The other logs are heard all the time.
    village.household(&apart.deciders, "2幢").await;
    let households = async || {
        let shown = apart.sums(60).await?;
        (shown.households == 2).then_some(shown.crossings)
    };
    assert_eq!(once("the registry is not heard", households).await, 1, "nothing is known of the gates");

    apart.line.put(Condition::Sound);
    let all = i64::try_from(crossed.len()).unwrap();
    once("the gates are not heard again", async || apart.crossings(60, all).await).await;
    for minutes in 0..=60 {
        let at = time("2020-02-12T03:00:00+08:00") + TimeDelta::minutes(minutes);
        let shown = as_of(apart.officer(60), Some(at)).await.subdistrict.unwrap().crossings;
        let known = crossed.iter().filter(|crossed| **crossed <= minutes).count();
        assert_eq!(shown, i64::try_from(known).unwrap(), "as of minute {minutes}");
        let request = RecountRequest { time: Some(timestamp(at)) };
        let recount = apart.officer(60).recount(request).await.unwrap().into_inner();
        assert!(recount.equal, "as of minute {minutes}: {:?}", recount.differences);
    }
    let recount = apart.officer(60).recount(RecountRequest::default()).await.unwrap().into_inner();
    assert!(recount.equal, "{:?}", recount.differences);
    apart.centre.end().await;
    apart.deciders.end().await;
}
