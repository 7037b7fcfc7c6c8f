//! What stands in the way of a recall of a key.

use chassis::{Kind, Refusal, Refuse};
use proto::pass::v1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such key, or no recall of it")]
    NotFound,
    #[error("a recall of the key waits for its second signature")]
    AlreadyProposed,
    #[error("the key is recalled already, from that hour or an earlier one")]
    AlreadyRecalled,
    #[error("no recall of the key waits for its second signature")]
    NotProposed,
    #[error("the second signature is the first one's")]
    SamePerson,
    #[error("the second signature is of the same unit")]
    SameUnit,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let (kind, reason, zh, en) = match self {
            Self::NotFound => (
                Kind::NotFound,
                v1::Refusal::NotFound,
                "没有这把签发钥匙，或没有对它的召回：请用 mifeng pass keys 核对钥匙编号",
                "there is no such key, or no recall of it: check its id with `mifeng pass keys`",
            ),
            Self::AlreadyProposed => (
                Kind::Precondition,
                v1::Refusal::AlreadyProposed,
                "对这把钥匙已有一项召回在等待另一单位确认：请先确认或撤回",
                "a recall of this key waits for its second signature: confirm or decline it first",
            ),
            Self::AlreadyRecalled => (
                Kind::Precondition,
                v1::Refusal::AlreadyRecalled,
                "这把钥匙从该时刻（或更早）起签的证已经作废，不需要重复召回",
                "what this key signed from that hour on is recalled already: nothing is to be done",
            ),
            Self::NotProposed => (
                Kind::Precondition,
                v1::Refusal::NotProposed,
                "没有等待确认的召回：它可能已确认或已撤回，请刷新后查看",
                "no recall of this key waits for a second signature: it may be confirmed or declined; read it again",
            ),
            Self::SamePerson => (
                Kind::Precondition,
                v1::Refusal::SamePerson,
                "提出人不能自己确认：请由其他单位的另一位同志确认",
                "who proposed it cannot confirm it: ask another person of another unit",
            ),
            Self::SameUnit => (
                Kind::Precondition,
                v1::Refusal::SameUnit,
                "确认人必须来自提出人以外的单位：请由其他单位的同志确认",
                "the second signature must come from another unit than the first: ask somebody of another unit",
            ),
        };
        Refusal::new(kind, chassis::reason(reason.as_str_name()), zh, en)
    }
}
