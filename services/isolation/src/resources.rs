//! An order as the API shows it.

use chrono::{DateTime, Utc};
use proto::isolation::v1::{
    HandOver, Order as Resource, PendingChange, Task, TaskKind, order::State, order_event::HandedOver,
};

use crate::{
    domain::{
        order::{Order, Pending, Standing},
        period::Slot,
    },
    projections::tasks::Open,
};

pub(crate) fn order(id: &str, order: &Order, version: u64, now: DateTime<Utc>) -> Resource {
    let terms = &order.terms;
    let residence = terms.residence.clone().unwrap_or_default();
    let count = |slots: usize| i32::try_from(slots).unwrap_or(i32::MAX);
    let mut resource = Resource {
        name: format!("orders/{id}"),
        resident: named("residents", &terms.resident_id),
        household: named("households", &residence.household_id),
        compound: named("compounds", &residence.compound_id),
        neighbourhood: named("neighbourhoods", &residence.neighbourhood_id),
        kind: terms.kind,
        reason: terms.reason,
        day_zero: terms.day_zero.clone(),
        observed_from: terms.observed_from.clone(),
        last_day: terms.last_day.clone(),
        handed_over: order.hand_over.is_some(),
        hand_over: order.hand_over.as_ref().map(hand_over),
        breaches: count(order.breaches.len()),
        case: named("cases", &terms.case_id),
        method: named("methods", &terms.method_version),
        evidence_ids: terms.evidence_ids.clone(),
        etag: version.to_string(),
        responsible: order.responsible.clone(),
        home: order.home.into(),
        cohabitants: order.cohabitants.iter().map(|id| named("residents", id)).collect(),
        place: order.place.into(),
        pending_change: order.pending.as_ref().map(|pending| pending_change(id, pending)),
        pending_transfer: named("neighbourhoods", order.transfer.as_deref().unwrap_or_default()),
        sightings: count(order.sightings.len()),
        unacknowledged: order.unacknowledged.iter().cloned().collect(),
        ..Resource::default()
    };
    match &order.standing {
        Standing::Unwritten => {}
        Standing::Proposed(_) => resource.set_state(State::Proposed),
        Standing::InForce { .. } => {
            let (due, missing) = (order.due(now), order.missing(now));
            resource.set_state(State::InForce);
            resource.observations = count(due.len() - missing.len());
            resource.observations_due = count(due.len());
            resource.missing = missing.iter().map(Slot::to_string).collect();
        }
        Standing::Released(released) => {
            resource.set_state(State::Released);
            resource.observations = released.observations;
            resource.observations_due = released.observations_due;
            resource.release_reason = released.reason;
        }
    }
    resource
}

fn hand_over(done: &HandedOver) -> HandOver {
    HandOver {
        handed_by: done.handed_by.clone(),
        receiver: done.receiver.clone(),
        vehicle: done.vehicle.clone(),
        receipt: done.receipt.clone(),
        place: done.place.clone(),
        leave_time: done.leave_time,
        receive_time: done.receive_time,
    }
}

fn named(collection: &str, id: &str) -> String {
    if id.is_empty() { String::new() } else { format!("{collection}/{id}") }
}

fn pending_change(order_id: &str, pending: &Pending) -> PendingChange {
    PendingChange {
        name: format!("orders/{order_id}/changes/{}", pending.id),
        kind: pending.kind.into(),
        reason: pending.reason.into(),
        last_day: pending.last_day.map(|day| day.to_string()).unwrap_or_default(),
        proposed_by: pending.first.by.clone(),
    }
}

pub(crate) fn task(Open { row, level, late }: Open) -> Task {
    let time = |micros| DateTime::from_timestamp_micros(micros).map(chassis::timestamp);
    let id = row.key.rsplit('/').next().unwrap_or_default();
    Task {
        name: format!("orders/{}/tasks/{id}", row.order_id),
        kind: row.kind.into(),
        order: named("orders", &row.order_id),
        resident: named("residents", &row.resident_id),
        household: named("households", &row.household_id),
        compound: named("compounds", &row.compound_id),
        neighbourhood: named("neighbourhoods", &row.neighbourhood_id),
        date: row.day,
        day_part: row.part,
        open_time: time(row.opens_at),
        due_time: time(row.due_at),
        late,
        level: level.into(),
        responsible: row.responsible,
        matter: if row.kind == TaskKind::Transfer { String::new() } else { row.matter },
    }
}
