use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};
use proto::command::v1::{
    CorrectionReason, FileReportRequest, FillReportRequest, GetReportRequest, ListReportsRequest, Report,
    report_service_client::ReportServiceClient,
};
use serde_json::json;

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    export,
    output::print,
    paper,
};

/// Forms listed, shown, defined.
mod forms;
/// A report on landscape pages.
mod page;
/// Questions and answers.
mod questions;
/// A report in a spreadsheet.
mod sheet;
/// A report in a terminal.
mod shown;

#[derive(Subcommand)]
pub enum Command {
    /// A form as the figures fill it, or as it was filed; files it, writes it into a file
    #[command(
        after_help = "Example:\n  mifeng command report\n  mifeng command report 2020-02-11 --form screening --export \
                            screening.pdf\n  mifeng command report --form daily --file\n  mifeng command report --file --zero"
    )]
    Report(Filled),
    /// What a day owes: due, late, filed
    #[command(after_help = "Example:\n  mifeng command reports\n  mifeng command reports 2020-02-11 --open")]
    Reports {
        /// By default of each form the last day whose cut-off has passed
        #[arg(value_parser = typed::date, value_name = "DAY")]
        day: Option<NaiveDate>,
        /// Only of this form
        #[arg(long, value_parser = typed::name("forms"))]
        form: Option<String>,
        #[arg(long, value_parser = typed::name("neighbourhoods"))]
        neighbourhood: Option<String>,
        /// Only those that are to be filed
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// The forms in force; shows one, defines another version
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  mifeng command forms\n  mifeng command forms show daily\n  mifeng command forms show daily \
                            --content\n  mifeng command forms define daily daily.json --validate-only"
    )]
    Forms(forms::Forms),
    /// What the forms ask that nobody has answered yet
    #[command(after_help = "Example:\n  mifeng command questions\n  mifeng command questions 2020-02-11 --answered")]
    Questions(questions::Questions),
    /// Answers a question once for all forms that ask it
    #[command(
        after_help = "Example:\n  mifeng command answer masks 400\n  mifeng command answer short_of food --day 2020-02-11\n  \
                            mifeng command answer masks 300 --correct"
    )]
    Answer(questions::Answering),
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Filled {
    /// By default the last day whose cut-off has passed
    #[arg(value_parser = typed::date, value_name = "DAY")]
    day: Option<NaiveDate>,
    #[arg(long, default_value = "daily", value_parser = typed::name("forms"))]
    form: String,
    /// Of this neighbourhood; by default of all that the token may see
    #[arg(long, value_parser = typed::name("neighbourhoods"))]
    neighbourhood: Option<String>,
    /// As of a time of the day before the form's own cut-off
    #[arg(long, value_name = "TIME", conflicts_with = "file")]
    cut_off: Option<DateTime<Utc>>,
    /// Puts it on record
    #[arg(long)]
    file: bool,
    /// There is nothing to report, and that is what is reported
    #[arg(long, requires = "file")]
    zero: bool,
    /// Also where questions are not answered
    #[arg(long, requires = "file")]
    unanswered: bool,
    /// Why it is filed again
    #[arg(long, requires = "file", value_parser = typed::word(CorrectionReason::as_str_name))]
    reason: Option<CorrectionReason>,
    /// As it would be filled now, where it is on record
    #[arg(long)]
    again: bool,
    /// Writes it into a file, .xlsx, .csv, .pdf or .html, which must not be there yet
    #[arg(long, value_name = "FILE", value_parser = file)]
    export: Option<PathBuf>,
    /// A font file with Chinese characters, for a PDF; by default one that this machine has
    #[arg(long, value_name = "FILE")]
    font: Option<PathBuf>,
    #[command(flatten)]
    act: Act,
}

fn file(typed: &str) -> Result<PathBuf, String> {
    let known = export::file(typed).or_else(|_| paper::file(typed));
    known.map_err(|_| "name a file that ends in .xlsx, .csv, .pdf or .html".to_owned())
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Report(filled) => filled.run().await,
            Self::Reports { day, form, neighbourhood, open, listing, ask } => {
                let mut client = ReportServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListReportsRequest {
                        day: day.map(|day| day.to_string()).unwrap_or_default(),
                        form: form.clone().unwrap_or_default(),
                        neighbourhood: neighbourhood.clone().unwrap_or_default(),
                        open_only: open,
                        page_size,
                        page_token,
                    };
                    let page = client.list_reports(request).await?.into_inner();
                    Ok((page.reports, page.next_page_token))
                });
                let columns =
                    ["title_zh", "form", "day", "display_name", "state", "due_time", "file_time", "file_by", "zero"];
                listing.show(&ask, &all.await?, &columns)
            }
            Self::Forms(forms) => forms.run().await,
            Self::Questions(questions) => questions.run().await,
            Self::Answer(answering) => answering.run().await,
        }
    }
}

impl Filled {
    async fn run(self) -> anyhow::Result<()> {
        let paper = self.paper()?;
        let report = self.report().await?;
        let Some(path) = &self.export else { return shown::show(&self.act.ask, &report) };
        match paper {
            Some(paper) => paper.write(&report.title_zh, &page::pages(&report))?,
            None => sheet::write(path, &report)?,
        }
        let (file, rows) = (path.display(), report.rows.len());
        if self.act.ask.output.is_json() {
            return print(&json!({ "file": file.to_string(), "rows": rows, "report": report.name }).to_string());
        }
        print(&format!("{} {}: {rows} rows written to {file}", report.title_zh, report.day))
    }

    /// What could be in the way of a file is found before anything is put on record.
    fn paper(&self) -> anyhow::Result<Option<paper::Paper>> {
        let Some(path) = &self.export else { return Ok(None) };
        anyhow::ensure!(!path.exists(), export::taken(path));
        let printed = paper::file(&path.to_string_lossy()).is_ok();
        printed.then(|| paper::Paper::prepare(path, self.font.as_deref())).transpose()
    }

    async fn report(&self) -> anyhow::Result<Report> {
        let mut client = ReportServiceClient::new(self.act.ask.connection()?);
        let request = FillReportRequest {
            form: self.form.clone(),
            day: self.day.map(|day| day.to_string()).unwrap_or_default(),
            neighbourhood: self.neighbourhood.clone().unwrap_or_default(),
            cut_off_time: self.cut_off.map(chassis::timestamp),
        };
        let filled = client.fill_report(request).await?.into_inner();
        if self.file {
            let filed = self.act.send(async |connection, request_id| {
                let request = FileReportRequest {
                    request_id,
                    form: self.form.clone(),
                    day: filled.day.clone(),
                    neighbourhood: filled.neighbourhood.clone(),
                    zero: self.zero,
                    unanswered: self.unanswered,
                    reason: self.reason.unwrap_or_default().into(),
                    etag: String::new(),
                };
                ReportServiceClient::new(connection).file_report(request).await
            });
            return filed.await;
        }
        let on_record = filled.file_time.is_some() && !self.again && self.cut_off.is_none();
        if on_record {
            return Ok(client.get_report(GetReportRequest { name: filled.name.clone() }).await?.into_inner());
        }
        Ok(filled)
    }
}
