//! One alarm: a condition that somebody must look at, seen by a person or gone up because nobody saw it, ended by itself or closed
//! with a word on what came of it. Whom a batch of verdicts is about neither acknowledges nor closes it (DOMAIN section 5).

use std::collections::BTreeSet;

use chassis::{Aggregate, Refuse, Scope, instant, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::command::v1::{
    AlarmKind, AlarmLevel, AlarmStep,
    alarm_event::{Acknowledged, Assigned, Closed, Grew, Over, Raised, Returned, WentUp},
    alarm_step::Deed,
};
use uuid::Uuid;

// State

#[derive(Clone, Debug, Default)]
pub struct Alarm {
    pub raised: Option<Raised>,
    pub standing: Standing,
    /// Who must look at it now.
    pub level: AlarmLevel,
    /// Who answers for it; empty: nobody.
    pub owner: String,
    pub count: i32,
    /// When it goes up, if nobody acknowledges it.
    pub due: Option<DateTime<Utc>>,
    pub ended: Option<DateTime<Utc>>,
    /// Persons who signed what it is about.
    signers: BTreeSet<String>,
    pub steps: Vec<AlarmStep>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has seen it.
    #[default]
    Open,
    Acknowledged,
    /// The condition has ended by itself.
    Over,
    Closed,
}

/// What was found in the logs: the same for the same facts, whenever somebody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub kind: AlarmKind,
    /// A resource's name, or `units/{unit}`.
    pub subject: String,
    /// Empty: of no neighbourhood alone.
    pub neighbourhood_id: String,
    /// compounds/{compound}/gates/{gate}, of a device.
    pub gate: String,
    pub since: DateTime<Utc>,
    /// Verdicts, usual hours, minutes or hours: what the kind counts.
    pub count: i32,
    pub matters: Vec<String>,
    pub signers: BTreeSet<String>,
}

/// A random UUID of our own, under which alarms are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x8c1f_27d4_6e0b_4d3a_a5f9_40b7_1c92_e6d8);

impl Condition {
    /// The id of its alarm: the same for the same kind, subject and beginning.
    pub fn alarm_id(&self) -> String {
        let name = format!("{}\n{}\n{}", self.kind.as_str_name(), self.subject, self.since.timestamp_micros());
        Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
    }

    /// Whose alarm it is: what an office can mend is its own first; its conduct and what has passed it by are the subdistrict's.
    fn level(&self) -> AlarmLevel {
        match self.kind {
            AlarmKind::SilentOffice | AlarmKind::SilentGate => AlarmLevel::Neighbourhood,
            AlarmKind::VerdictBatch
            | AlarmKind::LateDisputes
            | AlarmKind::LateReadings
            | AlarmKind::LateNeeds
            | AlarmKind::Unspecified => AlarmLevel::Subdistrict,
        }
    }

    /// Whether it counts things, that may become more. A silence only lasts.
    fn grows(kind: AlarmKind) -> bool {
        !matches!(kind, AlarmKind::SilentOffice | AlarmKind::SilentGate)
    }

    /// Whether it ends without anybody: a batch stays what it was until somebody has looked into it.
    pub fn passes(kind: AlarmKind) -> bool {
        kind != AlarmKind::VerdictBatch
    }
}

/// Somebody who does something about an alarm.
#[derive(Clone, Debug)]
pub struct Hand {
    /// staff/{staff}
    pub by: String,
    pub unit: String,
    pub scope: Scope,
    pub now: DateTime<Utc>,
    /// The version that was read; `None`: whatever it is.
    pub read: Option<u64>,
}

// Events

pub use proto::command::v1::alarm_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no such alarm")]
    NotFound,
    #[error("the alarm belongs to others")]
    NotYours,
    #[error("the alarm is closed")]
    Closed,
    #[error("somebody changed the alarm")]
    Stale,
}

/// What they say, in both languages.
mod words;

impl Refuse for Refused {
    fn refusal(&self) -> chassis::Refusal {
        words::refusal(*self)
    }
}

// Decisions

impl Alarm {
    /// Whether it waits for somebody.
    pub fn is_open(&self) -> bool {
        matches!(self.standing, Standing::Open | Standing::Acknowledged)
    }

    /// What is new about the condition. What counts things tells when they have doubled, also behind a closed alarm: whoever
    /// closed it had seen fewer.
    pub fn raise(&self, found: &Condition, acknowledge_hours: i32, now: DateTime<Utc>) -> Vec<Event> {
        let Some(raised) = &self.raised else {
            return vec![Event::Raised(Raised {
                kind: found.kind.into(),
                subject: found.subject.clone(),
                neighbourhood_id: found.neighbourhood_id.clone(),
                gate: found.gate.clone(),
                begin_time: Some(timestamp(found.since)),
                time: Some(timestamp(now)),
                level: found.level().into(),
                count: found.count,
                matters: found.matters.clone(),
                signers: found.signers.iter().cloned().collect(),
                acknowledge_hours,
                due_time: Some(timestamp(now + TimeDelta::hours(acknowledge_hours.into()))),
            })];
        };
        let due = (self.level != AlarmLevel::Health).then(|| timestamp(now + self.step()));
        if self.standing == Standing::Over {
            return vec![Event::Returned(Returned { time: Some(timestamp(now)), due_time: due })];
        }
        if !Condition::grows(raised.kind()) || found.count < self.count.saturating_mul(2) {
            return Vec::new();
        }
        vec![Event::Grew(Grew {
            count: found.count,
            signers: found.signers.difference(&self.signers).cloned().collect(),
            time: Some(timestamp(now)),
            due_time: due,
        })]
    }

    /// Nobody has acknowledged it in time.
    pub fn go_up(&self, now: DateTime<Utc>) -> Vec<Event> {
        if self.standing != Standing::Open || self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let to = match self.level {
            AlarmLevel::Neighbourhood => AlarmLevel::Subdistrict,
            AlarmLevel::Subdistrict => AlarmLevel::Health,
            AlarmLevel::Health | AlarmLevel::Unspecified => return Vec::new(),
        };
        let due = (to != AlarmLevel::Health).then(|| timestamp(now + self.step()));
        vec![Event::WentUp(WentUp { to: to.into(), time: Some(timestamp(now)), due_time: due })]
    }

    /// The condition is no more.
    pub fn end(&self, now: DateTime<Utc>) -> Vec<Event> {
        let passes = self.raised.as_ref().is_some_and(|raised| Condition::passes(raised.kind()));
        if passes && self.is_open() { vec![Event::Over(Over { time: Some(timestamp(now)) })] } else { Vec::new() }
    }

    pub fn acknowledge(&self, hand: &Hand, version: u64) -> Result<Vec<Event>, Refused> {
        self.in_the_hands_of(hand)?;
        match self.standing {
            Standing::Closed => return Err(Refused::Closed),
            // One that is over waits for nobody.
            Standing::Acknowledged | Standing::Over => return Ok(Vec::new()),
            Standing::Open => {}
        }
        fresh(hand, version)?;
        let (by, unit) = (hand.by.clone(), hand.unit.clone());
        Ok(vec![Event::Acknowledged(Acknowledged { by, unit, time: Some(timestamp(hand.now)) })])
    }

    pub fn assign(&self, owner: &str, hand: &Hand, version: u64) -> Result<Vec<Event>, Refused> {
        self.in_the_hands_of(hand)?;
        if self.standing == Standing::Closed {
            return Err(Refused::Closed);
        }
        if self.owner == owner {
            return Ok(Vec::new());
        }
        fresh(hand, version)?;
        Ok(vec![Event::Assigned(Assigned {
            owner: owner.to_owned(),
            by: hand.by.clone(),
            unit: hand.unit.clone(),
            time: Some(timestamp(hand.now)),
        })])
    }

    /// `note` says what came of it.
    pub fn close(&self, note: &str, hand: &Hand, version: u64) -> Result<Vec<Event>, Refused> {
        self.in_the_hands_of(hand)?;
        if self.standing == Standing::Closed {
            let same = self.steps.last().is_some_and(|step| step.note == note && step.by == hand.by);
            return if same { Ok(Vec::new()) } else { Err(Refused::Closed) };
        }
        fresh(hand, version)?;
        Ok(vec![Event::Closed(Closed {
            note: note.to_owned(),
            by: hand.by.clone(),
            unit: hand.unit.clone(),
            time: Some(timestamp(hand.now)),
        })])
    }

    /// Foreign and missing ones answer alike. What is above an office, or about whoever comes, is for others to handle.
    fn in_the_hands_of(&self, hand: &Hand) -> Result<(), Refused> {
        let raised = self.raised.as_ref().ok_or(Refused::NotFound)?;
        if !hand.scope.allows(&raised.neighbourhood_id) {
            return Err(Refused::NotFound);
        }
        let above = raised.level() != AlarmLevel::Neighbourhood && hand.scope != Scope::Everywhere;
        let of_conduct = raised.kind() == AlarmKind::VerdictBatch;
        let about = bare(&raised.subject) == bare(&hand.unit) || self.signers.contains(&hand.by);
        if above || (of_conduct && about) { Err(Refused::NotYours) } else { Ok(()) }
    }

    fn step(&self) -> TimeDelta {
        TimeDelta::hours(self.raised.as_ref().map_or(0, |raised| raised.acknowledge_hours).into())
    }
}

fn fresh(hand: &Hand, version: u64) -> Result<(), Refused> {
    if hand.read.is_none_or(|read| read == version) { Ok(()) } else { Err(Refused::Stale) }
}

/// Units are called by an id, with or without the collection that it is of.
pub fn bare(unit: &str) -> &str {
    unit.rsplit_once('/').map_or(unit, |(_, id)| id)
}

// Evolve

impl Aggregate for Alarm {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        let time = |stamp: &Option<_>| stamp.as_ref().and_then(instant);
        let step = match event {
            Event::Raised(raised) => {
                self.level = raised.level();
                self.count = raised.count;
                self.due = time(&raised.due_time);
                self.signers.extend(raised.signers.iter().cloned());
                self.raised = Some(raised.clone());
                AlarmStep { level: raised.level, count: raised.count, ..done(Deed::Raised, raised.time, "", "") }
            }
            Event::Assigned(Assigned { owner, by, unit, time }) => {
                self.owner.clone_from(owner);
                AlarmStep { owner: owner.clone(), ..done(Deed::Assigned, *time, by, unit) }
            }
            Event::Acknowledged(Acknowledged { by, unit, time }) => {
                self.standing = Standing::Acknowledged;
                self.due = None;
                if self.owner.is_empty() {
                    self.owner.clone_from(by);
                }
                done(Deed::Acknowledged, *time, by, unit)
            }
            Event::WentUp(went_up) => {
                (self.level, self.due) = (went_up.to(), time(&went_up.due_time));
                AlarmStep { level: went_up.to, ..done(Deed::WentUp, went_up.time, "", "") }
            }
            Event::Grew(Grew { count, signers, time: at, due_time }) => {
                (self.count, self.ended, self.due) = (*count, None, time(due_time));
                self.standing = Standing::Open;
                self.signers.extend(signers.iter().cloned());
                AlarmStep { count: *count, ..done(Deed::Grew, *at, "", "") }
            }
            Event::Over(Over { time: at }) => {
                (self.standing, self.due, self.ended) = (Standing::Over, None, time(at));
                done(Deed::Over, *at, "", "")
            }
            Event::Returned(Returned { time: at, due_time }) => {
                (self.standing, self.due, self.ended) = (Standing::Open, time(due_time), None);
                done(Deed::Returned, *at, "", "")
            }
            Event::Closed(Closed { note, by, unit, time: at }) => {
                (self.standing, self.due) = (Standing::Closed, None);
                // It had ended before.
                self.ended = self.ended.or(time(at));
                AlarmStep { note: note.clone(), ..done(Deed::Closed, *at, by, unit) }
            }
        };
        self.steps.push(step);
    }
}

fn done(deed: Deed, time: Option<prost_types::Timestamp>, by: &str, unit: &str) -> AlarmStep {
    AlarmStep { deed: deed.into(), time, by: by.to_owned(), unit: unit.to_owned(), ..AlarmStep::default() }
}

#[cfg(test)]
mod tests;
