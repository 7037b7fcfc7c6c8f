//! A case as people read it: what was found, why, and the visits with their marks.

use comfy_table::Table;
use proto::screening::v1::{Case, JudgedVisit, Outcome, Reasons, Verdict};

use crate::{
    desk::ask::Ask,
    output::{local_time, print, table, word},
};

/// One case with its verdict.
pub(super) fn show(ask: &Ask, case: &Case) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(case);
    }
    print(&facts(case).to_string())?;
    let reasons = case.verdict.as_ref().and_then(|verdict| verdict.reasons.as_ref());
    match (reasons, &case.verdict) {
        (Some(reasons), _) => print_reasons(reasons),
        (None, Some(_)) => print("the reasons are not shown: the token may not see them, or the data were erased"),
        (None, None) => Ok(()),
    }
}

/// A row for each case.
pub(super) fn list(ask: &Ask, cases: &[Case]) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.list(cases, &[]);
    }
    let mut table = table();
    table.set_header(["case", "resident", "state", "scanned", "outcome", "risk", "measure"]);
    for case in cases {
        let verdict = case.verdict.as_ref();
        let said = |of: fn(&Verdict) -> &'static str| verdict.map_or("", |verdict| word(of(verdict)));
        table.add_row([
            case.name.as_str(),
            &case.resident,
            word(case.state().as_str_name()),
            &format!("{} of {}", case.scanned, case.phones),
            said(|verdict| verdict.outcome().as_str_name()),
            said(|verdict| verdict.risk().as_str_name()),
            said(|verdict| verdict.measure().as_str_name()),
        ]);
    }
    print(&table.to_string())?;
    print(&format!("{} in all", cases.len()))
}

fn facts(case: &Case) -> Table {
    let mut table = table();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            table.add_row([name, value]);
        }
    };
    row("case", &case.name);
    row("resident", &case.resident);
    row("household", &case.household);
    row("state", word(case.state().as_str_name()));
    row("numbers scanned", &format!("{} of {}", case.scanned, case.phones));
    if let Some(why) = case.phones_change.as_ref().and_then(|change| change.explanation.as_ref()) {
        row("since", &format!("{}\n{}", why.zh, why.en));
    }
    if let Some(verdict) = &case.verdict {
        let outcome = verdict.outcome();
        row("outcome", &format!("{} {}", word(outcome.as_str_name()), chinese(outcome)));
        row("risk", word(verdict.risk().as_str_name()));
        row("honesty", word(verdict.honesty().as_str_name()));
        row("measure", word(verdict.measure().as_str_name()));
        row("last day in a key area", &verdict.last_exposure);
        row("by", &verdict.method);
        row("at", &local_time(verdict.time.as_ref()));
        if verdict.vocabulary > 0 {
            row("names read with", &format!("vocabulary {}", verdict.vocabulary));
        }
        if let Some(hand) = &verdict.r#override {
            row("set by hand", &hand.name);
            row("because", word(hand.reason().as_str_name()));
            for (name, signature) in [("proposed by", &hand.proposed), ("approved by", &hand.approved)] {
                row(name, &signature.as_ref().map(|one| format!("{} of {}", one.by, one.unit)).unwrap_or_default());
            }
            row("until", &local_time(hand.expire_time.as_ref()));
        }
    }
    row("answer the dispute by", &local_time(case.dispute_due.as_ref()));
    row("it waits at", word(case.dispute_instance().as_str_name()));
    row("etag", &case.etag);
    table
}

fn print_reasons(reasons: &Reasons) -> anyhow::Result<()> {
    if !reasons.visits.is_empty() {
        print(&visits(&reasons.visits).to_string())?;
    }
    if !reasons.unresolved.is_empty() {
        print(&format!("places that nobody could name: {}", reasons.unresolved.join("、")))?;
    }
    match &reasons.explanation {
        Some(explanation) => print(&format!("{}\n{}", explanation.zh, explanation.en)),
        None => Ok(()),
    }
}

/// Numbered from 1, as `case resolve --strike` takes them.
fn visits(judged: &[JudgedVisit]) -> Table {
    let mut table = table();
    table.set_header(["", "place", "first", "last", "hours", "codes", "marks"]);
    for (number, judged) in (1..).zip(judged) {
        let visit = judged.visit.clone().unwrap_or_default();
        let marks: Vec<&str> = judged.marks().map(|mark| word(mark.as_str_name())).collect();
        table.add_row([
            format!("{number}"),
            visit.place,
            visit.first,
            visit.last,
            visit.hours.map_or("not known".to_owned(), |hours| hours.to_string()),
            judged.codes.join(" "),
            marks.join(", "),
        ]);
    }
    table
}

fn chinese(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unspecified => "",
        Outcome::Clear => "一致",
        Outcome::DeclaredKeyArea => "已申报重点地区",
        Outcome::ConcealedKeyArea => "隐瞒重点地区",
        Outcome::UndeclaredElsewhere => "未申报其他地区",
        Outcome::OverDeclared => "多报",
        Outcome::BorderSuspect => "边界存疑",
        Outcome::InsufficientEvidence => "证据不足",
        Outcome::UnresolvedPlace => "地名待核",
        Outcome::Overridden => "人工认定",
    }
}

#[cfg(test)]
mod tests {
    use proto::screening::v1::{Level, Mark, Measure, Visit, case::State};

    use super::*;

    #[test]
    fn a_verdict_is_read_in_words() {
        let verdict = Verdict {
            outcome: Outcome::ConcealedKeyArea.into(),
            risk: Level::High.into(),
            measure: Measure::Central.into(),
            last_exposure: "2020-01-28".into(),
            ..Verdict::default()
        };
        let case =
            Case { state: State::Assessed.into(), phones: 2, scanned: 1, verdict: Some(verdict), ..Case::default() };
        let shown = facts(&case).to_string();
        for part in ["assessed", "1 of 2", "concealed-key-area 隐瞒重点地区", "high", "central", "2020-01-28"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }

    #[test]
    fn a_visit_is_shown_with_its_number_and_its_marks() {
        let visit = Visit { place: "武汉".into(), ..Visit::default() };
        let marks = vec![Mark::KeyArea.into(), Mark::Undeclared.into()];
        let shown = visits(&[JudgedVisit { visit: Some(visit), marks, ..JudgedVisit::default() }]).to_string();
        for part in ["1", "武汉", "not known", "key-area, undeclared"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }
}
