//! Passes of a compound or a household on A4 sheets, to cut apart and hand out.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::ensure;
use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use clap::{ArgGroup, Args};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    pass::v1::{IssuePassRequest, Pass, pass_service_client::PassServiceClient},
    registry::v1::{
        GetCompoundRequest, ListResidentsRequest, Resident, registry_service_client::RegistryServiceClient,
    },
};
use serde_json::json;

use crate::{
    desk::{
        ask::{Ask, every},
        typed,
    },
    output,
    paper::{self, Paper},
};

/// How passes lie on a sheet.
mod sheet;

#[derive(Args)]
#[command(group = ArgGroup::new("whose").required(true))]
pub struct Print {
    /// passes.html, which every browser prints, or passes.pdf; it must not be there yet
    #[arg(value_name = "FILE", value_parser = paper::file)]
    file: PathBuf,
    /// Of everybody in this compound
    #[arg(long, group = "whose", value_parser = typed::name("compounds"))]
    compound: Option<String>,
    /// Of this household
    #[arg(long, group = "whose", value_parser = typed::name("households"))]
    household: Option<String>,
    /// A font file with Chinese characters, for a PDF; by default one that this machine has
    #[arg(long, value_name = "FILE")]
    font: Option<PathBuf>,
    #[command(flatten)]
    ask: Ask,
}

/// Asked at once.
const SIDE_BY_SIDE: usize = 16;

/// What became of one resident's pass.
enum Outcome {
    Printed(sheet::Card),
    /// "NOT_ELIGIBLE" and the like.
    Refused(String),
}

impl Print {
    /// Who qualifies and has no pass that is still good gets one; who does not is counted, with the reason.
    pub async fn run(self) -> anyhow::Result<()> {
        let paper = Paper::prepare(&self.file, self.font.as_deref())?;
        let connection = self.ask.connection()?;
        let parent = self.compound.or(self.household).unwrap_or_default();
        let mut residents = residents(&connection, &parent).await?;
        ensure!(!residents.is_empty(), "nobody is registered in {parent}");
        residents.sort_by_cached_key(door);
        let compound = compound(&connection, &residents[0].compound).await?;
        let outcomes: Vec<Outcome> = stream::iter(&residents)
            .map(|resident| outcome(connection.clone(), resident, &compound))
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let (mut cards, mut refused) = (Vec::new(), BTreeMap::<String, u32>::new());
        for outcome in outcomes {
            match outcome {
                Outcome::Printed(card) => cards.push(card),
                Outcome::Refused(reason) => *refused.entry(reason).or_default() += 1,
            }
        }
        let pages = sheet::pages(&cards)?;
        if !cards.is_empty() {
            paper.write(&format!("出入证 {compound}"), &pages)?;
        }
        let file = self.file.display().to_string();
        if self.ask.output.is_json() {
            let file = if cards.is_empty() { String::new() } else { file };
            return output::print(
                &json!({ "file": file, "passes": cards.len(), "pages": pages.len(), "without": refused }).to_string(),
            );
        }
        output::print(&if cards.is_empty() {
            "nobody has a pass to print: nothing was written".to_owned()
        } else {
            format!("{} passes on {} pages: {file}", cards.len(), pages.len())
        })?;
        for (reason, count) in refused {
            output::print(&format!("{count} residents without: {}", reason.to_lowercase().replace('_', " ")))?;
        }
        Ok(())
    }
}

async fn residents(connection: &Connection, parent: &str) -> anyhow::Result<Vec<Resident>> {
    let mut client = RegistryServiceClient::new(connection.clone());
    let all = every(async |page_size, page_token| {
        let request = ListResidentsRequest { parent: parent.to_owned(), page_size, page_token };
        let page = client.list_residents(request).await?.into_inner();
        Ok((page.residents, page.next_page_token))
    });
    let stands = |resident: &Resident| !resident.moved_out && !resident.erased && resident.merged_into.is_empty();
    Ok(all.await?.into_iter().filter(stands).collect())
}

async fn compound(connection: &Connection, name: &str) -> anyhow::Result<String> {
    let request = GetCompoundRequest { name: name.to_owned() };
    Ok(RegistryServiceClient::new(connection.clone()).get_compound(request).await?.into_inner().display_name)
}

/// A pass that is in order is not issued twice: printed again, it is the same.
async fn outcome(connection: Connection, resident: &Resident, compound: &str) -> anyhow::Result<Outcome> {
    let surname = resident.masked_name.trim_end_matches('*').to_owned();
    let request = IssuePassRequest {
        request_id: new_request_id(),
        resident: resident.name.clone(),
        surname,
        ..IssuePassRequest::default()
    };
    match PassServiceClient::new(connection).issue_pass(request).await {
        Ok(pass) => Ok(Outcome::Printed(card(resident, compound, &pass.into_inner()))),
        // Nothing is wrong with the request: the resident has no pass.
        Err(status) if status.code() == tonic::Code::FailedPrecondition => {
            Ok(Outcome::Refused(Spoken::from(&status).reason))
        }
        Err(status) => Err(status.into()),
    }
}

fn card(resident: &Resident, compound: &str, pass: &Pass) -> sheet::Card {
    sheet::Card {
        code: pass.code.clone(),
        number: pass.number.clone(),
        compound: compound.to_owned(),
        name: resident.masked_name.clone(),
        until: output::local_time(pass.expire_time.as_ref()),
        door: [(&resident.building, "幢"), (&resident.unit, "单元"), (&resident.room, "室")]
            .map(|(part, kind)| part_of_door(part, kind))
            .concat(),
    }
}

/// Some offices write 1幢, and some 1.
fn part_of_door(part: &str, kind: &str) -> String {
    if part.ends_with(|letter: char| letter.is_ascii_digit()) { format!("{part}{kind}") } else { part.to_owned() }
}

/// As somebody walks who hands them out: building 2 before building 10.
fn door(resident: &Resident) -> [(u64, String); 3] {
    [&resident.building, &resident.unit, &resident.room].map(|part| {
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        (digits.parse().unwrap_or(u64::MAX), part.clone())
    })
}
