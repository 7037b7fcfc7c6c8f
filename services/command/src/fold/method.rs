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

#[cfg(test)]
mod tests {
    use chassis::timestamp;
    use proto::screening::v1::method_event;

    use crate::tests::{Street, street::time};

    fn publish(street: &mut Street, version: &str, from: Option<&str>) {
        let in_force_time = from.map(|from| timestamp(time(from)));
        let published = method_event::Published { version: version.to_owned(), in_force_time, ..Default::default() };
        street.tell(version, method_event::Event::Published(published));
    }

    #[test]
    fn a_method_is_in_force_from_its_time_and_known_from_its_publication() {
        let mut street = Street::new();
        street.at("2020-02-11 08:00");
        publish(&mut street, "m1", None);
        street.at("2020-02-11 10:00");
        publish(&mut street, "m2", Some("2020-02-12 00:00"));
        street.at("2020-02-12 10:00");
        publish(&mut street, "m3", Some("2020-02-12 00:00"));
        let at = |time: &str| street.as_of(time).method;
        assert_eq!(["2020-02-11 07:00", "2020-02-11 09:00", "2020-02-11 23:59"].map(at), ["", "m1", "m1"]);
        assert_eq!(["2020-02-12 09:00", "2020-02-12 11:00"].map(at), ["m2", "m3"], "of two the later publication");
    }
}
