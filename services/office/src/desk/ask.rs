//! What every word of the desk has in common: whom it asks, how it shows the answer, how it may be said twice.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use chassis::client::{Connection, new_request_id};
use chrono::{DateTime, Utc};
use clap::Args;
use prost::{Message, Name};
use proto::access::v1::{GetPrincipalRequest, Principal, access_service_client::AccessServiceClient};
use tonic::{Code, Response, Status};

use crate::{
    connect::Connect,
    desk::typed,
    export,
    output::{Output, json, print},
};

/// A question: repeating it changes nothing.
#[derive(Args)]
pub struct Ask {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    pub output: Output,
}

/// A command: repeated with the same id, it is done once.
#[derive(Args)]
pub struct Act {
    /// Repeats an earlier command safely: the same id (8 to 64 letters, digits or - _ . :) with the same content is done
    /// once; by default a new one
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    pub ask: Ask,
}

/// How much of a list is wanted.
#[derive(Args)]
pub struct Paging {
    /// At most so many; by default all
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// How much of a list is wanted, and where it goes.
#[derive(Args)]
pub struct Listing {
    #[command(flatten)]
    paging: Paging,
    /// Writes the list into a file for a spreadsheet program, .xlsx or .csv, which must not be there yet
    #[arg(long, value_name = "FILE", value_parser = export::file)]
    export: Option<PathBuf>,
}

/// What a list of cases or orders is about; nothing given means all that the token may see.
#[derive(Args)]
#[group(multiple = false)]
pub struct About {
    /// Of this resident
    #[arg(long, value_parser = typed::name("residents"))]
    resident: Option<String>,
    /// Of this compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
}

/// Where a list is about; nothing given means all that the token may see.
#[derive(Args)]
#[group(multiple = false)]
pub struct Place {
    /// Of this neighbourhood
    #[arg(long, value_parser = typed::name("neighbourhoods"))]
    neighbourhood: Option<String>,
    /// Of this compound
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: Option<String>,
}

impl Place {
    pub fn parent(self) -> String {
        self.neighbourhood.or(self.compound).unwrap_or_default()
    }
}

impl About {
    pub fn parent(self) -> String {
        self.resident.or(self.compound).unwrap_or_default()
    }
}

impl Ask {
    pub fn connection(&self) -> anyhow::Result<Connection> {
        self.connect.connection()
    }

    /// What time it is for whoever asks.
    pub fn time(&self) -> DateTime<Utc> {
        self.connect.time()
    }

    pub fn show<M: Message + Name>(&self, message: &M) -> anyhow::Result<()> {
        self.output.show(message)
    }

    pub fn list<M: Message + Name>(&self, messages: &[M], columns: &[&str]) -> anyhow::Result<()> {
        self.output.list(messages, columns)
    }

    /// The neighbourhood that was named, or the one of the token.
    pub async fn neighbourhood(&self, named: Option<String>) -> anyhow::Result<String> {
        if let Some(name) = named {
            return Ok(name);
        }
        let own = self.principal().await?.neighbourhood;
        ensure!(!own.is_empty(), "this token acts for the whole subdistrict: name one with --neighbourhood");
        Ok(own)
    }

    /// The same, and nothing for whoever acts for the whole subdistrict.
    pub async fn own_neighbourhood(&self, named: Option<String>) -> anyhow::Result<String> {
        match named {
            Some(name) => Ok(name),
            None => Ok(self.principal().await?.neighbourhood),
        }
    }

    /// The gate that was named, or the one of a guard's token.
    pub async fn gate(&self, named: Option<String>) -> anyhow::Result<String> {
        if let Some(name) = named {
            return Ok(name);
        }
        let own = self.principal().await?.gate;
        ensure!(!own.is_empty(), "this token stands at no gate: name one with --gate");
        Ok(own)
    }

    async fn principal(&self) -> anyhow::Result<Principal> {
        let mut client = AccessServiceClient::new(self.connection()?);
        let answer = client.get_principal(GetPrincipalRequest {}).await;
        Ok(answer.context("asking what the token in use allows")?.into_inner())
    }
}

impl Act {
    /// Sends a command under its id. Where nobody can know whether it was done, the failure says how to repeat it.
    pub async fn send<M>(
        &self,
        command: impl AsyncFnOnce(Connection, String) -> Result<Response<M>, Status>,
    ) -> anyhow::Result<M> {
        let request_id = self.request_id();
        match command(self.ask.connection()?, request_id.clone()).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(repeatable(status, &request_id)),
        }
    }

    pub fn request_id(&self) -> String {
        self.request_id.clone().unwrap_or_else(new_request_id)
    }

    pub fn show<M: Message + Name>(&self, message: &M) -> anyhow::Result<()> {
        self.ask.show(message)
    }
}

impl Listing {
    /// Whether it goes into a file.
    pub const fn exports(&self) -> bool {
        self.export.is_some()
    }

    /// Follows the pages to the end, or to the limit.
    pub async fn collect<T>(
        &self,
        page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Status>,
    ) -> anyhow::Result<Vec<T>> {
        self.paging.collect(page).await
    }

    /// On the screen, or into the file.
    pub fn show<M: Message + Name>(&self, ask: &Ask, messages: &[M], columns: &[&str]) -> anyhow::Result<()> {
        let Some(path) = &self.export else { return ask.list(messages, columns) };
        let rows = messages.iter().map(json).collect::<anyhow::Result<Vec<_>>>()?;
        export::write(path, &rows, columns)?;
        let (file, rows) = (path.display(), rows.len());
        if ask.output.is_json() {
            return print(&serde_json::json!({ "file": file.to_string(), "rows": rows }).to_string());
        }
        print(&format!("{rows} rows written to {file}"))
    }
}

impl Paging {
    /// Follows the pages to the end, or to the limit.
    pub async fn collect<T>(
        &self,
        mut page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Status>,
    ) -> anyhow::Result<Vec<T>> {
        const LARGEST_PAGE: usize = 1000;
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let wanted = LARGEST_PAGE.min(limit - all.len());
            let (items, next) = page(i32::try_from(wanted)?, token.clone()).await?;
            all.extend(items.into_iter().take(limit - all.len()));
            if next.is_empty() || all.len() >= limit {
                return Ok(all);
            }
            ensure!(next != token, "the server gives the same page again and again");
            token = next;
        }
    }
}

/// All of a list, page by page.
pub async fn every<T>(
    page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Status>,
) -> anyhow::Result<Vec<T>> {
    Paging { limit: None }.collect(page).await
}

/// A failure with the way to say the same again, where that makes sense.
pub fn repeatable(status: Status, request_id: &str) -> anyhow::Error {
    let unknown = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled);
    let error = anyhow::Error::new(status);
    if unknown {
        error.context(format!(
            "it is not known whether this was done: say it again with --request-id {request_id}, nothing is done twice"
        ))
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(all: &[u32], size: i32, token: &str) -> (Vec<u32>, String) {
        let start: usize = if token.is_empty() { 0 } else { token.parse().unwrap() };
        let end = all.len().min(start + usize::try_from(size).unwrap().min(4));
        (all[start..end].to_vec(), if end == all.len() { String::new() } else { end.to_string() })
    }

    #[tokio::test]
    async fn a_list_goes_through_all_pages() {
        let all: Vec<u32> = (0..10).collect();
        let got = Paging { limit: None }.collect(async |size, token| Ok(page_of(&all, size, &token))).await.unwrap();
        assert_eq!(got, all);
    }

    #[tokio::test]
    async fn a_list_ends_at_its_limit() {
        let all: Vec<u32> = (0..10).collect();
        let got = Paging { limit: Some(5) }.collect(async |size, token| Ok(page_of(&all, size, &token))).await.unwrap();
        assert_eq!(got, all[..5]);
    }

    #[test]
    fn only_what_may_have_been_done_is_to_be_said_again() {
        assert!(repeatable(Status::unavailable("gone"), "r-1").to_string().contains("--request-id r-1"));
        assert!(!repeatable(Status::not_found("no"), "r-1").to_string().contains("r-1"));
    }
}
