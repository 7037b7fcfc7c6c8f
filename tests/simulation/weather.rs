//! What goes wrong, and when: all of it from the seed. While a village's story is told nothing is safe; afterwards the
//! weather is calm, so that what remains wrong is nobody's fault but the services'.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::event_log::memory::{Break, Fate, Luck};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use turmoil::Sim;

/// Dice of one's own for each purpose, so that one thing thrown more often changes nothing else.
pub(crate) fn dice(seed: u64, purpose: &str) -> StdRng {
    let purpose = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    StdRng::seed_from_u64(seed ^ purpose)
}

/// How stores and messages fare.
pub(crate) struct Weather {
    seed: u64,
    calm: AtomicBool,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, calm: AtomicBool::new(false) })
    }

    pub(crate) fn calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(crate) fn calms(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// One message: its copies, each with a delay of its own.
    pub(crate) fn copies(&self, message: &str) -> Vec<Duration> {
        if self.calm() {
            return vec![Duration::ZERO];
        }
        let mut dice = dice(self.seed, message);
        let copies = match dice.random_range(0..100) {
            0..15 => 0,
            15..30 => 2,
            _ => 1,
        };
        let delay = |dice: &mut StdRng| match dice.random_range(0..100) {
            0..30 => dice.random_range(1..600),
            _ => 0,
        };
        (0..copies).map(|_| Duration::from_millis(delay(&mut dice))).collect()
    }

    /// Commits that last, and now and then one of which nobody learns whether it was done.
    pub(crate) fn fate(self: &Arc<Self>, log: &str) -> Fate {
        let (weather, dice) = (Arc::clone(self), Mutex::new(dice(self.seed, log)));
        Arc::new(move || if weather.calm() { Luck::default() } else { luck(&mut dice.lock().unwrap()) })
    }
}

fn luck(dice: &mut StdRng) -> Luck {
    let time = |dice: &mut StdRng| match dice.random_range(0..100) {
        0..5 => dice.random_range(50..500),
        5..50 => dice.random_range(1..5),
        _ => 0,
    };
    Luck {
        before: Duration::from_millis(time(dice)),
        after: Duration::from_millis(time(dice)),
        breaks: match dice.random_range(0..100) {
            0..3 => Some(Break::Undone),
            3..6 => Some(Break::Done),
            _ => None,
        },
    }
}

/// What a crash takes along besides what was in flight: read models and checkpoints can be lost without loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Nothing,
    Checkpoints,
    Views,
}

/// Accidents of hosts and of the lines between them.
pub(crate) struct Storm {
    dice: StdRng,
    services: Vec<&'static str>,
    next: Duration,
    /// What lasts, and until when.
    lasting: Vec<(Duration, Accident)>,
    pub(crate) accidents: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accident {
    Down(&'static str),
    /// Nothing goes through.
    Cut(&'static str, &'static str),
    /// Nothing goes through in one direction.
    Deaf(&'static str, &'static str),
    /// Everything goes through, later.
    Held(&'static str, &'static str),
}

impl Storm {
    pub(crate) fn new(seed: u64, services: Vec<&'static str>) -> Self {
        let next = Duration::from_millis(300);
        Self { dice: dice(seed, "storm"), services, next, lasting: Vec::new(), accidents: 0 }
    }

    /// Lets happen what is due. `lose` is told what a crash takes along.
    pub(crate) fn pass(&mut self, sim: &mut Sim<'_>, lose: impl Fn(&'static str, Lost)) {
        let now = sim.elapsed();
        let (over, lasting) = self.lasting.drain(..).partition(|(until, _)| *until <= now);
        self.lasting = lasting;
        for (_, accident) in over {
            end(sim, accident);
        }
        if now < self.next {
            return;
        }
        self.next = now + Duration::from_millis(self.dice.random_range(50..1_500));
        let accident = self.accident();
        let meets = |(_, other): &(Duration, Accident)| accident.meets(*other);
        if self.lasting.iter().any(meets) {
            return;
        }
        self.accidents += 1;
        let lasts = Duration::from_millis(self.dice.random_range(20..2_000));
        self.lasting.push((now + lasts, accident));
        match accident {
            Accident::Down(host) => {
                sim.crash(host);
                let lost =
                    *[Lost::Nothing, Lost::Nothing, Lost::Checkpoints, Lost::Views].choose(&mut self.dice).unwrap();
                lose(host, lost);
            }
            Accident::Cut(a, b) => sim.partition(a, b),
            Accident::Deaf(a, b) => sim.partition_oneway(a, b),
            Accident::Held(a, b) => sim.hold(a, b),
        }
    }

    /// Everybody is up and everybody hears everybody; but before, the power fails for all of them: what is only
    /// remembered is not kept.
    pub(crate) fn end(&mut self, sim: &mut Sim<'_>, lose: impl Fn(&'static str, Lost)) {
        for (_, accident) in self.lasting.drain(..) {
            end(sim, accident);
        }
        for service in &self.services {
            sim.crash(*service);
            lose(service, Lost::Nothing);
            sim.bounce(*service);
        }
    }

    fn accident(&mut self) -> Accident {
        let service = *self.services.choose(&mut self.dice).unwrap();
        if self.dice.random_bool(0.4) {
            return Accident::Down(service);
        }
        let others: Vec<&str> = self.services.iter().copied().filter(|other| *other != service).collect();
        let other = if self.dice.random_bool(0.4) { crate::OFFICE } else { *others.choose(&mut self.dice).unwrap() };
        match self.dice.random_range(0..4) {
            0 => Accident::Cut(service, other),
            1 => Accident::Deaf(service, other),
            2 => Accident::Deaf(other, service),
            _ => Accident::Held(service, other),
        }
    }
}

impl Accident {
    /// Both would be on one line or one host, where the end of one would be the end of the other.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Down(one), Self::Down(other)) => one == other,
            (Self::Down(_), _) | (_, Self::Down(_)) => false,
            (
                Self::Cut(a, b) | Self::Deaf(a, b) | Self::Held(a, b),
                Self::Cut(c, d) | Self::Deaf(c, d) | Self::Held(c, d),
            ) => (a, b) == (c, d) || (a, b) == (d, c),
        }
    }
}

fn end(sim: &mut Sim<'_>, accident: Accident) {
    match accident {
        Accident::Down(host) => sim.bounce(host),
        Accident::Cut(a, b) => sim.repair(a, b),
        Accident::Deaf(a, b) => sim.repair_oneway(a, b),
        Accident::Held(a, b) => sim.release(a, b),
    }
}
