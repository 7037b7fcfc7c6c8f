//! What a screen shows of a person before somebody has said why they need more.

use proto::registry::v1::{IdentityDocument, Landlord, Person};

/// 张**: two stars whatever the length, which would narrow it down.
pub fn name(full_name: &str) -> String {
    full_name.chars().next().map_or_else(String::new, |first| format!("{first}**"))
}

/// `138****1234`
pub fn phone(number: &str) -> String {
    covered(number, 3, 4)
}

/// `330212********123X`; of a passport only the first letter and the last two.
pub fn document(document: &IdentityDocument) -> String {
    match document.number.chars().count() {
        15.. => covered(&document.number, 6, 4),
        _ => covered(&document.number, 1, 2),
    }
}

/// 房东: 李** 139****5678
pub fn landlord(landlord: &Landlord) -> String {
    format!("{} {}", name(&landlord.full_name), phone(&landlord.phone)).trim().to_owned()
}

/// Name, phones and document of a person.
pub fn person(person: &Person) -> (String, Vec<String>, String) {
    let phones = person.phones.iter().map(|number| phone(number)).collect();
    (name(&person.full_name), phones, person.document.as_ref().map_or_else(String::new, document))
}

/// Nothing but stars where so much would be shown that little is left to cover.
fn covered(text: &str, first: usize, last: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    let covered = letters.len().saturating_sub(first + last);
    if covered < 3 {
        return "*".repeat(letters.len());
    }
    let head: String = letters[..first].iter().collect();
    let tail: String = letters[letters.len() - last..].iter().collect();
    format!("{head}{}{tail}", "*".repeat(covered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_what_a_colleague_needs_to_recognise_and_no_more() {
        let card = IdentityDocument { kind: 1, number: "33021219900307123X".into() };
        let passport = IdentityDocument { kind: 3, number: "E12345678".into() };
        assert_eq!(name("张三丰"), "张**");
        assert_eq!(name("张三"), "张**");
        assert_eq!(name("𠮷田"), "𠮷**");
        assert_eq!(phone("13800001234"), "138****1234");
        assert_eq!(document(&card), "330212********123X");
        assert_eq!(document(&passport), "E******78");
    }

    #[test]
    fn what_is_too_short_to_cover_in_part_is_covered_whole() {
        assert_eq!(phone("12345678"), "********");
        assert_eq!(name(""), "");
    }
}
