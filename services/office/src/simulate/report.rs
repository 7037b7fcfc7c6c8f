//! Truth against verdicts: what was concealed and found, who was held for a carrier's mistake and for how long.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use proto::screening::v1::{Measure, MethodContent, Outcome};
use serde::Serialize;

use super::{
    files::File,
    learning,
    publishing::{in_force, in_key_area},
    run::Run,
    travels::{Stay, Travels},
};

/// How things stand under one method.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Column {
    /// methods/{version}
    pub method: String,
    pub screened: usize,
    pub clear: usize,
    pub declared_key_area: usize,
    pub concealed: usize,
    pub undeclared: usize,
    /// Every other outcome: a person decides.
    pub to_ask: usize,
    /// Of those, for whom no carrier had data (R4).
    pub without_data: usize,
    /// Who has a pass and is not kept in.
    pub passes: usize,
    /// Under an order, at home or elsewhere, and who was released.
    pub isolated: usize,
    pub released: usize,
    pub concealments: Concealments,
    pub wronged: Wronged,
}

/// Of those screened, who left a place out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Concealments {
    pub people: usize,
    /// The place is a key area of this method, and the verdict says that they concealed it.
    pub in_key_areas: usize,
    pub caught: usize,
    /// Not found in time: nobody had data; the carrier's window begins later; something else is asked about.
    pub missed_no_data: usize,
    pub missed_window: usize,
    pub missed_otherwise: usize,
    /// The place is not in this method: they are asked again, or nobody has seen it.
    pub not_in_method: usize,
    pub asked: usize,
    pub not_seen: usize,
}

/// Whom a carrier or a mast has shown where they were not, and nothing else speaks against.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Wronged {
    pub people: usize,
    /// Isolated for it, or without a pass until somebody asked.
    pub isolated: usize,
    pub asked: usize,
    pub disputed: usize,
    pub upheld: usize,
    pub held_now: usize,
    /// From the verdict until the dispute was upheld.
    pub hours_median: f64,
    pub hours_longest: f64,
}

/// What a verdict says now.
type Verdicts = HashMap<u32, (Outcome, Measure)>;

/// How things stand. `listed`: verdicts as the server has them; none: as they were answered.
pub(super) async fn column(run: &Run, time: DateTime<Utc>, listed: Option<&Verdicts>) -> anyhow::Result<Column> {
    let (method, content) = in_force(run, time).await?;
    let mut column = Column { method, ..Column::default() };
    let mut hours = Vec::new();
    for (person, file) in run.files().iter() {
        let Some(first) = file.verdicts.first() else { continue };
        let told = file.verdicts.last().map(|told| (told.outcome, told.measure));
        let Some((outcome, measure)) = listed.map_or(told, |listed| listed.get(person).copied()) else { continue };
        let travels = run.world.travels(*person, chassis::day_of(first.time));
        column.count(outcome, file);
        if let Some(hidden) = travels.concealed {
            column.concealments.count(outcome, &hidden, &travels, &content);
        }
        if travels.wronged() {
            column.wronged.count(file, measure);
            let heard = file.upheld.filter(|_| first.measure != Measure::None);
            hours.extend(heard.map(|heard| (heard - first.time).num_minutes()));
        }
    }
    hours.sort_unstable();
    let hour = |minutes: Option<&i64>| {
        minutes.map_or(0.0, |minutes| (f64::from(u32::try_from(*minutes).unwrap_or(0)) / 6.0).round() / 10.0)
    };
    column.wronged.hours_median = hour(hours.get(hours.len().saturating_sub(1) / 2));
    column.wronged.hours_longest = hour(hours.last());
    Ok(column)
}

/// As the server has it.
pub(super) async fn last_column(run: &Run, time: DateTime<Utc>) -> anyhow::Result<Column> {
    let mut listed = Verdicts::new();
    for compound in 0..run.world.compounds.len() {
        for case in learning::cases(&run.world, &run.stage, compound, time).await? {
            let (Some(person), Some(verdict)) = (run.of_case.get(&case.name), &case.verdict) else { continue };
            listed.insert(*person, (verdict.outcome(), verdict.measure()));
        }
    }
    column(run, time, Some(&listed)).await
}

impl Column {
    fn count(&mut self, outcome: Outcome, file: &File) {
        self.screened += 1;
        match outcome {
            Outcome::Clear => self.clear += 1,
            Outcome::DeclaredKeyArea => self.declared_key_area += 1,
            Outcome::ConcealedKeyArea => self.concealed += 1,
            Outcome::UndeclaredElsewhere => self.undeclared += 1,
            _ => self.to_ask += 1,
        }
        self.without_data += usize::from(outcome == Outcome::InsufficientEvidence);
        self.passes += usize::from(file.pass.is_some() && !file.kept_in);
        self.isolated += usize::from(file.isolated());
        self.released += usize::from(file.released.is_some());
    }
}

impl Concealments {
    fn count(&mut self, outcome: Outcome, hidden: &Stay, travels: &Travels, content: &MethodContent) {
        self.people += 1;
        let seen = |stay: &Stay| stay.place == hidden.place;
        let seen = travels.scans.iter().filter_map(|scan| scan.visits.as_ref()).flatten().any(seen);
        if in_key_area(content, hidden) {
            self.in_key_areas += 1;
            *match outcome {
                Outcome::ConcealedKeyArea | Outcome::DeclaredKeyArea => &mut self.caught,
                Outcome::InsufficientEvidence => &mut self.missed_no_data,
                _ if !seen => &mut self.missed_window,
                _ => &mut self.missed_otherwise,
            } += 1;
        } else {
            self.not_in_method += 1;
            *if outcome == Outcome::Clear { &mut self.not_seen } else { &mut self.asked } += 1;
        }
    }
}

impl Wronged {
    fn count(&mut self, file: &File, now: Measure) {
        self.people += 1;
        match file.verdicts.first().map(|told| told.measure) {
            Some(Measure::Home | Measure::Central) => self.isolated += 1,
            Some(Measure::Ask | Measure::Watch) => self.asked += 1,
            _ => {}
        }
        self.disputed += usize::from(file.disputed.is_some());
        self.upheld += usize::from(file.upheld.is_some());
        self.held_now += usize::from(matches!(now, Measure::Home | Measure::Central | Measure::Ask));
    }
}
