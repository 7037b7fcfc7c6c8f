//! What a pass says about its holder, in 36 bytes: enough for a guard without a line to the centre, and nothing that
//! identifies the person to anybody else. No identity number, phone, building, full name, birth date or reason.

use crate::{glance::Glance, number::PassNumber, reason::Reason, time::Hour};

pub const LENGTH: usize = 36;
/// Of everything that is signed: the upper half of its first byte.
pub const VERSION: u8 = 1;
/// Where the flags stand. There are none yet.
const FLAGS: usize = 35;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    pub kind: Kind,
    /// Fixes algorithm and scope.
    pub key_id: u8,
    pub number: PassNumber,
    pub issued: Hour,
    pub expires: Hour,
    /// Stands for the compound; gates know their own.
    pub compound: u16,
    pub rule: Rule,
    /// The same for all of a household, keyed per compound.
    pub household: [u8; 3],
    pub glance: Glance,
    /// Opens the holder's photo at the gate.
    pub photo_key: [u8; 10],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Paper = 1,
    Phone = 2,
    Visitor = 3,
    Service = 4,
    Carer = 5,
}

/// When the holder may cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Unrestricted,
    Daytime,
    /// One outing of the household in so many days, 1 to 127 (R18).
    OneOutingPer(u8),
}

impl Payload {
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION << 4 | self.kind as u8;
        bytes[1] = self.key_id;
        bytes[2..10].copy_from_slice(&self.number.to_bytes());
        bytes[10..12].copy_from_slice(&self.issued.0.to_be_bytes());
        bytes[12..14].copy_from_slice(&self.expires.0.to_be_bytes());
        bytes[14..16].copy_from_slice(&self.compound.to_be_bytes());
        bytes[16] = self.rule.to_byte();
        bytes[17..20].copy_from_slice(&self.household);
        bytes[20..25].copy_from_slice(&self.glance.to_bytes());
        bytes[25..35].copy_from_slice(&self.photo_key);
        bytes
    }

    /// Refuses another version, an unknown kind, rule or flag, and whatever this version would not have written.
    pub fn from_bytes(bytes: &[u8; LENGTH]) -> Result<Self, Reason> {
        if bytes[0] >> 4 != VERSION {
            return Err(Reason::UnknownVersion);
        }
        let kind = Kind::from_bits(bytes[0] & 15).ok_or(Reason::UnknownKind)?;
        if bytes[FLAGS] != 0 {
            return Err(Reason::UnknownFlag);
        }
        Ok(Self {
            kind,
            key_id: bytes[1],
            number: PassNumber::from_bytes(part(bytes, 2)),
            issued: Hour(u16::from_be_bytes(part(bytes, 10))),
            expires: Hour(u16::from_be_bytes(part(bytes, 12))),
            compound: u16::from_be_bytes(part(bytes, 14)),
            rule: Rule::from_byte(bytes[16]).ok_or(Reason::UnknownRule)?,
            household: part(bytes, 17),
            glance: Glance::from_bytes(part(bytes, 20))?,
            photo_key: part(bytes, 25),
        })
    }
}

fn part<const N: usize>(bytes: &[u8; LENGTH], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

impl Kind {
    fn from_bits(bits: u8) -> Option<Self> {
        let all = [Self::Paper, Self::Phone, Self::Visitor, Self::Service, Self::Carer];
        all.into_iter().find(|kind| *kind as u8 == bits)
    }
}

impl Rule {
    fn to_byte(self) -> u8 {
        match self {
            Self::Unrestricted => 0,
            Self::Daytime => 1,
            Self::OneOutingPer(days) => 0x80 | days,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Unrestricted),
            1 => Some(Self::Daytime),
            0x81..=0xFF => Some(Self::OneOutingPer(byte & 0x7F)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::glance::{NameLength, Sex};

    #[test]
    fn the_layout_is_the_published_one() {
        let payload = Payload {
            kind: Kind::Paper,
            key_id: 1,
            number: PassNumber::new(0x01_02_03, [4, 5, 6, 7, 8]).unwrap(),
            issued: Hour(0x0910),
            expires: Hour(0x1112),
            compound: 0x1314,
            rule: Rule::OneOutingPer(2),
            household: [0x15, 0x16, 0x17],
            glance: Glance { surname: "张".to_owned(), name_length: NameLength::Three, sex: Sex::Female, decade: 8 },
            photo_key: [0x20; 10],
        };
        let bytes = payload.to_bytes();
        let expected = [
            &b"\x11\x01\x01\x02\x03\x04\x05\x06\x07\x08\x09\x10\x11\x12\x13\x14\x82\x15\x16\x17\x5F\x20\0\0\xA8"[..],
            &[0x20; 10],
            &[0],
        ];
        assert_eq!(bytes.to_vec(), expected.concat());
        assert_eq!(Payload::from_bytes(&bytes), Ok(payload));
    }

    #[test]
    fn an_unknown_version_kind_rule_or_flag_is_refused() {
        let mut known = [0; LENGTH];
        known[0] = 0x11;
        assert!(Payload::from_bytes(&known).is_ok());
        for (at, value, reason) in [
            (0, 0x21, Reason::UnknownVersion),
            (0, 0x10, Reason::UnknownKind),
            (0, 0x16, Reason::UnknownKind),
            (16, 2, Reason::UnknownRule),
            (16, 0x80, Reason::UnknownRule),
            (24, 0x30, Reason::Malformed),
            (24, 11, Reason::Malformed),
            (35, 1, Reason::UnknownFlag),
        ] {
            let mut unknown = known;
            unknown[at] = value;
            assert_eq!(Payload::from_bytes(&unknown), Err(reason), "byte {at} = {value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(bytes in proptest::array::uniform(any::<u8>()).prop_map(narrowed)) {
            if let Ok(payload) = Payload::from_bytes(&bytes) {
                prop_assert_eq!(payload.to_bytes(), bytes);
            }
        }
    }

    /// Random bytes with a known first and last byte, so that most of them are read.
    fn narrowed(mut bytes: [u8; LENGTH]) -> [u8; LENGTH] {
        bytes[0] = 0x11 + bytes[0] % 5;
        bytes[35] = 0;
        bytes
    }
}
