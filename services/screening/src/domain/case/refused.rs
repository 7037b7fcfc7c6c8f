//! What stands in the way of a request about a case.

use chassis::{Kind, Refusal, Refuse, reason};
use proto::screening::v1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such case")]
    NotFound,
    #[error("the resident has a case that waits for its verdict")]
    AlreadyOpen,
    #[error("the declaration is frozen")]
    Frozen,
    #[error("nothing was declared yet")]
    NotDeclared,
    #[error("the case has its verdict")]
    AlreadyAssessed,
    #[error("the case has no verdict yet")]
    NotAssessed,
    #[error("the person has no such number")]
    NoSuchPhone { phones: i32 },
    #[error("the case is disputed already")]
    AlreadyDisputed,
    #[error("the case is not disputed")]
    NotDisputed,
    #[error("who gave the evidence or filed the dispute cannot judge it")]
    SamePerson,
    #[error("no number was scanned")]
    NoEvidence,
    #[error("no method is in force")]
    NoMethod,
    #[error("the person's data were erased")]
    Erased,
    #[error("the case changed while it was judged")]
    Stale,
    #[error("another number stands in its place by now")]
    NumberReplaced,
    #[error("another proposal waits for its second signature")]
    AlreadyProposed,
    #[error("nothing waits for a second signature")]
    NotProposed,
    #[error("the second signature is the first one's")]
    SameSigner,
    #[error("the second signature is of the proposer's own unit")]
    SameUnit,
    #[error("the proposed end has passed")]
    TooLate,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let (name, zh, en) = match self {
            Self::NotFound => return not_found(),
            Self::NoSuchPhone { phones } => return no_such_phone(*phones),
            Self::Stale => return stale(),
            Self::AlreadyOpen => (
                v1::Refusal::AlreadyOpen,
                "此人还有一份未得出结论的排查：请先完成那一份",
                "the resident has a screening that waits for its verdict: finish that one first",
            ),
            Self::NumberReplaced => (
                v1::Refusal::NumberNotOnRecord,
                "登记的号码已更换，这次查询的是旧号码：请对新号码重新发送验证码",
                "the number on record is another one by now, and this was asked about the old one: have a code sent to the new number",
            ),
            Self::Frozen => (
                v1::Refusal::Frozen,
                "已有行程证据，申报不能再改：补充说明请记入申诉",
                "evidence was seen, so the declaration cannot be changed: record what the person adds as a dispute",
            ),
            Self::NotDeclared => (
                v1::Refusal::NotDeclared,
                "请先让本人申报去过哪里，再查询行程",
                "have the person declare first where they have been, then look at the evidence",
            ),
            Self::AlreadyAssessed => (
                v1::Refusal::AlreadyAssessed,
                "这份排查已有结论：有新情况请另开一份，对结论有异议请提出申诉",
                "this screening has its verdict: open another for a new occasion, or dispute it",
            ),
            Self::NotAssessed => (
                v1::Refusal::NotAssessed,
                "还没有结论，不能申诉：请先完成排查",
                "there is no verdict to dispute yet: finish the screening first",
            ),
            Self::AlreadyDisputed => (
                v1::Refusal::AlreadyDisputed,
                "已有一份申诉在处理：请等待答复",
                "a dispute is being answered: wait for its finding",
            ),
            Self::NotDisputed => (
                v1::Refusal::NotDisputed,
                "没有待答复的申诉：对结论有异议请先提出申诉",
                "there is no dispute to resolve: file one first where the verdict is wrong",
            ),
            Self::SamePerson => (
                v1::Refusal::SamePerson,
                "录入证据、作出结论或代为申诉的人不能裁定申诉：请由另一位工作人员答复",
                "who recorded the evidence, gave the verdict or filed the dispute cannot judge it: somebody else has to answer it",
            ),
            Self::NoEvidence => (
                v1::Refusal::NoEvidence,
                "还没有查询过任何号码：请先录入行程，运营商没有数据也要录入",
                "no number was scanned yet: record an itinerary first, also where the carrier has no data",
            ),
            Self::NoMethod => (
                v1::Refusal::NoMethod,
                "还没有发布排查标准：请街道先发布",
                "no method is in force yet: the subdistrict has to publish one",
            ),
            Self::AlreadyProposed => (
                v1::Refusal::AlreadyProposed,
                "已有一份人工认定在等待复核：请先复核或否决那一份",
                "another override waits for its second signature: approve or decline that one first",
            ),
            Self::NotProposed => (
                v1::Refusal::NotProposed,
                "没有这份待复核的人工认定：它可能已复核、已否决或已过期，请刷新后查看",
                "no such override waits for a second signature: it may be approved, declined or over; read it again",
            ),
            Self::SameSigner => (
                v1::Refusal::SamePerson,
                "提出人不能自己复核：请由其他单位的另一位同志复核",
                "who proposed it cannot approve it: ask another person of another unit",
            ),
            Self::SameUnit => (
                v1::Refusal::SameUnit,
                "复核人必须来自提出人以外的单位：请由其他单位的同志复核",
                "the second signature must come from another unit than the proposer's: ask somebody of another unit",
            ),
            Self::TooLate => (
                v1::Refusal::TooLate,
                "这份人工认定的有效期已过，不能再复核：仍有需要请重新提出",
                "the proposed end has passed, so there is nothing to approve: propose it anew where it is still needed",
            ),
            Self::Erased => (
                v1::Refusal::Erased,
                "此人的资料已依法删除，无法再作核查",
                "this person's data were erased: nothing can be judged any more",
            ),
        };
        Refusal::new(Kind::Precondition, reason(name.as_str_name()), zh, en)
    }
}

/// Missing, or of another neighbourhood: both answer alike.
pub fn not_found() -> Refusal {
    Refusal::new(
        Kind::NotFound,
        reason(v1::Refusal::NotFound.as_str_name()),
        "没有这份排查，或不属于您的社区：请核对编号",
        "there is no such case, or it is not your neighbourhood's: check its name",
    )
}

fn no_such_phone(phones: i32) -> Refusal {
    let mut fields = chassis::Fields::new();
    fields.refuse(
        "phone",
        format!("此人登记了{phones}个号码：请填 1 到 {phones}，新号码请先登记"),
        format!("the person has {phones} numbers on record: give 1 to {phones}, or register the new number first"),
    );
    fields.refusal().unwrap_or_else(not_found)
}

fn stale() -> Refusal {
    Refusal::new(
        Kind::Stale,
        "CONTENDED",
        "别人正在处理同一份排查：请刷新后重试",
        "others are working on the same case: read it again and retry",
    )
}
