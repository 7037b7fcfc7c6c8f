//! A round 巡查: one thing that is to be done again and again at one place, how often a day, and each time that it was done.
//! Disinfection is one: the compound daily, key places twice (R21), which the plan says and no constant.

use std::collections::BTreeSet;

use chassis::{Aggregate, Refuse};
use proto::registry::v1::round_event::{Planned, Ticked};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    planned: Option<Planned>,
    /// The last of them: more are never said again.
    ticks: BTreeSet<String>,
}

/// Of remembered ticks.
const REMEMBERED: usize = 200;

impl Round {
    pub const fn planned(&self) -> Option<&Planned> {
        self.planned.as_ref()
    }
}

// Events

pub use proto::registry::v1::round_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such round")]
    Unknown,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        crate::domain::not_found("round")
    }
}

// Decisions

impl Round {
    pub fn plan(&self, planned: &Planned) -> Vec<Event> {
        if self.planned.as_ref() == Some(planned) { Vec::new() } else { vec![Event::Planned(planned.clone())] }
    }

    pub fn tick(&self, ticked: &Ticked) -> Result<Vec<Event>, Refusal> {
        if self.planned.is_none() {
            return Err(Refusal::Unknown);
        }
        let known = self.ticks.contains(&ticked.tick_id);
        Ok(if known { Vec::new() } else { vec![Event::Ticked(ticked.clone())] })
    }
}

// Evolve

impl Aggregate for Round {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Planned(planned) => self.planned = Some(planned.clone()),
            Event::Ticked(ticked) => {
                if self.ticks.len() >= REMEMBERED {
                    self.ticks.clear();
                }
                self.ticks.insert(ticked.tick_id.clone());
            }
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    #[test]
    fn a_round_is_ticked_once_for_each_time_and_only_where_it_is_planned() {
        let planned = Planned { spot: "电梯厅".into(), times_per_day: 2, ..Planned::default() };
        let mut history = given(&[]).when(|r: &Round| Ok::<_, Refusal>(r.plan(&planned))).unwrap();
        let tick = |id: &str| Ticked { tick_id: id.into(), ..Ticked::default() };
        history.extend(given(&history).when(|r: &Round| r.tick(&tick("t1"))).unwrap());
        assert_eq!(given(&history).when(|r: &Round| r.tick(&tick("t1"))), Ok(vec![]));
        assert_eq!(given(&history).when(|r: &Round| r.tick(&tick("t2"))).unwrap().len(), 1);
        assert_eq!(given(&[]).when(|r: &Round| r.tick(&tick("t1"))), Err(Refusal::Unknown));
    }
}
