//! What somebody may see of the picture: all of it, or the own neighbourhood, and numbers that lead to nobody.

use std::collections::BTreeSet;

use chassis::{Call, timestamp};
use proto::command::v1::{Change, Figures, NeighbourhoodFigures, Overview, Point};

use crate::{
    figures::{ALL, ByNeighbourhood, Figure, total},
    hiding::{self, Blanks},
    picture::Shown,
};

/// The overview for this person.
pub fn of(shown: &Shown, call: &Call) -> Overview {
    let principal = &call.principal;
    let visible = |id: &str| principal.scope.allows(id);
    let figures: ByNeighbourhood =
        shown.figures.iter().filter(|(id, _)| visible(id)).map(|(id, figures)| (id.clone(), *figures)).collect();
    let mut sums = total(figures.values());
    let sees = hiding::sees_people(principal);
    let hidden = if sees { Blanks::default() } else { hiding::blanks(&figures, &sums) };
    hiding::blank(&mut sums, &hidden.sums);
    let nothing = BTreeSet::new();
    let neighbourhoods = figures.into_iter().map(|(id, mut figures)| {
        let names = hidden.neighbourhoods.get(&id).unwrap_or(&nothing);
        hiding::blank(&mut figures, names);
        // Days of isolations, ages and versions are small numbers of people nearly always.
        let mut days = shown.isolation_days.get(&id).cloned().unwrap_or_default();
        let mut judged_by = shown.judged_by.get(&id).cloned().unwrap_or_default();
        if !sees {
            days.clear();
            judged_by.clear();
        }
        NeighbourhoodFigures {
            display_name: shown.names.get(&id).cloned().unwrap_or_default(),
            figures: Some(figures),
            hidden: words(names),
            isolation_days: days,
            touches: shown.touches.get(&id).copied(),
            judged_by,
            name: format!("neighbourhoods/{id}"),
        }
    });
    Overview {
        neighbourhoods: neighbourhoods.collect(),
        subdistrict: Some(sums),
        positions: shown.positions.clone().into_iter().collect(),
        method: if shown.method.is_empty() { String::new() } else { format!("methods/{}", shown.method) },
        time: Some(timestamp(shown.time)),
        request_time: Some(timestamp(call.now)),
        hidden: words(&hidden.sums),
        units: shown
            .units
            .iter()
            .filter(|unit| principal.scope == chassis::Scope::Everywhere || visible(&unit.unit))
            .cloned()
            .collect(),
        set_aside: i64::try_from(shown.set_aside).unwrap_or(i64::MAX),
    }
}

/// One figure of a moment, of a neighbourhood or of all, as the overview of that moment shows it.
pub fn point(shown: &Shown, call: &Call, figure: &Figure, neighbourhood: Option<&str>) -> Point {
    let overview = of(shown, call);
    let name = neighbourhood.map(|id| format!("neighbourhoods/{id}"));
    let (figures, hidden) = match &name {
        None => (overview.subdistrict, overview.hidden),
        Some(name) => {
            let found = overview.neighbourhoods.into_iter().find(|one| one.name == *name).unwrap_or_default();
            (found.figures, found.hidden)
        }
    };
    let value = figure.value(&figures.unwrap_or_default());
    Point { time: overview.time, value, hidden: hidden.iter().any(|hidden| hidden == figure.name) }
}

/// Figures that differ, and are hidden in neither.
pub fn changes(before: &Overview, after: &Overview) -> Vec<Change> {
    let mut changes = Vec::new();
    let nothing = NeighbourhoodFigures::default();
    compare(
        &mut changes,
        "",
        (before.subdistrict.as_ref(), &before.hidden),
        (after.subdistrict.as_ref(), &after.hidden),
    );
    for now in &after.neighbourhoods {
        let then = before.neighbourhoods.iter().find(|then| then.name == now.name).unwrap_or(&nothing);
        compare(&mut changes, &now.name, (then.figures.as_ref(), &then.hidden), (now.figures.as_ref(), &now.hidden));
    }
    changes
}

fn compare(
    changes: &mut Vec<Change>,
    name: &str,
    before: (Option<&Figures>, &[String]),
    after: (Option<&Figures>, &[String]),
) {
    let (then, now) = (before.0.copied().unwrap_or_default(), after.0.copied().unwrap_or_default());
    for figure in ALL {
        let hidden = before.1.iter().chain(after.1).any(|hidden| hidden == figure.name);
        let (before, after) = (figure.value(&then), figure.value(&now));
        if !hidden && before != after {
            changes.push(Change { neighbourhood: name.to_owned(), figure: figure.name.to_owned(), before, after });
        }
    }
}

fn words(names: &BTreeSet<&'static str>) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
