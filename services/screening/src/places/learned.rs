//! What people decided about names that no table knows, for each source apart: 移动 may mean by a name what a person does
//! not. A decision answers only what the resolver asks, so that it can overturn no code; it can be taken back.

use std::{collections::HashMap, sync::Arc};

use super::{Code, Resolution, Vocabulary, resolve, typing::tidy};

/// Decisions in force, by source and by the name as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned(HashMap<Vocabulary, HashMap<String, Arc<[Code]>>>);

/// Why a decision cannot stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecidable {
    #[error("the name stands for one place already")]
    NoQuestion,
    #[error("the name is empty")]
    NoName,
    #[error("no place was named, or one that is not in force")]
    NoPlace,
    #[error("the name may be several places, and this is none of them")]
    NoneOfThese,
}

impl Learned {
    /// From now on this source means these places by the name: one, or all of a network. Said again with others, the last
    /// one counts.
    pub fn decide(&mut self, name: &str, words: Vocabulary, codes: &[Code]) -> Result<(), Undecidable> {
        if codes.is_empty() {
            return Err(Undecidable::NoPlace);
        }
        decidable(name, words, codes)?;
        self.means(name, words, codes);
        Ok(())
    }

    /// The same without a doubt: it was decided once, and stands whatever the tables say since.
    pub(crate) fn means(&mut self, name: &str, words: Vocabulary, codes: &[Code]) {
        self.0.entry(words).or_default().insert(tidy(name), codes.into());
    }

    /// The name is a question again; whether it was decided.
    pub fn take_back(&mut self, name: &str, words: Vocabulary) -> bool {
        self.0.get_mut(&words).is_some_and(|decided| decided.remove(&tidy(name)).is_some())
    }

    /// As [`resolve`], and what it asks is answered by what was decided.
    pub fn resolve(&self, name: &str, words: Vocabulary) -> Resolution {
        let found = resolve(name, words);
        if found.resolved().is_some() {
            return found;
        }
        let decided = self.0.get(&words).and_then(|decided| decided.get(&tidy(name)));
        decided.map_or(found, |codes| Resolution::Resolved(Arc::clone(codes)))
    }
}

/// Whether this may be decided about a name; no codes: that it is no place.
pub(crate) fn decidable(name: &str, words: Vocabulary, codes: &[Code]) -> Result<(), Undecidable> {
    let name = tidy(name);
    if name.is_empty() {
        return Err(Undecidable::NoName);
    }
    if !codes.iter().all(|code| code.is_in_force()) {
        return Err(Undecidable::NoPlace);
    }
    match resolve(&name, words) {
        Resolution::Resolved(_) => Err(Undecidable::NoQuestion),
        Resolution::Ambiguous(these) if !codes.iter().all(|code| these.contains(code)) => Err(Undecidable::NoneOfThese),
        Resolution::Ambiguous(_) | Resolution::Unknown => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QINGHAI: &str = "632500";

    fn codes(digits: &[&str]) -> Vec<Code> {
        digits.iter().map(|digits| Code::parse(digits).unwrap()).collect()
    }

    fn resolved(digits: &[&str]) -> Resolution {
        Resolution::Resolved(codes(digits).into())
    }

    #[test]
    fn what_was_decided_for_one_source_says_nothing_for_another() {
        let mut learned = Learned::default();
        learned.decide("海南", Vocabulary::Mobile, &codes(&[QINGHAI])).unwrap();
        assert_eq!(learned.resolve("海南", Vocabulary::Mobile), resolved(&[QINGHAI]));
        assert_eq!(learned.resolve(" 海 南 ", Vocabulary::Mobile), resolved(&[QINGHAI]));
        for other in [Vocabulary::Unicom, Vocabulary::Telecom, Vocabulary::Declared] {
            assert_eq!(learned.resolve("海南", other), resolve("海南", other), "{other:?}");
        }
    }

    #[test]
    fn a_decision_can_be_taken_back_and_made_again() {
        let mut learned = Learned::default();
        learned.decide("老家", Vocabulary::Declared, &codes(&["511300"])).unwrap();
        learned.decide("老家", Vocabulary::Declared, &codes(&["511600"])).unwrap();
        assert_eq!(learned.resolve("老家", Vocabulary::Declared), resolved(&["511600"]));
        assert!(learned.take_back("老家", Vocabulary::Declared));
        assert_eq!(learned.resolve("老家", Vocabulary::Declared), Resolution::Unknown);
        assert!(!learned.take_back("老家", Vocabulary::Declared), "there is nothing left to take back");
    }

    #[test]
    fn an_unknown_network_may_be_several_places() {
        let mut learned = Learned::default();
        let three = ["469021", "469022", "469023"];
        learned.decide("海南北", Vocabulary::Unicom, &codes(&three)).unwrap();
        assert_eq!(learned.resolve("海南北", Vocabulary::Unicom), resolved(&three));
    }

    #[test]
    fn a_decision_answers_a_question_and_overturns_nothing() {
        let mut learned = Learned::default();
        let mut refused = |name, digits: &[&str]| learned.decide(name, Vocabulary::Mobile, &codes(digits)).unwrap_err();
        assert_eq!(refused("江汉", &["420103"]), Undecidable::NoQuestion);
        assert_eq!(refused("海南", &["420103"]), Undecidable::NoneOfThese);
        assert_eq!(refused("某地", &["330227"]), Undecidable::NoPlace);
        assert_eq!(refused("某地", &[]), Undecidable::NoPlace);
        assert_eq!(refused(" ", &["420100"]), Undecidable::NoName);
        assert_eq!(learned, Learned::default());
    }
}
