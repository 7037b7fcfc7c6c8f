//! Services in processes of their own: each follows the others' logs where they are.

use std::{collections::BTreeMap, path::Path, time::Duration};

use chassis::{
    Clock,
    client::{Connection, new_request_id},
    host::Store,
};
use chrono::TimeDelta;
use mifeng::wiring::{Plan, Running, Service};
use proto::{
    access::v1::{Principal, Role},
    registry::v1::{
        Compound, CreateCompoundRequest, CreateHouseholdRequest, CreateNeighbourhoodRequest, CreateResidentRequest,
        Household, IdentityDocument, Neighbourhood, Person, Tenure, identity_document,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{ListCasesRequest, screening_service_client::ScreeningServiceClient},
};
use tempfile::TempDir;
use tests::time;

async fn serve(service: Service, folder: &Path, secret: &Path, peers: &[(&str, &str)]) -> Running {
    let plan = Plan {
        services: vec![service],
        listen: ([127, 0, 0, 1], 0).into(),
        data: folder.join(service.name()),
        secret_file: Some(secret.to_owned()),
        peers: peers
            .iter()
            .map(|(name, url)| ((*name).to_owned(), vec![(*url).to_owned()]))
            .collect::<BTreeMap<_, _>>(),
        store: Store::Folder,
        nats: None,
        advertise: None,
        carriers: screening::carriers::config::Config::default(),
        clock: Clock::starting_at(time("2020-02-11T08:00:00+08:00")),
        demonstration: false,
    };
    plan.start().await.unwrap()
}

fn somebody(running: &Running, role: Role, neighbourhood: &str) -> Connection {
    let person = Principal {
        subject: "staff/s".into(),
        role: role.into(),
        unit: "u".into(),
        neighbourhood: neighbourhood.into(),
        gate: String::new(),
    };
    let now = running.host().clock.now();
    let token = running.tokens.issue(&person, TimeDelta::hours(1), now).unwrap().token;
    Connection::open(&running.address, Some(token)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_registered_in_one_process_is_due_in_another_also_when_that_was_away() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, [7; 32]).unwrap();
    let registry = serve(Service::Registry, folder.path(), &secret, &[]).await;
    let (household, neighbourhood) = household(&registry).await;
    // Nobody follows yet: what happens now must not be lost.
    resident(&registry, &household, &neighbourhood, "王小明").await;
    let peers = [("registry", registry.address.as_str())];
    let screening = serve(Service::Screening, folder.path(), &secret, &peers).await;
    cases(&screening, &neighbourhood, 1).await;
    resident(&registry, &household, &neighbourhood, "李小红").await;
    cases(&screening, &neighbourhood, 2).await;
    screening.end().await.unwrap();
    resident(&registry, &household, &neighbourhood, "张小兰").await;
    let screening = serve(Service::Screening, folder.path(), &secret, &peers).await;
    cases(&screening, &neighbourhood, 3).await;
    screening.end().await.unwrap();
    registry.end().await.unwrap();
}

async fn cases(screening: &Running, neighbourhood: &str, expected: usize) {
    let mut client = ScreeningServiceClient::new(somebody(screening, Role::Worker, neighbourhood));
    for _ in 0..400 {
        let cases = client.list_cases(ListCasesRequest::default()).await.unwrap().into_inner().cases;
        if cases.len() == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the cases did not come to {expected}");
}

async fn household(registry: &Running) -> (String, String) {
    let mut officer = RegistryServiceClient::new(somebody(registry, Role::Officer, ""));
    let neighbourhood =
        Neighbourhood {
            display_name: "金家漕社区".into(), code: "330212002012".into(), ..Neighbourhood::default()
        };
    let request = CreateNeighbourhoodRequest { request_id: new_request_id(), neighbourhood: Some(neighbourhood) };
    let neighbourhood = officer.create_neighbourhood(request).await.unwrap().into_inner().name;
    let compound =
        Compound { display_name: "长丰二村".into(), neighbourhood: neighbourhood.clone(), ..Compound::default() };
    let request = CreateCompoundRequest { request_id: new_request_id(), compound: Some(compound) };
    let compound = officer.create_compound(request).await.unwrap().into_inner().name;
    let household = Household {
        compound,
        building: "1".into(),
        unit: "1".into(),
        room: "101".into(),
        tenure: Tenure::Owned.into(),
        ..Household::default()
    };
    let request = CreateHouseholdRequest { request_id: new_request_id(), household: Some(household), landlord: None };
    let mut worker = RegistryServiceClient::new(somebody(registry, Role::Worker, &neighbourhood));
    (worker.create_household(request).await.unwrap().into_inner().name, neighbourhood)
}

async fn resident(registry: &Running, household: &str, neighbourhood: &str, name: &str) {
    let document = IdentityDocument { kind: identity_document::Kind::None.into(), number: String::new() };
    let person = Person { full_name: name.into(), phones: vec!["13900000001".into()], document: Some(document) };
    let request =
        CreateResidentRequest { request_id: new_request_id(), household: household.into(), person: Some(person) };
    let mut worker = RegistryServiceClient::new(somebody(registry, Role::Worker, neighbourhood));
    worker.create_resident(request).await.unwrap();
}
