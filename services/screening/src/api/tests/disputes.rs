use proto::screening::v1::{self, Case, Mark, Outcome, case, screening_service_server::ScreeningService as _};

use super::world::{World, director, reason, worker};

/// A resident who never left, with one wrong visit in the records.
async fn wrongly_judged(world: &mut World) -> String {
    let case = world.resident("r1", 1).await;
    world.declare(&case, &[]).await;
    let judged = world.scan(&case, 1, &[("宁波", "01-01", "02-11"), ("武汉", "01-20", "01-20")]).await.unwrap();
    assert_eq!(judged.verdict.unwrap().outcome(), Outcome::ConcealedKeyArea);
    case
}

async fn dispute(world: &mut World, case: &str) -> Case {
    let request = v1::DisputeCaseRequest {
        request_id: world.id(),
        case: case.to_owned(),
        statement: "我一月没有离开过宁波".to_owned(),
        ..Default::default()
    };
    let answer = world.api.dispute_case(world.request(&worker(), request)).await;
    world.take(answer)
}

fn finding(world: &mut World, case: &str, upheld: bool, struck: &[i32]) -> v1::ResolveDisputeRequest {
    v1::ResolveDisputeRequest {
        request_id: world.id(),
        case: case.to_owned(),
        upheld,
        struck_visits: struck.to_vec(),
        proofs: vec![v1::Proof { kind: v1::ProofKind::Workplace.into(), description: "考勤记录".to_owned() }],
        finding: "单位考勤证明".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_upheld_dispute_strikes_the_wrong_visit_and_the_case_is_judged_again() {
    let mut world = World::new().await;
    let case = wrongly_judged(&mut world).await;
    let disputed = dispute(&mut world, &case).await;
    assert_eq!(disputed.state(), case::State::Disputed);
    let due = chassis::instant(&disputed.dispute_due.unwrap()).unwrap();
    assert_eq!(due - world.now, chrono::TimeDelta::hours(24), "R24, from the method");

    let request = finding(&mut world, &case, true, &[1]);
    let refused = world.api.resolve_dispute(world.request(&worker(), request.clone())).await.unwrap_err();
    assert_eq!(reason(&refused), "SAME_PERSON");
    let answer = world.api.resolve_dispute(world.request(&director(), request.clone())).await;
    let resolved = world.take(answer);
    let verdict = resolved.verdict.clone().unwrap();
    assert_eq!((resolved.state(), verdict.outcome()), (case::State::Assessed, Outcome::Clear));
    let visits = &verdict.reasons.as_ref().unwrap().visits;
    assert_eq!(visits[1].marks, [i32::from(Mark::Struck)]);
    let again = world.api.resolve_dispute(world.request(&director(), request)).await;
    assert!(world.take(again) == resolved, "the same request gets the same answer");
}

#[tokio::test]
async fn a_rejected_dispute_leaves_the_verdict_as_it_is() {
    let mut world = World::new().await;
    let case = wrongly_judged(&mut world).await;
    dispute(&mut world, &case).await;
    let request = finding(&mut world, &case, false, &[]);
    let answer = world.api.resolve_dispute(world.request(&director(), request)).await;
    let resolved = world.take(answer);
    assert_eq!(resolved.state(), case::State::Assessed);
    assert_eq!(resolved.verdict.unwrap().outcome(), Outcome::ConcealedKeyArea);
}

#[tokio::test]
async fn a_finding_names_visits_that_are_there() {
    let mut world = World::new().await;
    let case = wrongly_judged(&mut world).await;
    let early = finding(&mut world, &case, true, &[1]);
    let refused = world.api.resolve_dispute(world.request(&director(), early)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_DISPUTED");
    dispute(&mut world, &case).await;
    for (upheld, struck) in [(true, &[][..]), (true, &[2]), (true, &[-1]), (false, &[0])] {
        let request = finding(&mut world, &case, upheld, struck);
        let refused = world.api.resolve_dispute(world.request(&director(), request)).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID", "{upheld} {struck:?}");
    }
}
