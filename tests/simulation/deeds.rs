//! What an office asks for: each request keeps its id until it is answered, is now and then sent twice at once, and every
//! answer is noted, so that afterwards nothing depends on what the services say about themselves.

use prost::Message as _;
use proto::{
    access::v1::Role,
    isolation::v1::{self as isolation, isolation_service_client::IsolationServiceClient},
    pass::v1::{self as pass, pass_service_client::PassServiceClient},
    registry::v1::{self as registry, registry_service_client::RegistryServiceClient},
    screening::v1::{self as screening, screening_service_client::ScreeningServiceClient},
};
use tonic::{Code, Status};

use chassis::client::Connection;

/// Each command that is sent here: its service's log, the client that sends it, and whether it always leaves an event.
macro_rules! commands {
    ($($command:ident: $log:literal, $client:ident::$rpc:ident($request:ty), $always:literal;)*) => {
        /// A command as it is sent.
        #[derive(Clone, Debug)]
        pub(crate) enum Command {
            $($command($request),)*
        }

        impl Command {
            /// The service that it is for.
            pub(crate) fn log(&self) -> &'static str {
                match self { $(Self::$command(_) => $log,)* }
            }

            pub(crate) fn name(&self) -> &'static str {
                match self { $(Self::$command(_) => stringify!($command),)* }
            }

            pub(crate) fn request_id(&self) -> &str {
                match self { $(Self::$command(request) => &request.request_id,)* }
            }

            /// The same under another id.
            pub(crate) fn with_id(mut self, request_id: String) -> Self {
                match &mut self { $(Self::$command(request) => request.request_id = request_id,)* }
                self
            }

            /// Whether there is an event of it whatever was there before.
            pub(crate) fn always_an_event(&self) -> bool {
                match self { $(Self::$command(_) => $always,)* }
            }

            /// Sends it once; the answer as it was encoded.
            pub(crate) async fn send(&self, by: Connection, around: Around<'_>) -> Result<Vec<u8>, Status> {
                match self {
                    $(Self::$command(request) => {
                        let answer = $client::new(by).$rpc(around.put(request.clone())).await?;
                        Ok(answer.into_inner().encode_to_vec())
                    })*
                }
            }
        }

        $(impl From<$request> for Command {
            fn from(request: $request) -> Self {
                Self::$command(request)
            }
        })*
    };
}

commands! {
    CreateNeighbourhood: "registry", RegistryServiceClient::create_neighbourhood(registry::CreateNeighbourhoodRequest), true;
    CreateCompound: "registry", RegistryServiceClient::create_compound(registry::CreateCompoundRequest), true;
    AddGate: "registry", RegistryServiceClient::add_gate(registry::AddGateRequest), true;
    CreateHousehold: "registry", RegistryServiceClient::create_household(registry::CreateHouseholdRequest), true;
    CreateResident: "registry", RegistryServiceClient::create_resident(registry::CreateResidentRequest), true;
    MoveOut: "registry", RegistryServiceClient::move_out_resident(registry::MoveOutResidentRequest), true;
    DraftMethod: "screening", ScreeningServiceClient::draft_method(screening::DraftMethodRequest), true;
    ApproveMethod: "screening", ScreeningServiceClient::approve_method(screening::ApproveMethodRequest), true;
    PublishMethod: "screening", ScreeningServiceClient::publish_method(screening::PublishMethodRequest), true;
    OpenCase: "screening", ScreeningServiceClient::open_case(screening::OpenCaseRequest), true;
    Declare: "screening", ScreeningServiceClient::declare(screening::DeclareRequest), true;
    RecordItinerary: "screening", ScreeningServiceClient::record_itinerary(screening::RecordItineraryRequest), true;
    Dispute: "screening", ScreeningServiceClient::dispute_case(screening::DisputeCaseRequest), true;
    Resolve: "screening", ScreeningServiceClient::resolve_dispute(screening::ResolveDisputeRequest), true;
    IssuePass: "pass", PassServiceClient::issue_pass(pass::IssuePassRequest), false;
    SuspendPass: "pass", PassServiceClient::suspend_pass(pass::SuspendPassRequest), false;
    ReinstatePass: "pass", PassServiceClient::reinstate_pass(pass::ReinstatePassRequest), false;
    RecordCrossing: "pass", PassServiceClient::record_crossing(pass::RecordCrossingRequest), true;
    ProposeOrder: "isolation", IsolationServiceClient::propose_order(isolation::ProposeOrderRequest), true;
    ApproveOrder: "isolation", IsolationServiceClient::approve_order(isolation::ApproveOrderRequest), false;
    Observe: "isolation", IsolationServiceClient::record_observation(isolation::RecordObservationRequest), false;
    Release: "isolation", IsolationServiceClient::release(isolation::ReleaseRequest), false;
}

impl Command {
    /// What must be in the answer however late the request comes again. The reasons of a verdict are never stored with it:
    /// they go along as long as the case is as the answer says.
    pub(crate) fn lasting(&self, answer: &[u8]) -> Vec<u8> {
        let of_a_case = matches!(
            self,
            Self::OpenCase(_) | Self::Declare(_) | Self::RecordItinerary(_) | Self::Dispute(_) | Self::Resolve(_)
        );
        if !of_a_case {
            return answer.to_vec();
        }
        let mut case = screening::Case::decode(answer).unwrap();
        if let Some(verdict) = &mut case.verdict {
            verdict.reasons = None;
        }
        case.encode_to_vec()
    }
}

/// What goes along with a request: how long it may take, and what its answer must have seen.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) seen: &'a str,
}

impl Around<'_> {
    pub(crate) fn put<T>(self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(std::time::Duration::from_secs(3));
        if !self.seen.is_empty() {
            request.metadata_mut().insert(chassis::call::MIN_POSITION, self.seen.parse().unwrap());
        }
        request
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Officer,
    Director,
    Worker,
    Health,
    Guard,
    Operator,
}

impl Who {
    /// Subject, role and unit; the unit of the neighbourhood's own is empty here.
    pub(crate) fn person(self) -> (&'static str, Role, &'static str) {
        match self {
            Self::Officer => ("staff/officer", Role::Officer, "subdistrict"),
            Self::Director => ("staff/director", Role::Director, ""),
            Self::Worker => ("staff/worker", Role::Worker, ""),
            Self::Health => ("staff/health", Role::Health, "health"),
            Self::Guard => ("device/1", Role::Guard, ""),
            Self::Operator => ("staff/operator", Role::Administrator, "subdistrict"),
        }
    }
}

/// A command, by whom and for when.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) who: Who,
    pub(crate) at: &'static str,
    pub(crate) command: Command,
}

/// What was sent and what came back.
#[derive(Default)]
pub(crate) struct Book {
    /// Each with its answer, or with the reason why it was refused.
    pub(crate) entries: Vec<(Deed, Result<Vec<u8>, String>)>,
    /// Tries that ended without an answer.
    pub(crate) in_doubt: u32,
    /// What should never be answered.
    pub(crate) complaints: Vec<String>,
}

/// Whether nobody answered, so that the same request may be sent again.
pub(crate) fn unanswered(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted)
}
