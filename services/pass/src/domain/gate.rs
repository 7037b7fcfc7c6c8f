//! What a gate decides: a pure function of what was scanned, who it is, and what was measured. It says why in words that a
//! guard can say aloud, and what to do next. A resident is never locked out for a fever or a missing mask (R14, R15); only
//! a pass that does not hold, and an isolation, close the gate.

use chrono::{DateTime, Utc};
use proto::pass::v1::{Decision, Direction, Finding, visitor::Exception};

use super::{
    access::Limits,
    holder::{Holder, Standing},
    words,
};

/// Somebody at a gate.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    pub who: Who<'a>,
    pub at: DateTime<Utc>,
    /// `None` when only the pass is checked.
    pub direction: Option<Direction>,
    pub measured: Option<Measured>,
    /// R14: tenths of a degree Celsius, from the method in force; `None` while no method is.
    pub fever_from: Option<i32>,
    /// R18: from the method in force.
    pub limits: Limits,
    /// How often the household went out within the days of the quota; of interest with a household's pass alone.
    pub outings: u32,
}

/// What R15 asks for at each passage.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub decicelsius: i32,
    pub mask: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    Scanned(Scan<'a>),
    /// A resident whom staff know, by hand and with a reason (R17).
    Known(Resident<'a>),
    Visitor {
        exception: Exception,
        guarantor: Guarantor,
    },
}

/// What a code or a typed number turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Scan<'a> {
    Unreadable,
    BadSignature,
    Ours {
        number: &'a str,
        resident: Resident<'a>,
    },
    /// Ours, and yet not good as it is shown: recalled, or an old picture of a phone.
    Void {
        number: &'a str,
        resident: Resident<'a>,
        finding: Finding,
    },
}

#[derive(Clone, Copy, Debug)]
pub struct Resident<'a> {
    pub holder: &'a Holder,
    /// The gate serves the compound where they live.
    pub lives_here: bool,
}

/// Who answers for a service worker or is cared for (R16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantor {
    Unnamed,
    /// No resident of this compound.
    Unknown,
    LivesHere,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub decision: Decision,
    /// The one that decided first.
    pub findings: Vec<Finding>,
    /// To say aloud, and what to do next.
    pub zh: String,
    pub en: String,
}

/// Decides a passage.
pub fn judge(passage: &Passage<'_>) -> Judgement {
    let leaving = passage.direction == Some(Direction::Out);
    let (mut decision, first) = match passage.who {
        Who::Scanned(scan) => scanned(scan, passage.at),
        Who::Known(resident) => known(resident, leaving),
        Who::Visitor { exception, guarantor } => visitor(exception, guarantor, leaving),
    };
    let mut findings = vec![first];
    if let Some(finding) = kept_in(passage).filter(|_| first == Finding::Valid) {
        if leaving {
            (decision, findings) = (Decision::Refused, vec![finding]);
        } else if finding == Finding::OutsideHours {
            findings.push(finding);
        }
    }
    let resident = match passage.who {
        Who::Scanned(Scan::Ours { resident, .. } | Scan::Void { resident, .. }) | Who::Known(resident) => {
            resident.lives_here && !resident.holder.moved_out
        }
        Who::Scanned(_) | Who::Visitor { .. } => false,
    };
    if let Some(measured) = passage.measured {
        let fever = passage.fever_from.is_some_and(|threshold| measured.decicelsius >= threshold);
        findings.extend(fever.then_some(Finding::Fever));
        findings.extend((!measured.mask).then_some(Finding::NoMask));
        // Whoever does not live here may always leave, and enters only well and with a mask.
        if !resident && !leaving && (fever || !measured.mask) {
            decision = Decision::Refused;
        }
    }
    let (zh, en) = words::sentence(decision, &findings, passage, resident);
    Judgement { decision, findings, zh, en }
}

/// R18: what keeps the holder of a good pass from going out at this time. Coming home it is only said.
fn kept_in(passage: &Passage<'_>) -> Option<Finding> {
    let Who::Scanned(Scan::Ours { number, resident }) = passage.who else { return None };
    let access = resident.holder.find_pass(number)?.access;
    if passage.limits.closed(access, passage.at).is_some() {
        return Some(Finding::OutsideHours);
    }
    let quota = passage.limits.quota(access)?;
    (passage.outings >= quota.people).then_some(Finding::Quota)
}

fn scanned(scan: Scan<'_>, at: DateTime<Utc>) -> (Decision, Finding) {
    let finding = match scan {
        Scan::Unreadable => Finding::Unreadable,
        Scan::BadSignature => Finding::BadSignature,
        Scan::Ours { number, resident } => of_pass(number, resident, at),
        Scan::Void { number, resident, finding } => match of_pass(number, resident, at) {
            Finding::Valid => finding,
            other => other,
        },
    };
    (if finding == Finding::Valid { Decision::Allowed } else { Decision::Refused }, finding)
}

/// An isolation is found before anything about the paper: it is what the guard must act on.
fn of_pass(number: &str, resident: Resident<'_>, at: DateTime<Utc>) -> Finding {
    let holder = resident.holder;
    if holder.isolated() {
        return Finding::Isolated;
    }
    let Some(pass) = holder.find_pass(number) else { return Finding::Unreadable };
    let current = holder.pass().is_some_and(|current| current.number == number);
    match pass.standing {
        Standing::Revoked(_) => Finding::Revoked,
        Standing::Active | Standing::Suspended(_) if !current => Finding::Replaced,
        Standing::Suspended(_) => Finding::Suspended,
        Standing::Active if at < pass.issued => Finding::NotYetValid,
        Standing::Active if at >= pass.expires => Finding::Expired,
        Standing::Active if !resident.lives_here => Finding::OtherCompound,
        Standing::Active => Finding::Valid,
    }
}

/// Staff vouch for a resident without phone or paper (R17), but not against an isolation, and not for going out against
/// a verdict.
fn known(resident: Resident<'_>, leaving: bool) -> (Decision, Finding) {
    let holder = resident.holder;
    if holder.isolated() {
        (Decision::Refused, Finding::Isolated)
    } else if holder.moved_out {
        visitor(Exception::None, Guarantor::Unnamed, leaving)
    } else if !resident.lives_here {
        (if leaving { Decision::Allowed } else { Decision::Refused }, Finding::OtherCompound)
    } else if leaving && !holder.bars.is_empty() {
        (Decision::Refused, Finding::Suspended)
    } else {
        (Decision::Allowed, Finding::Manual)
    }
}

/// R16: no visitors, with three exceptions; a service worker and a carer come to somebody.
fn visitor(exception: Exception, guarantor: Guarantor, leaving: bool) -> (Decision, Finding) {
    let welcome = match exception {
        Exception::Inspector => true,
        Exception::Service | Exception::Carer => guarantor == Guarantor::LivesHere,
        Exception::Unspecified | Exception::None => false,
    };
    match (welcome, leaving) {
        (true, _) => (Decision::Allowed, Finding::Valid),
        (false, true) => (Decision::Allowed, Finding::Visitor),
        (false, false) => (Decision::Refused, Finding::Visitor),
    }
}

#[cfg(test)]
mod tests;
