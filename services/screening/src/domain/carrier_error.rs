//! What an upheld dispute says about a carrier: a fact about the carrier, and of no person. One stream for each struck visit,
//! whose id leads nobody back to it, so that it is counted once however often it is looked at.

use std::convert::Infallible;

use chassis::{Aggregate, Decision};
use proto::screening::v1::carrier_error_event::{Counted, Event};

// State

#[derive(Clone, Debug, Default)]
pub struct CarrierError {
    counted: Option<Counted>,
}

// Decisions

impl CarrierError {
    pub fn count(&self, counted: &Counted) -> Result<Decision<Event>, Infallible> {
        match &self.counted {
            Some(_) => Ok(Decision::new(Vec::new())),
            None => Ok(Decision::new(vec![Event::Counted(counted.clone())])),
        }
    }
}

// Evolve

impl Aggregate for CarrierError {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Counted(counted) => self.counted = Some(counted.clone()),
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_counted_once() {
        let (mut error, counted) = (CarrierError::default(), Counted::default());
        let first = error.count(&counted).unwrap().events;
        assert_eq!(first.len(), 1);
        for event in &first {
            error.evolve(event);
        }
        assert!(error.count(&counted).unwrap().events.is_empty());
        assert!(error.count(&Counted { day: "2020-02-12".into(), ..counted }).unwrap().events.is_empty());
    }
}
