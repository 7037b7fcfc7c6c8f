//! What was declared and what was seen, compared under one version of the method (DOMAIN section 3). A pure function: the
//! same declaration, evidence, rules and day give the same judgement everywhere, for ever.
//!
//! Risk and honesty are two axes. A proven visit to a key area outweighs every doubt, and a doubt outweighs *clear*: no
//! data is not clean (R4), a lone visit over a border is a lead and no proof (R6), and a name that nobody can place is a
//! question where the answer depends on it.
//!
//! Nothing of a person has a `Debug` outside of tests, so that no log line can show it.

mod doubt;
mod sentence;
mod weighing;

use std::sync::Arc;

use chrono::{Days, NaiveDate};
use proto::screening::v1::{Honesty, Level, Mark, Measure, Outcome, Source};

pub use crate::verdict::sentence::Explanation;
use crate::{
    places::{Code, Learned, Resolution, Vocabulary},
    verdict::weighing::{Said, Seen, Weighed, weigh},
};

/// A place where the person says they have been; both days included.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Stay {
    /// A name as said, or a code.
    pub place: String,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// A place where a phone was seen; both days included.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Visit {
    /// As the source writes it.
    pub place: String,
    pub first: NaiveDate,
    pub last: NaiveDate,
    /// Longest stay on a day; `None` where the source gives no hours.
    pub hours: Option<i32>,
    /// Found wrong in a dispute.
    pub struck: bool,
}

/// What one source saw of one number; or a paper (a ticket, a workplace's proof), which supports and is no scan.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Scan {
    /// Unspecified for a paper, whose places are in people's words.
    pub source: Source,
    /// Which of the person's numbers; `None` where every scan is of another number.
    pub phone: Option<i32>,
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// None at all: the source has no data for this number.
    pub visits: Vec<Visit>,
}

/// All that is known of a person on a day.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Person {
    pub as_of: NaiveDate,
    /// How many numbers they have (R5).
    pub phones: usize,
    pub stays: Vec<Stay>,
    pub scans: Vec<Scan>,
}

/// A place and a period that calls for a measure; an absent day leaves the period open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyArea {
    pub place: Code,
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub level: Level,
    pub measure: Measure,
}

/// The numbers and lists of one version of the method, as far as a verdict needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub version: String,
    /// The city that needs no declaration.
    pub home: Code,
    /// R2: hours from which a stay counts.
    pub min_hours: i32,
    /// R4: days that evidence must reach back.
    pub window_days: u32,
    /// R1: days before the verdict's on which it may end; 0: any.
    pub lag_days: u32,
    /// R9 and R24, for the explanation.
    pub isolation_days: i32,
    pub dispute_hours: i32,
    pub key_areas: Vec<KeyArea>,
    pub border_pairs: Vec<(Code, Code)>,
}

/// The answer.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Judgement {
    pub outcome: Outcome,
    pub risk: Level,
    pub honesty: Honesty,
    pub measure: Measure,
    /// In the order of the scans and their visits.
    pub visits: Vec<JudgedVisit>,
    /// Names, seen or declared, that stand for no one place.
    pub unresolved: Vec<String>,
    /// R10: the last day in a key area, where one is proven.
    pub last_exposure: Option<NaiveDate>,
    pub explanation: Explanation,
}

#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct JudgedVisit {
    /// Positions in `Person::scans` and in its visits.
    pub scan: usize,
    pub visit: usize,
    pub codes: Vec<Code>,
    pub marks: Vec<Mark>,
}

/// A declared or seen name with what it may stand for.
pub(crate) struct Named<T> {
    pub(crate) what: T,
    pub(crate) resolution: Resolution,
    /// It is said in a paper, which is never caught by a network across a border.
    pub(crate) paper: bool,
}

/// Compares what was declared with what was seen.
pub fn judge(person: &Person, rules: &Rules) -> Judgement {
    judge_with(person, rules, &Learned::default())
}

/// As [`judge`], where people have decided what some names stand for.
pub fn judge_with(person: &Person, rules: &Rules, learned: &Learned) -> Judgement {
    let stays: Vec<Named<&Stay>> = person
        .stays
        .iter()
        .map(|stay| Named { what: stay, resolution: learned.resolve(&stay.place, Vocabulary::Declared), paper: false })
        .filter(|stay| !stay.resolution.is_nowhere())
        .collect();
    let visits: Vec<Named<&Visit>> = person
        .scans
        .iter()
        .flat_map(|scan| scan.visits.iter().map(move |visit| (scan, visit)))
        .map(|(scan, visit)| Named {
            what: visit,
            resolution: learned.resolve(&visit.place, Vocabulary::of(scan.source)),
            paper: scan.is_paper(),
        })
        .collect();

    let said: Vec<Said> = stays.iter().map(Said::strictly).collect();
    let seen: Vec<Seen> = visits.iter().filter_map(|visit| Seen::resolved(visit, rules)).collect();
    let windows = windows(person, &visits, rules);
    let mut weighed = weigh(&said, &seen, &windows, rules);
    if !weighed.proven() && doubt::depends_on_a_name(&weighed, (&stays, &said), (&visits, &seen), &windows, rules) {
        weighed.unresolved();
    }

    let judged = marked(person, &visits, &weighed, rules);
    let unresolved = unresolved(&stays, &visits, &weighed);
    let explanation = sentence::explain(&weighed, person, windows.seen_until, &judged, &unresolved, rules);
    Judgement {
        outcome: weighed.outcome,
        risk: weighed.risk,
        honesty: weighed.honesty,
        measure: weighed.measure,
        visits: judged,
        unresolved,
        last_exposure: weighed.last_exposure.map(|day| day.min(person.as_of)),
        explanation,
    }
}

/// What was covered by evidence, and whether that is enough.
pub(crate) struct Windows {
    pub(crate) spans: Vec<(NaiveDate, NaiveDate)>,
    /// R4, R5: every number has scans with data that reach back as far as the method asks, and up to a day that it allows.
    pub(crate) suffice: bool,
    /// The last day that was seen of a number whose evidence ends too early.
    pub(crate) seen_until: Option<NaiveDate>,
}

/// `visits` are those of all scans, in their order. A scan of nothing but names that stand for no place has no data (R4).
fn windows(person: &Person, visits: &[Named<&Visit>], rules: &Rules) -> Windows {
    let since = person.as_of.checked_sub_days(Days::new(rules.window_days.into())).unwrap_or(NaiveDate::MIN);
    let mut names = visits.iter();
    let phones = person.phones.max(1);
    let mut scans = Vec::with_capacity(person.scans.len());
    for scan in &person.scans {
        let own = names.by_ref().take(scan.visits.len());
        // A scan of a number that the person no longer has shows places, and stands in for none of the others.
        let counts = !scan.is_paper()
            && scan.phone.is_none_or(|place| usize::try_from(place).is_ok_and(|place| (1..=phones).contains(&place)));
        if own.filter(|visit| !visit.resolution.is_nowhere()).count() > 0 && counts {
            scans.push(scan);
        }
    }
    let lag = Days::new(rules.lag_days.into());
    let until = person.as_of.checked_sub_days(lag).filter(|_| rules.lag_days > 0).unwrap_or(NaiveDate::MIN).max(since);
    let ends: Vec<NaiveDate> = last_days(&scans, since);
    Windows {
        spans: scans.iter().map(|scan| (scan.from, scan.to)).collect(),
        suffice: ends.iter().filter(|end| **end >= until).count() >= phones,
        seen_until: ends.into_iter().filter(|end| *end < until).min(),
    }
}

/// Of each number that was seen from that day on, the last day up to which it was seen without a gap between its scans.
fn last_days(scans: &[&Scan], since: NaiveDate) -> Vec<NaiveDate> {
    let reaches_back = |scan: &&Scan| scan.from <= since && scan.to >= since;
    let mut ends = Vec::with_capacity(scans.len());
    for (at, scan) in scans.iter().enumerate() {
        if scan.phone.is_none() {
            // Each is of another number.
            ends.extend(Some(scan.to).filter(|_| reaches_back(scan)));
            continue;
        }
        if scans[..at].iter().any(|other| other.phone == scan.phone) {
            continue;
        }
        let own = || scans[at..].iter().copied().filter(|other| other.phone == scan.phone);
        let Some(mut end) = own().filter(reaches_back).map(|scan| scan.to).max() else { continue };
        // One leads on from another, in whatever order they came.
        let next = |end: NaiveDate| end.succ_opt().unwrap_or(end);
        while let Some(further) = own().filter(|scan| scan.from <= next(end) && scan.to > end).map(|scan| scan.to).max()
        {
            end = further;
        }
        ends.push(end);
    }
    ends
}

fn marked(person: &Person, visits: &[Named<&Visit>], weighed: &Weighed, rules: &Rules) -> Vec<JudgedVisit> {
    let mut findings = weighed.findings.iter();
    let mut names = visits.iter();
    let mut judged = Vec::with_capacity(visits.len());
    for (scan, evidence) in person.scans.iter().enumerate() {
        for visit in 0..evidence.visits.len() {
            let Some(named) = names.next() else { continue };
            let marks = match &named.resolution {
                _ if named.what.struck => vec![Mark::Struck],
                resolution if resolution.is_nowhere() => vec![Mark::NoPlace],
                Resolution::Resolved(_) => findings.next().map(weighing::Finding::marks).unwrap_or_default(),
                Resolution::Ambiguous(_) | Resolution::Unknown if !named.what.counts(rules) => {
                    vec![Mark::TooShort, Mark::Unresolved]
                }
                Resolution::Ambiguous(_) | Resolution::Unknown => vec![Mark::Unresolved],
            };
            judged.push(JudgedVisit { scan, visit, codes: named.resolution.codes().to_vec(), marks });
        }
    }
    judged
}

/// Names that stand for no one place; and where the answer hangs on it, those that are too coarse to say.
fn unresolved(stays: &[Named<&Stay>], visits: &[Named<&Visit>], weighed: &Weighed) -> Vec<String> {
    let open = |resolution: &Resolution| resolution.resolved().is_none();
    let said = stays.iter().filter(|stay| open(&stay.resolution)).map(|stay| &stay.what.place);
    let not_struck = || visits.iter().filter(|visit| !visit.what.struck);
    let seen = not_struck().filter(|visit| open(&visit.resolution)).map(|visit| &visit.what.place);
    let resolved = not_struck().filter(|visit| !open(&visit.resolution) && !visit.resolution.is_nowhere());
    let coarse = resolved.zip(&weighed.findings).filter(|(_, finding)| weighed.hangs_on(finding));
    let mut names: Vec<String> = said.chain(seen).chain(coarse.map(|(visit, _)| &visit.what.place)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Said {
    /// A name that stands for no one place covers nothing that was seen.
    fn strictly(stay: &Named<&Stay>) -> Self {
        let codes = stay.resolution.resolved().map_or_else(|| [Code::ELSEWHERE].into(), Arc::clone);
        Self { codes, from: stay.what.from, to: stay.what.to }
    }
}

impl Scan {
    /// It proves places and days, and covers no window of any number.
    fn is_paper(&self) -> bool {
        self.source == Source::Unspecified
    }
}

impl Visit {
    /// R2.
    fn counts(&self, rules: &Rules) -> bool {
        self.hours.is_none_or(|hours| hours >= rules.min_hours)
    }
}

impl Seen {
    fn resolved(visit: &Named<&Visit>, rules: &Rules) -> Option<Self> {
        let codes = Arc::clone(visit.resolution.resolved()?);
        if visit.what.struck || codes.is_empty() {
            return None;
        }
        Some(Self { paper: visit.paper, ..Self::at(codes, visit.what, rules) })
    }

    pub(crate) fn at(codes: Arc<[Code]>, visit: &Visit, rules: &Rules) -> Self {
        Self { codes, first: visit.first, last: visit.last, counts: visit.counts(rules), paper: false }
    }
}

#[cfg(test)]
mod tests;
