//! The order 告知书 and the release 解除告知书 on A4, from texts that an office can change.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use chassis::client::{Connection, new_request_id};
use chrono::NaiveDate;
use clap::Args;
use proto::{
    isolation::v1::{
        AssessReleaseRequest, GetOrderRequest, Kind, Order, Reason, ReleaseReason,
        isolation_service_client::IsolationServiceClient, order::State,
        order_life_service_client::OrderLifeServiceClient,
    },
    registry::v1::{
        GetCompoundRequest, GetResidentRequest, ListNeighbourhoodsRequest, Resident, RevealResidentRequest,
        registry_service_client::RegistryServiceClient,
    },
};
use serde_json::json;
use template::{Template, Words};

use crate::{
    desk::{
        ask::{Ask, every},
        typed,
    },
    export,
    output::print,
    paper::{self, Paper},
};

/// Texts with places to be filled, and how they lie on a page.
mod template;

#[derive(Args)]
pub struct Print {
    /// order.html, which every browser prints, or order.pdf; it must not be there yet
    #[arg(value_name = "FILE", value_parser = paper::file)]
    file: PathBuf,
    #[arg(long, value_parser = typed::name("orders"))]
    order: String,
    /// The release 解除告知书 in place of the order 告知书
    #[arg(long)]
    release: bool,
    /// Prints the unmasked name and document, for this reason, which goes on record; without it they stay masked
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
    /// A folder with order.txt and release.txt, as `mifeng isolation templates` writes them; by default the shipped ones
    #[arg(long, value_name = "FOLDER")]
    templates: Option<PathBuf>,
    /// A font file with Chinese characters, for a PDF; by default one that this machine has
    #[arg(long, value_name = "FILE")]
    font: Option<PathBuf>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Templates {
    /// Where order.txt and release.txt are written, if they are not there yet
    folder: PathBuf,
}

impl Templates {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = self.folder;
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        for template in [Template::ORDER, Template::RELEASE] {
            export::create(&folder.join(template.file), template.shipped.as_bytes())?;
        }
        print(&format!(
            "{} holds order.txt and release.txt: change them, then print with --templates {}",
            folder.display(),
            folder.display()
        ))
    }
}

impl Print {
    pub async fn run(self) -> anyhow::Result<()> {
        let paper = Paper::prepare(&self.file, self.font.as_deref())?;
        let template = if self.release { Template::RELEASE } else { Template::ORDER };
        // Before anybody is asked, and before a name is revealed: a wrong text is found first.
        let text = template.read(self.templates.as_deref())?;
        let connection = self.ask.connection()?;
        let mut orders = IsolationServiceClient::new(connection.clone());
        let order = orders.get_order(GetOrderRequest { name: self.order.clone() }).await?.into_inner();
        let released = order.state() == State::Released;
        ensure!(!self.release || released, "{} is not released yet: see `mifeng isolation assess`", self.order);
        ensure!(order.state() != State::Proposed, "{} is a proposal yet: it is printed once approved", self.order);
        let words = words(&connection, &order, self.reveal.as_deref(), chassis::day_of(self.ask.time())).await?;
        let pages = template::pages(&text, &words)?;
        paper.write(&format!("{} {}", template.title, order.name), &pages)?;
        let file = self.file.display().to_string();
        if self.ask.output.is_json() {
            return print(&json!({ "file": file, "pages": pages.len(), "order": order.name }).to_string());
        }
        print(&format!("{} on {} page(s): {file}", template.title, pages.len()))
    }
}

/// What stands in the places of a text.
async fn words(
    connection: &Connection,
    order: &Order,
    reveal: Option<&str>,
    printed: NaiveDate,
) -> anyhow::Result<Words> {
    let mut registry = RegistryServiceClient::new(connection.clone());
    let request = GetResidentRequest { name: order.resident.clone() };
    let resident = registry.get_resident(request).await.context("reading the resident")?.into_inner();
    let (name, document) = identity(&mut registry, &resident, reveal).await?;
    let request = GetCompoundRequest { name: order.compound.clone() };
    let compound = registry.get_compound(request).await.context("reading the compound")?.into_inner().display_name;
    let neighbourhoods = every(async |page_size, page_token| {
        let page =
            registry.list_neighbourhoods(ListNeighbourhoodsRequest { page_size, page_token }).await?.into_inner();
        Ok((page.neighbourhoods, page.next_page_token))
    });
    let neighbourhood = neighbourhoods.await?.into_iter().find(|found| found.name == order.neighbourhood);
    let request = AssessReleaseRequest { order: order.name.clone() };
    let assessment = OrderLifeServiceClient::new(connection.clone()).assess_release(request).await?.into_inner();
    let door = [&resident.building, &resident.unit, &resident.room].map(String::as_str);
    let number = order.name.trim_start_matches("orders/").to_owned();
    let cohabitants = order.cohabitants.len();
    let observations = match order.state() {
        State::Released => format!("应有观察记录{}次，已有{}次", order.observations_due, order.observations),
        _ => assessment.zh,
    };
    Ok(Words::from([
        ("编号", number),
        ("姓名", name),
        ("证件号码", document),
        ("住址", door.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")),
        ("小区", compound),
        ("社区", neighbourhood.map(|found| found.display_name).unwrap_or_default()),
        ("隔离方式", kind(order.kind()).to_owned()),
        ("原因", reason(order.reason()).to_owned()),
        ("第0天", day(&order.day_zero)),
        ("开始日", day(&order.observed_from)),
        ("截止日", day(&order.last_day)),
        ("同住人", if cohabitants == 0 { "无".to_owned() } else { format!("{cohabitants}人") }),
        ("证据", order.evidence_ids.join("、")),
        ("标准", order.method.trim_start_matches("methods/").to_owned()),
        ("观察情况", observations),
        ("解除原因", ended(order.release_reason()).to_owned()),
        ("打印日", day(&printed.to_string())),
    ]))
}

/// Masked, but where somebody says why not.
async fn identity(
    registry: &mut RegistryServiceClient<Connection>,
    resident: &Resident,
    reveal: Option<&str>,
) -> anyhow::Result<(String, String)> {
    let Some(reason) = reveal else { return Ok((resident.masked_name.clone(), resident.masked_document.clone())) };
    let request =
        RevealResidentRequest { request_id: new_request_id(), name: resident.name.clone(), reason: reason.to_owned() };
    let person = registry.reveal_resident(request).await?.into_inner().person.unwrap_or_default();
    Ok((person.full_name, person.document.unwrap_or_default().number))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Central => "集中隔离",
        Kind::Home => "居家隔离",
        Kind::Watch => "健康观察",
        Kind::Unspecified => "隔离",
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::KeyArea => "有重点地区旅居史",
        Reason::ConcealedKeyArea => "有未申报的重点地区旅居史",
        Reason::CloseContact => "与确诊病例有密切接触",
        Reason::Fever => "有发热症状",
        Reason::Override => "经两个单位复核认定",
        Reason::Unspecified => "疫情防控需要",
    }
}

fn ended(reason: ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::PeriodComplete | ReleaseReason::Unspecified => "隔离期满，观察记录齐全，无症状",
        ReleaseReason::VerdictChanged => "因核查结论改变，不再需要隔离",
        ReleaseReason::Early => "经两个单位复核，同意提前结束",
    }
}

/// "2020年2月22日"
fn day(date: &str) -> String {
    date.parse::<NaiveDate>().map_or_else(|_| date.to_owned(), |day| day.format("%Y年%-m月%-d日").to_string())
}
