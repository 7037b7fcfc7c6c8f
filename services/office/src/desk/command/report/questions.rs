use anyhow::Context as _;
use chrono::NaiveDate;
use clap::Args;
use proto::command::v1::{
    AnswerQuestionRequest, AnswerValue, AskedQuestion, ListQuestionsRequest, answer_value::Value,
    report_service_client::ReportServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask},
        typed,
    },
    output::{local_time, print, table},
};

#[derive(Args)]
pub struct Questions {
    /// By default yesterday until its reports are due, then today
    #[arg(value_parser = typed::date, value_name = "DAY")]
    day: Option<NaiveDate>,
    /// By default all that the token may see
    #[arg(long, value_parser = typed::name("neighbourhoods"))]
    neighbourhood: Option<String>,
    /// Also those that are answered
    #[arg(long)]
    answered: bool,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Answering {
    #[arg(value_parser = typed::name("questions"))]
    question: String,
    /// A number, or the word of a choice
    value: String,
    /// By default yesterday until its reports are due, then today
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    day: Option<NaiveDate>,
    /// By default the one of the token
    #[arg(long, value_parser = typed::name("neighbourhoods"))]
    neighbourhood: Option<String>,
    /// In place of what was answered before, which stays on record
    #[arg(long)]
    correct: bool,
    #[command(flatten)]
    act: Act,
}

impl Questions {
    pub async fn run(self) -> anyhow::Result<()> {
        let day = self.day.map(|day| day.to_string()).unwrap_or_default();
        let neighbourhood = self.neighbourhood.unwrap_or_default();
        let request = ListQuestionsRequest { neighbourhood, day, answered: self.answered };
        let mut client = ReportServiceClient::new(self.ask.connection()?);
        let asked = client.list_questions(request).await?.into_inner();
        if self.ask.output.is_json() {
            return self.ask.list(&asked.questions, &[]);
        }
        let mut table = table();
        table.set_header(["question", "", "choices", "neighbourhood", "day", "forms", "answer"]);
        for asked in &asked.questions {
            table.add_row(row(asked));
        }
        print(&table.to_string())?;
        print(&format!("{} in all", asked.questions.len()))
    }
}

fn row(asked: &AskedQuestion) -> [String; 7] {
    let question = asked.question.clone().unwrap_or_default();
    let choices: Vec<String> =
        question.choices.iter().map(|choice| format!("{} {}", choice.id, choice.text_zh)).collect();
    let forms: Vec<&str> = asked.forms.iter().map(|form| form.trim_start_matches("forms/")).collect();
    let answer = asked.answer.as_ref().map(|answer| {
        let value = answer.value.as_ref().and_then(|value| value.value.as_ref());
        let value = match value {
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Choice(choice)) => choice.clone(),
            None => String::new(),
        };
        format!("{value} ({}, {})", answer.answer_by, local_time(answer.answer_time.as_ref()))
    });
    [
        question.id,
        format!("{}\n{}", question.text_zh, question.text_en),
        choices.join("\n"),
        asked.neighbourhood.clone(),
        asked.day.clone(),
        forms.join(", "),
        answer.unwrap_or_default(),
    ]
}

impl Answering {
    pub async fn run(self) -> anyhow::Result<()> {
        let day = self.day.map(|day| day.to_string()).unwrap_or_default();
        let neighbourhood = self.act.ask.neighbourhood(self.neighbourhood.clone()).await?;
        let etag = if self.correct { self.earlier(&neighbourhood, &day).await? } else { String::new() };
        let value = match self.value.parse() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Choice(self.value.clone()),
        };
        let question = self.question.clone();
        let answered = self.act.send(async |connection, request_id| {
            let value = Some(AnswerValue { value: Some(value) });
            let request = AnswerQuestionRequest { request_id, question, neighbourhood, day, value, etag };
            ReportServiceClient::new(connection).answer_question(request).await
        });
        self.act.show(&answered.await?)
    }

    /// The etag of what was answered before.
    async fn earlier(&self, neighbourhood: &str, day: &str) -> anyhow::Result<String> {
        let request =
            ListQuestionsRequest { neighbourhood: neighbourhood.to_owned(), day: day.to_owned(), answered: true };
        let mut client = ReportServiceClient::new(self.act.ask.connection()?);
        let asked = client.list_questions(request).await?.into_inner().questions;
        let id = self.question.trim_start_matches("questions/");
        let answer = asked
            .into_iter()
            .find(|asked| asked.question.as_ref().is_some_and(|question| question.id == id))
            .and_then(|asked| asked.answer);
        Ok(answer.context("nobody has answered this yet: answer it without --correct")?.etag)
    }
}
