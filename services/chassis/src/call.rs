//! Who calls, from where, and as which command. The access layer puts the caller into the request; nothing behind it looks
//! at a token again.

use std::{collections::BTreeMap, fmt, sync::Arc};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use prost::{Message, Name};
use proto::access::v1::Role;
use sha2::Sha256;
use tonic::{Request, Status};
use uuid::{Uuid, Version};

use crate::{Fields, refusal};

/// Positions by log: what a caller has seen, or what a reader must have seen.
pub type Positions = BTreeMap<String, u64>;

/// Metadata key of a command's answer: `registry=12`, where its effect stands in the log.
pub const POSITION: &str = "mf-position";
/// Metadata key of a request: `registry=12,screening=7`, which the answer must have seen.
pub const MIN_POSITION: &str = "mf-min-position";

/// Somebody whose token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// "staff/7", "device/3", "reaction/pass".
    pub subject: String,
    pub role: Role,
    /// Second signatures come from another unit than the first.
    pub unit: String,
    pub scope: Scope,
}

impl Principal {
    /// Who comes without a token, where none is asked for.
    pub fn nobody() -> Self {
        Self { subject: "anybody".to_owned(), role: Role::Unspecified, unit: String::new(), scope: Scope::Nobody }
    }
}

/// Whose records somebody may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    Everywhere,
    /// The neighbourhood's id.
    Neighbourhood(String),
    Gate {
        neighbourhood: String,
        compound: String,
        gate: String,
    },
    /// The resident's id.
    Own {
        neighbourhood: String,
        resident: String,
    },
    Nobody,
}

impl Scope {
    /// Whether a record of this neighbourhood is within reach. Records of the subdistrict have no neighbourhood.
    pub fn allows(&self, neighbourhood: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Neighbourhood(own) | Self::Gate { neighbourhood: own, .. } | Self::Own { neighbourhood: own, .. } => {
                own == neighbourhood
            }
            Self::Nobody => false,
        }
    }

    /// The one neighbourhood that a query is bound to; `None` where it is bound to none. Ask `allows` for a single record:
    /// `Nobody` is bound to a neighbourhood that cannot exist.
    pub fn neighbourhood(&self) -> Option<&str> {
        match self {
            Self::Everywhere => None,
            Self::Neighbourhood(own) | Self::Gate { neighbourhood: own, .. } | Self::Own { neighbourhood: own, .. } => {
                Some(own)
            }
            Self::Nobody => Some("\u{0}"),
        }
    }
}

/// When the request is taken to happen: the clock's time, or on a demonstration server the time that the story says.
#[derive(Clone, Copy, Debug)]
pub struct RequestTime(pub DateTime<Utc>);

/// Makes fingerprints of commands. Keyed, so that a stored fingerprint gives nothing away about a short content.
#[derive(Clone)]
pub struct Fingerprinter(Arc<[u8; 32]>);

impl Fingerprinter {
    pub fn new(key: [u8; 32]) -> Self {
        Self(Arc::new(key))
    }

    fn fingerprint(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&*self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter")
    }
}

/// One request, as decisions and queries see it.
#[derive(Clone, Debug)]
pub struct Call {
    pub principal: Principal,
    pub now: DateTime<Utc>,
    /// The client's request id; empty for a query.
    pub command_id: String,
    pub fingerprint: [u8; 32],
    pub correlation_id: String,
    pub causation_id: String,
    pub traceparent: String,
    /// What the answer must have seen.
    pub after: Positions,
    fingerprinter: Fingerprinter,
}

impl Call {
    /// A request that changes nothing.
    pub fn query<T>(request: &Request<T>) -> Result<Self, Status> {
        let extensions = request.extensions();
        let (Some(principal), Some(RequestTime(now)), Some(fingerprinter)) = (
            extensions.get::<Principal>().cloned(),
            extensions.get::<RequestTime>().copied(),
            extensions.get::<Fingerprinter>().cloned(),
        ) else {
            return Err(Status::internal("the request did not pass the access layer"));
        };
        Ok(Self {
            principal,
            now,
            command_id: String::new(),
            fingerprint: [0; 32],
            correlation_id: String::new(),
            causation_id: String::new(),
            traceparent: crate::telemetry::traceparent_of_current(),
            after: positions(request)?,
            fingerprinter,
        })
    }

    /// A request that may change something: its id makes it safe to send again.
    pub fn command<T: Message + Name>(request: &Request<T>, request_id: &str) -> Result<Self, Status> {
        let mut fields = Fields::new();
        let legible = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        fields.check(
            "request_id",
            (8..=64).contains(&request_id.len()) && request_id.chars().all(legible),
            "必须由客户端为每个意图生成一个 8 到 64 位的标识（字母、数字、- _ . :），重试时不变，例如 UUID",
            "must be an id of 8 to 64 letters, digits or - _ . :, made by the client for each intention and kept over retries, for example a UUID",
        );
        fields.done()?;
        let mut call = Self::query(request)?;
        let content = request.get_ref().encode_to_vec();
        call.fingerprint =
            call.fingerprinter.fingerprint(&[T::full_name().as_bytes(), call.principal.subject.as_bytes(), &content]);
        request_id.clone_into(&mut call.command_id);
        request_id.clone_into(&mut call.correlation_id);
        Ok(call)
    }

    /// What a reaction does about a record: its id derives from the record, so that redelivery is absorbed.
    pub(crate) fn reaction(consumer: &str, record: &crate::Record, fingerprinter: &Fingerprinter) -> Self {
        let command_id = format!("{consumer}:{}:{}", record.log_id, record.position);
        Self {
            principal: Principal {
                subject: format!("reaction/{}", consumer.split('/').next().unwrap_or(consumer)),
                role: Role::Service,
                unit: String::new(),
                scope: Scope::Everywhere,
            },
            now: record.occurred_at.as_ref().and_then(crate::instant).unwrap_or_default(),
            fingerprint: fingerprinter.fingerprint(&[command_id.as_bytes()]),
            command_id,
            correlation_id: record.correlation_id.clone(),
            causation_id: record.event_id.clone(),
            traceparent: record.traceparent.clone(),
            after: Positions::new(),
            fingerprinter: fingerprinter.clone(),
        }
    }

    /// What a service does when its time has come, and nobody asks for it.
    pub fn by_itself(service: &str, now: DateTime<Utc>, command_id: &str) -> Self {
        let principal = Principal {
            subject: format!("reaction/{service}"),
            role: Role::Service,
            unit: String::new(),
            scope: Scope::Everywhere,
        };
        Self::by(principal, now, command_id)
    }

    /// A call that comes from no request.
    pub fn by(principal: Principal, now: DateTime<Utc>, command_id: &str) -> Self {
        let fingerprinter = Fingerprinter::new([7; 32]);
        Self {
            principal,
            now,
            command_id: command_id.to_owned(),
            fingerprint: fingerprinter.fingerprint(&[command_id.as_bytes()]),
            correlation_id: command_id.to_owned(),
            causation_id: String::new(),
            traceparent: String::new(),
            after: Positions::new(),
            fingerprinter,
        }
    }

    /// A further command within this one, with an id of its own that is the same on every retry.
    pub fn derive(&self, part: impl fmt::Display) -> Self {
        let part = part.to_string();
        Self {
            command_id: format!("{}/{part}", self.command_id),
            fingerprint: self.fingerprinter.fingerprint(&[&self.fingerprint, part.as_bytes()]),
            ..self.clone()
        }
    }

    /// The id of something that this command makes, the same on every retry. It begins with the time with which the
    /// command's id begins, if that is one of a time: what is made together stands together in every index.
    pub fn id(&self, what: &str) -> String {
        let name = format!("{}\n{}\n{what}", self.principal.subject, self.command_id);
        let named = Uuid::new_v5(&NAMESPACE, name.as_bytes());
        let command = self.command_id.get(..UUID).and_then(|id| Uuid::parse_str(id).ok());
        let Some(command) = command.filter(|id| id.get_version() == Some(Version::SortRand)) else {
            return named.to_string();
        };
        let mut bytes = named.into_bytes();
        bytes[..TIME].copy_from_slice(&command.as_bytes()[..TIME]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
    }
}

/// A random UUID of our own, under which derived ids are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d69_6665_6e67_4a5d_9c3e_b1a8_0f52_77e4);

/// Letters of a UUID, and bytes of the time with which one of version 7 begins.
const UUID: usize = 36;
const TIME: usize = 6;

fn positions<T>(request: &Request<T>) -> Result<Positions, Status> {
    let Some(value) = request.metadata().get(MIN_POSITION) else { return Ok(Positions::new()) };
    value.to_str().ok().and_then(parse_positions).ok_or_else(|| {
        refusal::Refusal::new(
            refusal::Kind::Invalid,
            "POSITION_INVALID",
            format!("元数据 {MIN_POSITION} 的格式应为 registry=12,screening=7"),
            format!("the metadata {MIN_POSITION} must look like registry=12,screening=7"),
        )
        .into()
    })
}

/// `registry=12,screening=7`
pub fn parse_positions(text: &str) -> Option<Positions> {
    let mut positions = Positions::new();
    for entry in text.split(',').filter(|entry| !entry.trim().is_empty()) {
        let (log, position) = entry.trim().split_once('=')?;
        positions.insert(log.to_owned(), position.parse().ok()?);
    }
    Some(positions)
}

#[cfg(test)]
mod tests;
