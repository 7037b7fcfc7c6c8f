//! From door to door: who was seen, who is overdue, whom nobody knows, who is watched.

use chassis::Scope;
use proto::{
    Fact as _,
    registry::v1::{
        Compound, Coverage, EraseResidentRequest, FlagKeyPersonRequest, Household, KeyDecision, KeyPerson, KeyReason,
        ListCoverageRequest, ListKeyPersonsRequest, ListOverdueHouseholdsRequest, ListUnknownOccupantsRequest,
        ListVisitsRequest, MoveOutResidentRequest, OccupantsDecision, OccupantsNote, RecordVisitRequest,
        ResolveUnknownOccupantsRequest, UnflagKeyPersonRequest, Visit, VisitOutcome,
        registry_service_server::RegistryService as _, visit_service_server::VisitService as _, visits_event,
    },
};
use tonic::{Code, Status};

use super::{CARD, Desk};

impl Desk {
    /// `time` as RFC 3339; empty: now.
    async fn visit(
        &self,
        id: &str,
        household: &Household,
        outcome: VisitOutcome,
        (residents, unknown): (&[&str], i32),
        time: &str,
    ) -> Result<Visit, Status> {
        let request = RecordVisitRequest {
            request_id: id.into(),
            household: household.name.clone(),
            outcome: outcome.into(),
            residents: residents.iter().copied().map(str::to_owned).collect(),
            unknown_occupants: unknown,
            note: if unknown > 0 { "三人，称从信阳来".into() } else { String::new() },
            time: (!time.is_empty()).then(|| chassis::timestamp(time.parse().unwrap())),
            ..RecordVisitRequest::default()
        };
        let response = self.api.record_visit(self.ask(request)).await?;
        Ok(self.done(Ok(response)))
    }

    async fn coverage(&self, parent: &str, by_building: bool, days: i32) -> (Vec<Coverage>, Coverage) {
        let request = ListCoverageRequest { parent: parent.into(), by_building, days, ..Default::default() };
        let answer = self.done(self.api.list_coverage(self.ask(request)).await);
        (answer.coverages, answer.total.unwrap())
    }

    /// The rooms of the overdue households, with the days since somebody was met.
    async fn overdue(&self, parent: &str, days: i32) -> Vec<(String, i32)> {
        let request = ListOverdueHouseholdsRequest { parent: parent.into(), days, ..Default::default() };
        let list = self.done(self.api.list_overdue_households(self.ask(request)).await).households;
        list.into_iter().map(|household| (household.door.unwrap().room, household.days_since)).collect()
    }

    async fn flag(&self, id: &str, resident: &str, reasons: &[KeyReason], until: &str) -> Result<KeyPerson, Status> {
        let request = FlagKeyPersonRequest {
            request_id: id.into(),
            resident: resident.into(),
            reasons: reasons.iter().copied().map(i32::from).collect(),
            until: until.into(),
        };
        let response = self.api.flag_key_person(self.ask(request)).await?;
        Ok(self.done(Ok(response)))
    }

    async fn watched(&self, overdue_only: bool, days: i32) -> Vec<KeyPerson> {
        let request = ListKeyPersonsRequest { overdue_only, days, ..ListKeyPersonsRequest::default() };
        self.done(self.api.list_key_persons(self.ask(request)).await).key_persons
    }

    /// Those found and not explained yet: how many, and the note.
    async fn unknown(&self) -> Vec<(i32, String)> {
        let request = ListUnknownOccupantsRequest::default();
        let list = self.done(self.api.list_unknown_occupants(self.ask(request)).await).occupants;
        list.into_iter().map(|occupants| (occupants.unresolved, occupants.note)).collect()
    }

    async fn resolve(&self, id: &str, visit: &Visit, residents: &[&str], dismissed: i32) -> Result<i32, Status> {
        let decision = if dismissed > 0 { OccupantsDecision::Left } else { OccupantsDecision::Unspecified };
        let request = ResolveUnknownOccupantsRequest {
            request_id: id.into(),
            name: visit.name.clone(),
            residents: residents.iter().copied().map(str::to_owned).collect(),
            dismissed,
            decision: decision.into(),
        };
        let response = self.api.resolve_unknown_occupants(self.ask(request)).await?;
        Ok(self.done(Ok(response)).unresolved)
    }

    async fn compound_of(&self, code: &str) -> Compound {
        let parent = self.neighbourhood(code).await;
        self.compound(&parent, "长丰二村").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_is_visited_where_somebody_was_met_and_overdue_when_that_is_too_long_ago() {
    let desk = Desk::open().await;
    let compound = desk.compound_of("330212002012").await;
    let mut homes = Vec::new();
    for room in ["401", "402", "403", "404"] {
        homes.push(desk.household(&compound, room).await);
    }
    desk.visit("visit-401a", &homes[0], VisitOutcome::Met, (&[], 0), "").await.unwrap();
    // Written down late: the later visit counts, in whatever order they come.
    desk.visit("visit-402a", &homes[1], VisitOutcome::Met, (&[], 0), "2020-02-04T08:00:00Z").await.unwrap();
    desk.visit("visit-402b", &homes[1], VisitOutcome::Met, (&[], 0), "2020-02-01T08:00:00Z").await.unwrap();
    desk.visit("visit-403a", &homes[2], VisitOutcome::NobodyHome, (&[], 0), "").await.unwrap();

    let (rows, total) = desk.coverage(&compound.name, true, 14).await;
    assert_eq!(rows.len(), 1);
    let figures = |row: &Coverage| {
        (row.households, row.visited, row.tried_in_vain, row.never_visited, row.oldest_visit.is_some())
    };
    assert_eq!((rows[0].building.as_str(), figures(&rows[0])), ("3", (4, 2, 1, 2, true)));
    assert_eq!((total.compound.as_str(), figures(&total)), ("", figures(&rows[0])));
    let (rows, _) = desk.coverage("", false, 6).await;
    assert_eq!((rows[0].compound.as_str(), rows[0].visited), (compound.name.as_str(), 1));
    assert_eq!(desk.coverage("", false, 7).await.0[0].visited, 2, "the seventh day back is still within seven days");

    let rooms = |list: &[(&str, i32)]| list.iter().map(|(room, days)| ((*room).to_owned(), *days)).collect::<Vec<_>>();
    assert_eq!(desk.overdue("", 0).await, rooms(&[("403", 0), ("404", 0)]));
    assert_eq!(desk.overdue(&compound.name, 6).await, rooms(&[("402", 7), ("403", 0), ("404", 0)]));

    let request = ListVisitsRequest { parent: homes[1].name.clone(), page_size: 1, page_token: String::new() };
    let page = desk.done(desk.api.list_visits(desk.ask(request)).await);
    assert_eq!((page.visits.len(), page.visits[0].visitor.as_str()), (1, "staff/lu"));
    assert!(!page.next_page_token.is_empty());
    let before = (desk.coverage("", true, 6).await, desk.overdue("", 6).await);
    desk.api.views.rebuild().await.unwrap();
    assert_eq!((desk.coverage("", true, 6).await, desk.overdue("", 6).await), before, "built anew from the log");
    let ahead = desk.visit("visit-401b", &homes[0], VisitOutcome::Met, (&[], 0), "2020-02-12T08:00:00Z").await;
    assert_eq!(ahead.unwrap_err().code(), Code::InvalidArgument);
    let nobody = desk.visit("visit-401c", &homes[0], VisitOutcome::Refused, (&[], 2), "").await;
    assert_eq!(nobody.unwrap_err().code(), Code::InvalidArgument);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_people_stay_on_the_list_until_they_are_registered_or_explained() {
    let desk = Desk::open().await;
    let compound = desk.compound_of("330212002012").await;
    let (home, other) = (desk.household(&compound, "402").await, desk.household(&compound, "403").await);
    let visit = desk.visit("visit-402", &home, VisitOutcome::StrangersOnly, (&[], 3), "").await.unwrap();
    assert_eq!(desk.unknown().await, [(3, "三人，称从信阳来".to_owned())]);
    let (rows, _) = desk.coverage("", false, 14).await;
    assert_eq!((rows[0].visited, rows[0].tried_in_vain), (0, 1), "strangers do not make a household visited");

    let found = desk.resident("resident-1", &home, "王小明", CARD).await.unwrap();
    let elsewhere = desk.resident("resident-2", &other, "李四", "").await.unwrap();
    let refused = desk.resolve("resolve-0", &visit, &[&elsewhere.name], 0).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "who lives elsewhere is nobody of this household");
    assert_eq!(desk.resolve("resolve-1", &visit, &[&found.name], 0).await.unwrap(), 2);
    assert_eq!(desk.resolve("resolve-1", &visit, &[&found.name], 0).await.unwrap(), 2, "said twice");
    assert!(desk.resolve("resolve-2", &visit, &[&found.name], 0).await.is_err(), "nobody counts twice");
    assert!(desk.resolve("resolve-3", &visit, &[], 3).await.is_err(), "fewer are left");
    assert_eq!(desk.unknown().await[0].0, 2);

    assert_eq!(desk.resolve("resolve-4", &visit, &[], 2).await.unwrap(), 0);
    assert!(desk.unknown().await.is_empty());
    // The note is gone from the record, too; and the visit can still be said again.
    let record = desk.api.ledger.log().read(0, 1000).await.unwrap();
    let note = record.iter().find_map(|record| match visits_event::Event::from_payload(&record.payload) {
        Ok(visits_event::Event::Visited(visited)) => visited.note,
        _ => None,
    });
    assert_eq!(desk.api.vault.reveal::<OccupantsNote>(&note.unwrap()).await.unwrap().map(|note| note.text), None);
    let again = desk.visit("visit-402", &home, VisitOutcome::StrangersOnly, (&[], 3), "").await.unwrap();
    assert_eq!(again, visit);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_person_is_watched_until_a_day_a_decision_a_move_or_an_erasure() {
    let mut desk = Desk::open().await;
    let compound = desk.compound_of("330212002012").await;
    let home = desk.household(&compound, "402").await;
    let mut people = Vec::new();
    for (number, name) in ["赵一", "钱二", "孙三", "周四"].into_iter().enumerate() {
        people.push(desk.resident(&format!("resident-{number}"), &home, name, "").await.unwrap().name);
    }
    let until = desk.flag("flag-0000", &people[0], &[KeyReason::Returned], "").await;
    assert_eq!(until.unwrap_err().code(), Code::InvalidArgument, "who only came back is watched until a day");
    desk.flag("flag-0001", &people[0], &[KeyReason::Returned], "2020-02-12").await.unwrap();
    let reasons = [KeyReason::Pregnant, KeyReason::LivesAlone];
    let flagged = desk.flag("flag-0002", &people[1], &reasons, "").await.unwrap();
    assert_eq!((flagged.masked_name.as_str(), flagged.reasons.len()), ("钱**", 2));
    assert_eq!(desk.flag("flag-0002", &people[1], &reasons, "").await.unwrap(), flagged, "said twice");
    desk.flag("flag-0003", &people[2], &[KeyReason::Aged], "").await.unwrap();
    desk.flag("flag-0004", &people[3], &[KeyReason::Disabled], "").await.unwrap();

    let met: Vec<&str> = people[..2].iter().map(String::as_str).collect();
    desk.visit("visit-402", &home, VisitOutcome::Met, (&met, 0), "2020-02-10T08:00:00Z").await.unwrap();
    assert_eq!((desk.watched(false, 0).await.len(), desk.watched(true, 1).await.len()), (4, 2));
    let watched = desk.watched(false, 0).await;
    let pregnant = watched.iter().find(|person| person.resident == people[1]).unwrap();
    assert_eq!(pregnant.reasons, [i32::from(KeyReason::LivesAlone), i32::from(KeyReason::Pregnant)]);
    assert!(pregnant.last_seen.is_some() && !pregnant.overdue);
    let (_, total) = desk.coverage("", false, 0).await;
    assert_eq!((total.key_persons, total.key_persons_seen), (4, 2));

    let unflag = UnflagKeyPersonRequest {
        request_id: "unflag-01".into(),
        resident: people[1].clone(),
        decision: KeyDecision::Passed.into(),
    };
    desk.done(desk.api.unflag_key_person(desk.ask(unflag)).await);
    let leave = MoveOutResidentRequest { request_id: "leave-001".into(), name: people[2].clone(), etag: String::new() };
    desk.done(desk.api.move_out_resident(desk.ask(leave)).await);
    let erase = EraseResidentRequest { request_id: "erase-001".into(), name: people[3].clone() };
    desk.done(desk.api.erase_resident(desk.ask(erase)).await);
    assert_eq!(desk.watched(false, 0).await.len(), 1);
    assert!(desk.flag("flag-0005", &people[2], &[KeyReason::Aged], "").await.is_err(), "who has moved out");
    assert!(desk.flag("flag-0006", &people[3], &[KeyReason::Aged], "").await.is_err(), "who was erased");
    desk.now = "2020-02-12T16:00:00Z".parse().unwrap();
    assert!(desk.watched(false, 0).await.is_empty(), "the day has passed");
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_visits_flags_or_lists_in_another_neighbourhood() {
    let mut desk = Desk::open().await;
    let compound = desk.compound_of("330212002012").await;
    let home = desk.household(&compound, "402").await;
    let resident = desk.resident("resident-1", &home, "王小明", "").await.unwrap().name;
    let visit = desk.visit("visit-402", &home, VisitOutcome::Met, (&[], 1), "").await.unwrap();
    desk.flag("flag-0001", &resident, &[KeyReason::Aged], "").await.unwrap();

    desk.scope = Scope::Neighbourhood("elsewhere".into());
    let same = |foreign: Status, missing: Status| {
        assert_eq!((foreign.code(), foreign.message()), (missing.code(), missing.message()));
        assert_eq!((foreign.code(), foreign.details()), (Code::NotFound, missing.details()));
    };
    let nothing = Household { name: "households/none".into(), ..Household::default() };
    let strangers = (VisitOutcome::Met, (&[] as &[&str], 0));
    let foreign = desk.visit("visit-900", &home, strangers.0, strangers.1, "").await.unwrap_err();
    same(foreign, desk.visit("visit-901", &nothing, strangers.0, strangers.1, "").await.unwrap_err());
    let foreign = desk.flag("flag-0900", &resident, &[KeyReason::Aged], "").await.unwrap_err();
    same(foreign, desk.flag("flag-0901", "residents/none", &[KeyReason::Aged], "").await.unwrap_err());
    let no_visit = Visit { name: "households/none/visits/none".into(), ..Visit::default() };
    let foreign = desk.resolve("resolve-90", &visit, &[], 1).await.unwrap_err();
    same(foreign, desk.resolve("resolve-91", &no_visit, &[], 1).await.unwrap_err());
    assert!(desk.unknown().await.is_empty() && desk.watched(false, 0).await.is_empty());
    assert!(desk.overdue("", 1).await.is_empty() && desk.coverage("", true, 0).await.0.is_empty());
    let visits = desk.done(desk.api.list_visits(desk.ask(ListVisitsRequest::default())).await).visits;
    assert!(visits.is_empty());
    desk.host.close().await;
}
