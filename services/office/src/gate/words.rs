//! What the guard says aloud and does next. The pass service says nearly the same on line; here nobody is there to ask.

use chrono::{DateTime, Utc};
use proto::pass::v1::{Decision, Finding};

use super::{
    limits::{Hours, Outings},
    verdict::Seen,
};
use crate::output::on_the_clock;

type Words = (&'static str, &'static str);

/// For all findings of one passage, in Chinese and in English.
pub(super) fn sentence(decision: Decision, findings: &[Finding], seen: &Seen) -> (String, String) {
    let (mut zh, mut en) = (Vec::new(), Vec::new());
    for finding in findings {
        let refused = decision == Decision::Refused;
        let (a, b): (String, String) = match (finding, seen.reason) {
            // "Please pass" would contradict what follows.
            (Finding::Valid | Finding::Manual, _) if refused => continue,
            (Finding::Fever, _) => own(fever(refused, seen.resident)),
            (Finding::NoMask, _) if refused => {
                own(("没有戴口罩，不能进入：请戴好口罩。", "No mask, no entry: please put one on."))
            }
            (Finding::NotMeasured, _) if refused => {
                own(("没有量体温，不能进入：请先量体温。", "No temperature, no entry: take it first."))
            }
            (Finding::Suspended, None) if !refused => {
                own(("证已暂停：请通知社工。", "The pass is suspended: tell the worker."))
            }
            (Finding::Passback, _) => passback(seen.last),
            (Finding::OutsideHours, _) => outside(seen.hours, refused),
            (Finding::Quota, _) => used_up(seen.quota),
            (Finding::NoMask | Finding::NotMeasured, _) => own(alone(*finding)),
            (_, Some(reason)) => own((reason.zh(), reason.en())),
            (other, None) => own(alone(*other)),
        };
        zh.push(a);
        en.push(b);
    }
    (zh.concat(), en.join(" "))
}

fn own((zh, en): Words) -> (String, String) {
    (zh.to_owned(), en.to_owned())
}

fn alone(finding: Finding) -> Words {
    match finding {
        Finding::Valid => ("请通行。", "Please go through."),
        Finding::Manual => {
            ("已人工登记，请通行，并尽快补办出入证。", "Entered by hand. Please go through, and get a pass soon.")
        }
        Finding::Unspecified | Finding::Unreadable | Finding::BadSignature => (
            "号码或码不对。请再扫一次；仍不行，请核对身份后人工登记。",
            "That is no pass of ours. Scan again; failing that, check who it is and enter by hand.",
        ),
        Finding::Expired => (
            "出入证已过期，请到社区续期；认识的住户可以人工登记。",
            "The pass has expired. The neighbourhood renews it; a known resident may be entered by hand.",
        ),
        Finding::OtherCompound => (
            "这张出入证属于别的小区，请走自己小区的门；来办事的按访客登记。",
            "This pass is for another compound. Please use your own gate; who comes on business is entered as a visitor.",
        ),
        Finding::Suspended => {
            ("出入证暂停使用，请在这里等社工来。", "The pass is suspended. Please wait here for the worker.")
        }
        Finding::Revoked => ("出入证已作废，请联系社工。", "The pass was taken back. Please call the worker."),
        Finding::Isolated => (
            "请在原地等候，不要进出，社工马上来接；请与他人保持距离。",
            "Please wait here and do not cross: the worker is coming. Keep a distance from others.",
        ),
        Finding::Replaced => ("这是旧证，请出示新证。", "This pass was replaced. Please show the new one."),
        Finding::NotYetValid => {
            ("出入证还没有生效，请核对门岗时钟。", "The pass is not valid yet. Check the gate's clock.")
        }
        Finding::Fever => fever(true, false),
        Finding::NoMask => ("请先戴好口罩。", "Please put on a mask first."),
        Finding::NotMeasured => ("没有量体温，已注明。", "No temperature was taken; that is on record."),
        Finding::Visitor => (
            "封闭管理期间访客不能进入；上门服务和照护请说出住户，由住户担保。",
            "No visitors while the compound is closed. Who comes to serve or to care names the resident who answers for them.",
        ),
        Finding::Passback => ("此证刚刚同方向通行过，请核对本人。", "The same way again: check that it is the holder."),
        Finding::Quota => (
            "本户近日已有人外出，请留在家中；急事请人工登记并写明原因。",
            "Somebody of the household was out already. Please stay in; what cannot wait is entered by hand with the reason.",
        ),
        Finding::OutsideHours => (
            "现在不在白天证的外出时段，请留在家中；急事请人工登记并写明原因。",
            "Outside the hours of a daytime pass. Please stay in; what cannot wait is entered by hand with the reason.",
        ),
        Finding::Unverified => (
            "现在联系不上中心，查不到这个号码：请出示证件扫码，或人工登记（known 证号 原因）。",
            "The centre is away and this number cannot be looked up: scan the pass, or enter by hand (known NUMBER REASON).",
        ),
        Finding::Recalled => (
            "这张出入证已统一换发，请到社区换新证；认识的住户可以人工登记。",
            "This pass has to be exchanged for a new one at the community desk; a known resident may be entered by hand.",
        ),
        Finding::ClockWrong => (
            "手机或门岗的时钟不对，请核对时间后再扫，或出示纸质证。",
            "The phone's clock or the gate's is wrong. Set it and scan again, or show the paper.",
        ),
        Finding::OldPicture => (
            "这是以前的截图，请现场打开手机上的出入证。",
            "This is an old picture. Ask the holder to open the pass on the phone.",
        ),
    }
}

/// R18, with the numbers, so that nobody has to ask.
fn outside(hours: Option<Hours>, refused: bool) -> (String, String) {
    match hours {
        Some(Hours { from, to }) if refused => (
            format!("这张出入证只能在{from}点至{to}点外出，现在请留在家中；急事请人工登记并写明原因。"),
            format!(
                "This pass is good for going out from {from}:00 to {to}:00. Please stay in now; what cannot wait is entered by hand with the reason."
            ),
        ),
        Some(Hours { from, to }) => (
            format!("此证只限{from}点至{to}点外出，现在只能回家。"),
            format!("It is good for going out from {from}:00 to {to}:00: at this hour only for coming home."),
        ),
        None => own(alone(Finding::OutsideHours)),
    }
}

fn used_up(quota: Option<Outings>) -> (String, String) {
    match quota {
        Some(Outings { people, days }) => (
            format!("本户{days}天内外出{people}人次已用完，请留在家中；急事请人工登记并写明原因。"),
            format!(
                "Of the household {people} went out within {days} days, and no more may. Please stay in; what cannot wait is entered by hand with the reason."
            ),
        ),
        None => own(alone(Finding::Quota)),
    }
}

/// R14.
fn fever(refused: bool, resident: bool) -> Words {
    match (refused, resident) {
        (false, true) => (
            "体温偏高，已登记。请马上去发热门诊，路上戴好口罩，不坐公交。",
            "A raised temperature, and it is on record. Please go to the fever clinic at once, with a mask and not by bus.",
        ),
        (false, false) => (
            "体温偏高，已登记。请离开后马上去发热门诊。",
            "A raised temperature, and it is on record. Please leave and go to the fever clinic at once.",
        ),
        (true, true) => (
            "另外体温偏高：请告诉社工，联系发热门诊。",
            "Also a raised temperature: tell the worker, who calls the fever clinic.",
        ),
        (true, false) => (
            "体温偏高，不能进入。请马上去发热门诊。",
            "A raised temperature: no entry. Please go to the fever clinic at once.",
        ),
    }
}

fn passback(last: Option<DateTime<Utc>>) -> (String, String) {
    match last {
        Some(at) => {
            let at = on_the_clock(at);
            (
                format!("此证 {at} 已同方向通行过，请核对本人。"),
                format!("This pass went the same way at {at}: check that it is the holder."),
            )
        }
        None => own(alone(Finding::Passback)),
    }
}
