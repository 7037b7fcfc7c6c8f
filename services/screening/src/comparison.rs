//! What one version of the method changes in another one: row by row, and in words.

use std::collections::BTreeMap;

use proto::screening::v1::{KeyArea, MethodChange, MethodContent, method_change::Kind};

mod sentence;
#[cfg(test)]
mod tests;

pub(crate) use sentence::{Headline, headline};

/// From `before` to `after`: key areas first, then border pairs, then numbers; nothing where both say the same, in whatever
/// order.
pub fn compare(before: &MethodContent, after: &MethodContent) -> Vec<MethodChange> {
    let mut changes = key_areas(&before.key_areas, &after.key_areas);
    let pairs = |content: &MethodContent| -> Vec<(String, String)> {
        let sorted = content.border_pairs.iter().map(|pair| {
            let (a, b) = (pair.place.clone(), pair.neighbour.clone());
            if a <= b { (a, b) } else { (b, a) }
        });
        sorted.collect()
    };
    let (old, new) = (pairs(before), pairs(after));
    changes.extend(new.iter().filter(|pair| !old.contains(pair)).map(|pair| border_pair(Kind::BorderPairAdded, pair)));
    changes
        .extend(old.iter().filter(|pair| !new.contains(pair)).map(|pair| border_pair(Kind::BorderPairRemoved, pair)));
    for ((name, old), (_, new)) in numbers(before).into_iter().zip(numbers(after)) {
        if old != new {
            changes.push(sentence::said(MethodChange {
                kind: Kind::NumberChanged.into(),
                number: name.to_owned(),
                before: old,
                after: new,
                ..MethodChange::default()
            }));
        }
    }
    changes
}

/// Entries of one place are compared in the order of their periods: what is left over on one side is new, or gone.
fn key_areas(before: &[KeyArea], after: &[KeyArea]) -> Vec<MethodChange> {
    let mut places: BTreeMap<&str, (Vec<&KeyArea>, Vec<&KeyArea>)> = BTreeMap::new();
    for area in before.iter().filter(|area| !after.contains(area)) {
        places.entry(&area.place).or_default().0.push(area);
    }
    for area in after.iter().filter(|area| !before.contains(area)) {
        places.entry(&area.place).or_default().1.push(area);
    }
    let mut changes = Vec::new();
    for (mut old, mut new) in places.into_values() {
        old.sort_by(|a, b| a.from.cmp(&b.from));
        new.sort_by(|a, b| a.from.cmp(&b.from));
        for at in 0..old.len().max(new.len()) {
            changes.extend(key_area(old.get(at).copied(), new.get(at).copied()));
        }
    }
    changes
}

fn key_area(before: Option<&KeyArea>, after: Option<&KeyArea>) -> Option<MethodChange> {
    let kind = match (before, after) {
        (None, Some(_)) => Kind::KeyAreaAdded,
        (Some(_), None) => Kind::KeyAreaRemoved,
        (Some(_), Some(_)) => Kind::KeyAreaChanged,
        (None, None) => return None,
    };
    let place = after.or(before).map_or("", |area| &area.place);
    let text = |area: Option<&KeyArea>| area.map(sentence::area).unwrap_or_default();
    Some(sentence::said_of(
        (before, after),
        MethodChange {
            kind: kind.into(),
            place: place.to_owned(),
            before: text(before),
            after: text(after),
            ..MethodChange::default()
        },
    ))
}

fn border_pair(kind: Kind, (place, neighbour): &(String, String)) -> MethodChange {
    let text = format!("{place}-{neighbour}");
    let (before, after) = if kind == Kind::BorderPairAdded { (String::new(), text) } else { (text, String::new()) };
    sentence::said(MethodChange {
        kind: kind.into(),
        place: place.clone(),
        neighbour: neighbour.clone(),
        before,
        after,
        ..MethodChange::default()
    })
}

fn numbers(content: &MethodContent) -> [(&'static str, String); 13] {
    [
        ("home", content.home.clone()),
        ("min_hours", content.min_hours.to_string()),
        ("isolation_days", content.isolation_days.to_string()),
        ("fever_decicelsius", content.fever_decicelsius.to_string()),
        ("pass_days", content.pass_days.to_string()),
        ("dispute_hours", content.dispute_hours.to_string()),
        ("window_days", content.window_days.to_string()),
        ("escalation_hours", content.escalation_hours.to_string()),
        ("lag_days", content.lag_days.to_string()),
        ("daytime_from_hour", content.daytime_from_hour.to_string()),
        ("daytime_to_hour", content.daytime_to_hour.to_string()),
        ("outing_people", content.outing_people.to_string()),
        ("outing_days", content.outing_days.to_string()),
    ]
}
