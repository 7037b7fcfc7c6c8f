//! What people type: the contract's enumerations as short words, names with or without their collection, dates,
//! temperatures, messages as JSON files.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use prost::{Message, Name};
use prost_reflect::DynamicMessage;
use proto::isolation::v1::{Quantity, Unit};

use crate::output;

/// An enumeration's values as short words: REASON_ISOLATION_ORDER is typed `isolation-order`.
pub fn word<E>(name: fn(&E) -> &'static str) -> impl TypedValueParser<Value = E>
where
    E: Copy + TryFrom<i32> + Send + Sync + 'static,
{
    let words: Vec<(String, E)> = (1..)
        .map_while(|number| E::try_from(number).ok())
        .map(|value| (output::word(name(&value)).to_owned(), value))
        .collect();
    PossibleValuesParser::new(words.iter().map(|(word, _)| word.clone())).map(move |typed| {
        let known = words.iter().find(|(word, _)| *word == typed);
        known.expect("clap lets through only the words that it was given").1
    })
}

/// A resource's name, typed in full or as its id alone.
pub fn name(collection: &'static str) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |typed| {
        let id = typed.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')).unwrap_or(typed);
        if is_id(id) {
            Ok(format!("{collection}/{id}"))
        } else {
            Err(format!("give {collection}/<id>, or the id alone"))
        }
    }
}

/// A gate's name: `compounds/c/gates/g`, or `c/g`.
pub fn gate(typed: &str) -> Result<String, String> {
    let parts: Vec<&str> = typed.split('/').collect();
    let (compound, gate) = match parts[..] {
        ["compounds", compound, "gates", gate] => (compound, gate),
        [compound, gate] if compound != "compounds" => (compound, gate),
        _ => ("", ""),
    };
    if is_id(compound) && is_id(gate) {
        Ok(format!("compounds/{compound}/gates/{gate}"))
    } else {
        Err("give compounds/<id>/gates/<id>, or <compound>/<gate>".to_owned())
    }
}

/// A visit's name: `households/h/visits/v`, or `h/v`.
pub fn visit(typed: &str) -> Result<String, String> {
    let parts: Vec<&str> = typed.split('/').collect();
    match parts[..] {
        ["households", household, "visits", visit] | [household, visit]
            if household != "households" && is_id(household) && is_id(visit) =>
        {
            Ok(format!("households/{household}/visits/{visit}"))
        }
        _ => Err("give households/<id>/visits/<id>, or <household>/<visit>".to_owned()),
    }
}

/// Something of a case: `cases/c/disputes/d`, or `c/d`.
pub fn of_case(collection: &'static str) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |typed| {
        let parts: Vec<&str> = typed.split('/').collect();
        let (case, id) = match parts[..] {
            ["cases", case, kind, id] if kind == collection => (case, id),
            [case, id] if case != "cases" => (case, id),
            _ => ("", ""),
        };
        if is_id(case) && is_id(id) {
            Ok(format!("cases/{case}/{collection}/{id}"))
        } else {
            Err(format!("give cases/<id>/{collection}/<id>, or <case>/<id>"))
        }
    }
}

/// Something of a roster: `rosters/r/duties/d`, or `r/d`.
pub fn of_roster(collection: &'static str) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |typed| {
        let parts: Vec<&str> = typed.split('/').collect();
        match parts[..] {
            ["rosters", roster, kind, id] if kind == collection && is_id(roster) && is_id(id) => Ok(typed.to_owned()),
            [roster, id] if roster != "rosters" && is_id(roster) && is_id(id) => {
                Ok(format!("rosters/{roster}/{collection}/{id}"))
            }
            _ => Err(format!("give rosters/<id>/{collection}/<id>, or <roster>/<id>")),
        }
    }
}

/// A time of day as minutes after midnight: 08:30. 24:00 is the day's end.
pub fn minute(typed: &str) -> Result<i32, String> {
    let wrong = || format!("{typed:?} is no time of day: write 08:30");
    let (hour, minute) = typed.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<i32>().ok().filter(|_| text.len() == 2);
    let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(wrong)?;
    let minutes = hour * 60 + minute;
    if (0..60).contains(&minute) && (0..=24 * 60).contains(&minutes) { Ok(minutes) } else { Err(wrong()) }
}

/// A calendar day, as 2020-02-11.
pub fn date(typed: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(typed, "%Y-%m-%d").map_err(|_| format!("{typed:?} is no day: write it as 2020-02-11"))
}

/// A moment: 2020-02-11T03:12 by the clocks in Ningbo, or with an offset of its own.
pub fn time(typed: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(typed) {
        return Ok(time.to_utc());
    }
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"];
    let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(typed, form).ok());
    local
        .and_then(|time| time.and_local_timezone(chassis::CALENDAR).single())
        .map(|time| time.to_utc())
        .ok_or_else(|| format!("{typed:?} is no time: write it as 2020-02-11T03:12"))
}

/// Two days with a colon between, both included.
pub fn period(typed: &str) -> Result<(NaiveDate, NaiveDate), String> {
    let (from, to) = typed.split_once(':').ok_or("write two days with a colon between, as 2020-01-14:2020-01-28")?;
    let (from, to) = (date(from)?, date(to)?);
    if from > to {
        return Err(format!("{from} is after {to}: write the earlier day first"));
    }
    Ok((from, to))
}

/// Degrees Celsius with at most one decimal, in tenths.
pub fn temperature(typed: &str) -> Result<i32, String> {
    let wrong = || format!("{typed:?} is no temperature: write degrees Celsius between 30 and 45, as 36.5");
    let (degrees, tenths) = typed.split_once('.').unwrap_or((typed, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(degrees) || !digits(tenths) || tenths.len() != 1 {
        return Err(wrong());
    }
    let decicelsius: i32 = format!("{degrees}{tenths}").parse().map_err(|_| wrong())?;
    if (300..=450).contains(&decicelsius) { Ok(decicelsius) } else { Err(wrong()) }
}

/// A number with its unit, in either language: 2000斤, 0.5kg, 12 bottle. Whether it is a number is the server's to say.
pub fn quantity(typed: &str) -> Result<Quantity, String> {
    let digits = typed.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(typed.len());
    let (number, unit) = typed.split_at(digits);
    let unit = match unit.trim() {
        "斤" | "jin" => Unit::Jin,
        "千克" | "公斤" | "kg" | "kilogram" => Unit::Kilogram,
        "克" | "g" | "gram" => Unit::Gram,
        "升" | "l" | "litre" => Unit::Litre,
        "毫升" | "ml" | "millilitre" => Unit::Millilitre,
        "瓶" | "bottle" => Unit::Bottle,
        "箱" | "盒" | "box" => Unit::Box,
        "袋" | "包" | "bag" => Unit::Bag,
        "件" | "个" | "只" | "piece" => Unit::Piece,
        _ => Unit::Unspecified,
    };
    if number.is_empty() || unit == Unit::Unspecified {
        return Err("write a number and its unit, as 2000斤, 0.5kg, 12瓶, 3箱, 4袋 or 50件".to_owned());
    }
    Ok(Quantity { number: number.to_owned(), unit: unit.into() })
}

/// A message of the contract from a JSON file with the contract's field names; `-` is the standard input.
pub fn read_message<M: Message + Name + Default>(file: &Path) -> anyhow::Result<M> {
    message(&read_text(file)?).with_context(|| format!("reading {}", file.display()))
}

/// What a file holds, or the standard input where it is `-`.
pub fn read_text(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("reading the standard input");
    }
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

fn message<M: Message + Name + Default>(text: &str) -> anyhow::Result<M> {
    let descriptor = output::descriptor::<M>()?;
    // Excel and Notepad put a mark before the first brace.
    let mut json = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
    let message = DynamicMessage::deserialize(descriptor, &mut json)
        .with_context(|| format!("it is no {} as JSON: correct it and try again", M::NAME))?;
    ensure!(json.end().is_ok(), "there is something behind the end of the JSON: remove it and try again");
    Ok(message.transcode_to()?)
}

/// What the services take as an id.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};
    use proto::{
        pass::v1::{Reason, visitor::Exception},
        screening::v1::{Declaration, MethodContent},
    };

    use super::*;

    fn typed_reason(text: &str) -> Result<Reason, clap::Error> {
        let command = Command::new("suspend").arg(Arg::new("reason").value_parser(word(Reason::as_str_name)));
        let matches = command.try_get_matches_from(["suspend", text])?;
        Ok(*matches.get_one::<Reason>("reason").unwrap())
    }

    #[test]
    fn an_enumeration_is_typed_as_a_short_word() {
        assert_eq!(typed_reason("isolation-order").unwrap(), Reason::IsolationOrder);
        assert_eq!(typed_reason("lost").unwrap(), Reason::Lost);
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_right_ones() {
        let error = typed_reason("stolen").unwrap_err().to_string();
        for word in ["isolation-order", "verdict", "lost", "lent", "moved-out", "issued-in-error"] {
            assert!(error.contains(word), "{error}");
        }
        assert!(!error.contains("unspecified"), "{error}");
    }

    #[test]
    fn a_nested_enumeration_loses_its_own_prefix() {
        assert_eq!(output::word(Exception::Carer.as_str_name()), "carer");
    }

    #[test]
    fn a_name_may_be_typed_without_its_collection() {
        let household = name("households");
        assert_eq!(household("h-1").unwrap(), "households/h-1");
        assert_eq!(household("households/h-1").unwrap(), "households/h-1");
        for wrong in ["", "residents/r-1", "households/", "households/h/x", "h 1", "张"] {
            assert!(household(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_gate_may_be_typed_short() {
        assert_eq!(gate("c/1").unwrap(), "compounds/c/gates/1");
        assert_eq!(gate("compounds/c/gates/1").unwrap(), "compounds/c/gates/1");
        for wrong in ["", "c", "compounds/c", "compounds/c/gates/", "c/gates/1", "c//1"] {
            assert!(gate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_is_a_day_of_the_calendar() {
        assert!(date("2020-02-29").is_ok());
        for wrong in ["2020-02-30", "11.2.2020", "2020-02-11T10:00", ""] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
        assert!(period("2020-01-14:2020-01-28").is_ok());
        assert!(period("2020-01-28:2020-01-14").is_err());
    }

    #[test]
    fn a_quantity_is_a_number_with_a_unit_in_either_language() {
        let read = |text: &str| quantity(text).map(|quantity| (quantity.number.clone(), quantity.unit()));
        assert_eq!(read("2000斤"), Ok(("2000".to_owned(), Unit::Jin)));
        assert_eq!(read("0.5 kg"), Ok(("0.5".to_owned(), Unit::Kilogram)));
        assert_eq!(read("12bottle"), Ok(("12".to_owned(), Unit::Bottle)));
        for wrong in ["", "2000", "斤", "two kg", "3 stones", "-1kg"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_temperature_is_typed_in_degrees() {
        assert_eq!(temperature("36.5"), Ok(365));
        assert_eq!(temperature("37"), Ok(370));
        for wrong in ["365", "36.55", "36.", ".5", "-36", "29.9", "45.1", "warm", "+6.5"] {
            assert!(temperature(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_message_is_read_from_json_with_the_contracts_names() {
        let json = r#"{"people": 3, "free_text": "谢谢", "stays": [{"place": "武汉", "from": "2020-01-20", "to": "2020-01-22"}]}"#;
        let declaration: Declaration = message(json).unwrap();
        assert_eq!((declaration.people, declaration.stays[0].place.as_str()), (3, "武汉"));
        let method: MethodContent =
            message(r#"{"min_hours": 4, "key_areas": [{"place": "420100", "level": "LEVEL_HIGH"}]}"#).unwrap();
        assert_eq!(method.min_hours, 4);
    }

    #[test]
    fn a_field_that_the_contract_does_not_know_is_no_slip_of_the_pen() {
        let error = message::<Declaration>(r#"{"peple": 3}"#).err().unwrap();
        assert!(format!("{error:#}").contains("peple"), "{error:#}");
        assert!(message::<Declaration>("{} {}").is_err());
    }
}
