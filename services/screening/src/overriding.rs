//! A verdict set by hand in words that a resident understands, in both languages: why, by which units, until when, what comes
//! then, and what the person can do.

use chrono::{DateTime, Utc};
use proto::screening::v1::{Explanation, Measure, OverrideInForce, OverrideReason};

/// Names units and no people: who signed stands in the verdict for those who may see it. `neighbourhood` is the resident's.
pub(crate) fn explain(
    hand: &OverrideInForce,
    neighbourhood: &str,
    measure: Measure,
    method: &str,
    hours: i32,
) -> Explanation {
    let (reason_zh, reason_en) = reason(hand.reason());
    let (measure_zh, measure_en) = consequence(measure);
    let end = hand.expire_time.as_ref().and_then(chassis::instant).map(local).unwrap_or_default();
    let (first_zh, first_en) = unit(&hand.proposed_unit, neighbourhood);
    let (second_zh, second_en) = unit(&hand.approved_unit, neighbourhood);
    Explanation {
        zh: format!(
            "这一结论由人工认定，没有按行程比对得出：{reason_zh}。由{first_zh}提出、{second_zh}复核。{measure_zh}。有效期到 {end}，到期后恢复按排查标准（现行版本 {method}）比对的结论。如果您不同意，可以提出申诉，{hours}小时内由另一位工作人员答复。"
        ),
        en: format!(
            "This verdict was set by hand and not by comparing the records: {reason_en}. It was proposed by {first_en} and approved by {second_en}. {measure_en}. It holds until {end}; then the verdict by the method (now {method}) comes back. If you do not agree, dispute it: somebody else answers within {hours} hours."
        ),
    }
}

fn local(time: DateTime<Utc>) -> String {
    time.with_timezone(&chassis::CALENDAR).format("%Y-%m-%d %H:%M").to_string()
}

/// A unit as a resident knows it: an id says nothing to anybody.
fn unit<'a>(unit: &'a str, neighbourhood: &str) -> (&'a str, &'a str) {
    match unit {
        own if own == neighbourhood => ("您所在的社区", "your neighbourhood"),
        "subdistrict" => ("街道", "the subdistrict"),
        "health" => ("卫生健康部门", "the health team"),
        id if uuid::Uuid::try_parse(id).is_ok() => ("另一个社区", "another neighbourhood"),
        name => (name, name),
    }
}

fn reason(reason: OverrideReason) -> (&'static str, &'static str) {
    match reason {
        OverrideReason::DocumentedStay => ("有材料证明当时所在的地方", "a document proves where you were"),
        OverrideReason::CarrierError => {
            ("运营商确认其记录有误", "the carrier has confirmed that its records are wrong")
        }
        OverrideReason::CloseContact => ("被确定为密切接触者", "you were named as a close contact of a case"),
        OverrideReason::Symptoms => ("出现需要观察的症状", "you have symptoms that are to be watched"),
        OverrideReason::TestResult => ("依据检测结果", "a test result calls for it"),
        OverrideReason::MedicalNeed => ("有不能等待的就医需要", "you need treatment that cannot wait"),
        OverrideReason::Authority => {
            ("依据上级指挥部的书面要求", "the district's headquarters has ordered it in writing")
        }
        OverrideReason::Unspecified => ("原因见记录", "the reason is on record"),
    }
}

fn consequence(measure: Measure) -> (&'static str, &'static str) {
    match measure {
        Measure::Central => ("需要集中隔离", "You have to stay in central isolation"),
        Measure::Home => ("需要居家隔离", "You have to stay in isolation at home"),
        Measure::Watch => ("需要健康监测", "Your health is to be watched"),
        Measure::None => ("可以办理出入证", "You can have a pass"),
        Measure::Ask | Measure::Unspecified => ("由工作人员与您核实", "The staff will check with you"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_why_by_whom_until_when_and_what_can_be_done() {
        let mut hand = OverrideInForce {
            proposed_by: "staff/worker".to_owned(),
            proposed_unit: "n1".to_owned(),
            approved_by: "staff/doctor".to_owned(),
            approved_unit: "health".to_owned(),
            expire_time: Some(chassis::timestamp("2020-02-13T04:00:00Z".parse().unwrap())),
            ..OverrideInForce::default()
        };
        hand.set_reason(OverrideReason::MedicalNeed);
        let Explanation { zh, en } = explain(&hand, "n1", Measure::None, "2020-02-09", 24);
        for part in
            ["人工认定", "就医", "由您所在的社区提出、卫生健康部门复核", "2020-02-13 12:00", "2020-02-09", "申诉"]
        {
            assert!(zh.contains(part), "{part} in {zh}");
        }
        for part in [
            "by hand",
            "treatment",
            "by your neighbourhood and approved by the health team",
            "until 2020-02-13 12:00",
            "dispute it",
            "24 hours",
        ] {
            assert!(en.contains(part), "{part} in {en}");
        }
        assert!(!zh.contains("staff/") && !en.contains("staff/"), "units sign, and nobody is named");
    }
}
