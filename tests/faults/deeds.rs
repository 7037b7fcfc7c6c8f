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
    Compound, CreateCompoundRequest, CreateHouseholdRequest, CreateNeighbourhoodRequest, CreateResidentRequest,
    Household, IdentityDocument, Neighbourhood, Person, Regime, SetRegimeRequest, Tenure, identity_document,
    registry_service_client::RegistryServiceClient,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::offices::Offices;

/// A neighbourhood, a compound and a household that nobody else touches.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) neighbourhood: String,
    pub(crate) compound: String,
    pub(crate) household: String,
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
    /// With a key of their own, and a case that screening opens.
    Resident,
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
const LANES: u32 = 16;

impl Deed {
    pub(crate) fn request_id(self) -> String {
        format!("fault:{}:{}", self.lane, self.number)
    }

    pub(crate) fn trace(self) -> Trace {
        match self.number % 8 {
            0 => Trace::Neighbourhood { code: format!("9{:03}{:08}", self.lane, self.number) },
            1 | 2 => Trace::Household { building: self.lane.to_string(), room: self.number.to_string() },
            3 => Trace::Resident,
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
            Trace::Resident => {
                let document = IdentityDocument { kind: identity_document::Kind::None.into(), number: String::new() };
                let person = Person {
                    full_name: format!("住户{}之{}", spelt(self.lane), spelt(self.number)),
                    phones: vec!["13900000001".into()],
                    document: Some(document),
                };
                let household = desk.place.household.clone();
                let request = CreateResidentRequest { request_id, household, person: Some(person) };
                worker.create_resident(request).await?.into_inner().encode_to_vec()
            }
            Trace::Regime => {
                let (regime, from) = self.regime();
                let compound = desk.place.compound.clone();
                let request =
                    SetRegimeRequest { request_id, compound, regime: regime.into(), from, etag: String::new() };
                officer.set_regime(request).await?.into_inner().encode_to_vec()
            }
        })
    }

    /// Hardly ever another deed's: the same regime said twice in a row would be no event.
    fn regime(self) -> (Regime, String) {
        const DAYS: u32 = 29_000;
        let number = self.number * LANES + self.lane;
        let first = NaiveDate::from_ymd_opt(2020, 2, 11).unwrap();
        let regime = [Regime::Open, Regime::Closed, Regime::Sealed][(number / DAYS % 3) as usize];
        (regime, (first + Days::new(u64::from(number % DAYS))).to_string())
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
        let household = Household {
            compound: compound.clone(),
            building: "999".into(),
            unit: "1".into(),
            room: "101".into(),
            tenure: Tenure::Owned.into(),
            ..Household::default()
        };
        let mut worker = offices.worker(&neighbourhood);
        let request =
            CreateHouseholdRequest { request_id: "fault:household".into(), household: Some(household), landlord: None };
        let household = insist(async || Ok(worker.create_household(request.clone()).await?.into_inner().name)).await;
        Self { neighbourhood, compound, household }
    }
}

impl Recorder {
    /// Each lane sends its next deed as soon as the last one was answered.
    pub(crate) fn start(offices: &Offices, place: &Place, lanes: u32) -> Self {
        assert!(lanes <= LANES);
        let (book, stop) = (Arc::<Mutex<Book>>::default(), CancellationToken::new());
        let mut running = JoinSet::new();
        for lane in 0..lanes {
            let (desk, book, stop) = (Desk::new(offices, place), Arc::clone(&book), stop.clone());
            running.spawn(async move {
                for number in 0.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    Deed { lane, number }.do_and_note(&desk, &book).await;
                }
            });
        }
        Self { book, stop, lanes: running }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.book.lock().unwrap().answers.len()
    }

    /// Until what is under way was answered: so no deed stays in doubt.
    pub(crate) async fn stop(self) -> Book {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_mins(1), self.lanes.join_all()).await;
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
                    book.lock().unwrap().complaints.push(format!(
                        "{}: {:?} {}",
                        self.request_id(),
                        status.code(),
                        status.message()
                    ));
                    return;
                }
            }
        }
    }
}

/// No name has digits.
fn spelt(number: u32) -> String {
    const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    number.to_string().bytes().map(|digit| DIGITS[usize::from(digit - b'0')]).collect()
}

/// Whether the server was away, so that the same request may be sent again.
pub(crate) fn unanswered(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
}

pub(crate) async fn insist<T>(mut send: impl AsyncFnMut() -> Result<T, Status>) -> T {
    loop {
        match send().await {
            Ok(answer) => return answer,
            Err(status) if unanswered(&status) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(status) => panic!("a command was refused: {status:?}"),
        }
    }
}
