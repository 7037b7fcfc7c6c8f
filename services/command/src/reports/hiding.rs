//! What somebody sees of a report who may not see of few people how many they are: no count from 1 to 4, nothing that gives one
//! away beside its sum, beside the other columns that it adds up with, or as a difference. Several reports together may still say
//! more than each of them.

use proto::command::v1::{FormColumn, Report, ReportCell, form_column::Content, report_cell::Value};

use super::filling::number;
use crate::hiding::{Count, OUTCOMES, SCREENED, plans};

/// Hides in place.
pub(crate) fn hide(report: &mut Report) {
    let mut rows: Vec<&mut Vec<ReportCell>> =
        report.rows.iter_mut().chain(&mut report.sum).map(|row| &mut row.cells).collect();
    let now = |cell: &ReportCell| Count { number: number(cell), small: cell.small, beside: false };
    let before = |cell: &ReportCell| Count { number: cell.before, small: cell.before_small, beside: false };
    let (relations, adds_up) = (relations(&report.columns), |column: usize| adds_up(&report.columns[column]));
    let now = plans(rows.iter().map(|row| row.iter().map(now).collect()).collect(), &relations, adds_up);
    let before = plans(rows.iter().map(|row| row.iter().map(before).collect()).collect(), &relations, adds_up);
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

/// Which columns of this form are the parts of which.
fn relations(columns: &[FormColumn]) -> Vec<(usize, Vec<usize>)> {
    let find = |figure: &str| {
        columns.iter().position(|column| matches!(&column.content, Some(Content::Figure(found)) if found == figure))
    };
    let all = |figures: &mut dyn Iterator<Item = &str>| figures.map(find).collect::<Option<Vec<usize>>>();
    let mut relations: Vec<(usize, Vec<usize>)> =
        find(SCREENED).zip(all(&mut OUTCOMES.into_iter())).into_iter().collect();
    for (index, column) in columns.iter().enumerate() {
        let Some(Content::Difference(difference)) = &column.content else { continue };
        let parts = all(&mut difference.less.iter().map(String::as_str));
        let whole = find(&difference.figure).zip(parts);
        relations.extend(whole.map(|(whole, parts)| (whole, parts.into_iter().chain([index]).collect())));
    }
    relations
}

const fn adds_up(column: &FormColumn) -> bool {
    !matches!(column.content, Some(Content::Ratio(_) | Content::Text(_)) | None)
}

#[cfg(test)]
mod tests {
    use proto::command::v1::{FigureDifference, ReportRow};

    use super::*;
    use crate::hiding::is_small;

    const fn count(number: i64) -> Count {
        Count { number: Some(number), small: 0 < number && number < 5, beside: false }
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
    fn one_outcome_is_not_worked_out_from_those_beside_it() {
        let figure = |name: &str| FormColumn { content: Some(Content::Figure(name.into())), ..FormColumn::default() };
        let names = [SCREENED].into_iter().chain(OUTCOMES);
        let mut columns: Vec<FormColumn> = names.map(figure).collect();
        let hidden = |columns: &[FormColumn], numbers: &[i64]| {
            let row: Vec<Count> = numbers.iter().map(|number| count(*number)).collect();
            let plans = plans(vec![row.clone(), row], &relations(columns), |column| adds_up(&columns[column]));
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
