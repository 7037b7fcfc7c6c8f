//! One run: a world from a seed, its story in foul weather, and the audit in calm.

use std::{
    cell::OnceCell,
    fmt,
    path::Path,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::Clock;
use chrono::TimeDelta;
use tempfile::TempDir;

use crate::{
    OFFICE,
    office::Office,
    service::{self, Flaw, SERVICES, World},
    weather::{Storm, Weather},
};

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    pub(crate) in_doubt: u32,
    pub(crate) accidents: u32,
    pub(crate) records: usize,
    pub(crate) simulated: Duration,
    pub(crate) took: Duration,
    pub(crate) violations: Vec<String>,
}

/// One step of the simulated time.
const TICK: Duration = Duration::from_millis(2);
/// No story takes this long.
const LONGEST: Duration = Duration::from_mins(10);

pub(crate) fn run(seed: u64, flaw: Flaw) -> Outcome {
    let began = Instant::now();
    let folder = folder();
    let (clock, hand) = Clock::manual(tests::time("2020-02-12T22:00:00+08:00"));
    let weather = Weather::new(seed);
    let world = Arc::new(World::new(folder.path().to_owned(), clock, Arc::clone(&weather), flaw));
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(LONGEST)
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::from_millis(20))
        .tcp_capacity(4_096)
        .udp_capacity(1_024)
        .enable_random_order()
        .build();
    for name in SERVICES {
        let world = Arc::clone(&world);
        sim.host(name, move || service::live(Arc::clone(&world), name));
    }
    let office: Rc<OnceCell<Rc<Office>>> = Rc::default();
    let (opened, calm) = (Rc::clone(&office), Arc::clone(&weather));
    let of = Arc::clone(&world);
    sim.client(OFFICE, async move {
        // Its lines are laid from within the network.
        let office = opened.get_or_init(|| Rc::new(Office::new(of, seed)));
        office.desk("founding").tells().await;
        calm.calms();
        office.desk("audit").audits().await;
        Ok(())
    });
    let mut storm = Storm::new(seed, SERVICES.to_vec());
    let mut outcome = Outcome { seed, ..Outcome::default() };
    let lose = |service: &str, lost| world.lose(service, lost);
    let mut over = false;
    loop {
        if !weather.calm() {
            storm.pass(&mut sim, lose);
        } else if !std::mem::replace(&mut over, true) {
            storm.end(&mut sim, lose);
        }
        hand.advance(TimeDelta::from_std(TICK).unwrap());
        match sim.step() {
            Ok(false) => {}
            Ok(true) => break,
            Err(error) => {
                outcome.violations.push(format!("it did not come to its end: {error}"));
                break;
            }
        }
    }
    outcome.accidents = storm.accidents;
    outcome.simulated = sim.elapsed();
    if let Some(office) = office.get() {
        let mut book = office.book.borrow_mut();
        outcome.violations.append(&mut book.complaints);
        outcome.acknowledged = book.entries.iter().filter(|(_, answer)| answer.is_ok()).count();
        outcome.refused = book.entries.len() - outcome.acknowledged;
        outcome.in_doubt = book.in_doubt;
    }
    outcome.records = service::LOGS.iter().map(|log| world.memory(log).records().len()).sum();
    outcome.took = began.elapsed();
    outcome
}

/// In memory where there is such a folder: nothing here has to survive the machine.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

impl Outcome {
    /// What all of them come to. Each on a line of its own would bury those that failed.
    pub(crate) fn total(all: &[Self]) -> String {
        let sum = |of: fn(&Self) -> u64| all.iter().map(of).sum::<u64>();
        let time = |of: fn(&Self) -> Duration| all.iter().map(of).sum::<Duration>();
        format!(
            "| seeds {} | acknowledged {} | refused {} | in doubt, then settled {} | accidents {} | records {} | simulated {:.0?} in \
             {:.0?} | violations {} |",
            all.len(),
            sum(|one| one.acknowledged as u64),
            sum(|one| one.refused as u64),
            sum(|one| one.in_doubt.into()),
            sum(|one| one.accidents.into()),
            sum(|one| one.records as u64),
            time(|one| one.simulated),
            time(|one| one.took),
            sum(|one| one.violations.len() as u64)
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, acknowledged, refused, in_doubt, accidents, records, simulated, took, violations } = self;
        write!(
            f,
            "| seed {seed} | acknowledged {acknowledged} | refused {refused} | in doubt, then settled {in_doubt} | \
             accidents {accidents} | records {records} | simulated {simulated:.1?} in {took:.1?} | violations {} |",
            violations.len()
        )
    }
}
