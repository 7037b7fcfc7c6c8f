use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use proto::screening::v1::{
    Attestation, Evidence, EvidenceKind, ListEvidenceRequest, Page, RecordEvidenceRequest, Source, Ticket,
    carrier_service_client::CarrierServiceClient, record_evidence_request::Content, ticket::Mode,
};

use super::super::{itinerary::Seen, verdict};
use crate::{
    desk::{
        ask::{Act, Ask},
        typed,
    },
    output::{print, table, word},
};

#[derive(Subcommand)]
pub enum Command {
    /// All evidence of a case, and who entered it
    #[command(after_help = "Example:\n  mifeng screening evidence list 019c40")]
    List {
        #[arg(value_parser = typed::name("cases"))]
        case: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// What the person's phone shows: a carrier's page or the national card. It counts as the scan of that number
    #[command(after_help = "Example:\n  mifeng screening evidence page 019c40 --kind national-card --source mobile \
                            --window 2020-01-28:2020-02-10 --visit 宁波:2020-01-28:2020-02-10")]
    Page(Box<PageShown>),
    /// A ticket: it proves where somebody was on a day, and never that they were nowhere else
    #[command(after_help = "Example:\n  mifeng screening evidence ticket 019c40 --mode train --from 武汉 --to 宁波 \
                            --day 2020-01-22 --number G590")]
    Ticket(Box<TicketShown>),
    /// A workplace's or a hotel's proof of a place and its days
    #[command(after_help = "Example:\n  mifeng screening evidence proof 019c40 --kind lodging --place 上海 \
                            --days 2020-01-20:2020-01-22 --issuer 某酒店")]
    Proof(Box<ProofShown>),
}

#[derive(Clone, Copy, ValueEnum)]
enum PageKind {
    CarrierPage,
    NationalCard,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProofKind {
    Workplace,
    Lodging,
}

#[derive(Args)]
pub struct PageShown {
    #[arg(value_parser = typed::name("cases"))]
    case: String,
    #[arg(long, value_enum)]
    kind: PageKind,
    /// Whose number it is
    #[arg(long, value_parser = typed::word(Source::as_str_name))]
    source: Source,
    /// Which of the person's numbers, from 1
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    phone: i32,
    /// The days that the page covers: FIRST DAY:LAST DAY
    #[arg(long, value_parser = typed::period, value_name = "DAYS")]
    window: (NaiveDate, NaiveDate),
    #[command(flatten)]
    seen: Seen,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct TicketShown {
    #[arg(value_parser = typed::name("cases"))]
    case: String,
    #[arg(long, value_parser = typed::word(Mode::as_str_name))]
    mode: Mode,
    /// The city, as people say it
    #[arg(long, value_name = "PLACE")]
    from: String,
    #[arg(long, value_name = "PLACE")]
    to: String,
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    day: NaiveDate,
    /// Where it arrives on another day
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    arrival_day: Option<NaiveDate>,
    /// Of the train, coach or flight
    #[arg(long, default_value = "", value_name = "TEXT")]
    number: String,
    #[command(flatten)]
    act: Act,
}

#[derive(Args)]
pub struct ProofShown {
    #[arg(value_parser = typed::name("cases"))]
    case: String,
    #[arg(long, value_enum)]
    kind: ProofKind,
    #[arg(long)]
    place: String,
    /// FIRST DAY:LAST DAY
    #[arg(long, value_parser = typed::period, value_name = "DAYS")]
    days: (NaiveDate, NaiveDate),
    /// Who gave it
    #[arg(long, value_name = "TEXT")]
    issuer: String,
    #[command(flatten)]
    act: Act,
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List { case, ask } => {
                let mut client = CarrierServiceClient::new(ask.connection()?);
                list(&ask, &client.list_evidence(ListEvidenceRequest { case }).await?.into_inner().evidence)
            }
            Self::Page(shown) => {
                let kind = match shown.kind {
                    PageKind::CarrierPage => EvidenceKind::CarrierPage,
                    PageKind::NationalCard => EvidenceKind::NationalCard,
                };
                let page = Page {
                    source: shown.source.into(),
                    phone: shown.phone,
                    window_from: shown.window.0.to_string(),
                    window_to: shown.window.1.to_string(),
                    itinerary: shown.seen.itinerary()?,
                };
                record(shown.act, shown.case, kind, Content::Page(page)).await
            }
            Self::Ticket(shown) => {
                let ticket = Ticket {
                    mode: shown.mode.into(),
                    from: shown.from,
                    to: shown.to,
                    day: shown.day.to_string(),
                    arrival_day: shown.arrival_day.map(|day| day.to_string()).unwrap_or_default(),
                    number: shown.number,
                };
                record(shown.act, shown.case, EvidenceKind::Ticket, Content::Ticket(ticket)).await
            }
            Self::Proof(shown) => {
                let kind = match shown.kind {
                    ProofKind::Workplace => EvidenceKind::Workplace,
                    ProofKind::Lodging => EvidenceKind::Lodging,
                };
                let (from, to) = (shown.days.0.to_string(), shown.days.1.to_string());
                let proof = Attestation { place: shown.place, from, to, issuer: shown.issuer };
                record(shown.act, shown.case, kind, Content::Proof(proof)).await
            }
        }
    }
}

async fn record(act: Act, case: String, kind: EvidenceKind, content: Content) -> anyhow::Result<()> {
    let recorded = act.send(async |connection, request_id| {
        let request = RecordEvidenceRequest { request_id, case, kind: kind.into(), content: Some(content) };
        CarrierServiceClient::new(connection).record_evidence(request).await
    });
    verdict::show(&act.ask, &recorded.await?)
}

fn list(ask: &Ask, evidence: &[Evidence]) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.list(evidence, &[]);
    }
    let mut table = table();
    table.set_header(["evidence", "kind", "number", "carrier", "days", "places", "by"]);
    for shown in evidence {
        let places = shown.itinerary.iter().flat_map(|itinerary| &itinerary.visits).map(|visit| visit.place.as_str());
        let places: Vec<&str> = places.collect();
        let phone = match shown.phone {
            0 if shown.source() == Source::Unspecified => String::new(),
            0 => "former".to_owned(),
            phone => phone.to_string(),
        };
        table.add_row([
            shown.evidence_id.clone(),
            word(shown.kind().as_str_name()).to_owned(),
            phone,
            word(shown.source().as_str_name()).to_owned(),
            format!("{} – {}", shown.window_from, shown.window_to),
            if places.is_empty() { word(shown.no_data().as_str_name()).to_owned() } else { places.join("、") },
            shown.by.clone(),
        ]);
    }
    print(&table.to_string())?;
    print(&format!("{} in all", evidence.len()))
}
