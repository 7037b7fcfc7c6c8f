use credential::{
    keys::KeySet,
    list::{Contents, Delta, State, SuspensionList, Taken, Update},
    signature::{Algorithm, PublicKey},
    text::{Prefix, armour},
    time::{Hour, Second},
};
use serde_json::{Value, json};

use crate::{
    form::{hex, unhex},
    world::{COMPROMISED, LISTS, PASSES, STOLEN_LISTS, WEEK, key_set, root, secret, signed},
};

/// What arrives at a gate, one after the other.
pub(crate) fn made() -> Value {
    json!({
        "root": hex(&root().public().to_bytes()),
        "key_set": key_set(7).text(&root()),
        "stories": [in_order(), again_and_again(), at_odds(), by_others(), misshapen()],
    })
}

/// Four lists, each a few passes away from the one before.
fn history() -> [SuspensionList; 4] {
    let made = |minutes: u32| Second(Hour(WEEK + 40).start().0 + minutes * 60);
    let spread =
        |to: u32| (0..to).map(|at| (at * at * 7 + 3, if at % 4 == 1 { State::Revoked } else { State::Suspended }));
    let list = |sequence, minutes, high_water, lines: &[(u16, Hour)], listed: Vec<(u32, State)>| {
        SuspensionList::new(Contents { sequence, made: made(minutes), high_water, lines: lines.to_vec(), listed })
            .unwrap()
    };
    let third: Vec<(u32, State)> = spread(30).filter(|(index, _)| index % 5 != 0).collect();
    [
        list(100, 0, 5_000, &[], vec![]),
        list(101, 10, 5_500, &[(7, Hour(WEEK)), (9, Hour(WEEK + 1))], spread(26).collect()),
        list(102, 20, 6_400, &[(7, Hour(WEEK + 2))], third.clone()),
        list(107, 30, 6_400, &[], third.into_iter().map(|(index, _)| (index, State::Revoked)).collect()),
    ]
}

fn key() -> credential::signature::SigningKey {
    secret(LISTS)
}

fn snapshot(list: &SuspensionList) -> String {
    list.text(LISTS, &key())
}

fn delta(from: &SuspensionList, to: &SuspensionList) -> String {
    Delta::between(from, to).text(LISTS, &key())
}

/// A step with what must come of it, and the list that is held then.
fn step(name: &str, text: &str, answer: &Value, held: Option<&SuspensionList>) -> Value {
    json!({ "name": name, "text": text, "answer": answer, "held": held.map(shown) })
}

fn refused(reason: &str) -> Value {
    json!({ "refused": reason })
}

fn in_order() -> Value {
    let [a, b, c, d] = history();
    json!({ "name": "a snapshot and three changes", "steps": [
        step("a change without a list", &delta(&a, &b), &refused("sequence_gap"), None),
        step("the first list, empty", &snapshot(&a), &json!("applied"), Some(&a)),
        step("suspended and revoked, two compounds", &delta(&a, &b), &json!("applied"), Some(&b)),
        step("some lifted, others new, one compound's line moved, one gone", &delta(&b, &c), &json!("applied"), Some(&c)),
        step("all revoked, over five numbers", &delta(&c, &d), &json!("applied"), Some(&d)),
    ]})
}

fn again_and_again() -> Value {
    let [a, b, c, _] = history();
    let later = SuspensionList::new(Contents { made: Second(c.made().0 + 600), ..contents(&c) }).unwrap();
    json!({ "name": "said again", "steps": [
        step("a list", &snapshot(&b), &json!("applied"), Some(&b)),
        step("the same list", &snapshot(&b), &json!("already"), Some(&b)),
        step("a change", &delta(&b, &c), &json!("applied"), Some(&c)),
        step("the same change", &delta(&b, &c), &json!("already"), Some(&c)),
        step("an older change", &delta(&a, &b), &json!("already"), Some(&c)),
        step("nothing has changed, ten minutes later", &delta(&c, &later), &json!("already"), Some(&later)),
        step("the change once more: the list gets no older by it", &delta(&b, &c), &json!("already"), Some(&later)),
    ]})
}

fn contents(list: &SuspensionList) -> Contents {
    Contents {
        sequence: list.sequence(),
        made: list.made(),
        high_water: list.high_water(),
        lines: list.lines().to_vec(),
        listed: list.listed().collect(),
    }
}

fn at_odds() -> Value {
    let [a, b, c, d] = history();
    let other = SuspensionList::new(Contents { listed: vec![(4, State::Suspended)], ..contents(&b) }).unwrap();
    let lower = SuspensionList::new(Contents { sequence: 103, high_water: 6_300, ..contents(&c) }).unwrap();
    json!({ "name": "what does not fit", "steps": [
        step("a list", &snapshot(&b), &json!("applied"), Some(&b)),
        step("an older list", &snapshot(&a), &refused("step_back"), Some(&b)),
        step("a change that begins further on", &delta(&c, &d), &refused("sequence_gap"), Some(&b)),
        step("another list of the same number", &snapshot(&other), &refused("wrong_base"), Some(&b)),
        step("a change of that other list", &delta(&other, &c), &refused("wrong_base"), Some(&b)),
        step("a change over this number, which lifts nothing of it", &delta(&a, &c), &refused("wrong_base"), Some(&b)),
        step("the whole of the next list", &snapshot(&c), &json!("applied"), Some(&c)),
        step("a newer list with a lower high-water mark", &snapshot(&lower), &refused("step_back"), Some(&c)),
        step("the same as a change", &delta(&c, &lower), &refused("step_back"), Some(&c)),
        step("a change over this number that fits", &delta(&b, &d), &json!("applied"), Some(&d)),
    ]})
}

fn by_others() -> Value {
    let [_, b, ..] = history();
    let bytes = b.sign(LISTS, &key());
    let mut altered = bytes.clone();
    altered[9] ^= 1;
    let stolen = |made: Second| {
        let list = SuspensionList::new(Contents { made, ..contents(&b) }).unwrap();
        list.text(STOLEN_LISTS, &secret(STOLEN_LISTS))
    };
    let before = Second(COMPROMISED.start().0 - 1);
    let early = SuspensionList::new(Contents { made: before, ..contents(&b) }).unwrap();
    let old = SuspensionList::new(Contents { made: Second(3_600), ..contents(&b) }).unwrap();
    json!({ "name": "signed by others", "steps": [
        step("by an issuing key", &b.text(PASSES, &secret(PASSES)), &refused("wrong_scope"), None),
        step("by a key that nobody has", &b.text(200, &key()), &refused("unknown_key"), None),
        step("by somebody else", &b.text(LISTS, &secret(77)), &refused("bad_signature"), None),
        step("a byte was changed", &armour(Prefix::List, &altered), &refused("bad_signature"), None),
        step("before the key was in force", &snapshot(&old), &refused("key_not_in_force"), None),
        step("by a compromised key after that", &stolen(COMPROMISED.start()), &refused("compromised_key"), None),
        step("by a compromised key before that", &stolen(before), &json!("applied"), Some(&early)),
    ]})
}

/// Signed by the right key, and yet no list.
fn misshapen() -> Value {
    let made = Hour(WEEK + 40).start().0.to_be_bytes();
    let seal = |first: u8, rest: &[&[u8]]| {
        let content = [&[first, LISTS], &made[..], &rest.concat()].concat();
        armour(Prefix::List, &signed(&key(), &content))
    };
    let number = 100_u32.to_be_bytes();
    let ten = [0, 0, 9];
    let none = [0, 0, 0];
    let snapshot = |runs: &[&[u8]]| seal(0x18, &[&[&number[..], &ten, &[0]], runs].concat());
    let lines = |lines: &[u8]| seal(0x18, &[&number, &ten, lines, &none, &none]);
    let delta = |from: u32, to: u32, lines: &[u8], runs: &[&[u8]]| {
        seal(0x19, &[&[&from.to_be_bytes()[..], &to.to_be_bytes(), &[0; 8], &ten, lines], runs].concat())
    };
    // Mean distance 10: three lower bits. One index: 0 and three bits; the rest of the byte is zero.
    let one = |bits: u8| [0, 0, 1, bits];
    let wrong = |name: &str, text: String, reason: &str| step(name, &text, &refused(reason), None);
    json!({ "name": "signed, and yet no list", "steps": [
        wrong("version 2", seal(0x28, &[&number, &ten, &[0], &none, &none]), "unknown_version"),
        wrong("a key set signed by the key for lists", seal(0x1A, &[&number, &ten, &[0], &none, &none]), "unknown_kind"),
        wrong("a byte behind the end", snapshot(&[&none, &none, &[0]]), "wrong_length"),
        wrong("cut short", snapshot(&[&none, &none[..2]]), "wrong_length"),
        wrong("shorter than a signature", armour(Prefix::List, &[0x18; 60]), "wrong_length"),
        wrong("a count of 16 million", snapshot(&[&[0xFF, 0xFF, 0xFF], &none]), "wrong_length"),
        wrong("a bit behind the last index", snapshot(&[&one(0b0101_1000), &none]), "not_canonical"),
        wrong("an index above the high-water mark", snapshot(&[&one(0b1001_0000), &none]), "malformed"),
        wrong("ones without end", snapshot(&[&one(0xFF), &none]), "malformed"),
        wrong("suspended and revoked at once", snapshot(&[&one(0b0101_0000), &one(0b0101_0000)]), "malformed"),
        wrong("a compound twice", lines(&[2, 0, 7, 0, 1, 0, 7, 0, 2]), "malformed"),
        wrong("compounds out of order", lines(&[2, 0, 8, 0, 1, 0, 7, 0, 2]), "malformed"),
        wrong("a line that says nothing", lines(&[1, 0, 7, 0, 0]), "malformed"),
        wrong("more lines than bytes", lines(&[255, 0, 7, 0, 1]), "wrong_length"),
        wrong("a change backwards", delta(2, 1, &[0], &[&none, &none, &none]), "malformed"),
        wrong("a change of one pass in two ways", delta(1, 2, &[0], &[&one(0), &none, &one(0)]), "malformed"),
        wrong("a change of a compound in two ways", delta(1, 2, &[2, 0, 7, 0, 0, 0, 7, 0, 1], &[&none, &none, &none]), "malformed"),
        wrong("a change with a byte behind its end", delta(1, 2, &[0], &[&none, &none, &none, &[0]]), "wrong_length"),
        wrong("a code of a pass", armour(Prefix::Pass, &[0x18; 100]), "not_ours"),
        wrong("in lower case", snapshot(&[&none, &none]).replace("MFL1", "mfl1"), "not_ours"),
    ]})
}

fn shown(list: &SuspensionList) -> Value {
    let with = |of| list.listed().filter(|(_, state)| *state == of).map(|(index, _)| index).collect::<Vec<_>>();
    json!({
        "sequence": list.sequence(),
        "made": list.made().0,
        "high_water": list.high_water(),
        "digest": hex(&list.digest()),
        "lines": list.lines().iter().map(|(compound, before)| [*compound, before.0]).collect::<Vec<_>>(),
        "suspended": with(State::Suspended),
        "revoked": with(State::Revoked),
    })
}

pub(crate) fn answered(file: &Value) -> usize {
    let root = PublicKey::from_bytes(Algorithm::Ed25519, &unhex(&file["root"])).unwrap();
    let keys = KeySet::open_text(file["key_set"].as_str().unwrap(), &root, None).unwrap();
    let mut steps = 0;
    for story in file["stories"].as_array().unwrap() {
        let mut held = None;
        for step in story["steps"].as_array().unwrap() {
            let update = Update::open_text(step["text"].as_str().unwrap(), &keys);
            let answer = match update.and_then(|update| update.take_into(&mut held)) {
                Ok(Taken::Applied) => json!("applied"),
                Ok(Taken::Already) => json!("already"),
                Err(reason) => json!({ "refused": reason.name() }),
            };
            assert_eq!(answer, step["answer"], "{}: {}", story["name"], step["name"]);
            assert_eq!(json!(held.as_ref().map(shown)), step["held"], "{}: {}", story["name"], step["name"]);
            steps += 1;
        }
    }
    steps
}
