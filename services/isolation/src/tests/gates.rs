//! What the gates tell.

use super::*;

#[tokio::test]
async fn a_refused_crossing_of_the_isolated_is_a_breach_and_of_others_nothing() {
    let world = World::with_method().await;
    world.tell("day", "2020-02-11T10:00", crossed("x0", Finding::Isolated, AtGate::Refused)).await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
    world.tell("day", "2020-02-12T03:01", crossed("x1", Finding::Isolated, AtGate::Refused)).await;
    world.tell("day", "2020-02-12T03:02", crossed("x2", Finding::Valid, AtGate::Allowed)).await;
    assert_eq!(world.order(&order_of("c1", 0), "2020-02-12T04:00").await.breaches, 1);
}

#[tokio::test]
async fn a_fever_at_the_gate_opens_one_health_watch_and_none_for_the_isolated() {
    let world = World::with_method().await;
    world.tell("day", "2020-02-12T03:01", crossed("x1", Finding::Fever, AtGate::Allowed)).await;
    world.tell("day", "2020-02-12T04:01", crossed("x2", Finding::Fever, AtGate::Allowed)).await;
    let orders = world.orders(health(), "2020-02-12T05:00", State::InForce).await;
    let [watch] = &orders[..] else { panic!("{} orders", orders.len()) };
    assert_eq!((watch.kind(), watch.reason()), (Kind::Watch, Reason::Fever));
    assert_eq!((watch.day_zero.as_str(), watch.last_day.as_str()), ("2020-02-12", "2020-02-26"));
    assert_eq!(watch.evidence_ids, ["crossings/x1"]);
}
