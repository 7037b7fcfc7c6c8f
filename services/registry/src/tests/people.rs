//! People and places: what is shown to whom, on record, erased.

use std::collections::BTreeSet;

use chassis::Scope;
use proto::registry::v1::{
    AddGateRequest, CreateHouseholdRequest, EnrolStaffRequest, EraseResidentRequest, GetCompoundRequest,
    GetHouseholdRequest, GetResidentRequest, Household, ListCompoundsRequest, ListHouseholdsRequest,
    ListNeighbourhoodsRequest, ListRevealsRequest, ListStaffRequest, MoveOutResidentRequest, Regime,
    RevealResidentRequest, SetRegimeRequest, StaffKind, Tenure, find_residents_request,
    registry_service_server::RegistryService as _,
};
use tonic::Code;

use super::{CARD, Desk, many, row, workbook};

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_person_is_on_record_and_an_erased_one_is_gone() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let compound = desk.compound(&parent, "长丰二村").await;
    let home = desk.household(&compound, "402").await;
    let resident = desk.resident("resident-1", &home, "金丝雀", CARD).await.unwrap();
    assert_eq!((resident.masked_name.as_str(), resident.masked_phones[0].as_str()), ("金**", "138****1234"));
    assert_eq!(resident.masked_document, "110105********002X");
    assert_eq!(desk.find(find_residents_request::Key::Phone("+86 138-0000-1234".into())).await.len(), 1);
    assert_eq!(desk.find(find_residents_request::Key::DocumentNumber(CARD.into())).await[0].name, resident.name);

    let look = || {
        desk.ask(RevealResidentRequest {
            request_id: "reveal-01".into(),
            name: resident.name.clone(),
            reason: "上门核对".into(),
        })
    };
    let shown = desk.done(desk.api.reveal_resident(look()).await).person.unwrap();
    assert_eq!(shown.full_name, "金丝雀");
    assert_eq!(desk.done(desk.api.reveal_resident(look()).await).person.unwrap().full_name, "金丝雀");
    let reveals = || desk.ask(ListRevealsRequest { parent: resident.name.clone(), ..ListRevealsRequest::default() });
    let on_record = desk.done(desk.api.list_reveals(reveals()).await).reveals;
    assert_eq!(on_record.len(), 1);
    assert_eq!((on_record[0].actor.as_str(), on_record[0].reason.as_str()), ("staff/lu", "上门核对"));

    let erase = EraseResidentRequest { request_id: "erase-001".into(), name: resident.name.clone() };
    let gone = desk.done(desk.api.erase_resident(desk.ask(erase.clone())).await);
    assert!(gone.erased && gone.masked_name.is_empty());
    assert!(desk.done(desk.api.erase_resident(desk.ask(erase)).await).erased);
    let refused = desk.api.reveal_resident(look()).await.err().map(|status| status.code());
    assert_eq!(refused, Some(Code::FailedPrecondition));
    assert!(desk.find(find_residents_request::Key::DocumentNumber(CARD.into())).await.is_empty());
    assert_eq!(desk.residents(&home.name).await[0].masked_name, "");
    // Their document and name are free for whoever is registered anew; the retry of the first request still answers.
    assert!(desk.resident("resident-2", &home, "金丝雀", CARD).await.is_ok());
    assert_eq!(desk.resident("resident-1", &home, "金丝雀", CARD).await.unwrap().name, resident.name);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_stands_in_any_file() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let compound = desk.compound(&parent, "长丰二村").await;
    let home = desk.household(&compound, "402").await;
    let resident = desk.resident("resident-1", &home, "金丝雀", CARD).await.unwrap();
    desk.import("import-001", &parent, workbook([row(2, "7", "金丝雀", "无")]), false).await;
    let request =
        RevealResidentRequest { request_id: "reveal-01".into(), name: resident.name, reason: "上门核对".into() };
    desk.done(desk.api.reveal_resident(desk.ask(request)).await);
    assert_eq!(desk.residents("").await.len(), 2);
    desk.host.close().await;

    let mut folders = vec![desk.folder.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // SQLite takes its own files away with its last connection, which may be now.
            let bytes = match std::fs::read(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                read => read.unwrap(),
            };
            files += 1;
            for canary in ["金丝雀", "金**", "房东甲", "13800001234", "138****1234", "11010519491231002", "13911112222"]
            {
                let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
                assert!(!found, "{canary} stands in {}", path.display());
            }
        }
    }
    assert!(files >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_and_what_is_missing_are_answered_alike() {
    let mut desk = Desk::open().await;
    let (ours, theirs) = (desk.neighbourhood("330212002012").await, desk.neighbourhood("330212002013").await);
    let compound = desk.compound(&theirs, "长丰二村").await;
    let home = desk.household(&compound, "402").await;
    let resident = desk.resident("resident-1", &home, "张三", CARD).await.unwrap();
    let ours_id = ours.name.trim_start_matches("neighbourhoods/").to_owned();
    desk.scope = Scope::Neighbourhood(ours_id);

    let get = |name: &str| desk.api.get_resident(desk.ask(GetResidentRequest { name: name.into() }));
    let (foreign, missing) = (get(&resident.name).await.unwrap_err(), get("residents/none").await.unwrap_err());
    assert_eq!((foreign.code(), foreign.message()), (Code::NotFound, missing.message()));
    assert_eq!(foreign.details(), missing.details());
    let move_out = |id: &str, name: &str| {
        let request = MoveOutResidentRequest { request_id: id.into(), name: name.into(), etag: String::new() };
        desk.api.move_out_resident(desk.ask(request))
    };
    let foreign = move_out("moveout-1", &resident.name).await.unwrap_err();
    let missing = move_out("moveout-2", "residents/none").await.unwrap_err();
    assert_eq!((foreign.code(), foreign.details()), (Code::NotFound, missing.details()));
    assert!(desk.residents("").await.is_empty());
    assert!(desk.residents(&home.name).await.is_empty());
    assert!(desk.find(find_residents_request::Key::DocumentNumber(CARD.into())).await.is_empty());
    let compounds = desk.api.list_compounds(desk.ask(ListCompoundsRequest::default())).await;
    assert!(desk.done(compounds).compounds.is_empty());
    let all = desk.api.list_neighbourhoods(desk.ask(ListNeighbourhoodsRequest::default())).await;
    assert_eq!(desk.done(all).neighbourhoods, std::slice::from_ref(&ours));

    // The same person may live with us, too: a refusal would tell whom the others have.
    let compound = desk.compound(&ours, "长丰二村").await;
    let home = desk.household(&compound, "403").await;
    assert!(desk.resident("resident-2", &home, "张三", CARD).await.is_ok());
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_sees_the_compound_of_their_own_gate_only() {
    let mut desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let (own, other) = (desk.compound(&parent, "长丰二村").await, desk.compound(&parent, "金家新村").await);
    let request = AddGateRequest {
        request_id: "gate-0001".into(),
        compound: own.name.clone(),
        display_name: "东门".into(),
        etag: own.etag.clone(),
    };
    let own = desk.done(desk.api.add_gate(desk.ask(request)).await);
    let stale = AddGateRequest {
        request_id: "gate-0002".into(),
        compound: own.name.clone(),
        display_name: "西门".into(),
        etag: "1".into(),
    };
    assert_eq!(desk.api.add_gate(desk.ask(stale)).await.unwrap_err().code(), Code::Aborted);
    let regime = SetRegimeRequest {
        request_id: "regime-01".into(),
        compound: own.name.clone(),
        regime: Regime::Closed.into(),
        from: "2020-01-30".into(),
        etag: own.etag.clone(),
    };
    let own = desk.done(desk.api.set_regime(desk.ask(regime)).await);
    let id = |name: &str| name.rsplit('/').next().unwrap().to_owned();
    desk.scope = Scope::Gate { neighbourhood: id(&parent.name), compound: id(&own.name), gate: id(&own.gates[0].name) };
    let listed = desk.api.list_compounds(desk.ask(ListCompoundsRequest::default())).await;
    assert_eq!(desk.done(listed).compounds, std::slice::from_ref(&own));
    let get = |name: &str| desk.api.get_compound(desk.ask(GetCompoundRequest { name: name.into() }));
    assert_eq!(desk.done(get(&own.name).await), own);
    assert_eq!(get(&other.name).await.unwrap_err().code(), Code::NotFound);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moved_out_can_be_registered_elsewhere() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let compound = desk.compound(&parent, "长丰二村").await;
    let (first, second) = (desk.household(&compound, "402").await, desk.household(&compound, "403").await);
    let resident = desk.resident("resident-1", &first, "张三", CARD).await.unwrap();
    let twice = desk.resident("resident-2", &second, "张三", CARD).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    let request =
        MoveOutResidentRequest { request_id: "moveout-1".into(), name: resident.name.clone(), etag: resident.etag };
    assert!(desk.done(desk.api.move_out_resident(desk.ask(request)).await).moved_out);
    assert!(desk.resident("resident-3", &second, "张三", CARD).await.is_ok());
    let get = GetHouseholdRequest { name: first.name };
    assert_eq!(desk.done(desk.api.get_household(desk.ask(get)).await).residents, 0);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_by_pages_in_the_order_of_the_doors_and_are_the_same_when_built_anew() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let compound = desk.compound(&parent, "长丰二村").await;
    desk.import("import-001", &parent, many(60), false).await;
    let staff = EnrolStaffRequest {
        request_id: "staff-001".into(),
        kind: StaffKind::Guard.into(),
        neighbourhood: parent.name.clone(),
        full_name: "冯某".into(),
        phone: "13700001111".into(),
    };
    desk.done(desk.api.enrol_staff(desk.ask(staff)).await);
    let mut rooms = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListHouseholdsRequest { parent: compound.name.clone(), page_size: 7, page_token };
        let page = desk.done(desk.api.list_households(desk.ask(request)).await);
        assert!(page.households.iter().all(|household| household.residents == 2));
        rooms.extend(page.households.into_iter().map(|household| household.room.parse::<u32>().unwrap()));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(rooms, (100..130).collect::<Vec<_>>());

    let before = desk.residents(&compound.name).await;
    desk.api.views.rebuild().await.unwrap();
    assert_eq!(desk.residents(&compound.name).await, before);
    let staff = desk.done(desk.api.list_staff(desk.ask(ListStaffRequest::default())).await).staff;
    assert_eq!((staff.len(), staff[0].masked_name.as_str()), (1, "冯**"));
    let names: BTreeSet<&str> = before.iter().map(|resident| resident.name.as_str()).collect();
    assert_eq!(names.len(), 60);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_is_wrong_is_named() {
    let desk = Desk::open().await;
    let request = CreateHouseholdRequest {
        request_id: "household-1".into(),
        household: Some(Household { tenure: Tenure::Rented.into(), ..Household::default() }),
        landlord: None,
    };
    let refused = desk.api.create_household(desk.ask(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields: Vec<String> =
        chassis::refusal::Spoken::from(&refused).fields.into_iter().map(|field| field.field).collect();
    assert_eq!(fields, ["household.compound", "household.building", "household.room", "landlord"]);
    desk.host.close().await;
}
