use proto::registry::v1::{GetHouseholdRequest, ListNeighbourhoodsRequest};
use tonic::Code;

use super::*;
use crate::refusal::Spoken;

fn worker(subject: &str) -> Principal {
    let scope = Scope::Neighbourhood("n1".to_owned());
    Principal { subject: subject.to_owned(), role: Role::Worker, unit: "n1".to_owned(), scope }
}

/// A request as it comes out of the access layer.
fn admitted<T>(message: T, subject: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(worker(subject));
    request.extensions_mut().insert(RequestTime("2020-02-11T08:00:00Z".parse().unwrap()));
    request.extensions_mut().insert(Fingerprinter::new([3; 32]));
    request
}

fn household(name: &str) -> GetHouseholdRequest {
    GetHouseholdRequest { name: name.to_owned() }
}

fn fingerprint(name: &str, subject: &str) -> [u8; 32] {
    Call::command(&admitted(household(name), subject), "request-1").unwrap().fingerprint
}

#[test]
fn a_request_id_is_eight_to_sixty_four_plain_characters() {
    for good in ["12345678", "0190b8e4-7a43-7cc5-b0a4-6d5c1a9be001", "import:a_1.2", &"x".repeat(64)] {
        let call = Call::command(&admitted(household("h"), "staff/1"), good).unwrap();
        assert_eq!((&*call.command_id, &*call.correlation_id), (good, good));
    }
    for bad in ["", "1234567", &"x".repeat(65), "with space", "with/slash", "编号编号编号编号", "line\nbreak1"]
    {
        let status = Call::command(&admitted(household("h"), "staff/1"), bad).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}");
        assert_eq!(Spoken::from(&status).reason, "FIELD_INVALID");
    }
}

#[test]
fn a_fingerprint_tells_content_kind_and_caller_apart() {
    assert_eq!(fingerprint("h", "staff/1"), fingerprint("h", "staff/1"));
    assert_ne!(fingerprint("h", "staff/1"), fingerprint("i", "staff/1"));
    assert_ne!(fingerprint("h", "staff/1"), fingerprint("h", "staff/2"));
    let empty = Call::command(&admitted(household(""), "staff/1"), "request-1").unwrap();
    let other = Call::command(&admitted(ListNeighbourhoodsRequest::default(), "staff/1"), "request-1").unwrap();
    assert_ne!(empty.fingerprint, other.fingerprint, "both have no content, and are not the same");
}

#[test]
fn derived_commands_and_ids_are_the_same_on_every_retry_and_differ_from_each_other() {
    let call = || Call::command(&admitted(household("h"), "staff/1"), "request-1").unwrap();
    let (first, again) = (call().derive(3), call().derive(3));
    assert_eq!((&*first.command_id, first.fingerprint), ("request-1/3", again.fingerprint));
    assert_eq!(first.correlation_id, "request-1");
    assert_ne!(call().derive(4).fingerprint, first.fingerprint);
    assert_ne!(first.fingerprint, call().fingerprint);
    assert_eq!(call().id("household"), call().id("household"));
    assert_ne!(call().id("household"), call().id("resident"));
    assert_ne!(call().id("household"), first.id("household"));
    let another = Call::command(&admitted(household("h"), "staff/2"), "request-1").unwrap();
    assert_ne!(call().id("household"), another.id("household"), "two may choose the same request id");
}

#[test]
fn what_a_command_makes_begins_with_the_time_of_its_id() {
    let id = "0170e8f1-8400-7abc-8def-0123456789ab";
    let call = Call::by(worker("staff/1"), DateTime::UNIX_EPOCH, id);
    let (household, resident) = (call.id("household"), call.derive("row 7").id("resident"));
    for made in [&household, &resident] {
        assert_eq!(made[..13], id[..13]);
        assert_eq!(uuid::Uuid::parse_str(made).unwrap().get_version_num(), 8);
    }
    assert_eq!(household, call.id("household"));
    assert_ne!(household[14..], resident[14..]);
}

#[test]
fn ids_of_today_are_ids_of_tomorrow() {
    let call = Call::command(&admitted(household("h"), "staff/1"), "request-1").unwrap();
    assert_eq!(call.id("household"), "e93ecbb7-cb35-51e8-80e2-13a17b729b74");
}

#[test]
fn a_request_says_what_its_answer_must_have_seen() {
    let mut request = admitted(household("h"), "staff/1");
    request.metadata_mut().insert(MIN_POSITION, "registry=12, screening=7".parse().unwrap());
    let call = Call::query(&request).unwrap();
    assert_eq!(call.after, Positions::from([("registry".to_owned(), 12), ("screening".to_owned(), 7)]));
    assert!(Call::query(&admitted(household("h"), "staff/1")).unwrap().after.is_empty());
    for bad in ["registry", "registry=", "registry=-1", "registry=1;screening=2", "registry=99999999999999999999"] {
        request.metadata_mut().insert(MIN_POSITION, bad.parse().unwrap());
        let status = Call::query(&request).unwrap_err();
        assert_eq!(Spoken::from(&status).reason, "POSITION_INVALID", "{bad}");
    }
}

#[test]
fn a_request_that_did_not_pass_the_access_layer_is_nobodys() {
    assert_eq!(Call::query(&Request::new(household("h"))).unwrap_err().code(), Code::Internal);
}

#[test]
fn a_reaction_has_one_id_per_record_and_happens_when_the_record_did() {
    let record = crate::Record {
        log: "registry".to_owned(),
        log_id: "a".to_owned(),
        position: 7,
        event_id: "e".to_owned(),
        correlation_id: "c".to_owned(),
        occurred_at: Some(crate::timestamp("2020-02-11T08:00:00Z".parse().unwrap())),
        ..crate::Record::default()
    };
    let react = |record: &crate::Record| Call::reaction("pass/reactions", record, &Fingerprinter::new([3; 32]));
    let call = react(&record);
    assert_eq!(call.command_id, "pass/reactions:a:7");
    assert_eq!((&*call.principal.subject, &*call.causation_id, &*call.correlation_id), ("reaction/pass", "e", "c"));
    assert_eq!(call.now, "2020-02-11T08:00:00Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(call.fingerprint, react(&record).fingerprint);
    let elsewhere = crate::Record { log_id: "b".to_owned(), ..record };
    assert_ne!(call.command_id, react(&elsewhere).command_id, "another log is another story");
}

#[test]
fn a_scope_allows_its_own_place_and_no_other() {
    let gate = Scope::Gate { neighbourhood: "n1".into(), compound: "c1".into(), gate: "g1".into() };
    let own = Scope::Own { neighbourhood: "n1".into(), resident: "r1".into() };
    for scope in [Scope::Neighbourhood("n1".into()), gate, own] {
        assert!(scope.allows("n1") && !scope.allows("n2") && !scope.allows(""));
        assert_eq!(scope.neighbourhood(), Some("n1"));
    }
    assert!(Scope::Everywhere.allows("n2") && Scope::Everywhere.neighbourhood().is_none());
    assert!(!Scope::Nobody.allows("n1") && !Scope::Nobody.allows(""));
    assert!(Scope::Nobody.neighbourhood().is_some_and(|nowhere| nowhere != "n1"));
}
