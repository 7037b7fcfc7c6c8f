//! Methods as people read them: numbers and places, signatures, changes, and whom they touch.

use comfy_table::Table;
use proto::screening::v1::{Comparison, DryRun, DryRunFigures, Method, MethodChange, MethodContent, Signature};

use crate::{
    desk::ask::Ask,
    output::{local_time, print, table, word},
};

/// Its numbers, then its places.
pub(super) fn method(ask: &Ask, method: &Method) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(method);
    }
    let content = method.content.clone().unwrap_or_default();
    print(&numbers(method, &content).to_string())?;
    print(&areas(&content).to_string())
}

/// Which version it is, without what it says: an office holds it beside its neighbour's.
pub(super) fn proof(ask: &Ask, method: &Method) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(&Method { content: None, ..method.clone() });
    }
    print(&identity(method).to_string())?;
    let id = method.name.trim_start_matches("methods/");
    print(&format!("`mifeng method get {id} --canonical | sha256sum` computes the digest anew"))
}

fn identity(method: &Method) -> Table {
    let mut table = table();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            table.add_row([name.to_owned(), value]);
        }
    };
    row("method", method.name.clone());
    row("state", word(method.state().as_str_name()).to_owned());
    row("SHA-256", method.digest.clone());
    row("in force from", local_time(method.in_force_time.as_ref()));
    row("until", local_time(method.replace_time.as_ref()));
    row("published at", local_time(method.publish_time.as_ref()));
    row("drafted by", signed(method.drafted.as_ref()));
    row("approved by", signed(method.approved.as_ref()));
    row("published by", signed(method.published.as_ref()));
    table
}

fn signed(signature: Option<&Signature>) -> String {
    signature.map_or_else(String::new, |signature| match signature.unit.as_str() {
        "" => signature.by.clone(),
        unit => format!("{}, {unit}", signature.by),
    })
}

fn numbers(method: &Method, content: &MethodContent) -> Table {
    let mut table = identity(method);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    let fever = content.fever_decicelsius;
    row("home", content.home.clone());
    row("a stay counts from", format!("{} hours on a day", content.min_hours));
    row("evidence reaches back", format!("{} days", content.window_days));
    let lag = if content.lag_days == 0 { "any".to_owned() } else { content.lag_days.to_string() };
    row("and ends before the verdict by at most", format!("{lag} days"));
    row("isolation", format!("{} days", content.isolation_days));
    row("a fever from", format!("{}.{} °C", fever / 10, fever % 10));
    row("a pass lives", format!("{} days", content.pass_days));
    let hours = match (content.daytime_from_hour, content.daytime_to_hour) {
        (0, 0) => "there are none".to_owned(),
        (from, to) => format!("from {from}:00 to {to}:00"),
    };
    row("daytime passes go out", hours);
    let outings = match (content.outing_people, content.outing_days) {
        (0, _) => "not limited".to_owned(),
        (people, days) => format!("{people} within {days} days"),
    };
    row("outings of a household", outings);
    row("a dispute is answered within", format!("{} hours", content.dispute_hours));
    let escalation = if content.escalation_hours == 0 { content.dispute_hours } else { content.escalation_hours };
    row("a late one goes up every", format!("{escalation} hours"));
    let pairs = content.border_pairs.iter().map(|pair| format!("{}-{}", pair.place, pair.neighbour));
    row("phones stray across", pairs.collect::<Vec<_>>().join("\n"));
    row("etag", method.etag.clone());
    table
}

fn areas(content: &MethodContent) -> Table {
    let mut table = table();
    table.set_header(["key area", "from", "to", "level", "measure"]);
    for area in &content.key_areas {
        let (level, measure) = (word(area.level().as_str_name()), word(area.measure().as_str_name()));
        let to = if area.to.is_empty() { "open" } else { &area.to };
        table.add_row([&area.place, &area.from, to, level, measure]);
    }
    table
}

/// A row for each change.
pub(super) fn comparison(ask: &Ask, comparison: &Comparison) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(comparison);
    }
    let Comparison { name, base, changes, .. } = comparison;
    if !changes.is_empty() {
        print(&rows(changes).to_string())?;
    }
    let count = match changes.len() {
        0 => "nothing".to_owned(),
        1 => "one thing".to_owned(),
        many => format!("{many} things"),
    };
    print(&format!("{name} changes {count} in {base}"))
}

fn rows(changes: &[MethodChange]) -> Table {
    let mut table = table();
    table.set_header(["", "what", "before", "after", ""]);
    for change in changes {
        let what = [change.place.as_str(), &change.neighbour, &change.number];
        let what: Vec<&str> = what.into_iter().filter(|part| !part.is_empty()).collect();
        table.add_row([
            word(change.kind().as_str_name()),
            &what.join("-"),
            &change.before,
            &change.after,
            &format!("{}\n{}", change.zh, change.en),
        ]);
    }
    table
}

/// The sentence, then who goes from which measure to which, then a row for each neighbourhood.
pub(super) fn dry_run(ask: &Ask, dry_run: &DryRun) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(dry_run);
    }
    print(&format!("{}\n{}", dry_run.zh, dry_run.en))?;
    if !dry_run.measures.is_empty() {
        let mut measures = table();
        measures.set_header(["before", "after", "people"]);
        for change in &dry_run.measures {
            let (before, after) = (word(change.before().as_str_name()), word(change.after().as_str_name()));
            measures.add_row([before, after, &change.people.to_string()]);
        }
        print(&measures.to_string())?;
    }
    print(&places(dry_run).to_string())?;
    let disputed = dry_run.figures.unwrap_or_default().disputed;
    if disputed > 0 {
        print(&format!("{disputed} cases in dispute are left alone until they are answered"))?;
    }
    let overridden = dry_run.figures.unwrap_or_default().overridden;
    if overridden > 0 {
        print(&format!("{overridden} cases that were set by hand are left alone until that ends"))?;
    }
    print("nothing was changed")
}

fn places(dry_run: &DryRun) -> Table {
    let mut table = table();
    table.set_header([
        "neighbourhood",
        "on record",
        "touched",
        "compounds",
        "central",
        "home",
        "watch",
        "ask",
        "free",
        "other",
        "released",
    ]);
    let mut row = |name: &str, figures: &DryRunFigures| {
        let numbers = [
            figures.people,
            figures.touched,
            figures.compounds,
            figures.central,
            figures.home,
            figures.watch,
            figures.ask,
            figures.none,
            figures.other,
            figures.released,
        ];
        table.add_row(std::iter::once(name.to_owned()).chain(numbers.iter().map(ToString::to_string)));
    };
    for of in &dry_run.neighbourhoods {
        row(of.neighbourhood.trim_start_matches("neighbourhoods/"), &of.figures.unwrap_or_default());
    }
    row("all", &dry_run.figures.unwrap_or_default());
    table
}

#[cfg(test)]
mod tests {
    use proto::screening::v1::{KeyArea, Level, Measure, NeighbourhoodDryRun, method_change::Kind};

    use super::*;

    #[test]
    fn a_method_is_read_with_units() {
        let content = MethodContent { fever_decicelsius: 373, isolation_days: 14, ..MethodContent::default() };
        let shown = numbers(&Method::default(), &content).to_string();
        assert!(shown.contains("37.3 °C") && shown.contains("14 days"), "{shown}");
    }

    #[test]
    fn a_key_area_without_an_end_is_open() {
        let area = KeyArea {
            place: "420000".into(),
            level: Level::High.into(),
            measure: Measure::Central.into(),
            ..KeyArea::default()
        };
        let shown = areas(&MethodContent { key_areas: vec![area], ..MethodContent::default() }).to_string();
        for part in ["420000", "open", "high", "central"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }

    #[test]
    fn an_office_proves_its_version_by_digest_time_and_signatures() {
        let signature = |by: &str, unit: &str| Some(Signature { by: by.into(), unit: unit.into() });
        let method = Method {
            name: "methods/2020-02-09".into(),
            digest: "ab12".into(),
            in_force_time: Some(prost_types::Timestamp { seconds: 1_581_202_800, nanos: 0 }),
            drafted: signature("staff/officer", "subdistrict"),
            approved: signature("staff/doctor", "health"),
            ..Method::default()
        };
        let shown = identity(&method).to_string();
        for part in
            ["methods/2020-02-09", "ab12", "2020-02-09 07:00", "staff/officer, subdistrict", "staff/doctor, health"]
        {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }

    #[test]
    fn a_change_is_a_row_with_its_sentences() {
        let change = MethodChange {
            kind: Kind::KeyAreaAdded.into(),
            place: "331000".into(),
            after: "2020-02-08 to open, medium, home".into(),
            en: "is a key area".into(),
            ..MethodChange::default()
        };
        let shown = rows(&[change]).to_string();
        for part in ["key-area-added", "331000", "medium", "is a key area"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }

    #[test]
    fn a_dry_run_has_a_row_for_each_neighbourhood_and_one_for_all() {
        let figures = DryRunFigures { people: 7, touched: 3, ..DryRunFigures::default() };
        let of = NeighbourhoodDryRun { neighbourhood: "neighbourhoods/n1".into(), figures: Some(figures) };
        let dry_run = DryRun { figures: Some(figures), neighbourhoods: vec![of], ..DryRun::default() };
        let shown = places(&dry_run).to_string();
        assert!(shown.contains("n1") && shown.contains("all"), "{shown}");
    }
}
