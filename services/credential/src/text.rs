use crate::reason::Reason;

/// What a text of ours begins with. All of it is in the alphabet that QR codes write in 5.5 bits a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    Pass,
    List,
    Keys,
}

impl Prefix {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "MF1:",
            Self::List => "MFL1:",
            Self::Keys => "MFK1:",
        }
    }
}

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// The place of each byte in the alphabet, 45 for those that are not in it.
const PLACES: [u8; 256] = {
    let mut places = [45; 256];
    let mut place: u8 = 0;
    while place < 45 {
        places[ALPHABET[place as usize] as usize] = place;
        place += 1;
    }
    places
};

/// Whether a text claims to be a code of ours, so that a typed number is not taken for one.
pub fn looks_like_code(text: &str) -> bool {
    text.starts_with("MF")
}

/// The text of these bytes: prefix and base45 (RFC 9285).
pub fn armour(prefix: Prefix, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.as_str().len() + bytes.len().div_ceil(2) * 3);
    text.push_str(prefix.as_str());
    let mut push = |digit: u32| text.push(char::from(ALPHABET[(digit % 45) as usize]));
    let (pairs, last) = bytes.as_chunks::<2>();
    for pair in pairs {
        let value = u32::from(u16::from_be_bytes(*pair));
        push(value);
        push(value / 45);
        push(value / 2025);
    }
    if let [byte] = last {
        push(u32::from(*byte));
        push(u32::from(*byte) / 45);
    }
    text
}

/// The bytes behind a text, if this is the one way of writing them: no other prefix, no lower case, no white space, no group
/// beyond its 16 or 8 bits.
pub fn unarmour(prefix: Prefix, text: &str) -> Result<Vec<u8>, Reason> {
    let digits = text.strip_prefix(prefix.as_str()).ok_or(Reason::NotOurs)?.as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 3 * 2 + 1);
    let (groups, last) = digits.as_chunks::<3>();
    for group in groups {
        bytes.extend(value::<u16>(group)?.to_be_bytes());
    }
    match last {
        [] => {}
        [_, _] => bytes.push(value::<u8>(last)?),
        _ => return Err(Reason::WrongLength),
    }
    Ok(bytes)
}

fn value<T: TryFrom<u32>>(digits: &[u8]) -> Result<T, Reason> {
    let mut value = 0;
    for digit in digits.iter().rev() {
        let place = PLACES[usize::from(*digit)];
        if place == 45 {
            return Err(Reason::NotCanonical);
        }
        value = value * 45 + u32::from(place);
    }
    T::try_from(value).map_err(|_| Reason::NotCanonical)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_standard_come_out() {
        for (bytes, digits) in
            [("AB", "BB8"), ("Hello!!", "%69 VD92EX0"), ("base-45", "UJCLQE7W581"), ("ietf!", "QED8WEX0")]
        {
            assert_eq!(armour(Prefix::Pass, bytes.as_bytes()), format!("MF1:{digits}"));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for (text, reason) in [
            ("", Reason::NotOurs),
            ("mf1:BB8", Reason::NotOurs),
            ("MFL1:BB8", Reason::NotOurs),
            (" MF1:BB8", Reason::NotOurs),
            ("MF1:bb8", Reason::NotCanonical),
            ("MF1:BB\u{a0}", Reason::NotCanonical),
            ("MF1:BB8\n", Reason::WrongLength),
            ("MF1::::", Reason::NotCanonical),
            ("MF1:GGW", Reason::NotCanonical),
            ("MF1:V5", Reason::NotCanonical),
            ("MF1:B", Reason::WrongLength),
        ] {
            assert_eq!(unarmour(Prefix::Pass, text), Err(reason), "{text:?}");
        }
        assert_eq!(unarmour(Prefix::Pass, "MF1:FGW"), Ok(vec![0xFF, 0xFF]));
        assert_eq!(unarmour(Prefix::Pass, "MF1:"), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn bytes_come_back_and_another_implementation_writes_the_same(bytes: Vec<u8>) {
            let text = armour(Prefix::List, &bytes);
            prop_assert_eq!(&text, &format!("MFL1:{}", base45::encode(&bytes)));
            prop_assert_eq!(unarmour(Prefix::List, &text), Ok(bytes));
        }

        #[test]
        fn what_is_read_is_written_in_no_other_way(digits in "[0-9A-Z $%*+./:-]{0,40}") {
            let text = format!("MF1:{digits}");
            if let Ok(bytes) = unarmour(Prefix::Pass, &text) {
                prop_assert_eq!(armour(Prefix::Pass, &bytes), text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            drop(unarmour(Prefix::Pass, &text));
            drop(unarmour(Prefix::Pass, &format!("MF1:{text}")));
        }
    }
}
