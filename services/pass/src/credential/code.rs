//! The code on the paper: `MF1:` and the base45 of payload and signature, 154 characters for 100 bytes. The signature is
//! checked before anything else is believed, and stands over a COSE Sig_structure whose constant parts are not carried:
//! whoever wants a standard COSE_Sign1 can have it made (`expand`).

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::payload::{self, Kind, Payload};

const PREFIX: &str = "MF1:";
const SIGNATURE: usize = 64;
const BYTES: usize = payload::LENGTH + SIGNATURE;
/// Of a paper code.
pub const CHARACTERS: usize = PREFIX.len() + BYTES / 2 * 3;

/// `["Signature1", << {1: -8} >>, h'', payload of 36 bytes]` up to the payload: EdDSA, and no additional data.
const SIG_STRUCTURE: &[u8; 19] = b"\x84\x6ASignature1\x43\xA1\x01\x27\x40\x58\x24";

/// Signs passes under one key id.
pub struct Issuer {
    key_id: u8,
    key: SigningKey,
}

impl Issuer {
    pub fn new(key_id: u8, key: &[u8; 32]) -> Self {
        Self { key_id, key: SigningKey::from_bytes(key) }
    }

    /// The text of the QR code. Ed25519 is deterministic: the same payload always makes the same code.
    pub fn sign(&self, payload: &Payload) -> String {
        let payload = Payload { key_id: self.key_id, ..payload.clone() }.to_bytes();
        let signature = self.key.sign(&sig_structure(&payload)).to_bytes();
        format!("{PREFIX}{}", base45::encode([&payload[..], &signature].concat()))
    }

    pub fn key_id(&self) -> u8 {
        self.key_id
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }
}

/// The keys that a gate believes.
#[derive(Clone, Default)]
pub struct Keyring(BTreeMap<u8, VerifyingKey>);

/// Why a text is no pass of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("no code of a pass")]
    Foreign,
    #[error("no key of ours signed it")]
    UnknownKey,
    #[error("the signature does not fit the content")]
    BadSignature,
    #[error("signed by us, but of a kind that this version does not know")]
    Unknown,
}

impl Keyring {
    pub fn with(mut self, key_id: u8, key: VerifyingKey) -> Self {
        self.0.insert(key_id, key);
        self
    }

    /// What a scanned text says, once its signature has been verified.
    pub fn read(&self, text: &str) -> Result<Payload, Unread> {
        let bytes = unarmour(text).ok_or(Unread::Foreign)?;
        let (payload, signature) = bytes.split_first_chunk::<{ payload::LENGTH }>().ok_or(Unread::Foreign)?;
        let signature = Signature::from_slice(signature).map_err(|_| Unread::Foreign)?;
        // The key id is the one thing that is read before the signature: it says which signature is meant.
        let key = self.0.get(&payload[1]).ok_or(Unread::UnknownKey)?;
        key.verify_strict(&sig_structure(payload), &signature).map_err(|_| Unread::BadSignature)?;
        Payload::from_bytes(payload).filter(|pass| pass.kind != Kind::Phone).ok_or(Unread::Unknown)
    }
}

/// The standard, tagged COSE_Sign1 of a code, 114 bytes, for third parties. Its signature is not checked here.
pub fn expand(text: &str) -> Option<Vec<u8>> {
    let bytes = unarmour(text)?;
    let (payload, signature) = bytes.split_at(payload::LENGTH);
    let mut cose = vec![0xD2, 0x84, 0x43, 0xA1, 0x01, 0x27, 0xA1, 0x04, 0x41, payload[1], 0x58, 0x24];
    cose.extend_from_slice(payload);
    cose.extend_from_slice(&[0x58, 0x40]);
    cose.extend_from_slice(signature);
    Some(cose)
}

/// Whether a text claims to be a code, so that a typed number is not taken for one.
pub fn looks_like_code(text: &str) -> bool {
    text.starts_with("MF")
}

/// The bytes behind the text, if this is the one way of writing them.
fn unarmour(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != CHARACTERS {
        return None;
    }
    let digits = text.strip_prefix(PREFIX)?;
    let bytes: [u8; BYTES] = base45::decode(digits).ok()?.try_into().ok()?;
    (base45::encode(bytes) == digits).then_some(bytes)
}

fn sig_structure(payload: &[u8; payload::LENGTH]) -> [u8; SIG_STRUCTURE.len() + payload::LENGTH] {
    let mut bytes = [0; SIG_STRUCTURE.len() + payload::LENGTH];
    bytes[..SIG_STRUCTURE.len()].copy_from_slice(SIG_STRUCTURE);
    bytes[SIG_STRUCTURE.len()..].copy_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            number::PassNumber,
            payload::{Glance, Hour, Rule},
        },
        *,
    };

    fn issuer() -> Issuer {
        Issuer::new(1, &[42; 32])
    }

    fn keyring() -> Keyring {
        Keyring::default().with(1, issuer().verifying_key())
    }

    fn payload() -> Payload {
        Payload {
            kind: Kind::Paper,
            key_id: 1,
            number: PassNumber::new(1, [9; 5]).unwrap(),
            issued: Hour(1000),
            expires: Hour(1336),
            compound: 3,
            rule: Rule::Unrestricted,
            household: [1, 2, 3],
            glance: Glance::of_surname("张"),
            photo_key: [4; 10],
        }
    }

    fn armoured(bytes: &[u8]) -> String {
        format!("{PREFIX}{}", base45::encode(bytes))
    }

    #[test]
    fn a_paper_code_is_154_characters_and_comes_back_whole() {
        let code = issuer().sign(&payload());
        assert_eq!(code.len(), 154);
        assert_eq!(keyring().read(&code), Ok(payload()));
        assert_eq!(issuer().sign(&payload()), code);
    }

    /// Made with another implementation of base45, of Ed25519 and of the Sig_structure.
    const GOLDEN: &str = "MF1:X62000+50I61I61AM0VT0300100KB071C000400%M0%M0%M0%M0YM0JERU37C+H-E7ID05RM32413UQSU5P4A\
        :SDW2-IS+ONU79X:9O.1R$9IZIC90KYR827A16ROA 41. HVA68+2$TLG7A.YFP2R";

    #[test]
    fn another_implementation_makes_the_same_code() {
        assert_eq!(issuer().sign(&payload()), GOLDEN);
    }

    #[test]
    fn a_change_of_any_byte_is_refused() {
        let bytes = unarmour(&issuer().sign(&payload())).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut tampered = bytes;
                tampered[at] ^= 1 << bit;
                let expected = if at == 1 { Unread::UnknownKey } else { Unread::BadSignature };
                assert_eq!(keyring().read(&armoured(&tampered)), Err(expected), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn another_key_cannot_pose_as_ours() {
        let code = Issuer::new(1, &[43; 32]).sign(&payload());
        assert_eq!(keyring().read(&code), Err(Unread::BadSignature));
        let code = Issuer::new(2, &[42; 32]).sign(&payload());
        assert_eq!(keyring().read(&code), Err(Unread::UnknownKey));
    }

    #[test]
    fn the_signature_is_checked_before_the_kind() {
        let mut forged = unarmour(&issuer().sign(&payload())).unwrap();
        forged[0] = 0xFF;
        assert_eq!(keyring().read(&armoured(&forged)), Err(Unread::BadSignature));
    }

    #[test]
    fn a_phone_pass_cannot_pose_as_paper() {
        let code = issuer().sign(&Payload { kind: Kind::Phone, ..payload() });
        assert_eq!(keyring().read(&code), Err(Unread::Unknown));
    }

    #[test]
    fn other_spellings_of_the_same_bytes_are_foreign() {
        let code = issuer().sign(&payload());
        for foreign in [
            code.to_lowercase(),
            format!(" {}", &code[1..]),
            format!("{code} "),
            code.replacen("MF1:", "MF2:", 1),
            code[..153].to_owned(),
            format!("{PREFIX}{}", ":".repeat(150)),
            String::new(),
        ] {
            assert_eq!(keyring().read(&foreign), Err(Unread::Foreign), "{foreign}");
        }
    }

    #[test]
    fn a_code_expands_to_a_tagged_cose_sign1_of_114_bytes() {
        let code = issuer().sign(&payload());
        let cose = expand(&code).unwrap();
        assert_eq!(cose.len(), 114);
        assert_eq!(cose[12..48], payload().to_bytes());
        assert_eq!(cose[50..], unarmour(&code).unwrap()[36..]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}", tail in "[0-9A-Z $%*+./:-]{150}", bytes: [u8; 32]) {
            let long = armoured(&[bytes; 3].concat()[..]);
            for text in [text, format!("{PREFIX}{tail}"), long] {
                prop_assert!(keyring().read(&text).is_err());
            }
        }

        #[test]
        fn no_bytes_are_taken_for_a_pass(bytes in proptest::collection::vec(any::<u8>(), 100..=100)) {
            prop_assert!(keyring().read(&armoured(&bytes)).is_err());
        }
    }
}
