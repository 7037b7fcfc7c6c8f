//! One need of one resident: opened by an order or asked for, taken by somebody, done, and confirmed by the person, who is
//! the only one to say that it is met. A standing need comes again until its order ends. Its alarm follows from its clock.

use chassis::{Aggregate, instant, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::isolation::v1::{
    NeedAlarm, NeedInstance,
    need_event::{Claimed, Completed, Confirmed, Ended, Opened, Reopened, Supplied},
};

// ---- State ----

#[derive(Clone, Debug, Default)]
pub struct Need {
    pub opened: Option<Opened>,
    pub standing: Standing,
    /// From when on it waits, and when it must be done at the latest.
    pub begins: DateTime<Utc>,
    pub due: DateTime<Utc>,
    pub times_met: i32,
    confirmation: String,
    reopened: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    #[default]
    Open,
    /// Somebody answers for it.
    Claimed(String),
    Done {
        by: String,
        at: DateTime<Utc>,
    },
    Confirmed,
    Ended,
}

impl Need {
    /// Whether nothing is to be done about it ever again.
    pub fn closed(&self) -> bool {
        matches!(self.standing, Standing::Confirmed | Standing::Ended)
    }

    pub fn responsible(&self) -> &str {
        match &self.standing {
            Standing::Claimed(by) | Standing::Done { by, .. } => by,
            Standing::Open | Standing::Confirmed | Standing::Ended => "",
        }
    }

    /// What stands in alarm from when on, if nothing happens before.
    pub fn alarm(&self) -> Option<(NeedAlarm, DateTime<Utc>)> {
        let opened = self.opened.as_ref()?;
        match &self.standing {
            Standing::Open => {
                let unclaimed = self.begins + TimeDelta::hours(opened.claim_hours.into());
                Some((NeedAlarm::NobodyResponsible, unclaimed.min(self.due)))
            }
            Standing::Claimed(_) => Some((NeedAlarm::Unmet, self.due)),
            Standing::Done { at, .. } => {
                Some((NeedAlarm::Unconfirmed, *at + TimeDelta::hours(opened.confirm_hours.into())))
            }
            Standing::Confirmed | Standing::Ended => None,
        }
    }
}

/// Who must act on an alarm that stands since then: one instance more for each of the hours between two.
pub fn instance(since: DateTime<Utc>, escalation_hours: i32, now: DateTime<Utc>) -> NeedInstance {
    let hours = i64::from(escalation_hours.max(1));
    match (now - since).num_seconds().div_euclid(hours * 3_600) {
        ..0 => NeedInstance::Unspecified,
        0 => NeedInstance::Grid,
        1 => NeedInstance::Neighbourhood,
        _ => NeedInstance::Subdistrict,
    }
}

// ---- Events ----

pub use proto::isolation::v1::need_event::Event;

// ---- Refusals ----

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no such need")]
    NotFound,
    #[error("somebody else is responsible")]
    Taken(String),
    #[error("the need is closed")]
    Closed,
    #[error("nobody has claimed it")]
    NotClaimed,
    #[error("it is not done")]
    NotDone,
    #[error("who did it cannot confirm it")]
    OwnWork,
    #[error("the volunteer is not cleared")]
    NotCleared,
}

/// What they say, in both languages.
mod words;

// ---- Decisions ----

impl Need {
    /// Nothing where it was opened for this cause already. A standing one begins anew for a later cause: the person is home
    /// again, or lives in another neighbourhood.
    pub fn open(&self, opened: &Opened) -> Vec<Event> {
        let begins = |opened: &Opened| opened.begin_time.as_ref().and_then(instant);
        let later = |known: &Opened| !opened.order_id.is_empty() && begins(known) < begins(opened);
        if self.opened.as_ref().is_none_or(later) { vec![Event::Opened(opened.clone())] } else { Vec::new() }
    }

    /// `take_over`: from whoever has it.
    pub fn claim(&self, responsible: &str, take_over: bool) -> Result<Vec<Event>, Refused> {
        let claimed = || vec![Event::Claimed(Claimed { responsible: responsible.to_owned() })];
        match &self.standing {
            _ if self.opened.is_none() => Err(Refused::NotFound),
            Standing::Open => Ok(claimed()),
            Standing::Claimed(by) if by == responsible => Ok(Vec::new()),
            Standing::Claimed(_) if take_over => Ok(claimed()),
            Standing::Claimed(by) => Err(Refused::Taken(by.clone())),
            Standing::Done { .. } | Standing::Confirmed | Standing::Ended => Err(Refused::Closed),
        }
    }

    /// By whoever is responsible; `minutes` is how long it took them.
    pub fn complete(&self, minutes: i32, now: DateTime<Utc>) -> Result<Vec<Event>, Refused> {
        let opened = self.opened.as_ref().ok_or(Refused::NotFound)?;
        match &self.standing {
            Standing::Open => Err(Refused::NotClaimed),
            Standing::Claimed(by) => Ok(vec![Event::Completed(Completed {
                responsible: by.clone(),
                time: Some(timestamp(now)),
                minutes,
                residence: opened.residence.clone(),
                kind: opened.kind,
            })]),
            Standing::Done { .. } => Ok(Vec::new()),
            Standing::Confirmed | Standing::Ended => Err(Refused::Closed),
        }
    }

    /// What the person says. `confirmation_id` is the same for the same command.
    pub fn confirm(&self, confirmation_id: &str, by: &str, unmet: bool) -> Result<Vec<Event>, Refused> {
        let opened = self.opened.as_ref().ok_or(Refused::NotFound)?;
        if confirmation_id == if unmet { &self.reopened } else { &self.confirmation } {
            return Ok(Vec::new());
        }
        let Standing::Done { by: doer, at } = &self.standing else { return Err(Refused::NotDone) };
        if unmet {
            let (confirmation_id, by) = (confirmation_id.to_owned(), by.to_owned());
            return Ok(vec![Event::Reopened(Reopened { confirmation_id, by })]);
        }
        if doer == by {
            return Err(Refused::OwnWork);
        }
        let next = self.next(opened, *at);
        Ok(vec![Event::Confirmed(Confirmed {
            confirmation_id: confirmation_id.to_owned(),
            by: by.to_owned(),
            next_begin_time: next.map(|(begins, _)| timestamp(begins)),
            next_due_time: next.map(|(_, due)| timestamp(due)),
        })])
    }

    /// The next turn of a standing need: the first in step after it was done. What came late is not made up for twice, and
    /// turns do not drift into the night.
    fn next(&self, opened: &Opened, done: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        if opened.every_days <= 0 {
            return None;
        }
        let step = TimeDelta::days(opened.every_days.into());
        let turns = (done - self.begins).num_seconds().div_euclid(step.num_seconds()).max(0) + 1;
        let later = step * i32::try_from(turns).unwrap_or(i32::MAX);
        Some((self.begins + later, self.due + later))
    }

    /// Its order has ended.
    pub fn end(&self) -> Vec<Event> {
        if self.opened.is_none() || self.closed() { Vec::new() } else { vec![Event::Ended(Ended {})] }
    }
}

// ---- Evolve ----

impl Aggregate for Need {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        let time = |stamp: &Option<_>| stamp.as_ref().and_then(instant).unwrap_or_default();
        match event {
            Event::Opened(opened) => {
                (self.begins, self.due) = (time(&opened.begin_time), time(&opened.due_time));
                self.standing = Standing::Open;
                self.opened = Some(opened.clone());
            }
            Event::Claimed(claimed) => self.standing = Standing::Claimed(claimed.responsible.clone()),
            Event::Completed(completed) => {
                self.standing = Standing::Done { by: completed.responsible.clone(), at: time(&completed.time) };
            }
            Event::Confirmed(confirmed) => {
                self.times_met += 1;
                self.confirmation.clone_from(&confirmed.confirmation_id);
                self.standing = match (&confirmed.next_begin_time, &confirmed.next_due_time) {
                    (Some(_), Some(_)) => Standing::Open,
                    _ => Standing::Confirmed,
                };
                if self.standing == Standing::Open {
                    (self.begins, self.due) = (time(&confirmed.next_begin_time), time(&confirmed.next_due_time));
                }
            }
            Event::Reopened(reopened) => {
                self.reopened.clone_from(&reopened.confirmation_id);
                self.standing = Standing::Open;
            }
            Event::Ended(_) => self.standing = Standing::Ended,
            Event::Supplied(Supplied { .. }) => {}
        }
    }
}

#[cfg(test)]
mod tests;
