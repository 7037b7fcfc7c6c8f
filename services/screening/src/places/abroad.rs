//! Countries: the grain of a place abroad (R3). Their codes are the two letters of ISO 3166-1; China with Hong Kong, Macao and
//! Taiwan keeps its six digits. A name is taken for a country only where it stands for itself, or where a sign sets it off
//! from what lies within it (韩国-首尔); nothing is guessed from the first characters of a longer name (日本料理街).

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use super::{Code, Resolution, Vocabulary, direct, gazetteer::Entry, typing::tidy};

const COUNTRIES: &str = include_str!("../../data/countries.tsv");

/// What carriers write before the country in which a phone was roaming.
const ROAMING: [&str; 6] = ["国际及港澳台漫游", "国际漫游", "境外漫游", "国际", "境外", "漫游"];

/// No name of a country is longer than this, in characters.
const LONGEST: usize = 80;

struct Abroad {
    /// Chinese and English names.
    names: HashMap<Code, (&'static str, &'static str)>,
    index: HashMap<String, Entry>,
    /// Names that are a question: as they are written, and with all that they may stand for.
    shared: HashMap<&'static str, Entry>,
}

static ABROAD: LazyLock<Abroad> = LazyLock::new(Abroad::build);

impl Abroad {
    fn build() -> Self {
        let (mut names, mut index, mut shared) = (HashMap::new(), HashMap::new(), HashMap::new());
        let rows = COUNTRIES.lines().filter(|line| !line.starts_with('#'));
        let (questions, countries): (Vec<_>, Vec<_>) =
            rows.map(|row| row.split('\t').collect::<Vec<_>>()).partition(|row| row[0] == "?");
        for row in countries {
            let code = Code::parse(row[0]).expect("the shipped table has two letters for each country");
            names.insert(code, (row[2], row[3]));
            let others = row[4].split('|').filter(|name| !name.is_empty());
            for name in [row[2], row[3]].into_iter().chain(others) {
                index.insert(folded(name), Entry::any(vec![code]));
            }
        }
        for row in questions {
            let codes = row[2].split(',').map(|code| Code::parse(code).expect("the shipped table holds codes"));
            let entry = Entry::any(codes.collect());
            index.insert(folded(row[1]), entry.clone());
            shared.insert(row[1], entry);
        }
        Self { names, index, shared }
    }
}

/// Chinese and English name of a country.
pub(super) fn names(code: Code) -> Option<(&'static str, &'static str)> {
    ABROAD.names.get(&code).copied()
}

/// What a name stands for that a country shares with another one, or with a place of China.
pub(super) fn shared(name: &str, vocabulary: Vocabulary) -> Option<Resolution> {
    ABROAD.shared.get(name).map(|entry| within(vocabulary, entry))
}

/// A country, by any of its names.
pub(super) fn resolve(name: &str, vocabulary: Vocabulary) -> Resolution {
    if name.chars().count() > LONGEST {
        return Resolution::Unknown;
    }
    if let Some(found) = find(name, vocabulary) {
        return found;
    }
    let found = if vocabulary == Vocabulary::Declared { None } else { roaming(name, vocabulary) };
    found.or_else(|| set_off(name, vocabulary)).unwrap_or(Resolution::Unknown)
}

fn find(name: &str, vocabulary: Vocabulary) -> Option<Resolution> {
    ABROAD.index.get(&folded(&tidy(name))).map(|entry| within(vocabulary, entry))
}

/// A carrier names no county of China: what people may mean by 黑山 is for a carrier the country.
fn within(vocabulary: Vocabulary, entry: &Entry) -> Resolution {
    let named =
        |code: &&Code| vocabulary == Vocabulary::Declared || code.is_abroad() || code.is_province() || code.is_city();
    let codes: Arc<[Code]> = entry.codes.iter().filter(named).copied().collect();
    (&Entry { codes, together: false }).into()
}

/// 国际漫游（韩国）, and 国际漫游香港.
fn roaming(name: &str, vocabulary: Vocabulary) -> Option<Resolution> {
    let name = tidy(name);
    let rest = ROAMING.iter().find_map(|word| name.strip_prefix(word))?;
    let rest = rest.trim_matches(|c: char| !c.is_alphanumeric());
    find(rest, vocabulary).or_else(|| {
        let entry = direct(rest, vocabulary)?;
        let beyond_the_border = |code: &Code| matches!(code.0 / 10_000, 71 | 81 | 82);
        entry.codes.iter().all(beyond_the_border).then(|| entry.into())
    })
}

/// 韩国-首尔 and 日本 东京, the larger place first; Seoul, South Korea, the larger place last.
fn set_off(name: &str, vocabulary: Vocabulary) -> Option<Resolution> {
    let name = name.trim();
    let country = if name.is_ascii() {
        name.rsplit_once(',')?.1
    } else {
        let sign =
            |c: char| c.is_whitespace() || matches!(c, '-' | '－' | '—' | '–' | '·' | '/' | '／' | ',' | '，' | '>');
        name.split_once(sign).map(|(country, _)| country).filter(|country| !country.is_ascii())?
    };
    find(country, vocabulary)
}

/// Letters and digits alone, the letters small: U.S.A., usa and 刚果（金）.
fn folded(name: &str) -> String {
    tidy(name).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_no_name_of_a_country_is_a_place_of_china_unless_it_is_a_question() {
        assert_eq!(ABROAD.names.len(), 245, "ISO 3166-1 without CN, HK, MO and TW");
        for (name, entry) in &ABROAD.index {
            for vocabulary in Vocabulary::WORDS.map(|(_, vocabulary)| vocabulary) {
                let home = super::super::at_home(name, vocabulary);
                let told = home.codes().iter().all(|code| entry.codes.contains(code));
                assert!(told, "{name} is {:?}, too", home.codes());
            }
        }
    }

    #[test]
    fn a_name_that_two_countries_share_is_a_question() {
        let mut owners: HashMap<String, Code> = HashMap::new();
        for row in COUNTRIES.lines().filter(|row| !row.starts_with(['#', '?'])) {
            let row: Vec<&str> = row.split('\t').collect();
            let code = Code::parse(row[0]).unwrap();
            for name in
                [row[2], row[3]].into_iter().chain(row[4].split('|')).map(folded).filter(|name| !name.is_empty())
            {
                let asked = ABROAD.shared.keys().any(|question| folded(question) == name);
                assert!(asked || owners.insert(name.clone(), code).is_none_or(|other| other == code), "{name}");
            }
        }
    }
}
