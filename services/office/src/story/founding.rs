//! Before the eleventh: the community, its two compounds, four gates, twenty people, 1,729 households from a workbook, and
//! the method that everybody shares.

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    access::v1::Role,
    registry::v1::{
        AddGateRequest, Compound, CreateCompoundRequest, CreateNeighbourhoodRequest, EnrolStaffRequest,
        ImportHouseholdsRequest, ImportOutcome, Neighbourhood, Regime, SetRegimeRequest, StaffKind,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{
        ApproveMethodRequest, DraftMethodRequest, PublishMethodRequest,
        screening_service_client::ScreeningServiceClient,
    },
};

use super::{
    Story,
    plan::{COMPOUNDS, GATES, day},
    workbook::{self, SPOILT},
};
use crate::cast::{Actor, at};

/// Everybody and every place that the later chapters act with.
pub(super) struct Stage {
    pub(super) officer: Actor,
    pub(super) health: Actor,
    pub(super) director: Actor,
    pub(super) workers: Vec<Actor>,
    pub(super) guards: Vec<Actor>,
    /// compounds/{compound}, in the order of `COMPOUNDS`.
    pub(super) compounds: Vec<String>,
    /// compounds/{compound}/gates/{gate}, in the order of `GATES`.
    pub(super) gates: Vec<String>,
}

pub(super) async fn found(story: &Story) -> anyhow::Result<Stage> {
    let (casting, ids, teller) = (&story.casting, &story.ids, story.teller);
    teller.chapter("金家漕社区：长丰二村、金家新村 / the community and its compounds");
    let officer = casting.cast("staff/officer", Role::Officer, "subdistrict", "", "").await?;
    let health = casting.cast("staff/health", Role::Health, "health", "", "").await?;
    let start = at(day(1, 30), 8, 0);
    let neighbourhood = RegistryServiceClient::new(officer.at(start))
        .create_neighbourhood(CreateNeighbourhoodRequest {
            request_id: ids.of("neighbourhood"),
            neighbourhood: Some(Neighbourhood {
                display_name: "金家漕社区".into(),
                code: "330212002012".into(),
                ..Neighbourhood::default()
            }),
        })
        .await
        .map_err(|status| crate::cast::other("story", status, "opening the neighbourhood"))?
        .into_inner();
    let unit = neighbourhood.name.clone();
    let director = casting.cast("staff/director", Role::Director, &unit, &unit, "").await?;
    let mut compounds = Vec::new();
    for (index, name) in COMPOUNDS.iter().enumerate() {
        compounds.push(compound(story, &director, &neighbourhood, index, name).await?);
    }
    let gates = gates(story, &director, &compounds).await?;
    teller.tell(start, format_args!("{} and {} under one management, four gates, closed", COMPOUNDS[0], COMPOUNDS[1]));
    let (workers, guards) = staff(story, &director, &unit, &gates).await?;
    teller.tell(start, format_args!("{} workers and {} guards enrolled", workers.len(), guards.len()));
    let stage = Stage { officer, health, director, workers, guards, compounds, gates };
    import(story, &stage, &unit).await?;
    method(story, &stage).await?;
    Ok(stage)
}

async fn compound(
    story: &Story,
    director: &Actor,
    neighbourhood: &Neighbourhood,
    index: usize,
    name: &str,
) -> anyhow::Result<String> {
    let start = at(day(1, 30), 8, 0);
    let mut registry = RegistryServiceClient::new(director.at(start));
    let compound = registry
        .create_compound(CreateCompoundRequest {
            request_id: story.ids.of(format_args!("compound:{index}")),
            compound: Some(Compound {
                display_name: name.to_owned(),
                neighbourhood: neighbourhood.name.clone(),
                management_group: "长丰二村、金家新村".into(),
                ..Compound::default()
            }),
        })
        .await
        .context("opening a compound")?
        .into_inner();
    registry
        .set_regime(SetRegimeRequest {
            request_id: story.ids.of(format_args!("regime:{index}")),
            compound: compound.name.clone(),
            regime: Regime::Closed.into(),
            from: day(1, 30).to_string(),
            etag: String::new(),
        })
        .await
        .context("closing a compound")?;
    Ok(compound.name)
}

async fn gates(story: &Story, director: &Actor, compounds: &[String]) -> anyhow::Result<Vec<String>> {
    let mut registry = RegistryServiceClient::new(director.at(at(day(1, 30), 8, 0)));
    let mut gates = Vec::new();
    for (index, (compound, name, _)) in GATES.iter().enumerate() {
        let compound = registry
            .add_gate(AddGateRequest {
                request_id: story.ids.of(format_args!("gate:{index}")),
                compound: compounds[*compound].clone(),
                display_name: (*name).to_owned(),
                etag: String::new(),
            })
            .await
            .context("adding a gate")?
            .into_inner();
        let gate = compound.gates.into_iter().find(|gate| gate.display_name == *name).context("the gate just added")?;
        gates.push(gate.name);
    }
    Ok(gates)
}

const STAFF: [&str; 20] = [
    "林秀珍",
    "陈国华",
    "徐丽君",
    "吴建平",
    "周美琴",
    "郑海波",
    "王雅芬",
    "胡晓东",
    "张月娥",
    "李志刚",
    "赵大勇",
    "孙福根",
    "马永强",
    "朱根宝",
    "何水生",
    "郭铁军",
    "高长河",
    "罗进财",
    "梁阿毛",
    "宋来福",
];

/// Ten community workers and ten hired guards hold four gates, day and night.
async fn staff(
    story: &Story,
    director: &Actor,
    unit: &str,
    gates: &[String],
) -> anyhow::Result<(Vec<Actor>, Vec<Actor>)> {
    let mut registry = RegistryServiceClient::new(director.at(at(day(1, 30), 8, 0)));
    let (mut workers, mut guards) = (Vec::new(), Vec::new());
    for (number, name) in STAFF.into_iter().enumerate() {
        let kind = if number < 10 { StaffKind::Worker } else { StaffKind::Guard };
        let staff = registry
            .enrol_staff(EnrolStaffRequest {
                request_id: story.ids.of(format_args!("staff:{number}")),
                kind: kind.into(),
                neighbourhood: unit.to_owned(),
                full_name: name.to_owned(),
                phone: format!("1390000{number:04}"),
            })
            .await
            .context("enrolling staff")?
            .into_inner();
        if number < 10 {
            workers.push(story.casting.cast(&staff.name, Role::Worker, unit, unit, "").await?);
        } else if guards.len() < gates.len() {
            // The first four stand at the gates of this story; the others have the other shifts.
            let gate = &gates[guards.len()];
            guards.push(story.casting.cast(&staff.name, Role::Guard, unit, unit, gate).await?);
        }
    }
    Ok((workers, guards))
}

async fn import(story: &Story, stage: &Stage, unit: &str) -> anyhow::Result<()> {
    let teller = story.teller;
    let noon = at(day(2, 1), 12, 0);
    let sheet = workbook::write(&story.plan.homes, SPOILT)?;
    teller.tell(noon, format_args!("importing a workbook of {} rows", sheet.rows));
    let first = send(story, stage, unit, "import", sheet.bytes, noon).await?;
    teller.more(format_args!(
        "{} rows taken, {} refused: {} households, {} residents",
        first.taken, first.refused, first.households_new, first.residents_new
    ));
    ensure!(first.rows == first.taken + first.refused, "rows went missing in the import");
    for row in &first.refused_rows {
        teller.more(format_args!("row {}, {}: {} / {}", row.row, row.column, row.message_zh, row.message_en));
    }
    if first.refused > 0 {
        let again = workbook::write(&story.plan.homes, 0)?;
        let second = send(story, stage, unit, "import:again", again.bytes, at(day(2, 1), 14, 0)).await?;
        teller.tell(
            at(day(2, 1), 14, 0),
            format_args!(
                "typed again as text: {} rows new, {} the same, {} refused",
                second.rows_new, second.rows_same, second.refused
            ),
        );
    }
    Ok(())
}

async fn send(
    story: &Story,
    stage: &Stage,
    unit: &str,
    what: &str,
    workbook: Vec<u8>,
    time: chrono::DateTime<chrono::Utc>,
) -> anyhow::Result<ImportOutcome> {
    let mut messages = RegistryServiceClient::new(stage.workers[0].at(time))
        .import_households(ImportHouseholdsRequest {
            request_id: story.ids.of(what),
            parent: unit.to_owned(),
            workbook,
            validate_only: false,
            // The rows that Excel spoilt come back, the others are taken.
            partial: true,
        })
        .await
        .context("importing the workbook")?
        .into_inner();
    while let Some(message) = messages.message().await.context("importing the workbook")? {
        if let Some(outcome) = message.outcome {
            return Ok(outcome);
        }
    }
    anyhow::bail!("the import ended without an outcome")
}

/// Drafted by the subdistrict, approved by another unit, published (R7).
async fn method(story: &Story, stage: &Stage) -> anyhow::Result<()> {
    let time = at(day(2, 9), 7, 0);
    let name = "methods/2020-02-09".to_owned();
    let mut officer = ScreeningServiceClient::new(stage.officer.at(time));
    officer
        .draft_method(DraftMethodRequest {
            request_id: story.ids.of("draft"),
            version: "2020-02-09".into(),
            content: None,
        })
        .await
        .context("drafting the method")?;
    ScreeningServiceClient::new(stage.health.at(time))
        .approve_method(ApproveMethodRequest { request_id: story.ids.of("approve"), name: name.clone() })
        .await
        .context("approving the method")?;
    officer
        .publish_method(PublishMethodRequest { request_id: story.ids.of("publish"), name, ..Default::default() })
        .await
        .context("publishing the method")?;
    story.teller.tell(time, "method 2020-02-09 drafted by the subdistrict, approved by the health team, in force");
    Ok(())
}

/// Does something for each, side by side, with the answers in order; the first failure ends it.
pub(super) async fn side_by_side<T, F>(items: impl IntoIterator<Item = F>) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = anyhow::Result<T>>,
{
    stream::iter(items).buffered(32).try_collect().await
}
