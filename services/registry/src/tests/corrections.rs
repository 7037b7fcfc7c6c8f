use chassis::{Scope, refusal::Spoken};
use proto::registry::v1::{
    AddBuildingRequest, AssignGridRequest, CorrectResidentRequest, CorrectedField, Correction, CreateGridRequest, Grid,
    IdentityDocument, ListCorrectionsRequest, ListHouseholdsRequest, MoveOutResidentRequest, Phones, Resident, Return,
    RevealResidentRequest, correction_service_server::CorrectionService as _, find_residents_request::Key,
    grid_service_server::GridService as _, registry_service_server::RegistryService as _,
};
use tonic::Status;

use super::{CARD, Desk};

const OTHER_CARD: &str = "330212198001011234";

impl Desk {
    async fn correct(&self, request: CorrectResidentRequest) -> Result<Resident, Status> {
        let answer = self.api.correct_resident(self.ask(request)).await?;
        Ok(self.done(Ok(answer)))
    }

    async fn corrections(&self, resident: &Resident) -> Vec<Correction> {
        let request = ListCorrectionsRequest { parent: resident.name.clone(), ..ListCorrectionsRequest::default() };
        self.done(self.api.list_corrections(self.ask(request)).await).corrections
    }
}

fn correction(id: &str, resident: &Resident) -> CorrectResidentRequest {
    CorrectResidentRequest {
        request_id: id.into(),
        name: resident.name.clone(),
        reason: "本人到窗口核对".into(),
        ..CorrectResidentRequest::default()
    }
}

fn numbers(all: &[&str]) -> Phones {
    Phones { numbers: all.iter().map(|&number| number.to_owned()).collect() }
}

/// A number with the check character that belongs to it.
fn card(first: &str) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = first[..17].chars().zip(WEIGHTS).map(|(digit, weight)| digit.to_digit(10).unwrap() * weight).sum();
    let check = char::from(b"10X98765432"[usize::try_from(sum % 11).unwrap()]);
    format!("{}{check}", &first[..17])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_right_is_found_from_then_on_and_what_it_was_is_not_and_who_did_so_is_on_record() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let compound = desk.compound(&parent, "长丰二村").await;
    let home = desk.household(&compound, "402").await;
    let resident = desk.resident("resident-1", &home, "金丝雀", CARD).await.unwrap();
    let new_card = card(OTHER_CARD);
    let returned =
        Return { from: "武汉".into(), transport: "高铁".into(), number: "G1234".into(), day: "2020-01-22".into() };
    let request = CorrectResidentRequest {
        full_name: Some("金思雀".into()),
        phones: Some(numbers(&["139 0000 5678", "13900005679"])),
        document: Some(IdentityDocument { kind: 0, number: new_card.clone() }),
        returned: Some(returned.clone()),
        ..correction("correct-1", &resident)
    };
    let corrected = desk.correct(request.clone()).await.unwrap();
    assert_eq!(corrected.masked_phones, ["139****5678", "139****5679"]);
    assert_eq!(desk.correct(request).await.unwrap().etag, corrected.etag, "said twice it is one correction");

    for (key, found) in [
        (Key::Phone("13800001234".into()), 0),
        (Key::Phone("13900005678".into()), 1),
        (Key::DocumentNumber(CARD.into()), 0),
        (Key::DocumentNumber(new_card), 1),
    ] {
        assert_eq!(desk.find(key).await.len(), found);
    }
    let reveal = RevealResidentRequest {
        request_id: "reveal-01".into(),
        name: resident.name.clone(),
        reason: "上门核对".into(),
    };
    let shown = desk.done(desk.api.reveal_resident(desk.ask(reveal)).await);
    assert_eq!((shown.person.unwrap().full_name.as_str(), shown.returned), ("金思雀", Some(returned)));

    let again =
        CorrectResidentRequest { phones: Some(numbers(&["13900005678"])), ..correction("correct-2", &resident) };
    desk.correct(again).await.unwrap();
    let same = CorrectResidentRequest { phones: Some(numbers(&["13900005678"])), ..correction("correct-3", &resident) };
    desk.correct(same).await.unwrap();
    let on_record = desk.corrections(&resident).await;
    let fields: Vec<Vec<CorrectedField>> = on_record.iter().map(|one| one.fields().collect()).collect();
    let all = [CorrectedField::Name, CorrectedField::Phones, CorrectedField::Document, CorrectedField::Return];
    assert_eq!(fields, [vec![CorrectedField::Phones], all.to_vec()], "nothing new is no correction");
    assert_eq!((on_record[0].actor.as_str(), on_record[0].reason.as_str()), ("staff/lu", "本人到窗口核对"));

    // The old name and the old document are free for whoever they belong to.
    assert!(desk.resident("resident-2", &home, "金丝雀", CARD).await.is_ok());
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_makes_a_duplicate_names_the_other_record_and_one_of_nothing_is_refused() {
    let mut desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let compound = desk.compound(&parent, "长丰二村").await;
    let home = desk.household(&compound, "402").await;
    let resident = desk.resident("resident-1", &home, "金丝雀", CARD).await.unwrap();
    let other = desk.resident("resident-2", &home, "李红", "").await.unwrap();
    let document = Some(IdentityDocument { kind: 0, number: CARD.into() });
    let twice = CorrectResidentRequest { document, ..correction("correct-1", &other) };
    let refused = Spoken::from(&desk.correct(twice).await.unwrap_err());
    assert_eq!(refused.reason, "ALREADY_EXISTS");
    assert_eq!(format!("residents/{}", refused.metadata["id"]), resident.name);
    let namesake = CorrectResidentRequest { full_name: Some("金丝雀".into()), ..correction("correct-2", &other) };
    assert_eq!(Spoken::from(&desk.correct(namesake).await.unwrap_err()).reason, "ALREADY_EXISTS");

    let nothing = Spoken::from(&desk.correct(correction("correct-3", &other)).await.unwrap_err());
    assert_eq!((nothing.reason.as_str(), nothing.fields[0].field.as_str()), ("FIELD_INVALID", "name"));
    let wrong = CorrectResidentRequest {
        reason: "错".into(),
        phones: Some(numbers(&["12345"])),
        returned: Some(Return { from: "武汉".into(), day: "2020-02-12".into(), ..Return::default() }),
        ..correction("correct-4", &other)
    };
    let fields: Vec<String> =
        Spoken::from(&desk.correct(wrong).await.unwrap_err()).fields.into_iter().map(|field| field.field).collect();
    assert_eq!(fields, ["reason", "phones.numbers[0]", "returned.day"]);
    let stale =
        CorrectResidentRequest { phones: Some(numbers(&[])), etag: "9".into(), ..correction("correct-5", &other) };
    assert_eq!(Spoken::from(&desk.correct(stale).await.unwrap_err()).reason, "STALE_ETAG");

    let gone = MoveOutResidentRequest { request_id: "gone-0001".into(), name: other.name.clone(), etag: String::new() };
    desk.done(desk.api.move_out_resident(desk.ask(gone)).await);
    let late = CorrectResidentRequest { phones: Some(numbers(&[])), ..correction("correct-6", &other) };
    assert_eq!(Spoken::from(&desk.correct(late).await.unwrap_err()).reason, "MOVED_OUT");
    desk.scope = Scope::Neighbourhood("another".into());
    let foreign = CorrectResidentRequest { phones: Some(numbers(&[])), ..correction("correct-7", &resident) };
    assert_eq!(Spoken::from(&desk.correct(foreign).await.unwrap_err()).reason, "NOT_FOUND");
    let list = ListCorrectionsRequest { parent: resident.name.clone(), ..ListCorrectionsRequest::default() };
    let refused = desk.api.list_corrections(desk.ask(list)).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "NOT_FOUND");
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn households_are_listed_by_the_grid_of_their_building_else_of_their_compound() {
    let mut desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let (one, two) = (desk.compound(&parent, "长丰二村").await, desk.compound(&parent, "金家新村").await);
    let home = desk.household(&one, "402").await;
    desk.household(&two, "101").await;
    let mut grids = Vec::new();
    for (number, name) in ["第一网格", "第二网格"].into_iter().enumerate() {
        let grid = Grid { display_name: name.into(), neighbourhood: parent.name.clone(), ..Grid::default() };
        let request = CreateGridRequest { request_id: format!("grid-000{number}"), grid: Some(grid) };
        grids.push(desk.done(desk.api.create_grid(desk.ask(request)).await).name);
    }
    let assign = |id: &str, grid: &str, building: &str| AssignGridRequest {
        request_id: id.into(),
        grid: grid.into(),
        compound: one.name.clone(),
        building: building.into(),
    };
    let listed = async |desk: &Desk, grid: &str| {
        let request = ListHouseholdsRequest { parent: grid.into(), ..ListHouseholdsRequest::default() };
        let found = desk.done(desk.api.list_households(desk.ask(request)).await).households;
        found.into_iter().map(|household| household.name).collect::<Vec<_>>()
    };
    desk.done(desk.api.assign_grid(desk.ask(assign("assign-1", &grids[0], ""))).await);
    assert_eq!(listed(&desk, &grids[0]).await, std::slice::from_ref(&home.name));
    let building = AddBuildingRequest {
        request_id: "building-3".into(),
        compound: one.name.clone(),
        building: "3".into(),
        units: 1,
    };
    desk.done(desk.api.add_building(desk.ask(building)).await);
    desk.done(desk.api.assign_grid(desk.ask(assign("assign-2", &grids[1], "3"))).await);
    assert_eq!((listed(&desk, &grids[0]).await.len(), listed(&desk, &grids[1]).await.len()), (0, 1));
    desk.scope = Scope::Neighbourhood("another".into());
    assert!(listed(&desk, &grids[1]).await.is_empty());
    desk.host.close().await;
}
