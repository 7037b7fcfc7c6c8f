//! Whose record an order is, and which orders of a person are in force. Keys in the ledger know that at once, where a view
//! would lag behind.

use chassis::{Decision, Failure, Ledger};
use proto::isolation::v1::{Kind, Terms, order_event::Event};

use crate::domain::order::Order;

/// What isolates: one order per person.
pub(crate) const ISOLATED: &str = "order.in-force";
/// A second verdict while an order is in force stands beside it: each bars, and each is lifted by its own cause.
pub(crate) const ISOLATED_TOO: &str = "order.in-force-too";
/// Health watch: observed, free to move.
pub(crate) const WATCHED: &str = "order.watch";

const ALL: [&str; 3] = [ISOLATED, ISOLATED_TOO, WATCHED];

/// The key that an order of this kind holds while it is in force.
pub(crate) fn key(kind: Kind) -> &'static str {
    if kind == Kind::Watch { WATCHED } else { ISOLATED }
}

/// The decision on an order, filed under its neighbourhood and person; `key` is what an order that comes into force holds.
pub(crate) fn file(order: &Order, events: Vec<Event>, key: &'static str) -> Decision<Event> {
    let terms = terms(order, &events).clone();
    let (begins, ends) = events.iter().fold((false, false), |(begins, ends), event| {
        (begins || matches!(event, Event::Ordered(_)), ends || matches!(event, Event::Released(_)))
    });
    let residence = terms.residence.unwrap_or_default();
    let mut decision = Decision::new(events).office(residence.neighbourhood_id).subject(&terms.resident_id);
    if begins {
        decision = decision.reserve(key, &terms.resident_id);
    }
    if ends {
        decision = ALL.into_iter().fold(decision, |decision, key| decision.release(key, &terms.resident_id));
    }
    decision
}

fn terms<'a>(order: &'a Order, events: &'a [Event]) -> &'a Terms {
    match events.first() {
        Some(Event::Proposed(proposed)) => proposed.terms.as_ref().unwrap_or(&order.terms),
        Some(Event::Ordered(ordered)) => ordered.terms.as_ref().unwrap_or(&order.terms),
        _ => &order.terms,
    }
}

/// The id of the order that isolates this person.
pub(crate) async fn isolating(ledger: &Ledger, resident_id: &str) -> Result<Option<String>, Failure> {
    match ledger.reserved(ISOLATED, resident_id).await? {
        Some(order) => Ok(Some(order)),
        None => ledger.reserved(ISOLATED_TOO, resident_id).await,
    }
}

/// The id of the order of any kind under which this person is.
pub(crate) async fn any(ledger: &Ledger, resident_id: &str) -> Result<Option<String>, Failure> {
    match isolating(ledger, resident_id).await? {
        Some(order) => Ok(Some(order)),
        None => ledger.reserved(WATCHED, resident_id).await,
    }
}
