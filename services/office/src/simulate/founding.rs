//! Before the first day: places and people come in by workbooks, staff are enrolled, computers stand at gates, the method is in
//! force, guards have their weeks.

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Days, NaiveDate, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    access::v1::Role,
    registry::v1::{
        AssignDutiesRequest, CreateNeighbourhoodRequest, GetRosterRequest, ImportHouseholdsRequest,
        ImportHouseholdsResponse, ImportPlacesRequest, ListCompoundsRequest, ListNeighbourhoodsRequest, Neighbourhood,
        OpenRosterRequest, PlanRoundRequest, Post as Stand, RoundKind, Shift, StaffKind, SuggestDutiesRequest,
        import_service_client::ImportServiceClient, registry_service_client::RegistryServiceClient,
        roster_service_client::RosterServiceClient, round_service_client::RoundServiceClient,
    },
    screening::v1::{
        ApproveMethodRequest, DraftMethodRequest, MethodContent, PublishMethodRequest,
        screening_service_client::ScreeningServiceClient,
    },
};
use tonic::Streaming;

use super::{
    Telling,
    meter::Meter,
    stage::{Duties, Enrolling, Office, Post, Stage},
    workbook,
    world::World,
};
use crate::{
    cast::{self, Actor, Casting, Ids, at},
    desk::ask::every,
};

/// When the gates were shut.
pub(super) fn start() -> DateTime<Utc> {
    at(NaiveDate::from_ymd_opt(2020, 1, 30).unwrap_or_default(), 8, 0)
}

/// When the method comes into force, before anybody is screened.
pub(super) fn method_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 2, 9).unwrap_or_default()
}

/// Workbooks taken side by side.
const IMPORTS: usize = 3;
/// Requests of the setting up side by side.
const SIDE_BY_SIDE: usize = 32;

/// All that the world has, on the server. `weeks`: of rosters after the one of the first day.
pub(super) async fn found(
    world: &World,
    casting: Casting,
    (ids, meter, telling): (&Ids, &Meter, &Telling),
    weeks: u32,
) -> anyhow::Result<Stage> {
    let officer = casting.cast("staff/officer", Role::Officer, "subdistrict", "", "").await?;
    let health = casting.cast("staff/health", Role::Health, "health", "", "").await?;
    // First of all: where another seed's subdistrict is, or the story's, nothing is mixed into it.
    let first = &world.neighbourhoods[0];
    let open = CreateNeighbourhoodRequest {
        request_id: ids.of("neighbourhood"),
        neighbourhood: Some(Neighbourhood {
            display_name: first.name.clone(),
            code: first.code.clone(),
            ..Neighbourhood::default()
        }),
    };
    let opened = RegistryServiceClient::new(officer.at(start())).create_neighbourhood(open).await;
    opened.map_err(|status| cast::other("subdistrict", status, "opening the first neighbourhood"))?;
    publish((ids, meter, &officer, &health), "2020-02-09", None, at(method_day(), 7, 0)).await?;
    telling.step("importing places");
    let places = ImportPlacesRequest {
        request_id: ids.of("places"),
        parent: String::new(),
        workbook: workbook::places(world)?,
        validate_only: false,
        partial: false,
    };
    let mut imports = ImportServiceClient::new(officer.at(start()));
    let messages = meter.call("ImportPlaces", imports.import_places(places)).await;
    taken(messages.map_err(|status| cast::other("subdistrict", status, "importing the places"))?).await?;
    let (neighbourhoods, compounds, gates) = named(world, &officer).await?;

    telling.step("enrolling staff");
    let enrolling = Enrolling { world, casting: &casting, ids, meter, officer: &officer };
    let enrol = neighbourhoods.iter().enumerate().map(|(index, name)| enrolling.office(index, name));
    let offices: Vec<Office> = stream::iter(enrol).buffered(SIDE_BY_SIDE).try_collect().await?;
    telling.step("importing people, enrolling guards and the computers of gates");
    let import = offices.iter().enumerate().map(|(index, office)| import(world, (ids, meter), index, office));
    let import = stream::iter(import).buffer_unordered(IMPORTS).try_for_each(|()| async {
        telling.done();
        Ok(())
    });
    let enrol = gates.iter().enumerate().map(|(gate, name)| {
        let neighbourhood = world.compounds[world.gates[gate].compound].neighbourhood;
        enrolling.post(gate, name, &offices[neighbourhood])
    });
    let enrol = stream::iter(enrol).buffered(SIDE_BY_SIDE).try_collect::<Vec<Post>>();
    telling.expect(offices.len());
    let ((), posts) = futures::future::try_join(import, enrol).await?;

    telling.step("opening rosters");
    let mut stage = Stage { casting, officer, health, offices, compounds, posts, duties: Vec::new() };
    let duties = (0..world.compounds.len()).map(|compound| duties(world, &stage, (ids, meter), compound, weeks));
    let duties = stream::iter(duties).buffered(SIDE_BY_SIDE).try_collect().await?;
    stage.duties = duties;
    Ok(stage)
}

/// What the server calls neighbourhoods, compounds and gates.
async fn named(world: &World, officer: &Actor) -> anyhow::Result<(Vec<String>, Vec<String>, Vec<String>)> {
    let registry = RegistryServiceClient::new(officer.at(start()));
    let known = every(async |page_size, page_token| {
        let page = registry.clone().list_neighbourhoods(ListNeighbourhoodsRequest { page_size, page_token }).await?;
        let page = page.into_inner();
        Ok((page.neighbourhoods, page.next_page_token))
    });
    let known = known.await.context("listing neighbourhoods")?;
    let find = |code: &str| known.iter().find(|one| one.code == code).map(|one| one.name.clone());
    let neighbourhoods = world.neighbourhoods.iter().map(|one| find(&one.code).context("an imported neighbourhood"));
    let neighbourhoods: Vec<String> = neighbourhoods.collect::<anyhow::Result<_>>()?;
    let known = every(async |page_size, page_token| {
        let request = ListCompoundsRequest { parent: String::new(), page_size, page_token };
        let page = registry.clone().list_compounds(request).await?.into_inner();
        Ok((page.compounds, page.next_page_token))
    });
    let known = known.await.context("listing compounds")?;
    let (mut compounds, mut gates) = (Vec::new(), Vec::new());
    for compound in &world.compounds {
        let neighbourhood = &neighbourhoods[compound.neighbourhood];
        let found = known.iter().find(|one| one.neighbourhood == *neighbourhood && one.display_name == compound.name);
        let found = found.context("an imported compound")?;
        compounds.push(found.name.clone());
        for gate in &world.gates[compound.gates.clone()] {
            let found = found.gates.iter().find(|one| one.display_name == gate.name).context("an imported gate")?;
            gates.push(found.name.clone());
        }
    }
    Ok((neighbourhoods, compounds, gates))
}

/// Drafted and published by the subdistrict, approved by the health team. `content`: none for the shipped one.
pub(super) async fn publish(
    (ids, meter, officer, health): (&Ids, &Meter, &Actor, &Actor),
    version: &str,
    content: Option<MethodContent>,
    time: DateTime<Utc>,
) -> anyhow::Result<()> {
    let name = format!("methods/{version}");
    let mut client = ScreeningServiceClient::new(officer.at(time));
    let draft =
        DraftMethodRequest { request_id: ids.of(format_args!("draft:{version}")), version: version.into(), content };
    let drafted = meter.call("DraftMethod", client.draft_method(draft)).await;
    drafted.map_err(|status| cast::other("subdistrict", status, "drafting the method"))?;
    let approve = ApproveMethodRequest { request_id: ids.of(format_args!("approve:{version}")), name: name.clone() };
    let mut signer = ScreeningServiceClient::new(health.at(time));
    meter.call("ApproveMethod", signer.approve_method(approve)).await.context("approving the method")?;
    let request_id = ids.of(format_args!("publish:{version}"));
    let publish = PublishMethodRequest { request_id, name, in_force_time: None };
    meter.call("PublishMethod", client.publish_method(publish)).await.context("publishing the method")?;
    Ok(())
}

async fn import(world: &World, (ids, meter): (&Ids, &Meter), index: usize, office: &Office) -> anyhow::Result<()> {
    let request = ImportHouseholdsRequest {
        request_id: ids.of(format_args!("people:{index}")),
        parent: office.name.clone(),
        workbook: workbook::people(world, index)?,
        validate_only: false,
        partial: false,
    };
    let mut registry = RegistryServiceClient::new(office.worker.at(start()));
    let messages = meter.call("ImportHouseholds", registry.import_households(request)).await;
    taken(messages.context("importing people")?).await
}

async fn taken(mut messages: Streaming<ImportHouseholdsResponse>) -> anyhow::Result<()> {
    while let Some(message) = messages.message().await.context("importing a workbook")? {
        let Some(outcome) = message.outcome else { continue };
        let first = outcome.refused_rows.first().map(|row| row.message_en.clone()).unwrap_or_default();
        ensure!(outcome.refused == 0, "{} of {} rows were refused, the first: {first}", outcome.refused, outcome.rows);
        return Ok(());
    }
    bail!("the import ended without an outcome")
}

/// Three shifts at every gate, and a round of disinfection (R21).
async fn duties(
    world: &World,
    stage: &Stage,
    (ids, meter): (&Ids, &Meter),
    compound: usize,
    weeks: u32,
) -> anyhow::Result<Duties> {
    let place = &world.compounds[compound];
    let director = stage.offices[place.neighbourhood].director.at(start());
    let posts = &stage.posts[place.gates.clone()];
    let members: Vec<String> = posts.iter().flat_map(|post| post.guards.clone()).collect();
    let shift = |label: &str, start_minute: i32| Shift {
        label: label.into(),
        start_minute,
        minutes: 480,
        night: start_minute > 1_200,
    };
    let stand = |post: &Post| Stand { gate: post.name.clone(), kind: StaffKind::Guard.into(), people: 1 };
    let monday = NaiveDate::from_ymd_opt(2020, 2, 10).unwrap_or_default();
    let mut rosters = Vec::new();
    for week in 0..=u64::from(weeks) {
        let from = monday.checked_add_days(Days::new(7 * week)).context("a week of the calendar")?;
        let open = OpenRosterRequest {
            request_id: ids.of(format_args!("roster:{compound}:{from}")),
            compound: stage.compounds[compound].clone(),
            from: from.to_string(),
            shifts: vec![shift("早班", 360), shift("中班", 840), shift("夜班", 1_320)],
            posts: posts.iter().map(stand).collect(),
            members: members.clone(),
            rest_hours: None,
        };
        let mut client = RosterServiceClient::new(director.clone());
        let roster = meter.call("OpenRoster", client.open_roster(open)).await.context("opening a roster")?;
        let name = roster.name;
        let roster = client.get_roster(GetRosterRequest { name: name.clone() }).await.context("looking at a roster")?;
        // Said again, the duties have their holders, and what was left since then is a gap.
        if roster.into_inner().duties.iter().all(|duty| duty.staff.is_empty()) {
            let suggest = SuggestDutiesRequest { roster: name.clone() };
            let suggested = client.suggest_duties(suggest).await.context("suggesting duties")?.into_inner();
            let request_id = ids.of(format_args!("assign:{compound}:{from}"));
            let assign = AssignDutiesRequest { request_id, roster: name.clone(), assignments: suggested.assignments };
            meter.call("AssignDuties", client.assign_duties(assign)).await.context("assigning duties")?;
        }
        rosters.push((name, from, members.clone()));
    }
    let plan = PlanRoundRequest {
        request_id: ids.of(format_args!("round:{compound}")),
        compound: stage.compounds[compound].clone(),
        kind: RoundKind::Disinfection.into(),
        spot: String::new(),
        times_per_day: 1,
    };
    let mut client = RoundServiceClient::new(director);
    let round = meter.call("PlanRound", client.plan_round(plan)).await.context("planning a round")?;
    Ok(Duties { rosters, round: round.name })
}
