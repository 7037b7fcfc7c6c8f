//! A grid 网格: 300 to 500 households of a neighbourhood under one worker. Which compounds and buildings belong to it is theirs
//! to say.

use chassis::{Aggregate, Kind, Refuse, reason};
use proto::registry::v1::{self as contract, grid_event::Opened};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    opened: bool,
    pub display_name: String,
    pub neighbourhood_id: String,
}

impl Grid {
    pub const fn is_open(&self) -> bool {
        self.opened
    }
}

// Events

pub use proto::registry::v1::grid_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this grid is there already under another name or in another neighbourhood")]
    OpenedOtherwise,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        chassis::Refusal::new(
            Kind::AlreadyExists,
            reason(contract::Refusal::AlreadyExists.as_str_name()),
            "该网格已以其他内容建立：请核对",
            "this grid is there already under another name or in another neighbourhood: compare the two",
        )
    }
}

// Decisions

impl Grid {
    pub fn open(&self, display_name: &str, neighbourhood_id: &str) -> Result<Vec<Event>, Refusal> {
        let (display_name, neighbourhood_id) = (display_name.to_owned(), neighbourhood_id.to_owned());
        if !self.opened {
            return Ok(vec![Event::Opened(Opened { display_name, neighbourhood_id })]);
        }
        let same = self.display_name == display_name && self.neighbourhood_id == neighbourhood_id;
        if same { Ok(Vec::new()) } else { Err(Refusal::OpenedOtherwise) }
    }
}

// Evolve

impl Aggregate for Grid {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(opened) => {
                self.opened = true;
                self.display_name.clone_from(&opened.display_name);
                self.neighbourhood_id.clone_from(&opened.neighbourhood_id);
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
    fn a_grid_opens_once_in_one_neighbourhood() {
        let opened = given(&[]).when(|g: &Grid| g.open("第一网格", "n1")).unwrap();
        assert!(given(&opened).when(|g: &Grid| g.open("第一网格", "n1")).unwrap().is_empty());
        assert_eq!(given(&opened).when(|g: &Grid| g.open("第一网格", "n2")), Err(Refusal::OpenedOtherwise));
    }
}
