//! What people's keyboards and forms make of a name.

use std::{collections::HashMap, sync::LazyLock};

static SIMPLIFIED: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let rows = include_str!("../../data/traditional.tsv").lines().filter(|line| !line.starts_with('#'));
    let pairs = rows.filter_map(|row| row.split_once('\t'));
    pairs.flat_map(|(simplified, all)| simplified.chars().flat_map(|one| all.chars().map(move |c| (c, one)))).collect()
});

/// As the lists write it: without blanks, without the signs that people put between a province and a city or that a carrier
/// puts behind one, in simplified characters and plain digits. 、 stays, since it stands between two places of an
/// enumeration, and 中国 and 市辖区 go, since they say nothing.
pub(super) fn tidy(name: &str) -> String {
    let mut tidy = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '－' | '—' | '–' | '·' | '/' | '／' | ',' | '，' | '>' | '*' | '＊' => {}
            '０'..='９' => tidy.extend(char::from_u32(u32::from(c) - u32::from('０') + u32::from('0'))),
            c if c.is_whitespace() || is_unseen(c) => {}
            c => tidy.push(SIMPLIFIED.get(&c).copied().unwrap_or(c)),
        }
    }
    let named = tidy.strip_prefix("中国").filter(|rest| !rest.is_empty()).unwrap_or(&tidy);
    named.replace("市辖区", "")
}

/// Marks without a width, which come along when a name is copied from a page or a table.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_however_it_was_typed() {
        for (typed, expected) in [
            (" 武汉 ", "武汉"),
            ("湖北省　武汉市", "湖北省武汉市"),
            ("３３０２００", "330200"),
            ("330200\u{200b}", "330200"),
            ("臺州", "台州"),
            ("鄞縣", "鄞县"),
            ("乾县", "乾县"),
            ("中国·浙江-宁波", "浙江宁波"),
            ("北京市市辖区朝阳区", "北京市朝阳区"),
            ("武汉市*", "武汉市"),
            ("信阳、南阳", "信阳、南阳"),
        ] {
            assert_eq!(tidy(typed), expected, "{typed:?}");
        }
    }
}
