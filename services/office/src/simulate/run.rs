//! The days go by: what is to happen is put on an agenda by its time, and hour by hour all of it is done side by side. What comes
//! of it puts more on the agenda: a wrong verdict is disputed, a dispute is answered.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tokio::{task::JoinSet, time::Instant};

use super::{
    Telling,
    day::{self, Streets},
    deeds::Deed,
    files::File,
    learning::Known,
    meter::Meter,
    stage::Stage,
    world::World,
};
use crate::cast::{Ids, at};

/// A subdistrict with everything that is known about it.
pub(super) struct Run {
    pub(super) world: World,
    pub(super) stage: Stage,
    pub(super) ids: Ids,
    pub(super) meter: Meter,
    pub(super) known: Vec<Known>,
    /// Who has which case.
    pub(super) of_case: HashMap<String, u32>,
    files: Mutex<HashMap<u32, File>>,
    /// volunteers/{volunteer}, by neighbourhood.
    pub(super) volunteers: Mutex<Vec<Vec<String>>>,
    /// What computers at gates have recorded and not handed over, by gate.
    pub(super) queues: Mutex<HashMap<usize, Vec<proto::pass::v1::GateCrossing>>>,
}

/// What is to be done when.
#[derive(Default)]
pub(super) struct Agenda(BTreeMap<DateTime<Utc>, Vec<Deed>>);

/// How fast time goes by, and how much happens at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Simulated seconds in a second; none: as fast as it goes.
    pub factor: Option<f64>,
    /// Deeds under way at once.
    pub at_once: usize,
}

/// How long the services may take to come to rest.
pub(super) const PATIENCE: Duration = Duration::from_mins(20);

impl Run {
    pub(super) fn new(world: World, stage: Stage, ids: Ids, meter: Meter, known: Vec<Known>) -> Self {
        let of_case = (0..).zip(&known).map(|(person, known)| (known.case.clone(), person)).collect();
        let volunteers = Mutex::new(vec![Vec::new(); world.neighbourhoods.len()]);
        let (files, queues) = (Mutex::default(), Mutex::default());
        Self { world, stage, ids, meter, known, of_case, files, volunteers, queues }
    }

    pub(super) fn files(&self) -> MutexGuard<'_, HashMap<u32, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where people of a compound who have a pass and are not kept in may cross.
    pub(super) fn holders(&self) -> Vec<Vec<u32>> {
        let mut holders = vec![Vec::new(); self.world.compounds.len()];
        for (person, file) in self.files().iter() {
            if file.pass.is_some() && !file.kept_in {
                holders[self.world.compound_of(*person)].push(*person);
            }
        }
        // In an order that says nothing about who was answered first.
        for here in &mut holders {
            here.sort_unstable();
        }
        holders
    }

    pub(super) async fn settled(&self) -> anyhow::Result<()> {
        self.stage.casting.settled(PATIENCE).await
    }
}

impl Agenda {
    pub(super) fn put(&mut self, time: DateTime<Utc>, deed: Deed) {
        self.0.entry(time).or_default().push(deed);
    }

    /// All before a time, in the order of their times.
    fn until(&mut self, end: DateTime<Utc>) -> Vec<(DateTime<Utc>, Deed)> {
        let later = self.0.split_off(&end);
        let now = std::mem::replace(&mut self.0, later);
        now.into_iter().flat_map(|(time, deeds)| deeds.into_iter().map(move |deed| (time, deed))).collect()
    }

    fn len_until(&self, end: DateTime<Utc>) -> usize {
        self.0.range(..end).map(|(_, deeds)| deeds.len()).sum()
    }
}

/// Everything before a time. What it leads to within that time is done too.
pub(super) async fn through(
    run: &Arc<Run>,
    agenda: &mut Agenda,
    end: DateTime<Utc>,
    (pace, telling): (Pace, &Telling),
) -> anyhow::Result<()> {
    loop {
        let now = agenda.until(end);
        if now.is_empty() {
            return Ok(());
        }
        let mut under_way: JoinSet<Vec<(DateTime<Utc>, Deed)>> = JoinSet::new();
        for (time, deed) in now {
            while under_way.len() >= pace.at_once.max(1) {
                follow(&mut under_way, agenda, telling).await?;
            }
            let run = Arc::clone(run);
            under_way.spawn(async move { deed.done(&run, time).await });
        }
        while !under_way.is_empty() {
            follow(&mut under_way, agenda, telling).await?;
        }
    }
}

async fn follow(
    under_way: &mut JoinSet<Vec<(DateTime<Utc>, Deed)>>,
    agenda: &mut Agenda,
    telling: &Telling,
) -> anyhow::Result<()> {
    if let Some(done) = under_way.join_next().await {
        for (time, deed) in done.context("a deed came to no end")? {
            agenda.put(time, deed);
        }
        telling.done();
    }
    Ok(())
}

/// Who was there before the first day: screened in two days, with the method.
pub(super) async fn first_wave(
    run: &Arc<Run>,
    agenda: &mut Agenda,
    pace: Pace,
    telling: &Telling,
) -> anyhow::Result<()> {
    let wave = run.world.first_wave();
    let (first, second) = wave.split_at(wave.len() / 2);
    let eve = super::founding::method_day();
    for (people, date) in [(first, eve), (second, eve.succ_opt().context("a day after")?)] {
        for (index, person) in people.iter().enumerate() {
            agenda.put(day::turn(date, index, people.len()), Deed::Screen { person: *person });
        }
        let end = at(date, 23, 30);
        telling.expect(agenda.len_until(end));
        telling.step(&format!("{date} screening who is there"));
        let pace = Pace { factor: None, ..pace };
        through(run, agenda, end, (pace, telling)).await?;
        run.settled().await?;
        run.find_orders(at(date, 23, 30)).await?;
        run.due_readings(agenda, at(date, 23, 31));
        through(run, agenda, at(date, 23, 50), (pace, telling)).await?;
    }
    run.enrol_volunteers(at(eve.succ_opt().context("a day after")?, 23, 55)).await
}

/// One day from midnight to midnight. `noon`: what happens besides at twelve.
pub(super) async fn one_day(
    run: &Arc<Run>,
    agenda: &mut Agenda,
    streets: &mut Streets,
    (date, number): (NaiveDate, u32),
    (pace, telling): (Pace, &Telling),
    noon: Option<&super::Publication>,
) -> anyhow::Result<Option<super::report::Column>> {
    plan(run, agenda, streets, date, number);
    let midnight = at(date, 0, 0);
    telling.expect(agenda.len_until(midnight + TimeDelta::days(1)));
    let begun = Instant::now();
    let mut before = None;
    for hour in 0..24 {
        let begins = midnight + TimeDelta::hours(hour);
        if let Some(factor) = pace.factor.filter(|factor| *factor > 0.0) {
            let until = Duration::from_secs(u64::try_from(hour)? * 3_600).div_f64(factor);
            tokio::time::sleep_until(begun + until).await;
        }
        telling.step(&format!("{date} {hour:02}:00"));
        match hour {
            8 | 17 | 20 => {
                run.settled().await?;
                run.find_orders(begins).await?;
                if hour == 20 {
                    run.due_hand_overs(agenda, begins);
                } else {
                    run.due_readings(agenda, begins);
                }
            }
            9 => run.due_releases(agenda, begins),
            12 => {
                if let Some(publication) = noon {
                    before = Some(super::publishing::publish(run, publication, begins).await?);
                }
            }
            _ => {}
        }
        through(run, agenda, begins + TimeDelta::hours(1), (pace, telling)).await?;
    }
    Ok(before)
}

/// What is known of a day before it begins.
fn plan(run: &Run, agenda: &mut Agenda, streets: &mut Streets, date: NaiveDate, number: u32) {
    let world = &run.world;
    let back = world.back_on(number);
    for (index, person) in back.iter().enumerate() {
        agenda.put(day::turn(date, index, back.len()), Deed::Screen { person: *person });
    }
    for (index, need) in world.needs(date, number).into_iter().enumerate() {
        agenda.put(need.asked, Deed::Ask { need, id: format!("{number}:{index}") });
    }
    for (index, gift) in world.gifts(date, number).into_iter().enumerate() {
        agenda.put(gift.time, Deed::Give { gift, id: format!("{number}:{index}") });
    }
    for compound in 0..world.compounds.len() {
        agenda.put(at(date, 7, 0), Deed::Disinfect { compound, day: number });
    }
    agenda.put(at(date, 6, 0), Deed::Absent { compound: number as usize % world.compounds.len(), date });
    streets.holders = run.holders();
    let mut by_hour: BTreeMap<(DateTime<Utc>, usize), Vec<day::Passage>> = BTreeMap::new();
    for passage in world.crossings(date, number, streets) {
        let hour = passage.time - TimeDelta::seconds((passage.time - at(date, 0, 0)).num_seconds() % 3_600);
        by_hour.entry((hour, passage.gate)).or_default().push(passage);
    }
    let mut counted: HashMap<usize, u64> = HashMap::new();
    for ((hour, gate), passages) in by_hour {
        let first = counted.entry(gate).or_insert(0);
        let count = passages.len() as u64;
        agenda.put(hour, Deed::Cross { gate, passages, first: *first, day: number });
        *first += count;
    }
}
