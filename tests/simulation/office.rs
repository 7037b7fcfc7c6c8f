//! The office at its end of the network: lines to all services, tokens for its people, patience with both.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use chassis::{client::Connection, refusal::Spoken};
use chrono::{DateTime, TimeDelta, Utc};
use prost::Message;
use proto::access::v1::Principal;
use rand::{RngExt as _, rngs::StdRng};
use tonic::{Code, Status};

use crate::{
    deeds::{Around, Book, Command, Deed, Who, unanswered},
    network::Line,
    service::{SERVICES, World},
    weather::dice,
};

/// What all its desks share.
pub(crate) struct Office {
    pub(crate) world: Arc<World>,
    pub(crate) book: RefCell<Book>,
    pub(crate) place: RefCell<Place>,
    lines: BTreeMap<&'static str, Line>,
    tokens: RefCell<HashMap<Who, String>>,
    /// The greatest positions that answers have named.
    seen: RefCell<BTreeMap<String, u64>>,
    seed: u64,
}

/// Where everything happens.
#[derive(Clone, Default)]
pub(crate) struct Place {
    /// neighbourhoods/{id}
    pub(crate) neighbourhood: String,
    /// compounds/{id}
    pub(crate) compound: String,
    /// compounds/{id}/gates/{id}
    pub(crate) gate: String,
}

/// Where one story is followed. Its choices and its requests' ids depend on the seed alone, whatever happens at the
/// other desks.
pub(crate) struct Desk {
    pub(crate) office: Rc<Office>,
    name: String,
    requests: Cell<u32>,
    choices: RefCell<StdRng>,
    pauses: RefCell<StdRng>,
}

/// How long something may stay away until it is given up.
const TRIES: u32 = 120;

impl Office {
    pub(crate) fn new(world: Arc<World>, seed: u64) -> Self {
        let lines = SERVICES.map(|service| (service, Line::to(service))).into();
        Self {
            world,
            book: RefCell::default(),
            place: RefCell::default(),
            lines,
            tokens: RefCell::default(),
            seen: RefCell::default(),
            seed,
        }
    }

    pub(crate) fn desk(self: &Rc<Self>, name: &str) -> Desk {
        Desk {
            office: Rc::clone(self),
            name: name.to_owned(),
            requests: Cell::new(0),
            choices: RefCell::new(dice(self.seed, &format!("choices of {name}"))),
            pauses: RefCell::new(dice(self.seed, &format!("pauses of {name}"))),
        }
    }

    pub(crate) fn complain(&self, complaint: String) {
        self.book.borrow_mut().complaints.push(complaint);
    }

    fn token(&self, who: Who) -> String {
        if let Some(token) = self.tokens.borrow().get(&who) {
            return token.clone();
        }
        let (subject, role, unit) = who.person();
        let mut person =
            Principal { subject: subject.into(), role: role.into(), unit: unit.into(), ..Principal::default() };
        let place = self.place.borrow();
        if unit.is_empty() {
            assert!(!place.gate.is_empty() || who == Who::Director, "nobody else is at work before there is a gate");
            person.unit.clone_from(&place.neighbourhood);
            person.neighbourhood.clone_from(&place.neighbourhood);
        }
        if who == Who::Guard {
            person.gate.clone_from(&place.gate);
        }
        let token = self.world.tokens.issue(&person, TimeDelta::hours(12), self.world.clock.now()).unwrap().token;
        self.tokens.borrow_mut().insert(who, token.clone());
        token
    }

    /// A connection to a service for somebody, and for when they say it is.
    fn connection(&self, service: &str, who: Who, at: &str) -> Connection {
        let at: DateTime<Utc> = at.parse().unwrap();
        self.lines[service].connection().with_token(&self.token(who)).unwrap().at(at)
    }

    /// What the answers have shown so far, for the next ones to show no less.
    fn seen(&self) -> String {
        let mut seen = self.seen.borrow_mut();
        for line in self.lines.values() {
            for (log, position) in line.connection().seen() {
                let greatest = seen.entry(log).or_default();
                *greatest = position.max(*greatest);
            }
        }
        seen.iter().map(|(log, position)| format!("{log}={position}")).collect::<Vec<_>>().join(",")
    }

    async fn once(&self, deed: &Deed) -> Result<Vec<u8>, Status> {
        let seen = self.seen();
        let connection = self.connection(deed.command.log(), deed.who, deed.at);
        deed.command.send(connection, Around { seen: &seen }).await
    }
}

impl Desk {
    pub(crate) fn new_id(&self) -> String {
        self.requests.set(self.requests.get() + 1);
        format!("{}:{}:{}", self.name, self.office.seed, self.requests.get())
    }

    /// True so many times out of a hundred.
    pub(crate) fn chance(&self, percent: u32) -> bool {
        self.choices.borrow_mut().random_range(0..100) < percent
    }

    pub(crate) fn pick(&self, below: usize) -> usize {
        self.choices.borrow_mut().random_range(0..below)
    }

    /// Lets some time go by, as people do between two things.
    async fn breathes(&self) {
        let time = self.pauses.borrow_mut().random_range(0..120);
        tokio::time::sleep(Duration::from_millis(time)).await;
    }

    /// Does something until it is answered, and notes what was answered: `Err` with the reason of a refusal.
    pub(crate) async fn does<A: Message + Default>(
        &self,
        who: Who,
        at: &'static str,
        command: impl Into<Command>,
    ) -> Result<A, String> {
        self.tries(who, at, command).await.map(|answer| A::decode(&answer[..]).unwrap())
    }

    /// The same, whatever comes of it.
    pub(crate) async fn tries(
        &self,
        who: Who,
        at: &'static str,
        command: impl Into<Command>,
    ) -> Result<Vec<u8>, String> {
        let command = command.into().with_id(self.new_id());
        self.breathes().await;
        let deed = Deed { who, at, command };
        let answer = self.insist(&deed).await;
        self.office.book.borrow_mut().entries.push((deed, answer.clone()));
        answer
    }

    pub(crate) async fn insist(&self, deed: &Deed) -> Result<Vec<u8>, String> {
        let twice = dice(self.office.seed, deed.command.request_id()).random_bool(0.1);
        loop {
            let answer = if twice {
                let (first, second) = tokio::join!(self.office.once(deed), self.office.once(deed));
                let (done, other) = if first.is_ok() { (first, second) } else { (second, first) };
                self.compare(deed, &done, &other).await;
                done
            } else {
                self.office.once(deed).await
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(status) if unanswered(&status) => {
                    self.office.book.borrow_mut().in_doubt += 1;
                    self.give_up_on(deed.command.log()).await;
                }
                Err(status) => {
                    let (reason, code) = (Spoken::from(&status).reason, status.code());
                    if matches!(code, Code::Internal | Code::Unknown | Code::Unauthenticated | Code::PermissionDenied) {
                        self.office.complain(format!("{} was answered {status:?}", deed.command.name()));
                    }
                    return Err(reason);
                }
            }
        }
    }

    /// One id, one answer: also where both were under way at once. A refusal is no answer that stays: what was in the way
    /// may have gone before the other one came. But what was done is never refused afterwards.
    async fn compare(&self, deed: &Deed, done: &Result<Vec<u8>, Status>, other: &Result<Vec<u8>, Status>) {
        let Ok(done) = done else { return };
        let other = match other {
            Err(status) if !unanswered(status) => &self.once_more(deed).await,
            other => other,
        };
        let differ = match other {
            Ok(other) => deed.command.lasting(done) != deed.command.lasting(other),
            Err(status) => !unanswered(status),
        };
        if differ {
            let (name, id) = (deed.command.name(), deed.command.request_id());
            let refused = other.as_ref().err().map(|status| Spoken::from(status).reason);
            self.office.complain(format!("{name} {id}, sent twice at once, had two answers; refused for {refused:?}"));
        }
    }

    /// Until it is answered.
    async fn once_more(&self, deed: &Deed) -> Result<Vec<u8>, Status> {
        loop {
            match self.office.once(deed).await {
                Err(status) if unanswered(&status) => self.give_up_on(deed.command.log()).await,
                answer => return answer,
            }
        }
    }

    async fn give_up_on(&self, service: &str) {
        self.office.seen();
        self.office.lines[service].renew();
        let pause = self.pauses.borrow_mut().random_range(20..300);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    /// Asks until there is an answer.
    pub(crate) async fn ask<T, Q: Clone>(
        &self,
        service: &str,
        who: Who,
        at: &str,
        question: Q,
        mut put: impl AsyncFnMut(Connection, tonic::Request<Q>) -> Result<tonic::Response<T>, Status>,
    ) -> T {
        loop {
            let seen = self.office.seen();
            let request = Around { seen: &seen }.put(question.clone());
            match put(self.office.connection(service, who, at), request).await {
                Ok(answer) => return answer.into_inner(),
                Err(status) if unanswered(&status) => self.give_up_on(service).await,
                Err(status) => panic!("a question to {service} was answered {status:?}"),
            }
        }
    }

    /// Waits until something is there that other services' news bring about; `None` when it stays away.
    pub(crate) async fn until<T>(&self, mut there: impl AsyncFnMut() -> Option<T>) -> Option<T> {
        for _ in 0..TRIES {
            if let Some(there) = there().await {
                return Some(there);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        None
    }
}
