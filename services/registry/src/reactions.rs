//! When a resident is erased, then their key is destroyed. The one who erases destroys it before answering; this holds when
//! that is cut short, and for a log that was brought back from a backup.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::{Call, Failure, Reaction, Record, Vault};
use proto::{Fact as _, registry::v1::resident_event::Event};

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
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        match Event::from_payload(&record.payload).map_err(|error| Failure::Fault(error.into()))? {
            Event::Erased(_) => {
                self.vault.destroy(&record.stream_id).await?;
                self.names.forget(&record.stream_id).await;
                Ok(())
            }
            Event::Registered(_) | Event::MovedOut(_) | Event::Revealed(_) => Ok(()),
        }
    }
}
