//! kill -9 at random moments, while the story is told and others work.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use office::story::{Playbill, play};
use proto::access::v1::Role;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tempfile::TempDir;
use tests::House;
use tonic::Status;

use crate::{
    audit,
    deeds::{Place, Recorder, unanswered},
    offices::Offices,
    process::{Process, Words, data, free_port},
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
    let port = free_port();
    let address = format!("http://127.0.0.1:{port}");
    let story = Story::tell(folder.path(), &address);
    let working = tokio::spawn(work(data(folder.path()), address.clone()));
    for round in 1..=rounds {
        let server = Process::start(folder.path(), port);
        // The moment of an accident: nothing is waited for. Now and then it comes late enough for the later chapters.
        let longest = if round % 4 == 0 { took.max(Duration::from_secs(2)) } else { Duration::from_secs(2) };
        tokio::time::sleep(random.random_range(Duration::from_millis(30)..longest)).await;
        server.kill().await;
    }
    let mut server = Process::start(folder.path(), port);
    server.ready(&address).await;
    let (offices, place, recorder) = working.await.unwrap();
    let book = recorder.stop().await;
    let told = story.end().await;
    println!("the story came to its end {} times", told.times);
    assert!(told.complaints.is_empty(), "the story was refused: {:#?}", told.complaints);

    print!("| rounds {rounds} ");
    let made = audit::nothing_lost(&offices, &place, &book).await;
    let mut numbers = play(playbill(&address, offices.administrator())).await.expect("the story goes through");
    let households = numbers["households"].as_i64().unwrap();
    numbers["households"] = (households - i64::try_from(made).unwrap()).into();
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
    Playbill { address: address.to_owned(), token, seed: STORY, json: true }
}

async fn work(data: std::path::PathBuf, address: String) -> (Offices, Place, Recorder) {
    let offices = Offices::of(&data, &address).await;
    let place = Place::found(&offices).await;
    let recorder = Recorder::start(&offices, &place, LANES);
    (offices, place, recorder)
}

/// The story, told from the beginning whenever it breaks off.
struct Story {
    telling: tokio::task::JoinHandle<()>,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    times: u32,
    complaints: Vec<String>,
}

impl Story {
    fn tell(folder: &Path, address: &str) -> Self {
        let told = Arc::<Mutex<Told>>::default();
        let (data, address, telling) = (data(folder), address.to_owned(), Arc::clone(&told));
        let telling = tokio::spawn(async move {
            let token = Offices::of(&data, &address).await.administrator();
            loop {
                match play(playbill(&address, token.clone())).await {
                    Ok(_) => telling.lock().unwrap().times += 1,
                    Err(error) if broken_off(&error) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(error) => {
                        telling.lock().unwrap().complaints.push(format!("{error:?}"));
                        return;
                    }
                }
            }
        });
        Self { telling, told }
    }

    async fn end(self) -> Told {
        self.telling.abort();
        drop(self.telling.await);
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

fn broken_off(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<Status>()).any(unanswered)
}

fn number(variable: &str) -> Option<u32> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")))
}
