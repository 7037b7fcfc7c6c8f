//! A neighbourhood 社区: the office that keeps its own people's records.

use chassis::{Aggregate, Kind, Refuse, reason};
use proto::registry::v1::{self as contract, neighbourhood_event::Opened};

// State

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbourhood {
    opened: bool,
    pub display_name: String,
    pub code: String,
}

impl Neighbourhood {
    pub const fn is_open(&self) -> bool {
        self.opened
    }
}

// Events

pub use proto::registry::v1::neighbourhood_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this neighbourhood is there already under another name or code")]
    OpenedOtherwise,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        chassis::Refusal::new(
            Kind::AlreadyExists,
            reason(contract::Refusal::AlreadyExists.as_str_name()),
            "该社区已以其他名称或代码建立：请核对",
            "this neighbourhood is there already under another name or code: compare the two",
        )
    }
}

// Decisions

impl Neighbourhood {
    pub fn open(&self, display_name: &str, code: &str) -> Result<Vec<Event>, Refusal> {
        if !self.opened {
            let opened = Opened { display_name: display_name.to_owned(), code: code.to_owned() };
            return Ok(vec![Event::Opened(opened)]);
        }
        if self.display_name == display_name && self.code == code {
            return Ok(Vec::new());
        }
        Err(Refusal::OpenedOtherwise)
    }
}

// Evolve

impl Aggregate for Neighbourhood {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(opened) => {
                self.opened = true;
                self.display_name.clone_from(&opened.display_name);
                self.code.clone_from(&opened.code);
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
    fn a_neighbourhood_opens_once() {
        let opened = given(&[]).when(|n: &Neighbourhood| n.open("金家漕社区", "330212002012")).unwrap();
        let again = given(&opened).when(|n: &Neighbourhood| n.open("金家漕社区", "330212002012")).unwrap();
        assert!(again.is_empty());
        let other = given(&opened).when(|n: &Neighbourhood| n.open("金家漕社区", "330212002013"));
        assert_eq!(other, Err(Refusal::OpenedOtherwise));
    }
}
