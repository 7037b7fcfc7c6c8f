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
    list::{Age, Colour as Freshness, SuspensionList, Taken},
    number::PassNumber,
    reason::Reason,
    signature::PublicKey,
    time::Second,
    verify::{self, Grounds, verify},
};
use proto::pass::v1::{Decision, Direction, Finding, Gate, RecordCrossingsRequest, RecordCrossingsResponse, Verdict};

use super::{
    folder::{Settings, Trust},
    journal::{Entry, Facts, Journal, Whom, lock},
    limits::Limits,
    line::Person,
    looks::{Looked, of_code, shown, text},
    memory::Memory,
    standing::Standing,
    verdict::{Around, Colour, Guarantor, Measured, Who, colour, is_fever, see, weigh},
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

/// What is said and shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    pub colour: Colour,
    pub decision: Decision,
    pub findings: Vec<Finding>,
    pub zh: String,
    pub en: String,
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
            limits: self.settings.limits,
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
                let mut seen = see(&Who::Code(&verdict), &around);
                // Of a code that the gate has verified itself the centre knows better only who else of the household is out.
                if seen.decision == Decision::Allowed
                    && vouched.is_some_and(|vouched| vouched.findings().any(|finding| finding == Finding::Quota))
                {
                    (seen.decision, seen.findings) = (Decision::Refused, vec![Finding::Quota]);
                    seen.quota = seen.facts.as_ref().and_then(|facts| self.settings.limits.quota(facts));
                }
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

    /// R18: whether this pass goes out only as often as its household may.
    pub fn counts_outings(&self, facts: &Facts) -> bool {
        self.settings.limits.quota(facts).is_some()
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
        self.settings.limits = Limits::of(gate);
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
