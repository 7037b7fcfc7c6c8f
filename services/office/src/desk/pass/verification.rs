//! What gates verify with, as it can be carried to one that has no line.

use anyhow::{Context as _, anyhow};
use clap::Args;
use fast_qr::{ECL, QRBuilder, QRCode};
use proto::pass::v1::{
    GetKeySetRequest, GetSuspensionListRequest, KeySet, SuspensionUpdate, WatchSuspensionListRequest,
    verification_service_client::VerificationServiceClient,
};

use crate::{
    desk::ask::Ask,
    output::{self, cell, print},
};

#[derive(Args)]
pub struct Keys {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Suspensions {
    /// Only what has changed since this sequence, where it can still be made
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0, hide_default_value = true)]
    from: u32,
    /// Goes on with each change until it is stopped
    #[arg(long, conflicts_with_all = ["qr", "text"])]
    watch: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    ask: Ask,
}

/// As a gate takes it.
#[derive(Args)]
#[group(multiple = false)]
struct Form {
    /// As a QR code, for a gate without a line
    #[arg(long)]
    qr: bool,
    /// Only the text of the QR code
    #[arg(long)]
    text: bool,
}

impl Keys {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut client = VerificationServiceClient::new(self.ask.connection()?);
        let set = client.get_key_set(GetKeySetRequest {}).await?.into_inner();
        if self.form.shown(&set.text)? {
            return Ok(());
        }
        if self.ask.output.is_json() {
            return self.ask.show(&set);
        }
        let KeySet { number, root, text, keys, .. } = &set;
        self.ask.list(keys, &["id", "scope", "algorithm", "from", "until", "compromised"])?;
        print(&format!("set {number}, {}", size(text)))?;
        print(&format!("root {root}"))?;
        print(text)
    }
}

impl Suspensions {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut client = VerificationServiceClient::new(self.ask.connection()?);
        let from_sequence = self.from;
        if self.watch {
            let watched = client.watch_suspension_list(WatchSuspensionListRequest { from_sequence }).await?;
            let mut updates = watched.into_inner();
            while let Some(update) = updates.message().await? {
                let line = if self.ask.output.is_json() { output::json(&update)?.to_string() } else { said(&update)? };
                print(&line)?;
            }
            return Ok(());
        }
        let update = client.get_suspension_list(GetSuspensionListRequest { from_sequence }).await?.into_inner();
        if self.form.shown(&update.text)? {
            return Ok(());
        }
        if self.ask.output.is_json() {
            return self.ask.show(&update);
        }
        print(&said(&update)?)?;
        print(&update.text)
    }
}

/// One line about a list or a change.
fn said(update: &SuspensionUpdate) -> anyhow::Result<String> {
    let what = if update.delta { "change to" } else { "whole list" };
    let shown = output::json(update)?;
    let time = shown.get("time").map(cell).unwrap_or_default();
    Ok(format!("{what} {} as of {time}, {}", update.sequence, size(&update.text)))
}

/// How large the code is that carries it.
fn size(text: &str) -> String {
    let characters = text.len();
    match symbol(text) {
        Ok(symbol) => format!("{characters} characters, QR version {} at M", (symbol.size - 17) / 4),
        Err(_) => format!("{characters} characters, too many for a QR code"),
    }
}

fn symbol(text: &str) -> anyhow::Result<QRCode> {
    QRBuilder::new(text).ecl(ECL::M).build().map_err(|error| anyhow!("{error:?}")).with_context(|| {
        format!(
            "{} characters are too many for a QR code: carry the file, or only what has changed with --from",
            text.len()
        )
    })
}

impl Form {
    fn shown(&self, text: &str) -> anyhow::Result<bool> {
        if self.qr {
            print(&symbol(text)?.to_str())?;
        } else if self.text {
            print(text)?;
        }
        Ok(self.qr || self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_how_large_its_code_is() {
        assert_eq!(size(&"A".repeat(154)), "154 characters, QR version 6 at M");
        assert_eq!(size(&"A".repeat(5_000)), "5000 characters, too many for a QR code");
        let update = SuspensionUpdate { text: "MFL1:A".into(), sequence: 7, time: None, delta: true };
        assert_eq!(said(&update).unwrap(), "change to 7 as of , 6 characters, QR version 1 at M");
    }
}
