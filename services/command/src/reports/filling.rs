//! A form filled from figures and answers: a row for each neighbourhood and the sum of them, beside the day before. Pure.

use std::collections::BTreeMap;

use proto::command::v1::{
    AnswerValue, Figures, FormColumn, FormContent, OpenQuestion, Question, ReportCell, ReportRow, answer_value,
    form_column::Content, report_cell::Value,
};

use super::source;
use crate::hiding::is_small;

/// By their ids.
pub(crate) type Questions = BTreeMap<String, Question>;

/// A neighbourhood, and all that can stand in its row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) figures: Figures,
    /// By the question's id.
    pub(crate) answers: BTreeMap<String, AnswerValue>,
}

/// What stands in a form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) rows: Vec<ReportRow>,
    pub(crate) sum: ReportRow,
    /// There is nothing but background in it.
    pub(crate) zero: bool,
    pub(crate) unanswered: Vec<OpenQuestion>,
}

/// The sum is that of every row, also of those that the form leaves out.
pub(crate) fn fill(form: &FormContent, questions: &Questions, places: &[Place]) -> Table {
    let row = |neighbourhood: String, display_name: &str, places: &[Place]| {
        let cells = form.columns.iter().map(|column| cell(column, questions, places)).collect();
        ReportRow { neighbourhood, display_name: display_name.to_owned(), cells }
    };
    // Who reports alone has a row, also an empty one.
    let not_zero = places.len() > 1 && form.filter.as_ref().is_some_and(|filter| filter.not_zero);
    let mut zero = true;
    let mut rows = Vec::new();
    for place in places {
        let nothing = is_zero(form, questions, place);
        zero &= nothing;
        if !(nothing && not_zero) {
            rows.push(row(format!("neighbourhoods/{}", place.id), &place.name, std::slice::from_ref(place)));
        }
    }
    Table { rows, sum: row(String::new(), "", places), zero, unanswered: unanswered(form, places) }
}

/// What the day before said, by neighbourhood and column; whether a small count stood in it.
#[derive(Debug, Default)]
pub(crate) struct Before(BTreeMap<(String, String), (i64, bool)>);

impl Before {
    /// Only columns that still mean the same can be compared.
    pub(crate) fn of<'a>(
        now: &FormContent,
        columns: &[FormColumn],
        rows: impl IntoIterator<Item = &'a ReportRow>,
    ) -> Self {
        let mut before = BTreeMap::new();
        for row in rows {
            for (column, cell) in columns.iter().zip(&row.cells) {
                let same = now.columns.iter().any(|now| now.id == column.id && now.content == column.content);
                if let Some(number) = number(cell).filter(|_| same) {
                    before.insert((row.neighbourhood.clone(), column.id.clone()), (number, cell.small));
                }
            }
        }
        Self(before)
    }

    /// Puts it beside what stands there now.
    pub(crate) fn beside(&self, form: &FormContent, table: &mut Table) {
        for row in table.rows.iter_mut().chain([&mut table.sum]) {
            for (column, cell) in form.columns.iter().zip(&mut row.cells) {
                let key = (row.neighbourhood.clone(), column.id.clone());
                if let Some(((before, small), now)) = self.0.get(&key).copied().zip(number(cell)) {
                    (cell.before, cell.before_small) = (Some(before), small);
                    cell.difference = Some(now - before);
                }
            }
        }
    }
}

/// A number or a ratio.
pub(crate) fn number(cell: &ReportCell) -> Option<i64> {
    match cell.value {
        Some(Value::Number(number) | Value::PerMille(number)) => Some(number),
        Some(Value::Text(_) | Value::Hidden(_)) | None => None,
    }
}

/// Of one neighbourhood, or of all together.
fn cell(column: &FormColumn, questions: &Questions, places: &[Place]) -> ReportCell {
    let mut small = false;
    let mut count = |name: &str| {
        let count = places.iter().filter_map(|place| source::value(name, &place.figures)).sum();
        small |= is_small(count);
        count
    };
    let value = match &column.content {
        Some(Content::Figure(name)) => Some(Value::Number(count(name))),
        Some(Content::Sum(sum)) => Some(Value::Number(sum.figures.iter().map(|name| count(name)).sum())),
        Some(Content::Difference(difference)) => {
            let less: i64 = difference.less.iter().map(|name| count(name)).sum();
            let rest = count(&difference.figure) - less;
            small |= is_small(rest);
            Some(Value::Number(rest))
        }
        Some(Content::Ratio(ratio)) => per_mille(count(&ratio.figure), count(&ratio.of)).map(Value::PerMille),
        Some(Content::Question(id)) => {
            let answered = answered(questions.get(id), id, places);
            small = matches!(answered, Some(Value::Number(number)) if is_small(number));
            answered
        }
        Some(Content::Text(text)) => Some(Value::Text(text.clone())),
        None => None,
    };
    ReportCell { value, small, ..ReportCell::default() }
}

/// Rounded; of nothing there is no ratio.
fn per_mille(part: i64, of: i64) -> Option<i64> {
    (of > 0).then(|| (part * 1_000 + of / 2).div_euclid(of))
}

/// Numbers add up; of choices it is said how often each was made.
fn answered(question: Option<&Question>, id: &str, places: &[Place]) -> Option<Value> {
    let answers: Vec<&answer_value::Value> =
        places.iter().filter_map(|place| place.answers.get(id)?.value.as_ref()).collect();
    let mut choices: BTreeMap<&str, usize> = BTreeMap::new();
    let mut sum = 0;
    for answer in &answers {
        match answer {
            answer_value::Value::Number(number) => sum += number,
            answer_value::Value::Choice(choice) => *choices.entry(choice).or_default() += 1,
        }
    }
    if answers.is_empty() {
        return None;
    }
    if choices.is_empty() {
        return Some(Value::Number(sum));
    }
    let words = |choice: &str| {
        let known = question.and_then(|question| question.choices.iter().find(|known| known.id == choice));
        known.map_or_else(|| choice.to_owned(), |known| known.text_zh.clone())
    };
    let alone = places.len() == 1;
    let text = choices.iter().map(|(choice, times)| {
        let words = words(choice);
        if alone { words } else { format!("{words}×{times}") }
    });
    Some(Value::Text(text.collect::<Vec<_>>().join(" ")))
}

/// The background says nothing; what nobody has answered does not either.
fn is_zero(form: &FormContent, questions: &Questions, place: &Place) -> bool {
    let nothing = |id: &str| match place.answers.get(id).and_then(|answer| answer.value.as_ref()) {
        Some(answer_value::Value::Choice(choice)) => {
            let choices = questions.get(id).map(|question| question.choices.as_slice()).unwrap_or_default();
            choices.iter().any(|known| known.id == *choice && known.nothing)
        }
        Some(answer_value::Value::Number(number)) => *number == 0,
        None => true,
    };
    form.columns.iter().filter(|column| !column.background).all(|column| match &column.content {
        Some(Content::Question(id)) => nothing(id),
        _ => number(&cell(column, questions, std::slice::from_ref(place))).unwrap_or(0) == 0,
    })
}

fn unanswered(form: &FormContent, places: &[Place]) -> Vec<OpenQuestion> {
    let mut open = Vec::new();
    for column in &form.columns {
        let Some(Content::Question(question)) = &column.content else { continue };
        for place in places.iter().filter(|place| !place.answers.contains_key(question)) {
            let neighbourhood = format!("neighbourhoods/{}", place.id);
            open.push(OpenQuestion { question: question.clone(), neighbourhood });
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use proto::command::v1::{FigureDifference, FigureRatio, FigureSum, FormFilter, question::Choice};

    use super::*;

    fn column(id: &str, content: Content) -> FormColumn {
        FormColumn { id: id.into(), content: Some(content), ..FormColumn::default() }
    }

    fn place(id: &str, figures: &Figures, answers: &[(&str, answer_value::Value)]) -> Place {
        let answers = answers.iter().cloned().map(|(id, value)| (id.to_owned(), AnswerValue { value: Some(value) }));
        Place { id: id.into(), name: id.to_uppercase(), figures: *figures, answers: answers.collect() }
    }

    fn values(row: &ReportRow) -> Vec<Option<Value>> {
        row.cells.iter().map(|cell| cell.value.clone()).collect()
    }

    fn form() -> FormContent {
        let households = FormColumn { background: true, ..column("households", Content::Figure("households".into())) };
        let sum = FigureSum { figures: vec!["fevers".into(), "breaches".into()] };
        let less = FigureDifference { figure: "households".into(), less: vec!["households_with_pass".into()] };
        let ratio = FigureRatio { figure: "households_with_pass".into(), of: "households".into() };
        let columns = vec![
            households,
            column("sum", Content::Sum(sum)),
            FormColumn { background: true, ..column("without", Content::Difference(less)) },
            FormColumn { background: true, ..column("with", Content::Ratio(ratio)) },
            column("masks", Content::Question("masks".into())),
            column("short", Content::Question("short".into())),
            column("unit", Content::Text("户".into())),
        ];
        FormContent { columns, ..FormContent::default() }
    }

    fn questions() -> Questions {
        let choice = |id: &str, text: &str| Choice {
            id: id.into(),
            text_zh: text.into(),
            nothing: id == "none",
            ..Choice::default()
        };
        let choices = vec![choice("none", "无"), choice("masks", "口罩")];
        Questions::from([("short".to_owned(), Question { id: "short".into(), choices, ..Question::default() })])
    }

    fn places() -> Vec<Place> {
        let (number, choice) = (answer_value::Value::Number, answer_value::Value::Choice);
        let one = Figures { households: 400, households_with_pass: 300, fevers: 2, breaches: 1, ..Figures::default() };
        let other = Figures { households: 100, households_with_pass: 1, ..Figures::default() };
        let answers = [("masks", number(40)), ("short", choice("masks".into()))];
        vec![place("a", &one, &answers), place("b", &other, &[("short", choice("none".into()))])]
    }

    #[test]
    fn a_row_holds_figures_sums_differences_ratios_answers_and_words() {
        let table = fill(&form(), &questions(), &places());
        let text = |text: &str| Some(Value::Text(text.into()));
        let number = |number| Some(Value::Number(number));
        let mille = |number| Some(Value::PerMille(number));
        let first = [number(400), number(3), number(100), mille(750), number(40), text("口罩"), text("户")];
        assert_eq!(values(&table.rows[0]), first);
        let second = [number(100), number(0), number(99), mille(10), None, text("无"), text("户")];
        assert_eq!(values(&table.rows[1]), second);
        let sum = [number(500), number(3), number(199), mille(602), number(40), text("口罩×1 无×1"), text("户")];
        assert_eq!(values(&table.sum), sum, "the ratio of the sum is that of the sums");
        assert!(!table.zero);
        let open = OpenQuestion { question: "masks".into(), neighbourhood: "neighbourhoods/b".into() };
        assert_eq!(table.unanswered, [open]);
        let small: Vec<bool> = table.rows[1].cells.iter().map(|cell| cell.small).collect();
        assert_eq!(small, [false, false, true, true, false, false, false], "one household has a pass");
    }

    #[test]
    fn background_alone_is_zero_and_rows_of_zero_can_be_left_out_of_the_rows_and_not_of_the_sum() {
        let filter = Some(FormFilter { not_zero: true, ..FormFilter::default() });
        let table = fill(&FormContent { filter, ..form() }, &questions(), &places());
        assert_eq!(table.rows.iter().map(|row| row.display_name.as_str()).collect::<Vec<_>>(), ["A"]);
        assert_eq!(table.sum.cells[0].value, Some(Value::Number(500)));
        let quiet = fill(&form(), &questions(), &places()[1..]);
        assert!(quiet.zero, "households are nothing to report, and somebody who is short of nothing has nothing");
        let mut short = places();
        let masks = short[0].answers["short"].clone();
        short[1].answers.insert("short".into(), masks);
        assert!(!fill(&form(), &questions(), &short[1..]).zero);
    }

    #[test]
    fn the_day_before_is_compared_where_a_column_still_means_the_same() {
        let (form, questions) = (form(), questions());
        let yesterday = fill(&form, &questions, &places());
        let mut today = places();
        today[0].figures.fevers = 7;
        let mut table = fill(&form, &questions, &today);
        let mut columns = form.columns.clone();
        columns[0].content = Some(Content::Figure("rented".into()));
        let rows = yesterday.rows.iter().chain([&yesterday.sum]);
        Before::of(&form, &columns, rows).beside(&form, &mut table);
        let difference = |row: &ReportRow, column: usize| (row.cells[column].before, row.cells[column].difference);
        assert_eq!(difference(&table.rows[0], 1), (Some(3), Some(5)));
        assert!(table.rows[0].cells[1].before_small);
        assert_eq!(difference(&table.sum, 1), (Some(3), Some(5)));
        assert_eq!(difference(&table.rows[0], 0), (None, None), "it meant something else");
        assert_eq!(difference(&table.rows[0], 5), (None, None), "words are not compared");
    }
}
