//! Who has moved out: nobody judges them again, and no dry run counts them. They come back under a record of their own.

use async_trait::async_trait;
use chassis::{Projection, Record, Tables};
use proto::{Fact as _, registry::v1::resident_event::Event};

pub struct Departed;

#[async_trait]
impl Projection for Departed {
    fn name(&self) -> &'static str {
        "departed"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE departed (resident_id TEXT NOT NULL PRIMARY KEY)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        match Event::from_payload(&record.payload)? {
            Event::MovedOut(_) => tables.put("departed", [("resident_id", record.stream_id.clone().into())]).await,
            Event::Registered(_)
            | Event::Revealed(_)
            | Event::Erased(_)
            | Event::Corrected(_)
            | Event::Merged(_)
            | Event::Unmerged(_) => Ok(()),
        }
    }
}
