use std::collections::BTreeSet;

use credential::{
    glance::{Glance, NameLength, Sex},
    keys::{Key, KeySet},
    list::{Age, Colour, SuspensionList},
    payload::{Kind, Payload, Rule},
    phone::{Leeway, SLOTS, slot_at},
    signature::{PublicKey, SigningKey},
    text::{Prefix, armour},
    time::{Hour, Second},
    verify::{Grounds, verify},
};
use serde_json::{Value, json};

use crate::{
    form::{hex, number, unhex},
    world::{
        COMPROMISED, ES256, HIGH_WATER, ISSUED, LISTS, NEXT_WEEK, NOW, PASSES, SM2, STOLEN, WEEK, issuer, key_set,
        list, pass, root, secret, signed,
    },
};

const SECRET: [u8; 16] = [0x5C; 16];

/// A code, when and with which list it is looked at, and what must come of it.
struct Case {
    name: &'static str,
    text: String,
    now: Second,
    list: bool,
    answer: Value,
}

pub(crate) fn made() -> Value {
    let cases = [good(), foreign(), forged(), strange(), by_time(), phones(), listed()].concat();
    json!({
        "root": hex(&root().public().to_bytes()),
        "key_set": key_set(7).text(&root()),
        "list": list().text(LISTS, &secret(LISTS)),
        "cases": cases.into_iter().map(Case::into_json).collect::<Vec<_>>(),
    })
}

impl Case {
    fn into_json(self) -> Value {
        let leeway = Leeway::default();
        json!({
            "name": self.name,
            "text": self.text,
            "now": self.now.0,
            "with_list": self.list,
            "clock_behind": 600,
            "leeway": { "slots_behind": leeway.slots_behind, "slots_ahead": leeway.slots_ahead },
            "answer": self.answer,
            "age": self.list.then(|| shown_age(list().age(self.now))),
        })
    }
}

impl Clone for Case {
    fn clone(&self) -> Self {
        let Self { name, text, now, list, answer } = self;
        Self { name, text: text.clone(), now: *now, list: *list, answer: answer.clone() }
    }
}

fn accepted(name: &'static str, payload: &Payload) -> Case {
    let answer = json!({ "accepted": shown(payload, None) });
    Case { name, text: issuer(payload.key_id).paper(payload), now: NOW, list: true, answer }
}

fn refused(name: &'static str, text: String, reason: &str) -> Case {
    Case { name, text, now: NOW, list: true, answer: json!({ "refused": reason }) }
}

/// A payload whose bytes were changed before it was signed.
fn changed(at: usize, byte: u8) -> String {
    let mut bytes = pass(20).to_bytes();
    bytes[at] = byte;
    armour(Prefix::Pass, &signed(&secret(PASSES), &bytes))
}

fn good() -> Vec<Case> {
    let glance =
        Glance { surname: "欧阳".to_owned(), name_length: NameLength::FourOrMore, sex: Sex::Male, decade: 1 };
    let rare = Glance { surname: "𠮷".to_owned(), name_length: NameLength::UpToTwo, sex: Sex::Unsaid, decade: 10 };
    let mut cases = vec![
        accepted("paper", &pass(20)),
        accepted("paper under ES256", &Payload { key_id: ES256, ..pass(20) }),
        accepted("visitor", &Payload { kind: Kind::Visitor, rule: Rule::Daytime, ..pass(21) }),
        accepted("service worker", &Payload { kind: Kind::Service, rule: Rule::OneOutingPer(1), ..pass(22) }),
        accepted("carer", &Payload { kind: Kind::Carer, rule: Rule::OneOutingPer(127), ..pass(23) }),
        accepted("a surname of two characters", &Payload { glance, ..pass(24) }),
        accepted("a surname that takes two UTF-16 units", &Payload { glance: rare, ..pass(25) }),
        accepted("nothing said of the holder", &Payload { glance: Glance::default(), ..pass(0) }),
        accepted("issued by a compromised key before that", &{
            Payload { key_id: STOLEN, issued: Hour(COMPROMISED.0 - 1), ..pass(26) }
        }),
    ];
    let answer = json!({ "accepted": shown(&pass(20), None) });
    cases.push(Case { name: "without a list", text: issuer(PASSES).paper(&pass(20)), now: NOW, list: false, answer });
    cases
}

fn foreign() -> Vec<Case> {
    let code = issuer(PASSES).paper(&pass(20));
    let digits = &code[4..];
    vec![
        refused("empty", String::new(), "not_ours"),
        refused("a web address", "https://example.com/pass".to_owned(), "not_ours"),
        refused("another version of the text", format!("MF2:{digits}"), "not_ours"),
        refused("in lower case", code.to_lowercase(), "not_ours"),
        refused("lower case behind the prefix", format!("MF1:{}", digits.to_lowercase()), "not_canonical"),
        refused("a space in front", format!(" {code}"), "not_ours"),
        refused("a group beyond 16 bits", format!("MF1:{}GGW", &digits[..147]), "not_canonical"),
        refused("a group far beyond 16 bits", format!("MF1:{}", ":".repeat(150)), "not_canonical"),
        refused("a character outside of the alphabet", format!("MF1:{}\u{e4}", &digits[..148]), "not_canonical"),
        refused("a character too few", code[..153].to_owned(), "wrong_length"),
        refused("one character behind the last group", format!("{code}0"), "wrong_length"),
        refused("a group too few", code[..151].to_owned(), "wrong_length"),
        refused("a byte too many", format!("{code}00"), "wrong_length"),
        refused("nothing behind the prefix", "MF1:".to_owned(), "wrong_length"),
    ]
}

fn forged() -> Vec<Case> {
    let paper =
        |id: u8, key: &SigningKey| armour(Prefix::Pass, &signed(key, &Payload { key_id: id, ..pass(20) }.to_bytes()));
    let genuine = signed(&secret(PASSES), &pass(20).to_bytes());
    let altered = |at: usize| {
        let mut bytes = genuine.clone();
        bytes[at] ^= 1;
        armour(Prefix::Pass, &bytes)
    };
    let mut high_s = signed(&secret(ES256), &Payload { key_id: ES256, ..pass(20) }.to_bytes());
    mirror(&mut high_s[68..]);
    vec![
        refused("another maker under our key id", paper(PASSES, &secret(77)), "bad_signature"),
        refused("the payload was changed", altered(14), "bad_signature"),
        refused("the flags were changed: the signature comes first", altered(35), "bad_signature"),
        refused("the kind was changed: the signature comes first", altered(0), "bad_signature"),
        refused("the first byte of the signature was changed", altered(36), "bad_signature"),
        refused("the last byte of the signature was changed", altered(99), "bad_signature"),
        refused("ES256 with the higher s", armour(Prefix::Pass, &high_s), "bad_signature"),
        refused("a signature of zeros", armour(Prefix::Pass, &[&genuine[..36], &[0; 64]].concat()), "bad_signature"),
        refused("a key id that nobody has", paper(200, &secret(77)), "unknown_key"),
        refused("signed by the key for lists", paper(LISTS, &secret(LISTS)), "wrong_scope"),
        refused("a key of SM2", paper(SM2, &secret(77)), "unsupported_algorithm"),
        refused("by next week's key", paper(NEXT_WEEK, &secret(NEXT_WEEK)), "key_not_in_force"),
        refused("by a compromised key after that", paper(STOLEN, &secret(STOLEN)), "compromised_key"),
    ]
}

/// The order of P-256 less s.
fn mirror(s: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
        0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(difference < 0);
        s[at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
}

fn strange() -> Vec<Case> {
    let phone = Payload { kind: Kind::Phone, ..pass(20) };
    let paper_as_phone = issuer(PASSES).phone(&pass(20), SECRET).code(140).unwrap();
    vec![
        refused("version 2", changed(0, 0x21), "unknown_version"),
        refused("version 0", changed(0, 0x01), "unknown_version"),
        refused("kind 0", changed(0, 0x10), "unknown_kind"),
        refused("kind 6", changed(0, 0x16), "unknown_kind"),
        refused("the first byte of a list", changed(0, 0x18), "unknown_kind"),
        refused("a flag", changed(35, 0x01), "unknown_flag"),
        refused("another flag", changed(35, 0x80), "unknown_flag"),
        refused("rule 2", changed(16, 0x02), "unknown_rule"),
        refused("an outing in no days", changed(16, 0x80), "unknown_rule"),
        refused("a third sex", changed(24, 0x30), "malformed"),
        refused("the eleventh decade", changed(24, 0x0B), "malformed"),
        refused("half a character", changed(20, 0xD8), "malformed"),
        refused(
            "a second unit without a first",
            armour(Prefix::Pass, &{
                let mut bytes = pass(20).to_bytes();
                bytes[20..24].copy_from_slice(&[0, 0, 0x5F, 0x20]);
                signed(&secret(PASSES), &bytes)
            }),
            "malformed",
        ),
        refused("a phone pass that poses as paper", issuer(PASSES).paper(&phone), "kind_posing"),
        refused("a paper pass that poses as a phone's", paper_as_phone, "kind_posing"),
    ]
}

fn by_time() -> Vec<Case> {
    let payload = pass(20);
    let at = |name, now, answer: Option<&str>| Case {
        name,
        text: issuer(PASSES).paper(&payload),
        now,
        list: true,
        answer: answer
            .map_or_else(|| json!({ "accepted": shown(&payload, None) }), |reason| json!({ "refused": reason })),
    };
    let (issued, expires) = (payload.issued.start().0, payload.expires.start().0);
    vec![
        at("ten minutes before the hour of issue", Second(issued - 600), None),
        at("a second earlier than that", Second(issued - 601), Some("not_yet_valid")),
        at("in the last second", Second(expires - 1), None),
        at("in the hour of expiry", Second(expires), Some("expired")),
        at("at the end of time", Second(u32::MAX), Some("expired")),
        at("at the beginning of time", Second(0), Some("not_yet_valid")),
    ]
}

fn phones() -> Vec<Case> {
    let payload = Payload { kind: Kind::Phone, ..pass(30) };
    let pass = issuer(PASSES).phone(&payload, SECRET);
    let slot = u16::try_from(slot_at(ISSUED, NOW)).unwrap();
    let start = ISSUED.start().0;
    let code = |slot| pass.code(slot).unwrap();
    let good = |name, slot: u16, now| Case {
        name,
        text: code(slot),
        now,
        list: true,
        answer: json!({ "accepted": shown(&payload, Some(slot)) }),
    };
    let posed = |slot: u16, value: usize| {
        let mut bytes = credential::text::unarmour(Prefix::Pass, &code(140)).unwrap();
        bytes[116] ^= u8::try_from(value).unwrap();
        bytes[132..].copy_from_slice(&slot.to_be_bytes());
        armour(Prefix::Pass, &bytes)
    };
    let last = Second(start + (u32::from(SLOTS) - 1) * 30);
    let after = |name, slot, now| Case { now, ..refused(name, code(slot), "slot_too_old") };
    vec![
        good("a phone in its slot", slot, NOW),
        good("a phone two slots behind", slot - 2, NOW),
        good("a phone two slots ahead", slot + 2, NOW),
        good("a phone in its first slot", 1, Second(start)),
        good("a phone in its last slot: 2,880 hashes", SLOTS, last),
        refused("three slots behind", code(slot - 3), "slot_too_old"),
        refused("three slots ahead", code(slot + 3), "slot_in_future"),
        after("a phone pass that was not renewed after a day", SLOTS, Second(last.0 + 90)),
        refused("a phone of slot 0, whose value is the anchor", posed(0, 0), "slot_range"),
        refused("a phone of slot 2,881: too many hashes", posed(SLOTS + 1, 0), "slot_range"),
        refused("a phone of slot 65,535: far too many hashes", posed(u16::MAX, 0), "slot_range"),
        refused("an old value under this slot", posed(slot, 0), "chain_broken"),
        refused("a value that was made up", posed(slot, 1), "chain_broken"),
        refused(
            "the anchor was changed",
            {
                let mut bytes = credential::text::unarmour(Prefix::Pass, &code(slot)).unwrap();
                bytes[36] ^= 1;
                armour(Prefix::Pass, &bytes)
            },
            "bad_signature",
        ),
        refused("a phone's code without its last byte's group", code(slot)[..202].to_owned(), "wrong_length"),
    ]
}

fn listed() -> Vec<Case> {
    let paper = |payload: &Payload| issuer(PASSES).paper(payload);
    let earlier = |payload: Payload| Payload { issued: Hour(ISSUED.0 - 1), ..payload };
    vec![
        refused("suspended", paper(&pass(17)), "suspended"),
        refused("revoked", paper(&pass(18)), "revoked"),
        refused("revoked, at the high-water mark", paper(&pass(HIGH_WATER)), "revoked"),
        accepted("next to one that is listed", &pass(19)),
        refused(
            "of a compound whose passes before this hour do not count",
            paper(&earlier(Payload { compound: 0x0C08, ..pass(20) })),
            "compound_before",
        ),
        accepted("of that compound, issued in that hour", &Payload { compound: 0x0C08, ..pass(20) }),
        accepted("of a compound with a line of long ago", &Payload { compound: 0x0C09, ..pass(20) }),
        refused(
            "above the high-water mark, an hour older than the list",
            paper(&earlier(pass(2_001))),
            "above_high_water",
        ),
        accepted("above the high-water mark, of the hour in which the list was made", &pass(2_001)),
        accepted("just below the high-water mark", &earlier(pass(1_999))),
        refused(
            "revoked and expired: expired comes first",
            paper(&{ Payload { expires: Hour(ISSUED.0 + 1), issued: Hour(WEEK), ..pass(18) } }),
            "expired",
        ),
    ]
}

fn shown(payload: &Payload, slot: Option<u16>) -> Value {
    let rule = match payload.rule {
        Rule::Unrestricted => json!("unrestricted"),
        Rule::Daytime => json!("daytime"),
        Rule::OneOutingPer(days) => json!({ "one_outing_per_days": days }),
    };
    json!({
        "kind": format!("{:?}", payload.kind).to_lowercase(),
        "key_id": payload.key_id,
        "number": payload.number.to_string(),
        "index": payload.number.index(),
        "issued": payload.issued.0,
        "expires": payload.expires.0,
        "compound": payload.compound,
        "rule": rule,
        "household": hex(&payload.household),
        "surname": payload.glance.surname,
        "name_length": payload.glance.name_length as u8,
        "sex": payload.glance.sex as u8,
        "decade": payload.glance.decade,
        "photo_key": hex(&payload.photo_key),
        "slot": slot,
    })
}

fn shown_age(age: Age) -> Value {
    let colour = match age.colour() {
        Colour::Green => "green",
        Colour::Amber => "amber",
        Colour::Stale => "stale",
    };
    json!({ "seconds": age.seconds, "colour": colour })
}

/// Opens what the file holds with the pinned root alone, and asks again.
pub(crate) fn answered(file: &Value) -> usize {
    let root = PublicKey::from_bytes(credential::signature::Algorithm::Ed25519, &unhex(&file["root"])).unwrap();
    let keys = KeySet::open_text(file["key_set"].as_str().unwrap(), &root, None).unwrap();
    assert!(keys.keys().iter().map(|key: &Key| key.id).is_sorted());
    let list = SuspensionList::open_text(file["list"].as_str().unwrap(), &keys).unwrap();
    let mut names = BTreeSet::new();
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        assert!(names.insert(name), "{name} twice");
        let grounds = Grounds {
            clock_behind: number(&case["clock_behind"]),
            leeway: Leeway {
                slots_behind: number(&case["leeway"]["slots_behind"]),
                slots_ahead: number(&case["leeway"]["slots_ahead"]),
            },
            ..Grounds::new(&keys, case["with_list"].as_bool().unwrap().then_some(&list), Second(number(&case["now"])))
        };
        let verdict = verify(case["text"].as_str().unwrap(), &grounds);
        let answer = match &verdict.answer {
            Ok(pass) => json!({ "accepted": shown(&pass.payload, pass.slot) }),
            Err(refusal) => json!({ "refused": refusal.reason.name() }),
        };
        assert_eq!(answer, case["answer"], "{name}");
        assert_eq!(verdict.age.map_or(Value::Null, shown_age), case["age"], "{name}");
    }
    cases.len()
}
