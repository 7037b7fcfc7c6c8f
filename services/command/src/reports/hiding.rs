//! What somebody sees of a report who may not see of few people how many they are: no count from 1 to 4, nothing that gives one
//! away beside its sum, and no difference that would. Other columns and other reports may still say more than one table does:
//! whoever adds a column that is the sum of others makes it a `sum`, which is hidden with its parts.

use proto::command::v1::{FormColumn, Hidden, Report, ReportCell, form_column::Content, report_cell::Value};

use super::filling::{is_small, number};

/// Hides in place.
pub(crate) fn hide(report: &mut Report) {
    for (index, column) in report.columns.iter().enumerate() {
        let rows = report.rows.iter_mut().chain(&mut report.sum);
        let mut cells: Vec<&mut ReportCell> = rows.filter_map(|row| row.cells.get_mut(index)).collect();
        let now: Vec<Count> = cells.iter().map(|cell| Count { number: number(cell), small: cell.small }).collect();
        let before: Vec<Count> =
            cells.iter().map(|cell| Count { number: cell.before, small: cell.before_small }).collect();
        let hidden = plan(&now, adds_up(column)).into_iter().zip(plan(&before, adds_up(column)));
        for (cell, (now, before)) in cells.iter_mut().zip(hidden) {
            if let Some(hidden) = now {
                cell.value = Some(Value::Hidden(hidden.into()));
            }
            if before.is_some() {
                cell.before = None;
            }
            if now.is_some() || before.is_some() {
                cell.difference = None;
            }
        }
    }
    report.hides = true;
    // By it somebody could try out what was hidden.
    report.etag.clear();
}

#[derive(Clone, Copy, Debug)]
struct Count {
    number: Option<i64>,
    small: bool,
}

const fn adds_up(column: &FormColumn) -> bool {
    !matches!(column.content, Some(Content::Ratio(_) | Content::Text(_)) | None)
}

/// Of a column, its sum the last: what is hidden, and why.
fn plan(counts: &[Count], adds_up: bool) -> Vec<Option<Hidden>> {
    let mut hidden: Vec<Option<Hidden>> = counts.iter().map(|count| count.small.then_some(Hidden::Small)).collect();
    let Some((sum, rows)) = counts.split_last() else { return hidden };
    let last = rows.len();
    let few = rows.iter().filter(|row| row.small).count();
    if !adds_up {
        if few > 0 && !sum.small {
            hidden[last] = Some(Hidden::Beside);
        }
        return hidden;
    }
    let number = |count: &Count| count.number.unwrap_or(0);
    let left_out = number(sum) - rows.iter().map(number).sum::<i64>();
    if sum.small {
        return hidden;
    }
    let beside = rows.iter().enumerate().filter(|(_, row)| !row.small && number(row) != 0);
    match (few, beside.min_by_key(|(_, row)| number(row).abs()).map(|(index, _)| index)) {
        (0, _) if !is_small(left_out) => {}
        // Two stand for one: neither can be told.
        (1, Some(index)) => hidden[index] = Some(Hidden::Beside),
        (0 | 1, _) => hidden[last] = Some(Hidden::Beside),
        (few, _) => {
            // All of them 1, or all of them 4, is a sum that only these make.
            let together: i64 = rows.iter().filter(|row| row.small).map(number).sum();
            let few = i64::try_from(few).unwrap_or(i64::MAX);
            if together == few || together == few.saturating_mul(4) {
                hidden[last] = Some(Hidden::Beside);
            }
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use proto::command::v1::ReportRow;

    use super::*;

    fn hidden(rows: &[i64], sum: i64) -> String {
        let counts: Vec<Count> =
            rows.iter().chain([&sum]).map(|n| Count { number: Some(*n), small: is_small(*n) }).collect();
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
    fn no_difference_gives_away_what_is_hidden_and_no_etag_lets_anybody_try() {
        let cell = |number, before| ReportCell {
            value: Some(Value::Number(number)),
            small: is_small(number),
            before: Some(before),
            before_small: is_small(before),
            difference: Some(number - before),
        };
        let row = |cells| ReportRow { cells, ..ReportRow::default() };
        let column = |id: &str| FormColumn {
            id: id.into(),
            content: Some(Content::Figure("fevers".into())),
            ..FormColumn::default()
        };
        let mut report = Report {
            columns: vec![column("a"), column("b"), column("c")],
            rows: vec![row(vec![cell(3, 9), cell(9, 3), cell(20, 10)])],
            sum: Some(row(vec![cell(3, 9), cell(9, 3), cell(20, 10)])),
            etag: "x".into(),
            ..Report::default()
        };
        hide(&mut report);
        for row in report.rows.iter().chain(&report.sum) {
            let [a, b, c] = &row.cells[..] else { panic!("three columns") };
            assert_eq!((a.value.clone(), a.before, a.difference), (Some(Value::Hidden(1)), Some(9), None));
            assert_eq!((b.value.clone(), b.before, b.difference), (Some(Value::Number(9)), None, None));
            assert_eq!((c.before, c.difference), (Some(10), Some(10)));
        }
        assert!(report.hides && report.etag.is_empty());
    }

    #[test]
    fn the_ratio_of_all_goes_with_the_ratio_of_few() {
        let counts = [Count { number: Some(5), small: true }, Count { number: Some(40), small: false }];
        assert_eq!(plan(&counts, false), [Some(Hidden::Small), Some(Hidden::Beside)]);
    }
}
