//! The pass number: the status index and five random bytes, in Crockford's base32 with his check character, so that it can
//! be read out, typed with dashes and in lower case, and a slip of the finger is noticed.

use std::{fmt, str::FromStr};

/// Thirteen characters carry the 64 bits, one checks them.
const LENGTH: usize = 14;
/// The first 32 are digits; the last five only check.
const SYMBOLS: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PassNumber([u8; 8]);

impl PassNumber {
    /// The index is 24 bits wide.
    pub const MAX_INDEX: u32 = 0x00FF_FFFF;

    /// `None` when the index does not fit.
    pub fn new(index: u32, random: [u8; 5]) -> Option<Self> {
        if index > Self::MAX_INDEX {
            return None;
        }
        let mut bytes = [0; 8];
        bytes[..3].copy_from_slice(&index.to_be_bytes()[1..]);
        bytes[3..].copy_from_slice(&random);
        Some(Self(bytes))
    }

    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Given in order of issue.
    pub const fn index(self) -> u32 {
        u32::from_be_bytes([0, self.0[0], self.0[1], self.0[2]])
    }
}

impl fmt::Display for PassNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        let value = u64::from_be_bytes(self.0);
        for place in (0..LENGTH - 1).rev() {
            f.write_char(symbol((value >> (5 * place)) & 31))?;
        }
        f.write_char(symbol(value % 37))
    }
}

/// No pass number: too long, too short, a foreign character, or a slip that the check character shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pass number")]
pub struct NoPassNumber;

impl FromStr for PassNumber {
    type Err = NoPassNumber;

    fn from_str(text: &str) -> Result<Self, NoPassNumber> {
        let mut value: u128 = 0;
        let mut read = 0;
        for letter in text.chars().filter(|letter| !matches!(letter, '-' | ' ')) {
            let digit = digit(letter).ok_or(NoPassNumber)?;
            read += 1;
            if read < LENGTH && digit < 32 {
                value = value << 5 | u128::from(digit);
            } else if read == LENGTH {
                let number = u64::try_from(value).map_err(|_| NoPassNumber)?;
                if number % 37 != u64::from(digit) {
                    return Err(NoPassNumber);
                }
            } else {
                return Err(NoPassNumber);
            }
        }
        let number = u64::try_from(value).map_err(|_| NoPassNumber)?;
        if read == LENGTH { Ok(Self(number.to_be_bytes())) } else { Err(NoPassNumber) }
    }
}

fn symbol(digit: u64) -> char {
    let index = usize::try_from(digit).expect("a digit is below 37");
    char::from(SYMBOLS[index])
}

/// Letters that look like digits are those digits.
fn digit(letter: char) -> Option<u8> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = SYMBOLS.iter().position(|symbol| char::from(*symbol) == letter)?;
    u8::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_read_as_people_type_it() {
        let number = PassNumber::new(7, [1, 2, 3, 4, 5]).unwrap();
        let text = number.to_string();
        assert_eq!(text.len(), 14);
        let typed = format!("{}-{} {}", &text[..4], &text[4..9], &text[9..]).to_lowercase().replace('0', "o");
        assert_eq!(typed.parse(), Ok(number));
        assert_eq!(number.index(), 7);
    }

    #[test]
    fn an_index_beyond_24_bits_makes_no_number() {
        assert!(PassNumber::new(PassNumber::MAX_INDEX, [0; 5]).is_some());
        assert!(PassNumber::new(PassNumber::MAX_INDEX + 1, [0; 5]).is_none());
    }

    proptest! {
        #[test]
        fn every_number_survives_being_written(bytes: [u8; 8]) {
            let number = PassNumber::from_bytes(bytes);
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }

        #[test]
        fn one_wrong_character_is_noticed(bytes: [u8; 8], place in 0..14_usize, by in 1..32_usize) {
            let mut text = PassNumber::from_bytes(bytes).to_string().into_bytes();
            let digit = SYMBOLS.iter().position(|symbol| *symbol == text[place]).unwrap();
            let base = if place == 13 { 37 } else { 32 };
            text[place] = SYMBOLS[(digit + by) % base];
            prop_assert_eq!(String::from_utf8(text).unwrap().parse::<PassNumber>(), Err(NoPassNumber));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<PassNumber>();
        }
    }
}
