//! A person as they come in, from a form or a workbook, and as they are kept.

use chassis::Fields;
use chrono::NaiveDate;
use proto::registry::v1::{IdentityDocument, Landlord, Person};

use crate::{identity, phone, sentence::Sentence, typing};

pub(crate) const MOST_PHONES: usize = 10;
const LONGEST_NAME: usize = 60;

pub(crate) const NAME: Sentence = Sentence::new(
    "不是姓名：最多 60 个字，不含数字和换行；生僻字可以",
    "is no name: at most 60 characters without digits and line breaks; rare characters are welcome",
);
pub(crate) const PHONES: Sentence =
    Sentence::new("最多 10 个号码：请只留本人使用的", "has more than 10 numbers: keep those in use");

/// Rare characters are never a reason to refuse a name; digits and control characters are no part of one.
pub(crate) fn name_is_legible(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(|c| c.is_control() || c.is_ascii_digit())
}

/// A person from a request, as they are kept. Says in `fields` what is wrong, under "<prefix>full_name" and so on.
pub(crate) fn read(fields: &mut Fields, prefix: &str, person: &Person, today: NaiveDate) -> Person {
    let full_name = name(fields, &format!("{prefix}full_name"), &person.full_name);
    let phones = phones(fields, &format!("{prefix}phones"), &person.phones);
    let given = person.document.clone().unwrap_or_default();
    let document = document(fields, &format!("{prefix}document"), &given, today);
    Person { full_name, phones, document: Some(document) }
}

/// All numbers of a person, each once.
pub(crate) fn phones(fields: &mut Fields, field: &str, typed: &[String]) -> Vec<String> {
    let mut phones = Vec::new();
    for (index, typed) in typed.iter().enumerate() {
        let number = one_phone(fields, &format!("{field}[{index}]"), typed);
        if !phones.contains(&number) {
            phones.push(number);
        }
    }
    fields.check(field, phones.len() <= MOST_PHONES, PHONES.zh, PHONES.en);
    phones
}

/// A document as it is kept.
pub(crate) fn document(
    fields: &mut Fields,
    field: &str,
    given: &IdentityDocument,
    today: NaiveDate,
) -> IdentityDocument {
    match identity::check(given, today) {
        Ok((document, _)) => document,
        Err(fault) => {
            let sentence = fault.sentence();
            fields.refuse(field, sentence.zh, sentence.en);
            IdentityDocument::default()
        }
    }
}

/// A landlord from a request; the phone may be missing.
pub(crate) fn landlord(fields: &mut Fields, landlord: &Landlord) -> Landlord {
    let phone = match landlord.phone.trim() {
        "" => String::new(),
        typed => one_phone(fields, "landlord.phone", typed),
    };
    Landlord { full_name: name(fields, "landlord.full_name", &landlord.full_name), phone }
}

/// A name from a request.
pub(crate) fn name(fields: &mut Fields, field: &str, typed: &str) -> String {
    let name = typing::name(typed);
    fields.check(field, name_is_legible(&name), NAME.zh, NAME.en);
    name
}

/// A mobile number from a request.
pub(crate) fn one_phone(fields: &mut Fields, field: &str, typed: &str) -> String {
    let number = phone::normalise(typed);
    fields.check(field, number.is_some(), phone::NOT_MOBILE.zh, phone::NOT_MOBILE.en);
    number.unwrap_or_default()
}
