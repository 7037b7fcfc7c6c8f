//! What a pass says about its holder, in 36 bytes: enough for a guard without a line to the centre, and nothing that
//! identifies the person to anybody else. No identity number, phone, building, full name, birth date or reason.

use chrono::{DateTime, TimeDelta, Utc};

use super::number::PassNumber;

pub const LENGTH: usize = 36;
const VERSION: u8 = 1;

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

/// Hours since 2020-01-01 00:00 UTC: good until June 2027.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(pub u16);

/// When the holder may cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Unrestricted,
    Daytime,
    /// One outing of the household in so many days, 1 to 127 (R18).
    OneOutingPer(u8),
}

/// What the guard sees: 张** 女 70+.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// At most two UTF-16 units.
    pub surname: String,
    pub name_length: NameLength,
    pub sex: Sex,
    /// 0: not said; 1: under ten; 10: ninety and over.
    pub decade: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameLength {
    #[default]
    Unsaid = 0,
    UpToTwo = 1,
    Three = 2,
    FourOrMore = 3,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sex {
    #[default]
    Unsaid = 0,
    Male = 1,
    Female = 2,
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
        // The last byte is for flags. There are none yet.
        bytes
    }

    /// `None` for another version, an unknown kind, rule or flag, and whatever this version would not have written.
    pub fn from_bytes(bytes: &[u8; LENGTH]) -> Option<Self> {
        if bytes[0] >> 4 != VERSION || bytes[35] != 0 {
            return None;
        }
        Some(Self {
            kind: Kind::from_bits(bytes[0] & 15)?,
            key_id: bytes[1],
            number: PassNumber::from_bytes(part(bytes, 2)),
            issued: Hour(u16::from_be_bytes(part(bytes, 10))),
            expires: Hour(u16::from_be_bytes(part(bytes, 12))),
            compound: u16::from_be_bytes(part(bytes, 14)),
            rule: Rule::from_byte(bytes[16])?,
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

impl Hour {
    /// The hour in which this instant lies; `None` before 2020 and after June 2027.
    pub fn of(time: DateTime<Utc>) -> Option<Self> {
        let hours = (time.timestamp() - EPOCH.timestamp()).div_euclid(3600);
        u16::try_from(hours).ok().map(Self)
    }

    pub fn start(self) -> DateTime<Utc> {
        EPOCH + TimeDelta::hours(i64::from(self.0))
    }
}

const EPOCH: DateTime<Utc> = DateTime::from_timestamp(1_577_836_800, 0).expect("2020-01-01 is a date");

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

impl Glance {
    /// As much of the surname as there is room for. A rare character takes both units and comes whole or not at all.
    pub fn of_surname(surname: &str) -> Self {
        let mut kept = String::new();
        let mut units = 0;
        for letter in surname.trim().chars() {
            units += letter.len_utf16();
            if units > 2 || letter == '\0' {
                break;
            }
            kept.push(letter);
        }
        Self { surname: kept, ..Self::default() }
    }

    fn to_bytes(&self) -> [u8; 5] {
        let mut units = self.surname.encode_utf16();
        let [a, b] = units.next().unwrap_or(0).to_be_bytes();
        let [c, d] = units.next().unwrap_or(0).to_be_bytes();
        [a, b, c, d, (self.name_length as u8) << 6 | (self.sex as u8) << 4 | self.decade]
    }

    fn from_bytes([a, b, c, d, person]: [u8; 5]) -> Option<Self> {
        let units = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        let written = match units {
            [0, 0] => &units[..0],
            [0, _] => return None,
            [_, 0] => &units[..1],
            _ => &units[..],
        };
        let name_length = match person >> 6 {
            0 => NameLength::Unsaid,
            1 => NameLength::UpToTwo,
            2 => NameLength::Three,
            _ => NameLength::FourOrMore,
        };
        let sex = match person >> 4 & 3 {
            0 => Sex::Unsaid,
            1 => Sex::Male,
            2 => Sex::Female,
            _ => return None,
        };
        let decade = Some(person & 15).filter(|decade| *decade <= 10)?;
        Some(Self { surname: String::from_utf16(written).ok()?, name_length, sex, decade })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            0x11,
            1,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
            0x09,
            0x10,
            0x11,
            0x12,
            0x13,
            0x14,
            0x82,
            0x15,
            0x16,
            0x17,
            0x5F,
            0x20,
            0,
            0,
            0b1010_1000,
            0x20,
            0x20,
            0x20,
            0x20,
            0x20,
            0x20,
            0x20,
            0x20,
            0x20,
            0x20,
            0,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(Payload::from_bytes(&bytes), Some(payload));
    }

    #[test]
    fn an_unknown_version_kind_rule_or_flag_is_refused() {
        let mut known = [0; LENGTH];
        known[0] = 0x11;
        assert!(Payload::from_bytes(&known).is_some());
        for (at, value) in [(0, 0x21), (0, 0x10), (0, 0x16), (16, 2), (16, 0x80), (24, 0x30), (24, 11), (35, 1)] {
            let mut unknown = known;
            unknown[at] = value;
            assert_eq!(Payload::from_bytes(&unknown), None, "byte {at} = {value}");
        }
    }

    #[test]
    fn a_rare_surname_comes_whole_or_not_at_all() {
        assert_eq!(Glance::of_surname("欧阳娜").surname, "欧阳");
        assert_eq!(Glance::of_surname("𠮷田").surname, "𠮷");
        assert_eq!(Glance::of_surname("张𠮷").surname, "张");
        assert_eq!(Glance::of_surname("").surname, "");
        let rare = Glance::of_surname("𠮷");
        assert_eq!(Glance::from_bytes(rare.to_bytes()), Some(rare));
    }

    #[test]
    fn half_a_character_is_no_surname() {
        assert_eq!(Glance::from_bytes([0xD8, 0x42, 0, 0, 0]), None);
        assert_eq!(Glance::from_bytes([0, 0, 0x5F, 0x20, 0]), None);
    }

    #[test]
    fn hours_are_counted_from_2020() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(Hour::of(time("2020-01-01T00:59:59Z")), Some(Hour(0)));
        assert_eq!(Hour::of(time("2020-02-11T06:30:00Z")).map(Hour::start), Some(time("2020-02-11T06:00:00Z")));
        assert_eq!(Hour::of(time("2019-12-31T23:59:59Z")), None);
        assert_eq!(Hour::of(time("2027-07-01T00:00:00Z")), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(bytes in proptest::array::uniform(any::<u8>()).prop_map(narrowed)) {
            if let Some(payload) = Payload::from_bytes(&bytes) {
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
