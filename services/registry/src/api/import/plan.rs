//! What is to be done about each row: nothing where the register says the same, a correction where it says something else
//! that the row may put right (phones, a landlord, a document that was missing), a refusal where nobody here can know which of
//! the two is right. Pure: nothing is written before all rows were looked at.

use proto::registry::v1::{Landlord, Person, Refusal, Tenure};

use super::{
    known::{Home as KnownHome, Known, Resident},
    outcome::Tally,
    resumed::{Earlier, Was},
};
use crate::{
    identity,
    sentence::Sentence,
    workbook::{Column, Occupant, Refused, Room, Warning},
};

/// A room of which something is taken.
pub(super) struct Planned {
    pub(super) compound_id: String,
    /// Without its occupants.
    pub(super) room: Room,
    pub(super) home: Home,
    /// The first row of the room, whatever became of it: the commands about its household are named after it.
    pub(super) first: u32,
    /// Its landlord is another one now, by this attempt or an earlier one.
    pub(super) relet: bool,
    pub(super) rows: Vec<(Occupant, Deed)>,
}

/// The household of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Home {
    New,
    Known(String),
    /// Its landlord is another one now. The first row of the room counts as changed.
    Relet(String),
}

/// What a row comes to.
pub(super) enum Deed {
    New,
    /// The resident, and what is known of them from now on.
    Changed(String, Person, Warning),
    Same,
    /// By an earlier attempt of the same import.
    Done(Was),
}

pub(super) fn room(
    known: &Known,
    earlier: &Earlier,
    compound_id: String,
    mut room: Room,
    tally: &mut Tally,
) -> Option<Planned> {
    let occupants = std::mem::take(&mut room.occupants);
    let first = occupants.first().map_or(0, |occupant| occupant.row);
    let home = match known.home(&compound_id, &room) {
        None => Home::New,
        Some(home) if home.tenure != room.tenure => {
            tally.refused.extend(occupants.iter().map(|occupant| refused(occupant, Column::Tenure, OTHER_TENURE)));
            return None;
        }
        Some(home) if other_landlord(home, &room) && !earlier.relet.contains(&first) => Home::Relet(home.id.clone()),
        Some(home) => Home::Known(home.id.clone()),
    };
    let relet = matches!(home, Home::Relet(_)) || earlier.relet.contains(&first);
    tally.households_new += usize::from(earlier.households.contains(&first));
    if relet {
        tally.warnings.push(changes(first, Column::LandlordName));
    }
    let household = match &home {
        Home::New => "",
        Home::Known(id) | Home::Relet(id) => id,
    };
    let mut rows = Vec::with_capacity(occupants.len());
    for occupant in occupants {
        let deed = match earlier.rows.get(&occupant.row) {
            Some(was) => Ok(Deed::Done(*was)),
            None => row(known, household, &occupant),
        };
        match deed {
            Ok(deed) => {
                if let Deed::Changed(_, _, warning) = &deed {
                    tally.warnings.push(warning.clone());
                }
                rows.push((occupant, deed));
            }
            Err((column, sentence)) => tally.refused.push(refused(&occupant, column, sentence)),
        }
    }
    (!rows.is_empty()).then_some(Planned { compound_id, room, home, first, relet, rows })
}

fn row(known: &Known, household: &str, occupant: &Occupant) -> Result<Deed, (Column, Sentence)> {
    let person = &occupant.person;
    if let Some(holder) = known.by_document(person) {
        if household != holder.household {
            return Err((Column::Document, ELSEWHERE));
        }
        if holder.person.full_name != person.full_name {
            return Err((Column::Name, OTHER_NAME));
        }
        return Ok(compared(holder, occupant));
    }
    match known.by_name(household, &person.full_name) {
        None => Ok(Deed::New),
        Some(holder) => {
            let key = |person: &Person| person.document.as_ref().and_then(identity::key);
            if key(person).is_some() && key(&holder.person).is_some() {
                return Err((Column::Document, OTHER_DOCUMENT));
            }
            Ok(compared(holder, occupant))
        }
    }
}

/// The same person: what the row says of them takes the place of what is known; where it says nothing, that stays.
fn compared(holder: &Resident, occupant: &Occupant) -> Deed {
    let (known, row) = (&holder.person, &occupant.person);
    let has_document = |person: &Person| person.document.as_ref().and_then(identity::key).is_some();
    let adds_document = has_document(row) && !has_document(known);
    let other_phones = !row.phones.is_empty()
        && (row.phones.len() != known.phones.len() || row.phones.iter().any(|phone| !known.phones.contains(phone)));
    let column = match (adds_document, other_phones) {
        (false, false) => return Deed::Same,
        (true, _) => Column::Document,
        (false, true) => Column::Phones,
    };
    let person = Person {
        full_name: known.full_name.clone(),
        phones: if other_phones { row.phones.clone() } else { known.phones.clone() },
        document: if adds_document { row.document.clone() } else { known.document.clone() },
    };
    Deed::Changed(holder.id.clone(), person, changes(occupant.row, column))
}

/// A row without a landlord's phone says nothing about it.
fn other_landlord(home: &KnownHome, room: &Room) -> bool {
    let Some(given) = room.landlord.as_ref().filter(|_| room.tenure == Tenure::Rented) else { return false };
    let known = home.landlord.clone().unwrap_or_default();
    let phone = if given.phone.is_empty() { known.phone.clone() } else { given.phone.clone() };
    known != Landlord { full_name: given.full_name.clone(), phone }
}

fn changes(row: u32, column: Column) -> Warning {
    Warning { sheet: String::new(), row, column: Some(column), sentence: CHANGES }
}

fn refused(occupant: &Occupant, column: Column, sentence: Sentence) -> Refused {
    Refused::new(occupant.row, chassis::reason(Refusal::AlreadyExists.as_str_name()), Some(column), sentence)
}

const CHANGES: Sentence = Sentence::new(
    "与已登记的不同：以这一行为准，登记随之更改",
    "differs from the register, which takes over what this row says",
);
const OTHER_TENURE: Sentence = Sentence::new(
    "该室已登记为另一种性质：请核实；如确已改变，请先为原住户办理迁出",
    "is another one than this room is registered with: find out which is right, and if it has changed, record the move-outs first",
);
const ELSEWHERE: Sentence = Sentence::new(
    "该证件号码已登记在本社区的另一室：请核对号码；如已搬家，请先办理迁出",
    "is registered in another room of this neighbourhood: check the number, or record the move-out there first",
);
const OTHER_NAME: Sentence = Sentence::new(
    "该证件号码已用另一姓名登记：请对照证件核实",
    "is not the one that this document is registered with: compare it with the card",
);
const OTHER_DOCUMENT: Sentence = Sentence::new(
    "该室已有同名住户，证件号码与此不同：请对照证件核实",
    "differs from that of the resident of this name in this room: compare it with the card",
);
