//! Who may stand in the register twice. Pure: names, numbers and doors are compared in memory, one neighbourhood at a time, and
//! nothing of it is kept. It says why two records are alike; whether they are one person, somebody decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proto::registry::v1::{Likeness, Person};

use crate::{identity, sounds};

/// One record, as far as it is compared.
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) household: String,
    /// Building and room; the unit is left out as often as not.
    pub(crate) door: (String, String, String),
    name: String,
    sound: String,
    phones: Vec<String>,
    document: Option<String>,
    birth: Option<String>,
}

/// Two records, the smaller id first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) one: String,
    pub(crate) other: String,
    pub(crate) score: u32,
    pub(crate) likenesses: Vec<Likeness>,
}

/// Records with one key that are compared with each other; what more of them share (a landlord's number) says nothing.
const MOST_ALIKE: usize = 60;

impl Record {
    pub(crate) fn of(id: String, household: String, door: (String, String, String), person: &Person) -> Self {
        let document = person.document.as_ref().and_then(identity::key);
        let birth = document.as_ref().filter(|number| number.len() == 18).and_then(|number| number.get(6..14));
        Self {
            id,
            household,
            door,
            sound: sounds::usual(&person.full_name),
            name: person.full_name.clone(),
            phones: person.phones.clone(),
            birth: birth.map(str::to_owned),
            document,
        }
    }
}

/// The pairs that somebody should look at, the likeliest first.
pub(crate) fn pairs(records: &[Record]) -> Vec<Pair> {
    // By name, by name and birthday, by phone: where a name is too common to compare all who have it, the others find them.
    let mut buckets: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (at, record) in records.iter().enumerate() {
        buckets.entry((&record.sound, "")).or_default().push(at);
        if let Some(birth) = &record.birth {
            buckets.entry((&record.sound, birth)).or_default().push(at);
        }
        for phone in &record.phones {
            buckets.entry(("", phone)).or_default().push(at);
        }
    }
    let mut met = BTreeSet::new();
    for alike in buckets.values().filter(|alike| (2..=MOST_ALIKE).contains(&alike.len())) {
        for (nth, one) in alike.iter().enumerate() {
            met.extend(alike[nth + 1..].iter().map(|other| (*one.min(other), *one.max(other))));
        }
    }
    let found = met.into_iter().filter_map(|(one, other)| compare(&records[one], &records[other]));
    let mut ordered: BTreeMap<String, Pair> = BTreeMap::new();
    ordered.extend(found.map(|pair| (pair.key(), pair)));
    ordered.into_values().collect()
}

impl Pair {
    /// By which lists stand: the likeliest first.
    pub(crate) fn key(&self) -> String {
        format!("{:02}/{}/{}", 99 - self.score.min(99), self.one, self.other)
    }
}

/// A shared phone alone is a family, a shared birthday alone is chance, and a common name is common: two of them together
/// are a reason to look. A name alone is one where documents do not tell the two apart.
fn compare(one: &Record, other: &Record) -> Option<Pair> {
    if one.id == other.id {
        return None;
    }
    let mut likenesses = Vec::new();
    let mut score = 0;
    let mut found = |alike: bool, likeness: Likeness, weight: u32| {
        if alike {
            likenesses.push(likeness);
            score += weight;
        }
        alike
    };
    let same_name = found(one.name == other.name, Likeness::SameName, 4);
    let named_alike = same_name || found(one.sound == other.sound, Likeness::NameSoundsAlike, 2);
    found(one.phones.iter().any(|phone| other.phones.contains(phone)), Likeness::SamePhone, 3);
    found(one.birth.is_some() && one.birth == other.birth, Likeness::SameBirthDate, 3);
    found(one.household == other.household || one.door == other.door, Likeness::SameRoom, 1);
    let told_apart = one.document.is_some() && other.document.is_some();
    let worth_a_look = named_alike && (score >= 5 || (same_name && !told_apart));
    let (first, second) = if one.id < other.id { (one, other) } else { (other, one) };
    worth_a_look.then(|| Pair { one: first.id.clone(), other: second.id.clone(), score, likenesses })
}

#[cfg(test)]
mod tests {
    use proto::registry::v1::{IdentityDocument, identity_document::Kind};

    use super::*;

    fn record(id: &str, name: &str, phone: &str, number: &str) -> Record {
        let kind = if number.is_empty() { Kind::None } else { Kind::IdCard };
        let person = Person {
            full_name: name.into(),
            phones: if phone.is_empty() { Vec::new() } else { vec![phone.into()] },
            document: Some(IdentityDocument { kind: kind.into(), number: number.into() }),
        };
        Record::of(id.into(), format!("h-{id}"), ("c1".into(), id.into(), "101".into()), &person)
    }

    fn alike(one: &Record, other: &Record) -> Option<Vec<Likeness>> {
        compare(one, other).map(|pair| pair.likenesses)
    }

    const CARD: &str = "11010519491231002X";
    /// Of the same day.
    const TWIN: &str = "110105194912310046";

    #[test]
    fn one_name_twice_is_worth_a_look_where_no_documents_tell_them_apart() {
        let known = record("1", "张小明", "13800001234", CARD);
        assert_eq!(alike(&known, &record("2", "张小明", "", "")), Some(vec![Likeness::SameName]));
        assert_eq!(alike(&known, &record("2", "张小明", "", "440524188001010014")), None);
        let typed_wrong = record("2", "张小明", "", TWIN);
        assert_eq!(alike(&known, &typed_wrong), Some(vec![Likeness::SameName, Likeness::SameBirthDate]));
    }

    #[test]
    fn names_that_sound_alike_are_worth_a_look_with_a_shared_phone_or_birthday() {
        let known = record("1", "张小明", "13800001234", CARD);
        let misheard = record("2", "张晓明", "13800001234", "");
        assert_eq!(alike(&known, &misheard), Some(vec![Likeness::NameSoundsAlike, Likeness::SamePhone]));
        assert_eq!(alike(&known, &record("2", "张晓明", "13900000000", "")), None);
    }

    #[test]
    fn a_family_with_one_phone_and_people_of_one_birthday_are_nobodys_duplicates() {
        let known = record("1", "张小明", "13800001234", CARD);
        assert_eq!(alike(&known, &record("2", "李红", "13800001234", TWIN)), None);
    }

    #[test]
    fn a_name_that_is_too_common_is_compared_by_birthday_and_phone() {
        let mut records: Vec<Record> = (0..100).map(|at| record(&format!("{at:03}"), "王伟", "", "")).collect();
        records.push(record("x", "王伟", "", CARD));
        records.push(record("y", "王玮", "", TWIN));
        let found = pairs(&records);
        let ids: Vec<(&str, &str)> = found.iter().map(|pair| (pair.one.as_str(), pair.other.as_str())).collect();
        assert_eq!(ids, [("x", "y")]);
    }

    #[test]
    fn the_likeliest_pair_stands_first_and_each_pair_once() {
        let records = [
            record("1", "张小明", "13800001234", ""),
            record("2", "张小明", "13800001234", ""),
            record("3", "张小明", "", ""),
        ];
        let found = pairs(&records);
        let ids: Vec<(&str, &str)> = found.iter().map(|pair| (pair.one.as_str(), pair.other.as_str())).collect();
        assert_eq!(ids, [("1", "2"), ("1", "3"), ("2", "3")]);
    }
}
