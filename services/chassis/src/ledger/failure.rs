//! The ways in which a command comes to nothing, and how each is told.

use tonic::Status;

use crate::{
    Kind, Refusal,
    event_log::{AppendError, LogError},
};

/// Why nothing was done, or why nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{}", .0.en)]
    Refused(Refusal),
    #[error("another {scope} holds that key")]
    Reserved { scope: String, stream_id: String },
    #[error("the request id was used for another request")]
    Reused,
    #[error("others kept changing the same record")]
    Contended,
    #[error("the request makes more events than one commit takes")]
    TooLarge,
    #[error("the disk is full")]
    Full,
    /// The same request may be sent again: if it was done, its answer is repeated.
    #[error("the log cannot be reached")]
    Unavailable(#[source] anyhow::Error),
    #[error(transparent)]
    Fault(anyhow::Error),
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict => Self::Contended,
            AppendError::CommandReused => Self::Reused,
            AppendError::Reserved { scope, stream_id } => Self::Reserved { scope, stream_id },
            AppendError::TooLarge { .. } => Self::TooLarge,
            AppendError::Full => Self::Full,
            AppendError::Unknown(error) => Self::Unavailable(error),
            AppendError::Fault(error) => Self::Fault(error),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        if crate::disk::is_full(&error) {
            Self::Full
        } else if crate::disk::passes(&error) {
            Self::Unavailable(error)
        } else {
            Self::Fault(error)
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let refusal = match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Reserved { scope, .. } => Refusal::new(
                Kind::AlreadyExists,
                "ALREADY_EXISTS",
                "同样的记录已经存在：请查找并使用已有的记录",
                "there is one like this already: find it and use it",
            )
            .about("scope", scope),
            Failure::Reused => Refusal::new(
                Kind::AlreadyExists,
                "REQUEST_ID_REUSED",
                "这个 request_id 已用于内容不同的请求：新的意图请用新的 request_id",
                "this request_id was used for a request with other content: make a new one for a new intention",
            ),
            Failure::Contended => Refusal::new(
                Kind::Stale,
                "CONTENDED",
                "别人正在修改同一条记录：请刷新后重试",
                "others are changing the same record: read it again and retry",
            ),
            Failure::TooLarge => Refusal::new(
                Kind::Invalid,
                "TOO_MANY_EVENTS",
                "一次请求的内容过多：请分成几次提交",
                "too much for one request: send it in several",
            ),
            Failure::Full => Refusal::new(
                Kind::Exhausted,
                "DISK_FULL",
                "服务器磁盘已满，什么都没有丢失：请通知管理员清理磁盘，然后用同一个 request_id 重试",
                "the server's disk is full and nothing was lost: have the administrator free space, then retry with the same request_id",
            ),
            Failure::Unavailable(error) => {
                tracing::warn!(error = format!("{error:#}"), "the log cannot be reached");
                Refusal::new(
                    Kind::Unavailable,
                    "LOG_UNAVAILABLE",
                    "记录系统暂时无法访问：请用同一个 request_id 重试",
                    "the log cannot be reached for the moment: retry with the same request_id",
                )
            }
            Failure::Fault(error) => {
                tracing::error!(error = format!("{error:#}"), "a request failed");
                return Self::internal("the server could not do this; the reason is in its log");
            }
        };
        refusal.into()
    }
}
