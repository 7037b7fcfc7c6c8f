use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Subcommand;
use proto::screening::v1::{
    ApproveMethodRequest, CompareMethodsRequest, DraftMethodRequest, DryRunMethodRequest, GetMethodRequest,
    ListMethodsRequest, ListSetAsideCasesRequest, PublishMethodRequest, method_service_client::MethodServiceClient,
    screening_service_client::ScreeningServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::print_raw,
};

pub mod rescreening;
mod shown;

#[derive(Subcommand)]
pub enum Command {
    /// Drafts a version, from a file or from the shipped sample
    #[command(
        after_help = "`mifeng method get -o json` prints a method whose \"content\" is such a file.\n\nExample:\n  \
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
    /// Puts an approved version in force: everybody on record is judged by it
    #[command(after_help = "Example:\n  mifeng method publish 2020-02-09\n  mifeng method publish 2020-02-12 --from \
                            2020-02-12T08:00:00+08:00")]
    Publish {
        #[arg(value_parser = typed::name("methods"))]
        method: String,
        /// From when; by default from now on
        #[arg(long, value_name = "TIME")]
        from: Option<DateTime<Utc>>,
        #[command(flatten)]
        act: Act,
    },
    /// The version in force, or the one asked for
    #[command(
        visible_alias = "show",
        after_help = "Example:\n  mifeng method get\n  mifeng method get 2020-02-09 -o json\n  mifeng method get \
                            2020-02-09 --canonical"
    )]
    Get {
        #[arg(value_parser = typed::name("methods"))]
        method: Option<String>,
        /// Only the text whose SHA-256 is the digest, for `| sha256sum`
        #[arg(long)]
        canonical: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Which version is in force, since when, with which digest, signed by whom
    #[command(
        after_help = "Example:\n  mifeng method in-force\n  mifeng method in-force --time 2020-02-12T08:00:00+08:00"
    )]
    InForce {
        /// Then; by default now
        #[arg(long, value_name = "TIME")]
        time: Option<DateTime<Utc>>,
        #[command(flatten)]
        ask: Ask,
    },
    /// All versions with their digests and signatures
    #[command(after_help = "Example:\n  mifeng method list")]
    List {
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// What a version changes in another one
    #[command(
        after_help = "Example:\n  mifeng method compare 2020-02-12\n  mifeng method compare 2020-02-12 2020-02-09"
    )]
    Compare {
        /// What this one changes ...
        #[arg(value_parser = typed::name("methods"))]
        method: String,
        /// ... in this one; by default in the one in force
        #[arg(value_parser = typed::name("methods"))]
        base: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Whom a version would touch, and how, if it were in force: changes nothing
    #[command(after_help = "Example:\n  mifeng method dry-run 2020-02-12\n  mifeng method dry-run 2020-02-12 -o json")]
    DryRun {
        #[arg(value_parser = typed::name("methods"))]
        method: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// How far everybody on record was judged by a version since it came into force
    #[command(after_help = "Example:\n  mifeng method rescreening\n  mifeng method rescreening 2020-02-12 --wait")]
    Rescreening(rescreening::Rescreening),
    /// Cases that could not be judged anew, since what was said or seen does not open
    #[command(after_help = "Example:\n  mifeng method set-aside --export set-aside.xlsx")]
    SetAside {
        #[command(flatten)]
        listing: Listing,
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
                shown::method(&act.ask, &draft.await?)
            }
            Self::Approve { method, act } => {
                let approved = act.send(async |connection, request_id| {
                    let request = ApproveMethodRequest { request_id, name: method };
                    ScreeningServiceClient::new(connection).approve_method(request).await
                });
                shown::method(&act.ask, &approved.await?)
            }
            Self::Publish { method, from, act } => {
                let published = act.send(async |connection, request_id| {
                    let in_force_time = from.map(chassis::timestamp);
                    let request = PublishMethodRequest { request_id, name: method, in_force_time };
                    ScreeningServiceClient::new(connection).publish_method(request).await
                });
                shown::method(&act.ask, &published.await?)
            }
            Self::Get { method, canonical, ask } => {
                let request = GetMethodRequest { name: method.unwrap_or_default(), time: None };
                let method = ScreeningServiceClient::new(ask.connection()?).get_method(request).await?.into_inner();
                if canonical {
                    return print_raw(&proto::canonical::method(&method.content.unwrap_or_default()));
                }
                shown::method(&ask, &method)
            }
            Self::InForce { time, ask } => {
                let request = GetMethodRequest { name: String::new(), time: time.map(chassis::timestamp) };
                let method = ScreeningServiceClient::new(ask.connection()?).get_method(request).await?.into_inner();
                shown::proof(&ask, &method)
            }
            Self::List { listing, ask } => list(&listing, &ask).await,
            Self::Compare { method, base, ask } => {
                let request = CompareMethodsRequest { name: method, base: base.unwrap_or_default() };
                let mut client = MethodServiceClient::new(ask.connection()?);
                shown::comparison(&ask, &client.compare_methods(request).await?.into_inner())
            }
            Self::DryRun { method, ask } => {
                let mut client = MethodServiceClient::new(ask.connection()?);
                let request = DryRunMethodRequest { name: method };
                shown::dry_run(&ask, &client.dry_run_method(request).await?.into_inner())
            }
            Self::Rescreening(rescreening) => rescreening.run().await,
            Self::SetAside { listing, ask } => {
                let mut client = MethodServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let request = ListSetAsideCasesRequest { page_size, page_token };
                    let page = client.list_set_aside_cases(request).await?.into_inner();
                    Ok((page.cases, page.next_page_token))
                });
                let columns = ["case", "resident", "compound", "neighbourhood", "method", "time"];
                listing.show(&ask, &all.await?, &columns)
            }
        }
    }
}

async fn list(listing: &Listing, ask: &Ask) -> anyhow::Result<()> {
    let mut client = MethodServiceClient::new(ask.connection()?);
    let all = listing.collect(async |page_size, page_token| {
        let page = client.list_methods(ListMethodsRequest { page_size, page_token }).await?.into_inner();
        Ok((page.methods, page.next_page_token))
    });
    let columns = ["name", "state", "in_force_time", "replace_time", "digest", "drafted", "approved", "published"];
    listing.show(ask, &all.await?, &columns)
}
