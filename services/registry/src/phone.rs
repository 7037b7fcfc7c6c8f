//! Mainland mobile numbers: what a carrier's scan can be made of (DOMAIN R5).

use crate::{sentence::Sentence, typing};

pub const NOT_MOBILE: Sentence = Sentence::new(
    "不是有效的手机号码：应为 1 开头的 11 位数字，多个号码之间用顿号分开",
    "is no mobile number: it has 11 digits and begins with 1; put 、 between several numbers",
);

/// Eleven digits, from however it was typed; `None` where it is no mainland mobile number.
pub fn normalise(typed: &str) -> Option<String> {
    let compact = typing::compact(typed);
    let plain: String =
        compact.chars().filter(|c| !matches!(c, '-' | '‐' | '‑' | '–' | '—' | '(' | ')' | '.')).collect();
    let prefixes = ["+86", "0086", "86"].into_iter();
    let number =
        prefixes.filter_map(|prefix| plain.strip_prefix(prefix)).find(|rest| rest.len() == 11).unwrap_or(&plain);
    let digits = number.as_bytes();
    let mobile = digits.len() == 11
        && digits.iter().all(u8::is_ascii_digit)
        && digits[0] == b'1'
        && (b'3'..=b'9').contains(&digits[1]);
    mobile.then(|| number.to_owned())
}

/// Every number in a cell. Blanks may stand between numbers and within one; `None` where anything is left over.
pub fn several(typed: &str) -> Option<Vec<String>> {
    let mut numbers = Vec::new();
    let separators = |c: char| matches!(c, '、' | ',' | ';' | '/' | '|' | '\\' | '，' | '；');
    for piece in typing::tidy(typed).split(separators) {
        let mut number = String::new();
        for part in piece.split_whitespace() {
            number.push_str(part);
            if let Some(whole) = normalise(&number) {
                numbers.push(whole);
                number.clear();
            }
        }
        if !number.is_empty() {
            return None;
        }
    }
    let mut seen = Vec::with_capacity(numbers.len());
    for number in numbers {
        if !seen.contains(&number) {
            seen.push(number);
        }
    }
    Some(seen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_was_typed() {
        for typed in [
            "13800001234",
            "+86 138 0000 1234",
            "0086-138-0000-1234",
            "8613800001234",
            "１３８００００１２３４",
            "138-0000-1234 ",
        ] {
            assert_eq!(normalise(typed).as_deref(), Some("13800001234"), "{typed}");
        }
    }

    #[test]
    fn what_no_carrier_can_scan_is_no_mobile_number() {
        for typed in ["", "0574-88123456", "12800001234", "1380000123", "138000012345", "1380000123x", "+85291234567"] {
            assert_eq!(normalise(typed), None, "{typed}");
        }
    }

    #[test]
    fn several_numbers_are_told_apart_from_one_with_blanks_in_it() {
        let both = Some(vec!["13800001234".to_owned(), "13900005678".to_owned()]);
        for typed in [
            "13800001234、13900005678",
            "13800001234, 13900005678,",
            "13800001234；13900005678",
            "13800001234/13900005678",
            "13800001234 13900005678",
            "138 0000 1234 139 0000 5678",
            "13800001234\n+86 139-0000-5678、13800001234",
        ] {
            assert_eq!(several(typed), both, "{typed}");
        }
        assert_eq!(several("  "), Some(vec![]));
        assert_eq!(several("13800001234、没有"), None);
        assert_eq!(several("13800001234 1390"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_makes_it_panic(typed in "\\PC{0,40}") {
            if let Some(number) = normalise(&typed) {
                prop_assert_eq!(number.len(), 11);
            }
            let _numbers = several(&typed);
        }
    }
}
