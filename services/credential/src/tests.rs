//! Verdicts on codes that nobody issued, that were changed, and that are looked at by a clock that is wrong.

use proptest::prelude::*;

use crate::{
    code::Issuer,
    glance::Glance,
    keys::{Key, KeySet, Scope},
    list::{Contents, State, SuspensionList},
    number::PassNumber,
    payload::{Kind, Payload, Rule},
    phone::slot_at,
    reason::Reason,
    signature::SigningKey,
    text::{Prefix, armour, unarmour},
    time::{Hour, Second},
    verify::{Grounds, read, verify, verify_bytes},
};

const PASSES: u8 = 1;
const ISSUED: Hour = Hour(1000);
const SUSPENDED: u32 = 5;

fn secret() -> SigningKey {
    SigningKey::ed25519(&[42; 32])
}

fn issuer() -> Issuer {
    Issuer::new(PASSES, secret())
}

fn keys() -> KeySet {
    let passes = Key { until: Hour::NEVER, ..Key::weekly(PASSES, Hour(0), secret().public()) };
    let lists = Key { id: 9, scope: Scope::Lists, ..passes.clone() };
    KeySet::new(1, Second(0), vec![passes, lists]).unwrap()
}

fn list() -> SuspensionList {
    let contents = Contents {
        sequence: 1,
        made: ISSUED.end(),
        high_water: 10,
        listed: vec![(SUSPENDED, State::Suspended), (6, State::Revoked)],
        ..Contents::default()
    };
    SuspensionList::new(contents).unwrap()
}

fn pass(index: u32, kind: Kind) -> Payload {
    Payload {
        kind,
        key_id: PASSES,
        number: PassNumber::new(index, [9; 5]).unwrap(),
        issued: ISSUED,
        expires: Hour(ISSUED.0 + 336),
        compound: 3,
        rule: Rule::Unrestricted,
        household: [1, 2, 3],
        glance: Glance::of_surname("张"),
        photo_key: [4; 10],
    }
}

/// On paper, and on a phone in the slot of this time.
fn codes(index: u32, now: Second) -> Vec<String> {
    let phone = issuer().phone(&pass(index, Kind::Phone), [7; 16]);
    let shown = u16::try_from(slot_at(ISSUED, now)).ok().and_then(|slot| phone.code(slot));
    [Some(issuer().paper(&pass(index, Kind::Paper))), shown].into_iter().flatten().collect()
}

#[test]
fn what_was_issued_is_good_and_says_how_old_the_list_is() {
    let (keys, list) = (keys(), list());
    let now = Second(ISSUED.end().0 + 600);
    let codes = codes(1, now);
    assert_eq!(codes.len(), 2);
    for code in codes {
        let verdict = verify(&code, &Grounds::new(&keys, Some(&list), now));
        assert_eq!(verdict.answer.unwrap().payload.number.index(), 1);
        assert_eq!(verdict.age.unwrap().seconds, 600);
        assert_eq!(verify(&code, &Grounds::new(&keys, None, now)).age, None);
    }
}

#[test]
fn a_change_of_any_bit_is_refused() {
    let keys = keys();
    let now = Second(ISSUED.end().0 + 600);
    for code in codes(1, now) {
        let bytes = unarmour(Prefix::Pass, &code).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut tampered = bytes.clone();
                tampered[at] ^= 1 << bit;
                let refusal = verify_bytes(&tampered, &Grounds::new(&keys, None, now)).answer.unwrap_err();
                match at {
                    1 if tampered[1] == 9 => assert_eq!(refusal.reason, Reason::WrongScope),
                    1 => assert_eq!(refusal.reason, Reason::UnknownKey),
                    0..116 => assert_eq!(refusal.reason, Reason::BadSignature, "byte {at}, bit {bit}"),
                    _ => assert!(refusal.payload.is_some(), "byte {at}, bit {bit}: {}", refusal.reason),
                }
            }
        }
    }
}

#[test]
fn no_clock_makes_a_refused_pass_good() {
    let (keys, list) = (keys(), list());
    let true_time = i64::from(ISSUED.end().0) + 7_200;
    for wrong in [-86_400, -3_600, -600, 0, 600, 3_600, 86_400] {
        let now = Second(u32::try_from(true_time + wrong).unwrap());
        for index in [SUSPENDED, 6] {
            for code in codes(index, now) {
                assert!(verify(&code, &Grounds::new(&keys, Some(&list), now)).answer.is_err(), "{wrong} {index}");
            }
        }
        // A picture of a phone is good for a minute, by whatever clock.
        for code in codes(1, now) {
            let later = Second(now.0 + 90);
            let verdict = verify(&code, &Grounds::new(&keys, Some(&list), later));
            assert!(code.len() == 154 || verdict.answer.is_err(), "{wrong}");
        }
    }
}

#[test]
fn who_only_reads_believes_the_signature_and_asks_no_clock() {
    let code = issuer().paper(&pass(SUSPENDED, Kind::Paper));
    assert_eq!(read(&code, &keys()), Ok(pass(SUSPENDED, Kind::Paper)));
    let forged = Issuer::new(PASSES, SigningKey::ed25519(&[43; 32])).paper(&pass(1, Kind::Paper));
    assert_eq!(read(&forged, &keys()), Err(Reason::BadSignature));
}

proptest! {
    #[test]
    fn no_text_and_no_bytes_that_we_did_not_sign_are_good(
        text in "\\PC{0,200}",
        digits in "[0-9A-Z $%*+./:-]{150}",
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        paper in prop::collection::vec(any::<u8>(), 100..=100),
        phone in prop::collection::vec(any::<u8>(), 134..=134),
        now: u32,
    ) {
        let (keys, list) = (keys(), list());
        let grounds = Grounds::new(&keys, Some(&list), Second(now));
        for text in [text, format!("MF1:{digits}")] {
            prop_assert!(verify(&text, &grounds).answer.is_err());
        }
        for mut bytes in [bytes, paper, phone] {
            prop_assert!(verify_bytes(&bytes, &grounds).answer.is_err());
            // As if it named our key.
            if let Some(key_id) = bytes.get_mut(1) {
                *key_id = PASSES;
            }
            prop_assert!(verify_bytes(&bytes, &grounds).answer.is_err());
        }
    }

    /// Whatever we might sign, at whatever time it is looked at: no panic, and what is good is written in one way.
    #[test]
    fn what_is_read_of_any_signed_content_is_what_it_says(
        content in prop::collection::vec(any::<u8>(), 52..=52),
        outside in prop::collection::vec(any::<u8>(), 18..=18),
        kind in 0..8_u8,
        now: u32,
    ) {
        let keys = keys();
        let mut content = content;
        content[..2].copy_from_slice(&[0x10 | kind, PASSES]);
        content[16] %= 3;
        content[20..25].fill(0);
        content[35] %= 2;
        for (content, outside) in [(&content[..36], &[][..]), (&content[..], &outside[..])] {
            let bytes = [content, &secret().sign(content), outside].concat();
            let text = armour(Prefix::Pass, &bytes);
            let verdict = verify(&text, &Grounds::new(&keys, None, Second(now)));
            prop_assert_eq!(&verdict, &verify_bytes(&bytes, &Grounds::new(&keys, None, Second(now))));
            if let Ok(payload) = read(&text, &keys) {
                prop_assert_eq!(&payload.to_bytes()[..], &content[..36]);
            }
        }
    }
}
