//! The secrets with which passes are made, all derived from one: the signing key, and the keys for what a code carries
//! instead of ids. Everything here is a function of facts in the log, so that a pass can be printed again to the byte.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use credential::{
    code::Issuer,
    glance::Glance,
    keys::{Key, KeySet},
    number::PassNumber,
    payload::{Kind, Payload, Rule},
    signature::SigningKey,
    time::{Hour, Second},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::holder;

/// Codes that are out there carry it: it stays a key of every set.
const KEY_ID: u8 = 1;

pub struct Desk {
    issuer: Issuer,
    keys: KeySet,
    tags: [u8; 32],
}

impl Desk {
    /// `signing` signs; `tags` makes the random part, the household's tag, the compound's number and the photo's key.
    pub fn new(signing: &[u8; 32], tags: [u8; 32]) -> Self {
        let issuer = Issuer::new(KEY_ID, SigningKey::ed25519(signing));
        let key = Key { until: Hour::NEVER, ..Key::weekly(KEY_ID, Hour(0), issuer.public()) };
        let keys = KeySet::new(1, Second(0), vec![key]).expect("one key contradicts no other");
        Self { issuer, keys, tags }
    }

    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// A number that nobody can guess, the same for the same command. `None` after 16.7 million passes.
    pub fn number(&self, index: u32, command: &str) -> Option<PassNumber> {
        PassNumber::new(index, self.tag(&["number", command]))
    }

    /// The code of a pass that was issued.
    pub fn code(&self, pass: &holder::Pass, surname: &str) -> anyhow::Result<String> {
        let number: PassNumber = pass.number.parse().context("reading the number of an issued pass")?;
        let hour =
            |time: DateTime<Utc>| Hour::of_unix(time.timestamp()).context("the code's calendar ends in June 2027");
        let home = &pass.residence;
        Ok(self.issuer.paper(&Payload {
            kind: Kind::Paper,
            key_id: KEY_ID,
            number,
            issued: hour(pass.issued)?,
            expires: hour(pass.expires)?,
            compound: u16::from_be_bytes(self.tag(&["compound", &home.compound_id])),
            rule: Rule::Unrestricted,
            household: self.tag(&["household", &home.compound_id, &home.household_id]),
            glance: Glance::of_surname(surname),
            photo_key: self.tag(&["photo", &pass.number]),
        }))
    }

    /// What stands for a compound in a code.
    pub fn compound(&self, compound_id: &str) -> u16 {
        u16::from_be_bytes(self.tag(&["compound", compound_id]))
    }

    fn tag<const N: usize>(&self, parts: &[&str]) -> [u8; N] {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.tags).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        let bytes = mac.finalize().into_bytes();
        std::array::from_fn(|index| bytes[index])
    }
}
