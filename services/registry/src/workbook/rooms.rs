//! Rows into households. What contradicts itself within one file is refused, with the other row's number: nobody here
//! knows which of the two is right.

use std::collections::{BTreeMap, HashMap};

use proto::registry::v1::{Landlord, Refusal, Tenure};

use super::{Column, Occupant, Place, Refused, Room, Warning, rows::Entry};
use crate::{identity, sentence::Sentence};

pub(super) fn merge(entries: Vec<Entry>, refused: &mut Vec<Refused>, warnings: &mut Vec<Warning>) -> Vec<Room> {
    let entries = unique(entries, refused);
    let mut doors: BTreeMap<Place, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        doors.entry(entry.place.clone()).or_default().push(entry);
    }
    let mut rooms = Vec::with_capacity(doors.len());
    for (place, entries) in doors {
        match agreed(&entries) {
            Ok((tenure, landlord)) => {
                let occupants = entries.into_iter().map(|entry| Occupant { row: entry.row, person: entry.person });
                let occupants: Vec<Occupant> = occupants.collect();
                if tenure == Tenure::Owned && landlord.is_some() {
                    let row = occupants.first().map_or(0, |occupant| occupant.row);
                    warnings.push(Warning {
                        sheet: String::new(),
                        row,
                        column: Some(Column::LandlordName),
                        sentence: NOT_KEPT,
                    });
                }
                let landlord = landlord.filter(|_| tenure == Tenure::Rented);
                rooms.push(Room { place, tenure, landlord, occupants });
            }
            Err((column, sentence)) => {
                refused.extend(
                    entries.iter().map(|entry| Refused::new(entry.row, invalid(), Some(column), sentence.clone())),
                );
            }
        }
    }
    rooms
}

/// Without those who stand in the file a second time: by document, or by room and name.
fn unique(entries: Vec<Entry>, refused: &mut Vec<Refused>) -> Vec<Entry> {
    let mut by_document: HashMap<String, u32> = HashMap::new();
    let mut by_name: HashMap<(Place, String), u32> = HashMap::new();
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        let document = entry.person.document.as_ref().and_then(identity::key);
        let name = (entry.place.clone(), entry.person.full_name.clone());
        let earlier_name = by_name.get(&name).copied();
        let earlier_document = document.as_ref().and_then(|document| by_document.get(document)).copied();
        let twice = match (earlier_name, earlier_document) {
            (None, None) => {
                by_name.insert(name, entry.row);
                by_document.extend(document.map(|document| (document, entry.row)));
                kept.push(entry);
                continue;
            }
            (Some(name), Some(document)) if name == document => (None, same_row(name)),
            (_, Some(row)) => (Some(Column::Document), same_document(row)),
            (Some(row), None) => (Some(Column::Name), same_name(row)),
        };
        let reason = chassis::reason(Refusal::AlreadyExists.as_str_name());
        refused.push(Refused::new(entry.row, reason, twice.0, twice.1));
    }
    kept
}

/// Tenure and landlord of a room, when all its rows that give them give the same.
fn agreed(entries: &[Entry]) -> Result<(Tenure, Option<Landlord>), (Column, Sentence)> {
    let mut tenure: Option<(Tenure, u32)> = None;
    let mut landlord: Option<(&Landlord, u32)> = None;
    for entry in entries {
        match (tenure, entry.tenure) {
            (None, Some(given)) => tenure = Some((given, entry.row)),
            (Some((known, row)), Some(given)) if known != given => {
                return Err((Column::Tenure, conflict("性质", "tenures", row, entry.row)));
            }
            _ => {}
        }
        match (landlord, &entry.landlord) {
            (None, Some(given)) => landlord = Some((given, entry.row)),
            (Some((known, row)), Some(given)) if known != given => {
                return Err((Column::LandlordName, conflict("房东", "landlords", row, entry.row)));
            }
            _ => {}
        }
    }
    let (tenure, _) = tenure.ok_or((Column::Tenure, NO_TENURE))?;
    if tenure == Tenure::Rented && landlord.is_none() {
        return Err((Column::LandlordName, NO_LANDLORD));
    }
    Ok((tenure, landlord.map(|(landlord, _)| landlord.clone())))
}

fn invalid() -> &'static str {
    chassis::reason(Refusal::FieldInvalid.as_str_name())
}

fn conflict(zh: &str, en: &str, one: u32, other: u32) -> Sentence {
    Sentence::made(
        format!("同一室的第 {one} 行与第 {other} 行{zh}不一致：请核实后统一"),
        format!("rows {one} and {other} give one room different {en}: find out which is right"),
    )
}

fn same_row(row: u32) -> Sentence {
    Sentence::made(
        format!("与第 {row} 行重复：请删去这一行"),
        format!("the same resident as in row {row}: remove this row"),
    )
}

fn same_document(row: u32) -> Sentence {
    Sentence::made(
        format!("与第 {row} 行的证件号码相同，但姓名或住处不同：请核对证件"),
        format!("is the same as in row {row} for another name or room: compare both with the cards"),
    )
}

fn same_name(row: u32) -> Sentence {
    Sentence::made(
        format!("与第 {row} 行同室同名：如是同一人请删去一行，如是两人请在姓名后加以区分"),
        format!(
            "is the same as in row {row} for one room: remove one if it is the same person, else tell the names apart"
        ),
    )
}

const NO_TENURE: Sentence =
    Sentence::new("该室各行都没有填写：请填“自住”或“租住”", "is given in no row of this room: 自住 or 租住");
const NO_LANDLORD: Sentence =
    Sentence::new("租住的房屋必须填写房东姓名：请补填", "is required for a rented room: fill in the landlord's name");
const NOT_KEPT: Sentence =
    Sentence::new("自住的房屋不登记房东，这一项没有保存", "is not kept for a room whose owner lives there");
