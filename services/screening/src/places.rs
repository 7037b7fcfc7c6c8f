//! Names of places to GB/T 2260 codes (DOMAIN section 4). The resolver knows the vocabulary of its source and answers
//! *resolved*, *ambiguous* or *unknown*: an ambiguous name is a question for a person, never a guess.
//!
//! Carriers report cities, so their words are looked up among prefectures, municipalities and counties run directly by a
//! province, and never among districts: 西安 is 610100 and 吉林 is 220200 for them. 海南 stays a question even there, since a
//! carrier's network of the island (460000) and the prefecture in 青海 (632500) carry the same name. A province is taken
//! where no city has the name. People name anything, so for them all three are questions. Abroad the grain is the country (R3).

mod abroad;
mod gazetteer;
mod learned;
mod typing;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use gazetteer::{Entry, Gazetteer, Index};
pub(crate) use learned::decidable;
pub use learned::{Learned, Undecidable};
use proto::screening::v1::Source;

/// Six digits of GB/T 2260: two for the province, two for the prefecture, two for the county; or the two letters of ISO 3166-1
/// for a country abroad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u32);

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// One place; several codes where the name is a network that spans them, none where it was decided that it is no place.
    Resolved(Arc<[Code]>),
    /// One of these places, and only a person can say which.
    Ambiguous(Arc<[Code]>),
    Unknown,
}

/// Whose words a name is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// People's.
    Declared,
    /// A carrier's: 移动, 联通, 电信.
    Mobile,
    Unicom,
    Telecom,
}

impl Code {
    /// Away from every place: what an unknown name might be.
    pub(crate) const ELSEWHERE: Self = Self(999_999);

    /// Countries stand behind all digits, in the order of their letters.
    const ABROAD: u32 = 1_000_000;

    /// `None` unless it is six digits, or two capital letters.
    pub fn parse(code: &str) -> Option<Self> {
        match code.as_bytes() {
            [one @ b'A'..=b'Z', two @ b'A'..=b'Z'] => {
                let letter = |letter: u8| u32::from(letter - b'A');
                Some(Self(Self::ABROAD + letter(*one) * 26 + letter(*two)))
            }
            digits if digits.len() == 6 && digits.iter().all(u8::is_ascii_digit) => code.parse().ok().map(Self),
            _ => None,
        }
    }

    /// A country, as far as it is in force.
    pub fn is_abroad(self) -> bool {
        self.0 >= Self::ABROAD
    }

    /// In the list in force in 2020; for a country, in ISO 3166-1.
    pub fn is_in_force(self) -> bool {
        self.name().is_some()
    }

    /// The official name, of a country the usual one; `None` for a code not in force.
    pub fn name(self) -> Option<&'static str> {
        if self.is_abroad() {
            return abroad::names(self).map(|(zh, _)| zh);
        }
        PLACES.names.get(&self).copied()
    }

    /// As people say it: 台州, not 台州市.
    pub fn short_name(self) -> Option<&'static str> {
        if self.is_abroad() { self.name() } else { self.name().map(gazetteer::stem) }
    }

    /// The same for a sentence in English: South Korea, and 台州.
    pub fn english_name(self) -> Option<&'static str> {
        abroad::names(self).map(|(_, en)| en).or_else(|| self.short_name())
    }

    pub fn is_province(self) -> bool {
        !self.is_abroad() && self.0.is_multiple_of(10_000)
    }

    /// The largest place around it that has a code: abroad the country itself.
    pub fn province(self) -> Self {
        if self.is_abroad() { self } else { Self(self.0 / 10_000 * 10_000) }
    }

    pub fn is_prefecture(self) -> bool {
        !self.is_abroad() && !self.is_province() && self.0.is_multiple_of(100)
    }

    /// Counties run directly by a province have no prefecture: 4190xx, 4290xx, 4690xx, 6590xx.
    pub fn is_directly_run(self) -> bool {
        !self.is_abroad() && self.0 / 100 % 100 == 90 && !self.is_prefecture()
    }

    /// In China, at the grain of the carriers.
    pub fn is_city(self) -> bool {
        self.is_prefecture() || self.is_directly_run() || (self.is_province() && self.is_its_own_city())
    }

    /// The city in which it lies, at the grain of the carriers: abroad the country; `None` for a province of several cities.
    pub fn city(self) -> Option<Self> {
        if self.is_abroad() {
            Some(self)
        } else if self.is_its_own_city() {
            Some(self.province())
        } else if self.is_province() {
            None
        } else if self.is_directly_run() {
            Some(self)
        } else {
            Some(Self(self.0 / 100 * 100))
        }
    }

    /// 市辖区 and 县 of a municipality (110100, 500200), which forms and ID numbers use and the Ministry's lists leave out,
    /// are the municipality.
    fn municipality(self) -> Option<Self> {
        let pseudo = matches!(self.0 / 10_000, 11 | 12 | 31 | 50) && matches!(self.0 % 10_000, 100 | 200 | 300);
        if pseudo { self.city() } else { None }
    }

    /// The four municipalities, 台湾, 香港 and 澳门.
    fn is_its_own_city(self) -> bool {
        matches!(self.0 / 10_000, 11 | 12 | 31 | 50 | 71 | 81 | 82)
    }

    /// The other lies in this one, or is this one.
    pub fn contains(self, other: Self) -> bool {
        self == other
            || (self.is_province() && self.0 / 10_000 == other.0 / 10_000)
            || (self.is_prefecture() && self.0 / 100 == other.0 / 100)
    }

    /// One lies in the other.
    pub fn touches(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.checked_sub(Self::ABROAD) {
            Some(letters) => {
                let letter = |place: u32| char::from_u32(u32::from('A') + place).unwrap_or('?');
                write!(f, "{}{}", letter(letters / 26), letter(letters % 26))
            }
            None => write!(f, "{:06}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Resolution {
    /// The codes of a resolved name.
    pub fn resolved(&self) -> Option<&Arc<[Code]>> {
        match self {
            Self::Resolved(codes) => Some(codes),
            Self::Ambiguous(_) | Self::Unknown => None,
        }
    }

    /// People decided that the name stands for no place at all.
    pub fn is_nowhere(&self) -> bool {
        self.resolved().is_some_and(|codes| codes.is_empty())
    }

    /// Everything that the name may be.
    pub fn codes(&self) -> &[Code] {
        match self {
            Self::Resolved(codes) | Self::Ambiguous(codes) => codes,
            Self::Unknown => &[],
        }
    }
}

impl From<&Entry> for Resolution {
    fn from(entry: &Entry) -> Self {
        match entry.codes.len() {
            0 => Self::Unknown,
            1 => Self::Resolved(Arc::clone(&entry.codes)),
            _ if entry.together => Self::Resolved(Arc::clone(&entry.codes)),
            _ => Self::Ambiguous(Arc::clone(&entry.codes)),
        }
    }
}

impl Vocabulary {
    /// Each with the word by which it is named on the command line and in files.
    pub const WORDS: [(&str, Self); 4] =
        [("mobile", Self::Mobile), ("unicom", Self::Unicom), ("telecom", Self::Telecom), ("declared", Self::Declared)];

    /// The words of a source of evidence.
    pub fn of(source: Source) -> Self {
        match source {
            Source::Mobile => Self::Mobile,
            Source::Unicom => Self::Unicom,
            Source::Telecom => Self::Telecom,
            Source::Unspecified => Self::Declared,
        }
    }

    /// Where a name is looked up, one index after the other.
    fn indexes(self) -> &'static [Index] {
        match self {
            Self::Declared => &PLACES.declared,
            Self::Mobile | Self::Unicom | Self::Telecom => &PLACES.carrier,
        }
    }
}

static PLACES: LazyLock<Gazetteer> = LazyLock::new(Gazetteer::build);

/// A name as it is looked up: two spellings that come to the same are one name.
pub fn spelled(name: &str) -> String {
    typing::tidy(name)
}

/// No place has a name longer than this, in characters.
const LONGEST: usize = 40;

/// What a name, a path of names (浙江省台州市天台县, 北京 朝阳), a country or a code stands for.
pub fn resolve(name: &str, vocabulary: Vocabulary) -> Resolution {
    if let Some(question) = abroad::shared(name, vocabulary) {
        return question;
    }
    match at_home(name, vocabulary) {
        Resolution::Unknown => abroad::resolve(name, vocabulary),
        found => found,
    }
}

/// The same among the places of China, and among codes.
fn at_home(name: &str, vocabulary: Vocabulary) -> Resolution {
    if let Some(entry) = direct(name, vocabulary) {
        return entry.into();
    }
    if name.chars().count() > LONGEST {
        return Resolution::Unknown;
    }
    let name = typing::tidy(name);
    if let Some(code) = Code::parse(&name) {
        return coded(code);
    }
    if let Some(question) = abroad::shared(&name, vocabulary) {
        return question;
    }
    match direct(&name, vocabulary) {
        Some(entry) => entry.into(),
        None => path(&name, vocabulary).as_ref().map_or(Resolution::Unknown, Resolution::from),
    }
}

/// A code in force stands for itself, a former one for what became of its place.
fn coded(code: Code) -> Resolution {
    match PLACES.former_codes.get(&code) {
        _ if code.is_in_force() => Resolution::Resolved([code].into()),
        Some(entry) => entry.into(),
        None => code.municipality().map_or(Resolution::Unknown, |city| Resolution::Resolved([city].into())),
    }
}

fn direct(name: &str, vocabulary: Vocabulary) -> Option<&'static Entry> {
    vocabulary.indexes().iter().find_map(|index| index.get(name))
}

/// A larger place before a smaller one within it; or the same one twice, as forms print 上海市上海市.
fn path(name: &str, vocabulary: Vocabulary) -> Option<Entry> {
    let mut found = Vec::new();
    let mut together = false;
    for (at, _) in name.char_indices().skip(2) {
        let (outer, inner) = name.split_at(at);
        let Some(outer) = direct(outer, vocabulary) else { continue };
        let rest = path(inner, vocabulary);
        let meanings =
            || vocabulary.indexes().iter().filter_map(|index| -> Option<&Entry> { index.get(inner) }).chain(&rest);
        let strictly = meanings().find_map(|inner| inner.within(outer, |outer, code| outer != code));
        let Some(inside) = strictly.or_else(|| meanings().find_map(|inner| inner.within(outer, |_, _| true))) else {
            continue;
        };
        together = inside.together;
        found.extend_from_slice(&inside.codes);
    }
    let entry = Entry::any(found);
    if entry.codes.is_empty() { None } else { Some(Entry { together, ..entry }) }
}

#[cfg(test)]
mod tests;
