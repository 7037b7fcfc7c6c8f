//! What people at the desk do.

use super::*;

#[tokio::test]
async fn a_household_is_isolated_by_two_signatures_observed_and_released() {
    let world = World::with_method().await;
    let proposed = world.propose("2020-02-15T20:00", |_| {}).await.unwrap();
    assert_eq!((proposed.state(), proposed.last_day.as_str()), (State::Proposed, "2020-02-29"));
    assert_eq!(refused(world.approve(&proposed.name, director(), "2020-02-15T20:01").await).1, "SAME_PERSON");
    let ordered = world.approve(&proposed.name, health(), "2020-02-15T20:02").await.unwrap();
    assert_eq!((ordered.state(), ordered.missing.as_slice()), (State::InForce, &["2020-02-15 evening".into()][..]));
    let second = world.propose("2020-02-15T20:03", |_| {}).await;
    assert_eq!(refused(second), (Code::AlreadyExists, "ALREADY_ISOLATED".into()));
    world.observe(&ordered.name, "2020-02-15", DayPart::Evening, 365).await.unwrap();
    for day in 16..=29 {
        let date = format!("2020-02-{day}");
        world.observe(&ordered.name, &date, DayPart::Morning, 364).await.unwrap();
        if day != 20 {
            world.observe(&ordered.name, &date, DayPart::Evening, 366).await.unwrap();
        }
    }
    let early = world.release(&ordered.name, director(), "2020-02-28T23:00").await;
    assert_eq!(refused(early), (Code::FailedPrecondition, "PERIOD_NOT_COMPLETE".into()));
    let status = world.release(&ordered.name, director(), "2020-02-29T09:00").await.unwrap_err();
    assert_eq!(Spoken::from(&status).metadata.get("missing").unwrap(), "2020-02-20 evening");
    world.observe(&ordered.name, "2020-02-20", DayPart::Evening, 365).await.unwrap();
    let released = world.release(&ordered.name, director(), "2020-02-29T17:00").await.unwrap();
    assert_eq!((released.state(), released.observations, released.observations_due), (State::Released, 29, 29));
    assert_eq!(released.release_reason(), ReleaseReason::PeriodComplete);
    // Free again for another order.
    assert!(world.propose("2020-02-29T18:00", |_| {}).await.is_ok());
}

#[tokio::test]
async fn the_same_reading_said_twice_adds_no_event() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
    let name = format!("orders/{}", order_of("c1", 0));
    let observe = |id: &str, temperature: i32| {
        let observation = RecordObservationRequest {
            request_id: format!("observation-{id}"),
            order: name.clone(),
            date: "2020-02-11".into(),
            day_part: DayPart::Evening.into(),
            temperature_decicelsius: temperature,
            symptoms: vec![2, 1, 2],
        };
        world.api.record_observation(request(observation, director(), "2020-02-11T21:00"))
    };
    let etags = [
        observe("1", 365).await.unwrap().into_inner().etag,
        observe("1", 365).await.unwrap().into_inner().etag,
        observe("2", 365).await.unwrap().into_inner().etag,
        observe("3", 366).await.unwrap().into_inner().etag,
    ];
    assert_eq!(etags, ["2", "2", "2", "3"]);
}

#[tokio::test]
async fn the_health_team_takes_over_and_releases_without_the_neighbourhoods_readings() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Central, "2020-02-08", false)).await;
    let name = format!("orders/{}", order_of("c1", 0));
    world.observe(&name, "2020-02-11", DayPart::Evening, 365).await.unwrap();
    let hand_over = |id: &str, receipt: &str| {
        let hand_over = HandOverRequest {
            request_id: format!("hand-over-{id}"),
            order: name.clone(),
            receiver: "health team 2".into(),
            vehicle: "浙B·12345".into(),
            receipt: receipt.into(),
            ..HandOverRequest::default()
        };
        world.api.hand_over(request(hand_over, director(), "2020-02-11T21:40"))
    };
    assert!(hand_over("1", "7").await.unwrap().into_inner().handed_over);
    assert_eq!(Spoken::from(&hand_over("2", "8").await.unwrap_err()).reason, "ALREADY_HANDED_OVER");
    assert_eq!(Spoken::from(&hand_over("3", " ").await.unwrap_err()).fields[0].field, "receipt");
    let released = world.release(&name, health(), "2020-02-22T09:00").await.unwrap();
    assert_eq!((released.state(), released.observations, released.observations_due), (State::Released, 1, 1));
}

#[tokio::test]
async fn foreign_and_missing_records_answer_alike() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
    let get = |id: String, by: Principal| {
        let get = GetOrderRequest { name: format!("orders/{id}") };
        world.api.get_order(request(get, by, "2020-02-11T21:00"))
    };
    let foreign = get(order_of("c1", 0), stranger()).await.unwrap_err();
    let missing = get(order_of("c9", 0), director()).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!((foreign.message(), foreign.details()), (missing.message(), missing.details()));
    let unknown = world.propose("2020-02-15T20:00", |proposal| proposal.resident = "residents/r9".into()).await;
    assert_eq!(unknown.unwrap_err().details(), missing.details());
    let release = world.release(&format!("orders/{}", order_of("c1", 0)), stranger(), "2020-02-28T09:00").await;
    assert_eq!(release.unwrap_err().details(), missing.details());
}

#[tokio::test]
async fn fields_are_refused_by_name() {
    let world = World::with_method().await;
    let wrong = world
        .propose("2020-02-15T20:00", |proposal| {
            proposal.evidence_ids.clear();
            proposal.kind = 0;
            proposal.day_zero = "2020-02-16".into();
        })
        .await;
    let spoken = Spoken::from(&wrong.unwrap_err());
    let fields: Vec<&str> = spoken.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["kind", "day_zero", "evidence_ids"]);
    let observed = world.observe("orders/x", "2020-02-30", DayPart::Unspecified, 36).await.unwrap_err();
    assert_eq!(Spoken::from(&observed).fields.len(), 3);
}

#[tokio::test]
async fn without_a_method_nobody_is_isolated_by_proposal() {
    let world = World::new().await;
    let refusal = refused(world.propose("2020-02-15T20:00", |_| {}).await);
    assert_eq!(refusal, (Code::FailedPrecondition, "NO_METHOD".into()));
}

#[tokio::test]
async fn after_erasure_no_reading_is_kept_or_revealed_and_the_person_is_still_released() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-01-20", false)).await;
    let name = format!("orders/{}", order_of("c1", 0));
    world.tell("r1", "2020-02-11T21:00", resident_event::Event::Erased(resident_event::Erased {})).await;
    let observed = world.observe(&name, "2020-02-11", DayPart::Evening, 365).await.unwrap();
    assert_eq!((observed.observations, observed.etag.as_str()), (1, "2"));
    let again = world.observe(&name, "2020-02-11", DayPart::Evening, 364).await.unwrap();
    assert_eq!(again.etag, "2", "that it was taken is on record once");
    let (order, _) = world.ledger.load::<crate::domain::order::Order>(&order_of("c1", 0)).await.unwrap();
    let evening = crate::domain::period::Slot::evening("2020-02-11".parse().unwrap());
    assert!(order.vitals(evening).is_none());
    let released = world.release(&name, director(), "2020-02-11T22:00").await.unwrap();
    assert_eq!((released.state(), released.release_reason()), (State::Released, ReleaseReason::PeriodComplete));
}

#[tokio::test]
async fn what_was_observed_before_the_erasure_cannot_be_revealed_and_still_counts() {
    let world = World::with_method().await;
    world.tell("c1", "2020-02-11T20:30", assessed(Measure::Home, "2020-02-08", false)).await;
    let name = format!("orders/{}", order_of("c1", 0));
    world.observe(&name, "2020-02-11", DayPart::Evening, 365).await.unwrap();
    world.tell("r1", "2020-02-12T08:00", resident_event::Event::Erased(resident_event::Erased {})).await;
    let (order, _) = world.ledger.load::<crate::domain::order::Order>(&order_of("c1", 0)).await.unwrap();
    let evening = crate::domain::period::Slot::evening("2020-02-11".parse().unwrap());
    let revealed = world.api.vault.reveal::<proto::isolation::v1::Vitals>(order.vitals(evening).unwrap()).await;
    assert!(revealed.unwrap().is_none());
    assert_eq!(world.order(&order_of("c1", 0), "2020-02-12T09:00").await.observations, 1);
}

#[tokio::test]
async fn a_second_signature_sent_again_after_release_and_a_new_order_gets_its_first_answer() {
    let world = World::with_method().await;
    let proposed = world.propose("2020-02-15T20:00", |proposal| proposal.day_zero = "2020-02-01".into()).await.unwrap();
    let approve = |name: String| {
        let approval = ApproveOrderRequest { request_id: "approve-first".into(), name };
        world.api.approve_order(request(approval, health(), "2020-02-15T20:02"))
    };
    let first = approve(proposed.name.clone()).await.unwrap().into_inner();
    for missing in &first.missing {
        let (date, part) = missing.split_once(' ').unwrap();
        let part = if part == "morning" { DayPart::Morning } else { DayPart::Evening };
        world.observe(&first.name, date, part, 365).await.unwrap();
    }
    world.release(&first.name, director(), "2020-02-15T20:30").await.unwrap();
    world.tell("c1", "2020-02-15T21:00", assessed(Measure::Home, "2020-02-08", false)).await;
    assert_eq!(approve(proposed.name).await.unwrap().into_inner(), first);
}
