use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use proto::command::v1::{
    DefineFormRequest, Form, FormColumn, FormContent, GetFormRequest, ListFormsRequest, form_column::Content,
    report_service_client::ReportServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::{json, print, table},
};

#[derive(Args)]
pub struct Forms {
    #[command(subcommand)]
    command: Option<Command>,
    /// In force on this day; by default today
    #[arg(value_parser = typed::date, value_name = "DAY")]
    day: Option<NaiveDate>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Subcommand)]
enum Command {
    /// One form with its columns
    #[command(after_help = "Example:\n  mifeng command forms show daily\n  mifeng command forms show daily --content")]
    Show {
        #[arg(value_parser = typed::name("forms"))]
        form: String,
        /// In force on this day; by default today
        #[arg(long, value_parser = typed::date, value_name = "DAY")]
        day: Option<NaiveDate>,
        /// Only the JSON that `define` reads
        #[arg(long)]
        content: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Another version from a day on, or a new form
    #[command(
        after_help = "`mifeng command forms show FORM --content` prints such a file.\n\nExample:\n  mifeng command forms define \
                            daily daily.json --validate-only"
    )]
    Define {
        /// Of a form that is there, or of a new one: 1 to 16 lower-case letters, digits or _
        form: String,
        /// A JSON file of command.v1.FormContent, or - for the standard input
        #[arg(value_name = "FILE.json")]
        file: PathBuf,
        /// Says whether it could be, and records nothing
        #[arg(long)]
        validate_only: bool,
        /// Of the form as it was read: refused where somebody has changed it since
        #[arg(long, default_value = "", hide_default_value = true)]
        etag: String,
        #[command(flatten)]
        act: Act,
    },
}

impl Forms {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            None => list(self.day, &self.listing, &self.ask).await,
            Some(Command::Show { form, day, content, ask }) => {
                let day = day.map(|day| day.to_string()).unwrap_or_default();
                let mut client = ReportServiceClient::new(ask.connection()?);
                let form = client.get_form(GetFormRequest { name: form, day }).await?.into_inner();
                if content {
                    return print(&serde_json::to_string_pretty(&json(&form.content.unwrap_or_default())?)?);
                }
                show(&ask, &form)
            }
            Some(Command::Define { form, file, validate_only, etag, act }) => {
                let form_id = form.trim_start_matches("forms/").to_owned();
                let content: FormContent = typed::read_message(&file)?;
                let defined = act.send(async |connection, request_id| {
                    let request =
                        DefineFormRequest { request_id, form_id, content: Some(content), validate_only, etag };
                    ReportServiceClient::new(connection).define_form(request).await
                });
                show(&act.ask, &defined.await?)
            }
        }
    }
}

async fn list(day: Option<NaiveDate>, listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = ReportServiceClient::new(ask.connection()?);
    let day = day.map(|day| day.to_string()).unwrap_or_default();
    let all = listing.collect(async |page_size, page_token| {
        let request = ListFormsRequest { day: day.clone(), page_size, page_token };
        let page = client.list_forms(request).await?.into_inner();
        Ok((page.forms, page.next_page_token))
    });
    let columns = [
        "name",
        "version",
        "content.title_zh",
        "content.title_en",
        "content.addressee_zh",
        "content.scope",
        "content.from",
        "replace_day",
        "shipped",
    ];
    listing.show(ask, &all.await?, &columns)
}

fn show(ask: &Ask, form: &Form) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(form);
    }
    let content = form.content.clone().unwrap_or_default();
    print(&format!("{} · {}　{} version {}", content.title_zh, content.title_en, form.name, form.version))?;
    let until = if form.replace_day.is_empty() { String::new() } else { format!(" until {}", form.replace_day) };
    let due = minutes(content.due_minute);
    print(&format!("from {}{until}, to {}, due {due}", content.from, content.addressee_en))?;
    let mut table = table();
    table.set_header(["column", "", "", "what stands there", "background"]);
    for column in &content.columns {
        let background = if column.background { "yes" } else { "" };
        table.add_row([&column.id, &column.heading_zh, &column.heading_en, &said(column), background]);
    }
    print(&table.to_string())?;
    for question in &content.questions {
        print(&format!("{}: {} · {}", question.id, question.text_zh, question.text_en))?;
    }
    Ok(())
}

/// 10:00 of the next day.
fn minutes(minute: i32) -> String {
    let (day, minute) = (minute / 1_440, minute % 1_440);
    let clock = format!("{:02}:{:02}", minute / 60, minute % 60);
    match day {
        0 => format!("{clock} of the day"),
        1 => format!("{clock} of the next day"),
        days => format!("{clock}, {days} days later"),
    }
}

fn said(column: &FormColumn) -> String {
    match &column.content {
        Some(Content::Figure(figure)) => figure.clone(),
        Some(Content::Sum(sum)) => sum.figures.join(" + "),
        Some(Content::Difference(difference)) => format!("{} - {}", difference.figure, difference.less.join(" - ")),
        Some(Content::Ratio(ratio)) => format!("{} / {}", ratio.figure, ratio.of),
        Some(Content::Question(question)) => format!("question {question}"),
        Some(Content::Text(text)) => format!("\"{text}\""),
        None => String::new(),
    }
}
