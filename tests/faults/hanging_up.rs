//! Clients that hang up while their commands are under way.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use proto::{event::v1::GetHeadRequest, registry::v1::ListHouseholdsRequest};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tests::{
    House,
    apart::{Apart, nats_server},
};

use crate::{
    audit,
    deeds::{Book, Deed, Desk, Place, insist, unanswered},
    offices::Offices,
};

const LANES: u32 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_caller_hangs_up_is_done_once_or_not_at_all() {
    let house = House::new().await;
    let offices = Offices::of(house.folder(), house.address()).await;
    hung_up_on(&offices, 400, Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_caller_hangs_up_on_services_apart_is_done_once_or_not_at_all() {
    let Some(nats) = nats_server() else { return };
    let apart = Apart::start(nats, 1).await;
    hung_up_on(&Offices::of_services(&apart), 125, Duration::from_millis(150)).await;
}

/// `patience`: what the most patient one has.
async fn hung_up_on(offices: &Offices, per_lane: u32, patience: Duration) {
    let place = Place::found(offices).await;
    let before = head(offices).await;
    let lanes = (0..LANES).map(|lane| {
        let (offices, place) = (offices.clone(), place.clone());
        tokio::spawn(async move { impatient(&offices, &place, (lane, per_lane), patience).await })
    });
    let mut answered = 0;
    for lane in lanes.collect::<Vec<_>>() {
        answered += lane.await.unwrap();
    }
    let done = head(offices).await - before;
    println!("| sent {} | done {done} | answered before the caller hung up {answered} |", LANES * per_lane);
    assert!(done > 0 && answered < LANES * per_lane, "callers hang up in the middle");

    // Now each is seen through: what was done before answers as it did then.
    let desk = Desk::new(offices, &place);
    let deeds = (0..LANES).flat_map(|lane| (0..per_lane).map(move |number| Deed { lane, number }));
    let seen_through = deeds.map(|deed| {
        let desk = &desk;
        async move { (deed, insist(async || deed.send(desk).await).await) }
    });
    let answers = stream::iter(seen_through).buffer_unordered(32).collect().await;
    let book = Book { answers, ..Book::default() };
    audit::nothing_lost(offices, &place, &book).await;
    audit::recounted(offices).await;
}

async fn head(offices: &Offices) -> u64 {
    let request = GetHeadRequest { log: "registry".to_owned() };
    offices.logs().get_head(request).await.unwrap().into_inner().position
}

/// Sends and waits for none longer than that; asks for lists in between, and does not wait for them either.
async fn impatient(offices: &Offices, place: &Place, (lane, per_lane): (u32, u32), most: Duration) -> u32 {
    let (desk, worker) = (Desk::new(offices, place), offices.worker(&place.neighbourhood));
    let mut random = StdRng::seed_from_u64(lane.into());
    let sent: Vec<_> = (0..per_lane).map(|number| (number, random.random_range(Duration::ZERO..most))).collect();
    let sending = sent.into_iter().map(|(number, patience)| {
        let (desk, mut worker, place) = (&desk, worker.clone(), place);
        async move {
            let list = ListHouseholdsRequest { parent: place.compound.clone(), ..ListHouseholdsRequest::default() };
            let asked = tokio::time::timeout(patience / 2, worker.list_households(list));
            let deed = tokio::time::timeout(patience, Deed { lane, number }.send(desk));
            let (asked, deed) = tokio::join!(asked, deed);
            for status in
                [asked.ok().and_then(Result::err), deed.as_ref().ok().and_then(|deed| deed.as_ref().err().cloned())]
            {
                assert!(status.as_ref().is_none_or(unanswered), "{status:?}");
            }
            u32::from(matches!(deed, Ok(Ok(_))))
        }
    });
    stream::iter(sending).buffer_unordered(2).fold(0, |sum, one| std::future::ready(sum + one)).await
}
