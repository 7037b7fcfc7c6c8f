use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use chassis::Clock;
use chrono::{DateTime, Utc};
use clap::Args;
use credential::{
    keys::KeySet,
    list::{Colour, SuspensionList, Update},
    payload::{Payload, Rule},
    signature::{Algorithm, PublicKey},
    time::{Hour, Second},
    verify::{Grounds, Verdict, verify},
};
use serde_json::{Value, json};

use super::crossing;
use crate::{
    desk::typed,
    output::{Output, cell, on_the_clock, print, table},
};

/// Everything that a gate without a line has.
#[derive(Args)]
pub struct Inspect {
    /// The scanned text in quotes, or - for the standard input
    #[arg(value_parser = crossing::code)]
    code: String,
    /// The pinned root, 64 hexadecimal digits
    #[arg(long, value_parser = root)]
    root: PublicKey,
    /// A file with the text of a key set (MFK1:...)
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// A file with the text of a list and of changes after it (MFL1:...), a line each
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// As 2020-02-11T14:00:00+08:00; by default now
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    #[command(flatten)]
    output: Output,
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let keys = KeySet::open_text(typed::read_text(&self.keys)?.trim(), &self.root, None);
        let keys = keys.map_err(|reason| {
            let file = self.keys.display();
            anyhow!(
                "{file}: {reason}\n不是该根密钥签署的密钥集（MFK1:...），请核对 --keys 和 --root\n\
                 This is no key set (MFK1:...) that the root has signed: check --keys and --root"
            )
        })?;
        let list = self.list.as_ref().map(|file| held(&typed::read_text(file)?, &keys)).transpose()?.flatten();
        let now = self.at.unwrap_or_else(|| Clock::system().now());
        let now = Second::of_unix(now.timestamp()).context("the calendar of passes begins in 2020: check --at")?;
        let answer = shown(&verify(&self.code, &Grounds::new(&keys, list.as_ref(), now)));
        if self.output.is_json() {
            return print(&serde_json::to_string_pretty(&answer)?);
        }
        let mut table = table();
        for (name, value) in answer.as_object().into_iter().flatten() {
            table.add_row([name.clone(), cell(value)]);
        }
        print(&table.to_string())
    }
}

/// The list that comes of what arrived, line by line. What does not fit is an error: here nobody could fetch another.
fn held(lines: &str, keys: &KeySet) -> anyhow::Result<Option<SuspensionList>> {
    let mut held = None;
    for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let taken = Update::open_text(line, keys).and_then(|update| update.take_into(&mut held));
        taken.map_err(|reason| {
            let line = number + 1;
            anyhow!(
                "line {line} of the list: {reason}\n第{line}行不是接续前面各行的名单或变更（MFL1:...），请核对 --list\n\
                 Line {line} is no list or change (MFL1:...) that goes on from the lines before: check --list"
            )
        })?;
    }
    Ok(held)
}

fn shown(verdict: &Verdict) -> Value {
    let (payload, slot, reason) = match &verdict.answer {
        Ok(pass) => (Some(&pass.payload), pass.slot, None),
        Err(refusal) => (refusal.payload.as_ref(), None, Some(refusal.reason)),
    };
    let age = verdict.age.map(|age| {
        let colour = match age.colour() {
            Colour::Green => "green",
            Colour::Amber => "amber",
            Colour::Stale => "stale",
        };
        json!({ "seconds": age.seconds, "colour": colour })
    });
    json!({
        "verdict": if reason.is_none() { "good" } else { "refused" },
        "reason": reason.map(credential::reason::Reason::name),
        "say_zh": reason.map(credential::reason::Reason::zh),
        "say_en": reason.map(credential::reason::Reason::en),
        "list_age": age,
        "slot": slot,
        "pass": payload.map(said),
    })
}

fn said(pass: &Payload) -> Value {
    let time = |hour: Hour| DateTime::from_timestamp(hour.start().unix(), 0).map(on_the_clock);
    json!({
        "kind": format!("{:?}", pass.kind).to_lowercase(),
        "number": pass.number.to_string(),
        "key_id": pass.key_id,
        "issued": time(pass.issued),
        "expires": time(pass.expires),
        "compound": pass.compound,
        "rule": match pass.rule {
            Rule::Unrestricted => "unrestricted".to_owned(),
            Rule::Daytime => "daytime".to_owned(),
            Rule::OneOutingPer(days) => format!("one outing of the household in {days} days"),
        },
        "surname": pass.glance.surname,
        "decade": pass.glance.decade,
    })
}

fn root(typed: &str) -> Result<PublicKey, String> {
    let digits = typed.as_bytes();
    let byte = |at: usize| typed.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    let key = bytes
        .filter(|bytes| bytes.len() == 32)
        .and_then(|bytes| PublicKey::from_bytes(Algorithm::Ed25519, &bytes).ok());
    key.ok_or_else(|| {
        "a root is 64 hexadecimal digits of an Ed25519 key: copy it from the sheet it was printed on".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use credential::{
        keys::{Key, Scope},
        list::{Contents, Delta, State},
        signature::SigningKey,
    };

    use super::*;

    #[test]
    fn a_root_is_64_digits() {
        let key = SigningKey::ed25519(&[1; 32]).public();
        let digits: String = key
            .to_bytes()
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect();
        assert_eq!(root(&digits), Ok(key));
        for wrong in ["", "00", &digits[2..], "zz", "é"] {
            assert!(root(wrong).is_err(), "{wrong}");
        }
        assert!(root(&"0".repeat(64)).is_err());
    }

    #[test]
    fn a_list_and_its_changes_are_taken_line_by_line() {
        let secret = SigningKey::ed25519(&[1; 32]);
        let key = Key { scope: Scope::Lists, until: Hour::NEVER, ..Key::weekly(9, Hour(0), secret.public()) };
        let keys = KeySet::new(1, Second(0), vec![key]).unwrap();
        let contents = |sequence, listed| Contents { sequence, high_water: 9, listed, ..Contents::default() };
        let old = SuspensionList::new(contents(1, vec![])).unwrap();
        let new = SuspensionList::new(contents(2, vec![(3, State::Revoked)])).unwrap();
        let [list, change] = [old.text(9, &secret), Delta::between(&old, &new).text(9, &secret)];
        assert_eq!(held(&format!("{list}\n\n{change}\n"), &keys).unwrap(), Some(new));
        let error = held(&format!("{change}\n{list}"), &keys).unwrap_err().to_string();
        assert!(error.starts_with("line 1 of the list"), "{error}");
    }
}
