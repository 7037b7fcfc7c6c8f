//! What somebody sees of a report who may not see of few people how many they are: no count from 1 to 4, nothing that gives one
//! away beside its sum, beside the other columns that it adds up with, or as a difference. Several reports together may still say
//! more than each of them.

use proto::command::v1::{FormColumn, Hidden, Report, ReportCell, form_column::Content, report_cell::Value};

use super::filling::{is_small, number};

/// Figures that add up to another one: every outcome of a screening.
const WHOLE: (&str, [&str; 6]) =
    ("screened", ["clear", "declared_key_area", "concealed", "undeclared", "to_ask", "overridden"]);

/// Hides in place.
pub(crate) fn hide(report: &mut Report) {
    let mut rows: Vec<&mut Vec<ReportCell>> =
        report.rows.iter_mut().chain(&mut report.sum).map(|row| &mut row.cells).collect();
    let now = |cell: &ReportCell| Count { number: number(cell), small: cell.small, beside: false };
    let before = |cell: &ReportCell| Count { number: cell.before, small: cell.before_small, beside: false };
    let now = plans(&report.columns, rows.iter().map(|row| row.iter().map(now).collect()).collect());
    let before = plans(&report.columns, rows.iter().map(|row| row.iter().map(before).collect()).collect());
    for (column, (now, before)) in now.into_iter().zip(before).enumerate() {
        for ((row, now), before) in rows.iter_mut().zip(now).zip(before) {
            let Some(cell) = row.get_mut(column) else { continue };
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
    /// Hidden with another one of its row.
    beside: bool,
}

/// By column, and in it by row, the sum the last: what is hidden, and why.
fn plans(columns: &[FormColumn], mut rows: Vec<Vec<Count>>) -> Vec<Vec<Option<Hidden>>> {
    for (whole, parts) in relations(columns) {
        for row in &mut rows {
            beside(row, whole, &parts);
        }
    }
    let column = |index: usize| rows.iter().filter_map(|row| row.get(index).copied()).collect::<Vec<_>>();
    columns.iter().enumerate().map(|(index, of)| plan(&column(index), adds_up(of))).collect()
}

/// Which columns of this form are the parts of which.
fn relations(columns: &[FormColumn]) -> Vec<(usize, Vec<usize>)> {
    let find = |figure: &str| {
        columns.iter().position(|column| matches!(&column.content, Some(Content::Figure(found)) if found == figure))
    };
    let all = |figures: &mut dyn Iterator<Item = &str>| figures.map(find).collect::<Option<Vec<usize>>>();
    let mut relations: Vec<(usize, Vec<usize>)> =
        find(WHOLE.0).zip(all(&mut WHOLE.1.into_iter())).into_iter().collect();
    for (index, column) in columns.iter().enumerate() {
        let Some(Content::Difference(difference)) = &column.content else { continue };
        let parts = all(&mut difference.less.iter().map(String::as_str));
        let whole = find(&difference.figure).zip(parts);
        relations.extend(whole.map(|(whole, parts)| (whole, parts.into_iter().chain([index]).collect())));
    }
    relations
}

/// One part alone could be worked out from the whole: the least of the others goes with it.
fn beside(row: &mut [Count], whole: usize, parts: &[usize]) {
    let hidden = |count: &Count| count.small || count.beside;
    if row.get(whole).is_none_or(hidden) || parts.iter().filter(|part| hidden(&row[**part])).count() != 1 {
        return;
    }
    let size = |part: &usize| row[*part].number.unwrap_or(0).abs();
    let least = parts.iter().copied().filter(|part| !hidden(&row[*part]) && size(part) != 0).min_by_key(size);
    if let Some(least) = least {
        row[least].beside = true;
    }
}

const fn adds_up(column: &FormColumn) -> bool {
    !matches!(column.content, Some(Content::Ratio(_) | Content::Text(_)) | None)
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

#[cfg(test)]
mod tests {
    use proto::command::v1::{FigureDifference, ReportRow};

    use super::*;

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
        let counts = [Count { small: true, ..count(5) }, count(40)];
        assert_eq!(plan(&counts, false), [Some(Hidden::Small), Some(Hidden::Beside)]);
    }

    #[test]
    fn one_outcome_is_not_worked_out_from_those_beside_it() {
        let figure = |name: &str| FormColumn { content: Some(Content::Figure(name.into())), ..FormColumn::default() };
        let names = [WHOLE.0].into_iter().chain(WHOLE.1);
        let mut columns: Vec<FormColumn> = names.map(figure).collect();
        let hidden = |columns: &[FormColumn], numbers: &[i64]| {
            let row: Vec<Count> = numbers.iter().map(|number| count(*number)).collect();
            let plans = plans(columns, vec![row.clone(), row]);
            plans.iter().map(|column| column[0].is_some()).collect::<Vec<_>>()
        };
        let one = hidden(&columns, &[100, 60, 3, 30, 7, 0, 0]);
        assert_eq!(one, [false, false, true, false, true, false, false], "the least of the others goes with it");
        let two = hidden(&columns, &[100, 60, 3, 30, 4, 3, 0]);
        assert_eq!(two, [false, false, true, false, true, true, false]);
        columns.truncate(1);
        let less = FigureDifference { figure: "residents".into(), less: vec!["screened".into()] };
        columns.push(figure("residents"));
        columns.push(FormColumn { content: Some(Content::Difference(less)), ..FormColumn::default() });
        assert_eq!(hidden(&columns, &[98, 100, 2]), [true, false, true], "two are left, and nobody can subtract");
    }
}
