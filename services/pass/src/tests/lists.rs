use std::sync::Arc;

use chassis::{Clock, Memory as _};
use chrono::TimeDelta;
use proto::pass::v1::{Reason, SuspendPassRequest, SuspensionUpdate, pass_service_server::PassService as _};

use super::world::{World, everywhere, worker};
use crate::{publishing::Publisher, roll::Roll, timekeeping::Timekeeper};

/// What a replica that has just started signs, once it has read the log.
async fn replica(world: &World, from: u32) -> SuspensionUpdate {
    let desk = &world.api.issuing.timekeeper.desk;
    let roll = Arc::new(Roll::new(Arc::clone(desk)));
    for record in world.host.feed_for("pass", "pass").await.unwrap().read(0, 5_000).await.unwrap() {
        roll.take(&record).unwrap();
    }
    Publisher::new(Arc::clone(desk), roll).update(from).unwrap().unwrap()
}

/// What the one signs that has been there all the time.
async fn publisher(world: &World) -> Publisher {
    let call = chassis::Call::query(&world.request(everywhere(), ())).unwrap();
    world.api.remembered.caught_up(&call).await.unwrap();
    Publisher::new(Arc::clone(&world.api.issuing.timekeeper.desk), Arc::clone(&world.api.roll))
}

#[tokio::test]
async fn every_replica_signs_the_same_bytes_for_the_same_sequence() {
    let mut world = World::with_gates().await;
    for resident in ["r1", "r2", "r3"] {
        world.qualified(resident).await;
        world.issue(resident).await.unwrap();
    }
    let before = publisher(&world).await.update(0).unwrap().unwrap();
    let suspend = SuspendPassRequest {
        request_id: world.next_id(),
        resident: "residents/r2".to_owned(),
        reason: Reason::Lost.into(),
        evidence_ids: Vec::new(),
    };
    let suspended = world.api.suspend_pass(world.request(worker("n1"), suspend)).await.unwrap();
    world.take(suspended);
    let publisher = publisher(&world).await;
    for from in [0, before.sequence] {
        let signed = publisher.update(from).unwrap().unwrap();
        assert_eq!(signed, replica(&world, from).await);
        assert_eq!((signed.delta, signed.sequence > before.sequence), (from > 0, true));
    }
}

#[tokio::test]
async fn a_list_that_nothing_changes_is_confirmed_before_it_is_ten_minutes_old() {
    let world = World::with_gates().await;
    let first = publisher(&world).await.update(0).unwrap().unwrap();
    let later = world.now + TimeDelta::minutes(6);
    let timekeeper = Timekeeper { clock: Clock::manual(later).0, ..world.api.issuing.timekeeper.clone() };
    timekeeper.look().await.unwrap();
    let head = world.api.ledger.log().head().await.unwrap().position;
    let mut known = world.api.roll.watch();
    known.wait_for(|sequence| u64::from(*sequence) == head).await.unwrap();
    let confirmed = publisher(&world).await.update(first.sequence).unwrap().unwrap();
    assert!(confirmed.delta && confirmed.time.unwrap().seconds == later.timestamp());
    timekeeper.look().await.unwrap();
    assert_eq!(world.api.ledger.log().head().await.unwrap().position, head, "it is young");
}
