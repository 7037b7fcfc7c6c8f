//! A workbook is sent, its progress drawn, and what was refused kept in a file beside it.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use proto::registry::v1::{
    ImportHouseholdsRequest, ImportHouseholdsResponse, ImportOutcome, ImportPlacesRequest,
    import_service_client::ImportServiceClient, registry_service_client::RegistryServiceClient,
};
use tonic::{Status, Streaming};

use crate::{
    desk::{
        ask::{Act, repeatable},
        typed,
    },
    output::{print, table},
};

/// What the registry takes at once.
const LARGEST_WORKBOOK: usize = 8 << 20;

#[derive(Args)]
pub struct Import {
    /// An .xlsx workbook, or a .csv file, of at most 8 MiB
    file: PathBuf,
    /// By default the neighbourhood of the token
    #[arg(long, value_parser = typed::name("neighbourhoods"))]
    neighbourhood: Option<String>,
    /// Says what would happen and changes nothing
    #[arg(long)]
    preview: bool,
    /// Takes the good rows though others are refused; otherwise one refused row holds back all of them
    #[arg(long)]
    partial: bool,
    /// Where the refused rows go, a file that is not there yet; by default beside the workbook, as <name>-refused.xlsx, and
    /// of a preview nowhere
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    act: Act,
}

/// What the rows are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    Residents,
    Places,
}

impl Import {
    pub async fn run(self, rows: Rows) -> anyhow::Result<()> {
        let workbook = fs::read(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        ensure!(
            workbook.len() <= LARGEST_WORKBOOK,
            "{} has more than 8 MiB: split it into several workbooks",
            self.file.display()
        );
        if let Some(refused) = &self.refused {
            ensure!(!refused.exists(), "{} is there already: name another file for --refused", refused.display());
        }
        let request_id = self.act.request_id();
        let outcome = match self.send(rows, request_id.clone(), workbook).await? {
            Ok(answer) => follow(answer, self.act.ask.output.is_json()).await,
            Err(status) => Err(status),
        };
        self.tell(outcome.map_err(|status| repeatable(status, &request_id))?)
    }

    async fn send(
        &self,
        rows: Rows,
        request_id: String,
        workbook: Vec<u8>,
    ) -> anyhow::Result<Result<Streaming<ImportHouseholdsResponse>, Status>> {
        let (validate_only, partial) = (self.preview, self.partial);
        let connection = self.act.ask.connection()?;
        let answer = match rows {
            Rows::Residents => {
                let parent = self.act.ask.neighbourhood(self.neighbourhood.clone()).await?;
                let request = ImportHouseholdsRequest { request_id, parent, workbook, validate_only, partial };
                RegistryServiceClient::new(connection).import_households(request).await
            }
            Rows::Places => {
                let parent = self.act.ask.own_neighbourhood(self.neighbourhood.clone()).await?;
                let request = ImportPlacesRequest { request_id, parent, workbook, validate_only, partial };
                ImportServiceClient::new(connection).import_places(request).await
            }
        };
        Ok(answer.map(tonic::Response::into_inner))
    }

    fn tell(&self, mut outcome: ImportOutcome) -> anyhow::Result<()> {
        let workbook = std::mem::take(&mut outcome.refused_workbook);
        if self.act.ask.output.is_json() {
            self.act.show(&outcome)?;
        } else {
            print(&counts(&outcome, self.preview))?;
            print_rows(&outcome)?;
        }
        if outcome.refused == 0 {
            return Ok(());
        }
        let at_fault = outcome.refused - outcome.rows_held;
        let good = outcome.rows - at_fault;
        if self.preview && self.refused.is_none() || workbook.is_empty() {
            bail!(
                "{at_fault} of {} rows would be refused: correct them, or take the other {good} with --partial",
                outcome.rows
            );
        }
        let path = self.keep(&workbook)?;
        if outcome.rows_held > 0 {
            bail!(
                "nothing was taken, since {at_fault} of {} rows are at fault: all rows are in {}, those red and each with its \
                 reason; correct them there and import that file, or take the other {good} now with --partial",
                outcome.rows,
                path.display()
            );
        }
        bail!(
            "{at_fault} of {} rows were refused: they are in {}, each with its reason; correct them there and import that file",
            outcome.rows,
            path.display()
        )
    }

    /// Writes the refused rows where they were asked for, or beside the workbook; never over somebody's corrections.
    fn keep(&self, workbook: &[u8]) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.refused {
            let mut file = fs::File::create_new(path).with_context(|| format!("making {}", path.display()))?;
            file.write_all(workbook).with_context(|| format!("writing {}", path.display()))?;
            return Ok(path.clone());
        }
        for number in 1..1000 {
            let path = beside(&self.file, number);
            match fs::File::create_new(&path) {
                Ok(mut file) => {
                    file.write_all(workbook).with_context(|| format!("writing {}", path.display()))?;
                    return Ok(path);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("writing {}: name a place for the refused rows with --refused", path.display())
                    });
                }
            }
        }
        bail!("too many refused workbooks lie beside {}: tidy up, or name another with --refused", self.file.display())
    }
}

/// Draws the progress, on a terminal only, until the outcome comes.
async fn follow(mut messages: Streaming<ImportHouseholdsResponse>, hidden: bool) -> Result<ImportOutcome, Status> {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} rows, {eta} left")
        .expect("the template names only parts that a bar has");
    let bar = if hidden { ProgressBar::hidden() } else { ProgressBar::new(0) }.with_style(style);
    while let Some(message) = messages.message().await? {
        bar.set_length(u64::try_from(message.rows).unwrap_or_default());
        bar.set_position(u64::try_from(message.rows_done).unwrap_or_default());
        if let Some(outcome) = message.outcome {
            bar.finish_and_clear();
            return Ok(outcome);
        }
    }
    bar.finish_and_clear();
    Err(Status::unknown("the import ended without an outcome"))
}

fn counts(outcome: &ImportOutcome, preview: bool) -> String {
    let heading = if preview { "Preview, nothing was changed.\n" } else { "" };
    let held = match outcome.rows_held {
        0 => String::new(),
        rows => format!(" ({rows} of them held back by the others)"),
    };
    let made = match (outcome.households_new, outcome.residents_new) {
        (0, 0) => String::new(),
        (households, residents) => format!("\n{households} new households, {residents} new residents"),
    };
    format!(
        "{heading}{} rows: {} taken ({} new, {} changed, {} the same as before), {} refused{held}{made}",
        outcome.rows, outcome.taken, outcome.rows_new, outcome.rows_changed, outcome.rows_same, outcome.refused
    )
}

/// Each refused row, then each that was taken with a doubt, in both languages.
fn print_rows(outcome: &ImportOutcome) -> anyhow::Result<()> {
    if !outcome.refused_rows.is_empty() {
        let mut refused = table();
        refused.set_header(["refused row", "columns", "reason", "why"]);
        for row in &outcome.refused_rows {
            let why = format!("{}\n{}", row.message_zh, row.message_en);
            refused.add_row([place(&row.sheet, row.row), row.columns.join("\n"), row.reason.clone(), why]);
        }
        print(&refused.to_string())?;
    }
    if !outcome.warnings.is_empty() {
        let mut doubtful = table();
        doubtful.set_header(["row", "column", "please check"]);
        for row in &outcome.warnings {
            doubtful.add_row([
                place(&row.sheet, row.row),
                row.column.clone(),
                format!("{}\n{}", row.message_zh, row.message_en),
            ]);
        }
        print(&doubtful.to_string())?;
    }
    Ok(())
}

/// A row of a sheet, where there are several; nothing for the file as a whole.
fn place(sheet: &str, row: i32) -> String {
    match (sheet, row) {
        (_, 0) => sheet.to_owned(),
        ("", row) => row.to_string(),
        (sheet, row) => format!("{sheet} {row}"),
    }
}

/// `list.xlsx` has its refused rows in `list-refused.xlsx`, then in `list-refused-2.xlsx`.
fn beside(file: &Path, number: u32) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = match number {
        1 => format!("{stem}-refused.xlsx"),
        _ => format!("{stem}-refused-{number}.xlsx"),
    };
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        import: Import,
    }

    fn import(words: &[&str]) -> Import {
        Typed::try_parse_from(["import"].iter().chain(words)).unwrap().import
    }

    #[test]
    fn the_refused_rows_lie_beside_their_workbook() {
        assert_eq!(beside(Path::new("a/长丰二村.xlsx"), 1), Path::new("a/长丰二村-refused.xlsx"));
        assert_eq!(beside(Path::new("list.xlsx"), 2), Path::new("list-refused-2.xlsx"));
    }

    #[test]
    fn corrections_of_an_earlier_import_are_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.xlsx");
        let import = import(&[file.to_str().unwrap()]);
        let (first, second) = (import.keep(b"first").unwrap(), import.keep(b"second").unwrap());
        assert_ne!(first, second);
        assert_eq!(fs::read(first).unwrap(), b"first");
    }

    #[test]
    fn the_refused_rows_go_where_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("again.xlsx");
        let import = import(&["list.xlsx", "--refused", wanted.to_str().unwrap()]);
        assert_eq!(import.keep(b"rows").unwrap(), wanted);
        assert!(import.keep(b"others").is_err(), "never over a file that is there");
        assert_eq!(fs::read(wanted).unwrap(), b"rows");
    }

    #[test]
    fn refused_rows_are_a_failure_that_says_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.xlsx");
        let outcome =
            ImportOutcome { rows: 3, taken: 2, refused: 1, refused_workbook: b"rows".into(), ..Default::default() };
        let told = import(&[file.to_str().unwrap()]).tell(outcome).unwrap_err().to_string();
        assert!(told.contains("1 of 3") && told.contains("list-refused.xlsx"), "{told}");
    }

    #[test]
    fn rows_that_hold_back_the_others_are_a_failure_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.xlsx");
        let held =
            ImportOutcome { rows: 3, refused: 3, rows_held: 2, refused_workbook: b"rows".into(), ..Default::default() };
        let told = import(&[file.to_str().unwrap()]).tell(held).unwrap_err().to_string();
        assert!(told.contains("nothing was taken") && told.contains("--partial"), "{told}");
    }

    #[test]
    fn a_preview_leaves_no_file_behind_unless_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.xlsx");
        let outcome =
            ImportOutcome { rows: 3, taken: 2, refused: 1, refused_workbook: b"rows".into(), ..Default::default() };
        let told = import(&[file.to_str().unwrap(), "--preview"]).tell(outcome).unwrap_err().to_string();
        assert!(told.contains("would be refused"), "{told}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
