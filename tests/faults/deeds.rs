//! Commands of our own beside the story's: each keeps its request id until it is answered, and every answer is noted, so
//! that afterwards nothing depends on what the server says about itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use chassis::client::Connection;
use chrono::{Days, NaiveDate};
use prost::Message as _;
use proto::registry::v1::{
    Compound, CreateCompoundRequest, CreateHouseholdRequest, CreateNeighbourhoodRequest, Household, Neighbourhood,
    Regime, SetRegimeRequest, Tenure, registry_service_client::RegistryServiceClient,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::offices::Offices;

/// A neighbourhood and a compound that nobody else touches.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) neighbourhood: String,
    pub(crate) compound: String,
}

/// One command: its kind follows from its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deed {
    pub(crate) lane: u32,
    pub(crate) number: u32,
}

/// What a deed makes, by the name under which a list shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Neighbourhood {
        code: String,
    },
    Household {
        building: String,
        room: String,
    },
    /// Only the last one shows.
    Regime,
}

/// A lane's connections.
#[derive(Clone)]
pub(crate) struct Desk {
    officer: RegistryServiceClient<Connection>,
    worker: RegistryServiceClient<Connection>,
    place: Place,
}

/// What was sent and what came back.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) answers: BTreeMap<Deed, Vec<u8>>,
    /// Deeds of which a try ended without an answer: whether it was done nobody could say.
    pub(crate) in_doubt: u32,
    /// Answers that should not be.
    pub(crate) complaints: Vec<String>,
}

/// Lanes that send until they are stopped.
pub(crate) struct Recorder {
    pub(crate) book: Arc<Mutex<Book>>,
    stop: CancellationToken,
    lanes: JoinSet<()>,
}

/// More than any test has lanes.
const LANES: u32 = 64;

impl Deed {
    pub(crate) fn request_id(self) -> String {
        format!("fault:{}:{}", self.lane, self.number)
    }

    pub(crate) fn trace(self) -> Trace {
        match self.number % 8 {
            0 => Trace::Neighbourhood { code: format!("9{:03}{:08}", self.lane, self.number) },
            1..4 => Trace::Household { building: self.lane.to_string(), room: self.number.to_string() },
            _ => Trace::Regime,
        }
    }

    /// Sends it once; the answer as it was encoded.
    pub(crate) async fn send(self, desk: &Desk) -> Result<Vec<u8>, Status> {
        let request_id = self.request_id();
        let (mut officer, mut worker) = (desk.officer.clone(), desk.worker.clone());
        Ok(match self.trace() {
            Trace::Neighbourhood { code } => {
                let display_name = format!("第{}社区", self.number);
                let neighbourhood = Some(Neighbourhood { display_name, code, ..Neighbourhood::default() });
                let request = CreateNeighbourhoodRequest { request_id, neighbourhood };
                officer.create_neighbourhood(request).await?.into_inner().encode_to_vec()
            }
            Trace::Household { building, room } => {
                let household = Household {
                    compound: desk.place.compound.clone(),
                    building,
                    unit: "1".into(),
                    room,
                    tenure: Tenure::Owned.into(),
                    ..Household::default()
                };
                let request = CreateHouseholdRequest { request_id, household: Some(household), landlord: None };
                worker.create_household(request).await?.into_inner().encode_to_vec()
            }
            Trace::Regime => {
                let compound = desk.place.compound.clone();
                let request = SetRegimeRequest {
                    request_id,
                    compound,
                    regime: Regime::Closed.into(),
                    from: self.day(),
                    ..Default::default()
                };
                officer.set_regime(request).await?.into_inner().encode_to_vec()
            }
        })
    }

    /// A day of its own: the same regime said twice would be no event.
    fn day(self) -> String {
        let first = NaiveDate::from_ymd_opt(2020, 2, 11).unwrap();
        (first + Days::new(u64::from(self.number * LANES + self.lane))).to_string()
    }
}

impl Desk {
    pub(crate) fn new(offices: &Offices, place: &Place) -> Self {
        let (officer, worker) = (offices.officer(), offices.worker(&place.neighbourhood));
        Self { officer, worker, place: place.clone() }
    }
}

impl Place {
    /// However long it takes until somebody answers.
    pub(crate) async fn found(offices: &Offices) -> Self {
        let mut officer = offices.officer();
        let neighbourhood =
            Neighbourhood {
                display_name: "记录社区".into(), code: "999999999999".into(), ..Neighbourhood::default()
            };
        let request =
            CreateNeighbourhoodRequest { request_id: "fault:neighbourhood".into(), neighbourhood: Some(neighbourhood) };
        let neighbourhood =
            insist(async || Ok(officer.create_neighbourhood(request.clone()).await?.into_inner().name)).await;
        let compound =
            Compound {
                display_name: "记录小区".into(), neighbourhood: neighbourhood.clone(), ..Compound::default()
            };
        let request = CreateCompoundRequest { request_id: "fault:compound".into(), compound: Some(compound) };
        let compound = insist(async || Ok(officer.create_compound(request.clone()).await?.into_inner().name)).await;
        Self { neighbourhood, compound }
    }
}

impl Recorder {
    /// Each lane sends its next deed as soon as the last one was answered.
    pub(crate) fn start(offices: &Offices, place: &Place, lanes: u32) -> Self {
        assert!(lanes <= LANES);
        let (book, stop) = (Arc::<Mutex<Book>>::default(), CancellationToken::new());
        let lanes = (0..lanes).map(|lane| {
            let (desk, book, stop) = (Desk::new(offices, place), Arc::clone(&book), stop.clone());
            async move {
                for number in 0.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    Deed { lane, number }.do_and_note(&desk, &book).await;
                }
            }
        });
        Self { book, stop, lanes: lanes.collect() }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.book.lock().unwrap().answers.len()
    }

    /// Until what is under way was answered: so no deed stays in doubt.
    pub(crate) async fn stop(self) -> Book {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), self.lanes.join_all()).await;
        ended.expect("a server that is up answers");
        std::mem::take(&mut *self.book.lock().unwrap())
    }
}

impl Deed {
    async fn do_and_note(self, desk: &Desk, book: &Mutex<Book>) {
        let mut doubted = false;
        loop {
            match self.send(desk).await {
                Ok(answer) => {
                    book.lock().unwrap().answers.insert(self, answer);
                    return;
                }
                Err(status) if unanswered(&status) => {
                    if !std::mem::replace(&mut doubted, true) {
                        book.lock().unwrap().in_doubt += 1;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(status) => {
                    book.lock().unwrap().complaints.push(format!("{}: {status:?}", self.request_id()));
                    return;
                }
            }
        }
    }
}

/// Whether the server was away, so that the same request may be sent again.
pub(crate) fn unanswered(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
}

async fn insist<T>(mut send: impl AsyncFnMut() -> Result<T, Status>) -> T {
    loop {
        match send().await {
            Ok(answer) => return answer,
            Err(status) if unanswered(&status) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(status) => panic!("a command was refused: {status:?}"),
        }
    }
}
