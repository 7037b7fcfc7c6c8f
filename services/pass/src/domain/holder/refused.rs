//! What stands in the way of a request about a pass.

use chassis::{Kind, Refusal, Refuse};
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
    #[error("the pass is suspended by a worker")]
    Suspended,
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
        };
        let refusal = Refusal::new(kind, chassis::reason(reason.as_str_name()), zh, en);
        match self {
            Self::Barred(by) => refusal.about("bars", by.join(",")),
            _ => refusal,
        }
    }
}
