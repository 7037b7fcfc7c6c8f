//! Which tasks an order calls for. Those of the calendar follow from its state; those that somebody's act opens begin with
//! that act, and stand as long as the order waits for an answer.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proto::isolation::v1::{Home, Kind, Level, TaskKind, order_event::Event};

use crate::domain::{
    order::{Order, Standing, matter_of},
    period::{Part, Slot},
    schedule::{SHIPPED, at, opens},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) order_id: String,
    pub(crate) kind: TaskKind,
    pub(crate) resident_id: String,
    pub(crate) household_id: String,
    pub(crate) compound_id: String,
    pub(crate) neighbourhood_id: String,
    /// Of a reading: its half-day; else empty and 0.
    pub(crate) day: String,
    pub(crate) part: i32,
    pub(crate) opens_at: i64,
    pub(crate) due_at: i64,
    pub(crate) level: i64,
    /// When it goes up; `NEVER` where it does not by itself.
    pub(crate) step_at: i64,
    pub(crate) responsible: String,
    pub(crate) matter: String,
}

const NEVER: i64 = i64::MAX;
/// The matter of a home that does not fit.
const UNFIT: &str = "unfit";

impl Row {
    fn new(order_id: &str, order: &Order, kind: TaskKind, matter: &str) -> Self {
        let residence = order.terms.residence.clone().unwrap_or_default();
        let word = kind.as_str_name().trim_start_matches("TASK_KIND_").to_lowercase();
        let key = if matter.is_empty() { word } else { format!("{word}-{matter}") };
        Self {
            key: format!("{order_id}/{key}"),
            order_id: order_id.to_owned(),
            kind,
            resident_id: order.terms.resident_id.clone(),
            household_id: residence.household_id,
            compound_id: residence.compound_id,
            neighbourhood_id: residence.neighbourhood_id,
            day: String::new(),
            part: 0,
            opens_at: 0,
            due_at: 0,
            level: Level::Grid as i64,
            step_at: NEVER,
            responsible: order.responsible.clone(),
            matter: matter.to_owned(),
        }
    }

    fn between(self, opens: DateTime<Utc>, due: DateTime<Utc>) -> Self {
        Self { opens_at: opens.timestamp_micros(), due_at: due.timestamp_micros(), ..self }
    }
}

/// Of the calendar: readings that nobody took, and the release.
pub(super) fn planned(order_id: &str, order: &Order) -> BTreeMap<String, Row> {
    let mut rows = Vec::new();
    if order.in_force() {
        rows.extend(order.planned().filter(|slot| !order.taken(*slot)).map(|slot| reading(order_id, order, slot)));
        let last = Slot { date: order.observed_until(), part: Part::Morning };
        let due = at(last.date, 22);
        rows.push(Row::new(order_id, order, TaskKind::Release, "").between(opens(last), due));
    }
    rows.into_iter().map(|row| (row.key.clone(), row)).collect()
}

fn reading(order_id: &str, order: &Order, slot: Slot) -> Row {
    let row = Row::new(order_id, order, TaskKind::Reading, &slot.to_string().replace(' ', "-"));
    let level = order.level(slot);
    let step_at = SHIPPED.next_step(slot, order.began, level).map_or(NEVER, |step| step.timestamp_micros());
    Row {
        day: slot.date.to_string(),
        part: slot.part.day_part().into(),
        level: level.unwrap_or(Level::Grid) as i64,
        step_at,
        matter: String::new(),
        ..row.between(opens(slot), SHIPPED.due(slot, order.began))
    }
}

/// What this event opens, where the order still waits for an answer to it.
pub(super) fn opened(order_id: &str, order: &Order, event: &Event, happened: DateTime<Utc>) -> Option<Row> {
    let (kind, matter) = match event {
        Event::Proposed(_) => (TaskKind::Change, "order".to_owned()),
        Event::Ordered(_) | Event::Moved(_) => (TaskKind::Home, String::new()),
        Event::HomeChecked(_) => (TaskKind::Home, UNFIT.to_owned()),
        Event::Observed(observed) if observed.fever_or_symptoms => {
            (TaskKind::Alert, matter_of(Slot::of(&observed.date, observed.day_part())?))
        }
        Event::Breached(breached) => (TaskKind::Breach, breached.crossing_id.clone()),
        Event::Sighted(sighted) => (TaskKind::Breach, sighted.sighting_id.clone()),
        Event::ChangeProposed(proposed) => (TaskKind::Change, proposed.change_id.clone()),
        Event::TransferProposed(proposed) => (TaskKind::Transfer, proposed.neighbourhood_id.clone()),
        _ => return None,
    };
    let within = if matches!(kind, TaskKind::Alert | TaskKind::Breach) { SHIPPED.alert } else { SHIPPED.desk_work };
    let row = Row::new(order_id, order, kind, &matter).between(happened, happened + within);
    refreshed(order, &row)
}

/// The row as it stands now: with its time, and the place and people of the order; `None` where nothing waits any more.
pub(super) fn refreshed(order: &Order, row: &Row) -> Option<Row> {
    if !waits(order, row) {
        return None;
    }
    let now = Row::new(&row.order_id, order, row.kind, &row.matter);
    // The other neighbourhood sees what it is asked to take over.
    let transfer = row.kind == TaskKind::Transfer;
    let neighbourhood_id = if transfer { row.matter.clone() } else { now.neighbourhood_id };
    Some(Row { neighbourhood_id, opens_at: row.opens_at, due_at: row.due_at, ..now })
}

/// Whether the order still waits for an answer to what opened this row.
fn waits(order: &Order, row: &Row) -> bool {
    match row.kind {
        // Also once the order has ended: a fever is a fever.
        TaskKind::Alert | TaskKind::Breach => order.unacknowledged.contains(&row.matter),
        TaskKind::Change if row.matter == "order" => matches!(order.standing, Standing::Proposed(_)),
        TaskKind::Change => order.in_force() && order.pending.as_ref().is_some_and(|pending| pending.id == row.matter),
        TaskKind::Transfer => order.in_force() && order.transfer.as_deref() == Some(&*row.matter),
        // R12: looked at, and fit; else the person is to be brought elsewhere.
        TaskKind::Home => {
            let home = if row.matter == UNFIT { Home::SharedRoom } else { Home::Unspecified };
            order.in_force() && order.terms.kind() == Kind::Home && order.home == home
        }
        TaskKind::Unspecified | TaskKind::Reading | TaskKind::Release => false,
    }
}
