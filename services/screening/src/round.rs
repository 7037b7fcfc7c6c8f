//! What came of a session: its cases out of what was done with them in its time, and its figures out of its cases. Pure.

use std::collections::BTreeMap;

use proto::screening::v1::{Measure, MeasureCount, Outcome, OutcomeCount, SessionFigures};

/// Something that was done with a case of the place; times are in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) case_id: String,
    pub(crate) household_id: String,
    pub(crate) resident_id: String,
    pub(crate) at: i64,
    /// Unspecified where it was no verdict.
    pub(crate) outcome: Outcome,
    pub(crate) measure: Measure,
}

/// A case that was worked on.
#[derive(Clone, Debug)]
pub(crate) struct Screened {
    pub(crate) case_id: String,
    pub(crate) household_id: String,
    pub(crate) resident_id: String,
    pub(crate) first: i64,
    pub(crate) verdict: Option<Verdict>,
}

/// As it was in the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) at: i64,
    pub(crate) outcome: Outcome,
    pub(crate) measure: Measure,
}

/// In the order of their first touch; of several verdicts the last one counts.
pub(crate) fn screened(mut touches: Vec<Touch>) -> Vec<Screened> {
    touches.sort_by(|one, other| (one.at, &one.case_id).cmp(&(other.at, &other.case_id)));
    let mut cases: Vec<Screened> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for touch in touches {
        let verdict = (touch.outcome != Outcome::Unspecified).then_some(Verdict {
            at: touch.at,
            outcome: touch.outcome,
            measure: touch.measure,
        });
        if let Some(place) = places.get(&touch.case_id) {
            let case = &mut cases[*place];
            case.verdict = verdict.or(case.verdict);
            continue;
        }
        places.insert(touch.case_id.clone(), cases.len());
        let Touch { case_id, household_id, resident_id, at, .. } = touch;
        cases.push(Screened { case_id, household_id, resident_id, first: at, verdict });
    }
    cases
}

/// Of the first touch and the last verdict; `None` where something was left open.
type Span = Option<(i64, i64)>;

pub(crate) fn figures(cases: &[Screened], handed_over: usize) -> SessionFigures {
    let mut households: BTreeMap<&str, Span> = BTreeMap::new();
    let (mut outcomes, mut measures) = (BTreeMap::new(), BTreeMap::new());
    for case in cases {
        let own = case.verdict.map(|verdict| (case.first, verdict.at));
        let span = households.entry(&case.household_id).or_insert(own);
        *span = span.zip(own).map(|(known, own)| (known.0.min(own.0), known.1.max(own.1)));
        if let Some(verdict) = case.verdict {
            *outcomes.entry(verdict.outcome).or_insert(0) += 1;
            *measures.entry(verdict.measure).or_insert(0) += 1;
        }
    }
    let mut seconds: Vec<i64> = households.values().flatten().map(|(first, last)| (last - first) / 1_000_000).collect();
    seconds.sort_unstable();
    let mean = i64::try_from(seconds.len()).ok().and_then(|count| seconds.iter().sum::<i64>().checked_div(count));
    let assessed = cases.iter().filter(|case| case.verdict.is_some()).count();
    SessionFigures {
        cases: count(cases.len()),
        households: count(households.len()),
        assessed: count(assessed),
        left_open: count(cases.len() - assessed),
        outcomes: outcomes
            .into_iter()
            .map(|(outcome, cases)| OutcomeCount { outcome: i32::from(outcome), cases })
            .collect(),
        measures: measures
            .into_iter()
            .map(|(measure, cases)| MeasureCount { measure: i32::from(measure), cases })
            .collect(),
        mean_seconds: whole(mean),
        median_seconds: whole(seconds.get(seconds.len() / 2).copied()),
        longest_seconds: whole(seconds.last().copied()),
        handed_over: count(handed_over),
    }
}

/// From the first touch to the verdict, in seconds; 0 where it was left open.
pub(crate) fn seconds(case: &Screened) -> i32 {
    whole(case.verdict.map(|verdict| (verdict.at - case.first) / 1_000_000))
}

fn whole(seconds: Option<i64>) -> i32 {
    i32::try_from(seconds.unwrap_or_default()).unwrap_or(i32::MAX)
}

fn count(cases: usize) -> i32 {
    i32::try_from(cases).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(case: &str, household: &str, minute: i64, outcome: Outcome) -> Touch {
        Touch {
            case_id: case.to_owned(),
            household_id: household.to_owned(),
            resident_id: format!("r{case}"),
            at: minute * 60_000_000,
            outcome,
            measure: if outcome == Outcome::Clear { Measure::None } else { Measure::Ask },
        }
    }

    #[test]
    fn a_household_takes_from_its_first_touch_to_its_last_verdict() {
        let none = Outcome::Unspecified;
        let cases = screened(vec![
            touch("2", "h1", 3, none),
            touch("1", "h1", 1, none),
            touch("1", "h1", 4, Outcome::InsufficientEvidence),
            touch("1", "h1", 9, Outcome::Clear),
            touch("2", "h1", 6, Outcome::Clear),
            touch("3", "h2", 10, none),
            touch("3", "h2", 12, Outcome::Clear),
            touch("4", "h3", 13, none),
        ]);
        let order: Vec<&str> = cases.iter().map(|case| case.case_id.as_str()).collect();
        assert_eq!(order, ["1", "2", "3", "4"]);
        assert_eq!(seconds(&cases[0]), 480, "of several verdicts the last one counts");
        let figures = figures(&cases, 1);
        assert_eq!((figures.cases, figures.households, figures.assessed, figures.left_open), (4, 3, 3, 1));
        assert_eq!(figures.outcomes, [OutcomeCount { outcome: Outcome::Clear.into(), cases: 3 }]);
        assert_eq!((figures.mean_seconds, figures.median_seconds, figures.longest_seconds), (300, 480, 480));
        assert_eq!(figures.handed_over, 1);
    }

    #[test]
    fn a_household_of_which_something_was_left_open_has_no_time() {
        let cases = screened(vec![
            touch("1", "h1", 1, Outcome::Unspecified),
            touch("1", "h1", 4, Outcome::Clear),
            touch("2", "h1", 5, Outcome::Unspecified),
        ]);
        let figures = figures(&cases, 0);
        assert_eq!((figures.assessed, figures.left_open, figures.longest_seconds), (1, 1, 0));
        assert_eq!(super::figures(&[], 0), SessionFigures::default());
    }
}
