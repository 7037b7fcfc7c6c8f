use chrono::{DateTime, Utc};
use credential::{
    glance::{Glance, NameLength, Sex},
    number::PassNumber,
    payload::Payload,
    phone::SLOT,
    verify,
};

use super::{
    journal::{Facts, Whom},
    verdict::Seen,
};

/// Somebody before they are measured.
#[derive(Clone, Debug)]
pub struct Looked {
    pub seen: Seen,
    /// 张** 女 70+
    pub glance: String,
    pub(super) whom: Whom,
    pub(super) key_id: u32,
    pub(super) slot: u32,
    /// What a phone says of the time.
    pub(super) phone: Option<DateTime<Utc>>,
}

pub(super) fn of_code(verdict: &verify::Verdict, seen: Seen) -> Looked {
    let (payload, slot) = match &verdict.answer {
        Ok(pass) => (Some(&pass.payload), pass.slot),
        Err(refusal) => (refusal.payload.as_ref(), None),
    };
    let number = payload.map(|payload| payload.number.to_string()).unwrap_or_default();
    Looked {
        glance: payload.map(|payload| glance(&payload.glance)).unwrap_or_default(),
        whom: shown(number, false, seen.facts.clone()),
        key_id: payload.map_or(0, |payload| payload.key_id.into()),
        slot: slot.map_or(0, u32::from),
        phone: payload.zip(slot).and_then(|(payload, slot)| time_of(payload, slot)),
        seen,
    }
}

/// The middle of a slot.
fn time_of(payload: &Payload, slot: u16) -> Option<DateTime<Utc>> {
    let begins = payload.issued.start().unix() + i64::from(SLOT) * (i64::from(slot) - 1);
    DateTime::from_timestamp(begins + i64::from(SLOT) / 2, 0)
}

pub(super) fn shown(number: String, typed: bool, facts: Option<Facts>) -> Whom {
    Whom::Pass { number, typed, facts }
}

pub(super) fn text(number: Option<PassNumber>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// 张** 女 70+
fn glance(glance: &Glance) -> String {
    let stars = match glance.name_length {
        NameLength::Unsaid | NameLength::Three => "**",
        NameLength::UpToTwo => "*",
        NameLength::FourOrMore => "***",
    };
    let sex = match glance.sex {
        Sex::Unsaid => "",
        Sex::Male => " 男",
        Sex::Female => " 女",
    };
    let age = match glance.decade {
        0 => String::new(),
        1 => " <10".to_owned(),
        decade => format!(" {}+", (u32::from(decade) - 1) * 10),
    };
    if glance.surname.is_empty() { String::new() } else { format!("{}{stars}{sex}{age}", glance.surname) }
}
