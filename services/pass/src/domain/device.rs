//! A device at a gate: enrolled with a one-time code, and with a mark for each life of its program up to which its crossings
//! are on record. The marks move in the same commit in which the crossings go into the gate days, so that each is there
//! once, however often it is sent.

use std::collections::BTreeMap;

use chassis::{Aggregate, Kind, Refusal, Refuse, instant, reason, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::pass::v1::{
    self,
    device_event::{Enrolled, Event, Kept, Opened, Reported, Retired},
};

// --- State ---

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Device {
    pub place: Option<Place>,
    /// A code that nobody has spent yet.
    open: Option<Code>,
    pub enrolled: bool,
    pub retired: bool,
    /// By boot: everything up to here is on record.
    marks: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub neighbourhood_id: String,
    pub compound_id: String,
    pub gate_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Code {
    digest: Vec<u8>,
    expires: DateTime<Utc>,
}

impl Device {
    pub fn mark(&self, boot: &str) -> u64 {
        self.marks.get(boot).copied().unwrap_or(0)
    }

    /// Enrolled, and not retired.
    pub fn serves(&self) -> bool {
        self.enrolled && !self.retired
    }
}

/// The device whose token says this of itself; `None` for a person.
pub fn id_of(subject: &str) -> Option<&str> {
    subject.strip_prefix("device/")
}

// --- Refusals ---

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such device")]
    NotFound,
    #[error("the code is wrong, spent or too old")]
    CodeSpent,
    #[error("the device was retired")]
    Retired,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        match self {
            Self::NotFound => Refusal::new(
                Kind::NotFound,
                reason(v1::Refusal::NotFound.as_str_name()),
                "没有这台设备，或不属于您的社区：请核对设备编号，或为它开一个登记码",
                "there is no such device, or it is not your neighbourhood's: check its id, or open an enrolment for it",
            ),
            Self::CodeSpent => Refusal::new(
                Kind::Denied,
                reason(v1::Refusal::CodeSpent.as_str_name()),
                "登记码不对、已用过或已超过 15 分钟：请社工重新开一个登记码",
                "the code is wrong, was used already, or is older than 15 minutes: have the worker open another enrolment",
            ),
            Self::Retired => Refusal::new(
                Kind::Denied,
                reason(v1::Refusal::DeviceRetired.as_str_name()),
                "这台设备已停用，它的记录不再接收：请联系社工，另开登记码后在新文件夹登记；旧文件夹请保留",
                "this device was retired and nothing that it sends counts: call the worker for a new enrolment into another folder, and keep the old one",
            ),
        }
    }
}

// --- Decisions ---

/// How long a one-time code is good.
pub const CODE_LIVES: TimeDelta = TimeDelta::minutes(15);

/// What came of one crossing that a device has sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    pub boot: String,
    pub sequence: u64,
    /// Why it cannot be filed, with itself.
    pub kept: Option<Kept>,
}

impl Device {
    /// A code for a new device, or another one for a device of the same gate that lost its token.
    pub fn open(&self, place: &Place, label: &str, digest: &[u8], now: DateTime<Utc>) -> Result<Vec<Event>, Refused> {
        match &self.place {
            Some(own) if own != place => return Err(Refused::NotFound),
            _ if self.retired => return Err(Refused::Retired),
            _ => {}
        }
        if self.open.as_ref().is_some_and(|code| code.digest == digest) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Opened(Opened {
            compound_id: place.compound_id.clone(),
            gate_id: place.gate_id.clone(),
            label: label.to_owned(),
            code_digest: digest.to_vec(),
            expires: Some(timestamp(now + CODE_LIVES)),
            neighbourhood_id: place.neighbourhood_id.clone(),
        })])
    }

    /// Spends the code.
    pub fn enrol(&self, digest: &[u8], now: DateTime<Utc>) -> Result<Vec<Event>, Refused> {
        match &self.open {
            Some(code) if !self.retired && code.digest == digest && now < code.expires => {
                Ok(vec![Event::Enrolled(Enrolled {})])
            }
            Some(_) | None => Err(Refused::CodeSpent),
        }
    }

    pub fn retire(&self) -> Result<Vec<Event>, Refused> {
        match (&self.place, self.retired) {
            (None, _) => Err(Refused::NotFound),
            (Some(_), true) => Ok(Vec::new()),
            (Some(_), false) => Ok(vec![Event::Retired(Retired {})]),
        }
    }

    /// Which of these crossings are new, by their places: of each boot those that follow on its mark without a hole. What lies
    /// behind a hole stays with the gate until the hole is filled.
    pub fn new_of<'a>(&self, crossings: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<usize> {
        let mut marks: BTreeMap<&str, u64> = BTreeMap::new();
        let mut new = Vec::new();
        for (at, (boot, sequence)) in crossings.into_iter().enumerate() {
            let mark = marks.entry(boot).or_insert_with(|| self.mark(boot));
            if sequence == *mark + 1 {
                *mark = sequence;
                new.push(at);
            }
        }
        new
    }

    /// Moves the marks over these crossings, which are new and in order.
    pub fn report(&self, arrived: &[&Arrived]) -> Result<Vec<Event>, Refused> {
        if !self.enrolled {
            return Err(Refused::NotFound);
        }
        if self.retired {
            return Err(Refused::Retired);
        }
        let mut boots: BTreeMap<&str, (u64, u32)> = BTreeMap::new();
        for crossing in arrived {
            let (sequence, count) = boots.entry(&crossing.boot).or_default();
            *sequence = crossing.sequence.max(*sequence);
            *count += 1;
        }
        let kept = arrived.iter().filter_map(|crossing| crossing.kept.clone()).map(Event::Kept);
        let reported = boots.into_iter().map(|(boot, (sequence, crossings))| {
            Event::Reported(Reported { boot: boot.to_owned(), sequence, crossings })
        });
        Ok(kept.chain(reported).collect())
    }
}

// --- Evolve ---

impl Aggregate for Device {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened(opened) => {
                self.place = Some(Place {
                    neighbourhood_id: opened.neighbourhood_id.clone(),
                    compound_id: opened.compound_id.clone(),
                    gate_id: opened.gate_id.clone(),
                });
                let expires = opened.expires.as_ref().and_then(instant).unwrap_or_default();
                self.open = Some(Code { digest: opened.code_digest.clone(), expires });
            }
            Event::Enrolled(_) => {
                self.open = None;
                self.enrolled = true;
            }
            Event::Reported(reported) => {
                self.marks.insert(reported.boot.clone(), reported.sequence);
            }
            Event::Retired(_) => {
                self.open = None;
                self.retired = true;
            }
            Event::Kept(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
