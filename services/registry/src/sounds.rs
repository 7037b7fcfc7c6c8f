//! How a name sounds: each character with its readings, surnames with their own (单 is Shàn, 尉迟 is Yùchí). What somebody
//! says at the door is found by it, typed in whole syllables, in first letters, or mixed.

use std::borrow::Cow;

use pinyin::{Pinyin, ToPinyin as _, ToPinyinMulti as _};

use crate::typing;

/// Readings of a given name's character that are looked at; the later ones are hardly ever heard.
const READINGS: usize = 3;

/// Letters of a query at most: `spell` keeps the places that it reached in the bits of one word.
const LONGEST: usize = 60;

/// A name by its characters and by its sounds.
pub(crate) struct Sounds {
    name: String,
    /// Of each character, or of a whole word in Latin letters; none where nobody knows how a character is read.
    units: Vec<Vec<Cow<'static, str>>>,
    /// Where pinyin may begin: with the surname, with the given name, behind a dot or a blank.
    starts: Vec<usize>,
}

/// What is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    /// A part of the name, in its characters.
    Written(String),
    /// The beginning of the name or of the given name, in small Latin letters without blanks.
    Spoken(String),
}

impl Sought {
    /// `None` where nothing is left to look for, or more than a name has.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        let name = typing::name(typed).to_lowercase();
        // A keyboard has no ü: v stands for it.
        let plain = name.replace('ü', "v");
        if !plain.is_ascii() {
            return (name.chars().count() <= LONGEST).then_some(Self::Written(name));
        }
        let letters: String = plain.chars().filter(char::is_ascii_alphabetic).collect();
        let digits = plain.bytes().any(|byte| byte.is_ascii_digit());
        (!digits && (1..=LONGEST).contains(&letters.len())).then_some(Self::Spoken(letters))
    }
}

impl Sounds {
    pub(crate) fn of(name: &str) -> Self {
        let name = name.to_lowercase();
        let letters: Vec<char> = name.chars().collect();
        let mut units = surname(&letters);
        let mut starts = vec![0, units.len()];
        let mut word = String::new();
        for &letter in &letters[units.len()..] {
            if letter.is_lowercase() {
                word.push(letter);
                continue;
            }
            end_word(&mut word, &mut units);
            match letter.to_pinyin_multi() {
                Some(readings) => units.push(distinct(readings.into_iter().take(READINGS))),
                None if letter.is_alphanumeric() => units.push(Vec::new()),
                None => starts.push(units.len()),
            }
        }
        end_word(&mut word, &mut units);
        Self { name, units, starts }
    }

    pub(crate) fn fit(&self, sought: &Sought) -> bool {
        match sought {
            Sought::Written(part) => self.name.contains(part),
            Sought::Spoken(letters) => {
                self.starts.iter().any(|&start| self.units.get(start..).is_some_and(|units| spell(letters, units)))
            }
        }
    }
}

/// A name as it is usually read, in one word: equal for 张晓明 and 张小明. Characters that nobody can read stand for themselves.
pub(crate) fn usual(name: &str) -> String {
    let letters: Vec<char> = name.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect();
    let surname: String = surname(&letters).iter().filter_map(|readings| readings.first()).map(Cow::as_ref).collect();
    let behind = if surname.is_empty() { 0 } else { self::surname(&letters).len() };
    letters[behind..].iter().fold(surname, |mut usual, letter| {
        match letter.to_pinyin() {
            Some(reading) => usual.push_str(reading.plain()),
            None => usual.push(*letter),
        }
        usual
    })
}

/// Whether the letters spell the beginning of these characters. All the ways to take the letters apart are followed at once:
/// one after the other they could be more than anybody can wait for.
fn spell(letters: &str, units: &[Vec<Cow<'static, str>>]) -> bool {
    // Bit n: the characters so far can be spelt by the first n letters.
    let mut reached = 1_u64;
    for readings in units {
        let mut next = if readings.is_empty() { reached } else { 0 };
        for at in (0..letters.len()).filter(|at| reached & (1 << at) != 0) {
            let rest = &letters[at..];
            for reading in readings {
                if reading.starts_with(rest) {
                    return true;
                }
                for part in parts(reading).filter(|part| rest.starts_with(part)) {
                    next |= 1 << (at + part.len());
                }
            }
        }
        reached = next;
        if reached == 0 {
            return false;
        }
    }
    false
}

/// How a syllable may be typed: whole, by its first letter, by both letters of zh, ch, sh.
fn parts(reading: &str) -> impl Iterator<Item = &str> {
    let first = reading.chars().next().map_or(0, char::len_utf8);
    let both = ["zh", "ch", "sh"].into_iter().find(|both| reading.starts_with(both)).map_or(first, str::len);
    [reading, &reading[..first], &reading[..both]].into_iter().filter(|part| !part.is_empty())
}

/// The readings of the surname, character by character; nothing where the name begins with a Latin letter.
fn surname(letters: &[char]) -> Vec<Vec<Cow<'static, str>>> {
    let known = |length: usize| {
        let surname: String = letters.get(..length)?.iter().collect();
        SURNAMES.iter().find(|(known, _)| *known == surname).map(|(_, readings)| *readings)
    };
    // Of two characters the second is a given name: 单于 is Shàn Yú, 单于文 is Chányú Wén.
    if let Some(readings) = known(2).filter(|_| letters.len() > 2) {
        return readings.iter().map(|reading| vec![Cow::Borrowed(*reading)]).collect();
    }
    if let Some(readings) = known(1) {
        return vec![readings.iter().map(|reading| Cow::Borrowed(*reading)).collect()];
    }
    let first = letters.first().filter(|letter| !letter.is_lowercase());
    first.map(|letter| letter.to_pinyin().map(|usual| distinct([usual])).unwrap_or_default()).into_iter().collect()
}

/// Without tones and each once; lü is typed lv, lu or lyu.
fn distinct(readings: impl IntoIterator<Item = Pinyin>) -> Vec<Cow<'static, str>> {
    let mut all: Vec<Cow<'static, str>> = Vec::new();
    for plain in readings.into_iter().map(Pinyin::plain) {
        let typed: Vec<Cow<'static, str>> = if plain.contains('ü') {
            ["v", "u", "yu"].iter().map(|letter| Cow::Owned(plain.replace('ü', letter))).collect()
        } else {
            vec![Cow::Borrowed(plain)]
        };
        all.extend(typed);
    }
    all.sort();
    all.dedup();
    all
}

fn end_word(word: &mut String, units: &mut Vec<Vec<Cow<'static, str>>>) {
    if !word.is_empty() {
        units.push(vec![Cow::Owned(std::mem::take(word))]);
    }
}

/// Surnames of one character that is usually read otherwise, with every reading that families use; and surnames of two
/// characters, with the reading of each.
const SURNAMES: &[(&str, &[&str])] = &[
    ("单", &["shan"]),
    ("仇", &["qiu"]),
    ("解", &["xie"]),
    ("曾", &["zeng"]),
    ("区", &["ou"]),
    ("查", &["zha"]),
    ("盖", &["ge", "gai"]),
    ("朴", &["piao", "pu"]),
    ("乐", &["yue", "le"]),
    ("翟", &["zhai", "di"]),
    ("覃", &["qin", "tan"]),
    ("折", &["she"]),
    ("召", &["shao"]),
    ("黑", &["he", "hei"]),
    ("秘", &["bi"]),
    ("种", &["chong"]),
    ("繁", &["po"]),
    ("员", &["yun"]),
    ("贠", &["yun"]),
    ("洗", &["xian"]),
    ("冼", &["xian"]),
    ("缪", &["miao"]),
    ("么", &["yao"]),
    ("句", &["gou"]),
    ("隗", &["wei", "kui"]),
    ("郗", &["xi", "chi"]),
    ("宓", &["mi", "fu"]),
    ("牟", &["mou", "mu"]),
    ("谌", &["chen", "shen"]),
    ("卜", &["bu"]),
    ("阚", &["kan"]),
    ("能", &["nai"]),
    ("祭", &["zhai"]),
    ("钭", &["tou", "dou"]),
    ("粘", &["nian"]),
    ("藏", &["zang"]),
    ("佴", &["nai"]),
    ("郇", &["xun", "huan"]),
    ("乜", &["nie"]),
    ("都", &["du"]),
    ("会", &["gui"]),
    ("柏", &["bai", "bo"]),
    ("莘", &["shen", "xin"]),
    ("薄", &["bo"]),
    ("蔚", &["yu", "wei"]),
    ("颉", &["xie"]),
    ("炅", &["gui"]),
    ("适", &["kuo"]),
    ("盛", &["sheng", "cheng"]),
    ("贲", &["ben", "bi"]),
    ("重", &["chong"]),
    ("隽", &["juan", "jun"]),
    ("长", &["chang", "zhang"]),
    ("欧阳", &["ou", "yang"]),
    ("尉迟", &["yu", "chi"]),
    ("万俟", &["mo", "qi"]),
    ("令狐", &["ling", "hu"]),
    ("长孙", &["zhang", "sun"]),
    ("澹台", &["tan", "tai"]),
    ("单于", &["chan", "yu"]),
    ("司马", &["si", "ma"]),
    ("司徒", &["si", "tu"]),
    ("司空", &["si", "kong"]),
    ("上官", &["shang", "guan"]),
    ("诸葛", &["zhu", "ge"]),
    ("夏侯", &["xia", "hou"]),
    ("皇甫", &["huang", "fu"]),
    ("公孙", &["gong", "sun"]),
    ("慕容", &["mu", "rong"]),
    ("宇文", &["yu", "wen"]),
    ("端木", &["duan", "mu"]),
    ("东方", &["dong", "fang"]),
    ("南宫", &["nan", "gong"]),
    ("西门", &["xi", "men"]),
    ("独孤", &["du", "gu"]),
    ("呼延", &["hu", "yan"]),
    ("赫连", &["he", "lian"]),
    ("轩辕", &["xuan", "yuan"]),
    ("钟离", &["zhong", "li"]),
    ("申屠", &["shen", "tu"]),
    ("闾丘", &["lv", "qiu"]),
    ("濮阳", &["pu", "yang"]),
    ("淳于", &["chun", "yu"]),
    ("太史", &["tai", "shi"]),
    ("仲孙", &["zhong", "sun"]),
    ("拓跋", &["tuo", "ba"]),
    ("百里", &["bai", "li"]),
    ("鲜于", &["xian", "yu"]),
    ("宗政", &["zong", "zheng"]),
    ("谷梁", &["gu", "liang"]),
    ("乐正", &["yue", "zheng"]),
    ("漆雕", &["qi", "diao"]),
    ("公羊", &["gong", "yang"]),
    ("亓官", &["qi", "guan"]),
    ("纳兰", &["na", "lan"]),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(typed: &str, name: &str) -> bool {
        Sounds::of(name).fit(&Sought::read(typed).unwrap())
    }

    #[test]
    fn a_name_is_found_by_syllables_by_first_letters_and_by_both_mixed() {
        for typed in
            ["zhangxiaohua", "Zhang Xiao-hua", "zxh", "zhxh", "zhangxh", "zxiaohua", "z", "zhan", "xiaohua", "xh"]
        {
            assert!(finds(typed, "张小华"), "{typed}");
        }
        for typed in ["zhangdahua", "zxm", "hua", "zhangxiaohuaa", "xhz"] {
            assert!(!finds(typed, "张小华"), "{typed}");
        }
    }

    #[test]
    fn a_name_is_found_by_any_part_of_its_characters() {
        assert!(finds("小华", "张小华") && finds("张　小", "张小华") && finds("𠮷", "𠮷田"));
        assert!(!finds("张华", "张小华"));
    }

    #[test]
    fn surnames_have_readings_of_their_own() {
        let surnames = [
            ("shan", "单雄"),
            ("qiu", "仇英"),
            ("xie", "解缙"),
            ("zeng", "曾巩"),
            ("ou", "区寄"),
            ("zha", "查良镛"),
            ("ge", "盖叫天"),
            ("piao", "朴树"),
            ("yuchi", "尉迟恭"),
            ("yc", "尉迟恭"),
            ("moqi", "万俟卨"),
            ("yue", "乐毅"),
            ("le", "乐嘉"),
            ("qu", "曲波"),
            ("ren", "任继愈"),
            ("zhai", "翟志刚"),
            ("di", "翟让"),
        ];
        for (typed, name) in surnames {
            assert!(finds(typed, name), "{typed} {name}");
        }
        // A surname's other readings would bring up strangers.
        assert!(!finds("chou", "仇英") && !finds("dan", "单雄") && !finds("ceng", "曾巩"));
        // Where it is no surname it is read in every usual way.
        assert!(finds("wangle", "王乐") && finds("wangyue", "王乐") && finds("yz", "王应曾") && finds("yc", "王应曾"));
    }

    #[test]
    fn compound_surnames_are_one_surname() {
        assert!(finds("ouyangxiaoxia", "欧阳小霞") && finds("oyxx", "欧阳小霞") && finds("xiaoxia", "欧阳小霞"));
        assert!(!finds("yangxiaoxia", "欧阳小霞"));
        assert!(finds("shanyu", "单于") && finds("chanyuwen", "单于文"));
    }

    #[test]
    fn names_of_other_scripts_are_found_by_their_words() {
        assert!(finds("john", "John Smith") && finds("smith", "John Smith") && finds("JS", "John Smith"));
        assert!(finds("maimaiti", "买买提·艾力") && finds("aili", "买买提·艾力"));
        assert!(finds("艾力", "买买提·艾力"));
    }

    #[test]
    fn a_character_that_nobody_can_read_is_passed_over() {
        assert!(finds("tian", "あ田") && finds("wanghua", "王あ华"));
    }

    #[test]
    fn a_keyboard_has_no_umlaut() {
        for typed in ["lv", "lü", "lu", "lyu", "lvbu"] {
            assert!(finds(typed, "吕布"), "{typed}");
        }
    }

    #[test]
    fn nothing_digits_and_novels_are_no_names() {
        for typed in ["", " -", "zhang3", &"z".repeat(61), &"张".repeat(61)] {
            assert_eq!(Sought::read(typed), None, "{typed}");
        }
    }

    #[test]
    fn a_name_that_can_be_spelt_in_many_ways_is_judged_at_once() {
        assert!(!finds(&format!("{}x", "n".repeat(59)), &"那".repeat(60)));
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_or_called_makes_it_panic(typed in "\\PC{0,70}", name in "\\PC{0,60}") {
            if let Some(sought) = Sought::read(&typed) {
                let _fits = Sounds::of(&name).fit(&sought);
            }
        }

        #[test]
        fn every_part_of_a_name_finds_it(name in "[张李王单仇小华明霞]{2,4}", from in 0usize..4, length in 1usize..4) {
            let part: String = name.chars().skip(from).take(length).collect();
            prop_assume!(!part.is_empty());
            prop_assert!(finds(&part, &name));
        }
    }
}
