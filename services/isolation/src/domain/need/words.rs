//! The sentences of the refusals, in both languages: what is in the way and what to do.

use chassis::{Refusal, Refuse, reason};
use proto::isolation::v1::Refusal as Reason;

use super::Refused;

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        use chassis::Kind::{Denied, Precondition};
        let refuse = |kind, name: Reason, zh: &str, en: &str| Refusal::new(kind, reason(name.as_str_name()), zh, en);
        match self {
            Self::NotFound => crate::domain::order::Refused::NotFound.refusal(),
            Self::Taken(by) => refuse(
                Precondition,
                Reason::NeedTaken,
                "已有人负责这项需求：请联系负责人，或者选择接手",
                "somebody is responsible for this need: talk to them, or take it over",
            )
            .about("responsible", by.clone()),
            Self::Closed => refuse(
                Precondition,
                Reason::NeedClosed,
                "这项需求已经办结或者已经结束：请刷新后查看",
                "this need is done, confirmed or ended: read it again",
            ),
            Self::NotClaimed => refuse(
                Precondition,
                Reason::NeedNotClaimed,
                "还没有人认领这项需求：请先认领，再登记完成",
                "nobody has claimed this need: claim it first, then say that it is done",
            ),
            Self::NotDone => refuse(
                Precondition,
                Reason::NeedNotDone,
                "这项需求还没有登记完成：完成之后才能由本人确认",
                "this need is not done: the person confirms what was done",
            ),
            Self::OwnWork => refuse(
                Denied,
                Reason::OwnWork,
                "办理人不能自己确认：请由本人确认，或由另一位同事询问本人后确认",
                "who did it cannot confirm it: let the person do so, or a colleague who has asked them",
            ),
            Self::NotCleared => refuse(
                Precondition,
                Reason::NotCleared,
                "该志愿者本人的排查尚未通过，或正在隔离：请另选志愿者，或先完成其排查",
                "the volunteer's own screening is not clear, or they are isolated: choose another, or finish their screening",
            ),
        }
    }
}
