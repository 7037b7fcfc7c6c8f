use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use credential::{
    list::{Age, SuspensionList},
    time::Second,
};

use super::{
    folder::{Settings, Trust},
    journal::Journal,
    watch::Watch,
};

/// How the gate stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub gate: String,
    pub device: String,
    pub now: DateTime<Utc>,
    pub clock_slow_seconds: i64,
    pub list_sequence: Option<u32>,
    pub list_age: Option<Age>,
    pub waiting: usize,
    pub heard: Option<DateTime<Utc>>,
    pub trouble: Option<String>,
}

/// How a gate stands whose folder another program may be working in.
pub fn peek(folder: &Path, mut watch: Watch) -> anyhow::Result<Standing> {
    let settings = Settings::read(folder)?;
    let trust = Trust::read(folder, &settings.root()?);
    watch.remember(TimeDelta::milliseconds(settings.offset_ms), settings.latest);
    let now = watch.now();
    let age = Second::of_unix(now.timestamp()).and_then(|now| trust.list.as_ref().map(|list| list.age(now)));
    Ok(Standing {
        gate: settings.gate,
        device: settings.device,
        now,
        clock_slow_seconds: watch.offset().num_seconds(),
        list_sequence: trust.list.as_ref().map(SuspensionList::sequence),
        list_age: age,
        waiting: Journal::peek(folder)?.len(),
        heard: Some(settings.latest).filter(|latest| *latest > DateTime::UNIX_EPOCH),
        trouble: None,
    })
}
