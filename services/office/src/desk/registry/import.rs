use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use proto::registry::v1::{
    ImportHouseholdsRequest, ImportHouseholdsResponse, ImportOutcome, registry_service_client::RegistryServiceClient,
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
    /// An .xlsx workbook of at most 8 MiB
    file: PathBuf,
    /// By default the neighbourhood of the token
    #[arg(long, value_parser = typed::name("neighbourhoods"))]
    neighbourhood: Option<String>,
    /// Says what would happen and changes nothing
    #[arg(long)]
    preview: bool,
    /// Where the refused rows go; by default beside the workbook, as <name>-refused.xlsx
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    act: Act,
}

impl Import {
    pub async fn run(self) -> anyhow::Result<()> {
        let workbook = fs::read(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        ensure!(
            workbook.len() <= LARGEST_WORKBOOK,
            "{} has more than 8 MiB: split it into several workbooks",
            self.file.display()
        );
        if let Some(refused) = &self.refused {
            ensure!(!same_file(refused, &self.file), "--refused names the workbook itself: name another file");
        }
        let parent = self.act.ask.neighbourhood(self.neighbourhood.clone()).await?;
        let request_id = self.act.request_id();
        let request =
            ImportHouseholdsRequest { request_id: request_id.clone(), parent, workbook, validate_only: self.preview };
        let mut client = RegistryServiceClient::new(self.act.ask.connection()?);
        let outcome = match client.import_households(request).await {
            Ok(answer) => follow(answer.into_inner()).await,
            Err(status) => Err(status),
        };
        self.tell(outcome.map_err(|status| repeatable(status, &request_id))?)
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
        if workbook.is_empty() {
            bail!("{} of {} rows were refused: correct them and import them again", outcome.refused, outcome.rows);
        }
        let path = self.keep(&workbook)?;
        bail!(
            "{} of {} rows were refused: they are in {}, each with its reason; correct them there and import that file",
            outcome.refused,
            outcome.rows,
            path.display()
        )
    }

    /// Writes the refused rows where they were asked for, or beside the workbook; never over somebody's corrections.
    fn keep(&self, workbook: &[u8]) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.refused {
            fs::write(path, workbook).with_context(|| format!("writing {}", path.display()))?;
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
async fn follow(mut messages: Streaming<ImportHouseholdsResponse>) -> Result<ImportOutcome, Status> {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} rows, {eta} left")
        .expect("the template names only parts that a bar has");
    let bar = ProgressBar::new(0).with_style(style);
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
    format!(
        "{heading}{} rows: {} taken ({} new, {} the same as before), {} refused\n{} new households, {} new residents",
        outcome.rows,
        outcome.taken,
        outcome.rows_new,
        outcome.rows_same,
        outcome.refused,
        outcome.households_new,
        outcome.residents_new
    )
}

/// Each refused row, then each that was taken with a doubt, in both languages.
fn print_rows(outcome: &ImportOutcome) -> anyhow::Result<()> {
    if !outcome.refused_rows.is_empty() {
        let mut refused = table();
        refused.set_header(["refused row", "column", "reason", "why"]);
        for row in &outcome.refused_rows {
            let why = format!("{}\n{}", row.message_zh, row.message_en);
            refused.add_row([row.row.to_string(), row.column.clone(), row.reason.clone(), why]);
        }
        print(&refused.to_string())?;
    }
    if !outcome.warnings.is_empty() {
        let mut doubtful = table();
        doubtful.set_header(["taken row", "column", "please check"]);
        for row in &outcome.warnings {
            doubtful.add_row([
                row.row.to_string(),
                row.column.clone(),
                format!("{}\n{}", row.message_zh, row.message_en),
            ]);
        }
        print(&doubtful.to_string())?;
    }
    Ok(())
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

fn same_file(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
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
}
