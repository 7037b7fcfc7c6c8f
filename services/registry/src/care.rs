//! How volunteers stand, asked of isolation with the caller's own token: it follows the verdicts and keeps the needs. The registry
//! follows no other log: it must stand when all others are away, and then nobody is called cleared.

use chassis::{Call, client::Connection};
use proto::isolation::v1::{ListVolunteerStandingsRequest, VolunteerStanding, need_service_client::NeedServiceClient};
use tonic::{Code, Request, Status, metadata::MetadataMap};

/// The way to isolation.
#[derive(Clone)]
pub(crate) struct Care {
    /// One for each of its replicas; any of them answers.
    pub(crate) replicas: Vec<Connection>,
}

/// What a caller's request carries along.
const CARRIED: [&str; 2] = ["authorization", chassis::call::MIN_POSITION];

impl Care {
    /// `None` where nobody can say.
    pub(crate) async fn standings(
        &self,
        call: &Call,
        metadata: &MetadataMap,
        volunteers: Vec<String>,
    ) -> Result<Option<Vec<VolunteerStanding>>, Status> {
        if volunteers.is_empty() {
            return Ok(Some(Vec::new()));
        }
        for replica in &self.replicas {
            let asked = ListVolunteerStandingsRequest { volunteers: volunteers.clone() };
            let mut request = Request::new(asked);
            for name in CARRIED {
                if let Some(value) = metadata.get(name) {
                    request.metadata_mut().insert(name, value.clone());
                }
            }
            match NeedServiceClient::new(replica.at(call.now)).list_volunteer_standings(request).await {
                Ok(found) => return Ok(Some(found.into_inner().standings)),
                Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                    tracing::warn!(code = ?status.code(), "isolation cannot be asked how volunteers stand");
                }
                Err(status) => return Err(status),
            }
        }
        Ok(None)
    }
}
