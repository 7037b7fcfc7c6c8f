//! A refusal as a client reads it out of a status, its own or a stranger's.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt as _};

use super::{BETWEEN, DOMAIN};

/// What a status says, to a machine and to a person. A foreign status gives its code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// "NOT_IN_FORCE"; the name of the gRPC code where the status gives no reason of ours.
    pub reason: String,
    pub zh: String,
    pub en: String,
    pub fields: Vec<SpokenField>,
    pub metadata: HashMap<String, String>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenField {
    pub field: String,
    pub zh: String,
    pub en: String,
}

impl From<&Status> for Spoken {
    fn from(status: &Status) -> Self {
        let (name, zh) = stranger(status.code());
        let mut spoken = Self {
            reason: name.to_owned(),
            zh: zh.to_owned(),
            en: status.message().to_owned(),
            fields: Vec::new(),
            metadata: HashMap::new(),
        };
        // Details that cannot be read are a stranger's: the message and the code still stand.
        for detail in status.get_error_details_vec() {
            match detail {
                ErrorDetail::ErrorInfo(info) if info.domain == DOMAIN => {
                    spoken.reason = info.reason;
                    spoken.metadata = info.metadata;
                }
                ErrorDetail::LocalizedMessage(message) if message.locale == "zh-CN" => {
                    spoken.zh = message.message;
                }
                ErrorDetail::LocalizedMessage(message) if message.locale == "en" => {
                    spoken.en = message.message;
                }
                ErrorDetail::BadRequest(request) => {
                    spoken.fields.extend(request.field_violations.into_iter().map(SpokenField::from));
                }
                _ => {}
            }
        }
        if spoken.en.is_empty() {
            spoken.en = status.code().description().to_lowercase();
        }
        spoken
    }
}

impl From<tonic_types::FieldViolation> for SpokenField {
    fn from(violation: tonic_types::FieldViolation) -> Self {
        let description = violation.description;
        let zh = violation.localized_message.filter(|message| message.locale == "zh-CN").map(|message| message.message);
        let (zh, en) = match zh {
            Some(zh) => {
                let en = description.strip_prefix(&zh).and_then(|rest| rest.strip_prefix(BETWEEN));
                (zh, en.unwrap_or(&description).to_owned())
            }
            None => match description.split_once(BETWEEN) {
                Some((zh, en)) => (zh.to_owned(), en.to_owned()),
                None => (description.clone(), description),
            },
        };
        Self { field: violation.field, zh, en }
    }
}

/// NOT_FOUND
pub(crate) const fn code_name(code: Code) -> &'static str {
    stranger(code).0
}

/// The name of a code, and what it means to the person at the desk.
const fn stranger(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Ok => ("OK", "成功"),
        Code::Cancelled => ("CANCELLED", "请求已取消"),
        Code::Unknown => ("UNKNOWN", "发生未知错误：请稍候重试，仍然如此请联系管理员"),
        Code::InvalidArgument => ("INVALID_ARGUMENT", "请求内容有误：请检查后重新提交"),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", "服务器未能按时答复：请重试，同一请求不会重复执行"),
        Code::NotFound => ("NOT_FOUND", "没有找到，或者不在您的权限范围内"),
        Code::AlreadyExists => ("ALREADY_EXISTS", "同样的记录已经存在"),
        Code::PermissionDenied => ("PERMISSION_DENIED", "您没有权限这样做：请联系负责人"),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", "请求过多或资源已用尽：请稍候重试"),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", "目前的状态不允许这样做：请刷新后再看"),
        Code::Aborted => ("ABORTED", "别人刚刚修改过：请刷新后重试"),
        Code::OutOfRange => ("OUT_OF_RANGE", "超出了允许的范围：请检查后重新提交"),
        Code::Unimplemented => ("UNIMPLEMENTED", "服务器没有这个功能：客户端与服务器的版本可能不一致"),
        Code::Internal => ("INTERNAL", "服务器内部错误：请联系管理员查看日志"),
        Code::Unavailable => ("UNAVAILABLE", "暂时连接不上服务器：请检查网络后重试"),
        Code::DataLoss => ("DATA_LOSS", "数据已损坏：请立即联系管理员"),
        Code::Unauthenticated => ("UNAUTHENTICATED", "登录无效或已过期：请重新登录"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_status_is_still_understood() {
        let spoken = Spoken::from(&Status::unavailable("connection refused"));
        assert_eq!(spoken.reason, "UNAVAILABLE");
        assert_eq!(spoken.en, "connection refused");
        assert!(spoken.zh.contains("连接"));
    }

    #[test]
    fn details_that_are_no_details_are_passed_over() {
        let garbled = Status::with_details(Code::NotFound, "gone", vec![0xff, 0x01, 0x02].into());
        let spoken = Spoken::from(&garbled);
        assert_eq!((spoken.reason.as_str(), spoken.en.as_str()), ("NOT_FOUND", "gone"));
        assert!(spoken.fields.is_empty());
    }
}
