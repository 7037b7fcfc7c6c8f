//! What orders open and end, told of twice.

use proto::isolation::v1::{
    Destination, ListNeedsRequest, Need, NeedKind, NeedPlan, Slot, StandingNeed, Terms, need_plan_event,
    need_service_server::NeedService as _,
    order_event::{self, HandedOver, Moved, Ordered, Released, TransferDecided},
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
async fn who_comes_home_again_is_fed_again() {
    let world = World::new().await;
    world.tell("o1", "2020-02-11T20:30", ordered(Kind::Home)).await;
    world.tell("o1", "2020-02-12T09:00", order_event::Event::HandedOver(HandedOver::default())).await;
    assert!(world.needs(director()).await.is_empty());
    let home_from = Some(Slot { date: "2020-02-14".into(), day_part: DayPart::Evening.into() });
    let moved = Moved { to: Destination::Home.into(), kind: Kind::Home.into(), home_from, ..Moved::default() };
    world.tell("o1", "2020-02-14T15:00", order_event::Event::Moved(moved)).await;
    let needs = world.needs(director()).await;
    assert_eq!(needs.len(), 4);
    let due = needs[0].due_time.as_ref().and_then(chassis::instant).unwrap();
    assert_eq!(due, moment("2020-02-15T03:00"), "its clock begins when the person is home");
    world.tell("o1", "2020-02-25T20:30", order_event::Event::Released(Released::default())).await;
    assert!(world.needs(director()).await.is_empty());
}

#[tokio::test]
async fn the_neighbourhood_that_takes_an_order_over_has_its_needs_and_the_other_none() {
    let world = World::new().await;
    let milk = StandingNeed {
        kind: NeedKind::Errand.into(),
        every_days: 1,
        within_hours: 12,
        item: "奶粉".into(),
        ..Default::default()
    };
    let plan =
        NeedPlan { standing: vec![milk], claim_hours: 4, confirm_hours: 24, escalation_hours: 6, ..Default::default() };
    let set = need_plan_event::Event::Set(need_plan_event::Set { plan: Some(plan) });
    world.tell("jinjiacao", "2020-02-11T20:00", set).await;
    world.tell("o1", "2020-02-11T20:30", ordered(Kind::Home)).await;
    assert_eq!(world.needs(director()).await.len(), 1);
    let there = Residence { neighbourhood_id: "elsewhere".into(), ..residence() };
    let taken_over = TransferDecided { accepted: true, residence: Some(there), ..TransferDecided::default() };
    world.tell("o1", "2020-02-12T10:00", order_event::Event::TransferDecided(taken_over)).await;
    assert!(world.needs(director()).await.is_empty(), "also what only its own plan has");
    assert_eq!(world.needs(stranger()).await.len(), 4);
    world.tell("o1", "2020-02-25T20:30", order_event::Event::Released(Released::default())).await;
    assert!(world.needs(stranger()).await.is_empty() && world.needs(director()).await.is_empty());
}

#[tokio::test]
async fn who_is_watched_goes_out_and_shops() {
    let world = World::new().await;
    world.tell("o1", "2020-02-11T20:30", ordered(Kind::Watch)).await;
    assert!(world.needs(director()).await.is_empty());
}
