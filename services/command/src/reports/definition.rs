//! Whether a form can be filled: every figure and every question in it is known, and each sentence about one that is not names those
//! that look like it.

use std::collections::BTreeSet;

use chassis::Fields;
use proto::command::v1::{FormColumn, FormContent, FormScope, Question, form_column::Content};
use tonic::Status;

use super::{filling::Questions, source};

/// Characters.
const LONGEST_TITLE: usize = 40;
const LONGEST_TEXT: usize = 200;
const LONGEST_ID: usize = 32;
const MOST_COLUMNS: usize = 24;
const MOST_QUESTIONS: usize = 24;
const MOST_CHOICES: usize = 12;
const MOST_FIGURES: usize = 12;
/// Minutes: the end of the day, and of the third one.
const DAY: i32 = 1_440;
const THREE_DAYS: i32 = 3 * DAY;

/// What else there is when a form is defined.
pub(crate) struct Surroundings<'a> {
    /// Of other forms.
    pub(crate) others: &'a Questions,
    /// Of this form until now.
    pub(crate) own: &'a [Question],
    /// Of this form, and named by others.
    pub(crate) needed: &'a BTreeSet<String>,
    /// Neighbourhood ids.
    pub(crate) neighbourhoods: BTreeSet<String>,
}

/// Refuses with all that is wrong in one answer.
pub(crate) fn check(form: &FormContent, around: &Surroundings) -> Result<(), Status> {
    let mut fields = Fields::new();
    for (field, text) in [
        ("content.title_zh", &form.title_zh),
        ("content.title_en", &form.title_en),
        ("content.addressee_zh", &form.addressee_zh),
        ("content.addressee_en", &form.addressee_en),
    ] {
        fields.required(field, text, LONGEST_TITLE);
    }
    fields.date("content.from", &form.from);
    fields.one_of::<FormScope>("content.scope", form.scope);
    fields.number("content.cut_off_minute", form.cut_off_minute, 1..=DAY);
    fields.number("content.due_minute", form.due_minute, form.cut_off_minute.clamp(1, DAY)..=THREE_DAYS);
    questions(&mut fields, form, around);
    columns(&mut fields, form, around);
    for (at, name) in form.filter.iter().flat_map(|filter| &filter.neighbourhoods).enumerate() {
        let field = format!("content.filter.neighbourhoods[{at}]");
        let Some(id) = fields.name(&field, "neighbourhoods", name) else { continue };
        fields.check(
            field,
            around.neighbourhoods.contains(&id),
            "没有这个社区：请核对名称",
            "is no neighbourhood: check the name",
        );
    }
    fields.done()
}

fn questions(fields: &mut Fields, form: &FormContent, around: &Surroundings) {
    fields.number("content.questions", form.questions.len(), 0..=MOST_QUESTIONS);
    let mut ids = BTreeSet::new();
    for (at, question) in form.questions.iter().enumerate() {
        let field = |name: &str| format!("content.questions[{at}].{name}");
        id(fields, field("id"), &question.id, &mut ids);
        fields.required(field("text_zh"), &question.text_zh, LONGEST_TEXT);
        fields.required(field("text_en"), &question.text_en, LONGEST_TEXT);
        fields.number(field("choices"), question.choices.len(), 0..=MOST_CHOICES);
        let mut choices = BTreeSet::new();
        for (number, choice) in question.choices.iter().enumerate() {
            let field = |name: &str| field(&format!("choices[{number}].{name}"));
            id(fields, field("id"), &choice.id, &mut choices);
            fields.required(field("text_zh"), &choice.text_zh, LONGEST_TITLE);
            fields.required(field("text_en"), &choice.text_en, LONGEST_TITLE);
        }
        // Answers that were given must still be readable.
        let before = around.own.iter().find(|own| own.id == question.id);
        let keeps = before.is_none_or(|before| {
            before.choices.is_empty() == question.choices.is_empty()
                && before.choices.iter().all(|choice| choices.contains(&choice.id))
        });
        fields.check(
            field("choices"),
            keeps,
            "已有回答的问题不能改变类型，也不能去掉选项：请换一个问题编号",
            "has answers already: it stays a number or a choice, and keeps its choices; give another question another id",
        );
    }
    for needed in around.needed.iter().filter(|needed| !ids.contains(*needed)) {
        fields.refuse(
            "content.questions",
            format!("问题 {needed} 还有其他报表在用：请保留"),
            format!("lacks {needed}, which other forms ask: keep it"),
        );
    }
}

fn columns(fields: &mut Fields, form: &FormContent, around: &Surroundings) {
    fields.number("content.columns", form.columns.len(), 1..=MOST_COLUMNS);
    let mut ids = BTreeSet::new();
    for (at, column) in form.columns.iter().enumerate() {
        let field = |name: &str| format!("content.columns[{at}].{name}");
        id(fields, field("id"), &column.id, &mut ids);
        fields.required(field("heading_zh"), &column.heading_zh, LONGEST_TITLE);
        fields.required(field("heading_en"), &column.heading_en, LONGEST_TITLE);
        content(fields, &field, column, form, around);
    }
    let counts = |column: &FormColumn| {
        let words = matches!(column.content, Some(Content::Text(_)) | None);
        !column.background && !words
    };
    fields.check(
        "content.columns",
        form.columns.is_empty() || form.columns.iter().any(counts),
        "至少要有一列不是背景（background），否则每天都是零报告",
        "need one that is not background: else every report is a zero report",
    );
}

fn content(
    fields: &mut Fields,
    field: &impl Fn(&str) -> String,
    column: &FormColumn,
    form: &FormContent,
    around: &Surroundings,
) {
    match &column.content {
        Some(Content::Figure(name)) => figure(fields, field("figure"), name),
        Some(Content::Sum(sum)) => {
            fields.number(field("sum.figures"), sum.figures.len(), 2..=MOST_FIGURES);
            for name in &sum.figures {
                figure(fields, field("sum.figures"), name);
            }
        }
        Some(Content::Difference(difference)) => {
            figure(fields, field("difference.figure"), &difference.figure);
            fields.number(field("difference.less"), difference.less.len(), 1..=MOST_FIGURES);
            for name in &difference.less {
                figure(fields, field("difference.less"), name);
            }
        }
        Some(Content::Ratio(ratio)) => {
            figure(fields, field("ratio.figure"), &ratio.figure);
            figure(fields, field("ratio.of"), &ratio.of);
        }
        Some(Content::Question(asked)) => {
            let own = form.questions.iter().map(|question| question.id.as_str());
            let known: Vec<&str> = own.chain(around.others.keys().map(String::as_str)).collect();
            unknown(fields, field("question"), asked, &known, ("问题", "question"));
        }
        Some(Content::Text(text)) => {
            fields.required(field("text"), text, LONGEST_TITLE);
        }
        None => fields.refuse(
            field("content"),
            "没有内容：请选择 figure、sum、difference、ratio、question、text 之一",
            "says nothing: choose one of figure, sum, difference, ratio, question, text",
        ),
    }
}

fn figure(fields: &mut Fields, field: String, name: &str) {
    let known: Vec<&str> = source::names().collect();
    unknown(fields, field, name, &known, ("指标", "figure"));
}

/// Names of figures and questions are nobody's secret: the sentence repeats the one that it is about.
fn unknown(fields: &mut Fields, field: String, name: &str, known: &[&str], (zh, en): (&str, &str)) {
    if known.contains(&name) {
        return;
    }
    let name: String = name.chars().take(LONGEST_ID).collect();
    let near = near(&name, known).join(", ");
    let (like_zh, like_en) = match near.as_str() {
        "" => (String::new(), String::new()),
        near => (format!("，相近的有 {near}"), format!(", near ones are {near}")),
    };
    fields.refuse(
        field,
        format!("没有名为 {name} 的{zh}{like_zh}：请改用已有的名称"),
        format!("there is no {en} {name}{like_en}: use the name of one that there is"),
    );
}

fn id(fields: &mut Fields, field: String, id: &str, ids: &mut BTreeSet<String>) {
    let legible = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_';
    let right = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(legible);
    if fields.check(
        &field,
        right,
        "需要 1 至 32 个小写字母、数字或 _",
        "must have 1 to 32 lower-case letters, digits or _",
    ) {
        let new = ids.insert(id.to_owned());
        fields.check(field, new, "与前面的编号重复：请换一个", "is there already: choose another one");
    }
}

/// At most three that are spelt nearly alike, or of which one is in the other, the nearest first.
fn near<'a>(name: &str, known: &[&'a str]) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|known| {
            let within = name.len() > 2 && (known.contains(name) || name.contains(known));
            (if within { 1 } else { distance(name, known) }, *known)
        })
        .filter(|(distance, known)| *distance <= known.len().min(name.len()) / 3 + 1)
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, known)| known).collect()
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in (1..).zip(one.chars()) {
        let mut diagonal = std::mem::replace(&mut row[0], number);
        for column in 1..row.len() {
            let changed = diagonal + usize::from(letter != other[column - 1]);
            diagonal = row[column];
            row[column] = changed.min(row[column] + 1).min(row[column - 1] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use chassis::refusal::Spoken;
    use proto::command::v1::FormFilter;

    use super::*;
    use crate::reports::shipped;

    fn refusals(form: &FormContent, others: &Questions) -> Vec<String> {
        let needed = BTreeSet::new();
        let neighbourhoods = BTreeSet::from(["n1".to_owned()]);
        let around = Surroundings { others, own: &[], needed: &needed, neighbourhoods };
        let Err(status) = check(form, &around) else { return Vec::new() };
        Spoken::from(&status).fields.into_iter().map(|field| format!("{}: {}", field.field, field.en)).collect()
    }

    fn daily() -> FormContent {
        shipped::all().iter().find(|(id, _)| *id == "daily").unwrap().1.clone()
    }

    #[test]
    fn a_figure_that_nobody_knows_is_named_with_those_that_look_like_it() {
        let mut form = daily();
        form.columns[0].content = Some(Content::Figure("hoseholds".into()));
        form.columns[1].content = Some(Content::Question("maskes".into()));
        let others = Questions::from([("masks".to_owned(), Question::default())]);
        let refused = refusals(&form, &others);
        assert!(
            refused[0].contains("columns[0].figure: there is no figure hoseholds, near ones are households"),
            "{refused:?}"
        );
        assert!(
            refused[1].contains("columns[1].question: there is no question maskes, near ones are masks"),
            "{refused:?}"
        );
        assert_eq!(refused.len(), 2);
    }

    #[test]
    fn everything_that_is_wrong_is_said_in_one_answer() {
        let mut form = daily();
        form.title_zh.clear();
        form.due_minute = form.cut_off_minute - 1;
        form.columns[1].id = form.columns[0].id.clone();
        form.columns[2].content = None;
        form.filter = Some(FormFilter { neighbourhoods: vec!["neighbourhoods/n9".into()], not_zero: false });
        let refused = refusals(&form, &Questions::new());
        let fields: Vec<&str> = refused.iter().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(
            fields,
            [
                "content.title_zh",
                "content.due_minute",
                "content.columns[1].id",
                "content.columns[2].content",
                "content.filter.neighbourhoods[0]"
            ]
        );
    }

    #[test]
    fn a_form_of_background_alone_is_refused() {
        let mut form = daily();
        form.columns.iter_mut().for_each(|column| column.background = true);
        assert!(refusals(&form, &Questions::new())[0].contains("zero report"));
    }

    #[test]
    fn what_is_meant_is_found() {
        let known = ["households", "fevers", "screened", "households_with_pass"];
        assert_eq!(near("fever", &known), ["fevers"]);
        assert_eq!(near("screned", &known), ["screened"]);
        assert_eq!(near("household", &known), ["households", "households_with_pass"]);
        assert!(near("weather", &known).is_empty());
    }
}
