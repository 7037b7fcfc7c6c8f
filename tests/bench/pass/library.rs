use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use credential::{
    code::Issuer,
    glance::Glance,
    keys::{Key, KeySet, Scope},
    list::{Contents, Delta, State, SuspensionList},
    number::PassNumber,
    payload::{Kind, Payload, Rule},
    phone::SLOTS,
    signature::SigningKey,
    time::{Hour, Second},
    verify::{Grounds, verify},
};
use fast_qr::{ECL, QRBuilder};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Map, Value, json};

use super::{Options, dcc};
use crate::rounds::{Round, count, median_of};

const ED25519: u8 = 1;
const ES256: u8 = 2;
const LISTS: u8 = 9;
const ISSUED: Hour = Hour(1_000);
/// Different codes in a round, so that nothing is answered from a cache.
const CODES: u32 = 5_000;
/// One of the certificates' time of life.
const IN_2021: i64 = 1_630_000_000;

/// Keys, a list, and who issues.
struct Office {
    keys: KeySet,
    list: SuspensionList,
    listed: BTreeMap<u32, State>,
    random: StdRng,
    highest: u32,
}

pub(super) fn measure(options: &Options) -> anyhow::Result<Map<String, Value>> {
    let mut office = Office::new(options.passes.max(100))?;
    let mut results = Map::new();
    let mut say = |name: &str, value: Value| drop(results.insert(name.to_owned(), value));

    let paper = issuer(ED25519)?.paper(&pass(1, [7; 5]));
    let phone = issuer(ED25519)?.phone(&Payload { kind: Kind::Phone, ..pass(1, [7; 5]) }, [8; 16]);
    let phone_text = phone.code(SLOTS).context("the last slot has a code")?;
    say("chars", json!(paper.len()));
    say("phone_chars", json!(phone_text.len()));
    say("dcc_chars", json!(dcc::CHARACTERS));
    say("chars_vs_dcc", json!(rounded(count(dcc::CHARACTERS) / count(paper.len()))));
    say("qr_version", json!(qr_version(&paper)?));
    say("phone_qr_version", json!(qr_version(&phone_text)?));
    say("dcc_qr_version", json!(qr_version(&"A".repeat(dcc::CHARACTERS))?));

    let speeds = office.speeds(options)?;
    say("verify_per_s", json!(median_of(&speeds.ed25519).round()));
    say("verify_es256_per_s", json!(median_of(&speeds.es256).round()));
    say("dcc_verify_per_s", json!(median_of(&speeds.dcc).round()));
    // Round by round: what disturbs the machine disturbs both.
    let ratios = speeds.ed25519.iter().zip(&speeds.dcc).map(|(ours, theirs)| ours.per_second / theirs.per_second);
    let ratios: Vec<Round> = ratios.map(|per_second| Round { per_second, waits: Vec::new() }).collect();
    say("vs_dcc", json!(rounded(median_of(&ratios))));

    // In the last slot of the day, when the chain is longest.
    let now = Second(ISSUED.start().0 + u32::from(SLOTS - 1) * 30);
    let grounds = Grounds::new(&office.keys, Some(&office.list), now);
    ensure!(verify(&phone_text, &grounds).answer.is_ok(), "a good phone code was refused");
    say("phone_worst_ms", json!(rounded(median(200, || drop(black_box(verify(&phone_text, &grounds)))) * 1_000.0)));

    let snapshot = office.list.sign(LISTS, &secret(LISTS)?);
    say("list_bytes", json!(snapshot.len()));
    say(
        "snapshot_load_ms",
        json!(rounded(median(50, || drop(black_box(SuspensionList::open(&snapshot, &office.keys)))) * 1_000.0)),
    );
    say("delta10_bytes", json!(office.delta(10)?));
    say("delta50_bytes", json!(office.delta(50)?));
    say("lookup_ns", json!(rounded(office.lookup_ns())));
    say("false_positives", json!(office.mistakes()));
    say("issue_s", json!(rounded(office.issue_seconds()?)));
    Ok(results)
}

struct Speeds {
    ed25519: Vec<Round>,
    es256: Vec<Round>,
    dcc: Vec<Round>,
}

impl Office {
    fn new(passes: u32) -> anyhow::Result<Self> {
        let key = |id, scope| -> anyhow::Result<Key> {
            Ok(Key { scope, until: Hour::NEVER, ..Key::weekly(id, Hour(0), secret(id)?.public()) })
        };
        let keys = vec![key(ED25519, Scope::Passes)?, key(ES256, Scope::Passes)?, key(LISTS, Scope::Lists)?];
        let keys = KeySet::new(1, Second(0), keys)?;
        let mut random = StdRng::seed_from_u64(1);
        let mut listed = BTreeMap::new();
        while listed.len() < passes as usize / 100 {
            let state = if random.random_ratio(1, 5) { State::Revoked } else { State::Suspended };
            listed.insert(random.random_range(0..passes), state);
        }
        let list = list(1, passes - 1, &listed)?;
        Ok(Self { keys, list, listed, random, highest: passes - 1 })
    }

    fn speeds(&mut self, options: &Options) -> anyhow::Result<Speeds> {
        let ours = |id| -> anyhow::Result<Vec<String>> {
            let issuer = issuer(id)?;
            Ok((0..CODES).map(|index| issuer.paper(&pass(index % (self.highest + 1), [9; 5]))).collect())
        };
        let (ed25519, es256) = (ours(ED25519)?, ours(ES256)?);
        let (certificates, others) = (dcc::Dcc::issue(50)?, dcc::Dcc::issue(1)?);
        let grounds = Grounds::new(&self.keys, Some(&self.list), ISSUED.end());
        let good = ed25519.iter().filter(|text| verify(text, &grounds).answer.is_ok()).count();
        ensure!(good > ed25519.len() / 2 && good < ed25519.len(), "{good} of {} codes are good", ed25519.len());
        for code in &certificates.codes {
            certificates.verify(code, IN_2021)?;
            ensure!(others.verify(code, IN_2021).is_err(), "anything is good");
        }
        let length = Duration::from_secs(options.seconds);
        let mut speeds = Speeds { ed25519: Vec::new(), es256: Vec::new(), dcc: Vec::new() };
        for _ in 0..options.rounds.max(1) {
            speeds.ed25519.push(round(&ed25519, length, |text| drop(black_box(verify(text, &grounds)))));
            let theirs = |text: &str| drop(black_box(certificates.verify(text, IN_2021)));
            speeds.dcc.push(round(&certificates.codes, length, theirs));
            speeds.es256.push(round(&es256, length / 4, |text| drop(black_box(verify(text, &grounds)))));
        }
        Ok(speeds)
    }

    /// Bytes of a signed change of so many passes, a fifth of them lifted.
    fn delta(&mut self, entries: usize) -> anyhow::Result<usize> {
        let mut listed = self.listed.clone();
        let mut lifted: Vec<u32> = listed.keys().copied().collect();
        lifted.shuffle(&mut self.random);
        for index in &lifted[..entries / 5] {
            listed.remove(index);
        }
        while listed.len() < self.listed.len() + entries - entries / 5 * 2 {
            let index = self.random.random_range(0..=self.highest);
            let state = if self.random.random_ratio(1, 5) { State::Revoked } else { State::Suspended };
            if !self.listed.contains_key(&index) {
                listed.insert(index, state);
            }
        }
        let newer = list(2, self.highest, &listed)?;
        let delta = Delta::between(&self.list, &newer);
        ensure!(delta.entries() == entries, "{} passes have changed", delta.entries());
        let bytes = delta.sign(LISTS, &secret(LISTS)?);
        let mut held = self.list.clone();
        held.apply(&Delta::open(&bytes, &self.keys)?)?;
        ensure!(held == newer, "the change comes to another list");
        Ok(bytes.len())
    }

    /// Of an index that nobody could foresee.
    fn lookup_ns(&mut self) -> f64 {
        let asked: Vec<u32> = (0..1_000_000).map(|_| self.random.random_range(0..=self.highest)).collect();
        let start = Instant::now();
        for index in &asked {
            black_box(self.list.state(*index));
        }
        start.elapsed().as_secs_f64() * 1e9 / count(asked.len())
    }

    /// Passes of which the list says something else than it was told.
    fn mistakes(&self) -> usize {
        (0..=self.highest).filter(|index| self.list.state(*index) != self.listed.get(index).copied()).count()
    }

    /// All passes signed and written as text, on one core.
    fn issue_seconds(&self) -> anyhow::Result<f64> {
        let issuer = issuer(ED25519)?;
        let start = Instant::now();
        for index in 0..=self.highest {
            black_box(issuer.paper(&pass(index, [3; 5])));
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

fn round(codes: &[String], length: Duration, mut verdict: impl FnMut(&str)) -> Round {
    let start = Instant::now();
    let mut made = 0;
    while start.elapsed() < length {
        for code in codes.iter().cycle().skip(made % codes.len()).take(100) {
            verdict(black_box(code));
            made += 1;
        }
    }
    Round { per_second: count(made) / start.elapsed().as_secs_f64(), waits: Vec::new() }
}

/// Seconds that half of the times stay under.
fn median(times: usize, mut what: impl FnMut()) -> f64 {
    let mut taken: Vec<f64> = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        what();
        taken.push(start.elapsed().as_secs_f64());
    }
    taken.sort_by(f64::total_cmp);
    taken[times / 2]
}

fn qr_version(text: &str) -> anyhow::Result<usize> {
    let symbol = QRBuilder::new(text).ecl(ECL::M).build();
    symbol.map(|symbol| (symbol.size - 17) / 4).map_err(|error| anyhow::anyhow!("no QR code: {error}"))
}

fn list(sequence: u32, high_water: u32, listed: &BTreeMap<u32, State>) -> anyhow::Result<SuspensionList> {
    let listed = listed.iter().map(|(index, state)| (*index, *state)).collect();
    let contents = Contents { sequence, made: ISSUED.start(), high_water, lines: Vec::new(), listed };
    Ok(SuspensionList::new(contents)?)
}

fn secret(id: u8) -> anyhow::Result<SigningKey> {
    if id == ES256 {
        return SigningKey::es256(&[id; 32]).context("a scalar of the curve");
    }
    Ok(SigningKey::ed25519(&[id; 32]))
}

fn issuer(id: u8) -> anyhow::Result<Issuer> {
    Ok(Issuer::new(id, secret(id)?))
}

fn pass(index: u32, random: [u8; 5]) -> Payload {
    let number = PassNumber::new(index.min(PassNumber::MAX_INDEX), random).expect("below the highest index");
    let bytes = number.to_bytes();
    Payload {
        kind: Kind::Paper,
        key_id: ED25519,
        number,
        issued: ISSUED,
        expires: Hour(ISSUED.0 + 336),
        compound: 3,
        rule: Rule::Unrestricted,
        household: [bytes[0], bytes[1], bytes[2]],
        glance: Glance::of_surname("张"),
        photo_key: [bytes[2]; 10],
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
