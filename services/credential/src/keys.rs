//! The keys that a gate believes: a numbered set, signed by a root that lies off line and whose public half the gate has
//! pinned. Issuing keys change weekly; another key signs lists. When a key has fallen into other hands, the next set says
//! from which hour on nothing that it signed counts.

use crate::{
    bytes::Bytes,
    payload::VERSION,
    reason::Reason,
    signature::{self, Algorithm, PublicKey, SigningKey},
    text::{Prefix, armour, unarmour},
    time::{Hour, Second},
};

/// Hours for which an issuing key signs.
pub const WEEK: u16 = 168;
/// More keys than weeks of a winter are none of ours.
pub const MOST: usize = 32;
const KIND: u8 = 10;

/// What a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Passes = 1,
    Lists = 2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: u8,
    pub scope: Scope,
    /// What it signs counts from this hour on ...
    pub from: Hour,
    /// ... and before this one.
    pub until: Hour,
    /// Nothing counts that it signed in this hour or later; `Hour::NEVER` for a key in good hands.
    pub compromised: Hour,
    pub public: PublicKey,
}

/// A set whose signature was checked, or that its holder made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    pub number: u32,
    pub made: Second,
    /// By id.
    keys: Vec<Key>,
}

impl Key {
    /// An issuing key of one week.
    pub fn weekly(id: u8, from: Hour, public: PublicKey) -> Self {
        let until = Hour(from.0.saturating_add(WEEK));
        Self { id, scope: Scope::Passes, from, until, compromised: Hour::NEVER, public }
    }

    /// Whether what it signed in this hour counts.
    pub fn counts(&self, signed: Hour) -> Result<(), Reason> {
        if self.compromised != Hour::NEVER && signed >= self.compromised {
            Err(Reason::CompromisedKey)
        } else if (self.from..self.until).contains(&signed) {
            Ok(())
        } else {
            Err(Reason::KeyNotInForce)
        }
    }
}

impl KeySet {
    /// Refuses no key at all and more than 32, two of one id, and one that is never in force.
    pub fn new(number: u32, made: Second, mut keys: Vec<Key>) -> Result<Self, Reason> {
        keys.sort_by_key(|key| key.id);
        let set = Self { number, made, keys };
        set.sound().then_some(set).ok_or(Reason::Malformed)
    }

    /// The key of this id, if it may sign such a thing.
    pub fn find(&self, id: u8, scope: Scope) -> Result<&Key, Reason> {
        let key = self.keys.iter().find(|key| key.id == id).ok_or(Reason::UnknownKey)?;
        if key.scope == scope { Ok(key) } else { Err(Reason::WrongScope) }
    }

    /// The key that signs at this time; of two the one that was put in force last.
    pub fn signing(&self, scope: Scope, now: Hour) -> Option<&Key> {
        let counts = self.keys.iter().filter(|key| key.scope == scope && key.counts(now).is_ok());
        counts.max_by_key(|key| (key.from, key.id))
    }

    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The bytes of the set with the root's signature.
    pub fn sign(&self, root: &SigningKey) -> Vec<u8> {
        let mut bytes = self.content();
        let signature = root.sign(&bytes);
        bytes.extend_from_slice(&signature);
        bytes
    }

    /// The same as the text of a QR code.
    pub fn text(&self, root: &SigningKey) -> String {
        armour(Prefix::Keys, &self.sign(root))
    }

    /// A set that the root signed, not older than the one that is held. The same one again is welcome.
    pub fn open(bytes: &[u8], root: &PublicKey, held: Option<&Self>) -> Result<Self, Reason> {
        let (content, signature) = bytes.split_last_chunk::<{ signature::LENGTH }>().ok_or(Reason::WrongLength)?;
        root.verify(content, signature)?;
        let set = Self::read(content)?;
        match held {
            Some(held) if set.number < held.number => Err(Reason::KeySetOlder),
            Some(held) if set.number == held.number && set != *held => Err(Reason::KeySetConflict),
            Some(_) | None => Ok(set),
        }
    }

    pub fn open_text(text: &str, root: &PublicKey, held: Option<&Self>) -> Result<Self, Reason> {
        Self::open(&unarmour(Prefix::Keys, text)?, root, held)
    }

    fn sound(&self) -> bool {
        let apart = self.keys.is_sorted_by(|a, b| a.id < b.id);
        apart && (1..=MOST).contains(&self.keys.len()) && self.keys.iter().all(|key| key.from < key.until)
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION << 4 | KIND];
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.made.0.to_be_bytes());
        bytes.push(u8::try_from(self.keys.len()).expect("at most 32 keys"));
        for key in &self.keys {
            bytes.extend([key.id, (key.public.algorithm() as u8) << 4 | key.scope as u8]);
            for hour in [key.from, key.until, key.compromised] {
                bytes.extend(hour.0.to_be_bytes());
            }
            bytes.extend(key.public.to_bytes());
        }
        bytes
    }

    fn read(content: &[u8]) -> Result<Self, Reason> {
        let mut bytes = Bytes(content);
        let first = bytes.u8()?;
        if first >> 4 != VERSION {
            return Err(Reason::UnknownVersion);
        }
        if first & 15 != KIND {
            return Err(Reason::UnknownKind);
        }
        let (number, made) = (bytes.u32()?, Second(bytes.u32()?));
        let mut keys = Vec::new();
        for _ in 0..bytes.u8()? {
            keys.push(Key::read(&mut bytes)?);
        }
        bytes.end()?;
        let set = Self { number, made, keys };
        set.sound().then_some(set).ok_or(Reason::Malformed)
    }
}

impl Key {
    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Reason> {
        let [id, use_of] = bytes.array()?;
        let algorithm = Algorithm::from_bits(use_of >> 4).ok_or(Reason::UnsupportedAlgorithm)?;
        let scope = match use_of & 15 {
            1 => Scope::Passes,
            2 => Scope::Lists,
            _ => return Err(Reason::Malformed),
        };
        let [from, until, compromised] = [bytes.u16()?, bytes.u16()?, bytes.u16()?].map(Hour);
        let public = PublicKey::from_bytes(algorithm, bytes.take(algorithm.key_length())?)?;
        Ok(Self { id, scope, from, until, compromised, public })
    }
}

#[cfg(test)]
mod tests {
    use fast_qr::{ECL, QRBuilder};
    use proptest::prelude::*;

    use super::*;

    fn root() -> SigningKey {
        SigningKey::ed25519(&[1; 32])
    }

    fn public(seed: u8) -> PublicKey {
        SigningKey::ed25519(&[seed; 32]).public()
    }

    /// Last week's key, this week's, next week's, and the one for lists.
    fn set(number: u32) -> KeySet {
        let weekly = (1..=3).map(|id| Key::weekly(id, Hour(1000 + u16::from(id) * WEEK), public(id)));
        let es256 = SigningKey::es256(&[9; 32]).unwrap().public();
        let lists = Key { scope: Scope::Lists, until: Hour::NEVER, ..Key::weekly(9, Hour(1000), es256) };
        KeySet::new(number, Second(5_000_000), weekly.chain([lists]).collect()).unwrap()
    }

    #[test]
    fn a_set_of_four_keys_comes_back_and_fits_a_qr_code() {
        let bytes = set(7).sign(&root());
        assert_eq!(bytes.len(), 235);
        assert_eq!(KeySet::open(&bytes, &root().public(), None), Ok(set(7)));
        let text = set(7).text(&root());
        let symbol = QRBuilder::new(text.as_str()).ecl(ECL::M).build().unwrap();
        assert_eq!(symbol.size, 17 + 4 * 11, "version 11");
        assert_eq!(KeySet::open_text(&text, &root().public(), Some(&set(7))), Ok(set(7)));
    }

    #[test]
    fn the_pinned_number_never_falls() {
        let open = |number| KeySet::open(&set(number).sign(&root()), &root().public(), Some(&set(7)));
        assert_eq!(open(6), Err(Reason::KeySetOlder));
        assert_eq!(open(8), Ok(set(8)));
        let other = KeySet { made: Second(1), ..set(7) };
        assert_eq!(KeySet::open(&other.sign(&root()), &root().public(), Some(&set(7))), Err(Reason::KeySetConflict));
    }

    #[test]
    fn another_root_is_refused() {
        let bytes = set(7).sign(&SigningKey::ed25519(&[2; 32]));
        assert_eq!(KeySet::open(&bytes, &root().public(), None), Err(Reason::BadSignature));
    }

    #[test]
    fn issuing_keys_change_weekly_and_what_they_signed_stays_good() {
        let set = set(7);
        let signing = |hour| set.signing(Scope::Passes, Hour(hour)).map(|key| key.id);
        assert_eq!(signing(1167), None);
        assert_eq!(signing(1168), Some(1));
        assert_eq!(signing(1168 + WEEK - 1), Some(1));
        assert_eq!(signing(1168 + WEEK), Some(2));
        assert_eq!(set.keys()[0].counts(Hour(1200)), Ok(()));
        assert_eq!(set.keys()[0].counts(Hour(1168 + WEEK)), Err(Reason::KeyNotInForce));
    }

    #[test]
    fn nothing_counts_that_a_compromised_key_issued_after_that_hour() {
        let key = Key { compromised: Hour(1200), ..Key::weekly(1, Hour(1168), public(1)) };
        assert_eq!(key.counts(Hour(1199)), Ok(()));
        assert_eq!(key.counts(Hour(1200)), Err(Reason::CompromisedKey));
        let set = KeySet::new(1, Second(0), vec![key]).unwrap();
        assert_eq!(set.signing(Scope::Passes, Hour(1201)), None);
    }

    #[test]
    fn a_set_that_contradicts_itself_is_refused() {
        let key = |id| Key::weekly(id, Hour(1), public(1));
        for keys in [vec![], vec![key(1), key(1)], vec![Key { until: Hour(1), ..key(1) }], (0..33).map(key).collect()] {
            assert_eq!(KeySet::new(1, Second(0), keys).unwrap_err(), Reason::Malformed);
        }
        let mut unsorted = set(1);
        unsorted.keys.reverse();
        assert_eq!(KeySet::open(&unsorted.sign(&root()), &root().public(), None), Err(Reason::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            noise in prop::collection::vec(any::<u8>(), 0..100),
            at in 0..171_usize,
            byte: u8,
            cut in 0..172_usize,
        ) {
            let mut changed = set(7).content();
            changed[at] = byte;
            for content in [noise, changed.clone(), changed[..cut.min(changed.len())].to_vec()] {
                if let Ok(set) = KeySet::read(&content) {
                    prop_assert_eq!(set.content(), content);
                }
            }
        }

        #[test]
        fn no_bytes_are_taken_for_a_set(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(KeySet::open(&bytes, &root().public(), None).is_err());
        }
    }
}
