//! The number by which codes and lists name a compound, in 16 bits. It is what derives from the compound's id, unless another one
//! has that already: with eighty compounds two would be alike in one installation of twenty, and a recall of one would hit both.

use chassis::{Aggregate, Decision};
use proto::pass::v1::compound_code_event::{Event, Numbered};

// --- State ---

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompoundCode {
    pub code: Option<u16>,
    /// Passes were issued before it was numbered, with what derives from its id.
    pub older: bool,
}

/// Scope of the reservations: a number belongs to one compound, for ever.
pub const SCOPE: &str = "compound code";

impl CompoundCode {
    /// Everything that stands for the compound in codes that are out. `derived`: what derives from its id.
    pub fn all(self, derived: u16) -> Vec<u16> {
        let Some(code) = self.code else { return vec![derived] };
        if self.older && code != derived { vec![code, derived] } else { vec![code] }
    }
}

// --- Decisions ---

impl CompoundCode {
    /// Given once.
    pub fn number(self, code: u16, older: bool) -> Decision<Event> {
        if self.code.is_some() {
            return Decision::new(Vec::new());
        }
        let numbered = Event::Numbered(Numbered { code: code.into(), older });
        Decision::new(vec![numbered]).reserve(SCOPE, code.to_be_bytes())
    }
}

// --- Evolve ---

impl Aggregate for CompoundCode {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        let Event::Numbered(Numbered { code, older }) = event;
        *self = Self { code: u16::try_from(*code).ok(), older: *older };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compound_is_numbered_once_and_an_older_one_keeps_what_its_passes_carry() {
        let mut compound = CompoundCode::default();
        assert_eq!(compound.all(7), [7], "before it is numbered");
        for event in compound.number(8, true).events {
            compound.evolve(&event);
        }
        assert!(compound.number(9, false).events.is_empty());
        assert_eq!(compound.all(7), [8, 7]);
        assert_eq!(compound.all(8), [8]);
        assert_eq!(CompoundCode { code: Some(8), older: false }.all(7), [8]);
    }
}
