//! The visits 走访 of one household: who came when and whom they met, and the people whom nobody knew until it is said who
//! they are.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{Aggregate, Kind, Refuse, reason};
use proto::registry::v1::{
    self as contract, OccupantsDecision, VisitOutcome,
    visits_event::{OccupantsResolved, Visited},
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visits {
    /// By visit: the people found there whom nobody knew.
    found: BTreeMap<String, Occupants>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Occupants {
    found: i32,
    unresolved: i32,
    /// Who some of them turned out to be.
    registered: BTreeSet<String>,
    resolutions: BTreeSet<String>,
}

impl Visits {
    /// How many of those found by a visit are neither registered nor explained; `None` for a visit that never was.
    pub fn unresolved(&self, visit_id: &str) -> Option<i32> {
        self.found.get(visit_id).map(|occupants| occupants.unresolved)
    }

    pub fn found(&self, visit_id: &str) -> i32 {
        self.found.get(visit_id).map_or(0, |occupants| occupants.found)
    }
}

// Events

pub use proto::registry::v1::visits_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such visit")]
    Unknown,
    #[error("residents or occupants were met, and the outcome says otherwise")]
    NotMet,
    #[error("nobody unknown was counted")]
    NobodyCounted,
    #[error("nobody is named and nobody dismissed")]
    NothingSaid,
    #[error("fewer are unresolved")]
    FewerUnknown { unresolved: i32 },
    #[error("a resident was counted for these occupants already")]
    CountedAlready,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        let invalid = |zh: &'static str, en: &'static str| {
            chassis::Refusal::new(Kind::Invalid, reason(contract::Refusal::FieldInvalid.as_str_name()), zh, en)
        };
        match self {
            Self::Unknown => crate::domain::not_found("visit"),
            Self::NotMet => invalid(
                "走访结果与见到的人不符：只有“见到”可以填写住户，只有“见到”或“只见到陌生人”可以填写陌生人数",
                "the outcome does not fit: residents are met only with MET, unknown people only with MET or STRANGERS_ONLY",
            ),
            Self::NobodyCounted => invalid(
                "只见到陌生人时必须填写人数",
                "where only strangers were met, say how many: unknown_occupants must be at least 1",
            ),
            Self::NothingSaid => invalid(
                "请填写已登记的住户，或不需登记的人数和原因",
                "name the residents that they turned out to be, or how many need not be registered and why",
            ),
            Self::FewerUnknown { unresolved } => chassis::Refusal::new(
                Kind::Precondition,
                reason(contract::Refusal::FewerUnknown.as_str_name()),
                format!("这次走访只剩 {unresolved} 人待核实：请核对人数"),
                format!("only {unresolved} of them are unresolved: count again"),
            ),
            Self::CountedAlready => chassis::Refusal::new(
                Kind::Precondition,
                reason(contract::Refusal::CountedAlready.as_str_name()),
                "其中有住户已经计入这次走访：请只填写其余的人",
                "one of these residents was counted for this visit already: name the others alone",
            ),
        }
    }
}

// Decisions

/// Who the people found by a visit are.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The same for the same command: an answer that is given twice counts once.
    pub resolution_id: &'a str,
    pub visit_id: &'a str,
    /// Each once.
    pub residents: &'a [String],
    pub dismissed: i32,
    /// Why; `None` where nobody is dismissed.
    pub decision: Option<OccupantsDecision>,
}

impl Visits {
    pub fn record(&self, visit: &Visited) -> Result<Vec<Event>, Refusal> {
        if self.found.contains_key(&visit.visit_id) {
            return Ok(Vec::new());
        }
        let (outcome, unknown) = (visit.outcome(), visit.unknown_occupants);
        let fits = match outcome {
            VisitOutcome::Met => true,
            VisitOutcome::StrangersOnly => visit.resident_ids.is_empty(),
            VisitOutcome::NobodyHome | VisitOutcome::Refused | VisitOutcome::Unspecified => {
                visit.resident_ids.is_empty() && unknown == 0
            }
        };
        if !fits {
            return Err(Refusal::NotMet);
        }
        if outcome == VisitOutcome::StrangersOnly && unknown == 0 {
            return Err(Refusal::NobodyCounted);
        }
        Ok(vec![Event::Visited(visit.clone())])
    }

    pub fn resolve(&self, answer: Answer<'_>) -> Result<Vec<Event>, Refusal> {
        let occupants = self.found.get(answer.visit_id).ok_or(Refusal::Unknown)?;
        if occupants.resolutions.contains(answer.resolution_id) {
            return Ok(Vec::new());
        }
        if answer.residents.iter().any(|resident| occupants.registered.contains(resident)) {
            return Err(Refusal::CountedAlready);
        }
        let said = answer.dismissed.saturating_add(count(answer.residents));
        if said == 0 || (answer.dismissed > 0) != answer.decision.is_some() {
            return Err(Refusal::NothingSaid);
        }
        if said > occupants.unresolved {
            return Err(Refusal::FewerUnknown { unresolved: occupants.unresolved });
        }
        Ok(vec![Event::OccupantsResolved(OccupantsResolved {
            resolution_id: answer.resolution_id.to_owned(),
            visit_id: answer.visit_id.to_owned(),
            resident_ids: answer.residents.to_vec(),
            dismissed: answer.dismissed,
            decision: answer.decision.unwrap_or_default().into(),
            last: said == occupants.unresolved,
        })])
    }
}

fn count(residents: &[String]) -> i32 {
    i32::try_from(residents.len()).unwrap_or(i32::MAX)
}

// Evolve

impl Aggregate for Visits {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Visited(visit) => {
                let unknown = visit.unknown_occupants;
                let occupants = Occupants { found: unknown, unresolved: unknown, ..Occupants::default() };
                self.found.insert(visit.visit_id.clone(), occupants);
            }
            Event::OccupantsResolved(resolved) => {
                let occupants = self.found.entry(resolved.visit_id.clone()).or_default();
                occupants.unresolved -= resolved.dismissed.saturating_add(count(&resolved.resident_ids));
                occupants.registered.extend(resolved.resident_ids.iter().cloned());
                occupants.resolutions.insert(resolved.resolution_id.clone());
            }
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    fn visit(outcome: VisitOutcome, residents: &[&str], unknown: i32) -> Visited {
        Visited {
            visit_id: "v1".into(),
            outcome: outcome.into(),
            resident_ids: residents.iter().copied().map(str::to_owned).collect(),
            unknown_occupants: unknown,
            ..Visited::default()
        }
    }

    fn found(unknown: i32) -> Vec<Event> {
        let visit = visit(VisitOutcome::StrangersOnly, &[], unknown);
        given(&[]).when(|v: &Visits| v.record(&visit)).unwrap()
    }

    fn resolve(
        history: &[Event],
        id: &str,
        residents: &[&str],
        dismissed: i32,
        decision: Option<OccupantsDecision>,
    ) -> Result<Vec<Event>, Refusal> {
        let residents: Vec<String> = residents.iter().copied().map(str::to_owned).collect();
        let answer = Answer { resolution_id: id, visit_id: "v1", residents: &residents, dismissed, decision };
        given(history).when(|v: &Visits| v.resolve(answer))
    }

    const LEFT: Option<OccupantsDecision> = Some(OccupantsDecision::Left);

    #[test]
    fn an_outcome_fits_whom_the_visitor_met() {
        let record = |visit: Visited| given(&[]).when(|v: &Visits| v.record(&visit)).map(|events| events.len());
        for fits in [
            visit(VisitOutcome::Met, &[], 0),
            visit(VisitOutcome::Met, &["r1"], 2),
            visit(VisitOutcome::NobodyHome, &[], 0),
            visit(VisitOutcome::Refused, &[], 0),
            visit(VisitOutcome::StrangersOnly, &[], 1),
        ] {
            assert_eq!(record(fits), Ok(1));
        }
        for nobody in [VisitOutcome::NobodyHome, VisitOutcome::Refused] {
            assert_eq!(record(visit(nobody, &["r1"], 0)), Err(Refusal::NotMet));
            assert_eq!(record(visit(nobody, &[], 1)), Err(Refusal::NotMet));
        }
        assert_eq!(record(visit(VisitOutcome::StrangersOnly, &["r1"], 1)), Err(Refusal::NotMet));
        assert_eq!(record(visit(VisitOutcome::StrangersOnly, &[], 0)), Err(Refusal::NobodyCounted));
    }

    #[test]
    fn unknown_occupants_stay_unresolved_until_each_is_registered_or_explained() {
        let mut history = found(3);
        history.extend(resolve(&history, "one", &["r1"], 0, None).unwrap());
        assert_eq!(given(&history).then::<Visits>().unresolved("v1"), Some(2));
        let rest = resolve(&history, "two", &[], 2, LEFT).unwrap();
        assert!(matches!(&rest[0], Event::OccupantsResolved(resolved) if resolved.last));
        history.extend(rest);
        let visits: Visits = given(&history).then();
        assert_eq!((visits.unresolved("v1"), visits.found("v1")), (Some(0), 3));
    }

    #[test]
    fn no_more_are_resolved_than_were_found_and_nobody_counts_twice() {
        let mut history = found(3);
        assert_eq!(resolve(&history, "one", &["r1"], 3, LEFT), Err(Refusal::FewerUnknown { unresolved: 3 }));
        history.extend(resolve(&history, "one", &["r1"], 0, None).unwrap());
        assert_eq!(resolve(&history, "two", &["r1"], 0, None), Err(Refusal::CountedAlready));
        assert_eq!(resolve(&history, "one", &["r1"], 0, None), Ok(vec![]), "an answer that is repeated");
    }

    #[test]
    fn who_dismisses_somebody_says_why() {
        let history = found(1);
        assert_eq!(resolve(&history, "one", &[], 1, None), Err(Refusal::NothingSaid));
        assert_eq!(resolve(&history, "one", &["r1"], 0, LEFT), Err(Refusal::NothingSaid));
        assert_eq!(resolve(&history, "one", &[], 0, None), Err(Refusal::NothingSaid));
        assert_eq!(resolve(&[], "one", &[], 1, LEFT), Err(Refusal::Unknown));
    }
}
