//! Bad input gets a clear error that names what is wrong, in both languages, and loses nothing.

use chassis::{client::new_request_id, refusal::Spoken};
use proto::{
    access::v1::Role,
    registry::v1::{
        CreateNeighbourhoodRequest, ImportHouseholdsRequest, ListNeighbourhoodsRequest, Neighbourhood,
        registry_service_client::RegistryServiceClient,
    },
};
use tests::House;
use tonic::Code;

fn request(request_id: &str, name: &str, code: &str) -> CreateNeighbourhoodRequest {
    CreateNeighbourhoodRequest {
        request_id: request_id.into(),
        neighbourhood: Some(Neighbourhood { display_name: name.into(), code: code.into(), ..Neighbourhood::default() }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_field_what_is_wrong_and_what_to_do_in_both_languages() {
    let house = House::new().await;
    let mut officer = RegistryServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    let status = officer.create_neighbourhood(request("short", "金家漕社区", "330212002012")).await.unwrap_err();
    let spoken = Spoken::from(&status);
    assert_eq!((status.code(), spoken.reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(spoken.fields[0].field, "request_id");
    assert!(spoken.fields[0].zh.contains("标识") && spoken.fields[0].en.contains("UUID"), "{spoken:?}");
    let status = officer.create_neighbourhood(request(&new_request_id(), "", "12")).await.unwrap_err();
    let fields: Vec<String> = Spoken::from(&status).fields.into_iter().map(|field| field.field).collect();
    assert!(fields.iter().any(|field| field.contains("display_name")), "{fields:?}");
    assert!(fields.iter().any(|field| field.contains("code")), "{fields:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_id_has_one_effect_and_one_answer() {
    let house = House::new().await;
    let mut officer = RegistryServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    let id = new_request_id();
    let first = officer.create_neighbourhood(request(&id, "金家漕社区", "330212002012")).await.unwrap().into_inner();
    let again = officer.create_neighbourhood(request(&id, "金家漕社区", "330212002012")).await.unwrap().into_inner();
    assert_eq!(first, again);
    let reused = officer.create_neighbourhood(request(&id, "别的社区", "330212002013")).await.unwrap_err();
    assert_eq!(Spoken::from(&reused).reason, "REQUEST_ID_REUSED");
    let taken = officer.create_neighbourhood(request(&new_request_id(), "同码社区", "330212002012")).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let listed = ListNeighbourhoodsRequest::default();
    assert_eq!(officer.list_neighbourhoods(listed).await.unwrap().into_inner().neighbourhoods.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_a_missing_one_and_a_role_that_may_not_are_told_apart() {
    let house = House::new().await;
    let ask = |connection| async move {
        let mut client = RegistryServiceClient::new(connection);
        let status = client.create_neighbourhood(request(&new_request_id(), "社区", "330212002012")).await.unwrap_err();
        let spoken = Spoken::from(&status);
        assert!(!spoken.zh.is_empty() && !spoken.en.is_empty());
        (status.code(), spoken.reason)
    };
    assert_eq!(ask(house.anybody()).await, (Code::Unauthenticated, "TOKEN_MISSING".into()));
    let forged = house.anybody().with_token("eyJhbGciOiJub25lIn0.e30.").unwrap();
    assert_eq!(ask(forged).await, (Code::Unauthenticated, "TOKEN_INVALID".into()));
    let auditor = house.central("staff/auditor", Role::Auditor, "audit");
    assert_eq!(ask(auditor).await, (Code::PermissionDenied, "ROLE_NOT_ALLOWED".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_message_and_a_file_that_is_no_workbook_are_refused_with_their_limits() {
    let house = House::new().await;
    let mut officer = RegistryServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    let name = "密".repeat(200_000);
    let status = officer.create_neighbourhood(request(&new_request_id(), &name, "330212002012")).await.unwrap_err();
    let spoken = Spoken::from(&status);
    assert_eq!(spoken.reason, "MESSAGE_TOO_LARGE", "{status:?}");
    assert!(spoken.en.contains("262144"), "the limit is named: {}", spoken.en);

    let created = officer.create_neighbourhood(request(&new_request_id(), "社区", "330212002012")).await.unwrap();
    let neighbourhood = created.into_inner().name;
    let mut worker = RegistryServiceClient::new(house.local("staff/w", Role::Worker, &neighbourhood));
    let import = ImportHouseholdsRequest {
        request_id: new_request_id(),
        parent: neighbourhood,
        workbook: b"this is not a workbook".to_vec(),
        validate_only: false,
        partial: false,
    };
    let refused = match worker.import_households(import).await {
        Err(status) => status,
        Ok(stream) => {
            let mut stream = stream.into_inner();
            loop {
                match stream.message().await {
                    Err(status) => break status,
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("garbage was taken for a workbook"),
                }
            }
        }
    };
    assert_eq!(Spoken::from(&refused).reason, "WORKBOOK_UNREADABLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_folder_is_told_which_folder() {
    let house = House::new().await;
    let plan = tests::plan(house.folder());
    let refused = plan.start().await.err().expect("one process has the folder");
    let sentence = format!("{refused:#}");
    assert!(sentence.contains("another mifeng process") && sentence.contains("--data"), "{sentence}");
}
