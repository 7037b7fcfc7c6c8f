//! What a scanner sends and a guard types: one line per person, with short forms for what is measured.

use std::path::PathBuf;

use credential::{
    code::{CHARACTERS, PHONE_CHARACTERS},
    number::PassNumber,
    text::{Prefix, unarmour},
};
use proto::pass::v1::{Direction, visitor::Exception};

use crate::desk::typed;

#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Person(Person, Reading),
    /// Of the person who was named before, or (a direction alone) for everybody from now on.
    Reading(Reading),
    /// A picture of a code.
    Picture(PathBuf, Reading),
    /// A list or a change of it, from a QR code.
    Update(String),
    /// A key set, from a QR code.
    Keys(String),
    /// Nothing more is to be measured.
    Nothing,
    /// The person before does not cross after all.
    Cancel,
    Status,
    Help,
    Quit,
    /// In both languages.
    Unclear(&'static str, &'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Person {
    Code(String),
    Number(PassNumber),
    Slip(String),
    Known { number: Option<PassNumber>, resident: String, reason: String },
    Visitor { exception: Exception, guarantor: Option<PassNumber>, resident: String },
}

/// What was measured and which way it goes, as far as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Tenths of a degree: the first one, and the one that corrects it.
    pub temperatures: Vec<i32>,
    pub direction: Option<Direction>,
    pub no_mask: bool,
}

pub const HELP: &str = "\
One person is one line: who, then temperature, direction and mask where they differ.

  MF1:...                        a scanned code; the temperature follows on the next line
  MF1:... 36.5 out               or on the same one
  0001-23AB-... 36.5             a typed pass number, with or without dashes
  image photo.png 36.5           a picture of a code
  known [NUMBER] REASON 36.5     somebody known by face or identity card, with the reason
  visit service|carer|inspector|none [NUMBER] 36.5
                                 a visitor, and the pass number of the resident who answers for them
  36.5   37.5/36.6   out   nomask
                                 of the person before: a temperature, a second reading that corrects it, the other way,
                                 no mask; Enter alone: not measured, or the fever stands
  in | out                       nobody waits: the direction of everybody from now on
  MFL1:... | MFK1:...            a list, a change of it, or keys, from a QR code
  status   cancel   help   quit

Chinese works as well: 进 出 无口罩 认识 访客 取消 状态 帮助 退出.";

impl Line {
    pub fn read(line: &str) -> Self {
        let line = line.trim_end_matches(['\r', '\n']).trim_start();
        if line.starts_with(Prefix::Pass.as_str()) {
            return code(line);
        }
        if line.starts_with(Prefix::List.as_str()) {
            return Self::Update(line.to_owned());
        }
        if line.starts_with(Prefix::Keys.as_str()) {
            return Self::Keys(line.to_owned());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((first, rest)) = words.split_first() else { return Self::Nothing };
        match first.to_lowercase().as_str() {
            "known" | "k" | "认识" => known(rest),
            "visit" | "v" | "访客" => visit(rest),
            "image" | "图片" => match rest.split_first() {
                Some((path, rest)) => match Reading::of(rest) {
                    Some(reading) => Self::Picture(PathBuf::from(path), reading),
                    None => UNCLEAR,
                },
                None => Self::Unclear("请写图片文件名：image photo.png", "name the picture: image photo.png"),
            },
            "status" | "状态" => Self::Status,
            "cancel" | "x" | "取消" => Self::Cancel,
            "help" | "?" | "帮助" => Self::Help,
            "quit" | "exit" | "退出" => Self::Quit,
            _ => match Reading::of(&words) {
                Some(reading) => Self::Reading(reading),
                None => number(first, rest),
            },
        }
    }
}

const UNCLEAR: Line = Line::Unclear(
    "看不懂这一行：请扫码、输证号，或输入 help 查看写法",
    "this line is unclear: scan a code, type a pass number, or type help",
);

/// Codes have one of two lengths, so what follows is no part of them, though they may hold blanks themselves.
fn code(line: &str) -> Line {
    let phone = line.get(..PHONE_CHARACTERS).filter(|code| unarmour(Prefix::Pass, code).is_ok());
    let length = if phone.is_some() { PHONE_CHARACTERS } else { CHARACTERS };
    let (code, rest) = line.split_at_checked(length).unwrap_or((line, ""));
    let words: Vec<&str> = rest.split_whitespace().collect();
    match Reading::of(&words) {
        Some(reading) => Line::Person(Person::Code(code.to_owned()), reading),
        // Too long for a code of ours: it is refused as what it is.
        None => Line::Person(Person::Code(line.to_owned()), Reading::default()),
    }
}

fn number(first: &str, rest: &[&str]) -> Line {
    let Some(reading) = Reading::of(rest) else { return UNCLEAR };
    match first.parse::<PassNumber>() {
        Ok(number) => Line::Person(Person::Number(number), reading),
        // As long as a number: a slip of the finger, and not a word.
        Err(_) if first.len() >= 10 && first.is_ascii() => Line::Person(Person::Slip(first.to_owned()), reading),
        Err(_) => UNCLEAR,
    }
}

fn known(words: &[&str]) -> Line {
    let (words, reading) = split_reading(words);
    let (number, resident, words) = split_name(words);
    let reason = words.join(" ");
    if reason.is_empty() {
        return Line::Unclear(
            "请写明原因，例如：known 老人没有手机 36.5",
            "give the reason, for example: known no phone, identity card seen 36.5",
        );
    }
    Line::Person(Person::Known { number, resident, reason }, reading)
}

fn visit(words: &[&str]) -> Line {
    let (words, reading) = split_reading(words);
    let exception = match words.first().map(|word| word.to_lowercase()).as_deref() {
        Some("service" | "服务") => Exception::Service,
        Some("carer" | "照护") => Exception::Carer,
        Some("inspector" | "检查") => Exception::Inspector,
        Some("none" | "无") => Exception::None,
        _ => {
            return Line::Unclear(
                "请写明访客种类：visit service、carer、inspector 或 none",
                "say which visitor: visit service, carer, inspector or none",
            );
        }
    };
    let (guarantor, resident, rest) = split_name(&words[1..]);
    if rest.is_empty() { Line::Person(Person::Visitor { exception, guarantor, resident }, reading) } else { UNCLEAR }
}

/// A resident by pass number or by id, where the words begin with one.
fn split_name<'a, 'w>(words: &'a [&'w str]) -> (Option<PassNumber>, String, &'a [&'w str]) {
    match words.split_first() {
        Some((first, rest)) if first.starts_with("residents/") => (None, (*first).to_owned(), rest),
        Some((first, rest)) => match first.parse() {
            Ok(number) => (Some(number), String::new(), rest),
            Err(_) => (None, String::new(), words),
        },
        None => (None, String::new(), words),
    }
}

/// The words before what was measured, and that.
fn split_reading<'a, 'w>(words: &'a [&'w str]) -> (&'a [&'w str], Reading) {
    let begins = (0..=words.len()).find(|at| Reading::of(&words[*at..]).is_some()).unwrap_or(words.len());
    (&words[..begins], Reading::of(&words[begins..]).unwrap_or_default())
}

impl Reading {
    /// `None` where one of the words is none of a reading.
    fn of(words: &[&str]) -> Option<Self> {
        let mut reading = Self::default();
        for word in words {
            match word.to_lowercase().as_str() {
                "in" | "i" | "进" => reading.direction = Some(Direction::In),
                "out" | "o" | "出" => reading.direction = Some(Direction::Out),
                "nomask" | "无口罩" => reading.no_mask = true,
                other => {
                    for temperature in other.split('/') {
                        reading.temperatures.push(typed::temperature(temperature).ok()?);
                    }
                }
            }
        }
        (reading.temperatures.len() <= 2).then_some(reading)
    }

    pub fn is_direction_alone(&self) -> bool {
        self.temperatures.is_empty() && !self.no_mask && self.direction.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(temperatures: &[i32], direction: Option<Direction>, no_mask: bool) -> Reading {
        Reading { temperatures: temperatures.to_vec(), direction, no_mask }
    }

    #[test]
    fn one_scan_is_one_line_with_or_without_what_was_measured() {
        // 50 groups, with blanks among them.
        let code = format!("MF1:{}", "A 0".repeat(50));
        let person = |line: &str| match Line::read(line) {
            Line::Person(Person::Code(code), reading) => (code, reading),
            other => panic!("{other:?}"),
        };
        assert_eq!(person(&format!("{code}\r\n")), (code.clone(), Reading::default()));
        let measured = reading(&[365], Some(Direction::Out), false);
        assert_eq!(person(&format!("{code} 36.5 out\n")), (code.clone(), measured));
        let phone = format!("MF1:{}", "A 0".repeat(67));
        assert_eq!(person(&format!("{phone} 37 nomask")), (phone.clone(), reading(&[370], None, true)));
        assert_eq!(person("MF1:SHORT").0, "MF1:SHORT");
        let foreign = format!("{code}and more 张");
        assert_eq!(person(&foreign).0, foreign, "refused as a whole");
    }

    #[test]
    fn a_typed_number_may_have_dashes_and_a_slip_is_known_as_one() {
        let number = PassNumber::new(7, [1, 2, 3, 4, 5]).unwrap();
        let text = number.to_string();
        let typed = format!("{}-{} 36.5", &text[..7], &text[7..]).to_lowercase();
        assert_eq!(Line::read(&typed), Line::Person(Person::Number(number), reading(&[365], None, false)));
        let slip = format!("{}1", &text[..13]);
        assert!(matches!(Line::read(&slip), Line::Person(Person::Number(_) | Person::Slip(_), _)));
        assert!(matches!(Line::read("hello"), Line::Unclear(..)));
    }

    #[test]
    fn what_is_measured_stands_alone_for_the_person_before() {
        assert_eq!(Line::read("36.5"), Line::Reading(reading(&[365], None, false)));
        assert_eq!(Line::read("37.5/36.6 in"), Line::Reading(reading(&[375, 366], Some(Direction::In), false)));
        assert!(matches!(Line::read("出"), Line::Reading(reading) if reading.is_direction_alone()));
        assert_eq!(Line::read("\n"), Line::Nothing);
        assert!(matches!(Line::read("36.5 36.6 36.7"), Line::Unclear(..)));
    }

    #[test]
    fn who_is_entered_by_hand_comes_with_a_reason() {
        let known = |line: &str| match Line::read(line) {
            Line::Person(Person::Known { number, resident, reason }, reading) => (number, resident, reason, reading),
            other => panic!("{other:?}"),
        };
        let number = PassNumber::new(7, [1; 5]).unwrap();
        let (found, _, reason, measured) = known(&format!("known {number} no phone 36.5 out"));
        assert_eq!((found, reason.as_str()), (Some(number), "no phone"));
        assert_eq!(measured, reading(&[365], Some(Direction::Out), false));
        assert_eq!(known("认识 residents/r1 老人").1, "residents/r1");
        assert_eq!(known("k 老人没有手机 36.6").2, "老人没有手机");
        assert!(matches!(Line::read("known 36.5"), Line::Unclear(..)));
    }

    #[test]
    fn a_visitor_is_one_of_four_kinds_and_may_name_a_resident() {
        let visitor = |line: &str| match Line::read(line) {
            Line::Person(Person::Visitor { exception, guarantor, resident }, _) => (exception, guarantor, resident),
            other => panic!("{other:?}"),
        };
        let number = PassNumber::new(7, [1; 5]).unwrap();
        let expected = (Exception::Service, Some(number), String::new());
        assert_eq!(visitor(&format!("visit service {number} 36.5")), expected);
        assert_eq!(visitor("访客 检查"), (Exception::Inspector, None, String::new()));
        assert!(matches!(Line::read("visit friend"), Line::Unclear(..)));
        assert!(matches!(Line::read("visit service somebody"), Line::Unclear(..)));
    }

    #[test]
    fn lists_and_keys_come_from_the_same_scanner() {
        assert!(matches!(Line::read("MFL1:ABC"), Line::Update(_)));
        assert!(matches!(Line::read("MFK1:ABC"), Line::Keys(_)));
        assert!(matches!(Line::read("image a.png 36.5"), Line::Picture(..)));
    }
}
