//! One version of the method: drafted, signed by somebody of another unit, published. What is published travels in the
//! event, so that every service knows the numbers without asking; which version is in force is a projection's to say.

use chassis::{Aggregate, Decision, Kind, Refusal, Refuse, reason};
use proto::screening::v1::{
    self, MethodContent, method,
    method_event::{Approved, Drafted, Event, Published},
};

// State

#[derive(Clone, Debug, Default)]
pub struct Method {
    draft: Option<Drafted>,
    approval: Option<Approved>,
    published: bool,
}

/// Who signs, and for which unit.
#[derive(Clone, Copy, Debug)]
pub struct Signatory<'a> {
    pub by: &'a str,
    pub unit: &'a str,
}

impl Method {
    /// `None` before anything was drafted.
    pub fn content(&self) -> Option<&MethodContent> {
        self.draft.as_ref().and_then(|draft| draft.content.as_ref())
    }

    /// Not whether a later one has replaced it.
    pub fn standing(&self) -> method::State {
        match (&self.draft, &self.approval, self.published) {
            (None, _, _) => method::State::Unspecified,
            (Some(_), None, _) => method::State::Draft,
            (Some(_), Some(_), false) => method::State::Approved,
            (Some(_), Some(_), true) => method::State::Published,
        }
    }
}

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such version of the method")]
    NotFound,
    #[error("this version exists with other content")]
    AlreadyExists,
    #[error("the second signature is of the drafter's own unit")]
    SameUnit,
    #[error("the version is signed already")]
    NotADraft,
    #[error("the second signature is missing")]
    NotApproved,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let (kind, name, zh, en) = match self {
            Self::NotFound => return not_found(),
            Self::AlreadyExists => (
                Kind::AlreadyExists,
                v1::Refusal::AlreadyExists,
                "这个版本号已有内容不同的排查标准：请换一个版本号",
                "this version exists with other content: choose another version name",
            ),
            Self::SameUnit => (
                Kind::Precondition,
                v1::Refusal::SameUnit,
                "复核人必须来自起草人以外的单位：请由其他单位的同志复核",
                "the second signature must come from another unit than the drafter's: ask somebody of another unit",
            ),
            Self::NotADraft => (
                Kind::Precondition,
                v1::Refusal::NotADraft,
                "这个版本已经复核过了，不需要再次复核",
                "this version was approved already: nothing more is to be signed",
            ),
            Self::NotApproved => (
                Kind::Precondition,
                v1::Refusal::NotApproved,
                "发布前需要另一单位的人复核：请先完成复核",
                "before it is published somebody of another unit has to approve it",
            ),
        };
        Refusal::new(kind, reason(name.as_str_name()), zh, en)
    }
}

/// For missing versions wherever they are looked up.
pub fn not_found() -> Refusal {
    Refusal::new(
        Kind::NotFound,
        reason(v1::Refusal::NotFound.as_str_name()),
        "没有这个版本的排查标准：请核对版本号",
        "there is no such version of the method: check its name",
    )
}

// Decisions

impl Method {
    pub fn draft(&self, content: &MethodContent, signatory: Signatory) -> Result<Decision<Event>, Refused> {
        match &self.draft {
            Some(draft) if draft.content.as_ref() == Some(content) && draft.by == signatory.by => Ok(nothing()),
            Some(_) => Err(Refused::AlreadyExists),
            None => Ok(one(Event::Drafted(Drafted {
                content: Some(content.clone()),
                by: signatory.by.to_owned(),
                unit: signatory.unit.to_owned(),
            }))),
        }
    }

    /// R23: two people of different units.
    pub fn approve(&self, signatory: Signatory) -> Result<Decision<Event>, Refused> {
        let draft = self.draft.as_ref().ok_or(Refused::NotFound)?;
        match &self.approval {
            Some(approval) if approval.by == signatory.by => Ok(nothing()),
            Some(_) => Err(Refused::NotADraft),
            None if draft.unit == signatory.unit || draft.by == signatory.by => Err(Refused::SameUnit),
            None => Ok(one(Event::Approved(Approved { by: signatory.by.to_owned(), unit: signatory.unit.to_owned() }))),
        }
    }

    pub fn publish(&self, version: &str, signatory: Signatory) -> Result<Decision<Event>, Refused> {
        let draft = self.draft.as_ref().ok_or(Refused::NotFound)?;
        if self.approval.is_none() {
            return Err(Refused::NotApproved);
        }
        if self.published {
            return Ok(nothing());
        }
        Ok(one(Event::Published(Published {
            by: signatory.by.to_owned(),
            version: version.to_owned(),
            content: draft.content.clone(),
        })))
    }
}

fn one(event: Event) -> Decision<Event> {
    Decision::new(vec![event])
}

fn nothing() -> Decision<Event> {
    Decision::new(Vec::new())
}

// Evolve

impl Aggregate for Method {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Drafted(draft) => self.draft = Some(draft.clone()),
            Event::Approved(approval) => self.approval = Some(approval.clone()),
            Event::Published(_) => self.published = true,
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method_file::sample_content;

    const OFFICER: Signatory = Signatory { by: "staff/officer", unit: "subdistrict" };
    const HEALTH: Signatory = Signatory { by: "staff/doctor", unit: "health" };

    fn given(events: &[Event]) -> Method {
        let mut method = Method::default();
        for event in events {
            method.evolve(event);
        }
        method
    }

    /// Decides, and again on the outcome, which must add nothing.
    fn decided(given_events: &[Event], decide: impl Fn(&Method) -> Result<Decision<Event>, Refused>) -> Vec<Event> {
        let mut method = given(given_events);
        let events = decide(&method).unwrap().events;
        for event in &events {
            method.evolve(event);
        }
        assert!(decide(&method).unwrap().events.is_empty(), "deciding again on its own outcome adds no event");
        [given_events, &events].concat()
    }

    fn published() -> Vec<Event> {
        let events = decided(&[], |method| method.draft(&sample_content(), OFFICER));
        let events = decided(&events, |method| method.approve(HEALTH));
        decided(&events, |method| method.publish("2020-02-09", OFFICER))
    }

    #[test]
    fn a_method_is_drafted_signed_by_another_unit_and_published_with_its_content() {
        let events = published();
        let Event::Published(last) = &events[2] else { panic!("the last is the publication") };
        assert_eq!((last.version.as_str(), last.content.as_ref()), ("2020-02-09", Some(&sample_content())));
        assert_eq!(given(&events).standing(), method::State::Published);
    }

    #[test]
    fn the_second_signature_is_of_another_unit() {
        let draft = decided(&[], |method| method.draft(&sample_content(), OFFICER));
        let colleague = Signatory { by: "staff/other", unit: "subdistrict" };
        assert_eq!(given(&draft).approve(colleague).unwrap_err(), Refused::SameUnit);
        let moved = Signatory { by: "staff/officer", unit: "health" };
        assert_eq!(given(&draft).approve(moved).unwrap_err(), Refused::SameUnit, "nor the same person elsewhere");
    }

    #[test]
    fn nothing_is_published_before_it_is_signed_or_drafted() {
        let draft = decided(&[], |method| method.draft(&sample_content(), OFFICER));
        assert_eq!(given(&draft).publish("v", OFFICER).unwrap_err(), Refused::NotApproved);
        assert_eq!(given(&[]).publish("v", OFFICER).unwrap_err(), Refused::NotFound);
        assert_eq!(given(&[]).approve(HEALTH).unwrap_err(), Refused::NotFound);
    }

    #[test]
    fn a_version_has_one_content_and_one_second_signature() {
        let events = published();
        let other = MethodContent { min_hours: 5, ..sample_content() };
        assert_eq!(given(&events).draft(&other, OFFICER).unwrap_err(), Refused::AlreadyExists);
        let third = Signatory { by: "staff/third", unit: "n1" };
        assert_eq!(given(&events).approve(third).unwrap_err(), Refused::NotADraft);
    }
}
