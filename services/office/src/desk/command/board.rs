//! An overview on a screen: every figure of one neighbourhood or of all, and where there are many, a line for each with what
//! tells them apart.

use std::collections::BTreeMap;

use proto::command::v1::{Figure, Figures, NeighbourhoodFigures, Overview};
use serde_json::{Map, Value};

use crate::output::{cell, json, local_time, print, table};

/// So many neighbourhoods fit beside each other.
const BESIDE: usize = 5;

/// What a line for each neighbourhood shows.
const LINE: [&str; 12] = [
    "households",
    "visited_households",
    "screened",
    "households_with_pass",
    "crossings",
    "fevers",
    "home_isolation_persons",
    "central_isolation_persons",
    "readings_missed",
    "needs_late",
    "roster_gaps",
    "disputes_late",
];

/// A column of figures.
struct Column<'a> {
    name: String,
    values: Map<String, Value>,
    hidden: &'a [String],
}

impl<'a> Column<'a> {
    fn of(name: &str, figures: Option<&Figures>, hidden: &'a [String]) -> anyhow::Result<Self> {
        let values = json(&figures.copied().unwrap_or_default())?;
        Ok(Self { name: name.to_owned(), values: values.as_object().cloned().unwrap_or_default(), hidden })
    }

    fn number(&self, figure: &str) -> i64 {
        self.values.get(figure).and_then(|value| value.as_str()).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// A number, or that it is not for the reader.
    fn shown(&self, figure: &str) -> String {
        if self.is_hidden(figure) { "·".to_owned() } else { self.number(figure).to_string() }
    }

    fn is_hidden(&self, figure: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden == figure)
    }
}

pub(super) fn show(overview: &Overview, figures: &[Figure], only: Option<&str>) -> anyhow::Result<()> {
    let chosen: Vec<&NeighbourhoodFigures> =
        overview.neighbourhoods.iter().filter(|one| only.is_none_or(|only| one.name == only)).collect();
    if let Some(only) = only {
        anyhow::ensure!(!chosen.is_empty(), "{only} is not among the neighbourhoods that this token may see");
    }
    let mut columns = Vec::new();
    if only.is_none() && chosen.len() != 1 {
        columns.push(Column::of("全部 all", overview.subdistrict.as_ref(), &overview.hidden)?);
    }
    if chosen.len() <= BESIDE {
        for one in &chosen {
            columns.push(Column::of(&one.display_name, one.figures.as_ref(), &one.hidden)?);
        }
    }
    print(&every_figure(figures, &columns))?;
    if chosen.len() > BESIDE {
        print(&line_each(figures, &chosen)?)?;
        print("one neighbourhood in full: --neighbourhood NAME")?;
    }
    parts(&chosen, overview)
}

/// A line for each figure: what it is, its value and what part of its whole that is.
fn every_figure(figures: &[Figure], columns: &[Column<'_>]) -> String {
    let mut table = table();
    let mut header = vec!["指标".to_owned(), "figure".to_owned()];
    header.extend(columns.iter().map(|column| column.name.clone()));
    table.set_header(header);
    for figure in figures {
        let whole = figures.iter().find(|whole| whole.name == figure.denominator);
        let values = columns.iter().map(|column| {
            let value = column.shown(&figure.name);
            match whole {
                Some(whole) if !column.is_hidden(&figure.name) && !column.is_hidden(&whole.name) => {
                    format!("{value}{}", share(column.number(&figure.name), column.number(&whole.name)))
                }
                _ => value,
            }
        });
        let english = match whole {
            Some(whole) => format!("{} (of {})", figure.display_name_en, whole.display_name_en),
            None => figure.display_name_en.clone(),
        };
        table.add_row([figure.display_name_zh.clone(), english].into_iter().chain(values));
    }
    table.to_string()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a city are far below what a double holds exactly")]
fn share(part: i64, whole: i64) -> String {
    if whole <= 0 { String::new() } else { format!("  {:.1} %", part as f64 * 100.0 / whole as f64) }
}

fn line_each(figures: &[Figure], neighbourhoods: &[&NeighbourhoodFigures]) -> anyhow::Result<String> {
    let mut table = table();
    let heading = |name: &str| {
        figures
            .iter()
            .find(|figure| figure.name == name)
            .map_or_else(String::new, |figure| figure.display_name_zh.clone())
    };
    table.set_header(std::iter::once("社区".to_owned()).chain(LINE.map(heading)));
    for one in neighbourhoods {
        let column = Column::of(&one.display_name, one.figures.as_ref(), &one.hidden)?;
        table.add_row(std::iter::once(one.display_name.clone()).chain(LINE.map(|name| column.shown(name))));
    }
    Ok(table.to_string())
}

/// What is counted by day, by age, by version and by unit.
fn parts(chosen: &[&NeighbourhoodFigures], overview: &Overview) -> anyhow::Result<()> {
    let mut days: BTreeMap<(String, i32), i64> = BTreeMap::new();
    let mut judged: BTreeMap<&str, i64> = BTreeMap::new();
    for one in chosen {
        for day in &one.isolation_days {
            *days.entry((cell(&day.kind().as_str_name().into()), day.day)).or_default() += day.persons;
        }
        for by in &one.judged_by {
            *judged.entry(&by.method).or_default() += by.persons;
        }
    }
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((kind, day), persons) in &days {
        kinds.entry(kind).or_default().push(format!("day {day}: {persons}"));
    }
    for (kind, days) in kinds {
        print(&format!("{kind} isolation by day  {}", days.join(", ")))?;
    }
    let mut ages = [0; 5];
    for touches in chosen.iter().filter_map(|one| one.touches.as_ref()) {
        let of_one = [
            touches.within_a_day,
            touches.within_three_days,
            touches.within_a_week,
            touches.within_two_weeks,
            touches.older,
        ];
        for (age, households) in ages.iter_mut().zip(of_one) {
            *age += households;
        }
    }
    if ages.iter().any(|households| *households > 0) {
        let [day, three, week, two, older] = ages;
        print(&format!(
            "last met: today or yesterday {day}, 3 days {three}, a week {week}, two weeks {two}, longer ago {older}"
        ))?;
    }
    if !judged.is_empty() {
        let versions: Vec<String> = judged.iter().map(|(method, persons)| format!("{method}: {persons}")).collect();
        print(&format!("judged by {}", versions.join(", ")))?;
    }
    for unit in &overview.units {
        print(&format!(
            "by hand, {}: {} early verdicts, {} overrides in force, {} proposed in all",
            unit.unit, unit.manual_verdicts, unit.overrides_in_force, unit.overrides_proposed
        ))?;
    }
    let method = if overview.method.is_empty() { "no method yet" } else { &overview.method };
    print(&format!("{} · {method}", local_time(overview.time.as_ref())))?;
    if overview.set_aside > 0 {
        print(&format!("{} records cannot be read and are not counted: `mifeng doctor`", overview.set_aside))?;
    }
    Ok(())
}
