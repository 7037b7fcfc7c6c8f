//! The three carriers and the person's phone, simulated on one port: deterministic by a seed, with the faults that real ones
//! have. Each answers in its own form, as its documents say, and knows nothing of the services that ask it.

/// What each of them wants and how it answers.
mod forms;
/// Where numbers were.
mod people;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use chrono::{Days, NaiveDate};
use clap::Args;
use proto::screening::v1::{NoData, Source};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle, time::Instant};

pub use people::Stay;

use crate::{desk::typed, output::print};

/// What is wrong with the carriers today.
#[derive(Args, Clone, Debug, Default)]
pub struct Faults {
    /// Seconds before each answer
    #[arg(long, default_value = "0", value_parser = seconds, value_name = "SECONDS")]
    pub slow: Duration,
    /// This carrier is down; as often as needed
    #[arg(long, value_parser = typed::word(Source::as_str_name), value_name = "CARRIER")]
    pub down: Vec<Source>,
    /// Share of numbers without data: off, ported, or not known
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub no_data: f64,
    /// Days by which the carriers' records end earlier than usual
    #[arg(long, default_value_t = 0, value_name = "DAYS")]
    pub lag_days: u32,
    /// Share of numbers with a day in a neighbouring city that nobody went to
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub border_errors: f64,
}

/// How the simulation begins.
#[derive(Clone)]
pub struct Setup {
    pub listen: SocketAddr,
    pub seed: u64,
    pub today: NaiveDate,
    /// How long a code holds.
    pub holds: Duration,
    pub faults: Faults,
    /// Says what is served, and the codes, since it is the phone, too.
    pub tell: bool,
}

/// The carriers while they run; dropped, they are gone.
pub struct Simulator {
    address: String,
    world: Arc<World>,
    task: AbortHandle,
}

struct World {
    seed: u64,
    today: NaiveDate,
    holds: Duration,
    tell: bool,
    state: Mutex<Today>,
}

#[derive(Default)]
struct Today {
    faults: Faults,
    /// By ticket.
    codes: HashMap<String, Issued>,
    /// The last message on each phone.
    phones: HashMap<String, String>,
    /// Where a number was, in place of what the seed says.
    known: HashMap<String, Vec<Stay>>,
    issued: u64,
    questions: usize,
}

#[derive(Clone)]
struct Issued {
    source: Source,
    number: String,
    code: String,
    until: Instant,
    wrong: u32,
}

/// What comes of a question, before it is put into a carrier's form.
enum Answer {
    Seen { from: NaiveDate, to: NaiveDate, stays: Vec<Stay> },
    NoData(NoData),
    WrongCode,
    ExpiredCode,
}

/// Codes that may be tried.
const GUESSES: u32 = 5;

impl Simulator {
    pub async fn start(setup: Setup) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(setup.listen).await;
        let listener =
            listener.with_context(|| format!("listening on {}: choose another with --listen", setup.listen))?;
        let address = format!("http://{}", listener.local_addr().context("reading the own address")?);
        let Setup { seed, today, holds, faults, tell, .. } = setup;
        let state = Mutex::new(Today { faults, ..Today::default() });
        let world = Arc::new(World { seed, today, holds, tell, state });
        let app = Router::new()
            .route("/phone", post(read_phone))
            .route("/{carrier}/{*path}", post(serve))
            .with_state(Arc::clone(&world));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                print(&format!("the simulator has ended: {error}")).ok();
            }
        });
        Ok(Self { address, world, task: task.abort_handle() })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Other faults from now on.
    pub fn suffer(&self, faults: Faults) {
        self.world.state().faults = faults;
    }

    /// A number was there, whatever the seed says.
    pub fn was(&self, number: &str, stays: Vec<Stay>) {
        self.world.state().known.insert(number.to_owned(), stays);
    }

    /// The code on the phone.
    pub fn code_of(&self, number: &str) -> Option<String> {
        self.world.state().phones.get(number).cloned()
    }

    /// How often a carrier was asked where a number was.
    pub fn questions(&self) -> usize {
        self.world.state().questions
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    State(world): State<Arc<World>>,
    Path((carrier, path)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Response {
    let Some((source, form)) = forms::of(&carrier) else { return StatusCode::NOT_FOUND.into_response() };
    let faults = world.state().faults.clone();
    tokio::time::sleep(faults.slow).await;
    if faults.down.contains(&source) {
        world.tell(source, "", "down");
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = text(form.number);
    if path == form.code_path {
        return match world.send(source, &number) {
            Ok((ticket, holds)) => Json((form.sent)(&ticket, holds)).into_response(),
            Err(why) => Json((form.refused)(why)).into_response(),
        };
    }
    if path != form.path {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answer = world.look_up(source, &number, &text(form.ticket), &text(form.code));
    Json(match answer {
        Answer::Seen { from, to, stays } => (form.seen)(from, to, &stays),
        Answer::NoData(why) => (form.refused)(why),
        Answer::WrongCode => (form.wrong)(false),
        Answer::ExpiredCode => (form.wrong)(true),
    })
    .into_response()
}

/// What a person reads out.
async fn read_phone(State(world): State<Arc<World>>, Json(body): Json<Value>) -> Response {
    let number = body.get("number").and_then(Value::as_str).unwrap_or_default();
    match world.state().phones.get(number) {
        Some(code) => Json(json!({ "code": code })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, Today> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A ticket, and for how long it holds.
    fn send(&self, source: Source, number: &str) -> Result<(String, Duration), NoData> {
        if !people::is_of(number, source) {
            self.tell(source, number, "no such number");
            return Err(NoData::UnknownNumber);
        }
        let mut state = self.state();
        state.issued += 1;
        let dice = people::dice(self.seed, &format!("{number}/{}", state.issued));
        let code = format!("{:06}", dice % 1_000_000);
        let ticket = format!("{source}-{dice:016x}-{}", state.issued, source = source.as_str_name());
        let until = Instant::now() + self.holds;
        let issued = Issued { source, number: number.to_owned(), code: code.clone(), until, wrong: 0 };
        state.codes.insert(ticket.clone(), issued);
        state.phones.insert(number.to_owned(), code.clone());
        drop(state);
        self.tell(source, number, &format!("code {code}"));
        Ok((ticket, self.holds))
    }

    fn look_up(&self, source: Source, number: &str, ticket: &str, code: &str) -> Answer {
        let mut state = self.state();
        state.questions += 1;
        let Some(issued) = state.codes.get_mut(ticket).filter(|issued| issued.source == source) else {
            return Answer::ExpiredCode;
        };
        if issued.until <= Instant::now() || issued.wrong >= GUESSES {
            return Answer::ExpiredCode;
        }
        if issued.code != code || issued.number != number {
            issued.wrong += 1;
            return Answer::WrongCode;
        }
        let faults = state.faults.clone();
        let known = state.known.get(number).cloned();
        drop(state);
        if let Some(why) = people::no_data(self.seed, number, faults.no_data) {
            self.tell(source, number, "no data");
            return Answer::NoData(why);
        }
        let (from, to) = forms::window(source, self.today - Days::new(faults.lag_days.into()));
        let mut stays = known.unwrap_or_else(|| people::stays(self.seed, number, self.today));
        stays.extend(people::border_error(self.seed, number, faults.border_errors, to));
        let within = |stay: &Stay| stay.first <= to && stay.last >= from;
        let clipped = |stay: Stay| Stay { first: stay.first.max(from), last: stay.last.min(to), ..stay };
        let stays: Vec<Stay> = stays.into_iter().filter(within).map(clipped).collect();
        let places: Vec<&str> = stays.iter().map(|stay| stay.place.as_str()).collect();
        self.tell(source, number, &format!("seen at {}", places.join("、")));
        Answer::Seen { from, to, stays }
    }

    fn tell(&self, source: Source, number: &str, what: &str) {
        if self.tell {
            let masked = number.get(..3).zip(number.get(7..)).map_or(String::new(), |(a, b)| format!("{a}****{b}"));
            // Nobody is left to tell where the terminal is gone.
            print(&format!("{} {masked} {what}", forms::chinese(source))).ok();
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.0..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "must be a number of seconds up to 3600".to_owned())
}

/// `mifeng demo carriers`
#[derive(Args)]
pub struct Carriers {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:7430", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Another seed, other travels and other faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The day on which the carriers are asked: the story's
    #[arg(long, default_value = "2020-02-11", value_parser = typed::date, value_name = "DAY")]
    today: NaiveDate,
    /// Minutes that a code holds
    #[arg(long, default_value_t = 30, value_name = "MINUTES")]
    holds: u64,
    /// Where a number was, as often as needed: NUMBER=PLACE:FIRST DAY:LAST DAY[:HOURS]
    #[arg(long = "number", value_parser = people::typed_stay, value_name = "STAY")]
    numbers: Vec<(String, Stay)>,
    #[command(flatten)]
    faults: Faults,
}

impl Carriers {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { listen, seed, today, holds, numbers, faults } = self;
        let holds = Duration::from_secs(holds.saturating_mul(60));
        let simulator = Simulator::start(Setup { listen, seed, today, holds, faults, tell: true }).await?;
        let mut known: HashMap<String, Vec<Stay>> = HashMap::new();
        for (number, stay) in numbers {
            known.entry(number).or_default().push(stay);
        }
        for (number, stays) in known {
            simulator.was(&number, stays);
        }
        print(&format!(
            "移动、联通、电信 are simulated at {address}\n  mifeng up --demo --carriers {address}\nCtrl-C ends it.",
            address = simulator.address()
        ))?;
        tokio::signal::ctrl_c().await.context("listening for Ctrl-C")
    }
}
