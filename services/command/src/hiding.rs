//! Small numbers about people are hidden from whoever may not look those people up: under five somebody could be recognised. What
//! would tell a hidden number, as the last part of a known sum, is hidden with it.

use std::collections::{BTreeMap, BTreeSet};

use chassis::Principal;
use proto::{
    access::v1::Role,
    command::v1::{Figures, Hidden},
};

use crate::figures::{ALL, ByNeighbourhood, Figure};

/// From so many on a number is shown to everybody.
pub const SHOWN_FROM: i64 = 5;

/// Whether this person may see the lists behind the figures, and so every number.
pub fn sees_people(principal: &Principal) -> bool {
    matches!(principal.role, Role::Worker | Role::Director | Role::Officer | Role::Health)
}

/// Whether a value is too small to be shown.
pub fn small(figure: &Figure, value: i64) -> bool {
    figure.personal && is_small(value)
}

/// Whether so few must not be told.
pub(crate) const fn is_small(number: i64) -> bool {
    0 < number && number < SHOWN_FROM
}

/// A number of a table, whose rows are places and whose last row is their sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) number: Option<i64>,
    pub(crate) small: bool,
    /// Hidden with another one of its row.
    pub(crate) beside: bool,
}

/// By column, and in it by row: what is hidden, and why. `relations`: which columns are the parts of which; `adds_up`: whether the
/// last row is the sum of a column. What is hidden for a column's sake may give something away in its row, and the other way round,
/// so it goes on until nothing does.
pub(crate) fn plans(
    mut rows: Vec<Vec<Count>>,
    relations: &[(usize, Vec<usize>)],
    adds_up: impl Fn(usize) -> bool,
) -> Vec<Vec<Option<Hidden>>> {
    let columns = rows.first().map_or(0, Vec::len);
    loop {
        for (whole, parts) in relations {
            for row in &mut rows {
                beside(row, *whole, parts);
            }
        }
        let column = |index: usize| rows.iter().filter_map(|row| row.get(index).copied()).collect::<Vec<_>>();
        let plans: Vec<_> = (0..columns).map(|index| plan(&column(index), adds_up(index))).collect();
        let mut more = false;
        for (index, cells) in plans.iter().enumerate() {
            for (row, cell) in rows.iter_mut().zip(cells) {
                let count = &mut row[index];
                more |= cell.is_some() && !count.small && !count.beside;
                count.beside |= cell.is_some() && !count.small;
            }
        }
        if !more {
            return plans;
        }
    }
}

/// One part alone could be worked out from the whole: the least of the others goes with it.
fn beside(row: &mut [Count], whole: usize, parts: &[usize]) {
    let hidden = |count: &Count| count.small || count.beside;
    if row.get(whole).is_none_or(hidden) || parts.iter().filter(|part| hidden(&row[**part])).count() != 1 {
        return;
    }
    let size = |part: &usize| row[*part].number.unwrap_or(0).abs();
    let least = parts.iter().copied().filter(|part| !hidden(&row[*part]) && size(part) != 0).min_by_key(size);
    // The whole goes where it is all that there is.
    row[least.unwrap_or(whole)].beside = true;
}

/// Of a column, its sum the last: what is hidden, and why.
fn plan(counts: &[Count], adds_up: bool) -> Vec<Option<Hidden>> {
    let why = |count: &Count| match (count.small, count.beside) {
        (true, _) => Some(Hidden::Small),
        (false, true) => Some(Hidden::Beside),
        (false, false) => None,
    };
    let mut hidden: Vec<Option<Hidden>> = counts.iter().map(why).collect();
    let Some((sum, rows)) = counts.split_last() else { return hidden };
    let last = rows.len();
    let few = hidden[..last].iter().flatten().count();
    if hidden[last].is_some() || (few == 0 && !adds_up) {
        return hidden;
    }
    if !adds_up {
        hidden[last] = Some(Hidden::Beside);
        return hidden;
    }
    let number = |count: &Count| count.number.unwrap_or(0);
    let left_out = number(sum) - rows.iter().map(number).sum::<i64>();
    let others = rows.iter().enumerate().filter(|(index, row)| hidden[*index].is_none() && number(row) != 0);
    match (few, others.min_by_key(|(_, row)| number(row).abs()).map(|(index, _)| index)) {
        (0, _) if !is_small(left_out) => {}
        // Two stand for one: neither can be told.
        (1, Some(index)) => hidden[index] = Some(Hidden::Beside),
        (0 | 1, _) => hidden[last] = Some(Hidden::Beside),
        (few, _) => {
            // All of them 1, or all of them 4, is a sum that only these make.
            let together: i64 = rows.iter().filter(|row| row.small || row.beside).map(number).sum();
            let few = i64::try_from(few).unwrap_or(i64::MAX);
            if together == few || together == few.saturating_mul(4) {
                hidden[last] = Some(Hidden::Beside);
            }
        }
    }
    hidden
}

/// What each verdict is one of: together they are all who were screened.
pub(crate) const OUTCOMES: [&str; 6] =
    ["clear", "declared_key_area", "concealed", "undeclared", "to_ask", "overridden"];
pub(crate) const SCREENED: &str = "screened";

/// Names of the figures to hide, by neighbourhood, and of their sums.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Blanks {
    pub neighbourhoods: BTreeMap<String, BTreeSet<&'static str>>,
    pub sums: BTreeSet<&'static str>,
}

/// What must be hidden of these figures and their sums.
pub fn blanks(figures: &ByNeighbourhood, sums: &Figures) -> Blanks {
    let place = |name: &str| ALL.iter().position(|figure| figure.name == name);
    let outcomes = OUTCOMES.iter().filter_map(|name| place(name)).collect();
    let relations: Vec<_> = place(SCREENED).map(|screened| (screened, outcomes)).into_iter().collect();
    let row = |of_place: &Figures| {
        let count = |figure: &Figure| {
            let value = figure.value(of_place);
            Count { number: Some(value), small: small(figure, value), beside: false }
        };
        ALL.iter().map(count).collect()
    };
    let rows = figures.values().chain([sums]).map(row).collect();
    let mut blanks = Blanks::default();
    for (figure, mut hidden) in ALL.iter().zip(plans(rows, &relations, |_| true)) {
        if hidden.pop().flatten().is_some() {
            blanks.sums.insert(figure.name);
        }
        for (id, _) in figures.keys().zip(hidden).filter(|(_, hidden)| hidden.is_some()) {
            blanks.neighbourhoods.entry(id.clone()).or_default().insert(figure.name);
        }
    }
    blanks
}

/// Sets what is hidden to nothing.
pub fn blank(figures: &mut Figures, names: &BTreeSet<&'static str>) {
    for figure in ALL.iter().filter(|figure| names.contains(figure.name)) {
        *figure.of(figures) = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let hidden = blanks(&figures, &sums);
        let a = &hidden.neighbourhoods["a"];
        assert!(a.contains("concealed") && a.contains("clear"), "40 less 37 would be 3");
        let b = &hidden.neighbourhoods["b"];
        assert!(b.contains("concealed") && b.contains("clear"), "13 less 10 would be 3");
        assert!(!a.contains("households"), "houses are no people");
    }

    #[test]
    fn where_no_other_has_any_the_sum_is_hidden_too() {
        let (figures, sums) = street(&[("a", concealed(40, 37, 3)), ("b", concealed(50, 50, 0))]);
        assert!(blanks(&figures, &sums).sums.contains("concealed"));
    }

    #[test]
    fn nothing_small_nothing_hidden() {
        let (figures, sums) = street(&[("a", concealed(40, 30, 10)), ("b", concealed(50, 50, 0))]);
        assert_eq!(blanks(&figures, &sums), Blanks::default());
    }

    const fn count(number: i64) -> Count {
        Count { number: Some(number), small: 0 < number && number < 5, beside: false }
    }

    fn hidden(rows: &[i64], sum: i64) -> String {
        let counts: Vec<Count> = rows.iter().chain([&sum]).map(|n| count(*n)).collect();
        let letter = |hidden: Option<Hidden>| match hidden {
            Some(Hidden::Small) => '<',
            Some(Hidden::Beside) => '*',
            Some(Hidden::Unspecified) | None => '.',
        };
        plan(&counts, true).into_iter().map(letter).collect()
    }

    #[test]
    fn nothing_and_five_are_shown_and_what_lies_between_is_not() {
        assert_eq!(hidden(&[0, 5], 5), "...");
        assert_eq!(hidden(&[0, 4], 4), ".<<");
    }

    #[test]
    fn one_that_is_small_is_not_worked_out_from_the_sum() {
        assert_eq!(hidden(&[3, 20, 10], 33), "<.*.", "the least of the others goes with it");
        assert_eq!(hidden(&[3, 0], 13), "<.*", "the others were left out: the sum goes with it");
        assert_eq!(hidden(&[9, 0], 12), "..*", "one was left out, and it is small");
        assert_eq!(hidden(&[2, 3], 5), "<<.");
        assert_eq!(hidden(&[4, 4], 8), "<<*", "only two times four is eight");
        assert_eq!(hidden(&[1, 1, 1, 1, 1], 5), "<<<<<*");
    }

    #[test]
    fn the_ratio_of_all_goes_with_the_ratio_of_few() {
        let counts = [Count { small: true, ..count(5) }, count(40)];
        assert_eq!(plan(&counts, false), [Some(Hidden::Small), Some(Hidden::Beside)]);
    }

    #[test]
    fn a_whole_goes_with_the_only_part_that_there_is() {
        let part = Count { beside: true, ..count(7) };
        let mut row = [count(7), part, count(0)];
        beside(&mut row, 0, &[1, 2]);
        assert_eq!(row.map(|count| count.beside), [true, true, false], "whoever was screened is clear");
    }

    proptest! {
        /// Whatever is hidden has company in its column, or its sum is hidden, and in its row, or the whole is.
        #[test]
        fn nothing_that_is_hidden_is_what_the_others_lack(
            table in proptest::collection::vec([0_i64..40, 0_i64..9, 0_i64..9, 0_i64..9, 0_i64..9, 0_i64..9], 1..6),
        ) {
            let place = |number: usize, [clear, declared_key_area, concealed, undeclared, to_ask, overridden]: [i64; 6]| {
                let screened = clear + declared_key_area + concealed + undeclared + to_ask + overridden;
                let figures = Figures {
                    screened, clear, declared_key_area, concealed, undeclared, to_ask, overridden, ..Figures::default()
                };
                (format!("n{number}"), figures)
            };
            let figures: ByNeighbourhood = table.into_iter().enumerate().map(|(number, row)| place(number, row)).collect();
            let hidden = blanks(&figures, &total(figures.values()));
            let nothing = BTreeSet::new();
            for names in figures.keys().map(|id| hidden.neighbourhoods.get(id).unwrap_or(&nothing)).chain([&hidden.sums]) {
                let parts = OUTCOMES.iter().filter(|name| names.contains(*name)).count();
                prop_assert!(parts != 1 || names.contains(SCREENED), "{names:?}");
            }
            for figure in ALL {
                let of = hidden.neighbourhoods.values().filter(|names| names.contains(figure.name)).count();
                prop_assert!(of != 1 || hidden.sums.contains(figure.name), "{}", figure.name);
                let sum = figure.value(&total(figures.values()));
                prop_assert!(!small(figure, sum) || hidden.sums.contains(figure.name));
            }
        }
    }
}
