//! Numbers of identity documents: GB 11643 with its check character, the old fifteen digits, residence permits, passports.
//! A number identifies a person; it never authenticates one (DOMAIN section 5).

use chrono::{Datelike as _, NaiveDate};
use proto::registry::v1::{IdentityDocument, identity_document::Kind};

use crate::{sentence::Sentence, typing};

/// Why a number is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Missing,
    Unexpected,
    Length,
    Character,
    BirthDate,
    Checksum,
    /// Excel keeps fifteen digits of a number and writes zeros for the rest.
    CutByExcel,
    Passport,
    /// 81, 82 and 83 begin residence permits, everything else identity cards.
    OtherKind,
}

/// What somebody should look at, without being held up by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Codes of areas that were dissolved are right for those who were born there; this one never was a province.
    UnknownArea,
    /// The check character fits, as it does by chance for one in eleven that Excel has cut.
    EndsIn000,
}

/// The document as it is kept: half-width, capital X, of the kind that its number shows.
pub fn check(document: &IdentityDocument, today: NaiveDate) -> Result<(IdentityDocument, Option<Doubt>), Fault> {
    let number = typing::compact(&document.number).to_uppercase();
    match document.kind() {
        Kind::None if number.is_empty() => Ok((kept(Kind::None, number), None)),
        Kind::None => Err(Fault::Unexpected),
        _ if number.is_empty() => Err(Fault::Missing),
        Kind::Passport => passport(number),
        kind => {
            let permit = ["81", "82", "83"].iter().any(|prefix| number.starts_with(prefix));
            let is = if permit { Kind::ResidencePermit } else { Kind::IdCard };
            let doubt = gb11643(&number, today)?;
            if kind != Kind::Unspecified && kind != is {
                return Err(Fault::OtherKind);
            }
            Ok((kept(is, number), doubt))
        }
    }
}

/// A document from one cell that does not say of which kind it is. Nothing, or 无, is a child without one.
pub fn recognise(typed: &str, today: NaiveDate) -> Result<(IdentityDocument, Option<Doubt>), Fault> {
    let number = typing::compact(typed).to_uppercase();
    if matches!(number.as_str(), "" | "无" | "没有" | "暂无" | "-" | "/") {
        return Ok((kept(Kind::None, String::new()), None));
    }
    if let Some(rest) = number.strip_prefix("护照") {
        return passport(rest.trim_start_matches([':', '：']).to_owned());
    }
    if number.contains("E+") {
        return Err(Fault::CutByExcel);
    }
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let letters = number.chars().filter(char::is_ascii_alphabetic).count();
    let foreign = number.starts_with(|c: char| c.is_ascii_alphabetic()) && letters + digits == number.chars().count();
    if foreign && digits + letters <= 10 {
        return passport(number);
    }
    check(&kept(Kind::Unspecified, number), today)
}

/// The text by which a document is the same one: an old number equals the new one that was made from it.
pub fn key(document: &IdentityDocument) -> Option<String> {
    match document.kind() {
        _ if document.number.is_empty() => None,
        Kind::Passport => Some(format!("passport {}", document.number)),
        _ if document.number.len() == 15 && document.number.is_ascii() => Some(modern(&document.number)),
        _ => Some(document.number.clone()),
    }
}

/// The key of a number as somebody types it into a search: it need not be right, only equal.
pub fn key_of_typed(typed: &str, today: NaiveDate) -> Option<String> {
    recognise(typed, today).ok().and_then(|(document, _)| key(&document))
}

fn kept(kind: Kind, number: String) -> IdentityDocument {
    IdentityDocument { kind: kind.into(), number }
}

fn passport(number: String) -> Result<(IdentityDocument, Option<Doubt>), Fault> {
    let plain = (5..=20).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain && number.bytes().any(|b| b.is_ascii_digit()) {
        Ok((kept(Kind::Passport, number), None))
    } else {
        Err(Fault::Passport)
    }
}

/// GB 11643-1999, section 4: area, birth date, sequence, check character.
fn gb11643(number: &str, today: NaiveDate) -> Result<Option<Doubt>, Fault> {
    let bytes = number.as_bytes();
    let (body, check) = match bytes.len() {
        18 => (&bytes[..17], Some(bytes[17])),
        15 => (bytes, None),
        _ => return Err(if number.is_ascii() { Fault::Length } else { Fault::Character }),
    };
    let legible = body.iter().all(u8::is_ascii_digit) && check.is_none_or(|c| c.is_ascii_digit() || c == b'X');
    if !legible {
        return Err(Fault::Character);
    }
    let cut = number.len() == 18 && number.ends_with("000");
    if check.is_some_and(|check| check != check_character(body)) {
        return Err(if cut { Fault::CutByExcel } else { Fault::Checksum });
    }
    let century = if check.is_some() { "" } else { "19" };
    let end = if check.is_some() { 14 } else { 12 };
    let birth = format!("{century}{}", &number[6..end]);
    let born = NaiveDate::parse_from_str(&birth, "%Y%m%d").map_err(|_| Fault::BirthDate)?;
    if born > today || born.year() < 1880 {
        return Err(Fault::BirthDate);
    }
    if cut {
        return Ok(Some(Doubt::EndsIn000));
    }
    Ok((!PROVINCES.contains(&&number[..2])).then_some(Doubt::UnknownArea))
}

/// Mod 11 over the seventeen digits before it.
fn check_character(digits: &[u8]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    b"10X98765432"[(sum % 11) as usize]
}

fn modern(old: &str) -> String {
    let body = format!("{}19{}", &old[..6], &old[6..]);
    let check = char::from(check_character(body.as_bytes()));
    format!("{body}{check}")
}

/// GB/T 2260, first two digits, with the permits of Hong Kong, Macau and Taiwan and those who were born abroad.
const PROVINCES: &[&str] = &[
    "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43", "44",
    "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83", "91",
];

impl Fault {
    pub const fn sentence(self) -> Sentence {
        match self {
            Self::Missing => Sentence::new("缺少证件号码：请补填", "has no number: fill it in"),
            Self::Unexpected => Sentence::new(
                "证件类型为“无”，却填写了号码：请改正其中之一",
                "is of the kind NONE and still has a number: correct one of the two",
            ),
            Self::Length => Sentence::new(
                "身份证号码应为 18 位（旧证 15 位）：请核对是否多位或少位",
                "has neither 18 digits nor the old 15: compare it with the card",
            ),
            Self::Character => Sentence::new(
                "身份证号码只能是数字，末位可以是 X：请核对",
                "may hold digits only, and an X at the end: compare it with the card",
            ),
            Self::BirthDate => Sentence::new(
                "号码中的出生日期不存在：请对照证件核对第 7 至 14 位",
                "holds a birth date that does not exist: compare digits 7 to 14 with the card",
            ),
            Self::Checksum => Sentence::new(
                "校验位不符，号码有误：请对照证件逐位核对",
                "does not fit its check character: compare it with the card digit by digit",
            ),
            Self::CutByExcel => Sentence::new(
                "这一格是按数字输入的，Excel 只保留前 15 位，末三位已变成 000：请把该列设为“文本”后重新输入号码",
                "was typed as a number, of which Excel keeps 15 digits and turns the rest into 000: format the column as text and type it again",
            ),
            Self::Passport => Sentence::new(
                "护照号码应为 5 至 20 位字母和数字：请核对",
                "is no passport number: it has 5 to 20 letters and digits",
            ),
            Self::OtherKind => Sentence::new(
                "号码与证件类型不符：81、82、83 开头的是居住证，其余是身份证",
                "does not fit its kind: residence permits begin with 81, 82 or 83, identity cards do not",
            ),
        }
    }
}

impl Doubt {
    pub const fn sentence(self) -> Sentence {
        match self {
            Self::UnknownArea => Sentence::new(
                "号码前两位不是任何省份的代码：已接收，请对照证件核对",
                "begins with the code of no province: taken, but compare it with the card",
            ),
            Self::EndsIn000 => Sentence::new(
                "号码以 000 结尾：已接收，但可能是被 Excel 截断的号码，请对照证件核对",
                "ends in 000: taken, but Excel may have cut it, so compare it with the card",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2020, 2, 11).unwrap();

    fn number(area: &str, birth: &str, sequence: &str) -> String {
        let body = format!("{area}{birth}{sequence}");
        let check = char::from(check_character(body.as_bytes()));
        format!("{body}{check}")
    }

    fn read(typed: &str) -> Result<(Kind, String, Option<Doubt>), Fault> {
        recognise(typed, TODAY).map(|(document, doubt)| (document.kind(), document.number, doubt))
    }

    #[test]
    fn the_example_of_the_standard_is_right() {
        assert_eq!(read("11010519491231002X"), Ok((Kind::IdCard, "11010519491231002X".into(), None)));
        assert_eq!(read("440524188001010014"), Ok((Kind::IdCard, "440524188001010014".into(), None)));
    }

    #[test]
    fn a_small_x_full_width_digits_and_blanks_are_the_same_number() {
        for typed in ["11010519491231002x", "１１０１０５１９４９１２３１００２Ｘ", " 110105 19491231 002x "]
        {
            assert_eq!(read(typed), Ok((Kind::IdCard, "11010519491231002X".into(), None)), "{typed}");
        }
    }

    #[test]
    fn area_codes_that_are_no_longer_in_force_are_fine() {
        for area in ["330227", "330204", "330212"] {
            let (kind, _, doubt) = read(&number(area, "19680307", "121")).unwrap();
            assert_eq!((kind, doubt), (Kind::IdCard, None), "{area}");
        }
    }

    #[test]
    fn an_area_that_never_was_is_a_warning_and_no_refusal() {
        assert_eq!(read(&number("990101", "19680307", "121")).unwrap().2, Some(Doubt::UnknownArea));
    }

    #[test]
    fn one_wrong_digit_does_not_fit_the_check_character() {
        assert_eq!(read("110105194912310021"), Err(Fault::Checksum));
    }

    #[test]
    fn a_birth_date_must_exist_and_not_lie_ahead() {
        assert_eq!(read(&number("330212", "20190229", "121")), Err(Fault::BirthDate));
        assert_eq!(read(&number("330212", "20200212", "121")), Err(Fault::BirthDate));
        assert!(read(&number("330212", "20200211", "121")).is_ok());
    }

    #[test]
    fn a_number_that_excel_has_cut_is_called_so() {
        assert_eq!(read("330212196803071000"), Err(Fault::CutByExcel));
        assert_eq!(read("3.30212E+17"), Err(Fault::CutByExcel));
    }

    #[test]
    fn a_number_that_ends_in_000_and_fits_is_taken_with_a_warning() {
        let fits = (100..1000)
            .step_by(100)
            .flat_map(|sequence| {
                (1..=28).map(move |day| number("330212", &format!("196803{day:02}"), &sequence.to_string()))
            })
            .find(|number| number.ends_with("000"));
        assert_eq!(read(&fits.unwrap()).unwrap().2, Some(Doubt::EndsIn000));
    }

    #[test]
    fn an_old_number_is_the_same_person_as_the_new_one() {
        let (old, _) = recognise("110105491231002", TODAY).unwrap();
        let (new, _) = recognise("11010519491231002X", TODAY).unwrap();
        assert_eq!(old.kind(), Kind::IdCard);
        assert_eq!(key(&old), key(&new));
        assert_eq!(read("110105491331002"), Err(Fault::BirthDate));
    }

    #[test]
    fn permits_passports_and_none_are_told_apart() {
        assert_eq!(read(&number("810000", "19900307", "121")).unwrap().0, Kind::ResidencePermit);
        assert_eq!(read("e12345678").unwrap(), (Kind::Passport, "E12345678".into(), None));
        assert_eq!(read("护照：561234567").unwrap(), (Kind::Passport, "561234567".into(), None));
        assert_eq!(read("无").unwrap().0, Kind::None);
        assert_eq!(read("").unwrap().0, Kind::None);
        assert_eq!(read("33021219680307"), Err(Fault::Length));
        assert_eq!(read("身份证丢了"), Err(Fault::Character));
    }

    #[test]
    fn a_kind_that_is_given_must_fit_the_number() {
        let permit = IdentityDocument { kind: Kind::IdCard.into(), number: number("830000", "19900307", "121") };
        assert_eq!(check(&permit, TODAY), Err(Fault::OtherKind));
        let none = IdentityDocument { kind: Kind::None.into(), number: "1".into() };
        assert_eq!(check(&none, TODAY), Err(Fault::Unexpected));
        let card = IdentityDocument { kind: Kind::IdCard.into(), number: String::new() };
        assert_eq!(check(&card, TODAY), Err(Fault::Missing));
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_makes_it_panic(typed in "\\PC{0,24}") {
            let _checked = recognise(&typed, TODAY);
        }

        #[test]
        fn nothing_like_a_number_makes_it_panic(typed in "[0-9Xx０-９一é]{13,19}", kind in 0..6) {
            if let Ok((document, _)) = check(&IdentityDocument { kind, number: typed.clone() }, TODAY) {
                let _key = key(&document);
            }
            let _key = key_of_typed(&typed, TODAY);
        }

        #[test]
        fn changing_one_digit_is_always_found(at in 0usize..17, by in 1u8..10) {
            let mut digits = b"33021219680307121".to_vec();
            let right = check_character(&digits);
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            prop_assert_ne!(right, check_character(&digits));
        }
    }
}
