//! Who stood at a gate with a confirmed case: only the health team may ask, only about a case that two others have signed,
//! only for the days that these have named, with a reason, and on record. Every other way ends with a sentence.

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    isolation::v1::{
        ConfirmCaseRequest, ListConfirmedCasesRequest, ReportCaseRequest, WithdrawCaseRequest, confirmed_case::State,
        confirmed_case_service_client::ConfirmedCaseServiceClient,
    },
    pass::v1::{
        CoPresence, CoPresenceQuery, Direction, FindCoPresenceRequest, ListCoPresenceQueriesRequest, Manual,
        RecordCrossingRequest, Visitor, co_presence_service_client::CoPresenceServiceClient,
        pass_service_client::PassServiceClient, record_crossing_request::Identity, visitor::Exception,
    },
    registry::v1::{MergeResidentRequest, UnmergeResidentRequest, duplicate_service_client::DuplicateServiceClient},
};
use tests::{House, time, village::Village};
use tonic::Status;

const NOON: &str = "2020-02-11T12:00:00+08:00";

struct Ward {
    house: House,
    village: Village,
    ill: String,
    near: String,
    far: String,
}

impl Ward {
    /// Somebody ill, somebody who crossed ten minutes later, somebody who came forty minutes later, and a visitor between.
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let ill = village.resident(&house, "1幢", "王小明", "13900000001").await.name;
        let near = village.resident(&house, "2幢", "李四", "13900000002").await.name;
        let far = village.resident(&house, "3幢", "赵六", "13900000003").await.name;
        let ward = Self { house, village, ill, near, far };
        let face =
            |resident: &str| Identity::Manual(Manual { resident: resident.into(), reason: "没有带手机".into() });
        let inspector =
            || Identity::Visitor(Visitor { exception: Exception::Inspector.into(), guarantor: String::new() });
        for (direction, who, at) in [
            (Direction::Out, face(&ward.ill), "08:00"),
            (Direction::In, inspector(), "08:05"),
            (Direction::In, face(&ward.near), "08:10"),
            (Direction::Out, face(&ward.near), "08:29"),
            (Direction::Out, face(&ward.far), "08:40"),
        ] {
            ward.crosses(direction, who, &format!("2020-02-11T{at}:00+08:00")).await;
        }
        // The day before she was not infectious yet.
        ward.crosses(Direction::In, face(&ward.ill), "2020-02-10T18:00:00+08:00").await;
        ward.crosses(Direction::In, face(&ward.far), "2020-02-10T18:05:00+08:00").await;
        ward
    }

    async fn crosses(&self, direction: Direction, who: Identity, at: &str) {
        let request = RecordCrossingRequest {
            request_id: new_request_id(),
            gate: self.village.gate.clone(),
            direction: direction.into(),
            cross_time: None,
            temperature_decicelsius: 365,
            mask: true,
            identity: Some(who),
        };
        let worker = self.village.worker(&self.house).at(time(at));
        PassServiceClient::new(worker).record_crossing(request).await.unwrap();
    }

    fn health(&self, subject: &str) -> Connection {
        self.house.central(subject, Role::Health, "health").at(time(NOON))
    }

    fn officer(&self) -> Connection {
        self.house.central("staff/officer", Role::Officer, "subdistrict").at(time(NOON))
    }

    async fn reported(&self) -> String {
        let request = ReportCaseRequest {
            request_id: new_request_id(),
            resident: self.ill.clone(),
            infectious_from: "2020-02-11".into(),
            infectious_until: "2020-02-11".into(),
            evidence_ids: vec!["检验报告17".into()],
        };
        let doctor = self.health("staff/doctor");
        ConfirmedCaseServiceClient::new(doctor).report_case(request).await.unwrap().into_inner().name
    }

    async fn confirm(&self, by: Connection, case: &str) -> Result<State, Status> {
        let request = ConfirmCaseRequest { request_id: new_request_id(), name: case.to_owned() };
        Ok(ConfirmedCaseServiceClient::new(by).confirm_case(request).await?.into_inner().state())
    }

    async fn queries(&self, by: Connection) -> Result<Vec<CoPresenceQuery>, Status> {
        let request = ListCoPresenceQueriesRequest::default();
        Ok(CoPresenceServiceClient::new(by).list_co_presence_queries(request).await?.into_inner().queries)
    }
}

fn question(case: &str) -> FindCoPresenceRequest {
    FindCoPresenceRequest {
        request_id: new_request_id(),
        case: case.to_owned(),
        reason: "流调7号".into(),
        ..FindCoPresenceRequest::default()
    }
}

async fn ask(by: Connection, question: FindCoPresenceRequest) -> Result<CoPresence, String> {
    match CoPresenceServiceClient::new(by).find_co_presence(question).await {
        Ok(found) => Ok(found.into_inner()),
        Err(status) => {
            let spoken = Spoken::from(&status);
            assert!(!spoken.zh.is_empty() && !spoken.en.is_empty(), "{status:?}");
            Err(spoken.reason)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_team_sees_who_stood_there_and_everybody_can_see_that_it_asked() {
    let ward = Ward::open().await;
    let case = ward.reported().await;
    assert_eq!(ward.confirm(ward.officer(), &case).await.unwrap(), State::Confirmed);
    ward.house.settled().await;
    let asked = question(&case);
    let found = ask(ward.health("staff/nurse"), asked.clone()).await.unwrap();
    let contacts: Vec<(&str, i32, i64)> = found
        .contacts
        .iter()
        .map(|contact| (contact.resident.as_str(), contact.meetings, contact.apart_seconds))
        .collect();
    assert_eq!(contacts, [(ward.near.as_str(), 2, 600)], "not who came later, nor who was there the day before");
    assert_eq!(found.contacts[0].gate, ward.village.gate);
    let query = found.query.clone().unwrap();
    assert_eq!((query.crossings, query.people, query.nameless, query.minutes), (1, 1, 1, 30));
    assert_eq!(found.resident, ward.ill);
    assert_eq!(ask(ward.health("staff/nurse"), asked).await.unwrap(), found, "said twice is asked once");
    let narrow = FindCoPresenceRequest { minutes: 7, ..question(&case) };
    let narrow = ask(ward.health("staff/nurse"), narrow).await.unwrap();
    assert_eq!((narrow.contacts.len(), narrow.query.unwrap().nameless), (0, 1));

    let auditor = ward.house.central("staff/auditor", Role::Auditor, "audit");
    let director = ward.house.local("staff/director", Role::Director, &ward.village.neighbourhood);
    for reader in [auditor, director, ward.officer(), ward.health("staff/nurse")] {
        let queries = ward.queries(reader).await.unwrap();
        assert_eq!(queries.len(), 2);
        assert_eq!(queries[1], query, "who, which case, why, and how many were seen");
        assert_eq!((queries[1].asked_by.as_str(), queries[1].reason.as_str()), ("staff/nurse", "流调7号"));
    }
    let elsewhere = ward.house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere");
    assert!(ward.queries(elsewhere).await.unwrap().is_empty());
    let refused = ward.queries(ward.village.worker(&ward.house)).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "ROLE_NOT_ALLOWED");

    let nurse = ward.house.token("staff/nurse", Role::Health, "health", "", "");
    let (done, said) = ward.house.desk(&nurse, &["pass", "co-presence", &case, "--because", "流调8号"]).await;
    assert!(done && said.contains(&ward.near) && said.contains("on record as"), "{said}");
    let (done, said) = ward.house.desk(&nurse, &["pass", "co-presence", "--log"]).await;
    assert!(done && said.contains("流调8号") && !said.contains(&ward.near), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_person_are_one_person() {
    let ward = Ward::open().await;
    let (house, village) = (&ward.house, &ward.village);
    let ill_again = village.resident(house, "4幢", "王晓明", "13900000004").await.name;
    let near_again = village.resident(house, "5幢", "李思", "13900000005").await.name;
    for (who, at) in [(&ill_again, "08:25"), (&near_again, "08:50")] {
        let face = Identity::Manual(Manual { resident: who.clone(), reason: "没有带手机".into() });
        ward.crosses(Direction::In, face, &format!("2020-02-11T{at}:00+08:00")).await;
    }
    let mut desk = DuplicateServiceClient::new(village.worker(house));
    for (name, into) in [(&ill_again, &ward.ill), (&near_again, &ward.near)] {
        let merge = MergeResidentRequest {
            request_id: new_request_id(),
            name: name.clone(),
            into: into.clone(),
            reason: "证件核对，同一人".into(),
            etag: String::new(),
        };
        desk.merge_resident(merge).await.unwrap();
    }
    let case = ward.reported().await;
    ward.confirm(ward.officer(), &case).await.unwrap();
    house.settled().await;
    let found = ask(ward.health("staff/nurse"), question(&case)).await.unwrap();
    let contacts = found.contacts.iter();
    let contacts: Vec<_> =
        contacts.map(|contact| (contact.resident.as_str(), contact.meetings, contact.apart_seconds)).collect();
    assert_eq!(contacts, [(ward.near.as_str(), 5, 240), (ward.far.as_str(), 1, 900)], "and nobody meets themselves");
    assert!(found.contacts.iter().all(|contact| contact.compound == village.compound));
    let query = found.query.unwrap();
    assert_eq!((query.crossings, query.people, query.nameless), (2, 2, 1));

    let undo = UnmergeResidentRequest {
        request_id: new_request_id(),
        name: ill_again.clone(),
        reason: "核对后是两个人".into(),
    };
    desk.unmerge_resident(undo).await.unwrap();
    house.settled().await;
    let found = ask(ward.health("staff/nurse"), question(&case)).await.unwrap();
    let contacts: Vec<_> = found.contacts.iter().map(|contact| (contact.resident.as_str(), contact.meetings)).collect();
    assert_eq!(contacts, [(ward.near.as_str(), 2), (ill_again.as_str(), 1)], "two people after all");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_way_to_ask_is_refused_and_leaves_nothing() {
    let ward = Ward::open().await;
    let village = &ward.village;
    let case = ward.reported().await;
    ward.house.settled().await;
    let nurse = || ward.health("staff/nurse");
    let refused = |reason: &str| Err(reason.to_owned());
    assert_eq!(ask(nurse(), question(&case)).await, refused("NOT_CONFIRMED"));

    // Nobody confirms alone, nor within one unit; and who may ask may never confirm.
    let alone = ward.house.central("staff/doctor", Role::Officer, "subdistrict");
    assert_eq!(Spoken::from(&ward.confirm(alone, &case).await.unwrap_err()).reason, "SAME_PERSON");
    let within = ward.house.central("staff/clerk", Role::Officer, "health");
    assert_eq!(Spoken::from(&ward.confirm(within, &case).await.unwrap_err()).reason, "SAME_UNIT");
    assert_eq!(Spoken::from(&ward.confirm(nurse(), &case).await.unwrap_err()).reason, "ROLE_NOT_ALLOWED");
    let elsewhere = ward.house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere");
    assert_eq!(Spoken::from(&ward.confirm(elsewhere, &case).await.unwrap_err()).reason, "NOT_FOUND");
    ward.confirm(ward.officer(), &case).await.unwrap();
    ward.house.settled().await;

    for connection in [
        village.worker(&ward.house),
        ward.house.local("staff/director", Role::Director, &village.neighbourhood),
        ward.house.guard("device/1", &village.neighbourhood, &village.gate),
        ward.officer(),
        ward.house.central("staff/auditor", Role::Auditor, "audit"),
        ward.house.central("staff/administrator", Role::Administrator, "subdistrict"),
    ] {
        assert_eq!(ask(connection, question(&case)).await, refused("ROLE_NOT_ALLOWED"));
    }
    assert_eq!(ask(ward.house.anybody(), question(&case)).await, refused("TOKEN_MISSING"));
    assert_eq!(ask(ward.health("staff/doctor"), question(&case)).await, refused("SAME_PERSON"), "she has signed it");
    let of_the_unit = ward.house.central("staff/other", Role::Health, "subdistrict");
    assert_eq!(ask(of_the_unit, question(&case)).await, refused("SAME_UNIT"));
    let nothing = question("confirmed-cases/00000000-0000-5000-8000-000000000000");
    assert_eq!(ask(nurse(), nothing).await, refused("NOT_FOUND"));
    let whoever = question(&ward.near);
    assert_eq!(ask(nurse(), whoever).await, refused("FIELD_INVALID"), "nobody is asked for by name");
    for wrong in [
        FindCoPresenceRequest { reason: String::new(), ..question(&case) },
        FindCoPresenceRequest { reason: "好奇".into(), ..question(&case) },
        FindCoPresenceRequest { minutes: 31, ..question(&case) },
        FindCoPresenceRequest { from: "2020-02-10".into(), ..question(&case) },
        FindCoPresenceRequest { to: "2020-02-12".into(), ..question(&case) },
    ] {
        assert_eq!(ask(nurse(), wrong).await, refused("FIELD_INVALID"));
    }
    assert!(ward.queries(ward.officer()).await.unwrap().is_empty(), "what was refused left nothing");

    let withdraw =
        WithdrawCaseRequest { request_id: new_request_id(), name: case.clone(), reason: "复检为阴性".into() };
    let withdrawn = ConfirmedCaseServiceClient::new(ward.officer()).withdraw_case(withdraw).await.unwrap().into_inner();
    assert_eq!(withdrawn.state(), State::Withdrawn);
    ward.house.settled().await;
    assert_eq!(ask(nurse(), question(&case)).await, refused("CASE_WITHDRAWN"));
    let listed = ListConfirmedCasesRequest { parent: ward.ill.clone(), ..ListConfirmedCasesRequest::default() };
    let mut officer = ConfirmedCaseServiceClient::new(ward.officer());
    let listed = officer.list_confirmed_cases(listed).await.unwrap().into_inner().confirmed_cases;
    assert_eq!(listed, [withdrawn]);
    let stranger = ward.house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere");
    let mut stranger = ConfirmedCaseServiceClient::new(stranger);
    let none = stranger.list_confirmed_cases(ListConfirmedCasesRequest::default()).await.unwrap().into_inner();
    assert!(none.confirmed_cases.is_empty());
}
