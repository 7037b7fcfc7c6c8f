//! Workbooks that people fill in: the template, then the import.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use proto::registry::v1::{GetImportTemplateRequest, ImportKind, import_service_client::ImportServiceClient};

use crate::{desk::ask::Ask, output::print};

/// Sending one, and what comes back.
mod workbook;

pub(super) use workbook::{Import, Rows};

#[derive(Subcommand)]
pub enum Command {
    /// A workbook to be filled in: text columns, drop-downs, an example row
    #[command(
        after_help = "Example:\n  mifeng import template 住户.xlsx\n  mifeng import template 小区.xlsx --kind places"
    )]
    Template {
        /// Must not be there yet
        file: PathBuf,
        /// What it is for
        #[arg(long, value_enum, default_value_t = Kind::Residents)]
        kind: Kind,
        #[command(flatten)]
        ask: Ask,
    },
    /// Residents and their households, a row for each person; the same as `household import`
    #[command(after_help = "Example:\n  mifeng import residents 长丰二村.xlsx --preview")]
    Residents(Box<Import>),
    /// Neighbourhoods, grids, compounds, buildings and gates, a sheet for each
    #[command(after_help = "Example:\n  mifeng import places 小区.xlsx --preview")]
    Places(Box<Import>),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Residents,
    Places,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Template { file, kind, ask } => template(file, kind, &ask).await,
            Self::Residents(import) => import.run(Rows::Residents).await,
            Self::Places(import) => import.run(Rows::Places).await,
        }
    }
}

async fn template(path: PathBuf, kind: Kind, ask: &Ask) -> anyhow::Result<()> {
    let kind = match kind {
        Kind::Residents => ImportKind::Residents,
        Kind::Places => ImportKind::Places,
    };
    // Before anybody is asked: a file that is there is somebody's work.
    let mut file = fs::File::create_new(&path)
        .with_context(|| format!("making {}: name a file that is not there yet", path.display()))?;
    let mut client = ImportServiceClient::new(ask.connection()?);
    let written = match client.get_import_template(GetImportTemplateRequest { kind: kind.into() }).await {
        Ok(answer) => file.write_all(&answer.into_inner().workbook).context("writing the template"),
        Err(status) => Err(status.into()),
    };
    if let Err(error) = written {
        fs::remove_file(&path).with_context(|| format!("removing the empty {}", path.display()))?;
        return Err(error);
    }
    let file = path.display();
    if ask.output.is_json() {
        return print(&serde_json::json!({ "file": file.to_string() }).to_string());
    }
    print(&format!("{file} is ready to be filled in; its example row may stay, an import skips it"))
}
