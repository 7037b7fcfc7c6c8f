//! What orders open and end, told of twice.

use proto::isolation::v1::{
    ListNeedsRequest, Need, NeedKind, Terms,
    need_service_server::NeedService as _,
    order_event::{self, HandedOver, Ordered, Released},
};

use super::*;
use crate::care::Care;

impl World {
    /// The needs that somebody still has to do something about.
    async fn needs(&self, by: Principal) -> Vec<Need> {
        let care = Care { ledger: self.ledger.clone(), vault: self.api.vault.clone(), views: self.api.views.clone() };
        let head = self.ledger.log().head().await.unwrap().position;
        let mut list = request(ListNeedsRequest::default(), by, "2020-02-11T21:00");
        list.metadata_mut().insert("mf-min-position", format!("isolation={head}").parse().unwrap());
        care.list_needs(list).await.unwrap().into_inner().needs
    }
}

fn ordered(kind: Kind) -> order_event::Event {
    let terms = Terms { resident_id: "r1".into(), residence: Some(residence()), kind: kind.into(), ..Terms::default() };
    order_event::Event::Ordered(Ordered { terms: Some(terms), ..Ordered::default() })
}

#[tokio::test]
async fn an_order_opens_each_need_once_and_ends_all_of_them() {
    let world = World::new().await;
    world.tell("o1", "2020-02-11T20:30", ordered(Kind::Home)).await;
    let needs = world.needs(director()).await;
    let kinds: Vec<NeedKind> = needs.iter().map(Need::kind).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert_eq!(kinds[0], NeedKind::Food, "what is due first stands first");
    assert!(world.needs(stranger()).await.is_empty());
    world.tell("o1", "2020-02-25T20:30", order_event::Event::Released(Released::default())).await;
    assert!(world.needs(director()).await.is_empty());
}

#[tokio::test]
async fn who_was_taken_over_needs_nothing_from_the_neighbourhood() {
    let world = World::new().await;
    world.tell("o1", "2020-02-11T20:30", ordered(Kind::Central)).await;
    assert_eq!(world.needs(director()).await.len(), 4, "until somebody comes for them they are at home");
    world.tell("o1", "2020-02-11T22:00", order_event::Event::HandedOver(HandedOver::default())).await;
    assert!(world.needs(director()).await.is_empty());
}

#[tokio::test]
async fn who_is_watched_goes_out_and_shops() {
    let world = World::new().await;
    world.tell("o1", "2020-02-11T20:30", ordered(Kind::Watch)).await;
    assert!(world.needs(director()).await.is_empty());
}
