//! Somebody is given a pass at the desk while an order isolates them: whatever comes first, nobody under isolation holds an active
//! pass, at any position of their stream. `MIFENG_PAIRS` says how often.

use chassis::Aggregate as _;
use futures::{StreamExt as _, stream};
use proto::{Fact as _, isolation::v1::Kind, pass::v1::holder_event::Event, screening::v1::Outcome};

use super::world::{World, home, once};
use crate::domain::holder::{Holder, Standing};

/// Commands under way at once.
const SIDE_BY_SIDE: usize = 32;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_isolated_while_a_pass_is_issued_holds_an_active_one_at_no_position() {
    let pairs: usize = std::env::var("MIFENG_PAIRS").map_or(200, |pairs| pairs.parse().unwrap());
    let mut world = World::with_gates().await;
    let home = home("n1", "c1");
    let written = |number: usize| {
        let (world, home) = (&world, &home);
        async move {
            let resident = format!("r{number}");
            world.moved_in(&resident, home).await;
            world.found(&format!("clear-{resident}"), &resident, home, Outcome::Clear).await;
        }
    };
    stream::iter(0..pairs).map(written).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<()>>().await;
    // What was written last is seen by whoever asks from now on, and so is all before it.
    world.qualified("last").await;
    let pair = |number: usize| {
        let (world, home) = (&world, &home);
        async move {
            let resident = format!("r{number}");
            let order = async {
                // Now the one comes first and now the other.
                for _ in 0..number % 7 {
                    tokio::task::yield_now().await;
                }
                world.isolated(&format!("order-{resident}"), &resident, home, Kind::Home).await;
            };
            let (issued, ()) = tokio::join!(world.try_issue(&resident), order);
            usize::from(issued.is_ok())
        }
    };
    let issued: usize =
        stream::iter(0..pairs).map(pair).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<_>>().await.iter().sum();

    let ledger = world.host.ledger("pass").await.unwrap();
    let (mut overlaps, mut suspended) = (0, 0);
    for number in 0..pairs {
        let resident = format!("r{number}");
        let barred = async || ledger.load::<Holder>(&resident).await.unwrap().0.isolated().then_some(());
        once("an order never reached its holder", barred).await;
        let mut holder = Holder::default();
        for record in ledger.log().read_stream(Event::CATEGORY, &resident, 0).await.unwrap() {
            holder.evolve(&Event::from_payload(&record.payload).unwrap());
            let active = holder.pass().is_some_and(|pass| pass.standing == Standing::Active);
            overlaps += usize::from(active && holder.isolated());
        }
        suspended += usize::from(holder.pass().is_some());
    }
    println!("| pairs {pairs} | issued first {issued} | barred first {} | overlaps {overlaps} |", pairs - issued);
    assert_eq!(suspended, issued, "who was given a pass has one, suspended");
    assert_eq!(overlaps, 0, "somebody under isolation held an active pass");
}
