//! What may be asked about somebody's contacts: only about a confirmed case, which two others have signed; only for the days
//! in which the person was infectious; and only on record, with a reason. Here stands who may ask what; nothing is decided
//! from what was asked before, so a case's stream only collects.

use chassis::{Kind, Refusal, Refuse};
use chrono::NaiveDate;
use proto::pass::v1::{
    self,
    co_presence_event::{Asked, Event},
};

// --- State ---

/// A case, as isolation has it on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub id: String,
    pub resident_id: String,
    pub neighbourhood_id: String,
    /// First and last day, both included.
    pub infectious: (NaiveDate, NaiveDate),
    pub reported: Signature,
    pub standing: Standing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Waits for the second signature.
    Reported,
    Confirmed(Signature),
    Withdrawn,
}

/// Who signed, and for which unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    pub by: String,
    pub unit: String,
}

// --- Refusals ---

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such case")]
    NotFound,
    #[error("the case waits for its second signature")]
    NotConfirmed,
    #[error("the case was withdrawn")]
    Withdrawn,
    #[error("who asks has signed the case")]
    SamePerson,
    #[error("who asks is of the unit that confirmed the case")]
    SameUnit,
    #[error("the answer would name too many people")]
    TooManyPeople,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let (kind, reason, zh, en) = match self {
            Self::NotFound => (
                Kind::NotFound,
                v1::Refusal::NotFound,
                "没有这例确诊病例，或不在您的权限范围内：同时在场只能凭确诊病例查询，请核对编号",
                "there is no such case within your reach: contacts are asked for of a confirmed case alone, check its name",
            ),
            Self::NotConfirmed => (
                Kind::Precondition,
                v1::Refusal::NotConfirmed,
                "这例病例还在等待另一单位复核：复核之前不能查询同时在场的人",
                "the case waits for the signature of another unit: nobody's contacts are asked for before",
            ),
            Self::Withdrawn => (
                Kind::Precondition,
                v1::Refusal::CaseWithdrawn,
                "这例病例已撤销：不能再查询同时在场的人",
                "the case was withdrawn: its contacts are asked for no longer",
            ),
            Self::SamePerson => (
                Kind::Denied,
                v1::Refusal::SamePerson,
                "您在这例病例上签过字：请没有签字的同事查询",
                "you have signed this case yourself: have a colleague ask who has not",
            ),
            Self::SameUnit => (
                Kind::Denied,
                v1::Refusal::SameUnit,
                "这例病例由您本单位复核：请由其他单位的卫生人员查询",
                "the case was confirmed by your own unit: have the health team of another unit ask",
            ),
            Self::TooManyPeople => (
                Kind::Precondition,
                v1::Refusal::TooManyPeople,
                "同时在场的记录太多：请缩短日期或减少分钟数后再查",
                "too many were there to name them all: ask for fewer days or fewer minutes",
            ),
        };
        Refusal::new(kind, chassis::reason(reason.as_str_name()), zh, en)
    }
}

// --- Decisions ---

/// Who crossed within so many minutes of the case: half an hour at most.
pub const MOST_MINUTES: i32 = 30;

impl Case {
    /// Whether this person may ask: nobody who signed, and nobody of the unit that confirmed.
    pub fn may_be_asked_by(&self, asking: &Signature) -> Result<(), Refused> {
        match &self.standing {
            Standing::Reported => Err(Refused::NotConfirmed),
            Standing::Withdrawn => Err(Refused::Withdrawn),
            Standing::Confirmed(second) if asking.by == second.by || asking.by == self.reported.by => {
                Err(Refused::SamePerson)
            }
            Standing::Confirmed(second) if asking.unit == second.unit => Err(Refused::SameUnit),
            Standing::Confirmed(_) => Ok(()),
        }
    }

    /// Whether these days, both included, lie within those in which the person was infectious.
    pub fn covers(&self, from: NaiveDate, to: NaiveDate) -> bool {
        let (first, last) = self.infectious;
        first <= from && from <= to && to <= last
    }
}

/// A question as it goes on record.
pub fn ask(asked: Asked) -> Vec<Event> {
    vec![Event::Asked(asked)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(person: &str, unit: &str) -> Signature {
        Signature { by: person.to_owned(), unit: unit.to_owned() }
    }

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2020, 2, number).unwrap()
    }

    fn case(standing: Standing) -> Case {
        Case {
            id: "k".to_owned(),
            resident_id: "r".to_owned(),
            neighbourhood_id: "n".to_owned(),
            infectious: (day(3), day(9)),
            reported: by("staff/doctor", "health"),
            standing,
        }
    }

    #[test]
    fn who_asks_has_not_signed_and_is_not_of_the_unit_that_confirmed() {
        let confirmed = case(Standing::Confirmed(by("staff/officer", "subdistrict")));
        for (asking, answer) in [
            (by("staff/nurse", "health"), Ok(())),
            (by("staff/doctor", "health"), Err(Refused::SamePerson)),
            (by("staff/officer", "health"), Err(Refused::SamePerson)),
            (by("staff/clerk", "subdistrict"), Err(Refused::SameUnit)),
        ] {
            assert_eq!(confirmed.may_be_asked_by(&asking), answer, "{asking:?}");
        }
    }

    #[test]
    fn nothing_is_asked_before_the_second_signature_or_after_a_withdrawal() {
        let nurse = by("staff/nurse", "health");
        assert_eq!(case(Standing::Reported).may_be_asked_by(&nurse), Err(Refused::NotConfirmed));
        assert_eq!(case(Standing::Withdrawn).may_be_asked_by(&nurse), Err(Refused::Withdrawn));
    }

    #[test]
    fn only_the_days_in_which_the_person_was_infectious_are_asked_for() {
        let case = case(Standing::Reported);
        assert!(case.covers(day(3), day(9)) && case.covers(day(5), day(5)));
        assert!(!case.covers(day(2), day(9)) && !case.covers(day(3), day(10)) && !case.covers(day(6), day(5)));
    }
}
