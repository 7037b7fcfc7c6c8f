//! A gate with everything that it needs to decide alone: keys and list, memory, time, and the journal. Whoever holds it decides
//! and records; nothing here waits for the centre.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use chassis::instant;
use chrono::{DateTime, TimeDelta, Utc};
use credential::{
    glance::{Glance, NameLength, Sex},
    list::{Age, Colour as Freshness, SuspensionList, Taken},
    number::PassNumber,
    payload::Payload,
    phone::SLOT,
    reason::Reason,
    signature::PublicKey,
    time::Second,
    verify::{self, Grounds, verify},
};
use proto::pass::v1::{Decision, Direction, Finding, Gate, RecordCrossingsRequest, RecordCrossingsResponse, Verdict};

use super::{
    folder::{Settings, Trust},
    journal::{Entry, Journal, Whom, lock},
    line::Person,
    memory::Memory,
    verdict::{Around, Colour, Guarantor, Measured, Seen, Who, colour, is_fever, see, weigh},
    watch::Watch,
    words,
};

/// Crossings of one request.
const BATCH: usize = 500;

pub struct Station {
    folder: PathBuf,
    settings: Settings,
    root: PublicKey,
    trust: Trust,
    journal: Journal,
    memory: Memory,
    watch: Watch,
    /// When the centre was last heard, and what stood in the way since.
    heard: Option<DateTime<Utc>>,
    trouble: Option<String>,
    _lock: File,
}

/// Somebody before they are measured.
#[derive(Clone, Debug)]
pub struct Looked {
    pub seen: Seen,
    /// 张** 女 70+
    pub glance: String,
    whom: Whom,
    key_id: u32,
    slot: u32,
    /// What a phone says of the time.
    phone: Option<DateTime<Utc>>,
}

/// What is said and shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    pub colour: Colour,
    pub decision: Decision,
    pub findings: Vec<Finding>,
    pub zh: String,
    pub en: String,
}

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

impl Station {
    pub fn open(folder: &Path, watch: Watch) -> anyhow::Result<Self> {
        let settings = Settings::read(folder)?;
        let lock = lock(folder)?;
        let root = settings.root()?;
        let boot = chassis::Clock::system().id().simple().to_string();
        let journal = Journal::open(folder, boot)?;
        let mut watch = watch;
        let latest = journal.entries().iter().map(|entry| entry.at).max().unwrap_or_default();
        watch.remember(TimeDelta::milliseconds(settings.offset_ms), settings.latest.max(latest));
        Ok(Self {
            folder: folder.to_owned(),
            trust: Trust::read(folder, &root),
            memory: Memory::of(journal.entries()),
            settings,
            root,
            journal,
            watch,
            heard: None,
            trouble: None,
            _lock: lock,
        })
    }

    /// Who it is and whether the pass is good, before anything is measured. `vouched`: what the centre says of a typed number.
    pub fn look(&self, person: &Person, direction: Direction, vouched: Option<&Verdict>) -> anyhow::Result<Looked> {
        let now = self.watch.now();
        let around = Around {
            compounds: &self.settings.compounds,
            list: self.trust.list.as_ref(),
            memory: &self.memory,
            now,
            direction,
        };
        let looked = |who: &Who<'_>, whom| Looked {
            seen: see(who, &around),
            glance: String::new(),
            whom,
            key_id: 0,
            slot: 0,
            phone: None,
        };
        Ok(match person {
            Person::Code(code) => {
                let verdict = self.verify(code, now)?;
                let seen = see(&Who::Code(&verdict), &around);
                of_code(&verdict, seen)
            }
            Person::Number(number) => {
                let mut looked = looked(&Who::Number(*number), shown(number.to_string(), true, None));
                if let Whom::Pass { facts, .. } = &mut looked.whom {
                    facts.clone_from(&looked.seen.facts);
                }
                if let Some(vouched) = vouched {
                    looked.seen.decision = vouched.decision();
                    looked.seen.findings = vouched.findings().collect();
                    looked.seen.resident = !vouched.resident.is_empty();
                }
                looked
            }
            Person::Slip(_) => looked(&Who::Slip, shown(String::new(), true, None)),
            Person::Known { number, resident, reason } => {
                let (resident, reason) = (resident.clone(), reason.clone());
                let whom = Whom::Manual { number: text(*number), resident, reason };
                looked(&Who::Known(*number), whom)
            }
            Person::Visitor { exception, guarantor, resident } => {
                let named = guarantor.is_some() || !resident.is_empty();
                let answers = if named { Guarantor::Named(*guarantor) } else { Guarantor::Unnamed };
                let whom = Whom::Visitor {
                    exception: (*exception).into(),
                    guarantor: resident.clone(),
                    guarantor_number: text(*guarantor),
                };
                looked(&Who::Visitor { exception: *exception, guarantor: answers }, whom)
            }
        })
    }

    /// Whether only the centre can say whose number this is.
    pub fn knows(&self, number: PassNumber) -> bool {
        self.memory.facts(&number.to_string()).is_some()
    }

    pub fn is_fever(&self, decicelsius: i32) -> bool {
        is_fever(Some(decicelsius), self.settings.fever_decicelsius)
    }

    /// What is said of somebody as things stand.
    pub fn say(&self, looked: &Looked) -> Spoken {
        self.spoken(looked, looked.seen.decision, looked.seen.findings.clone())
    }

    /// Puts a passage on record. It counts, and survives a power cut, once this returns.
    pub fn record(
        &mut self,
        looked: &Looked,
        direction: Direction,
        measured: Measured,
        first_reading: Option<i32>,
    ) -> anyhow::Result<(Spoken, u64)> {
        let (decision, findings) = weigh(&looked.seen, measured, self.settings.fever_decicelsius, direction);
        let steady = self.watch.steady();
        let entry = Entry {
            boot: String::new(),
            sequence: 0,
            at: self.watch.now(),
            raw: self.watch.raw(),
            steady_ms: i64::try_from(steady.as_millis()).context("counting milliseconds since the start")?,
            direction: direction.into(),
            decision: decision.into(),
            findings: findings.iter().map(|finding| i32::from(*finding)).collect(),
            decicelsius: measured.decicelsius.unwrap_or(0),
            first_reading: first_reading.unwrap_or(0),
            mask: measured.mask,
            list_sequence: self.trust.list.as_ref().map_or(0, SuspensionList::sequence),
            key_id: looked.key_id,
            slot: looked.slot,
            who: looked.whom.clone(),
        };
        let recorded = self.journal.append(entry)?;
        self.memory.note(recorded);
        let (at, sequence) = (recorded.at, recorded.sequence);
        self.watch.noted(at);
        if let Some(says) = looked.phone {
            self.watch.phone(says);
        }
        Ok((self.spoken(looked, decision, findings), sequence))
    }

    pub fn standing(&self) -> Standing {
        let now = self.watch.now();
        let list = self.trust.list.as_ref();
        Standing {
            gate: self.settings.gate.clone(),
            device: self.settings.device.clone(),
            now,
            clock_slow_seconds: self.watch.offset().num_seconds(),
            list_sequence: list.map(SuspensionList::sequence),
            list_age: self.age(now),
            waiting: self.journal.waiting(),
            heard: self.heard,
            trouble: self.trouble.clone(),
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// This life of the program.
    pub fn boot(&self) -> &str {
        self.journal.boot()
    }

    pub fn steady(&self) -> Duration {
        self.watch.steady()
    }

    // --- What the centre says ---

    /// What the gate goes by. `asked`, `answered`: what the steady clock showed before and after.
    pub fn take_gate(&mut self, gate: &Gate, asked: Duration, answered: Duration) -> anyhow::Result<()> {
        if let Some(time) = gate.server_time.as_ref().and_then(instant) {
            self.watch.told(asked, answered, time);
            self.heard = Some(time);
        }
        self.trouble = None;
        let codes = gate.compound_codes.iter().filter_map(|code| u16::try_from(*code).ok());
        self.settings.compounds = codes.collect();
        self.settings.fever_decicelsius = gate.fever_decicelsius;
        self.settings.method_version.clone_from(&gate.method_version);
        self.settings.gate.clone_from(&gate.name);
        self.settings.offset_ms = self.watch.offset().num_milliseconds();
        // A token is good for thirty days: once a day is often enough to keep another one.
        let now = self.watch.now();
        if !gate.token.is_empty() && now - self.settings.token_since >= TimeDelta::days(1) {
            self.settings.token.clone_from(&gate.token);
            self.settings.token_since = now;
        }
        self.settings.latest = now;
        self.settings.write(&self.folder)
    }

    pub fn take_keys(&mut self, text: &str) -> anyhow::Result<Result<(), Reason>> {
        self.trust.take_keys(&self.folder, &self.root, text)
    }

    pub fn take_update(&mut self, text: &str) -> anyhow::Result<Result<Taken, Reason>> {
        self.trust.take_update(&self.folder, text)
    }

    /// From which list on changes are wanted; 0: the whole list.
    pub fn list_from(&self) -> u32 {
        self.trust.sequence()
    }

    /// The oldest crossings that wait; nothing where none do.
    pub fn batch(&self) -> Option<RecordCrossingsRequest> {
        let crossings = self.journal.batch(BATCH);
        (!crossings.is_empty()).then(|| RecordCrossingsRequest {
            request_id: chassis::client::new_request_id(),
            boot: self.journal.boot().to_owned(),
            raw_time: Some(chassis::timestamp(self.watch.raw())),
            monotonic_ms: i64::try_from(self.watch.steady().as_millis()).unwrap_or(i64::MAX),
            crossings,
        })
    }

    pub fn acknowledged(&mut self, answer: &RecordCrossingsResponse) -> anyhow::Result<()> {
        self.journal.acknowledge(&answer.marks)
    }

    /// Why the centre was not reached.
    pub fn troubled(&mut self, by: String) {
        self.trouble = Some(by);
    }

    fn verify(&self, code: &str, now: DateTime<Utc>) -> anyhow::Result<verify::Verdict> {
        let keys = self.trust.keys.as_ref();
        let keys =
            keys.context("this gate holds no keys yet: let it reach the centre once, or scan a key set (MFK1:...)")?;
        let now =
            Second::of_unix(now.timestamp()).context("the calendar of passes begins in 2020: set the gate's clock")?;
        Ok(verify(code, &Grounds::new(keys, self.trust.list.as_ref(), now)))
    }

    fn spoken(&self, looked: &Looked, decision: Decision, findings: Vec<Finding>) -> Spoken {
        let freshness: Option<Freshness> = self.age(self.watch.now()).map(Age::colour);
        let (zh, en) = words::sentence(decision, &findings, &looked.seen);
        Spoken { colour: colour(decision, &findings, freshness), decision, findings, zh, en }
    }

    fn age(&self, now: DateTime<Utc>) -> Option<Age> {
        let now = Second::of_unix(now.timestamp())?;
        self.trust.list.as_ref().map(|list| list.age(now))
    }
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

fn of_code(verdict: &verify::Verdict, seen: Seen) -> Looked {
    let (payload, slot) = match &verdict.answer {
        Ok(pass) => (Some(&pass.payload), pass.slot),
        Err(refusal) => (refusal.payload.as_ref(), None),
    };
    let number = payload.map(|payload| payload.number.to_string()).unwrap_or_default();
    Looked {
        glance: payload.map(|payload| glance(&payload.glance)).unwrap_or_default(),
        whom: shown(number, false, seen.facts.clone()),
        key_id: payload.map_or(0, |payload| payload.key_id.into()),
        slot: slot.map_or(0, u32::from),
        phone: payload.zip(slot).and_then(|(payload, slot)| time_of(payload, slot)),
        seen,
    }
}

/// The middle of a slot.
fn time_of(payload: &Payload, slot: u16) -> Option<DateTime<Utc>> {
    let begins = payload.issued.start().unix() + i64::from(SLOT) * (i64::from(slot) - 1);
    DateTime::from_timestamp(begins + i64::from(SLOT) / 2, 0)
}

fn shown(number: String, typed: bool, facts: Option<super::journal::Facts>) -> Whom {
    Whom::Pass { number, typed, facts }
}

fn text(number: Option<PassNumber>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// 张** 女 70+
fn glance(glance: &Glance) -> String {
    let stars = match glance.name_length {
        NameLength::Unsaid | NameLength::Three => "**",
        NameLength::UpToTwo => "*",
        NameLength::FourOrMore => "***",
    };
    let sex = match glance.sex {
        Sex::Unsaid => "",
        Sex::Male => " 男",
        Sex::Female => " 女",
    };
    let age = match glance.decade {
        0 => String::new(),
        1 => " <10".to_owned(),
        decade => format!(" {}+", (u32::from(decade) - 1) * 10),
    };
    if glance.surname.is_empty() { String::new() } else { format!("{}{stars}{sex}{age}", glance.surname) }
}
