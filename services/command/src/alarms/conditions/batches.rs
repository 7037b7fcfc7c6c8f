//! In 2022 in Zhengzhou 1,317 depositors turned red on the word of two officials (DOMAIN section 5). Many verdicts of one unit
//! within a short time that hold people, or that people set by hand, are looked at by others. What follows from a publication
//! is nobody's act and does not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    command::v1::{AlarmKind, AlarmRules},
    event::v1::Record,
    screening::v1::{Measure, Outcome, case_event::Assessed},
};

use super::MOST_MATTERS;
use crate::domain::alarm::{Condition, bare};

/// By unit: `neighbourhoods/{neighbourhood}` or `units/{unit}`.
#[derive(Debug, Default)]
pub(super) struct Batches(BTreeMap<String, VecDeque<Verdict>>);

#[derive(Debug)]
struct Verdict {
    at: DateTime<Utc>,
    case_id: String,
    /// It holds somebody.
    adverse: bool,
    /// Set by hand (R23).
    manual: bool,
    signers: Vec<String>,
}

/// How long a batch is looked for, and how much longer its verdicts are kept: so that no batch loses its beginning while it is
/// looked for, and becomes another one.
const LOOKED_FOR: TimeDelta = TimeDelta::days(7);
const KEPT: TimeDelta = TimeDelta::days(9);

/// Signers that an alarm keeps from closing it, at most.
const MOST_SIGNERS: usize = 50;

impl Batches {
    pub(super) fn take(&mut self, record: &Record, verdict: &Assessed, at: DateTime<Utc>) {
        let by_hand = verdict.r#override.as_ref().filter(|_| verdict.outcome() == Outcome::Overridden);
        // What a carrier that was asked again has answered is the work of whoever asked; all else by a reaction is nobody's.
        let of_nobody = record.actor.starts_with("reaction/") && !record.command_id.starts_with("inquiry:");
        let adverse = matches!(verdict.measure(), Measure::Home | Measure::Central);
        if of_nobody || !(adverse || by_hand.is_some()) {
            return;
        }
        let neighbourhood_id = match &verdict.residence {
            Some(residence) => &residence.neighbourhood_id,
            None => &record.office,
        };
        let named = by_hand.map_or(verdict.unit.as_str(), |hand| hand.proposed_unit.as_str());
        let unit = match bare(named) {
            unit if unit.is_empty() || unit == neighbourhood_id.as_str() => {
                format!("neighbourhoods/{neighbourhood_id}")
            }
            unit => format!("units/{unit}"),
        };
        let signers = match by_hand {
            Some(hand) => vec![hand.proposed_by.clone(), hand.approved_by.clone()],
            None => vec![record.actor.clone()],
        };
        let case_id = record.stream_id.clone();
        let taken = Verdict { at, case_id, adverse, manual: by_hand.is_some(), signers };
        let verdicts = self.0.entry(unit).or_default();
        // Records of one log come nearly in the order of their times.
        let place = verdicts.iter().rposition(|known| known.at <= at).map_or(0, |before| before + 1);
        verdicts.insert(place, taken);
        while verdicts.front().is_some_and(|oldest| oldest.at < at - KEPT) {
            verdicts.pop_front();
        }
    }

    pub(super) fn check(&self, rules: &AlarmRules, since: DateTime<Utc>, latest: DateTime<Utc>) -> Vec<Condition> {
        let mut found = Vec::new();
        for (unit, verdicts) in &self.0 {
            let batches = batches(verdicts, rules);
            // What had been reached before these rules was judged by others.
            let current =
                batches.into_iter().filter(|batch| batch.since() >= latest - LOOKED_FOR && batch.reached >= since);
            found.extend(current.map(|batch| batch.condition(unit)));
        }
        found
    }
}

/// Verdicts that follow each other closely, from the first that was counted on.
struct Batch<'a> {
    verdicts: Vec<&'a Verdict>,
    /// When there were enough of them.
    reached: DateTime<Utc>,
}

fn batches<'a>(verdicts: &'a VecDeque<Verdict>, rules: &AlarmRules) -> Vec<Batch<'a>> {
    let span = TimeDelta::minutes(rules.batch_minutes.into());
    let enough = |window: &VecDeque<&Verdict>| {
        let count = |counted: fn(&Verdict) -> bool| {
            i32::try_from(window.iter().filter(|verdict| counted(verdict)).count()).unwrap_or(i32::MAX)
        };
        count(|verdict| verdict.adverse) >= rules.adverse_verdicts
            || count(|verdict| verdict.manual) >= rules.manual_verdicts
    };
    let mut found: Vec<Batch<'a>> = Vec::new();
    let mut running = false;
    let mut window: VecDeque<&'a Verdict> = VecDeque::new();
    for verdict in verdicts {
        if running
            && let Some(batch) = found.last_mut()
            && batch.verdicts.last().is_some_and(|last| verdict.at - last.at <= span)
        {
            batch.verdicts.push(verdict);
            continue;
        }
        running = false;
        window.push_back(verdict);
        while window.front().is_some_and(|first| verdict.at - first.at > span) {
            window.pop_front();
        }
        if enough(&window) {
            running = true;
            found.push(Batch { verdicts: window.drain(..).collect(), reached: verdict.at });
        }
    }
    found
}

impl Batch<'_> {
    fn since(&self) -> DateTime<Utc> {
        self.verdicts.first().map(|verdict| verdict.at).unwrap_or_default()
    }

    fn condition(self, unit: &str) -> Condition {
        let own = unit.strip_prefix("neighbourhoods/").unwrap_or_default();
        let signers: BTreeSet<String> =
            self.verdicts.iter().flat_map(|verdict| &verdict.signers).filter(|by| !by.is_empty()).cloned().collect();
        Condition {
            kind: AlarmKind::VerdictBatch,
            subject: unit.to_owned(),
            neighbourhood_id: own.to_owned(),
            gate: String::new(),
            since: self.since(),
            count: i32::try_from(self.verdicts.len()).unwrap_or(i32::MAX),
            matters: self
                .verdicts
                .iter()
                .take(MOST_MATTERS)
                .map(|verdict| format!("cases/{}", verdict.case_id))
                .collect(),
            signers: signers.into_iter().take(MOST_SIGNERS).collect(),
        }
    }
}
