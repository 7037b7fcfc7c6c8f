//! Small numbers about people are hidden from whoever may not look those people up: under five somebody could be recognised. What
//! would tell a hidden number, as the last part of a known sum, is hidden with it.

use std::collections::{BTreeMap, BTreeSet};

use chassis::Principal;
use proto::{access::v1::Role, command::v1::Figures};

use crate::figures::{ALL, ByNeighbourhood, Figure, find};

/// From so many on a number is shown to everybody.
pub const SHOWN_FROM: i64 = 5;

/// Whether this person may see the lists behind the figures, and so every number.
pub fn sees_people(principal: &Principal) -> bool {
    matches!(principal.role, Role::Worker | Role::Director | Role::Officer | Role::Health)
}

/// Whether a value is too small to be shown.
pub fn small(figure: &Figure, value: i64) -> bool {
    figure.personal && (1..SHOWN_FROM).contains(&value)
}

/// Names of the figures to hide, by neighbourhood, and of their sums.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    pub neighbourhoods: BTreeMap<String, BTreeSet<&'static str>>,
    pub sums: BTreeSet<&'static str>,
}

/// What each verdict is one of: together they are all who were screened.
const OUTCOMES: [&str; 6] = ["clear", "declared_key_area", "concealed", "undeclared", "to_ask", "overridden"];

/// What must be hidden of these figures and their sums.
pub fn hidden(figures: &ByNeighbourhood, sums: &Figures) -> Hidden {
    let mut hidden = Hidden::default();
    for figure in ALL {
        if small(figure, figure.value(sums)) {
            hidden.sums.insert(figure.name);
        }
        for (id, figures) in figures {
            if small(figure, figure.value(figures)) {
                hidden.neighbourhoods.entry(id.clone()).or_default().insert(figure.name);
            }
        }
    }
    for (id, figures) in figures {
        if let Some(names) = hidden.neighbourhoods.get_mut(id) {
            cover_outcomes(names, figures);
        }
    }
    cover_outcomes(&mut hidden.sums, sums);
    for figure in ALL {
        cover_sum(figure, figures, &mut hidden);
    }
    hidden
}

/// One outcome that alone is hidden would be what the others lack of all.
fn cover_outcomes(names: &mut BTreeSet<&'static str>, figures: &Figures) {
    if OUTCOMES.iter().filter(|name| names.contains(*name)).count() != 1 {
        return;
    }
    let others = OUTCOMES.iter().filter(|name| !names.contains(*name));
    let value = |name: &str| find(name).map_or(0, |figure| figure.value(figures));
    if let Some(smallest) = others.filter(|name| value(name) > 0).min_by_key(|name| value(name)) {
        names.insert(smallest);
    } else {
        names.insert("screened");
    }
}

/// One neighbourhood that alone is hidden would be what the others lack of the sum.
fn cover_sum(figure: &Figure, figures: &ByNeighbourhood, hidden: &mut Hidden) {
    let is_hidden =
        |hidden: &Hidden, id: &str| hidden.neighbourhoods.get(id).is_some_and(|names| names.contains(figure.name));
    if hidden.sums.contains(figure.name) || figures.keys().filter(|id| is_hidden(hidden, id)).count() != 1 {
        return;
    }
    let others = figures.iter().filter(|(id, figures)| !is_hidden(hidden, id) && figure.value(figures) > 0);
    match others.min_by_key(|(_, figures)| figure.value(figures)) {
        Some((smallest, _)) => {
            hidden.neighbourhoods.entry(smallest.clone()).or_default().insert(figure.name);
        }
        None => {
            hidden.sums.insert(figure.name);
        }
    }
}

/// Sets what is hidden to nothing.
pub fn blank(figures: &mut Figures, names: &BTreeSet<&'static str>) {
    for figure in ALL.iter().filter(|figure| names.contains(figure.name)) {
        *figure.of(figures) = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::total;

    fn street(figures: &[(&str, Figures)]) -> (ByNeighbourhood, Figures) {
        let figures: ByNeighbourhood = figures.iter().map(|(id, figures)| ((*id).to_owned(), *figures)).collect();
        let sums = total(figures.values());
        (figures, sums)
    }

    fn concealed(screened: i64, clear: i64, concealed: i64) -> Figures {
        Figures { screened, clear, concealed, households: 3, ..Figures::default() }
    }

    #[test]
    fn under_five_is_hidden_and_nothing_that_tells_it_is_shown() {
        let (figures, sums) = street(&[("a", concealed(40, 37, 3)), ("b", concealed(50, 40, 10))]);
        let hidden = hidden(&figures, &sums);
        let a = &hidden.neighbourhoods["a"];
        assert!(a.contains("concealed") && a.contains("clear"), "40 less 37 would be 3");
        let b = &hidden.neighbourhoods["b"];
        assert!(b.contains("concealed") && b.contains("clear"), "13 less 10 would be 3");
        assert!(!a.contains("households"), "houses are no people");
    }

    #[test]
    fn where_no_other_has_any_the_sum_is_hidden_too() {
        let (figures, sums) = street(&[("a", concealed(40, 37, 3)), ("b", concealed(50, 50, 0))]);
        assert!(hidden(&figures, &sums).sums.contains("concealed"));
    }

    #[test]
    fn nothing_small_nothing_hidden() {
        let (figures, sums) = street(&[("a", concealed(40, 30, 10)), ("b", concealed(50, 50, 0))]);
        assert_eq!(hidden(&figures, &sums), Hidden::default());
    }
}
