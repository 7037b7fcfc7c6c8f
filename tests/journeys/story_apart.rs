//! The same story, told to services in processes of their own over PostgreSQL and NATS: the same seed gives the same
//! numbers, and what one request caused can be followed through all of them.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{access::Tokens, client::Connection, secrets::Secrets};
use chrono::TimeDelta;
use office::story::{Playbill, play};
use proto::{
    access::v1::{Principal, Role},
    event::v1::{ReadRecordsRequest, Record, event_log_service_client::EventLogServiceClient},
};
use tests::{
    House,
    apart::{Apart, nats_server},
    time,
};
use tonic::{Code, Status};

const SEED: u32 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn services_apart_tell_the_same_story_as_one_process() {
    let Some(nats) = nats_server() else { return };
    let apart = Apart::start(nats, 1).await;
    let token = administrator(&apart);
    let numbers = told(apart.address(), &token).await;
    let house = House::new().await;
    let here = house.token("staff/demonstration", Role::Administrator, "subdistrict", "", "");
    assert_eq!(numbers, told(house.address(), &here).await, "apart and together");
    a_trace_crosses_the_services(apart.address(), &token).await;
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

/// One trace from a click to what other services did about it: registering a resident opens a case; a verdict orders
/// isolation; an order bars the pass.
#[expect(clippy::print_stdout, reason = "the trace is for whoever reads the output")]
async fn a_trace_crosses_the_services(address: &str, token: &str) {
    let mut logs = EventLogServiceClient::new(Connection::open(address, Some(token.to_owned())).unwrap());
    let mut traces: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for log in ["screening", "isolation", "pass"] {
        for record in records(&mut logs, log).await {
            let trace = record.traceparent.split('-').nth(1).unwrap_or_default().to_owned();
            let line = format!("{log} {} {}", record.position, record.r#type);
            traces.entry(trace).or_default().entry(record.log).or_default().push(line);
        }
    }
    let across = traces.iter().filter(|(_, logs)| logs.len() == 3);
    let (trace, lines) = across.max_by_key(|(_, logs)| logs.len()).expect("a verdict is felt in all three services");
    println!("trace {trace}");
    for line in lines.values().flatten() {
        println!("  {line}");
    }
    let services: BTreeSet<&str> = lines.keys().map(String::as_str).collect();
    assert_eq!(services, BTreeSet::from(["isolation", "pass", "screening"]));
}

async fn records(logs: &mut EventLogServiceClient<Connection>, log: &str) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after_position = all.last().map_or(0, |record| record.position);
        let request = ReadRecordsRequest {
            log: log.to_owned(),
            after_position,
            page_size: 1_000,
            ..ReadRecordsRequest::default()
        };
        let more = logs.read_records(request).await.unwrap().into_inner().records;
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
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
