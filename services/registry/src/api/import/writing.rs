//! Doing what was planned: rooms side by side, the rows of one room after each other. Whoever was faster with a room or a
//! person since the comparison is found out by the keys that a record reserves; such rows go back to be compared again.

use std::sync::Arc;

use chassis::Failure;
use futures::StreamExt as _;
use proto::registry::v1::Residence;
use tonic::Status;

use super::{
    Import, Sender, outcome,
    outcome::Tally,
    plan::{Deed, Home, Planned},
    resumed, stopping,
};
use crate::{
    api::{corrections, households, residents},
    domain::household::Door,
    workbook::{Occupant, Room},
};

/// Rooms that wait for the log at once: enough to fill its batches.
const IN_FLIGHT: usize = 128;

/// A room with the rows for which somebody else was faster.
type Raced = Option<(String, Room)>;

impl Import {
    pub(super) async fn write(
        self: &Arc<Self>,
        planned: Vec<Planned>,
        tally: &mut Tally,
        sender: &Sender,
    ) -> Result<Vec<(String, Room)>, Status> {
        let rows: usize = planned.iter().map(|room| room.rows.len()).sum();
        let mut written = futures::stream::iter(planned)
            .map(|planned| {
                let import = Arc::clone(self);
                // In tasks of their own, so that all cores seal and decide.
                let room = tokio::spawn(async move { import.room(planned).await });
                async move { room.await.unwrap_or_else(|died| Err(Failure::Fault(died.into()))) }
            })
            .buffer_unordered(IN_FLIGHT);
        let step = (rows / 100).max(1);
        let mut told = tally.done();
        let mut again = Vec::new();
        while let Some(room) = written.next().await {
            let (counted, raced) = room?;
            tally.add(counted);
            again.extend(raced);
            if self.api.stop.is_cancelled() {
                return Err(stopping());
            }
            if tally.done() >= told + step {
                told = tally.done();
                outcome::tell(sender, tally);
            }
        }
        Ok(again)
    }

    async fn room(&self, planned: Planned) -> Result<(Tally, Raced), Failure> {
        let Planned { compound_id, room, home, first, relet, rows } = planned;
        let mut tally = Tally::default();
        let household_id = match self.household(&compound_id, &room, &home, first).await {
            Ok(id) => id,
            Err(Failure::Reserved { .. } | Failure::Refused(_)) => {
                let occupants = rows.into_iter().map(|(occupant, _)| occupant).collect();
                return Ok((tally, Some((compound_id, Room { occupants, ..room }))));
            }
            Err(failure) => return Err(failure),
        };
        tally.households_new = usize::from(home == Home::New);
        let neighbourhood_id = self.neighbourhood_id.clone();
        let residence = Residence { neighbourhood_id, compound_id: compound_id.clone(), household_id };
        let mut raced = Vec::new();
        for (at, (occupant, deed)) in rows.into_iter().enumerate() {
            match self.row(&residence, &occupant, &deed).await {
                Ok(()) => tally.count(&deed, at == 0 && relet),
                Err(Failure::Reserved { .. } | Failure::Refused(_)) => raced.push(occupant),
                Err(failure) => return Err(failure),
            }
        }
        let raced = (!raced.is_empty()).then_some((compound_id, Room { occupants: raced, ..room }));
        Ok((tally, raced))
    }

    async fn household(&self, compound_id: &str, room: &Room, home: &Home, first: u32) -> Result<String, Failure> {
        let Self { api, neighbourhood_id, .. } = self;
        let place = &room.place;
        match home {
            Home::Known(id) => Ok(id.clone()),
            Home::New => {
                let call = self.call.derive(resumed::household(first));
                let door = Door {
                    neighbourhood_id,
                    compound_id,
                    building: &place.building,
                    unit: &place.unit,
                    room: &place.room,
                };
                households::register(api, &call, door, room.tenure, room.landlord.as_ref()).await?;
                Ok(call.id("household"))
            }
            Home::Relet(id) => {
                let call = self.call.derive(resumed::landlord(first));
                let landlord = room.landlord.clone().unwrap_or_default();
                households::change_landlord(api, &call, id, neighbourhood_id, &landlord).await?;
                Ok(id.clone())
            }
        }
    }

    async fn row(&self, residence: &Residence, occupant: &Occupant, deed: &Deed) -> Result<(), Failure> {
        let api = &self.api;
        match deed {
            Deed::Same | Deed::Done(_) => Ok(()),
            Deed::New => {
                let call = self.call.derive(resumed::resident(occupant.row));
                residents::register(api, &call, residence, &occupant.person).await.map(drop)
            }
            Deed::Changed(id, person, _) => {
                let call = self.call.derive(resumed::correction(occupant.row));
                corrections::correct(api, &call, id, residence, person).await.map(drop)
            }
        }
    }
}
