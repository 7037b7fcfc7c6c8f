//! The crossings of one gate on one day. It only collects: two crossings do not depend on each other, so nothing is ever
//! decided from its state, and guards never wait for one another.

use chassis::{Aggregate, Decision, day_of, timestamp};
use chrono::{DateTime, Utc};
use proto::{
    pass::v1::{
        Decision as Gate, Direction, Finding, GateCrossing, Visitor,
        gate_day_event::{Crossed, Event},
    },
    registry::v1::Residence,
};

use super::gate::{Judgement, Measured};

// --- State ---

/// How many crossed, and how many were turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateDay {
    pub allowed: u64,
    pub refused: u64,
}

// --- Decisions ---

/// A passage with everything that is put on record about it.
#[derive(Clone, Debug)]
pub struct Passed<'a> {
    pub crossing_id: String,
    pub gate: Place<'a>,
    pub at: DateTime<Utc>,
    pub direction: Direction,
    pub measured: Measured,
    pub person: Person,
    pub judgement: &'a Judgement,
    /// R18: the method counts outings.
    pub counts_outings: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub neighbourhood_id: &'a str,
    pub compound_id: &'a str,
    pub gate_id: &'a str,
}

/// What a gate that decides by itself adds: its own decision, its clocks, and what the centre makes of it.
#[derive(Clone, Debug, Default)]
pub struct Reported {
    pub device_id: String,
    pub typed: bool,
    /// For the time of the crossing, by all that the centre knows now.
    pub judged: Option<Judgement>,
    /// The fact that the gate did not know.
    pub unknown_since: Option<DateTime<Utc>>,
    pub conflict: bool,
}

/// Whoever it was, as far as this neighbourhood may know.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub resident_id: String,
    pub residence: Option<Residence>,
    pub pass_number: String,
    pub manual_reason: String,
    pub visitor: Option<Visitor>,
}

/// The stream of a gate's calendar day in Asia/Shanghai.
pub fn stream_id(gate_id: &str, at: DateTime<Utc>) -> String {
    format!("{gate_id}:{}", day_of(at))
}

/// A refusal of entry is a fact like any other.
pub fn record(passed: Passed<'_>) -> Decision<Event> {
    let Passed { crossing_id, gate, at, direction, measured, person, judgement, counts_outings } = passed;
    let out = direction == Direction::Out && judgement.decision == Gate::Allowed;
    let subject = person.resident_id.clone();
    let crossed = Crossed {
        outing: counts_outings && out && !person.resident_id.is_empty(),
        crossing_id,
        gate_id: gate.gate_id.to_owned(),
        compound_id: gate.compound_id.to_owned(),
        crossed_at: Some(timestamp(at)),
        direction: direction.into(),
        decision: judgement.decision.into(),
        findings: judgement.findings.iter().map(|finding| i32::from(*finding)).collect(),
        temperature_decicelsius: measured.decicelsius,
        mask: measured.mask,
        resident_id: person.resident_id,
        pass_number: person.pass_number,
        manual_reason: person.manual_reason,
        visitor: person.visitor,
        residence: person.residence,
        ..Crossed::default()
    };
    Decision::new(vec![Event::Crossed(crossed)]).office(gate.neighbourhood_id).subject(subject)
}

/// A passage that the gate has decided: what it decided is the fact, whatever the centre thinks of it.
pub fn report(passed: Passed<'_>, gate: &GateCrossing, reported: Reported) -> Decision<Event> {
    let mut decision = record(passed);
    let judged = reported.judged;
    for Event::Crossed(crossed) in &mut decision.events {
        crossed.device_id.clone_from(&reported.device_id);
        crossed.boot.clone_from(&gate.boot);
        crossed.sequence = gate.sequence;
        crossed.raw_time = gate.raw_time;
        crossed.monotonic_ms = gate.monotonic_ms;
        crossed.offset_ms = gate.offset_ms;
        crossed.list_sequence = gate.list_sequence;
        crossed.key_id = gate.key_id;
        crossed.slot = gate.slot;
        crossed.first_reading_decicelsius = gate.first_reading_decicelsius;
        crossed.typed = reported.typed;
        if crossed.visitor.is_some() {
            crossed.guarantor_pass_number.clone_from(&gate.named_pass_number);
        }
        if let Some(judged) = &judged {
            crossed.judged_decision = judged.decision.into();
            crossed.judged_findings = judged.findings.iter().map(|finding| i32::from(*finding)).collect();
        }
        crossed.unknown_since = reported.unknown_since.map(timestamp);
        crossed.conflict = reported.conflict;
    }
    decision
}

/// Whether the centre would have decided otherwise. A gate counts outings (R18), and refuses what it cannot verify or has not
/// measured: that the centre would not is no conflict.
pub fn conflicts(gate: Gate, findings: &[Finding], judged: Gate) -> bool {
    let own = [Finding::Quota, Finding::Unverified, Finding::Unreadable, Finding::OldPicture, Finding::ClockWrong];
    match (gate, judged) {
        (Gate::Allowed, Gate::Refused) => true,
        (Gate::Refused, Gate::Allowed) => !findings.iter().any(|finding| own.contains(finding)),
        _ => false,
    }
}

// --- Evolve ---

impl Aggregate for GateDay {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        let Event::Crossed(crossed) = event;
        match crossed.decision() {
            Gate::Allowed => self.allowed += 1,
            Gate::Refused | Gate::Unspecified => self.refused += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_centre_can_know_better_is_a_conflict() {
        for (gate, findings, judged, conflict) in [
            (Gate::Allowed, &[Finding::Valid][..], Gate::Refused, true),
            (Gate::Refused, &[Finding::Suspended], Gate::Allowed, true),
            (Gate::Refused, &[Finding::Quota], Gate::Allowed, false),
            (Gate::Refused, &[Finding::Unverified], Gate::Allowed, false),
            (Gate::Refused, &[Finding::Suspended], Gate::Refused, false),
            (Gate::Allowed, &[Finding::Valid, Finding::Fever], Gate::Allowed, false),
        ] {
            assert_eq!(conflicts(gate, findings, judged), conflict, "{gate:?} {findings:?} {judged:?}");
        }
    }

    #[test]
    fn a_refused_entry_is_on_record_like_an_allowed_one() {
        let mut day = GateDay::default();
        for (decision, finding) in [(Gate::Refused, Finding::Isolated), (Gate::Allowed, Finding::Valid)] {
            let judgement =
                Judgement { decision, findings: vec![finding], zh: "请".to_owned(), en: "please".to_owned() };
            let recorded = record(Passed {
                crossing_id: "x".to_owned(),
                gate: Place { neighbourhood_id: "n", compound_id: "c", gate_id: "g" },
                at: "2020-02-10T16:00:00Z".parse().unwrap(),
                direction: Direction::Out,
                measured: Measured { decicelsius: 366, mask: true },
                person: Person { resident_id: "r".to_owned(), ..Person::default() },
                judgement: &judgement,
                counts_outings: false,
            });
            for event in &recorded.events {
                day.evolve(event);
                let Event::Crossed(crossed) = event;
                assert_eq!(crossed.findings().collect::<Vec<_>>(), [finding]);
                assert_eq!((crossed.resident_id.as_str(), crossed.temperature_decicelsius), ("r", 366));
            }
        }
        assert_eq!(day, GateDay { allowed: 1, refused: 1 });
    }

    #[test]
    fn a_gates_day_ends_at_midnight_in_shanghai() {
        let before = stream_id("g", "2020-02-10T15:59:59Z".parse().unwrap());
        let after = stream_id("g", "2020-02-10T16:00:00Z".parse().unwrap());
        assert_eq!((before.as_str(), after.as_str()), ("g:2020-02-10", "g:2020-02-11"));
    }
}
