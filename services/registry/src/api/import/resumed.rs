//! What an import that broke off did before: the same request, sent again, goes on where it was.

use std::collections::{HashMap, HashSet};

use chassis::Failure;
use futures::{StreamExt as _, TryStreamExt as _};
use proto::registry::v1::{Household, Resident};

use super::Import;
use crate::workbook::Room;

/// Questions to the log at once.
const AT_ONCE: usize = 64;

/// By rows of the workbook.
#[derive(Default)]
pub(super) struct Earlier {
    pub(super) rows: HashMap<u32, Was>,
    /// First rows of rooms whose landlord was changed.
    pub(super) relet: HashSet<u32>,
    /// First rows of rooms whose household was registered.
    pub(super) households: HashSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Was {
    New,
    Changed,
}

/// The parts of a request's command id.
pub(super) fn household(first_row: u32) -> String {
    format!("room/{first_row}")
}

pub(super) fn landlord(first_row: u32) -> String {
    format!("room/{first_row}/landlord")
}

pub(super) fn resident(row: u32) -> String {
    format!("row/{row}")
}

pub(super) fn correction(row: u32) -> String {
    format!("row/{row}/correction")
}

impl Earlier {
    pub(super) async fn of(import: &Import, rooms: &[Room]) -> Result<Self, Failure> {
        let rows = |room: &Room| room.occupants.iter().map(|occupant| occupant.row).collect();
        let rooms: Vec<Vec<u32>> = rooms.iter().map(rows).collect();
        let found = futures::stream::iter(rooms)
            .map(|rows| Self::of_room(import, rows))
            .buffer_unordered(AT_ONCE)
            .try_fold(Self::default(), async |mut all, room| {
                all.rows.extend(room.rows);
                all.relet.extend(room.relet);
                all.households.extend(room.households);
                Ok(all)
            });
        found.await
    }

    async fn of_room(import: &Import, rows: Vec<u32>) -> Result<Self, Failure> {
        let Import { api, call, .. } = import;
        let mut earlier = Self::default();
        let first = rows.first().copied().unwrap_or_default();
        if api.ledger.done_before::<Household>(&call.derive(household(first))).await?.is_some() {
            earlier.households.insert(first);
        } else if api.ledger.done_before::<Household>(&call.derive(landlord(first))).await?.is_some() {
            earlier.relet.insert(first);
        }
        for row in rows {
            if api.ledger.done_before::<Resident>(&call.derive(resident(row))).await?.is_some() {
                earlier.rows.insert(row, Was::New);
            } else if api.ledger.done_before::<Resident>(&call.derive(correction(row))).await?.is_some() {
                earlier.rows.insert(row, Was::Changed);
            }
        }
        Ok(earlier)
    }
}
