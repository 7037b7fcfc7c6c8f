use chassis::{Kind, Refuse, reason};
use proto::registry::v1::Refusal as Reason;

use super::Refusal;

impl Refuse for Refusal {
    fn refusal(&self) -> chassis::Refusal {
        let refuse =
            |kind, name: Reason, zh: &str, en: &str| chassis::Refusal::new(kind, reason(name.as_str_name()), zh, en);
        match self {
            Self::Unknown => crate::domain::not_found("roster"),
            Self::OpenedOtherwise => refuse(
                Kind::AlreadyExists,
                Reason::AlreadyExists,
                "该小区这一周已有值班表：请使用已有的值班表",
                "the compound has a roster of this week already: use that one",
            ),
            Self::Taken { duty } => refuse(
                Kind::Precondition,
                Reason::DutyTaken,
                "该班次已有人值班：请先登记缺勤，或由双方换班",
                "somebody holds this duty: report their absence first, or let the two swap",
            )
            .about("duty", duty),
            Self::TooLittleRest { duty, hours } => refuse(
                Kind::Precondition,
                Reason::RestTooShort,
                &format!("与本人另一班次之间休息不足 {hours} 小时：请安排其他人"),
                &format!("there would be less than {hours} hours of rest beside another of their shifts: choose somebody else"),
            )
            .about("duty", duty),
            Self::Absent { duty } => refuse(
                Kind::Precondition,
                Reason::Absent,
                "此人当天已登记缺勤：请安排其他人",
                "they will not come on that day: choose somebody else",
            )
            .about("duty", duty),
            Self::NotOnRoster => refuse(
                Kind::Precondition,
                Reason::NotOnRoster,
                "此人不在这份值班表中，或岗位类别不符：请核对人员",
                "they are no member of this roster, or the post asks for another kind of staff: check the name",
            ),
            Self::SwapClosed => refuse(
                Kind::Precondition,
                Reason::SwapClosed,
                "换班申请已有答复，或班次已经变动：请刷新后重新申请",
                "the swap was answered, or one of the duties has changed hands: read the roster and propose again",
            ),
            Self::NotYours => refuse(
                Kind::Denied,
                Reason::NotYours,
                "只能由值班人本人提出或同意换班：请由本人操作",
                "only who holds a duty can offer or give it away: let them do so themselves",
            ),
        }
    }
}
