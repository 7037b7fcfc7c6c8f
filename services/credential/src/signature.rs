//! Signatures over the COSE `Sig_structure` (RFC 9052) with an empty AAD. Its constant parts are not carried by a code: they
//! follow from the key id.

use ed25519_dalek::{Signer as _, Verifier as _};
use p256::ecdsa;

use crate::reason::Reason;

/// Of every algorithm.
pub const LENGTH: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The default.
    Ed25519 = 1,
    /// P-256 with SHA-256, r and s of 32 bytes each, s at most half the order.
    Es256 = 2,
    /// Has a number, so that a key set may name it, and is not verified: COSE knows no such algorithm.
    Sm2 = 3,
}

/// What verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    Es256(Box<ecdsa::VerifyingKey>),
    /// A compressed point that nobody here looks into.
    Sm2([u8; 33]),
}

/// What signs.
pub enum SigningKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Es256(Box<ecdsa::SigningKey>),
}

impl Algorithm {
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        [Self::Ed25519, Self::Es256, Self::Sm2].into_iter().find(|algorithm| *algorithm as u8 == bits)
    }

    /// Bytes of a public key in a key set.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::Es256 | Self::Sm2 => 33,
        }
    }

    /// The protected header as CBOR: `{1: -8}` (EdDSA) or `{1: -7}` (ES256).
    const fn protected(self) -> Option<[u8; 3]> {
        match self {
            Self::Ed25519 => Some([0xA1, 0x01, 0x27]),
            Self::Es256 => Some([0xA1, 0x01, 0x26]),
            Self::Sm2 => None,
        }
    }
}

impl PublicKey {
    /// Refuses what is no point of its curve, and the few Ed25519 keys under which a signature could be made without the
    /// secret.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, Reason> {
        match algorithm {
            Algorithm::Ed25519 => {
                let bytes = bytes.try_into().map_err(|_| Reason::WrongLength)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| Reason::Malformed)?;
                if key.is_weak() { Err(Reason::Malformed) } else { Ok(Self::Ed25519(Box::new(key))) }
            }
            Algorithm::Es256 => {
                let bytes: &[u8; 33] = bytes.try_into().map_err(|_| Reason::WrongLength)?;
                let key = ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(|_| Reason::Malformed)?;
                // The form 05, without the sign of y, is taken by the library and would be a second one.
                if matches!(bytes[0], 2 | 3) { Ok(Self::Es256(Box::new(key))) } else { Err(Reason::Malformed) }
            }
            Algorithm::Sm2 => bytes.try_into().map(Self::Sm2).map_err(|_| Reason::WrongLength),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.to_bytes().to_vec(),
            Self::Es256(key) => key.to_sec1_point(true).as_bytes().to_vec(),
            Self::Sm2(bytes) => bytes.to_vec(),
        }
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::Es256(_) => Algorithm::Es256,
            Self::Sm2(_) => Algorithm::Sm2,
        }
    }

    pub fn verify(&self, content: &[u8], signature: &[u8; LENGTH]) -> Result<(), Reason> {
        let tbs = sig_structure(self.algorithm(), content).ok_or(Reason::UnsupportedAlgorithm)?;
        let good = match self {
            Self::Ed25519(key) => key.verify(&tbs, &ed25519_dalek::Signature::from_bytes(signature)).is_ok(),
            Self::Es256(key) => {
                let signature = ecdsa::Signature::from_slice(signature).map_err(|_| Reason::BadSignature)?;
                // (r, n - s) would be a second code for the same pass.
                signature.normalize_s() == signature && key.verify(&tbs, &signature).is_ok()
            }
            Self::Sm2(_) => false,
        };
        if good { Ok(()) } else { Err(Reason::BadSignature) }
    }
}

impl SigningKey {
    pub fn ed25519(secret: &[u8; 32]) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(secret)))
    }

    /// `None` for the few secrets that are no scalar of the curve.
    pub fn es256(secret: &[u8; 32]) -> Option<Self> {
        ecdsa::SigningKey::from_slice(secret).ok().map(|key| Self::Es256(Box::new(key)))
    }

    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(Box::new(key.verifying_key())),
            Self::Es256(key) => PublicKey::Es256(Box::new(*key.verifying_key())),
        }
    }

    /// Both algorithms are deterministic here: the same content always has the same signature.
    pub fn sign(&self, content: &[u8]) -> [u8; LENGTH] {
        let tbs = sig_structure(self.public().algorithm(), content).expect("what signs has a COSE algorithm");
        match self {
            Self::Ed25519(key) => key.sign(&tbs).to_bytes(),
            Self::Es256(key) => {
                let signature: ecdsa::Signature = key.sign(&tbs);
                signature.normalize_s().to_bytes().into()
            }
        }
    }
}

/// `["Signature1", protected, h'', content]`, which is what is signed; `None` where COSE has no such algorithm.
pub fn sig_structure(algorithm: Algorithm, content: &[u8]) -> Option<Vec<u8>> {
    let protected = algorithm.protected()?;
    let mut bytes = Vec::with_capacity(24 + content.len());
    bytes.extend_from_slice(b"\x84\x6ASignature1\x43");
    bytes.extend_from_slice(&protected);
    bytes.push(0x40);
    byte_string(&mut bytes, content);
    Some(bytes)
}

/// The standard, tagged COSE_Sign1 for third parties, with the key id in the unprotected header; 114 bytes for a paper pass.
/// Its signature is not checked here.
pub fn cose_sign1(algorithm: Algorithm, key_id: u8, content: &[u8], signature: &[u8; LENGTH]) -> Option<Vec<u8>> {
    let mut cose = vec![0xD2, 0x84, 0x43];
    cose.extend_from_slice(&algorithm.protected()?);
    cose.extend_from_slice(&[0xA1, 0x04, 0x41, key_id]);
    byte_string(&mut cose, content);
    byte_string(&mut cose, signature);
    Some(cose)
}

/// A CBOR byte string with the shortest head.
fn byte_string(cbor: &mut Vec<u8>, content: &[u8]) {
    let length = u32::try_from(content.len()).expect("nothing of ours reaches four gigabytes");
    let [a, b, c, d] = length.to_be_bytes();
    match length {
        0..24 => cbor.push(0x40 | d),
        24..0x100 => cbor.extend([0x58, d]),
        0x100..0x1_0000 => cbor.extend([0x59, c, d]),
        _ => cbor.extend([0x5A, a, b, c, d]),
    }
    cbor.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use coset::{CborSerializable as _, CoseSign1, TaggedCborSerializable as _, iana};
    use proptest::prelude::*;

    use super::*;

    fn keys() -> [SigningKey; 2] {
        [SigningKey::ed25519(&[42; 32]), SigningKey::es256(&[42; 32]).unwrap()]
    }

    /// `coset` reads what we expand, makes its own bytes to be signed of it, and the signature fits those.
    fn another_implementation_agrees(key: &SigningKey, content: &[u8]) {
        let public = key.public();
        let signature = key.sign(content);
        let cose = cose_sign1(public.algorithm(), 7, content, &signature).unwrap();
        let read = CoseSign1::from_tagged_slice(&cose).unwrap();
        assert_eq!(read.payload.as_deref(), Some(content));
        assert_eq!(read.unprotected.key_id, [7]);
        let expected = match public.algorithm() {
            Algorithm::Ed25519 => iana::Algorithm::EdDSA,
            _ => iana::Algorithm::ES256,
        };
        assert_eq!(read.protected.header.alg, Some(coset::RegisteredLabelWithPrivate::Assigned(expected)));
        read.verify_signature(&[], |signature, tbs| match &public {
            PublicKey::Ed25519(key) => {
                key.verify_strict(tbs, &ed25519_dalek::Signature::from_slice(signature).unwrap()).unwrap();
                Ok::<(), Reason>(())
            }
            PublicKey::Es256(key) => {
                key.verify(tbs, &ecdsa::Signature::from_slice(signature).unwrap()).unwrap();
                Ok(())
            }
            PublicKey::Sm2(_) => panic!("nobody signs with it"),
        })
        .unwrap();
        assert_eq!(read.to_tagged_vec().unwrap(), cose);
        assert!(CoseSign1::from_slice(&cose).is_err(), "the tag is part of it");
    }

    #[test]
    fn a_signature_fits_its_content_and_nothing_else() {
        for key in keys() {
            let public = key.public();
            let signature = key.sign(b"content");
            assert_eq!(key.sign(b"content"), signature);
            assert_eq!(public.verify(b"content", &signature), Ok(()));
            assert_eq!(public.verify(b"contents", &signature), Err(Reason::BadSignature));
            for at in 0..LENGTH {
                let mut other = signature;
                other[at] ^= 1;
                assert_eq!(public.verify(b"content", &other), Err(Reason::BadSignature), "byte {at}");
            }
            assert_eq!(PublicKey::from_bytes(public.algorithm(), &public.to_bytes()), Ok(public));
        }
    }

    #[test]
    fn a_signature_of_es256_has_one_way_of_being_written() {
        let key = SigningKey::es256(&[42; 32]).unwrap();
        let signature = ecdsa::Signature::from_slice(&key.sign(b"content")).unwrap();
        let (r, s) = signature.split_scalars();
        let mirrored: [u8; LENGTH] = ecdsa::Signature::from_scalars(r, -s).unwrap().to_bytes().into();
        assert_eq!(key.public().verify(b"content", &mirrored), Err(Reason::BadSignature));
    }

    #[test]
    fn a_key_under_which_anybody_can_sign_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        for weak in [identity, [0; 32]] {
            assert_eq!(PublicKey::from_bytes(Algorithm::Ed25519, &weak), Err(Reason::Malformed));
        }
    }

    #[test]
    fn sm2_is_named_and_refused() {
        let key = PublicKey::from_bytes(Algorithm::Sm2, &[2; 33]).unwrap();
        assert_eq!(key.verify(b"content", &[0; LENGTH]), Err(Reason::UnsupportedAlgorithm));
    }

    proptest! {
        #[test]
        fn contents_of_every_length_expand_as_another_implementation_reads_them(
            content in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(any::<u8>(), 65_530..65_540)],
        ) {
            for key in keys() {
                another_implementation_agrees(&key, &content);
            }
        }

        #[test]
        fn no_bytes_of_a_key_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), signature: [u8; 32]) {
            for algorithm in [Algorithm::Ed25519, Algorithm::Es256, Algorithm::Sm2] {
                if let Ok(key) = PublicKey::from_bytes(algorithm, &bytes) {
                    let signature: [u8; LENGTH] = [signature, signature].concat().try_into().unwrap();
                    prop_assert!(key.verify(&bytes, &signature).is_err());
                    prop_assert_eq!(key.to_bytes(), bytes.clone());
                }
            }
        }
    }
}
