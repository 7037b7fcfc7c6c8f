//! Everyone who comes back declares, is scanned, and hears why. Who is clear gets a pass at once.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, ensure};
use chassis::refusal::Spoken;
use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    pass::v1::{IssuePassRequest, Pass, pass_service_client::PassServiceClient},
    registry::v1::{
        Household, ListHouseholdsRequest, ListResidentsRequest, Resident,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{
        Case, Declaration, DeclareRequest, DeclaredStay, DisputeCaseRequest, GetCaseRequest, Itinerary,
        ListCasesRequest, Outcome, Proof, ProofKind, RecordItineraryRequest, ResolveDisputeRequest, Source,
        StatementAuthor, Verdict, Visit, screening_service_client::ScreeningServiceClient,
    },
};

use super::{
    Story,
    founding::{Stage, side_by_side},
    plan::{Home, Part, Someone, Stay, day},
};
use crate::cast::at;

/// A person of the plan as the services know them.
pub(super) struct Known<'a> {
    pub(super) home: &'a Home,
    pub(super) person: &'a Someone,
    pub(super) resident: String,
    pub(super) case: String,
}

/// A pass as handed out.
pub(super) struct Handed {
    pub(super) resident: String,
    pub(super) compound: usize,
    pub(super) part: Part,
    pub(super) code: String,
}

/// Everybody's resident and case names, found as an office finds them: by the room.
pub(super) async fn everybody<'a>(story: &'a Story, stage: &Stage) -> anyhow::Result<Vec<Known<'a>>> {
    let connection = stage.director.at(at(day(2, 9), 7, 30));
    let mut registry = RegistryServiceClient::new(connection.clone());
    let mut screening = ScreeningServiceClient::new(connection);
    let mut known = Vec::new();
    for (index, compound) in stage.compounds.iter().enumerate() {
        let mut rooms = HashMap::new();
        let mut page_token = String::new();
        loop {
            let request = ListHouseholdsRequest { parent: compound.clone(), page_size: 1_000, page_token };
            let page = registry.list_households(request).await.context("listing households")?.into_inner();
            rooms.extend(page.households.into_iter().map(|household| (room(&household), household.name)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let mut residents: HashMap<String, Vec<Resident>> = HashMap::new();
        loop {
            let request = ListResidentsRequest { parent: compound.clone(), page_size: 1_000, page_token };
            let page = registry.list_residents(request).await.context("listing residents")?.into_inner();
            for resident in page.residents {
                residents.entry(resident.household.clone()).or_default().push(resident);
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let mut cases = HashMap::new();
        loop {
            let parent = compound.clone();
            let request = ListCasesRequest { parent, page_size: 1_000, page_token, ..ListCasesRequest::default() };
            let page = screening.list_cases(request).await.context("listing cases")?.into_inner();
            cases.extend(page.cases.into_iter().map(|case| (case.resident, case.name)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        for home in story.plan.homes.iter().filter(|home| home.compound == index) {
            let room = (home.building.to_string(), home.unit.to_string(), home.room.to_string());
            let household = rooms.get(&room).with_context(|| format!("no household in room {room:?}"))?;
            let mut there = residents.remove(household).unwrap_or_default();
            // Who is who does not matter within a family, except that the numbers must fit.
            there.sort_by(|a, b| a.name.cmp(&b.name));
            ensure!(there.len() == home.people.len(), "room {room:?} has {} residents", there.len());
            for (person, resident) in home.people.iter().zip(there) {
                let case = cases.remove(&resident.name).with_context(|| format!("no case for {}", resident.name))?;
                known.push(Known { home, person, resident: resident.name, case });
            }
        }
    }
    Ok(known)
}

fn room(household: &Household) -> (String, String, String) {
    (household.building.clone(), household.unit.clone(), household.room.clone())
}

/// Who came back before the eleventh. Returns the passes that were handed out.
pub(super) async fn before(story: &Story, stage: &Stage, known: &[Known<'_>]) -> anyhow::Result<Vec<Handed>> {
    story.teller.chapter("2 月 9 日、10 日 / who came back before the eleventh");
    let people: Vec<&Known> = known.iter().filter(|known| known.home.part == Part::BackEarlier).collect();
    let passes = crowd(story, stage, &people, at(day(2, 9), 8, 0), TimeDelta::hours(34)).await?;
    let told = format!("{} people screened, {} passes handed out", people.len(), passes.len());
    story.teller.tell(at(day(2, 10), 18, 0), told);
    Ok(passes)
}

/// From two to ten: the remarkable ones first, then how many there were. Returns the passes that were handed out.
pub(super) async fn afternoon(story: &Story, stage: &Stage, known: &[Known<'_>]) -> anyhow::Result<Vec<Handed>> {
    story.teller.chapter("2 月 11 日，14 时到 22 时 / from two to ten on the eleventh");
    let start = at(day(2, 11), 14, 0);
    let mut passes = Vec::new();
    let remarkables = known.iter().filter(|known| {
        !matches!(known.home.part, Part::Away | Part::BackEarlier | Part::BackToday | Part::IsolatedSinceJanuary)
    });
    for (index, known) in remarkables.enumerate() {
        let time = start + TimeDelta::minutes(20 * i64::try_from(index)?);
        passes.extend(remarkable(story, stage, known, time).await?);
    }
    let today: Vec<&Known> = known.iter().filter(|known| known.home.part == Part::BackToday).collect();
    let handed = crowd(story, stage, &today, start, TimeDelta::hours(8)).await?;
    let households: HashSet<_> = today.iter().map(|known| room_of(known.home)).collect();
    story.teller.tell(
        at(day(2, 11), 22, 0),
        format_args!(
            "besides, {} rented households screened: {} people, {} passes handed out",
            households.len(),
            today.len(),
            handed.len()
        ),
    );
    passes.extend(handed);
    Ok(passes)
}

fn room_of(home: &Home) -> (usize, usize, usize, usize) {
    (home.compound, home.building, home.unit, home.room)
}

async fn crowd(
    story: &Story,
    stage: &Stage,
    people: &[&Known<'_>],
    start: DateTime<Utc>,
    span: TimeDelta,
) -> anyhow::Result<Vec<Handed>> {
    let step = span / i32::try_from(people.len().max(1))?;
    let all = people.iter().enumerate().map(|(index, known)| async move {
        let time = start + step * i32::try_from(index)?;
        let desk = index % stage.workers.len();
        let case = declare_and_scan(story, stage, desk, known, time).await?;
        let verdict = case.verdict.context("every number was scanned")?;
        if verdict.outcome() != Outcome::Clear {
            return Ok(None);
        }
        issue(story, stage, desk, known, time).await.map(Some)
    });
    Ok(side_by_side(all).await?.into_iter().flatten().collect())
}

async fn remarkable(
    story: &Story,
    stage: &Stage,
    known: &Known<'_>,
    time: DateTime<Utc>,
) -> anyhow::Result<Option<Handed>> {
    let teller = story.teller;
    let who = format!("{}{}幢{}室", super::plan::COMPOUNDS[known.home.compound], known.home.building, known.home.room);
    if known.home.part == Part::TwoNumbers {
        declare(story, stage, 0, known, time).await?;
        let case = scan(story, stage, 0, known, 0, time).await?;
        teller.tell(
            time,
            format_args!("{who}: {} of {} numbers scanned, the case stays open", case.scanned, case.phones),
        );
        // Told a second time, the story finds the pass that was issued in the end.
        if let Err(refused) = issue(story, stage, 0, known, time).await {
            teller.more(format_args!("no pass yet: {}", spoken(&refused)));
        }
    }
    declare_and_scan(story, stage, 0, known, time).await?;
    // The answer to a repeated command says nothing personal; the case itself does.
    let case = ScreeningServiceClient::new(stage.workers[0].at(time + TimeDelta::minutes(4)))
        .get_case(GetCaseRequest { name: known.case.clone() })
        .await
        .context("looking at the case")?
        .into_inner();
    let verdict = case.verdict.context("every number was scanned")?;
    tell_verdict(story, &who, known.person, &verdict, time);
    match verdict.outcome() {
        Outcome::Clear => issue(story, stage, 0, known, time).await.map(Some),
        Outcome::BorderSuspect => dispute(story, stage, known, &verdict, time).await.map(Some),
        _ => Ok(None),
    }
}

fn tell_verdict(story: &Story, who: &str, person: &Someone, verdict: &Verdict, time: DateTime<Utc>) {
    let said: Vec<&str> = person.travels.declared.iter().map(|stay| stay.place).collect();
    let seen: Vec<&str> = person.travels.seen.iter().flatten().map(|stay| stay.place).collect();
    let said = if said.is_empty() { "没有离开过宁波".to_owned() } else { said.join("、") };
    story.teller.tell(time, format_args!("{who} 申报 said: {said}"));
    story.teller.more(format_args!("行程 seen: {}", seen.join("、")));
    let words = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_lowercase().replace('_', " ");
    story.teller.more(format_args!(
        "结论 verdict: {} · risk {} · honesty {} · measure {}",
        words(verdict.outcome().as_str_name(), "OUTCOME_"),
        words(verdict.risk().as_str_name(), "LEVEL_"),
        words(verdict.honesty().as_str_name(), "HONESTY_"),
        words(verdict.measure().as_str_name(), "MEASURE_"),
    ));
    if let Some(explanation) = verdict.reasons.as_ref().and_then(|reasons| reasons.explanation.as_ref()) {
        story.teller.more(&explanation.zh);
        story.teller.more(&explanation.en);
    }
}

/// "I never left": looked into, upheld, clear (R6, R24).
async fn dispute(
    story: &Story,
    stage: &Stage,
    known: &Known<'_>,
    verdict: &Verdict,
    time: DateTime<Utc>,
) -> anyhow::Result<Handed> {
    let id = &known.case;
    let disputed = ScreeningServiceClient::new(stage.workers[0].at(time + TimeDelta::minutes(5)))
        .dispute_case(DisputeCaseRequest {
            request_id: story.ids.of(format_args!("dispute:{}", bare(id))),
            case: id.clone(),
            statement: "我七十二岁，一直在家，没有去过那里".into(),
            author: StatementAuthor::Person.into(),
            ..Default::default()
        })
        .await
        .context("disputing")?
        .into_inner();
    let due = disputed.dispute_due.as_ref().and_then(chassis::instant).context("a dispute has a due time")?;
    let due = due.with_timezone(&chassis::CALENDAR).format("%m-%d %H:%M");
    story.teller.more(format_args!("申诉 she disputes it; an answer is due by {due}"));
    let visits = verdict.reasons.as_ref().map(|reasons| reasons.visits.clone()).unwrap_or_default();
    let wrong = (0..).zip(&visits).filter(|(_, judged)| judged.visit.as_ref().is_some_and(|v| v.place != "宁波"));
    let resolved = ScreeningServiceClient::new(stage.director.at(time + TimeDelta::minutes(50)))
        .resolve_dispute(ResolveDisputeRequest {
            request_id: story.ids.of(format_args!("resolve:{}", bare(id))),
            case: id.clone(),
            upheld: true,
            struck_visits: wrong.map(|(index, _)| index).collect(),
            finding: "邻居和门岗记录证明当天在家，基站位于市界".into(),
            proofs: vec![Proof { kind: ProofKind::Register.into(), description: "门岗进出登记".into() }],
            ..Default::default()
        })
        .await
        .context("resolving the dispute")?
        .into_inner();
    let verdict = resolved.verdict.context("a resolved case has a verdict")?;
    ensure!(verdict.outcome() == Outcome::Clear, "an upheld dispute leaves nothing against her");
    story.teller.more("the director looks into it with another person: upheld, the visit is struck, she is clear");
    issue(story, stage, 0, known, time + TimeDelta::minutes(55)).await
}

async fn declare_and_scan(
    story: &Story,
    stage: &Stage,
    desk: usize,
    known: &Known<'_>,
    time: DateTime<Utc>,
) -> anyhow::Result<Case> {
    let mut case = declare(story, stage, desk, known, time).await?;
    for phone in 0..known.person.travels.seen.len() {
        case = scan(story, stage, desk, known, phone, time).await?;
    }
    Ok(case)
}

async fn declare(
    story: &Story,
    stage: &Stage,
    desk: usize,
    known: &Known<'_>,
    time: DateTime<Utc>,
) -> anyhow::Result<Case> {
    let stays = known.person.travels.declared.iter().map(|stay| DeclaredStay {
        place: stay.place.to_owned(),
        from: stay.from.to_string(),
        to: stay.to.to_string(),
    });
    let declaration = Declaration {
        people: i32::try_from(known.home.people.len())?,
        occupation: "务工".into(),
        arrival: known.person.travels.declared.iter().map(|stay| stay.to).max().unwrap_or(day(1, 1)).to_string(),
        origin: known.person.travels.declared.first().map_or("宁波", |stay| stay.place).into(),
        stays: stays.collect(),
        transport: "火车".into(),
        contact_with_cases: "无".into(),
        health: "良好".into(),
        measures: "口罩".into(),
        close_contacts: "家人".into(),
        free_text: String::new(),
    };
    let request_id = story.ids.of(format_args!("declare:{}", bare(&known.case)));
    Ok(ScreeningServiceClient::new(stage.workers[desk].at(time))
        .declare(DeclareRequest { request_id, case: known.case.clone(), declaration: Some(declaration) })
        .await
        .context("declaring")?
        .into_inner())
}

async fn scan(
    story: &Story,
    stage: &Stage,
    desk: usize,
    known: &Known<'_>,
    phone: usize,
    time: DateTime<Utc>,
) -> anyhow::Result<Case> {
    let today = chassis::day_of(time);
    let visit = |stay: &Stay| Visit {
        place: stay.place.to_owned(),
        first: stay.from.to_string(),
        last: stay.to.min(today).to_string(),
        hours: None,
    };
    let sources = [Source::Mobile, Source::Unicom, Source::Telecom];
    let request = RecordItineraryRequest {
        request_id: story.ids.of(format_args!("scan{phone}:{}", bare(&known.case))),
        case: known.case.clone(),
        source: sources[(known.home.room + phone) % 3].into(),
        phone: i32::try_from(phone)? + 1,
        window_from: day(1, 1).to_string(),
        window_to: today.to_string(),
        itinerary: Some(Itinerary { visits: known.person.travels.seen[phone].iter().map(visit).collect() }),
    };
    Ok(ScreeningServiceClient::new(stage.workers[desk].at(time + TimeDelta::minutes(3)))
        .record_itinerary(request)
        .await
        .context("recording an itinerary")?
        .into_inner())
}

pub(super) async fn issue(
    story: &Story,
    stage: &Stage,
    desk: usize,
    known: &Known<'_>,
    time: DateTime<Utc>,
) -> anyhow::Result<Handed> {
    let pass: Pass = PassServiceClient::new(stage.workers[desk].at(time + TimeDelta::minutes(5)))
        .issue_pass(IssuePassRequest {
            request_id: story.ids.of(format_args!("pass:{}", bare(&known.resident))),
            resident: known.resident.clone(),
            surname: known.person.name.chars().take(1).collect(),
            kind: 0,
            access: 0,
        })
        .await?
        .into_inner();
    let resident = known.resident.clone();
    Ok(Handed { resident, compound: known.home.compound, part: known.home.part, code: pass.code })
}

/// What a refusal says, in both languages.
pub(super) fn spoken(error: &anyhow::Error) -> String {
    error.downcast_ref::<tonic::Status>().map_or_else(
        || format!("{error:#}"),
        |status| {
            let spoken = Spoken::from(status);
            format!("{} / {}", spoken.zh, spoken.en)
        },
    )
}

/// The id behind "residents/{id}".
pub(super) fn bare(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
