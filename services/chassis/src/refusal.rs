//! Why a request is not done, in words that a person can act on, in Chinese and in English. This is the one place where
//! they become gRPC statuses: google.rpc.Status with an `ErrorInfo` to match on, a `BadRequest` for fields and a
//! `LocalizedMessage` per language. The text is for people and never to be matched on.

use std::{collections::HashMap, fmt};

use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, LocalizedMessage, StatusExt as _};

mod fields;
mod spoken;

pub use fields::Fields;
pub(crate) use spoken::code_name;
pub use spoken::{Spoken, SpokenField};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "mifeng";

/// An error that is answered, not logged: a fact that stands in the way of a request.
pub trait Refuse: std::error::Error + Send + Sync + 'static {
    fn refusal(&self) -> Refusal;
}

/// What a reaction does, and what a clock calls for, is refused by nothing.
impl Refuse for std::convert::Infallible {
    fn refusal(&self) -> Refusal {
        match *self {}
    }
}

/// Which kind of obstacle it is; decides the gRPC code, and with it what a client may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong.
    Invalid,
    /// Missing or not the caller's to see: both answer alike.
    NotFound,
    AlreadyExists,
    /// Right in itself, but not in the present state.
    Precondition,
    /// Nobody is known to be calling.
    Unauthenticated,
    Denied,
    /// Somebody changed it since it was read.
    Stale,
    /// A budget or a disk is used up.
    Exhausted,
    /// May be sent again as it is.
    Unavailable,
    /// Not finished in time; a command may have been done.
    Late,
}

impl Kind {
    pub const fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::Precondition => Code::FailedPrecondition,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Denied => Code::PermissionDenied,
            Self::Stale => Code::Aborted,
            Self::Exhausted => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Late => Code::DeadlineExceeded,
        }
    }
}

/// What stands in the way, said in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    /// From the service's `Refusal` enum, without its prefix: see [`reason`].
    pub reason: &'static str,
    pub zh: String,
    pub en: String,
    pub fields: Vec<FieldViolation>,
    /// For machines: names and codes, nothing personal.
    pub metadata: Vec<(String, String)>,
}

/// What is wrong with one field of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// "person.full_name"
    pub field: String,
    pub zh: String,
    pub en: String,
}

impl Refusal {
    pub fn new(kind: Kind, reason: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { kind, reason, zh: zh.into(), en: en.into(), fields: Vec::new(), metadata: Vec::new() }
    }

    /// Adds a name or a code for machines to act on. Nothing personal.
    #[must_use]
    pub fn about(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

impl std::error::Error for Refusal {}

impl Refuse for Refusal {
    fn refusal(&self) -> Self {
        self.clone()
    }
}

/// `REFUSAL_NOT_IN_FORCE` as it goes over the wire: `NOT_IN_FORCE`.
pub fn reason(name: &'static str) -> &'static str {
    name.strip_prefix("REFUSAL_").unwrap_or(name)
}

/// Details travel in a header, and clients take 16 KiB of headers at most: this many fields fit with their sentences.
const MOST_FIELDS: usize = 12;

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let Refusal { kind, reason, zh, en, mut fields, metadata } = refusal;
        fields.truncate(MOST_FIELDS);
        let mut details: Vec<ErrorDetail> = vec![
            ErrorInfo::new(reason, DOMAIN, metadata.into_iter().collect::<HashMap<_, _>>()).into(),
            LocalizedMessage::new("zh-CN", zh).into(),
            LocalizedMessage::new("en", en.clone()).into(),
        ];
        if !fields.is_empty() {
            let violations: Vec<_> = fields.into_iter().map(FieldViolation::into_detail).collect();
            details.push(BadRequest::new(violations).into());
        }
        Self::with_error_details_vec(kind.code(), en, details)
    }
}

impl FieldViolation {
    fn into_detail(self) -> tonic_types::FieldViolation {
        let description = format!("{}{BETWEEN}{}", self.zh, self.en);
        let mut violation = tonic_types::FieldViolation::new(self.field, description);
        // Clients that know the newer field need not cut the description apart.
        violation.localized_message = Some(LocalizedMessage::new("zh-CN", self.zh));
        violation
    }
}

/// Parts the two languages of a field's description.
const BETWEEN: &str = " / ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_its_reason_its_metadata_and_both_languages() {
        let refusal = Refusal::new(Kind::Precondition, "NOT_IN_FORCE", "医学观察令未生效", "the order is not in force")
            .about("order", "orders/7");
        let status = Status::from(refusal);
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "the order is not in force");
        let spoken = Spoken::from(&status);
        assert_eq!(spoken.reason, "NOT_IN_FORCE");
        assert_eq!(spoken.zh, "医学观察令未生效");
        assert_eq!(spoken.en, "the order is not in force");
        assert_eq!(spoken.metadata.get("order").unwrap(), "orders/7");
    }

    #[test]
    fn reasons_are_the_names_of_the_contract_without_their_prefix() {
        let refusal = proto::registry::v1::Refusal::StaleEtag;
        assert_eq!(reason(refusal.as_str_name()), "STALE_ETAG");
    }

    #[test]
    fn details_stay_within_what_clients_take_in_headers() {
        let mut fields = Fields::new();
        for number in 0..100 {
            fields.refuse(
                format!("person.full_name_{number}"),
                "超过 200 个字符，请缩短这一栏的内容后重新提交",
                "is longer than 200 characters: shorten it and send the request again",
            );
        }
        let headers = fields.done().unwrap_err().into_http::<()>().into_parts().0.headers;
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        assert!(bytes < 12 << 10, "{bytes}");
    }
}
