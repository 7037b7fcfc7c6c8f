//! A subdistrict of people who were screened, are clear and hold a pass: put straight into the logs, since the way through
//! the desks would take hours.

use anyhow::Context as _;
use chassis::{
    Clock, Vault,
    event_log::{Append, EventLog, Expected, NewEvent, Write},
};
use chrono::{Days, NaiveDate};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    Fact,
    pass::v1::holder_event::{self, Issued, Qualified},
    registry::v1::Residence,
    screening::v1::{
        Declaration, DeclaredStay, Itinerary, Outcome, Source, Visit,
        case_event::{self, Assessed, Declared, EvidenceRecorded, Opened},
    },
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use screening::{
    domain::case::first_case_of,
    messages,
    method_file::sample,
    verdict::{Judgement, Person, Rules, judge},
};

/// People per append: a commit takes 1,024 events.
const TOGETHER: usize = 200;
/// Appends under way at once.
const SIDE_BY_SIDE: usize = 8;
/// Of the subdistrict (DOMAIN section 6).
const COMPOUNDS: usize = 80;
const NEIGHBOURHOODS: usize = 25;

/// Where nobody minds, under the shipped method.
const HARMLESS: [&str; 10] = ["杭州", "绍兴", "上海", "嘉兴", "金华", "合肥", "芜湖", "成都", "长沙", "南昌"];

/// `logs`: of screening and of pass. One in `one_in` was in 台州 for three days of February, and has said so.
pub(super) async fn fill(
    (screening, pass): (&dyn EventLog, &dyn EventLog),
    vault: &Vault,
    people: usize,
    one_in: usize,
) -> anyhow::Result<()> {
    let rules = &sample().rules(None).context("reading the shipped method")?;
    let together = |first: usize| first..people.min(first + TOGETHER);
    stream::iter((0..people).step_by(TOGETHER))
        .map(Ok)
        .try_for_each_concurrent(SIDE_BY_SIDE, |first| async move {
            pass.append(append(together(first).map(holder).collect())).await?;
            anyhow::Ok(())
        })
        .await?;
    stream::iter((0..people).step_by(TOGETHER))
        .map(Ok)
        .try_for_each_concurrent(SIDE_BY_SIDE, |first| async move {
            let cases = stream::iter(together(first)).map(|number| case(vault, rules, number, number % one_in == 0));
            let writes: Vec<Write> = cases.buffer_unordered(TOGETHER).try_collect().await?;
            screening.append(append(writes)).await?;
            anyhow::Ok(())
        })
        .await
}

fn resident(number: usize) -> String {
    format!("resident-{number:016}")
}

fn residence(number: usize) -> Residence {
    let compound = number % COMPOUNDS;
    Residence {
        neighbourhood_id: format!("n{}", compound % NEIGHBOURHOODS),
        compound_id: format!("c{compound}"),
        household_id: format!("h{}", number / 3),
    }
}

async fn case(vault: &Vault, rules: &Rules, number: usize, touched: bool) -> anyhow::Result<Write> {
    let resident_id = resident(number);
    let (declaration, itinerary) = travels(number, touched)?;
    let evidence = EvidenceRecorded {
        evidence_id: format!("evidence-{number:016}"),
        source: Source::Mobile.into(),
        phone: 1,
        window_from: "2020-01-01".into(),
        window_to: "2020-02-10".into(),
        itinerary: Some(vault.seal(&resident_id, &itinerary).await?),
        by: "staff/worker".into(),
        ..EvidenceRecorded::default()
    };
    let scan = messages::scan(&evidence, Some(&itinerary), &[])?;
    let as_of = NaiveDate::from_ymd_opt(2020, 2, 11).context("a day of February")?;
    let person = Person { as_of, phones: 1, stays: messages::stays(&declaration)?, scans: vec![scan] };
    let judgement: Judgement = judge(&person, rules);
    anyhow::ensure!(judgement.outcome == Outcome::Clear, "the shipped method has nothing against anybody here");
    let evidence_ids = vec![evidence.evidence_id.clone()];
    let reasons = messages::reasons(&judgement, &evidence_ids, &person.scans);
    let assessed = Assessed {
        resident_id: resident_id.clone(),
        residence: Some(residence(number)),
        outcome: judgement.outcome.into(),
        risk: judgement.risk.into(),
        honesty: judgement.honesty.into(),
        measure: judgement.measure.into(),
        method_version: "sample".into(),
        evidence_ids,
        reasons: Some(vault.seal(&resident_id, &reasons).await?),
        as_of: as_of.to_string(),
        ..Assessed::default()
    };
    let opened = Opened {
        resident_id: resident_id.clone(),
        residence: Some(residence(number)),
        phones: 1,
        occasion: "registered".into(),
    };
    let declared = Declared { declaration: Some(vault.seal(&resident_id, &declaration).await?) };
    let events = [
        case_event::Event::Opened(opened),
        case_event::Event::Declared(declared),
        case_event::Event::EvidenceRecorded(evidence),
        case_event::Event::Assessed(assessed),
    ];
    Ok(write(&first_case_of(&resident_id), number, &events))
}

/// At home, and in up to four cities that they have told of.
fn travels(number: usize, touched: bool) -> anyhow::Result<(Declaration, Itinerary)> {
    let mut random = StdRng::seed_from_u64(number as u64);
    let day = |number: u64| {
        let first = NaiveDate::from_ymd_opt(2020, 1, 1).and_then(|first| first.checked_add_days(Days::new(number)));
        first.map(|day| day.to_string()).context("a day of 2020")
    };
    let mut away: Vec<(&str, u64, u64)> = Vec::new();
    for _ in 0..random.random_range(0..4) {
        let first = random.random_range(0..33);
        away.push((HARMLESS[random.random_range(0..HARMLESS.len())], first, first + 2));
    }
    if touched {
        away.push(("台州", 37, 39));
    }
    let mut declaration = Declaration { people: 2, health: "良好".into(), ..Declaration::default() };
    let home = Visit { place: "宁波".into(), first: day(0)?, last: day(40)?, hours: None };
    let mut itinerary = Itinerary { visits: vec![home] };
    for (place, first, last) in away {
        let (first, last) = (day(first)?, day(last)?);
        declaration.stays.push(DeclaredStay { place: place.into(), from: first.clone(), to: last.clone() });
        itinerary.visits.push(Visit { place: place.into(), first, last, hours: Some(8) });
    }
    Ok((declaration, itinerary))
}

fn holder(number: usize) -> Write {
    let resident_id = resident(number);
    let by = format!("cases/{}", first_case_of(&resident_id));
    let time = |text: &str| Some(chassis::timestamp(tests::time(text)));
    let events = [
        holder_event::Event::Qualified(Qualified { by: by.clone(), residence: Some(residence(number)) }),
        holder_event::Event::Issued(Issued {
            number: format!("{number:012}"),
            status_index: u32::try_from(number).unwrap_or(u32::MAX),
            by,
            issued: time("2020-02-11T08:00:00+08:00"),
            expires: time("2020-02-25T08:00:00+08:00"),
            residence: Some(residence(number)),
            key_id: 1,
            ..Issued::default()
        }),
    ];
    write(&resident_id, number, &events)
}

fn write<E: Fact>(stream_id: &str, number: usize, events: &[E]) -> Write {
    let new = |event: &E| NewEvent { event_type: event.type_name(), schema_version: 1, payload: event.to_payload() };
    Write {
        category: E::CATEGORY,
        stream_id: stream_id.to_owned(),
        expected: Expected::Version(0),
        office: residence(number).neighbourhood_id,
        subject_id: resident(number),
        events: events.iter().map(new).collect(),
    }
}

fn append(writes: Vec<Write>) -> Append {
    let clock = Clock::system();
    Append {
        command_id: clock.id().to_string(),
        fingerprint: [7; 32],
        reply: Vec::new(),
        writes,
        reserve: Vec::new(),
        release: Vec::new(),
        actor: "staff/bench".to_owned(),
        correlation_id: String::new(),
        causation_id: String::new(),
        traceparent: String::new(),
        occurred_at: tests::time("2020-02-11T08:00:00+08:00"),
    }
}
