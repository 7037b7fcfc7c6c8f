//! Everything that somebody does in the simulation, each with what it leads to.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use tonic::Status;

use super::{
    day::{Gift, Need, Passage},
    files::Part,
    meter::{Meter, passing},
    run::Run,
};

/// One thing that is done at a time.
#[derive(Clone)]
pub(super) enum Deed {
    /// Somebody declares, is scanned, and hears a verdict.
    Screen {
        person: u32,
    },
    Dispute {
        person: u32,
    },
    Answer {
        person: u32,
    },
    Ask {
        need: Need,
        id: String,
    },
    Claim {
        need: Need,
        id: String,
        name: String,
    },
    Complete {
        need: Need,
        id: String,
        name: String,
    },
    Confirm {
        need: Need,
        id: String,
        name: String,
    },
    Give {
        gift: Gift,
        id: String,
    },
    Disinfect {
        compound: usize,
        day: u32,
    },
    /// A guard will not come.
    Absent {
        compound: usize,
        date: NaiveDate,
    },
    Read {
        person: u32,
        date: NaiveDate,
        part: Part,
    },
    HandOver {
        person: u32,
    },
    Release {
        person: u32,
    },
    /// An hour of one gate. `first`: how many went through it on this day before.
    Cross {
        gate: usize,
        passages: Vec<Passage>,
        first: u64,
        day: u32,
    },
}

pub(super) type Follows = Vec<(DateTime<Utc>, Deed)>;

impl Deed {
    /// Does it, and again where the server was busy: under the same ids nothing is done twice. What was refused is on record with
    /// its reason, and leads to nothing.
    pub(super) async fn done(self, run: &Run, time: DateTime<Utc>) -> Follows {
        let done = patiently(&run.meter, || self.clone().attempt(run, time)).await;
        done.unwrap_or_default()
    }

    async fn attempt(self, run: &Run, time: DateTime<Utc>) -> Result<Follows, Status> {
        match self {
            Self::Screen { person } => run.screen(person, time).await,
            Self::Dispute { person } => run.dispute(person, time).await,
            Self::Answer { person } => run.answer(person, time).await,
            Self::Ask { need, id } => run.ask(need, id, time).await,
            Self::Claim { need, id, name } => run.claim(need, id, name, time).await,
            Self::Complete { need, id, name } => run.complete(need, id, name, time).await,
            Self::Confirm { need, id, name } => run.confirm(&need, &id, name, time).await,
            Self::Give { gift, id } => run.give(&gift, &id, time).await,
            Self::Disinfect { compound, day } => run.disinfect(compound, day, time).await,
            Self::Absent { compound, date } => run.absent(compound, date, time).await,
            Self::Read { person, date, part } => run.reading(person, (date, part), time).await,
            Self::HandOver { person } => run.hand_over(person, time).await,
            Self::Release { person } => run.release(person, time).await,
            Self::Cross { gate, passages, first, day } => run.cross(gate, passages, (first, day), time).await,
        }
    }
}

/// Ten times at most, with longer and longer pauses.
pub(super) async fn patiently<T, F>(meter: &Meter, deed: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    const TRIES: u32 = 10;
    for tried in 1..TRIES {
        match deed().await {
            Err(status) if passing(&status) => tokio::time::sleep(Duration::from_millis(50) * tried * tried).await,
            done => return done,
        }
    }
    let done = deed().await;
    if done.is_err() {
        meter.fault("given up", "TEN_TIMES_BUSY");
    }
    done
}
