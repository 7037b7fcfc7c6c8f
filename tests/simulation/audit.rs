//! What must hold once the weather is calm, by the numbers of the invariants in the architecture's last section. The
//! logs are read from the memories themselves, the read models from their files: no service is asked about itself where
//! that can be avoided.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chassis::{Aggregate, Record};
use isolation::domain::order::{Order, Standing as OrderStanding};
use pass::domain::holder::{Bar, Holder, Standing};
use proto::{
    Fact,
    command::v1::{RecountRequest, command_service_client::CommandServiceClient},
    event::v1::{
        ListConsumersRequest, RebuildViewsRequest, VerifyLogRequest, consumer::State,
        event_log_service_client::EventLogServiceClient,
    },
    isolation::v1::{Kind, ReleaseReason},
    pass::v1::{
        Crossing, Decision, Direction, Finding, IssuePassRequest, Manual, RecordCrossingRequest,
        record_crossing_request::Identity,
    },
    screening::v1::{Measure, Outcome, case_event},
};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::{
    deeds::{Command, Deed, Who},
    lives::AFTERWARDS,
    office::Desk,
    service::{LOGS, SERVICES},
};

/// Consumers have this long to come to rest, in simulated time.
const REST: Duration = Duration::from_mins(2);

impl Desk {
    /// Everything; what does not hold is complained of.
    pub(crate) async fn audits(&self) {
        if !self.settles().await {
            return;
        }
        self.every_command_once().await;
        self.nothing_new_from_the_same().await;
        self.nobody_isolated_passes().await;
        if self.settles().await {
            self.nobody_released_is_barred();
            self.every_view_is_its_fold().await;
        }
    }

    /// Invariant 4, as far as it goes without a broker: everybody converges with no hand laid on.
    async fn settles(&self) -> bool {
        let until = tokio::time::Instant::now() + REST;
        let mut before = Vec::new();
        while tokio::time::Instant::now() < until {
            let (mut heads, mut behind) = (Vec::new(), false);
            for service in SERVICES {
                let list = async |by, request| EventLogServiceClient::new(by).list_consumers(request).await;
                let consumers = self.ask(service, Who::Operator, AFTERWARDS, ListConsumersRequest {}, list).await;
                for consumer in consumers.consumers {
                    if consumer.state() == State::Halted || consumer.parked > 0 {
                        self.office.complain(format!("a consumer does not go on: {consumer:?}"));
                        return false;
                    }
                    // What it says of the head may be what it has heard of it.
                    let head = self.office.world.memory(&consumer.source).records().len() as u64;
                    behind |= consumer.position != head;
                    heads.push(head);
                }
            }
            if !behind && heads == before {
                return true;
            }
            before = heads;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.office.complain("the consumers did not come to rest".to_owned());
        false
    }

    /// Invariant 2: what was acknowledged is there once, what was refused left nothing, one id has one answer.
    async fn every_command_once(&self) {
        let mut done: HashMap<String, Vec<u64>> = HashMap::new();
        for log in LOGS {
            let verify = async |by, request| EventLogServiceClient::new(by).verify_log(request).await;
            let question = VerifyLogRequest { log: log.into() };
            let verified = self.ask(log, Who::Operator, AFTERWARDS, question, verify).await;
            let records = self.records(log);
            if !verified.intact || !records.iter().map(|record| record.position).eq(1..=records.len() as u64) {
                self.office.complain(format!("the log {log} is not whole: {verified:?}"));
            }
            for record in records {
                done.entry(record.command_id.clone()).or_default().push(record.position);
            }
        }
        for (id, positions) in &done {
            let together = positions.windows(2).all(|pair| pair[1] == pair[0] + 1);
            if !together {
                self.office.complain(format!("the command {id} took effect several times, at {positions:?}"));
            }
        }
        for (Deed { command, .. }, answer) in self.entries() {
            let (name, id) = (command.name(), command.request_id());
            match (answer, done.contains_key(id)) {
                (Ok(_), false) if command.always_an_event() => {
                    self.office.complain(format!("{name} {id} was acknowledged and is lost"));
                }
                (Err(reason), true) => {
                    self.office.complain(format!("{name} {id} was refused ({reason}) and took effect"));
                }
                _ => {}
            }
        }
    }

    /// Invariants 2 and 12: neither the same request again nor the same intention again adds anything.
    async fn nothing_new_from_the_same(&self) {
        let before = self.lengths();
        let mut sent = BTreeSet::new();
        for (deed, answer) in self.entries() {
            let Ok(answer) = answer else { continue };
            sent.insert(deed.command.request_id().to_owned());
            let again = self.insist(&deed).await;
            let (name, id) = (deed.command.name(), deed.command.request_id());
            match again {
                Ok(again) if deed.command.lasting(&again) == deed.command.lasting(&answer) => {}
                Ok(_) => self.office.complain(format!("{name} {id}, sent again, was answered otherwise")),
                Err(reason) => self.office.complain(format!("{name} {id}, sent again, was refused: {reason}")),
            }
        }
        let added = self.added(before, &sent);
        if !added.is_empty() {
            self.office.complain(format!("requests that were sent again added {added:?}"));
        }
        for deed in self.intentions() {
            let before = self.lengths();
            drop(self.insist(&deed).await);
            let added = self.added(before, &BTreeSet::from([deed.command.request_id().to_owned()]));
            if !added.is_empty() {
                self.office.complain(format!("{:?} said again added {added:?}", deed.command));
                return;
            }
        }
    }

    /// Those whose outcome still stands, each under a new id.
    fn intentions(&self) -> Vec<Deed> {
        let mut intentions = Vec::new();
        for (Deed { who, at, command }, answer) in self.entries() {
            let stands = matches!(
                command,
                Command::Release(_)
                    | Command::ApproveOrder(_)
                    | Command::Observe(_)
                    | Command::MoveOut(_)
                    | Command::ApproveMethod(_)
                    | Command::PublishMethod(_)
            );
            if answer.is_ok() && stands {
                intentions.push(Deed { who, at, command: command.with_id(self.new_id()) });
            }
        }
        for (resident, holder) in last::<Holder>(&self.records("pass")) {
            if holder.eligible() && holder.pass().is_some_and(|pass| pass.standing == Standing::Active) {
                let resident = format!("residents/{resident}");
                let issue =
                    IssuePassRequest { resident, surname: "王".into(), request_id: self.new_id(), kind: 0, access: 0 };
                intentions.push(Deed { who: Who::Worker, at: AFTERWARDS, command: issue.into() });
            }
        }
        intentions
    }

    /// Invariant 5: at no position of their stream does somebody who is barred hold an active pass; and the gate knows
    /// everybody who is under an order.
    async fn nobody_isolated_passes(&self) {
        each::<Holder>(&self.records("pass"), |position, resident, holder| {
            let active = holder.pass().is_some_and(|pass| pass.standing == Standing::Active);
            if active && !holder.bars.is_empty() {
                self.office.complain(format!("at {position} of pass, {resident} is barred and holds an active pass"));
            }
        });
        let holders = last::<Holder>(&self.records("pass"));
        for (order, isolated) in last::<Order>(&self.records("isolation")) {
            let resident = &isolated.terms.resident_id;
            if !isolated.in_force() || isolated.terms.kind() == Kind::Watch {
                continue;
            }
            if !holders.get(resident).is_some_and(Holder::isolated) {
                self.office.complain(format!("{resident} is under the order {order} and pass does not know it"));
            }
            let manual = Manual { resident: format!("residents/{resident}"), reason: "手机没电".into() };
            let crossing = RecordCrossingRequest {
                gate: self.office.place.borrow().gate.clone(),
                direction: Direction::Out.into(),
                temperature_decicelsius: 365,
                mask: true,
                identity: Some(Identity::Manual(manual)),
                ..Default::default()
            };
            let crossed: Result<Crossing, _> = self.does(Who::Guard, AFTERWARDS, crossing).await;
            let verdict = crossed.map(|crossed| crossed.verdict.unwrap_or_default());
            if !verdict.as_ref().is_ok_and(|verdict| {
                verdict.decision() == Decision::Refused && verdict.findings().any(|found| found == Finding::Isolated)
            }) {
                self.office.complain(format!("{resident} is under the order {order} and the gate says {verdict:?}"));
            }
        }
    }

    /// Invariant 6: whatever still bars somebody stands, in the log where it was decided.
    fn nobody_released_is_barred(&self) {
        let orders = last::<Order>(&self.records("isolation"));
        let verdicts = verdicts(&self.records("screening"));
        let served: BTreeSet<&str> =
            orders.values().filter(|order| completed(order)).map(|order| &*order.terms.case_id).collect();
        for (resident, holder) in last::<Holder>(&self.records("pass")) {
            for (name, bar) in &holder.bars {
                let (kind, id) = name.split_once('/').unwrap_or(("", name));
                let stands = match kind {
                    "orders" => orders.get(id).is_some_and(Order::in_force),
                    _ => bars(id, bar, &verdicts) && !served.contains(id),
                };
                if !stands {
                    self.office.complain(format!("{resident} is left barred by {name}"));
                }
            }
        }
    }

    /// Invariant 3: built again from the logs, every table of every service is what it was.
    async fn every_view_is_its_fold(&self) {
        let recount = async |by, request| CommandServiceClient::new(by).recount(request).await;
        let recounted = self.ask("command", Who::Officer, AFTERWARDS, RecountRequest::default(), recount).await;
        if !recounted.equal {
            self.office.complain(format!("the figures are not those of the logs: {:?}", recounted.differences));
        }
        // The command centre keeps no tables.
        for service in SERVICES.into_iter().filter(|service| *service != "command") {
            let folder = self.office.world.views(service);
            let shown = tables(&newest(&folder)).await;
            let rebuild = async |by, request| EventLogServiceClient::new(by).rebuild_views(request).await;
            let question = RebuildViewsRequest { request_id: self.new_id(), log: service.into() };
            self.ask(service, Who::Operator, AFTERWARDS, question, rebuild).await;
            let folded = tables(&newest(&folder)).await;
            for (table, rows) in &folded {
                let before = &shown[table];
                if rows != before {
                    let gone: Vec<_> = before.difference(rows).collect();
                    let new: Vec<_> = rows.difference(before).collect();
                    self.office.complain(format!("{service}'s {table} showed {gone:#?} where the log says {new:#?}"));
                }
            }
        }
    }

    fn records(&self, log: &str) -> Vec<Arc<Record>> {
        self.office.world.memory(log).records()
    }

    fn lengths(&self) -> [usize; LOGS.len()] {
        LOGS.map(|log| self.records(log).len())
    }

    /// The types of the events that these requests have brought about since the logs were so long. What a clock tells
    /// meanwhile, or what an earlier publication still does, has another cause.
    fn added(&self, since: [usize; LOGS.len()], requests: &BTreeSet<String>) -> Vec<String> {
        let records = LOGS.iter().zip(since).flat_map(|(log, since)| self.records(log).split_off(since));
        let caused = records.filter(|record| {
            [&record.command_id, &record.correlation_id].into_iter().any(|cause| requests.contains(cause))
        });
        caused.map(|record| record.r#type.clone()).collect()
    }

    fn entries(&self) -> Vec<(Deed, Result<Vec<u8>, String>)> {
        self.office.book.borrow().entries.clone()
    }
}

/// The state of every stream of an aggregate after each of its events.
fn each<A: Aggregate>(records: &[Arc<Record>], mut seen: impl FnMut(u64, &str, &A)) {
    let mut states: HashMap<&str, A> = HashMap::new();
    for record in records.iter().filter(|record| record.category == A::Event::CATEGORY) {
        let state = states.entry(&record.stream_id).or_default();
        state.evolve(&A::Event::from_payload(&record.payload).unwrap());
        seen(record.position, &record.stream_id, state);
    }
}

fn last<A: Aggregate>(records: &[Arc<Record>]) -> BTreeMap<String, A> {
    let mut states = BTreeMap::new();
    each(records, |_, stream, state: &A| drop(states.insert(stream.to_owned(), state.clone())));
    states
}

fn completed(order: &Order) -> bool {
    matches!(&order.standing, OrderStanding::Released(released) if released.reason() == ReleaseReason::PeriodComplete)
}

/// By case, the last verdict and its position.
type Verdicts = BTreeMap<String, (u64, case_event::Assessed)>;

fn verdicts(records: &[Arc<Record>]) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for record in records.iter().filter(|record| record.category == case_event::Event::CATEGORY) {
        if let case_event::Event::Assessed(assessed) = case_event::Event::from_payload(&record.payload).unwrap() {
            verdicts.insert(record.stream_id.clone(), (record.position, assessed));
        }
    }
    verdicts
}

/// Whether the last verdict on a case calls for its bar. A doubt is answered by a later clear verdict on another case.
fn bars(case: &str, bar: &Bar, verdicts: &Verdicts) -> bool {
    let Some((position, verdict)) = verdicts.get(case) else { return false };
    let free = verdict.outcome() == Outcome::Clear || matches!(verdict.measure(), Measure::None | Measure::Watch);
    let answered = |(later, other): &(u64, case_event::Assessed)| {
        later > position && other.resident_id == verdict.resident_id && other.outcome() == Outcome::Clear
    };
    let settled = free || (bar.doubt && verdicts.values().any(answered));
    !settled
}

/// The file of the newest generation of read models.
fn newest(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let numbers = files.filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".db")?.parse::<u32>().ok());
    folder.join(format!("{}.db", numbers.max().unwrap()))
}

/// All rows of all tables, each as one text.
async fn tables(file: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut db = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            .fetch_all(&mut db)
            .await
            .unwrap();
    let mut tables = BTreeMap::new();
    for name in names.into_iter().filter(|name| name != "generation") {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info($1)").bind(&name).fetch_all(&mut db).await.unwrap();
        let row = columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ' ' || ");
        let rows = sqlx::AssertSqlSafe(format!("SELECT {row} FROM {name}"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut db).await.unwrap();
        tables.insert(name, rows.into_iter().collect());
    }
    db.close().await.unwrap();
    tables
}
