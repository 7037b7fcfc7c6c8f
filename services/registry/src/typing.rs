//! What people type: full-width digits, blanks of every width, invisible marks that were pasted along.

/// The same text in half-width letters and digits, without invisible marks and without blanks around it.
pub(crate) fn tidy(typed: &str) -> String {
    let plain: String = typed.chars().filter_map(plain).collect();
    plain.trim().to_owned()
}

/// `tidy` without any blank inside either: for numbers and rooms.
pub(crate) fn compact(typed: &str) -> String {
    typed.chars().filter_map(plain).filter(|c| !c.is_whitespace()).collect()
}

/// A name as it is kept. Names are padded with blanks to line up on paper (张　三); those of other scripts need theirs.
pub(crate) fn name(typed: &str) -> String {
    let dotted: String =
        tidy(typed).chars().map(|c| if matches!(c, '•' | '・' | '‧' | '∙' | '⋅') { '·' } else { c }).collect();
    let words: Vec<&str> = dotted.split_whitespace().collect();
    if dotted.is_ascii() || words.iter().any(|word| word.chars().any(|c| c.is_ascii_alphabetic())) {
        words.join(" ")
    } else {
        words.concat()
    }
}

fn plain(c: char) -> Option<char> {
    match c {
        '\u{3000}' | '\u{a0}' | '\u{2007}' | '\u{202f}' => Some(' '),
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => None,
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_width_digits_and_wide_blanks_become_plain() {
        assert_eq!(tidy("\u{3000}１３８\u{200b}\u{a0}"), "138");
        assert_eq!(compact(" 3 - 1 "), "3-1");
    }

    #[test]
    fn blanks_that_pad_a_chinese_name_go_and_those_of_other_names_stay() {
        assert_eq!(name("张　三 "), "张三");
        assert_eq!(name("John   Smith"), "John Smith");
        assert_eq!(name("买买提•艾力"), "买买提·艾力");
        assert_eq!(name("𠮷田㐂"), "𠮷田㐂");
    }
}
