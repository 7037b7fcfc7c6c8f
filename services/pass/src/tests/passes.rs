use chassis::{Call, Reaction as _};
use proto::{
    isolation::v1::{Kind, ReleaseReason},
    pass::v1::{Finding, Reason, RevokePassRequest, SuspendPassRequest, pass_service_server::PassService as _},
    registry::v1::resident_event,
    screening::v1::{Measure, Outcome},
};
use tonic::Code;

use super::world::{World, everywhere, home, reason, worker};
use crate::{domain::holder::Holder, reactions::Reactions};

fn findings(response: &proto::pass::v1::CheckPassResponse) -> Vec<Finding> {
    response.verdict.as_ref().unwrap().findings().collect()
}

#[tokio::test]
async fn only_a_clear_screening_leads_to_a_pass() {
    let mut world = World::with_gates().await;
    let home = home("n1", "c1");
    world.resident("r1", &home).await;
    assert_eq!(reason(&world.issue("r1").await.unwrap_err()), "NOT_ELIGIBLE");
    world.assessed("k", "r1", &home, Outcome::InsufficientEvidence, Measure::Ask).await;
    assert_eq!(reason(&world.issue("r1").await.unwrap_err()), "NOT_ELIGIBLE");
    world.assessed("k", "r1", &home, Outcome::Clear, Measure::None).await;
    let pass = world.issue("r1").await.unwrap();
    assert_eq!(pass.code.len(), 154);
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Valid]);
    assert_eq!(findings(&world.check("c1", &pass.number.to_lowercase()).await.unwrap()), [Finding::Valid]);
}

#[tokio::test]
async fn without_a_method_no_pass_is_issued() {
    let mut world = World::new().await;
    world.qualified("r1").await;
    assert_eq!(reason(&world.issue("r1").await.unwrap_err()), "NO_METHOD");
}

#[tokio::test]
async fn issuing_again_prints_the_same_pass_to_the_letter() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let first = world.issue("r1").await.unwrap();
    assert_eq!(world.issue("r1").await.unwrap(), first);
    let mut world = world.restarted().await;
    assert_eq!(world.issue("r1").await.unwrap(), first);
}

#[tokio::test]
async fn the_numbering_goes_on_after_a_restart() {
    let mut world = World::with_gates().await;
    for resident in ["r1", "r2", "r3"] {
        world.qualified(resident).await;
    }
    let index = |number: &str| number.parse::<credential::number::PassNumber>().unwrap().index();
    assert_eq!(index(&world.issue("r1").await.unwrap().number), 1);
    assert_eq!(index(&world.issue("r2").await.unwrap().number), 2);
    let mut world = world.restarted().await;
    assert_eq!(index(&world.issue("r3").await.unwrap().number), 3);
}

#[tokio::test]
async fn an_order_closes_the_gate_and_the_release_opens_it() {
    let mut world = World::with_gates().await;
    let home = world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    world.assessed("clear-r1", "r1", &home, Outcome::ConcealedKeyArea, Measure::Home).await;
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Suspended]);
    world.ordered("o1", "r1", &home, "clear-r1", Kind::Home).await;
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Isolated]);
    assert_eq!(reason(&world.issue("r1").await.unwrap_err()), "BARRED");
    let holder = world.holder(worker("n1"), "r1").await.unwrap();
    assert_eq!(holder.bars, ["cases/clear-r1", "orders/o1"]);
    assert!(!holder.eligible && holder.pass.unwrap().suspended);
    world.released("o1", "r1", &home).await;
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Valid]);
    assert!(world.holder(worker("n1"), "r1").await.unwrap().eligible);
}

#[tokio::test]
async fn a_health_watch_bars_nobody() {
    let mut world = World::with_gates().await;
    let home = world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    world.assessed("clear-r1", "r1", &home, Outcome::DeclaredKeyArea, Measure::Watch).await;
    world.ordered("o1", "r1", &home, "clear-r1", Kind::Watch).await;
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Valid]);
}

#[tokio::test]
async fn a_watch_that_ends_is_no_screening() {
    let mut world = World::with_gates().await;
    let home = home("n1", "c1");
    world.resident("r1", &home).await;
    world.ordered("o1", "r1", &home, "", Kind::Watch).await;
    world.ended("o1", "r1", &home, Kind::Watch, ReleaseReason::PeriodComplete).await;
    assert_eq!(reason(&world.issue("r1").await.unwrap_err()), "NOT_ELIGIBLE");
}

#[tokio::test]
async fn an_order_that_another_replaces_leaves_the_person_barred() {
    let mut world = World::with_gates().await;
    let home = world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    world.assessed("clear-r1", "r1", &home, Outcome::ConcealedKeyArea, Measure::Home).await;
    world.ordered("o1", "r1", &home, "clear-r1", Kind::Home).await;
    world.assessed("clear-r1", "r1", &home, Outcome::ConcealedKeyArea, Measure::Central).await;
    world.ordered("o2", "r1", &home, "clear-r1", Kind::Central).await;
    world.ended("o1", "r1", &home, Kind::Home, ReleaseReason::VerdictChanged).await;
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Isolated]);
    world.assessed("clear-r1", "r1", &home, Outcome::Clear, Measure::None).await;
    world.ended("o2", "r1", &home, Kind::Central, ReleaseReason::VerdictChanged).await;
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Valid]);
}

#[tokio::test]
async fn who_moves_out_loses_the_pass() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    world.fact("n1", "r1", "r1", vec![resident_event::Event::MovedOut(resident_event::MovedOut {})]).await;
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Revoked]);
    assert_eq!(reason(&world.issue("r1").await.unwrap_err()), "NOT_ELIGIBLE");
}

#[tokio::test]
async fn a_worker_suspends_for_the_reasons_that_are_hers_to_give() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let pass = world.issue("r1").await.unwrap();
    let suspend = |world: &World, reason: Reason| {
        let message = SuspendPassRequest {
            request_id: world.next_id(),
            resident: "residents/r1".to_owned(),
            reason: reason.into(),
            evidence_ids: vec!["crossings/1".to_owned()],
        };
        world.request(worker("n1"), message)
    };
    for foreign in [Reason::IsolationOrder, Reason::Unspecified, Reason::MovedOut] {
        let refused = world.api.suspend_pass(suspend(&world, foreign)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    }
    let response = world.api.suspend_pass(suspend(&world, Reason::Lost)).await.unwrap();
    assert!(world.take(response).suspended);
    let replaced = world.issue("r1").await.unwrap();
    assert_eq!(findings(&world.check("c1", &pass.code).await.unwrap()), [Finding::Replaced]);
    assert_eq!(findings(&world.check("c1", &replaced.code).await.unwrap()), [Finding::Valid]);
    let revoke = RevokePassRequest {
        request_id: world.next_id(),
        resident: "residents/r1".to_owned(),
        reason: Reason::IssuedInError.into(),
        evidence_ids: Vec::new(),
    };
    let bare = world.api.revoke_pass(world.request(worker("n1"), revoke.clone())).await.unwrap_err();
    assert_eq!(chassis::refusal::Spoken::from(&bare).fields[0].field, "evidence_ids", "R23");
    let revoke = RevokePassRequest { evidence_ids: vec!["paper 3".to_owned()], ..revoke };
    let response = world.api.revoke_pass(world.request(worker("n1"), revoke)).await.unwrap();
    assert!(world.take(response).revoked);
    assert_eq!(findings(&world.check("c1", &replaced.code).await.unwrap()), [Finding::Revoked]);
}

#[tokio::test]
async fn anothers_people_and_nobody_answer_alike() {
    let mut world = World::with_gates().await;
    world.qualified("r1").await;
    let foreign = world.holder(worker("n9"), "r1").await.unwrap_err();
    let missing = world.holder(worker("n9"), "nobody").await.unwrap_err();
    assert_eq!((foreign.code(), foreign.message()), (missing.code(), missing.message()));
    assert_eq!(foreign.details(), missing.details());
    assert!(world.holders(worker("n9")).await.is_empty());
}

#[tokio::test]
async fn the_list_equals_the_streams_also_when_it_is_built_anew() {
    let mut world = World::with_gates().await;
    for resident in ["r1", "r2", "r3", "r4", "r5"] {
        world.qualified(resident).await;
        world.issue(resident).await.unwrap();
    }
    let home = home("n1", "c1");
    world.assessed("k2", "r2", &home, Outcome::ConcealedKeyArea, Measure::Central).await;
    world.ordered("o2", "r2", &home, "k2", Kind::Central).await;
    world.fact("n1", "r3", "r3", vec![resident_event::Event::MovedOut(resident_event::MovedOut {})]).await;
    world.ordered("o4", "r4", &home, "", Kind::Home).await;
    world.released("o4", "r4", &home).await;
    let mut streams = Vec::new();
    for resident in ["r1", "r2", "r3", "r4", "r5"] {
        streams.push(world.holder(worker("n1"), resident).await.unwrap());
    }
    assert_eq!(world.holders(worker("n1")).await, streams);
    world.api.views.rebuild().await.unwrap();
    assert_eq!(world.holders(everywhere()).await, streams);
}

#[tokio::test]
async fn many_at_once_get_numbers_of_their_own() {
    let mut world = World::with_gates().await;
    let residents: Vec<String> = (0..20).map(|n| format!("r{n}")).collect();
    for resident in &residents {
        world.qualified(resident).await;
    }
    let requests = residents.iter().map(|resident| {
        let message = proto::pass::v1::IssuePassRequest {
            request_id: world.next_id(),
            resident: format!("residents/{resident}"),
            surname: String::new(),
            kind: 0,
            access: 0,
        };
        world.api.issue_pass(world.request(worker("n1"), message))
    });
    let mut numbers = Vec::new();
    for issued in futures::future::join_all(requests).await {
        numbers.push(issued.unwrap().into_inner().number);
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 20);
}

#[tokio::test]
async fn a_verdict_that_comes_after_its_release_does_not_bar() {
    let mut world = World::with_gates().await;
    let home = home("n1", "c1");
    world.resident("r1", &home).await;
    world.ordered("o1", "r1", &home, "k1", Kind::Home).await;
    world.released("o1", "r1", &home).await;
    assert!(world.holder(worker("n1"), "r1").await.unwrap().eligible);
    world.assessed("k1", "r1", &home, Outcome::ConcealedKeyArea, Measure::Home).await;
    assert!(world.holder(worker("n1"), "r1").await.unwrap().eligible);
    assert!(world.issue("r1").await.is_ok());
}

#[tokio::test]
async fn each_fact_counts_once_however_often_it_is_delivered() {
    let mut world = World::with_gates().await;
    let home = world.qualified("r1").await;
    world.issue("r1").await.unwrap();
    world.assessed("k1", "r1", &home, Outcome::ConcealedKeyArea, Measure::Home).await;
    world.ordered("o1", "r1", &home, "k1", Kind::Home).await;
    world.released("o1", "r1", &home).await;
    let before = world.holder(worker("n1"), "r1").await.unwrap();
    // The whole history once more, as after the loss of every checkpoint and every memory of commands, each fact twice.
    let (codes, views) = (world.api.issuing.codes.clone(), world.api.views.clone());
    let reactions = Reactions { ledger: world.api.ledger.clone(), codes, views };
    for log in reactions.sources() {
        for record in world.host.feed_for("pass", log).await.unwrap().read(0, 100).await.unwrap() {
            let mut versions = Vec::new();
            for delivery in ["first", "second"] {
                let id = format!("{delivery}:{log}:{}", record.position);
                reactions.react(&record, &Call::by(everywhere(), world.now, &id)).await.unwrap();
                versions.push(world.api.ledger.load::<Holder>("r1").await.unwrap().1);
                let holder = world.holder(worker("n1"), "r1").await.unwrap();
                assert!(holder.eligible, "barred again by {}", record.r#type);
            }
            assert_eq!(versions[0], versions[1]);
        }
    }
    let after = world.holder(worker("n1"), "r1").await.unwrap();
    assert_eq!(after.pass, before.pass);
}
