//! When a resident is erased, then their key is destroyed; when it is known who the people found by a visit are, the key of the
//! note about them. Whoever does either destroys it before answering; this holds when that is cut short, and for a log that was
//! brought back from a backup.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::{Call, Failure, Reaction, Record, Vault};
use proto::{
    Fact as _,
    registry::v1::{resident_event::Event, visits_event},
};

use crate::names::Names;

pub(crate) struct Erasure {
    pub(crate) vault: Vault,
    pub(crate) names: Arc<Names>,
}

#[async_trait]
impl Reaction for Erasure {
    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn react(&self, record: &Record, _: &Call) -> Result<(), Failure> {
        if record.category == visits_event::Event::CATEGORY {
            return self.resolved(record).await;
        }
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        match Event::from_payload(&record.payload).map_err(|error| Failure::Fault(error.into()))? {
            Event::Erased(_) => {
                self.vault.destroy(&record.stream_id).await?;
                self.names.forget(&record.stream_id).await;
                Ok(())
            }
            Event::Registered(_)
            | Event::MovedOut(_)
            | Event::Revealed(_)
            | Event::Corrected(_)
            | Event::Merged(_)
            | Event::Unmerged(_) => Ok(()),
        }
    }
}

impl Erasure {
    async fn resolved(&self, record: &Record) -> Result<(), Failure> {
        match visits_event::Event::from_payload(&record.payload).map_err(|error| Failure::Fault(error.into()))? {
            visits_event::Event::OccupantsResolved(resolved) if resolved.last => {
                self.vault.destroy(&resolved.visit_id).await
            }
            visits_event::Event::OccupantsResolved(_) | visits_event::Event::Visited(_) => Ok(()),
        }
    }
}
