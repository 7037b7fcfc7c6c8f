//! What a gate keeps on its disk besides the queue: who it is, the keys that it believes, and the list of those suspended.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, Utc};
use credential::{
    keys::KeySet,
    list::{SuspensionList, Taken, Update},
    reason::Reason,
    signature::{Algorithm, PublicKey},
};
use serde::{Deserialize, Serialize};

use super::limits::Limits;

const SETTINGS: &str = "gate.json";
const KEYS: &str = "keys.txt";
const LIST: &str = "list.txt";

/// Changes that are kept behind a whole list before another whole one is asked for.
const CHANGES: usize = 64;

/// Who the gate is, and what it goes by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub address: String,
    #[serde(default)]
    pub authority: Option<PathBuf>,
    pub token: String,
    pub token_since: DateTime<Utc>,
    /// devices/{device}
    pub device: String,
    /// compounds/{compound}/gates/{gate}
    pub gate: String,
    /// The pinned root: 64 hexadecimal digits.
    pub root: String,
    /// As passes write them.
    pub compounds: Vec<u16>,
    /// R14: tenths of a degree; 0 while no method is in force.
    pub fever_decicelsius: i32,
    pub method_version: String,
    /// R18: of the method.
    #[serde(default)]
    pub limits: Limits,
    /// By how much the clock was slow, and when something was last on record.
    pub offset_ms: i64,
    pub latest: DateTime<Utc>,
}

impl Settings {
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(SETTINGS);
        let bytes = fs::read(&path).with_context(|| {
            format!(
                "no gate is enrolled in {}: `mifeng gate enrol CODE`, with a code from the office",
                folder.display()
            )
        })?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged: enrol the gate again", path.display()))
    }

    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        write_whole(&folder.join(SETTINGS), &serde_json::to_vec_pretty(self)?)
    }

    pub fn root(&self) -> anyhow::Result<PublicKey> {
        root(&self.root).ok_or_else(|| anyhow!("the pinned root is no key: enrol the gate again"))
    }
}

/// An Ed25519 key as 64 hexadecimal digits.
pub fn root(digits: &str) -> Option<PublicKey> {
    let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.filter(|bytes| bytes.len() == 32).and_then(|bytes| PublicKey::from_bytes(Algorithm::Ed25519, &bytes).ok())
}

/// Keys and list as they were signed, so that what lies on the disk is believed no more than what comes over the line.
#[derive(Default)]
pub struct Trust {
    pub keys: Option<KeySet>,
    pub list: Option<SuspensionList>,
    lines: Vec<String>,
}

impl Trust {
    pub fn read(folder: &Path, root: &PublicKey) -> Self {
        let keys = fs::read_to_string(folder.join(KEYS)).ok();
        let keys = keys.and_then(|text| KeySet::open_text(text.trim(), root, None).ok());
        let mut trust = Self { keys, ..Self::default() };
        // Behind a line that does not fit nothing fits: the next exchange brings the rest.
        let text = fs::read_to_string(folder.join(LIST)).unwrap_or_default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if trust.take_line(line).is_err() {
                break;
            }
        }
        trust
    }

    /// A set of keys, not older than the one that is held.
    pub fn take_keys(&mut self, folder: &Path, root: &PublicKey, text: &str) -> anyhow::Result<Result<(), Reason>> {
        match KeySet::open_text(text, root, self.keys.as_ref()) {
            Ok(keys) if self.keys.as_ref() == Some(&keys) => Ok(Ok(())),
            Ok(keys) => {
                write_whole(&folder.join(KEYS), text.as_bytes())?;
                self.keys = Some(keys);
                Ok(Ok(()))
            }
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// A list or a change of it, over the line or from a QR code.
    pub fn take_update(&mut self, folder: &Path, text: &str) -> anyhow::Result<Result<Taken, Reason>> {
        match self.take_line(text) {
            Ok(taken) => {
                write_whole(&folder.join(LIST), self.lines.join("\n").as_bytes())?;
                Ok(Ok(taken))
            }
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// From which list on changes are wanted; 0: the whole list.
    pub fn sequence(&self) -> u32 {
        let too_many = self.lines.len() > CHANGES;
        self.list.as_ref().filter(|_| !too_many).map_or(0, SuspensionList::sequence)
    }

    fn take_line(&mut self, text: &str) -> Result<Taken, Reason> {
        let keys = self.keys.as_ref().ok_or(Reason::UnknownKey)?;
        let update = Update::open_text(text, keys)?;
        let (whole, confirms) = match &update {
            Update::Snapshot(_) => (true, false),
            Update::Delta(delta) => (false, delta.from() == delta.to()),
        };
        let taken = update.take_into(&mut self.list)?;
        if whole {
            self.lines.clear();
        } else if confirms && self.lines.last().is_some_and(|line| self.confirms(line)) {
            self.lines.pop();
        } else if taken == Taken::Already && !confirms {
            return Ok(taken);
        }
        self.lines.push(text.to_owned());
        Ok(taken)
    }

    /// Whether a line only says that a list was still the newest.
    fn confirms(&self, line: &str) -> bool {
        let update = self.keys.as_ref().and_then(|keys| Update::open_text(line, keys).ok());
        matches!(update, Some(Update::Delta(delta)) if delta.from() == delta.to())
    }
}

/// Puts a file in its place whole and on the disk, readable by its owner alone.
pub fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let writing = || format!("writing {}", path.display());
    let draft = path.with_extension("draft");
    fs::remove_file(&draft).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error).with_context(writing),
    })?;
    let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&draft).with_context(writing)?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(writing)?;
    fs::rename(&draft, path).with_context(writing)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(writing)
}
