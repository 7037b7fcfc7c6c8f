//! Buildings, units and rooms as they are kept: 3幢, ３栋 and 3 are the same building.

use crate::typing;

/// Characters of a building, a unit or a room.
pub(crate) const LONGEST: usize = 20;

pub(crate) fn building(typed: &str) -> String {
    bare(typed, &["号楼", "幢", "栋", "楼", "#"])
}

pub(crate) fn unit(typed: &str) -> String {
    bare(typed, &["单元"])
}

pub(crate) fn room(typed: &str) -> String {
    bare(typed, &["室", "房", "号"])
}

/// The text by which a room is the same one within its compound.
pub(crate) fn key(building: &str, unit: &str, room: &str) -> String {
    format!("{building}|{unit}|{room}")
}

/// The text by which lists stand in the order of the doors: numbers by value, not by their first digit.
pub(crate) fn order(building: &str, unit: &str, room: &str) -> String {
    format!("{}/{unit:0>4}/{room:0>6}", building_order(building))
}

/// The same for buildings alone.
pub(crate) fn building_order(building: &str) -> String {
    format!("{building:0>6}")
}

/// A door that somebody looks for; an empty building or unit is any.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) building: String,
    pub(crate) unit: String,
    pub(crate) room: String,
}

/// A door as people write it: 3幢2单元501室, 3-2-501, 3-501 without a unit, 501 alone. `None` for anything else.
pub(crate) fn door(typed: &str) -> Option<Door> {
    let mut marks = typing::compact(typed).to_uppercase();
    for mark in ["号楼", "单元", "幢", "栋", "楼", "#", "—", "–", "/"] {
        marks = marks.replace(mark, "-");
    }
    let parts: Vec<&str> = marks.split('-').filter(|part| !part.is_empty()).collect();
    let (building, unit, last) = match parts[..] {
        [last] => ("", "", last),
        [building, last] => (building, "", last),
        [building, unit, last] => (building, unit, last),
        _ => return None,
    };
    let fits = parts.iter().all(|part| part.chars().count() <= LONGEST);
    fits.then(|| Door { building: building.to_owned(), unit: unit.to_owned(), room: room(last) })
}

fn bare(typed: &str, endings: &[&str]) -> String {
    let text = typing::compact(typed).to_uppercase();
    let bare = endings.iter().find_map(|ending| text.strip_suffix(ending)).filter(|bare| !bare.is_empty());
    bare.map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_the_same_however_it_is_written() {
        for typed in ["3", "3幢", "３栋", " 3 号楼", "3#"] {
            assert_eq!(building(typed), "3", "{typed}");
        }
        assert_eq!(unit("1单元"), "1");
        assert_eq!(room("402室"), "402");
        assert_eq!(room("a座402"), "A座402");
        assert_eq!(room("室"), "室");
    }

    #[test]
    fn a_door_is_found_however_it_is_written() {
        let found = |typed| door(typed).map(|door| [door.building, door.unit, door.room]);
        let whole = Some(["3", "2", "501"].map(str::to_owned));
        for typed in ["3幢2单元501室", "3-2-501", "３－２－５０１", "3栋2单元501", " 3 号楼 2 单元 501 室", "3/2/501"]
        {
            assert_eq!(found(typed), whole, "{typed}");
        }
        assert_eq!(found("3幢501"), Some(["3", "", "501"].map(str::to_owned)));
        assert_eq!(found("501室"), Some(["", "", "501"].map(str::to_owned)));
        for typed in ["", "幢", "1-2-3-4", &"5".repeat(21)] {
            assert_eq!(found(typed), None, "{typed}");
        }
    }

    #[test]
    fn lists_stand_in_the_order_of_the_doors() {
        assert!(order("9", "1", "402") < order("10", "1", "101"));
    }
}
