//! kill -9 at random moments, while the story is told and others work.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use office::story::{Playbill, play};
use proto::access::v1::Role;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tempfile::TempDir;
use tests::House;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    audit,
    deeds::{Place, Recorder, unanswered},
    offices::Offices,
    process::{Process, Words, data},
};

/// The story's seed: the same in the undisturbed house.
const STORY: u32 = 1;
const LANES: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let seed = number("MIFENG_FAULT_SEED").unwrap_or_else(rand::random);
    let rounds = number("MIFENG_FAULT_ROUNDS").unwrap_or(4);
    println!("MIFENG_FAULT_SEED={seed} MIFENG_FAULT_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed.into());
    let (undisturbed, took) = undisturbed().await;
    println!("undisturbed, the story takes {took:?}");

    let folder = TempDir::new().unwrap();
    let _words = Words(folder.path().to_owned());
    let port = tests::free_port();
    let address = format!("http://127.0.0.1:{port}");
    let over = CancellationToken::new();
    let accidents = async {
        for round in 1..=rounds {
            let server = Process::start(folder.path(), port);
            // The moment of an accident: nothing is waited for. Now and then it comes in the later chapters.
            let longest = if round % 4 == 0 {
                took.clamp(Duration::from_secs(2), Duration::from_secs(40))
            } else {
                Duration::from_secs(2)
            };
            tokio::time::sleep(random.random_range(Duration::from_millis(30)..longest)).await;
            server.kill().await;
        }
        let mut server = Process::start(folder.path(), port);
        server.ready(&address).await;
        over.cancel();
        server
    };
    let data = data(folder.path());
    let (server, told, (offices, place, recorder)) =
        tokio::join!(accidents, told(&data, &address, &over), work(&data, &address));
    let book = recorder.stop().await;
    println!("the story came to its end {} times", told.times);
    assert!(told.complaints.is_empty(), "the story was refused: {:#?}", told.complaints);

    print!("| rounds {rounds} ");
    let made = audit::nothing_lost(&offices, &place, &book).await;
    let mut numbers = play(playbill(&address, offices.administrator())).await.expect("the story goes through");
    for (figure, made) in [("households", made.households), ("residents", made.residents)] {
        numbers[figure] = (numbers[figure].as_i64().unwrap() - made).into();
    }
    assert_eq!(numbers, undisturbed, "the story's numbers are those of an undisturbed run");
    audit::recounted(&offices).await;
    server.kill().await;
}

/// The numbers of a house to which nothing happens, and how long they took.
async fn undisturbed() -> (Value, Duration) {
    let house = House::new().await;
    let token = house.token("staff/demonstration", Role::Administrator, "subdistrict", "", "");
    let begun = Instant::now();
    let numbers = play(playbill(house.address(), token)).await.unwrap();
    (numbers, begun.elapsed())
}

fn playbill(address: &str, token: String) -> Playbill {
    Playbill { address: address.to_owned(), token, authority: None, seed: STORY, json: true }
}

async fn work(data: &Path, address: &str) -> (Offices, Place, Recorder) {
    let offices = Offices::of(data, address).await;
    let place = Place::found(&offices).await;
    let recorder = Recorder::start(&offices, &place, LANES);
    (offices, place, recorder)
}

#[derive(Default)]
struct Told {
    times: u32,
    complaints: Vec<String>,
}

/// Tells the story from the beginning whenever it breaks off, until it is over.
async fn told(data: &Path, address: &str, over: &CancellationToken) -> Told {
    let mut told = Told::default();
    let token = Offices::of(data, address).await.administrator();
    while let Some(end) = over.run_until_cancelled(play(playbill(address, token.clone()))).await {
        match end {
            Ok(_) => told.times += 1,
            Err(error) if broken_off(&error) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => {
                told.complaints.push(format!("{error:?}"));
                break;
            }
        }
    }
    told
}

fn broken_off(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<Status>()).any(unanswered)
}

pub(crate) fn number(variable: &str) -> Option<u32> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")))
}
