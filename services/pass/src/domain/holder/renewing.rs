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
        Ok(vec![issued(qualification, issue, Some(pass))?])
    }

    /// For a pass that was reported lost: whoever finds it must not get in with it, so it is revoked for good.
    pub fn replace(&self, issue: Issue) -> Result<Events, Refused> {
        match self.pass() {
            None | Some(Pass { standing: Standing::Revoked(_), .. }) => Err(Refused::NoPass),
            Some(Pass { standing: Standing::Suspended(Reason::Lost), number, .. }) => {
                let issued = issued(self.qualified()?, issue, self.pass())?;
                Ok(vec![revoked(number, Reason::Lost, &[]), issued])
            }
            Some(_) => Err(Refused::NotLost),
        }
    }
}

#[cfg(test)]
mod tests {
    use chassis::Aggregate as _;
    use credential::number::PassNumber;
    use proto::{pass::v1, registry::v1::Residence};

    use super::{super::Limits, *};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn home() -> Residence {
        Residence { neighbourhood_id: "n".into(), compound_id: "c".into(), household_id: "h".into() }
    }

    fn issue(index: u32, now: &str) -> Issue {
        let number = PassNumber::new(index, [7; 5]).unwrap();
        Issue {
            number,
            now: at(now),
            pass_days: Some(14),
            key_id: 1,
            recalled: false,
            access: v1::Access::Unspecified,
            limits: Limits::default(),
            compound: 7,
        }
    }

    fn after(mut holder: Holder, events: Events) -> Holder {
        for event in events {
            holder.evolve(&event);
        }
        holder
    }

    /// Issued on the 11th at 04:00 UTC, until the 25th at 05:00.
    fn with_pass() -> Holder {
        let holder = after(Holder::default(), Holder::default().clear("cases/1", &home()));
        after(holder.clone(), holder.issue(issue(1, "2020-02-11T04:20:00Z")).unwrap())
    }

    const DUE: &str = "2020-02-21T16:45:00Z";

    #[test]
    fn a_pass_is_renewed_in_the_last_quarter_of_its_life_and_after_it() {
        let holder = with_pass();
        assert!(
            matches!(holder.renew(issue(2, "2020-02-21T16:44:59Z")), Err(Refused::NotDue(from)) if from == at(DUE))
        );
        for now in [DUE, "2020-02-25T05:00:00Z", "2020-03-25T05:00:00Z"] {
            let renewed = after(holder.clone(), holder.renew(issue(2, now)).unwrap());
            assert_eq!(renewed.passes.len(), 2, "{now}");
            assert!(matches!(renewed.renew(issue(3, now)), Err(Refused::NotDue(_))), "once");
        }
    }

    #[test]
    fn what_was_recalled_is_renewed_at_any_time_and_issued_anew() {
        let holder = with_pass();
        let recalled = Issue { recalled: true, ..issue(2, "2020-02-11T05:00:00Z") };
        assert_eq!(holder.renew(recalled).unwrap().len(), 1);
        assert_eq!(holder.issue(recalled).unwrap().len(), 1);
    }

    #[test]
    fn nothing_is_renewed_when_something_has_changed_or_bars() {
        let holder = with_pass();
        let again = after(holder.clone(), holder.clear("cases/2", &home()));
        assert!(matches!(again.renew(issue(2, DUE)), Err(Refused::Changed)));
        let moved = Residence { household_id: "other".into(), ..home() };
        let moved = after(holder.clone(), holder.clear("cases/1", &moved));
        assert!(matches!(moved.renew(issue(2, DUE)), Err(Refused::Changed)));
        let barred = after(holder.clone(), holder.bar("orders/1", Reason::IsolationOrder, "", &home()));
        assert!(matches!(barred.renew(issue(2, DUE)), Err(Refused::Barred(_))));
        let lent = after(holder.clone(), holder.suspend(Reason::Lent, &[]).unwrap());
        assert!(matches!(lent.renew(issue(2, DUE)), Err(Refused::Suspended)));
        let gone = after(holder.clone(), holder.move_out());
        assert!(matches!(gone.renew(issue(2, DUE)), Err(Refused::NotEligible)));
        assert!(matches!(Holder::default().renew(issue(2, DUE)), Err(Refused::NoPass)));
    }

    #[test]
    fn a_lost_pass_is_revoked_when_another_takes_its_place() {
        let holder = with_pass();
        let now = "2020-02-12T04:20:00Z";
        assert!(matches!(holder.replace(issue(2, now)), Err(Refused::NotLost)));
        let lost = after(holder.clone(), holder.suspend(Reason::Lost, &[]).unwrap());
        let barred = after(lost.clone(), lost.bar("orders/1", Reason::IsolationOrder, "", &home()));
        assert!(matches!(barred.replace(issue(2, now)), Err(Refused::Barred(_))));
        let replaced = after(lost.clone(), lost.replace(issue(2, now)).unwrap());
        assert_eq!(replaced.passes[0].standing, Standing::Revoked(Reason::Lost));
        assert_eq!(replaced.pass().unwrap().standing, Standing::Active);
        assert!(matches!(replaced.replace(issue(3, now)), Err(Refused::NotLost)), "once");
    }
}
