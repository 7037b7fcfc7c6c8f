//! The gates: computers that record by themselves and hand over by quarters of an hour, and guards' phones that ask the centre each
//! time.

use chrono::{DateTime, TimeDelta, Utc};
use proto::pass::v1::{
    Decision, Finding, GateCrossing, RecordCrossingRequest, RecordCrossingsRequest, ShownPass, Visitor, gate_crossing,
    gate_service_client::GateServiceClient, pass_service_client::PassServiceClient, record_crossing_request, visitor,
};
use tonic::Status;

use super::{
    day::Passage,
    deeds::{Follows, patiently},
    files::Pass,
    run::Run,
};

/// How often a computer hands over.
const HAND_OVER: TimeDelta = TimeDelta::minutes(15);
/// Crossings of one request, at most.
const MOST: usize = 500;

impl Run {
    /// An hour of one gate. `first`: how many crossed before on this day.
    pub(super) async fn cross(
        &self,
        gate: usize,
        passages: Vec<Passage>,
        (first, day): (u64, u32),
        hour: DateTime<Utc>,
    ) -> Result<Follows, Status> {
        if !self.world.has_computer(gate) {
            for (number, passage) in (first..).zip(&passages) {
                // One that is refused is counted; the next person stands there already.
                let shown = || self.shown_by_phone(gate, passage, (number, day));
                patiently(&self.meter, shown).await.ok();
            }
            return Ok(Vec::new());
        }
        let mut recorded = (first + 1..).zip(&passages).peekable();
        for quarter in 1..=4 {
            let now = hour + HAND_OVER * quarter;
            let mut fresh = Vec::new();
            while let Some((sequence, passage)) = recorded.next_if(|(_, passage)| passage.time < now) {
                fresh.push(self.recorded(gate, passage, (sequence, day)));
            }
            self.hand_on(gate, fresh, day, now).await?;
        }
        Ok(Vec::new())
    }

    /// What waits at a gate, the oldest first; what is not taken waits for the next time.
    async fn hand_on(&self, gate: usize, fresh: Vec<GateCrossing>, day: u32, now: DateTime<Utc>) -> Result<(), Status> {
        let waiting = {
            let mut queues = self.queues.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let queue = queues.entry(gate).or_default();
            // Said again, it is there once.
            let new = |one: &GateCrossing| {
                !queue.iter().any(|other| (&other.boot, other.sequence) == (&one.boot, one.sequence))
            };
            let fresh: Vec<GateCrossing> = fresh.into_iter().filter(new).collect();
            queue.extend(fresh);
            queue.clone()
        };
        for batch in waiting.chunks(MOST) {
            let (Some(from), Some(to)) = (batch.first(), batch.last()) else { continue };
            let request = RecordCrossingsRequest {
                request_id: self.ids.of(format_args!("gate:{gate}:{day}:{}-{}", from.sequence, to.sequence)),
                boot: boot(self.world.seed, gate, day),
                raw_time: Some(chassis::timestamp(now)),
                monotonic_ms: since_midnight(now, day, self.world.first_day),
                crossings: batch.to_vec(),
            };
            let handed = || {
                let mut client = GateServiceClient::new(self.stage.posts[gate].hand.at(now));
                let request = request.clone();
                async move { self.meter.call("RecordCrossings", client.record_crossings(request)).await }
            };
            let answer = patiently(&self.meter, handed).await?;
            for _ in &answer.unfiled {
                self.meter.fault("RecordCrossings", "UNFILED");
            }
            let mut queues = self.queues.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let on_record = |one: &GateCrossing| {
                answer.marks.iter().any(|mark| mark.boot == one.boot && one.sequence <= mark.sequence)
            };
            queues.entry(gate).or_default().retain(|one| !on_record(one));
        }
        Ok(())
    }

    /// What a computer makes of somebody before it.
    fn recorded(&self, gate: usize, passage: &Passage, (sequence, day): (u64, u32)) -> GateCrossing {
        let file = passage.person.and_then(|person| self.files().get(&person).cloned());
        let kept_in = file.as_ref().is_some_and(|file| file.kept_in);
        let pass = file.and_then(|file| file.pass);
        let mut findings = vec![match &pass {
            // The list of suspended passes says so.
            Some(_) if kept_in => Finding::Suspended,
            Some(_) => Finding::Valid,
            None => Finding::Visitor,
        }];
        if passage.temperature >= FEVER {
            findings.push(Finding::Fever);
        }
        let decision = if findings[0] == Finding::Valid { Decision::Allowed } else { Decision::Refused };
        let identity = match &pass {
            Some(pass) => gate_crossing::Identity::Shown(ShownPass { pass_number: pass.number.clone(), typed: false }),
            None => gate_crossing::Identity::Visitor(nobody()),
        };
        GateCrossing {
            boot: boot(self.world.seed, gate, day),
            sequence,
            raw_time: Some(chassis::timestamp(passage.time)),
            monotonic_ms: since_midnight(passage.time, day, self.world.first_day),
            direction: passage.direction.into(),
            temperature_decicelsius: passage.temperature,
            mask: true,
            decision: decision.into(),
            findings: findings.into_iter().map(Into::into).collect(),
            key_id: pass.as_ref().map_or(0, key_id),
            identity: Some(identity),
            ..GateCrossing::default()
        }
    }

    async fn shown_by_phone(&self, gate: usize, passage: &Passage, (number, day): (u64, u32)) -> Result<(), Status> {
        let identity = match passage.person.and_then(|person| self.pass_of(person)) {
            Some(pass) => record_crossing_request::Identity::Code(pass.code),
            None => record_crossing_request::Identity::Visitor(nobody()),
        };
        let request = RecordCrossingRequest {
            request_id: self.ids.of(format_args!("cross:{gate}:{day}:{number}")),
            gate: self.stage.posts[gate].name.clone(),
            direction: passage.direction.into(),
            cross_time: Some(chassis::timestamp(passage.time)),
            temperature_decicelsius: passage.temperature,
            mask: true,
            identity: Some(identity),
        };
        let mut client = PassServiceClient::new(self.stage.posts[gate].hand.at(passage.time));
        self.meter.call("RecordCrossing", client.record_crossing(request)).await?;
        Ok(())
    }

    fn pass_of(&self, person: u32) -> Option<Pass> {
        self.files().get(&person).and_then(|file| file.pass.clone())
    }
}

/// What a gate's computer goes by, of the shipped method (R14): tenths of a degree Celsius.
const FEVER: i32 = 373;

/// A computer is switched on once a day.
fn boot(seed: u32, gate: usize, day: u32) -> String {
    format!("simulated-{seed}-{gate}-{day}")
}

fn since_midnight(time: DateTime<Utc>, day: u32, first: chrono::NaiveDate) -> i64 {
    (time - crate::cast::at(super::day::date(first, day), 0, 0)).num_milliseconds()
}

fn nobody() -> Visitor {
    Visitor { exception: visitor::Exception::None.into(), guarantor: String::new() }
}

/// The key that signed a code.
fn key_id(pass: &Pass) -> u32 {
    let bytes = credential::text::unarmour(credential::text::Prefix::Pass, &pass.code).unwrap_or_default();
    credential::code::Parts::of(&bytes).map_or(0, |parts| parts.key_id().into())
}
