//! A confirmed case: reported by one, signed by another of another unit, and perhaps withdrawn. By itself it does nothing to
//! the person; but what may be asked about a person's contacts hangs on it, so nobody can state it alone.

use chassis::{Aggregate, Refusal, Refuse, reason};
use proto::isolation::v1::{
    CaseTerms, Refusal as Reason,
    confirmed_case_event::{Confirmed, Event, Reported, Withdrawn},
};

use super::order::Signature;

// ---- State ----

#[derive(Clone, Debug, Default)]
pub struct ConfirmedCase {
    pub terms: CaseTerms,
    /// The first signature; `None` where nothing was said yet.
    pub reported: Option<Signature>,
    pub confirmed: Option<Signature>,
    pub withdrawn: Option<Withdrawn>,
}

// ---- Events: `proto::isolation::v1::confirmed_case_event::Event` ----

// ---- Refusals ----

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no such case")]
    NotFound,
    #[error("the case does not wait for a second signature")]
    NotReported,
    #[error("the second signature is the first one's")]
    SamePerson,
    #[error("both signatures are of one unit")]
    SameUnit,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        use chassis::Kind::{Denied, NotFound, Precondition};
        let (kind, name, zh, en) = match self {
            Self::NotFound => (
                NotFound,
                Reason::NotFound,
                "没有这个人或这例病例，或者不在您的权限范围内：请核对编号",
                "there is no such person or case within your reach: check the name",
            ),
            Self::NotReported => (
                Precondition,
                Reason::NotReported,
                "这例病例不在等待复核：它已撤销或已由他人复核，请刷新后查看",
                "the case does not wait for a second signature: somebody has signed or withdrawn it, read it again",
            ),
            Self::SamePerson => (
                Denied,
                Reason::SamePerson,
                "报告人不能自己复核：请另一单位的另一人复核",
                "who reported the case cannot also confirm it: ask somebody of another unit",
            ),
            Self::SameUnit => (
                Denied,
                Reason::SameUnit,
                "复核人与报告人属于同一单位：请另一单位的人复核",
                "both signatures would be of one unit: ask somebody of another unit",
            ),
        };
        Refusal::new(kind, reason(name.as_str_name()), zh, en)
    }
}

// ---- Decisions ----

impl ConfirmedCase {
    /// The first signature.
    pub fn report(&self, terms: CaseTerms, signature: &Signature) -> Result<Vec<Event>, Refused> {
        match &self.reported {
            None => {
                let Signature { by, unit } = signature.clone();
                Ok(vec![Event::Reported(Reported { terms: Some(terms), by, unit })])
            }
            Some(first) if first == signature && self.terms == terms => Ok(Vec::new()),
            Some(_) => Err(Refused::NotReported),
        }
    }

    /// The second signature (R23).
    pub fn confirm(&self, signature: &Signature) -> Result<Vec<Event>, Refused> {
        let first = self.reported.as_ref().ok_or(Refused::NotFound)?;
        if self.withdrawn.is_some() {
            return Err(Refused::NotReported);
        }
        match &self.confirmed {
            Some(second) if second == signature => return Ok(Vec::new()),
            Some(_) => return Err(Refused::NotReported),
            None => {}
        }
        if first.by == signature.by {
            return Err(Refused::SamePerson);
        }
        if first.unit == signature.unit {
            return Err(Refused::SameUnit);
        }
        Ok(vec![Event::Confirmed(Confirmed {
            terms: Some(self.terms.clone()),
            reported_by: first.by.clone(),
            reported_unit: first.unit.clone(),
            by: signature.by.clone(),
            unit: signature.unit.clone(),
        })])
    }

    /// It was none, or is to be asked about no longer. One signature is enough: it only takes power back.
    pub fn withdraw(&self, because: &str, signature: &Signature) -> Result<Vec<Event>, Refused> {
        if self.reported.is_none() {
            return Err(Refused::NotFound);
        }
        if self.withdrawn.is_some() {
            return Ok(Vec::new());
        }
        let Signature { by, unit } = signature.clone();
        Ok(vec![Event::Withdrawn(Withdrawn { reason: because.to_owned(), by, unit })])
    }
}

// ---- Evolve ----

impl Aggregate for ConfirmedCase {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Reported(Reported { terms, by, unit }) => {
                self.terms = terms.clone().unwrap_or_default();
                self.reported = Some(Signature { by: by.clone(), unit: unit.clone() });
            }
            Event::Confirmed(Confirmed { by, unit, .. }) => {
                self.confirmed = Some(Signature { by: by.clone(), unit: unit.clone() });
            }
            Event::Withdrawn(withdrawn) => self.withdrawn = Some(withdrawn.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(person: &str, unit: &str) -> Signature {
        Signature { by: person.to_owned(), unit: unit.to_owned() }
    }

    fn terms() -> CaseTerms {
        CaseTerms { resident_id: "r".to_owned(), infectious_from: "2020-02-05".to_owned(), ..CaseTerms::default() }
    }

    type Step<'a> = &'a dyn Fn(&ConfirmedCase) -> Result<Vec<Event>, Refused>;

    /// What becomes of a case by these decisions, each of which says nothing new when it is made again.
    fn after(steps: &[Step<'_>]) -> ConfirmedCase {
        let mut case = ConfirmedCase::default();
        for step in steps {
            for event in step(&case).unwrap() {
                case.evolve(&event);
            }
            assert_eq!(step(&case), Ok(Vec::new()), "said twice is said once");
        }
        case
    }

    #[test]
    fn a_case_is_confirmed_by_another_person_of_another_unit() {
        let report = |case: &ConfirmedCase| case.report(terms(), &by("staff/1", "health"));
        let reported = after(&[&report]);
        assert_eq!(reported.confirm(&by("staff/1", "subdistrict")), Err(Refused::SamePerson));
        assert_eq!(reported.confirm(&by("staff/2", "health")), Err(Refused::SameUnit));
        let confirm = |case: &ConfirmedCase| case.confirm(&by("staff/2", "subdistrict"));
        let confirmed = after(&[&report, &confirm]);
        assert_eq!(confirmed.confirmed, Some(by("staff/2", "subdistrict")));
        assert_eq!(confirmed.confirm(&by("staff/3", "elsewhere")), Err(Refused::NotReported));
        let [Event::Confirmed(said)] = &reported.confirm(&by("staff/2", "subdistrict")).unwrap()[..] else {
            panic!("a confirmation is one event");
        };
        assert_eq!((said.terms.as_ref(), said.reported_by.as_str()), (Some(&terms()), "staff/1"));
    }

    #[test]
    fn a_withdrawn_case_comes_back_by_no_signature() {
        let report = |case: &ConfirmedCase| case.report(terms(), &by("staff/1", "health"));
        let withdraw = |case: &ConfirmedCase| case.withdraw("复检为阴性", &by("staff/2", "subdistrict"));
        let withdrawn = after(&[&report, &withdraw]);
        assert_eq!(withdrawn.confirm(&by("staff/2", "subdistrict")), Err(Refused::NotReported));
        assert_eq!(withdrawn.report(terms(), &by("staff/3", "x")), Err(Refused::NotReported));
    }

    #[test]
    fn nobody_signs_or_withdraws_what_was_never_reported() {
        let nothing = ConfirmedCase::default();
        assert_eq!(nothing.confirm(&by("staff/2", "subdistrict")), Err(Refused::NotFound));
        assert_eq!(nothing.withdraw("复检为阴性", &by("staff/2", "subdistrict")), Err(Refused::NotFound));
    }
}
