//! A gate off line for half a day, killed twice, then on a line that loses requests and answers: nothing is lost, nothing is
//! there twice. And gates whose clocks are wrong.

/// The program itself, killed amid its lines.
mod killed;

use std::collections::BTreeSet;

use chassis::client::{Connection, new_request_id};
use chrono::{DateTime, TimeDelta, Utc};
use office::gate::centre::{Centre, Line, exchange};
use proto::pass::v1::{
    Crossing, Decision, Finding, Gate, IssuePassRequest, ListCrossingsRequest, Pass, PassKind, Reason,
    RecordCrossingsRequest, RecordCrossingsResponse, SuspendPassRequest, pass_service_client::PassServiceClient,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tests::{House, guard::Guard, time, village::Village};
use tonic::Status;

use crate::killing::number;

const BEGIN: &str = "2020-02-11T15:00:00+08:00";
const CLEAN: &[(&str, &str, &str)] = &[("宁波", "2020-01-01", "2020-02-10")];

struct Street {
    house: House,
    village: Village,
    /// Good ones, and the last one suspended.
    passes: Vec<Pass>,
}

impl Street {
    async fn with_passes(count: usize) -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let mut residents = Vec::new();
        for household in 1..=count {
            let phone = format!("1390000{household:04}");
            residents.push(village.resident(&house, &format!("{household}幢"), "王小明", &phone).await);
        }
        house.settled().await;
        for resident in &residents {
            village.screened(&house, resident, CLEAN).await;
        }
        house.settled().await;
        let mut street = Self { house, village, passes: Vec::new() };
        for resident in &residents {
            let (request_id, resident) = (new_request_id(), resident.name.clone());
            let kind = PassKind::Paper.into();
            let issue = IssuePassRequest { request_id, resident, surname: "王".into(), kind, access: 0 };
            let pass = street.desk().issue_pass(issue).await.unwrap().into_inner();
            street.passes.push(pass);
        }
        let suspend = SuspendPassRequest {
            request_id: new_request_id(),
            resident: residents.last().unwrap().name.clone(),
            reason: Reason::Lent.into(),
            evidence_ids: vec!["crossings/1".into()],
        };
        street.desk().suspend_pass(suspend).await.unwrap();
        street.house.settled().await;
        street
    }

    fn desk(&self) -> PassServiceClient<Connection> {
        PassServiceClient::new(self.village.worker(&self.house).at(time(BEGIN)))
    }

    async fn crossings(&self) -> Vec<Crossing> {
        self.house.settled().await;
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let parent = self.village.compound.clone();
            let request = ListCrossingsRequest { parent, page_size: 1_000, page_token };
            let page = self.desk().list_crossings(request).await.unwrap().into_inner();
            all.extend(page.crossings);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }
}

/// Loses a third of the requests and a third of the answers, and doubles some requests.
struct Lossy {
    line: Line,
    dice: StdRng,
    lost: u32,
}

impl Lossy {
    /// What becomes of a call: `None` before it arrives, and then whether its answer does.
    fn fate(&mut self) -> (bool, bool) {
        let fate = (self.dice.random_bool(0.67), self.dice.random_bool(0.67));
        self.lost += u32::from(fate != (true, true));
        fate
    }
}

fn lost() -> Status {
    Status::unavailable("lost on the way")
}

impl Centre for Lossy {
    async fn gate(&mut self) -> Result<Gate, Status> {
        match self.fate() {
            (true, answered) => self.line.gate().await.and_then(|gate| if answered { Ok(gate) } else { Err(lost()) }),
            (false, _) => Err(lost()),
        }
    }

    async fn keys(&mut self) -> Result<String, Status> {
        self.line.keys().await
    }

    async fn list(&mut self, from: u32) -> Result<String, Status> {
        match self.fate() {
            (true, true) => self.line.list(from).await,
            _ => Err(lost()),
        }
    }

    async fn record(&mut self, crossings: RecordCrossingsRequest) -> Result<RecordCrossingsResponse, Status> {
        let (arrives, answered) = self.fate();
        if !arrives {
            return Err(lost());
        }
        if self.dice.random_bool(0.2) {
            // An older one that was held up on the way comes behind it, in pieces of its own.
            let mut piece = crossings.clone();
            piece.crossings.truncate(self.dice.random_range(0..=piece.crossings.len()));
            piece.request_id = new_request_id();
            self.line.record(piece).await?;
        }
        let answer = self.line.record(crossings).await?;
        if answered { Ok(answer) } else { Err(lost()) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_off_line_for_twelve_hours_killed_twice_and_then_on_a_lossy_line_loses_and_doubles_nothing() {
    let seed = number("MIFENG_FAULT_SEED").unwrap_or_else(rand::random);
    let count = number("MIFENG_GATE_CROSSINGS").unwrap_or(300);
    println!("MIFENG_FAULT_SEED={seed} MIFENG_GATE_CROSSINGS={count}");
    let mut dice = StdRng::seed_from_u64(seed.into());
    let street = Street::with_passes(4).await;
    let skew = TimeDelta::seconds(dice.random_range(-100_000..100_000));
    let mut guard = Guard::enrolled(&street.house, &street.village, time(BEGIN), skew).await;

    // Off line.
    let kills: BTreeSet<u32> = [dice.random_range(0..count), dice.random_range(0..count)].into();
    let mut told: BTreeSet<(String, u64)> = BTreeSet::new();
    let mut times: Vec<(String, DateTime<Utc>)> = Vec::new();
    let pause = TimeDelta::seconds(i64::from(12 * 3_600 / count));
    for passage in 0..count {
        guard.wait(pause);
        if kills.contains(&passage) {
            let cut = dice.random_range(1..200);
            guard = guard.killed(|folder| half_a_line(folder, cut));
        }
        let pass = &street.passes[dice.random_range(0..street.passes.len())];
        let line = match dice.random_range(0..10) {
            0 => "known 老人没有手机 36.5".to_owned(),
            1 => "visit inspector 36.5".to_owned(),
            2 => "MF1:FORGED".to_owned(),
            3 => format!("{} 37.5/36.5 out", pass.code),
            number if number < 7 => format!("{} 36.5", pass.code),
            _ => format!("{} 36.5 out", pass.code),
        };
        let recorded = guard.records(&line);
        assert!(told.insert((guard.boot(), recorded.sequence)), "a number was given twice");
        times.push((format!("{}-{}", guard.boot(), recorded.sequence), guard.now));
    }
    assert_eq!(guard.standing().waiting, told.len());

    // The line comes back, such as it is; once the gate is killed before it could note what was acknowledged.
    let mut lossy = Lossy { line: guard.line(), dice: StdRng::seed_from_u64(u64::from(seed) + 1), lost: 0 };
    let mut tries = 0;
    while guard.standing().waiting > 0 || tries < 5 {
        tries += 1;
        assert!(tries < 2_000, "the queue does not empty");
        drop(exchange(&guard.station, &mut lossy).await);
        if tries == 3 {
            guard = guard.killed(|folder| drop(std::fs::remove_file(folder.join("queue.marks"))));
            lossy.line = guard.line();
        }
    }
    println!("| {} recorded | {tries} exchanges | {} calls lost something |", told.len(), lossy.lost);
    let crossings = street.crossings().await;
    let ids: Vec<&str> = crossings.iter().map(|crossing| crossing.name.rsplit_once("/crossings/").unwrap().1).collect();
    let there: BTreeSet<(String, u64)> = ids.iter().map(|id| boot_and_sequence(id)).collect();
    assert_eq!(there, told, "lost {}", told.difference(&there).count());
    assert_eq!(crossings.len(), told.len(), "doubled {}", crossings.len() - told.len());
    for crossing in &crossings {
        let id = crossing.name.rsplit_once("/crossings/").unwrap().1;
        let really = times.iter().find(|(of, _)| id.ends_with(of.as_str())).unwrap().1;
        let filed = crossing.cross_time.as_ref().and_then(chassis::instant).unwrap();
        let off = (filed - really).num_milliseconds().abs();
        assert!(off <= 2_000, "filed {off} ms from when it was, though the clock was {skew} fast");
    }
}

/// A record that was being written when the power went.
fn half_a_line(folder: &std::path::Path, cut: usize) {
    let path = folder.join("queue.log");
    let mut text = std::fs::read(&path).unwrap_or_default();
    let half = text.iter().rev().skip(1).position(|byte| *byte == b'\n').unwrap_or(text.len().saturating_sub(1));
    let last = text[text.len().saturating_sub(half + 1)..].to_vec();
    text.extend(last.iter().take(cut.min(last.len().saturating_sub(1))));
    std::fs::write(&path, text).unwrap();
}

/// "<device>-<boot>-<sequence>", where neither boot nor sequence holds a dash.
fn boot_and_sequence(id: &str) -> (String, u64) {
    let mut parts = id.rsplit('-');
    let sequence = parts.next().unwrap().parse().unwrap();
    (parts.next().unwrap().to_owned(), sequence)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_clock_that_is_wrong_opens_the_gate_to_a_refused_pass() {
    let street = Street::with_passes(2).await;
    let [good, suspended] = [&street.passes[0], &street.passes[1]];
    let expiry = good.expire_time.as_ref().and_then(chassis::instant).unwrap();
    for skew in [TimeDelta::minutes(-10), TimeDelta::minutes(10), TimeDelta::days(-1), TimeDelta::days(1)] {
        let mut guard = Guard::enrolled(&street.house, &street.village, time(BEGIN), skew).await;
        let found = |guard: &mut Guard, pass: &Pass| {
            let recorded = guard.records(&format!("{} 36.5", pass.code));
            (recorded.decision, recorded.findings[0])
        };
        assert_eq!(found(&mut guard, good), (Decision::Allowed, Finding::Valid), "{skew}");
        assert_eq!(found(&mut guard, suspended), (Decision::Refused, Finding::Suspended), "{skew}");
        // Off line until just before the pass ends, and just after.
        guard.wait(expiry - guard.now - TimeDelta::seconds(30));
        assert_eq!(found(&mut guard, good), (Decision::Allowed, Finding::Valid), "{skew}");
        guard.wait(TimeDelta::minutes(1));
        assert_eq!(found(&mut guard, good), (Decision::Refused, Finding::Expired), "{skew}");
        // Somebody sets the clock while it runs, and again before it is started anew.
        for wrong in [-skew, skew, TimeDelta::days(-1), TimeDelta::days(-400)] {
            guard.set_clock(wrong);
            assert_eq!(found(&mut guard, good), (Decision::Refused, Finding::Expired), "{skew}, then {wrong}");
        }
        guard = guard.killed(|_| ());
        for pass in [good, suspended] {
            assert_eq!(found(&mut guard, pass).0, Decision::Refused, "{skew}, after a restart");
        }
        guard.set_clock(TimeDelta::zero());
        guard.exchanges().await.unwrap();
        assert_eq!(found(&mut guard, good), (Decision::Refused, Finding::Expired), "{skew}, on line again");
        guard.exchanges().await.unwrap();
    }
}
