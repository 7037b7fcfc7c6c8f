//! What verdicts lead to.

use super::*;

#[tokio::test]
async fn a_key_area_verdict_orders_isolation_once_however_often_it_is_told() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Central, "2020-02-08", false)).await;
    let orders = world.orders(director(), "2020-02-11T21:00", State::InForce).await;
    let [order] = &orders[..] else { panic!("{} orders", orders.len()) };
    assert_eq!((order.kind(), order.reason()), (Kind::Central, Reason::ConcealedKeyArea));
    assert_eq!((order.day_zero.as_str(), order.last_day.as_str()), ("2020-02-08", "2020-02-22"));
    assert_eq!(
        (order.observed_from.as_str(), order.missing.as_slice()),
        ("2020-02-11", &["2020-02-11 evening".into()][..])
    );
    assert_eq!(
        (order.resident.as_str(), order.case.as_str(), order.method.as_str()),
        ("residents/r1", "cases/c1", "methods/m1")
    );
    assert_eq!(order.name, format!("orders/{}", order_of("c1", 0)));
    assert!(world.orders(stranger(), "2020-02-11T21:00", State::InForce).await.is_empty());
}

#[tokio::test]
async fn a_verdict_that_turned_clear_releases_its_order_and_a_later_one_isolates_again() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
    world.tell("c1", "2020-02-12T09:00", assessed(Measure::None, "", true)).await;
    let order = world.order(&order_of("c1", 0), "2020-02-12T09:30").await;
    assert_eq!((order.state(), order.release_reason()), (State::Released, ReleaseReason::VerdictChanged));
    world.tell("c1", "2020-02-13T09:00", assessed(Measure::Home, "2020-02-08", true)).await;
    let again = world.order(&order_of("c1", 1), "2020-02-13T09:30").await;
    assert_eq!((again.state(), again.last_day.as_str()), (State::InForce, "2020-02-22"));
    assert_eq!(world.orders(director(), "2020-02-13T09:30", State::InForce).await.len(), 1);
}

#[tokio::test]
async fn a_stricter_verdict_replaces_the_order_and_the_same_one_does_not() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
    world.tell("c1", "2020-02-12T08:00", assessed(Measure::Home, "2020-02-08", true)).await;
    assert_eq!(world.orders(director(), "2020-02-12T09:00", State::Unspecified).await.len(), 1);
    world.tell("c1", "2020-02-12T09:00", assessed(Measure::Central, "2020-02-08", true)).await;
    let in_force = world.orders(director(), "2020-02-12T09:30", State::InForce).await;
    assert_eq!(in_force.iter().map(Order::kind).collect::<Vec<_>>(), [Kind::Central]);
    assert_eq!(world.orders(director(), "2020-02-12T09:30", State::Released).await.len(), 1);
}

#[tokio::test]
async fn two_cases_isolate_one_person_and_each_order_ends_with_its_own_case() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
    world.tell("c2", "2020-02-11T21:30", assessed(Measure::Central, "2020-02-09", false)).await;
    world.tell("c1", "2020-02-12T09:00", assessed(Measure::None, "", true)).await;
    let in_force = world.orders(director(), "2020-02-12T09:30", State::InForce).await;
    assert_eq!(in_force.iter().map(|order| order.case.as_str()).collect::<Vec<_>>(), ["cases/c2"]);
    world.tell("day", "2020-02-12T10:00", crossed("x1", Finding::Isolated, AtGate::Refused)).await;
    assert_eq!(world.order(&order_of("c2", 0), "2020-02-12T11:00").await.breaches, 1);
}

#[tokio::test]
async fn a_low_verdict_opens_a_health_watch_and_a_clear_one_opens_nothing() {
    let world = World::with_method().await;
    world.tell("c0", "2020-02-11T10:00", assessed(Measure::None, "", false)).await;
    world.tell("c0", "2020-02-11T11:00", assessed(Measure::Ask, "", true)).await;
    assert!(world.orders(health(), "2020-02-11T12:00", State::Unspecified).await.is_empty());
    world.tell("c1", "2020-02-11T12:00", assessed(Measure::Watch, "2020-02-08", false)).await;
    let orders = world.orders(health(), "2020-02-11T12:30", State::InForce).await;
    assert_eq!(orders.iter().map(Order::kind).collect::<Vec<_>>(), [Kind::Watch]);
    world.tell("c1", "2020-02-11T13:00", assessed(Measure::Central, "2020-02-08", true)).await;
    let orders = world.orders(health(), "2020-02-11T13:30", State::InForce).await;
    assert_eq!(orders.iter().map(Order::kind).collect::<Vec<_>>(), [Kind::Central]);
}

#[tokio::test]
async fn a_verdict_that_only_asks_ends_the_order_that_the_former_one_caused() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T12:00", assessed(Measure::Central, "2020-02-08", false)).await;
    world.tell("c1", "2020-02-11T13:00", assessed(Measure::Ask, "", true)).await;
    assert!(world.orders(health(), "2020-02-11T13:30", State::InForce).await.is_empty());
    world.tell("c1", "2020-02-11T14:00", assessed(Measure::Central, "2020-02-08", true)).await;
    assert_eq!(world.orders(health(), "2020-02-11T14:30", State::InForce).await.len(), 1);
}

#[tokio::test]
async fn everything_told_again_from_the_beginning_changes_nothing() {
    let world = World::with_method().await;
    world.tell("day", "2020-02-11T10:00", crossed("x0", Finding::Isolated, AtGate::Refused)).await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
    world.tell("day", "2020-02-12T03:00", crossed("x1", Finding::Fever, AtGate::Allowed)).await;
    world.tell("c1", "2020-02-12T08:00", assessed(Measure::Home, "2020-02-08", true)).await;
    world.tell("c1", "2020-02-12T09:00", assessed(Measure::Central, "2020-02-08", true)).await;
    world.tell("c1", "2020-02-12T10:00", assessed(Measure::None, "", true)).await;
    world.tell("c1", "2020-02-12T11:00", assessed(Measure::Watch, "2020-02-08", true)).await;
    world.tell("c1", "2020-02-12T12:00", assessed(Measure::Home, "2020-02-08", true)).await;
    let head = world.ledger.log().head().await.unwrap().position;
    for log in ["screening", "pass", "registry"] {
        let feed = world.host.feed_for("isolation", log).await.unwrap();
        for record in feed.read(0, 100).await.unwrap() {
            let command = format!("isolation/reactions:{log}:{}", record.position);
            let now = chassis::instant(record.occurred_at.as_ref().unwrap()).unwrap();
            world.reactions.react(&record, &Call::by(health(), now, &command)).await.unwrap();
        }
    }
    assert_eq!(world.ledger.log().head().await.unwrap().position, head);
    let in_force = world.orders(director(), "2020-02-12T12:30", State::InForce).await;
    assert_eq!(in_force.iter().map(Order::kind).collect::<Vec<_>>(), [Kind::Home]);
}

#[tokio::test]
async fn the_service_as_it_is_started_reacts_by_itself() {
    let (_data, host) = host();
    crate::start(&host, &mut tonic::service::RoutesBuilder::default()).await.unwrap();
    let screening = host.ledger("screening").await.unwrap();
    let call = |id: &str| Call::by(health(), moment("2020-02-11T20:30"), id);
    let (method, verdict) = (published(), assessed(Measure::Central, "2020-02-08", false));
    screening.collect(&call("publish-1"), "m1", vec![method].into(), Order::default()).await.unwrap();
    screening.collect(&call("assess-1"), "c1", vec![verdict].into(), Order::default()).await.unwrap();
    let ledger = host.ledger("isolation").await.unwrap();
    ledger.settle(&BTreeMap::from([("screening".to_owned(), 2)])).await;
    let (order, _) = ledger.load::<crate::domain::order::Order>(&order_of("c1", 0)).await.unwrap();
    assert!(order.in_force());
    host.close().await;
}
