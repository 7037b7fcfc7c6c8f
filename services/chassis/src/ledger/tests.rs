use std::{
    future::Future as _,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use proto::{event::v1::Head, registry::v1::compound_event::Event};

use super::*;
use crate::compound::{Compound, House, Refused, add_gate, call, gate_added, open, open_with_gates};

/// Another process's hold on the same log, as far as the memory of states goes.
fn another(ledger: &Ledger) -> Ledger {
    Ledger::new(Arc::clone(ledger.log()), Consumers::default())
}

async fn gates(ledger: &Ledger, compound: &str) -> Vec<String> {
    ledger.load::<Compound>(compound).await.unwrap().0.gates.clone()
}

#[tokio::test]
async fn who_was_overtaken_decides_again_on_what_there_is_now() {
    let house = House::new();
    let (ours, theirs) = (house.ledger().await, another(&house.ledger().await));
    open(&ours, &call("1"), "c").await.unwrap();
    add_gate(&theirs, &call("2"), "c", "east").await.unwrap();
    let decided = AtomicUsize::new(0);
    let decide = |state: &Compound, _| {
        decided.fetch_add(1, Ordering::Relaxed);
        state.add_gate("west").map(Decision::new)
    };
    let reply = |_: &Compound, version| Head { position: version, ..Head::default() };
    let done = ours.transact(&call("3"), "c", decide, reply).await.unwrap();
    assert_eq!((done.reply.position, done.position), (3, 3));
    assert_eq!(decided.into_inner(), 2);
    assert_eq!(gates(&ours, "c").await, ["east", "west"]);
}

#[tokio::test]
async fn a_command_that_is_sent_again_gets_its_answer_and_has_no_second_effect() {
    let house = House::new();
    let ledger = house.ledger().await;
    open(&ledger, &call("1"), "c").await.unwrap();
    add_gate(&ledger, &call("2"), "c", "east").await.unwrap();
    add_gate(&ledger, &call("3"), "c", "west").await.unwrap();
    for ledger in [&ledger, &another(&ledger)] {
        let again = add_gate(ledger, &call("2"), "c", "east").await.unwrap();
        assert_eq!((again.reply.position, again.position), (2, 2), "the answer of then");
        assert_eq!(again.into_response().metadata().get(POSITION).unwrap(), "registry=2");
        assert_eq!(gates(ledger, "c").await, ["east", "west"]);
    }
    let known = ledger.done_before::<Head>(&call("2")).await.unwrap().unwrap();
    assert_eq!(known.reply.position, 2);
    assert!(ledger.done_before::<Head>(&call("9")).await.unwrap().is_none());
}

#[tokio::test]
async fn what_begins_a_stream_reads_it_only_where_it_is_not_empty() {
    let house = House::new();
    let ledger = house.ledger().await;
    let versions = std::sync::Mutex::new(Vec::new());
    let decide = |state: &Compound, version| {
        versions.lock().unwrap().push(version);
        state.open("长丰二村").map(Decision::new)
    };
    let reply = |_: &Compound, version| Head { position: version, ..Head::default() };
    let begun = ledger.begin(&call("1"), "c", decide, reply).await.unwrap();
    let again = ledger.begin(&call("1"), "c", decide, reply).await.unwrap();
    assert_eq!((begun.position, again.position, again.reply.position), (1, 1, 1), "once, with one answer");
    let refused = another(&ledger).begin(&call("2"), "c", decide, reply).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "another command finds what is there");
    assert_eq!(*versions.lock().unwrap(), [0, 0, 0, 1]);
}

/// On what version a command decides first.
async fn first_decided_on(ledger: &Ledger, id: &str, compound: &str) -> Option<u64> {
    let versions = std::sync::Mutex::new(Vec::new());
    let decide = |_: &Compound, version| {
        versions.lock().unwrap().push(version);
        Ok::<_, Refused>(Decision::new(Vec::new()))
    };
    ledger.transact::<_, Head, _, _, _>(&call(id), compound, decide, |_, _| Head::default()).await.unwrap();
    versions.into_inner().unwrap().first().copied()
}

#[tokio::test]
async fn what_is_foreseen_is_read_together_and_not_again() {
    let house = House::new();
    let ledger = house.ledger().await;
    open_with_gates(&ledger, "c", 2).await;
    open(&ledger, &call("d"), "d").await.unwrap();
    let late = another(&ledger);
    late.foresee::<Compound>(["c", "d", "new", "c"].map(str::to_owned)).await.unwrap();
    assert_eq!(gates(&late, "c").await, gates(&ledger, "c").await);
    // Behind its back: whoever had read again now would decide on the third version.
    add_gate(&ledger, &call("gate"), "d", "east").await.unwrap();
    open(&ledger, &call("new"), "new").await.unwrap();
    assert_eq!(first_decided_on(&late, "1", "d").await, Some(1));
    assert_eq!(first_decided_on(&late, "2", "new").await, Some(0));
    assert_eq!(first_decided_on(&late, "3", "other").await, Some(0));
}

#[tokio::test]
async fn a_request_id_is_good_for_one_content() {
    let house = House::new();
    let ledger = house.ledger().await;
    open(&ledger, &call("1"), "c").await.unwrap();
    let mut other = call("1");
    other.fingerprint = [1; 32];
    assert!(matches!(add_gate(&ledger, &other, "c", "east").await, Err(Failure::Reused)));
    assert!(matches!(open(&ledger, &other, "c").await, Err(Failure::Reused)), "also where it would be refused");
    assert!(matches!(ledger.done_before::<Head>(&other).await, Err(Failure::Reused)));
    assert!(gates(&ledger, "c").await.is_empty());
}

#[tokio::test]
async fn a_command_whose_own_effect_is_in_its_way_gets_its_answer_again() {
    let house = House::new();
    let ledger = house.ledger().await;
    open(&ledger, &call("1"), "c").await.unwrap();
    assert_eq!(open(&ledger, &call("1"), "c").await.unwrap().reply.position, 1);
    let refused = open(&ledger, &call("2"), "c").await;
    assert!(matches!(refused, Err(Failure::Refused(refusal)) if refusal.en == Refused::AlreadyOpened.to_string()));
}

#[tokio::test]
async fn a_refusal_leaves_nothing_and_is_judged_anew() {
    let house = House::new();
    let ledger = house.ledger().await;
    assert!(matches!(add_gate(&ledger, &call("2"), "c", "east").await, Err(Failure::Refused(_))));
    assert_eq!(ledger.log().head().await.unwrap().position, 0);
    open(&ledger, &call("1"), "c").await.unwrap();
    assert_eq!(add_gate(&ledger, &call("2"), "c", "east").await.unwrap().position, 2);
}

#[tokio::test]
async fn what_is_said_twice_adds_no_event() {
    let house = House::new();
    let ledger = house.ledger().await;
    open(&ledger, &call("1"), "c").await.unwrap();
    add_gate(&ledger, &call("2"), "c", "east").await.unwrap();
    let again = add_gate(&ledger, &call("3"), "c", "east").await.unwrap();
    assert_eq!((again.reply.position, again.position), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_at_once_on_one_stream_all_go_through() {
    let house = House::new();
    let ledger = house.ledger().await;
    open(&ledger, &call("open"), "c").await.unwrap();
    let commands = (0..200).map(|gate| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let gate = gate.to_string();
            add_gate(&ledger, &call(&gate), "c", &gate).await.unwrap().position
        })
    });
    let mut positions = Vec::new();
    for command in commands.collect::<Vec<_>>() {
        positions.push(command.await.unwrap());
    }
    positions.sort_unstable();
    assert_eq!(positions, (2..=201).collect::<Vec<u64>>());
    assert_eq!(gates(&ledger, "c").await, gates(&another(&ledger), "c").await);
}

#[tokio::test]
async fn a_key_is_held_by_one_stream_until_it_gives_it_back() {
    let house = House::new();
    let ledger = house.ledger().await;
    let holding = |state: &Compound, _| state.open("x").map(|events| Decision::new(events).reserve("code", "330"));
    let none = |_: &Compound, _| ();
    ledger.transact(&call("1"), "a", holding, none).await.unwrap();
    assert_eq!(ledger.reserved("code", "330").await.unwrap().as_deref(), Some("a"));
    let refused = ledger.transact(&call("2"), "b", holding, none).await;
    assert!(matches!(refused, Err(Failure::Reserved { scope, stream_id }) if scope == "code" && stream_id == "a"));
    assert_eq!(ledger.load::<Compound>("b").await.unwrap().1, 0, "nothing of it is left");
    ledger.transact(&call("1"), "a", holding, none).await.expect("who holds it is answered as before");
    let giving = |_: &Compound, _| Ok::<_, Refused>(Decision::new(Vec::new()).release("code", "330"));
    ledger.transact(&call("3"), "a", giving, none).await.unwrap();
    assert_eq!(ledger.reserved("code", "330").await.unwrap(), None);
    ledger.transact(&call("2"), "b", holding, none).await.unwrap();
    assert_eq!(ledger.reserved("code", "330").await.unwrap().as_deref(), Some("b"));
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_all_or_nothing_and_no_old_state() {
    let house = House::new();
    let ledger = house.ledger().await;
    open(&ledger, &call("open"), "c").await.unwrap();
    for polls in 0..30 {
        let (id, gate) = (format!("add {polls}"), polls.to_string());
        let call = call(&id);
        {
            let mut command = std::pin::pin!(add_gate(&ledger, &call, "c", &gate));
            for _ in 0..polls {
                let once = std::future::poll_fn(|context| Poll::Ready(command.as_mut().poll(context).is_ready()));
                if once.await {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        add_gate(&ledger, &call, "c", &gate).await.unwrap();
        let remembered = gates(&ledger, "c").await;
        assert_eq!(remembered, gates(&another(&ledger), "c").await, "hung up after {polls} polls");
        assert_eq!(remembered.len(), polls + 1);
    }
}

#[tokio::test]
async fn what_was_done_for_a_caller_who_hung_up_is_seen_by_everybody() {
    let house = House::new();
    let ledger = house.ledger().await;
    open(&ledger, &call("open"), "c").await.unwrap();
    let mut wake = ledger.log().wake();
    let call = call("add");
    let mut command = Box::pin(add_gate(&ledger, &call, "c", "east"));
    assert!(std::future::poll_fn(|context| Poll::Ready(command.as_mut().poll(context))).await.is_pending());
    drop(command);
    wake.wait_for(|head| *head == 2).await.unwrap();
    let seen = async {
        while gates(&ledger, "c").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), seen).await.expect("the remembered state follows the log");
}

#[tokio::test]
async fn streams_that_only_collect_take_from_everybody() {
    let house = House::new();
    let (ours, theirs) = (house.ledger().await, another(&house.ledger().await));
    open_with_gates(&ours, "c", 2).await;
    assert_eq!(gates(&ours, "c").await.len(), 2);
    for (ledger, gate) in [(&ours, "x"), (&theirs, "y"), (&ours, "z")] {
        let decision = Decision::new(vec![gate_added(gate)]);
        ledger.collect(&call(gate), "c", decision, Head::default()).await.unwrap();
    }
    let decision = Decision::new(vec![gate_added("z")]);
    ours.collect(&call("z"), "c", decision, Head::default()).await.unwrap();
    assert_eq!(gates(&ours, "c").await, ["c-0", "c-1", "x", "y", "z"]);
}

#[tokio::test]
async fn a_request_waits_for_reactions_but_not_for_ever() {
    let house = House::new();
    let ledger = house.ledger().await;
    let progress = house.host.consumers.enter("registry/reactions", "screening", 3);
    let seen = Positions::from([("screening".to_owned(), 5), ("unheard".to_owned(), 9)]);
    let own = Positions::from([("registry".to_owned(), 5)]);
    assert_eq!(
        [&seen, &own].map(|seen| ledger.is_of_others(seen)),
        [true, false],
        "its own news it has not reacted to"
    );
    let soon = Instant::now() + Duration::from_millis(50);
    ledger.settle_until(&seen, soon).await;
    assert!(Instant::now() >= soon, "it was not there yet");
    let settled = ledger.settle_until(&seen, Instant::now() + Duration::from_mins(1));
    let (settled, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(5), settled), async {
        progress.reached(5, 0);
    });
    settled.expect("it goes on as soon as the reactions are there");
}

#[test]
fn a_state_that_was_read_before_something_was_forgotten_is_not_kept() {
    let states = States::default();
    let state = |gates: u64| -> Arc<dyn Any + Send + Sync> { Arc::new(gates) };
    let fence = Some(1);
    let before = states.before_reading(fence, "compound", "c");
    states.evict("compound", "c");
    states.put_read(before, "compound", "c", 1, state(1));
    assert!(states.get(fence, "compound", "c").is_none());
    let before = states.before_reading(fence, "compound", "c");
    states.evict("compound", "d");
    states.put_read(before, "compound", "c", 1, state(1));
    assert!(states.get(fence, "compound", "c").is_some(), "it was another one that was forgotten");
    states.put_read(states.before_reading(fence, "compound", "c"), "compound", "c", 2, state(2));
    states.put(fence, "compound", "c", 1, state(1));
    assert_eq!(states.get(fence, "compound", "c").unwrap().0, 2, "an older one never takes its place");
}

#[test]
fn what_was_remembered_under_one_fence_is_forgotten_under_another() {
    let states = States::default();
    let state = || -> Arc<dyn Any + Send + Sync> { Arc::new(1) };
    let before = states.before_reading(Some(1), "compound", "c");
    states.put_read(before, "compound", "c", 1, state());
    assert!(states.get(None, "compound", "c").is_none(), "while others may write nothing is remembered");
    assert!(states.get(Some(1), "compound", "c").is_some(), "nobody else has written meanwhile");
    assert!(states.get(Some(3), "compound", "c").is_none());
    states.put_read(before, "compound", "c", 1, state());
    states.put(Some(1), "compound", "c", 1, state());
    assert!(states.get(Some(3), "compound", "c").is_none(), "what began under the old one comes too late");
    states.put(None, "compound", "c", 1, state());
    states.put_read(states.before_reading(None, "compound", "c"), "compound", "c", 1, state());
    assert!(states.get(Some(3), "compound", "c").is_none(), "nor is what was read while others might write");
}

#[tokio::test]
async fn what_a_decision_puts_into_other_streams_is_done_with_it_or_not_at_all() {
    let house = House::new();
    let ledger = house.ledger().await;
    open(&ledger, &call("1"), "c").await.unwrap();
    assert!(gates(&ledger, "collects").await.is_empty());
    let besides = |command: &'static str, gate: &'static str| {
        let ledger = ledger.clone();
        async move {
            let decide = |state: &Compound, _| -> Result<_, Refused> {
                let collected = Decision::new(vec![gate_added(gate)]).office("n2");
                Ok(Decision::new(state.add_gate(gate)?).besides("collects", collected))
            };
            ledger.transact(&call(command), "c", decide, |_: &Compound, _| Head::default()).await
        }
    };
    let done = besides("2", "east").await.unwrap();
    assert_eq!(done.position, 3);
    assert_eq!(gates(&ledger, "collects").await, ["east"], "what was remembered of that stream is no more");
    besides("2", "east").await.unwrap();
    assert_eq!(gates(&ledger, "collects").await, ["east"], "done once");
    let held = |_: &Compound, _| -> Result<_, Refused> { Ok(Decision::<Event>::new(vec![]).reserve("gate", "west")) };
    ledger.transact(&call("3"), "d", held, |_: &Compound, _| Head::default()).await.unwrap();
    let decide = |state: &Compound, _| -> Result<_, Refused> {
        let collected = Decision::new(vec![gate_added("west")]);
        Ok(Decision::new(state.add_gate("west")?).reserve("gate", "west").besides("collects", collected))
    };
    let refused = ledger.transact(&call("4"), "c", decide, |_: &Compound, _| Head::default()).await.unwrap_err();
    assert!(matches!(refused, Failure::Reserved { .. }), "{refused}");
    assert_eq!(gates(&ledger, "collects").await, ["east"], "nothing of it is done");
}
