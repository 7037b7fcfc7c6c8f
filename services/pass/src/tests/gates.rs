use chassis::timestamp;
use chrono::TimeDelta;
use proto::{
    isolation::v1::Kind,
    pass::v1::{
        CheckPassRequest, Crossing, Decision, Direction, Finding, Manual, RecordCrossingRequest, Visitor,
        pass_service_server::PassService as _, record_crossing_request::Identity, visitor::Exception,
    },
    screening::v1::{Measure, Outcome},
};
use tonic::Code;

use super::world::{World, gate, guard, home, reason, worker};

fn outcome(crossing: &Crossing) -> (Decision, Vec<Finding>) {
    let verdict = crossing.verdict.as_ref().unwrap();
    (verdict.decision(), verdict.findings().collect())
}

fn manual(resident: &str) -> Identity {
    Identity::Manual(Manual { resident: format!("residents/{resident}"), reason: "没有带手机".to_owned() })
}

#[tokio::test]
async fn a_code_of_another_maker_is_refused_without_a_name() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    let flipped = if pass.code.ends_with('0') { "1" } else { "0" };
    let forged = format!("{}{flipped}", &pass.code[..153]);
    for text in [forged.as_str(), "https://example.com/pass", "00000000000000"] {
        let verdict = world.check("c1", text).await.unwrap().verdict.unwrap();
        assert_eq!(verdict.decision(), Decision::Refused);
        assert!(verdict.resident.is_empty());
        assert!(!verdict.say_zh.is_empty() && !verdict.say_en.is_empty());
    }
    // The index of a pass without its random part finds nobody.
    let guessed = credential::number::PassNumber::new(1, [0; 5]).unwrap().to_string();
    let verdict = world.check("c1", &guessed).await.unwrap().verdict.unwrap();
    assert_eq!(verdict.findings().collect::<Vec<_>>(), [Finding::Unreadable]);
}

#[tokio::test]
async fn a_guard_works_at_one_gate() {
    let world = World::with_gates().await;
    let check = |compound: &str| CheckPassRequest { gate: gate(compound), code: "x".to_owned(), direction: 0 };
    let own = world.api.check_pass(world.request(guard("n1", "c1"), check("c1"))).await;
    assert!(own.is_ok());
    let other = world.api.check_pass(world.request(guard("n1", "c1"), check("c2"))).await.unwrap_err();
    let missing = world.api.check_pass(world.request(guard("n1", "c1"), check("none"))).await.unwrap_err();
    assert_eq!(other.code(), Code::NotFound);
    assert_eq!((other.message(), other.details()), (missing.message(), missing.details()));
    assert!(world.api.check_pass(world.request(worker("n1"), check("c2"))).await.is_ok());
    assert!(world.api.check_pass(world.request(worker("n1"), check("c9"))).await.is_err());
}

#[tokio::test]
async fn compounds_under_one_management_share_their_gates() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    for (compound, finding) in [("c2", Finding::Valid), ("c3", Finding::OtherCompound)] {
        let verdict = world.check(compound, &pass.code).await.unwrap().verdict.unwrap();
        assert_eq!(verdict.findings().collect::<Vec<_>>(), [finding], "{compound}");
    }
    // At a gate of another neighbourhood it is a foreign pass, and its holder stays nameless.
    let message = CheckPassRequest { gate: gate("c9"), code: pass.code, direction: 0 };
    let response = world.api.check_pass(world.request(guard("n9", "c9"), message)).await.unwrap();
    let verdict = response.into_inner().verdict.unwrap();
    assert_eq!(verdict.findings().collect::<Vec<_>>(), [Finding::OtherCompound]);
    assert!(verdict.resident.is_empty());
}

#[tokio::test]
async fn a_crossing_sent_three_times_is_on_record_once() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    let message = world.crossing(Direction::Out, Identity::Code(pass.code));
    let first = world.cross(message.clone()).await.unwrap();
    assert_eq!(outcome(&first), (Decision::Allowed, vec![Finding::Valid]));
    for _ in 0..2 {
        world.now += TimeDelta::minutes(1);
        assert_eq!(world.cross(message.clone()).await.unwrap(), first);
    }
    // A gate that was cut off for two days sends its queue: what was taken is answered, what was not is too old.
    let timed = |mut message: RecordCrossingRequest, now| {
        message.cross_time = Some(chassis::timestamp(now));
        message
    };
    let queued = timed(world.crossing(Direction::In, manual("r1")), world.now);
    let second = world.cross(queued.clone()).await.unwrap();
    let never = timed(world.crossing(Direction::In, manual("r1")), world.now);
    world.now += TimeDelta::hours(48);
    assert_eq!(world.cross(queued).await.unwrap(), second);
    assert_eq!(reason(&world.cross(never).await.unwrap_err()), "FIELD_INVALID");
    let listed = world.crossings(worker("n1"), "compounds/c1").await;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1].name, first.name);
    assert_eq!(listed[1].verdict.as_ref().unwrap().resident, "residents/r1");
}

#[tokio::test]
async fn a_refused_entry_is_recorded_and_no_error() {
    let mut world = World::with_gates().await;
    let home = world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    world.assessed("k", "r1", &home, Outcome::ConcealedKeyArea, Measure::Home).await;
    world.ordered("o", "r1", &home, "k", Kind::Home).await;
    for identity in [Identity::Code(pass.code), manual("r1")] {
        let message = world.crossing(Direction::Out, identity);
        let crossing = world.cross(message).await.unwrap();
        assert_eq!(outcome(&crossing), (Decision::Refused, vec![Finding::Isolated]));
    }
    let forged = world.crossing(Direction::In, Identity::Code("MF1:FORGED".to_owned()));
    world.cross(forged).await.unwrap();
    let listed = world.crossings(worker("n1"), "compounds/c1/gates/1").await;
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|crossing| outcome(crossing).0 == Decision::Refused));
    world.api.views.rebuild().await.unwrap();
    assert_eq!(world.crossings(worker("n1"), "compounds/c1").await, listed);
    assert!(world.crossings(worker("n9"), "compounds/c1").await.is_empty());
}

#[tokio::test]
async fn a_fever_is_measured_against_the_method() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let mut message = world.crossing(Direction::In, manual("r1"));
    message.temperature_decicelsius = 373;
    let crossing = world.cross(message).await.unwrap();
    assert_eq!(outcome(&crossing), (Decision::Allowed, vec![Finding::Manual, Finding::Fever]));
}

#[tokio::test]
async fn a_guarantor_must_live_here() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    world.resident("far", &home("n9", "c9")).await;
    for (guarantor, decision) in
        [("residents/r1", Decision::Allowed), ("residents/far", Decision::Refused), ("", Decision::Refused)]
    {
        let visitor = Visitor { exception: Exception::Service.into(), guarantor: guarantor.to_owned() };
        let message = world.crossing(Direction::In, Identity::Visitor(visitor));
        assert_eq!(outcome(&world.cross(message).await.unwrap()).0, decision, "{guarantor}");
    }
}

#[tokio::test]
async fn staff_cannot_vouch_for_anothers_people() {
    let mut world = World::with_gates().await;
    world.resident("far", &home("n9", "c9")).await;
    for resident in ["far", "nobody"] {
        let message = world.crossing(Direction::In, manual(resident));
        assert_eq!(world.cross(message).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn a_crossing_must_be_of_the_last_day_and_measured() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let at = |world: &World, hours: i64, minutes: i64| {
        let mut message = world.crossing(Direction::In, manual("r1"));
        message.cross_time = Some(timestamp(world.now + TimeDelta::hours(hours) + TimeDelta::minutes(minutes)));
        message
    };
    for (hours, minutes, right) in [(-24, 0, true), (-24, -1, false), (0, 10, true), (0, 11, false)] {
        let message = at(&world, hours, minutes);
        assert_eq!(world.cross(message).await.is_ok(), right, "{hours} h {minutes} min");
    }
    let mut message = world.crossing(Direction::Unspecified, manual("r1"));
    message.temperature_decicelsius = 36;
    message.identity = None;
    let refused = world.cross(message).await.unwrap_err();
    let fields = chassis::refusal::Spoken::from(&refused).fields;
    let names: Vec<&str> = fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(names, ["direction", "temperature_decicelsius", "identity"]);
}
