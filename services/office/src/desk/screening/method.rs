use std::path::PathBuf;

use clap::Subcommand;
use proto::screening::v1::{
    ApproveMethodRequest, DraftMethodRequest, GetMethodRequest, PublishMethodRequest,
    screening_service_client::ScreeningServiceClient,
};

use crate::desk::{
    ask::{Act, Ask},
    typed,
};

#[derive(Subcommand)]
pub enum Command {
    /// Drafts a version, from a file or from the shipped sample
    #[command(
        after_help = "`mifeng method show -o json` prints a method whose \"content\" is such a file.\n\nExample:\n  \
                            mifeng method draft 2020-02-09 method.json"
    )]
    Draft {
        /// The new version's name
        version: String,
        /// A JSON file of screening.v1.MethodContent, or - for the standard input; by default the shipped sample
        #[arg(value_name = "FILE.json")]
        file: Option<PathBuf>,
        #[command(flatten)]
        act: Act,
    },
    /// The second signature, from another unit than the drafter's
    #[command(after_help = "Example:\n  mifeng method approve 2020-02-09")]
    Approve {
        #[arg(value_parser = typed::name("methods"))]
        method: String,
        #[command(flatten)]
        act: Act,
    },
    /// Puts an approved version in force
    #[command(after_help = "Example:\n  mifeng method publish 2020-02-09")]
    Publish {
        #[arg(value_parser = typed::name("methods"))]
        method: String,
        #[command(flatten)]
        act: Act,
    },
    /// The version in force, or the one asked for
    #[command(after_help = "Example:\n  mifeng method show\n  mifeng method show 2020-02-09 -o json")]
    Show {
        #[arg(value_parser = typed::name("methods"))]
        method: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Draft { version, file, act } => {
                let content = file.as_deref().map(typed::read_message).transpose()?;
                let draft = act.send(async |connection, request_id| {
                    let request = DraftMethodRequest { request_id, version, content };
                    ScreeningServiceClient::new(connection).draft_method(request).await
                });
                act.show(&draft.await?)
            }
            Self::Approve { method, act } => {
                let approved = act.send(async |connection, request_id| {
                    let request = ApproveMethodRequest { request_id, name: method };
                    ScreeningServiceClient::new(connection).approve_method(request).await
                });
                act.show(&approved.await?)
            }
            Self::Publish { method, act } => {
                let published = act.send(async |connection, request_id| {
                    let request = PublishMethodRequest { request_id, name: method };
                    ScreeningServiceClient::new(connection).publish_method(request).await
                });
                act.show(&published.await?)
            }
            Self::Show { method, ask } => {
                let mut client = ScreeningServiceClient::new(ask.connection()?);
                let request = GetMethodRequest { name: method.unwrap_or_default() };
                ask.show(&client.get_method(request).await?.into_inner())
            }
        }
    }
}
