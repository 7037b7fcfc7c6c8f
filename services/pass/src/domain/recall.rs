//! "All of compound X issued before T": one line of the list of suspended passes, with a reason of the closed list and what
//! proves it (R23), and taken back by a word. A stream per compound.

use chassis::{Aggregate, Kind, Refusal, Refuse, instant};
use chrono::{DateTime, Utc};
use proto::pass::v1::{
    self,
    recall_event::{Event, Lifted, Recalled},
};

// --- State ---

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recall {
    /// The last one, also after it was lifted.
    recalled: Option<Recalled>,
    pub lifted: bool,
}

impl Recall {
    /// The last one, also after it was lifted.
    pub fn recalled(&self) -> Option<&Recalled> {
        self.recalled.as_ref()
    }

    /// Passes issued before do not count.
    pub fn before(&self) -> Option<DateTime<Utc>> {
        self.recalled.as_ref().filter(|_| !self.lifted)?.issued_before.as_ref().and_then(instant)
    }
}

// --- Refusals ---

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such compound")]
    NotFound,
    #[error("no recall of the compound is in force")]
    NothingToLift,
    #[error("what was issued before is recalled already")]
    AlreadyRecalled,
    #[error("the list holds as many recalls as it has room for")]
    TooMany,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let (kind, reason, zh, en) = match self {
            Self::NotFound => (
                Kind::NotFound,
                v1::Refusal::NotFound,
                "没有这个小区，或不归您管：请核对小区编号",
                "there is no such compound, or it is not yours: check its id",
            ),
            Self::NothingToLift => (
                Kind::NotFound,
                v1::Refusal::NotFound,
                "这个小区没有生效的统一换证：请用 mifeng pass recall list 核对",
                "no recall of this compound is in force: see `mifeng pass recall list`",
            ),
            Self::AlreadyRecalled => (
                Kind::Precondition,
                v1::Refusal::AlreadyRecalled,
                "这个小区该时刻之前的出入证已经作废，不需要重复；要改到更早，请先撤销现有的",
                "what this compound was issued before that hour is recalled already; for an earlier hour lift the recall first",
            ),
            Self::TooMany => (
                Kind::Precondition,
                v1::Refusal::TooManyRecalls,
                "名单最多容纳 255 个小区的统一换证：请先撤销已换完证的小区",
                "the list has room for the recalls of 255 compounds: lift those whose passes were all renewed",
            ),
        };
        Refusal::new(kind, chassis::reason(reason.as_str_name()), zh, en)
    }
}

// --- Decisions ---

impl Recall {
    /// Goes only forward: a later hour takes the place of an earlier one.
    pub fn recall(&self, recalled: Recalled, room: bool) -> Result<Vec<Event>, Refused> {
        if !self.lifted && self.recalled.as_ref() == Some(&recalled) {
            return Ok(Vec::new());
        }
        match (self.before(), recalled.issued_before.as_ref().and_then(instant)) {
            (Some(before), Some(hour)) if hour <= before => Err(Refused::AlreadyRecalled),
            (None, _) if !room => Err(Refused::TooMany),
            _ => Ok(vec![Event::Recalled(recalled)]),
        }
    }

    pub fn lift(&self, lifted: Lifted) -> Result<Vec<Event>, Refused> {
        match (&self.recalled, self.lifted) {
            (None, _) => Err(Refused::NothingToLift),
            (Some(_), true) => Ok(Vec::new()),
            (Some(_), false) => Ok(vec![Event::Lifted(lifted)]),
        }
    }
}

// --- Evolve ---

impl Aggregate for Recall {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Recalled(recalled) => {
                self.recalled = Some(recalled.clone());
                self.lifted = false;
            }
            Event::Lifted(_) => self.lifted = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recalled(time: &str) -> Recalled {
        let issued_before = Some(chassis::timestamp(time.parse().unwrap()));
        Recalled { issued_before, evidence_ids: vec!["paper 1".to_owned()], ..Recalled::default() }
    }

    fn when(recall: &mut Recall, decide: impl Fn(&Recall) -> Result<Vec<Event>, Refused>) -> usize {
        let events = decide(recall).unwrap();
        for event in &events {
            recall.evolve(event);
        }
        assert_eq!(decide(recall), Ok(Vec::new()), "deciding again on its own outcome adds no event");
        events.len()
    }

    #[test]
    fn a_recall_goes_forward_only_and_is_lifted_by_a_word() {
        let mut recall = Recall::default();
        assert_eq!(recall.lift(Lifted::default()), Err(Refused::NothingToLift));
        assert_eq!(recall.recall(recalled("2020-02-10T04:00:00Z"), false), Err(Refused::TooMany));
        assert_eq!(when(&mut recall, |recall| recall.recall(recalled("2020-02-10T04:00:00Z"), true)), 1);
        assert_eq!(recall.recall(recalled("2020-02-10T03:00:00Z"), true), Err(Refused::AlreadyRecalled));
        assert_eq!(when(&mut recall, |recall| recall.recall(recalled("2020-02-10T05:00:00Z"), false)), 1);
        assert_eq!(recall.before(), Some("2020-02-10T05:00:00Z".parse().unwrap()));
        assert_eq!(when(&mut recall, |recall| recall.lift(Lifted::default())), 1);
        assert_eq!(recall.before(), None);
        assert_eq!(when(&mut recall, |recall| recall.recall(recalled("2020-02-10T03:00:00Z"), true)), 1);
    }
}
