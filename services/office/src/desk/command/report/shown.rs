use proto::command::v1::{FormColumn, Hidden, Report, ReportCell, ReportRow, form_column::Content, report_cell::Value};

use crate::{
    desk::ask::Ask,
    output::{local_time, print, table},
};

/// What stands above the sum.
pub(super) const SUM: &str = "合计";

/// One neighbourhood from top to bottom, several beside each other; the day before's difference behind each number.
pub(super) fn show(ask: &Ask, report: &Report) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(report);
    }
    for line in heading(report) {
        print(&line)?;
    }
    let mut table = table();
    if report.neighbourhood.is_empty() {
        let headings = report.columns.iter().map(|column| column.heading_zh.clone());
        table.set_header(std::iter::once(String::new()).chain(headings));
        for row in rows(report) {
            table.add_row(
                std::iter::once(named(row)).chain(cells(report, row).map(|(column, cell)| both(column, cell))),
            );
        }
    } else {
        table.set_header(["", "", "value", "day before", "difference"]);
        for row in report.rows.iter().chain(report.sum.iter().filter(|_| report.rows.is_empty())) {
            for (column, cell) in cells(report, row) {
                let before = cell.before.map(|before| number(column, before)).unwrap_or_default();
                let words = [column.heading_zh.clone(), column.heading_en.clone()];
                table.add_row(words.into_iter().chain([value(column, cell), before, difference(column, cell)]));
            }
        }
    }
    print(&table.to_string())?;
    for line in footing(report) {
        print(&line)?;
    }
    Ok(())
}

/// Every row, and the sum where there is more than one office in it.
pub(super) fn rows(report: &Report) -> impl Iterator<Item = &ReportRow> {
    report.rows.iter().chain(report.sum.iter().filter(|_| report.neighbourhood.is_empty()))
}

pub(super) fn cells<'a>(
    report: &'a Report,
    row: &'a ReportRow,
) -> impl Iterator<Item = (&'a FormColumn, &'a ReportCell)> {
    report.columns.iter().zip(&row.cells)
}

pub(super) fn named(row: &ReportRow) -> String {
    if row.neighbourhood.is_empty() { SUM.to_owned() } else { row.display_name.clone() }
}

/// What it is, of which day, for whom and by when.
pub(super) fn heading(report: &Report) -> Vec<String> {
    let office = report.rows.first().filter(|_| !report.neighbourhood.is_empty());
    let office = office.map_or_else(|| "街道".to_owned(), |row| row.display_name.clone());
    let (cut_off, due) = (local_time(report.cut_off_time.as_ref()), local_time(report.due_time.as_ref()));
    vec![
        format!("{} · {}", report.title_zh, report.title_en),
        format!("填报单位 {office}　报送 {}　{} 第{}版", report.addressee_zh, report.day, report.version),
        format!("数据截至 {cut_off}　应于 {due} 前上报"),
    ]
}

/// What is to be said of it as a whole.
pub(super) fn footing(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if report.zero {
        lines.push("零报告：本日没有需要上报的情况 · zero report: nothing to report".to_owned());
    }
    if report.provisional {
        lines.push("截止时间未到，数字会变 · provisional: its cut-off has not passed".to_owned());
    }
    if !report.unanswered.is_empty() {
        let mut questions: Vec<&str> = report.unanswered.iter().map(|open| open.question.as_str()).collect();
        questions.sort_unstable();
        questions.dedup();
        lines.push(format!("未回答 · not answered: {}", questions.join(", ")));
    }
    if report.hides {
        lines.push(
            "小于5的数不显示，* 为连带隐藏 · counts under 5 are hidden, and * what would give them away".to_owned(),
        );
    }
    if report.file_time.is_some() {
        let late = if report.late { "（迟报 late）" } else { "" };
        let (time, by) = (local_time(report.file_time.as_ref()), &report.file_by);
        lines.push(format!("{time} 由 {by} 上报{late} · filed"));
    }
    if report.corrections > 0 {
        lines.push(format!("更正上报 {} 次 · filed again", report.corrections));
    }
    lines
}

/// A value with its difference.
pub(super) fn both(column: &FormColumn, cell: &ReportCell) -> String {
    let (value, difference) = (value(column, cell), difference(column, cell));
    if cell.difference == Some(0) || difference.is_empty() { value } else { format!("{value} ({difference})") }
}

pub(super) fn value(column: &FormColumn, cell: &ReportCell) -> String {
    match &cell.value {
        Some(Value::Number(count) | Value::PerMille(count)) => number(column, *count),
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Hidden(hidden)) if *hidden == i32::from(Hidden::Small) => "<5".to_owned(),
        Some(Value::Hidden(_)) => "*".to_owned(),
        None => "–".to_owned(),
    }
}

pub(super) fn difference(column: &FormColumn, cell: &ReportCell) -> String {
    match cell.difference {
        Some(more @ 1..) => format!("+{}", number(column, more)),
        Some(less) => number(column, less),
        None => String::new(),
    }
}

/// Ratios as per cent.
pub(super) fn number(column: &FormColumn, number: i64) -> String {
    if is_ratio(column) {
        let sign = if number < 0 { "-" } else { "" };
        return format!("{sign}{}.{}%", number.abs() / 10, number.abs() % 10);
    }
    number.to_string()
}

pub(super) const fn is_ratio(column: &FormColumn) -> bool {
    matches!(column.content, Some(Content::Ratio(_)))
}

#[cfg(test)]
mod tests {
    use proto::command::v1::FigureRatio;

    use super::*;

    #[test]
    fn a_hidden_value_is_never_a_number_and_a_ratio_is_per_cent() {
        let plain = FormColumn::default();
        let ratio = FormColumn { content: Some(Content::Ratio(FigureRatio::default())), ..FormColumn::default() };
        let cell = |value, difference| ReportCell { value: Some(value), difference, ..ReportCell::default() };
        assert_eq!(both(&plain, &cell(Value::Hidden(Hidden::Small.into()), None)), "<5");
        assert_eq!(both(&plain, &cell(Value::Hidden(Hidden::Beside.into()), None)), "*");
        assert_eq!(both(&plain, &cell(Value::Number(12), Some(3))), "12 (+3)");
        assert_eq!(both(&plain, &cell(Value::Number(12), Some(0))), "12");
        assert_eq!(both(&ratio, &cell(Value::PerMille(602), Some(-5))), "60.2% (-0.5%)");
        assert_eq!(both(&plain, &ReportCell::default()), "–");
    }
}
