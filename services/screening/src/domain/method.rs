//! One version of the method: drafted, signed by somebody of another unit, published. What is published travels in the
//! event, so that every service knows the numbers without asking; which version is in force is a projection's to say.

use chassis::{Aggregate, Decision, Kind, Refusal, Refuse, instant, reason, timestamp};
use chrono::{DateTime, Utc};
use proto::screening::v1::{
    self, MethodContent, method,
    method_event::{Approved, Drafted, Event, Published},
};

// State

#[derive(Clone, Debug, Default)]
pub struct Method {
    draft: Option<Drafted>,
    approval: Option<Approved>,
    published: Option<Published>,
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

    /// Not whether it is in force by now, or a later one has replaced it.
    pub fn standing(&self) -> method::State {
        match (&self.draft, &self.approval, &self.published) {
            (None, _, _) => method::State::Unspecified,
            (Some(_), None, _) => method::State::Draft,
            (Some(_), Some(_), None) => method::State::Approved,
            (Some(_), Some(_), Some(_)) => method::State::Published,
        }
    }

    /// `None` before it is published, and in records that do not say it.
    pub fn in_force_from(&self) -> Option<DateTime<Utc>> {
        self.published.as_ref().and_then(|published| published.in_force_time.as_ref()).and_then(instant)
    }

    pub fn draft_signature(&self) -> Option<Signatory<'_>> {
        self.draft.as_ref().map(|draft| Signatory { by: &draft.by, unit: &draft.unit })
    }

    pub fn approval_signature(&self) -> Option<Signatory<'_>> {
        self.approval.as_ref().map(|approval| Signatory { by: &approval.by, unit: &approval.unit })
    }

    pub fn publication_signature(&self) -> Option<Signatory<'_>> {
        self.published.as_ref().map(|published| Signatory { by: &published.by, unit: &published.unit })
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
    #[error("it would have been in force before it was published")]
    InThePast,
    #[error("until then no method would be in force")]
    Hole,
    #[error("it was published from another time on")]
    AlreadyPublished,
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
            Self::InThePast => (
                Kind::Invalid,
                v1::Refusal::InThePast,
                "生效时间已经过去：排查标准不能追溯生效，请填写现在或以后的时间",
                "that time has passed, and a method cannot have been in force before anybody heard of it: name a later time, or none",
            ),
            Self::Hole => (
                Kind::Invalid,
                v1::Refusal::Hole,
                "到那时为止没有任何排查标准生效，中间会出现空档：第一个版本请立即生效",
                "until then no method would be in force at all: publish the first version from now on",
            ),
            Self::AlreadyPublished => (
                Kind::Precondition,
                v1::Refusal::AlreadyPublished,
                "这个版本已经发布，生效时间不能再改：需要调整时请另起草一个版本",
                "this version is published, and from when it is in force is settled: draft another version instead",
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

    pub fn publish(&self, publication: Publication) -> Result<Decision<Event>, Refused> {
        let Publication { version, signatory, now, from, covered } = publication;
        let draft = self.draft.as_ref().ok_or(Refused::NotFound)?;
        if self.approval.is_none() {
            return Err(Refused::NotApproved);
        }
        if let Some(published) = &self.published {
            let settled = published.in_force_time.as_ref().and_then(instant);
            return if from.is_none() || from == settled { Ok(nothing()) } else { Err(Refused::AlreadyPublished) };
        }
        match from {
            Some(from) if from < now => return Err(Refused::InThePast),
            Some(from) if from > now && !covered => return Err(Refused::Hole),
            Some(_) | None => {}
        }
        Ok(one(Event::Published(Published {
            by: signatory.by.to_owned(),
            version: version.to_owned(),
            content: draft.content.clone(),
            in_force_time: Some(timestamp(from.unwrap_or(now))),
            unit: signatory.unit.to_owned(),
        })))
    }
}

/// What a publication needs to know besides the version's own stream.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    pub version: &'a str,
    pub signatory: Signatory<'a>,
    pub now: DateTime<Utc>,
    /// From when it is in force; `None`: from now on.
    pub from: Option<DateTime<Utc>>,
    /// Whether another version is in force now: without one, a later beginning would leave a hole.
    pub covered: bool,
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
            Event::Published(published) => self.published = Some(published.clone()),
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

    fn approved() -> Vec<Event> {
        let events = decided(&[], |method| method.draft(&sample_content(), OFFICER));
        decided(&events, |method| method.approve(HEALTH))
    }

    fn published() -> Vec<Event> {
        decided(&approved(), |method| method.publish(now()))
    }

    /// By the officer, at seven in the morning, from then on.
    fn now() -> Publication<'static> {
        Publication { version: "2020-02-09", signatory: OFFICER, now: time(7), from: None, covered: false }
    }

    fn later(hour: u32) -> Publication<'static> {
        Publication { from: Some(time(hour)), covered: true, ..now() }
    }

    fn time(hour: u32) -> DateTime<Utc> {
        format!("2020-02-09T{hour:02}:00:00Z").parse().unwrap()
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
        assert_eq!(given(&draft).publish(now()).unwrap_err(), Refused::NotApproved);
        assert_eq!(given(&[]).publish(now()).unwrap_err(), Refused::NotFound);
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

    #[test]
    fn it_is_in_force_from_its_publication_or_from_the_time_that_was_named() {
        let from = |events: &[Event]| match events.last() {
            Some(Event::Published(published)) => published.in_force_time.as_ref().and_then(instant),
            _ => None,
        };
        assert_eq!(from(&published()), Some(time(7)));
        assert_eq!(from(&decided(&approved(), |method| method.publish(later(9)))), Some(time(9)));
        assert_eq!(from(&decided(&approved(), |method| method.publish(later(7)))), Some(time(7)), "now, said in words");
    }

    #[test]
    fn nothing_is_in_force_in_the_past_and_no_hole_comes_before_it() {
        assert_eq!(given(&approved()).publish(later(6)).unwrap_err(), Refused::InThePast);
        let first = Publication { covered: false, ..later(9) };
        assert_eq!(given(&approved()).publish(first).unwrap_err(), Refused::Hole);
    }

    #[test]
    fn from_when_a_version_is_in_force_is_settled_by_its_publication() {
        let events = decided(&approved(), |method| method.publish(later(9)));
        assert_eq!(given(&events).publish(later(10)).unwrap_err(), Refused::AlreadyPublished);
        assert!(given(&events).publish(now()).unwrap().events.is_empty(), "said again without a time");
    }
}
