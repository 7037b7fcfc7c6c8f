use std::fmt;

use crate::process::Counts;

/// How one part ended, with the tests that it counted.
pub(crate) enum Ending {
    Passed(Option<Counts>),
    Failed(String, Option<Counts>),
    /// Why it could not be run, and what would help.
    Skipped(String),
}

/// All parts that were asked for, in their order.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    part: &'static str,
    ending: Ending,
    seconds: f64,
}

impl Report {
    pub(crate) fn add(&mut self, part: &'static str, ending: Ending, seconds: f64) {
        self.rows.push(Row { part, ending, seconds });
    }

    pub(crate) fn failed(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.ending, Ending::Failed(..)))
    }

    /// A part that failed without failing a test (a build that broke, a file unformatted) counts as one failure, so that
    /// the last line never says "0 failed" of a run that failed.
    fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for row in &self.rows {
            match &row.ending {
                Ending::Passed(counts) => sum += counts.unwrap_or_default(),
                Ending::Failed(_, counts) => {
                    let counts = counts.unwrap_or_default();
                    sum += Counts { failed: counts.failed.max(1), ..counts };
                }
                Ending::Skipped(_) => sum.skipped += 1,
            }
        }
        sum
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<14} {:<8} {:>8}  tests", "part", "outcome", "seconds")?;
        for Row { part, ending, seconds } in &self.rows {
            let (outcome, tests) = match ending {
                Ending::Passed(counts) => ("ok", *counts),
                Ending::Failed(_, counts) => ("failed", *counts),
                Ending::Skipped(_) => ("skipped", None),
            };
            let tests = tests.map(|Counts { passed, failed, skipped }| match (failed, skipped) {
                (0, 0) => format!("{passed} passed"),
                _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
            });
            writeln!(f, "{part:<14} {outcome:<8} {seconds:>8.1}  {}", tests.unwrap_or_default())?;
        }
        for Row { part, ending, .. } in &self.rows {
            match ending {
                Ending::Passed(_) => {}
                Ending::Failed(why, _) => writeln!(f, "failed: {part}: {why}")?,
                Ending::Skipped(why) => writeln!(f, "skipped: {part}: {why}")?,
            }
        }
        let Counts { passed, failed, skipped } = self.counts();
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_failed_never_ends_on_nothing_failed() {
        let mut report = Report::default();
        report.add("unit", Ending::Passed(Some(Counts { passed: 7, failed: 0, skipped: 1 })), 1.0);
        report.add("fmt", Ending::Failed("see above".to_owned(), None), 0.5);
        assert!(report.failed());
        assert!(report.to_string().ends_with("\n7 passed, 1 failed, 1 skipped"));
    }

    #[test]
    fn what_was_skipped_is_named_with_the_reason_before_the_last_line() {
        let mut report = Report::default();
        report.add("proto", Ending::Skipped("Node.js is not there".to_owned()), 0.0);
        assert!(!report.failed());
        assert!(report.to_string().ends_with("\nskipped: proto: Node.js is not there\n0 passed, 0 failed, 1 skipped"));
    }
}
