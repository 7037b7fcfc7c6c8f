//! The code of a pass: on paper 100 bytes, which are 154 characters; on a phone 134 bytes, 205 characters, which change
//! every half minute.

use crate::{
    number::PassNumber,
    payload::{self, Payload},
    phone::{Chain, Shown, VALUE},
    reason::Reason,
    signature::{self, PublicKey, SigningKey, cose_sign1},
    text::{Prefix, armour, unarmour},
};

/// Bytes of a paper code: payload, signature.
pub const PAPER: usize = payload::LENGTH + signature::LENGTH;
/// Bytes of a phone code: payload and anchor, signature, value and slot.
pub const PHONE: usize = PAPER + VALUE + VALUE + 2;
/// Characters of a paper code.
pub const CHARACTERS: usize = 4 + PAPER / 2 * 3;
/// Characters of a phone code.
pub const PHONE_CHARACTERS: usize = 4 + PHONE / 2 * 3;

/// Signs passes under one key id.
pub struct Issuer {
    key_id: u8,
    key: SigningKey,
}

impl Issuer {
    pub fn new(key_id: u8, key: SigningKey) -> Self {
        Self { key_id, key }
    }

    /// The text of the QR code on paper, always the same for the same payload. A payload of the kind phone belongs to
    /// `phone`: on paper it is refused everywhere.
    pub fn paper(&self, payload: &Payload) -> String {
        armour(Prefix::Pass, &self.sign(payload, &[]))
    }

    /// What a phone is given: from it and the chain's secret it makes each half minute's code by itself.
    pub fn phone(&self, payload: &Payload, secret: [u8; VALUE]) -> PhonePass {
        let chain = Chain::new(payload.number, secret);
        let signed = self.sign(payload, &chain.anchor());
        PhonePass { signed, chain }
    }

    fn sign(&self, payload: &Payload, anchor: &[u8]) -> Vec<u8> {
        let payload = Payload { key_id: self.key_id, ..payload.clone() };
        let mut bytes = [&payload.to_bytes(), anchor].concat();
        let signature = self.key.sign(&bytes);
        bytes.extend_from_slice(&signature);
        bytes
    }

    pub fn key_id(&self) -> u8 {
        self.key_id
    }

    pub fn public(&self) -> PublicKey {
        self.key.public()
    }
}

/// A pass as it lies in the phone of its holder.
pub struct PhonePass {
    signed: Vec<u8>,
    chain: Chain,
}

impl PhonePass {
    /// The text of this slot's QR code; `None` when the slot is not 1 to 2,880.
    pub fn code(&self, slot: u16) -> Option<String> {
        let value = self.chain.value(slot)?;
        Some(armour(Prefix::Pass, &[&self.signed, &value[..], &slot.to_be_bytes()].concat()))
    }
}

/// A code taken apart. Nothing in it is believed yet.
pub struct Parts<'a> {
    pub payload: &'a [u8; payload::LENGTH],
    /// What is signed: the payload, and on a phone the anchor.
    pub content: &'a [u8],
    pub signature: &'a [u8; signature::LENGTH],
    pub shown: Option<Shown>,
}

impl<'a> Parts<'a> {
    /// Exactly 100 or 134 bytes.
    pub fn of(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (content, outside) = match bytes.len() {
            PAPER => (payload::LENGTH, 0),
            PHONE => (payload::LENGTH + VALUE, VALUE + 2),
            _ => return Err(Reason::WrongLength),
        };
        let (signed, outside) = bytes.split_at(bytes.len() - outside);
        let (content, signature) = signed.split_at(content);
        let (payload, anchor) = content.split_first_chunk().ok_or(Reason::WrongLength)?;
        let signature = signature.try_into().map_err(|_| Reason::WrongLength)?;
        let shown = match (anchor.try_into(), outside.split_last_chunk()) {
            (Ok(anchor), Some((value, slot))) => {
                let value = value.try_into().map_err(|_| Reason::WrongLength)?;
                Some(Shown { anchor, value, slot: u16::from_be_bytes(*slot) })
            }
            _ => None,
        };
        Ok(Self { payload, content, signature, shown })
    }

    /// The one thing that is read before the signature: it says which signature is meant.
    pub fn key_id(&self) -> u8 {
        self.payload[1]
    }

    /// For a person to look at, without any claim that it is true.
    pub fn number(&self) -> PassNumber {
        PassNumber::from_bytes(std::array::from_fn(|at| self.payload[2 + at]))
    }
}

/// The standard, tagged COSE_Sign1 of a code, for third parties: 114 bytes for paper, 130 for a phone, whose value and slot
/// are left behind. The key says which algorithm it is; the signature is not checked here.
pub fn expand(text: &str, key: &PublicKey) -> Result<Vec<u8>, Reason> {
    let bytes = unarmour(Prefix::Pass, text)?;
    let parts = Parts::of(&bytes)?;
    cose_sign1(key.algorithm(), parts.key_id(), parts.content, parts.signature).ok_or(Reason::UnsupportedAlgorithm)
}

#[cfg(test)]
mod tests {
    use coset::{CoseSign1, TaggedCborSerializable as _};
    use fast_qr::{ECL, QRBuilder};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        glance::Glance,
        payload::{Kind, Rule},
        time::Hour,
    };

    fn issuer() -> Issuer {
        Issuer::new(1, SigningKey::ed25519(&[42; 32]))
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

    fn phone_code() -> String {
        let pass = issuer().phone(&Payload { kind: Kind::Phone, ..payload() }, [7; 16]);
        pass.code(2880).unwrap()
    }

    /// Made with another implementation of base45, of Ed25519 and of the Sig_structure.
    const GOLDEN: &str = "MF1:X62000+50I61I61AM0VT0300100KB071C000400%M0%M0%M0%M0YM0JERU37C+H-E7ID05RM32413UQSU5P4A\
        :SDW2-IS+ONU79X:9O.1R$9IZIC90KYR827A16ROA 41. HVA68+2$TLG7A.YFP2R";

    #[test]
    fn a_paper_code_has_154_characters_and_a_phone_code_205() {
        assert_eq!((issuer().paper(&payload()).len(), phone_code().len()), (154, 205));
        assert_eq!((CHARACTERS, PHONE_CHARACTERS), (154, 205));
    }

    #[test]
    fn another_implementation_makes_the_same_code() {
        assert_eq!(issuer().paper(&payload()), GOLDEN);
    }

    #[test]
    fn paper_is_a_qr_code_of_version_6_and_a_phone_of_version_8() {
        for byte in 0..=255 {
            // Whatever digits come out: it is written as one run of the alphanumeric alphabet.
            let payload = Payload { photo_key: [byte; 10], household: [byte; 3], ..payload() };
            let phone = issuer().phone(&Payload { kind: Kind::Phone, ..payload.clone() }, [byte; 16]);
            for (code, version) in [(issuer().paper(&payload), 6), (phone.code(2880).unwrap(), 8)] {
                let symbol = QRBuilder::new(code).ecl(ECL::M).build().unwrap();
                assert_eq!(symbol.size, 17 + 4 * version);
            }
        }
    }

    #[test]
    fn a_code_expands_to_a_tagged_cose_sign1_that_another_implementation_verifies() {
        let public = issuer().public();
        for (code, length, content) in [(issuer().paper(&payload()), 114, 36), (phone_code(), 130, 52)] {
            let cose = expand(&code, &public).unwrap();
            assert_eq!(cose.len(), length);
            let read = CoseSign1::from_tagged_slice(&cose).unwrap();
            assert_eq!(read.payload.as_ref().unwrap().len(), content);
            let PublicKey::Ed25519(key) = &public else { panic!("the default is Ed25519") };
            read.verify_signature(&[], |signature, tbs| {
                key.verify_strict(tbs, &ed25519_dalek::Signature::from_slice(signature).unwrap())
            })
            .unwrap();
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_apart_is_all_there(bytes in prop::collection::vec(any::<u8>(), 90..140)) {
            match Parts::of(&bytes) {
                Ok(parts) => {
                    let mut whole = [parts.content, parts.signature].concat();
                    prop_assert_eq!(&parts.content[..36], parts.payload);
                    if let Some(shown) = parts.shown {
                        prop_assert_eq!(&parts.content[36..], shown.anchor);
                        whole.extend(shown.value);
                        whole.extend(shown.slot.to_be_bytes());
                    }
                    prop_assert_eq!(whole, bytes);
                }
                Err(reason) => {
                    prop_assert_eq!(reason, Reason::WrongLength);
                    prop_assert!(bytes.len() != PAPER && bytes.len() != PHONE);
                }
            }
        }
    }
}
