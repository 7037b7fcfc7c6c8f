//! What is known of one resident, put right, and who did so.

use chassis::refusal::Spoken;
use clap::Args;
use proto::registry::v1::{
    CorrectResidentRequest, GetResidentRequest, IdentityDocument, ListCorrectionsRequest, Phones, Return,
    correction_service_client::CorrectionServiceClient, identity_document::Kind,
    registry_service_client::RegistryServiceClient,
};
use tonic::Status;

use crate::{
    desk::{
        ask::{Act, Ask, Listing},
        typed,
    },
    output::print,
};

#[derive(Args)]
pub struct Correct {
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    /// Why, in four characters or more: it stays on record
    #[arg(long)]
    reason: String,
    /// The full name
    #[arg(long)]
    name: Option<String>,
    /// A number of the person, as often as they have any: all others go
    #[arg(long, conflicts_with = "no_phone")]
    phone: Vec<String>,
    /// The person has no phone
    #[arg(long)]
    no_phone: bool,
    /// The kind of the identity document
    #[arg(long, value_parser = typed::word(Kind::as_str_name), requires = "document")]
    kind: Option<Kind>,
    /// Its number
    #[arg(long)]
    document: Option<String>,
    /// Where they came back to Ningbo from
    #[arg(long, value_name = "PLACE", requires = "returned_on")]
    returned_from: Option<String>,
    /// The day of their arrival
    #[arg(long, value_name = "DAY", value_parser = typed::date, requires = "returned_from")]
    returned_on: Option<chrono::NaiveDate>,
    /// How they travelled
    #[arg(long, default_value = "", hide_default_value = true, requires = "returned_from")]
    transport: String,
    /// Of the train, the flight or the car
    #[arg(long, default_value = "", hide_default_value = true, requires = "returned_from")]
    number: String,
    /// Refuse where the resident has changed since this etag was read
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    act: Act,
}

impl Correct {
    pub async fn run(self) -> anyhow::Result<()> {
        let phones = (self.no_phone || !self.phone.is_empty()).then_some(Phones { numbers: self.phone });
        let kind = self.kind.unwrap_or_default();
        let document = self.document.map(|number| IdentityDocument { kind: kind.into(), number });
        let returned = self.returned_from.zip(self.returned_on).map(|(from, day)| Return {
            from,
            transport: self.transport,
            number: self.number,
            day: day.to_string(),
        });
        let (ask, mut other) = (&self.act.ask, None);
        let corrected = self.act.send(async |connection, request_id| {
            let request = CorrectResidentRequest {
                request_id,
                name: self.resident,
                reason: self.reason,
                full_name: self.name,
                phones,
                document,
                returned,
                etag: self.etag,
            };
            let answer = CorrectionServiceClient::new(connection).correct_resident(request).await;
            other = answer.as_ref().err().and_then(in_the_way);
            answer
        });
        let corrected = corrected.await;
        if let (Some(id), false) = (other, ask.output.is_json()) {
            let request = GetResidentRequest { name: format!("residents/{id}") };
            // Whoever cannot see it still reads the refusal.
            if let Ok(other) = RegistryServiceClient::new(ask.connection()?).get_resident(request).await {
                print("in the way stands:")?;
                ask.show(other.get_ref())?;
            }
        }
        self.act.show(&corrected?)
    }
}

/// The record that holds the document or the name.
fn in_the_way(refused: &Status) -> Option<String> {
    let spoken = Spoken::from(refused);
    if spoken.reason == "ALREADY_EXISTS" { spoken.metadata.get("id").cloned() } else { None }
}

#[derive(Args)]
pub struct Corrections {
    #[arg(value_parser = typed::name("residents"))]
    resident: String,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

impl Corrections {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = CorrectionServiceClient::new(self.ask.connection()?);
        let all = self.listing.collect(async |page_size, page_token| {
            let request = ListCorrectionsRequest { parent: self.resident.clone(), page_size, page_token };
            let page = client.list_corrections(request).await?.into_inner();
            Ok((page.corrections, page.next_page_token))
        });
        self.listing.show(&self.ask, &all.await?, &["time", "actor", "fields", "reason"])
    }
}
