//! The vectors in `tests/vectors/pass/`: what this crate makes is what they hold, byte for byte, and what they hold is
//! answered as they say. The verifier in the browser must pass them too. `MIFENG_BLESS=1` writes them.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its vectors has failed")]

/// Codes, good and refused.
mod codes;
/// JSON with one form.
mod form;
/// Key sets.
mod keysets;
/// Lists and changes, taken in one after the other.
mod lists;
/// Numbers, texts, chains and COSE.
mod parts;
/// Keys from fixed seeds, and what is signed with them.
mod world;

use std::{collections::BTreeSet, fs, path::PathBuf};

use credential::reason::Reason;
use serde_json::Value;

fn files() -> [(&'static str, Value); 4] {
    [
        ("codes.json", codes::made()),
        ("key_sets.json", keysets::made()),
        ("lists.json", lists::made()),
        ("parts.json", parts::made()),
    ]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/pass").join(name)
}

fn kept(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap()
}

#[test]
fn what_is_made_today_is_what_the_vectors_hold_byte_for_byte() {
    for (name, value) in files() {
        let text = form::written(&value);
        if std::env::var_os("MIFENG_BLESS").is_some() {
            fs::write(path(name), &text).unwrap();
        }
        let kept = fs::read_to_string(path(name)).unwrap_or_default();
        let line = kept.lines().zip(text.lines()).find(|(kept, made)| kept != made);
        assert!(
            kept == text,
            "{name}: {line:?}. If the format was meant to change: MIFENG_BLESS=1, and tell the others"
        );
    }
}

#[test]
fn every_vector_is_answered_as_it_says() {
    let answered = codes::answered(&kept("codes.json"))
        + keysets::answered(&kept("key_sets.json"))
        + lists::answered(&kept("lists.json"))
        + parts::answered(&kept("parts.json"));
    assert!(answered > 100, "only {answered} vectors were read");
}

#[test]
fn every_reason_has_its_vector() {
    let mut missing: BTreeSet<String> = Reason::ALL.into_iter().map(Reason::name).collect();
    for name in ["codes.json", "key_sets.json", "lists.json"] {
        refusals(&kept(name), &mut missing);
    }
    assert!(missing.is_empty(), "{missing:?}");
}

fn refusals(value: &Value, missing: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reason)) = members.get("refused") {
                missing.remove(reason);
            }
            members.values().for_each(|member| refusals(member, missing));
        }
        Value::Array(members) => members.iter().for_each(|member| refusals(member, missing)),
        _ => {}
    }
}
