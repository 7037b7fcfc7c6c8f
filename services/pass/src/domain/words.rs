//! What the guard says aloud and does next, for each finding. Short, polite, and without the reason of a suspension: a
//! queue is listening.

use std::borrow::Cow;

use proto::pass::v1::{Decision, Finding, visitor::Exception};

use super::gate::{Guarantor, Passage, Who};

type Words = (&'static str, &'static str);

/// The sentence for all findings of one passage, in Chinese and in English.
pub(super) fn sentence(
    decision: Decision,
    findings: &[Finding],
    passage: &Passage<'_>,
    resident: bool,
) -> (String, String) {
    let who = &passage.who;
    let mut parts: Vec<(Cow<'static, str>, Cow<'static, str>)> = Vec::new();
    for finding in findings {
        let (zh, en) = match finding {
            Finding::OutsideHours | Finding::Quota => {
                let (zh, en) = kept_in(decision, *finding, passage);
                parts.push((zh.into(), en.into()));
                continue;
            }
            Finding::Fever => fever(decision, resident),
            Finding::NoMask => no_mask(decision),
            Finding::Visitor => visitor(decision, who),
            // "Please pass" would contradict the fever or the mask that follows.
            Finding::Valid | Finding::Manual if decision == Decision::Refused => continue,
            other => alone(*other),
        };
        parts.push((zh.into(), en.into()));
    }
    let zh: Vec<_> = parts.iter().map(|(zh, _)| zh.as_ref()).collect();
    let en: Vec<_> = parts.iter().map(|(_, en)| en.as_ref()).collect();
    (zh.concat(), en.join(" "))
}

fn alone(finding: Finding) -> Words {
    match finding {
        Finding::Unspecified | Finding::Unreadable => (
            "这个码不是本系统的出入证。请擦干净再扫一次，或输入证上的号码；仍不行，请核对身份后人工登记。",
            "This is no pass of ours. Wipe it and scan again, or type the number on it; failing that, check who it is and enter by hand.",
        ),
        Finding::BadSignature => (
            "这张出入证是伪造的或被改动过，不能通过。请留住此证，并通知社工。",
            "This pass is forged or altered and does not count. Keep it, and call the worker.",
        ),
        Finding::Valid => ("出入证有效，请通行。", "The pass is valid. Please go through."),
        Finding::Manual => (
            "由工作人员人工登记，请通行，并尽快补办出入证。",
            "Entered by hand by staff. Please go through, and get a pass soon.",
        ),
        Finding::NotYetValid => (
            "这张出入证还没有生效。请核对闸口的时间，并联系社工。",
            "This pass is not valid yet. Check the gate's clock, and call the worker.",
        ),
        Finding::Expired => (
            "出入证已过期。请到社区换新证，不需要重新核查；认识的住户可以人工登记。",
            "The pass has expired. Please renew it at the community desk, no new screening is needed; a known resident may be entered by hand.",
        ),
        Finding::OtherCompound => (
            "这张出入证属于别的小区，请走自己小区的门。来办事的按访客登记。",
            "This pass is for another compound. Please use your own gate; who comes on business is entered as a visitor.",
        ),
        Finding::Suspended => (
            "出入证已暂停使用。请稍等，我请社工来办。",
            "The pass is suspended. Please wait here, I am calling the worker.",
        ),
        Finding::Revoked => (
            "出入证已作废。请留下此证，到社区办理新证。",
            "The pass has been withdrawn. Please hand it in and ask for a new one at the community desk.",
        ),
        Finding::Replaced => (
            "这是旧证，已换发新证。请出示新证，旧证交回。",
            "This pass was replaced by a newer one. Please show the new one and hand this in.",
        ),
        Finding::Recalled => (
            "这张出入证已统一换发，要换新证。请到社区换证，不需要重新核查；认识的住户可以人工登记。",
            "This pass has to be exchanged for a new one. Please go to the community desk, no new screening is needed; a known resident may be entered by hand.",
        ),
        Finding::OldPicture => (
            "这是以前的截图。请当场打开手机上的出入证再扫一次，或出示纸质证。",
            "This is an old picture. Please open the pass on the phone now and scan again, or show the paper.",
        ),
        Finding::ClockWrong => (
            "手机或闸口的时间不对。请把时间设为自动后再扫一次，或出示纸质证。",
            "The phone's clock or the gate's is wrong. Please set it to automatic and scan again, or show the paper.",
        ),
        Finding::Isolated => (
            "请在原地等候，不要进出，社工马上来接。请与他人保持距离，并立即给社工打电话。",
            "Please wait here and do not cross: the worker is coming for you. Keep a distance from others; guard, call the worker now.",
        ),
        Finding::Fever => fever(Decision::Refused, false),
        Finding::NoMask => no_mask(Decision::Refused),
        Finding::Visitor => REFUSED_VISITOR,
        Finding::Passback => {
            ("此证刚刚同方向通行过，请核对本人。", "This pass went the same way before. Check that it is its holder.")
        }
        Finding::Quota => (
            "本户近日已有人外出，请留在家中；急事请人工登记并写明原因。",
            "Somebody of the household was out already. Please stay in; what cannot wait is entered by hand with the reason.",
        ),
        Finding::OutsideHours => (
            "现在不在白天证的外出时段，请留在家中；急事请人工登记并写明原因。",
            "Outside the hours of a daytime pass. Please stay in; what cannot wait is entered by hand with the reason.",
        ),
        Finding::NotMeasured => ("没有量体温，请补量。", "No temperature was taken: please take it."),
        Finding::Unverified => (
            "断网时查不到这个号码，请出示证件扫码，或人工登记。",
            "This number cannot be looked up off line. Scan the pass, or enter by hand.",
        ),
    }
}

/// R18, with the numbers, so that nobody has to ask.
fn kept_in(decision: Decision, finding: Finding, passage: &Passage<'_>) -> (String, String) {
    let own = |(zh, en): Words| (zh.to_owned(), en.to_owned());
    match (finding, passage.limits.daytime, passage.limits.outings) {
        (Finding::OutsideHours, Some(hours), _) if decision == Decision::Refused => (
            format!("这张出入证只能在{}点至{}点外出，现在请留在家中；急事请人工登记并写明原因。", hours.from, hours.to),
            format!(
                "This pass is good for going out from {}:00 to {}:00. Please stay in now; what cannot wait is entered by hand with the reason.",
                hours.from, hours.to
            ),
        ),
        (Finding::OutsideHours, Some(hours), _) => (
            format!("此证只限{}点至{}点外出，现在只能回家。", hours.from, hours.to),
            format!(
                "It is good for going out from {}:00 to {}:00: at this hour only for coming home.",
                hours.from, hours.to
            ),
        ),
        (Finding::Quota, _, Some(quota)) => (
            format!("本户{}天内外出{}人次已用完，请留在家中；急事请人工登记并写明原因。", quota.days, quota.people),
            format!(
                "The household's {} outing{} in {} days {} used up. Please stay in; what cannot wait is entered by hand with the reason.",
                quota.people,
                if quota.people == 1 { "" } else { "s" },
                quota.days,
                if quota.people == 1 { "is" } else { "are" },
            ),
        ),
        (other, ..) => own(alone(other)),
    }
}

/// R14.
fn fever(decision: Decision, resident: bool) -> Words {
    match (decision, resident) {
        (Decision::Allowed, true) => (
            "体温偏高，已登记。请马上去发热门诊，路上戴好口罩，不坐公交。",
            "A raised temperature, and it is on record. Please go to the fever clinic at once, with a mask and not by bus.",
        ),
        (Decision::Allowed, false) => (
            "体温偏高，已登记。请离开后马上去发热门诊。",
            "A raised temperature, and it is on record. Please leave and go to the fever clinic at once.",
        ),
        (_, true) => (
            "另外体温偏高：请告诉社工，联系发热门诊。",
            "Also a raised temperature: tell the worker, who calls the fever clinic.",
        ),
        (_, false) => (
            "体温偏高，不能进入。请马上去发热门诊。",
            "A raised temperature: no entry. Please go to the fever clinic at once.",
        ),
    }
}

/// R15.
fn no_mask(decision: Decision) -> Words {
    if decision == Decision::Allowed {
        ("请先戴好口罩。", "Please put on a mask first.")
    } else {
        ("没有戴口罩：请戴好口罩。", "No mask: please put one on.")
    }
}

const REFUSED_VISITOR: Words = (
    "封闭管理期间访客不能进入。请电话联系住户，东西可以放在门口。",
    "No visitors while the compound is closed. Please phone the resident; things can be left at the gate.",
);

/// R16.
fn visitor(decision: Decision, who: &Who<'_>) -> Words {
    match who {
        _ if decision == Decision::Allowed => {
            ("访客请出门，已登记。", "A visitor leaving, on record. Please go through.")
        }
        Who::Visitor { exception: Exception::Service | Exception::Carer, guarantor: Guarantor::Unnamed } => (
            "请说出为哪位住户服务，由住户担保后才能进入。",
            "Please say which resident you come to: they must answer for you before you enter.",
        ),
        Who::Visitor { exception: Exception::Service | Exception::Carer, guarantor: Guarantor::Unknown } => (
            "查不到这位担保的住户。请核对后再登记，或请住户到门口来。",
            "No such resident lives here. Check whom they come to and enter it again, or have the resident come to the gate.",
        ),
        _ => REFUSED_VISITOR,
    }
}
