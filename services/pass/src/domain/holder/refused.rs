//! What stands in the way of a request about a pass.

use chassis::{CALENDAR, Kind, Refusal, Refuse};
use chrono::{DateTime, Utc};
use proto::pass::v1;

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("no such resident")]
    NotFound,
    #[error("no clear screening and no release stands behind a pass")]
    NotEligible,
    #[error("{} bars the person", .0.join(", "))]
    Barred(Vec<String>),
    #[error("there is no pass")]
    NoPass,
    #[error("no method is in force")]
    NoMethod,
    #[error("the method in force has no numbers for such passes")]
    NotInMethod,
    #[error("the pass is suspended by a worker")]
    Suspended,
    #[error("the pass is to be renewed from {0} on")]
    NotDue(DateTime<Utc>),
    #[error("something has changed since the pass was issued")]
    Changed,
    #[error("the pass was not reported lost")]
    NotLost,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let (kind, reason, zh, en) = match self {
            Self::NotFound => (
                Kind::NotFound,
                v1::Refusal::NotFound,
                "没有这位住户：请核对编号",
                "there is no such resident: check the id",
            ),
            Self::NotEligible => (
                Kind::Precondition,
                v1::Refusal::NotEligible,
                "此人还没有核查无误的结论，也没有解除隔离的记录：请先完成排查",
                "no clear screening and no release stands behind a pass: complete the screening first",
            ),
            Self::Barred(_) => (
                Kind::Precondition,
                v1::Refusal::Barred,
                "此人因核查结论或隔离令不得持有出入证：请等核查无误或解除隔离后再办理",
                "a verdict or an isolation order bars this person: wait for a clear verdict or the release",
            ),
            Self::NoPass => (
                Kind::Precondition,
                v1::Refusal::NoPass,
                "此人没有可以处理的出入证：请先办理出入证",
                "this person has no pass that this could apply to: issue one first",
            ),
            Self::NotInMethod => (
                Kind::Precondition,
                v1::Refusal::NotInMethod,
                "现行排查标准没有规定白天外出的时段或每户外出人次，不能办理这种出入证：请办理不限时的证，或先发布带有这些数字的标准",
                "the method in force has no hours for daytime passes, or no outings of a household: issue an unrestricted pass, or publish a version with these numbers first",
            ),
            Self::NoMethod => (
                Kind::Precondition,
                v1::Refusal::NoMethod,
                "还没有生效的排查标准，无法确定出入证的有效期：请先发布排查标准",
                "no method is in force, so nobody knows how long a pass lives: publish the method first",
            ),
            Self::Suspended => (
                Kind::Precondition,
                v1::Refusal::Suspended,
                "出入证已被社工暂停：请先恢复，或按遗失登记后再补办",
                "the pass was suspended by a worker: reinstate it, or report it lost and then issue another",
            ),
            Self::NotDue(from) => {
                let from = from.with_timezone(&CALENDAR).format("%Y-%m-%d %H:%M");
                return Refusal::new(
                    Kind::Precondition,
                    chassis::reason(v1::Refusal::NotDue.as_str_name()),
                    format!("出入证还没有到续期的时候：{from} 起可以续期；遗失的请先登记遗失再补办"),
                    format!(
                        "it is too early to renew the pass: come from {from} on; one that is lost is reported lost and replaced"
                    ),
                );
            }
            Self::Changed => (
                Kind::Precondition,
                v1::Refusal::Changed,
                "发证之后情况有变化（新的核查结论或住址），不能续期：请按现在的情况重新办理出入证",
                "something has changed since the pass was issued (another verdict, another home): issue a pass by what is known now",
            ),
            Self::NotLost => (
                Kind::Precondition,
                v1::Refusal::NotLost,
                "这张出入证没有登记遗失：请先登记遗失，再补办",
                "nobody reported this pass as lost: report it lost, then replace it",
            ),
        };
        let refusal = Refusal::new(kind, chassis::reason(reason.as_str_name()), zh, en);
        match self {
            Self::Barred(by) => refusal.about("bars", by.join(",")),
            _ => refusal,
        }
    }
}
