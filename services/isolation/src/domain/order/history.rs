//! What people read of what happened to an order, in both languages. Readings have a list of their own.

use chrono::NaiveDate;
use proto::isolation::v1::{
    ChangeKind, ChangeReason, Destination, Home, Kind, Level, ReleaseReason,
    order_event::{ChangeProposed, Event, HandedOver, Moved, Released},
};

use crate::domain::period::{Slot, zh};

/// What one event says; `None` for readings, their codes, and notice that was taken of them.
pub fn said(event: &Event) -> Option<(String, String)> {
    let told = match event {
        Event::Proposed(_) => both("提出隔离", "proposed isolation"),
        Event::Ordered(ordered) => {
            let until = ordered.terms.as_ref().map(|terms| terms.last_day.as_str()).unwrap_or_default();
            (format!("隔离令生效，到{}", day_zh(until)), format!("the order came into force, until {until}"))
        }
        Event::HandedOver(HandedOver { receiver, receipt, .. }) => {
            (format!("移交给{receiver}，单号{receipt}"), format!("handed over to {receiver}, receipt {receipt}"))
        }
        Event::Breached(_) => both("在门岗被拦下", "refused at a gate"),
        Event::Sighted(_) => both("在外面被看到", "seen outside"),
        Event::Released(released) => ended(released),
        Event::Missed(missed) => {
            let slots: Vec<Slot> = missed.slots.iter().filter_map(Slot::read).collect();
            let (to_zh, to) = level(missed.level());
            let zh: Vec<String> = slots.iter().map(|slot| slot.zh()).collect();
            let en: Vec<String> = slots.iter().map(|slot| slot.en()).collect();
            (format!("未测{}，{to_zh}", zh.join("、")), format!("not taken: {}; {to}", en.join("; ")))
        }
        Event::Assigned(assigned) if assigned.responsible.is_empty() => both("无人负责", "nobody looks after it"),
        Event::Assigned(assigned) => {
            (format!("由{}负责", assigned.responsible), format!("{} looks after it", assigned.responsible))
        }
        Event::HomeChecked(checked) => match checked.home() {
            Home::OwnUnit => both("居家条件：独居", "home checked: an own unit"),
            Home::OwnRoom => both("居家条件：单间", "home checked: an own room"),
            Home::SharedRoom | Home::Unspecified => {
                both("居家条件不符：没有单间，应集中隔离", "home does not fit: no own room, to be isolated centrally")
            }
        },
        Event::DayZeroProved(proved) => (
            format!(
                "第0天证明为{}，截止日由{}改为{}",
                day_zh(&proved.day_zero),
                day_zh(&proved.last_day_before),
                day_zh(&proved.last_day)
            ),
            format!(
                "day zero proved to be {}: the end moved from {} to {}",
                proved.day_zero, proved.last_day_before, proved.last_day
            ),
        ),
        Event::ChangeProposed(proposed) => wished(proposed),
        Event::ChangeDecided(decided) if !decided.approved => both("变更被驳回", "the change was declined"),
        Event::ChangeDecided(decided) if decided.last_day.is_empty() => {
            both("提前解除已复核", "the early release was approved")
        }
        Event::ChangeDecided(decided) => (
            format!("延长已复核，截止日由{}改为{}", day_zh(&decided.last_day_before), day_zh(&decided.last_day)),
            format!(
                "the extension was approved: the end moved from {} to {}",
                decided.last_day_before, decided.last_day
            ),
        ),
        Event::Moved(moved) => went(moved),
        Event::TransferProposed(_) => both("请另一社区接管", "another neighbourhood was asked to take over"),
        Event::TransferDecided(decided) if decided.accepted => {
            both("另一社区已接管", "another neighbourhood took over")
        }
        Event::TransferDecided(_) => both("另一社区未接管", "the other neighbourhood did not take over"),
        Event::Observed(_) | Event::CodeOpened(_) | Event::Acknowledged(_) => return None,
    };
    Some(told)
}

fn both(zh: &str, en: &str) -> (String, String) {
    (zh.to_owned(), en.to_owned())
}

fn day_zh(date: &str) -> String {
    date.parse::<NaiveDate>().map_or_else(|_| date.to_owned(), zh)
}

fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Grid | Level::Unspecified => ("网格补测", "the grid's to make up for"),
        Level::Neighbourhood => ("已报社区", "gone up to the neighbourhood"),
        Level::Subdistrict => ("已报街道", "gone up to the subdistrict"),
    }
}

fn ended(released: &Released) -> (String, String) {
    let (taken, due) = (released.observations, released.observations_due);
    let (zh, en) = match released.reason() {
        ReleaseReason::PeriodComplete | ReleaseReason::Unspecified => ("期满解除", "released after the whole period"),
        ReleaseReason::VerdictChanged => ("核查结论改变，解除", "ended because the verdict changed"),
        ReleaseReason::Early => ("提前解除", "released early"),
    };
    (format!("{zh}，应有观察记录{due}次，已有{taken}次"), format!("{en}, {taken} of {due} readings"))
}

fn wished(proposed: &ChangeProposed) -> (String, String) {
    let (zh, en) = reason(proposed.reason());
    match proposed.kind() {
        ChangeKind::EarlyRelease => (format!("提议提前解除（{zh}）"), format!("proposed an early release ({en})")),
        ChangeKind::Extension | ChangeKind::Unspecified => (
            format!("提议延长到{}（{zh}）", day_zh(&proposed.last_day)),
            format!("proposed an extension until {} ({en})", proposed.last_day),
        ),
    }
}

/// A reason as a sentence names it.
pub fn reason(reason: ChangeReason) -> (&'static str, &'static str) {
    match reason {
        ChangeReason::Medical => ("医学意见", "medical opinion"),
        ChangeReason::Household => ("同住人情况变化", "the household changed"),
        ChangeReason::Breach => ("擅自外出", "left the isolation"),
        ChangeReason::Mistake => ("原令有误", "the order rested on a mistake"),
        ChangeReason::Instruction => ("上级要求", "an instruction"),
        ChangeReason::Unspecified => ("未说明", "no reason given"),
    }
}

fn went(moved: &Moved) -> (String, String) {
    let (zh, en) = reason(moved.reason());
    let (to_zh, to) = match moved.to() {
        Destination::Central => ("集中隔离点", "central isolation"),
        Destination::Hospital => ("医院", "a hospital"),
        Destination::Home | Destination::Unspecified => ("家中", "their home"),
    };
    let kind = if moved.kind() == Kind::Home { "居家" } else { "集中" };
    (format!("转到{to_zh}（{zh}），此后为{kind}隔离"), format!("moved to {to} ({en})"))
}
