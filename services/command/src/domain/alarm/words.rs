use chassis::{Kind, Refusal, reason};
use proto::command::v1::Refusal as Reason;

use super::Refused;

pub(super) fn refusal(refused: Refused) -> Refusal {
    let (kind, name, zh, en) = match refused {
        Refused::NotFound => (
            Kind::NotFound,
            Reason::NotFound,
            "没有这条警报，或者不在您的权限范围内：请核对编号",
            "there is no such alarm within your reach: check its name",
        ),
        Refused::NotYours => (
            Kind::Denied,
            Reason::NotYours,
            "这条警报不能由您处理：它属于街道，或者与您本人、您的单位有关；请街道或卫生部门其他人员处理",
            "this alarm is not yours to handle: it belongs to the subdistrict, or is about you or your unit; ask somebody else of the subdistrict or of the health team",
        ),
        Refused::Closed => (
            Kind::Precondition,
            Reason::AlarmClosed,
            "这条警报已经关闭：请刷新后查看处理记录",
            "this alarm is closed: read what came of it",
        ),
        Refused::Stale => (
            Kind::Stale,
            Reason::StaleEtag,
            "这条警报在您读取之后有了变化：请刷新后重试",
            "something happened to this alarm since you read it: read it again and retry",
        ),
    };
    Refusal::new(kind, reason(name.as_str_name()), zh, en)
}
