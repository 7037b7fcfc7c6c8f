//! Two pictures of one moment side by side, and where they disagree.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    command::v1::{Difference, TouchAges},
    isolation::v1::Kind,
};

use crate::{figures, picture::Shown};

/// Where shown and recounted figures and their parts disagree, the subdistrict's sums included. A part is named after its whole:
/// "isolation_days/home/3", "touches/within_a_day", "judged_by/2020-02-09", "units/health/manual_verdicts".
pub fn differences(shown: &Shown, recounted: &Shown) -> Vec<Difference> {
    let mut differences = figures::differences(&shown.figures, &recounted.figures);
    let (before, after) = (parts(shown), parts(recounted));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for name in names {
        let value = |parts: &Parts| parts.get(name).copied().unwrap_or_default();
        if value(&before) != value(&after) {
            let (neighbourhood, figure) = name.clone();
            differences.push(Difference { neighbourhood, figure, shown: value(&before), recounted: value(&after) });
        }
    }
    differences
}

/// Neighbourhood and name of a part, and what it is.
type Parts = BTreeMap<(String, String), i64>;

fn parts(shown: &Shown) -> Parts {
    let mut parts = Parts::new();
    let mut put = |id: &str, name: String, value: i64| {
        let neighbourhood = if id.is_empty() { String::new() } else { format!("neighbourhoods/{id}") };
        *parts.entry((neighbourhood, name)).or_default() += value;
    };
    for (id, days) in &shown.isolation_days {
        for line in days {
            let kind = match line.kind() {
                Kind::Home => "home",
                Kind::Central => "central",
                Kind::Watch | Kind::Unspecified => "watch",
            };
            put(id, format!("isolation_days/{kind}/{}", line.day), line.persons);
        }
    }
    for (id, ages) in &shown.touches {
        for (name, value) in ages_of(ages) {
            put(id, format!("touches/{name}"), value);
        }
    }
    for (id, by) in &shown.judged_by {
        for by in by {
            put(id, format!("judged_by/{}", by.method.trim_start_matches("methods/")), by.persons);
        }
    }
    for unit in &shown.units {
        put("", format!("units/{}/manual_verdicts", unit.unit), unit.manual_verdicts);
        put("", format!("units/{}/overrides_in_force", unit.unit), unit.overrides_in_force);
        put("", format!("units/{}/overrides_proposed", unit.unit), unit.overrides_proposed);
    }
    parts
}

fn ages_of(ages: &TouchAges) -> [(&'static str, i64); 6] {
    [
        ("within_a_day", ages.within_a_day),
        ("within_three_days", ages.within_three_days),
        ("within_a_week", ages.within_a_week),
        ("within_two_weeks", ages.within_two_weeks),
        ("older", ages.older),
        ("oldest_days", ages.oldest_days.into()),
    ]
}
