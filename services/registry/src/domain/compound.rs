//! A compound 小区 with its gates and its regime: what is guarded, and how strictly.

use chassis::{Aggregate, Kind, Refuse, reason};
use chrono::NaiveDate;
use proto::registry::v1::{
    self as contract, Regime,
    compound_event::{GateAdded, Opened, RegimeSet},
};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compound {
    opened: bool,
    pub display_name: String,
    pub neighbourhood_id: String,
    pub management_group: String,
    pub gates: Vec<Gate>,
    pub regime: Regime,
    /// ISO date; empty for a compound that has been open all along.
    pub regime_from: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub id: String,
    pub display_name: String,
}

impl Compound {
    pub const fn is_open(&self) -> bool {
        self.opened
    }
}

// Events

pub use proto::registry::v1::compound_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such compound")]
    Unknown,
    #[error("this compound is there already with other data")]
    OpenedOtherwise,
    #[error("the compound has a gate of this name")]
    GateExists,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        match self {
            Self::Unknown => crate::domain::not_found("compound"),
            Self::OpenedOtherwise => chassis::Refusal::new(
                Kind::AlreadyExists,
                reason(contract::Refusal::AlreadyExists.as_str_name()),
                "该小区已以其他内容建立：请核对",
                "this compound is there already with other data: compare the two",
            ),
            Self::GateExists => chassis::Refusal::new(
                Kind::AlreadyExists,
                reason(contract::Refusal::AlreadyExists.as_str_name()),
                "该小区已有同名门岗：请换一个名称，或直接使用已有的门岗",
                "the compound has a gate of this name: use that one, or give this one another name",
            ),
        }
    }
}

// Decisions

impl Compound {
    pub fn open(&self, display_name: &str, neighbourhood_id: &str, group: &str) -> Result<Vec<Event>, Refusal> {
        if !self.opened {
            return Ok(vec![Event::Opened(Opened {
                display_name: display_name.to_owned(),
                neighbourhood_id: neighbourhood_id.to_owned(),
                management_group: group.to_owned(),
            })]);
        }
        let same = self.display_name == display_name
            && self.neighbourhood_id == neighbourhood_id
            && self.management_group == group;
        if same { Ok(Vec::new()) } else { Err(Refusal::OpenedOtherwise) }
    }

    pub fn add_gate(&self, id: &str, display_name: &str) -> Result<Vec<Event>, Refusal> {
        if !self.opened {
            return Err(Refusal::Unknown);
        }
        let added = GateAdded { gate_id: id.to_owned(), display_name: display_name.to_owned() };
        match self.gates.iter().find(|gate| gate.display_name == display_name) {
            None => Ok(vec![Event::GateAdded(added)]),
            Some(gate) if gate.id == id => Ok(Vec::new()),
            Some(_) => Err(Refusal::GateExists),
        }
    }

    pub fn set_regime(&self, regime: Regime, from: NaiveDate) -> Result<Vec<Event>, Refusal> {
        if !self.opened {
            return Err(Refusal::Unknown);
        }
        let from = from.to_string();
        if self.regime == regime && self.regime_from == from {
            return Ok(Vec::new());
        }
        Ok(vec![Event::RegimeSet(RegimeSet { regime: regime.into(), from })])
    }
}

// Evolve

impl Aggregate for Compound {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(opened) => {
                self.opened = true;
                self.display_name.clone_from(&opened.display_name);
                self.neighbourhood_id.clone_from(&opened.neighbourhood_id);
                self.management_group.clone_from(&opened.management_group);
                self.regime = Regime::Open;
            }
            Event::GateAdded(added) => {
                self.gates.push(Gate { id: added.gate_id.clone(), display_name: added.display_name.clone() });
            }
            Event::RegimeSet(set) => {
                self.regime = set.regime();
                self.regime_from.clone_from(&set.from);
            }
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    const CLOSED_ON: NaiveDate = NaiveDate::from_ymd_opt(2020, 1, 30).unwrap();

    fn opened() -> Vec<Event> {
        given(&[]).when(|c: &Compound| c.open("长丰二村", "n1", "金家漕")).unwrap()
    }

    #[test]
    fn a_compound_opens_once_and_without_a_regime_of_its_own() {
        let compound: Compound = given(&opened()).then();
        assert_eq!(compound.regime, Regime::Open);
        let other = given(&opened()).when(|c: &Compound| c.open("长丰二村", "n2", "金家漕"));
        assert_eq!(other, Err(Refusal::OpenedOtherwise));
    }

    #[test]
    fn gates_of_one_compound_have_different_names() {
        let mut history = opened();
        history.extend(given(&history).when(|c: &Compound| c.add_gate("g1", "东门")).unwrap());
        let second = given(&history).when(|c: &Compound| c.add_gate("g2", "东门"));
        assert_eq!(second, Err(Refusal::GateExists));
        assert!(given(&history).when(|c: &Compound| c.add_gate("g2", "西门")).is_ok());
    }

    #[test]
    fn a_regime_is_set_with_the_day_from_which_it_holds() {
        let set = given(&opened()).when(|c: &Compound| c.set_regime(Regime::Closed, CLOSED_ON)).unwrap();
        let history = [opened(), set].concat();
        let compound: Compound = given(&history).then();
        assert_eq!((compound.regime, compound.regime_from.as_str()), (Regime::Closed, "2020-01-30"));
    }

    #[test]
    fn nothing_is_decided_about_a_compound_that_is_not_there() {
        assert_eq!(given(&[]).when(|c: &Compound| c.add_gate("g1", "东门")), Err(Refusal::Unknown));
        let regime = given(&[]).when(|c: &Compound| c.set_regime(Regime::Closed, CLOSED_ON));
        assert_eq!(regime, Err(Refusal::Unknown));
    }
}
