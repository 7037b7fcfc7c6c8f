use crate::reason::Reason;

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

    pub(crate) fn to_bytes(&self) -> [u8; 5] {
        let mut units = self.surname.encode_utf16();
        let [a, b] = units.next().unwrap_or(0).to_be_bytes();
        let [c, d] = units.next().unwrap_or(0).to_be_bytes();
        [a, b, c, d, (self.name_length as u8) << 6 | (self.sex as u8) << 4 | self.decade]
    }

    pub(crate) fn from_bytes([a, b, c, d, person]: [u8; 5]) -> Result<Self, Reason> {
        let units = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        let written = match units {
            [0, 0] => &units[..0],
            [0, _] => return Err(Reason::Malformed),
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
            _ => return Err(Reason::Malformed),
        };
        let decade = Some(person & 15).filter(|decade| *decade <= 10).ok_or(Reason::Malformed)?;
        let surname = String::from_utf16(written).map_err(|_| Reason::Malformed)?;
        Ok(Self { surname, name_length, sex, decade })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_surname_comes_whole_or_not_at_all() {
        assert_eq!(Glance::of_surname("欧阳娜").surname, "欧阳");
        assert_eq!(Glance::of_surname("𠮷田").surname, "𠮷");
        assert_eq!(Glance::of_surname("张𠮷").surname, "张");
        assert_eq!(Glance::of_surname("").surname, "");
        let rare = Glance::of_surname("𠮷");
        assert_eq!(Glance::from_bytes(rare.to_bytes()), Ok(rare));
    }

    #[test]
    fn half_a_character_is_no_surname() {
        assert_eq!(Glance::from_bytes([0xD8, 0x42, 0, 0, 0]), Err(Reason::Malformed));
        assert_eq!(Glance::from_bytes([0, 0, 0x5F, 0x20, 0]), Err(Reason::Malformed));
    }
}
