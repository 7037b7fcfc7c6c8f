//! A gate that decides by itself, on a folder and with clocks of its own: its clock may be wrong, it may be killed, and its line
//! to the centre may be gone.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::{
    Clock,
    client::{Connection, new_request_id},
    clock::Hand,
};
use chrono::{DateTime, TimeDelta, Utc};
use office::gate::{
    centre::{Line, exchange},
    enrolment::{Server, enrol},
    post::{Post, Said},
    standing::Standing,
    station::Station,
    watch::{Steady, Watch},
};
use proto::pass::v1::{Decision, Direction, Finding, OpenEnrolmentRequest, gate_service_client::GateServiceClient};
use tempfile::TempDir;

use crate::{House, village::Village};

pub struct Guard {
    post: Post,
    pub station: Arc<Mutex<Station>>,
    folder: TempDir,
    hand: Hand,
    clock: Clock,
    seconds: Arc<AtomicU64>,
    skew: TimeDelta,
    /// The time that it really is.
    pub now: DateTime<Utc>,
    connection: Connection,
}

/// What was put on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub decision: Decision,
    pub findings: Vec<Finding>,
    pub sequence: u64,
    pub say_zh: String,
}

impl Guard {
    /// Enrolled at the village's gate. `skew`: by how much its clock is fast.
    pub async fn enrolled(house: &House, village: &Village, now: DateTime<Utc>, skew: TimeDelta) -> Self {
        let mut office = GateServiceClient::new(village.worker(house).at(now));
        let request = OpenEnrolmentRequest {
            request_id: new_request_id(),
            gate: village.gate.clone(),
            label: "北门".into(),
            device: String::new(),
        };
        let opened = office.open_enrolment(request).await.expect("an enrolment opens").into_inner();
        let folder = TempDir::new().expect("a folder for the gate");
        let (clock, hand) = Clock::manual(now + skew);
        let seconds = Arc::new(AtomicU64::new(1_000));
        let server = Server { address: house.address().to_owned(), authority: None };
        let watch = Watch::of(clock.clone(), steady(&seconds));
        let station = enrol(folder.path(), server, house.anybody().at(now), &opened.code, None, watch).await;
        let station = Arc::new(Mutex::new(station.expect("the gate is enrolled")));
        let post = Post::new(Arc::clone(&station), Direction::In);
        let connection = house.anybody();
        Self { post, station, folder, hand, clock, seconds, skew, now, connection }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Time goes by.
    pub fn wait(&mut self, by: TimeDelta) {
        self.now += by;
        self.hand.advance(by);
        let seconds = u64::try_from(by.num_seconds()).expect("time goes forward");
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Somebody sets its clock: from now on it is fast by this.
    pub fn set_clock(&mut self, skew: TimeDelta) {
        self.skew = skew;
        self.hand.set(self.now + skew);
    }

    /// The program is killed, and `meanwhile` happens to its folder before it starts again.
    pub fn killed(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let Self { post, station, folder, hand, clock, seconds, skew, now, connection } = self;
        drop((post, station));
        meanwhile(folder.path());
        // Another life counts from another beginning.
        seconds.store(5, Ordering::Relaxed);
        let watch = Watch::of(clock.clone(), steady(&seconds));
        let station = Station::open(folder.path(), watch).expect("the gate starts again");
        let station = Arc::new(Mutex::new(station));
        let post = Post::new(Arc::clone(&station), Direction::In);
        Self { post, station, folder, hand, clock, seconds, skew, now, connection }
    }

    /// One line of the scanner or the keyboard.
    pub fn types(&mut self, line: &str) -> Vec<Said> {
        self.post.take(line, None).expect("the post takes a line")
    }

    /// Lines that end with a passage on record.
    pub fn records(&mut self, line: &str) -> Recorded {
        let said = self.types(line);
        let recorded = said.iter().find_map(|said| match said {
            Said::Recorded { spoken, sequence, .. } => Some(Recorded {
                decision: spoken.decision,
                findings: spoken.findings.clone(),
                sequence: *sequence,
                say_zh: spoken.zh.clone(),
            }),
            _ => None,
        });
        recorded.unwrap_or_else(|| panic!("nothing was recorded of {line:?}: {said:?}"))
    }

    pub fn standing(&self) -> Standing {
        self.station.lock().unwrap_or_else(PoisonError::into_inner).standing()
    }

    pub fn boot(&self) -> String {
        self.station.lock().unwrap_or_else(PoisonError::into_inner).boot().to_owned()
    }

    /// The centre over a line without faults.
    pub fn line(&self) -> Line {
        let token = self.station.lock().unwrap_or_else(PoisonError::into_inner).settings().token.clone();
        Line(self.connection.clone().with_token(&token).expect("a token is ASCII").at(self.now))
    }

    /// An exchange with the centre, which hands over what waits.
    pub async fn exchanges(&self) -> anyhow::Result<()> {
        exchange(&self.station, &mut self.line()).await
    }
}

fn steady(seconds: &Arc<AtomicU64>) -> Steady {
    let seconds = Arc::clone(seconds);
    Arc::new(move || Duration::from_secs(seconds.load(Ordering::Relaxed)))
}
