//! The contract: messages, services and events as the services and the offices speak them, and the one table that says
//! of every RPC who may call it, how long it may take and how much it may carry.

/// The table of RPCs: roles, deadlines, sizes, rate classes.
pub mod rpcs;
/// The text of a method that everybody can check.
pub mod canonical;

/// Records as they stand in a log, and the service that hands them out.
pub mod event {
    pub mod v1 {
        #![expect(clippy::allow_attributes, clippy::pedantic, reason = "generated")]
        tonic::include_proto!("event.v1");
    }
}
/// Roles and tokens.
pub mod access {
    pub mod v1 {
        #![expect(clippy::allow_attributes, clippy::pedantic, reason = "generated")]
        tonic::include_proto!("access.v1");
    }
}
pub mod registry {
    pub mod v1 {
        #![expect(clippy::allow_attributes, clippy::pedantic, reason = "generated")]
        tonic::include_proto!("registry.v1");
    }
}
pub mod screening {
    pub mod v1 {
        #![expect(clippy::allow_attributes, clippy::large_enum_variant, clippy::pedantic, reason = "generated")]
        tonic::include_proto!("screening.v1");
    }
}
pub mod pass {
    pub mod v1 {
        #![expect(clippy::allow_attributes, clippy::large_enum_variant, clippy::pedantic, reason = "generated")]
        tonic::include_proto!("pass.v1");
    }
}
pub mod isolation {
    pub mod v1 {
        #![expect(clippy::allow_attributes, clippy::pedantic, reason = "generated")]
        tonic::include_proto!("isolation.v1");
    }
}
pub mod command {
    pub mod v1 {
        #![expect(clippy::allow_attributes, clippy::large_enum_variant, clippy::pedantic, reason = "generated")]
        tonic::include_proto!("command.v1");
    }
}

/// All messages and services, for reflection and for tests that walk the contract.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The events of one aggregate, as they go into the log and come out of it.
pub trait Fact: Sized + Clone + Send + Sync + 'static {
    /// The service whose log holds them.
    const LOG: &'static str;
    /// The kind of aggregate: its field in the service's event message.
    const CATEGORY: &'static str;
    /// "<category>.<event>".
    fn type_name(&self) -> &'static str;
    /// The service's event message, encoded. These bytes are stored and relayed, and never encoded again.
    fn to_payload(&self) -> Vec<u8>;
    /// The event in a payload of this category.
    fn from_payload(payload: &[u8]) -> Result<Self, UnreadableFact>;
}

/// Why a payload is no event of this aggregate.
#[derive(Debug)]
pub enum UnreadableFact {
    /// Not the bytes of a message.
    Garbled(prost::DecodeError),
    /// A message, but of another aggregate or of a newer version than this reader knows.
    Unknown(&'static str),
}

impl From<prost::DecodeError> for UnreadableFact {
    fn from(error: prost::DecodeError) -> Self {
        Self::Garbled(error)
    }
}

impl std::fmt::Display for UnreadableFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Garbled(_) => f.write_str("the payload is not a readable message"),
            Self::Unknown(category) => write!(f, "the payload is no {category} event that this version knows"),
        }
    }
}

impl std::error::Error for UnreadableFact {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Garbled(error) => Some(error),
            Self::Unknown(_) => None,
        }
    }
}

/// What `build.rs` has written.
mod facts {
    #![expect(clippy::clone_on_copy, reason = "generated for every event, also for those that hold nothing but a time")]
    include!(concat!(env!("OUT_DIR"), "/facts.rs"));
}

/// Personal messages say what they are and nothing of what they hold, so that no log line and no panic can leak a person.
macro_rules! redacted {
    ($($message:ty),* $(,)?) => {$(
        impl std::fmt::Debug for $message {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($message), "(redacted)"))
            }
        }
    )*};
}

redacted!(
    access::v1::ClaimAdministratorRequest,
    access::v1::Token,
    isolation::v1::AcknowledgeRequest,
    isolation::v1::Observation,
    isolation::v1::ProposeChangeRequest,
    isolation::v1::Reading,
    isolation::v1::AskForHelpRequest,
    isolation::v1::DonateRequest,
    isolation::v1::Donation,
    isolation::v1::Giver,
    isolation::v1::Need,
    isolation::v1::NeedNote,
    isolation::v1::RecordObservationRequest,
    isolation::v1::Remark,
    isolation::v1::ReportObservationRequest,
    isolation::v1::ReportSightingRequest,
    isolation::v1::ReportingCode,
    isolation::v1::Vitals,
    pass::v1::Phone,
    pass::v1::Enrolment,
    pass::v1::EnrolDeviceRequest,
    pass::v1::Gate,
    registry::v1::CorrectResidentRequest,
    registry::v1::EnrolStaffRequest,
    registry::v1::FlagKeyPersonRequest,
    registry::v1::FindResidentsRequest,
    registry::v1::find_residents_request::Key,
    registry::v1::IdentityDocument,
    registry::v1::ImportHouseholdsRequest,
    registry::v1::ImportPlacesRequest,
    registry::v1::KeyPerson,
    registry::v1::KeyReasons,
    registry::v1::Landlord,
    registry::v1::OccupantsNote,
    registry::v1::Person,
    registry::v1::Phones,
    registry::v1::Return,
    registry::v1::RecordVisitRequest,
    registry::v1::Thanks,
    registry::v1::UnknownOccupants,
    screening::v1::Declaration,
    screening::v1::DeclaredStay,
    screening::v1::DeclineOverrideRequest,
    screening::v1::Dispute,
    screening::v1::DisputeCaseRequest,
    screening::v1::Escalation,
    screening::v1::Explanation,
    screening::v1::Itinerary,
    screening::v1::JudgedVisit,
    screening::v1::Override,
    screening::v1::Proof,
    screening::v1::ProposeOverrideRequest,
    screening::v1::Reasons,
    screening::v1::ResolveDisputeRequest,
    screening::v1::Statement,
    screening::v1::Evidence,
    screening::v1::ListEvidenceResponse,
    screening::v1::Page,
    screening::v1::Paper,
    screening::v1::Permission,
    screening::v1::Attestation,
    screening::v1::RecordEvidenceRequest,
    screening::v1::RequestCodeRequest,
    screening::v1::ScanNumberRequest,
    screening::v1::Ticket,
    screening::v1::paper::Paper,
    screening::v1::record_evidence_request::Content,
    screening::v1::Visit,
);
