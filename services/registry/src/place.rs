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
    format!("{building:0>6}/{unit:0>4}/{room:0>6}")
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
    fn lists_stand_in_the_order_of_the_doors() {
        assert!(order("9", "1", "402") < order("10", "1", "101"));
    }
}
