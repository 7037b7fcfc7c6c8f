//! Which method is in force, and since when that was known.

use chrono::{DateTime, Utc};
use proto::{event::v1::Record, screening::v1::method_event};

use super::{Fold, Names, Told};
use crate::book::Minute;

#[derive(Default)]
pub struct Methods {
    pub names: Names,
    /// As they were published.
    published: Vec<Published>,
}

struct Published {
    version: String,
    known: Minute,
    in_force_from: DateTime<Utc>,
}

impl Methods {
    /// The version in force at a time, by what was known at a minute; the later publication of two.
    pub fn in_force(&self, time: DateTime<Utc>, known: Minute) -> &str {
        let begun = |method: &&Published| method.in_force_from <= time && method.known <= known;
        // Of equal ones the last stays.
        self.published
            .iter()
            .filter(begun)
            .max_by_key(|method| method.in_force_from)
            .map_or("", |method| &method.version)
    }
}

impl Fold {
    pub(super) fn method(&mut self, told: Told<'_>, record: &Record, event: method_event::Event) {
        let method_event::Event::Published(event) = event else { return };
        // One that does not say from when is in force from its publication on.
        let from = event.in_force_time.as_ref().or(record.occurred_at.as_ref());
        self.methods.published.push(Published {
            version: event.version,
            known: told.at,
            in_force_from: super::time(from),
        });
    }
}
