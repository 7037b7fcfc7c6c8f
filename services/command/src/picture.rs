//! The picture of all neighbourhoods, in memory: folded from the logs at the start and followed from then on. It can be asked for
//! now and for any past minute, and made anew while it is shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use chassis::{Memory, Parked, Record};
use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    UnreadableFact,
    command::v1::{Figures, IsolationDay, JudgedBy, TouchAges, UnitFigures},
};

use crate::{
    LOGS,
    book::{Act, Minute, Of, Place, day},
    figures::{self, ByNeighbourhood, Which},
    fold::{Fold, person::SUBDISTRICT},
};

#[derive(Default)]
pub struct Picture(RwLock<State>);

#[derive(Default)]
struct State {
    fold: Fold,
    positions: BTreeMap<String, u64>,
    aside: Aside,
    /// What came while another fold is being made.
    meanwhile: Option<Vec<Arc<Record>>>,
}

/// Streams with a record that could not be read, and which records were passed over, by log.
#[derive(Default)]
struct Aside {
    streams: BTreeSet<(String, String, String)>,
    records: BTreeMap<String, Vec<Parked>>,
}

/// What is shown of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    pub figures: ByNeighbourhood,
    pub names: BTreeMap<String, String>,
    pub isolation_days: BTreeMap<String, Vec<IsolationDay>>,
    pub touches: BTreeMap<String, TouchAges>,
    pub judged_by: BTreeMap<String, Vec<JudgedBy>>,
    pub units: Vec<UnitFigures>,
    pub positions: BTreeMap<String, u64>,
    /// The method's version; empty before there was one.
    pub method: String,
    pub time: DateTime<Utc>,
    pub set_aside: u64,
}

/// Which moment is looked at.
#[derive(Clone, Copy)]
struct View {
    minute: Minute,
    /// By what was known then, or by all that is known.
    past: bool,
    time: DateTime<Utc>,
}

impl Picture {
    /// All that is known, at this time or at the latest that a record tells of.
    pub fn live(&self, now: DateTime<Utc>) -> Shown {
        let state = self.read();
        let time = now.max(state.fold.latest);
        state.show(View { minute: Minute::from(time), past: false, time })
    }

    /// What was known at a past minute.
    pub fn as_of(&self, time: DateTime<Utc>) -> Shown {
        self.read().show(View { minute: Minute::within(time), past: true, time })
    }

    /// What was known by the end of a past minute: a day's figures until its last second.
    pub fn by_the_end_of(&self, time: DateTime<Utc>) -> Shown {
        self.read().show(View { minute: Minute::from(time), past: true, time })
    }

    /// One figure at several past moments, of one neighbourhood or of all.
    pub fn series(
        &self,
        figure: &figures::Figure,
        which: Which,
        place: Option<&str>,
        times: &[DateTime<Utc>],
    ) -> Vec<i64> {
        let state = self.read();
        let places: Vec<Place> = match place {
            Some(id) => state.fold.places.find(id).into_iter().collect(),
            None => state.fold.neighbourhoods.keys().copied().collect(),
        };
        let value = |time: &DateTime<Utc>| {
            let view = View { minute: Minute::within(*time), past: true, time: *time };
            places.iter().map(|place| value(&state.fold, *place, figure, which, view)).sum()
        };
        times.iter().map(value).collect()
    }

    /// Who or what a figure counts in a neighbourhood; `None` where no list stands behind it.
    pub fn counted(&self, which: Which, neighbourhood: &str, now: DateTime<Utc>) -> Option<Vec<String>> {
        let state = self.read();
        let place = state.fold.places.find(neighbourhood).unwrap_or(SUBDISTRICT);
        state.fold.counted(which, place, Minute::from(now.max(state.fold.latest)))
    }

    /// What is in stock and has not expired, and what open needs ask for: neighbourhood, item, unit, stock, needed.
    pub fn supplies(&self, now: DateTime<Utc>) -> Vec<(String, String, i32, i64, i64)> {
        let state = self.read();
        let now = Minute::from(now.max(state.fold.latest));
        let line = |((place, item, unit), supply): (&crate::fold::care::Item, &crate::fold::care::Supply)| {
            let neighbourhood = state.fold.places.name(*place).to_owned();
            (neighbourhood, item.clone(), *unit, supply.stock(now), supply.needed)
        };
        let mut lines: Vec<_> = state.fold.supplies().map(line).collect();
        lines.sort();
        lines
    }

    /// The latest time that any record tells of.
    pub fn latest(&self) -> DateTime<Utc> {
        self.read().fold.latest
    }

    /// Whether there is such a neighbourhood.
    pub fn knows(&self, neighbourhood: &str) -> bool {
        let state = self.read();
        state.fold.places.find(neighbourhood).is_some_and(|place| state.fold.neighbourhoods.contains_key(&place))
    }

    pub fn positions(&self) -> BTreeMap<String, u64> {
        self.read().positions.clone()
    }

    /// From here on what comes is kept for another fold, too, which begins at nothing. Answers with where it begins to be kept.
    pub fn begin_rebuilding(&self) -> BTreeMap<String, u64> {
        let mut state = self.write();
        state.meanwhile = Some(Vec::new());
        state.positions.clone()
    }

    /// Takes the other fold, with what has come meanwhile, in the place of what is shown; `false` where everything has begun anew
    /// since.
    pub fn replace_by(&self, other: &Self) -> bool {
        let mut state = self.write();
        let Some(meanwhile) = state.meanwhile.take() else { return false };
        let mut other = std::mem::take(&mut *other.write());
        for record in &meanwhile {
            other.take(record);
        }
        *state = other;
        true
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory for Picture {
    fn sources(&self) -> &'static [&'static str] {
        &LOGS
    }

    fn take(&self, record: &Arc<Record>) -> anyhow::Result<()> {
        let mut state = self.write();
        state.take(record);
        if let Some(meanwhile) = &mut state.meanwhile {
            meanwhile.push(Arc::clone(record));
        }
        Ok(())
    }

    fn forget(&self) {
        *self.write() = State::default();
    }

    fn laid_aside(&self, source: &str) -> u64 {
        self.read().aside.records.get(source).map_or(0, |records| records.len() as u64)
    }

    fn parked(&self, source: &str, most: usize) -> Vec<Parked> {
        self.read()
            .aside
            .records
            .get(source)
            .map(|records| records.iter().take(most).cloned().collect())
            .unwrap_or_default()
    }
}

impl State {
    /// Whatever cannot be read is laid aside with the later records of its stream: they may rest on it.
    fn take(&mut self, record: &Record) {
        self.positions.insert(record.log.clone(), record.position);
        let stream = || (record.log.clone(), record.category.clone(), record.stream_id.clone());
        let error = if !self.aside.streams.is_empty() && self.aside.streams.contains(&stream()) {
            "an earlier record of this stream is laid aside".to_owned()
        } else {
            match self.fold.take(record) {
                // What a newer version says about something else changes nothing here.
                Ok(()) | Err(UnreadableFact::Unknown(_)) => return,
                Err(error @ UnreadableFact::Garbled(_)) => {
                    let (log, position) = (&record.log, record.position);
                    tracing::error!(%error, log, position, "a record cannot be read and is laid aside with its stream");
                    self.aside.streams.insert(stream());
                    error.to_string()
                }
            }
        };
        self.aside.records.entry(record.log.clone()).or_default().push(Parked {
            position: record.position,
            stream: format!("{}/{}", record.category, record.stream_id),
            event_type: record.r#type.clone(),
            error,
        });
    }

    fn show(&self, view: View) -> Shown {
        let mut shown = Shown {
            positions: self.positions.clone(),
            method: self
                .fold
                .methods
                .in_force(view.time, if view.past { view.minute } else { Minute::NEVER })
                .to_owned(),
            time: view.time,
            set_aside: self.aside.records.values().map(|records| records.len() as u64).sum(),
            ..Shown::default()
        };
        for (place, name) in &self.fold.neighbourhoods {
            let id = self.fold.places.name(*place);
            shown.figures.insert(id.to_owned(), of_place(&self.fold, *place, view));
            shown.names.insert(id.to_owned(), name.clone());
        }
        self.show_parts(view, &mut shown);
        shown
    }

    /// What is counted by day, by age, by version and by unit.
    fn show_parts(&self, view: View, shown: &mut Shown) {
        let today = chassis::day_of(view.time);
        let mut units: BTreeMap<u32, UnitFigures> = BTreeMap::new();
        for (place, of) in self.fold.book.counted() {
            if matches!(of, Of::Figure(_) | Of::Day(..)) {
                continue;
            }
            let count = count(&self.fold, place, of, view);
            if count == 0 {
                continue;
            }
            let id = self.fold.places.name(place).to_owned();
            match of {
                Of::Figure(_) | Of::Day(..) => {}
                Of::Isolation(kind, began) => {
                    let day = i32::try_from(i64::from(day(today)) - i64::from(began) + 1).unwrap_or(i32::MAX);
                    let line = IsolationDay { kind, day, persons: count };
                    shown.isolation_days.entry(id).or_default().push(line);
                }
                Of::Touched(on) => touch(shown.touches.entry(id).or_default(), on, today, count),
                Of::JudgedBy(number) => {
                    let method = format!("methods/{}", self.fold.methods.names.name(number));
                    shown.judged_by.entry(id).or_default().push(JudgedBy { method, persons: count });
                }
                Of::ByHand(act, number) => {
                    let unit = units.entry(number).or_default();
                    self.fold.units.name(number).clone_into(&mut unit.unit);
                    match act {
                        Act::Verdict => unit.manual_verdicts = count,
                        Act::Override => unit.overrides_in_force = count,
                        Act::Proposal => unit.overrides_proposed = count,
                    }
                }
            }
        }
        shown.isolation_days.values_mut().for_each(|days| days.sort_by_key(|line| (line.kind, line.day)));
        shown.judged_by.values_mut().for_each(|by| by.sort_by(|one, other| one.method.cmp(&other.method)));
        shown.units = units.into_values().collect();
        shown.units.sort_by(|one, other| one.unit.cmp(&other.unit));
    }
}

fn of_place(fold: &Fold, place: Place, view: View) -> Figures {
    let mut of_place = Figures::default();
    for (figure, which) in figures::ALL.iter().zip(figures::WHICH) {
        *figure.of(&mut of_place) = value(fold, place, figure, *which, view);
    }
    of_place
}

fn value(fold: &Fold, place: Place, figure: &figures::Figure, which: Which, view: View) -> i64 {
    let of = if figure.of_the_day { Of::Day(which, day(chassis::day_of(view.time))) } else { Of::Figure(which) };
    count(fold, place, of, view)
}

fn count(fold: &Fold, place: Place, of: Of, view: View) -> i64 {
    if view.past { fold.book.as_of(place, of, view.minute) } else { fold.book.now(place, of, view.minute) }
}

/// Days between the ages that are told apart.
fn touch(ages: &mut TouchAges, on: u32, today: NaiveDate, households: i64) {
    let days = i32::try_from(i64::from(day(today)) - i64::from(on)).unwrap_or(i32::MAX).max(0);
    *match days {
        0..=1 => &mut ages.within_a_day,
        2..=3 => &mut ages.within_three_days,
        4..=7 => &mut ages.within_a_week,
        8..=14 => &mut ages.within_two_weeks,
        _ => &mut ages.older,
    } += households;
    ages.oldest_days = ages.oldest_days.max(days);
}
