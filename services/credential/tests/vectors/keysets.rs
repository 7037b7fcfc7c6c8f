use credential::{
    keys::{Key, KeySet, Scope},
    signature::{Algorithm, PublicKey},
    text::{Prefix, armour},
    time::{Hour, Second},
};
use serde_json::{Value, json};

use crate::{
    form::{hex, unhex},
    world::{key_set, root, secret, signed},
};

pub(crate) fn made() -> Value {
    let content = signed(&root(), &[]).len();
    let genuine = key_set(7).sign(&root());
    let body = &genuine[..genuine.len() - content];
    let changed = |at: usize, byte: u8| {
        let mut body = body.to_vec();
        body[at] = byte;
        armour(Prefix::Keys, &signed(&root(), &body))
    };
    let contradicting = KeySet::new(7, Second(1), key_set(7).keys().to_vec()).unwrap();
    let mut unsorted = body.to_vec();
    unsorted.swap(10, 50);
    let refused = |name: &str, text: String, reason: &str| case(name, &text, &json!({ "refused": reason }));
    let accepted = |name: &str, set: &KeySet| case(name, &set.text(&root()), &json!({ "accepted": shown(set) }));
    let one = vec![Key { until: Hour::NEVER, ..Key::weekly(1, Hour(0), secret(1).public()) }];
    let smallest = KeySet::new(u32::MAX, Second(0), one).unwrap();
    json!({
        "root": hex(&root().public().to_bytes()),
        "held": key_set(7).text(&root()),
        "cases": [
            accepted("the one that is held, again", &key_set(7)),
            accepted("a newer one", &key_set(8)),
            accepted("one key, for ever", &smallest),
            refused("older than the one that is held", key_set(6).text(&root()), "key_set_older"),
            refused("another one under the same number", contradicting.text(&root()), "key_set_conflict"),
            refused("of another root", key_set(8).text(&secret(77)), "bad_signature"),
            refused("a byte was changed", {
                let mut bytes = genuine.clone();
                bytes[4] ^= 8;
                armour(Prefix::Keys, &bytes)
            }, "bad_signature"),
            refused("under the prefix of a pass", armour(Prefix::Pass, &genuine), "not_ours"),
            refused("shorter than a signature", armour(Prefix::Keys, &[0x1A; 63]), "wrong_length"),
            refused("nothing but a signature", armour(Prefix::Keys, &signed(&root(), &[])), "wrong_length"),
            refused("in lower case", key_set(8).text(&root()).to_lowercase(), "not_ours"),
            refused("version 2", changed(0, 0x2A), "unknown_version"),
            refused("a list signed by the root", changed(0, 0x18), "unknown_kind"),
            refused("no keys, and bytes behind", changed(9, 0), "wrong_length"),
            refused("more keys than there are bytes", changed(9, 255), "wrong_length"),
            refused("an unknown algorithm", changed(11, 0x41), "unsupported_algorithm"),
            refused("an unknown scope", changed(11, 0x13), "malformed"),
            refused("two keys that are not in the order of their ids", armour(Prefix::Keys, &signed(&root(), &unsorted)), "malformed"),
            refused("a key that is never in force", changed(14, 0), "malformed"),
            refused("a weak key", armour(Prefix::Keys, &signed(&root(), &{
                let mut body = body.to_vec();
                body[18..50].fill(0);
                body
            })), "malformed"),
        ],
    })
}

fn case(name: &str, text: &str, answer: &Value) -> Value {
    json!({ "name": name, "text": text, "answer": answer })
}

fn shown(set: &KeySet) -> Value {
    let keys = set.keys().iter().map(|key| {
        json!({
            "id": key.id,
            "algorithm": format!("{:?}", key.public.algorithm()).to_lowercase(),
            "scope": match key.scope { Scope::Passes => "passes", Scope::Lists => "lists" },
            "from": key.from.0,
            "until": key.until.0,
            "compromised": key.compromised.0,
            "public": hex(&key.public.to_bytes()),
        })
    });
    json!({ "number": set.number, "made": set.made.0, "keys": keys.collect::<Vec<_>>() })
}

pub(crate) fn answered(file: &Value) -> usize {
    let root = PublicKey::from_bytes(Algorithm::Ed25519, &unhex(&file["root"])).unwrap();
    let held = KeySet::open_text(file["held"].as_str().unwrap(), &root, None).unwrap();
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let answer = match KeySet::open_text(case["text"].as_str().unwrap(), &root, Some(&held)) {
            Ok(set) => json!({ "accepted": shown(&set) }),
            Err(reason) => json!({ "refused": reason.name() }),
        };
        assert_eq!(answer, case["answer"], "{}", case["name"]);
    }
    cases.len()
}
