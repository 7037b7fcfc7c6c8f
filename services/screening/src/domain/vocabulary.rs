//! What names mean that no table knows, source by source: one person decides, a second one of another unit confirms, and from
//! then on verdicts read the name so. Taking back needs one person and a reason, since it only makes a question again. One
//! stream for all, so that a number says which words a verdict was read with.

use std::sync::Arc;

use chassis::{Aggregate, Decision, Fields, Kind, Refusal, Refuse, reason};
use proto::screening::v1::{
    self, Words, name_decision,
    vocabulary_event::{Confirmed, Decided, Event, TakenBack},
};

use crate::places::{self, Code, Learned, Resolution, Undecidable, decidable, spelled};

/// The one stream.
pub const STREAM: &str = "places";

// State

#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    decisions: Vec<Known>,
    learned: Arc<Learned>,
    /// Events so far.
    version: i64,
    changes: Vec<Change>,
}

/// A decision and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub decided: Decided,
    pub confirmed: Option<Confirmed>,
    pub taken_back: Option<TakenBack>,
    /// Sequences from which it counts and from which it no longer does; 0: not, or not yet.
    pub from: i64,
    pub to: i64,
}

/// A name means something else from this sequence on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub sequence: i64,
    pub words: places::Vocabulary,
    /// As it is looked up.
    pub spelling: String,
}

impl Vocabulary {
    pub fn learned(&self) -> &Arc<Learned> {
        &self.learned
    }

    /// Of the last change; 0 before the first.
    pub fn sequence(&self) -> i64 {
        self.changes.last().map_or(0, |change| change.sequence)
    }

    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub fn decisions(&self) -> &[Known] {
        &self.decisions
    }

    pub fn find(&self, id: &str) -> Option<&Known> {
        self.decisions.iter().find(|known| known.decided.decision_id == id)
    }

    /// Decisions that count.
    pub fn in_force(&self) -> impl Iterator<Item = &Known> {
        self.decisions.iter().filter(|known| known.standing() == name_decision::State::InForce)
    }

    fn about(&self, decided: &Decided) -> impl Iterator<Item = &Known> {
        let (words, spelling) = (decided.words, spelled(&decided.spelling));
        self.decisions
            .iter()
            .filter(move |known| known.decided.words == words && spelled(&known.decided.spelling) == spelling)
    }
}

impl Known {
    pub fn standing(&self) -> name_decision::State {
        match (&self.taken_back, &self.confirmed) {
            (Some(_), _) => name_decision::State::TakenBack,
            (None, Some(_)) if self.to > 0 => name_decision::State::Replaced,
            (None, Some(_)) => name_decision::State::InForce,
            (None, None) => name_decision::State::Proposed,
        }
    }
}

/// The resolver's word for a source of the contract.
pub fn words_of(words: Words) -> places::Vocabulary {
    match words {
        Words::Mobile => places::Vocabulary::Mobile,
        Words::Unicom => places::Vocabulary::Unicom,
        Words::Telecom => places::Vocabulary::Telecom,
        Words::Declared | Words::Unspecified => places::Vocabulary::Declared,
    }
}

// Refusals

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such decision")]
    NotFound,
    #[error("the name stands for one place already")]
    NoQuestion,
    #[error("the name is empty")]
    NoName,
    #[error("one of the codes is not in force")]
    NoPlace,
    #[error("the name may be several places, and this is none of them")]
    NoneOfThese(Vec<String>),
    #[error("a decision about the name waits for its second signature")]
    AlreadyProposed,
    #[error("the same is in force already")]
    AlreadyDecided,
    #[error("nothing waits for a second signature")]
    NotProposed,
    #[error("the second signature is the first one's")]
    SamePerson,
    #[error("the second signature is of the same unit")]
    SameUnit,
    #[error("it was taken back already")]
    AlreadyTakenBack,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let (name, zh, en) = match self {
            Self::NotFound => return not_found(),
            Self::NoName => {
                return field(
                    "spelling",
                    "没有可以查找的地名：请按来源的写法填写",
                    "has no name in it: write it as the source does",
                );
            }
            Self::NoPlace => {
                return field(
                    "codes",
                    "需要现行的六位行政区划代码（GB/T 2260），例如 469021；国外填国家的两位字母代码，例如 KR",
                    "must be six-digit codes of GB/T 2260 that are in force, for example 469021, or the two letters of a country, for example KR",
                );
            }
            Self::NoneOfThese(these) => {
                let these = these.join(" ");
                return field(
                    "codes",
                    format!("这个地名只可能是其中之一：{these}，请从中选择"),
                    format!("the name can only be one of these: {these}; choose among them"),
                );
            }
            Self::NoQuestion => (
                v1::Refusal::NoQuestion,
                "这个地名已能确定是哪里，不需要人工认定，也不能改成别处",
                "the name stands for one place already: there is nothing to decide, and no code to overturn",
            ),
            Self::AlreadyProposed => (
                v1::Refusal::AlreadyProposed,
                "这个地名已有一项认定在等待另一单位确认：请先确认或撤回",
                "a decision about this name waits for its second signature: confirm it or take it back first",
            ),
            Self::AlreadyDecided => (
                v1::Refusal::AlreadyDecided,
                "这个地名已经这样认定并生效，不需要重复",
                "the same is in force about this name already: nothing is to be done",
            ),
            Self::NotProposed => (
                v1::Refusal::NotProposed,
                "这项认定不在等待确认：它可能已确认或已撤回，请刷新后查看",
                "this decision does not wait for a second signature: it may be confirmed or taken back; read it again",
            ),
            Self::SamePerson => (
                v1::Refusal::SamePerson,
                "认定人不能自己确认：请由其他单位的另一位同志确认",
                "who decided it cannot confirm it: ask another person of another unit",
            ),
            Self::SameUnit => (
                v1::Refusal::SameUnit,
                "确认人必须来自认定人以外的单位：请由其他单位的同志确认",
                "the second signature must come from another unit than the first: ask somebody of another unit",
            ),
            Self::AlreadyTakenBack => (
                v1::Refusal::AlreadyTakenBack,
                "这项认定已经撤回或被新的认定代替，不需要再次撤回",
                "this decision was taken back or replaced already: nothing is left to take back",
            ),
        };
        Refusal::new(Kind::Precondition, reason(name.as_str_name()), zh, en)
    }
}

pub fn not_found() -> Refusal {
    Refusal::new(
        Kind::NotFound,
        reason(v1::Refusal::NotFound.as_str_name()),
        "没有这项地名认定：请核对编号",
        "there is no such decision about a name: check its name",
    )
}

fn field(name: &str, zh: impl Into<String>, en: impl Into<String>) -> Refusal {
    let mut fields = Fields::new();
    fields.refuse(name, zh, en);
    fields.refusal().unwrap_or_else(not_found)
}

// Decisions

impl Vocabulary {
    pub fn decide(&self, decided: &Decided) -> Result<Decision<Event>, Refused> {
        if self.find(&decided.decision_id).is_some_and(|known| known.decided == *decided) {
            return Ok(nothing());
        }
        let codes = codes(decided).ok_or(Refused::NoPlace)?;
        let words = words_of(decided.words());
        decidable(&decided.spelling, words, &codes).map_err(|wrong| match wrong {
            Undecidable::NoName => Refused::NoName,
            Undecidable::NoPlace => Refused::NoPlace,
            Undecidable::NoQuestion => Refused::NoQuestion,
            Undecidable::NoneOfThese => Refused::NoneOfThese(candidates(&decided.spelling, words)),
        })?;
        for known in self.about(decided) {
            match known.standing() {
                name_decision::State::Proposed => return Err(Refused::AlreadyProposed),
                name_decision::State::InForce if known.decided.codes == decided.codes => {
                    return Err(Refused::AlreadyDecided);
                }
                _ => {}
            }
        }
        Ok(Decision::new(vec![Event::Decided(decided.clone())]))
    }

    /// R23: two people of different units.
    pub fn confirm(&self, confirmed: &Confirmed) -> Result<Decision<Event>, Refused> {
        let known = self.find(&confirmed.decision_id).ok_or(Refused::NotFound)?;
        if known.confirmed.as_ref() == Some(confirmed) {
            return Ok(nothing());
        }
        if known.standing() != name_decision::State::Proposed {
            return Err(Refused::NotProposed);
        }
        if known.decided.by == confirmed.by {
            return Err(Refused::SamePerson);
        }
        if known.decided.unit == confirmed.unit {
            return Err(Refused::SameUnit);
        }
        Ok(Decision::new(vec![Event::Confirmed(confirmed.clone())]))
    }

    pub fn take_back(&self, taken: &TakenBack) -> Result<Decision<Event>, Refused> {
        let known = self.find(&taken.decision_id).ok_or(Refused::NotFound)?;
        if known.taken_back.as_ref() == Some(taken) {
            return Ok(nothing());
        }
        match known.standing() {
            name_decision::State::Proposed | name_decision::State::InForce => {
                Ok(Decision::new(vec![Event::TakenBack(taken.clone())]))
            }
            _ => Err(Refused::AlreadyTakenBack),
        }
    }
}

fn nothing() -> Decision<Event> {
    Decision::new(Vec::new())
}

fn codes(decided: &Decided) -> Option<Vec<Code>> {
    decided.codes.iter().map(|code| Code::parse(code)).collect()
}

fn candidates(spelling: &str, words: places::Vocabulary) -> Vec<String> {
    match places::resolve(spelling, words) {
        Resolution::Resolved(codes) | Resolution::Ambiguous(codes) => codes.iter().map(ToString::to_string).collect(),
        Resolution::Unknown => Vec::new(),
    }
}

// Evolve

impl Aggregate for Vocabulary {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        self.version += 1;
        match event {
            Event::Decided(decided) => {
                let decided = decided.clone();
                self.decisions.push(Known { decided, confirmed: None, taken_back: None, from: 0, to: 0 });
            }
            Event::Confirmed(confirmed) => self.confirmed(confirmed),
            Event::TakenBack(taken) => self.taken_back(taken),
        }
    }
}

impl Vocabulary {
    fn confirmed(&mut self, confirmed: &Confirmed) {
        let sequence = self.version;
        let Some(decided) = self.find(&confirmed.decision_id).map(|known| known.decided.clone()) else { return };
        let spelling = spelled(&decided.spelling);
        for known in &mut self.decisions {
            let same = known.decided.words == decided.words && spelled(&known.decided.spelling) == spelling;
            if known.decided.decision_id == decided.decision_id {
                known.confirmed = Some(confirmed.clone());
                known.from = sequence;
            } else if same && known.standing() == name_decision::State::InForce {
                known.to = sequence;
            }
        }
        let words = words_of(decided.words());
        Arc::make_mut(&mut self.learned).means(&spelling, words, &codes(&decided).unwrap_or_default());
        self.changes.push(Change { sequence, words, spelling });
    }

    fn taken_back(&mut self, taken: &TakenBack) {
        let sequence = self.version;
        let Some(known) = self.decisions.iter_mut().find(|known| known.decided.decision_id == taken.decision_id) else {
            return;
        };
        let counted = known.standing() == name_decision::State::InForce;
        known.taken_back = Some(taken.clone());
        if counted {
            known.to = sequence;
            let (words, spelling) = (words_of(known.decided.words()), spelled(&known.decided.spelling));
            Arc::make_mut(&mut self.learned).take_back(&spelling, words);
            self.changes.push(Change { sequence, words, spelling });
        }
    }
}

// Tests

#[cfg(test)]
mod tests;
