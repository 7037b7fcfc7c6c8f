//! What the gate has recorded, line by line in one file: each line is on the disk before the guard is told that it counts, and
//! carries a digest, so that a line cut off by a power cut is known and never sent. Beside it stand the marks up to which
//! the centre has everything.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use proto::pass::v1::{GateCrossing, Manual, Mark, ShownPass, Visitor, gate_crossing::Identity};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::folder::write_whole;

const QUEUE: &str = "queue.log";
const MARKS: &str = "queue.marks";

/// How long what the centre has is kept for the gate's own memory: longer than any rule about outings that is in use.
const KEPT: TimeDelta = TimeDelta::days(35);

/// One crossing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub boot: String,
    pub sequence: u64,
    /// As far as the gate knew.
    pub at: DateTime<Utc>,
    /// As its clock showed it.
    pub raw: DateTime<Utc>,
    pub steady_ms: i64,
    /// The contract's numbers.
    pub direction: i32,
    pub decision: i32,
    pub findings: Vec<i32>,
    /// Tenths of a degree; 0: not measured.
    pub decicelsius: i32,
    pub first_reading: i32,
    pub mask: bool,
    pub list_sequence: u32,
    pub key_id: u32,
    pub slot: u32,
    pub who: Whom,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    Pass { number: String, typed: bool, facts: Option<Facts> },
    Manual { number: String, resident: String, reason: String },
    Visitor { exception: i32, guarantor: String, guarantor_number: String },
}

/// What the gate remembers of a pass that it has read. No name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub compound: u16,
    pub household: [u8; 3],
    /// Hours as in the pass.
    pub expires: u16,
    /// R18: one outing of the household in so many days; 0: no such rule.
    pub outing_days: u8,
    /// R18: good for going out by day alone.
    #[serde(default)]
    pub daytime: bool,
    /// Someone who lives here, not a visitor with a pass.
    pub resident: bool,
}

pub struct Journal {
    folder: PathBuf,
    file: File,
    length: u64,
    entries: Vec<Entry>,
    marks: BTreeMap<String, u64>,
    boot: String,
    next: u64,
}

impl Entry {
    /// As the contract says it.
    pub fn crossing(&self) -> GateCrossing {
        let (identity, named_pass_number) = match self.who.clone() {
            Whom::Pass { number, typed, .. } => {
                (Identity::Shown(ShownPass { pass_number: number, typed }), String::new())
            }
            Whom::Manual { number, resident, reason } => (Identity::Manual(Manual { resident, reason }), number),
            Whom::Visitor { exception, guarantor, guarantor_number } => {
                (Identity::Visitor(Visitor { exception, guarantor }), guarantor_number)
            }
        };
        GateCrossing {
            boot: self.boot.clone(),
            sequence: self.sequence,
            raw_time: Some(chassis::timestamp(self.raw)),
            monotonic_ms: self.steady_ms,
            offset_ms: (self.at - self.raw).num_milliseconds(),
            direction: self.direction,
            temperature_decicelsius: self.decicelsius,
            first_reading_decicelsius: self.first_reading,
            mask: self.mask,
            decision: self.decision,
            findings: self.findings.clone(),
            list_sequence: self.list_sequence,
            key_id: self.key_id,
            slot: self.slot,
            identity: Some(identity),
            named_pass_number,
        }
    }
}

impl Journal {
    /// Opens it for another life of the program. A last line that was cut off is taken away: nobody was told that it counts.
    /// Lines that are damaged are left out, and their places are sent as empty, so that the centre lists them.
    pub fn open(folder: &Path, boot: String) -> anyhow::Result<Self> {
        let path = folder.join(QUEUE);
        let reading = || format!("reading {}", path.display());
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).with_context(reading)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(reading)?;
        let (mut entries, length) = entries_in(&bytes);
        let marks = read_marks(folder)?;
        let mut journal = Self { folder: folder.to_owned(), file, length, entries: vec![], marks, boot, next: 1 };
        journal.file.set_len(journal.length).with_context(reading)?;
        let newest = entries.iter().map(|entry| entry.at).max().unwrap_or_default();
        let before = entries.len();
        entries.retain(|entry| entry.sequence > journal.mark(&entry.boot) || entry.at > newest - KEPT);
        let shorter = entries.len() < before;
        journal.entries = entries;
        if shorter {
            journal.rewrite()?;
        }
        journal.file.seek(SeekFrom::End(0)).with_context(reading)?;
        Ok(journal)
    }

    /// What waits in a folder that another program may be working in.
    pub fn peek(folder: &Path) -> anyhow::Result<Vec<Entry>> {
        let bytes = match fs::read(folder.join(QUEUE)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.context("reading the queue")?,
        };
        let marks = read_marks(folder)?;
        let mut entries = entries_in(&bytes).0;
        entries.retain(|entry| entry.sequence > marks.get(&entry.boot).copied().unwrap_or(0));
        Ok(entries)
    }

    /// Everything that is remembered, the oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Puts an entry on record under this boot's next number. It counts once this returns.
    pub fn append(&mut self, mut entry: Entry) -> anyhow::Result<&Entry> {
        entry.boot.clone_from(&self.boot);
        entry.sequence = self.next;
        let line = line(&entry)?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would make the next one unreadable.
            let undone = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)).map(drop));
            undone.context("taking back half a line of the queue")?;
            return Err(error).context("writing the queue: is there room on the disk?");
        }
        self.length += line.len() as u64;
        self.next += 1;
        self.entries.push(entry);
        Ok(self.entries.last().expect("it was pushed just now"))
    }

    /// How many wait to be sent.
    pub fn waiting(&self) -> usize {
        self.entries.iter().filter(|entry| entry.sequence > self.mark(&entry.boot)).count()
    }

    /// The oldest ones that wait, in order; empty ones in place of what cannot be read any more.
    pub fn batch(&self, most: usize) -> Vec<GateCrossing> {
        let mut reached = self.marks.clone();
        let mut batch = Vec::new();
        for entry in &self.entries {
            let mark = reached.entry(entry.boot.clone()).or_default();
            if entry.sequence <= *mark {
                continue;
            }
            let lost = (*mark + 1..entry.sequence).map(|sequence| GateCrossing {
                boot: entry.boot.clone(),
                sequence,
                ..GateCrossing::default()
            });
            batch.extend(lost.chain([entry.crossing()]).take(most - batch.len()));
            *mark = entry.sequence;
            if batch.len() >= most {
                break;
            }
        }
        batch
    }

    /// What the centre has for good.
    pub fn acknowledge(&mut self, marks: &[Mark]) -> anyhow::Result<()> {
        let mut moved = self.marks.clone();
        for Mark { boot, sequence } in marks {
            let mark = moved.entry(boot.clone()).or_default();
            *mark = (*mark).max(*sequence);
        }
        if moved != self.marks {
            write_whole(&self.folder.join(MARKS), &serde_json::to_vec_pretty(&moved)?)?;
            self.marks = moved;
        }
        Ok(())
    }

    fn mark(&self, boot: &str) -> u64 {
        self.marks.get(boot).copied().unwrap_or(0)
    }

    fn rewrite(&mut self) -> anyhow::Result<()> {
        let path = self.folder.join(QUEUE);
        let lines: Vec<Vec<u8>> = self.entries.iter().map(line).collect::<anyhow::Result<_>>()?;
        write_whole(&path, &lines.concat())?;
        self.file = File::options().read(true).write(true).open(&path).context("opening the queue again")?;
        self.length = self.file.metadata().context("measuring the queue")?.len();
        Ok(())
    }
}

/// The readable entries, and the bytes up to the end of the last whole line.
fn entries_in(bytes: &[u8]) -> (Vec<Entry>, u64) {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    (bytes[..whole].split(|byte| *byte == b'\n').filter_map(read).collect(), whole as u64)
}

fn line(entry: &Entry) -> anyhow::Result<Vec<u8>> {
    let json = serde_json::to_string(entry).context("writing a crossing as JSON")?;
    Ok(format!("{} {json}\n", digest(json.as_bytes())).into_bytes())
}

fn read(line: &[u8]) -> Option<Entry> {
    let text = std::str::from_utf8(line).ok()?;
    let (digits, json) = text.split_once(' ')?;
    if digits != digest(json.as_bytes()) {
        return None;
    }
    serde_json::from_str(json).ok()
}

/// Against torn and rotten lines, not against people: who can write here can also record a crossing.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8].iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}

fn read_marks(folder: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let path = folder.join(MARKS);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    // Without marks everything is sent again, and is on record once.
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Whether a folder may be used by this program alone.
pub fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    ensure!(
        file.try_lock().is_ok(),
        "another gate program works in {}: stop it, or choose another folder with --folder",
        folder.display()
    );
    Ok(file)
}

#[cfg(test)]
pub(crate) mod tests;
