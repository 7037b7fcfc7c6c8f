//! What stands in the way of a question to a carrier.

use chassis::{Fields, Kind, Refusal, Refuse, reason};
use proto::screening::v1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no code was sent for this number")]
    NoCode,
    #[error("the code is not the one that was sent")]
    CodeWrong,
    #[error("the code does not hold any more")]
    CodeExpired,
    #[error("no endpoint is set up for this carrier")]
    NotConfigured,
    #[error("the number is not on this person's record")]
    NotOnRecord,
    #[error("the number stands for another one of this person")]
    Taken { phone: i32 },
    #[error("the registry cannot be asked")]
    RegistryUnavailable,
    #[error("the numbers changed while the carrier was asked")]
    Stale,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        let (kind, name, zh, en) = match self {
            Self::Taken { phone } => return taken(*phone),
            Self::Stale => {
                return Refusal::new(
                    Kind::Stale,
                    "CONTENDED",
                    "别人正在查询同一份排查：请刷新后重试",
                    "others are asking about the same case: read it again and retry",
                );
            }
            Self::NoCode => (
                Kind::Precondition,
                v1::Refusal::NoCode,
                "这个号码还没有向该运营商要过验证码：请先发送验证码，再请本人读出",
                "no code was asked of this carrier for this number: have one sent first, then let the person read it out",
            ),
            Self::CodeWrong => (
                Kind::Precondition,
                v1::Refusal::CodeWrong,
                "验证码不对：请本人再读一遍短信；连错五次要重新发送",
                "the code is not the one that was sent: have the person read the message again; after five wrong ones another must be sent",
            ),
            Self::CodeExpired => (
                Kind::Precondition,
                v1::Refusal::CodeExpired,
                "验证码已失效：请重新发送验证码，再请本人读出",
                "the code does not hold any more: have another one sent, then let the person read it out",
            ),
            Self::NotConfigured => (
                Kind::Precondition,
                v1::Refusal::NotConfigured,
                "还没有配置这家运营商的接口：请管理员用 --carrier 配置，或录入本人手机上显示的行程",
                "no endpoint is set up for this carrier: have the administrator give --carrier, or enter what the person's phone shows",
            ),
            Self::NotOnRecord => (
                Kind::Precondition,
                v1::Refusal::NumberNotOnRecord,
                "登记资料里没有这个号码：请核对本人读出的号码，新号码请先登记",
                "the number is not on this person's record: check what they said, or register a new number first",
            ),
            Self::RegistryUnavailable => (
                Kind::Unavailable,
                v1::Refusal::RegistryUnavailable,
                "暂时无法核对号码是否属于本人：请稍后重试，或录入本人手机上显示的行程",
                "at the moment nobody can say whose number it is: try again, or enter what the person's phone shows",
            ),
        };
        Refusal::new(kind, reason(name.as_str_name()), zh, en)
    }
}

fn taken(phone: i32) -> Refusal {
    let mut fields = Fields::new();
    fields.refuse(
        "number",
        format!("这个号码已作为第 {phone} 个号码查询：请读另一个号码"),
        format!("was asked about as number {phone} already: have the person say the other one"),
    );
    let refusal = fields.refusal().unwrap_or_else(crate::domain::case::not_found);
    Refusal { reason: reason(v1::Refusal::NumberTaken.as_str_name()), ..refusal }
}
