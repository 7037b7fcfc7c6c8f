use proto::screening::v1::{
    self, KeyArea, Level, Measure, MethodContent, method::State, method_service_server::MethodService as _,
    screening_service_server::ScreeningService as _,
};

use super::world::{World, reason, worker};
use crate::method_file::sample_content;

/// 台州 is a key area from the eighth of February.
pub(super) fn longer() -> MethodContent {
    let mut content = sample_content();
    content.key_areas.push(KeyArea {
        place: "331000".to_owned(),
        from: "2020-02-08".to_owned(),
        to: String::new(),
        level: Level::Medium.into(),
        measure: Measure::Home.into(),
    });
    content
}

async fn in_force(world: &World, time: Option<&str>) -> v1::Method {
    let time = time.map(|time| chassis::timestamp(time.parse().unwrap()));
    let request = v1::GetMethodRequest { name: String::new(), time };
    world.api.get_method(world.request(&worker(), request)).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_version_is_in_force_from_the_time_that_its_publication_names() {
    let mut world = World::new().await;
    let name = world.approved("2020-02-12", longer()).await;
    let published = world.publish(&name, Some("2020-02-12T00:00:00Z")).await.unwrap();
    assert_eq!(published.state(), State::Scheduled);
    let now = in_force(&world, None).await;
    assert_eq!((now.name.as_str(), now.state()), ("methods/2020-02-09", State::Published));
    assert_eq!(now.replace_time, published.in_force_time, "it says until when");
    assert_eq!(in_force(&world, Some("2020-02-11T23:59:59Z")).await.name, "methods/2020-02-09");
    assert_eq!(in_force(&world, Some("2020-02-12T00:00:00Z")).await.name, name);

    let case = world.resident("r1", 1).await;
    world.declare(&case, &[]).await;
    let judged = world.scan(&case, 1, &[("宁波", "01-01", "02-11")]).await.unwrap();
    assert_eq!(judged.verdict.unwrap().method, "methods/2020-02-09", "by the one in force at its time");
    world.now = "2020-02-12T01:00:00Z".parse().unwrap();
    let case = world.resident("r2", 1).await;
    world.declare(&case, &[]).await;
    let judged = world.scan(&case, 1, &[("宁波", "01-01", "02-11")]).await.unwrap();
    assert_eq!(judged.verdict.unwrap().method, name);
    assert_eq!(in_force(&world, None).await.name, name);
}

#[tokio::test]
async fn a_publication_names_no_time_that_has_passed_and_leaves_no_hole_before_the_first() {
    let mut world = World::without_method().await;
    let first = world.approved("2020-02-09", sample_content()).await;
    let late = world.publish(&first, Some("2020-02-12T00:00:00Z")).await.unwrap_err();
    assert_eq!((late.code(), reason(&late).as_str()), (tonic::Code::InvalidArgument, "HOLE"));
    let passed = world.publish(&first, Some("2020-02-11T05:59:59Z")).await.unwrap_err();
    assert_eq!(reason(&passed), "IN_THE_PAST");
    world.publish(&first, None).await.unwrap();
    world.publish(&first, None).await.unwrap();
    let moved = world.publish(&first, Some("2020-02-12T00:00:00Z")).await.unwrap_err();
    assert_eq!(reason(&moved), "ALREADY_PUBLISHED");
}

#[tokio::test]
async fn every_office_can_prove_which_version_it_runs() {
    let mut world = World::new().await;
    let name = world.approved("2020-02-12", longer()).await;
    let request = v1::ListMethodsRequest::default();
    let listed = world.api.list_methods(world.request(&worker(), request)).await.unwrap().into_inner().methods;
    let states: Vec<State> = listed.iter().map(v1::Method::state).collect();
    assert_eq!(states, [State::Published, State::Approved]);
    let [running, approved] = &listed[..] else { panic!("two versions") };
    assert_eq!(running.digest.len(), 64);
    assert_ne!(running.digest, approved.digest);
    let signed = |signature: &Option<v1::Signature>| signature.as_ref().map(|signature| signature.by.clone());
    assert_eq!(signed(&running.drafted).as_deref(), Some("staff/officer"));
    assert_eq!(signed(&running.approved).as_deref(), Some("staff/doctor"));
    assert_eq!(signed(&running.published).as_deref(), Some("staff/officer"));
    assert_eq!((signed(&approved.published), approved.in_force_time), (None, None));

    let mut turned = longer();
    turned.key_areas.reverse();
    let other = world.approved("turned", turned).await;
    let request = v1::CompareMethodsRequest { name: other, base: name };
    let compared = world.api.compare_methods(world.request(&worker(), request)).await.unwrap().into_inner();
    assert!(compared.changes.is_empty() && compared.digest == compared.base_digest, "the order says nothing");
}

#[tokio::test]
async fn a_version_is_compared_with_the_one_in_force_unless_another_is_named() {
    let mut world = World::new().await;
    let name = world.approved("2020-02-12", longer()).await;
    let compare = async |name: &str, base: &str| {
        let request = v1::CompareMethodsRequest { name: name.to_owned(), base: base.to_owned() };
        world.api.compare_methods(world.request(&worker(), request)).await.map(tonic::Response::into_inner)
    };
    let added = compare(&name, "").await.unwrap();
    assert_eq!((added.base.as_str(), added.changes.len()), ("methods/2020-02-09", 1));
    let gone = compare("methods/2020-02-09", &name).await.unwrap();
    assert_eq!(gone.changes[0].kind(), v1::method_change::Kind::KeyAreaRemoved);
    assert_eq!(compare("methods/none", "").await.unwrap_err().code(), tonic::Code::NotFound);
}
