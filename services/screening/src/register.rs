//! Whether a number is on a person's record: asked of the registry with the caller's own token, since only the registry keeps
//! numbers to look people up by. Without it a clean phone of somebody else could be scanned in place of one's own.

use chassis::{Call, Failure, Kind, Refuse as _, client::Connection, refusal::Spoken};
use proto::registry::v1::{
    FindResidentsRequest, find_residents_request::Key, registry_service_client::RegistryServiceClient,
};
use tonic::{Code, Request, metadata::MetadataMap};

use crate::domain::inquiry::Refused;

/// The way to the registry.
#[derive(Clone)]
pub(crate) struct Register {
    /// One for each of its replicas; any of them answers.
    pub(crate) replicas: Vec<Connection>,
}

/// What a caller's request carries along.
const CARRIED: [&str; 2] = ["authorization", chassis::call::MIN_POSITION];

impl Register {
    /// Refused where the number is not this resident's, or where nobody can say.
    pub(crate) async fn check(
        &self,
        call: &Call,
        metadata: &MetadataMap,
        resident_id: &str,
        number: &str,
    ) -> Result<(), Failure> {
        let mut last = None;
        for replica in &self.replicas {
            let key = Some(Key::Phone(number.to_owned()));
            let mut request = Request::new(FindResidentsRequest { key, ..FindResidentsRequest::default() });
            for name in CARRIED {
                if let Some(value) = metadata.get(name) {
                    request.metadata_mut().insert(name, value.clone());
                }
            }
            let mut registry = RegistryServiceClient::new(replica.at(call.now));
            match registry.find_residents(request).await {
                Ok(found) => {
                    let wanted = format!("residents/{resident_id}");
                    let known = found.into_inner().residents.iter().any(|resident| resident.name == wanted);
                    return if known { Ok(()) } else { Err(refused(Refused::NotOnRecord)) };
                }
                Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                    last = Some(status);
                }
                Err(status) if status.code() == Code::ResourceExhausted => {
                    let Spoken { zh, en, .. } = Spoken::from(&status);
                    return Err(Failure::Refused(chassis::Refusal::new(Kind::Exhausted, "TOO_MANY_REQUESTS", zh, en)));
                }
                Err(status) if status.code() == Code::InvalidArgument => return Err(refused(Refused::NotOnRecord)),
                Err(status) => {
                    let error = anyhow::Error::new(status).context("asking the registry whose number it is");
                    return Err(Failure::Fault(error));
                }
            }
        }
        tracing::warn!(error = ?last.map(|status| status.code()), "the registry cannot be asked whose number it is");
        Err(refused(Refused::RegistryUnavailable))
    }
}

fn refused(refusal: Refused) -> Failure {
    Failure::Refused(refusal.refusal())
}
