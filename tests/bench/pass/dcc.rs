use std::{
    cmp::Ordering,
    io::{Read as _, Write as _},
};

use anyhow::{Context as _, anyhow, ensure};
use coset::{CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _, cbor, iana};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    },
};

/// Characters of the median certificate among the 529 of the EU's test corpus that are signed with ES256.
pub(crate) const CHARACTERS: usize = 552;
const PREFIX: &str = "HC1:";
const KID: [u8; 8] = [0xD9, 0x19, 0x37, 0x5F, 0xC1, 0xE7, 0xB6, 0xB2];
/// No certificate is longer once it is unpacked.
const MOST: u64 = 16_384;
/// The claim that holds certificates.
const HCERT: i64 = -260;
const ISSUED: i64 = 1_620_000_000;
const EXPIRES: i64 = 1_680_000_000;

/// Certificates and the key that verifies them.
pub(crate) struct Dcc {
    pub(crate) codes: Vec<String>,
    public: UnparsedPublicKey<Vec<u8>>,
}

impl Dcc {
    /// Certificates of different people, all of the median length.
    pub(crate) fn issue(how_many: usize) -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let failed = |_| anyhow!("making a key of P-256");
        let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(failed)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret.as_ref(), &random);
        let pair = pair.map_err(|error| anyhow!("reading the key: {error}"))?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref().to_vec());
        let mut codes = Vec::with_capacity(how_many);
        // Names as long as it takes; one letter more is a character or two.
        let mut letters = 12;
        for person in 0..how_many * 100 {
            if codes.len() == how_many {
                break;
            }
            let code = certificate(person, letters, &pair, &random)?;
            match code.len().cmp(&CHARACTERS) {
                Ordering::Less => letters += 1,
                Ordering::Greater => letters -= 1,
                Ordering::Equal => codes.push(code),
            }
        }
        ensure!(codes.len() == how_many, "too few certificates have {CHARACTERS} characters");
        Ok(Self { codes, public })
    }

    /// From the text to a verdict, as a verifier of the EU's goes: base45, zlib, COSE, signature, claims, expiry.
    pub(crate) fn verify(&self, text: &str, now: i64) -> anyhow::Result<cbor::Value> {
        let packed = base45::decode(text.strip_prefix(PREFIX).context("no certificate")?)?;
        let mut unpacked = Vec::with_capacity(512);
        ZlibDecoder::new(&packed[..]).take(MOST).read_to_end(&mut unpacked)?;
        let cose = CoseSign1::from_tagged_slice(&unpacked).map_err(|error| anyhow!("{error}"))?;
        ensure!(cose.protected.header.key_id == KID, "no key of ours");
        cose.verify_signature(&[], |signature, tbs| self.public.verify(tbs, signature))
            .map_err(|_| anyhow!("the signature does not fit"))?;
        let claims: cbor::Value = cbor::de::from_reader(&cose.payload.context("no content")?[..])?;
        let expires = claim(&claims, 4).and_then(cbor::Value::as_integer).context("no expiry")?;
        ensure!(i128::from(expires) > i128::from(now), "expired");
        claim(&claims, HCERT).cloned().context("no certificate within")
    }
}

fn claim(claims: &cbor::Value, label: i64) -> Option<&cbor::Value> {
    claims.as_map()?.iter().find(|(key, _)| *key == cbor::Value::from(label)).map(|(_, value)| value)
}

/// A vaccination, with every field that the schema asks for.
fn certificate(person: usize, letters: usize, pair: &EcdsaKeyPair, random: &SystemRandom) -> anyhow::Result<String> {
    let name: String = (0..letters)
        .map(|at| char::from(b'a' + u8::try_from((person * 31 + at * at * 7 + at * person) % 26).unwrap_or(0)))
        .collect();
    let upper = name.to_uppercase();
    let text = |key: &str, value: String| (cbor::Value::from(key), cbor::Value::from(value));
    let number = |key: &str, value: i64| (cbor::Value::from(key), cbor::Value::from(value));
    let vaccination = cbor::Value::Map(vec![
        text("tg", "840539006".to_owned()),
        text("vp", "1119349007".to_owned()),
        text("mp", "EU/1/20/1528".to_owned()),
        text("ma", "ORG-100030215".to_owned()),
        number("dn", 2),
        number("sd", 2),
        text("dt", format!("2021-06-{:02}", person % 28 + 1)),
        text("co", "AT".to_owned()),
        text("is", "Ministry of Health, Austria".to_owned()),
        text(
            "ci",
            format!(
                "URN:UVCI:01:AT:{:0>width$X}#{}",
                person * 7_919 + 0x1083_1071,
                person % 10,
                width = 16 + person % 5
            ),
        ),
    ]);
    let person = cbor::Value::Map(vec![
        text("fn", name),
        text("fnt", upper),
        text("gn", "Gabriele".to_owned()),
        text("gnt", "GABRIELE".to_owned()),
    ]);
    let certificate = cbor::Value::Map(vec![
        (cbor::Value::from("v"), cbor::Value::Array(vec![vaccination])),
        text("dob", "1998-02-26".to_owned()),
        (cbor::Value::from("nam"), person),
        text("ver", "1.3.0".to_owned()),
    ]);
    let claims = cbor::Value::Map(vec![
        (cbor::Value::from(1), cbor::Value::from("AT")),
        (cbor::Value::from(4), cbor::Value::from(EXPIRES)),
        (cbor::Value::from(6), cbor::Value::from(ISSUED)),
        (cbor::Value::from(HCERT), cbor::Value::Map(vec![(cbor::Value::from(1), certificate)])),
    ]);
    let mut content = Vec::new();
    cbor::ser::into_writer(&claims, &mut content)?;
    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ES256).key_id(KID.to_vec()).build();
    let cose = CoseSign1Builder::new()
        .protected(protected)
        .payload(content)
        .try_create_signature(&[], |tbs| pair.sign(random, tbs).map(|signature| signature.as_ref().to_vec()))
        .map_err(|_| anyhow!("signing"))?
        .build();
    let cose = cose.to_tagged_vec().map_err(|error| anyhow!("{error}"))?;
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&cose)?;
    Ok(format!("{PREFIX}{}", base45::encode(packed.finish()?)))
}
