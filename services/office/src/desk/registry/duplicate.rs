//! Two records of one person.

use clap::Args;
use proto::registry::v1::{
    Likeness, ListDuplicatesRequest, MergeResidentRequest, UnmergeResidentRequest,
    duplicate_service_client::DuplicateServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing, Place},
        typed,
    },
    output::{print, table, word},
};

#[derive(Args)]
pub struct Duplicates {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Merge {
    /// The record that ends
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    /// The record that goes on
    #[arg(long, value_parser = typed::name("residents"))]
    into: String,
    /// What it rests on, in four characters or more
    #[arg(long)]
    reason: String,
    /// Refuse where the resident has changed since this etag was read
    #[arg(long, default_value = "")]
    etag: String,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct Unmerge {
    /// The record that was merged
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    /// What it rests on, in four characters or more
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    act: Act,
}

impl Duplicates {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { place, listing, ask } = self;
        let parent = place.parent();
        let mut client = DuplicateServiceClient::new(ask.connection()?);
        let all = listing.collect(async |page_size, page_token| {
            let request = ListDuplicatesRequest { parent: parent.clone(), page_size, page_token };
            let page = client.list_duplicates(request).await?.into_inner();
            Ok((page.duplicates, page.next_page_token))
        });
        let all = all.await?;
        if ask.output.is_json() || listing.exports() {
            let columns = ["one.name", "one.masked_name", "other.name", "other.masked_name", "likenesses"];
            return listing.show(&ask, &all, &columns);
        }
        let mut table = table();
        table.set_header(["one", "the other", "alike in"]);
        for pair in &all {
            let one = [&pair.one, &pair.other].map(|resident| {
                let resident = resident.clone().unwrap_or_default();
                let door = [resident.building, resident.unit, resident.room].join("-");
                format!(
                    "{}\n{} {door}\n{} {}",
                    resident.name,
                    resident.masked_name,
                    resident.masked_phones.join(" "),
                    resident.masked_document
                )
            });
            let [one, other] = one;
            let alike: Vec<&str> = pair.likenesses().map(|likeness: Likeness| word(likeness.as_str_name())).collect();
            table.add_row([one, other, alike.join("\n")]);
        }
        print(&table.to_string())?;
        print(&format!("{} pairs; mifeng resident merge A --into B where two are one person", all.len()))
    }
}

impl Merge {
    pub async fn run(self) -> anyhow::Result<()> {
        let merged = self.act.send(async |connection, request_id| {
            let request = MergeResidentRequest {
                request_id,
                name: self.resident,
                into: self.into,
                reason: self.reason,
                etag: self.etag,
            };
            DuplicateServiceClient::new(connection).merge_resident(request).await
        });
        self.act.show(&merged.await?)
    }
}

impl Unmerge {
    pub async fn run(self) -> anyhow::Result<()> {
        let undone = self.act.send(async |connection, request_id| {
            let request = UnmergeResidentRequest { request_id, name: self.resident, reason: self.reason };
            DuplicateServiceClient::new(connection).unmerge_resident(request).await
        });
        self.act.show(&undone.await?)
    }
}
