//! The same story, told to services in processes of their own over PostgreSQL and NATS: the same seed gives the same
//! numbers, and what one request caused can be followed through all of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use chassis::{access::Tokens, secrets::Secrets};
use chrono::TimeDelta;
use office::story::{Playbill, play};
use proto::access::v1::{Principal, Role};
use tests::{
    House,
    apart::{Apart, Circumstances, nats_server},
    collector::{Collector, Span},
    time,
};
use tonic::{Code, Status};

const SEED: u32 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn services_apart_tell_the_same_story_as_one_process() {
    let Some(nats) = nats_server() else { return };
    let collector = Collector::open().await;
    let circumstances = Circumstances { collector: Some(collector.address().to_owned()), ..Circumstances::default() };
    let apart = Apart::under(nats, 1, circumstances).await;
    let token = administrator(&apart);
    let numbers = told(apart.address(), &token).await;
    let house = House::new().await;
    let here = house.token("staff/demonstration", Role::Administrator, "subdistrict", "", "");
    assert_eq!(numbers, told(house.address(), &here).await, "apart and together");
    a_trace_crosses_the_services(&collector).await;
}

/// On a slow machine a call may be given up at its deadline. Told again, the story goes on from there: its commands keep
/// their ids.
async fn told(address: &str, token: &str) -> serde_json::Value {
    let mut tellings = 0;
    loop {
        tellings += 1;
        let (address, token) = (address.to_owned(), token.to_owned());
        match play(Playbill { address, token, authority: None, seed: SEED, json: true }).await {
            Ok(numbers) => return numbers,
            Err(error) if tellings < 5 && broken_off(&error) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn broken_off(error: &anyhow::Error) -> bool {
    let statuses = error.chain().filter_map(|cause| cause.downcast_ref::<Status>());
    let mut codes = statuses.map(Status::code);
    codes.any(|code| matches!(code, Code::Unavailable | Code::DeadlineExceeded))
}

/// One trace from a click to what the other services did about it, and to where it can be read: a verdict orders
/// isolation, the order bars the pass, and the command centre counts all three.
#[expect(clippy::print_stdout, reason = "the trace is for whoever reads the output")]
async fn a_trace_crosses_the_services(collector: &Collector) {
    let deadline = Instant::now() + Duration::from_mins(1);
    // Services send what they have every few seconds, and each by itself.
    let trace = loop {
        let spans = collector.spans();
        let mut traces: BTreeMap<&[u8], Vec<&Span>> = BTreeMap::new();
        for span in &spans {
            traces.entry(&span.trace).or_default().push(span);
        }
        let whole = traces.values().find(|trace| felt_in(trace).is_superset(&WHERE_A_VERDICT_IS_FELT.into()));
        if let Some(trace) = whole.filter(|trace| beginnings(trace).len() == 1) {
            println!("one of {} traces, {} spans in all", traces.len(), spans.len());
            break trace.iter().map(|span| (*span).clone()).collect::<Vec<_>>();
        }
        let farthest = traces.values().max_by_key(|trace| felt_in(trace).len());
        let beginnings = farthest.map(|trace| (felt_in(trace), beginnings(trace)));
        assert!(Instant::now() < deadline, "no trace of {} is whole; the farthest: {beginnings:?}", traces.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let by_id: HashMap<&[u8], &Span> = trace.iter().map(|span| (&*span.id, span)).collect();
    for span in &trace {
        let above = |span: &&Span| by_id.get(&*span.parent).copied();
        let depth = std::iter::successors(above(&span), above).count();
        println!("{:width$}{} {}", "", span.service, span.name, width = 2 * depth);
    }
}

const WHERE_A_VERDICT_IS_FELT: [&str; 4] = ["screening", "isolation", "pass", "command"];

fn felt_in<'a>(trace: &[&'a Span]) -> BTreeSet<&'a str> {
    trace.iter().map(|span| &*span.service).collect()
}

/// What stands above the spans of a trace and is none of them: a whole one has one, which its client sent.
fn beginnings<'a>(trace: &[&'a Span]) -> BTreeSet<&'a [u8]> {
    let known: BTreeSet<&[u8]> = trace.iter().map(|span| &*span.id).collect();
    trace.iter().map(|span| &*span.parent).filter(|parent| !known.contains(parent)).collect()
}

pub(crate) fn administrator(apart: &Apart) -> String {
    let person = Principal {
        subject: "staff/demonstration".into(),
        role: Role::Administrator.into(),
        unit: "subdistrict".into(),
        ..Principal::default()
    };
    let tokens = Tokens::new(&Secrets::from_file(&apart.root_secret()).unwrap());
    tokens.issue(&person, TimeDelta::days(30), time("2020-02-11T08:00:00+08:00")).unwrap().token
}
