//! A compound 小区 with its gates and its regime: what is guarded, and how strictly.

use std::collections::BTreeMap;

use chassis::{Aggregate, Kind, Refuse, reason};
use chrono::NaiveDate;
use proto::registry::v1::{
    self as contract, Regime,
    compound_event::{BuildingAdded, GateAdded, GridAssigned, Opened, RegimeSet},
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
    /// By their name; the number of units of each, 0 where nobody counted.
    pub buildings: BTreeMap<String, i32>,
    /// The grid of each building that has one of its own; under the empty name that of the others.
    pub grids: BTreeMap<String, String>,
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
    #[error("the building is there with another number of units")]
    BuildingOtherwise,
    #[error("the compound has no such building")]
    NoBuilding,
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
            Self::BuildingOtherwise => chassis::Refusal::new(
                Kind::AlreadyExists,
                reason(contract::Refusal::AlreadyExists.as_str_name()),
                "该幢已登记，单元数不同：请核实",
                "this building is there with another number of units: find out which is right",
            ),
            Self::NoBuilding => crate::domain::not_found("building"),
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

    /// A building, with how many units it has; 0 says nothing about them.
    pub fn add_building(&self, building: &str, units: i32) -> Result<Vec<Event>, Refusal> {
        if !self.opened {
            return Err(Refusal::Unknown);
        }
        match self.buildings.get(building) {
            Some(known) if *known == units || units == 0 => Ok(Vec::new()),
            // Nobody had counted them yet.
            None | Some(0) => Ok(vec![Event::BuildingAdded(BuildingAdded { building: building.to_owned(), units })]),
            Some(_) => Err(Refusal::BuildingOtherwise),
        }
    }

    /// The compound, or one of its buildings, belongs to a grid of the neighbourhood.
    pub fn assign_grid(&self, grid_id: &str, building: &str) -> Result<Vec<Event>, Refusal> {
        if !self.opened {
            return Err(Refusal::Unknown);
        }
        if !building.is_empty() && !self.buildings.contains_key(building) {
            return Err(Refusal::NoBuilding);
        }
        if self.grids.get(building).is_some_and(|known| known == grid_id) {
            return Ok(Vec::new());
        }
        let (grid_id, building) = (grid_id.to_owned(), building.to_owned());
        Ok(vec![Event::GridAssigned(GridAssigned { grid_id, building })])
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
            Event::BuildingAdded(added) => {
                self.buildings.insert(added.building.clone(), added.units);
            }
            Event::GridAssigned(assigned) => {
                self.grids.insert(assigned.building.clone(), assigned.grid_id.clone());
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
    fn a_building_is_there_once_and_its_units_are_counted_once() {
        let mut history = opened();
        history.extend(given(&history).when(|c: &Compound| c.add_building("3", 0)).unwrap());
        history.extend(given(&history).when(|c: &Compound| c.add_building("3", 4)).unwrap());
        assert_eq!(given(&history).when(|c: &Compound| c.add_building("3", 0)), Ok(vec![]));
        let other = given(&history).when(|c: &Compound| c.add_building("3", 5));
        assert_eq!(other, Err(Refusal::BuildingOtherwise));
    }

    #[test]
    fn a_compound_or_one_of_its_buildings_belongs_to_a_grid() {
        let mut history = opened();
        history.extend(given(&history).when(|c: &Compound| c.assign_grid("g1", "")).unwrap());
        let missing = given(&history).when(|c: &Compound| c.assign_grid("g2", "3"));
        assert_eq!(missing, Err(Refusal::NoBuilding));
        history.extend(given(&history).when(|c: &Compound| c.add_building("3", 0)).unwrap());
        assert_eq!(given(&history).when(|c: &Compound| c.assign_grid("g2", "3")).unwrap().len(), 1);
    }

    #[test]
    fn nothing_is_decided_about_a_compound_that_is_not_there() {
        assert_eq!(given(&[]).when(|c: &Compound| c.add_gate("g1", "东门")), Err(Refusal::Unknown));
        let regime = given(&[]).when(|c: &Compound| c.set_regime(Regime::Closed, CLOSED_ON));
        assert_eq!(regime, Err(Refusal::Unknown));
    }
}
