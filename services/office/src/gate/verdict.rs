//! What a gate decides by itself: a pure function of who stands there, what the gate holds, and what was measured. A soft rule
//! locks nobody out of home: who comes in with a fever, without a mask or twice is let in, and it is on record.

use chrono::{DateTime, Utc};
use credential::{
    list::{Colour as Freshness, State, SuspensionList},
    number::PassNumber,
    payload::{Kind, Payload, Rule},
    reason::Reason,
    time::Hour,
    verify,
};
use proto::pass::v1::{Decision, Direction, Finding, visitor::Exception};

use super::{
    journal::Facts,
    limits::{Hours, Limits, Outings},
    memory::Memory,
};

/// What the gate holds.
pub struct Around<'a> {
    /// Of the compounds that it serves, as passes write them.
    pub compounds: &'a [u16],
    pub list: Option<&'a SuspensionList>,
    pub memory: &'a Memory,
    /// R18.
    pub limits: Limits,
    pub now: DateTime<Utc>,
    pub direction: Direction,
}

/// Who stands there.
pub enum Who<'a> {
    Code(&'a verify::Verdict),
    /// In place of a code.
    Number(PassNumber),
    /// A number that is no pass number.
    Slip,
    /// Somebody whom the guard knows (R17), with the pass number where it is known.
    Known(Option<PassNumber>),
    Visitor {
        exception: Exception,
        guarantor: Guarantor,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantor {
    Unnamed,
    /// Nothing speaks against them, as far as this gate knows.
    Named(Option<PassNumber>),
}

/// What was found before anything is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub decision: Decision,
    /// The one that decided first.
    pub findings: Vec<Finding>,
    /// Of a code that is refused.
    pub reason: Option<Reason>,
    /// Of this compound: let in whatever is measured.
    pub resident: bool,
    pub facts: Option<Facts>,
    /// When the pass went the same way before.
    pub last: Option<DateTime<Utc>>,
    /// R18: what keeps the holder in.
    pub hours: Option<Hours>,
    pub quota: Option<Outings>,
}

/// What R15 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Tenths of a degree; `None`: not measured.
    pub decicelsius: Option<i32>,
    pub mask: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Green,
    Amber,
    Red,
}

pub fn see(who: &Who<'_>, around: &Around<'_>) -> Seen {
    match who {
        Who::Code(verify::Verdict { answer: Ok(pass), .. }) => {
            let payload = &pass.payload;
            let number = payload.number.to_string();
            of_pass(&number, facts(payload), Finding::Valid, around)
        }
        Who::Code(verify::Verdict { answer: Err(refusal), .. }) => Seen {
            reason: Some(refusal.reason),
            resident: refusal.payload.as_ref().is_some_and(|payload| around.compounds.contains(&payload.compound)),
            ..refused(finding(refusal.reason))
        },
        Who::Number(number) => of_number(*number, around),
        Who::Slip => refused(Finding::Unreadable),
        Who::Known(number) => known(*number, around),
        Who::Visitor { exception, guarantor } => visitor(*exception, *guarantor, around),
    }
}

/// What the measurements add.
pub fn weigh(seen: &Seen, measured: Measured, fever_from: i32, direction: Direction) -> (Decision, Vec<Finding>) {
    let mut findings = seen.findings.clone();
    let fever = is_fever(measured.decicelsius, fever_from);
    findings.extend(fever.then_some(Finding::Fever));
    findings.extend((!measured.mask).then_some(Finding::NoMask));
    // Whoever is turned away is not measured either.
    let missing = seen.decision == Decision::Allowed && measured.decicelsius.is_none();
    findings.extend(missing.then_some(Finding::NotMeasured));
    // Whoever does not live here may always leave, and enters only measured, well and with a mask.
    let unwell = fever || !measured.mask || measured.decicelsius.is_none();
    let stopped = !seen.resident && direction == Direction::In && unwell;
    (if stopped { Decision::Refused } else { seen.decision }, findings)
}

/// R14; without a method no reading is one.
pub fn is_fever(decicelsius: Option<i32>, fever_from: i32) -> bool {
    fever_from > 0 && decicelsius.is_some_and(|reading| reading >= fever_from)
}

/// Amber is for whatever the guard should look at; an old list is never silent.
pub fn colour(decision: Decision, findings: &[Finding], list: Option<Freshness>) -> Colour {
    if decision != Decision::Allowed {
        Colour::Red
    } else if findings == [Finding::Valid] && list == Some(Freshness::Green) {
        Colour::Green
    } else {
        Colour::Amber
    }
}

fn of_pass(number: &str, facts: Facts, good: Finding, around: &Around<'_>) -> Seen {
    if !around.compounds.contains(&facts.compound) {
        return Seen { facts: Some(facts), ..refused(Finding::OtherCompound) };
    }
    let resident = facts.resident;
    let leaving = around.direction == Direction::Out;
    let hours = around.limits.closed(&facts, around.now);
    if leaving && hours.is_some() {
        return Seen { facts: Some(facts), resident, hours, ..refused(Finding::OutsideHours) };
    }
    let quota = around.limits.quota(&facts);
    if leaving && quota.is_some_and(|quota| around.memory.outing_used(number, &facts, quota, around.now)) {
        return Seen { facts: Some(facts), resident, quota, ..refused(Finding::Quota) };
    }
    let last = around.memory.passed_back(number, around.direction, around.now);
    let late = hours.map(|_| Finding::OutsideHours);
    let findings = [good].into_iter().chain(last.map(|_| Finding::Passback)).chain(late).collect();
    let (decision, reason, facts) = (Decision::Allowed, None, Some(facts));
    Seen { decision, findings, reason, resident, facts, last, hours, quota: None }
}

/// Its random part cannot be checked here: it counts where this gate has read the pass before.
fn of_number(number: PassNumber, around: &Around<'_>) -> Seen {
    match around.list.and_then(|list| list.state(number.index())) {
        Some(State::Revoked) => return refused(Finding::Revoked),
        Some(State::Suspended) => return refused(Finding::Suspended),
        None => {}
    }
    let text = number.to_string();
    match around.memory.facts(&text).cloned() {
        Some(facts) if over(facts.expires, around.now) => {
            Seen { resident: facts.resident, facts: Some(facts), ..refused(Finding::Expired) }
        }
        Some(facts) => of_pass(&text, facts, Finding::Valid, around),
        None => refused(Finding::Unverified),
    }
}

/// Staff vouch for a resident, but not for going out against a suspension. Nobody is kept out of home by a word of the list
/// alone.
fn known(number: Option<PassNumber>, around: &Around<'_>) -> Seen {
    let listed = number.and_then(|number| around.list?.state(number.index()));
    let suspended = listed == Some(State::Suspended);
    if suspended && around.direction == Direction::Out {
        return Seen { resident: true, ..refused(Finding::Suspended) };
    }
    let findings = [Finding::Manual].into_iter().chain(suspended.then_some(Finding::Suspended)).collect();
    let facts = number.and_then(|number| around.memory.facts(&number.to_string()).cloned());
    let (decision, reason, last) = (Decision::Allowed, None, None);
    Seen { decision, findings, reason, resident: true, facts, last, hours: None, quota: None }
}

/// R16: no visitors, with three exceptions; a service worker and a carer come to somebody.
fn visitor(exception: Exception, guarantor: Guarantor, around: &Around<'_>) -> Seen {
    let answers = match guarantor {
        Guarantor::Unnamed => false,
        Guarantor::Named(None) => true,
        Guarantor::Named(Some(number)) => {
            let listed = around.list.and_then(|list| list.state(number.index()));
            let elsewhere = around.memory.facts(&number.to_string());
            listed.is_none() && elsewhere.is_none_or(|facts| around.compounds.contains(&facts.compound))
        }
    };
    let welcome = match exception {
        Exception::Inspector => true,
        Exception::Service | Exception::Carer => answers,
        Exception::Unspecified | Exception::None => false,
    };
    let decision = if welcome || around.direction == Direction::Out { Decision::Allowed } else { Decision::Refused };
    let finding = if welcome { Finding::Valid } else { Finding::Visitor };
    Seen { decision, ..refused(finding) }
}

fn refused(finding: Finding) -> Seen {
    let (decision, findings) = (Decision::Refused, vec![finding]);
    Seen { decision, findings, reason: None, resident: false, facts: None, last: None, hours: None, quota: None }
}

fn facts(payload: &Payload) -> Facts {
    let outing_days = match payload.rule {
        Rule::OneOutingPer(days) => days,
        Rule::Unrestricted | Rule::Daytime => 0,
    };
    Facts {
        compound: payload.compound,
        household: payload.household,
        expires: payload.expires.0,
        outing_days,
        daytime: payload.rule == Rule::Daytime,
        resident: matches!(payload.kind, Kind::Paper | Kind::Phone),
    }
}

fn over(expires: u16, now: DateTime<Utc>) -> bool {
    now.timestamp() >= Hour(expires).start().unix()
}

fn finding(reason: Reason) -> Finding {
    match reason {
        Reason::NotOurs
        | Reason::WrongLength
        | Reason::NotCanonical
        | Reason::UnknownVersion
        | Reason::UnknownKind
        | Reason::UnknownRule
        | Reason::UnknownFlag
        | Reason::Malformed
        | Reason::SequenceGap
        | Reason::StepBack
        | Reason::WrongBase
        | Reason::KeySetOlder
        | Reason::KeySetConflict => Finding::Unreadable,
        Reason::UnknownKey
        | Reason::UnsupportedAlgorithm
        | Reason::WrongScope
        | Reason::BadSignature
        | Reason::KindPosing
        | Reason::KeyNotInForce
        | Reason::ChainBroken
        | Reason::AboveHighWater => Finding::BadSignature,
        Reason::NotYetValid => Finding::NotYetValid,
        Reason::Expired => Finding::Expired,
        Reason::SlotRange | Reason::SlotTooOld => Finding::OldPicture,
        Reason::SlotInFuture => Finding::ClockWrong,
        Reason::Revoked => Finding::Revoked,
        Reason::Suspended => Finding::Suspended,
        Reason::CompromisedKey | Reason::CompoundBefore => Finding::Recalled,
    }
}

#[cfg(test)]
mod tests;
