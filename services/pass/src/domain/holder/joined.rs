//! Two records of one person. The one that ends keeps its bars and its history, so that a merge can be undone; the one that
//! goes on stands under a bar named after it for as long as any of them stands. What clears or releases the one qualifies
//! the other for nothing: a pass needs a screening of the record that it is issued to.

use proto::{
    pass::v1::{
        Reason,
        holder_event::{Barred, Event, Joined, Parted},
    },
    registry::v1::Residence,
};

use super::{Events, Holder, Pass, Standing, revoked, suspended};

impl Holder {
    /// The register says that this is the same person as another resident: the pass of this record ends.
    pub fn join(&self, into: &str, residence: &Residence) -> Events {
        if self.joined.as_ref().is_some_and(|(known, _)| known == into) {
            return Vec::new();
        }
        let mut events = match self.pass() {
            Some(Pass { standing: Standing::Active | Standing::Suspended(_), number, .. }) => {
                vec![revoked(number, Reason::IssuedInError, &[])]
            }
            Some(_) | None => Vec::new(),
        };
        events
            .push(Event::Joined(Joined { into_resident_id: into.to_owned(), into_residence: Some(residence.clone()) }));
        events
    }

    /// They are two people after all. The pass that ended stays ended; a new one may be issued.
    pub fn part(&self) -> Events {
        if self.joined.is_some() { vec![Event::Parted(Parted {})] } else { Vec::new() }
    }

    /// Stands under the bars of another record of the same person, or no longer, by what that one says now.
    pub fn inherit(&self, from: &str, own: &str, other: &Self) -> Events {
        let name = format!("residents/{from}");
        let residence = match &other.joined {
            Some((into, residence)) if into == own && !other.bars.is_empty() => residence,
            Some(_) | None => return self.lift([(name.as_str(), "")]),
        };
        let reason = if other.isolated() { Reason::IsolationOrder } else { Reason::Verdict };
        if self.bars.get(&name).is_some_and(|bar| bar.reason == reason) {
            return Vec::new();
        }
        // The pass is suspended before the bar stands, so that no position shows a barred person with an active pass.
        let mut events = match self.pass() {
            Some(Pass { standing: Standing::Active, number, .. }) => vec![suspended(number, reason, &[])],
            Some(_) | None => Vec::new(),
        };
        events.push(Event::Barred(Barred {
            by: name,
            reason: reason.into(),
            residence: Some(residence.clone()),
            cause: String::new(),
            doubt: false,
        }));
        events
    }
}

#[cfg(test)]
mod tests {
    use chassis::Aggregate as _;

    use super::*;

    fn after(mut holder: Holder, events: &[Event]) -> Holder {
        for event in events {
            holder.evolve(event);
        }
        holder
    }

    fn home() -> Residence {
        Residence { neighbourhood_id: "n1".into(), compound_id: "c1".into(), household_id: "h2".into() }
    }

    #[test]
    fn what_bars_one_record_of_a_person_bars_the_other_until_it_falls() {
        let one = after(Holder::default(), &Holder::default().bar("orders/o1", Reason::IsolationOrder, "", &home()));
        let one = after(one.clone(), &one.join("r2", &home()));
        let other = after(Holder::default(), &Holder::default().clear("cases/c2", &home()));
        assert!(other.eligible());
        let barred = after(other.clone(), &other.inherit("r1", "r2", &one));
        assert!(barred.isolated() && !barred.eligible());
        assert!(barred.inherit("r1", "r2", &one).is_empty(), "decided again on its own outcome");
        let released = after(one.clone(), &one.release("orders/o1", &home()));
        let free = after(barred.clone(), &barred.inherit("r1", "r2", &released));
        assert!(free.eligible());
        assert!(!released.eligible(), "nothing is issued to the record that ended");
        let parted = after(one.clone(), &one.part());
        assert!(after(barred.clone(), &barred.inherit("r1", "r2", &parted)).eligible());
        assert!(parted.isolated(), "the order stays with the record that it was made for");
    }
}
