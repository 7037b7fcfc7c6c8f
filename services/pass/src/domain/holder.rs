//! A resident as the gates see them: what qualifies them for a pass, what bars them, and the passes they were given. All of
//! it is one stream, so that "nobody under a bar holds an active pass" is true at each of its positions.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{Aggregate as _, timestamp};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use credential::number::PassNumber;
use proto::{
    pass::v1::{
        self, Reason,
        holder_event::{BarLifted, Barred, Event, Issued, Qualified, Reinstated, Revoked, Suspended},
    },
    registry::v1::Residence,
};

use super::access::{Access, Limits};

// --- State ---

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holder {
    pub residence: Option<Residence>,
    pub qualification: Option<Qualification>,
    /// By what bars: "cases/..." or "orders/...".
    pub bars: BTreeMap<String, Bar>,
    /// Cases that a release has settled: their exposure never bars again (R13).
    settled: BTreeSet<String>,
    /// Cases that were clear once, and orders that ended: said again, they are no news of a later occasion.
    qualified_by: BTreeSet<String>,
    /// How many bars have come, whatever became of them.
    bars_so_far: u64,
    /// In order of issue; the last one counts.
    passes: Vec<Pass>,
    pub moved_out: bool,
    /// The resident who is the same person by the register's word, and where they live.
    pub joined: Option<(String, Residence)>,
}

/// What stands behind a pass: a clear case or a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Qualification {
    pub by: String,
    pub residence: Residence,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    pub reason: Reason,
    /// The case behind an order; empty where there is none.
    pub cause: String,
    /// The verdict only asks: a clear verdict on a later case, or a release, answers it.
    pub doubt: bool,
    /// The number of this bar in the order in which they came.
    since: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    pub number: String,
    pub by: String,
    pub issued: DateTime<Utc>,
    pub expires: DateTime<Utc>,
    pub residence: Residence,
    pub standing: Standing,
    /// Of the key that signs its code.
    pub key_id: u8,
    /// When it is good for going out.
    pub access: Access,
    /// What its code carries for the compound; `None`, of older ones: what derives from the id.
    pub compound: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Active,
    Suspended(Reason),
    Revoked(Reason),
}

impl Holder {
    /// The pass that counts, whatever its standing.
    pub fn pass(&self) -> Option<&Pass> {
        self.passes.last()
    }

    pub fn find_pass(&self, number: &str) -> Option<&Pass> {
        self.passes.iter().find(|pass| pass.number == number)
    }

    /// An order is in force, as far as this service knows.
    pub fn isolated(&self) -> bool {
        self.bars.values().any(|bar| bar.reason == Reason::IsolationOrder)
    }

    pub fn eligible(&self) -> bool {
        self.qualification.is_some() && self.bars.is_empty() && self.joined.is_none()
    }
}

// --- Refusals ---

/// What stands in the way, in both languages.
mod refused;

pub use refused::Refused;

// --- Decisions ---

/// Two records of one person: what bars the one bars the other.
mod joined;
/// Another pass in the place of one that runs out or was lost.
mod renewing;

pub use renewing::renewable_from;

/// What an issue needs to know besides the holder.
#[derive(Clone, Copy, Debug)]
pub struct Issue {
    pub number: PassNumber,
    pub now: DateTime<Utc>,
    /// R19: from the method in force, if one is.
    pub pass_days: Option<i32>,
    /// The key that signs passes now.
    pub key_id: u8,
    /// The pass that counts was recalled, by its key or its compound.
    pub recalled: bool,
    /// What is asked for; unspecified: as the pass before.
    pub access: v1::Access,
    /// R18: from the method in force.
    pub limits: Limits,
    /// The number of the compound.
    pub compound: u16,
}

type Events = Vec<Event>;

impl Holder {
    /// A clear verdict: it qualifies, lifts the bar of an earlier verdict on the same case, and answers the doubts that
    /// earlier cases left open.
    pub fn clear(&self, case: &str, residence: &Residence) -> Events {
        let before = match self.bars.get(case) {
            Some(own) => own.since,
            None if self.moved_out || self.qualified_by.contains(case) => 0,
            None => u64::MAX,
        };
        let mut events = self.qualify(case, residence);
        let answered = self.doubts().filter(|(_, doubt)| doubt.since < before).map(|(name, _)| (name, ""));
        events.extend(self.lift([(case, "")].into_iter().chain(answered)));
        events
    }

    /// A verdict that needs no measure at home and yet is not clear: only the case's own bar falls.
    pub fn tolerate(&self, case: &str) -> Events {
        self.lift([(case, "")])
    }

    /// A verdict that asks: no pass until it is answered.
    pub fn doubt(&self, case: &str, residence: &Residence) -> Events {
        self.put_bar(Barred {
            by: case.to_owned(),
            reason: Reason::Verdict.into(),
            residence: Some(residence.clone()),
            cause: String::new(),
            doubt: true,
        })
    }

    pub fn bar(&self, by: &str, reason: Reason, cause: &str, residence: &Residence) -> Events {
        self.put_bar(Barred {
            by: by.to_owned(),
            reason: reason.into(),
            residence: Some(residence.clone()),
            cause: cause.to_owned(),
            doubt: false,
        })
    }

    /// The pass is suspended before the bar stands, so that no position shows a barred person with an active pass.
    fn put_bar(&self, barred: Barred) -> Events {
        let stands = self.bars.get(&barred.by).is_some_and(|bar| bar.doubt == barred.doubt);
        if stands || self.settled.contains(&barred.by) {
            return Vec::new();
        }
        let mut events = match self.pass() {
            Some(Pass { standing: Standing::Active, number, .. }) => {
                vec![suspended(number, barred.reason(), &[])]
            }
            Some(_) | None => Vec::new(),
        };
        events.push(Event::Barred(barred));
        events
    }

    /// The end of an isolation: its bar and its cause's fall, open doubts with them, and who was released is eligible
    /// (R13).
    pub fn release(&self, order: &str, residence: &Residence) -> Events {
        let cause = self.bars.get(order).map_or("", |bar| bar.cause.as_str());
        let answered = self.doubts().map(|(name, _)| name).filter(|name| *name != cause).map(|name| (name, ""));
        let mut events = self.lift([(order, order), (cause, order)].into_iter().chain(answered));
        events.extend(self.qualify(order, residence));
        events
    }

    /// The end of an order that its verdict no longer calls for. Nothing is served, so the case stays open to judgement.
    pub fn withdraw(&self, order: &str) -> Events {
        self.lift([(order, order)])
    }

    /// Ends the right to cross for good, with or without a pass.
    pub fn move_out(&self) -> Events {
        if self.moved_out {
            return Vec::new();
        }
        let number = match self.pass() {
            Some(Pass { standing: Standing::Active | Standing::Suspended(_), number, .. }) => number.as_str(),
            Some(_) | None => "",
        };
        vec![revoked(number, Reason::MovedOut, &[])]
    }

    /// A pass in order is not issued twice: the one there is stays.
    pub fn issue(&self, issue: Issue) -> Result<Events, Refused> {
        let qualification = self.qualified()?;
        let issued = issued(qualification, issue, self.pass())?;
        if let Some(pass) = self.pass() {
            let other = issue.access != v1::Access::Unspecified && issue.access != pass.access.kind();
            match pass.standing {
                Standing::Active
                    if issue.now < pass.expires
                        && pass.residence == qualification.residence
                        && !issue.recalled
                        && !other =>
                {
                    return Ok(Vec::new());
                }
                // A suspension ends with the pass that it took away (R23).
                Standing::Suspended(reason) if reason != Reason::Lost && issue.now < pass.expires => {
                    return Err(Refused::Suspended);
                }
                Standing::Active | Standing::Suspended(_) | Standing::Revoked(_) => {}
            }
        }
        Ok(vec![issued])
    }

    /// By a worker: what a bar has suspended stays suspended when the bar falls.
    pub fn suspend(&self, reason: Reason, evidence_ids: &[String]) -> Result<Events, Refused> {
        match self.pass() {
            None | Some(Pass { standing: Standing::Revoked(_), .. }) => Err(Refused::NoPass),
            Some(pass) if pass.standing == Standing::Suspended(reason) => Ok(Vec::new()),
            Some(pass) => Ok(vec![suspended(&pass.number, reason, evidence_ids)]),
        }
    }

    pub fn reinstate(&self) -> Result<Events, Refused> {
        match self.pass() {
            None | Some(Pass { standing: Standing::Revoked(_), .. }) => Err(Refused::NoPass),
            Some(Pass { standing: Standing::Active, .. }) => Ok(Vec::new()),
            Some(Pass { standing: Standing::Suspended(_), number, .. }) => {
                self.check_bars()?;
                Ok(vec![reinstated(number)])
            }
        }
    }

    pub fn revoke(&self, reason: Reason, evidence_ids: &[String]) -> Result<Events, Refused> {
        match self.pass() {
            None => Err(Refused::NoPass),
            Some(Pass { standing: Standing::Revoked(_), .. }) => Ok(Vec::new()),
            Some(pass) => Ok(vec![revoked(&pass.number, reason, evidence_ids)]),
        }
    }

    /// What a pass can rest on, where nothing bars the person.
    fn qualified(&self) -> Result<&Qualification, Refused> {
        let qualification =
            self.qualification.as_ref().filter(|_| self.joined.is_none()).ok_or(Refused::NotEligible)?;
        self.check_bars()?;
        Ok(qualification)
    }

    fn check_bars(&self) -> Result<(), Refused> {
        if self.bars.is_empty() { Ok(()) } else { Err(Refused::Barred(self.bars.keys().cloned().collect())) }
    }

    fn qualify(&self, by: &str, residence: &Residence) -> Events {
        let qualification = Qualification { by: by.to_owned(), residence: residence.clone() };
        if self.moved_out || self.qualification.as_ref() == Some(&qualification) {
            return Vec::new();
        }
        vec![Event::Qualified(Qualified { by: by.to_owned(), residence: Some(residence.clone()) })]
    }

    fn doubts(&self) -> impl Iterator<Item = (&str, &Bar)> {
        self.bars.iter().filter(|(_, bar)| bar.doubt).map(|(name, bar)| (name.as_str(), bar))
    }

    /// Lifts the bars that stand, each with the order whose release settles it, if one does; and settles for good what a
    /// release covers even where its bar has not arrived yet. The last bar gone, the pass that a bar suspended is good
    /// again; one that a worker suspended is not.
    fn lift<'a>(&self, bars: impl IntoIterator<Item = (&'a str, &'a str)>) -> Events {
        let mut events = Vec::new();
        let mut after = self.clone();
        for (name, released_by) in bars.into_iter().filter(|(name, _)| !name.is_empty()) {
            let to_settle = name != released_by && !released_by.is_empty() && !self.settled.contains(name);
            if after.bars.contains_key(name) || to_settle {
                let event = Event::BarLifted(BarLifted { by: name.to_owned(), released_by: released_by.to_owned() });
                after.evolve(&event);
                events.push(event);
            }
        }
        if let Some(Pass { standing: Standing::Suspended(Reason::IsolationOrder | Reason::Verdict), number, .. }) =
            after.pass()
            && !events.is_empty()
            && after.bars.is_empty()
        {
            events.push(reinstated(number));
        }
        events
    }
}

/// `before`: the pass in whose place it comes. Nobody is free to go out at any time because somebody forgot to say so; where the
/// method has no such passes any more, there are none.
fn issued(qualification: &Qualification, issue: Issue, before: Option<&Pass>) -> Result<Event, Refused> {
    let days = issue.pass_days.filter(|days| *days > 0).ok_or(Refused::NoMethod)?;
    let access = match issue.access {
        v1::Access::Unspecified => before.and_then(|pass| issue.limits.grant(pass.access.kind())).unwrap_or_default(),
        wanted => issue.limits.grant(wanted).ok_or(Refused::NotInMethod)?,
    };
    let hour = TimeDelta::hours(1);
    let from = issue.now.duration_trunc(hour).unwrap_or(issue.now);
    let end = issue.now + TimeDelta::days(days.into());
    let expires = end.duration_round_up(hour).unwrap_or(end);
    Ok(Event::Issued(Issued {
        number: issue.number.to_string(),
        status_index: issue.number.index(),
        by: qualification.by.clone(),
        expires: Some(timestamp(expires)),
        residence: Some(qualification.residence.clone()),
        issued: Some(timestamp(from)),
        key_id: issue.key_id.into(),
        access: access.kind().into(),
        outing_days: access.days(),
        compound_code: Some(issue.compound.into()),
    }))
}

fn suspended(number: &str, reason: Reason, evidence_ids: &[String]) -> Event {
    let evidence_ids = evidence_ids.to_vec();
    Event::Suspended(Suspended { number: number.to_owned(), reason: reason.into(), evidence_ids })
}

fn reinstated(number: &str) -> Event {
    Event::Reinstated(Reinstated { number: number.to_owned() })
}

fn revoked(number: &str, reason: Reason, evidence_ids: &[String]) -> Event {
    let evidence_ids = evidence_ids.to_vec();
    Event::Revoked(Revoked { number: number.to_owned(), reason: reason.into(), evidence_ids })
}

// --- Evolve ---

/// What each fact makes of the holder.
mod evolving;

#[cfg(test)]
mod tests;
