//! What the audience sees: one line as it happens, with the story's time.

use std::io::Write as _;

use chrono::{DateTime, Utc};

/// Tells to the terminal, or says nothing where only the numbers are wanted.
#[derive(Clone, Copy)]
pub(super) struct Teller {
    pub(super) quiet: bool,
}

impl Teller {
    pub(super) fn tell(self, time: DateTime<Utc>, line: impl std::fmt::Display) {
        let time = time.with_timezone(&chassis::CALENDAR).format("%m-%d %H:%M");
        self.say(format_args!("{time}  {line}"));
    }

    /// A further line to the one before.
    pub(super) fn more(self, line: impl std::fmt::Display) {
        self.say(format_args!("             {line}"));
    }

    pub(super) fn chapter(self, title: &str) {
        self.say(format_args!("\n── {title}"));
    }

    pub(super) fn say(self, line: impl std::fmt::Display) {
        if !self.quiet {
            // A reader who has gone away is no reason to stop the story.
            writeln!(std::io::stdout(), "{line}").ok();
        }
    }
}
