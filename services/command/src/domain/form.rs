//! A form 报表 that an office asks for, as data: what stands in its columns, for whom, by when. Each version is in force from a
//! day on, so that a day keeps the form that it had.

use chassis::{Aggregate, Kind, Refuse, reason};
use chrono::NaiveDate;
use proto::command::v1::{self as contract, FormContent, form_event::Defined};

// State

#[derive(Clone, Debug, Default)]
pub struct Form {
    last: Option<Defined>,
}

impl Form {
    /// The number of the last version; `shipped` is that of the one which came with the program, 0 where none did.
    pub fn version(&self, shipped: i32) -> i32 {
        self.last.as_ref().map_or(shipped, |defined| defined.version)
    }
}

// Events

pub use proto::command::v1::form_event::Event;

// Refusals

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the version would fill days that have gone by")]
    InThePast,
    #[error("the form was changed since it was read")]
    Stale,
}

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        match self {
            Self::InThePast => chassis::Refusal::new(
                Kind::Invalid,
                reason(contract::Refusal::InThePast.as_str_name()),
                "新版本不能从过去的日期起生效，否则已经过去的日子会换一张表：请填写今天或以后的日期",
                "a new version cannot begin on a day that has gone by, which has its form already: name today or a later day",
            ),
            Self::Stale => super::stale(),
        }
    }
}

// Decisions

/// What a definition needs to know besides the form's own stream.
#[derive(Clone, Copy, Debug)]
pub struct Definition<'a> {
    pub content: &'a FormContent,
    /// The number of the version that came with the program; 0: none did.
    pub shipped: i32,
    pub today: NaiveDate,
    pub by: &'a str,
    /// Of the form as it was read; empty: whatever it is.
    pub etag: &'a str,
}

impl Form {
    /// The first version of a new form may fill days that have gone by: nobody had anything to fill.
    pub fn define(&self, definition: Definition) -> Result<Vec<Event>, Refusal> {
        let Definition { content, shipped, today, by, etag } = definition;
        if self.last.as_ref().is_some_and(|last| last.content.as_ref() == Some(content)) {
            return Ok(Vec::new());
        }
        let version = self.version(shipped);
        if !etag.is_empty() && etag != version.to_string() {
            return Err(Refusal::Stale);
        }
        if version > 0 && content.from < today.to_string() {
            return Err(Refusal::InThePast);
        }
        let (content, by) = (Some(content.clone()), by.to_owned());
        Ok(vec![Event::Defined(Defined { version: version + 1, content, by })])
    }
}

// Evolve

impl Aggregate for Form {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Defined(defined) => self.last = Some(defined.clone()),
        }
    }
}

// Tests

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::given;

    fn content(from: &str, title: &str) -> FormContent {
        FormContent { from: from.into(), title_en: title.into(), ..FormContent::default() }
    }

    fn on_the_11th<'a>(content: &'a FormContent, shipped: i32, etag: &'a str) -> Definition<'a> {
        let today = NaiveDate::from_ymd_opt(2020, 2, 11).unwrap();
        Definition { content, shipped, today, by: "staff/officer", etag }
    }

    #[test]
    fn versions_are_counted_from_the_shipped_one() {
        let first = content("2020-02-11", "a");
        let defined = given(&[]).when(|form: &Form| form.define(on_the_11th(&first, 1, "1"))).unwrap();
        assert!(matches!(&defined[..], [Event::Defined(defined)] if defined.version == 2));
        let second = content("2020-02-12", "b");
        let again = given(&defined).when(|form: &Form| form.define(on_the_11th(&second, 1, "2"))).unwrap();
        assert!(matches!(&again[..], [Event::Defined(defined)] if defined.version == 3));
        let late = content("2020-02-13", "c");
        let stale = given(&defined).when(|form: &Form| form.define(on_the_11th(&late, 1, "1")));
        assert_eq!(stale, Err(Refusal::Stale));
    }

    #[test]
    fn a_day_that_has_gone_by_keeps_its_form_and_a_new_form_may_begin_before() {
        let yesterday = content("2020-02-10", "a");
        let new = given(&[]).when(|form: &Form| form.define(on_the_11th(&yesterday, 0, ""))).unwrap();
        assert_eq!(new.len(), 1);
        let shipped = given(&[]).when(|form: &Form| form.define(on_the_11th(&yesterday, 1, "")));
        assert_eq!(shipped, Err(Refusal::InThePast));
        let other = content("2020-02-10", "b");
        assert_eq!(given(&new).when(|form: &Form| form.define(on_the_11th(&other, 0, ""))), Err(Refusal::InThePast));
    }
}
