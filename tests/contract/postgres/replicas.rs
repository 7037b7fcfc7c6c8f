//! Who leads, who follows, and what became of the one who led.

use std::{sync::Arc, time::Duration};

use chassis::{
    Aggregate, Call, Clock, Decision, Failure, Kind, Lead, Lease, Ledger, Principal, Refusal, Refuse, Scope,
    consumers::Consumers,
    event_log::{Append, AppendError, EventLog, Expected, postgres::PgLog},
};
use proto::{
    access::v1::Role,
    event::v1::Head,
    registry::v1::compound_event::{Event, GateAdded, Opened},
};
use sqlx::AssertSqlSafe;
use tests::postgres::Service;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Kept;
use crate::event_log::{Store as _, claim, command, write};

/// One process of a service.
struct Replica {
    lease: Lease,
    log: Arc<PgLog>,
}

impl Replica {
    async fn of(service: &Service, address: &str) -> Self {
        let lease = Lease::contend(&service.database, address, &CancellationToken::new()).await.unwrap();
        let log = PgLog::open(&service.database, "registry", Clock::system(), lease.clone()).await.unwrap();
        Self { lease, log: Arc::new(log) }
    }

    async fn append(&self, id: &str, stream: &str, version: u64) -> Result<u64, AppendError> {
        let append = command(id, vec![write(stream, Expected::Version(version), 1)]);
        self.log.append(append).await.map(|done| done.last_position)
    }

    /// Waits until it leads and knows all that was written before.
    async fn leads(&self) {
        let mut lead = self.log.lead();
        let leads = lead.wait_for(|lead| matches!(lead, Lead::Here { .. }));
        drop(timeout(Duration::from_secs(10), leads).await.expect("it leads within ten seconds").unwrap());
    }

    async fn follows(&self, leader: &str) {
        let mut lead = self.log.lead();
        let follows = lead.wait_for(|lead| matches!(lead, Lead::Elsewhere { address } if address == leader));
        drop(timeout(Duration::from_secs(10), follows).await.expect("it follows within ten seconds").unwrap());
    }

    async fn end(self) {
        self.log.close().await;
        self.lease.give_back().await;
    }
}

/// Lets the lease expire until the other one has taken it.
async fn hand_over(kept: &Kept, from: &str, to: &Replica) {
    let mut owner = kept.cluster.administer(kept.service()).await.unwrap();
    while !to.lease.leads() {
        let sql = "UPDATE replica.lease SET expires_at = '-infinity' WHERE address = $1";
        sqlx::query(sql).bind(from).execute(&mut owner).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    to.leads().await;
}

#[tokio::test]
async fn one_replica_leads_and_the_others_say_where_it_is() {
    let kept = Kept::empty().await;
    let one = Replica::of(kept.service(), "http://one").await;
    one.leads().await;
    let two = Replica::of(kept.service(), "http://two").await;
    two.follows("http://one").await;
    assert_eq!(
        (one.lease.sure().is_some(), one.log.sole_writer(), two.log.sole_writer()),
        (true, one.lease.sure(), None)
    );
    one.append("1", "h", 0).await.unwrap();
    let asked = Instant::now();
    assert!(matches!(two.append("2", "h", 1).await, Err(AppendError::Unknown(_))));
    assert!(asked.elapsed() < Duration::from_secs(1), "who does not lead says so at once");
    assert_eq!(two.log.head().await.unwrap(), one.log.head().await.unwrap(), "it had not taken effect");
    two.end().await;
    one.end().await;
}

#[tokio::test]
async fn followers_hear_of_each_commit_and_read_it() {
    let kept = Kept::empty().await;
    let one = Replica::of(kept.service(), "http://one").await;
    one.leads().await;
    let two = Replica::of(kept.service(), "http://two").await;
    two.follows("http://one").await;
    let mut wake = two.log.wake();
    for n in 0..50_u64 {
        let position = one.append(&n.to_string(), "h", n).await.unwrap();
        if n % 2 == 0 {
            assert_eq!(two.log.head().await.unwrap().position, position, "asked for, the head is the one of now");
        } else {
            timeout(Duration::from_secs(5), wake.wait_for(|head| *head >= position)).await.unwrap().unwrap();
        }
        assert_eq!(two.log.read(position - 1, 10).await.unwrap()[0].position, position);
        assert_eq!(two.log.read_stream("household", "h", n).await.unwrap().len(), 1);
    }
    assert_eq!(two.log.verify().await.unwrap().records, 50);
    two.end().await;
    one.end().await;
}

#[tokio::test]
async fn an_orderly_end_hands_the_lead_over_at_once() {
    let kept = Kept::empty().await;
    let one = Replica::of(kept.service(), "http://one").await;
    one.leads().await;
    let two = Replica::of(kept.service(), "http://two").await;
    for n in 0..5 {
        one.append(&n.to_string(), "h", n).await.unwrap();
    }
    let ended = Instant::now();
    one.end().await;
    two.leads().await;
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
    assert_eq!(two.append("5", "h", 5).await.unwrap(), 6);
    two.end().await;
}

#[test]
fn a_killed_leader_is_replaced_within_five_seconds() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (dying, surviving) = (runtime(), runtime());
    let kept = surviving.block_on(Kept::empty());
    let one = dying.block_on(async {
        let one = Replica::of(kept.service(), "http://one").await;
        one.leads().await;
        one.append("0", "h", 0).await.unwrap();
        one
    });
    surviving.block_on(async {
        let two = Replica::of(kept.service(), "http://two").await;
        two.follows("http://one").await;
        let killed = Instant::now();
        // All its tasks stop where they are, and its connections break.
        dying.shutdown_background();
        two.leads().await;
        assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
        assert_eq!(two.append("1", "h", 1).await.unwrap(), 2);
        two.end().await;
    });
    drop(one);
}

#[tokio::test]
async fn who_only_believes_to_lead_writes_nothing() {
    let kept = Kept::empty().await;
    let one = Replica::of(kept.service(), "http://one").await;
    one.leads().await;
    one.append("0", "h", 0).await.unwrap();
    let mut owner = kept.cluster.administer(kept.service()).await.unwrap();
    let mut believed = 0;
    for n in 0..20 {
        // Another replica takes over, which this one finds out at its next renewal.
        let sql = "UPDATE replica.lease SET fence = fence + 1, holder = 'x', expires_at = 'infinity' RETURNING fence";
        let theirs: i64 = sqlx::query_scalar(sql).fetch_one(&mut owner).await.unwrap();
        believed += u32::from(one.lease.leads());
        let answer = one.append(&format!("late {n}"), "h", 1).await;
        assert!(matches!(answer, Err(AppendError::Unknown(_))), "{answer:?}");
        let gone = "UPDATE replica.lease SET expires_at = '-infinity'";
        sqlx::raw_sql(gone).execute(&mut owner).await.unwrap();
        let mut lead = one.log.lead();
        let again = lead.wait_for(|lead| matches!(lead, Lead::Here { fence } if *fence > theirs));
        drop(timeout(Duration::from_secs(10), again).await.expect("it takes the lead again").unwrap());
        if believed == 3 {
            break;
        }
    }
    assert!(believed > 0, "it never found itself believing");
    assert_eq!(one.append("1", "h", 1).await.unwrap(), 2);
    one.end().await;
}

#[tokio::test]
async fn an_append_that_needs_no_look_makes_none() {
    let kept = Kept::empty().await;
    let one = Replica::of(kept.service(), "http://one").await;
    one.leads().await;
    one.append("0", "h", 0).await.unwrap();
    let mut owner = kept.cluster.administer(kept.service()).await.unwrap();
    let role = kept.service().database.options().get_username();
    let mut may_look = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
    };
    // A look asks for commands.
    may_look(format!("REVOKE SELECT ON log.command FROM {role}")).await;
    assert_eq!(one.append("1", "h", 1).await.unwrap(), 2);
    assert_eq!(one.append("2", "another", 0).await.unwrap(), 3);
    assert!(matches!(one.append("1", "h", 1).await, Err(AppendError::Fault(_))), "only a look finds it");
    may_look(format!("GRANT SELECT ON log.command TO {role}")).await;
    assert_eq!(one.append("1", "h", 1).await.unwrap(), 2);
    one.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_verifies_what_was_written_a_moment_ago() {
    let kept = Kept::empty().await;
    let one = Replica::of(kept.service(), "http://one").await;
    one.leads().await;
    let two = Replica::of(kept.service(), "http://two").await;
    for n in 0..20 {
        one.append(&n.to_string(), "h", n).await.unwrap();
        let found = two.log.verify().await.unwrap();
        assert_eq!((found.records, found.broken_at), (n + 1, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_have_no_hole_while_the_lead_goes_back_and_forth() {
    let kept = Kept::empty().await;
    let replicas = [
        Arc::new(Replica::of(kept.service(), "http://one").await),
        Arc::new(Replica::of(kept.service(), "http://two").await),
    ];
    let callers = (0..8_u64).map(|caller| {
        let replicas = replicas.clone();
        tokio::spawn(async move {
            for n in 0..40 {
                let (id, stream) = (format!("{caller}-{n}"), format!("h{caller}"));
                let mut at = 0;
                while let Err(error) = replicas[at % 2].append(&id, &stream, n).await {
                    assert!(matches!(error, AppendError::Unknown(_)), "{error:?}");
                    at += 1;
                    sleep(Duration::from_millis(5)).await;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..3 {
        hand_over(&kept, "http://one", &replicas[1]).await;
        hand_over(&kept, "http://two", &replicas[0]).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    for replica in &replicas {
        assert_eq!(replica.log.head().await.unwrap().position, 320);
        let found = replica.log.verify().await.unwrap();
        assert_eq!((found.records, found.broken_at), (320, None));
    }
}

/// As a leader and one who leads no longer and does not know it: what one has looked up the other has changed meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_looked_up_before_somebody_else_wrote_is_not_written() {
    let kept = Kept::empty().await;
    let one = Replica::of(kept.service(), "http://one").await;
    one.leads().await;
    let other = PgLog::open(&kept.service().database, "registry", Clock::system(), one.lease.clone()).await.unwrap();
    let two = Arc::new(Replica { lease: one.lease.clone(), log: Arc::new(other) });
    let one = Arc::new(one);
    let callers = (0..8_u64).map(|caller| {
        let replica = Arc::clone(if caller % 2 == 0 { &one } else { &two });
        tokio::spawn(async move {
            for n in 0..50 {
                // Two callers, one at each, have a stream together.
                let (id, stream) = (format!("{caller}-{n}"), format!("h{}", caller / 2));
                let append = command(&id, vec![write(&stream, Expected::Any, 1)]);
                while let Err(error) = replica.log.append(append.clone()).await {
                    assert!(matches!(error, AppendError::Unknown(_)), "{error:?}");
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    // No position tells of commands without events.
    for n in 0..60 {
        let key = format!("k{n}");
        let hold = async |replica: &Replica, holder: &str| {
            let append = command(&format!("{holder}-{key}"), Vec::new());
            let append = Append { reserve: vec![claim(&key, holder)], ..append };
            loop {
                match replica.log.append(append.clone()).await {
                    Err(AppendError::Unknown(_)) => {}
                    held => return held.is_ok(),
                }
            }
        };
        let held = tokio::join!(hold(&one, "one"), hold(&two, "two"));
        assert!(held.0 != held.1, "one of the two holds {key}: {held:?}");
    }
    // Each of the two knows of the other's last records only once it looks for its own next one.
    let third = PgLog::open(&kept.service().database, "registry", Clock::system(), one.lease.clone()).await.unwrap();
    let found = third.verify().await.unwrap();
    assert_eq!((found.records, found.broken_at), (400, None));
    for stream in 0..4 {
        let records = third.read_stream("household", &format!("h{stream}"), 0).await.unwrap();
        assert!(records.iter().map(|record| record.version).eq(1..=100), "stream {stream}");
    }
}

/// What these tests decide about.
#[derive(Clone, Default)]
struct Compound {
    open: bool,
    gates: Vec<String>,
}

#[derive(Debug)]
struct NotFound;

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("there is no such compound")
    }
}

impl std::error::Error for NotFound {}

impl Refuse for NotFound {
    fn refusal(&self) -> Refusal {
        Refusal::new(Kind::Precondition, "REFUSED", "不行", self.to_string())
    }
}

impl Aggregate for Compound {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(_) => self.open = true,
            Event::GateAdded(added) => self.gates.push(added.gate_id.clone()),
            Event::RegimeSet(_) | Event::BuildingAdded(_) | Event::GridAssigned(_) => {}
        }
    }
}

fn call(id: &str) -> Call {
    let principal =
        Principal { subject: "staff/1".to_owned(), role: Role::Worker, unit: String::new(), scope: Scope::Everywhere };
    Call::by(principal, Clock::system().now(), id)
}

async fn open(ledger: &Ledger, id: &str) -> Result<u64, Failure> {
    let decide = |_: &Compound, _| Ok::<_, NotFound>(Decision::new(vec![Event::Opened(Opened::default())]));
    ledger.transact(&call(id), "c", decide, |_, _| Head::default()).await.map(|done| done.position)
}

async fn add_gate(ledger: &Ledger, id: &str) -> Result<u64, Failure> {
    let decide = |state: &Compound, _| {
        let gate = Event::GateAdded(GateAdded { gate_id: id.to_owned(), ..GateAdded::default() });
        if state.open { Ok(Decision::new(vec![gate])) } else { Err(NotFound) }
    };
    ledger.transact(&call(id), "c", decide, |_, _| Head::default()).await.map(|done| done.position)
}

#[tokio::test]
async fn who_leads_again_does_not_refuse_on_what_it_remembers_of_its_first_time() {
    let kept = Kept::empty().await;
    let (one, two) = (Replica::of(kept.service(), "http://one").await, Replica::of(kept.service(), "http://two").await);
    let ledger = |replica: &Replica| Ledger::new(Arc::clone(&replica.log) as Arc<dyn EventLog>, Consumers::default());
    let (ours, theirs) = (ledger(&one), ledger(&two));
    one.leads().await;
    assert!(matches!(add_gate(&ours, "too early").await, Err(Failure::Refused(_))));
    hand_over(&kept, "http://one", &two).await;
    // Taken before its time: until it has learnt that, it is sure that nobody else has written.
    one.follows("http://two").await;
    open(&theirs, "open").await.unwrap();
    assert!(ours.load::<Compound>("c").await.unwrap().0.open, "who follows reads what there is");
    hand_over(&kept, "http://two", &one).await;
    two.follows("http://one").await;
    add_gate(&ours, "east").await.unwrap();
    hand_over(&kept, "http://one", &two).await;
    one.follows("http://two").await;
    add_gate(&theirs, "west").await.unwrap();
    hand_over(&kept, "http://two", &one).await;
    assert_eq!(ours.load::<Compound>("c").await.unwrap().0.gates, ["east", "west"]);
}
