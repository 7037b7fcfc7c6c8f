//! What people decide in the command centre. The figures are nobody's decision.

/// The aggregate: something that somebody must look at.
pub mod alarm;
/// The aggregate: from when on something is an alarm.
pub mod alarm_rules;
/// What a form is.
pub mod form;
/// What was reported.
pub mod report;
/// What was answered.
pub mod answer;
#[cfg(test)]
mod given;

use chassis::{Kind, Refusal, reason};
use proto::command::v1 as contract;

/// Missing and foreign are answered alike.
pub(crate) fn not_found(what: &'static str) -> Refusal {
    Refusal::new(
        Kind::NotFound,
        reason(contract::Refusal::NotFound.as_str_name()),
        "没有这条记录，或者不属于您的管辖范围：请核对名称",
        "there is no such record, or it is not yours to see: check the name",
    )
    .about("what", what)
}

pub(crate) fn stale() -> Refusal {
    Refusal::new(
        Kind::Stale,
        reason(contract::Refusal::StaleEtag.as_str_name()),
        "这条记录在您读取之后已有变化：请刷新后重试",
        "this changed since you read it: read it again and retry",
    )
}
