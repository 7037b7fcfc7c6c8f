//! Reads the fields of a request at the edge and collects what is wrong with them, so that one answer names them all.
//! Values are never repeated: many of them are personal.

use chrono::{Datelike as _, NaiveDate};
use tonic::Status;

use super::{FieldViolation, Kind, Refusal};

/// Collects what is wrong with a request's fields.
#[derive(Debug, Default)]
#[must_use = "nothing is refused before `done`"]
pub struct Fields {
    violations: Vec<FieldViolation>,
}

/// How many fields the sentence itself names; the rest are in the details.
const NAMED: usize = 3;

impl Fields {
    pub const fn new() -> Self {
        Self { violations: Vec::new() }
    }

    /// Ok when every field was right; else `INVALID_ARGUMENT` with the reason `FIELD_INVALID` and all fields.
    pub fn done(self) -> Result<(), Status> {
        self.refusal().map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// The value that the fields were read into, unless one of them was refused.
    pub fn read<T>(self, value: Option<T>) -> Result<T, Status> {
        match (self.refusal(), value) {
            (Some(refusal), _) => Err(refusal.into()),
            (None, Some(value)) => Ok(value),
            (None, None) => Err(Status::internal("a field was refused without a sentence")),
        }
    }

    /// What is wrong so far; `None` when nothing is.
    pub fn refusal(self) -> Option<Refusal> {
        let sentence = |language: fn(&FieldViolation) -> &str, separator: &str| {
            let named = self.violations.iter().take(NAMED);
            let sentences: Vec<String> = named.map(|v| format!("{}: {}", v.field, language(v))).collect();
            sentences.join(separator)
        };
        let mut zh = sentence(|violation| &violation.zh, "；");
        let mut en = sentence(|violation| &violation.en, "; ");
        match self.violations.len() {
            0 => return None,
            1..=NAMED => {}
            many => {
                let more = many - NAMED;
                zh = format!("{zh}；另有 {more} 个字段需要更正");
                en = format!("{en}; {more} more to correct");
            }
        }
        Some(Refusal { fields: self.violations, ..Refusal::new(Kind::Invalid, "FIELD_INVALID", zh, en) })
    }

    /// Says what is wrong with a field and what to do about it. The sentences follow the field's name: "must be ...".
    pub fn refuse(&mut self, field: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) {
        self.violations.push(FieldViolation { field: field.into(), zh: zh.into(), en: en.into() });
    }

    /// Refuses the field unless the condition holds; returns the condition.
    pub fn check(
        &mut self,
        field: impl Into<String>,
        holds: bool,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> bool {
        if !holds {
            self.refuse(field, zh, en);
        }
        holds
    }

    /// An ISO date that exists, from 1900 to 2100.
    pub fn date(&mut self, field: impl Into<String>, value: &str) -> Option<NaiveDate> {
        let date = iso_date(value);
        if date.is_none() {
            self.refuse(
                field,
                "需要一个真实存在的日期，格式为年-月-日，例如 2020-02-11（1900 至 2100 年）",
                "must be a date that exists, written year-month-day such as 2020-02-11, from 1900 to 2100",
            );
        }
        date
    }

    /// A date as above where the field is not empty.
    pub fn date_if_given(&mut self, field: impl Into<String>, value: &str) -> Option<NaiveDate> {
        if value.is_empty() { None } else { self.date(field, value) }
    }

    /// The id in a resource name: `households/h7` gives `h7`.
    pub fn name(&mut self, field: impl Into<String>, collection: &str, value: &str) -> Option<String> {
        self.path(field, [collection], value).map(|[id]| id)
    }

    /// A name as above where the field is not empty.
    pub fn name_if_given(&mut self, field: impl Into<String>, collection: &str, value: &str) -> Option<String> {
        if value.is_empty() { None } else { self.name(field, collection, value) }
    }

    /// The ids in a nested resource name: `compounds/c1/gates/g2` gives `["c1", "g2"]`.
    pub fn path<const N: usize>(
        &mut self,
        field: impl Into<String>,
        collections: [&str; N],
        value: &str,
    ) -> Option<[String; N]> {
        let ids = ids(collections, value);
        if ids.is_none() {
            let form: Vec<String> = collections.iter().map(|collection| format!("{collection}/<id>")).collect();
            let form = form.join("/");
            self.refuse(
                field,
                format!("需要形如 {form} 的名称，其中 id 为 1 至 64 个字母、数字或 . _ -"),
                format!("must be a name like {form}, where an id has 1 to 64 letters, digits or . _ -"),
            );
        }
        ids
    }

    /// A text that says something and is no longer than `most` characters. Comes back without the blanks around it.
    pub fn required<'a>(&mut self, field: impl Into<String>, value: &'a str, most: usize) -> &'a str {
        let value = value.trim();
        if value.is_empty() {
            self.refuse(field, "不能为空：请填写", "must not be empty: fill it in");
            return value;
        }
        self.at_most(field, value, most)
    }

    /// A text of no more than `most` characters, or none. Comes back without the blanks around it.
    pub fn at_most<'a>(&mut self, field: impl Into<String>, value: &'a str, most: usize) -> &'a str {
        let value = value.trim();
        self.check(
            field,
            value.chars().count() <= most,
            format!("最多 {most} 个字符：请缩短"),
            format!("must have at most {most} characters: shorten it"),
        );
        value
    }

    /// A value of an enum of the contract; its zero means that none was given.
    pub fn one_of<E: TryFrom<i32>>(&mut self, field: impl Into<String>, value: i32) -> Option<E> {
        let known = if value == 0 { None } else { E::try_from(value).ok() };
        if known.is_none() {
            self.refuse(
                field,
                "没有选择，或者是本版本不认识的选项：请从列出的选项中选一个",
                "is not set or unknown to this version: choose one of the listed values",
            );
        }
        known
    }

    /// A number within bounds, both included.
    pub fn number<N: PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        field: impl Into<String>,
        value: N,
        range: std::ops::RangeInclusive<N>,
    ) -> Option<N> {
        let (least, most) = (range.start(), range.end());
        let zh = format!("需要 {least} 至 {most} 之间的数");
        let en = format!("must be a number from {least} to {most}");
        self.check(field, range.contains(&value), zh, en).then_some(value)
    }

    /// A time that was given and that the calendar knows.
    pub fn time(
        &mut self,
        field: impl Into<String>,
        value: Option<&prost_types::Timestamp>,
    ) -> Option<chrono::DateTime<chrono::Utc>> {
        let time = value.and_then(crate::instant).filter(|time| (1900..=2100).contains(&time.year()));
        if time.is_none() {
            self.refuse(
                field,
                "需要一个 1900 至 2100 年之间的时间：请填写",
                "must be a time from 1900 to 2100: fill it in",
            );
        }
        time
    }
}

fn iso_date(value: &str) -> Option<NaiveDate> {
    let shape = value.len() == 10 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let date = NaiveDate::parse_from_str(value, "%Y-%m-%d").ok()?;
    (shape && (1900..=2100).contains(&date.year())).then_some(date)
}

fn ids<const N: usize>(collections: [&str; N], value: &str) -> Option<[String; N]> {
    let mut parts = value.split('/');
    let mut ids = [const { String::new() }; N];
    for (collection, id) in collections.into_iter().zip(&mut ids) {
        if parts.next() != Some(collection) {
            return None;
        }
        parts.next().filter(|id| is_id(id))?.clone_into(id);
    }
    parts.next().is_none().then_some(ids)
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::refusal::Spoken;

    #[test]
    fn all_fields_that_are_wrong_are_named_in_one_answer_in_both_languages() {
        let mut fields = Fields::new();
        fields.required("person.full_name", "  ", 50);
        fields.date("from", "2020-02-30");
        fields.name("household", "households", "houses/1");
        fields.number("members", 0, 1..=30);
        let status = fields.done().unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let spoken = Spoken::from(&status);
        assert_eq!(spoken.reason, "FIELD_INVALID");
        let names: Vec<&str> = spoken.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(names, ["person.full_name", "from", "household", "members"]);
        assert_eq!(spoken.fields[0].zh, "不能为空：请填写");
        assert_eq!(spoken.fields[0].en, "must not be empty: fill it in");
        assert!(spoken.zh.contains("另有 1 个字段"), "{}", spoken.zh);
        assert!(spoken.en.contains("1 more to correct"), "{}", spoken.en);
    }

    #[test]
    fn values_are_not_repeated_in_the_answer() {
        let mut fields = Fields::new();
        fields.date("person.birth_date", "secret-1");
        fields.name("resident", "residents", "secret-2");
        fields.at_most("person.full_name", "secret-3", 3);
        let status = fields.done().unwrap_err();
        assert!(!format!("{status:?}").contains("secret"));
    }

    #[test]
    fn dates_exist_and_are_written_in_full() {
        for right in ["2020-02-29", "1900-01-01", "2100-12-31"] {
            assert!(Fields::new().date("from", right).is_some(), "{right}");
        }
        for wrong in ["", "2019-02-29", "2020-2-9", "20200211", "1899-12-31", "2101-01-01", "+2020-02-1", "2020-02-11 "]
        {
            assert!(Fields::new().date("from", wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn names_give_their_ids() {
        let mut fields = Fields::new();
        assert_eq!(fields.name("household", "households", "households/h-1.a_B").unwrap(), "h-1.a_B");
        let path = fields.path("gate", ["compounds", "gates"], "compounds/c1/gates/g2");
        assert_eq!(path.unwrap(), ["c1".to_owned(), "g2".to_owned()]);
        let long = format!("households/{}", "x".repeat(65));
        for wrong in ["households/", "households", "h1", "households/h1/x", "households/张", "/households/1", &long] {
            assert!(fields.name("household", "households", wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_enum_is_chosen_and_known() {
        use proto::access::v1::Role;
        let mut fields = Fields::new();
        assert_eq!(fields.one_of::<Role>("role", 2), Some(Role::Guard));
        assert_eq!(fields.one_of::<Role>("role", 0), None);
        assert_eq!(fields.one_of::<Role>("role", 99), None);
        assert_eq!(fields.refusal().unwrap().fields.len(), 2);
    }

    #[test]
    fn nothing_wrong_is_no_refusal() {
        let mut fields = Fields::new();
        let date = fields.date_if_given("to", "");
        assert_eq!(date, None);
        assert!(fields.read(Some(1)).is_ok());
    }
}
