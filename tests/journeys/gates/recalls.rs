//! A gate off line lets through a pass that was recalled meanwhile with all of its compound: it is listed, for the time at which
//! the recall was in force, and for no other.

use proto::pass::v1::{
    LiftCompoundRecallRequest, RecallCompoundRequest, RecallReason, recall_service_client::RecallServiceClient,
};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn who_crossed_off_line_after_a_recall_is_listed_and_who_crossed_before_it_or_after_it_was_lifted_is_not() {
    let street = Street::begin().await;
    let (_, pass) = street.holder("1幢", "13900000001").await;
    let mut guard = street.guard().await;
    let director = |at: &str| {
        let director = street.house.local("staff/director", Role::Director, &street.village.neighbourhood);
        RecallServiceClient::new(director.at(time(at)))
    };
    let recall = RecallCompoundRequest {
        request_id: new_request_id(),
        compound: street.village.compound.clone(),
        issued_before: Some(chassis::timestamp(time("2020-02-11T16:00:00+08:00"))),
        reason: RecallReason::PapersLost.into(),
        evidence_ids: vec!["登记簿7".into()],
    };
    director("2020-02-11T16:30:00+08:00").recall_compound(recall).await.unwrap();
    let lift = LiftCompoundRecallRequest {
        request_id: new_request_id(),
        compound: street.village.compound.clone(),
        reason: "登记有误".into(),
    };
    director("2020-02-11T17:30:00+08:00").lift_compound_recall(lift).await.unwrap();
    street.house.settled().await;
    // 16:10, 17:00 and 18:00; the gate hears of none of it.
    for (minutes, direction) in [(70, "out"), (50, "in"), (60, "out")] {
        guard.wait(TimeDelta::minutes(minutes));
        assert_eq!(guard.records(&format!("{} 36.5 {direction}", pass.code)).decision, Decision::Allowed);
    }
    guard.wait(TimeDelta::minutes(10));
    guard.exchanges().await.unwrap();
    let conflicts = street.conflicts().await;
    let found: Vec<_> = conflicts
        .iter()
        .map(|conflict| (conflict.kind(), conflict.judged_findings().collect(), conflict.unknown_for_seconds))
        .collect();
    assert_eq!(found, [(Kind::LetThrough, vec![Finding::Recalled], 30 * 60)], "{conflicts:#?}");
    assert!(conflicts[0].say_en.contains("crossed 30 minutes after the recall"), "{}", conflicts[0].say_en);
}
