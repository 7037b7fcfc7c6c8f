//! The gates on the eleventh: about 800 crossings by the curve of the day, and the few that are remembered.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use proto::pass::v1::{
    Crossing, Decision, Direction, Manual, Reason, RecordCrossingRequest, RevokePassRequest, Visitor,
    pass_service_client::PassServiceClient, record_crossing_request::Identity, visitor,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    Story,
    founding::{Stage, side_by_side},
    plan::{GATES, Part, day},
    screening::{Handed, Known, bare},
};
use crate::{cast::at, simulate::day::BY_HOUR};

/// One person through one gate.
struct Passage {
    gate: usize,
    time: DateTime<Utc>,
    direction: Direction,
    temperature: i32,
    identity: Identity,
}

pub(super) async fn cross(story: &Story, stage: &Stage, known: &[Known<'_>], passes: &[Handed]) -> anyhow::Result<()> {
    let teller = story.teller;
    teller.chapter("门岗 / the gates on the eleventh");
    // Who got the pass earlier crosses all day; who got it tonight, from tomorrow on.
    let holders: Vec<&Handed> = passes.iter().filter(|pass| pass.part == Part::BackEarlier).collect();
    let day_of_gates = the_day(story, &holders)?;
    let count = day_of_gates.len();
    // Each person in order, the persons side by side.
    let crossings = day_of_gates.into_iter().map(|passages| async move {
        for (number, passage) in passages.into_iter().enumerate() {
            let crossing = record(story, stage, passage, number).await?;
            let decision = crossing.verdict.as_ref().map(proto::pass::v1::Verdict::decision);
            ensure!(decision == Some(Decision::Allowed), "a holder with a valid pass was refused at {}", crossing.gate);
        }
        anyhow::Ok(())
    });
    side_by_side(crossings).await?;
    remarkable(story, stage, known, passes, &holders).await?;
    teller.tell(at(day(2, 11), 23, 59), format_args!("besides, {count} people crossed {} times", story.plan.crossings));
    Ok(())
}

/// Out first, then in, then out again: hours by the curve, gates by their shares, the holder's own compound.
fn the_day(story: &Story, holders: &[&Handed]) -> anyhow::Result<Vec<Vec<Passage>>> {
    let mut dice = StdRng::seed_from_u64(u64::from(story.seed) ^ 0x6761_7465);
    let mut slots: Vec<(DateTime<Utc>, usize)> = Vec::new();
    let midnight = at(day(2, 11), 0, 0);
    for _ in 0..story.plan.crossings {
        let hour = weighted(&mut dice, &BY_HOUR);
        let second = i64::try_from(hour)? * 3_600 + dice.random_range(0..3_600);
        let gate = weighted(&mut dice, &GATES.map(|gate| gate.2));
        slots.push((midnight + TimeDelta::seconds(second), gate));
    }
    slots.sort();
    let mut by_holder: HashMap<usize, Vec<Passage>> = HashMap::new();
    for (time, gate) in slots {
        let of_compound: Vec<usize> =
            (0..holders.len()).filter(|index| holders[*index].compound == GATES[gate].0).collect();
        let holder = of_compound[dice.random_range(0..of_compound.len())];
        let passages = by_holder.entry(holder).or_default();
        passages.push(Passage {
            gate,
            time,
            direction: if passages.len().is_multiple_of(2) { Direction::Out } else { Direction::In },
            temperature: dice.random_range(358..=369),
            identity: Identity::Code(holders[holder].code.clone()),
        });
    }
    let mut passages: Vec<(usize, Vec<Passage>)> = by_holder.into_iter().collect();
    passages.sort_by_key(|(holder, _)| *holder);
    Ok(passages.into_iter().map(|(_, passages)| passages).collect())
}

fn weighted(dice: &mut StdRng, shares: &[u32]) -> usize {
    let mut roll = dice.random_range(0..shares.iter().sum::<u32>());
    for (index, share) in shares.iter().enumerate() {
        if roll < *share {
            return index;
        }
        roll -= share;
    }
    shares.len() - 1
}

/// A fever, a found pass, somebody in isolation, a visitor, and a picture of somebody else's code.
async fn remarkable(
    story: &Story,
    stage: &Stage,
    known: &[Known<'_>],
    passes: &[Handed],
    holders: &[&Handed],
) -> anyhow::Result<()> {
    let code = |handed: &Handed| Identity::Code(handed.code.clone());
    let feverish = holders.iter().find(|handed| handed.compound == 0).context("a holder of the old compound")?;
    let evening = at(day(2, 11), 22, 0);
    let passage = |time, temperature, direction, identity| Passage { gate: 0, time, direction, temperature, identity };
    tell(story, stage, "37.6 °C", passage(evening, 376, Direction::In, code(feverish)), "fever").await?;

    let lost = passes.iter().find(|handed| handed.part == Part::LostPass).context("somebody lost a pass")?;
    PassServiceClient::new(stage.workers[3].at(evening))
        .revoke_pass(RevokePassRequest {
            request_id: story.ids.of(format_args!("lost:{}", bare(&lost.resident))),
            resident: lost.resident.clone(),
            reason: Reason::Lost.into(),
            evidence_ids: Vec::new(),
        })
        .await
        .context("revoking a lost pass")?;
    let found = passage(evening + TimeDelta::minutes(5), 364, Direction::In, code(lost));
    tell(story, stage, "a lost pass, found by somebody", found, "found").await?;

    let tenant = known.iter().find(|known| known.home.part == Part::OnlySichuan).context("the tenant from Sichuan")?;
    let manual = Manual { resident: tenant.resident.clone(), reason: "说手机没电，要出门".into() };
    let leaving = passage(evening + TimeDelta::minutes(10), 365, Direction::Out, Identity::Manual(manual));
    tell(story, stage, "the tenant from Sichuan, without a pass", leaving, "tenant").await?;

    let visitor = Visitor { exception: visitor::Exception::None.into(), guarantor: String::new() };
    let visit = passage(evening + TimeDelta::minutes(15), 363, Direction::In, Identity::Visitor(visitor));
    tell(story, stage, "a visitor", visit, "visitor").await?;

    let mut forged = feverish.code.clone();
    let digit = if forged.ends_with('0') { '1' } else { '0' };
    forged.pop();
    forged.push(digit);
    let forgery = passage(evening + TimeDelta::minutes(20), 366, Direction::In, Identity::Code(forged));
    tell(story, stage, "a forged code", forgery, "forged").await
}

async fn tell(story: &Story, stage: &Stage, what: &str, passage: Passage, id: &str) -> anyhow::Result<()> {
    let time = passage.time;
    let crossing = send(stage, passage, story.ids.of(format_args!("gate:{id}"))).await?;
    let verdict = crossing.verdict.context("a crossing has a verdict")?;
    let decision = if verdict.decision() == Decision::Allowed { "let through" } else { "refused" };
    story.teller.tell(time, format_args!("{}: {what}: {decision}", GATES[0].1));
    story.teller.more(format_args!("{} / {}", verdict.say_zh, verdict.say_en));
    Ok(())
}

async fn record(story: &Story, stage: &Stage, passage: Passage, number: usize) -> anyhow::Result<Crossing> {
    let Identity::Code(code) = &passage.identity else { anyhow::bail!("a holder crosses with a code") };
    let tail: String = code.chars().rev().filter(char::is_ascii_alphanumeric).take(24).collect();
    let id = story.ids.of(format_args!("cross:{number}:{tail}"));
    send(stage, passage, id).await
}

async fn send(stage: &Stage, passage: Passage, request_id: String) -> anyhow::Result<Crossing> {
    let time = passage.time;
    let request = RecordCrossingRequest {
        request_id,
        gate: stage.gates[passage.gate].clone(),
        direction: passage.direction.into(),
        cross_time: Some(chassis::timestamp(time)),
        temperature_decicelsius: passage.temperature,
        mask: true,
        identity: Some(passage.identity),
    };
    Ok(PassServiceClient::new(stage.guards[passage.gate].at(time))
        .record_crossing(request)
        .await
        .context("recording a crossing")?
        .into_inner())
}
