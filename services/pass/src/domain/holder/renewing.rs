//! Another pass in the place of one that runs out, was recalled or was lost. The old number counts from then on as replaced, and
//! stands on the list of suspended passes until it would have expired.

use chrono::{DateTime, Utc};
use proto::pass::v1::Reason;

use super::{Events, Holder, Issue, Pass, Refused, Standing, issued, revoked};

impl Pass {
    /// From when on it is renewed without a new scan (R19): in the last quarter of its life, so that nobody has to come on one
    /// certain day and numbers are not used up.
    pub fn renewable_from(&self) -> DateTime<Utc> {
        renewable_from(self.issued, self.expires)
    }
}

pub fn renewable_from(issued: DateTime<Utc>, expires: DateTime<Utc>) -> DateTime<Utc> {
    expires - (expires - issued) / 4
}

impl Holder {
    /// While nothing has changed since the pass was issued: the same qualification, nothing that bars, no suspension. A pass
    /// that was recalled is renewed at any time, and so is one that has expired.
    pub fn renew(&self, issue: Issue) -> Result<Events, Refused> {
        let pass = self.pass().ok_or(Refused::NoPass)?;
        let qualification = self.qualified()?;
        match pass.standing {
            Standing::Revoked(_) => return Err(Refused::NoPass),
            Standing::Suspended(reason) if reason == Reason::Lost || issue.now < pass.expires => {
                return Err(Refused::Suspended);
            }
            Standing::Active | Standing::Suspended(_) => {}
        }
        if pass.by != qualification.by || pass.residence != qualification.residence {
            return Err(Refused::Changed);
        }
        if !issue.recalled && issue.now < pass.renewable_from() {
            return Err(Refused::NotDue(pass.renewable_from()));
        }
        Ok(vec![issued(qualification, issue)?])
    }

    /// For a pass that was reported lost: whoever finds it must not get in with it, so it is revoked for good.
    pub fn replace(&self, issue: Issue) -> Result<Events, Refused> {
        match self.pass() {
            None | Some(Pass { standing: Standing::Revoked(_), .. }) => Err(Refused::NoPass),
            Some(Pass { standing: Standing::Suspended(Reason::Lost), number, .. }) => {
                let issued = issued(self.qualified()?, issue)?;
                Ok(vec![revoked(number, Reason::Lost, &[]), issued])
            }
            Some(_) => Err(Refused::NotLost),
        }
    }
}
