//! Whose record an order is, and which orders of a person are in force. Keys in the ledger know that at once, where a view
//! would lag behind.

use chassis::{Decision, Failure, Ledger};
use proto::isolation::v1::{Kind, Terms, order_event::Event};

use crate::domain::order::Order;

/// What isolates. A person has one such order, under the first key. Where a further case isolates somebody who is isolated
/// already, or a new verdict replaces an order, the new one stands beside it under the next free key: each bars by itself,
/// and each is lifted by its own cause.
const ISOLATED: [&str; 4] = ["order.in-force", "order.in-force-2", "order.in-force-3", "order.in-force-4"];
/// Health watch: observed, free to move.
const WATCHED: &str = "order.watch";

/// The key that a person's only order holds while it is in force.
pub(crate) fn only_key(kind: Kind) -> &'static str {
    if kind == Kind::Watch { WATCHED } else { ISOLATED[0] }
}

/// The key for an order that may stand beside others.
pub(crate) async fn free_key(ledger: &Ledger, terms: &Terms, order_id: &str) -> Result<&'static str, Failure> {
    if terms.kind() == Kind::Watch {
        return Ok(WATCHED);
    }
    for key in ISOLATED {
        if ledger.reserved(key, &terms.resident_id).await?.is_none_or(|holder| holder == order_id) {
            return Ok(key);
        }
    }
    Err(Failure::Fault(anyhow::anyhow!("the person of order {order_id} is under four orders already")))
}

/// The decision on an order, filed under its neighbourhood and person; `key` is what an order that comes into force holds.
pub(crate) fn file(order: &Order, events: Vec<Event>, key: &'static str) -> Decision<Event> {
    let terms = terms(order, &events).clone();
    let begins = events.iter().any(|event| matches!(event, Event::Ordered(_)));
    let ends = events.iter().any(|event| matches!(event, Event::Released(_)));
    let residence = terms.residence.unwrap_or_default();
    let mut decision = Decision::new(events).office(residence.neighbourhood_id).subject(&terms.resident_id);
    if begins {
        decision = decision.reserve(key, &terms.resident_id);
    }
    if ends {
        // Gives back whichever of them this order holds.
        let keys = ISOLATED.into_iter().chain([WATCHED]);
        decision = keys.fold(decision, |decision, key| decision.release(key, &terms.resident_id));
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

/// The id of an order that isolates this person.
pub(crate) async fn isolating(ledger: &Ledger, resident_id: &str) -> Result<Option<String>, Failure> {
    for key in ISOLATED {
        if let Some(order_id) = ledger.reserved(key, resident_id).await? {
            return Ok(Some(order_id));
        }
    }
    Ok(None)
}

/// The id of an order of any kind under which this person is.
pub(crate) async fn any(ledger: &Ledger, resident_id: &str) -> Result<Option<String>, Failure> {
    match isolating(ledger, resident_id).await? {
        Some(order_id) => Ok(Some(order_id)),
        None => ledger.reserved(WATCHED, resident_id).await,
    }
}
