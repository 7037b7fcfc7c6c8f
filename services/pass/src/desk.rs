//! The secrets with which passes, lists and key sets are made, all derived from the installation's own: the root, a key for
//! each serial number of the keyring, and the keys for what a code carries instead of ids. Everything here is a function of
//! facts in the log, so that a pass can be printed again to the byte and every replica signs alike.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use chassis::{
    secrets::{Key, Secrets},
    timestamp,
};
use chrono::{DateTime, Utc};
use credential::{
    code::Issuer,
    glance::Glance,
    keys::{KeySet, Scope},
    number::PassNumber,
    payload::{Kind, Payload, Rule},
    phone::{Chain, SLOT, SLOTS, VALUE, slot_at},
    signature::{PublicKey, SigningKey},
    text::unarmour,
    time::{Hour, Second},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proto::pass::v1::Phone;
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::domain::{access::Access, holder, keyring::Known};

pub struct Desk {
    secrets: Arc<Secrets>,
    root: SigningKey,
    /// Makes the random part, the household's tag, the compound's number, the photo's key and a phone's secret.
    tags: [u8; 32],
}

/// A pass as it is handed out.
pub struct Written {
    /// `MF1:...`; on a phone, of one half minute.
    pub code: String,
    /// What a phone makes the others of.
    pub phone: Option<Phone>,
}

impl Desk {
    /// `root`: the seed of its own; without one it derives from the installation's secret.
    pub fn new(secrets: &Arc<Secrets>, root: Option<Key>) -> Self {
        let root = root.unwrap_or_else(|| secrets.derive("pass root"));
        let root = SigningKey::ed25519(root.expose_secret());
        let tags = *secrets.derive("pass tags").expose_secret();
        Self { secrets: Arc::clone(secrets), root, tags }
    }

    /// What gates have pinned.
    pub fn root(&self) -> PublicKey {
        self.root.public()
    }

    /// `MFK1:...`
    pub fn sign_set(&self, set: &KeySet) -> String {
        set.text(&self.root)
    }

    /// The key of a serial number. The first one has signed since before keys changed.
    pub fn key(&self, scope: Scope, serial: u32) -> SigningKey {
        let label = match (scope, serial) {
            (Scope::Passes, 0) => "pass signing".to_owned(),
            (Scope::Passes, _) => format!("pass signing {serial}"),
            (Scope::Lists, _) => format!("pass lists {serial}"),
        };
        SigningKey::ed25519(self.secrets.derive(&label).expose_secret())
    }

    /// The key that was announced. Another secret than the one of that time would sign what nobody believes.
    pub fn announced(&self, known: &Known) -> anyhow::Result<SigningKey> {
        let key = self.key(known.key.scope, known.serial);
        ensure!(
            key.public() == known.key.public,
            "the secret is not the one with which key {} was announced: put the right one back",
            known.key.id
        );
        Ok(key)
    }

    /// A number that nobody can guess, the same for the same command. `None` after 16.7 million passes.
    pub fn number(&self, index: u32, command: &str) -> Option<PassNumber> {
        PassNumber::new(index, self.tag(&["number", command]))
    }

    /// What derives from a compound's id; it stands for the compound unless another one has it.
    pub fn compound(&self, compound_id: &str) -> u16 {
        u16::from_be_bytes(self.tag(&["compound", compound_id]))
    }

    /// The same, and what comes next where another compound has that.
    pub fn compound_candidate(&self, compound_id: &str, attempt: u32) -> u16 {
        if attempt == 0 {
            return self.compound(compound_id);
        }
        u16::from_be_bytes(self.tag(&["compound", compound_id, &attempt.to_string()]))
    }

    /// A pass that was issued, on paper: the same one always has the same code. `known`: its key.
    pub fn paper(&self, pass: &holder::Pass, surname: &str, known: &Known) -> anyhow::Result<Written> {
        let payload = self.payload(pass, surname, Kind::Paper, hour(pass.issued)?)?;
        Ok(Written { code: self.issuer(known)?.paper(&payload), phone: None })
    }

    /// The same for the holder's phone, for the day that begins with this hour; the chain follows from both, so that asked
    /// again it is the same one. `known`: the key that signs now.
    pub fn phone(
        &self,
        pass: &holder::Pass,
        surname: &str,
        known: &Known,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Written> {
        let from = hour(now)?;
        let payload = self.payload(pass, surname, Kind::Phone, from)?;
        let secret: [u8; VALUE] = self.tag(&["phone", &pass.number, &from.0.to_string()]);
        let phone = self.issuer(known)?.phone(&payload, secret);
        let second = Second::of_unix(now.timestamp()).context("the calendar of passes begins in 2020")?;
        let slot = u16::try_from(slot_at(from, second)).unwrap_or(SLOTS).clamp(1, SLOTS);
        let code = phone.code(slot).context("the slots of a day have codes")?;
        let bytes = unarmour(credential::text::Prefix::Pass, &code).context("reading the code that was just made")?;
        let signed = bytes[..bytes.len() - VALUE - 2].to_vec();
        let start = DateTime::from_timestamp(from.start().unix(), 0).context("an hour of the calendar is a time")?;
        let end = start + chrono::TimeDelta::seconds(i64::from(SLOT) * i64::from(SLOTS));
        debug_assert_eq!(Chain::new(payload.number, secret).value(SLOTS), Some(secret));
        let phone = Phone {
            signed,
            secret: secret.to_vec(),
            start_time: Some(timestamp(start)),
            end_time: Some(timestamp(end.min(pass.expires))),
            slots: SLOTS.into(),
            slot_seconds: SLOT,
        };
        Ok(Written { code, phone: Some(phone) })
    }

    fn issuer(&self, known: &Known) -> anyhow::Result<Issuer> {
        Ok(Issuer::new(known.key.id, self.announced(known)?))
    }

    fn payload(&self, pass: &holder::Pass, surname: &str, kind: Kind, issued: Hour) -> anyhow::Result<Payload> {
        let number: PassNumber = pass.number.parse().context("reading the number of an issued pass")?;
        let home = &pass.residence;
        Ok(Payload {
            kind,
            // The issuer writes its own.
            key_id: 0,
            number,
            issued,
            expires: hour(pass.expires)?,
            compound: pass.compound.unwrap_or_else(|| self.compound(&home.compound_id)),
            rule: match pass.access {
                Access::Unrestricted => Rule::Unrestricted,
                Access::Daytime => Rule::Daytime,
                Access::Household { days } => Rule::OneOutingPer(days),
            },
            household: self.tag(&["household", &home.compound_id, &home.household_id]),
            glance: Glance::of_surname(surname),
            photo_key: self.tag(&["photo", &pass.number]),
        })
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

/// The hour of the code's calendar in which this time lies.
pub fn hour(time: DateTime<Utc>) -> anyhow::Result<Hour> {
    Hour::of_unix(time.timestamp()).context("the code's calendar ends in June 2027")
}
