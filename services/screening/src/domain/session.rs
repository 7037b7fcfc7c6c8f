//! An evening's round 排查: opened by a worker for a compound or a grid, closed. It decides nothing about anybody: what was
//! screened in it is what the cases of its place say of that time.

use chassis::{Aggregate, Decision, Kind, Refusal, Refuse, reason};
use proto::screening::v1::{
    self, session,
    session_event::{Closed, Event, Opened},
};

// State

#[derive(Clone, Debug, Default)]
pub struct Session {
    opened: Option<Opened>,
    closed: Option<Closed>,
}

/// A reservation that an open session holds on its place.
const OPEN: &str = "open session";

impl Session {
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// Empty for a session that was never opened.
    pub fn neighbourhood(&self) -> &str {
        self.opened.as_ref().map_or("", |opened| &opened.neighbourhood_id)
    }

    pub fn standing(&self) -> session::State {
        match (&self.opened, &self.closed) {
            (None, _) => session::State::Unspecified,
            (Some(_), None) => session::State::Open,
            (Some(_), Some(_)) => session::State::Closed,
        }
    }
}

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such session")]
    NotFound,
    #[error("there is no such place")]
    NoSuchPlace,
    #[error("another session of this place is open")]
    AlreadyOpen,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        match self {
            Self::NotFound => Refusal::new(
                Kind::NotFound,
                reason(v1::Refusal::NotFound.as_str_name()),
                "没有这场排查，或不属于您的社区：请核对编号",
                "there is no such session, or it is not your neighbourhood's: check its name",
            ),
            Self::NoSuchPlace => Refusal::new(
                Kind::NotFound,
                reason(v1::Refusal::NotFound.as_str_name()),
                "没有这个小区或网格，或不属于您的社区：请核对编号",
                "there is no such compound or grid, or it is not your neighbourhood's: check its name",
            ),
            Self::AlreadyOpen => Refusal::new(
                Kind::Precondition,
                reason(v1::Refusal::SessionOpen.as_str_name()),
                "这里已有一场排查正在进行：请加入那一场，或先将其结束",
                "a session of this place is open: work in that one, or close it first",
            ),
        }
    }
}

// Decisions

impl Session {
    /// One at a time in each place.
    pub fn open(&self, opened: &Opened) -> Result<Decision<Event>, Refused> {
        match &self.opened {
            Some(known) if known == opened => Ok(self.decision(Vec::new())),
            Some(_) => Err(Refused::AlreadyOpen),
            None => Ok(Decision::new(vec![Event::Opened(opened.clone())])
                .office(&opened.neighbourhood_id)
                .reserve(OPEN, &opened.place)),
        }
    }

    /// Said twice, the first time stands.
    pub fn close(&self, closed: &Closed) -> Result<Decision<Event>, Refused> {
        let opened = self.opened.as_ref().ok_or(Refused::NotFound)?;
        if self.closed.is_some() {
            return Ok(self.decision(Vec::new()));
        }
        Ok(self.decision(vec![Event::Closed(closed.clone())]).release(OPEN, &opened.place))
    }

    fn decision(&self, events: Vec<Event>) -> Decision<Event> {
        Decision::new(events).office(self.neighbourhood())
    }
}

// Evolve

impl Aggregate for Session {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(opened) => self.opened = Some(opened.clone()),
            Event::Closed(closed) => self.closed = Some(closed.clone()),
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Opened {
        Opened {
            neighbourhood_id: "n1".to_owned(),
            place: "compounds/c1".to_owned(),
            by: "staff/1".to_owned(),
            ..Opened::default()
        }
    }

    fn decided(events: &mut Vec<Event>, decide: impl Fn(&Session) -> Result<Decision<Event>, Refused>) -> usize {
        let new = decide(&given(events)).unwrap().events;
        let count = new.len();
        events.extend(new);
        assert!(decide(&given(events)).unwrap().events.is_empty(), "deciding again on its own outcome adds no event");
        count
    }

    fn given(events: &[Event]) -> Session {
        let mut session = Session::default();
        for event in events {
            session.evolve(event);
        }
        session
    }

    #[test]
    fn a_session_is_opened_and_closed_once() {
        let closed = Closed { by: "staff/2".to_owned(), ..Closed::default() };
        assert_eq!(Session::default().close(&closed).unwrap_err(), Refused::NotFound);
        let mut events = Vec::new();
        assert_eq!(decided(&mut events, |session| session.open(&opened())), 1);
        assert_eq!(given(&events).standing(), session::State::Open);
        let other = Opened { by: "staff/3".to_owned(), ..opened() };
        assert_eq!(given(&events).open(&other).unwrap_err(), Refused::AlreadyOpen);
        assert_eq!(decided(&mut events, |session| session.close(&closed)), 1);
        let late = Closed { by: "staff/4".to_owned(), ..Closed::default() };
        assert!(given(&events).close(&late).unwrap().events.is_empty(), "the first one stands");
        assert_eq!(given(&events).standing(), session::State::Closed);
    }
}
