//! The comparison itself, on places that are known.

use std::sync::Arc;

use chrono::NaiveDate;
use proto::screening::v1::{Honesty, Level, Mark, Measure, Outcome};

use super::{KeyArea, Rules, Windows};
use crate::places::Code;

/// A declared stay at one of these places.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) codes: Arc<[Code]>,
    pub(crate) from: NaiveDate,
    pub(crate) to: NaiveDate,
}

/// A seen visit at one of these places: a carrier's network may span several.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) codes: Arc<[Code]>,
    pub(crate) first: NaiveDate,
    pub(crate) last: NaiveDate,
    /// Long enough (R2), or the source gives no hours.
    pub(crate) counts: bool,
    /// Out of a paper: it is no network's, and so no border's either.
    pub(crate) paper: bool,
}

/// What one visit shows.
#[expect(clippy::struct_excessive_bools, reason = "each is a mark of its own, and any of them may stand together")]
#[derive(Clone, Default)]
pub(crate) struct Finding {
    pub(crate) counts: bool,
    pub(crate) home: bool,
    pub(crate) key: Option<Key>,
    /// The place may or may not lie in a key area, or be home: the source is too coarse to say.
    pub(crate) possible: bool,
    pub(crate) declared: bool,
    /// Days in a key area that no declaration covers.
    pub(crate) concealed: bool,
    /// Other days that no declaration covers.
    pub(crate) undeclared: bool,
    /// A single day at the neighbour of a declared or home city (R6).
    pub(crate) border: bool,
}

/// A proven stay in a key area within its period.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) level: Level,
    measure: Measure,
    first: NaiveDate,
    last: NaiveDate,
}

/// The comparison of all.
pub(crate) struct Weighed {
    pub(crate) outcome: Outcome,
    pub(crate) risk: Level,
    pub(crate) honesty: Honesty,
    pub(crate) measure: Measure,
    pub(crate) last_exposure: Option<NaiveDate>,
    /// One for each visit, in their order.
    pub(crate) findings: Vec<Finding>,
}

pub(crate) fn weigh(said: &[Said], seen: &[Seen], windows: &Windows, rules: &Rules) -> Weighed {
    let findings: Vec<Finding> = seen.iter().map(|visit| Finding::of(visit, said, rules)).collect();
    let lone = lone_border_visit(&findings, seen);
    let proven = |finding: &&Finding| finding.counts && finding.key.is_some() && !(lone && finding.left_out());
    let keys: Vec<&Finding> = findings.iter().filter(proven).collect();

    let left_out = !lone && findings.iter().any(Finding::left_out);
    let outcome = if keys.iter().any(|finding| finding.concealed) {
        Outcome::ConcealedKeyArea
    } else if !keys.is_empty() {
        Outcome::DeclaredKeyArea
    } else if !windows.suffice {
        Outcome::InsufficientEvidence
    } else if findings.iter().any(|finding| finding.counts && finding.possible && !(lone && finding.left_out())) {
        Outcome::UnresolvedPlace
    } else if lone {
        Outcome::BorderSuspect
    } else if left_out {
        Outcome::UndeclaredElsewhere
    } else if said.iter().any(|stay| stay.was_missed(seen, windows, rules)) {
        Outcome::OverDeclared
    } else {
        Outcome::Clear
    };
    let found: Vec<Key> = keys.iter().filter_map(|finding| finding.key).collect();
    let honesty = match outcome {
        Outcome::DeclaredKeyArea if left_out => Honesty::Undeclared,
        _ => honesty(outcome),
    };
    Weighed {
        outcome,
        risk: risk(outcome, &found),
        honesty,
        measure: measure(outcome, &found),
        last_exposure: found.iter().map(|key| key.last).max(),
        findings,
    }
}

impl Weighed {
    /// No doubt can change it.
    pub(crate) fn proven(&self) -> bool {
        matches!(self.outcome, Outcome::ConcealedKeyArea | Outcome::DeclaredKeyArea)
    }

    /// Whether the answer is a question because the source was too coarse about this visit.
    pub(crate) fn hangs_on(&self, finding: &Finding) -> bool {
        self.outcome == Outcome::UnresolvedPlace && finding.counts && finding.possible
    }

    /// The answer hangs on a name that nobody can place.
    pub(crate) fn unresolved(&mut self) {
        self.outcome = Outcome::UnresolvedPlace;
        self.risk = Level::Unknown;
        self.honesty = Honesty::NotComparable;
        self.measure = Measure::Ask;
    }
}

fn risk(outcome: Outcome, keys: &[Key]) -> Level {
    match outcome {
        Outcome::BorderSuspect | Outcome::InsufficientEvidence | Outcome::UnresolvedPlace => Level::Unknown,
        _ => keys.iter().map(|key| key.level).max().unwrap_or(Level::None),
    }
}

fn honesty(outcome: Outcome) -> Honesty {
    match outcome {
        Outcome::Clear | Outcome::DeclaredKeyArea => Honesty::Consistent,
        Outcome::ConcealedKeyArea => Honesty::Concealed,
        Outcome::UndeclaredElsewhere => Honesty::Undeclared,
        Outcome::OverDeclared => Honesty::OverDeclared,
        Outcome::BorderSuspect
        | Outcome::InsufficientEvidence
        | Outcome::UnresolvedPlace
        | Outcome::Overridden
        | Outcome::Unspecified => Honesty::NotComparable,
    }
}

fn measure(outcome: Outcome, keys: &[Key]) -> Measure {
    match outcome {
        Outcome::Clear => Measure::None,
        Outcome::ConcealedKeyArea | Outcome::DeclaredKeyArea => {
            keys.iter().map(|key| key.measure).max().unwrap_or(Measure::Ask)
        }
        _ => Measure::Ask,
    }
}

/// R6: the only thing undeclared is one visit of a single day next door, however many numbers saw it.
fn lone_border_visit(findings: &[Finding], seen: &[Seen]) -> bool {
    let mut left_out = findings.iter().zip(seen).filter(|(finding, _)| finding.left_out());
    let Some((first, visit)) = left_out.next() else { return false };
    first.border
        && left_out
            .all(|(_, other)| other.codes == visit.codes && other.first == visit.first && other.last == visit.last)
}

impl Finding {
    fn of(visit: &Seen, said: &[Said], rules: &Rules) -> Self {
        let home = visit.codes.iter().all(|code| rules.home.contains(*code));
        let key = Key::of(visit, said, rules);
        let covered = |first, last| home || covers(said, &visit.codes, first, last);
        let concealed = key.is_some_and(|key| !covered(key.first, key.last));
        let all_days = covered(visit.first, visit.last);
        let possible = key.is_none() && !home && may_matter(visit, all_days, rules);
        let undeclared = !concealed && !all_days;
        let border = visit.counts && (concealed || undeclared) && is_next_door(visit, said, rules);
        let declared = all_days && !home;
        Self { counts: visit.counts, home, key, possible, declared, concealed, undeclared, border }
    }

    /// Counts, and was not declared.
    fn left_out(&self) -> bool {
        self.counts && (self.concealed || self.undeclared)
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        let mut marks = Vec::new();
        if self.home {
            marks.push(Mark::Home);
        }
        if self.declared {
            marks.push(Mark::Declared);
        }
        if self.left_out() {
            marks.push(Mark::Undeclared);
        }
        if self.key.is_some() {
            marks.push(Mark::KeyArea);
        }
        if self.border {
            marks.push(Mark::Border);
        }
        if !self.counts {
            marks.push(Mark::TooShort);
        }
        if self.possible {
            marks.push(Mark::Unresolved);
        }
        marks
    }
}

impl Key {
    /// Whichever of its places the visit was at, it lies in a key area; the mildest is what is proven. A stay declared
    /// within the key area proves what a coarse source cannot: declared 天台 and seen in 台州 is 天台.
    fn of(visit: &Seen, said: &[Said], rules: &Rules) -> Option<Self> {
        let proven: Option<Vec<Self>> =
            visit.codes.iter().map(|code| Self::at(*code, visit.first, visit.last, rules)).collect();
        if let Some(key) = proven.and_then(|keys| keys.into_iter().min_by_key(|key| (key.level, key.measure))) {
            return Some(key);
        }
        said.iter()
            .filter(|stay| stay.touches(&visit.codes))
            .filter_map(|stay| {
                let (first, last) = overlap((stay.from, stay.to), (visit.first, visit.last))?;
                let keys: Option<Vec<Self>> =
                    stay.codes.iter().map(|code| Self::at(*code, first, last, rules)).collect();
                keys?.into_iter().min_by_key(|key| (key.level, key.measure))
            })
            .max_by_key(|key| (key.level, key.measure, key.last))
    }

    fn at(code: Code, first: NaiveDate, last: NaiveDate, rules: &Rules) -> Option<Self> {
        let areas = rules.key_areas.iter().filter(|area| area.place.contains(code));
        let hits = areas.filter_map(|area| area.days(first, last).map(|days| (area, days)));
        let mut key: Option<Self> = None;
        for (area, (first, last)) in hits {
            let other = key.unwrap_or(Self { level: area.level, measure: area.measure, first, last });
            key = Some(Self {
                level: other.level.max(area.level),
                measure: other.measure.max(area.measure),
                first: other.first.min(first),
                last: other.last.max(last),
            });
        }
        key
    }
}

impl KeyArea {
    /// The days of these that lie in its period.
    fn days(&self, first: NaiveDate, last: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        overlap((first, last), (self.from.unwrap_or(NaiveDate::MIN), self.to.unwrap_or(NaiveDate::MAX)))
    }
}

impl Said {
    fn touches(&self, codes: &[Code]) -> bool {
        self.codes.iter().any(|said| codes.iter().any(|seen| said.touches(*seen)))
    }

    /// Two days or more away from home that the windows cover, and nobody saw it there.
    fn was_missed(&self, seen: &[Seen], windows: &Windows, rules: &Rules) -> bool {
        let away = !self.codes.iter().any(|code| code.touches(rules.home));
        let days = (self.from, self.to);
        let covered =
            |window: &(NaiveDate, NaiveDate)| overlap(days, *window).is_some_and(|(first, last)| first < last);
        let here = |visit: &Seen| overlap(days, (visit.first, visit.last)).is_some() && self.touches(&visit.codes);
        away && windows.spans.iter().any(covered) && !seen.iter().any(here)
    }
}

/// Every one of the days is within a declared stay that touches the place.
fn covers(said: &[Said], codes: &[Code], first: NaiveDate, last: NaiveDate) -> bool {
    let mut day = first;
    loop {
        let reach = said
            .iter()
            .filter(|stay| stay.from <= day && stay.to >= day && stay.touches(codes))
            .map(|stay| stay.to)
            .max();
        match reach {
            None => return false,
            Some(to) if to >= last => return true,
            Some(to) => match to.succ_opt() {
                Some(next) => day = next,
                None => return true,
            },
        }
    }
}

/// The source is coarser than a key area, or than home.
fn may_matter(visit: &Seen, declared: bool, rules: &Rules) -> bool {
    let touches = |place: Code| visit.codes.iter().any(|code| place.touches(*code));
    let key = rules.key_areas.iter().any(|area| touches(area.place) && area.days(visit.first, visit.last).is_some());
    key || (!declared && touches(rules.home))
}

/// A network that reaches the partner of a pair may have been caught at the border, like a city.
fn is_next_door(visit: &Seen, said: &[Said], rules: &Rules) -> bool {
    let here = |place: Code| visit.codes.iter().any(|code| code.city() == Some(place));
    let known = |place: Code| {
        place == rules.home || said.iter().any(|stay| stay.codes.iter().any(|code| code.city() == Some(place)))
    };
    !visit.paper
        && visit.first == visit.last
        && rules.border_pairs.iter().any(|(a, b)| (here(*a) && known(*b)) || (here(*b) && known(*a)))
}

fn overlap(a: (NaiveDate, NaiveDate), b: (NaiveDate, NaiveDate)) -> Option<(NaiveDate, NaiveDate)> {
    let (first, last) = (a.0.max(b.0), a.1.min(b.1));
    if first <= last { Some((first, last)) } else { None }
}
