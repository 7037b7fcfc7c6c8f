//! A day at two gates: who is inside and of how many, what each hour saw, and what tomorrow will look like. Nobody is guessed
//! to be anywhere, and a crossing that is reported late counts when it was.

use chassis::{client::new_request_id, refusal::Spoken};
use proto::{
    access::v1::Role,
    event::v1::{RebuildViewsRequest, event_log_service_client::EventLogServiceClient},
    pass::v1::{
        Direction, GetForecastRequest, GetGateHoursRequest, GetOccupancyRequest, HourCount, ListPresencesRequest,
        Manual, Occupancy, Presence, RecordCrossingRequest, Visitor, Whereabouts, nameless::Kind,
        pass_service_client::PassServiceClient, presence_service_client::PresenceServiceClient,
        record_crossing_request::Identity, visitor::Exception,
    },
    registry::v1::{AddGateRequest, MoveOutResidentRequest, registry_service_client::RegistryServiceClient},
};
use tests::{House, time, village::Village};

struct Street {
    house: House,
    village: Village,
    second_gate: String,
}

/// A passage of the day.
struct Passage<'a> {
    gate: &'a str,
    direction: Direction,
    who: Identity,
    decicelsius: i32,
    /// When it was, and when the centre heard of it.
    at: &'a str,
    heard: &'a str,
}

impl Street {
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let director = house.local("staff/director", Role::Director, &village.neighbourhood);
        let gate = AddGateRequest {
            request_id: new_request_id(),
            compound: village.compound.clone(),
            display_name: "西门".into(),
            etag: String::new(),
        };
        let compound = RegistryServiceClient::new(director).add_gate(gate).await.unwrap().into_inner();
        let second_gate = compound.gates.into_iter().map(|gate| gate.name).find(|gate| *gate != village.gate).unwrap();
        Self { house, village, second_gate }
    }

    async fn passes(&self, passage: Passage<'_>) {
        let worker = self.village.worker(&self.house).at(time(passage.heard));
        let request = RecordCrossingRequest {
            request_id: new_request_id(),
            gate: passage.gate.to_owned(),
            direction: passage.direction.into(),
            cross_time: Some(chassis::timestamp(time(passage.at))),
            temperature_decicelsius: passage.decicelsius,
            mask: true,
            identity: Some(passage.who),
        };
        PassServiceClient::new(worker).record_crossing(request).await.unwrap();
    }

    async fn through(&self, gate: &str, direction: Direction, who: Identity, at: &str) {
        self.passes(Passage { gate, direction, who, decicelsius: 365, at, heard: at }).await;
    }

    fn figures(&self, at: &str) -> PresenceServiceClient<chassis::client::Connection> {
        PresenceServiceClient::new(self.village.worker(&self.house).at(time(at)))
    }

    async fn occupancy(&self) -> Occupancy {
        let request = GetOccupancyRequest { compound: self.village.compound.clone() };
        self.figures("2020-02-11T20:00:00+08:00").get_occupancy(request).await.unwrap().into_inner()
    }

    async fn presences(&self, whereabouts: Whereabouts, gate: &str) -> Vec<Presence> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListPresencesRequest {
                parent: self.village.compound.clone(),
                gate: gate.to_owned(),
                whereabouts: whereabouts.into(),
                page_size: 1,
                page_token,
            };
            let page = self.figures("2020-02-11T20:00:00+08:00").list_presences(request).await.unwrap().into_inner();
            all.extend(page.presences);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }
}

fn face(resident: &str) -> Identity {
    Identity::Manual(Manual { resident: resident.to_owned(), reason: "没有带手机".into() })
}

fn visitor(exception: Exception) -> Identity {
    Identity::Visitor(Visitor { exception: exception.into(), guarantor: String::new() })
}

fn hour(hour: i32, [entered, left, refused, fevers]: [i64; 4]) -> HourCount {
    HourCount { hour, entered, left, refused, fevers }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_inside_is_said_with_how_many_there_are_and_how_many_nobody_has_seen() {
    let street = Street::open().await;
    let (east, west) = (street.village.gate.as_str(), street.second_gate.as_str());
    let mut residents = Vec::new();
    for (building, name) in [("1幢", "王小明"), ("2幢", "李四"), ("3幢", "赵六")] {
        let resident =
            street.village.resident(&street.house, building, name, &format!("1390000000{building}")[..11]).await;
        residents.push(resident.name);
    }
    let [wang, li, zhao] = &residents[..] else { panic!("three residents") };
    let unseen = street.occupancy().await;
    assert_eq!((unseen.residents, unseen.unknown, unseen.inside), (3, 3, 0), "nobody is guessed to be at home");

    street.through(east, Direction::Out, face(wang), "2020-02-11T07:10:00+08:00").await;
    let feverish = Passage {
        gate: west,
        direction: Direction::In,
        who: face(wang),
        decicelsius: 375,
        at: "2020-02-11T09:30:00+08:00",
        heard: "2020-02-11T09:30:00+08:00",
    };
    street.passes(feverish).await;
    street.through(east, Direction::Out, face(li), "2020-02-11T10:00:00+08:00").await;
    // Heard of last, and long over when he came back.
    let late = Passage {
        gate: east,
        direction: Direction::Out,
        who: face(wang),
        decicelsius: 366,
        at: "2020-02-11T09:00:00+08:00",
        heard: "2020-02-11T11:00:00+08:00",
    };
    street.passes(late).await;
    for (direction, at) in [(Direction::In, "13:00"), (Direction::In, "13:05"), (Direction::Out, "15:00")] {
        street.through(east, direction, visitor(Exception::Inspector), &format!("2020-02-11T{at}:00+08:00")).await;
    }
    street.through(east, Direction::In, visitor(Exception::None), "2020-02-11T13:10:00+08:00").await;

    let counted = street.occupancy().await;
    assert_eq!((counted.residents, counted.inside, counted.outside, counted.unknown), (3, 1, 1, 1), "{counted:?}");
    assert_eq!(counted.by_hand, 2);
    let mut shares: Vec<(&str, i32, i32)> =
        counted.gates.iter().map(|share| (share.gate.as_str(), share.inside, share.outside)).collect();
    shares.sort_by_key(|share| share.1);
    assert_eq!(shares, [(east, 0, 1), (west, 1, 0)]);
    let nameless = counted.nameless.iter().map(|nameless| (nameless.kind(), nameless.entered, nameless.inside));
    assert_eq!(nameless.collect::<Vec<_>>(), [(Kind::Inspector, 2, 1)], "who was turned away is not inside");

    let of = |presences: Vec<Presence>| presences.into_iter().map(|presence| presence.resident).collect::<Vec<_>>();
    assert_eq!(of(street.presences(Whereabouts::Inside, "").await), [wang.as_str()]);
    assert_eq!(of(street.presences(Whereabouts::Outside, "").await), [li.as_str()]);
    assert_eq!(of(street.presences(Whereabouts::Unknown, "").await), [zhao.as_str()]);
    assert_eq!(of(street.presences(Whereabouts::Unspecified, east).await), [li.as_str()]);
    assert_eq!(street.presences(Whereabouts::Unspecified, "").await.len(), 3);
    let wang_is = street.presences(Whereabouts::Inside, "").await.remove(0);
    let since = wang_is.cross_time.as_ref().and_then(chassis::instant).unwrap();
    assert_eq!((since, wang_is.gate.as_str()), (time("2020-02-11T09:30:00+08:00"), west));

    let hours = GetGateHoursRequest { compound: street.village.compound.clone(), day: "2020-02-11".into() };
    let day = street.figures("2020-02-12T08:00:00+08:00").get_gate_hours(hours.clone()).await.unwrap().into_inner();
    let seen = |hours: &[HourCount]| {
        hours
            .iter()
            .filter(|hour| **hour != HourCount { hour: hour.hour, ..HourCount::default() })
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(day.hours.len(), 24);
    let expected = [
        hour(7, [0, 1, 0, 0]),
        hour(9, [1, 1, 0, 1]),
        hour(10, [0, 1, 0, 0]),
        hour(13, [2, 0, 1, 0]),
        hour(15, [0, 1, 0, 0]),
    ];
    assert_eq!(seen(&day.hours), expected, "in the hour in which it was, not in which it was heard of");
    assert_eq!(day.total, Some(hour(0, [3, 4, 1, 1])));
    let at_west = day.gates.iter().find(|gate| gate.gate == west).unwrap();
    assert_eq!(seen(&at_west.hours), [hour(9, [1, 0, 0, 1])]);

    // Made anew from the logs, all of it is the same.
    let administrator = street.house.central("staff/administrator", Role::Administrator, "subdistrict");
    let rebuild = RebuildViewsRequest { request_id: new_request_id(), log: "pass".into() };
    EventLogServiceClient::new(administrator).rebuild_views(rebuild).await.unwrap();
    assert_eq!(street.occupancy().await, counted);
    let again = street.figures("2020-02-12T08:00:00+08:00").get_gate_hours(hours).await.unwrap().into_inner();
    assert_eq!(again, day);

    let words = ["pass", "inside", "--compound", &street.village.compound];
    let token = street.house.token("staff/w", Role::Worker, "n", &street.village.neighbourhood, "");
    let (done, said) = street.house.desk(&token, &words).await;
    assert!(done && said.contains("of 3 residents: 1 inside, 1 outside, 1 never seen"), "{said}");
    let (done, said) = street.house.desk(&token, &[&words[..], &["--names"]].concat()).await;
    assert!(done && said.contains("王**") && !said.contains("王小明"), "masked: {said}");
    let day = ["pass", "hours", "--compound", &street.village.compound, "--day", "2020-02-11"];
    let (done, said) = street.house.desk(&token, &day).await;
    assert!(done && said.contains("西门") && said.contains("09:00"), "{said}");

    // Whoever moved out is nobody's resident any more.
    let mut registry = RegistryServiceClient::new(street.village.worker(&street.house));
    let leave = MoveOutResidentRequest { request_id: new_request_id(), name: zhao.clone(), etag: String::new() };
    registry.move_out_resident(leave).await.unwrap();
    let left = street.occupancy().await;
    assert_eq!((left.residents, left.inside, left.outside, left.unknown), (2, 1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_the_subdistricts_and_people_are_their_neighbourhoods() {
    let street = Street::open().await;
    let request = || GetOccupancyRequest { compound: street.village.compound.clone() };
    let list = || ListPresencesRequest { parent: street.village.compound.clone(), ..ListPresencesRequest::default() };
    for (role, unit) in [(Role::Officer, "subdistrict"), (Role::Health, "health"), (Role::Auditor, "audit")] {
        let mut client = PresenceServiceClient::new(street.house.central("staff/centre", role, unit));
        client.get_occupancy(request()).await.unwrap();
        let refused = client.list_presences(list()).await.unwrap_err();
        assert_eq!(Spoken::from(&refused).reason, "ROLE_NOT_ALLOWED", "{role:?}");
    }
    let elsewhere = street.house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere");
    let mut stranger = PresenceServiceClient::new(elsewhere);
    let nothing = "compounds/00000000-0000-5000-8000-000000000000".to_owned();
    let foreign = stranger.get_occupancy(request()).await.unwrap_err();
    let missing = stranger.get_occupancy(GetOccupancyRequest { compound: nothing.clone() }).await.unwrap_err();
    assert_eq!((foreign.message(), foreign.details()), (missing.message(), missing.details()));
    let day = |compound: String| GetGateHoursRequest { compound, day: "2020-02-11".into() };
    let foreign = stranger.get_gate_hours(day(street.village.compound.clone())).await.unwrap_err();
    assert_eq!((foreign.message(), foreign.details()), (missing.message(), missing.details()));
    let foreign = stranger.list_presences(list()).await.unwrap_err();
    assert_eq!(Spoken::from(&foreign).reason, "NOT_FOUND");
    let forecast = GetForecastRequest { gate: street.village.gate.clone(), day: String::new() };
    assert_eq!(Spoken::from(&stranger.get_forecast(forecast).await.unwrap_err()).reason, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forecast_is_a_weighted_mean_that_names_its_days_or_it_is_refused() {
    let street = Street::open().await;
    let east = street.village.gate.as_str();
    // Two Tuesdays with five and three, a Monday with one.
    for (day, people) in [("2020-02-04", 5), ("2020-02-10", 1), ("2020-02-11", 3)] {
        for minute in 0..people {
            let at = format!("{day}T03:{minute:02}:00+08:00");
            street.through(east, Direction::In, visitor(Exception::Inspector), &at).await;
        }
    }
    let mut figures = street.figures("2020-02-12T09:00:00+08:00");
    let ask = |gate: &str, day: &str| GetForecastRequest { gate: gate.to_owned(), day: day.to_owned() };
    let tuesday = figures.get_forecast(ask(east, "2020-02-18")).await.unwrap().into_inner();
    assert_eq!((tuesday.days, tuesday.same_weekdays), (3, 2));
    assert_eq!((tuesday.first_day.as_str(), tuesday.last_day.as_str()), ("2020-02-04", "2020-02-11"));
    let three = tuesday.hours[3];
    assert!((three.entered - 33.0 / 9.0).abs() < 1e-9, "4 x 5 + 4 x 3 + 1 over 9: {three:?}");
    assert_eq!((three.entered_least, three.entered_most, three.hour), (1, 5, 3));
    assert!(tuesday.hours.len() == 24 && tuesday.hours[4].entered.abs() < 1e-9);

    // Of the day before, what was to be expected then: it does not know what came.
    let monday = figures.get_forecast(ask(east, "2020-02-10")).await.unwrap().into_inner();
    assert_eq!((monday.days, monday.last_day.as_str()), (1, "2020-02-04"));
    // Today is not over.
    street.through(east, Direction::In, visitor(Exception::Inspector), "2020-02-12T08:00:00+08:00").await;
    let tomorrow = figures.get_forecast(ask(east, "")).await.unwrap().into_inner();
    assert_eq!((tomorrow.day.as_str(), tomorrow.last_day.as_str()), ("2020-02-13", "2020-02-11"));

    for (gate, day, reason) in [
        (street.second_gate.as_str(), "", "NO_HISTORY"),
        (east, "2020-02-04", "NO_HISTORY"),
        (east, "2020-02-27", "FIELD_INVALID"),
    ] {
        let spoken = Spoken::from(&figures.get_forecast(ask(gate, day)).await.unwrap_err());
        assert_eq!(spoken.reason, reason, "{gate} {day}");
        assert!(!spoken.zh.is_empty() && !spoken.en.is_empty());
    }
    let token = street.house.token("staff/w", Role::Worker, "n", &street.village.neighbourhood, "");
    let (done, said) = street.house.desk(&token, &["pass", "forecast", "--gate", east, "--day", "2020-02-18"]).await;
    // The server's own clock says the eleventh: that day is not over there.
    assert!(done && said.contains("4.2") && said.contains("days: 2 ("), "{said}");
}
