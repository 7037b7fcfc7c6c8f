use credential::{
    code::Issuer,
    glance::{Glance, NameLength, Sex},
    keys::{Key, KeySet, Scope},
    list::{Contents, State, SuspensionList},
    number::PassNumber,
    payload::{Kind, Payload, Rule},
    signature::{Algorithm, PublicKey, SigningKey},
    time::{Hour, Second},
};

/// The week in which most of this happens: from 10 February 2020, 00:00 in Ningbo.
pub(crate) const WEEK: u16 = 952;
pub(crate) const ISSUED: Hour = Hour(WEEK + 40);
/// Ten minutes into the hour after.
pub(crate) const NOW: Second = Second((WEEK as u32 + 41) * 3600 + 600);
/// From when on the compromised keys sign for somebody else.
pub(crate) const COMPROMISED: Hour = Hour(WEEK + 30);
pub(crate) const HIGH_WATER: u32 = 2_000;

/// Key ids by what they are for.
pub(crate) const PASSES: u8 = 1;
pub(crate) const NEXT_WEEK: u8 = 2;
pub(crate) const STOLEN: u8 = 3;
pub(crate) const SM2: u8 = 4;
pub(crate) const ES256: u8 = 5;
pub(crate) const LISTS: u8 = 9;
pub(crate) const STOLEN_LISTS: u8 = 10;

pub(crate) fn root() -> SigningKey {
    SigningKey::ed25519(&[0x70; 32])
}

/// The secret of a key is its id, 32 times.
pub(crate) fn secret(id: u8) -> SigningKey {
    if id == ES256 { SigningKey::es256(&[id; 32]).unwrap() } else { SigningKey::ed25519(&[id; 32]) }
}

pub(crate) fn key_set(number: u32) -> KeySet {
    let weekly = |id| Key::weekly(id, Hour(WEEK), secret(id).public());
    let keys = vec![
        weekly(PASSES),
        Key::weekly(NEXT_WEEK, Hour(WEEK + 168), secret(NEXT_WEEK).public()),
        Key { compromised: COMPROMISED, ..weekly(STOLEN) },
        Key { public: PublicKey::from_bytes(Algorithm::Sm2, &[2; 33]).unwrap(), ..weekly(SM2) },
        weekly(ES256),
        Key { scope: Scope::Lists, until: Hour::NEVER, ..weekly(LISTS) },
        Key { scope: Scope::Lists, compromised: COMPROMISED, ..weekly(STOLEN_LISTS) },
    ];
    KeySet::new(number, Hour(WEEK).start(), keys).unwrap()
}

pub(crate) fn issuer(id: u8) -> Issuer {
    Issuer::new(id, secret(id))
}

pub(crate) fn pass(index: u32) -> Payload {
    Payload {
        kind: Kind::Paper,
        key_id: PASSES,
        number: PassNumber::new(index, [0xA1, 0xB2, 0xC3, 0xD4, 0xE5]).unwrap(),
        issued: ISSUED,
        expires: Hour(ISSUED.0 + 336),
        compound: 0x0C07,
        rule: Rule::Unrestricted,
        household: [0x11, 0x22, 0x33],
        glance: Glance { surname: "张".to_owned(), name_length: NameLength::Three, sex: Sex::Female, decade: 8 },
        photo_key: [0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9],
    }
}

/// Of the hour before `ISSUED`, ten minutes old at the end of it.
pub(crate) fn list() -> SuspensionList {
    let listed = vec![(17, State::Suspended), (18, State::Revoked), (400, State::Suspended), (2_000, State::Revoked)];
    let contents = Contents {
        sequence: 12,
        made: Second(ISSUED.start().0 + 1_800),
        high_water: HIGH_WATER,
        lines: vec![(0x0C08, ISSUED), (0x0C09, Hour(WEEK))],
        listed,
    };
    SuspensionList::new(contents).unwrap()
}

/// Any content under any key.
pub(crate) fn signed(key: &SigningKey, content: &[u8]) -> Vec<u8> {
    [content, &key.sign(content)].concat()
}
