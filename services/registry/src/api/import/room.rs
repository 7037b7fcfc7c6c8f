//! One room of a workbook: its household, then who lives there. What is registered already and says the same is taken as it
//! is; what says something else is refused, since an import adds and never changes.

use chassis::{Call, Failure};
use proto::registry::v1::{self as contract, Landlord, Person, Refusal, Residence, Tenure};

use super::{Import, Mode, Tally};
use crate::{
    api::{
        households,
        residents::{self, opened},
    },
    domain::{household, resident},
    identity,
    keys::{self, ResidentKeys},
    sentence::Sentence,
    workbook::{Column, Occupant, Refused, Room, Warning},
};

/// How often somebody else may be faster with the same room or person.
const TRIES: usize = 3;

/// The household of a room.
enum Home {
    New(Residence),
    Known(Residence, Option<Sentence>),
    /// Registered with another tenure.
    Other,
}

/// What comes of one row.
enum Row {
    New,
    Same,
    Refused(Column, Sentence),
}

impl Import {
    pub(super) async fn room(&self, compound_id: &str, room: &Room) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let residence = match self.home(compound_id, room).await? {
            Home::New(residence) => {
                tally.households_new = 1;
                residence
            }
            Home::Known(residence, doubt) => {
                let column = Some(Column::LandlordName);
                tally.warnings.extend(doubt.map(|sentence| Warning { row: first_row(room), column, sentence }));
                residence
            }
            Home::Other => {
                tally.refuse(room, exists(), Column::Tenure, &OTHER_TENURE);
                return Ok(tally);
            }
        };
        for occupant in &room.occupants {
            match self.row(&residence, occupant).await? {
                Row::New => tally.rows_new += 1,
                Row::Same => tally.rows_same += 1,
                Row::Refused(column, sentence) => {
                    tally.refused.push(Refused::new(occupant.row, exists(), Some(column), sentence));
                }
            }
        }
        Ok(tally)
    }

    async fn home(&self, compound_id: &str, room: &Room) -> Result<Home, Failure> {
        let Self { api, neighbourhood_id, .. } = self;
        let call = self.call.derive(format!("room/{}", first_row(room)));
        let residence = |household_id: String| Residence {
            neighbourhood_id: neighbourhood_id.clone(),
            compound_id: compound_id.to_owned(),
            household_id,
        };
        let place = &room.place;
        let door = household::Door {
            neighbourhood_id,
            compound_id,
            building: &place.building,
            unit: &place.unit,
            room: &place.room,
        };
        if self.done_before::<contract::Household>(&call).await? {
            return Ok(Home::New(residence(call.id("household"))));
        }
        let key = keys::door(compound_id, &place.building, &place.unit, &place.room);
        for attempt in 1.. {
            if let Some(id) = api.ledger.reserved(keys::HOUSEHOLD_DOOR, &key).await? {
                return self.compare(room, residence(id)).await;
            }
            if self.mode == Mode::Rehearsal {
                // No household has this id, so nobody has their name in it.
                return Ok(Home::New(residence(String::new())));
            }
            match households::register(api, &call, door, room.tenure, room.landlord.as_ref()).await {
                Ok(_) => return Ok(Home::New(residence(call.id("household")))),
                Err(Failure::Reserved { .. }) if attempt < TRIES => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Contended)
    }

    async fn compare(&self, room: &Room, residence: Residence) -> Result<Home, Failure> {
        let (known, _) = self.api.ledger.load::<household::Household>(&residence.household_id).await?;
        let Some(known) = known.registered() else { return Ok(Home::Known(residence, None)) };
        if known.tenure() != room.tenure {
            return Ok(Home::Other);
        }
        let landlord: Option<Landlord> = match &known.landlord {
            Some(sealed) => self.api.vault.reveal(sealed).await?,
            None => None,
        };
        let differs = room.tenure == Tenure::Rented && landlord != room.landlord;
        Ok(Home::Known(residence, differs.then_some(OTHER_LANDLORD)))
    }

    async fn row(&self, residence: &Residence, occupant: &Occupant) -> Result<Row, Failure> {
        let Self { api, neighbourhood_id, .. } = self;
        let call = self.call.derive(format!("row/{}", occupant.row));
        if self.done_before::<contract::Resident>(&call).await? {
            return Ok(Row::New);
        }
        let keys = ResidentKeys::of(&api.vault, neighbourhood_id, &residence.household_id, &occupant.person);
        for attempt in 1.. {
            match keys.holders(&api.ledger).await? {
                (Some(id), _) => return self.by_document(&id, residence, &occupant.person).await,
                (None, Some(id)) => return self.by_name(&id, &occupant.person).await,
                (None, None) if self.mode == Mode::Rehearsal => return Ok(Row::New),
                (None, None) => {}
            }
            match residents::register(api, &call, residence, &occupant.person).await {
                Ok(_) => return Ok(Row::New),
                Err(Failure::Reserved { .. }) if attempt < TRIES => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Contended)
    }

    /// Whether an earlier attempt of this import took it.
    async fn done_before<R: prost::Message + Default>(&self, call: &Call) -> Result<bool, Failure> {
        Ok(self.mode == Mode::Again && self.api.ledger.done_before::<R>(call).await?.is_some())
    }

    /// Somebody of this neighbourhood has the row's document.
    async fn by_document(&self, id: &str, residence: &Residence, person: &Person) -> Result<Row, Failure> {
        let (holder, _) = self.api.ledger.load::<resident::Resident>(id).await?;
        if holder.residence() != Some(residence) {
            return Ok(Row::Refused(Column::Document, ELSEWHERE));
        }
        let known = opened(&self.api, holder.person()).await?.unwrap_or_default();
        if known.full_name != person.full_name {
            return Ok(Row::Refused(Column::Name, OTHER_NAME));
        }
        Ok(same_phones(&known, person))
    }

    /// Somebody of this household has the row's name, and nobody the row's document.
    async fn by_name(&self, id: &str, person: &Person) -> Result<Row, Failure> {
        let (holder, _) = self.api.ledger.load::<resident::Resident>(id).await?;
        let known = opened(&self.api, holder.person()).await?.unwrap_or_default();
        if person.document.as_ref().and_then(identity::key).is_some() {
            return Ok(Row::Refused(Column::Document, OTHER_DOCUMENT));
        }
        Ok(same_phones(&known, person))
    }
}

/// Rooms of a workbook have at least one row; the first one names the command.
fn first_row(room: &Room) -> u32 {
    room.occupants.first().map_or(0, |occupant| occupant.row)
}

/// A row without phones says nothing about them.
fn same_phones(known: &Person, row: &Person) -> Row {
    let all_known = row.phones.iter().all(|phone| known.phones.contains(phone));
    let same = row.phones.is_empty() || (all_known && known.phones.len() == row.phones.len());
    if same { Row::Same } else { Row::Refused(Column::Phones, OTHER_PHONES) }
}

fn exists() -> &'static str {
    chassis::reason(Refusal::AlreadyExists.as_str_name())
}

const OTHER_TENURE: Sentence = Sentence::new(
    "该室已登记为另一种性质，导入不会修改已有登记：请核实",
    "is another one than this room is registered with, and an import changes nothing: find out which is right",
);
const OTHER_LANDLORD: Sentence = Sentence::new(
    "与已登记的房东不同，已有登记保持不变：请核实",
    "is another landlord than the registered one, who was left as they are: find out which is right",
);
const ELSEWHERE: Sentence = Sentence::new(
    "该证件号码已登记在本社区的另一室：请核对号码；如已搬家，请先办理迁出",
    "is registered in another room of this neighbourhood: check the number, or record the move-out there first",
);
const OTHER_NAME: Sentence = Sentence::new(
    "该证件号码已用另一姓名登记，导入不会修改已有登记：请对照证件核实",
    "is not the one that this document is registered with, and an import changes nothing: compare it with the card",
);
const OTHER_DOCUMENT: Sentence = Sentence::new(
    "该室已有同名住户，证件号码与此不同，导入不会修改已有登记：请对照证件核实",
    "differs from that of the resident of this name in this room, and an import changes nothing: compare it with the card",
);
const OTHER_PHONES: Sentence = Sentence::new(
    "与已登记的手机号码不同，导入不会修改已有登记：请核实",
    "differs from the registered numbers, and an import changes nothing: find out which are right",
);
