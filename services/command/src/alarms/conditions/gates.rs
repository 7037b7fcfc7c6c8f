use std::collections::{BTreeMap, BTreeSet, HashMap};

use chassis::{CALENDAR, day_of};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike as _, Utc};
use proto::{
    command::v1::{AlarmKind, AlarmRules},
    pass::v1::device_event,
    registry::v1::{Regime, compound_event},
};

use crate::domain::alarm::Condition;

/// Devices at gates, and whether their compounds are guarded. A gate decides without the centre, so nobody there notices that
/// nothing arrives.
#[derive(Debug, Default)]
pub(super) struct Gates {
    pub(super) compounds: HashMap<String, Vec<(NaiveDate, Regime)>>,
    pub(super) devices: BTreeMap<String, Device>,
}

#[derive(Debug, Default)]
pub(super) struct Device {
    neighbourhood_id: String,
    gate: String,
    compound_id: String,
    /// When it was enrolled or sent something; `None`: it is not in use.
    last: Option<DateTime<Utc>>,
}

impl Gates {
    pub(super) fn compound(&mut self, id: &str, event: compound_event::Event) {
        if let compound_event::Event::RegimeSet(set) = event
            && let Ok(from) = set.from.parse()
        {
            self.compounds.entry(id.to_owned()).or_default().push((from, set.regime()));
        }
    }

    pub(super) fn device(&mut self, id: &str, event: device_event::Event, at: DateTime<Utc>) {
        match event {
            device_event::Event::Opened(opened) => {
                let device = self.devices.entry(id.to_owned()).or_default();
                device.neighbourhood_id = opened.neighbourhood_id;
                device.gate = format!("compounds/{}/gates/{}", opened.compound_id, opened.gate_id);
                device.compound_id = opened.compound_id;
            }
            device_event::Event::Enrolled(_) | device_event::Event::Reported(_) => {
                if let Some(device) = self.devices.get_mut(id) {
                    device.last = device.last.max(Some(at));
                }
            }
            device_event::Event::Retired(_) => {
                self.devices.remove(id);
            }
            device_event::Event::Kept(_) => {}
        }
    }

    pub(super) fn check(&self, rules: &AlarmRules, now: DateTime<Utc>) -> Vec<Condition> {
        let mut found = Vec::new();
        for (id, device) in &self.devices {
            let (Some(last), Some(guarded)) = (device.last, self.guarded_since(&device.compound_id, now)) else {
                continue;
            };
            let since = last.max(guarded);
            if due(since, rules) <= now {
                found.push(Condition {
                    kind: AlarmKind::SilentGate,
                    subject: format!("devices/{id}"),
                    neighbourhood_id: device.neighbourhood_id.clone(),
                    gate: device.gate.clone(),
                    since,
                    count: i32::try_from((now - since).num_minutes()).unwrap_or(i32::MAX),
                    matters: Vec::new(),
                    signers: BTreeSet::new(),
                });
            }
        }
        found
    }

    /// From when on the compound is closed or sealed without a break; `None`: people come and go as they like.
    fn guarded_since(&self, compound_id: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = day_of(now);
        let begun = self.compounds.get(compound_id)?.iter().filter(|(from, _)| *from <= today);
        let mut guarded = None;
        for (from, regime) in begun {
            match regime {
                Regime::Closed | Regime::Sealed => guarded = guarded.or(Some(*from)),
                Regime::Open | Regime::Unspecified => guarded = None,
            }
        }
        let midnight = guarded?.and_time(NaiveTime::MIN).and_local_timezone(CALENDAR).single()?;
        Some(midnight.to_utc())
    }
}

/// When silence since then has lasted too long. At night more of it is usual; once it has lasted too long it stays so: the
/// evening's alarm does not go away because night falls.
fn due(since: DateTime<Utc>, rules: &AlarmRules) -> DateTime<Utc> {
    let by_day = since + TimeDelta::minutes(rules.silent_gate_minutes.into());
    match end_of_night(by_day, rules) {
        None => by_day,
        Some(morning) => {
            let by_night = since + TimeDelta::minutes(rules.silent_gate_night_minutes.into());
            by_night.min(morning).max(by_day)
        }
    }
}

/// Of the night in which this lies.
fn end_of_night(at: DateTime<Utc>, rules: &AlarmRules) -> Option<DateTime<Utc>> {
    let local = at.with_timezone(&CALENDAR);
    let (from, to) = (u32::try_from(rules.night_from_hour).ok()?, u32::try_from(rules.night_to_hour).ok()?);
    let hour = local.hour();
    let night = if from <= to { (from..to).contains(&hour) } else { hour >= from || hour < to };
    if !night {
        return None;
    }
    let day = if hour < to { local.date_naive() } else { local.date_naive() + TimeDelta::days(1) };
    let morning = day.and_hms_opt(to, 0, 0)?.and_local_timezone(CALENDAR).single()?;
    Some(morning.to_utc())
}
