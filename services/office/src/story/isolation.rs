//! Who was in a key area: four to the health team, one household at home; and four households whose fourteen days are over.

use anyhow::{Context as _, ensure};
use chassis::refusal::Spoken;
use chrono::{Days, TimeDelta};
use proto::isolation::v1::{
    ApproveOrderRequest, DayPart, HandOverRequest, Kind, ListOrdersRequest, Order, ProposeOrderRequest, Reason,
    RecordObservationRequest, ReleaseRequest, isolation_service_client::IsolationServiceClient, order::State,
};

use super::{
    Story,
    founding::{Stage, side_by_side},
    plan::{Part, day},
    screening::{Handed, Known, bare, issue},
};
use crate::cast::at;

/// Isolated since the end of January, on paper so far: entered on 9 February with every reading, released on the eleventh.
pub(super) async fn release_the_four(story: &Story, stage: &Stage, known: &[Known<'_>]) -> anyhow::Result<Vec<Handed>> {
    let teller = story.teller;
    teller.chapter("居家隔离的四户 / four households since January");
    let isolated: Vec<&Known> = known.iter().filter(|known| known.home.part == Part::IsolatedSinceJanuary).collect();
    let mut released = Vec::new();
    for (index, known) in isolated.iter().enumerate() {
        let order = order_from_paper(story, stage, known).await?;
        observe(story, stage, &order, index == 0).await?;
        let morning = at(day(2, 11), 9, 30);
        let mut director = IsolationServiceClient::new(stage.director.at(morning));
        let request =
            ReleaseRequest { request_id: story.ids.of(format_args!("free:{}", bare(&order))), order: order.clone() };
        if index == 0 {
            // Told a second time, the story finds the release that came in the end.
            if let Err(status) = director.release(request.clone()).await {
                let spoken = Spoken::from(&status);
                teller.tell(morning, format_args!("a release is refused: {} / {}", spoken.zh, spoken.en));
                reading(story, stage, &order, day(2, 5), DayPart::Evening).await?;
                teller.more("the reading is found on the paper sheet and entered");
            }
        }
        let order = director.release(request).await.context("releasing")?.into_inner();
        ensure!(order.state() == State::Released, "a release was answered with another state");
        released.push(issue(story, stage, 1, known, at(day(2, 11), 9, 40)).await?);
    }
    teller.tell(
        at(day(2, 11), 9, 40),
        format_args!("{} people of four households released, each with a pass", released.len()),
    );
    Ok(released)
}

/// Proposed by a worker, in force with the second signature from another unit (R23).
async fn order_from_paper(story: &Story, stage: &Stage, known: &Known<'_>) -> anyhow::Result<String> {
    let time = at(day(2, 9), 7, 40);
    let id = bare(&known.resident);
    let order = IsolationServiceClient::new(stage.workers[1].at(time))
        .propose_order(ProposeOrderRequest {
            request_id: story.ids.of(format_args!("propose:{id}")),
            resident: known.resident.clone(),
            kind: Kind::Home.into(),
            reason: Reason::KeyArea.into(),
            evidence_ids: vec![format!("告知书 2020-01-28 {}幢{}室", known.home.building, known.home.room)],
            day_zero: day(1, 28).to_string(),
            observed_from: day(1, 28).to_string(),
        })
        .await
        .context("proposing an order")?
        .into_inner();
    IsolationServiceClient::new(stage.health.at(time))
        .approve_order(ApproveOrderRequest {
            request_id: story.ids.of(format_args!("second:{id}")),
            name: order.name.clone(),
        })
        .await
        .context("approving an order")?;
    Ok(order.name)
}

/// Morning and evening from 28 January to the morning of 11 February; one is overlooked at first.
async fn observe(story: &Story, stage: &Stage, order: &str, overlook: bool) -> anyhow::Result<()> {
    let mut readings = Vec::new();
    for count in 0..=14 {
        let date = day(1, 28).checked_add_days(Days::new(count)).context("a day in February")?;
        for part in [DayPart::Morning, DayPart::Evening] {
            let last_evening = count == 14 && part == DayPart::Evening;
            let overlooked = overlook && date == day(2, 5) && part == DayPart::Evening;
            if !last_evening && !overlooked {
                readings.push((date, part));
            }
        }
    }
    side_by_side(readings.into_iter().map(|(date, part)| reading(story, stage, order, date, part))).await?;
    Ok(())
}

async fn reading(
    story: &Story,
    stage: &Stage,
    order: &str,
    date: chrono::NaiveDate,
    part: DayPart,
) -> anyhow::Result<()> {
    // Entered from paper on the ninth, or when it was due.
    let hour = if part == DayPart::Morning { 8 } else { 19 };
    let time = at(date, hour, 0).max(at(day(2, 9), 7, 50));
    let half = if part == DayPart::Morning { "am" } else { "pm" };
    IsolationServiceClient::new(stage.workers[1].at(time))
        .record_observation(RecordObservationRequest {
            request_id: story.ids.of(format_args!("{}{half}:{}", date.format("%m%d"), bare(order))),
            order: order.to_owned(),
            date: date.to_string(),
            day_part: part.into(),
            temperature_decicelsius: 362 + i32::try_from(date.to_epoch_days().unsigned_abs() % 5)?,
            symptoms: Vec::new(),
        })
        .await
        .context("recording an observation")?;
    Ok(())
}

/// What the verdicts of the eleventh have ordered.
pub(super) async fn follow_the_orders(story: &Story, stage: &Stage) -> anyhow::Result<()> {
    let teller = story.teller;
    teller.chapter("集中与居家隔离 / handed over, and at home");
    story.settled().await?;
    let time = at(day(2, 11), 21, 30);
    let mut orders = Vec::new();
    for compound in &stage.compounds {
        let request = ListOrdersRequest {
            parent: compound.clone(),
            state: State::InForce.into(),
            page_size: 1_000,
            ..ListOrdersRequest::default()
        };
        let mut health = IsolationServiceClient::new(stage.health.at(time));
        orders.extend(health.list_orders(request).await.context("listing orders")?.into_inner().orders);
    }
    orders.sort_by(|a, b| a.resident.cmp(&b.resident));
    for (number, order) in (1..).zip(orders.iter().filter(|order| order.kind() == Kind::Central)) {
        hand_over(story, stage, order, number, time + TimeDelta::minutes(number)).await?;
    }
    for order in orders.iter().filter(|order| order.kind() == Kind::Home) {
        teller.tell(
            time,
            format_args!(
                "home isolation {}: day 0 {}, last day {}, by method {}, {} pieces of evidence",
                short(&order.name),
                order.day_zero,
                order.last_day,
                order.method.trim_start_matches("methods/"),
                order.evidence_ids.len()
            ),
        );
    }
    Ok(())
}

async fn hand_over(
    story: &Story,
    stage: &Stage,
    order: &Order,
    number: i64,
    time: chrono::DateTime<chrono::Utc>,
) -> anyhow::Result<()> {
    IsolationServiceClient::new(stage.workers[2].at(time))
        .hand_over(HandOverRequest {
            request_id: story.ids.of(format_args!("hand:{}", bare(&order.name))),
            order: order.name.clone(),
            receiver: "鄞州区疾控转运组".into(),
            vehicle: format!("浙B·0{number}21急"),
            receipt: format!("ZY-20200211-{number:02}"),
            ..HandOverRequest::default()
        })
        .await
        .context("handing over")?;
    story
        .teller
        .tell(time, format_args!("{} handed to the health team, receipt ZY-20200211-{number:02}", short(&order.name)));
    Ok(())
}

/// Enough of a name for a reader.
fn short(name: &str) -> &str {
    name.get(..15).unwrap_or(name)
}
